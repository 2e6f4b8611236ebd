"""VTK ImageData (`.vti`): loads as [x, y, z]."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ._errors import bad_input, guarded
from ._header import Header, Options, check_memory, pick_array
from ._voxel import no_unit
from ._vti_data import vtk_dtype, vtk_values
from ._vti_xml import DataArray, VtiLayout, parse_vti

_NAMES = "xyz"


def vti_header(path: Path, options: Options) -> Header:
    """Header of the named, active or only scalar array; cell data are preferred to point data."""
    layout = parse_vti(path)
    cells, spacing = _box(path, layout)
    index = _choose(path, layout, options.name, cells)
    array = layout.arrays[index]
    notes, size_notes = [], []
    keep = tuple(k for k, n in enumerate(cells) if n > 0)
    shape = _shape(array, cells)
    if array.place == "PointData":
        notes.append(f"array {array.name!r} is point data: each point was taken as the centre of a voxel")
    if "Direction" in layout.image and not np.array_equal(
        np.array(_floats(layout.image["Direction"])), np.eye(3).ravel()
    ):
        notes.append("the image is rotated in space; directions 1, 2, 3 are its own axes x, y, z")
    dtype = vtk_dtype(path, layout, index)
    voxel: tuple[float, ...] | None = tuple(spacing[k] for k in keep)
    if not all(math.isfinite(h) and h > 0 for h in voxel):
        size_notes.append(f"the spacing {spacing} is not positive: not used as voxel size")
        voxel = None
    axes = ", ".join(f"{_NAMES[k]} -> direction {n + 1}" for n, k in enumerate(keep))
    # Text forms need the file's characters beside the values.
    form = array.attributes.get("format", "ascii").lower()
    text = (
        0 if form == "appended" and layout.encoding == "raw" else path.stat().st_size * (30 if form == "ascii" else 2)
    )
    nbytes = math.prod(shape) * dtype.itemsize + text
    return Header(
        shape, dtype, axes, voxel, "", no_unit(voxel, ""), tuple(size_notes), nbytes, tuple(notes),
        detail=(layout, index),
    )  # fmt: skip


def vti_data(path: Path, options: Options, header: Header) -> tuple[np.ndarray, None]:
    """The values of the chosen array as [x, y, z]."""
    layout, index = header.detail
    values = vtk_values(path, layout, index, math.prod(header.shape))
    return values.reshape(header.shape, order="F"), None


def read_vti(path, *, max_bytes: int | None = None) -> tuple[dict[str, np.ndarray], tuple[float, ...]]:
    """Read back every cell array of a `.vti` file, such as `write_vti` makes.

    Args:
        path: the file.
        max_bytes: refuse more than this; None means the free memory of the machine.

    Returns:
        The fields, each (space...) or (space..., component), and the edge lengths of the box.

    Raises:
        InputError: the file is no VTK image, damaged, or too large.
    """
    path = Path(path)
    with guarded(path, ".vti"):
        layout = parse_vti(path)
        cells, spacing = _box(path, layout)
        keep = [k for k, n in enumerate(cells) if n > 0]
        shape = tuple(cells[k] for k in keep)
        fields: dict[str, np.ndarray] = {}
        wanted = [k for k, a in enumerate(layout.arrays) if a.place == "CellData"]
        parts = {k: int(layout.arrays[k].attributes.get("NumberOfComponents", "1")) for k in wanted}
        size = sum(math.prod(shape) * c * vtk_dtype(path, layout, k).itemsize for k, c in parts.items())
        check_memory(path, size, max_bytes)
        for k, c in parts.items():
            values = vtk_values(path, layout, k, math.prod(shape) * c)
            values = values.reshape((c, *shape), order="F") if c > 1 else values.reshape(shape, order="F")
            fields[layout.arrays[k].name] = np.moveaxis(values, 0, -1) if c > 1 else values
        return fields, tuple(cells[k] * spacing[k] for k in keep)


def _box(path: Path, layout: VtiLayout) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Cells along x, y, z (0 along an axis that the image does not have) and the spacing."""
    extent = [int(n) for n in layout.pieces[0].get("Extent", layout.image.get("WholeExtent", "")).split()]
    spacing = _floats(layout.image.get("Spacing", "1 1 1"))
    if len(extent) != 6 or len(spacing) != 3 or any(b < a for a, b in zip(extent[::2], extent[1::2], strict=True)):
        raise bad_input(path, f"has extent {extent} and spacing {spacing}", "export it again")
    return tuple(b - a for a, b in zip(extent[::2], extent[1::2], strict=True)), tuple(spacing)


def _shape(array: DataArray, cells: tuple[int, ...]) -> tuple[int, ...]:
    """Values of an array along the axes that the image has: one per cell, or one per point."""
    return tuple(n + (array.place == "PointData") for n in cells if n > 0)


def _choose(path: Path, layout: VtiLayout, name: str | None, cells: tuple[int, ...]) -> int:
    arrays = layout.arrays
    order = [k for place in ("CellData", "PointData") for k, a in enumerate(arrays) if a.place == place]
    if name is not None:
        for k in order:
            if arrays[k].name == name:
                return _scalar(path, layout, k)
        held = ", ".join(repr(arrays[k].name) for k in order[:8]) or "nothing"
        raise bad_input(path, f"has no array {name!r}", f"choose one of {held} with array=")
    for place in ("CellData", "PointData"):
        here = [k for k in order if arrays[k].place == place and _components(arrays[k]) == 1]
        active = [k for k in here if arrays[k].name == layout.active.get(place)]
        if active:
            return active[0]
        if here:
            if len(here) > 1:
                pick_array(path, {arrays[k].name: _shape(arrays[k], cells) for k in here}, [], "array")  # refuses
            return here[0]
    if order:
        return _scalar(path, layout, order[0])  # refuses with the reason
    raise bad_input(path, "holds no cell or point data", "save the image as a cell array")


def _scalar(path: Path, layout: VtiLayout, index: int) -> int:
    array = layout.arrays[index]
    if _components(array) != 1:
        raise bad_input(
            path,
            f"array {array.name!r} has {_components(array)} components",
            "convert colours or vectors to one grey level",
        )
    return index


def _components(array) -> int:
    return int(array.attributes.get("NumberOfComponents", "1"))


def _floats(text: str) -> list[float]:
    return [float(word) for word in text.split()]
