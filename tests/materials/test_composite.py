"""Composite voxels: exact laminates, pure phases, voids, discs against a multipole series, derivatives."""

import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from disc_array import disc_array_conductivity

import jaxhomog as jh
from jaxhomog.messages import mandel_pairs, symmetric_matrix, upper_triangle
from jaxhomog.microstructure import interface_normal
from jaxhomog.microstructure._plane_cut import fraction_below

STIFF, SOFT, VOID = (jh.LinearElastic.isotropic(*p) for p in ((50.0, 0.2), (3.0, 0.35), (0.0, 0.3)))
GOOD, BAD = jh.LinearConduction(10.0), jh.LinearConduction(1.0)


def matrices(response):
    """Tensors of all voxels, (*shape, n, n)."""
    if hasattr(response, "k"):
        return np.asarray(symmetric_matrix(response.k, mandel_pairs(response.dim)))
    return np.asarray(symmetric_matrix(response.c, upper_triangle(6 if response.dim == 3 else 3)))


@eqx.filter_jit
def respond(law):
    """The law's response in double precision."""
    return law.response(law.fraction.shape, jnp.float64)


@eqx.filter_jit
@eqx.filter_grad
def sum_slopes(law):
    """Derivatives of the sum of all moduli by all parameters of the law."""
    return sum(jnp.sum(x) for x in jax.tree.leaves(respond(law)))


def backus(f, inside, outside, axis, dim):
    """Mandel stiffness of isotropic layers normal to `axis`: Backus (1962), J. Geophys. Res. 67, 4427, eq. (13)."""
    e, v = (np.asarray([law.parameters[k] for law in (inside, outside)]) for k in ("young", "poisson"))
    lam, mu = e * v / ((1 + v) * (1 - 2 * v)), e / (2 * (1 + v))
    mean = lambda x: f * x[0] + (1 - f) * x[1]  # noqa: E731
    m = lam + 2 * mu
    across = 1 / mean(1 / m)
    coupled = across * mean(lam / m)
    c = np.zeros((dim, dim))
    for i in range(dim):
        for j in range(dim):
            if i == axis and j == axis:
                c[i, j] = across
            elif axis in (i, j):
                c[i, j] = coupled
            else:
                c[i, j] = across * mean(lam / m) ** 2 + mean((4 * mu * (lam + mu) if i == j else 2 * lam * mu) / m)
    pairs = mandel_pairs(dim)
    out = np.zeros((len(pairs), len(pairs)))
    out[:dim, :dim] = c
    for n, pair in enumerate(pairs[dim:], dim):
        out[n, n] = 2 * (1 / mean(1 / mu) if axis in pair else mean(mu))
    return out


LAYERS = [("conduction", 0, (7, 2)), ("elasticity", 1, (2, 6))]
LAYERS += [pytest.param("conduction", 2, (1, 1, 5), marks=pytest.mark.slow)]
LAYERS += [pytest.param("elasticity", 2, (1, 1, 5), marks=pytest.mark.slow)]


@pytest.mark.parametrize("physics, axis, shape", LAYERS)
def test_layers_that_end_inside_voxels_are_exact(physics, axis, shape):
    dim, thickness = len(shape), 0.437
    grid = jh.Grid(shape, (1.0,) * dim)
    edges = np.where(np.arange(dim) == axis, thickness, 1.0)
    f = jh.volume_fraction(grid, jh.shapes.Box((0.41,) * dim, edges))
    inside, outside = (GOOD, BAD) if physics == "conduction" else (STIFF, SOFT)
    law = jh.CompositeVoxels(f, inside, outside)
    got = np.asarray(jh.homogenize(grid, law, tolerance=1e-12).value.effective)
    if physics == "conduction":
        expected = np.eye(dim) * (10 * thickness + 1 - thickness)
        expected[axis, axis] = 1 / (thickness / 10 + 1 - thickness)
    else:
        expected = backus(thickness, inside, outside, axis, dim)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dim", [2, 3])
