"""Crystals: a primitive cell and the atoms in it."""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ..results import InputError, real_array
from .potentials import number

# c / a of hard spheres.
_IDEAL = math.sqrt(8 / 3)


class Crystal(eqx.Module):
    """Atoms at (n + positions_k) . vectors for all integers n; in one, two or three dimensions.

    Args:
        vectors: (d, d), the rows are primitive lattice vectors (length).
        positions: (m, d), fractional coordinates of the atoms in the cell.
        masses: (m,) or one number; mass of every atom.

    Raises:
        InputError: shapes that do not fit, or something else than real numbers.
    """

    vectors: Float[Array, "d d"]
    positions: Float[Array, "m d"]
    masses: Float[Array, " m"]

    def __init__(self, vectors: Any, positions: Any = None, masses: Any = 1.0):
        self.vectors = _floats(vectors, "vectors")
        shape = self.vectors.shape
        if len(shape) != 2 or shape[0] != shape[1] or shape[0] not in (1, 2, 3):
            raise InputError(f"vectors have shape {shape}: give d rows of d numbers, d = 1, 2 or 3")
        self.positions = _floats(np.zeros((1, shape[0])) if positions is None else positions, "positions")
        if self.positions.ndim != 2 or self.positions.shape[1] != shape[0] or not self.positions.shape[0]:
            raise InputError(f"positions have shape {self.positions.shape}: give (atoms, {shape[0]}) fractions")
        masses = _floats(masses, "masses")
        if masses.shape not in ((), (self.atoms,)):
            raise InputError(f"masses have shape {masses.shape}: give one number or one for each of {self.atoms} atoms")
        self.masses = jnp.broadcast_to(masses, (self.atoms,))

    def check(self, where: str = "") -> None:
        """Raise `InputError` for concrete vectors, positions or masses that are no crystal."""
        if not isinstance(self.vectors, Tracer):
            vectors = np.asarray(self.vectors, float)
            top = np.max(np.abs(vectors))
            if not np.isfinite(vectors).all() or abs(np.linalg.det(vectors)) <= 1e-12 * top ** len(vectors):
                raise InputError(
                    f"the lattice vectors{where} are not finite or not independent: give d independent rows"
                )
        if not isinstance(self.positions, Tracer) and not np.isfinite(np.asarray(self.positions)).all():
            raise InputError(f"the positions{where} are not finite: give fractions of the cell")
        if not isinstance(self.masses, Tracer):
            masses = np.asarray(self.masses)
            if not (np.isfinite(masses).all() and np.all(masses > 0)):
                raise InputError(f"masses{where} are {masses.tolist()}: give finite numbers > 0")

    @property
    def dim(self) -> int:
        """Number of dimensions."""
        return self.vectors.shape[0]

    @property
    def atoms(self) -> int:
        """Number of atoms in the cell."""
        return self.positions.shape[0]

    @property
    def volume(self) -> Float[Array, ""]:
        """Volume (area, length) of the cell."""
        return jnp.abs(dual(self.vectors)[1])

    def deformed(self, F: Float[Array, "d d"]) -> Crystal:
        """The crystal whose lattice vectors are F v: a rotation, a stretch, another spacing.

        Args:
            F: (d, d) deformation gradient (no unit).

        Raises:
            InputError: F of another shape, or no numbers.
        """
        F = real_array(F, "F")
        if F.shape != (self.dim, self.dim):
            raise InputError(f"F has shape {F.shape}: give a real ({self.dim}, {self.dim})")
        return eqx.tree_at(lambda c: c.vectors, self, jnp.sum(self.vectors[:, None, :] * F[None], axis=-1))


def need_crystal(crystal, verb: str) -> None:
    """Raise `InputError` for anything else."""
    if not isinstance(crystal, Crystal):
        raise InputError(f"{verb} needs a Crystal and was given {type(crystal).__name__}: give one, such as fcc(1.5)")


