"""Fields of the rows of a path that a reader asked for."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..fields import Space
from ..materials import AbstractPoints
from .cell import Problem, Unknowns, strains


def voxel_means(points: AbstractPoints, strain: Float[Array, "q n *shape"], stress: Float[Array, "q n *shape"], state):
    """Means over the points of every voxel: strain, stress, and the internal variables by name."""
    names = jax.vmap(points.internal)(state) if jax.tree.leaves(state) else {}
    return jax.tree.map(lambda x: jnp.mean(x, axis=0), (strain, stress, names))


def blank_fields(space: Space, rows: tuple[int, ...], problem: Problem, x: Unknowns) -> Any:
    """Room for the fields of these rows; None for none."""
    if not rows:
        return None

    def means():
        strain = strains(space, problem, x)
        return voxel_means(problem.points, strain, strain, problem.state)

    return jax.tree.map(lambda x: jnp.zeros((len(rows), *x.shape), x.dtype), jax.eval_shape(means))


def with_row(rows: tuple[int, ...], kept, row: Array, completed: Array, means):
    """The fields kept so far, and those of this row where it is complete and asked for."""
    if kept is None:
        return None
    match = (jnp.asarray(rows) == row) & completed
    pick = lambda old, new: jnp.where(match.reshape(-1, *(1,) * new.ndim), new[None], old)  # noqa: E731
    return jax.tree.map(pick, kept, means)
