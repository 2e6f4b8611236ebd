"""NumPy's `.npy` and `.npz`; nothing is ever unpickled."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np

from ._errors import bad_input
from ._header import Header, Options, pick_array, plain_axes
from ._inflate import DEFLATE_RATIO
from ._voxel import as_size, no_unit, size_names

_MOST_HEADER = 1 << 16  # bytes of an array's header; NumPy itself takes no more than 10,000
_MOST_ENTRIES = 1000
_SMALL = 16  # entries read to find a voxel size have at most three numbers
_PLAIN_SIZES = ("voxel_size", "voxel_mm")  # our own names come before what other programs write


def npy_header(path: Path, options: Options) -> Header:
    """Header of a `.npy` file; a file that does not end where its header says is refused here."""
    with open(path, "rb") as file:
        shape, dtype = _array_header(path, file)
        held = path.stat().st_size - file.tell()
    _check_length(path, "", shape, dtype, held)
    return Header(shape, dtype, plain_axes(len(shape)))


def npy_data(path: Path, options: Options, header: Header) -> tuple[np.ndarray, None]:
    """The array of a `.npy` file."""
    with open(path, "rb") as file:
        return np.lib.format.read_array(file, allow_pickle=False), None


def npz_header(path: Path, options: Options) -> Header:
    """Header of the chosen (or only) image of an archive, with the voxel size where an entry gives it."""
    with zipfile.ZipFile(path) as archive:
        entries = {i.filename[:-4]: i for i in archive.infolist() if i.filename.endswith(".npy")}
        if len(entries) > _MOST_ENTRIES:
            raise bad_input(path, f"holds {len(entries)} arrays", "save the image alone")
        heads = {name: _entry_header(path, archive, info) for name, info in entries.items()}
        name = options.name
        if name is None:
            images = {k: s for k, (s, t, _) in heads.items() if len(s) in (2, 3) and t.kind in "biuf"}
            name = pick_array(path, images, sorted(heads), "array")
        if name not in heads:
            held = ", ".join(map(repr, sorted(heads)[:8])) or "nothing"
            raise bad_input(path, f"has no array {name!r}", f"choose one of {held} with array=")
        shape, dtype, held = heads[name]
        _check_length(path, f"its array {name!r} ", shape, dtype, held)
        _check_packed(path, name, entries[name])
        voxel, unit, notes = None, "", []
        keys = [(key, "") for key in _PLAIN_SIZES if key in heads]
        keys += [pair for pair in size_names(heads) if pair[0] not in (*_PLAIN_SIZES, name)]
        for key, unit_of in keys:
            if voxel is None:
                value = _voxel_entry(path, archive, key, heads[key])
                voxel, unit = (None if value is None else as_size(value, len(shape))), unit_of
                if voxel is None:
                    notes.append(f"entry {key!r} is not one or {len(shape)} numbers: not used as voxel size")
    return Header(
        shape, dtype, plain_axes(len(shape)), voxel, unit, no_unit(voxel, unit), tuple(notes), detail=name
    )  # fmt: skip


def npz_data(path: Path, options: Options, header: Header) -> tuple[np.ndarray, None]:
    """The chosen array of an archive."""
    # Reading through the zip member takes no more than the array header announced, so that an entry that inflates
    # beyond it does no harm; one byte more shows it, and lets the archive check its sum.
    with zipfile.ZipFile(path) as archive, archive.open(f"{header.detail}.npy") as file:
        array = np.lib.format.read_array(file, allow_pickle=False)
        if file.read(1):
            raise bad_input(path, f"its array {header.detail!r} goes on behind its end", "export it again")
        return array, None


def _entry_header(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[tuple[int, ...], Any, int]:
    with archive.open(info) as file:
        return (*_array_header(path, file), info.file_size - file.tell())


def _check_length(path: Path, what: str, shape: tuple[int, ...], dtype: np.dtype, held: int) -> None:
    """Exactly as many bytes as the header announces."""
    if dtype.hasobject or any(n < 0 for n in shape):
        return  # refused elsewhere, with the reason
    need = math.prod(shape) * dtype.itemsize
    if held < need:
        raise bad_input(path, f"{what}is cut off ({held} of {need:d} bytes of data)", "copy or export it again")
    if held > need:
        raise bad_input(path, f"{what}holds {held - need} bytes more than its header says", "export it again")


def _check_packed(path: Path, name: str, info: zipfile.ZipInfo) -> None:
    """Whether an entry can inflate to what it announces."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise bad_input(path, f"its array {name!r} is compressed in a rare way", "save it with np.savez_compressed")
    most = info.compress_size * (DEFLATE_RATIO if info.compress_type == zipfile.ZIP_DEFLATED else 1)
    if info.file_size > most:
        raise bad_input(
            path, f"its array {name!r} announces more ({info.file_size} bytes) than it can hold", "export it again"
        )


def _array_header(path: Path, file: IO[Any]) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and dtype; the header's own length is checked before it is read (it may claim gigabytes)."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):  # version 3 exists for record names beyond Latin-1 only
        raise bad_input(path, f"has NumPy format version {version}, which is for records", "save a plain array")
    word = file.read(2 if version == (1, 0) else 4)
    length = int.from_bytes(word, "little")
    if length > _MOST_HEADER:
        raise bad_input(path, f"claims a header of {length} bytes", "save a plain array")
    block = io.BytesIO(word + file.read(length))
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(block)
    return tuple(int(n) for n in shape), dtype


def _voxel_entry(path: Path, archive: zipfile.ZipFile, key: str, head) -> np.ndarray | None:
    shape, dtype, _ = head
    if math.prod(shape) > _SMALL or len(shape) > 1 or dtype.kind not in "iuf":
        return None
    with archive.open(f"{key}.npy") as file:
        return np.atleast_1d(np.lib.format.read_array(file, allow_pickle=False))
