"""Exact elimination: the 2 x 2 system, Rubin's chain, oscillator baths, and the fluctuation-dissipation theorem."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxhomog.dynamics import OscillatorBath, eliminate, rubin_bath
from jaxhomog.results import InputError


def test_two_by_two():
    """`mz.2x2`: the kernel is b c exp(d t)."""
    a = [[-0.5, 1.0], [-2.0, -3.0]]
    e = eliminate(a, [0])
    t = np.asarray([0.25, 0.5, 1.0, 2.0])
    np.testing.assert_allclose(e.memory(t)[:, 0, 0], -2 * np.exp(-3 * t), rtol=1e-12)
    x = [0.8376883143983692, 0.6500871718959778, 0.33884827626175384, 0.06273293009567578]
    np.testing.assert_allclose(e.full(t, [1.0, 0.0])[:, 0], x, rtol=1e-10)
    assert float(e.markov[0, 0]) == -0.5
    np.testing.assert_allclose(e.friction(t), -e.memory(t))


def test_all_terms_together():
    """x' = markov x + memory * x + noise, with a rest that does not start at zero, and with Mori's projection."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=(5, 5)) - 2 * np.eye(5)
    root = rng.normal(size=(5, 5))
    z0 = rng.normal(size=5)
    nodes, weights = np.polynomial.legendre.leggauss(30)
    t = 0.8
    s, w = 0.5 * t * (nodes + 1), 0.5 * t * weights
    for covariance in (None, root @ root.T):
        e = eliminate(a, [3, 1], covariance)
        past = jnp.einsum("s,sab,sb->a", w, e.memory(s), e.full(t - s, z0))
        values, vectors = np.linalg.eig(a)
        whole = (vectors * np.exp(t * values)) @ np.linalg.solve(vectors, z0)
        np.testing.assert_allclose(e.full(t, z0), whole.real[[3, 1]], rtol=1e-9)
        rate = jax.jvp(lambda t, e=e: e.full(t, z0), (t,), (1.0,))[1]
        np.testing.assert_allclose(e.markov @ e.full(t, z0) + past + e.noise(t, z0), rate, rtol=1e-9)


def test_rubin():
    """`mz.rubin_kernel`: 2 J1(2 t) / t; a chain of 400 atoms a side is lower by 2 / 401."""
    t = np.asarray([0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0])
    both = [2.0, 1.7602023429797342, 1.1534496155137468, -0.06604332802354912]
    both += [0.017389098467544564, 0.013366624835170041, 0.0126038318037585]
    np.testing.assert_allclose(rubin_bath(30).friction(t), both, rtol=0, atol=1e-13)
    # Units: k and m of the chain scale the kernel by k and time by sqrt(k / m).
    np.testing.assert_allclose(rubin_bath(30, 3.0, 12.0).friction(2 * t), 3 * np.asarray(both), rtol=0, atol=1e-12)
    n = 400
    chain = 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    finite = 2 * OscillatorBath.of_springs(chain, np.eye(n)[0]).friction(t)
    np.testing.assert_allclose(finite, np.asarray(both) - 2 / (n + 1), rtol=0, atol=1e-11)


W, C = np.asarray([0.5, 1.3, 2.1]), np.asarray([0.2, 0.5, 0.9])


def test_oscillator_bath():
    """`mz.fkz_3osc`: kernel and motion; friction and noise are related by the temperature."""
    bath = OscillatorBath(W, C)
    t = np.asarray([1.0, 2.0, 5.0, 10.0])
    assert float(bath.friction(0.0)) == pytest.approx(0.49160246347059533, rel=1e-12)
    kernel = [0.08725720700048359, -0.1303582283484016, -0.0710608707668327, 0.07902030572717476]
    np.testing.assert_allclose(bath.friction(t), kernel, rtol=0, atol=1e-12)
    z0 = np.concatenate([[1.0, 0.0], C / W**2, 0 * C])
    x = [0.5577840521599947, -0.2442219570481037, 0.07969004957695551, -0.6349761350203081]
    a = bath.operator(1.0)
    np.testing.assert_allclose(eliminate(a, [0, 1]).full(t, z0)[:, 0], x, rtol=0, atol=1e-8)
    # Mori's projection with the canonical covariance: the memory is the friction, <F F> = kT K.
    energy = np.zeros((8, 8))
    energy[0, 0], energy[1, 1], energy[0, 2:5], energy[2:5, 0] = 1 + np.sum(C**2 / W**2), 1, -C, -C
    energy[2:, 2:] = np.diag(np.concatenate([W**2, np.ones(3)]))
    covariance = 0.7 * np.linalg.inv(energy)
    e = eliminate(a, [0, 1], covariance)
    np.testing.assert_allclose(e.friction(t)[:, 1, 1], kernel, rtol=0, atol=1e-12)
    np.testing.assert_allclose(e.noise_correlation(t, covariance), 0.7 * e.friction(t), rtol=0, atol=1e-12)
    np.testing.assert_allclose(e.markov, [[0, 1], [-1, 0]], rtol=0, atol=1e-12)


