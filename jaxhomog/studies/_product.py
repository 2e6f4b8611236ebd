"""`product`: every combination of several axes of parameters, as the lanes of a sweep."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ..results import InputError
from ._checks import is_real, shown


def product(**axes: Any) -> dict[str, Any]:
    """Lanes for `sweep`: every entry of one axis with every entry of the others, the last axis fastest.

    Args:
        axes: name -> array, or a pytree of arrays that vary together, with the entries along the leading axis.

    Returns:
        A dict of the same names and pytrees; of two axes with n1 and n2 entries, lane i n2 + j holds i and j. Every
        array is repeated to n1 n2 .. entries: 256 images of 32^3 bytes with 100 moduli take 840 MB. Arrays that no lane
        changes belong into the problem (`jax.tree_util.Partial`).

    Raises:
        InputError: an axis without entries, or whose arrays differ in their number.
    """
    if not axes:
        raise InputError("product: no axes: give product(name=array, ...)")
    counts = [lane_count(axis, f"product: {name}") for name, axis in axes.items()]
    out = {}
    for k, (name, axis) in enumerate(axes.items()):
        index = np.tile(np.repeat(np.arange(counts[k]), math.prod(counts[k + 1 :])), math.prod(counts[:k]))
        out[name] = jax.tree.map(lambda x, index=index: as_array(x)[index], axis)
    return out


def as_array(x: Any) -> Any:
    """A traced array as it is, anything else as an array of the host."""
    return x if isinstance(x, Tracer) else np.asarray(x)


def lane_count(parameters: Any, name: str) -> int:
    """Length of the leading axis that all arrays share.

    Raises:
        InputError: no arrays, no numbers, numbers without an axis, different lengths.
    """
    try:
        leaves = jax.tree_util.tree_leaves_with_path(parameters)
    except ValueError:  # the keys of a dict cannot be sorted
        raise InputError(f"{name}: a dict has names of several types: give texts") from None
    for path, x in leaves:
        if not is_real(x, "bc"):
            raise InputError(f"{name}{jax.tree_util.keystr(path)} is {shown(x)}: give an array of numbers")
    shapes = {jax.tree_util.keystr(path): jnp.shape(x) for path, x in leaves}
    if not shapes:
        raise InputError(f"{name} holds no array: give arrays with the lanes along their leading axis")
    for path, shape in shapes.items():
        if not shape:
            raise InputError(f"{name}{path} is one number: give an array with the lanes along its leading axis")
    counts = {path: shape[0] for path, shape in shapes.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{path or 'array'}: {count}" for path, count in list(counts.items())[:4])
        raise InputError(f"{name}: leading axes differ ({listed}): give one entry per lane in every array")
    count = next(iter(counts.values()))
    if count == 0:
        raise InputError(f"{name} has no lanes: give at least one")
    return count
