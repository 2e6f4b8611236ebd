"""Shapes to voxels that know how much of them is inside."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float

from ..results import InputError, under_jax_defaults
from ..tensors import safe_norm
from ._shapes import AbstractShape


@under_jax_defaults
def volume_fraction(grid: Any, shape: AbstractShape) -> Float[Array, "*grid"]:
    """Fraction of every voxel that lies inside a shape, differentiable in the shape's parameters and the box.

        f_v = |shape in voxel v| / |v|, with the surface in v replaced by a plane

    The sum over voxels has an error of order h^2 (of higher order on average for smooth surfaces); a shape thinner
    than a voxel is not resolved, `Box` excepted.

    Args:
        grid: `Grid`, its lengths in the unit of the shape's parameters.
        shape: one of `shapes`.

    Returns:
        Fractions in [0, 1], of the grid's shape; exactly 0 or 1 in voxels that are not cut.

    Fails with:
        InputError: concrete parameters that do not fit the box, or sizes that are not positive. Traced ones are not
            checked.
    """
    _check(grid, shape)
    return _fractions(grid, shape)


@eqx.filter_jit
def _fractions(grid, shape):
    lengths, spacing, centres = _voxels(grid, shape)
    f = shape.fraction(centres, spacing, lengths)
    # Rounding must not leave a sliver: a voxel that is almost full would count as cut.
    sliver = 64 * jnp.finfo(f.dtype).eps
    return jnp.where(f < sliver, 0, jnp.where(f > 1 - sliver, 1, f))


@under_jax_defaults
def enclosing_voxels(grid: Any, shape: AbstractShape) -> tuple[Bool[Array, "*grid"], Bool[Array, "*grid"]]:
    """Voxel images that enclose a shape: the largest inside it and the smallest that covers it.

        inner = {v : v in shape} <= shape <= outer = {v : v meets shape}

    The voxels of `outer` that are not in `inner` are cut. Exact for every shape of `shapes` but unions, whose
    members are enclosed one by one: a voxel that two of them cover together counts as cut.

    Args:
        grid: `Grid`, its lengths in the unit of the shape's parameters.
        shape: one of `shapes`.

    Returns:
        inner, outer: images of the grid's shape.

    Fails with:
        InputError: as `volume_fraction`.
    """
    _check(grid, shape)
    lengths, spacing, centres = _voxels(grid, shape)
    return shape.enclose(centres, spacing, lengths)


@under_jax_defaults
def interface_normal(grid: Any, shape: AbstractShape) -> Float[Array, "*grid d"]:
    """Outward unit normal of a shape's level surface through every voxel's centre.

        n = grad phi / |grad phi|, by central differences over the voxel

    Args:
        grid: `Grid`, its lengths in the unit of the shape's parameters.
        shape: one of `shapes`.

    Returns:
        (*grid.shape, d); 0 where the level has no slope (the centre of a sphere).

    Fails with:
        InputError: as `volume_fraction`.
    """
    _check(grid, shape)
    return _normals(grid, shape)


@eqx.filter_jit
def _normals(grid, shape):
    lengths, spacing, centres = _voxels(grid, shape)
    slopes = []
    for k in range(len(grid.shape)):
        half = 0.5 * spacing * (np.arange(len(grid.shape)) == k)
        slopes.append((shape.level(centres + half, lengths) - shape.level(centres - half, lengths)) / spacing[k])
    slope = jnp.stack(slopes, axis=-1)
    length = safe_norm(slope)[..., None]
    return slope / jnp.where(length > 0, length, 1)


def _check(grid, shape) -> None:
    if not isinstance(shape, AbstractShape):
        raise InputError(f"shape is a {type(shape).__name__}: give one of shapes (Sphere, Ellipsoid, Cylinder, ...)")
    if not hasattr(grid, "lengths"):
        raise InputError(f"grid is a {type(grid).__name__}: give Grid(shape, lengths)")
    # A traced box has no values to compare with; an unbounded one still checks sizes and numbers of directions.
    if isinstance(grid.lengths, Tracer):
        shape.check(np.full(len(grid.shape), np.inf))
        return
    lengths = np.asarray(grid.lengths, float)
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        raise InputError(f"Grid.lengths {tuple(lengths.tolist())}: every length must be finite and positive")
    shape.check(lengths)


def _voxels(grid, shape):
    """Lengths, spacing and centres of the voxels in the dtype of the shape."""
    dtype = jnp.result_type(*jax.tree.leaves(shape))
    lengths, spacing = jnp.asarray(grid.lengths, dtype), grid.spacing(dtype)
    centres = jnp.stack(
        jnp.meshgrid(
            *((jnp.arange(n, dtype=dtype) + 0.5) * h for n, h in zip(grid.shape, spacing, strict=True)), indexing="ij"
        ),
        axis=-1,
    )
    return lengths, spacing, centres
