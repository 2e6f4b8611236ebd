"""Stores of sweeps: a Zarr group of plain arrays that survives being killed."""

from __future__ import annotations

import hashlib
import importlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils

from ..results import InputError
from . import _journal as journal
from ._checks import place
from ._claims import claimed
from ._lanes import Problem
from ._results import CODE, Results, blank, names_of

_FORMAT = "jaxhomog sweep 1"
_MARKS = "finished"
_PARAMETERS = "parameters"
_WHAT = {
    "lanes": "number of lanes",
    "parameters": "parameters",
    "arrays": "results",
    "shared": "shared arrays",
    "program": "problem",
    "versions": "versions of jaxhomog or JAX",
}


class StoredSweep(NamedTuple):
    """What `load_sweep` reads; every array has the lanes along its leading axis.

    Args:
        parameters: name -> array.
        value: name -> array ("effective", "bounds.voigt", ..; "value" alone where the value is one array), NaN in lanes
            that failed or are not finished.
        stats: name -> array.
        code: result codes, -1 where a lane is not finished.
        versions: of jaxhomog and JAX that wrote it.
    """

    parameters: dict[str, np.ndarray]
    value: dict[str, np.ndarray]
    stats: dict[str, np.ndarray]
    code: np.ndarray
    versions: dict[str, str]


def load_sweep(path: str | os.PathLike) -> StoredSweep:
    """Read the store of a sweep, finished or not.

    The store is a Zarr group (format 3) with arrays `parameters.*`, `value.*`, `stats.*` and `code` along the dimension
    `lane`: `xarray.open_zarr(path, consolidated=False)` opens a finished one too.

    Args:
        path: what `sweep(..., store=)` wrote.

    Raises:
        InputError: no such store, a foreign or a damaged one.
    """
    path = place("path", path)
    with _reading(path):
        group, about = _group(path, "r")
        arrays = {name: blank(name, tuple(shape), np.dtype(dtype)) for name, (shape, dtype) in about["arrays"].items()}
        _read(path, group, about["chunk"], arrays)
        for name, expected in about["parameters"].items():
            arrays[name] = np.asarray(group[name][:])
            if hash_of(arrays[name]) != expected:
                raise ValueError(f"{name} is not what was written")
    found: dict[str, dict[str, np.ndarray]] = {"value": {}, "stats": {}, _PARAMETERS: {}}
    for name, array in arrays.items():
        root, _, rest = name.partition(".")
        if name != CODE:
            found[root][rest or root] = array
    return StoredSweep(found[_PARAMETERS], found["value"], found["stats"], arrays[CODE], about["versions"])


class Store:
    """The store of a running sweep; no other process writes what this one writes.

    Args:
        path: the directory.
        results: what is in it, and what will be.
        chunk: lanes per file.
    """

    def __init__(self, path: Path, results: Results, chunk: int):
        self.path, self.results, self.chunk = path, results, chunk
        self.lock = _locked(path)
        try:
            with _reading(path):
                self.group, _ = _group(path, "r+")
                self.array = {name: self.group[name] for name in (*results.arrays, _MARKS)}
                whole = _read(path, self.group, chunk, results.arrays)
            with writing(path):
                # Whoever was killed may have left the end of a record: what is appended must not follow it.
                for file, size in whole.items():
                    if _mine(file):
                        os.truncate(file, size)
        except BaseException:
            self.close()
            raise

    def write(self, index: np.ndarray) -> None:
        """Keep the lanes `index`, all of one chunk, which `results` has got.

        Raises:
            InputError: the disk is full, or alike; what was written before stays.
        """
        number = int(index[0]) // self.chunk
        lanes = slice(number * self.chunk, (number + 1) * self.chunk)
        file = _journal_file(self.path, number)
        with writing(self.path):
            if not self.results.done[lanes].all():
                journal.append(file, index, self.results.rows(index))
                return
            for name, array in self.results.arrays.items():
                self.array[name][lanes] = array[lanes]
            _to_disk(path for name, x in self.results.arrays.items() for path in self._paths(name, number, x.ndim))
            # The mark comes last: a chunk without it is computed again. The journal goes when all is on the disk: a
            # power failure leaves a chunk that is whole, or its journal.
            self.array[_MARKS][number : number + 1] = _digest(self.results.arrays, lanes)
            _to_disk(self._paths(_MARKS, number, 1))
            file.unlink(missing_ok=True)

    def _paths(self, name: str, number: int, axes: int) -> list[Path]:
        """The file of a chunk of an array, and the folders that know its name."""
        file = (self.path / name).joinpath("c", str(number), *("0" * (axes - 1)))
        return [file, *list(file.parents)[: axes + 1]]

    def close(self) -> None:
        """Let others write."""
        self.lock.release()


