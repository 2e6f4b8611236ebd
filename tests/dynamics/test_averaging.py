"""Averaging with the first correction: closed forms under fast forcing and beside a fast variable, and its failures."""

import builtins
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxhomog.dynamics import (
    TIME_NO_MANIFOLD,
    TIME_NOT_INTEGRATED,
    TIME_REPELLED,
    averaged_forcing,
    first_correction,
    slow_manifold,
    slow_motion,
)
from jaxhomog.results import InputError

REFERENCES = Path(__file__).parents[3] / "shared" / "references" / "reference_values.json"
EPS = np.array([0.1, 0.05, 0.025])
TIMES = np.linspace(0, 3, 30001)


def breathing(x, phase):
    return -x * (1 + jnp.cos(phase))


def test_the_case():
    """`hom.time_avg`: sup errors of the mean and of the corrected motion against the exact one."""
    if not REFERENCES.exists():
        pytest.skip("the shared reference values are not beside this repository")
    table = next(item for item in json.loads(REFERENCES.read_text()) if item["id"] == "hom.time_avg")["value"]
    found = jax.jit(jax.vmap(lambda eps: averaged_forcing(breathing, 1.0, TIMES, eps)))(EPS)
    assert not np.any(found.code)
    for i, eps in enumerate(EPS):
        exact = np.exp(-TIMES - eps * np.sin(TIMES / eps))
        # The first correction of the mean motion is none: f2 = 0 and u1(x0, 0) = 0, so that `slow` is that of order 0.
        sup = [np.max(np.abs(x - exact)) for x in (found.slow[i], found.corrected[i])]
        np.testing.assert_allclose(sup, [table[f"{eps:g}"][k] for k in ("sup_err0", "sup_err1")], rtol=0, atol=1e-6)


@pytest.mark.slow
def test_a_drift_and_a_start_beside_x0():
    """x' = x sin s + cos s drifts by eps / 2 (f2) and starts at x0 (1 + eps): else errors are O(eps)."""
    rate = lambda x, s: x * jnp.sin(s) + jnp.cos(s)  # noqa: E731
    times, points = np.linspace(0, 3, 301), np.polynomial.legendre.leggauss(400)
    found = jax.jit(jax.vmap(lambda eps: averaged_forcing(rate, 2.0, times, eps)))(EPS)
    errors = []
    for eps, x in zip(EPS, found.corrected, strict=True):
        s = 0.5 * times[:, None] * (points[0] + 1) / eps
        inner = 0.5 * times * (np.cos(s) * np.exp(eps * np.cos(s)) @ points[1])
        exact = np.exp(-eps * np.cos(times / eps)) * (2 * np.exp(eps) + inner)
        errors.append(np.max(np.abs(x - exact)))
    order = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(order, 2, rtol=0, atol=0.15)
    mean, second, u1 = first_correction(rate, jnp.asarray(2.0), 0.3)
    np.testing.assert_allclose((mean, second, u1), (0, 0.5, -2 * np.cos(0.3) + np.sin(0.3)), rtol=0, atol=1e-14)


@pytest.mark.parametrize("nodes", (7, 8))
def test_vectors_and_another_period(nodes):
    """f = A x (1 + cos(pi s) + sin(3 pi s) / 2) of period 2: f_bar = A x, u1 = A x (sin/pi - cos/(6 pi)), f2 = <..>."""
    a = np.array([[0.0, 1.0], [-2.0, 0.3]])
    rate = lambda x, s: a @ x * (1 + jnp.cos(np.pi * s) + 0.5 * jnp.sin(3 * np.pi * s))  # noqa: E731
    x = jnp.array([1.0, -0.5])
    mean, second, u1 = first_correction(rate, x, 7.7, period=2.0, nodes=nodes)
    phase = np.pi * 7.7
    np.testing.assert_allclose(mean, a @ x, rtol=1e-13)
    np.testing.assert_allclose(second, 0, rtol=0, atol=1e-13)
    if nodes == 7:
        np.testing.assert_allclose(u1, a @ x * (np.sin(phase) / np.pi - np.cos(3 * phase) / (6 * np.pi)), rtol=1e-12)


