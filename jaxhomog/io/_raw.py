"""Headerless `.raw` files: the caller gives shape and type."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ._errors import bad_input
from ._header import Header, Options, plain_axes


def raw_header(path: Path, options: Options) -> Header:
    """Header of a `.raw` file from the caller's words, checked against the length of the file."""
    if options.shape is None or options.dtype is None:
        raise bad_input(
            path, "a .raw file has no header", "give shape= and dtype=, e.g. shape=(100, 100, 100), dtype='uint8'"
        )
    try:
        dtype = np.dtype(options.dtype)
    except (TypeError, ValueError):
        raise bad_input(
            path, f"dtype {options.dtype!r} is unknown", "give e.g. dtype='uint8', '>u2' or 'float32'"
        ) from None
    try:
        shape = tuple(int(n) for n in options.shape)
        if any(n != m for n, m in zip(shape, options.shape, strict=True)):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise bad_input(
            path, f"shape {options.shape!r} is not a list of integers", "give e.g. shape=(100, 100, 100)"
        ) from None
    if options.order not in ("C", "F"):
        raise bad_input(path, f"order {options.order!r} is unknown", "give order='C' (last axis fastest) or 'F'")
    need, held = math.prod(shape) * dtype.itemsize, path.stat().st_size
    if min(shape, default=0) > 0 and need != held:
        raise bad_input(
            path,
            f"holds {held} bytes, but shape {shape} of {dtype} needs {need}",
            "correct shape= or dtype=, or cut off a header",
        )
    fastest = "first" if options.order == "F" else "last"
    return Header(shape, dtype, f"{plain_axes(len(shape))}, {fastest} axis fastest in the file")


def raw_data(path: Path, options: Options, header: Header) -> tuple[np.ndarray, None]:
    """The voxels of a `.raw` file."""
    return np.fromfile(path, header.dtype).reshape(header.shape, order="F" if options.order == "F" else "C"), None
