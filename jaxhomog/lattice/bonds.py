"""Who is bonded to whom: tables of pairs, made on the host from concrete geometry."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Int

from ..results import InputError
from .crystals import Crystal

_SAME = 1e-6  # relative difference below which two distances are one shell
_MOST = 200_000


class Bonds(eqx.Module):
    """Every pair of atoms once, of one cell: atom `first` of the cell 0 and atom `second` of the cell `shift`.

    Args:
        first: (b,) atom in the cell.
        second: (b,) atom in its own cell.
        shift: (b, d) integer coordinates of that cell.
    """

    first: Int[Array, " b"]
    second: Int[Array, " b"]
    shift: Int[Array, "b d"]

    def __init__(self, first, second, shift):
        with jax.ensure_compile_time_eval():
            self.first, self.second, self.shift = (
                x if isinstance(x, jax.Array) else jnp.asarray(np.asarray(x, np.int32)) for x in (first, second, shift)
            )


def neighbours(crystal: Crystal, shells: int | None = None, cutoff: float | None = None) -> tuple[Bonds, ...]:
    """The shells of neighbours of a crystal, nearest first (host-side: the geometry must be concrete).

    Args:
        crystal: its cell and positions decide, not their scale: a table stays right while the order of shells that
            matter does.
        shells: number of shells of equal distance (over all atoms of the cell), or
        cutoff: largest distance (length), one of the two.

    Returns:
        One `Bonds` per shell.

    Raises:
        InputError: neither or both are given, nothing lies within the cutoff, a traced crystal.
    """
    if (shells is None) == (cutoff is None):
        raise InputError("give either shells (a number of neighbour shells) or cutoff (a distance)")
    if shells is not None and (isinstance(shells, bool) or not isinstance(shells, int) or shells < 1):
        raise InputError(f"shells is {shells!r}: give a whole number >= 1")
    if cutoff is not None:
        try:
            cutoff = float(cutoff)
        except (TypeError, ValueError):
            raise InputError(f"cutoff is {cutoff!r}: give a distance > 0") from None
        if not (np.isfinite(cutoff) and cutoff > 0):
            raise InputError(f"cutoff is {cutoff:g}: give a finite distance > 0")
    if isinstance(crystal.vectors, Tracer) or isinstance(crystal.positions, Tracer):
        raise InputError("a neighbour table needs a concrete crystal: make the lattice outside jit, vmap and grad")
    vectors, positions = np.asarray(crystal.vectors, float), np.asarray(crystal.positions, float)
    if not np.isfinite(vectors).all() or abs(np.linalg.det(vectors)) <= 1e-12 * np.max(np.abs(vectors)) ** len(vectors):
        raise InputError("the lattice vectors are not finite or not independent: give d independent rows")
    if not np.isfinite(positions).all():
        raise InputError("the positions are not finite: give fractions of the cell")
    radius = cutoff if cutoff is not None else 1.5 * abs(np.linalg.det(vectors)) ** (1 / len(vectors))
    while True:
        table = _within(vectors, positions, radius)
        groups = _shells(table)
        # The outermost distance may miss its partners just outside; it is complete once others lie beyond.
        if cutoff is not None or len(groups) > (shells or 0):
            break
        radius *= 1.3
    if cutoff is not None and not groups:
        raise InputError(f"no two atoms are within cutoff = {cutoff:g}: give a longer one")
    return tuple(Bonds(first, second, shift) for first, second, shift in groups[:shells])


def _within(vectors, positions, radius):
    """Distance, atoms and shift of every pair within the radius, once."""
    d, m = len(vectors), len(positions)
    # Distance of lattice planes: |n_k| <= radius / height_k, and one more for positions in the cell.
    spread = int(np.ceil(np.max(np.abs(positions[:, None] - positions[None]))))
    reach = np.floor(radius * np.linalg.norm(np.linalg.inv(vectors), axis=0)).astype(int) + 1 + spread
    if np.prod(2 * reach + 1.0) * m * m > 50 * _MOST:
        raise InputError(f"a radius of {radius:g} holds too many neighbours: give a shorter cutoff or a lattice sum")
    cells = np.stack(np.meshgrid(*(np.arange(-r, r + 1) for r in reach), indexing="ij"), -1).reshape(-1, d)
    out = []
    for i in range(m):
        for j in range(i, m):
            shifts = cells
            if i == j:  # one of n and -n: the first entry that is not zero is positive
                leading = np.sign(cells) @ (3 ** np.arange(d)[::-1])
                shifts = cells[leading > 0]
            distance = np.linalg.norm((shifts + positions[j] - positions[i]) @ vectors, axis=1)
            near = distance <= radius * (1 + _SAME)
            if np.any(distance[near] <= 1e-9 * np.max(np.abs(vectors))):
                raise InputError(f"atoms {i} and {j} of the cell are at the same place: give other positions")
            out += [(x, i, j, tuple(n)) for x, n in zip(distance[near], shifts[near], strict=True)]
    return sorted(out)


def _shells(table):
    """The pairs of every distance."""
    groups, last = [], -1.0
    for distance, i, j, shift in table:
        if distance > last * (1 + _SAME):
            groups.append(([], [], []))
        last = distance
        for part, value in zip(groups[-1], (i, j, shift), strict=True):
            part.append(value)
    return groups
