"""What `drive` tells of the inside of its laws: the two parts of the stress, internal variables."""

import equinox as eqx
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.materials import AbstractMaterial, AbstractPoints, KelvinVoigt

BULK, SHEAR = (4.0, 1.5), (2.0, 3.0)
ETA, ZETA = (0.7, 2.0), (0.5, 0.0)


def kelvin(k):
    b, g = BULK[k], SHEAR[k]
    elastic = jh.LinearElastic.isotropic(9 * b * g / (3 * b + g), (3 * b - 2 * g) / (2 * (3 * b + g)))
    return KelvinVoigt(elastic, ETA[k], ZETA[k])


def test_a_laminate_of_springs_beside_dashpots():
    """Across its layers M_i e_i + V_i de_i/dt = sigma in both, along them the same strain; the dashpots' part apart.

    Moduli and viscosities of the layers: across K + 4 G / 3, along it K - 2 G / 3 and in shear G (2 eta for 2 G).
    """
    share, times = np.asarray([0.4, 0.6]), np.asarray([0.5, 0.8, 1.0])
    bulk, shear, eta, zeta = (np.asarray(x) for x in (BULK, SHEAR, ETA, ZETA))
    strain = times[:, None] * [0.02, 0.0, 0.03]
    labels = np.asarray([0, 0, 1, 1, 1])[:, None]
    law = jh.PhaseMixture(labels, {0: kelvin(0), 1: kelvin(1)})
    s = jh.drive(jh.Grid((5, 1)), law, jh.LoadPath(strain, time=times), tolerance=1e-12, tangent=False)

    def layered(modulus, viscosity, mean):
        """Strain and strain rate of the layers, row by row (steps of `times`, rates as differences)."""
        old, before, out = np.zeros(2), 0.0, []
        for row, t in zip(mean, times, strict=True):
            dt = t - before
            stiff, held = modulus + viscosity / dt, viscosity / dt * old
            stress = (row - share @ (held / stiff)) / (share @ (1 / stiff))
            new = (stress + held) / stiff
            out.append((new, (new - old) / dt))
            old, before = new, t
        return np.swapaxes(np.asarray(out), 0, 1)

    across, across_rate = layered(bulk + 4 * shear / 3, zeta + 4 * eta / 3, strain[:, 0])
    slid, slid_rate = layered(shear, eta, strain[:, 2])
    columns = [
        ((zeta + 4 * eta / 3) * across_rate) @ share,
        ((zeta - 2 * eta / 3) * across_rate) @ share,
        (eta * slid_rate) @ share,
    ]
    drag = np.stack(columns, axis=1)
    columns = [
        ((bulk + 4 * shear / 3) * across) @ share,
        ((bulk - 2 * shear / 3) * across) @ share,
        (shear * slid) @ share,
    ]
    spring = np.stack(columns, axis=1)
    np.testing.assert_allclose(s.value.dissipative_stress, drag, rtol=1e-8)
    np.testing.assert_allclose(s.value.stress - s.value.dissipative_stress, spring, rtol=1e-8)
    # What the dashpots lose is their stress times the strain that they move by, point by point.
    lost = ((zeta + 4 * eta / 3) * across_rate**2 + eta * slid_rate**2) @ share
    np.testing.assert_allclose(s.value.dissipation, lost * np.diff(times, prepend=0), rtol=1e-8)


class Partly(AbstractMaterial):
    """Rubber that says three tenths of its stress are dissipative."""

    physics: str = eqx.field(static=True)
    rubber: jh.NeoHookean

    def points(self, shape, dtype):
        return PartlyPoints(rubber=self.rubber.points(shape, dtype), dim=len(shape))

    def code(self):
        return self.rubber.code()

    def check(self, where=""):
        self.rubber.check(where)


class PartlyPoints(AbstractPoints):
    """The law at points."""

    rubber: AbstractPoints
    dim: int = eqx.field(static=True)

    def initial(self, shape, dtype):
        return self.rubber.initial(shape, dtype)

    def elastic(self, shape, dtype):
        return self.rubber.elastic(shape, dtype)

    def update(self, strain, state, step):
        up = self.rubber.update(strain, state, step)
        return up._replace(dissipative=0.3 * up.stress)


@pytest.mark.slow
def test_elements_of_a_mean_volume_keep_the_parts_apart():
    """What is conjugate to F is linear in the stress: a share of it stays that share of the mean."""
    law = {
        k: Partly("finite_strain", jh.NeoHookean(jh.LinearElastic.isotropic(e, 0.4))) for k, e in ((0, 1.0), (1, 8.0))
    }
    f = np.eye(2) + np.asarray([[[0.1, 0.2], [0.0, -0.05]]])
    labels = np.asarray([[0, 1, 1], [0, 0, 1]])
    s = jh.drive(jh.Grid((2, 3)), jh.PhaseMixture(labels, law), jh.LoadPath.finite(f), tangent=False)
    assert s.value.element == "q1bar"
    np.testing.assert_allclose(s.value.dissipative_stress, 0.3 * s.value.stress, rtol=1e-12)


def test_internal_variables_of_a_mixture():
    """Hooke's law of the plastic phase, its dissipation sigma_y dp, and no such variables where nothing flows."""
    labels = np.asarray([[0, 1, 1], [0, 0, 1]])
    soft = jh.J2Plasticity(jh.LinearElastic.isotropic(100.0, 0.3), jh.LinearHardening(0.5, 5.0), jh.prager(3.0))
    law = jh.PhaseMixture(labels, {0: soft, 1: jh.LinearElastic.isotropic(300.0, 0.2)})
    path = jh.LoadPath(np.asarray([[0.01, 0.0, 0.0], [0.01, -0.02, 0.03]]))
    value = jh.drive(jh.Grid((2, 3)), law, path, tangent=False, fields=(0, 1)).value
    assert value.element == "q1e"
    inside, here = value.fields.state, labels == 0
    assert inside.keys() == {"equivalent_plastic_strain", "plastic_strain", "back_stress"}
    p, plastic, back = (
        np.asarray(inside[name]) for name in ("equivalent_plastic_strain", "plastic_strain", "back_stress")
    )
    for field in (p, plastic, back):
        assert np.isfinite(field[:, here]).all() and np.isnan(field[:, ~here]).all()
    np.testing.assert_allclose(0.5 * np.sum(np.diff(p, axis=0, prepend=0)[:, here], axis=1) / 6, value.dissipation)
    lam, mu = 100 * 0.3 / 1.3 / 0.4, 100 / 2.6
    # The trace of the plastic strain is zero with its component 33, which plane strain leaves out.
    hooke = np.asarray([[lam + 2 * mu, lam, 0], [lam, lam + 2 * mu, 0], [0, 0, mu]])
    plain = np.asarray([2 * mu, 2 * mu, mu])
    stress = value.fields.strain @ hooke - plain * plastic
    np.testing.assert_allclose(value.fields.stress[:, here], stress[:, here], rtol=1e-9, atol=1e-9)
    # Prager: beta = (2/3) modulus eps_p, plain shear against engineering shear.
    np.testing.assert_allclose(back[:, here], (2.0 * plastic * [1, 1, 0.5])[:, here], rtol=1e-9, atol=1e-12)
