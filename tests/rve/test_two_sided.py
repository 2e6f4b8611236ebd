"""Two-sided bounds of the voxel medium's conductivity: they enclose exact answers, whatever the solvers left undone."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.fields import FV
from jaxhomog.fields._faces import complementary_powers, curl, face_divergence, planes
from jaxhomog.results import InputError
from jaxhomog.rve import bounds as module
from jaxhomog.rve.bounds import admissible, flux_bound, resistivities
from jaxhomog.rve.solve import solve_loads

TIGHT = {"tolerance": 1e-12}


def two_sided(k, lengths=None, tensor=False, **options):
    """(lower, upper) of a scalar field, solved as such or as a field of tensors."""
    k = jnp.asarray(k)
    law = jh.LinearConduction.tensor(k[..., None, None] * jnp.eye(k.ndim)) if tensor else jh.LinearConduction(k)
    grid = jh.Grid(k.shape, lengths or (1.0,) * k.ndim)
    b = jh.homogenize(grid, law, bounds=True, **{**TIGHT, **options}).value.bounds
    return np.asarray(b.lower), np.asarray(b.upper)


def below(a, b, slack=1e-11):
    """a <= b as quadratic forms."""
    return np.linalg.eigvalsh(np.asarray(b) - np.asarray(a)).min() >= -slack * np.abs(b).max()


def checkerboard(n, contrast=9.0):
    return np.where(np.indices((n, n)).sum(0) // 1 % 2 == 0, 1.0, contrast)


def split(k, m=2):
    for axis in range(np.ndim(k)):
        k = np.repeat(k, m, axis=axis)
    return k


def random_cell(shape, b=10.0, seed=0):
    return np.where(np.random.default_rng(seed).random(shape) < 0.5, 1.0, b)


def dense_bound(inverse, h):
    """The best RT0 bound by one dense saddle-point system, in face fluxes; inverse (*shape, d, d)."""
    shape, d = inverse.shape[:-2], inverse.shape[-1]
    size, eye = int(np.prod(shape)), np.eye(int(np.prod(shape)))
    number = np.arange(size).reshape(shape)
    mean, slope = [], []
    for k in range(d):
        high, low = np.zeros((size, d * size)), np.zeros((size, d * size))
        high[:, k * size : (k + 1) * size] = eye
        low[:, k * size : (k + 1) * size] = eye[np.roll(number, 1, axis=k).ravel()]
        mean.append((high + low) / 2)
        slope.append(high - low)
    r = inverse.reshape(size, d, d)
    power = sum(mean[a].T @ (r[:, a, b, None] * mean[b]) for a in range(d) for b in range(d))
    power = (power + sum(slope[a].T @ (r[:, a, a, None] * slope[a]) / 12 for a in range(d))) / size
    rules = np.vstack([sum(s / h[k] for k, s in enumerate(slope)), [m.mean(0) for m in mean]])
    system = np.block([[power, rules.T], [rules, np.zeros((len(rules),) * 2)]])
    right = np.vstack([np.zeros((len(system) - d, d)), np.eye(d)])
    q = np.linalg.lstsq(system, right, rcond=1e-12)[0][: d * size]
    return np.linalg.inv(q.T @ power @ q)


@pytest.mark.parametrize("shape", [(5, 2), pytest.param((5, 1, 2), marks=pytest.mark.slow)], ids=str)
@pytest.mark.parametrize("tensor", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_laminates_are_exact(shape, tensor):
    """Layers normal to the first axis: harmonic mean across, arithmetic along."""
    layers = np.array([1.0, 1.0, 10.0, 4.0, 10.0])
    k = np.broadcast_to(layers.reshape(-1, *(1,) * (len(shape) - 1)), shape)
    exact = np.diag([1 / np.mean(1 / layers)] + [layers.mean()] * (len(shape) - 1))
    for bound in two_sided(k, (1.0, 0.7, 1.3)[: len(shape)], tensor):
        np.testing.assert_allclose(bound, exact, rtol=0, atol=1e-9)


@pytest.mark.slow
def test_homogeneous_cells_are_exact():
    for bound in two_sided(np.full((4, 3, 2), 3.0), tensor=True) + two_sided(np.full((4, 3, 2), 3.0)):
        np.testing.assert_allclose(bound, 3 * np.eye(3), rtol=1e-12, atol=1e-12)


@cache
def board(n):
    lower, upper = two_sided(split(checkerboard(2), n // 2), tolerance=1e-8)
    return lower, upper


@pytest.mark.slow
def test_checkerboard_closes_at_the_corner_rate():
    """Dykhne: k = 3 exactly for 1 and 9. Corner singularity r^(lambda): the energy closes as h^(2 lambda), 1.76 a
    halving for lambda = (4 / pi) atan(1 / 3)."""
    rate = 2 ** (8 / np.pi * np.arctan(1 / 3))
    gaps = []
    for n in (16, 32, 64, 128):
        lower, upper = board(n)
        assert below(lower, 3 * np.eye(2)) and below(3 * np.eye(2), upper)
        gaps.append((upper[0, 0] - lower[0, 0]) / 3)
    assert gaps[-1] < 0.03
    np.testing.assert_allclose(np.divide(gaps[:-1], gaps[1:]), rate, rtol=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("shape, h", [((4, 5), (1.0, 1.5)), ((3, 4, 2), (1.0, 1.5, 0.7))], ids=str)
def test_against_a_dense_saddle_point(shape, h):
    """Tensors: the best RT0 bound. Scalars: at most that, and at least with nine tenths of its gap closed."""
    d, k = len(shape), random_cell(shape)
    lengths = tuple(np.multiply(h, shape))
    best = dense_bound(np.multiply.outer(1 / k, np.eye(d)), h)
    np.testing.assert_allclose(two_sided(k, lengths, tensor=True)[0], best, rtol=1e-9, atol=1e-10)
    lower, upper = two_sided(k, lengths)
    assert below(lower, best) and below(best, upper)
    assert np.trace(upper - lower) < 1.1 * np.trace(upper - best)
    a = np.random.default_rng(1).normal(size=(*shape, d, d))
    tensor = a @ np.swapaxes(a, -1, -2) + 0.1 * np.eye(d)
    value = jh.homogenize(jh.Grid(shape, lengths), jh.LinearConduction.tensor(tensor), bounds=True, **TIGHT).value
    np.testing.assert_allclose(value.bounds.lower, dense_bound(np.linalg.inv(tensor), h), rtol=1e-9, atol=1e-10)


@pytest.mark.slow
def test_duality_in_the_plane():
    """The best lower bound is the inverse of the turned upper bound of 1/k (Keller 1964; Dykhne 1970)."""
    k = random_cell((6, 5), seed=2)
    lengths = (1.0, 2.0)
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    dual = turn @ np.linalg.inv(two_sided(1 / k, lengths)[1]) @ turn.T
    np.testing.assert_allclose(two_sided(k, lengths, tensor=True)[0], dual, rtol=1e-9)
    lower = two_sided(k, lengths)[0]
    assert below(lower, dual) and np.abs(lower - dual).max() < 0.01 * np.abs(dual).max()


@pytest.mark.parametrize(
    "b",
    [
        pytest.param(10.0, marks=pytest.mark.exhaustive),
        pytest.param(1e3, marks=pytest.mark.slow),
        pytest.param(0.0, marks=pytest.mark.slow),
    ],
)
def test_loose_tolerances_keep_the_bounds(b):
    k = random_cell((6, 6, 6), b, seed=3) if b else np.where(random_cell((6, 6, 6), seed=3) > 1, 0.0, 1.0)
    finest_lower, finest_upper = two_sided(k)
    for loose in ({"tolerance": 0.1}, {"tolerance": None, "residual_tolerance": 0.5}):
        lower, upper = two_sided(k, **loose)
        # Towards both sides of everything between the tight bounds.
        assert below(lower, finest_upper) and below(finest_lower, upper) and below(lower, upper)
        assert below(finest_upper, upper)


@pytest.mark.parametrize(
    "b",
    [
        pytest.param(10.0, marks=pytest.mark.exhaustive),
        pytest.param(1e5, marks=pytest.mark.slow),
        pytest.param(1e9, marks=pytest.mark.slow),
        pytest.param(0.0, marks=pytest.mark.slow),
    ],
)
def test_single_precision_serves_the_flux_of_a_double_precision_bound(b, monkeypatch):
    """At the default tolerance the flux comes from single precision; the bound it proves is that of double. At
    contrast 1e9 single precision would lose nearly all of it (seen on this cell), and is not used."""
    n = 10
    k = random_cell((n,) * 3, b, seed=3) if b else np.where(random_cell((n,) * 3, seed=3) > 1, 0.0, 1.0)
    dtypes = []

    def spy(space, physics, settings, response, h, macros):
        jax.debug.callback(lambda: dtypes.append(h.dtype))
        return solve_loads(space, physics, settings, response, h, macros)

    monkeypatch.setattr(module, "solve_loads", spy)
    law, h, macros = jh.LinearConduction(jnp.asarray(k)), jnp.full(3, 1 / n), jnp.eye(3)[:, None]

    def bound(tolerance):
        settings = module.Settings(tolerance, None, None, 2000)
        response = law.response(k.shape, jnp.float64)
        return np.asarray(jax.jit(partial(module.lower_conductivity, settings))(response, h, macros))

    default, tight = bound(1e-6), bound(1e-12)
    jax.effects_barrier()
    assert dtypes == [jnp.float64 if b == 1e9 else jnp.float32, jnp.float64] and default.dtype == np.float64
    assert below(default, two_sided(k)[1])
    # What the loosened tolerance leaves, and no more.
    np.testing.assert_allclose(default, tight, rtol=0, atol=1e-4 * np.sqrt(3) * k.mean())


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(6, 5), (4, 3, 5)], ids=str)
def test_any_admissible_flux_proves_a_bound(shape):
    """Random fluxes made divergence free, of random means: nothing was solved."""
    d, rng = len(shape), np.random.default_rng(4)
    k, h = random_cell(shape), jnp.asarray([1.0, 1.3, 0.8][:d])
    upper = two_sided(k, tuple(np.asarray(h) * shape))[1]
    r, conducting = resistivities(jh.LinearConduction(k).response(shape, jnp.float64))
    prove = jax.jit(lambda faces: flux_bound(r, conducting, admissible(faces, conducting, h), h))
    for size in (0.01, 0.3, 10.0):
        faces = jnp.asarray(rng.normal(size=(d, d, *(1,) * d)) + size * rng.normal(size=(d, d, *shape)))
        bound = prove(faces)
        assert below(bound, upper) and np.linalg.eigvalsh(bound).min() > -1e-12


@pytest.mark.parametrize("shape", [(7, 6), (4, 5, 6), (1, 5, 2)], ids=str)
@pytest.mark.parametrize("voids", [False, True])
def test_clean_fluxes_are_divergence_free(shape, voids):
    """To rounding, and zero at every face of an insulator; for fluxes of conducting clusters of any form."""
    rng, d = np.random.default_rng(5), len(shape)
    conducting = jnp.asarray(rng.random(shape) < 0.7) if voids else jnp.ones(shape, bool)
    faces = jnp.asarray(rng.normal(size=(2, d, *shape)))
    clean = jax.jit(admissible)(faces, conducting, jnp.asarray([1.0, 1.3, 0.8][:d]))
    assert float(jnp.abs(jax.vmap(face_divergence)(clean)).max()) < 1e-13
    assert float(jnp.abs(jax.vmap(face_divergence)(faces)).max()) > 1
    for k in range(d):
        closed = ~(conducting & jnp.roll(conducting, -1, axis=k))
        assert not bool(jnp.any(closed & (clean[:, k] != 0)))


def test_curls_are_divergence_free_and_carry_no_mean():
    shape = (3, 4, 5)
    potentials = [jnp.asarray(x) for x in np.random.default_rng(6).normal(size=(len(planes(3)), *shape))]
    faces = jnp.stack(curl(potentials, 3))
    assert float(jnp.abs(face_divergence(faces)).max()) < 1e-14
    np.testing.assert_allclose(faces.mean(axis=(1, 2, 3)), 0, rtol=0, atol=1e-15)


def test_powers_are_the_quadrature_of_the_linear_flux():
    """Two Gauss points per axis integrate the square of a linear function exactly."""
    shape, h = (3, 4), jnp.asarray([1.0, 1.7])
    rng = np.random.default_rng(7)
    a = rng.normal(size=(*shape, 2, 2))
    tensor = a @ np.swapaxes(a, -1, -2) + np.eye(2)
    r, _ = resistivities(jh.LinearConduction.tensor(tensor).response(shape, jnp.float64))
    faces = rng.normal(size=(2, 2, *shape))
    got = complementary_powers(r, jnp.asarray(faces), h)
    expected = 0.0
    for x in (-1, 1):
        for y in (-1, 1):
            q = []
            for k, at in enumerate((x, y)):
                high, low = faces[:, k] * float(h[k]), np.roll(faces[:, k], 1, axis=k + 1) * float(h[k])
                q.append((high + low) / 2 + (high - low) / 2 * at / np.sqrt(3))
            q = np.stack(q, axis=1)
            expected = expected + np.einsum("iaxy,xyab,jbxy->ij", q, np.linalg.inv(tensor), q) / 4 / 12
    np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.slow
def test_voids():
    """Channels of any form: exact along, nothing across; clusters that percolate nowhere carry nothing."""
    slab = np.zeros((4, 6))
    slab[:, [1, 2, 4]] = [2.0, 2.0, 3.0]
    lower, upper = two_sided(slab)
    exact = np.diag([slab.mean(), 0.0])
    np.testing.assert_allclose(lower, exact, rtol=0, atol=1e-11)
    np.testing.assert_allclose(upper, exact, rtol=0, atol=1e-9)
    island = np.zeros((4, 4))
    island[1:3, 1:3] = 5.0
    np.testing.assert_allclose(two_sided(island)[0], 0, rtol=0, atol=1e-12)
    np.testing.assert_allclose(two_sided(np.zeros((3, 3)))[0], 0, rtol=0, atol=0)
    # A staircase conducts along the diagonal alone: one load is the other's multiple.
    stairs = np.eye(6) + np.roll(np.eye(6), 1, axis=1)
    lower, upper = two_sided(stairs)
    assert below(lower, upper) and np.linalg.eigvalsh(lower)[1] > 0.05
    np.testing.assert_allclose(np.linalg.eigvalsh(lower)[0], 0, rtol=0, atol=1e-12)


@pytest.mark.slow
def test_a_percolating_pore_space_has_a_finite_bound():
    k = split((np.random.default_rng(8).random((5, 5, 5)) < 0.75).astype(float))
    lower, upper = two_sided(k, tolerance=1e-8)
    assert below(lower, upper) and np.linalg.eigvalsh(lower).min() > 0.7 * np.linalg.eigvalsh(upper).min()
    # Scarcely conducting voxels may as well insulate.
    faint = two_sided(np.where(k > 0, k, 1e-30), tolerance=1e-8)[0]
    np.testing.assert_allclose(faint, lower, rtol=1e-6)


def test_a_flux_into_an_insulator_proves_nothing():
    k = np.ones((4, 4))
    k[0, 0] = 0
    r, conducting = resistivities(jh.LinearConduction(k).response((4, 4), jnp.float64))
    uniform = jnp.broadcast_to(jnp.eye(2)[..., None, None], (2, 2, 4, 4))
    np.testing.assert_array_equal(flux_bound(r, conducting, uniform, jnp.ones(2)), 0)
    alone = uniform.at[0, 0, 3, 0].set(0).at[0, 0, :, 0].set(0)  # the first flux goes round it, in the other rows
    bound = flux_bound(r, conducting, alone, jnp.ones(2))
    np.testing.assert_allclose(bound, np.diag([0.75, 0.0]), rtol=0, atol=1e-12)


@pytest.mark.slow
def test_a_singular_tensor_proves_nothing():
    tensor = np.broadcast_to(np.eye(2), (3, 3, 2, 2)).copy()
    tensor[1, 1] = np.diag([1.0, 0.0])
    value = jh.homogenize(jh.Grid((3, 3), (1.0, 1.0)), jh.LinearConduction.tensor(tensor), bounds=True).value
    np.testing.assert_array_equal(value.bounds.lower, 0)


@pytest.mark.slow
@pytest.mark.parametrize("b", [10.0, 0.0])
def test_splitting_voxels_narrows_the_gap(b):
    """Nested spaces: the same medium on finer grids."""
    k = np.where(np.random.default_rng(9).random((4, 4, 4)) < 0.3, b, 1.0)
    lower, upper = two_sided(k, tolerance=1e-10)
    for m in (2, 4):
        finer_lower, finer_upper = two_sided(split(k, m), tolerance=1e-10)
        assert below(lower, finer_lower) and below(finer_upper, upper) and below(finer_lower, finer_upper)
        assert np.trace(finer_upper - finer_lower) < 0.8 * np.trace(upper - lower)
        lower, upper = finer_lower, finer_upper


def lower_of(k, tensor=False, lengths=(1.0, 2.0), **options):
    law = jh.LinearConduction.tensor(k[..., None, None] * jnp.eye(k.ndim)) if tensor else jh.LinearConduction(k)
    grid = jh.Grid(k.shape, lengths)
    return jh.homogenize(grid, law, bounds=True, **{**TIGHT, **options}).value.bounds.lower


@pytest.mark.slow
def test_vmap_is_the_loop():
    """Lanes with and without insulators, one of them wholly insulating."""
    k = np.stack([random_cell((4, 5)), np.where(random_cell((4, 5), seed=1) > 1, 0.0, 1.0), np.zeros((4, 5))])
    together = jax.jit(jax.vmap(lower_of))(jnp.asarray(k))
    for one, lane in zip(together, k, strict=True):
        np.testing.assert_allclose(one, lower_of(jnp.asarray(lane)), rtol=0, atol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["scalar", "voids", "tensor"])
def test_gradient_is_the_finite_difference(kind):
    rng = np.random.default_rng(10)
    k = jnp.asarray(rng.uniform(0.5, 5, (4, 5)))
    if kind == "voids":
        k = jnp.where(jnp.asarray(rng.random((4, 5)) < 0.2), 0.0, k)
    weights = jnp.asarray([[1.0, 0.3], [0.3, 2.0]])
    value = jax.jit(lambda k: jnp.sum(weights * lower_of(k, tensor=kind == "tensor")))
    direction = jnp.where(k > 0, jnp.asarray(rng.normal(size=k.shape)), 0)
    slope = jnp.sum(jax.jit(jax.grad(value))(k) * direction)
    step = 1e-4
    expected = (value(k + step * direction) - value(k - step * direction)) / (2 * step)
    np.testing.assert_allclose(slope, expected, rtol=2e-5)


@pytest.mark.slow
def test_lengths_and_units():
    k = jnp.asarray(random_cell((4, 5)))
    base = lower_of(k)
    np.testing.assert_allclose(lower_of(1e9 * k) / 1e9, base, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(lower_of(k, lengths=(1e-6, 2e-6)), base, rtol=1e-10, atol=1e-12)


@pytest.mark.slow
def test_float32():
    k = random_cell((6, 6)).astype(np.float32)
    lower, upper = two_sided(k, tolerance=1e-5)
    assert lower.dtype == np.float32
    np.testing.assert_allclose(lower, two_sided(k.astype(np.float64), tolerance=1e-5)[0], rtol=1e-4, atol=1e-5)
    assert below(lower, upper, 1e-5)


def test_what_is_refused():
    grid = jh.Grid((2, 2), (1.0, 1.0))
    for element in ("q1r", "fourier", "fv"):
        with pytest.raises(InputError, match="use element='q1'"):
            jh.homogenize(grid, jh.LinearConduction(1.0), element=element, bounds=True)
    b = jh.homogenize(grid, jh.LinearConduction(1.0)).value.bounds
    assert b.lower is None and b.upper is None


@pytest.mark.slow
def test_the_local_correction_tightens(monkeypatch):
    """It costs a few differences and takes most of what the finite-volume flux leaves."""
    k = random_cell((6, 6, 6), seed=11)
    best = np.trace(two_sided(k, tensor=True)[0])
    with_it = np.trace(two_sided(k)[0])
    monkeypatch.setattr(module, "correct_locally", lambda resistivity, conducting, faces, h: faces)
    law, h = jh.LinearConduction(jnp.asarray(k)), jnp.full(3, 1 / 6)
    settings = module.Settings(1e-10, None, None, 2000)
    macros = jnp.eye(3)[:, None]
    bare = jax.jit(partial(module.lower_conductivity, settings))(law.response(k.shape, jnp.float64), h, macros)
    assert best - with_it < 0.25 * (best - np.trace(bare))
    assert FV.name == "fv"
