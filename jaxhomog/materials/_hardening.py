"""Isotropic hardening: the flow stress as a function of the accumulated plastic strain."""

from __future__ import annotations

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ..results import InputError
from ._law import above, as_parameter, at_least, finite

# Gauss points of the stored energy of a user's own law.
_GAUSS = tuple(
    (0.5 * (1 + float(x)), 0.5 * float(w)) for x, w in zip(*np.polynomial.legendre.leggauss(12), strict=True)
)


class AbstractHardening(eqx.Module):
    """sigma_y(p), with the energy that hardening stores; any `eqx.Module` p -> sigma_y serves as well."""

    @abc.abstractmethod
    def __call__(self, p: Float[Array, "*pts"]) -> Float[Array, "*pts"]:
        """Flow stress at accumulated plastic strain p."""

    @abc.abstractmethod
    def stored(self, p: Float[Array, "*pts"]) -> Float[Array, "*pts"]:
        """Stored energy, integral of sigma_y - sigma_y(0) from 0 to p."""

    @abc.abstractmethod
    def check(self, where: str = "") -> None:
        """Raise `InputError` for inadmissible concrete values."""


class LinearHardening(AbstractHardening):
    """sigma_y = yield_stress + modulus p.

    Args:
        yield_stress: initial flow stress >= 0 (unit of stress).
        modulus: d sigma_y / d p (unit of stress); 0 is perfect plasticity.
    """

    yield_stress: Float[Array, "..."]
    modulus: Float[Array, "..."]

    def __init__(self, yield_stress: Any, modulus: Any = 0.0):
        self.yield_stress = as_parameter(yield_stress, "yield_stress")
        self.modulus = as_parameter(modulus, "modulus")

    def __call__(self, p):
        return self.yield_stress + self.modulus * p

    def stored(self, p):
        return 0.5 * self.modulus * p**2

    def check(self, where: str = "") -> None:
        at_least(self.yield_stress, 0, "yield_stress", where)
        finite(self.modulus, "modulus", where)


class VoceHardening(AbstractHardening):
    """sigma_y = yield_stress + (saturation_stress - yield_stress) (1 - exp(-rate p)).

    Args:
        yield_stress: initial flow stress >= 0 (unit of stress).
        saturation_stress: flow stress at large p (unit of stress).
        rate: > 0 (no unit).

    Source:
        Voce (1948), J. Inst. Met. 74, 537-562.
    """

    yield_stress: Float[Array, "..."]
    saturation_stress: Float[Array, "..."]
    rate: Float[Array, "..."]

    def __init__(self, yield_stress: Any, saturation_stress: Any, rate: Any):
        self.yield_stress = as_parameter(yield_stress, "yield_stress")
        self.saturation_stress = as_parameter(saturation_stress, "saturation_stress")
        self.rate = as_parameter(rate, "rate")

    def __call__(self, p):
        return self.yield_stress - (self.saturation_stress - self.yield_stress) * jnp.expm1(-self.rate * p)

    def stored(self, p):
        return (self.saturation_stress - self.yield_stress) * (p + jnp.expm1(-self.rate * p) / self.rate)

    def check(self, where: str = "") -> None:
        at_least(self.yield_stress, 0, "yield_stress", where)
        at_least(self.saturation_stress, 0, "saturation_stress", where)
        above(self.rate, "rate", where)


class TabulatedHardening(AbstractHardening):
    """Piecewise linear flow stress through given points, its last slope continued.

    Args:
        plastic_strain: (k,), rising from 0.
        yield_stress: (k,), flow stress there (unit of stress).
    """

    plastic_strain: Float[Array, " k"]
    yield_stress: Float[Array, " k"]

    def __init__(self, plastic_strain: Any, yield_stress: Any):
        self.plastic_strain = as_parameter(plastic_strain, "plastic_strain")
        self.yield_stress = as_parameter(yield_stress, "yield_stress")
        shape = self.plastic_strain.shape
        if len(shape) != 1 or shape != self.yield_stress.shape or shape[0] < 2:
            raise InputError(
                f"plastic_strain has shape {shape} and yield_stress {self.yield_stress.shape}: give two rows of the"
                " same length, at least 2"
            )

    def _bends(self, p):
        """Excess of p over every bend, and the change of slope there."""
        slope = jnp.diff(self.yield_stress) / jnp.diff(self.plastic_strain)
        bend = jnp.concatenate([slope[:1], jnp.diff(slope)])
        for i in range(bend.shape[0]):
            over = p - self.plastic_strain[i]
            yield jnp.where(over > 0, over, 0), bend[i]

    def __call__(self, p):
        return self.yield_stress[0] + sum(over * bend for over, bend in self._bends(p))

    def stored(self, p):
        return sum(0.5 * over**2 * bend for over, bend in self._bends(p))

    def check(self, where: str = "") -> None:
        at_least(self.yield_stress, 0, "yield_stress", where)
        if isinstance(self.plastic_strain, Tracer):
            return
        p = np.asarray(self.plastic_strain)
        if not (p[0] == 0 and (np.diff(p) > 0).all()):
            raise InputError(f"plastic_strain{where} is {p.tolist()}: give numbers that rise from 0")


def need_function(hardening) -> None:
    """Raise `InputError` unless the hardening is a function."""
    if not callable(hardening):
        raise InputError("hardening is not a function p -> sigma_y: give LinearHardening(...) or alike")


def check_hardening(hardening, where: str) -> None:
    """Check a hardening that has something to check; a user's own has not."""
    if isinstance(hardening, AbstractHardening):
        hardening.check(where)


def slope(hardening, p):
    """d sigma_y / d p, by forward differentiation."""
    return jax.jvp(hardening, (p,), (jnp.ones_like(p),))[1]


def stored_energy(hardening, p):
    """The law's own stored energy, or a quadrature of a user's law (12 Gauss points)."""
    if isinstance(hardening, AbstractHardening):
        return hardening.stored(p)
    start = hardening(jnp.zeros_like(p))
    return sum(w * p * (hardening(x * p) - start) for x, w in _GAUSS)
