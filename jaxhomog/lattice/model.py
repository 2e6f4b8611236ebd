"""The lattice: atoms of a crystal under a uniform deformation, their inner shifts, and the energy of the cell.

An atom k of the cell n lies at F (X_nk + s_k): X its place in the undeformed crystal, F the deformation gradient that
comes from above (the Cauchy-Born rule), s_k the shift of the sublattice k inside the undeformed cell, the only unknown
of this scale. The energy does not change when the frame turns (F -> R F), nor when all shifts grow by the same vector:
the first atom stays.

Source: Born & Huang (1954), Dynamical Theory of Crystal Lattices, section 11; Ericksen (2008), Math. Mech. Solids 13,
199-220.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ..results import InputError, real_array
from .bonds import Bonds, neighbours
from .crystals import Crystal, chain
from .potentials import AbstractPotential, Smooth, as_potential

# A table for a potential that ends holds the pairs up to this multiple of its end.
_MARGIN = 1.3
_COLUMNS = ("first", "second", "shift")


class AbstractInteraction(eqx.Module):
    """A part of the energy of a crystal."""

    @abc.abstractmethod
    def energy(self, vectors: Float[Array, "d d"], places: Float[Array, "m d"], F: Float[Array, "d d"]) -> Array:
        """Energy per cell of the crystal with these (undeformed) vectors and places of atoms, deformed by F."""

    @abc.abstractmethod
    def check(self, where: str = "") -> None:
        """Raise `InputError` for inadmissible concrete parameters."""

    def fits(self, crystal: Crystal) -> None:
        """Raise `InputError` where the interaction was made for another crystal."""


class Pairs(AbstractInteraction):
    """One potential on a table of pairs.

    Args:
        potential: `AbstractPotential`, or a function r -> energy.
        bonds: the pairs.

    Raises:
        InputError: no potential, no table.
    """

    potential: AbstractPotential
    bonds: Bonds

    def __init__(self, potential, bonds: Bonds):
        if not isinstance(bonds, Bonds):
            raise InputError(f"bonds are {type(bonds).__name__}: give Bonds, such as neighbours(crystal, 1)[0]")
        self.potential, self.bonds = as_potential(potential), bonds

    def reference(self, vectors, places) -> Float[Array, "b d"]:
        """From atom to atom in the undeformed crystal."""
        across = jnp.sum(self.bonds.shift.astype(vectors.dtype)[:, :, None] * vectors[None], axis=1)
        return across + places[self.bonds.second] - places[self.bonds.first]

    def energy(self, vectors, places, F):
        return jnp.sum(self.potential(_lengths(self.reference(vectors, places), F)))

    def stiffness(self, vectors, places, F) -> Float[Array, "b d d"]:
        """d2V / dr dr of every bond: V'' along it, V' / r across it."""
        across = _turned(self.reference(vectors, places), F)
        r = jnp.sqrt(jnp.sum(across**2, axis=-1))
        one = jnp.ones_like(r)
        slope = lambda x: jax.jvp(self.potential, (x,), (one,))[1]  # noqa: E731
        first, second = jax.jvp(slope, (r,), (one,))
        n = across / r[:, None]
        nn, eye = n[:, :, None] * n[:, None, :], jnp.eye(F.shape[0], dtype=F.dtype)
        return second[:, None, None] * nn + (first / r)[:, None, None] * (eye - nn)

    def check(self, where: str = "") -> None:
        self.potential.check(where)


def _turned(across, F):
    return jnp.sum(across[:, None, :] * F[None], axis=-1)


def _lengths(across, F):
    return jnp.sqrt(jnp.sum(_turned(across, F) ** 2, axis=-1))


