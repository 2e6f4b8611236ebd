"""Lanes that are finished in a chunk that is not: records at the end of a file, each whole or not counted."""

from __future__ import annotations

import errno
import os
import struct
import zlib
from pathlib import Path

import numpy as np

# Number of lanes, bytes that follow, and their checksum.
_HEAD = struct.Struct("<QQI")


def append(path: Path, index: np.ndarray, rows: list[np.ndarray]) -> None:
    """Add the lanes `index` with their rows of every array.

    Raises:
        OSError: the disk is full, or alike; records before stay as they are.
    """
    body = index.astype("<i8").tobytes() + b"".join(np.ascontiguousarray(row).tobytes() for row in rows)
    record = _HEAD.pack(len(index), len(body), zlib.crc32(body)) + body
    # One write without a buffer: whoever is killed has written the record, or an end that `read` does not count.
    with open(path, "ab", buffering=0) as file:
        if file.write(record) != len(record):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def read(path: Path, like: list[np.ndarray]) -> tuple[list[tuple[np.ndarray, list[np.ndarray]]], int]:
    """All whole records of a file.

    Args:
        path: the file.
        like: arrays of the rows' dtypes and shapes behind the leading axis.

    Returns:
        (index, rows) of every record, and the bytes that they take.
    """
    data = path.read_bytes()
    records, at = [], 0
    while at + _HEAD.size <= len(data):
        number, size, checksum = _HEAD.unpack_from(data, at)
        body = data[at + _HEAD.size : at + _HEAD.size + size]
        expected = number * (8 + sum(x[:1].nbytes for x in like))
        if len(body) != size or size != expected or zlib.crc32(body) != checksum:
            break
        index, start, rows = np.frombuffer(body, "<i8", number), 8 * number, []
        for x in like:
            width = number * x[:1].nbytes
            rows.append(np.frombuffer(body[start : start + width], x.dtype).reshape(number, *x.shape[1:]))
            start += width
        records.append((index, rows))
        at += _HEAD.size + size
    return records, at
