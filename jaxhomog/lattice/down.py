"""How the lattice receives the scale above: deformation gradients, paths of them, and wave vectors of its zone."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..results import InputError, real_array
from .crystals import Crystal, dual, need_crystal
from .functions import as_module


def deformation(message: Float[Array, " n"], dim: int, lattice_dim: int) -> Float[Array, "d d"]:
    """A message (deformation gradient, row by row) as a matrix; of a plane one in a solid crystal F33 = 1."""
    F = message.reshape(dim, dim)
    if lattice_dim == dim:
        return F
    return jnp.eye(lattice_dim, dtype=F.dtype).at[:dim, :dim].set(F)


class AbstractDeformationPath(eqx.Module):
    """F(t): a line through the deformations, t the stretch."""

    @abc.abstractmethod
    def __call__(self, t: Float[Array, ""], dim: int) -> Float[Array, "d d"]:
        """The deformation gradient at t in `dim` dimensions."""


class UniaxialStretch(AbstractDeformationPath):
    """F = 1 + (t - 1) n n: stretched along a unit vector, without contraction across it.

    Args:
        direction: n, any length; None is direction 1.
    """

    direction: tuple[float, ...] | None = eqx.field(static=True)

    def __init__(self, direction=None):
        if direction is not None:
            try:
                n = np.asarray(direction, float)
            except (TypeError, ValueError):
                raise InputError(f"direction is {direction!r}: give a vector that is not zero") from None
            if n.ndim != 1 or not np.isfinite(n).all() or not np.any(n):
                raise InputError(f"direction is {direction!r}: give a vector that is not zero")
            direction = tuple(float(x) for x in n / np.linalg.norm(n))
        self.direction = direction

    def __call__(self, t, dim):
        n = np.eye(dim)[0] if self.direction is None else np.asarray(self.direction)
        if len(n) != dim:
            raise InputError(f"direction has {len(n)} components and the lattice {dim} dimensions: they must agree")
        return jnp.eye(dim, dtype=t.dtype) + (t - 1) * jnp.asarray(np.outer(n, n), t.dtype)


class EqualStretch(AbstractDeformationPath):
    """F = t 1: the same stretch along all directions."""

    def __call__(self, t, dim):
        return t * jnp.eye(dim, dtype=t.dtype)


class Along(AbstractDeformationPath):
    """Any path t -> F (d, d), a plain function that does not close over traced arrays, or an `eqx.Module`."""

    function: Any

    def __init__(self, function: Callable):
        if not callable(function):
            raise InputError(f"a path is {type(function).__name__}: give a function t -> F")
        self.function = as_module(function)

    def __call__(self, t, dim):
        F = real_array(self.function(t), "the path")
        if F.shape != (dim, dim):
            raise InputError(f"the path gives F of shape {F.shape}: give ({dim}, {dim})")
        return F


def as_path(path) -> AbstractDeformationPath:
    """A path, or a function t -> F as one; None is `UniaxialStretch()`."""
    if path is None:
        return UniaxialStretch()
    return path if isinstance(path, AbstractDeformationPath) else Along(path)


def reciprocal(crystal: Crystal) -> Float[Array, "d d"]:
    """Reciprocal vectors of the undeformed crystal as rows, b_i . a_j = 2 pi delta_ij (1/length)."""
    return 2 * math.pi * dual(crystal.vectors)[0]


def zone_fractions(dim: int, n: int) -> np.ndarray:
    """(q, dim) fractions k/n of the reciprocal vectors, one of each pair k, -k, without zero (host-side)."""
    if isinstance(n, bool) or not isinstance(n, int) or n < 2:
        raise InputError(f"n is {n!r}: give a whole number of wave vectors per axis, >= 2")
    axis = np.arange(n)
    grid = np.stack(np.meshgrid(*[axis] * dim, indexing="ij"), -1).reshape(-1, dim)
    opposite = (-grid) % n
    order = n ** np.arange(dim)[::-1]
    keep = (grid @ order <= opposite @ order) & np.any(grid != 0, axis=1)
    grid = grid[keep]
    return np.where(grid > n // 2, grid - n, grid) / n


def brillouin_zone(crystal: Crystal, n: int) -> Float[Array, "q d"]:
    """Wave vectors of a regular grid over the Brillouin zone: those of a ring of n cells along every axis.

    One of each pair q, -q (they have the same frequencies), without q = 0; with the zone boundary where n is even.

    Args:
        crystal: the undeformed crystal.
        n: wave vectors along each axis, >= 2 (static).

    Returns:
        (about n^d / 2, d), Cartesian, 1/length of the undeformed crystal: the phase from cell to cell is q . X.

    Raises:
        InputError: no crystal, no whole number.
    """
    need_crystal(crystal, "brillouin_zone")
    with jax.ensure_compile_time_eval():
        fractions = jnp.asarray(zone_fractions(crystal.dim, n), crystal.vectors.dtype)
    return jnp.sum(fractions[:, :, None] * reciprocal(crystal)[None], axis=1)
