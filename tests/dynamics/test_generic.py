"""Both laws of thermodynamics: the damped oscillator that heats its bath, certificates, refusals, derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxhomog.dynamics import Generic, discrete_gradient, integrate_generic
from jaxhomog.results import InputError

L = np.asarray([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
Z0 = [1.0, 0.0, 2.0]


def energy(z, p):
    return 0.5 * (z[0] ** 2 + z[1] ** 2) + z[2]


def entropy(z, p):
    return 2 * jnp.log(z[2])


def poisson(z, p):
    return jnp.asarray(L, z.dtype)


def friction(z, p):
    u = jnp.stack([jnp.zeros_like(z[0]), jnp.ones_like(z[0]), -z[1]])
    return p * 0.5 * z[2] * jnp.outer(u, u)


OSCILLATOR = Generic(energy, entropy, poisson, friction, jnp.asarray(0.2))


def test_damped_oscillator():
    """`generic.osc` at t = 1, 5, 10, 50 to 1e-8: two steps, extrapolated (the scheme is symmetric: order four)."""
    values = {
        1: [0.5689718909460997, -0.7627576785102375, 2.0472358555934465],
        5: [0.09855066761858593, 0.5886967935011048, 2.321861925616724],
        10: [-0.33685168059041337, 0.18534570698460587, 2.426088957092895],
        50: [0.005526103306932699, 0.003341935879224037, 2.49997914682341],
    }
    paths = [integrate_generic(OSCILLATOR, Z0, h, 50, every=round(1 / h)) for h in (0.02, 0.01)]
    rows = np.asarray(list(values)) - 1
    coarse, fine = (np.asarray(path.state)[rows] for path in paths)
    exact = np.asarray(list(values.values()))
    np.testing.assert_allclose((4 * fine - coarse) / 3, exact, rtol=0, atol=1e-8)
    assert 3.9 < np.abs(coarse - exact).max() / np.abs(fine - exact).max() < 4.1
    np.testing.assert_allclose(paths[1].entropy[rows[-1]], 1.832564781137461, rtol=0, atol=1e-6)
    assert int(paths[1].code) == 0 and "constant" in paths[1].reason


def test_steps_of_size_one():
    """Energy to 1e-12 over 1000 steps, entropy that never falls by 1e-14, its limit 2 ln 2.5; Runge-Kutta loses."""
    path = integrate_generic(OSCILLATOR, Z0, 1.0, 1000)
    assert np.abs(np.asarray(path.energy) - 2.5).max() < 1e-12
    assert float(path.lowest_entropy_step) > -1e-14
    assert float(path.entropy[-1]) == pytest.approx(2 * np.log(2.5), abs=1e-12)
    z = jnp.asarray(Z0)
    for _ in range(30):
        k1 = OSCILLATOR.rate(z)
        k2 = OSCILLATOR.rate(z + 0.5 * k1)
        k3 = OSCILLATOR.rate(z + 0.5 * k2)
        z = z + (k1 + 2 * k2 + 2 * k3 + OSCILLATOR.rate(z + k3)) / 6
    assert 1 - float(energy(z, None)) / 2.5 == pytest.approx(0.008, abs=1e-3)


def test_construction_holds_for_any_matrices():
    rng = np.random.default_rng(0)
    p = (jnp.asarray(rng.normal(size=(3, 3))), jnp.asarray(0.3 * rng.normal(size=(3, 2))))
    law = Generic.constructed(energy, entropy, lambda z, p: p[0] * z[0], lambda z, p: p[1], p)
    z = np.asarray([[1.1, 0.1, 2.1], [0.3, -0.5, 1.0]])
    assert law.certify(z).holds.all()
    path = integrate_generic(law, z[0], 0.5, 60)
    assert float(path.energy_drift) < 1e-13 and float(path.lowest_entropy_step) > 0
    # A state at rest, and one without reversible motion: no division by zero.
    still = Generic.constructed(lambda z, p: z @ z, lambda z, p: 0 * z[0], lambda z, p: p[0], lambda z, p: p[1], p)
    path = integrate_generic(still, [0.0, 0.0, 0.0], 0.1, 2)
    np.testing.assert_array_equal(path.state, 0.0)


def test_construction_that_leaves_nothing():
    """In two variables L between two projections is 0, and so is M with its range along grad E."""
    numbers = jnp.asarray(np.random.default_rng(0).normal(size=(2, 2)))
    square, log = lambda z, p: 0.5 * z @ z, lambda z, p: jnp.sum(jnp.log(z))
    law = Generic.constructed(square, log, lambda z, p: p, lambda z, p: z[:, None], numbers)
    assert law.certify([1.0, 2.0]).holds
    path = integrate_generic(law, [1.0, 2.0], 0.1, 3)
    np.testing.assert_allclose(path.state, np.tile([1.0, 2.0], (3, 1)), rtol=0, atol=1e-15)


def test_precisions_that_differ():
    """A start in float32, a parameter in float64: the path is in float64; a list is a state too."""
    law = Generic(energy, entropy, poisson, friction, jnp.asarray([0.2], jnp.float64)[0])
    path = integrate_generic(law, np.asarray(Z0, np.float32), 1.0, 2)
    assert path.state.dtype == jnp.float64
    np.testing.assert_array_equal(path.state, integrate_generic(law, Z0, 1.0, 2).state)
    np.testing.assert_array_equal(OSCILLATOR.rate(Z0), [0.0, -1.0, 0.0])
    np.testing.assert_array_equal(discrete_gradient(energy, [1, 0, 2], [2, 0, 2]), [1.5, 0.0, 1.0])


@pytest.mark.parametrize(
    "changed, residual",
    [
        ({"friction": lambda z, p: jnp.diag(jnp.asarray([1.0, 0.0, 0.0]))}, "energy_degeneracy"),
        ({"poisson": lambda z, p: jnp.asarray([[0.0, 0, 1], [0, 0, 0], [-1, 0, 0]])}, "entropy_degeneracy"),
        ({"poisson": lambda z, p: jnp.asarray(np.abs(L))}, "antisymmetry"),
        ({"friction": lambda z, p: -friction(z, p)}, "indefinite"),
        ({"friction": lambda z, p: friction(z, p) + jnp.asarray(L) * 0.01}, "symmetry"),
    ],
)
def test_a_violating_pair_is_refused(changed, residual):
    parts = {"energy": energy, "entropy": entropy, "poisson": poisson, "friction": friction} | changed
    law = Generic(*parts.values(), parameters=jnp.asarray(0.2))
    with pytest.raises(InputError, match=residual):
        integrate_generic(law, [1.0, 0.5, 2.0], 0.1, 2)
    path = jax.jit(lambda z: integrate_generic(law, z, 0.1, 2))(jnp.asarray([1.0, 0.5, 2.0]))
    assert int(path.code) & 1 and residual in path.reason and np.isnan(path.state).all()


def test_a_violation_along_the_path_is_seen():
    """M grad E = 0 at the start, where p = 0, and nowhere else."""
    law = Generic(energy, entropy, poisson, lambda z, p: jnp.diag(jnp.asarray([0.0, 1.0, 0.0])))
    with pytest.raises(InputError, match=r"along the path.*energy_degeneracy"):
        integrate_generic(law, Z0, 0.1, 2)


def test_an_energy_that_is_not_quadratic():
    """A quartic spring: gradients of the middle are not the discrete ones, and the matrices must follow the latter."""
    quartic = lambda z, p: 0.25 * z[0] ** 4 + 0.5 * z[1] ** 2 + z[2]  # noqa: E731
    path = integrate_generic(Generic(quartic, entropy, poisson, friction, jnp.asarray(0.4)), [1.5, 0.0, 2.0], 0.7, 40)
    assert float(path.energy_drift) < 1e-13 and float(path.lowest_entropy_step) > -1e-14
    assert int(path.code) == 0


def test_reversible_motion_keeps_the_entropy():
    """z' = grad S x grad E without friction, S quartic: a top that keeps two quantities of different degree."""
    quartic = lambda z, p: 0.25 * jnp.sum(z**4)  # noqa: E731
    cross = lambda z, p: -jnp.cross(jnp.eye(3, dtype=z.dtype), z**3)  # noqa: E731
    top = Generic(lambda z, p: 0.5 * p @ z**2, quartic, cross, lambda z, p: jnp.zeros((3, 3)), jnp.arange(1.0, 4.0))
    path = integrate_generic(top, [1.0, 0.5, 0.8], 0.3, 40)
    assert float(path.energy_drift) < 1e-13
    assert np.ptp(np.asarray(path.entropy)) < 1e-13 and np.ptp(np.asarray(path.state), axis=0).max() > 0.1


