"""Write fields as VTK ImageData (`.vti`), which ParaView opens."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import quoteattr

import numpy as np

from ._atomic import replacing
from ._errors import bad_input
from ._fields import checked_fields

_TYPES = {
    "i1": "Int8", "u1": "UInt8", "i2": "Int16", "u2": "UInt16", "i4": "Int32", "u4": "UInt32",
    "i8": "Int64", "u8": "UInt64", "f4": "Float32", "f8": "Float64",
}  # fmt: skip
# ParaView calls the components of any 6-component array XX YY ZZ XY YZ XZ unless the file names them.
_SIX = ("11", "22", "33", "23", "13", "12")


def write_vti(
    path: str | os.PathLike,
    fields: Mapping[str, np.ndarray],
    lengths: Sequence[float],
    *,
    components: Mapping[str, Sequence[str]] | None = None,
    origin: Sequence[float] | None = None,
) -> None:
    """Write cell data on a voxel grid; array axes become x, y, z.

    The file appears under its name only when it is complete.

    Args:
        path: the file, by custom with the suffix `.vti`.
        fields: name to array, (space...) for scalars, (space..., c) for vectors and for symmetric tensors in the
            order 11 22 33 23 13 12; integers, float32 or float64.
        lengths: edge lengths of the box, 2 or 3 numbers.
        components: field name to names of its components; 6-component fields of a 3-D grid have theirs by default.
        origin: corner of the box, zero by default.

    Raises:
        InputError: fields that do not fit one grid, or a place that cannot be written to.
    """
    arrays, shape, sides = checked_fields(path, fields, lengths)
    corner = [0.0] * len(shape) if origin is None else [float(x) for x in origin]
    if len(corner) != len(shape) or not np.isfinite(corner).all():
        raise bad_input(path, f"origin {origin!r} is not {len(shape)} numbers", "give one per axis")
    labels = {n: _SIX for n, a in arrays.items() if a.ndim == 4 and a.shape[-1] == 6} | dict(components or {})
    for name, names in labels.items():
        if name not in arrays or len(names) != _width(arrays[name], len(shape)):
            raise bad_input(path, f"components of {name!r} do not fit a field", "name every component of a given field")
    spacing = [a / n for a, n in zip(sides, shape, strict=True)]
    head = _xml(arrays, shape, [*spacing, 1.0][:3], [*corner, 0.0][:3], labels)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(head.encode("utf-8"))
        for array in arrays.values():
            file.write(np.uint64(array.nbytes).astype("<u8").tobytes())
            _write_x_fastest(file, array, len(shape))
        file.write(b"\n  </AppendedData>\n</VTKFile>\n")


def _xml(arrays, shape, spacing, origin, labels) -> str:
    extent = " ".join(f"0 {n}" for n in (*shape, 0)[:3])
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        '<VTKFile type="ImageData" version="1.0" byte_order="LittleEndian" header_type="UInt64">',
        f'  <ImageData WholeExtent="{extent}" Origin="{_words(origin)}" Spacing="{_words(spacing)}">',
        f'    <Piece Extent="{extent}">',
        "      <CellData>",
    ]
    offset = 0
    for name, array in arrays.items():
        width = _width(array, len(shape))
        named = "".join(f" ComponentName{k}={quoteattr(c)}" for k, c in enumerate(labels.get(name, ())))
        lines.append(
            f'        <DataArray type="{_TYPES[array.dtype.str[1:]]}" Name={quoteattr(name)}'
            f' NumberOfComponents="{width}"{named} format="appended" offset="{offset}"/>'
        )
        offset += 8 + array.nbytes
    lines += ["      </CellData>", "    </Piece>", "  </ImageData>", '  <AppendedData encoding="raw">', "   _"]
    return "\n".join(lines)


def _write_x_fastest(file, array: np.ndarray, ndim: int) -> None:
    """VTK's order, x fastest and components together; layer by layer, so that no second copy of the field is made."""
    little = array.dtype.newbyteorder("<")
    if ndim == 2:
        file.write(np.ascontiguousarray(array.swapaxes(0, 1), little).tobytes())
        return
    for k in range(array.shape[2]):
        file.write(np.ascontiguousarray(array[:, :, k].swapaxes(0, 1), little).tobytes())


def _width(array: np.ndarray, ndim: int) -> int:
    return array.shape[-1] if array.ndim > ndim else 1


def _words(numbers) -> str:
    return " ".join(repr(float(x)) for x in numbers)
