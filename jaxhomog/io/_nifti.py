"""NIfTI files: loaded as [i, j, k], the order that the format stores and nibabel returns."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ._errors import bad_input, optional, overheard
from ._header import Header, Options

_NAMES = "ijk"


def nifti_header(path: Path, options: Options) -> Header:
    """Shape, type and voxel size (norms of the affine's columns) of a NIfTI image."""
    nibabel = optional(path, "nibabel")
    with overheard("nibabel.global") as heard:
        image = nibabel.load(path)
        proxy = image.dataobj
        stored = tuple(int(n) for n in image.shape)
        dtype = np.dtype(image.get_data_dtype())
        keep = _kept_axes(stored)
        size, problem = _voxel_size(nibabel, image)
        unit = str(image.header.get_xyzt_units()[0])
    notes = [f"nibabel: {line}" for line in dict.fromkeys(heard)]
    if len(keep) < len(stored):
        notes.append(f"axes of one voxel dropped: shape {stored} read as {tuple(stored[k] for k in keep)}")
    if problem:
        notes.append(problem)
    scaled = not (proxy.slope == 1 and proxy.inter == 0)
    nbytes = math.prod(stored) * dtype.itemsize
    if scaled:
        notes.append(f"grey levels are scaled as the file says: value = {proxy.slope:g} * stored + {proxy.inter:g}")
        nbytes += math.prod(stored) * 8
    if dtype.kind in "iuf" and scaled:
        dtype = np.dtype(np.float64)
    shape = tuple(stored[k] for k in keep)
    axes = ", ".join(f"file axis {_NAMES[k] if k < 3 else k} -> direction {n + 1}" for n, k in enumerate(keep))
    if size is not None and unit != "unknown":
        axes += f"; voxel size in {unit}"
    voxel = None if size is None or max(keep, default=3) > 2 else tuple(size[k] for k in keep)
    return Header(shape, dtype, axes, voxel, nbytes, tuple(notes))


def nifti_data(path: Path, options: Options, header: Header) -> tuple[np.ndarray, None]:
    """The voxels, scaled where the header asks for it."""
    nibabel = optional(path, "nibabel")
    with overheard("nibabel.global"):
        # No memory map: the array must stay valid when the file is replaced.
        array = np.asanyarray(nibabel.load(path, mmap=False).dataobj)
    if array.dtype.kind == "f" and header.dtype == np.float64:
        array = array.astype(np.float64, copy=False)
    if array.size != math.prod(header.shape):
        raise bad_input(path, "changed while it was read", "try again")
    return array.reshape(header.shape, order="F"), None


def _kept_axes(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Trailing axes of one voxel are how NIfTI writes images of fewer axes; the others stay."""
    n = len(shape)
    while n > 2 and shape[n - 1] == 1:
        n -= 1
    return tuple(range(n))


def _voxel_size(nibabel, image) -> tuple[tuple[float, ...] | None, str]:
    affine = np.asarray(image.affine, dtype=np.float64)
    size = tuple(float(h) for h in nibabel.affines.voxel_sizes(affine))
    if not (np.isfinite(size).all() and min(size) > 0):
        return None, f"the affine's voxel size {size} is not positive: not used"
    if np.count_nonzero(np.abs(affine[:3, :3]) > 1e-6 * max(size)) > 3:
        return size, "the affine rotates the axes; directions 1, 2, 3 are the file's axes i, j, k"
    return size, ""
