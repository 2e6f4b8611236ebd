"""Pair potentials: the energy of two atoms as a function of their distance."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ..results import InputError
from .functions import as_module


def number(value, name: str):
    """A parameter as a floating scalar; concrete ones are made outside of any trace."""
    if not isinstance(value, jax.Array):
        kind = getattr(np.asarray(value), "dtype", np.dtype(object))
        if np.issubdtype(kind, np.bool_) or not (np.issubdtype(kind, np.floating) or np.issubdtype(kind, np.integer)):
            raise InputError(f"{name} is {value!r}: give one real number")
        with jax.ensure_compile_time_eval():
            value = jnp.asarray(value, jnp.result_type(float, kind) if np.issubdtype(kind, np.floating) else float)
    elif jnp.issubdtype(value.dtype, jnp.integer):
        value = value.astype(jnp.result_type(float))
    if value.ndim or not jnp.issubdtype(value.dtype, jnp.floating):
        raise InputError(f"{name} has shape {value.shape}, dtype {value.dtype}: give one real number, vmap over many")
    return value


def positive(value, name: str, where: str) -> None:
    """Raise `InputError` for a concrete number that is not finite and above 0."""
    if not isinstance(value, Tracer) and not (np.isfinite(float(value)) and float(value) > 0):
        raise InputError(f"{name}{where} is {float(value):g}: give a finite number > 0")


class AbstractPotential(eqx.Module):
    """V(r), elementwise and smooth where atoms of the lattice may lie."""

    @abc.abstractmethod
    def __call__(self, r: Float[Array, "*b"]) -> Float[Array, "*b"]:
        """Energy of a pair at the distance r."""

    def check(self, where: str = "") -> None:
        """Raise `InputError` for inadmissible concrete parameters."""


class LennardJones(AbstractPotential):
    """V(r) = 4 epsilon ((sigma/r)^12 - (sigma/r)^6), with its minimum -epsilon at 2^(1/6) sigma.

    Args:
        epsilon: depth (energy, > 0).
        sigma: distance where V = 0 (length, > 0).

    Raises:
        InputError: something else than a real number.

    Source:
        Jones (1924), Proc. R. Soc. A 106, 463-477.
    """

    epsilon: Float[Array, ""]
    sigma: Float[Array, ""]

    def __init__(self, epsilon=1.0, sigma=1.0):
        self.epsilon, self.sigma = number(epsilon, "epsilon"), number(sigma, "sigma")

    def __call__(self, r):
        sixth = (self.sigma / r) ** 6
        return 4 * self.epsilon * (sixth**2 - sixth)

    def check(self, where: str = "") -> None:
        positive(self.epsilon, "epsilon", where)
        positive(self.sigma, "sigma", where)


class Morse(AbstractPotential):
    """V(r) = depth ((1 - exp(-alpha (r - r0)))^2 - 1), with its minimum -depth at r0.

    Args:
        depth: energy, > 0.
        alpha: inverse width of the well (1/length, > 0).
        r0: distance of the minimum (length, > 0).

    Raises:
        InputError: something else than a real number.

    Source:
        Morse (1929), Phys. Rev. 34, 57, eq. 4.
    """

    depth: Float[Array, ""]
    alpha: Float[Array, ""]
    r0: Float[Array, ""]

    def __init__(self, depth=1.0, alpha=6.0, r0=1.0):
        self.depth, self.alpha, self.r0 = number(depth, "depth"), number(alpha, "alpha"), number(r0, "r0")

    def __call__(self, r):
        e = jnp.exp(-self.alpha * (r - self.r0))
        return self.depth * e * (e - 2)

    def check(self, where: str = "") -> None:
        positive(self.depth, "depth", where)
        positive(self.alpha, "alpha", where)
        positive(self.r0, "r0", where)


class Harmonic(AbstractPotential):
    """V(r) = stiffness / 2 (r - r0)^2: it never softens along the bond.

    Args:
        stiffness: energy / length^2, > 0.
        r0: length at rest, > 0.

    Raises:
        InputError: something else than a real number.
    """

    stiffness: Float[Array, ""]
    r0: Float[Array, ""]

    def __init__(self, stiffness=1.0, r0=1.0):
        self.stiffness, self.r0 = number(stiffness, "stiffness"), number(r0, "r0")

    def __call__(self, r):
        return 0.5 * self.stiffness * (r - self.r0) ** 2

    def check(self, where: str = "") -> None:
        positive(self.stiffness, "stiffness", where)
        positive(self.r0, "r0", where)


class Pair(AbstractPotential):
    """Any function r -> energy as a potential.

    Args:
        function: of arrays of distances, elementwise, in `jax.numpy`; a plain function, which must not close over
            traced arrays, or an `eqx.Module` whose arrays are the parameters (a neural network, say).

    Raises:
        InputError: no function; when it is called: one that is not elementwise or not in `jax.numpy`.
    """

    function: Any

    def __init__(self, function: Callable):
        if not callable(function) or isinstance(function, type):
            kind = f"the class {function.__name__}" if isinstance(function, type) else type(function).__name__
            raise InputError(f"a potential is {kind}: give a function r -> energy, or an object such as LennardJones()")
        self.function = as_module(function)

    def __call__(self, r):
        try:
            energy = self.function(r)
        except jax.errors.TracerArrayConversionError:
            raise InputError("the potential converts distances to numpy: write it in jax.numpy") from None
        if getattr(energy, "shape", None) != r.shape:
            kind = getattr(energy, "shape", type(energy).__name__)
            raise InputError(f"the potential gives {kind} for distances of shape {r.shape}: make it elementwise")
        return energy

    def check(self, where: str = "") -> None:
        inner = eqx.combine(self.function.arrays, self.function.rest) if hasattr(self.function, "rest") else None
        if isinstance(inner, AbstractPotential):
            inner.check(where)


class Smooth(AbstractPotential):
    """A potential that ends: V(r) up to `onset`, V(r) S(x) with x = (r - onset) / (cutoff - onset) up to `cutoff`.

        S(x) = 1 - x^4 (35 - 84 x + 70 x^2 - 20 x^3)

    falls from 1 to 0 with three continuous derivatives, so that tangents and phonons, and their first derivatives, have
    no jump where a shell passes through either end.

    Args:
        potential: any potential.
        onset: where the tail begins (length, >= 0).
        cutoff: where V is 0 (length, > onset).

    Raises:
        InputError: no potential, something else than real numbers.
    """

    potential: AbstractPotential
    onset: Float[Array, ""]
    cutoff: Float[Array, ""]

    def __init__(self, potential, onset, cutoff):
        self.potential = as_potential(potential)
        self.onset, self.cutoff = number(onset, "onset"), number(cutoff, "cutoff")

    def __call__(self, r):
        x = jnp.clip((r - self.onset) / (self.cutoff - self.onset), 0, 1)
        return self.potential(r) * (1 - x**4 * (35 - 84 * x + 70 * x**2 - 20 * x**3))

    def check(self, where: str = "") -> None:
        self.potential.check(where)
        positive(self.cutoff, "cutoff", where)
        ends = (self.onset, self.cutoff)
        if not any(isinstance(x, Tracer) for x in ends) and not 0 <= float(self.onset) < float(self.cutoff):
            raise InputError(
                f"onset{where} is {float(self.onset):g} and cutoff {float(self.cutoff):g}: give 0 <= onset < cutoff"
            )


def as_potential(value) -> AbstractPotential:
    """A potential, or a function r -> energy as one."""
    whole = isinstance(value, AbstractPotential) and all(eqx.is_array_like(x) for x in jax.tree.leaves(value))
    return value if whole else Pair(value)
