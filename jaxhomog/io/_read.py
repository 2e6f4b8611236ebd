"""`read_image`: one door for every format, with the checks that all of them share."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..results import InputError
from ._ebsd import ebsd_data, ebsd_header
from ._errors import bad_input, guarded, one_line
from ._hdf5 import hdf5_data, hdf5_header
from ._header import Header, Options, check_image, check_memory, image_bytes
from ._image_data import ImageData
from ._nifti import nifti_data, nifti_header
from ._npy import npy_data, npy_header, npz_data, npz_header
from ._raw import raw_data, raw_header
from ._tiff import tiff_data, tiff_header
from ._voxel import settled_size
from ._vti_read import vti_data, vti_header


class _Reader(NamedTuple):
    """How one format is read; `names` is the argument that chooses one of several arrays, "" where there is one."""

    header: Callable[[Path, Options], Header]
    data: Callable[[Path, Options, Header], tuple]
    names: str = ""


_TIFF = _Reader(tiff_header, tiff_data)
_HDF5 = _Reader(hdf5_header, hdf5_data, "dataset")
_NIFTI = _Reader(nifti_header, nifti_data)
_EBSD = _Reader(ebsd_header, ebsd_data)
_READERS = {
    ".npy": _Reader(npy_header, npy_data),
    ".npz": _Reader(npz_header, npz_data, "array"),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".h5": _HDF5,
    ".hdf5": _HDF5,
    ".vti": _Reader(vti_header, vti_data, "array"),
    ".nii": _NIFTI,
    ".nii.gz": _NIFTI,
    ".ang": _EBSD,
    ".ctf": _EBSD,
    ".raw": _Reader(raw_header, raw_data),
}
FORMATS = tuple(_READERS)


def read_image(
    path: str | os.PathLike,
    *,
    dataset: str | None = None,
    array: str | None = None,
    shape: Sequence[int] | None = None,
    dtype: Any = None,
    order: str | None = None,
    header: int | None = None,
    endian: str | None = None,
    unindexed: str | int = "refuse",
    foreign: bool = False,
    voxel_size: float | Sequence[float] | None = None,
    lengths: float | Sequence[float] | None = None,
    max_bytes: int | None = None,
) -> ImageData:
    """Read a voxel image; array axis k is direction k + 1.

    The suffix decides the format. `.npy`, `.npz`, `.h5`, `.tif` and `.raw` are not transposed; `.vti` and `.nii`
    load as [x, y, z], EBSD maps as [x, y]. The voxel size is that of the arguments (with one remark where the file
    says another one), else that of the file's metadata, else 1. What programs write when they know none (72 or 96 dpi,
    a spacing of 1 without unit) is no voxel size. Nothing is unpickled, and sizes are checked before anything is
    allocated.

    Args:
        path: the file.
        dataset: path of the dataset in a `.h5` file (needed if it holds several images).
        array: name of the array in a `.npz` or `.vti` file (likewise).
        shape: shape of a `.raw` file.
        dtype: element type of a `.raw` file.
        order: which number of `shape` runs fastest in a `.raw` file: "z" (or "C", the default), the last one, as NumPy
            writes; "x" (or "F"), the first one, as Fiji, MHD and VTK write.
        header: bytes before the voxels of a `.raw` file.
        endian: "little" or "big", byte order of a `.raw` file; `dtype` may say it as well ('>u2').
        unindexed: points of an EBSD map that were not indexed or are left out: "refuse" them, give them phase and
            orientation of the "nearest" indexed point, or a label of their own (and no orientation).
        foreign: whether an `.h5` file may take its data from other files (external links and storage, virtual
            datasets).
        voxel_size: edge length of a voxel, one number or one per axis, in the user's unit.
        lengths: edge lengths of the box instead, one number or one per axis.
        max_bytes: refuse what needs more memory than this; None means the free memory of the machine.

    Returns:
        The image; `notes` says what was decided or ignored.

    Raises:
        InputError: one line that names the file, what is wrong with it and what to do.
    """
    options = Options(array, _tuple(shape), dtype, order, header, endian, unindexed, foreign)
    place, reader, options = _door(path, dataset, options)
    with guarded(place, _suffix(place)):
        head = reader.header(place, options)
        check_image(place, head.shape, head.dtype)
        voxel = settled_size(place, head, voxel_size, lengths)
        check_memory(place, image_bytes(head), max_bytes)
        values, rotation, *more = reader.data(place, options, head)
        if values.shape != head.shape:
            raise bad_input(place, f"announces shape {head.shape} but holds {values.shape}", "export it again")
        values = _plain(place, values)
    return ImageData(
        array=values,
        lengths=tuple(n * h for n, h in zip(values.shape, voxel.size, strict=True)),
        voxel_size=voxel.size,
        axes=head.axes,
        source=os.fspath(path) if isinstance(path, (str, os.PathLike)) else str(path),
        rotation=rotation,
        phase_names=dict(head.phase_names),
        notes=tuple(map(one_line, (*head.notes, *voxel.notes, *(more[0] if more else ()), *_colour_note(values)))),
        unit=voxel.unit,
        size_source=voxel.source,
    )


def image_size(
    path: str | os.PathLike,
    *,
    dataset: str | None = None,
    array: str | None = None,
    shape: Sequence[int] | None = None,
    dtype: Any = None,
    order: str | None = None,
    header: int | None = None,
    endian: str | None = None,
    foreign: bool = False,
) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and element type of an image from its header alone.

    Args:
        path: the file.
        dataset: as for `read_image`.
        array: as for `read_image`.
        shape: as for `read_image`.
        dtype: as for `read_image`.
        order: as for `read_image`.
        header: as for `read_image`.
        endian: as for `read_image`.
        foreign: as for `read_image`.

    Returns:
        The shape and dtype that `read_image` would return (bool becomes uint8).

    Raises:
        InputError: as `read_image`, as far as the header shows it.
    """
    options = Options(array, _tuple(shape), dtype, order, header, endian, foreign=foreign)
    place, reader, options = _door(path, dataset, options)
    with guarded(place, _suffix(place)):
        head = reader.header(place, options)
        check_image(place, head.shape, head.dtype)
    return head.shape, np.dtype(np.uint8) if head.dtype.kind == "b" else head.dtype.newbyteorder("=")


