"""The voxels of an HDF5 dataset, chunk by chunk with checked sizes.

libhdf5 gives memory that it never wrote where a chunk inflates to less than its size, can crash where it inflates to
more, and gives the fill value where a chunk is not there at all. So only the raw chunks are taken from it.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ._errors import bad_input, optional
from ._inflate import DEFLATE_RATIO, inflated

if TYPE_CHECKING:
    from ._hdf5 import Hdf5Place

_DEFLATE, _SHUFFLE, _FLETCHER32, _LZF = 1, 2, 3, 32000
_REPACK = "store it with gzip or uncompressed: h5repack -f GZIP=4 OLD NEW"
_AGAIN = "copy or write it again"
_RATIO = {_DEFLATE: DEFLATE_RATIO, _LZF: 100}


def read_dataset(place: Hdf5Place, path: Path, item: Any, name: str, nested: bool = False) -> np.ndarray:
    """All voxels of a dataset.

    Args:
        place: the open files.
        path: the file that the dataset lies in.
        item: the dataset.
        name: how the caller calls it.
        nested: whether a virtual dataset asks for it.

    Returns:
        Its array.

    Raises:
        InputError: voxels that were never written, are damaged, or lie in other files without permission.
    """
    if not isinstance(item, place.h5py.Dataset) or item.shape is None:
        raise bad_input(place.path, f"dataset {name!r} does not exist", "give the path of a dataset with dataset=")
    h5d, plist, what = place.h5py.h5d, item.id.get_create_plist(), f"dataset {name!r}"
    layout, nbytes = plist.get_layout(), math.prod(item.shape) * item.dtype.itemsize
    if layout == h5d.VIRTUAL:
        if nested:
            raise bad_input(place.path, f"{what} is a virtual dataset of a virtual one", "copy the data into one file")
        return _virtual(place, path, item, name)
    if place.h5py.h5t.py_create(item.dtype, logical=True) != item.id.get_type():
        raise bad_input(place.path, f"{what} has voxels of a rare type", "store plain integers or floats")
    if layout == h5d.CHUNKED:
        return _chunked(place, path, item, plist, what)
    outside = plist.get_external_count()
    if outside:
        return _external(place, path, item, plist, what)
    held = item.id.get_storage_size()
    if layout == h5d.CONTIGUOUS:
        begin = item.id.get_offset()
        if begin is None:
            raise bad_input(place.path, f"the voxels of {what} were never written", _AGAIN)
        held = min(held, path.stat().st_size - begin)
    if held < nbytes:
        raise bad_input(place.path, f"{what} is cut off ({held} of {nbytes} bytes)", _AGAIN)
    return np.asarray(item[()])


def _chunked(place: Hdf5Place, path: Path, item: Any, plist: Any, what: str) -> np.ndarray:
    shape, chunk, dtype = item.shape, item.chunks, item.dtype
    filters = [plist.get_filter(k)[:3] for k in range(plist.get_nfilters())]
    unknown = [code for code, _, _ in filters if code not in (_DEFLATE, _SHUFFLE, _FLETCHER32, _LZF)]
    if unknown:
        raise bad_input(place.path, f"{what} is packed with the HDF5 filter {unknown[0]}", _REPACK)
    size, end = math.prod(chunk) * dtype.itemsize, path.stat().st_size
    expected = math.prod(-(-n // c) for n, c in zip(shape, chunk, strict=True))
    written = item.id.get_num_chunks()
    if written < expected:
        raise bad_input(
            place.path, f"{expected - written} of the {expected} chunks of {what} were never written", _AGAIN
        )
    ratio = math.prod(_RATIO.get(code, 1) for code, _, _ in filters)
    found: dict[tuple[int, ...], int] = {}

    def note(info) -> None:
        start = tuple(int(n) for n in info.chunk_offset)
        packed = int(info.size)
        if len(start) != len(shape) or any(s % c or s >= n for s, c, n in zip(start, chunk, shape, strict=True)):
            raise bad_input(place.path, f"{what} has a chunk beside its grid", _AGAIN)
        if packed <= 0 or info.byte_offset is None or info.byte_offset + packed > end or packed * ratio < size:
            raise bad_input(place.path, f"{what} has a chunk that cannot hold its voxels", _AGAIN)
        found[start] = packed

    item.id.chunk_iter(note)
    if len(found) != expected:
        raise bad_input(place.path, f"{expected - len(found)} of the {expected} chunks of {what} are not there", _AGAIN)
    out = np.empty(shape, dtype)
    for start in found:
        mask, raw = item.id.read_direct_chunk(start)
        block = _unpacked(place, filters, mask, raw, size, dtype)
        if block is None:
            raise bad_input(place.path, f"{what} has a chunk that is damaged or of another size than it should", _AGAIN)
        cut = tuple(slice(s, min(s + c, n)) for s, c, n in zip(start, chunk, shape, strict=True))
        values = np.frombuffer(block, dtype).reshape(chunk)
        out[cut] = values[tuple(slice(0, c.stop - c.start) for c in cut)]
    return out


def _unpacked(place: Hdf5Place, filters, mask: int, raw: bytes, size: int, dtype: np.dtype) -> Any:
    """The filters undone, last one first; None if the chunk does not have exactly its size."""
    used = [(code, values) for k, (code, _, values) in enumerate(filters) if not mask >> k & 1]
    data: Any = raw
    for k in range(len(used) - 1, -1, -1):
        code, values = used[k]
        # What a filter is given when it packs: a checksum before it adds its four bytes.
        into = size + 4 * sum(c == _FLETCHER32 for c, _ in used[:k])
        if code == _DEFLATE:
            data = inflated(data, into)
        elif code == _LZF:
            data = _lzf(place, data, into)
        elif code == _FLETCHER32:
            data = _checked(data)
        else:
            data = _unshuffled(data, int(values[0]) if values else dtype.itemsize)
        if data is None:
            return None
    return data if len(data) == size else None


def _lzf(place: Hdf5Place, data: Any, size: int) -> bytes | None:
    codecs = optional(place.path, "imagecodecs")
    try:
        out = codecs.lzf_decode(bytes(data), out=size + 1)
    except Exception:
        return None
    return bytes(out) if len(out) == size else None


def _unshuffled(data: Any, width: int) -> bytes:
    """First bytes of all elements come first, then all second ones; an incomplete element stays at the end."""
    if width <= 1:
        return data
    whole = len(data) // width * width
    planes = np.frombuffer(data, np.uint8, whole).reshape(width, -1)
    return planes.T.tobytes() + bytes(data[whole:])


def _checked(data: Any) -> Any:
    """The data before their Fletcher checksum of 32 bits, None if it is another one.

    Both sums are those of big-endian words of 16 bits modulo 65535 (J. G. Fletcher, IEEE Trans. Commun. 30 (1982)
    247), stored as little-endian words; old versions of the library swapped the bytes.
    """
    if len(data) < 4:
        return None
    body, stored = data[:-4], data[-4:]
    words = np.frombuffer(bytes(body) + b"\0" * (len(body) % 2), ">u2")
    first = second = 0
    n = len(words)
    for start in range(0, n, 1 << 20):
        piece = words[start : start + (1 << 20)].astype(np.int64)
        weight = np.arange(n - start, n - start - len(piece), -1) % 65535
        first = (first + int(piece.sum())) % 65535
        second = (second + int((piece * weight).sum())) % 65535
    for order in ("<u2", ">u2"):
        low, high = (int(x) % 65535 for x in np.frombuffer(stored, order))
        if (low, high) == (first, second) or (order == ">u2" and (high, low) == (first, second)):
            return body
    return None


def _external(place: Hdf5Place, path: Path, item: Any, plist: Any, what: str) -> np.ndarray:
    """Voxels in raw files beside the HDF5 file."""
    need = math.prod(item.shape) * item.dtype.itemsize
    pieces, total = [], 0
    for k in range(plist.get_external_count()):
        name, offset, size = plist.get_external(k)
        name = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name
        raw = place.other(path, name, what)
        take = min(need - total, int(size))
        if not raw.is_file() or raw.stat().st_size < offset + take:
            raise bad_input(place.path, f"{what} misses data in {str(raw)!r}", "copy that file beside it")
        pieces.append((raw, int(offset), take))
        total += take
    if total < need:
        raise bad_input(place.path, f"{what} is cut off ({total} of {need} bytes)", _AGAIN)
    out = bytearray()
    for raw, offset, take in pieces:
        with open(raw, "rb") as file:
            file.seek(offset)
            out += file.read(take)
    return np.frombuffer(out, item.dtype, math.prod(item.shape)).reshape(item.shape)


def _virtual(place: Hdf5Place, path: Path, item: Any, name: str) -> np.ndarray:
    """A virtual dataset put together from plain ones; every voxel must come from one of them."""
    parts = []
    for source in item.virtual_sources():
        other = path if source.file_name == "." else place.other(path, source.file_name, f"a part of dataset {name!r}")
        to, out_of = _slices(source.vspace, item.shape), _slices(source.src_space, None)
        if to is None or out_of is None or "%" in source.file_name + source.dset_name:
            raise bad_input(
                place.path, f"dataset {name!r} is put together in a rare way", "copy the data into one file"
            )
        parts.append((other, source.dset_name, to, out_of))
    filled = np.zeros(item.shape, bool)
    for _, _, to, _ in parts:
        filled[to] = True
    if not filled.all():
        missing = filled.size - np.count_nonzero(filled)
        raise bad_input(place.path, f"{missing} voxels of dataset {name!r} come from nowhere", _AGAIN)
    out = np.empty(item.shape, item.dtype)
    for other, inner, to, out_of in parts:
        values = read_dataset(place, *place.find(other, inner), inner, nested=True)[out_of]
        out[to] = values.reshape(out[to].shape)
    return out


def _slices(space: Any, shape: tuple[int, ...] | None) -> tuple[slice, ...] | None:
    """A selection as slices; None if it is none of rows of equal steps."""
    if space.get_select_type() == 3:  # all of it
        return tuple(slice(None) for _ in range(space.get_simple_extent_ndims()))
    if space.get_select_type() != 2 or not space.is_regular_hyperslab():
        return None
    out = []
    for start, stride, count, block in zip(*space.get_regular_hyperslab(), strict=True):
        if count < 1 or block < 1 or max(start, stride, count, block) >= 2**62:
            return None
        if count == 1 or stride == block:
            out.append(slice(int(start), int(start + count * block)))
        elif block == 1:
            out.append(slice(int(start), int(start + stride * (count - 1) + 1), int(stride)))
        else:
            return None
    return tuple(out)
