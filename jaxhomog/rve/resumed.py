"""Where a path goes on: the restart of an earlier one, held against the cell that it is given to."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ..fields import Space
from ..materials import AbstractPoints
from ..results import InputError
from .path import Restart, virgin


def resumed(space: Space, points: AbstractPoints, grid_shape, nodes, dtype, components, n, restart: Restart) -> Restart:
    """A restart of this cell, its state of the structure that the law gives it.

    Raises:
        InputError: the restart of another cell, law or element.
    """
    like = jax.eval_shape(lambda p: virgin(space, p, grid_shape, nodes, dtype, components, n), points)
    if not isinstance(restart, Restart) or restart.time is None:
        raise InputError(f"state= is a {type(restart).__name__}: give solution.state of an earlier drive")
    # What a temperature was given to keeps it.
    like = like._replace(temperature=None if restart.temperature is None else like.energy)
    leaves, wanted = jax.tree.leaves(restart), jax.tree.leaves(like)
    alike = lambda a, b: jnp.shape(a) == b.shape and jnp.result_type(a) == b.dtype  # noqa: E731
    ours, theirs = jax.tree.leaves(restart._replace(time=None)), jax.tree.leaves(like._replace(time=None))
    if len(leaves) != len(wanted) or not all(map(alike, ours, theirs)):
        raise InputError(
            "state= is that of another cell, law, element, boundary or dtype: give solution.state of an earlier drive"
            " of this one"
        )
    return jax.tree.unflatten(jax.tree.structure(like), leaves)
