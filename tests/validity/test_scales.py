"""Lengths of fields and times of signals, against closed forms and statistics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxhomog.results import InputError
from jaxhomog.validity import gradient_length, integral_time, relaxation_time


@pytest.mark.parametrize("dtype", (np.float32, np.float64))
def test_length_of_an_exponential(dtype):
    """e = exp(x / l) has the length l everywhere, of any direction and with any number of components."""
    x = np.arange(200) * 0.01
    e = np.exp(x / 0.7)[:, None, None] * np.ones((1, 3, 1)) * np.array([1.0, -2.0])
    found = gradient_length(e.astype(dtype), (0.01, 0.3), floor=0.0)
    assert found.shape == (200, 3) and found.dtype == dtype
    np.testing.assert_allclose(found[1:-1], 0.7, rtol=1e-4)
    np.testing.assert_allclose(found, 0.7, rtol=1e-2)  # one-sided at the ends: h / 2 l


def test_range_floor_and_waves():
    n = 64
    h = 1 / n
    wave = np.sin(2 * np.pi * np.arange(n) * h)
    # |sin| / |2 pi cos|, and not below the floor: 0.1 / sqrt 2 of the amplitude.
    chord = np.sin(np.pi * h) / (np.pi * h)  # of a difference over h instead of the slope
    found = np.asarray(gradient_length(wave, (h,), periodic=True))
    np.testing.assert_allclose(found[0], 0.1 / np.sqrt(2) / (2 * np.pi * chord), rtol=1e-2)
    np.testing.assert_allclose(found[n // 8], 1 / (2 * np.pi), rtol=2e-3)
    by_range = np.asarray(gradient_length(wave + 100.0, (h,), periodic=True, reference="range"))
    np.testing.assert_allclose(by_range[0], 2 / (2 * np.pi), rtol=2e-3)
    line = 5.0 + 3.0 * np.arange(11) * 0.1
    np.testing.assert_allclose(gradient_length(line, (0.1,), reference="range"), 1.0, rtol=1e-12)
    alternating = np.tile([1.0, -1.0], 8)
    np.testing.assert_allclose(gradient_length(alternating, (0.5,), periodic=True), 0.25, rtol=1e-12)


def test_what_does_not_change():
    for field in (np.zeros((4, 5)), np.ones((4, 5)), np.ones((4, 5), np.int32)):
        assert np.all(np.isinf(gradient_length(field, (1.0, 1.0))))
    assert np.all(np.isinf(gradient_length(np.ones((1, 1)), (1.0, 1.0), periodic=True)))
    thick = gradient_length(np.arange(1.0, 6.0)[:, None], (1.0, 1.0))
    np.testing.assert_allclose(thick[2, 0], 3.0)
    assert np.isnan(gradient_length(np.array([1.0, np.nan, 2.0]), (1.0,))).any()
    slope = jax.grad(lambda e: jnp.sum(1 / gradient_length(e, jnp.ones(1))))(jnp.ones(5))
    assert np.all(np.isfinite(slope))


def memory(tau, number, n, seed):
    """Stationary Gaussian signals of correlation exp(-k / tau)."""
    rng, phi = np.random.default_rng(seed), np.exp(-1 / tau)
    x = np.empty((number, n))
    x[:, 0] = rng.standard_normal(number)
    for k in range(1, n):
        x[:, k] = phi * x[:, k - 1] + np.sqrt(1 - phi**2) * rng.standard_normal(number)
    return x


@pytest.mark.parametrize("tau, n", ((1e-9, 300), (4.0, 1500)))
def test_integral_time(tau, n):
    """The mean of 200 signals within half of a standard error of one (see the docstring), and errors that are true."""
    found = integral_time(memory(tau, 200, n, seed=3), 0.1)
    phi = np.exp(-1 / tau)
    expected = 0.05 * (1 + phi) / (1 - phi)  # the trapezoidal sum of phi^k
    error = np.sqrt(np.mean(np.square(found.error)))
    assert abs(np.mean(found.value) - expected) < 0.6 * error
    # A standard deviation of 200 is known to 5 %; white noise has a cut at lag one or two, and its bar is wide.
    ratio = np.std(found.value) / error
    assert (0.8 < ratio < 1.2) if tau > 1 else ratio < 1
    one = jax.jit(integral_time)(memory(tau, 200, n, seed=3)[7], 0.1)
    np.testing.assert_allclose(one.value, found.value[7], rtol=1e-10)


def test_times_that_cannot_be_told():
    still = integral_time(np.full((2, 20), 0.1), 1.0)
    assert np.all(np.isnan(still.value))
    assert np.isinf(relaxation_time(np.exp(np.arange(9.0)), 1.0).value)
    assert np.isnan(relaxation_time(np.array([1.0, -1.0, 1.0, 1.0]), 1.0).value)
    assert np.isnan(relaxation_time(np.array([1.0, np.nan, 0.3, 0.1]), 1.0).value)
    assert np.isnan(relaxation_time(np.zeros(5), 1.0).value)


def test_relaxation_time():
    t = np.arange(200) * 0.05
    y = 2 - 3 * np.exp(-t / np.array([[1.7], [0.4]]))
    found = relaxation_time(y, 0.05, np.full(2, 2.0))
    np.testing.assert_allclose(found.value, (1.7, 0.4), rtol=1e-8)
    single = relaxation_time(y.astype(np.float32), 0.05, np.full(2, 2.0, np.float32))
    np.testing.assert_allclose(single.value, (1.7, 0.4), rtol=1e-4)
    noisy = y[0] + 0.02 * np.random.default_rng(5).standard_normal((400, 200))
    found = relaxation_time(noisy, 0.05, np.full(400, 2.0))
    spread = np.std(found.value)
    np.testing.assert_allclose(np.sqrt(np.mean(np.square(found.error))), spread, rtol=0.12)  # 3 / sqrt(2 * 400)
    # log is concave: its mean, and T, are high by a fraction of the noise over the signal.
    assert abs(np.mean(found.value) - 1.7) < 2 * spread
    slope = jax.grad(lambda T: relaxation_time(jnp.exp(-t / T), 0.05).value)(1.7)
    np.testing.assert_allclose(slope, 1, rtol=1e-6)


@pytest.mark.parametrize(
    "call, words",
    (
        (lambda: gradient_length(np.ones(3), (1.0, 1.0)), "spacing has shape"),
        (lambda: gradient_length(np.ones(3), 1.0), "spacing has shape"),
        (lambda: gradient_length(np.ones(3), (0.0,)), "finite and positive"),
        (lambda: gradient_length(np.ones(3), (np.nan,)), "finite and positive"),
        (lambda: gradient_length(np.ones(0), (1.0,)), "spacing has shape"),
        (lambda: gradient_length(np.ones(3), (1.0,), reference="mean"), "reference='mean'"),
        (lambda: gradient_length(np.ones(3), (1.0,), floor=-1.0), "floor=-1.0"),
        (lambda: gradient_length(np.ones(3), (1.0,), floor=True), "floor=True"),
        (lambda: gradient_length(None, (1.0,)), "field"),
        (lambda: gradient_length("field", (1.0,)), "field"),
        (lambda: gradient_length(np.ones(3), (1.0,), periodic="no"), "periodic='no'"),
        (lambda: gradient_length(np.ones((3, 3)) > 0, (1.0, 1.0)), "field has dtype bool"),
        (lambda: integral_time(np.ones(7), 1.0), "at least 8"),
        (lambda: integral_time(np.ones(9), 0.0), "step=0.0"),
        (lambda: integral_time(np.ones(9), None), "step=None"),
        (lambda: integral_time(np.ones(9), np.ones(2)), "step="),
        (lambda: integral_time(None, 1.0), "signal"),
        (lambda: relaxation_time(1.0, 1.0), "at least 3"),
        (lambda: relaxation_time(np.ones((2, 9)), 1.0, np.ones(3)), "final has shape"),
    ),
)
def test_bad_input(unchecked, call, words):
    with pytest.raises(InputError, match=words):
        call()


@pytest.mark.parametrize("unit", (1e-30, 1e30))
def test_scales_do_not_depend_on_the_unit(unit):
    """Squares of these would leave the range of float32."""
    noise = np.random.default_rng(0).normal(size=400).astype(np.float32)
    field, fall = np.cumsum(noise), np.exp(-np.arange(40, dtype=np.float32) / 7)
    for measure in (
        lambda s: gradient_length(field * s, (0.5,)),
        lambda s: integral_time(noise * s, 0.5).value,
        lambda s: relaxation_time(fall * s, 0.5).value,
    ):
        one, other = measure(np.float32(1)), measure(np.float32(unit))
        assert np.all(np.isfinite(one))
        np.testing.assert_allclose(other, one, rtol=1e-4)
    assert np.isfinite(integral_time(noise.astype(np.float16), 0.5).value)
