"""Internal variables by name: what they are called obeys the equations that their names stand for."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.materials import (
    CrystalPlasticity,
    ExponentialSoftening,
    GeneralizedMaxwell,
    IsotropicDamage,
    KelvinVoigt,
    LinearHardening,
    Norton,
    SlipHardening,
    StandardMaterial,
    Step,
    ViscoPlasticity,
)

YOUNG, POISSON = 100.0, 0.3
ELASTIC = jh.LinearElastic.isotropic(YOUNG, POISSON)
HARD = LinearHardening(0.4, 5.0)
MU, LAM = YOUNG / 2.6, YOUNG * 0.3 / 1.3 / 0.4
ONE = np.asarray([1.0, 1, 1, 0, 0, 0])
CUBIC = jh.LinearElastic.cubic(168.4, 121.4, 75.4)
LAWS = {
    "j2": jh.J2Plasticity(ELASTIC, HARD, jh.prager(3.0)),
    "perzyna": ViscoPlasticity(ELASTIC, HARD, 0.3, 3.0, 0.01),
    "norton": Norton(ELASTIC, 0.5, 4.0, 0.01),
    "crystal": CrystalPlasticity(
        CUBIC,
        rotation=jh.Rotation.from_bunge(0.3, 0.8, 1.1),
        strength=0.3,
        exponent=5.0,
        reference_rate=0.01,
        hardening=SlipHardening(2.0, 0.6),
    ),
    "damage": IsotropicDamage(ELASTIC, 2e-4, ExponentialSoftening(0.1)),
    "maxwell": GeneralizedMaxwell(ELASTIC, [40.0, 20.0], [0.5, 4.0], [10.0, 5.0]),
    "kelvin": KelvinVoigt(ELASTIC, 30.0, 5.0),
    "elastic": ELASTIC,
}


@eqx.filter_jit
def two_steps(law, strains):
    """Answer and internal variables after two steps, (n, *pts) each."""
    points = law.points(strains.shape[2:], strains.dtype)
    state = points.initial(strains.shape[2:], strains.dtype)
    for strain in strains:
        up = points.update(strain, state, Step(jnp.asarray(0.7)))
        state = up.state
    return up, points.internal(state)


def hooke(strain):
    """Stress of an engineering strain (6,), Voigt."""
    return LAM * strain[:3].sum() * ONE + MU * strain * [2, 2, 2, 1, 1, 1]


STRAIN = np.asarray([[0.004, -0.002, 0.001, 0.003, -0.001, 0.002], [0.009, -0.006, 0.0, 0.005, -0.004, 0.008]])


@pytest.mark.parametrize("name", LAWS)
def test_the_names_mean_what_they_say(name):
    law = LAWS[name]
    up, found = two_steps(law, jnp.asarray(STRAIN).reshape(2, 6, 1, 1, 1))
    inside = {key: np.asarray(x).reshape(-1) for key, x in found.items()}
    stress = np.asarray(jh.to_voigt(np.ravel(up.stress), "stress"))
    strain = np.asarray(jh.to_voigt(STRAIN[1], "strain"))
    if name in ("j2", "perzyna", "norton"):
        np.testing.assert_allclose(stress, hooke(strain - inside["plastic_strain"]), rtol=1e-10)
        assert inside["equivalent_plastic_strain"].shape == (1,) and inside["equivalent_plastic_strain"] > 1e-3
        assert found["equivalent_plastic_strain"].shape == (1, 1, 1)
        assert ("back_stress" in inside) == (name == "j2")
    elif name == "crystal":
        c = np.asarray(jh.to_voigt(CUBIC_TURNED, "stiffness"))
        np.testing.assert_allclose(stress, c @ (strain - inside["plastic_strain"]), rtol=1e-10)
        assert inside["slip_resistance"].shape == (12,) and (inside["slip_resistance"] > 0.3).all()
        assert inside["accumulated_slip"] > 1e-3
    elif name == "damage":
        np.testing.assert_allclose(stress, (1 - inside["damage"]) * hooke(strain), rtol=1e-10)
        assert inside["damage"] > 0.1
    elif name == "maxwell":
        total = hooke(strain)
        for k, (g, b) in enumerate(((40.0, 10.0), (20.0, 5.0))):
            spring = strain - inside[f"viscous_strain_{k + 1}"]
            trace = spring[:3].sum()
            total = total + 2 * g * (spring * [1, 1, 1, 0.5, 0.5, 0.5] - trace / 3 * ONE) + b * trace * ONE
        np.testing.assert_allclose(stress, total, rtol=1e-10)
    else:
        assert not inside


CUBIC_TURNED = jh.LinearElastic.cubic(168.4, 121.4, 75.4, LAWS["crystal"].rotation)
CUBIC_TURNED = CUBIC_TURNED.points((1, 1, 1), np.float64).tangent(jnp.zeros((6, 1, 1, 1)), (), None).mean()


def test_finite_plasticity_keeps_the_volume_of_its_metric():
    law = jh.FiniteJ2Plasticity(ELASTIC, HARD)
    f = np.eye(2) + np.asarray([[[0.05, 0.02], [0, -0.04]], [[0.1, 0.06], [0.01, -0.08]]])
    _, found = two_steps(law, jnp.asarray(f).reshape(2, 4, 1, 1))
    a = np.ravel(found["inverse_plastic_metric"])
    metric = np.asarray([[a[0], a[5], a[4]], [a[5], a[1], a[3]], [a[4], a[3], a[2]]])
    assert np.linalg.det(metric) == pytest.approx(1, rel=1e-10) and abs(a[5]) > 1e-3
    assert float(found["equivalent_plastic_strain"].ravel()[0]) > 0.05


def test_a_mixture_has_the_variables_of_all_its_laws():
    """Each as the law alone has it, NaN elsewhere; more components than a law has are NaN too."""

    def psi(e, a, p):
        return 0.5 * e @ e + 0.5 * (e[: a.shape[0]] - a) @ (e[: a.shape[0]] - a)

    def phi(rate, p):
        return 0.5 * rate @ rate

    laws = {
        0: ELASTIC,
        1: LAWS["j2"],
        2: LAWS["damage"],
        3: LAWS["norton"],
        4: StandardMaterial(psi, phi, 1),
        7: StandardMaterial(psi, phi, 2),
    }
    labels = np.asarray([[0, 1, 2], [3, 4, 7]])
    points = {key: law.points((2, 3), jnp.float64) for key, law in laws.items()}
    rows = {key: len(x) for key, p in points.items() if not isinstance(x := p.initial((2, 3), jnp.float64), tuple)}
    state = 1 + jnp.asarray(np.random.default_rng(0).uniform(size=(max(rows.values()), 2, 3)))
    found = jh.PhaseMixture(labels, laws).points((2, 3), jnp.float64).internal(state)
    own = {key: points[key].internal(state[: rows[key]] if key in rows else ()) for key in laws}
    assert found.keys() == {name for each in own.values() for name in each}
    assert found["internal"].shape == (2, 2, 3) and found["damage"].shape == (2, 3)
    for name, field in found.items():
        for key in laws:
            at = np.asarray(field)[..., labels == key]
            expected = np.full_like(at, np.nan)
            if name in own[key]:
                alone = np.asarray(own[key][name])[..., labels == key]
                expected[tuple(slice(n) for n in alone.shape)] = alone
            np.testing.assert_allclose(at, expected, rtol=1e-12)
    assert jh.PhaseMixture(labels, dict.fromkeys(laws, ELASTIC)).points((2, 3), np.float64).internal(()) == {}