def test_thermal_noise_of_a_bath():
    """<F(t) F(0)> = kT K(t) over 4000 starts, within 4 standard errors of a Gaussian product (seed 0)."""
    bath, t = OscillatorBath(W, C), np.asarray([0.0, 1.0, 3.0])

    def force(key):
        q, p = bath.thermal(key, 0.7, 0.3)
        return bath.force(t, q, p, 0.3)

    f = np.asarray(jax.vmap(force)(jax.random.split(jax.random.key(0), 4000)))
    exact = 0.7 * np.asarray(bath.friction(t))
    error = np.sqrt((exact[0] ** 2 + exact**2) / len(f))
    assert (np.abs(np.mean(f * f[:, :1], axis=0) - exact) < 4 * error).all()


def test_derivatives_and_single_precision():
    f = lambda c: jnp.sum(OscillatorBath(W, c).friction(jnp.asarray([0.3, 2.0])))  # noqa: E731
    bump = np.asarray([0.0, 1e-6, 0.0])
    assert float(jax.grad(f)(C)[1]) == pytest.approx(float(f(C + bump) - f(C - bump)) / 2e-6, rel=1e-7)
    a = jnp.asarray([[-0.5, 1.0], [-2.0, -3.0]])
    g = lambda s: eliminate(s * a, [0]).memory(0.5)[0, 0]  # noqa: E731
    assert float(jax.jit(jax.grad(g))(1.0)) == pytest.approx(-2 * np.exp(-1.5) * (2 - 1.5), rel=1e-9)
    single = eliminate(a.astype(jnp.float32), [0]).memory(np.float32(0.5))
    assert single.dtype == jnp.float32 and float(single[0, 0]) == pytest.approx(-2 * np.exp(-1.5), rel=1e-5)


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: eliminate([[1.0, 2.0]], [0]), "square"),
        (lambda: eliminate(np.eye(2), [0, 1]), "resolved"),
        (lambda: eliminate(np.eye(2), [0, 5]), "resolved"),
        (lambda: eliminate(np.eye(2), None), "resolved"),
        (lambda: eliminate(np.eye(2), "0"), "resolved"),
        (lambda: eliminate(np.eye(3), [0.7]), "resolved"),
        (lambda: eliminate(np.eye(3), [True]), "mask"),
        (lambda: eliminate(np.eye(3), np.asarray([True, False, False])), "mask"),
        (lambda: eliminate(np.eye(3), [0], np.triu(np.ones((3, 3)))), "not symmetric"),
        (lambda: eliminate(np.eye(3), [0, 1], np.ones((3, 3))), "not positive definite"),
        (lambda: eliminate(np.eye(2), [0], np.zeros((2, 2))), "not positive definite"),
        (lambda: eliminate(np.eye(2), [0]).noise_correlation(1.0, [[1.0, 0.5], [0.0, 1.0]]), "not symmetric"),
        (lambda: eliminate(np.eye(2, dtype=np.float16), [0]), "float16"),
        (lambda: eliminate("A", [0]), "operator"),
        (lambda: eliminate([[np.nan, 0], [0, 1]], [0]), "operator"),
        (lambda: eliminate(np.eye(2), [0]).full(1.0, [1.0]), "z0"),
        (lambda: eliminate(np.eye(2), [0], np.eye(3)), "covariance"),
        (lambda: eliminate(np.eye(2), [0]).noise_correlation(1.0, np.eye(3)), "covariance"),
        (lambda: OscillatorBath([1.0], [1.0]).force(1.0, [1.0, 2.0], [1.0], 0.0), "q0"),
        (lambda: OscillatorBath.of_springs(-np.eye(2), [1.0, 0.0]), "positive definite"),
        (lambda: OscillatorBath.of_springs([[1.0, 0.5], [0.0, 1.0]], [1.0, 0.0]), "not symmetric"),
        (lambda: OscillatorBath([1.0], [1.0]).thermal(0, 1.0, 0.0), "key"),
        (lambda: OscillatorBath([1.0], [1.0]).thermal(jax.random.split(jax.random.key(0)), 1.0, 0.0), "vmap"),
        (lambda: OscillatorBath([0.0], [1.0]), "frequencies"),
        (lambda: OscillatorBath([1.0, 2.0], [1.0]), "couplings"),
        (lambda: OscillatorBath(True, [1.0]), "frequencies"),
        (lambda: rubin_bath(2.5), "modes"),
        (lambda: rubin_bath(5, -1.0), "spring"),
    ],
)
def test_bad_input(call, said, unchecked):
    with pytest.raises(InputError, match=said):
        call()
