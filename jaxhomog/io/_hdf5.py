"""HDF5 files: one dataset is the image."""

from __future__ import annotations

import math
import stat
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from ._errors import bad_input, optional
from ._hdf5_chunks import read_dataset
from ._header import Header, Options, pick_array, plain_axes
from ._voxel import as_size, no_unit, size_names, unit_text

_MOST_LINKS = 16  # a path may lead through that many soft and external links
_ASK = "copy the data into this file, or allow it with foreign=True"


class Hdf5Place:
    """An open file, and the way to whatever a path in it names.

    libhdf5 follows links into other files without a word; here every step is looked at first.

    Args:
        path: the file that the caller named.
        foreign: whether data in other files may be read.
    """

    def __init__(self, path: Path, foreign: bool):
        self.h5py, self.path, self.foreign = optional(path, "h5py"), path, foreign
        self.stack = ExitStack()
        self.files: dict[Path, Any] = {}

    def __enter__(self) -> Hdf5Place:
        return self

    def __exit__(self, *_) -> None:
        self.stack.close()

    def opened(self, path: Path) -> Any:
        """The file, opened once; only a regular file (a pipe would block for ever)."""
        if path not in self.files:
            try:
                regular = stat.S_ISREG(path.stat().st_mode)
            except (OSError, ValueError):
                regular = False
            if not regular:
                raise bad_input(
                    self.path, f"its data lie in {str(path)!r}, which is no file", "copy that file beside it"
                )
            self.files[path] = self.stack.enter_context(self.h5py.File(path, "r"))
        return self.files[path]

    def other(self, beside: Path, name: str, what: str) -> Path:
        """Path of another file that this one names, if that is allowed."""
        if not self.foreign:
            raise bad_input(self.path, f"{what} lies in another file ({name!r})", _ASK)
        return beside.parent / name

    def find(self, path: Path, name: str, steps: int = _MOST_LINKS) -> tuple[Path, Any]:
        """Whatever a path names, and the file that it lies in; None if there is nothing."""
        node = self.opened(path)
        for part in name.split("/"):
            if not part:
                continue
            if not isinstance(node, self.h5py.Group):
                return path, None
            link = node.get(part, getlink=True)
            if link is None or steps <= 0:
                return path, None
            if isinstance(link, self.h5py.ExternalLink):
                other = self.other(path, link.filename, f"dataset {name!r}")
                path, node = self.find(other, link.path, steps - 1)
            elif isinstance(link, self.h5py.SoftLink):
                target = link.path if link.path.startswith("/") else f"{node.name}/{link.path}"
                path, node = self.find(path, target, steps - 1)
            else:
                node = node.get(part)
            if node is None:
                return path, None
        return path, node


def hdf5_header(path: Path, options: Options) -> Header:
    """Header of the named (or only) 2-D or 3-D dataset."""
    with Hdf5Place(path, options.foreign) as place:
        name = options.name if options.name is not None else _only_image(place)
        _, item = place.find(path, name)
        if not isinstance(item, place.h5py.Dataset):
            what = "is a group" if isinstance(item, place.h5py.Group) else "does not exist"
            raise bad_input(
                path, f"dataset {name!r} {what}", "give the path of a dataset inside the file with dataset="
            )
        if item.shape is None:
            raise bad_input(path, f"dataset {name!r} is empty", "give a 2-D or 3-D dataset")
        shape, dtype = tuple(int(n) for n in item.shape), item.dtype
        voxel, unit, notes = _voxel_size(item, len(shape))
        size = math.prod(shape) * dtype.itemsize
        chunk = math.prod(item.chunks) * dtype.itemsize if item.chunks else 0
        nbytes = size * (2 if item.is_virtual else 1) + 3 * min(chunk, size)
        return Header(
            shape, dtype, plain_axes(len(shape)), voxel, unit, no_unit(voxel, unit), notes, nbytes, detail=name
        )  # fmt: skip


def hdf5_data(path: Path, options: Options, header: Header) -> tuple[np.ndarray, None]:
    """The voxels of the dataset."""
    with Hdf5Place(path, options.foreign) as place:
        return read_dataset(place, *place.find(path, header.detail), header.detail), None


def _only_image(place: Hdf5Place) -> str:
    """Name of the only dataset that can be an image; external links are candidates where they are allowed."""
    images: dict[str, tuple[int, ...]] = {}
    everything: list[str] = []
    away: list[tuple[str, str]] = []

    def visit(key, link):
        if isinstance(link, place.h5py.ExternalLink):
            everything.append(key)
            away.append((key, link.filename))
            if not place.foreign:
                return
            item = place.find(place.path, key)[1]
        elif isinstance(link, place.h5py.SoftLink):
            return
        else:
            item = file.get(key)
        if isinstance(item, place.h5py.Dataset):
            everything.append(key)
            if item.shape is not None and len(item.shape) in (2, 3) and item.dtype.kind in "biuf":
                images[key] = tuple(item.shape)

    file = place.opened(place.path)
    file.visititems_links(visit)
    if not images and away and not place.foreign:
        place.other(place.path, away[0][1], f"{away[0][0]!r}")  # refuses
    return pick_array(place.path, images, sorted(set(everything)), "dataset")


def _voxel_size(item, ndim: int) -> tuple[tuple[float, ...] | None, str, tuple[str, ...]]:
    """From the attributes of the dataset, else of the groups that it lies in, the nearest first."""
    notes: list[str] = []
    holder = item
    while True:
        for name, ending in size_names(holder.attrs.keys()):
            where = f"attribute {name!r} of {holder.name!r}"
            size = as_size(_attribute(holder, name), ndim)
            if size is None:
                notes.append(f"{where} is not one or {ndim} numbers: not used as voxel size")
                continue
            units = [
                key for key in holder.attrs.keys() if str(key).lower() in (f"{name}_unit".lower(), "unit", "units")
            ]
            unit = ending or (unit_text(_attribute(holder, units[0])) if units else "")
            return size, unit, (*notes, f"voxel size from {where}{f', in {unit}' if unit else ''}")
        if holder.name in ("/", None):
            return None, "", tuple(notes)
        holder = holder.parent


def _attribute(holder, name: str) -> object:
    try:
        return holder.attrs[name]
    except (OSError, TypeError, ValueError, KeyError):
        return None
