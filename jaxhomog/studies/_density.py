"""Density fields: from independent variables through symmetry, filter and projection to voxels, on any finer grid."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from ..fields import Grid
from ..results import InputError, under_jax_defaults
from ._symmetry import orbits


@under_jax_defaults
def density_filter(
    grid: Grid, field: Float[ArrayLike, "*space"], radius: float | Float[ArrayLike, ""]
) -> Float[Array, "*space"]:
    """Periodic mean of a field with conic weights.

        f(x) = sum_y w(x - y) v(y) / sum_y w(y),   w(r) = max(0, 1 - |r| / R), r the shortest periodic distance

    The mean is kept, and values stay between the smallest and the largest. A radius below one voxel changes nothing.

    Args:
        grid: the cell.
        field: values on its voxels.
        radius: R, in the unit of the grid's lengths.

    Returns:
        The filtered field.

    Fails with:
        InputError: a field of another shape, or a concrete radius that is not a positive number.

    Source:
        Bruns & Tortorelli (2001), Comput. Methods Appl. Mech. Eng. 190, 3443-3459; Bourdin (2001), Int. J. Numer. Meth.
        Eng. 50, 2143-2158.
    """
    v = jnp.asarray(field)
    if v.shape != grid.shape:
        raise InputError(f"the field has shape {v.shape} and the grid {grid.shape}: give one value per voxel")
    if not isinstance(radius, Tracer) and not 0 < float(np.asarray(radius)) < np.inf:
        raise InputError(f"radius={radius}: give a positive length")
    h = grid.spacing(v.dtype)
    square = jnp.zeros((), v.dtype)
    for k, n in enumerate(grid.shape):
        steps = np.minimum(np.arange(n), n - np.arange(n)).reshape([-1 if m == k else 1 for m in range(grid.dim)])
        square = square + (jnp.asarray(steps, v.dtype) * h[k]) ** 2
    # The distance 0 has no derivative, and none is needed: its weight is 1 for every radius.
    distance = jnp.sqrt(jnp.where(square > 0, square, 1))
    weight = jnp.where(square > 0, jnp.maximum(0, 1 - distance / jnp.asarray(radius, v.dtype)), 1)
    symbol = jnp.fft.rfftn(weight / jnp.sum(weight))
    return jnp.fft.irfftn(jnp.fft.rfftn(v) * symbol, s=grid.shape)


@under_jax_defaults
def projected(
    field: Float[ArrayLike, "..."], sharpness: float | Float[ArrayLike, ""], threshold: float = 0.5
) -> Float[Array, "..."]:
    """Smoothed Heaviside step of a field in [0, 1].

        p = (tanh(b t) + tanh(b (f - t))) / (tanh(b t) + tanh(b (1 - t)))

    0 and 1 stay. b -> 0 is the identity, b -> infinity the step at the threshold t.

    Args:
        field: f.
        sharpness: b > 0.
        threshold: t in (0, 1); below 1/2 the solid grows (dilation), above it shrinks (erosion).

    Returns:
        p, of the same shape.

    Source:
        Wang, Lazarov & Sigmund (2011), Struct. Multidisc. Optim. 43, 767-784, eq. (9).
    """
    f = jnp.asarray(field)
    b, t = jnp.asarray(sharpness, f.dtype), jnp.asarray(threshold, f.dtype)
    low = jnp.tanh(b * t)
    return (low + jnp.tanh(b * (f - t))) / (low + jnp.tanh(b * (1 - t)))


@under_jax_defaults
def simp(density: Float[ArrayLike, "..."], power: float = 3.0, void: float = 1e-6) -> Float[Array, "..."]:
    """Modulus of a voxel over that of the solid, E / E_solid = void + (1 - void) rho^power (modified SIMP).

    Args:
        density: rho in [0, 1].
        power: penalty p > 1 of intermediate densities.
        void: modulus of rho = 0 over that of the solid.

    Source:
        Sigmund (2007), Struct. Multidisc. Optim. 33, 401-424, eq. (2).
    """
    rho = jnp.asarray(density)
    # Rounding of a filter may leave -1e-17, whose power is NaN.
    return void + (1 - void) * jnp.where(rho > 0, jnp.where(rho > 0, rho, 1) ** power, 0)


@under_jax_defaults
def ramp(density: Float[ArrayLike, "..."], penalty: float = 3.0, void: float = 1e-6) -> Float[Array, "..."]:
    """Modulus of a voxel over that of the solid, E / E_solid = void + (1 - void) rho / (1 + q (1 - rho)) (RAMP).

    Its slope at rho = 0 is not zero: a voxel can come back from the void.

    Args:
        density: rho in [0, 1].
        penalty: q >= 0 of intermediate densities.
        void: modulus of rho = 0 over that of the solid.

    Source:
        Stolpe & Svanberg (2001), Struct. Multidisc. Optim. 22, 116-124.
    """
    rho = jnp.asarray(density)
    return void + (1 - void) * rho / (1 + penalty * (1 - rho))


class DensityField(eqx.Module):
    """A density on the voxels of a cell, from independent variables.

        variables -> field with the symmetry -> conic filter -> projection -> density in [0, 1]

    The radius is a length of the cell, so that the same variables make the same shapes on every finer grid.

    Args:
        grid: the cell and its voxels.
        radius: of the filter (`density_filter`), in the unit of the grid's lengths: much thinner members and
            holes disappear.
        symmetry: point group (`point_group`), kept exactly.

    Fails with:
        InputError: a symmetry that the grid does not have, a bad radius.
    """

    grid: Grid
    labels: Int[Array | np.ndarray, "*space"]
    radius: Any
    number: int = eqx.field(static=True)

    @under_jax_defaults
    def __init__(self, grid: Grid, radius: Any, symmetry: str = "1"):
        labels = orbits(grid.shape, symmetry)
        lengths = grid.lengths
        if symmetry not in ("1", "2", "-1", "m", "2mm", "mmm") and not isinstance(lengths, Tracer):
            box = np.asarray(lengths, float)
            equal = box[:2] if symmetry == "4/mmm" else box
            if not np.allclose(equal, equal[0], rtol=1e-6):
                raise InputError(
                    f"symmetry={symmetry!r} exchanges directions of lengths {box.tolist()}: make them equal"
                )
        if not isinstance(radius, Tracer) and not 0 < float(np.asarray(radius)) < np.inf:
            raise InputError(f"radius={radius}: give a positive length")
        self.grid, self.labels, self.radius = grid, labels, radius
        self.number = int(labels.max()) + 1

    def density(self, variables: Float[ArrayLike, " n"], sharpness: Any) -> Float[Array, "*space"]:
        """Density of every voxel.

        Args:
            variables: (number,), in [0, 1].
            sharpness: of the projection (`projected`).

        Fails with:
            InputError: another number of variables.
        """
        v = jnp.asarray(variables)
        if v.shape != (self.number,):
            raise InputError(f"variables have shape {v.shape}: this field takes ({self.number},)")
        return projected(density_filter(self.grid, v[jnp.asarray(self.labels)], self.radius), sharpness)

    def variables(self, field: Float[ArrayLike, "*space"]) -> Float[Array, " n"]:
        """Variables whose symmetric field is nearest to the given one: its mean over every orbit."""
        v = jnp.asarray(field)
        if v.shape != self.grid.shape:
            raise InputError(f"the field has shape {v.shape} and the grid {self.grid.shape}: give one value per voxel")
        labels = np.asarray(self.labels).ravel()
        sums = jnp.zeros(self.number, v.dtype).at[labels].add(v.ravel())
        return sums / jnp.asarray(np.bincount(labels, minlength=self.number), v.dtype)

    def refined(self, factor: int = 2) -> DensityField:
        """The same variables on voxels that are `factor` times smaller in every direction."""
        if int(factor) != factor or factor < 1:
            raise InputError(f"factor={factor}: give a whole number, at least 1")
        labels = np.asarray(self.labels)
        for axis in range(labels.ndim):
            labels = np.repeat(labels, int(factor), axis)
        fine = Grid(labels.shape, self.grid.lengths)
        return eqx.tree_at(lambda f: (f.grid, f.labels), self, (fine, labels))
