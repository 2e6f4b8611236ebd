"""The bytes of a VTK data array: ascii, base64 or raw, compressed with zlib or not."""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ._errors import bad_input
from ._inflate import inflated
from ._vti_xml import VtiLayout, inline_text

_TYPES = {
    "Int8": "i1", "UInt8": "u1", "Int16": "i2", "UInt16": "u2", "Int32": "i4", "UInt32": "u4",
    "Int64": "i8", "UInt64": "u8", "Float32": "f4", "Float64": "f8",
}  # fmt: skip
_SEGMENT = re.compile(rb"[^=]+={0,2}")


def vtk_dtype(path: Path, layout: VtiLayout, index: int) -> np.dtype:
    """Element type of a data array, with the file's byte order.

    Args:
        path: the file.
        layout: its XML.
        index: which array.

    Returns:
        A NumPy dtype.

    Raises:
        InputError: a type that no image has.
    """
    name = layout.arrays[index].attributes.get("type", "")
    if name not in _TYPES:
        raise bad_input(
            path, f"array {layout.arrays[index].name!r} has type {name!r}", f"use one of {', '.join(_TYPES)}"
        )
    return np.dtype(_order(layout) + _TYPES[name])


def vtk_values(path: Path, layout: VtiLayout, index: int, count: int) -> np.ndarray:
    """All values of one data array, in file order.

    Args:
        path: the file.
        layout: its XML.
        index: which array.
        count: how many values it must hold.

    Returns:
        A 1-D array; never more than `count` values are allocated, whatever the file's headers claim.

    Raises:
        InputError: another number of values, an unknown format or compression.
    """
    array = layout.arrays[index]
    dtype = vtk_dtype(path, layout, index)
    form = array.attributes.get("format", "ascii").lower()
    if form == "ascii":
        words = inline_text(path, index).split()
        _expect(path, array.name, len(words), count, "values")
        if dtype.kind == "f":
            return np.array(words, dtype="S").astype(dtype)
        numbers = np.array([int(word) for word in words], dtype=np.int64 if dtype != np.uint64 else np.uint64)
        if numbers.size and not (np.iinfo(dtype).min <= numbers.min() and numbers.max() <= np.iinfo(dtype).max):
            raise bad_input(path, f"array {array.name!r} holds values beyond its type", "export it again")
        return numbers.astype(dtype)
    if form == "binary":
        source = _Bytes(_from_base64(inline_text(path, index)))
        return _decode(path, layout, array.name, source, dtype, count)
    if form != "appended":
        raise bad_input(
            path, f"array {array.name!r} has unknown format {form!r}", "save it as ascii, binary or appended"
        )
    if layout.appended_at < 0:
        raise bad_input(path, "misses its appended data", "copy or export it again")
    offset = int(array.attributes["offset"])
    with open(path, "rb") as file:
        begin = _begin_of_data(path, file, layout.appended_at)
        if layout.encoding == "raw":
            file.seek(begin + offset)
            return _decode(path, layout, array.name, _Behind(file, path.stat().st_size), dtype, count)
        if layout.encoding != "base64":
            raise bad_input(path, f"has unknown encoding {layout.encoding!r}", "save it as raw or base64")
        later = [int(a.attributes.get("offset", -1)) for a in layout.arrays]
        ends = [o for o in later if o > offset]
        file.seek(begin + offset)
        text = file.read(min(ends) - offset if ends else -1).split(b"<", 1)[0]
    return _decode(path, layout, array.name, _Bytes(_from_base64(text)), dtype, count)


class _Bytes:
    """A byte string that is read like a file."""

    def __init__(self, data: bytes):
        self.data, self.at = memoryview(data), 0

    def read(self, n: int) -> memoryview:
        piece = self.data[self.at : self.at + n]
        self.at += n
        return piece


class _Behind:
    """The rest of a file; reads past its end are short without allocating what was asked for."""

    def __init__(self, file: BinaryIO, size: int):
        self.file, self.size = file, size

    def read(self, n: int) -> bytes:
        return self.file.read(min(n, max(self.size - self.file.tell(), 0)))


def _decode(path: Path, layout: VtiLayout, name: str, source: _Behind | _Bytes, dtype: np.dtype, count: int):
    """Values behind VTK's length headers."""
    word = np.dtype(_order(layout) + {"UInt32": "u4", "UInt64": "u8"}[layout.file.get("header_type", "UInt32")])

    def words(n: int) -> list[int]:
        return np.frombuffer(source.read(n * word.itemsize), word, n).tolist()

    need = count * dtype.itemsize
    compressor = layout.file.get("compressor")
    if not compressor:
        _expect(path, name, words(1)[0], need, "bytes")
        data = source.read(need)
        _expect(path, name, len(data), need, "bytes")
        return np.frombuffer(data, dtype, count)
    if compressor != "vtkZLibDataCompressor":
        raise bad_input(path, f"is compressed with {compressor}", "save it with ZLib or uncompressed")
    blocks, full, last = words(3)
    total = blocks * full if last == 0 else (blocks - 1) * full + last
    _expect(path, name, total, need, "bytes")
    if not 1 <= blocks <= need or not 1 <= full or last > full:
        raise bad_input(path, f"array {name!r} has blocks that are none ({blocks} of {full} bytes)", "export it again")
    sizes = words(blocks)
    out = bytearray()
    for k, size in enumerate(sizes):
        most = last if last and k == blocks - 1 else full
        packed = source.read(size)
        _expect(path, name, len(packed), size, "packed bytes in a block")
        piece = inflated(packed, most)
        if piece is None:
            raise bad_input(path, f"array {name!r} has a block of another size than it announces", "export it again")
        out += piece
    return np.frombuffer(out, dtype, count)


def _from_base64(text: bytes) -> bytes:
    """Decode base64 in which headers and data were encoded separately, each with its own padding."""
    text = b"".join(text.split())
    try:
        return b"".join(base64.b64decode(s, validate=True) for s in _SEGMENT.findall(text))
    except binascii.Error as error:
        raise ValueError(f"bad base64 ({error})") from error


def _begin_of_data(path: Path, file: BinaryIO, tag_at: int) -> int:
    """First byte behind the underscore that starts the appended data."""
    file.seek(tag_at)
    head = file.read(4096)
    close = head.find(b">")
    start = close + 1 + len(head[close + 1 :]) - len(head[close + 1 :].lstrip())
    if close < 0 or head[start : start + 1] != b"_":
        raise bad_input(path, "misses the underscore before its appended data", "export it again")
    return tag_at + start + 1


def _order(layout: VtiLayout) -> str:
    return ">" if layout.file.get("byte_order") == "BigEndian" else "<"


def _expect(path: Path, name: str, held: int, need: int, unit: str) -> None:
    if held != need:
        raise bad_input(path, f"array {name!r} holds {held} {unit} where its extent needs {need}", "export it again")