def test_a_step_without_solution_is_named():
    """A friction that no step can follow: NaN with a code from the first failed step on, also in the derivative."""
    rough = lambda z, p: (1 + jnp.sin(1e7 * z[1])) * friction(z, p)  # noqa: E731
    run = lambda p: integrate_generic(Generic(energy, entropy, poisson, rough, p), [1.0, 0.5, 2.0], 0.5, 3)  # noqa: E731
    path = run(jnp.asarray(5.0))
    assert int(path.code) & 8 and "smaller steps" in path.reason
    assert np.isnan(path.state[-1]).all()
    assert np.isnan(jax.grad(lambda p: run(p).state[-1, 0])(jnp.asarray(5.0)))


def test_discrete_gradient():
    """Exact differences for steps from 1 to rounding; the gradient itself for no step."""
    f = lambda z, p: jnp.sin(z[0]) * jnp.exp(z[1]) + p * z[0] ** 2  # noqa: E731
    a = jnp.asarray([0.3, -0.2])
    for size in (1.0, 1e-2, 1e-5, 1e-9):
        b = a + size * jnp.asarray([1.0, 0.7])
        g = discrete_gradient(f, a, b, 2.0)
        assert abs(float(g @ (b - a) - (f(b, 2.0) - f(a, 2.0)))) < 4e-16 * 3
        np.testing.assert_allclose(g, jax.grad(f)(0.5 * (a + b), 2.0), rtol=0, atol=0.2 * size**2 + 1e-13)
    np.testing.assert_allclose(discrete_gradient(f, a, a, 2.0), jax.grad(f)(a, 2.0))


