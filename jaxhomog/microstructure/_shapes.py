"""Shapes in a periodic box, by a level that is negative inside and positive outside.

Parameters are leaves in the user's unit of length; a shape is repeated with the box (nearest image). Axis k of a
parameter is direction k + 1 of the grid, and the box begins at the origin.
"""

from __future__ import annotations

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float

from ..results import InputError, under_jax_defaults
from ..tensors import safe_norm
from ._plane_cut import fraction_below


class AbstractShape(eqx.Module):
    """A region of a periodic box."""

    @abc.abstractmethod
    def level(self, points: Float[Array, "*points d"], lengths: Float[Array, " d"]) -> Float[Array, "*points"]:
        """Signed distance to the surface (negative inside; at least to first order near it), in lengths.

        Args:
            points: positions.
            lengths: edges of the periodic box.
        """

    @abc.abstractmethod
    def check(self, lengths: Float[np.ndarray, " d"]) -> None:
        """Raise `InputError` for concrete parameters that do not fit a box with these edges."""

    def enclose(
        self, centres: Float[Array, "*grid d"], spacing: Float[Array, " d"], lengths: Float[Array, " d"]
    ) -> tuple[Bool[Array, "*grid"], Bool[Array, "*grid"]]:
        """Voxels that lie wholly inside, and voxels that any part of the shape may lie in; no derivative.

        Here by the level, which must change by at most the distance: |phi(x) - phi(y)| <= |x - y|. Shapes whose level
        is a distance to first order only have their own.
        """
        phi, half = self.level(centres, lengths), 0.5 * safe_norm(spacing)
        return phi <= -half, phi < half

    def fraction(
        self, centres: Float[Array, "*grid d"], spacing: Float[Array, " d"], lengths: Float[Array, " d"]
    ) -> Float[Array, "*grid"]:
        """Share of every voxel inside: the voxel cut by a plane fitted to the level.

        The plane has the level's central differences over the voxel as slopes and its mean over the voxel,
        phi + sum_k h_k^2/24 d2phi/dx_k^2, as the value at the centre. That is the tangent plane, shifted by what
        curvature takes away on average; without the shift a disc would be too large by pi h^2 / 12.
        """
        phi = self.level(centres, lengths)
        mean, slopes = phi, []
        for k in range(centres.shape[-1]):
            half = 0.5 * spacing * (np.arange(centres.shape[-1]) == k)
            above, below = self.level(centres + half, lengths), self.level(centres - half, lengths)
            mean = mean + (above - 2 * phi + below) / 6
            slopes.append(above - below)
        return fraction_below(-mean, jnp.stack(slopes, axis=-1))


class Sphere(AbstractShape):
    """A sphere, or a disc in 2-D: phi = |x - c| - r.

    Args:
        centre: c, (3,) or (2,), in [0, length] along each direction: a centre outside the box is refused, not wrapped.
        radius: r > 0; spheres wider than the box overlap their images, and one that fills the box is refused.
    """

    centre: Float[Array, " d"]
    radius: Float[Array, ""]

    @under_jax_defaults
    def __init__(self, centre: Any, radius: Any):
        self.centre = _vector(centre, "centre")
        self.radius = _number(radius, "radius")

    def level(self, points, lengths):
        return safe_norm(_nearest(points - self.centre, lengths)) - self.radius

    def enclose(self, centres, spacing, lengths):
        near, far = _extremes(_nearest(centres - self.centre, lengths), spacing)
        return _within(safe_norm(far), safe_norm(near), self.radius)

    def check(self, lengths):
        _check_centre(self.centre, lengths)
        _check_size(self.radius, "radius")
        _check_reach(self.radius, lengths, lengths, "radius")


class Ellipsoid(AbstractShape):
    """An ellipsoid (2-D: ellipse) with axes along the grid's: phi = (|y| - 1) |y| / |y / a|, y_k = (x_k - c_k) / a_k.

    phi is the distance to first order at the surface.

    Args:
        centre: c, (3,) or (2,), in [0, length] along each direction.
        semi_axes: a > 0, one per direction.
    """

    centre: Float[Array, " d"]
    semi_axes: Float[Array, " d"]

    @under_jax_defaults
    def __init__(self, centre: Any, semi_axes: Any):
        self.centre = _vector(centre, "centre")
        self.semi_axes = _vector(semi_axes, "semi_axes")

    def level(self, points, lengths):
        scaled = _nearest(points - self.centre, lengths) / self.semi_axes
        size, slope = safe_norm(scaled), safe_norm(scaled / self.semi_axes)
        # At the centre the slope vanishes with the size: the level there is the smallest semi-axis, whose sign counts.
        ratio = jnp.where(slope > 0, size / jnp.where(slope > 0, slope, 1), jnp.min(self.semi_axes))
        return (size - 1) * ratio

    def enclose(self, centres, spacing, lengths):
        near, far = _extremes(_nearest(centres - self.centre, lengths), spacing)
        return _within(safe_norm(far / self.semi_axes), safe_norm(near / self.semi_axes), 1.0)

    def check(self, lengths):
        _check_centre(self.centre, lengths)
        _check_like(self.semi_axes, lengths, "semi_axes")
        _check_size(self.semi_axes, "semi_axes")
        _check_reach(self.semi_axes, lengths, lengths, "semi_axes")