def dual(rows: Float[Array, "d d"]) -> tuple[Float[Array, "d d"], Float[Array, ""]]:
    """Rows b_i with b_i . a_j = delta_ij (the inverse, transposed) and the determinant, without a library call."""
    if rows.shape[0] == 1:
        return 1 / rows, rows[0, 0]
    if rows.shape[0] == 2:
        (a, b), (c, d) = rows
        cofactor = jnp.stack([jnp.stack([d, -c]), jnp.stack([-b, a])])
    else:
        cofactor = jnp.stack([jnp.cross(rows[i], rows[j]) for i, j in ((1, 2), (2, 0), (0, 1))])
    det = jnp.dot(rows[0], cofactor[0])
    return cofactor / det, det


def _floats(value, name: str):
    """A floating array; concrete numbers are made outside of any trace."""
    if isinstance(value, jax.Array):
        if jnp.issubdtype(value.dtype, jnp.integer):
            return value.astype(jnp.result_type(float))
        if not jnp.issubdtype(value.dtype, jnp.floating):
            raise InputError(f"{name} have dtype {value.dtype}: give real numbers")
        return value
    if isinstance(value, list | tuple) and any(isinstance(x, Tracer) for x in jax.tree.leaves(value)):
        return jnp.asarray(value)
    try:
        array = np.asarray(value)
    except ValueError:
        raise InputError(f"{name} are ragged: give an array of real numbers") from None
    if array.dtype == bool or not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise InputError(f"{name} have dtype {array.dtype}: give real numbers")
    with jax.ensure_compile_time_eval():
        return jnp.asarray(array, array.dtype if np.issubdtype(array.dtype, np.floating) else jnp.result_type(float))


def _made(spacing, vectors, positions=None, masses=1.0, name="spacing") -> Crystal:
    return Crystal(_times(number(spacing, name), np.asarray(vectors, float)), positions, masses)


def _times(spacing, vectors):
    """Their product, concrete under a trace too where both are."""
    if isinstance(spacing, Tracer) or isinstance(vectors, Tracer):
        return spacing * vectors
    with jax.ensure_compile_time_eval():
        return spacing * jnp.asarray(vectors, spacing.dtype)


def chain(spacing=1.0, atoms: int = 1, masses=1.0) -> Crystal:
    """A chain in one dimension with `atoms` equidistant atoms in its cell, which is `atoms` spacings long."""
    if isinstance(atoms, bool) or not isinstance(atoms, int) or atoms < 1:
        raise InputError(f"atoms is {atoms!r}: give a whole number >= 1")
    return _made(spacing, [[atoms]], np.arange(atoms)[:, None] / atoms, masses)


def square(spacing=1.0, mass=1.0) -> Crystal:
    """The square lattice."""
    return _made(spacing, np.eye(2), None, mass)


def triangular(spacing=1.0, mass=1.0) -> Crystal:
    """The triangular lattice; a close-packed row lies along direction 1."""
    return _made(spacing, [[1, 0], [0.5, math.sqrt(0.75)]], None, mass)


def fcc(a=1.0, mass=1.0) -> Crystal:
    """Face-centred cubic with the cubic lattice constant a; neighbours at a / sqrt 2."""
    return _made(a, [[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]], None, mass, "a")


def bcc(a=1.0, mass=1.0) -> Crystal:
    """Body-centred cubic with the cubic lattice constant a; neighbours at a sqrt 3 / 2."""
    return _made(a, [[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]], None, mass, "a")


def diamond(a=1.0, masses=1.0) -> Crystal:
    """Diamond (or zincblende, with two masses) of the cubic lattice constant a; neighbours at a sqrt 3 / 4."""
    return _made(a, [[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]], [[0, 0, 0], [0.25, 0.25, 0.25]], masses, "a")


def hcp(a=1.0, ratio=_IDEAL, masses=1.0) -> Crystal:
    """Hexagonal close-packed: spacing a in the basal plane, c = ratio a along direction 3."""
    basal = np.asarray([[1, 0, 0], [0.5, math.sqrt(0.75), 0], [0, 0, 0]])
    axial = _times(number(ratio, "ratio"), np.diag([0.0, 0, 1]))
    vectors = _times(number(a, "a"), basal + axial if isinstance(axial, Tracer) else basal + np.asarray(axial))
    return Crystal(vectors, [[0, 0, 0], [1 / 3, 1 / 3, 0.5]], masses)
