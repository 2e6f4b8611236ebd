"""The memory of viscoelastic laminates: closed forms, the correspondence principle, and the same laminate driven."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.dynamics import kelvin_voigt_laminate, maxwell_laminate
from jaxhomog.results import InputError

F, E = np.asarray([0.3, 0.5, 0.2]), np.asarray([1.0, 4.0, 9.0])
M, TAU = np.asarray([[0.5, 1.0], [2.0, 0.0], [0.3, 4.0]]), np.asarray([[0.2, 1.0], [0.7, 3.0], [2.0, 5.0]])
ETA = np.asarray([2.0, 1.0, 7.0])


def test_one_emergent_time():
    """`ve.laminate_standard_solid`: one layer relaxes in 2, the laminate in 2.25."""
    r = maxwell_laminate([0.4, 0.6], [10.0, 1.0], [[0.0], [2.0]], [[1.0], [2.0]])
    t = np.asarray([0.0, 0.5, 1.0, 3.0, 10.0])
    exact = [4.166666666666667, 3.647753653429188, 3.2322405948696735, 2.2489508805097054, 1.5930823657734932]
    np.testing.assert_allclose(r(t), exact, rtol=1e-12)
    assert float(r.modulus) == pytest.approx(1.5625, rel=1e-12)
    k = int(np.argmax(np.asarray(r.kernel.weights)))
    assert float(1 / r.kernel.rates[k]) == pytest.approx(2.25, rel=1e-12)
    # The branch that no layer has keeps no weight.
    assert float(r.kernel.weights[1 - k]) == pytest.approx(0, abs=1e-14)
    assert complex(r.complex_modulus(1.0)) == pytest.approx(3.7371134020618557 + 0.9664948453608248j, rel=1e-12)


def test_correspondence_principle():
    """1 / E*(s) = sum f / E(s) at complex s, for any number of branches."""
    w = np.asarray([0.1, 1.0, 7.0])
    s = 1j * w[:, None, None]
    layers = E + np.sum(M * s * TAU / (1 + s * TAU), axis=-1)
    np.testing.assert_allclose(maxwell_laminate(F, E, M, TAU).complex_modulus(w), 1 / np.sum(F / layers, axis=-1))
    layers = E + 1j * w[:, None] * ETA
    r = kelvin_voigt_laminate(F, E, ETA)
    np.testing.assert_allclose(r.complex_modulus(w), 1 / np.sum(F / layers, axis=-1))
    assert float(r.viscosity) == pytest.approx(1 / np.sum(F / ETA), rel=1e-12)
    # The memory is of the laminate: with equal retardation times there is none.
    assert float(jnp.max(kelvin_voigt_laminate(F, E, 2 * E).kernel.weights)) < 1e-14
    assert float(jnp.min(r.kernel.weights)) > 0.1


def test_fluids():
    """A layer without a spring takes all strain in the end; two of them share it in any way."""
    one = maxwell_laminate([0.5, 0.5], [0.0, 1.0], [[1.0], [0.0]], [[1.0], [1.0]])
    assert float(one.modulus) == pytest.approx(0, abs=1e-14) and float(one(0.0)) == pytest.approx(1.0)
    # Known numbers inside a program.
    f, e = jnp.asarray([0.5, 0.5]), jnp.asarray([0.0, 0.0])
    two = jax.jit(lambda m: maxwell_laminate(f, e, m, [[1.0], [2.0]]))(jnp.asarray([[1.0], [3.0]]))
    assert float(two.modulus) == pytest.approx(0, abs=1e-12)
    assert float(two.kernel.friction) == pytest.approx(1 / (0.5 / 1 + 0.5 / 6), rel=1e-9)


@pytest.mark.slow
def test_driven_laminate_has_this_memory():
    """The cell with two phases in layers, stepped, against the law that elimination leaves."""

    def phase(bulk, shear):
        young = 9 * bulk * shear / (3 * bulk + shear)
        return jh.LinearElastic.isotropic(young, (3 * bulk - 2 * shear) / (2 * (3 * bulk + shear)))

    laws = {
        0: jh.GeneralizedMaxwell(phase(6.0, 3.0), [3.0], [0.4]),
        1: jh.GeneralizedMaxwell(phase(1.0, 1e-7), [1.5], [2.0]),
    }
    time = np.concatenate([[1e-7], 0.02 * np.arange(1, 51)])
    path = jh.LoadPath(np.tile([1.0, 0.0, 0.0], (51, 1)), time=time)
    law = jh.PhaseMixture(np.asarray([0, 0, 1, 1, 1])[:, None], laws)
    driven = jh.drive(jh.Grid((5, 1)), law, path, tangent=False, tolerance=1e-9).value.stress[:, 0]
    r = maxwell_laminate([0.4, 0.6], [10.0, 1.0 + 4e-7 / 3], [[4.0], [2.0]], [[0.4], [2.0]])
    np.testing.assert_allclose(driven, r(time), rtol=1e-4)


def test_derivative():
    """Of a relaxation time by the fraction: 2 / tau = 1/3 + 2/9 f2 M0, 1 / M0 = f1 / 10 + f2 / 3."""

    @jax.jit
    def f(x):
        r = maxwell_laminate(jnp.stack([1 - x, x]), [10.0, 1.0], [[0.0], [2.0]], [[1.0], [2.0]])
        return jnp.sum(r.kernel.weights / r.kernel.rates) / jnp.sum(r.kernel.weights)

    exact = lambda x: 2 / (1 / 3 + 2 / 9 * x / ((1 - x) / 10 + x / 3))  # noqa: E731
    assert float(f(0.6)) == pytest.approx(exact(0.6))
    assert float(jax.grad(f)(0.6)) == pytest.approx((exact(0.6 + 1e-6) - exact(0.6 - 1e-6)) / 2e-6, rel=1e-7)
    # Of the relaxation modulus by a branch that is not there yet: it is smooth in its modulus.
    f = jax.jit(lambda m: maxwell_laminate([0.4, 0.6], [10.0, 1.0], m, [[1.0], [2.0]])(1.3))
    none = jnp.asarray([[0.0], [2.0]])
    numeric = float(-3 * f(none) + 4 * f(none.at[0, 0].set(1e-3)) - f(none.at[0, 0].set(2e-3))) / 2e-3
    assert float(jax.jit(jax.grad(f))(none)[0, 0]) == pytest.approx(numeric, rel=1e-6)
    assert float(jax.jit(jax.jacfwd(f))(none)[0, 0]) == pytest.approx(numeric, rel=1e-6)
    single = maxwell_laminate(*(np.asarray(v, np.float32) for v in (F, E, M, TAU)))
    assert single.modulus.dtype == jnp.float32
    assert float(single.modulus) == pytest.approx(1 / np.sum(F / E), rel=1e-5)


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: maxwell_laminate(F, E[:2], M, TAU), "moduli"),
        (lambda: maxwell_laminate(F, E, M[:2], TAU), "branches"),
        (lambda: maxwell_laminate(F, E, M, -TAU), "times"),
        (lambda: maxwell_laminate([0.5, 0.5], [0.0, 1.0], [[0.0], [0.0]], [[1.0], [1.0]]), "stiffness"),
        (lambda: maxwell_laminate([0.5, 0.6], [1.0, 1.0], [[0.0], [0.0]], [[1.0], [1.0]]), "fractions"),
        (lambda: kelvin_voigt_laminate([1.0], [1.0], [1.0]), "layers"),
        (lambda: kelvin_voigt_laminate(F, E, ETA[:2]), "viscosities"),
        (lambda: kelvin_voigt_laminate(F, None, ETA), "moduli"),
    ],
)
def test_bad_input(call, said, unchecked):
    with pytest.raises(InputError, match=said):
        call()