SLOW, FAST, PUSH = -1.0, 0.5, 0.7
LATE = np.linspace(0.5, 3, 11)


def linear(eps, push=PUSH, times=LATE, order=1, sign=-1.0, y0=2.0):
    return slow_motion(
        lambda x, y: SLOW * x + push * y, lambda x, y: sign * (y - FAST * x), 1.0, y0, times, eps, order=order
    )


def exact(eps, push=PUSH):
    matrix = np.array([[SLOW, push], [FAST / eps, -1 / eps]])
    values, vectors = np.linalg.eig(matrix)
    start = np.linalg.solve(vectors, [1.0, 2.0])
    return np.real(np.exp(np.outer(LATE, values)) * start @ vectors.T).T


@pytest.mark.parametrize("order", (pytest.param(0, marks=pytest.mark.slow), 1))
def test_slow_manifold_of_a_linear_system(order):
    """Against the exact solution: O(eps) without, O(eps^2) with the correction of manifold and start."""
    eps = np.array([0.05, 0.025, 0.0125])
    found = jax.jit(jax.vmap(lambda e: linear(e, order=order)))(eps)
    assert not np.any(found.code)
    np.testing.assert_allclose(found.attraction, 1, rtol=1e-9)
    errors = [
        [np.max(np.abs(a - b)) for a, b in zip((x, y), exact(e), strict=True)]
        for e, x, y in zip(eps, found.slow, found.fast, strict=True)
    ]
    rate = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(rate[-1], 1 + order, rtol=0, atol=0.25)


def test_a_curved_manifold():
    """x' = -y, eps y' = x^2 - y: h0 = x^2, h1 = g_y^-1 D h0 f = 2 x^3."""
    h0, h1, found = slow_manifold(lambda x, y: -y, lambda x, y: x**2 - y, jnp.asarray(1.5), jnp.asarray(0.1), 1e-12)
    assert found
    np.testing.assert_allclose((h0, h1), (2.25, 2 * 1.5**3), rtol=1e-12)


def test_a_motion_without_end_is_a_value():
    blown = averaged_forcing(lambda x, s: x**2 * (1 + jnp.cos(s)), 1.0, [0.5, 3.0], 0.1, nodes=4, max_steps=200)
    assert blown.code == TIME_NOT_INTEGRATED and np.all(np.isnan(blown.corrected)) and "max_steps" in blown.reason


@pytest.mark.slow
def test_no_slow_motion_is_a_value():
    repelled = linear(0.1, sign=1.0)
    assert repelled.code & TIME_REPELLED and np.all(np.isnan(repelled.slow)) and "settle" in repelled.reason
    resting = linear(0.1, sign=1.0, y0=FAST)  # on the manifold, which repels: nothing moves, and nothing is sound
    assert resting.code == TIME_REPELLED and not resting.verdict
    lost = slow_motion(lambda x, y: -x, lambda x, y: -1 - y**2 - x**2, 1.0, 1.0, LATE, 0.1, max_steps=300)
    assert lost.code & TIME_NO_MANIFOLD and "Newton" in lost.reason


@pytest.mark.slow
def test_derivatives():
    """Of both motions, whose closed forms are exponentials."""

    def closed(push, start):
        rate = SLOW + push * FAST
        rate = rate - 0.1 * push * FAST * rate
        return (1 + 0.1 * push * (start - FAST)) * jnp.exp(2 * rate)

    found = jax.grad(lambda p, y: linear(0.1, push=p, times=jnp.asarray([2.0]), y0=y).slow[0], (0, 1))(PUSH, 2.0)
    np.testing.assert_allclose(found, jax.grad(closed, (0, 1))(PUSH, 2.0), rtol=1e-5)

    def forced(p):
        return averaged_forcing(lambda x, s: p * breathing(x, s), 1.0, [2.0], 0.1, nodes=4).corrected[0]

    expected = jax.grad(lambda p: jnp.exp(-2 * p) * (1 - 0.1 * p * jnp.sin(20.0)))(1.2)
    np.testing.assert_allclose(jax.grad(forced)(1.2), expected, rtol=1e-6)