def test_laminate_turns_with_its_normal(dim):
    """The voxel's tensor with a turned normal is the turned tensor of the layers along an axis."""
    q = np.linalg.qr(np.random.default_rng(3).normal(size=(dim, dim)))[0]
    shape = (1,) * dim
    normal = np.broadcast_to(1.7 * q[:, 0], (*shape, dim))
    law = jh.CompositeVoxels(np.full(shape, 0.3), STIFF, SOFT, normal=normal)
    got = matrices(respond(law)).reshape(2 * (dim * (dim + 1) // 2,))
    expected = jh.tensors.rotate_stiffness(backus(0.3, STIFF, SOFT, 0, dim), q)
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)
    k = matrices(respond(jh.CompositeVoxels(np.full(shape, 0.3), GOOD, BAD, normal=normal)))
    across, along = 1 / (0.3 / 10 + 0.7), 3.7
    expected = along * np.eye(dim) + (across - along) * np.outer(q[:, 0], q[:, 0])
    np.testing.assert_allclose(k.reshape(dim, dim), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rule", ["laminate", "arithmetic", "harmonic"])
@pytest.mark.parametrize("pair", [(STIFF, SOFT), (VOID, SOFT), (SOFT, VOID), (VOID, VOID), (GOOD, BAD)])
def test_pure_voxels_are_their_phase_and_voids_are_finite(rule, pair):
    f = np.zeros((4, 3, 2))
    f[1], f[2] = 1.0, np.linspace(0.1, 0.9, 6).reshape(3, 2)
    law = jh.CompositeVoxels(f, *pair, rule=rule)
    response = respond(law)
    pure = [law.response(f.shape, jnp.float64) for law in pair]
    rows = range(3 if hasattr(pure[0], "mu") else 1)
    gradient = {(c, k): jnp.full(f.shape, 0.3 + c - 2 * k) for c in rows for k in range(3)}
    for voxels, phase in ((f == 1, pure[0]), (f == 0, pure[1])):
        for key, value in phase.flux(gradient).items():
            np.testing.assert_allclose(response.flux(gradient)[key][voxels], value[voxels], rtol=1e-14, atol=1e-14)
    assert bool(response.valid())

    slopes = sum_slopes(law)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(slopes))


def test_a_laminate_with_a_void_has_no_stiffness_across():
    shape = (1, 1, 1)
    n = np.broadcast_to([0.0, 0.6, 0.8], (*shape, 3))
    c = matrices(respond(jh.CompositeVoxels(np.full(shape, 0.4), SOFT, VOID, normal=n)))[0, 0, 0]
    values = np.linalg.eigvalsh(c)
    assert np.all(np.abs(values[:3]) < 1e-12) and np.all(values[3:] > 0.1)


def test_means_order_the_rules():
    """Arithmetic >= laminate >= harmonic, as tensors (2-D: the harmonic mean is that of plane strain)."""
    shape = (1, 1)
    n = np.broadcast_to([0.6, 0.8], (*shape, 2))

    def tensor(rule, pair):
        r = respond(jh.CompositeVoxels(np.full(shape, 0.4), *pair, rule=rule, normal=n))
        return np.asarray(r.mean())

    for pair in ((STIFF, SOFT), (GOOD, BAD)):
        upper, middle, lower = (tensor(rule, pair) for rule in ("arithmetic", "laminate", "harmonic"))
        assert np.linalg.eigvalsh(upper - middle).min() > -1e-12
        assert np.linalg.eigvalsh(middle - lower).min() > -1e-12


@pytest.mark.slow
@pytest.mark.parametrize("physics", ["conduction", "elasticity"])
def test_oblique_layers_converge(physics):
    """Layers normal to (2, 1): first order or better, with normals found from the fractions alone."""
    direction, f = np.asarray([2.0, 1.0]), 0.4
    turn = np.asarray([[2.0, -1.0], [1.0, 2.0]]) / np.sqrt(5)
    inside, outside = (GOOD, BAD) if physics == "conduction" else (STIFF, SOFT)
    if physics == "conduction":
        exact = turn @ np.diag([1 / (f / 10 + 1 - f), 10 * f + 1 - f]) @ turn.T
    else:
        exact = np.asarray(jh.tensors.rotate_stiffness(backus(f, inside, outside, 0, 2), turn))
    errors = []
    for n in (12, 24):
        centre = (np.arange(n) + 0.5) / n
        s = direction[0] * centre[:, None] + direction[1] * centre[None, :] + 0.13
        gap = s - np.round(s)
        slopes = np.broadcast_to(direction / n, (n, n, 2)) * np.sign(gap)[..., None]
        fraction = fraction_below(jnp.asarray(f / 2 - np.abs(gap)), jnp.asarray(slopes))
        grid = jh.Grid((n, n), (1.0, 1.0))
        law = jh.CompositeVoxels(fraction, inside, outside)
        got = np.asarray(jh.homogenize(grid, law, element="q1r", tolerance=1e-7).value.effective)
        errors.append(np.linalg.norm(got - exact) / np.linalg.norm(exact))
    order = np.log2(errors[0] / errors[-1])
    assert order >= 0.9, errors
    assert errors[-1] < 3e-2, errors


# Radii of area fractions 0.3 and 0.5, conductivities over the matrix's: values of the project's reference collection.
SERIES = {(0.3, 10.0): 1.652036011082, (0.5, 50.0): 2.914593978318, (0.7, 0.0): 0.1345404422225}


@pytest.mark.parametrize("case", SERIES)
def test_the_series_has_the_collected_values(case):
    assert disc_array_conductivity(np.sqrt(case[0] / np.pi), case[1], 25) == pytest.approx(SERIES[case], rel=2e-10)


def disc(n, radius, ratio, rule="laminate"):
    grid = jh.Grid((n, n), (1.0, 1.0))
    f = jh.volume_fraction(grid, jh.shapes.Sphere((0.5, 0.5), radius))
    return grid, jh.CompositeVoxels(f, jh.LinearConduction(ratio), BAD, rule)


def rotated_inverse(law, shape):
    """Conductivity of the dual problem, R K^-1 R^T: its effective tensor is R K_eff^-1 R^T (Keller; Mendelson)."""
    k = matrices(respond(law))
    turn = np.asarray([[0.0, -1.0], [1.0, 0.0]])
    return jh.LinearConduction.tensor(turn @ np.linalg.inv(k) @ turn.T)


@pytest.mark.slow
@pytest.mark.parametrize("f, ratio, bar", [(0.3, 10.0, 1e-3), (0.5, 50.0, 2e-3)])
def test_discs_by_laminate_voxels(f, ratio, bar):
    """One-point elements and the dual of q1 agree with the series on 32 voxels an edge; whole voxels are far off."""
    exact = disc_array_conductivity(np.sqrt(f / np.pi), ratio)
    grid, law = disc(32, np.sqrt(f / np.pi), ratio)
    one = lambda law, e: float(jh.homogenize(grid, law, element=e).value.effective[0, 0])  # noqa: E731
    reduced = one(law, "q1r") / exact - 1
    dual = 1 / one(rotated_inverse(law, grid.shape), "q1") / exact - 1
    whole = one(jh.PhaseMixture(np.asarray(law.fraction > 0.5), {1: law.inside, 0: law.outside}), "q1") / exact - 1
    assert abs(reduced) < bar and abs(dual) < 1e-3, (reduced, dual)
    assert abs(whole) > 4 * abs(reduced), (whole, reduced)


@pytest.mark.slow
def test_holes_by_the_arithmetic_mean():
    exact = disc_array_conductivity(np.sqrt(0.3 / np.pi), 0.0)
    grid, law = disc(32, np.sqrt(0.3 / np.pi), 0.0, "arithmetic")
    got = float(jh.homogenize(grid, law).value.effective[0, 0])
    assert got == pytest.approx(exact, rel=1e-2)


def test_disc_and_derivative_by_the_radius():
    radius, ratio = np.sqrt(0.3 / np.pi), 10.0
    exact = (disc_array_conductivity(radius + 1e-4, ratio) - disc_array_conductivity(radius - 1e-4, ratio)) / 2e-4

    @jax.jit
    @jax.value_and_grad
    def conductivity(r):
        return jh.homogenize(*disc(32, r, ratio), element="q1r", tolerance=1e-10).value.effective[0, 0]

    value, got = conductivity(radius)
    assert float(value) == pytest.approx(disc_array_conductivity(radius, ratio), rel=1e-3)
    assert float(got) == pytest.approx(exact, rel=1e-2)
    step = 1e-5
    difference = (conductivity(radius + step)[0] - conductivity(radius - step)[0]) / (2 * step)
    assert float(got) == pytest.approx(float(difference), rel=1e-4)


def test_derivatives_by_the_moduli_and_the_fraction():
    rng = np.random.default_rng(5)
    f, normal = jnp.asarray(rng.uniform(0, 1, (3, 4))), jnp.asarray(rng.normal(size=(3, 4, 2)))
    law = jh.CompositeVoxels(f, STIFF, SOFT, normal=normal)

    @eqx.filter_jit
    def total(law):
        c = respond(law).c
        return jnp.sum(jnp.sin(jnp.arange(c.size).reshape(c.shape)) * c)

    slope = eqx.filter_jit(eqx.filter_grad(total))(law)
    tangent = jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape)) * 0.01, law)
    shifted = lambda t: total(jax.tree.map(lambda x, v: x + t * v, law, tangent))  # noqa: E731
    difference = (shifted(1e-4) - shifted(-1e-4)) / 2e-4
    inner = sum(jnp.vdot(a, b) for a, b in zip(jax.tree.leaves(slope), jax.tree.leaves(tangent), strict=True))
    assert float(inner) == pytest.approx(float(difference), rel=1e-6)


