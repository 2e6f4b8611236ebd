"""NIfTI files: loaded as [i, j, k], the order that the format stores and nibabel returns.

nibabel interprets the header; the bytes are read here, since it allocates what a damaged header claims (extensions of
gigabytes, arrays that are not there) before it looks.
"""

from __future__ import annotations

import gzip
import math
import struct
from pathlib import Path
from typing import IO

import numpy as np

from ._errors import bad_input, optional, overheard
from ._header import Header, Options
from ._inflate import DEFLATE_RATIO, read_exactly, skip_exactly
from ._voxel import no_unit

_NAMES = "ijk"
_MAGIC = {348: (344, (b"n+1\0",), (b"ni1\0",)), 540: (4, (b"n+2\0",), (b"ni2\0",))}  # where, single file, pair
_MOST_SKIPPED = 2**26  # extensions of more than that are no image's


def nifti_header(path: Path, options: Options) -> Header:
    """Shape, type and voxel size (norms of the affine's columns) of a NIfTI image."""
    nibabel = optional(path, "nibabel")
    with overheard("nibabel.global") as heard:
        head = _interpreted(path, nibabel)
        stored = tuple(int(n) for n in head.get_data_shape())
        dtype = np.dtype(head.get_data_dtype())
        slope, inter = _scaling(head)
        keep = _kept_axes(stored)
        affine = np.asarray(head.get_best_affine(), dtype=np.float64)
        unit = str(head.get_xyzt_units()[0])
        offset = int(head["vox_offset"])
    size, problem = _voxel_size(nibabel, affine)
    _check_length(path, offset, math.prod(stored) * dtype.itemsize)
    notes = [f"nibabel: {line}" for line in dict.fromkeys(heard)]
    if len(keep) < len(stored):
        notes.append(f"axes of one voxel dropped: shape {stored} read as {tuple(stored[k] for k in keep)}")
    if size is not None and np.count_nonzero(np.abs(affine[:3, :3]) > 1e-6 * max(size)) > 3:
        notes.append("the affine rotates the axes; directions 1, 2, 3 are the file's axes i, j, k")
    scaled = not (slope == 1 and inter == 0)
    nbytes = math.prod(stored) * dtype.itemsize
    if scaled:
        notes.append(f"grey levels are scaled as the file says: value = {slope:g} * stored + {inter:g}")
        nbytes += math.prod(stored) * 8
    out = np.dtype(np.float64) if dtype.kind in "iuf" and scaled else dtype
    shape = tuple(stored[k] for k in keep)
    axes = ", ".join(f"file axis {_NAMES[k] if k < 3 else k} -> direction {n + 1}" for n, k in enumerate(keep))
    unit = "" if unit == "unknown" else unit
    if size is not None and unit:
        axes += f"; voxel size in {unit}"
    voxel = None if size is None or max(keep, default=3) > 2 else tuple(size[k] for k in keep)
    # ITK and others always write mm: an affine of ones says nothing, with or without that unit.
    return Header(
        shape, out, axes, voxel, unit, no_unit(voxel, ""), (problem,) if problem else (), nbytes, tuple(notes),
        detail=(offset, dtype, slope, inter),
    )  # fmt: skip


def nifti_data(path: Path, options: Options, header: Header) -> tuple[np.ndarray, None]:
    """The voxels, scaled where the header asks for it."""
    offset, dtype, slope, inter = header.detail
    with _opened(path) as file:
        skip_exactly(path, file, offset)
        raw = read_exactly(path, file, math.prod(header.shape) * dtype.itemsize)
        if file.read(1):
            raise bad_input(path, "holds more data than its header says", "export it again")
    array = np.frombuffer(raw, dtype)
    if header.dtype != dtype:
        array = array.astype(np.float64)
        array *= slope
        array += inter
    return array.reshape(header.shape, order="F"), None


def _interpreted(path: Path, nibabel):
    """nibabel's header object made of the fixed part of the header alone."""
    with _opened(path) as file:
        start = file.read(4)
        sizes = {struct.pack(f"{order}i", n): n for n in _MAGIC for order in "<>"}
        if start not in sizes:
            raise bad_input(path, "is damaged or no NIfTI file (no header of 348 or 540 bytes)", "export it again")
        length = sizes[start]
        block = start + bytes(read_exactly(path, file, length - 4))
    at, single, pair = _MAGIC[length]
    magic = block[at : at + 4]
    if magic in pair:
        raise bad_input(path, "is the header of a pair of files", "save it as one .nii file")
    if magic not in single:
        raise bad_input(path, "is damaged or no NIfTI file (its magic word is missing)", "export it again")
    return (nibabel.Nifti1Header if length == 348 else nibabel.Nifti2Header)(block)


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.name.lower().endswith(".gz") else open(path, "rb")  # type: ignore[return-value]


def _scaling(head) -> tuple[float, float]:
    slope, inter = head.get_slope_inter()
    return (1.0, 0.0) if slope is None else (float(slope), 0.0 if inter is None else float(inter))


def _check_length(path: Path, offset: int, need: int) -> None:
    """Whether the file can hold what its header says, without reading it."""
    held = path.stat().st_size
    packed = path.name.lower().endswith(".gz")
    most = held * DEFLATE_RATIO if packed else held
    if not 0 <= offset <= _MOST_SKIPPED:
        raise bad_input(path, f"has {offset} bytes between header and voxels", "export it again without extensions")
    if offset + need > most:
        raise bad_input(
            path, f"is cut off or damaged ({held} bytes where its header says {offset + need}"
            f"{' before compression' if packed else ''})", "copy or export it again",
        )  # fmt: skip


def _kept_axes(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Trailing axes of one voxel are how NIfTI writes images of fewer axes; the others stay."""
    n = len(shape)
    while n > 2 and shape[n - 1] == 1:
        n -= 1
    return tuple(range(n))


def _voxel_size(nibabel, affine: np.ndarray) -> tuple[tuple[float, ...] | None, str]:
    size = tuple(float(h) for h in nibabel.affines.voxel_sizes(affine))
    if not (np.isfinite(size).all() and min(size) > 0):
        return None, f"the affine's voxel size {size} is not positive: not used"
    return size, ""
