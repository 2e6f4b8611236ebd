"""Write fields as HDF5 datasets, for programs other than ParaView."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np

from ._atomic import replacing
from ._errors import bad_input, guarded, optional
from ._fields import checked_fields


def write_h5(path: str | os.PathLike, fields: Mapping[str, np.ndarray], lengths: Sequence[float]) -> None:
    """Write one dataset per field, with the box as attributes; axis k of a dataset is direction k + 1.

    The file appears under its name only when it is complete.

    Args:
        path: the file, by custom with the suffix `.h5`.
        fields: name to array, (space...) or (space..., component).
        lengths: edge lengths of the box, 2 or 3 numbers.

    Raises:
        InputError: fields that do not fit one grid, h5py is missing, or a place that cannot be written to.
    """
    h5py = optional(path, "h5py")
    arrays, shape, sides = checked_fields(path, fields, lengths)
    for name in arrays:
        if name.strip("/") != name or any(part in ("", ".", "..") for part in name.split("/")):
            raise bad_input(path, f"{name!r} is no name for a dataset", "use letters, digits and single slashes")
    # The temporary file is locked already, as one of a living process.
    with replacing(path) as temporary, guarded(path, ".h5"), h5py.File(temporary, "w", locking=False) as file:
        file.attrs["lengths"] = sides
        for name, array in arrays.items():
            item = file.create_dataset(name, data=array)
            item.attrs["voxel_size"] = [a / n for a, n in zip(sides, shape, strict=True)]
            item.attrs["axes"] = "array axis k is direction k + 1"
