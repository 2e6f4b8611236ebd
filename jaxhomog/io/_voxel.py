"""The size of a voxel: the caller's word, then the file's, then 1; and what counts as a word of the file."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ._errors import bad_input, one_line
from ._header import Header

_ALIKE = 1e-6  # relative difference below which two voxel sizes are the same one, rounded
_UNITS = "nm|um|mm|cm|m|micron|microns|angstrom"
_SIZE_NAME = re.compile(
    rf"(?:(?:voxel|pixel|element)[ _-]?(?:sizes?|spacing|dimensions?)?|spacing|resolution)[ _-]?(?P<unit>{_UNITS})?"
)
_BARE = ("voxel", "pixel", "element")  # counts or names as a rule, not sizes


class VoxelSize(NamedTuple):
    """What one voxel measures, and who says so.

    Args:
        size: edge lengths, one per axis.
        unit: as the file writes it; "" where it does not, or where the caller's word counts.
        source: "given", "file" or "assumed".
        notes: remarks, one line each.
    """

    size: tuple[float, ...]
    unit: str
    source: str
    notes: tuple[str, ...]


def settled_size(path: Path, header: Header, voxel_size, lengths) -> VoxelSize:
    """The caller's voxel size, else the file's if it is a real one, else unit voxels.

    Args:
        path: the file.
        header: what the file says.
        voxel_size: edges of a voxel, from the caller.
        lengths: edges of the box, from the caller.

    Returns:
        The size, with one remark where the file says another one or where nobody's word could be used.

    Raises:
        InputError: both are given, or something else than positive numbers.
    """
    if voxel_size is not None and lengths is not None:
        raise bad_input(path, "voxel_size= and lengths= are both given", "give one of them")
    ndim = len(header.shape)
    found, unit, unreal = header.voxel_size, f" {header.unit}" if header.unit else "", header.stand_in
    if found is not None and not _makes_a_box(header.shape, found):
        unreal = "which is not positive and finite"
    told = "" if found is None else f"{times(found)}{unit}{f', {unreal}' if unreal else ''}"
    if voxel_size is not None or lengths is not None:
        given = _given(path, header.shape, voxel_size, lengths)
        other = found is not None and any(not abs(f - g) <= _ALIKE * g for f, g in zip(found, given, strict=True))
        keyword = "voxel_size" if voxel_size is not None else "lengths"
        note = f"{keyword} counts: voxels of {times(given)}, where the file says {told}"
        return VoxelSize(given, "", "given", (note,) if other else ())
    ones = (1.0,) * ndim
    if found is None:
        return VoxelSize(ones, "", "assumed", header.size_notes)
    if unreal:
        if found == ones:
            return VoxelSize(ones, header.unit, "assumed", (f"voxel size 1 assumed: the file says {told}",))
        note = f"the file's voxel size was not used ({told}): voxels of edge 1 are assumed, give voxel_size"
        return VoxelSize(ones, "", "assumed", (note,))
    return VoxelSize(found, header.unit, "file", header.size_notes)


def times(size: tuple[float, ...]) -> str:
    """A size as a user writes it: 0.5 x 0.5 x 2."""
    return " x ".join(f"{h:.6g}" for h in size)


def size_names(names) -> list[tuple[str, str]]:
    """The names that programs give to an attribute or array with a voxel size, best first, with the unit they end in.

    Args:
        names: of all attributes or arrays that there are.

    Returns:
        Pairs of name and unit ("" where the name has none).
    """
    found = []
    for name in names:
        # voxelSize -> voxel_size
        plain = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(name)).lower()
        match = _SIZE_NAME.fullmatch(plain)
        if match and plain not in _BARE:
            found.append((str(name), match["unit"] or ""))
    order = ("voxel", "element", "pixel", "spacing", "resolution")
    return sorted(found, key=lambda pair: ([k for k, o in enumerate(order) if o in pair[0].lower()], pair[0]))


def as_size(value: object, ndim: int) -> tuple[float, ...] | None:
    """One number or one per axis, also as text; None if it is something else."""
    try:
        array = np.asarray(value)
        if array.size > 16:
            return None
        if array.dtype.kind in "SUO":
            text = value.decode() if isinstance(value, bytes) else str(array.ravel()[0])
            numbers = [float(word) for word in re.split(r"[\s,;x]+", text.strip("[]() "))]
        else:
            numbers = [float(h) for h in array.ravel()]
    except (TypeError, ValueError, UnicodeDecodeError, IndexError, OverflowError):
        return None
    return tuple(numbers) * (ndim // len(numbers)) if len(numbers) in (1, ndim) else None


def unit_text(value: object) -> str:
    """A unit as text: bytes, escapes of the micro sign, and words for none are taken care of."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    text = one_line(text.replace("\\u00B5", "\u00b5").strip().strip("[]'\""))[:20]
    return "" if text.lower() in ("", "pixel", "pixels", "voxel", "voxels", "none", "null", "unknown", "1") else text


def no_unit(size: tuple[float, ...] | None, unit: str) -> str:
    """Why a size of 1 is none: it is what programs write without asking anybody."""
    return "what programs write by default" if size is not None and not unit and set(size) == {1.0} else ""


def _given(path: Path, shape: tuple[int, ...], voxel_size, lengths) -> tuple[float, ...]:
    if voxel_size is not None:
        given = _positive(path, "voxel_size", voxel_size, len(shape))
    else:
        given = tuple(a / n for a, n in zip(_positive(path, "lengths", lengths, len(shape)), shape, strict=True))
    if not _makes_a_box(shape, given):
        raise bad_input(path, f"voxels of size {given} make a box that no float can hold", "use another unit of length")
    return given


def _makes_a_box(shape: tuple[int, ...], voxel: tuple[float, ...]) -> bool:
    """Positive and finite, also after multiplying with the shape (a damaged file may say 1e308)."""
    return all(h > 0 and math.isfinite(n * h) for n, h in zip(shape, voxel, strict=True))


def _positive(path: Path, keyword: str, value, ndim: int) -> tuple[float, ...]:
    try:
        numbers = tuple(float(v) for v in np.atleast_1d(value))
    except (TypeError, ValueError, OverflowError):
        numbers = ()
    if len(numbers) not in (1, ndim) or not all(math.isfinite(v) and v > 0 for v in numbers):
        raise bad_input(path, f"{keyword}={value!r} is not one or {ndim} positive numbers", "correct it")
    return numbers * (ndim // len(numbers))
