"""`apply` with an eigenstrain: Levin's relation, layers, free and held bodies, derivatives, what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.results import InputError

TIGHT = {"residual_tolerance": 1e-12}


def random_problem(shape, seed=0):
    """A composite of two phases and an eigenstrain that varies from voxel to voxel."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, shape)
    law = jh.LinearElastic.isotropic(jnp.where(labels, 1.0, 7.0), jnp.where(labels, 0.35, 0.2))
    return jh.Grid(shape, tuple(1.0 + 0.3 * k for k in range(len(shape)))), law, rng.normal(size=(*shape, _n(shape)))


def _n(shape):
    return 6 if len(shape) == 3 else 3


@pytest.mark.parametrize(
    "shape, boundary, element",
    [
        ((5, 4), "periodic", "q1"),
        pytest.param((3, 4, 2), "periodic", "q1", marks=pytest.mark.exhaustive),
        pytest.param((3, 5, 3), "periodic", "q1r", marks=pytest.mark.exhaustive),
        pytest.param((5, 7), "periodic", "fourier", marks=pytest.mark.slow),
        pytest.param((5, 4), "affine", "q1", marks=pytest.mark.exhaustive),
        pytest.param((5, 4), "uniform_traction", "q1", marks=pytest.mark.slow),
        pytest.param((5, 4), "uniform_mixed", "q1", marks=pytest.mark.exhaustive),
        pytest.param((3, 4, 2), ("periodic", "affine", "uniform_traction"), "q1", marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_levins_relation(shape, boundary, element):
    """The stress of unit strains weighs the eigenstrain (Levin 1967): another road to the same means, of a held body
    and of a free one."""
    grid, law, e = random_problem(shape)
    options = {"boundary": boundary, "element": element, **TIGHT}
    levin = jh.effective_expansion(grid, law, e, **options).value
    zero = jnp.zeros(_n(shape))
    held = jh.apply(grid, law, strain=zero, eigenstrain=e, **options).value
    free = jh.apply(grid, law, stress=zero, eigenstrain=e, **options).value
    np.testing.assert_allclose(held.up, levin.stress, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(free.down, levin.expansion, rtol=1e-7, atol=1e-8)
    axes = tuple(range(len(shape)))
    for one, mean_strain, mean_stress in ((held, zero, levin.stress), (free, levin.expansion, zero)):
        np.testing.assert_allclose(np.mean(one.fields.down, axes), mean_strain, rtol=0, atol=1e-7)
        np.testing.assert_allclose(np.mean(one.fields.up, axes), mean_stress, rtol=0, atol=1e-7)
        np.testing.assert_allclose(one.up, mean_stress, rtol=0, atol=1e-7)
        assert float(one.hill_mandel_residual) < 1e-9
        np.testing.assert_allclose(one.power, one.up @ one.down, rtol=0, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("tolerance", [1e-4, 1e-7])
def test_the_mean_stress_is_as_good_as_the_tensor(tolerance):
    """It feels the first power of the field's error, and the field is solved accordingly."""
    grid, law, e = random_problem((16, 15), seed=6)
    zero = jnp.zeros(3)
    exact = jh.apply(grid, law, strain=zero, eigenstrain=e, **TIGHT).value.up
    found = jh.apply(grid, law, strain=zero, eigenstrain=e, tolerance=tolerance).value.up
    # In units of the stress that the eigenstrain of every voxel would have alone.
    size = 7 * np.sqrt(np.mean(np.sum(e**2, axis=-1)))
    assert np.linalg.norm(found - exact) < tolerance * size


def test_free_layers():
    """Layers normal to x: one strain in the plane, no stress across; the field inside every layer is known."""
    young, poisson = np.array([2.6, 48.0, 48.0, 48.0]), np.array([0.3, 0.2, 0.2, 0.2])
    a = np.array([1e-2, 3e-2, 3e-2, 3e-2])
    law = jh.LinearElastic.isotropic(jnp.asarray(young[:, None, None]), jnp.asarray(poisson[:, None, None]))
    grid = jh.Grid((4, 1, 1))
    one = jh.apply(grid, law, stress=np.zeros(6), eigenstrain=a[:, None, None], **TIGHT).value
    biaxial = young / (1 - poisson)
    plane = (biaxial * a).sum() / biaxial.sum()
    stress = biaxial * (plane - a)
    across = a - 2 * poisson * stress / young
    np.testing.assert_allclose(one.down, [across.mean(), plane, plane, 0, 0, 0], rtol=0, atol=1e-10)
    expected = np.zeros((4, 6))
    expected[:, 1] = expected[:, 2] = stress
    np.testing.assert_allclose(one.fields.up[:, 0, 0], expected, rtol=0, atol=1e-9)
    expected[:, 0], expected[:, 1:3] = across, plane
    np.testing.assert_allclose(one.fields.down[:, 0, 0], expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "boundary",
    [
        pytest.param("periodic", marks=pytest.mark.exhaustive),
        pytest.param("uniform_traction", marks=pytest.mark.slow),
    ],
)
def test_an_eigenstrain_that_is_compatible_costs_nothing(boundary):
    """A uniform one in any medium: strain where it is held back, none where it is free."""
    grid, law, _ = random_problem((4, 3, 3), seed=1)
    e = np.array([0.1, -0.2, 0.3, 0.05, 0.0, 0.02])
    everywhere = np.broadcast_to(e, (4, 3, 3, 6))
    free = jh.apply(grid, law, stress=np.zeros(6), eigenstrain=everywhere, boundary=boundary, **TIGHT).value
    np.testing.assert_allclose(free.down, e, rtol=0, atol=1e-10)
    np.testing.assert_allclose(free.fields.up, 0, rtol=0, atol=1e-9)
    shifted = jh.apply(grid, law, strain=2 * e, eigenstrain=everywhere, boundary=boundary, **TIGHT).value
    plain = jh.apply(grid, law, strain=e, boundary=boundary, **TIGHT).value
    np.testing.assert_allclose(shifted.up, plain.up, rtol=1e-8, atol=1e-8)


@pytest.mark.slow
def test_mixed_control_superposes():
    """Load and eigenstrain together: the sum of each alone, with uniaxial stress prescribed."""
    grid, law, e = random_problem((5, 4), seed=2)
    mask = (True, False, True)
    load = {"strain": np.array([0.0, 0.02, 0.0]), "stress": np.array([0.3, 0.0, -0.1]), "stress_controlled": mask}
    none = {"strain": np.zeros(3), "stress": np.zeros(3), "stress_controlled": mask}
    both = jh.apply(grid, law, eigenstrain=e, **load, **TIGHT).value
    parts = [jh.apply(grid, law, **load, **TIGHT).value, jh.apply(grid, law, eigenstrain=e, **none, **TIGHT).value]
    for name in ("down", "up", "fields"):
        whole, sums = getattr(both, name), jax.tree.map(lambda a, b: a + b, *(getattr(p, name) for p in parts))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-9), whole, sums)
    np.testing.assert_allclose(both.up[jnp.array([0, 2])], [0.3, -0.1], rtol=0, atol=1e-12)
    np.testing.assert_allclose(both.down[1], 0.02, rtol=0, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("control", ["strain", "stress"])
def test_derivatives(control):
    """With respect to every modulus and every eigenstrain, of means and of fields, against central differences."""
    grid, _, e = random_problem((4, 3), seed=3)
    rng = np.random.default_rng(4)
    weights = jnp.asarray(rng.normal(size=(4, 3, 3)))
    moved = {"young": jnp.asarray(rng.normal(size=(4, 3))), "e": jnp.asarray(rng.normal(size=e.shape))}

    def value(p):
        law = jh.LinearElastic.isotropic(p["young"], 0.3)
        kwargs = {control: jnp.asarray([0.1, 0.2, -0.3]), "eigenstrain": p["e"], **TIGHT}
        one = jh.apply(grid, law, **kwargs).value
        return jnp.sum(weights * one.fields.up) + jnp.sum(one.down) + 2 * jnp.sum(one.up)

    at = {"young": jnp.where(jnp.arange(12).reshape(4, 3) % 3 == 0, 1.0, 5.0), "e": jnp.asarray(e)}
    value = jax.jit(value)
    slope = jax.jit(jax.grad(value))(at)
    step = 1e-4

    def shifted(by):
        return value(jax.tree.map(lambda x, d: x + by * d, at, moved))

    expected = (shifted(step) - shifted(-step)) / (2 * step)
    found = sum(jnp.sum(slope[k] * moved[k]) for k in at)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.slow
def test_float32_and_vmap():
    grid, law, e = random_problem((5, 4), seed=5)
    run = lambda law, e: jh.apply(grid, law, strain=jnp.zeros(3, e.dtype), eigenstrain=e, throw=False).value.up  # noqa: E731
    exact = run(law, jnp.asarray(e))
    single = run(jax.tree.map(lambda x: x.astype(jnp.float32), law), jnp.asarray(e, jnp.float32))
    assert single.dtype == jnp.float32
    np.testing.assert_allclose(single, exact, rtol=0, atol=1e-4)
    many = jax.vmap(lambda e: run(law, e))(jnp.stack([jnp.asarray(e), 2 * jnp.asarray(e), 0 * jnp.asarray(e)]))
    np.testing.assert_allclose(many, jnp.stack([exact, 2 * exact, 0 * exact]), rtol=0, atol=1e-9)


def test_what_is_refused():
    grid, law, e = random_problem((3, 2))
    for eigenstrain, words in (
        (np.ones((2, 3)), r"eigenstrain has shape \(2, 3\): give \(3, 2\)"),
        (np.full((3, 2), np.nan), "not finite"),
    ):
        for run in (
            lambda x: jh.apply(grid, law, strain=np.zeros(3), eigenstrain=x),
            lambda x: jh.effective_expansion(grid, law, x),
        ):
            with pytest.raises(InputError, match=words):
                run(eigenstrain)
    with pytest.raises(InputError, match="belongs to elasticity"):
        jh.apply(grid, jh.LinearConduction(1.0), gradient=np.ones(2), eigenstrain=np.ones((3, 2)))
    with pytest.raises(InputError, match="no load"):
        jh.apply(grid, law, eigenstrain=e)


def test_a_solve_that_fails_is_a_code():
    grid, law, e = random_problem((6, 5))
    s = jh.apply(grid, law, strain=np.zeros(3), eigenstrain=e, throw=False, max_iterations=1, **TIGHT)
    assert int(s.result.code) == jh.results.STAGNATION
    assert np.isnan(s.value.up).all() and np.isnan(s.value.fields.up).all()