def open_store(
    path: str | os.PathLike, problem: Problem, arrays: list, parameters: Any, count: int, chunk: int, resume: bool
) -> Store:
    """A new store, or the one of the same sweep.

    Args:
        path: the directory.
        problem: from `parted`.
        arrays: what all lanes share.
        parameters: of all lanes.
        count: number of lanes.
        chunk: lanes per file of a new store.
        resume: whether a store may be there.

    Raises:
        InputError: in one line.
    """
    path = place("store", path)
    lane = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], jax.dtypes.canonicalize_dtype(x.dtype)), parameters)
    # A function of its own, so that an earlier trace under other settings of JAX is not taken for this one.
    traced = jax.jit(lambda arrays, lane: problem(arrays, lane)).trace(arrays, lane)
    results = Results(count, traced.out_info)
    # The text of the program tells tolerances, elements and constants, whatever machine will run it.
    text = traced.lower(lowering_platforms=("cpu",)).as_text()
    about = {
        "format": _FORMAT,
        "lanes": count,
        "chunk": chunk,
        "arrays": {name: [list(x.shape), x.dtype.str] for name, x in results.arrays.items()},
        "shared": hash_of(*(np.asarray(x) for x in arrays)),
        "program": hashlib.sha256(text.encode()).hexdigest(),
        "versions": versions(),
    }
    given = dict(zip(names_of(parameters, _PARAMETERS), jax.tree.leaves(parameters), strict=True))
    about["parameters"] = {name: hash_of(x) for name, x in given.items()}
    for name in ("zarr", "filelock"):
        _library(path, name)
    error = None
    if jax.process_index() == 0:
        try:
            _create_or_refuse(path, about, given, results, resume)
        except InputError as found:
            error = found
    # The other processes wait for the first one, and end with it.
    if jax.process_count() > 1 and not multihost_utils.broadcast_one_to_all(np.asarray(error is None)):
        error = error or InputError(f"{path}: is refused by the first process, whose message says why")
    if error is not None:
        raise error
    with _reading(path):
        _, there = _group(path, "r")
    for key, what in _WHAT.items():
        if there.get(key) != about[key]:
            raise InputError(f"{path}: holds another sweep (its {what} differ): give another store")
    return Store(path, results, there["chunk"])


def _create_or_refuse(path: Path, about: dict, given: dict[str, np.ndarray], results: Results, resume: bool) -> None:
    if not _exists(path):
        with writing(path):
            _create(path, about, given, results)
    elif not resume:
        with _reading(path):
            _group(path, "r")
        raise InputError(f"{path}: holds a sweep already: give resume=True to go on with it, or another store")


