"""One law of every kind, with parameters for strains of a few per cent, by what their tangents are."""

import equinox as eqx
import jax
import jax.numpy as jnp

import jaxhomog as jh
from jaxhomog.materials import (
    ArmstrongFrederick,
    CrystalPlasticity,
    GeneralizedMaxwell,
    IsotropicDamage,
    KelvinVoigt,
    Norton,
    PowerLawConduction,
    SlipHardening,
    StandardMaterial,
    ThermoElastic,
    ViscoPlasticity,
)

ELASTIC = jh.LinearElastic.isotropic(100.0, 0.3)


def free_energy(e, a, p):
    """A spring beside a Maxwell element of deviators."""
    trace = e[0] + e[1] + e[2]
    dev = e - trace / 3 * jnp.asarray([1, 1, 1, 0, 0, 0], e.dtype)
    return 0.5 * p["bulk"] * trace**2 + p["slow"] * dev @ dev + p["fast"] * (dev - a) @ (dev - a)


def dashpot(rate, p):
    """A dissipation potential that is no square: thickening."""
    return p["drag"] * (0.5 * rate @ rate + p["more"] * (rate @ rate) ** 2)


class Fading(eqx.Module):
    """Damage whose stress still rises: where it falls, the cell may bifurcate and has no one answer."""

    exponent: jax.Array

    def __call__(self, x):
        return x**-self.exponent


SYMMETRIC = {
    "J2": jh.J2Plasticity(ELASTIC, jh.VoceHardening(0.5, 0.8, 30.0)),
    "maxwell": GeneralizedMaxwell(ELASTIC, [40.0, 20.0], [0.5, 4.0], [10.0, 0.0]),
    "kelvin": KelvinVoigt(ELASTIC, 30.0, 5.0),
    "norton": Norton(ELASTIC, 0.5, 4.0, 0.01),
    "perzyna": ViscoPlasticity(ELASTIC, jh.LinearHardening(0.4, 5.0), 0.3, 3.0, 0.01),
    "damage": IsotropicDamage(ELASTIC, 2e-4, Fading(jnp.asarray(0.5))),
    "thermoelastic": ThermoElastic(ELASTIC, 1e-5, 20.0),
    "standard": StandardMaterial(
        free_energy, dashpot, 6, {"bulk": 160.0, "slow": 20.0, "fast": 50.0, "drag": 30.0, "more": 2e4}
    ),
}
OTHER = {
    "frederick": jh.J2Plasticity(ELASTIC, jh.VoceHardening(0.5, 0.7, 30.0), ArmstrongFrederick(40.0, 80.0)),
    "crystal": CrystalPlasticity(
        jh.LinearElastic.cubic(168.4, 121.4, 75.4),
        rotation=jh.Rotation.from_bunge(0.3, 0.8, 1.1),
        strength=0.3,
        exponent=5.0,
        reference_rate=0.01,
        hardening=SlipHardening(2.0, 0.6),
    ),
}
CONDUCTORS = {"power law": PowerLawConduction(5.0, 3.0)}


def energy(f, p):
    """Of invariants, not neo-Hookean: with a quadratic term."""
    volume = jnp.linalg.det(f)
    square = jnp.sum(f * f) - 3
    return p["shear"] * (0.5 * square + 0.2 * square**2 - jnp.log(volume)) + 0.5 * p["lame"] * jnp.log(volume) ** 2


FINITE = {
    "saint venant-kirchhoff": jh.SaintVenantKirchhoff(jh.LinearElastic.cubic(168.4, 121.4, 75.4)),
    "neo-hookean": jh.NeoHookean(ELASTIC),
    "own energy": jh.Hyperelastic(energy, {"shear": 30.0, "lame": 60.0}),
    "finite J2": jh.FiniteJ2Plasticity(ELASTIC, jh.VoceHardening(0.5, 0.8, 30.0)),
}
