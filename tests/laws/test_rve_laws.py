"""What every element x physics x dimension must obey as an RVE: bounds, symmetry, invariances, trivial limits.

All calls of one combination share shapes and settings, hence one compiled program.
"""

from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.api import _homogenize as verb

COMBOS = [
    (element, physics, dim)
    for physics in ("elasticity", "conduction")
    for dim in (2, 3)
    for element in ("q1", "q1r", "fourier", "fv")
    if (element, physics) != ("fv", "elasticity")
]
TIGHT = {"tolerance": 1e-12, "residual_tolerance": 1e-11}


# In two dimensions these show what ("q1r", "elasticity") and ("fourier", "conduction") show.
_ALIKE = (("fourier", "elasticity"), ("q1r", "conduction"))


def marked(element, physics, dim):
    """One worker per combination, whose program is then compiled once; the costliest are left to the slow tests."""
    costly = (dim == 3 and element in ("q1r", "fourier")) or (element, physics) in _ALIKE
    slow = [pytest.mark.slow] if costly else []
    return pytest.param(element, physics, dim, marks=[pytest.mark.xdist_group(f"{element}-{physics}-{dim}"), *slow])


combos = pytest.mark.parametrize("element, physics, dim", [marked(*c) for c in COMBOS])


def side(dim):
    return 7 if dim == 2 else 5


def image(dim, seed=0):
    return np.random.default_rng(seed).integers(0, 2, (side(dim),) * dim)


def mixture(physics, labels, a=1.0, b=20.0):
    if physics == "conduction":
        return jh.PhaseMixture(labels, {0: jh.LinearConduction(a), 1: jh.LinearConduction(b)})
    return jh.PhaseMixture(labels, {0: jh.LinearElastic.isotropic(a, 0.3), 1: jh.LinearElastic.isotropic(b, 0.1)})


def solve(element, physics, labels, a=1.0, b=20.0, **options):
    grid = jh.Grid(labels.shape, (1.0,) * labels.ndim)
    return jh.homogenize(grid, mixture(physics, labels, a, b), element=element, **{**TIGHT, **options})


@cache
def base(element, physics, dim):
    return solve(element, physics, image(dim))


def mandel_rotation(r):
    """6 x 6 (3 x 3) matrix that turns Mandel vectors, from the full tensor: Q e_j = to_mandel(R E_j R^T)."""
    d = len(r)
    pairs = [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)] if d == 3 else [(0, 0), (1, 1), (0, 1)]
    out = np.zeros((len(pairs),) * 2)
    for j, (a, b) in enumerate(pairs):
        e = np.zeros((d, d))
        e[a, b] = e[b, a] = 1 if a == b else np.sqrt(0.5)
        turned = r @ e @ r.T
        out[:, j] = [turned[p, q] * (1 if p == q else np.sqrt(2)) for p, q in pairs]
    return out


@combos
def test_hill_mandel_and_symmetry(element, physics, dim):
    solution = base(element, physics, dim)
    assert solution.value.hill_mandel_residual < 1e-9
    c = np.asarray(solution.value.effective)
    np.testing.assert_allclose(c, c.T, rtol=0, atol=1e-13 * np.abs(c).max())
    assert float(solution.stats["residual"]) <= 1e-11


@combos
def test_voigt_and_reuss_bound_it(element, physics, dim):
    """Voigt holds for every scheme; Reuss for those whose flux averages are those of the voxels."""
    value = base(element, physics, dim).value
    c, scale = np.asarray(value.effective), float(np.abs(value.effective).max())
    assert np.linalg.eigvalsh(c - np.asarray(value.bounds.reuss)).min() > -1e-11 * scale
    gap = np.linalg.eigvalsh(np.asarray(value.bounds.voigt) - c).min()
    assert gap > (-1e-11 * scale)
    assert gap > 1e-3 * scale  # and here strictly: this image is no laminate


@combos
def test_rotation_by_a_quarter(element, physics, dim):
    """Turning the image about the last axis turns the tensor."""
    c = np.asarray(base(element, physics, dim).value.effective)
    r = np.eye(dim)
    r[:2, :2] = [[0, -1], [1, 0]]
    turned = np.asarray(
        solve(element, physics, np.ascontiguousarray(np.rot90(image(dim), axes=(0, 1)))).value.effective
    )
    q = r if physics == "conduction" else mandel_rotation(r)
    np.testing.assert_allclose(turned, q @ c @ q.T, rtol=0, atol=1e-10 * np.abs(c).max())