@pytest.mark.slow
def test_float32():
    found = averaged_forcing(breathing, np.float32(1), TIMES[::1000], 0.05)
    assert found.corrected.dtype == np.float32
    exact32 = np.exp(-TIMES[::1000]) * (1 - 0.05 * np.sin(TIMES[::1000] / 0.05))
    np.testing.assert_allclose(found.corrected, exact32, rtol=0, atol=1e-4)
    motion = slow_motion(lambda x, y: -y, lambda x, y: x - y, np.float32(1), np.float32(0), [1.0], np.float32(0.01))
    assert motion.slow.dtype == np.float32 and motion.verdict


@pytest.mark.parametrize(
    "change, words",
    (
        ({"x0": None}, "x0=None"),
        ({"x0": "one"}, "x0='one'"),
        ({"times": [1.0, 0.5]}, "ascending"),
        ({"times": [-1.0, 0.5]}, "not before 0"),
        ({"times": [[1.0]]}, "times has shape"),
        ({"eps": 0.0}, "eps=0.0"),
        ({"eps": np.nan}, "eps=nan"),
        ({"eps": True}, "eps=True"),
        ({"order": 2}, "order=2"),
        ({"order": True}, "order=True"),
        ({"tolerance": -1.0}, "tolerance=-1.0"),
        ({"max_steps": 0}, "max_steps=0"),
        ({"period": 0.0}, "period=0.0"),
        ({"nodes": 2}, "nodes=2"),
        ({"rate": 3.0}, "rate is a float"),
        ({"rate": lambda x, s: jnp.ones(2)}, "returns shape"),
    ),
)
def test_bad_input(change, words):
    given = {"rate": breathing, "x0": 1.0, "times": [1.0], "eps": 0.1} | change
    with pytest.raises(InputError, match=words.replace("(", r"\(")):
        averaged_forcing(**given)


def test_bad_input_of_a_slow_motion():
    with pytest.raises(InputError, match="fast_rate returns shape"):
        slow_motion(lambda x, y: -x, lambda x, y: jnp.ones(2), 1.0, 1.0, [1.0], 0.1)
    with pytest.raises(InputError, match="y0=None"):
        slow_motion(lambda x, y: -x, lambda x, y: x - y, 1.0, None, [1.0], 0.1)
    with pytest.raises(InputError, match="order=2"):
        slow_motion(lambda x, y: -x, lambda x, y: x - y, 1.0, 1.0, [1.0], 0.1, order=2)


def test_without_diffrax(monkeypatch):
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name == "diffrax":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(InputError, match=r"pip install 'jaxhomog\[dynamics\]'"):
        averaged_forcing(breathing, 1.0, [1.0], 0.1)


def test_bad_input_of_the_expansions(unchecked):
    f = lambda x, s: -x + jnp.sin(s)  # noqa: E731
    g = lambda x, y: x - y  # noqa: E731
    for call, words in (
        (lambda: first_correction(f, "a", 0.0), "x='a'"),
        (lambda: first_correction(f, 1.0, 0.0, nodes=1), "nodes=1"),
        (lambda: first_correction(f, 1.0, 0.0, period=0.0), "period=0.0"),
        (lambda: slow_manifold(g, g, "a", 0.0, 1e-9), "x='a'"),
        (lambda: slow_manifold(g, g, 1.0, 0.0, "small"), "tolerance='small'"),
        (lambda: averaged_forcing(lambda x, s: 1j * x, 1.0, [1.0], 0.1), "real and imaginary"),
    ):
        with pytest.raises(InputError, match=words):
            call()
    np.testing.assert_allclose(first_correction(f, 1, 0.0), (-1, 0, -1), rtol=0, atol=1e-12)
    np.testing.assert_allclose(averaged_forcing(lambda x, s: 1, 0.0, [2.0], 0.1).slow, [2.0], rtol=1e-9)
