"""States of any structure: what a law remembers, checked, and packed so that the laws of a mixture share their room."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..results import InputError
from ._material import AbstractPoints


def virgin_state(points: AbstractPoints, shape: tuple[int, ...], dtype) -> Any:
    """The state of the virgin material, every leaf an array.

    Args:
        points: a law at points.
        shape: of the points.
        dtype: floating dtype of the computation; Python's floats take it.

    Returns:
        The pytree that `points.initial` gives: tuples, lists, dictionaries, None, modules, numbers, in any nesting.

    Raises:
        InputError: a leaf that is no array and no number.
    """

    def array(x):
        if isinstance(x, float):
            return jnp.asarray(x, dtype)
        if isinstance(x, bool | int | np.generic | np.ndarray | jax.Array):
            # With a dtype of its own: a number that Python lends its type to would change it in the first step.
            return jnp.asarray(x, jnp.result_type(x))
        raise InputError(
            f"the state of {_name(points)} holds a {type(x).__name__}: give arrays or numbers in tuples, lists,"
            " dictionaries or classes that JAX knows as pytrees (equinox.Module, jax.tree_util.register_dataclass)"
        )

    return jax.tree.map(array, points.initial(shape, dtype))


def same_state(points: AbstractPoints, before: Any, after: Any) -> Any:
    """The state after a step, if it is of the kind of the one before.

    Raises:
        InputError: another structure, shape or dtype, named.
    """
    if jax.tree.structure(before) != jax.tree.structure(after):
        raise InputError(
            f"{_name(points)}.update answers a state {jax.tree.structure(after)} where initial gave"
            f" {jax.tree.structure(before)}: give the same structure"
        )
    for (path, old), new in zip(jax.tree_util.tree_leaves_with_path(before), jax.tree.leaves(after), strict=True):
        if jnp.shape(old) != jnp.shape(new) or jnp.result_type(old) != jnp.result_type(new):
            raise InputError(
                f"{_name(points)}.update answers a state{jax.tree_util.keystr(path)} of shape {jnp.shape(new)} and"
                f" dtype {jnp.result_type(new)} where initial gave {jnp.shape(old)} and {jnp.result_type(old)}: give"
                " the same shape and dtype"
            )
    return jax.tree.map(lambda x: jnp.asarray(x, jnp.result_type(x)), after)


def _name(points) -> str:
    return type(points).__name__


class StatePlan(NamedTuple):
    """How the states of several laws share arrays: those of points row by row, whatever else by itself.

    Args:
        starts: virgin state of every law.
        fields: by law and leaf, whether it is a field over the points.
        rows: by dtype, rows of the law that has most.
        shape: of the points.
    """

    starts: list[Any]
    fields: list[list[bool]]
    rows: dict[str, int]
    shape: tuple[int, ...]

    def pack(self, states: list[Any], select) -> Any:
        """One state for all laws.

        Args:
            states: of every law, as its `starts`.
            select: picks at every point the part of its own law, from one array (rows, *shape) per law.

        Returns:
            () where no law has a state; the array of all rows where they are fields of one dtype; else a dictionary.
        """
        packed = {name: select([self._column(i, state, name) for i, state in enumerate(states)]) for name in self.rows}
        others = {
            str(i): [x for x, field in zip(jax.tree.leaves(state), fields, strict=True) if not field]
            for i, (state, fields) in enumerate(zip(states, self.fields, strict=True))
            if not all(fields)
        }
        if not others and len(packed) <= 1:
            return next(iter(packed.values()), ())
        return {"fields": packed, "others": others}

    def _column(self, i, state, name):
        """The rows of one law's fields of one dtype, as many as the longest law's."""
        own = [
            x.reshape(math.prod(x.shape[: x.ndim - len(self.shape)]), *self.shape)
            for x, field in zip(jax.tree.leaves(state), self.fields[i], strict=True)
            if field and str(x.dtype) == name
        ]
        if not own:
            return jnp.zeros((self.rows[name], *self.shape), name)
        rows = own[0] if len(own) == 1 else jnp.concatenate(own)
        return jnp.pad(rows, [(0, self.rows[name] - rows.shape[0])] + [(0, 0)] * len(self.shape))

    def unpack(self, i: int, state: Any, here: Array) -> Any:
        """The state of law i; where a point is another's, its virgin state.

        Args:
            i: number of the law.
            state: as `pack` gives it.
            here: (*shape), True at the law's own points.
        """
        leaves, structure = jax.tree.flatten(self.starts[i])
        if not leaves:
            return self.starts[i]
        packed = state["fields"] if isinstance(state, dict) else {next(iter(self.rows)): state}
        others = iter(state["others"][str(i)] if isinstance(state, dict) and not all(self.fields[i]) else ())
        taken, out = dict.fromkeys(self.rows, 0), []
        for start, field in zip(leaves, self.fields[i], strict=True):
            if not field:
                out.append(next(others))
                continue
            name, lead = str(start.dtype), start.shape[: start.ndim - len(self.shape)]
            first = taken[name]
            taken[name] += math.prod(lead)
            rows = packed[name][first : taken[name]]
            out.append(jnp.where(here, rows.reshape(start.shape), start))
        return jax.tree.unflatten(structure, out)


def state_plan(laws: tuple[AbstractPoints, ...], shape: tuple[int, ...], dtype) -> StatePlan:
    """How the laws of a mixture share the room of their states on points of that shape."""
    starts = [virgin_state(law, shape, dtype) for law in laws]
    fields = [_fields(law, start, shape, dtype) for law, start in zip(laws, starts, strict=True)]
    rows: dict[str, int] = {}
    for start, field in zip(starts, fields, strict=True):
        own: dict[str, int] = {}
        for x, yes in zip(jax.tree.leaves(start), field, strict=True):
            if yes:
                name = str(x.dtype)
                own[name] = own.get(name, 0) + math.prod(x.shape[: x.ndim - len(shape)])
        for name, number in own.items():
            rows[name] = max(rows.get(name, 0), number)
    return StatePlan(starts, fields, rows, tuple(shape))


def _fields(law, start, shape, dtype) -> list[bool]:
    """Which leaves of a state are fields: their last axes are those of the points, and follow their number."""
    dim, leaves = len(shape), jax.tree.leaves(start)
    fits = [x.ndim >= dim and x.shape[x.ndim - dim :] == tuple(shape) for x in leaves]
    if len(leaves) == 1 and leaves[0].ndim == dim + 1:
        return fits
    if not any(fits) or all(n == 1 for n in shape):
        return fits
    # A matrix of the law as a whole may have the shape of the grid by chance: on a single point it keeps it.
    one = (1,) * dim
    try:
        single = jax.eval_shape(lambda p: virgin_state(p.voxel(jnp.zeros(dim, int), shape), one, dtype), law)
    except Exception:
        # A law that cannot be taken at a point has answered its fields' shapes all the same.
        return fits
    return [fit and y.shape[y.ndim - dim :] == one for fit, y in zip(fits, jax.tree.leaves(single), strict=True)]