@combos
def test_translation_and_relabelling(element, physics, dim):
    c = np.asarray(base(element, physics, dim).value.effective)
    labels = image(dim)
    moved = np.roll(labels, (2, 3, 1)[:dim], axis=range(dim))
    np.testing.assert_allclose(solve(element, physics, moved).value.effective, c, rtol=0, atol=1e-10 * np.abs(c).max())
    if physics == "conduction":
        swapped = solve(element, physics, 1 - labels, 20.0, 1.0).value.effective
        np.testing.assert_allclose(swapped, c, rtol=0, atol=1e-10 * np.abs(c).max())


@combos
def test_units_and_moduli(element, physics, dim):
    """Degree one in the moduli; free of the length unit; monotone in a phase's stiffness."""
    c = np.asarray(base(element, physics, dim).value.effective)
    huge = np.asarray(solve(element, physics, image(dim), 1e11, 20e11).value.effective)
    np.testing.assert_allclose(huge / 1e11, c, rtol=0, atol=1e-10 * np.abs(c).max())
    grid = jh.Grid(image(dim).shape, (3e-6,) * dim)
    small = jh.homogenize(grid, mixture(physics, image(dim)), element=element, **TIGHT)
    np.testing.assert_allclose(small.value.effective, c, rtol=0, atol=1e-10 * np.abs(c).max())
    stiffer = np.asarray(solve(element, physics, image(dim), 1.0, 30.0).value.effective)
    assert np.linalg.eigvalsh(stiffer - c).min() > 0


@combos
def test_homogeneous_cell_is_exact_at_once(element, physics, dim):
    solution = solve(element, physics, np.zeros_like(image(dim)), 3.0, 20.0)
    if physics == "conduction":
        expected = 3 * np.eye(dim)
    else:
        lam, mu = 3 * 0.3 / 1.3 / 0.4, 3 / 2.6
        expected = 2 * mu * np.eye(6 if dim == 3 else 3)
        expected[:dim, :dim] += lam
    np.testing.assert_allclose(solution.value.effective, expected, rtol=1e-13, atol=1e-13)
    assert int(solution.stats["iterations"]) == 0 and float(solution.stats["residual"]) == 0
    assert float(solution.value.hill_mandel_residual) < 1e-13
    assert bool(solution.result.ok)


@combos
def test_a_cell_without_stiffness(element, physics, dim):
    """Zeros or a code, never NaN that calls itself a success."""
    solution = solve(element, physics, image(dim), 0.0, 0.0, throw=False)
    if bool(solution.result.ok):
        np.testing.assert_array_equal(solution.value.effective, 0)
    else:
        assert np.isnan(solution.value.effective).all()


@combos
def test_one_program_for_all_values(element, physics, dim):
    solve(element, physics, image(dim))  # programs of earlier tests may have been forgotten
    before = verb._homogenize.quick._cache_size()
    solve(element, physics, image(dim, seed=5), 2.5, 11.0)
    grid = jh.Grid(image(dim).shape, (1.5, 0.5, 2.0)[:dim])
    jh.homogenize(grid, mixture(physics, image(dim), 4.0, 7.0), element=element, **TIGHT)
    assert verb._homogenize.quick._cache_size() == before


def test_the_law_is_traced_once(monkeypatch):
    calls = []
    inner = jh.LinearConduction.response
    monkeypatch.setattr(jh.LinearConduction, "response", lambda *a: calls.append(1) or inner(*a))
    for k in (1.0, 2.0, 3.0):
        jh.homogenize(jh.Grid((6, 11)), jh.LinearConduction(np.full((6, 11), k)), element="fv")
    assert len(calls) == 1


BATCHED = [c for c in COMBOS if c[2] == 2 or c == ("q1", "conduction", 3)]
QUICK = (("q1", "elasticity", 2), ("fv", "conduction", 2))


