"""Certificates of laws: all of the library pass, and laws that cheat are caught, each with its own reason."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from standard_laws import LAWS

import jaxhomog as jh
from jaxhomog import materials as m
from jaxhomog import validity as v
from jaxhomog.materials import AbstractMaterial, AbstractPoints, Update
from jaxhomog.messages import IsotropicElasticResponse
from jaxhomog.results import SUCCESS

ISO = jh.LinearElastic.isotropic(200.0, 0.3)
LINEAR = m.LinearHardening(0.4, 12.0)
SHIPPED = {
    "linear": ISO,
    "j2 recovery": jh.J2Plasticity(ISO, LINEAR, jh.ArmstrongFrederick(20.0, 5.0)),
    "damage": m.IsotropicDamage(ISO, 1e-3, m.LinearSoftening(20.0)),
    "power law": m.PowerLawConduction(1.0, 3.0),
}
SLOW = {
    "cubic": jh.LinearElastic.cubic(168.4, 121.4, 75.4),
    "thermoelastic": m.ThermoElastic(ISO, 1e-5),
    "j2": jh.J2Plasticity(ISO, m.VoceHardening(0.4, 0.8, 30.0)),
    "j2 table": jh.J2Plasticity(ISO, m.TabulatedHardening([0.0, 0.04, 1.0], [0.5, 0.7, 2.0])),
    "j2 that stores all": jh.J2Plasticity(ISO, m.LinearHardening(0.0, 12.0)),
    "j2 prager": jh.J2Plasticity(ISO, LINEAR, jh.prager(20.0)),
    "damage exponential": m.IsotropicDamage(ISO, 1e-3, m.ExponentialSoftening(0.5)),
    "maxwell": m.GeneralizedMaxwell(ISO, [50.0, 20.0], [0.3, 2.0], [30.0, 10.0]),
    "kelvin-voigt": m.KelvinVoigt(ISO, 10.0, 3.0),
    "norton": m.Norton(ISO, 0.5, 5.0, 1e-2),
    "perzyna": m.ViscoPlasticity(ISO, LINEAR, 0.2, 3.0, 0.1),
    "neo-hookean": jh.NeoHookean(ISO),
    "saint venant-kirchhoff": jh.SaintVenantKirchhoff(jh.LinearElastic.cubic(168.4, 121.4, 75.4)),
    "finite j2": jh.FiniteJ2Plasticity(ISO, m.VoceHardening(0.4, 0.8, 30.0)),
    "conduction": jh.LinearConduction(2.0),
    "conduction tensor": jh.LinearConduction.tensor(np.diag([1.0, 2.0, 3.0]) + 0.1),
    **{f"standard {name}": law for name, law in LAWS.items()},
}


# Compiled one by one: a few of them often, all before a change of the judge is offered.
OFTEN = ("j2 prager", "maxwell", "perzyna", "finite j2", "conduction tensor")


def marked(name):
    return pytest.param(name, marks=pytest.mark.slow if name in OFTEN else pytest.mark.exhaustive)


@pytest.mark.parametrize("name", [*SHIPPED, *(marked(name) for name in SLOW)])
def test_the_library_passes(name):
    law = (SHIPPED | SLOW)[name]
    s = jh.certify(law)
    report = s.value
    assert report.verdict and s.result.ok and report.reason.startswith("admissible")
    assert report.lowest_dissipation > -1e-12 and report.tangent_error < 1e-10
    assert np.isnan(report.balance) == (law.physics == "conduction")
    assert np.isnan(report.objectivity) == (law.physics != "finite_strain")
    assert not report.objectivity > 1e-10


def test_an_energy_that_sees_the_rotation_is_refused():
    # W of the symmetric part of F alone: linear elasticity put into finite strain, right for small rotations only.
    def energy(f, p):
        e = 0.5 * (f + f.T) - jnp.eye(3)
        return 0.5 * p["lame"] * jnp.trace(e) ** 2 + p["shear"] * jnp.sum(e * e)

    report = jh.certify(jh.Hyperelastic(energy, {"lame": 1.0, "shear": 1.0}), jh.Grid((1, 1))).value
    assert not report.verdict and report.objectivity > 0.1
    assert int(report.code) == v.LAW_OBJECTIVITY and "superposed rotation" in report.reason


@pytest.mark.exhaustive
def test_convexity_is_the_softest_direction():
    # Moduli 2 mu = 2 on deviators, 3 K = 5 on the sphere, |C| = sqrt(5 * 4 + 25); damage softens below zero.
    stiff = jh.LinearElastic.isotropic(9 * 5 / 3 / (3 * 5 / 3 + 1), (5 - 2) / (2 * 5 + 2))
    assert jh.certify(stiff).value.convexity == pytest.approx(2 / 45**0.5, rel=1e-9)
    brittle = m.IsotropicDamage(ISO, 1e-3, m.LinearSoftening(20.0))
    assert jh.certify(brittle).value.convexity < 0


class Cheat(AbstractMaterial):
    """Linear elasticity, C = lam I x I + 2 mu, that lies in one of several ways."""

    lie: str = eqx.field(static=True)
    mu: Any
    physics: str = eqx.field(static=True)

    def __init__(self, lie, mu=80.0):
        self.lie, self.mu, self.physics = lie, mu, "elasticity"

    def points(self, shape, dtype):
        return CheatPoints(lie=self.lie, mu=jnp.asarray(self.mu, dtype), dim=len(shape))

    def code(self):
        return jnp.asarray(SUCCESS, jnp.int32)

    def check(self, where=""):
        pass


class CheatPoints(AbstractPoints):
    """State: strain, stress and energy of before."""

    lie: str = eqx.field(static=True)
    mu: Any
    dim: int = eqx.field(static=True)

    @property
    def symmetric(self):
        return not self.lie.startswith("hypoelastic")

    def initial(self, shape, dtype):
        return jnp.zeros((13 if self.dim == 3 else 7, *shape), dtype)

    def elastic(self, shape, dtype):
        mu = jnp.broadcast_to(self.mu, shape)
        return IsotropicElasticResponse(1.5 * mu, mu, self.dim)

    def linear(self, e):
        trace = sum(e[k] for k in range(self.dim))
        return jnp.stack([2 * self.mu * x + (1.5 * self.mu * trace if k < self.dim else 0) for k, x in enumerate(e)])

    def update(self, strain, state, step):
        n = len(strain)
        before, old, stored = state[:n], state[n : 2 * n], state[2 * n]
        stress = self.linear(strain)
        energy = 0.5 * jnp.sum(stress * strain, axis=0)
        lost, code = jnp.zeros_like(energy), jnp.zeros(energy.shape, jnp.int32)
        if self.lie == "creates energy":  # A dashpot of negative viscosity, with its own dissipation in the books.
            push = -0.2 * self.mu * (strain - before) / step.dt
            stress = stress + push
            lost = jnp.sum(push * (strain - before), axis=0)
        elif self.lie == "energy":
            energy = 0.9 * energy
        elif self.lie == "asymmetric":  # No potential: sigma_22 sees the square of eps_11, but not the other way round.
            stress = stress.at[1].add(self.mu * strain[0] ** 2)
        elif self.lie in ("hypoelastic", "hypoelastic without energy"):
            # A modulus that depends on another component than it multiplies; what it does is stored, it says.
            factor = 1 + 60 * 0.5 * (strain[1] + before[1])
            stress = old + self.linear((strain - before) * factor)
            energy = stored + 0.5 * jnp.sum((stress + old) * (strain - before), axis=0)
            if self.lie == "hypoelastic without energy":
                energy = jnp.zeros_like(energy)
        elif self.lie == "nan":
            stress = jnp.where(jnp.abs(strain[0]) > 1e-3, jnp.nan, stress)
        elif self.lie == "code":
            code = code + 6
        return Update(stress, jnp.concatenate([strain, stress, energy[None]]), energy, lost, code)

    def tangent(self, strain, state, step):
        if self.lie == "tangent":
            return self.elastic(strain.shape[1:], strain.dtype).times(1.01)
        return super().tangent(strain, state, step)


# A term of second order (asymmetric) does work of some 1e-3, below the tolerance; an energy of zero balances nothing.
CAUGHT = {
    "honest": (0, "admissible"),
    "creates energy": (v.LAW_DISSIPATION, "negative dissipation"),
    "energy": (v.LAW_BALANCE, "work is not stored"),
    "tangent": (v.LAW_TANGENT, "the tangent is not the derivative"),
    "asymmetric": (v.LAW_SYMMETRY, "the tangent is not symmetric"),
    "hypoelastic": (v.LAW_CYCLE, "a closed cycle"),
    "hypoelastic without energy": (v.LAW_CYCLE | v.LAW_BALANCE, "a closed cycle"),
    "code": (v.LAW_CODE, "the law reports"),
}


@pytest.mark.parametrize("lie", CAUGHT)
def test_cheats_are_caught(lie):
    code, words = CAUGHT[lie]
    s = jh.certify(Cheat(lie), jh.Grid((2, 2)))
    assert int(s.value.code) == code and words in s.value.reason
    assert bool(s.value.verdict) == (code == 0) and s.result.ok == (lie != "code")


def test_not_finite():
    report = jh.certify(Cheat("nan"), jh.Grid((2, 2))).value
    assert not report.verdict and report.reason.startswith("not finite")
    assert jh.certify(Cheat("nan"), jh.Grid((2, 2)), strain=1e-4).value.verdict


def test_lanes_and_single_precision():
    """A lane with NaN leaves the other alone; single precision is good enough."""
    run = jax.jit(jax.vmap(lambda mu: jh.certify(Cheat("honest", mu), jh.Grid((2, 2)))))
    report = run(jnp.asarray([80.0, jnp.nan])).value
    assert report.verdict.tolist() == [True, False]
    single = run(jnp.asarray([80.0, 1.0], jnp.float32)).value
    assert single.verdict.all() and single.balance.dtype == jnp.float32


ONES = np.ones((2, 2))
BAD = {
    "conductivity": (lambda: jh.certify(jh.LinearConduction(-1.0)), "conductivity is -1"),
    "viscosity": (lambda: jh.certify(m.KelvinVoigt(ISO, -1.0)), "viscosity is -1"),
    "coefficient": (lambda: jh.certify(m.PowerLawConduction(-1.0, 2.0)), "coefficient is -1"),
    "mixture": (lambda: jh.certify(jh.PhaseMixture(np.eye(2, dtype=int), {0: ISO})), "label 1"),
    "grid": (
        lambda: jh.certify(jh.PhaseMixture(np.eye(2, dtype=int), {0: ISO, 1: ISO}), jh.Grid((2, 3))),
        "must agree",
    ),
    "field": (
        lambda: jh.certify(jh.LinearConduction(np.ones((2, 2, 2)))),
        "not broadcast.* give certify its grid",
    ),
    "few axes": (
        lambda: jh.certify(jh.J2Plasticity(ISO, m.LinearHardening([0.4, 0.5], 1.0)), jh.Grid((2, 2))),
        "fewer axes",
    ),
    "traced": (
        lambda: jax.jit(lambda k: jh.certify(jh.LinearConduction(k), jh.Grid((2, 2))))(np.eye(2)),
        "outside jit",
    ),
    "gradient": (lambda: jh.certify(ISO, gradient=1.0), "give strain="),
    "strain": (lambda: jh.certify(ISO, strain=-1.0), "one number > 0"),
    "steps": (lambda: jh.certify(ISO, steps=2), "at least 4"),
    "stress": (lambda: jh.certify(ISO, stress=np.zeros((1, 6)), strain=0.1), "of a law certify takes"),
}


@pytest.mark.parametrize("build, words", BAD.values(), ids=BAD.keys())
def test_bad_input_is_named(build, words):
    with pytest.raises(jh.InputError, match=words):
        build()
