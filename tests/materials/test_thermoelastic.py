"""Thermoelasticity at a point: free and blocked expansion, crystals, plane strain, entropy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.materials import Step, ThermoElastic
from jaxhomog.tensors import Rotation, from_mandel, to_mandel

E, NU, A, T0 = 200.0, 0.3, 12e-6, 293.0
ELASTIC = jh.LinearElastic.isotropic(E, NU)
ALPHA = np.asarray([10.0, 14.0, 30.0, 2.0, -3.0, 5.0]) * 1e-6
TURN = Rotation.from_bunge(0.4, 0.9, -0.3)
CRYSTAL = jh.LinearElastic.orthotropic((10.0, 20.0, 40.0), (0.2, 0.1, 0.15), (4.0, 5.0, 6.0), rotation=TURN)
LAWS = {"isotropic": ThermoElastic(ELASTIC, A, T0), "crystal": ThermoElastic.tensor(CRYSTAL, ALPHA, T0)}
ANY = pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
STRAIN = np.asarray([1.0, -0.4, 0.3, 0.5, -0.7, 0.2]) * 1e-3


def hot(temperature, dtype=float):
    return Step(jnp.asarray(1.0, dtype), None if temperature is None else jnp.asarray(temperature, dtype))


def answer(law, strain, temperature):
    strain = jnp.asarray(strain)
    pts = (1,) * (3 if len(strain) == 6 else 2)
    up = law.points(pts, strain.dtype).update(strain.reshape(-1, *pts), (), hot(temperature))
    return up.stress.ravel(), up.energy.ravel()[0]


@ANY
@pytest.mark.parametrize("temperature", [None, T0])
def test_at_the_reference_temperature_it_is_hooke(law, temperature):
    stress, energy = answer(law, STRAIN, temperature)
    c = np.asarray(law.elastic.response((1, 1, 1), float).mean())
    np.testing.assert_allclose(stress, c @ STRAIN, rtol=1e-12)
    assert energy == pytest.approx(0.5 * STRAIN @ c @ STRAIN, rel=1e-12)


def test_blocked_expansion():
    """sigma = -E a dT / (1 - 2 nu) in a rigid box, W = 3/2 E a^2 dT^2 / (1 - 2 nu)."""
    stress, energy = answer(LAWS["isotropic"], np.zeros(6), T0 + 50)
    np.testing.assert_allclose(stress, [-E * A * 50 / (1 - 2 * NU)] * 3 + [0] * 3, rtol=1e-12)
    assert energy == pytest.approx(1.5 * E * (A * 50) ** 2 / (1 - 2 * NU), rel=1e-12)


def test_free_expansion_of_a_turned_crystal():
    """The strain R alpha R^T dT carries no stress, with the tensor turned as a matrix."""
    r = np.asarray(TURN)
    free = to_mandel(r @ np.asarray(from_mandel(ALPHA)) @ r.T) * 80
    stress, energy = answer(LAWS["crystal"], free, T0 + 80)
    np.testing.assert_allclose(stress, 0, rtol=0, atol=1e-16)
    assert abs(energy) < 1e-20


@ANY
def test_the_stress_is_the_slope_of_the_energy_and_so_is_the_entropy(law):
    """dW/d eps = sigma; -dW/dT = alpha : sigma."""
    energy = lambda e, t: answer(law, e, t)[1]  # noqa: E731
    by_strain, by_temperature = jax.jit(jax.grad(energy, (0, 1)))(jnp.asarray(STRAIN), T0 + 30.0)
    stress, _ = answer(law, STRAIN, T0 + 30.0)
    np.testing.assert_allclose(by_strain, stress, rtol=1e-9)
    alpha = np.asarray(law.points((1, 1, 1), float).expansion).ravel()
    assert -by_temperature == pytest.approx(alpha @ np.asarray(stress), rel=1e-10)


@ANY
def test_isothermal_work_is_the_change_of_energy(law):
    """W is quadratic, so the work of a straight step is its mean stress times the strain."""
    first, second = (answer(law, e, T0 - 40.0) for e in (0.3 * STRAIN, STRAIN))
    work = 0.5 * (first[0] + second[0]) @ (0.7 * STRAIN)
    assert second[1] - first[1] == pytest.approx(float(work), rel=1e-10)


@ANY
@pytest.mark.parametrize("plane", [False, True])
def test_tangent_against_differences(law, plane):
    e = jnp.asarray(STRAIN[[0, 1, 5]] if plane else STRAIN)
    stress = jax.jit(lambda x: answer(law, x, T0 + 30.0)[0])
    pts = (1,) * (2 if plane else 3)
    points = law.points(pts, float)
    own = np.asarray(points.tangent(e.reshape(-1, *pts), (), hot(T0 + 30.0)).mean())
    d = 1e-5
    numeric = np.stack([(stress(e + d * v) - stress(e - d * v)) / (2 * d) for v in jnp.eye(len(e))], axis=1)
    np.testing.assert_allclose(own, numeric, rtol=0, atol=1e-8 * np.linalg.norm(own))
    np.testing.assert_allclose(own, jax.jacfwd(stress)(e), rtol=0, atol=1e-12 * np.linalg.norm(own))
    assert points.symmetric


@ANY
def test_plane_strain_is_a_solid_without_strain_along_the_third_axis(law):
    solid = np.where(np.isin(np.arange(6), (0, 1, 5)), STRAIN, 0)
    s3, w3 = answer(law, solid, T0 + 25.0)
    s2, w2 = answer(law, STRAIN[[0, 1, 5]], T0 + 25.0)
    np.testing.assert_allclose(s2, s3[jnp.asarray([0, 1, 5])], rtol=1e-10)
    assert w2 == pytest.approx(float(w3), rel=1e-12)


@ANY
def test_single_precision_stays_single_and_lanes_agree(law):
    points = law.points((2, 1, 1), jnp.float32)
    strain = jnp.asarray(np.random.default_rng(0).normal(size=(3, 6, 2, 1, 1)) * 1e-3, jnp.float32)
    f = lambda e: (points.update(e, (), hot(T0 + 9.0, jnp.float32)), points.tangent(e, (), hot(None, jnp.float32)))  # noqa: E731
    lanes = jax.vmap(f)(strain)
    assert {x.dtype for x in jax.tree.leaves(lanes)} == {jnp.dtype("float32"), jnp.dtype("int32")}
    np.testing.assert_allclose(lanes[0].stress[1], f(strain[1])[0].stress, rtol=1e-5, atol=1e-7)
    assert not lanes[0].dissipation.any()


def test_derivative_by_the_coefficient():
    """d sigma_11 / d a = -E dT / (1 - 2 nu) in a rigid box."""
    slope = jax.grad(lambda a: answer(ThermoElastic(ELASTIC, a, T0), np.zeros(6), T0 + 50)[0][0])(A)
    assert slope == pytest.approx(-E * 50 / (1 - 2 * NU), rel=1e-12)


@pytest.mark.parametrize(
    "build, words",
    [
        (lambda: ThermoElastic(3.0, A), "needs a LinearElastic"),
        (lambda: ThermoElastic(ELASTIC, np.inf).check(), "expansion is inf"),
        (lambda: ThermoElastic(ELASTIC, A, np.nan).check(), "reference_temperature is nan"),
        (lambda: ThermoElastic(jh.LinearElastic.isotropic(-1.0, 0.2), A).check(), "young is -1"),
        (lambda: ThermoElastic.tensor(ELASTIC, np.ones(3)), "expansion tensor has shape"),
        (lambda: ThermoElastic(ELASTIC, np.ones(3)).points((4, 4), float), "expansion has shape"),
        (lambda: ThermoElastic(jh.LinearElastic.from_stiffness(np.eye(3)), A).points((4, 4), float), "6 x 6"),
    ],
)
def test_bad_input_is_named(build, words):
    with pytest.raises(jh.InputError, match=words) as error:
        build()
    assert "\n" not in str(error.value)