@pytest.mark.slow
def test_derivatives():
    """Implicit, forward and reverse, by friction, step and start, against central differences; under vmap."""

    @jax.jit
    def f(p):
        law = Generic(energy, entropy, poisson, friction, p[0])
        path = integrate_generic(law, jnp.stack([p[2], 0 * p[2], p[3]]), p[1], 4)
        return path.state[-1] @ jnp.arange(1.0, 4.0) + path.entropy[1]

    p = jnp.asarray([0.2, 0.5, 1.0, 2.0])
    numeric = [float(f(p + b) - f(p - b)) / 2e-5 for b in 1e-5 * jnp.eye(4)]
    np.testing.assert_allclose(jax.jit(jax.grad(f))(p), numeric, rtol=1e-7)
    np.testing.assert_allclose(jax.jit(jax.jacfwd(f))(p), numeric, rtol=1e-7)
    np.testing.assert_allclose(jax.vmap(f)(jnp.stack([p, p + 0.1])), [f(p), f(p + 0.1)], rtol=1e-13)


def test_single_precision():
    law = Generic(energy, entropy, poisson, friction, jnp.asarray(0.2, jnp.float32))
    path = integrate_generic(law, np.asarray(Z0, np.float32), np.float32(1), 50)
    assert path.state.dtype == jnp.float32 and int(path.code) == 0
    assert float(path.energy_drift) < 3e-6


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: Generic(energy, None, poisson, friction), "entropy"),
        (lambda: Generic(lambda z: z[0], entropy, poisson, friction), "takes"),
        (lambda: Generic(energy, lambda z, p: 1, poisson, friction).certify(Z0), "entropy returns"),
        (lambda: Generic(lambda z, p: 1j * z[0], entropy, poisson, friction).certify(Z0), "energy returns the dtype"),
        (lambda: OSCILLATOR.rate([1.0, 0.0]), "poisson"),
        (lambda: discrete_gradient(energy, Z0, [1.0, 2.0]), "start"),
        (lambda: discrete_gradient(lambda z, p: z, Z0, Z0), "function"),
        (lambda: discrete_gradient(energy, "a", Z0), "start"),
        (lambda: OSCILLATOR.certify("z"), "z"),
        (lambda: OSCILLATOR.certify(Z0, tolerance="small"), "tolerance"),
        (lambda: integrate_generic(OSCILLATOR, [[1.0, 0.0, 2.0]], 0.1, 2), "z"),
        (lambda: integrate_generic(OSCILLATOR, Z0, 0.0, 2), "dt"),
        (lambda: integrate_generic(OSCILLATOR, Z0, 0.1, True), "steps"),
        (lambda: integrate_generic(None, Z0, 0.1, 2), "law"),
        (lambda: integrate_generic(OSCILLATOR, [1.0, 0.0, np.nan], 0.1, 2), "z"),
        (lambda: integrate_generic(OSCILLATOR, [1.0, 0.0, 2.0, 5.0], 0.1, 2), "poisson"),
        (lambda: integrate_generic(OSCILLATOR, [1.0, 0.0, -2.0], 0.1, 2), "not finite"),
    ],
)
def test_bad_input(call, said, unchecked):
    with pytest.raises(InputError, match=said):
        call()
