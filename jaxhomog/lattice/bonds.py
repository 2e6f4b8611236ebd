"""Who is bonded to whom: tables of pairs, made on the host from concrete geometry."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Int

from ..results import InputError
from .crystals import Crystal, need_crystal

_SAME = 1e-6  # relative difference below which two distances are one shell
_MOST = 200_000


class Bonds(eqx.Module):
    """Every pair of atoms once, of one cell: atom `first` of the cell 0 and atom `second` of the cell `shift`.

    Args:
        first: (b,) atom in the cell.
        second: (b,) atom in its own cell.
        shift: (b, d) integer coordinates of that cell.

    Raises:
        InputError: shapes that do not fit; of numbers (not of JAX arrays, whose values may be traced): no whole ones,
            an atom bonded to itself, a pair that is listed twice (i, j, n and j, i, -n are the same).
    """

    first: Int[Array, " b"]
    second: Int[Array, " b"]
    shift: Int[Array, "b d"]

    def __init__(self, first, second, shift):
        given = (first, second, shift)
        if not any(isinstance(x, jax.Array) for x in given):
            given = _whole(*given)
        with jax.ensure_compile_time_eval():
            self.first, self.second, self.shift = (
                x if isinstance(x, jax.Array) else jnp.asarray(np.asarray(x, np.int32)) for x in given
            )
        count = self.first.shape
        if len(count) != 1 or self.second.shape != count or self.shift.ndim != 2 or self.shift.shape[:1] != count:
            raise InputError(
                f"first, second and shift have shapes {count}, {self.second.shape}, {self.shift.shape}: give (b,), (b,)"
                " and (b, d)"
            )


def _whole(first, second, shift) -> list[np.ndarray]:
    """Numbers of a table as whole ones, every pair once."""
    out = []
    for name, value in (("first", first), ("second", second), ("shift", shift)):
        try:
            numbers = np.asarray(value)
            good = numbers.dtype.kind in "iuf" and bool(np.all(numbers == np.rint(numbers)))
        except (TypeError, ValueError):
            good = False
        if not good:
            raise InputError(f"{name} of a table of bonds is {value!r}: give whole numbers")
        out.append(np.asarray(numbers, np.int64))
    first, second, shift = out
    if first.ndim == second.ndim == 1 and shift.ndim == 2 and len(first) == len(second) == len(shift):
        if np.any((first == second) & ~np.any(shift != 0, axis=1)):
            raise InputError("a table of bonds ties an atom to itself: give first, second, or a shift that differs")
        pairs = np.concatenate([first[:, None], second[:, None], shift], axis=1)
        back = np.concatenate([second[:, None], first[:, None], -shift], axis=1)
        leading = np.argmax(pairs != back, axis=1)[:, None]
        swap = np.take_along_axis(pairs, leading, 1) > np.take_along_axis(back, leading, 1)
        if len(np.unique(np.where(swap, back, pairs), axis=0)) < len(pairs):
            raise InputError("a table of bonds lists a pair twice: (i, j, n) and (j, i, -n) are the same, give one")
    return out


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
        InputError: no crystal, neither or both are given, nothing lies within the cutoff, a traced crystal.
    """
    need_crystal(crystal, "neighbours")
    if (shells is None) == (cutoff is None):
        raise InputError("give either shells (a number of neighbour shells) or cutoff (a distance)")
    if shells is not None and (isinstance(shells, bool) or not isinstance(shells, int | np.integer) or shells < 1):
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
    crystal.check()
    vectors, positions = np.asarray(crystal.vectors, float), np.asarray(crystal.positions, float)
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
