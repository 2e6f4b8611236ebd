"""What a linear law is: primary parameters that give every voxel its moduli."""

from __future__ import annotations

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ..messages import AbstractResponse, IsotropicElasticResponse
from ..results import InputError, under_jax_defaults
from ._linear_points import LinearPoints
from ._material import AbstractMaterial


class AbstractLaw(AbstractMaterial):
    """A linear law: physics, floating parameters, and the per-voxel response that they give on a grid."""

    @abc.abstractmethod
    def response(self, shape: tuple[int, ...], dtype) -> AbstractResponse:
        """Moduli on every voxel of a grid.

        Args:
            shape: the grid's shape.
            dtype: floating dtype of the computation.

        Raises:
            InputError: a parameter field does not fit the shape, or the law has another dimension.
        """

    def across(self, shape: tuple[int, ...], dtype) -> Float[Array, "3 *shape"] | None:
        """Moduli c of the stress across the plane in plane strain: sigma_33 = c . eps, Mandel 11 22 12.

        Args:
            shape: of a grid of two directions.
            dtype: floating dtype of the computation.

        Returns:
            (3, *shape), or None where the law does not say (it is anisotropic, and known in the plane alone).
        """
        response = self.response(shape, dtype)
        if not isinstance(response, IsotropicElasticResponse):
            return None
        lam = jnp.broadcast_to(response.lam, shape)
        return jnp.stack([lam, lam, jnp.zeros_like(lam)])

    @property
    def linear(self) -> bool:
        return True

    def points(self, shape, dtype):
        return LinearPoints(response=self.response(shape, dtype), dim=len(shape))


# How far R^T R of a rotation may be from 1: rotations of three or four digits are none.
ORTHOGONAL = 1e-4


@under_jax_defaults
def as_parameter(value, name: str):
    """A floating array of a parameter; integers become floats."""
    array = jnp.asarray(value)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        if not jnp.issubdtype(array.dtype, jnp.integer):
            raise InputError(f"{name} has dtype {array.dtype}: give real numbers")
        array = array.astype(jnp.result_type(float))
    return array


@under_jax_defaults
def spread(parameter, shape, dtype, name: str):
    """A parameter on every voxel: 0-d or broadcastable to the grid's shape."""
    parameter = jnp.asarray(parameter, dtype)
    try:
        return jnp.broadcast_to(parameter, shape)
    except ValueError:
        raise InputError(
            f"{name} has shape {parameter.shape}, which does not broadcast to the grid's {tuple(shape)}:"
            " give one number or one per voxel"
        ) from None


def first_bad(ok: np.ndarray, value: np.ndarray) -> str:
    """Value and place of the first inadmissible entry, for a message."""
    at = tuple(int(i) for i in np.argwhere(~np.broadcast_to(ok, value.shape))[0]) if value.ndim else ()
    return f"{value[at] if value.ndim else value[()]:g}" + (f" at voxel {at}" if at else "")


# Entries of a symmetric tensor written down, or turned, in single precision differ by this share of the largest.
_ROUNDED = 1e-5


def _apart(matrix, numpy):
    """Largest difference of mirrored entries and the largest entry, (...,)."""
    gap = numpy.max(numpy.abs(matrix - numpy.swapaxes(matrix, -1, -2)), axis=(-1, -2))
    return gap, numpy.max(numpy.abs(matrix), axis=(-1, -2))


def symmetric(matrix):
    """Matrices (..., n, n) without the rounding of their antisymmetric part; NaN where that is more than rounding.

    The solvers carry symmetric moduli: an antisymmetric part would be dropped, which is wrong where it varies.
    """
    matrix = jnp.asarray(matrix)
    gap, size = _apart(matrix, jnp)
    mean = 0.5 * (matrix + jnp.swapaxes(matrix, -1, -2))
    return jnp.where((gap <= _ROUNDED * size)[..., None, None], mean, jnp.nan)


def check_symmetric(matrix: np.ndarray, name: str, where: str, remedy: str) -> None:
    """Raise `InputError` for concrete matrices (..., n, n) that are not symmetric beyond rounding."""
    gap, size = _apart(matrix, np)
    ok = gap <= _ROUNDED * size
    if not ok.all():
        share = gap / np.where(size > 0, size, 1)
        raise InputError(
            f"{name}{where} is not symmetric: mirrored entries differ by {first_bad(ok, share)} of the largest entry;"
            f" {remedy}"
        )


def check_rotation(rotation: np.ndarray, where: str) -> None:
    """Raise `InputError` for concrete matrices (..., 3, 3) that are not orthogonal."""
    error = np.abs(np.swapaxes(rotation, -1, -2) @ rotation - np.eye(3)).max(initial=0)
    if not error < ORTHOGONAL:
        raise InputError(
            f"rotation{where} is not orthogonal (R^T R differs from 1 by {error:.2g}): give rotation matrices, such as"
            " Rotation.from_bunge makes"
        )


def orthogonal(rotation):
    """Matrices (..., 3, 3), NaN where they are not orthogonal (for traced values, which nobody can look at)."""
    rotation = jnp.asarray(rotation)
    product = jnp.einsum("...ki,...kj->...ij", rotation, rotation, precision="highest")
    error = jnp.max(jnp.abs(product - jnp.eye(3, dtype=rotation.dtype)), axis=(-1, -2))
    return jnp.where((error < ORTHOGONAL)[..., None, None], rotation, jnp.nan)


def spread_part(part, shape, dtype, name: str, rows: bool = False):
    """A function that a law holds (hardening, softening) with its arrays in the dtype of a grid, which they must fit.

    Args:
        part: an `eqx.Module` or None.
        shape: the grid's shape.
        dtype: floating dtype of the computation.
        name: of its parameters, for a message.
        rows: whether a row of numbers is a table and no field.
    """
    part = jax.tree.map(lambda x: jnp.asarray(x, dtype) if eqx.is_inexact_array(x) else x, part)
    for leaf in jax.tree.leaves(part):
        if not (rows and jnp.ndim(leaf) <= 1):
            spread(leaf, shape, dtype, name)
    return part


def finite(value, name: str, where: str) -> None:
    """Raise `InputError` for concrete values that are not finite."""
    if not isinstance(value, Tracer):
        v = np.asarray(value, np.float64)
        if not np.isfinite(v).all():
            raise InputError(f"{name}{where} is {first_bad(np.isfinite(v), v)}: give finite numbers")


def at_least(value, low: float, name: str, where: str) -> None:
    """Raise `InputError` for concrete values that are not finite or lie below `low`."""
    finite(value, name, where)
    if not isinstance(value, Tracer):
        v = np.asarray(value, np.float64)
        if not (v >= low).all():
            raise InputError(f"{name}{where} is {first_bad(v >= low, v)}: give a number >= {low:g}")


def above(value, name: str, where: str, low: float = 0) -> None:
    """Raise `InputError` for concrete values that are not finite or do not exceed `low`."""
    finite(value, name, where)
    if not isinstance(value, Tracer):
        v = np.asarray(value, np.float64)
        if not (v > low).all():
            raise InputError(f"{name}{where} is {first_bad(v > low, v)}: give a number > {low:g}")
