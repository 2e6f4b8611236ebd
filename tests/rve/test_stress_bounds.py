"""Two-sided bounds of the voxel medium's stiffness: they enclose exact answers, whatever the solvers left undone."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.fields._stress_green import balanced
from jaxhomog.messages import mandel_pairs
from jaxhomog.results import InputError
from jaxhomog.rve.stress_bounds import compliances, stress_bound

TIGHT = {"tolerance": 1e-12}


def stiffness(young, poisson, d):
    """Mandel matrices (*shape, n, n) of isotropic voxels; 2-D: plane strain."""
    young, poisson = np.broadcast_arrays(young, poisson)
    lam, mu = young * poisson / ((1 + poisson) * (1 - 2 * poisson)), young / (2 * (1 + poisson))
    n = len(mandel_pairs(d))
    hydrostatic = np.zeros((n, n))
    hydrostatic[:d, :d] = 1
    return lam[..., None, None] * hydrostatic + 2 * mu[..., None, None] * np.eye(n)


def random_cell(shape, contrast=10.0, seed=0):
    """Young's moduli and Poisson's ratios of random voxels of two phases."""
    labels = np.random.default_rng(seed).random(shape) < 0.5
    return np.where(labels, 1.0, contrast), np.where(labels, 0.35, 0.2)


def random_tensors(shape, seed=0):
    n = len(mandel_pairs(len(shape)))
    a = np.random.default_rng(seed).normal(size=(*shape, n, n))
    return a @ np.swapaxes(a, -1, -2) + 0.2 * np.eye(n)


def law_of(young, poisson):
    return jh.LinearElastic.isotropic(jnp.asarray(young), jnp.asarray(poisson))


def two_sided(law, shape, h=None, **options):
    lengths = tuple(float(x) for x in np.multiply(h or (1.0,) * len(shape), shape))
    b = jh.homogenize(jh.Grid(shape, lengths), law, bounds=True, **{**TIGHT, **options}).value.bounds
    return np.asarray(b.lower), np.asarray(b.upper)


def below(a, b, slack=1e-11):
    """a <= b as quadratic forms."""
    return np.linalg.eigvalsh(np.asarray(b) - np.asarray(a)).min() >= -slack * np.abs(b).max()


def split(x, d, m=2):
    for axis in range(d):
        x = np.repeat(x, m, axis=axis)
    return x


def dense_bound(stiff, h):
    """The best bound by one dense saddle-point system, from the definition of the element.

    Unknowns: sigma_ii on faces and at voxel centres, sigma_ij on edges; shape functions at Gauss points; div sigma = 0
    asked for at two points along each axis of every voxel.
    """
    shape, d = stiff.shape[:-2], stiff.ndim - 2
    size, pairs = int(np.prod(shape)), mandel_pairs(d)
    number, eye = np.arange(size).reshape(shape), np.eye(size)

    def at(*steps):
        return eye[np.roll(number, [1] * len(steps), axis=steps).ravel() if steps else number.ravel()]

    blocks = len(pairs) + d

    def evaluate(xi, derivative=None):
        """Rows: components, voxels. Columns: all unknowns. d/dx_derivative instead of the value, if given."""
        rows = []
        for m, (i, j) in enumerate(pairs):
            row = np.zeros((size, blocks, size))
            x, y = xi[i], xi[j]
            if i == j:
                value, slope = (x * (x + 1) / 2, x * (x - 1) / 2, 1 - x**2), (x + 0.5, x - 0.5, -2 * x)
                shape_functions = value if derivative is None else np.multiply(slope, 2 / h[i] * (derivative == i))
                row[:, m] = shape_functions[0] * at() + shape_functions[1] * at(i)
                row[:, len(pairs) + i] = shape_functions[2] * eye
            else:
                for p, q in itertools.product((0, 1), repeat=2):
                    along, across = (1 + (-1) ** p * x) / 2, (1 + (-1) ** q * y) / 2
                    if derivative is not None:
                        slopes = ((-1) ** p / h[i] * across, (-1) ** q / h[j] * along)
                        factor = slopes[0] if derivative == i else slopes[1] if derivative == j else 0.0
                    else:
                        factor = along * across
                    row[:, m] += factor * at(*([i] * p + [j] * q))
            rows.append(row.reshape(size, -1))
        return rows

    root = [1.0 if i == j else np.sqrt(2) for i, j in pairs]
    inverse = np.linalg.inv(stiff.reshape(size, len(pairs), len(pairs)))
    abscissae, weights = np.polynomial.legendre.leggauss(3)
    power, means = 0.0, 0.0
    for index in itertools.product(range(3), repeat=d):
        w = np.prod(weights[list(index)] / 2) / size
        rows = [r * x for r, x in zip(evaluate(abscissae[list(index)]), root, strict=True)]
        for a, b in itertools.product(range(len(pairs)), repeat=2):
            power = power + w * rows[a].T @ (inverse[:, a, b, None] * rows[b])
        means = means + w * np.stack([r.sum(0) for r in rows])
    rules = [means]
    component = {key: m for m, pair in enumerate(pairs) for key in (pair, pair[::-1])}
    for i in range(d):
        for x in (-0.5, 0.7):
            xi = np.zeros(d)
            xi[i] = x
            rules.append(sum(evaluate(xi, derivative=k)[component[i, k]] for k in range(d)))
    rules = np.vstack(rules)
    n = len(pairs)
    system = np.block([[power, rules.T], [rules, np.zeros((len(rules),) * 2)]])
    right = np.zeros((len(system), n))
    right[len(power) : len(power) + n] = np.eye(n)
    stress = np.linalg.lstsq(system, right, rcond=1e-12)[0][: len(power)]
    return np.linalg.inv(stress.T @ power @ stress)


@pytest.mark.parametrize(
    "shape, h", [((3, 4), (1.0, 1.5)), pytest.param((2, 3, 2), (1.0, 1.5, 0.7), marks=pytest.mark.slow)], ids=str
)
@pytest.mark.parametrize("kind", ["isotropic", pytest.param("anisotropic", marks=pytest.mark.slow)])
def test_against_a_dense_saddle_point(shape, h, kind):
    if kind == "isotropic":
        moduli = random_cell(shape)
        law, tensors = law_of(*moduli), stiffness(*moduli, len(shape))
    else:
        tensors = random_tensors(shape)
        law = jh.LinearElastic.from_stiffness(jnp.asarray(tensors))
    lower, upper = two_sided(law, shape, h)
    np.testing.assert_allclose(lower, dense_bound(tensors, h), rtol=0, atol=1e-9 * np.abs(lower).max())
    assert below(lower, upper)


def laminate(layers, normal):
    """Exact stiffness of equal layers (Backus 1962): tractions are continuous, and strains in the plane."""
    n = layers.shape[-1]
    pairs = mandel_pairs(3 if n == 6 else 2)
    across = [m for m, pair in enumerate(pairs) if normal in pair]
    along = [m for m in range(n) if m not in across]
    block = lambda c, a, b: c[..., a, :][..., b]  # noqa: E731
    soft = np.linalg.inv(block(layers, across, across))
    mixed = soft @ block(layers, across, along)
    plane = block(layers, along, along) - block(layers, along, across) @ mixed
    soft, mixed, plane = (x.mean(axis=0) for x in (soft, mixed, plane))
    stiff = np.linalg.inv(soft)
    out = np.zeros((n, n))
    out[np.ix_(across, across)] = stiff
    out[np.ix_(across, along)] = stiff @ mixed
    out[np.ix_(along, across)] = mixed.T @ stiff
    out[np.ix_(along, along)] = plane + mixed.T @ stiff @ mixed
    return out


@pytest.mark.parametrize("shape", [(5, 2), pytest.param((5, 1, 2), marks=pytest.mark.slow)], ids=str)
@pytest.mark.parametrize("normal", [0, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["isotropic", pytest.param("anisotropic", marks=pytest.mark.slow)])
def test_laminates_are_exact(shape, normal, kind):
    """Both bounds, for layers normal to either axis."""
    d = len(shape)
    shape = shape if normal == 0 else (shape[1], shape[0], *shape[2:])
    at = (5, *(1,) * (d - 1)) if normal == 0 else (1, 5, *(1,) * (d - 2))
    young, poisson = np.array([1.0, 1.0, 10.0, 4.0, 10.0]), np.array([0.35, 0.35, 0.2, 0.0, 0.2])
    if kind == "isotropic":
        layers = stiffness(young, poisson, d)
        law = law_of(np.broadcast_to(young.reshape(at), shape), np.broadcast_to(poisson.reshape(at), shape))
    else:
        layers = random_tensors((5, *(1,) * (d - 1))).reshape(5, *(len(mandel_pairs(d)),) * 2)
        field = np.broadcast_to(layers.reshape(*at, *layers.shape[1:]), (*shape, *layers.shape[1:]))
        law = jh.LinearElastic.from_stiffness(jnp.asarray(field))
    exact = laminate(layers, normal)
    for bound in two_sided(law, shape, (1.0, 0.7, 1.3)[:d]):
        np.testing.assert_allclose(bound, exact, rtol=0, atol=1e-8 * np.abs(exact).max())


@pytest.mark.slow
def test_homogeneous_cells_are_exact():
    exact = stiffness(3.0, 0.3, 3)
    for options in ({}, {"tolerance": None, "residual_tolerance": 1e-6}):
        for bound in two_sided(law_of(np.full((4, 3, 2), 3.0), 0.3), (4, 3, 2), **options):
            np.testing.assert_allclose(bound, exact, rtol=1e-12, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(8, 7), (5, 4, 6)], ids=str)
@pytest.mark.parametrize("contrast", [10.0, 1e3])
def test_the_bounds_enclose_at_any_tolerance(shape, contrast):
    law = law_of(*random_cell(shape, contrast, seed=1))
    finest_lower, finest_upper = two_sided(law, shape, tolerance=1e-10)
    assert below(finest_lower, finest_upper)
    assert np.linalg.eigvalsh(finest_lower).min() > 0
    for loose in ({"tolerance": 0.1}, {"tolerance": 0.003}, {"tolerance": None, "residual_tolerance": 0.5}):
        lower, upper = two_sided(law, shape, **loose)
        assert below(lower, finest_lower) and below(finest_upper, upper)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(6, 5), (4, 3, 5)], ids=str)
def test_any_admissible_stress_proves_a_bound(shape):
    """Random stresses made divergence free, of random means: nothing was solved."""
    d, rng = len(shape), np.random.default_rng(2)
    n, h = len(mandel_pairs(d)), (1.0, 1.3, 0.8)[:d]
    law = law_of(*random_cell(shape))
    upper = two_sided(law, shape, h, tolerance=1e-6)[1]
    compliance, stiff = compliances(law.response(shape, jnp.float64))
    assert bool(jnp.all(stiff))
    spacing = jnp.asarray(h)
    prove = jax.jit(lambda t: stress_bound(compliance, jax.vmap(lambda x: balanced(x, spacing))(t), spacing))
    for size in (0.01, 0.3, 10.0):
        stresses = jnp.asarray(rng.normal(size=(n, n, *(1,) * d)) + size * rng.normal(size=(n, n, *shape)))
        bound = prove(stresses)
        assert below(bound, upper) and np.linalg.eigvalsh(bound).min() > -1e-12


@pytest.mark.slow
@pytest.mark.parametrize("contrast", [10.0, 1e3])
@pytest.mark.parametrize("shape, halvings", [((4, 5), 3), ((3, 3, 3), 2)], ids=str)
def test_splitting_voxels_narrows_the_gap(shape, halvings, contrast):
    """Nested spaces: the same medium on finer grids."""
    young, poisson = random_cell(shape, contrast, seed=3)
    lower, upper = two_sided(law_of(young, poisson), shape, tolerance=1e-9)
    first = np.trace(upper - lower)
    for k in range(1, halvings + 1):
        m = 2**k
        fine = tuple(m * n for n in shape)
        law = law_of(split(young, len(shape), m), split(poisson, len(shape), m))
        finer_lower, finer_upper = two_sided(law, fine, [1 / m] * len(shape), tolerance=1e-9)
        assert below(lower, finer_lower, 1e-7) and below(finer_upper, upper, 1e-7) and below(finer_lower, finer_upper)
        lower, upper = finer_lower, finer_upper
    assert np.trace(upper - lower) < 0.8**halvings * first


@pytest.mark.slow
def test_long_fibres_shear_like_they_conduct():
    """Longitudinal shear of a cell without change along x_3 is conduction in its plane: the best RT0 bound."""
    young, _ = random_cell((5, 6), seed=4)
    law = law_of(young[..., None], np.full((5, 6, 1), 0.25))
    lower, upper = two_sided(law, (5, 6, 1), (1.0, 1.3, 2.0))
    conductors = jh.LinearConduction.tensor(jnp.asarray(young)[..., None, None] / 2.5 * jnp.eye(2))
    b = jh.homogenize(jh.Grid((5, 6), (5.0, 7.8)), conductors, bounds=True, **TIGHT).value.bounds
    swap = np.ix_([4, 3], [4, 3])  # sqrt(2) e_13, sqrt(2) e_23: twice the shear modulus
    np.testing.assert_allclose(lower[swap] / 2, b.lower, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(upper[swap] / 2, b.upper, rtol=1e-9, atol=1e-10)


def lower_of(young, poisson=0.3, lengths=None, **options):
    grid = jh.Grid(young.shape, (1.0, 2.0, 1.5)[: young.ndim] if lengths is None else lengths)
    law = jh.LinearElastic.isotropic(young, poisson)
    return jh.homogenize(grid, law, bounds=True, **{**TIGHT, **options}).value.bounds.lower


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["young", "lengths", "anisotropic"])
def test_gradient_is_the_finite_difference(kind):
    rng = np.random.default_rng(5)
    young = jnp.asarray(rng.uniform(0.5, 5, (4, 5)))
    weights = jnp.asarray(rng.normal(size=(3, 3)))
    if kind == "young":
        x, lower = young, lower_of
    elif kind == "lengths":
        x, lower = jnp.asarray([1.0, 2.0]), lambda x: lower_of(young, lengths=x)
    else:
        x = jnp.asarray(random_tensors((3, 4)))
        grid = jh.Grid((3, 4), (1.0, 2.0))
        lower = lambda c: (  # noqa: E731
            jh.homogenize(
                grid, jh.LinearElastic.from_stiffness(0.5 * (c + jnp.swapaxes(c, -1, -2))), bounds=True, **TIGHT
            ).value.bounds.lower
        )
    value = jax.jit(lambda x: jnp.sum(weights * lower(x)))
    direction = jnp.asarray(rng.normal(size=x.shape))
    if kind == "anisotropic":
        direction = 0.1 * (direction + jnp.swapaxes(direction, -1, -2))
    slope = jnp.sum(jax.jit(jax.grad(value))(x) * direction)
    forward = jax.jit(lambda x, v: jax.jvp(value, (x,), (v,))[1])(x, direction)
    step = 1e-4
    expected = (value(x + step * direction) - value(x - step * direction)) / (2 * step)
    np.testing.assert_allclose(slope, expected, rtol=2e-5)
    np.testing.assert_allclose(forward, slope, rtol=1e-9)


@pytest.mark.slow
def test_voids_prove_nothing():
    """A stress that enters a void has infinite energy: the bound is 0, exactly, and no NaN; alone and among lanes."""
    solid, _ = random_cell((4, 5))
    porous = np.where(random_cell((4, 5), seed=6)[0] > 1, 0.0, 1.0)
    singular = random_tensors((3, 4))
    singular[1, 1] = np.diag([1.0, 1.0, 0.0])
    np.testing.assert_array_equal(lower_of(jnp.asarray(porous), throw=False), 0)
    np.testing.assert_array_equal(two_sided(jh.LinearElastic.from_stiffness(jnp.asarray(singular)), (3, 4))[0], 0)
    cells = np.stack([solid, porous, 2 * solid])
    together = jax.jit(jax.vmap(lower_of))(jnp.asarray(cells))
    for one, lane in zip(together, cells, strict=True):
        np.testing.assert_allclose(one, lower_of(jnp.asarray(lane)), rtol=0, atol=1e-11)
    slope = jax.jit(jax.grad(lambda k: jnp.trace(lower_of(k))))(jnp.asarray(porous))
    np.testing.assert_array_equal(slope, 0)


@pytest.mark.slow
def test_units_and_lengths():
    young = jnp.asarray(random_cell((4, 5))[0])
    base = lower_of(young)
    np.testing.assert_allclose(lower_of(1e9 * young) / 1e9, base, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(lower_of(young, lengths=(1e-6, 2e-6)), base, rtol=1e-9, atol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(6, 6), (4, 4, 3)], ids=str)
def test_float32(shape):
    young, poisson = (x.astype(np.float32) for x in random_cell(shape))
    lower, upper = two_sided(law_of(young, poisson), shape, tolerance=1e-5)
    assert lower.dtype == np.float32
    exact = two_sided(law_of(young.astype(float), poisson.astype(float)), shape)[0]
    np.testing.assert_allclose(lower, exact, rtol=0, atol=1e-3 * np.abs(exact).max())
    assert below(lower, upper, 1e-5) and below(lower, exact, 1e-5)


def test_what_is_refused():
    grid, law = jh.Grid((2, 2), (1.0, 1.0)), jh.LinearElastic.isotropic(1.0, 0.3)
    for element in ("q1r", "fourier"):
        with pytest.raises(InputError, match="use element='q1'"):
            jh.homogenize(grid, law, element=element, bounds=True)
    with pytest.raises(InputError, match="periodic medium only"):
        jh.homogenize(grid, law, boundary="affine", bounds=True)
    b = jh.homogenize(grid, law).value.bounds
    assert b.lower is None and b.upper is None
