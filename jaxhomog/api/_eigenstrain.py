"""What a user gives as an eigenstrain, and what it does to a cell under load."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ..fields import Grid, Space
from ..materials import AbstractLaw
from ..results import InputError
from ..rve import Settings, eigen_fluctuation, eigen_state, extended_eigenstrain
from ..tensors import from_mandel, to_mandel
from ._core import Solved
from ._homogenize import Fields


def voxel_eigenstrain(grid: Grid, law: AbstractLaw, eigenstrain: Any) -> Float[Array, "*shape n"]:
    """The stress-free strain of every voxel, Mandel, from what a user may give for it."""
    if isinstance(law, AbstractLaw) and law.physics != "elasticity":
        raise InputError("an eigenstrain belongs to elasticity: the law conducts")
    dim, n = grid.dim, 6 if grid.dim == 3 else 3
    strain = jnp.asarray(eigenstrain)
    if strain.shape == grid.shape:
        strain = strain[..., None] * jnp.asarray([1.0] * dim + [0.0] * (n - dim), strain.dtype)
    if strain.shape != (*grid.shape, n):
        raise InputError(f"eigenstrain has shape {strain.shape}: give {grid.shape} (isotropic) or {(*grid.shape, n)}")
    if not isinstance(strain, Tracer) and not np.isfinite(np.asarray(strain)).all():
        raise InputError("eigenstrain has an entry that is not finite: give numbers, 0 where there is no eigenstrain")
    return strain


class Locked:
    """What an eigenstrain does to the cell whose mean strain is held at zero, and on top of other loads."""

    def __init__(self, space: Space, settings: Settings, solved: Solved, eigenstrain):
        self.space, self.solved = space, solved
        self.shape = eigenstrain.shape[:-1]
        self.eigenstrain = eigenstrain
        self.e = extended_eigenstrain(from_mandel(eigenstrain), solved.fluctuation.shape[2:])
        self.u, self.found = eigen_fluctuation(space, settings, solved.extended, solved.spacing, self.e)
        zero = jnp.zeros(eigenstrain.shape[-1], eigenstrain.dtype)
        self.mean_up = _mean(self.state(jnp.zeros_like(self.u), zero)[0].up)

    def state(self, u, down, floor: Array | float = 0.0):
        """Fields of this eigenstrain and a load of fluctuation u, and the energy lost between the scales.

        `floor` as for `hill_mandel_floor`, of the load alone.
        """
        solved, boundary = self.solved, self.space.boundary
        u = u + self.u
        macro = from_mandel(down)
        strain, stress, power = eigen_state(self.space, solved.extended, solved.spacing, u, macro, self.e)
        strain, stress = boundary.window((strain, boundary.unscale(stress, self.shape)))
        strain, stress = (
            to_mandel(jnp.moveaxis(0.5 * (x + jnp.swapaxes(x, 0, 1)), (0, 1), (-2, -1))) for x in (strain, stress)
        )
        stored = power + _mean(stress) @ down - jnp.sum(_mean(stress * self.eigenstrain))
        own = jnp.maximum(stored, 0) + floor
        lost = jnp.where(own > 0, jnp.abs(power) / jnp.where(own > 0, own, 1), 0)
        return Fields(strain, stress, jnp.moveaxis(u, 0, -1)), lost


def _mean(field):
    """Mean over the cell of a field whose last axis is that of the components; axis by axis, for float32."""
    for _ in range(field.ndim - 1):
        field = jnp.mean(field, axis=0)
    return field
