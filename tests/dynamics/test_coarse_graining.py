"""Relative-entropy fits: decimation of the Ising chain, a harmonic chain without every second atom, derivatives."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxhomog.dynamics import cross_entropy, entropy, gaussian_relative_entropy, relative_entropy_fit
from jaxhomog.results import InputError

FINE = np.asarray(list(itertools.product([-1.0, 1.0], repeat=8)))
COARSE = np.asarray(list(itertools.product([-1.0, 1.0], repeat=4)))


def ring(s, coupling):
    return -coupling * jnp.sum(s * jnp.roll(s, 1))


def weights(coupling):
    return jnp.exp(-jax.vmap(ring, (0, None))(jnp.asarray(FINE), coupling))


def test_decimation():
    """A ring of eight spins to one of four: K' = 1/2 ln cosh 2K to 1e-8, and nothing is lost."""
    p = weights(0.7)
    found = relative_entropy_fit(ring, 0.1, FINE[:, ::2], COARSE, fine_weights=p)
    assert float(found.parameters) == pytest.approx(0.5 * np.log(np.cosh(1.4)), abs=1e-8)
    assert int(found.code) == 0 and float(found.gradient) < 1e-12
    which = ((FINE[:, ::2] > 0) @ (8, 4, 2, 1)).astype(int)
    mapped = np.bincount(which, np.asarray(p / p.sum()), minlength=16)
    assert float(found.cross_entropy - entropy(mapped)) == pytest.approx(0, abs=1e-12)
    # Any other coupling loses information.
    other = cross_entropy(ring, 0.3, FINE[:, ::2], COARSE, fine_weights=p)
    assert float(other - entropy(mapped)) > 0.01
    # The implicit derivative, d K' / d K = tanh 2K, in both modes.
    f = lambda k: relative_entropy_fit(ring, 0.1, FINE[:, ::2], COARSE, fine_weights=weights(k)).parameters  # noqa: E731
    assert float(jax.grad(f)(0.7)) == pytest.approx(np.tanh(1.4), rel=1e-9)
    assert float(jax.jacfwd(f)(0.7)) == pytest.approx(np.tanh(1.4), rel=1e-9)


def test_harmonic_chain():
    """Every second atom removed: the bond's spring is k/2; another spring r k/2 loses 1/2 (r - 1 - ln r) a bond."""
    k, kt = 3.0, 0.4
    # Bonds of the fine chain are independent, with the variance kT / k: two of them make a coarse one.
    x, w = np.polynomial.hermite_e.hermegauss(40)
    scale = np.sqrt(2 * kt / k)
    nodes = np.linspace(-8 * scale, 8 * scale, 401)
    spring = lambda bond, p: 0.5 * p["k"] * bond**2  # noqa: E731
    found = relative_entropy_fit(spring, {"k": 1.0}, scale * x, nodes, kt, fine_weights=w)
    assert float(found.parameters["k"]) == pytest.approx(k / 2, abs=1e-8)
    at = lambda p: cross_entropy(spring, {"k": p}, scale * x, nodes, kt, fine_weights=w)  # noqa: E731
    for r in (1.4, 3.0):
        lost = 0.5 * (r - 1 - np.log(r))
        assert float(at(r * k / 2) - at(k / 2)) == pytest.approx(lost, abs=1e-8)
        assert float(gaussian_relative_entropy([0.0], [[scale**2]], [0.0], [[2 * kt / (r * k)]])) == pytest.approx(lost)


def test_a_potential_that_is_not_linear_in_its_parameters():
    """Morse: recovered from its own ensemble, from a start where the second derivative is not positive."""
    r = np.linspace(0.5, 4.0, 300)
    morse = lambda x, p: p["d"] * (1 - jnp.exp(-p["a"] * (x - p["r"]))) ** 2  # noqa: E731
    exact = {"d": 2.0, "a": 1.3, "r": 1.2}
    w = np.exp(-np.asarray(jax.vmap(morse, (0, None))(r, exact)) / 0.5)
    found = relative_entropy_fit(morse, {"d": 0.7, "a": 1.0, "r": 1.5}, r, r, 0.5, fine_weights=w)
    assert int(found.code) == 0
    for name, value in exact.items():
        assert float(found.parameters[name]) == pytest.approx(value, rel=1e-7)


def test_failure_and_precision():
    """Parameters that the samples do not determine, or that are infinite: a code, and NaN."""
    p = weights(0.7)
    twice = relative_entropy_fit(lambda s, p: ring(s, p[0] + p[1]), jnp.zeros(2), FINE[:, ::2], COARSE, fine_weights=p)
    aligned = relative_entropy_fit(ring, 0.1, np.ones((3, 4)), COARSE)
    for found in (twice, aligned):
        assert int(found.code) == 1 and "not converged" in found.reason
        assert np.isnan(np.asarray(found.parameters)).all()
    mixed = relative_entropy_fit(ring, np.float32(0.1), FINE[:, ::2], COARSE, fine_weights=p)
    assert float(mixed.parameters) == pytest.approx(0.5 * np.log(np.cosh(1.4)), abs=1e-8)
    single = relative_entropy_fit(
        ring, np.float32(0.1), FINE[:, ::2].astype(np.float32), COARSE.astype(np.float32), fine_weights=p
    )
    assert single.parameters.dtype == jnp.float32
    assert float(single.parameters) == pytest.approx(0.5 * np.log(np.cosh(1.4)), abs=1e-5)


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: relative_entropy_fit(None, 0.1, FINE, FINE), "potential"),
        (lambda: relative_entropy_fit(lambda s, p: s, 0.1, FINE, FINE), "potential"),
        (lambda: relative_entropy_fit(ring, 1, FINE, FINE), "start"),
        (lambda: relative_entropy_fit(ring, 0.1, FINE, COARSE), "nodes"),
        (lambda: relative_entropy_fit(ring, 0.1, FINE, FINE, 0.0), "temperature"),
        (lambda: relative_entropy_fit(ring, 0.1, FINE, FINE, fine_weights=[1.0]), "fine_weights"),
        (lambda: relative_entropy_fit(ring, "a", FINE, FINE), "start"),
        (lambda: relative_entropy_fit(ring, 0.1, FINE, FINE, fine_weights=np.zeros(256)), "0 everywhere"),
        (lambda: cross_entropy(ring, "a", FINE, FINE), "parameters"),
        (lambda: cross_entropy(ring, None, FINE, FINE), "parameters"),
    ],
)
def test_bad_input(call, said, unchecked):
    with pytest.raises(InputError, match=said):
        call()
