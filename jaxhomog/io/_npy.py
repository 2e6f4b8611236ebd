"""NumPy's `.npy` and `.npz`; nothing is ever unpickled."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np

from ._errors import bad_input
from ._header import Header, Options, pick_array, plain_axes

# Entries of an archive that give the voxel size, in this order of preference.
VOXEL_KEYS = ("voxel_size", "voxel_mm")
_SMALL = 16  # entries read to find a voxel size have at most three numbers


def npy_header(path: Path, options: Options) -> Header:
    """Header of a `.npy` file; a file shorter than its header says is refused here."""
    with open(path, "rb") as file:
        shape, dtype = _array_header(path, file)
        held = path.stat().st_size - file.tell()
    if not dtype.hasobject and held < math.prod(shape) * dtype.itemsize:
        raise bad_input(
            path,
            f"is cut off ({held} of {math.prod(shape) * dtype.itemsize} bytes of data)",
            "copy or export it again",
        )
    return Header(shape, dtype, plain_axes(len(shape)))


def npy_data(path: Path, options: Options, header: Header) -> tuple[np.ndarray, None]:
    """The array of a `.npy` file."""
    with open(path, "rb") as file:
        return np.lib.format.read_array(file, allow_pickle=False), None


def npz_header(path: Path, options: Options) -> Header:
    """Header of the chosen (or only) image of an archive, with the voxel size where an entry gives it."""
    with zipfile.ZipFile(path) as archive:
        heads = {}
        for info in archive.infolist():
            if info.filename.endswith(".npy"):
                with archive.open(info) as file:
                    heads[info.filename[:-4]] = (*_array_header(path, file), info.file_size - file.tell())
        name = options.name
        if name is None:
            images = {k: s for k, (s, t, _) in heads.items() if len(s) in (2, 3) and t.kind in "biuf"}
            name = pick_array(path, images, sorted(heads), "array")
        if name not in heads:
            held = ", ".join(map(repr, sorted(heads)[:8])) or "nothing"
            raise bad_input(path, f"has no array {name!r}", f"choose one of {held} with array=")
        shape, dtype, held = heads[name]
        if not dtype.hasobject and held < math.prod(shape) * dtype.itemsize:
            raise bad_input(path, f"its array {name!r} is cut off", "copy or export it again")
        voxel, notes = None, []
        for key in VOXEL_KEYS:
            if key in heads and voxel is None:
                voxel = _voxel_entry(archive, key, heads[key])
                if voxel is None or len(voxel) not in (1, len(shape)):
                    notes.append(f"entry {key!r} is not one or {len(shape)} numbers: not used as voxel size")
                    voxel = None
    if voxel is not None and len(voxel) == 1:
        voxel = voxel * len(shape)
    return Header(shape, dtype, plain_axes(len(shape)), voxel, notes=tuple(notes), detail=name)


def npz_data(path: Path, options: Options, header: Header) -> tuple[np.ndarray, None]:
    """The chosen array of an archive."""
    # Reading through the zip member takes no more than the array header announced, so that an entry that inflates
    # beyond it does no harm.
    with zipfile.ZipFile(path) as archive, archive.open(f"{header.detail}.npy") as file:
        return np.lib.format.read_array(file, allow_pickle=False), None


def _array_header(path: Path, file: IO[Any]) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:  # version 3 exists for record names beyond Latin-1 only
        raise bad_input(path, f"has NumPy format version {version}, which is for records", "save a plain array")
    return tuple(int(n) for n in shape), dtype


def _voxel_entry(archive: zipfile.ZipFile, key: str, head) -> tuple[float, ...] | None:
    shape, dtype, _ = head
    if math.prod(shape) > _SMALL or len(shape) > 1 or dtype.kind not in "iuf":
        return None
    with archive.open(f"{key}.npy") as file:
        return tuple(float(h) for h in np.atleast_1d(np.lib.format.read_array(file, allow_pickle=False)))
