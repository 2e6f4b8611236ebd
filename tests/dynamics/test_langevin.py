"""Generalized Langevin paths: equilibrium, coloured noise, and the limit without noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxhomog.dynamics import GeneralizedLangevin, PronyKernel, coloured_noise, eliminate
from jaxhomog.results import InputError

ONE = PronyKernel([2.0], [0.8], [1.5], [0.3])


KEY = jax.random.key(0)


def spring(x, k):
    return -k * x


def test_equilibrium_in_a_well():
    """<x^2> = kT / k and <v^2> = kT / m within 3 standard errors: 4000 paths (seed 0), one state each, from far off."""
    system = GeneralizedLangevin(spring, ONE, mass=2.0, temperature=0.5, parameters=3.0)
    run = lambda key: system.simulate(key, [1.0], [0.0], 0.1, 1, every=400)  # noqa: E731
    path = jax.vmap(run)(jax.random.split(jax.random.key(0), 4000))
    x, v = np.asarray(path.position[:, 0, 0]), np.asarray(path.velocity[:, 0, 0])
    for values, exact in ((x, 0.5 / 3), (v, 0.5 / 2)):
        assert abs(np.mean(values**2) - exact) < 3 * exact * np.sqrt(2 / len(values))
    assert abs(np.mean(x * v)) < 3 * np.sqrt(0.5 / 3 * 0.5 / 2 / len(x))
    assert float(path.time[0, 0]) == pytest.approx(40.0)


def test_noise_has_the_correlation_of_the_kernel():
    """<F(t) F(0)> = kT K(t), 4000 paths (seed 1), within 4 standard errors, with steps as long as the memory."""
    noise = jax.vmap(lambda key: coloured_noise(key, ONE, 0.7, 0.9, 4))(jax.random.split(jax.random.key(1), 4000))
    f = np.asarray(noise)
    exact = 0.7 * np.asarray(ONE(0.9 * np.arange(4)))
    error = np.sqrt((exact[0] ** 2 + exact**2) / len(f))
    for start in (0, 1):
        n = 4 - start
        assert (np.abs(np.mean(f[:, start:] * f[:, start : start + 1], axis=0) - exact[:n]) < 4 * error[:n]).all()


def test_without_temperature_it_is_the_linear_equation():
    """m x'' = -k x - int K x' against the exponential of the whole system; second order in the step."""
    system = GeneralizedLangevin(spring, ONE, mass=2.0, temperature=0.0, parameters=3.0)
    drift, c, _ = ONE.auxiliary()
    a = np.zeros((4, 4))
    a[0, 1], a[1, 0], a[1, 2:], a[2:, 1], a[2:, 2:] = 1, -3 / 2, np.asarray(c) / 2, -np.asarray(c), -np.asarray(drift)
    exact = eliminate(a, [0, 1]).full(2.0, [1.0, 0.0, 0.0, 0.0])
    error = []
    for steps in (20, 40):
        path = system.simulate(jax.random.key(0), [1.0], [0.0], 2 / steps, 1, every=steps)
        error.append(np.abs([path.position[0, 0] - exact[0], path.velocity[0, 0] - exact[1]]).max())
    assert error[0] < 5e-3 and 3.7 < error[0] / error[1] < 4.3


def test_derivative():
    """Of a noisy path of two directions by potential, kernel and temperature, against central differences."""

    @jax.jit
    def f(p):
        kernel = PronyKernel(p[1:2], jnp.asarray([0.8]), jnp.asarray([1.5]))
        system = GeneralizedLangevin(spring, kernel, temperature=p[2], parameters=p[0])
        return jnp.sum(system.simulate(jax.random.key(3), [1.0, 0.5], [0.0, 0.2], 0.1, 8).position[-1])

    p = jnp.asarray([3.0, 2.0, 0.5])
    for i, slope in enumerate(jax.grad(f)(p)):
        bump = jnp.zeros(3).at[i].set(1e-6)
        assert float(slope) == pytest.approx(float(f(p + bump) - f(p - bump)) / 2e-6, rel=1e-6)


def test_modes_far_from_the_step():
    """A mode that turns 10^6 times in a step and hardly decays: its force stays in equilibrium (2000 paths, seed 2)."""
    kernel = PronyKernel([1.0], [1e-6], [1e4])
    system = GeneralizedLangevin(lambda x, p: 0 * x, kernel, temperature=0.5)
    run = lambda key: system.simulate(key, [0.0], [0.0], 100.0, 3)  # noqa: E731
    f = np.asarray(jax.vmap(run)(jax.random.split(jax.random.key(2), 2000)).force)[:, -1, 0]
    assert np.mean(f**2) == pytest.approx(0.5, abs=4 * 0.5 * np.sqrt(2 / 2000))


def test_single_precision():
    kernel = PronyKernel(jnp.ones(1, jnp.float32), jnp.ones(1, jnp.float32))
    path = GeneralizedLangevin(spring, kernel, parameters=np.float32(1)).simulate(
        jax.random.key(0), [1.0], [0.0], 1e-3, 9
    )
    assert path.position.dtype == jnp.float32 and np.isfinite(path.velocity).all()


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: GeneralizedLangevin(3.0, ONE), "force"),
        (lambda: GeneralizedLangevin(lambda x: -x, ONE), "takes"),
        (lambda: run(key=3), "key"),
        (lambda: coloured_noise(jax.random.split(KEY), ONE, 1.0, 0.1, 3), "key"),
        (lambda: GeneralizedLangevin(spring, 2.0), "kernel"),
        (lambda: GeneralizedLangevin(spring, ONE, mass=0.0), "mass"),
        (lambda: GeneralizedLangevin(spring, ONE, temperature=-1.0), "temperature"),
        (lambda: GeneralizedLangevin(lambda x, p: None, ONE).simulate(KEY, [1.0], [0.0], 0.1, 2), "force"),
        (lambda: GeneralizedLangevin(lambda x, p: x[0], ONE).simulate(KEY, [1.0], [0.0], 0.1, 2), "force"),
        (lambda: run(x0=1.0), "x0"),
        (lambda: run(v0=[0.0, 1.0]), "v0"),
        (lambda: run(dt=-0.1), "dt"),
        (lambda: run(steps=0), "steps"),
        (lambda: run(every=1.5), "every"),
        (lambda: coloured_noise(jax.random.key(0), None, 1.0, 0.1, 3), "kernel"),
    ],
)
def test_bad_input(call, said, unchecked):
    with pytest.raises(InputError, match=said):
        call()


def run(**changed):
    given = {"key": KEY, "x0": [1.0], "v0": [0.0], "dt": 0.1, "steps": 2} | changed
    return GeneralizedLangevin(spring, ONE, parameters=1.0).simulate(**given)
