"""The strips and tiles of a TIFF file before they are decoded: whether they are there, and no larger than they say."""

from __future__ import annotations

import math
import zlib
from pathlib import Path
from typing import Any

from ._errors import bad_input
from ._inflate import DEFLATE_RATIO

_NONE, _DEFLATE, _LZW, _PACKBITS, _LZMA, _ZSTD, _FAX = 1, (8, 32946), 5, 32773, 34925, 50000, (2, 3, 4)
_JPEG, _JPEG2000, _WEBP = (6, 7), (33003, 33004, 33005, 34712), 50001
# The most that each can expand; decoders are given a buffer of the announced size, and never write beyond it.
_RATIO = {_NONE: 1, 8: DEFLATE_RATIO, 32946: DEFLATE_RATIO, _LZW: 4096, _PACKBITS: 128}
_PICTURES = (*_JPEG, *_JPEG2000, _WEBP)  # these carry their own width and height
_KNOWN = (*_RATIO, _LZMA, _ZSTD, *_FAX, *_PICTURES)
_LARGE = 1 << 24  # bytes of a strip that are worth a look beforehand
_AGAIN = "copy or export it again"


def check_pages(path: Path) -> None:
    """The chain of pages has an end: tifffile walks in a circle for ever.

    Args:
        path: the file.

    Raises:
        InputError: a page points back to an earlier one.
    """
    with open(path, "rb") as file:
        start = file.read(16)
        if start[:2] not in (b"II", b"MM"):
            return  # tifffile says what it is

        def number(data: bytes) -> int:
            return int.from_bytes(data, "little" if start[:2] == b"II" else "big")

        large = number(start[2:4]) == 43  # BigTIFF: longer counts, entries and pointers
        words, entry, pointer = (8, 20, 8) if large else (2, 12, 4)
        at = number(start[8:16] if large else start[4:8])
        seen: set[int] = set()
        size = path.stat().st_size
        while 0 < at < size:
            if at in seen:
                raise bad_input(path, "has a page that points back to an earlier one", "copy or export it again")
            seen.add(at)
            file.seek(at)
            behind = at + words + entry * number(file.read(words))
            if behind >= size:
                return  # cut off: tifffile notices
            file.seek(behind)
            at = number(file.read(pointer))


def check_strips(path: Path, tif: Any, series: Any) -> None:
    """Every piece of the first series is there and can hold what its page says, without decoding any.

    tifffile fills what is missing with zeros: a truncated stack must not pass for an image with pores.

    Args:
        path: the file.
        tif: the open file of tifffile.
        series: its first series.

    Raises:
        InputError: what is missing, or too much.
    """
    size, key = path.stat().st_size, series.keyframe
    if series.dataoffset is not None:
        if series.dataoffset + series.nbytes > size:
            raise bad_input(path, "misses data: some of it lies beyond the end of the file", _AGAIN)
        return
    pages = list(series.pages)
    if any(page is None for page in pages):
        raise bad_input(path, "misses a page", "export it again")
    pieces = [p for page in pages for p in zip(page.dataoffsets, page.databytecounts, strict=True)]
    if (
        any(offset <= 0 or count <= 0 or offset + count > size for offset, count in pieces)
        or len(pieces) < len(pages) * math.prod(key.chunked)
        or len(pages) * key.nbytes < series.nbytes
    ):
        raise bad_input(path, "misses data: some of it is left out or lies beyond the end of the file", _AGAIN)
    code = int(key.compression)
    if code not in _KNOWN:
        name = getattr(key.compression, "name", str(code))
        raise bad_input(path, f"is compressed with {name}", "save the stack uncompressed or with deflate")
    announced = math.prod(key.chunks) * key.dtype.itemsize
    if announced > max(_LARGE, 4 * key.nbytes):
        raise bad_input(path, "has tiles far larger than its pages", "export it again")
    ratio = _RATIO.get(code)
    # Rows of less than a byte per voxel are the exception to itemsize.
    bits = announced * max(key.bitspersample, 1) // (8 * key.dtype.itemsize)
    for page in pages:
        for k, (_, count) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=True)):
            if ratio and count * ratio < _least(key, k, bits):
                raise bad_input(path, "has a strip that cannot hold its rows", _AGAIN)