def test_the_default_normal_knows_the_voxel_edges():
    shape, lengths = (24, 12), (1.0, 1.0)
    grid = jh.Grid(shape, lengths)
    sphere = jh.shapes.Sphere((0.5, 0.5), 0.3)
    f = jh.volume_fraction(grid, sphere)
    law = jh.CompositeVoxels(f, GOOD, BAD, spacing=np.asarray(lengths) / shape)
    got = np.stack(law._unit_normal(jnp.float64), axis=-1)
    cut = (np.asarray(f) > 0.05) & (np.asarray(f) < 0.95)
    cosine = np.abs(np.sum(got * np.asarray(interface_normal(grid, sphere)), axis=-1))[cut]
    assert cosine.min() > 0.99


def test_composite_voxels_are_a_phase_of_a_mixture():
    f = np.full((2, 4), 0.5)
    composite = jh.CompositeVoxels(f, GOOD, BAD, "arithmetic")
    law = jh.PhaseMixture(np.asarray([[0, 0, 1, 1]] * 2), {0: composite, 1: jh.LinearConduction(2.0)})
    k = np.asarray(law.response((2, 4), jnp.float64).k)
    np.testing.assert_allclose(k, [[5.5, 5.5, 2, 2]] * 2)


def test_bad_input_says_what_to_do(unchecked):
    f = np.full((2, 2), 0.5)
    cubic = jh.LinearElastic.cubic(3.0, 1.0, 1.0)
    for build, words in (
        (lambda: jh.CompositeVoxels(f, cubic, SOFT), "inside is no isotropic law"),
        (lambda: jh.CompositeVoxels(f, GOOD, SOFT), "give one physics"),
        (lambda: jh.CompositeVoxels(f, GOOD, BAD, "voigt"), "use 'laminate'"),
        (lambda: jh.CompositeVoxels(0.5, GOOD, BAD), "one number per voxel"),
        (lambda: jh.CompositeVoxels(f, GOOD, BAD, normal=np.ones((2, 2))), "normal has shape"),
        (lambda: jh.CompositeVoxels(f, GOOD, BAD, spacing=1.0), "spacing has shape"),
        (lambda: jh.homogenize(jh.Grid((3, 2)), jh.CompositeVoxels(f, GOOD, BAD)), "they must agree"),
        (lambda: jh.homogenize(jh.Grid((2, 2)), jh.CompositeVoxels(3 * f, GOOD, BAD)), r"1.5 at voxel \(0, 0\)"),
        (lambda: jh.homogenize(jh.Grid((2, 2)), jh.CompositeVoxels(f, jh.LinearConduction(-1.0), BAD)), "inside is -1"),
    ):
        with pytest.raises(jh.InputError, match=words):
            build()


