"""Derivatives of the effective tensor and of fields against central differences (solver tolerance 1e-12)."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh

CASES = [
    ("elasticity", "q1", (4, 3)),
    pytest.param("elasticity", "q1r", (3, 5), marks=pytest.mark.slow),
    ("conduction", "q1", (5, 4)),
    pytest.param("conduction", "fv", (4, 4), marks=pytest.mark.slow),
    pytest.param("conduction", "q1", (3, 4, 2), marks=pytest.mark.slow),
]
CASES += [pytest.param("elasticity", "q1", (3, 2, 3), marks=pytest.mark.slow)]
CASES += [pytest.param("elasticity", "fourier", (3, 3), marks=pytest.mark.slow)]
cases = pytest.mark.parametrize("physics, element, shape", CASES)


def start(physics, shape):
    rng, d = np.random.default_rng(7), len(shape)
    n = {"conduction": d, "elasticity": 3 if d == 2 else 6}[physics]
    weight = rng.normal(size=(n, n))
    parameters = jnp.asarray(rng.uniform(0.5, 3, shape))
    if physics == "elasticity":
        parameters = (parameters, jnp.asarray(rng.uniform(0.0, 0.35, shape)))
    return parameters, jnp.asarray(weight), jnp.asarray([1.0, 1.4, 0.8][:d])


def functional(physics, element, shape, weight, fields=False):
    def f(parameters, lengths):
        law = jh.LinearConduction(parameters) if physics == "conduction" else jh.LinearElastic.isotropic(*parameters)
        s = jh.homogenize(jh.Grid(shape, lengths), law, element=element, tolerance=1e-12, fields=fields)
        if fields:
            v = s.value.fields
            return jnp.sum(jnp.sin(v.up)) + jnp.sum(v.down**2 * jnp.cos(v.down)) + jnp.sum(v.fluctuation**3)
        return jnp.sum(weight * s.value.effective) + jnp.sum(s.value.effective**2)

    return jax.jit(f)


def direction(tree, seed):
    leaves, treedef = jax.tree.flatten(tree)
    rng = np.random.default_rng(seed)
    return jax.tree.unflatten(treedef, [jnp.asarray(0.3 * rng.normal(size=x.shape)) for x in leaves])


def inner(a, b):
    return sum(jnp.vdot(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def shifted(x, v, step):
    return jax.tree.map(lambda a, b: a + step * b, x, v)


def central(f, x, v, step=2e-3):
    """Central difference of sixth order: the step is large, so the solver's rounding does not count."""
    out = 0.0
    for k, weight in ((1, 45.0), (2, -9.0), (3, 1.0)):
        out += weight * (f(*shifted(x, v, k * step)) - f(*shifted(x, v, -k * step)))
    return out / (60 * step)


@cases
def test_first_derivatives(physics, element, shape):
    """Over all voxels and the lengths at once, reverse and forward."""
    parameters, weight, lengths = start(physics, shape)
    f, x = functional(physics, element, shape, weight), (parameters, lengths)
    v = direction(x, 1)
    expected = central(f, x, v)
    np.testing.assert_allclose(inner(jax.jit(jax.grad(f, (0, 1)))(*x), v), expected, rtol=1e-6)
    np.testing.assert_allclose(jax.jit(lambda x, v: jax.jvp(f, x, v)[1])(x, v), expected, rtol=1e-6)
    only = (jax.tree.map(jnp.zeros_like, parameters), jnp.asarray([1.0, -0.5, 0.2][: len(shape)]))
    slope = jax.jit(jax.grad(f, (0, 1)))(*x)[1]
    np.testing.assert_allclose(slope @ only[1], central(f, x, only), rtol=1e-6)


@pytest.mark.parametrize(
    "physics, element, shape",
    [pytest.param(*getattr(CASES[0], "values", CASES[0]), marks=pytest.mark.slow), CASES[2], CASES[4], *CASES[5:6]],
)
def test_hessian_vector_products(physics, element, shape):
    parameters, weight, lengths = start(physics, shape)
    f, x = functional(physics, element, shape, weight), (parameters, lengths)
    v, w = direction(x, 1), direction(x, 2)
    gradient = jax.jit(jax.grad(f, (0, 1)))
    expected = central(lambda *x: inner(gradient(*x), w), x, v)
    assert abs(expected) > 1e-3
    forward_over_reverse = jax.jit(lambda x, v: jax.jvp(lambda *x: jax.grad(f, (0, 1))(*x), x, v)[1])
    np.testing.assert_allclose(inner(forward_over_reverse(x, v), w), expected, rtol=1e-6)
    reverse_over_reverse = jax.jit(lambda x, v: jax.grad(lambda x: inner(jax.grad(f, (0, 1))(*x), v))(x))
    np.testing.assert_allclose(inner(reverse_over_reverse(x, v), w), expected, rtol=1e-6)


@pytest.mark.parametrize(
    "physics, element, shape", [pytest.param(*CASES[0], marks=pytest.mark.slow), CASES[2], *CASES[5:6]]
)
def test_gradients_through_fields(physics, element, shape):
    parameters, weight, lengths = start(physics, shape)
    f, x = functional(physics, element, shape, weight, fields=True), (parameters, lengths)
    v = direction(x, 3)
    expected = central(f, x, v)
    np.testing.assert_allclose(inner(jax.jit(jax.grad(f, (0, 1)))(*x), v), expected, rtol=1e-6)
    np.testing.assert_allclose(jax.jit(lambda x, v: jax.jvp(f, x, v)[1])(x, v), expected, rtol=1e-6)


def test_gradient_of_a_whole_law():
    """eqx.filter_grad skips the integer labels and reaches every parameter of every phase."""
    labels = np.random.default_rng(0).integers(0, 3, (5, 4))
    law = jh.PhaseMixture(
        labels,
        {
            0: jh.LinearElastic.isotropic(1.0, 0.3),
            1: jh.LinearElastic.isotropic(np.linspace(1, 2, 20).reshape(5, 4), 0.1),
            2: jh.LinearElastic.isotropic(7.0, 0.2),
        },
    )

    def f(law):
        return jh.homogenize(jh.Grid((5, 4)), law, tolerance=1e-12).value.effective[0, 0]

    slope = eqx.filter_grad(f)(law)
    assert slope.labels is None
    for phase, name in ((0, "young"), (2, "poisson")):
        where = lambda x: x.laws[phase].parameters[name]  # noqa: B023, E731
        step = 1e-4
        value = where(law)
        up, down = (f(eqx.tree_at(where, law, value + s)) for s in (step, -step))
        np.testing.assert_allclose(where(slope), (up - down) / (2 * step), rtol=1e-6)
    # Voxels of other phases do not feel phase 1's field.
    field = np.asarray(slope.laws[1].parameters["young"])
    assert (field[labels != 1] == 0).all() and (field[labels == 1] != 0).all()


def test_stats_carry_no_derivative():
    def f(k):
        s = jh.homogenize(jh.Grid((4, 4)), jh.LinearConduction(k))
        return s.stats["residual"] + s.stats["error_bound"]

    k = jnp.asarray(np.random.default_rng(0).uniform(1, 2, (4, 4)))
    np.testing.assert_array_equal(jax.grad(f)(k), 0)
