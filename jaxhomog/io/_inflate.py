"""Reading and inflating no more than was announced: memory grows with what is there, not with what is claimed."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import IO

from ._errors import bad_input

DEFLATE_RATIO = 1032  # the most that deflate can expand
_PIECE = 1 << 22


def read_exactly(path: Path, file: IO[bytes], count: int) -> bytearray:
    """The next bytes of a stream.

    Args:
        path: the file, for messages.
        file: the stream, compressed or not.
        count: how many bytes there must be.

    Returns:
        Them; never more than 4 MiB are allocated ahead of what the stream holds.

    Raises:
        InputError: the stream ends before.
    """
    out = bytearray()
    while len(out) < count:
        piece = file.read(min(_PIECE, count - len(out)))
        if not piece:
            raise bad_input(path, f"is cut off ({len(out)} of {count} bytes of data)", "copy or export it again")
        out += piece
    return out


def skip_exactly(path: Path, file: IO[bytes], count: int) -> None:
    """As `read_exactly`, without keeping the bytes."""
    while count > 0:
        piece = file.read(min(_PIECE, count))
        if not piece:
            raise bad_input(path, "is cut off before its data", "copy or export it again")
        count -= len(piece)


def inflated(data: bytes | memoryview, size: int) -> bytes | None:
    """A zlib stream of exactly that many bytes.

    Args:
        data: the stream.
        size: of what it holds.

    Returns:
        What it holds; None if that is less or more, or if the stream does not end with it.
    """
    inflate = zlib.decompressobj()
    # Asking for one byte more than announced shows a stream that goes on, without inflating it all.
    out = inflate.decompress(data, size + 1)
    if len(out) == size and not inflate.eof:
        out += inflate.decompress(inflate.unconsumed_tail, 1)
    return out if len(out) == size and inflate.eof else None
