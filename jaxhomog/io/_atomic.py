"""Files appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ._errors import bad_input


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Write under a temporary name in the same folder, then rename; on any failure leave nothing behind.

    Args:
        path: the file that shall appear.

    Yields:
        The temporary path to write to.

    Raises:
        InputError: the folder does not exist or cannot be written to.
    """
    final = Path(os.fsdecode(path))
    # A short name of its own: the final one may already be as long as the file system allows.
    temporary = final.parent / f".{secrets.token_hex(8)}.tmp"
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise bad_input(path, f"cannot be written ({reason})", "choose a folder that exists and is writable") from None
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        try:
            os.replace(temporary, final)
        except OSError as error:
            raise bad_input(path, f"cannot be replaced ({error.strerror})", "choose another name") from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
