"""Files appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..studies import claimed
from ._errors import bad_input


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Write under a temporary name in the same folder, then rename; on any failure leave nothing behind.

    What a process left that was killed within this function is removed by the next call for the same folder.

    Args:
        path: the file that shall appear.

    Yields:
        The temporary path to write to.

    Raises:
        InputError: the folder does not exist or cannot be written to.
    """
    final = Path(os.fsdecode(path))
    # A short name of its own: the final one may already be as long as the file system allows.
    with ExitStack() as stack:
        try:
            temporary = stack.enter_context(claimed(final.parent))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            remedy = "choose a folder that exists and is writable"
            raise bad_input(path, f"cannot be written ({reason})", remedy) from None
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        try:
            os.replace(temporary, final)
        except OSError as error:
            raise bad_input(path, f"cannot be replaced ({error.strerror})", "choose another name") from None
