"""The output folder: it appears whole under its name or not at all, and never over something that is not ours."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..results import InputError
from ..studies import claimed, exchange

OURS = ("result.json", "report.html", "fields.vti", "fields.h5", "curve.csv", "curve.png", "curve.svg")


def check_output(path: Path) -> None:
    """Refuse early what could not be written in the end.

    Args:
        path: the folder to be.

    Raises:
        InputError: the place cannot be written to, or holds something that is not ours.
    """
    try:
        parent = path.parent
        if not parent.is_dir():
            raise InputError(f"{path}: cannot be written: the folder {parent} does not exist: create it")
        if not os.access(parent, os.W_OK | os.X_OK):
            raise InputError(f"{path}: cannot be written: {parent} is not writable: choose another --output")
        if path.is_symlink() or path.exists():
            _check_ours(path)
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from None


def _check_ours(path: Path) -> None:
    remedy = "choose another --output, or remove it"
    if path.is_symlink() or not path.is_dir():
        raise InputError(f"{path}: exists and is no output folder of jaxhomog: {remedy}")
    # A folder or link under one of our names is the user's: we write plain files.
    strange = sorted(e.name for e in path.iterdir() if e.name not in OURS or e.is_symlink() or not e.is_file())
    if strange:
        raise InputError(f"{path}: exists and holds files that are not jaxhomog's ({', '.join(strange[:3])}): {remedy}")
    try:
        written = json.loads((path / "result.json").read_text(encoding="utf-8"))
        ours = "jaxhomog" in written["versions"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        ours = False
    if not ours:
        raise InputError(f"{path}: exists and is no output folder of jaxhomog: {remedy}")


@contextmanager
def output_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside the final one, renamed at the end; on any failure nothing stays behind.

    Args:
        path: the final folder; one of ours is replaced.

    Yields:
        The folder to write into.

    Raises:
        InputError: it cannot be written.
    """
    check_output(path)
    try:
        with claimed(path.parent, directory=True) as claim:
            new = claim / "new"
            new.mkdir()
            yield new
            check_output(path)
            exchange(claim, path)
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: Exception) -> InputError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return InputError(f"{path}: cannot be written ({reason}): choose another --output")