def conducting_disc(radius, ratio, rule):
    """`build` of `grid_convergence`."""

    def build(grid, shift):
        f = jh.volume_fraction(grid, jh.shapes.Sphere(jnp.asarray([0.5, 0.5]) + shift, radius))
        return jh.CompositeVoxels(f, jh.LinearConduction(ratio), BAD, rule)

    return build


# Fractions and ratios that the extrapolation's rule was not chosen on, and the ratio-50 disc that it was.
HELD_OUT = [(0.2, 100.0), (0.4, 20.0), (0.45, 0.02), (0.6, 5.0), (0.25, 0.0), (0.4, 0.0), (0.5, 50.0)]


@pytest.mark.slow
@pytest.mark.parametrize("f, ratio", HELD_OUT)
def test_the_series_is_within_the_error_bar_and_a_thousandth(f, ratio):
    exact, radius = disc_array_conductivity(np.sqrt(f / np.pi), ratio), np.sqrt(f / np.pi)
    build = conducting_disc(radius, ratio, "laminate" if ratio else "arithmetic")
    grids = [jh.Grid((n, n), (1.0, 1.0)) for n in (32, 48, 64)]
    value = jh.grid_convergence(build, grids, positions=8).value
    assert value.schemes == (("q1", "q1r", "dual") if ratio else ("q1",))
    error = np.linalg.norm(np.asarray(value.effective) - exact * np.eye(2), 2)
    assert error <= float(value.error_bar) < 1e-2 * exact, (error, value.error_bar)
    assert abs(float(value.effective[0, 0]) / exact - 1) < 1e-3, value.effective