def _door(path, dataset, options: Options) -> tuple[Path, _Reader, Options]:
    """Checks that need no look into the file: it exists, its format is known, the arguments belong to it."""
    try:
        place = Path(os.fsdecode(path))
    except TypeError:
        raise InputError(one_line(f"{path!r} is no path: give the name of an image file")) from None
    if not os.fsdecode(path):
        raise InputError("the path is empty: give the name of an image file")
    try:
        mode = os.stat(place).st_mode
    except FileNotFoundError:
        raise bad_input(path, "no such file", "check the name and the folder") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise bad_input(path, f"cannot be opened ({reason})", "check the name and its permissions") from None
    if not stat.S_ISREG(mode):  # a pipe would block for ever
        what = "a folder" if stat.S_ISDIR(mode) else "no regular file"
        raise bad_input(path, f"is {what}", "give an image file")
    suffix = _suffix(place)
    if suffix not in _READERS:
        named = f"format {suffix!r} is unknown" if suffix else "has no suffix that names its format"
        raise bad_input(path, named, f"save it as one of {', '.join(FORMATS)}")
    try:
        with open(place, "rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise bad_input(path, f"cannot be opened ({error.strerror})", "check its permissions") from None
    if empty:
        raise bad_input(path, "is an empty file", "copy or export it again")
    reader = _READERS[suffix]
    for keyword, value in (("dataset", dataset), ("array", options.name)):
        if value is not None and keyword != reader.names:
            right = f"use {reader.names}= instead" if reader.names else "leave it out"
            raise bad_input(path, f"{keyword}= does not apply to {suffix} files", right)
    if suffix != ".raw":
        given = [key for key in ("shape", "dtype", "order", "header", "endian") if getattr(options, key) is not None]
        if given:
            few = [key for key in given if key in ("shape", "dtype")]
            names = "shape= and dtype= do" if few == given else f"{given[-1]}= does"
            raise bad_input(path, f"{names} not apply to {suffix} files, which say it themselves", "leave them out")
    if options.unindexed != "refuse" and reader is not _EBSD:
        raise bad_input(path, f"unindexed= does not apply to {suffix} files", "leave it out")
    if options.foreign and reader is not _HDF5:
        raise bad_input(path, f"foreign= does not apply to {suffix} files", "leave it out")
    return place, reader, options._replace(name=dataset if reader.names == "dataset" else options.name)


def _suffix(path: Path) -> str:
    return ".nii.gz" if path.name.lower().endswith(".nii.gz") else path.suffix.lower()


def _tuple(shape) -> Any:
    return tuple(shape) if hasattr(shape, "__iter__") else shape


def _plain(path: Path, values: np.ndarray) -> np.ndarray:
    """Native byte order, bool as uint8, and no NaN or infinity."""
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    if not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    if values.dtype.kind == "f":
        bad = sum(int(np.count_nonzero(~np.isfinite(slab))) for slab in values)  # slab by slab: no mask of the whole
        if bad:
            raise bad_input(path, f"{bad} voxels are NaN or infinite", "replace them by a label or grey level")
    return values


def _colour_note(values: np.ndarray) -> tuple[str, ...]:
    shape = values.shape
    if values.dtype == np.uint8 and values.ndim == 3 and shape[2] in (3, 4) and min(shape[:2]) > 4 * shape[2]:
        return (f"the last axis has {shape[2]} entries: if they are colours, convert the image to grey levels first",)
    return ()