class Lattice(eqx.Module):
    """A crystal and what acts between its atoms.

    Args:
        crystal: the undeformed crystal.
        interactions: parts of the energy, each with its pairs.

    Raises:
        InputError: no crystal, no interaction, a table for another dimension or number of atoms.
    """

    crystal: Crystal
    interactions: tuple[AbstractInteraction, ...]

    def __init__(self, crystal: Crystal, interactions: Sequence[AbstractInteraction] | AbstractInteraction):
        if not isinstance(crystal, Crystal):
            raise InputError(f"crystal is {type(crystal).__name__}: give a Crystal, such as fcc(1.5)")
        parts = (interactions,) if isinstance(interactions, AbstractInteraction) else tuple(interactions)
        self.crystal, self.interactions = crystal, parts
        if not self.interactions or not all(isinstance(x, AbstractInteraction) for x in self.interactions):
            raise InputError("interactions are no list of Pairs: give Pairs(potential, bonds) or use Lattice.pairs")
        for part in self.interactions:
            if isinstance(part, Pairs) and part.bonds.shift.shape[1:] != (crystal.dim,):
                raise InputError(
                    f"a table of bonds has shifts {part.bonds.shift.shape} and the crystal {crystal.dim} dimensions:"
                    " make it with neighbours(crystal, ...)"
                )
            if isinstance(part, Pairs) and not isinstance(part.bonds.first, Tracer):
                # JAX would take the last atom for one that does not exist.
                named = np.concatenate([np.asarray(part.bonds.first), np.asarray(part.bonds.second)])
                if named.size and not (named.min() >= 0 and named.max() < crystal.atoms):
                    raise InputError(
                        f"a table of bonds names atoms {named.min()} to {named.max()} and the cell has {crystal.atoms}:"
                        " make it with neighbours(crystal, ...)"
                    )
            part.fits(crystal)

    @classmethod
    def pairs(cls, crystal: Crystal, potential, shells: int | None = None, cutoff: float | None = None) -> Lattice:
        """A lattice of pair potentials on shells of neighbours.

        Args:
            crystal: the undeformed crystal (concrete: the table of neighbours is made on the host).
            potential: `AbstractPotential` or function r -> energy; or a list of them, one per shell, nearest first.
            shells: number of shells, or
            cutoff: distance up to which pairs are bonded. A `Smooth` potential needs neither: pairs up to 1.3 times
                its end are kept, which is exact while no direction is shortened by more than 23 %.

        Raises:
            InputError: both of shells and cutoff, or neither; a list that does not match.

        Caveats:
            The table stays that of the undeformed crystal: a stretched bond stays a bond.
        """
        several = isinstance(potential, list | tuple)
        if several and shells is None and cutoff is None:
            shells = len(potential)
        if not several and shells is None and cutoff is None and isinstance(potential, Smooth):
            if isinstance(potential.cutoff, Tracer):
                raise InputError("the end of the potential is traced: give shells or cutoff")
            cutoff = _MARGIN * float(potential.cutoff)
        groups = neighbours(crystal, shells, cutoff)
        if not several:
            joined = [np.concatenate([np.asarray(getattr(g, name)) for g in groups]) for name in _COLUMNS]
            return cls(crystal, (Pairs(potential, Bonds(*joined)),))
        if len(potential) != len(groups):
            raise InputError(f"{len(potential)} potentials for {len(groups)} shells: give one for each")
        return cls(crystal, tuple(Pairs(p, g) for p, g in zip(potential, groups, strict=True)))

    @property
    def dim(self) -> int:
        """Number of dimensions."""
        return self.crystal.dim

    @property
    def inner(self) -> tuple[int, int]:
        """Shape of the inner shifts: all atoms of the cell but the first."""
        return self.crystal.atoms - 1, self.dim

    def places(self, shifts: Float[Array, "n d"]) -> Float[Array, "m d"]:
        """Atoms of the undeformed cell, shifted."""
        c = self.crystal
        own = jnp.sum(c.positions[:, :, None] * c.vectors[None], axis=1)
        return own + jnp.concatenate([jnp.zeros((1, self.dim), own.dtype), shifts.astype(own.dtype)])

    def cell_energy(self, F: Float[Array, "d d"], shifts: Float[Array, "n d"]) -> Float[Array, ""]:
        """Energy of one cell."""
        places = self.places(shifts)
        parts = [part.energy(self.crystal.vectors, places, F) for part in self.interactions]
        return sum(parts[1:], start=parts[0])

    def density(self, F: Float[Array, "d d"], shifts: Float[Array, "n d"]) -> Float[Array, ""]:
        """Energy per volume of the undeformed crystal."""
        return self.cell_energy(F, shifts) / self.crystal.volume

    def check(self, where: str = "") -> None:
        """Raise `InputError` for inadmissible concrete parameters."""
        self.crystal.check(where)
        for part in self.interactions:
            part.check(where)

    def cast(self, dtype) -> Lattice:
        """The lattice with all numbers in one precision."""
        return jax.tree.map(lambda x: jnp.asarray(x, dtype) if eqx.is_inexact_array(x) else x, self)


def alternating_chain(first, second, spacing=1.0, masses=1.0) -> Lattice:
    """A chain of equidistant atoms whose bonds carry two potentials in turn.

    Its affine modulus is the mean of both stiffnesses times the spacing, its relaxed one their harmonic mean.

    Args:
        first: potential of the bonds inside a cell.
        second: potential of the bonds between cells.
        spacing: distance of neighbours.
        masses: one number or two.
    """
    crystal = chain(spacing, 2, masses)
    return Lattice(crystal, (Pairs(first, Bonds([0], [1], [[0]])), Pairs(second, Bonds([1], [0], [[1]]))))


def need_lattice(lattice, verb: str) -> None:
    """Raise `InputError` for anything else, and for inadmissible concrete parameters."""
    if not isinstance(lattice, Lattice):
        raise InputError(f"{verb} needs a Lattice and was given {type(lattice).__name__}: give Lattice.pairs(...)")
    lattice.check()


def need_deformation(F, lattice: Lattice) -> Float[Array, "d d"]:
    """F as a floating array of the lattice's shape."""
    F = real_array(F, "F")
    if F.shape != (lattice.dim,) * 2:
        raise InputError(f"F has shape {F.shape}: give a real ({lattice.dim}, {lattice.dim})")
    return F.astype(jnp.result_type(F.dtype, lattice.crystal.vectors.dtype))
