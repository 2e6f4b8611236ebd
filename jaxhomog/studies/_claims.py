"""Temporary files and folders under a lock of the kernel: what a killed process leaves, the next one sweeps."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # no such locks on Windows: nothing is swept there
    fcntl = None

_NAME = re.compile(r"\.jaxhomog-[0-9a-f]{16}\.tmp")
_OLD, _NEW, _TARGET = "old", "new", "target"  # within the folder of an exchange


@contextmanager
def claimed(folder: Path, directory: bool = False) -> Iterator[Path]:
    """An empty temporary file or directory in a folder; it is gone at the end unless it was renamed.

    It is held under `flock` as long as this process lives, so that another process can tell it from what a killed one
    left. What is found to be left is removed first.

    Args:
        folder: where.
        directory: whether to make a directory.

    Yields:
        Its path.

    Raises:
        OSError: the folder cannot be written to.
    """
    sweep_claims(folder)
    path, lock = _claim(folder, directory)
    try:
        yield path
    finally:
        _remove(path)
        if lock is not None:
            os.close(lock)


def sweep_claims(folder: Path) -> None:
    """Remove the temporary files of processes that have died: ours by name and owner, dead by their free lock.

    Args:
        folder: where to look; nothing happens where it cannot be read.
    """
    if fcntl is None:
        return
    with suppress(OSError):
        for name in [entry.name for entry in os.scandir(folder) if _NAME.fullmatch(entry.name)]:
            with suppress(OSError):
                _sweep(folder / name)


def exchange(claim: Path, target: Path) -> None:
    """Put the folder `new` inside a claimed directory under its final name, in place of what is there.

    Whenever the process is killed, the target is there, or the next sweep of the folder puts it there.

    Args:
        claim: from `claimed`, with the folder `new` in it.
        target: the final name, in the folder of the claim.

    Raises:
        OSError: it cannot be renamed; what was there is there again.
    """
    (claim / _TARGET).write_bytes(os.fsencode(target.name))
    if os.path.lexists(target):
        os.rename(target, claim / _OLD)
    try:
        os.rename(claim / _NEW, target)
    except OSError:
        if (claim / _OLD).exists():
            os.rename(claim / _OLD, target)
        raise


def _claim(folder: Path, directory: bool) -> tuple[Path, int | None]:
    while True:
        path = folder / f".jaxhomog-{secrets.token_hex(8)}.tmp"
        if directory:
            os.mkdir(path)
        else:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        if fcntl is None:
            return path, None
        lock = None
        try:
            lock = os.open(path, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.path.samestat(os.stat(path), os.fstat(lock)):
                return path, lock
            os.close(lock)
        except FileNotFoundError:  # another process swept it before it was locked
            if lock is not None:
                os.close(lock)
        except OSError:  # a file system without locks: nobody can lock it, so nobody sweeps
            if lock is not None:
                os.close(lock)
            return path, None


def _sweep(path: Path) -> None:
    found = os.lstat(path)
    if found.st_uid != os.geteuid() or os.path.islink(path) or not (path.is_dir() or path.is_file()):
        return
    lock = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # type: ignore[union-attr]
        if not os.path.samestat(os.stat(path), os.fstat(lock)):
            return
        if (path / _OLD).is_dir() and (path / _NEW).is_dir():  # killed within `exchange`: the new folder is whole
            target = path.parent / os.fsdecode((path / _TARGET).read_bytes())
            if target.parent == path.parent and not os.path.lexists(target):
                os.rename(path / _NEW, target)
        _remove(path)
    finally:
        os.close(lock)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)
