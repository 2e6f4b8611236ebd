"""What a linear law is: primary parameters that give every voxel its moduli."""

from __future__ import annotations

import abc

import jax.numpy as jnp
import numpy as np

from ..messages import AbstractResponse
from ..results import InputError
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

    @property
    def linear(self) -> bool:
        return True

    def points(self, shape, dtype):
        return LinearPoints(response=self.response(shape, dtype), dim=len(shape))


def as_parameter(value, name: str):
    """A floating array of a parameter; integers become floats."""
    array = jnp.asarray(value)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        if not jnp.issubdtype(array.dtype, jnp.integer):
            raise InputError(f"{name} has dtype {array.dtype}: give real numbers")
        array = array.astype(jnp.result_type(float))
    return array


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
