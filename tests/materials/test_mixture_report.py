"""Certificates of mixtures and of laws with fields: the phase and the voxel to blame are named."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog import materials as m
from jaxhomog import validity as v
from jaxhomog.materials import AbstractMaterial
from jaxhomog.results import SUCCESS

ISO = jh.LinearElastic.isotropic(200.0, 0.3)
LABELS = np.asarray([[0, 1, 1], [5, 5, 0]])
GRID = jh.Grid(LABELS.shape)


class Pump(AbstractMaterial):
    """A spring beside a dashpot of any viscosity; nobody looks at its sign."""

    physics: str = eqx.field(static=True)
    viscosity: jnp.ndarray
    bulk: jnp.ndarray

    def __init__(self, viscosity, bulk=0.0):
        self.physics, self.viscosity, self.bulk = "elasticity", jnp.asarray(viscosity), jnp.asarray(bulk)

    def points(self, shape, dtype):
        return m.KelvinVoigt(ISO, self.viscosity, self.bulk).points(shape, dtype)

    def code(self):
        return jnp.asarray(SUCCESS, jnp.int32)

    def check(self, where=""):
        pass


def test_a_mixture_names_the_phase():
    """Single numbers, a field and a cheat; the cheat's voxel is named."""
    young = np.where(LABELS == 0, 100.0, 1.0) + np.arange(6).reshape(2, 3)
    viscosity = np.where(np.arange(6).reshape(2, 3) == 4, -1.0, 1.0)
    laws = {0: jh.LinearElastic.isotropic(young, 0.3), 1: ISO, 5: Pump(viscosity)}
    s = jh.certify(jh.PhaseMixture(LABELS, laws), GRID)
    report = s.value
    assert s.result.ok and not report.verdict and int(report.code) == v.LAW_DISSIPATION
    assert {key: bool(r.verdict) for key, r in report.phases.items()} == {0: True, 1: True, 5: False}
    # The field has two voxels in its phase; the cheat two values in its own; single numbers are one point.
    assert {key: (r.points, r.distinct) for key, r in report.phases.items()} == {0: (2, 2), 1: (1, 1), 5: (2, 2)}
    assert report.phases[5].voxel == (1, 1) and report.phases[0].voxel is None
    assert report.reason.startswith("phase 5: negative dissipation") and "voxel (1, 1)" in report.reason
    assert "phase 0" not in report.reason
    # Where the cheat is not, all is well.
    sound = jh.certify(jh.PhaseMixture(np.where(LABELS == 5, 1, LABELS), laws | {5: ISO})).value
    assert sound.verdict and int(sound.code) == 0
    assert sound.reason.startswith("phase 0: admissible") and "phase 1: admissible" in sound.reason


def test_of_many_points_the_extremes_are_judged():
    """One voxel of 400 breaks the second law; in the order of the other field it is one among many."""
    viscosity, bulk = np.random.default_rng(0).uniform(1, 2, (2, 20, 20))
    at = np.unravel_index(np.argsort(viscosity.ravel())[205], (20, 20))
    bulk[at] = -100.0
    report = jh.certify(Pump(viscosity, bulk), jh.Grid((20, 20))).value
    assert not report.verdict and int(report.code) == v.LAW_DISSIPATION and report.voxel == tuple(at)
    assert report.distinct == 400 and 64 <= report.points <= 68
    assert "of 400 points judged" in report.reason
    bulk[at], viscosity[at] = bulk[0, 0], viscosity[0, 0]
    report = jh.certify(Pump(viscosity, bulk), jh.Grid((20, 20))).value
    assert report.verdict and report.distinct == 399 and report.lowest_dissipation >= 0


def test_the_numbers_are_the_worst_of_all_points():
    """Convexity of elasticity, smallest modulus over |C|, is that of the voxel with the softest shear beside it."""
    poisson = np.asarray([[0.0, 0.2, 0.45]])
    alone = [float(jh.certify(jh.LinearElastic.isotropic(1.0, p), jh.Grid((1, 3))).value.convexity) for p in poisson[0]]
    field = jh.certify(jh.LinearElastic.isotropic(1.0, poisson), jh.Grid((1, 3))).value
    assert float(field.convexity) == pytest.approx(min(alone), rel=1e-12) and min(alone) < 0.7 * max(alone)


@pytest.mark.slow
def test_a_polycrystal_and_weights_that_look_like_a_field():
    """An orientation per voxel; a potential whose weights have the shape of the grid and are none of it."""
    turns = jh.Rotation.from_bunge(np.asarray([[0.1, 0.1], [0.5, 0.9]]), 0.4, 0.2)
    crystal = m.CrystalPlasticity(
        jh.LinearElastic.cubic(168.4, 121.4, 75.4), rotation=turns, strength=0.3, exponent=5.0, reference_rate=0.01
    )
    report = jh.certify(crystal, jh.Grid((2, 2))).value
    assert report.verdict and report.distinct == 3 and report.points == 3

    class Energy(eqx.Module):
        weights: jnp.ndarray

        def __call__(self, e, a, p):
            pair = self.weights @ (e[:2] - a)
            return 0.5 * p["stiff"] * e @ e + 0.5 * pair @ pair

    law = m.StandardMaterial(
        Energy(jnp.asarray([[1.0, 0.2], [0.3, 2.0]])), lambda r, p: 0.5 * r @ r, 2, {"stiff": np.ones((2, 2))}
    )
    report = jh.certify(law, jh.Grid((2, 2))).value
    assert report.verdict and report.distinct == 1
    composite = jh.CompositeVoxels(np.asarray([[0.0, 0.5], [1.0, 0.0]]), ISO, jh.LinearElastic.isotropic(2.0, 0.2))
    assert jh.certify(composite, jh.Grid((2, 2))).value.verdict