@pytest.mark.parametrize(
    "element, physics, dim", [c if c in QUICK else pytest.param(*c, marks=pytest.mark.slow) for c in BATCHED]
)
def test_vmap_is_a_loop(element, physics, dim):
    """Lanes of very different difficulty: a homogeneous one, an easy one, a hard one, moduli and boxes mapped."""
    labels = np.stack([image(dim), image(dim, 1), image(dim, 2)])
    stiff = np.array([1.0, 20.0, 1e4])
    lengths = np.array([[1.0] * dim, [1.0, 2.0, 0.7][:dim], [1.0] * dim])

    def one(labels, b, lengths):
        law = mixture(physics, labels, 1.0, b)
        s = jh.homogenize(jh.Grid(labels.shape, lengths), law, element=element, **TIGHT)
        return s.value.effective, s.result.code, s.stats["iterations"]

    together = jax.vmap(one)(jnp.asarray(labels), jnp.asarray(stiff), jnp.asarray(lengths))
    single = jax.jit(one)
    for i in range(3):
        c, code, iterations = single(jnp.asarray(labels[i]), jnp.asarray(stiff[i]), jnp.asarray(lengths[i]))
        np.testing.assert_allclose(together[0][i], c, rtol=0, atol=1e-9 * float(jnp.abs(c).max()))
        assert int(together[1][i]) == int(code)
        # Rounding may shift the last iteration of a hard lane.
        assert abs(int(together[2][i]) - int(iterations)) <= max(2, 0.02 * int(iterations))


def test_converged_lanes_do_not_drift():
    """A lane that is done waits while its neighbour goes on for hundreds of iterations."""
    exponent = np.random.default_rng(0).uniform(-1, 1, (32, 32))

    def one(width):
        law = jh.LinearConduction(10.0 ** (width * jnp.asarray(exponent)))
        s = jh.homogenize(jh.Grid((32, 32)), law, throw=False, **TIGHT, max_iterations=1500, fields=True)
        return s.value.effective, s.value.fields.fluctuation, s.stats["iterations"], s.stats["residual"]

    easy, hard = 0.1, 7.0
    mapped = jax.jit(jax.vmap(one))
    beside = mapped(jnp.asarray([easy, hard]))
    alone = mapped(jnp.asarray([easy, easy]))
    assert int(beside[2][1]) > int(beside[2][0]) + 500
    for got, expected in zip(beside, alone, strict=True):
        np.testing.assert_array_equal(got[0], expected[0])


@pytest.mark.parametrize(
    "shape",
    [(1, 4, 3), *(pytest.param(s, marks=pytest.mark.slow) for s in ((1, 6), (6, 1), (1, 1), (4, 3, 1), (1, 1, 5)))],
    ids=str,
)
@pytest.mark.parametrize(
    "element", ["q1", *(pytest.param(e, marks=pytest.mark.slow) for e in ("q1r", "fourier", "fv"))]
)
def test_thin_boxes_are_boxes_of_fewer_dimensions(element, shape):
    """Repeating a box along an axis that has one voxel changes nothing."""
    k = np.random.default_rng(1).uniform(0.5, 5, shape)
    grid = jh.Grid(shape, tuple(1.0 + 0.3 * i for i in range(len(shape))))
    thin = np.asarray(jh.homogenize(grid, jh.LinearConduction(k), element=element, **TIGHT).value.effective)
    repeats = tuple(3 if n == 1 else 1 for n in shape)
    thick = np.tile(k, repeats)
    expected = jh.homogenize(jh.Grid(thick.shape, grid.lengths), jh.LinearConduction(thick), element=element, **TIGHT)
    np.testing.assert_allclose(thin, expected.value.effective, rtol=0, atol=1e-10)
    for axis, n in enumerate(shape):
        if n == 1:
            assert abs(thin[axis, axis] - k.mean()) < 1e-10


def test_hill_mandel_sees_an_unconverged_cell():
    """An asymmetric cell stopped early: the pair i != j betrays it (the pair i = i is zero after every step)."""
    labels = image(2, seed=3)
    loose = solve("q1", "elasticity", labels, 1.0, 1e3, tolerance=0.3, residual_tolerance=0.5)
    assert float(loose.value.hill_mandel_residual) > 1e-3
    assert float(solve("q1", "elasticity", labels, 1.0, 1e3).value.hill_mandel_residual) < 1e-9


def test_a_solution_passes_through_transformations_as_a_pytree():
    solution = base("q1", "conduction", 2)
    again = jax.tree.map(lambda x: x, solution)
    assert eqx.tree_equal(again, solution)
