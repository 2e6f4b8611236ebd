"""HDF5 files: one dataset is the image."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ._errors import bad_input, optional
from ._header import Header, Options, pick_array, plain_axes

# Attributes of a dataset that give its voxel size in the order of its axes, in this order of preference.
VOXEL_ATTRIBUTES = ("voxel_size", "element_size_um")


def hdf5_header(path: Path, options: Options) -> Header:
    """Header of the named (or only) 2-D or 3-D dataset."""
    h5py = optional(path, "h5py")
    with h5py.File(path, "r") as file:
        name = options.name
        if name is None:
            images, everything = {}, []

            def visit(key, item):
                if isinstance(item, h5py.Dataset):
                    everything.append(key)
                    if item.shape is not None and len(item.shape) in (2, 3) and item.dtype.kind in "biuf":
                        images[key] = tuple(item.shape)

            file.visititems(visit)
            name = pick_array(path, images, sorted(everything), "dataset")
        item = file.get(name)
        if not isinstance(item, h5py.Dataset):
            what = "is a group" if isinstance(item, h5py.Group) else "does not exist"
            raise bad_input(
                path, f"dataset {name!r} {what}", "give the path of a dataset inside the file with dataset="
            )
        if item.shape is None:
            raise bad_input(path, f"dataset {name!r} is empty", "give a 2-D or 3-D dataset")
        shape = tuple(int(n) for n in item.shape)
        voxel, notes = _voxel_size(item, len(shape))
        if item.is_virtual or item.external:
            notes.append(f"dataset {name!r} lives in other files: voxels whose file is missing read as the fill value")
        return Header(shape, item.dtype, plain_axes(len(shape)), voxel, notes=tuple(notes), detail=name)


def hdf5_data(path: Path, options: Options, header: Header) -> tuple[np.ndarray, None]:
    """The voxels of the dataset."""
    h5py = optional(path, "h5py")
    with h5py.File(path, "r") as file:
        return np.asarray(file[header.detail][()]), None


def _voxel_size(item, ndim: int) -> tuple[tuple[float, ...] | None, list[str]]:
    notes = []
    for key in VOXEL_ATTRIBUTES:
        if key in item.attrs:
            try:
                size = tuple(float(h) for h in np.atleast_1d(item.attrs[key]))
            except (TypeError, ValueError):
                size = ()
            if len(size) in (1, ndim):
                return size * (ndim // len(size)), notes
            notes.append(f"attribute {key!r} is not one or {ndim} numbers: not used as voxel size")
    return None, notes
