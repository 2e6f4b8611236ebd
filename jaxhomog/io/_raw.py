"""Headerless `.raw` files: the caller gives shape and type, and says how the voxels lie in the file."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Literal

import numpy as np

from ._errors import bad_input
from ._header import Header, Options, plain_axes

# Which entry of the shape belongs to the axis along which neighbours in the file lie.
_ORDERS = {"c": "C", "last": "C", "z": "C", "z-fastest": "C", "f": "F", "first": "F", "x": "F", "x-fastest": "F"}
_ENDIANS: dict[str, Literal["<", ">"]] = {"little": "<", "<": "<", "big": ">", ">": ">"}


def raw_header(path: Path, options: Options) -> Header:
    """Header of a `.raw` file from the caller's words, checked against the length of the file."""
    if options.shape is None or options.dtype is None:
        raise bad_input(
            path, "a .raw file has no header", "give shape= and dtype=, e.g. shape=(100, 100, 100), dtype='uint8'"
        )
    shape = _shape(path, options.shape)
    dtype, assumed_bytes = _dtype(path, options)
    order = _order(path, options.order, len(shape))
    skip = _skip(path, options.header)
    count, held = math.prod(shape), path.stat().st_size - skip
    need = count * dtype.itemsize
    if min(shape, default=0) > 0 and need != held:
        raise bad_input(path, *_mismatch(shape, dtype, skip, held))
    fastest = "first" if order == "F" else "last"
    assumed = []
    if options.order is None and sum(n > 1 for n in shape) > 1:
        assumed.append("the last number of the shape runs fastest (of Fiji, MHD and VTK the first: order='x')")
    if assumed_bytes:
        assumed.append(f"{sys.byteorder}-endian numbers (endian=)")
    notes = (f"assumed of the .raw file: {'; '.join(assumed)}",) if assumed else ()
    axes = f"{plain_axes(len(shape))}, {fastest} axis fastest in the file"
    return Header(shape, dtype, axes, notes=notes, detail=(order, skip))


def raw_data(path: Path, options: Options, header: Header) -> tuple[np.ndarray, None]:
    """The voxels of a `.raw` file."""
    order, skip = header.detail
    values = np.fromfile(path, header.dtype, math.prod(header.shape), offset=skip)
    if values.size != math.prod(header.shape):
        raise bad_input(path, "changed while it was read", "try again")
    return values.reshape(header.shape, order=order), None


def _shape(path: Path, given) -> tuple[int, ...]:
    try:
        shape = tuple(int(n) for n in given)
        if any(n != m or isinstance(m, (str, bytes)) for n, m in zip(shape, given, strict=True)):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise bad_input(
            path, f"shape {str(given)[:60]!r} is not a list of integers", "give e.g. shape=(100, 100, 100)"
        ) from None
    return shape


def _dtype(path: Path, options: Options) -> tuple[np.dtype, bool]:
    """Element type in the file's byte order, and whether nobody said that order."""
    try:
        dtype = np.dtype(options.dtype)
    except (TypeError, ValueError):
        raise bad_input(
            path, f"dtype {str(options.dtype)[:60]!r} is unknown", "give e.g. dtype='uint8', '>u2' or 'float32'"
        ) from None
    said = ""
    if isinstance(options.dtype, str) and options.dtype[:1] in ("<", ">"):
        said = options.dtype[0]
    elif not dtype.isnative:
        said = dtype.str[0]
    if options.endian is None:
        return dtype, dtype.itemsize > 1 and not said and dtype.kind in "iuf"
    endian = _ENDIANS.get(str(options.endian).lower())
    if endian is None:
        raise bad_input(path, f"endian {str(options.endian)[:40]!r} is unknown", "give endian='little' or 'big'")
    if said and said != endian:
        raise bad_input(
            path,
            f"dtype {options.dtype!s} and endian={options.endian!r} disagree on the byte order",
            "give one of them",
        )
    return dtype.newbyteorder(endian), False


def _order(path: Path, given, ndim: int) -> str:
    if given is None:
        return "C"
    order = _ORDERS.get(str(given).lower())
    if ndim == 2 and str(given).lower() in ("y", "y-fastest"):
        order = "C"
    if order is None:
        raise bad_input(
            path,
            f"order {str(given)[:40]!r} is unknown",
            "give order='x' ('F') where the first number of the shape runs fastest in the file, 'z' ('C') for the last",
        )
    return order


def _skip(path: Path, given) -> int:
    if given is None:
        return 0
    if isinstance(given, bool) or not isinstance(given, (int, np.integer)) or not 0 <= given < 2**62:
        raise bad_input(path, f"header {str(given)[:40]!r} is no count of bytes", "give e.g. header=348")
    return int(given)


def _mismatch(shape: tuple[int, ...], dtype: np.dtype, skip: int, held: int) -> tuple[str, str]:
    """Problem and remedy where the file is shorter or longer than the caller's words."""
    count = math.prod(shape)
    need = count * dtype.itemsize
    behind = f" behind its header of {skip}" if skip else ""
    problem = f"holds {max(held, 0)} bytes{behind}, but shape {shape} of {dtype} needs {need}"
    fits = [t for t in ("uint8", "uint16", "float32", "float64") if np.dtype(t).itemsize * count == held]
    if fits and np.dtype(fits[0]).itemsize != dtype.itemsize:
        return problem, f"give dtype={fits[0]!r} or another type of that size, or correct shape="
    if held + skip > need:
        remedy = "if the file starts with that many other bytes, else correct shape= or dtype="
        return problem, f"give header={held + skip - need} {remedy}"
    if skip and held + skip == need:
        return problem, "leave header= out"
    return problem, "correct shape= or dtype=, or copy the file again"