class Cylinder(AbstractShape):
    """A circular cylinder through the whole box along one direction of a 3-D grid.

    Args:
        centre: (3,), any point of the axis, in [0, length] along each direction.
        radius: r > 0.
        axis: direction of the axis: 0, 1 or 2.
    """

    centre: Float[Array, " 3"]
    radius: Float[Array, ""]
    axis: int = eqx.field(static=True)

    @under_jax_defaults
    def __init__(self, centre: Any, radius: Any, axis: int = 2):
        self.centre = _vector(centre, "centre")
        self.radius = _number(radius, "radius")
        whole = isinstance(axis, int | np.integer) and not isinstance(axis, bool)
        if len(self.centre) != 3 or not whole or axis not in (0, 1, 2):
            raise InputError(f"Cylinder with {len(self.centre)} coordinates, axis={axis}: give 3 and axis 0, 1 or 2")
        self.axis = axis

    def level(self, points, lengths):
        across = np.arange(3) != self.axis
        return safe_norm(_nearest(points - self.centre, lengths) * across) - self.radius

    def enclose(self, centres, spacing, lengths):
        across = np.arange(3) != self.axis
        near, far = _extremes(_nearest(centres - self.centre, lengths), spacing)
        return _within(safe_norm(far * across), safe_norm(near * across), self.radius)

    def check(self, lengths):
        _check_centre(self.centre, lengths)
        _check_size(self.radius, "radius")
        _check_reach(self.radius, np.delete(lengths, self.axis), lengths, "radius")


class Box(AbstractShape):
    """A box (2-D: rectangle) with edges along the grid's; an edge as long as the cell's makes a layer or a bar.

    Its fraction of a voxel is exact, corners included: the product of the overlaps along the directions.

    Args:
        centre: (3,) or (2,), in [0, length] along each direction.
        edges: edge lengths > 0, at most those of the cell.
    """

    centre: Float[Array, " d"]
    edges: Float[Array, " d"]

    @under_jax_defaults
    def __init__(self, centre: Any, edges: Any):
        self.centre = _vector(centre, "centre")
        self.edges = _vector(edges, "edges")

    def level(self, points, lengths):
        beyond = jnp.abs(_nearest(points - self.centre, lengths)) - 0.5 * self.edges
        return safe_norm(jnp.maximum(beyond, 0)) + jnp.minimum(jnp.max(beyond, axis=-1), 0)

    def fraction(self, centres, spacing, lengths):
        gap = _nearest(centres - self.centre, lengths)

        def overlap(gap):
            right = jnp.minimum(gap + 0.5 * spacing, 0.5 * self.edges)
            left = jnp.maximum(gap - 0.5 * spacing, -0.5 * self.edges)
            return jnp.maximum(right - left, 0)

        # A voxel half a cell away from the centre may reach both ends of a long box.
        length = overlap(gap) + overlap(gap - lengths) + overlap(gap + lengths)
        return jnp.prod(length / spacing, axis=-1)

    def enclose(self, centres, spacing, lengths):
        near, far = _extremes(_nearest(centres - self.centre, lengths), spacing)
        # An edge as long as the cell's has no ends.
        half = jnp.where(self.edges >= lengths * (1 - 1e-6), jnp.inf, 0.5 * self.edges)
        inside, touched = _within(far / half, near / half, 1.0)
        return jnp.all(inside, axis=-1), jnp.all(touched, axis=-1)

    def check(self, lengths):
        _check_centre(self.centre, lengths)
        _check_like(self.edges, lengths, "edges")
        _check_size(self.edges, "edges")
        if isinstance(self.edges, Tracer):
            return
        edges = np.asarray(self.edges, float)
        if not np.all(edges <= lengths * (1 + 1e-6)):
            raise InputError(f"Box with edges {_show(edges)} in a cell of {_show(lengths)}: give edges that fit")