def _create(path: Path, about: dict, parameters: dict[str, np.ndarray], results: Results) -> None:
    """The whole group under a temporary name, renamed at the end."""
    zarr = _zarr(path)
    with claimed(path.parent, directory=True) as claim:
        temporary = claim / "store"
        group = zarr.open_group(str(temporary), mode="w-", zarr_format=3, attributes={"jaxhomog": about})
        lanes, chunk = about["lanes"], about["chunk"]

        def array(name, shape, dtype, length, fill):
            dimensions = ["lane" if name != _MARKS else "chunk", *(f"{name}.{k}" for k in range(1, len(shape)))]
            chunks = (length, *(max(1, n) for n in shape[1:]))
            return group.create_array(
                name, shape=shape, dtype=dtype, chunks=chunks, fill_value=fill, dimension_names=dimensions
            )

        for name, x in parameters.items():
            array(name, x.shape, x.dtype, min(chunk, lanes), 0)[:] = x
        for name, x in results.arrays.items():
            array(name, x.shape, x.dtype, min(chunk, lanes), x.ravel()[0] if x.size else 0)
        array(_MARKS, (-(-lanes // chunk),), "uint64", 1, 0)
        os.rename(temporary, path)


def _read(path: Path, group: Any, chunk: int, arrays: dict[str, np.ndarray]) -> dict[Path, int]:
    """Fill `arrays` with all lanes that are finished; every journal with the bytes of its whole records."""
    marks = np.asarray(group[_MARKS][:])
    lanes = len(arrays[CODE])
    if marks.any():
        for name, array in arrays.items():
            stored = np.asarray(group[name][:])
            keep = np.repeat(marks != 0, chunk)[:lanes]
            array[keep] = stored[keep]
    whole = {}
    for number, mark in enumerate(marks):
        if mark:
            if _digest(arrays, slice(number * chunk, (number + 1) * chunk)) != mark:
                raise ValueError(f"chunk {number} is not what was written")
            continue
        file = _journal_file(path, number)
        with suppress(FileNotFoundError):  # none, or none any more
            records, whole[file] = journal.read(file, list(arrays.values()))
            for index, rows in records:
                for array, row in zip(arrays.values(), rows, strict=True):
                    array[index] = row
    return whole


def _to_disk(paths: Iterable[Path]) -> None:
    """Wait until files and folders are on the disk, all at once: a file system writes them together."""

    def wait(path: Path) -> None:
        # Zarr leaves out a chunk that holds fill values alone; Windows opens no folders.
        with suppress(FileNotFoundError, PermissionError):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(wait, paths))


def _digest(arrays: dict[str, np.ndarray], lanes: slice) -> np.uint64:
    """A checksum of some lanes of all arrays, never 0."""
    found = hashlib.blake2b(digest_size=8)
    for name, array in arrays.items():
        found.update(name.encode())
        found.update(np.ascontiguousarray(array[lanes]).tobytes())
    return np.uint64(int.from_bytes(found.digest(), "little") or 1)


def hash_of(*arrays: np.ndarray) -> str:
    """Of dtypes, shapes and values."""
    found = hashlib.sha256()
    for x in arrays:
        found.update(f"{x.dtype.str}{x.shape}".encode())
        found.update(np.ascontiguousarray(x).tobytes())
    return found.hexdigest()


def _journal_file(path: Path, number: int) -> Path:
    # Beside the marks' own files: whoever lists the group meets arrays only.
    return path / _MARKS / f".journal-{number}"


def _mine(file: Path) -> bool:
    return int(file.name.rpartition("-")[2]) % jax.process_count() == jax.process_index()


def _exists(path: Path) -> bool:
    """Whether there is anything at the path that an empty directory is not."""
    try:
        return path.is_symlink() or path.is_file() or (path.is_dir() and any(path.iterdir()))
    except OSError as error:
        raise _refused(path, "cannot be read", error) from None


def _group(path: Path, mode: str) -> tuple[Any, dict]:
    """The group of a store, and what it says about itself."""
    if not path.is_dir():
        raise InputError(f"{path}: is no directory: give one that a sweep has written")
    zarr = _zarr(path)
    try:
        group = zarr.open_group(str(path), mode=mode)
        about = group.attrs["jaxhomog"]
    except (FileNotFoundError, KeyError):
        raise InputError(f"{path}: is no store of a sweep, and is left as it is: give another directory") from None
    if about["format"] != _FORMAT:
        raise InputError(f"{path}: has the format {about['format']!r}, not {_FORMAT!r}: give another store")
    return group, about


def _locked(path: Path) -> Any:
    """The lock of this process's part of a store."""
    filelock = _library(path, "filelock")
    lock = filelock.FileLock(path / _MARKS / f".lock-{jax.process_index()}")
    with writing(path):
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise InputError(f"{path}: another sweep is writing to it: wait for its end") from None
    return lock


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Whatever a damaged store makes Zarr raise, in one line."""
    try:
        yield
    except InputError:
        raise
    except PermissionError as error:
        raise _refused(path, "cannot be read", error) from None
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        raise InputError(f"{path}: is damaged ({reason}), and is left as it is: give another store") from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """A full disk and alike, in one line."""
    try:
        yield
    except OSError as error:
        raise _refused(path, "cannot be written", error) from error


def _refused(path: Path, what: str, error: OSError) -> InputError:
    remedy = "what is finished stays; make room or choose another place, then resume"
    return InputError(f"{path}: {what} ({error.strerror or error}): {remedy}")


def _library(path: Path, name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise InputError(f"{path}: needs the package {name}: pip install 'jaxhomog[studies]'") from None


def _zarr(path: Path) -> Any:
    return _library(path, "zarr")


def versions() -> dict[str, str]:
    """Of what makes the numbers."""
    import jaxlib.version

    from .. import __version__

    return {"jaxhomog": __version__, "jax": jax.__version__, "jaxlib": jaxlib.version.__version__}