def check_contents(path: Path, tif: Any, series: Any) -> None:
    """A look at those strips that could inflate beyond their page, or are pictures of a size of their own.

    Args:
        path: the file.
        tif: the open file of tifffile.
        series: its first series.

    Raises:
        InputError: a strip that is larger than it announces.
    """
    key = series.keyframe
    code = int(key.compression)
    if series.dataoffset is not None or code not in (*_DEFLATE, *_PICTURES):
        return
    announced = math.prod(key.chunks) * key.dtype.itemsize
    rows, columns = key.chunks[-3:-1] if len(key.chunks) > 2 and key.axes.endswith("S") else key.chunks[-2:]
    for page in series.pages:
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
            if code in _PICTURES:
                tif.filehandle.seek(offset)
                found = picture_size(code, tif.filehandle.read(count))
                if found is None or found[0] > rows or found[1] > columns:
                    raise bad_input(path, "has a strip that is larger than its page, or damaged", "export it again")
            elif count * DEFLATE_RATIO > max(_LARGE, 4 * announced) and _inflates(tif, offset, count, 2 * announced):
                raise bad_input(path, "inflates beyond the size that it announces", "export it again")


def picture_size(code: int, data: bytes) -> tuple[int, int] | None:
    """Height and width that a compressed picture gives for itself.

    Args:
        code: TIFF's number of the compression.
        data: the picture.

    Returns:
        Both, or None where they are not found.
    """
    if code in _JPEG:
        return _jpeg_size(data)
    if code in _JPEG2000:
        at = data.find(b"\xff\x4f\xff\x51")  # start of the code stream and its SIZ segment
        if at < 0 or len(data) < at + 24:
            return None
        right, bottom, left, top = (int.from_bytes(data[at + k : at + k + 4], "big") for k in (8, 12, 16, 20))
        return bottom - top, right - left
    return _webp_size(data)


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """From the first start-of-frame segment."""
    at = 2
    while data[:2] == b"\xff\xd8" and at + 9 <= len(data) and data[at] == 0xFF:
        mark = data[at + 1]
        if 0xC0 <= mark <= 0xCF and mark not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(data[at + 5 : at + 7], "big"), int.from_bytes(data[at + 7 : at + 9], "big")
        at += 1 if mark == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return None
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[27:30], "little"), 1 + int.from_bytes(data[24:27], "little")
    if kind == b"VP8L":
        word = int.from_bytes(data[21:25], "little")
        return 1 + (word >> 14 & 0x3FFF), 1 + (word & 0x3FFF)
    if kind == b"VP8 ":
        return int.from_bytes(data[28:30], "little") & 0x3FFF, int.from_bytes(data[26:28], "little") & 0x3FFF
    return None


def _least(key: Any, index: int, whole: int) -> int:
    """Bytes of a piece when unpacked: the last strip of a page has fewer rows."""
    if key.is_tiled:
        return whole
    rows = max(int(key.rowsperstrip), 1)
    strips = max(math.ceil(key.imagelength / rows), 1)
    left = key.imagelength - index % strips * rows
    return whole * min(rows, max(left, 0)) // min(rows, max(int(key.imagelength), 1))


def _inflates(tif: Any, offset: int, count: int, most: int) -> bool:
    """Whether a strip inflates to more than `most` bytes, found out without keeping them."""
    tif.filehandle.seek(offset)
    data, total, inflate = tif.filehandle.read(count), 0, zlib.decompressobj()
    while data and total <= most:
        total += len(inflate.decompress(data, 1 << 20))
        data = inflate.unconsumed_tail
    return total > most