@pytest.mark.slow
@pytest.mark.parametrize("f", [0.1, 0.3, 0.5])
def test_derivative_of_holes_by_the_radius(f):
    """The mean over positions on 32 voxels an edge; one position is off by up to 2 %."""
    radius = np.sqrt(f / np.pi)
    exact = (disc_array_conductivity(radius + 1e-4, 0.0) - disc_array_conductivity(radius - 1e-4, 0.0)) / 2e-4
    grids = [jh.Grid((n, n), (1.0, 1.0)) for n in (16, 32)]

    def mean(r):
        s = jh.grid_convergence(conducting_disc(r, 0.0, "arithmetic"), grids, ["q1"], positions=8, tolerance=1e-9)
        return s.value.values[0, -1, 0, 0]

    assert float(jax.grad(mean)(radius)) == pytest.approx(exact, rel=1e-2)


CONTRASTS = {
    "conduction": (jh.LinearConduction(1e3), jh.LinearConduction(1.0)),
    "stiff outside": (jh.LinearConduction(1.0), jh.LinearConduction(np.full((4, 4), 101.0))),
    "elasticity": (jh.LinearElastic.isotropic(2e5, 0.3), jh.LinearElastic.isotropic(1.0, 0.3)),
    "a hole": (jh.LinearElastic.isotropic(0.0, 0.3), jh.LinearElastic.isotropic(1.0, 0.3)),
}


@pytest.mark.parametrize("pair", CONTRASTS.values(), ids=CONTRASTS.keys())
def test_laminates_of_high_contrast_are_warned_of(pair):
    """At the door of the verbs, where the values can be seen, and for cut voxels under that rule alone."""
    f = np.zeros((4, 4))
    f[1:3, 1:3], f[1, 1] = 1.0, 0.5
    with pytest.warns(UserWarning, match=r"rule='laminate' at a contrast of .*compare with rule='harmonic'"):
        jh.CompositeVoxels(f, *pair).check()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jh.CompositeVoxels(f, *pair, rule="harmonic").check()
        jh.CompositeVoxels(np.round(f), *pair).check()  # no voxel is cut
        jh.CompositeVoxels(f, pair[0], pair[0]).check()
        jax.eval_shape(lambda x: jh.CompositeVoxels(x, *pair).check() or x, f)


def test_a_contrast_of_fifty_is_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jh.CompositeVoxels(np.full((4, 4), 0.5), jh.LinearConduction(50.0), jh.LinearConduction(1.0)).check()
