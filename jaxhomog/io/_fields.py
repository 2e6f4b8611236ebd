"""What the writers of fields have in common: every field lives on one grid."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ._errors import bad_input


def checked_fields(
    path: object, fields: Mapping[str, np.ndarray], lengths: Sequence[float]
) -> tuple[dict[str, np.ndarray], tuple[int, ...], tuple[float, ...]]:
    """Arrays of real numbers on one grid, in a form that files can hold.

    Args:
        path: the file to be written, for messages.
        fields: name to array, (space...) or (space..., component); bool becomes uint8 and float16 float32.
        lengths: edge lengths of the box; their number is the number of space axes.

    Returns:
        The fields, the grid's shape, and the edge lengths.

    Raises:
        InputError: no field, fields of different grids, a bad name, complex values, or bad lengths.
    """
    try:
        sides = tuple(float(a) for a in lengths)
    except TypeError:
        sides = ()
    if len(sides) not in (2, 3) or not all(math.isfinite(a) and a > 0 for a in sides):
        raise bad_input(path, f"lengths {lengths!r} are not 2 or 3 positive numbers", "give one per axis")
    if not fields:
        raise bad_input(path, "there is no field to write", "give at least one")
    out: dict[str, np.ndarray] = {}
    shape: tuple[int, ...] = ()
    for name, field in fields.items():
        values = np.asarray(field)
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            raise bad_input(path, f"{name!r} is no name for a field", "use letters, digits and spaces")
        if values.dtype.kind not in "biuf" or values.dtype.itemsize > 8 or values.size == 0:
            raise bad_input(
                path, f"field {name!r} has dtype {values.dtype} and shape {values.shape}", "give real numbers"
            )
        shape = shape or values.shape[: len(sides)]
        if values.shape[: len(sides)] != shape or len(shape) != len(sides) or values.ndim > len(sides) + 1:
            raise bad_input(
                path,
                f"field {name!r} of shape {values.shape} does not fit the grid {shape} of {len(sides)} axes",
                "give every field as (space...) or (space..., component) on one grid",
            )
        small = {np.dtype(bool): np.uint8, np.dtype(np.float16): np.float32}
        out[name] = values.astype(small.get(values.dtype, values.dtype.newbyteorder("=")), copy=False)
    return out, shape, sides