class Union(AbstractShape):
    """Everything that lies in any of several shapes; the level is the lowest of theirs.

    A voxel takes the largest of the members' fractions: exact but where two surfaces cut the same voxel.

    Args:
        members: the shapes.
    """

    members: tuple[AbstractShape, ...]

    @under_jax_defaults
    def __init__(self, *members: AbstractShape):
        if not members:
            raise InputError("Union of no shapes: give at least one")
        for member in members:
            if not isinstance(member, AbstractShape):
                raise InputError(f"Union of a {type(member).__name__}: give shapes, as Union(first, second, ...)")
        self.members = members

    def level(self, points, lengths):
        return jnp.min(jnp.stack([m.level(points, lengths) for m in self.members]), axis=0)

    def fraction(self, centres, spacing, lengths):
        return jnp.max(jnp.stack([m.fraction(centres, spacing, lengths) for m in self.members]), axis=0)

    def enclose(self, centres, spacing, lengths):
        inside, touched = zip(*(m.enclose(centres, spacing, lengths) for m in self.members), strict=True)
        return jnp.any(jnp.stack(inside), axis=0), jnp.any(jnp.stack(touched), axis=0)

    def check(self, lengths):
        for member in self.members:
            member.check(lengths)


def _nearest(gap, lengths):
    """Vector from the nearest periodic image; axis by axis is enough for shapes along the grid's directions."""
    return gap - lengths * jnp.round(jax.lax.stop_gradient(gap / lengths))


def _extremes(gap, spacing):
    """Distances along the directions of a voxel's nearest and farthest points, its centre at `gap` from the origin.

    The image nearest to a voxel's centre is nearest to all of it, direction by direction.
    """
    gap, half = jnp.abs(gap), 0.5 * spacing
    return jnp.maximum(gap - half, 0), gap + half


def _within(farthest, nearest, limit):
    """All of a voxel inside, any of it inside; a surface that rounding puts into a voxel it only touches is outside."""
    slack = 64 * jnp.finfo(farthest.dtype).eps
    return farthest <= limit * (1 + slack), nearest < limit * (1 - slack)


@under_jax_defaults
def _floating(value: Any, name: str) -> Array:
    if isinstance(value, tuple | list) and any(isinstance(x, jax.Array) for x in value):
        value = jnp.stack([jnp.asarray(x) for x in value])
    try:
        array = jnp.asarray(value)
    except (TypeError, ValueError):
        raise InputError(f"{name} is not made of numbers: give real numbers") from None
    if jnp.issubdtype(array.dtype, jnp.floating):
        return array
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise InputError(f"{name} has dtype {array.dtype}: give real numbers")
    return array.astype(jnp.result_type(float))


def _vector(value: Any, name: str) -> Array:
    array = _floating(value, name)
    if array.ndim != 1 or array.shape[0] not in (2, 3):
        raise InputError(f"{name} has shape {array.shape}: give 2 or 3 coordinates, one per direction")
    return array


def _number(value: Any, name: str) -> Array:
    array = _floating(value, name)
    if array.ndim:
        raise InputError(f"{name} has shape {array.shape}: give one number per shape (vmap over several)")
    return array


def _show(values) -> str:
    return "(" + ", ".join(f"{x:g}" for x in np.asarray(values, float)) + ")"


def _check_like(values, lengths, name: str) -> None:
    if len(values) != len(lengths):
        raise InputError(f"{name} has {len(values)} coordinates and the grid {len(lengths)} directions: give as many")


def _check_centre(centre, lengths) -> None:
    _check_like(centre, lengths, "centre")
    if isinstance(centre, Tracer):
        return
    at = np.asarray(centre, float)
    if not np.isfinite(at).all():
        raise InputError(f"centre is {_show(at)}: give finite numbers")
    if not np.all((at >= 0) & (at <= lengths)):
        raise InputError(
            f"centre {_show(at)} lies outside the box of {_show(lengths)}: give a point of the box (it is periodic)"
        )


def _check_size(size, name: str) -> None:
    if isinstance(size, Tracer):
        return
    values = np.asarray(size, float)
    if not np.all((values > 0) & np.isfinite(values)):
        shown = _show(values) if values.ndim else f"{values:g}"
        raise InputError(f"{name} is {shown}: give a finite number > 0")


def _check_reach(size, across, lengths, name: str) -> None:
    """Refuse a round shape that leaves nothing of the box: most often its size is in another unit than the box."""
    if isinstance(size, Tracer):
        return
    values = np.asarray(size, float)
    # The corner of the box is the farthest point from the centre, half a length away along every direction.
    if np.sum((0.5 * across / values) ** 2) <= 1:
        shown = _show(values) if values.ndim else f"{values:g}"
        raise InputError(
            f"{name} is {shown}: that fills the whole box of {_show(lengths)}; give less, in the unit of Grid.lengths"
        )
