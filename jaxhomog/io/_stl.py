"""The surface of a density as a binary STL file, closed at the faces of the box."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from ._atomic import replacing
from ._errors import bad_input, optional
from ._fields import checked_fields

# A layer of this value around the box puts the closing faces a thousandth of a voxel outside the box.
_OUTSIDE = -1e3


def write_stl(
    path: str | os.PathLike,
    density: np.ndarray,
    lengths: Sequence[float],
    *,
    level: float = 0.5,
    repeat: Sequence[int] = (1, 1, 1),
) -> None:
    """Write the surface density = level of a periodic cell as triangles, the solid where the density is larger.

    The field is linear between the centres of the voxels; on the faces of the box it is the mean of the voxels on both
    sides, so that copies of the cell fit together. The solid is cut off there: the surface is closed, its triangles
    point outwards. The file appears under its name only when it is complete.

    Args:
        path: the file, by custom with the suffix `.stl`.
        density: (nx, ny, nz); a plane design is extruded with `np.repeat(density[:, :, None], n, 2)`.
        lengths: edge lengths of the box, 3 numbers.
        level: of the surface.
        repeat: copies of the cell along each direction.

    Raises:
        InputError: a field that is no 3-D density, no surface at that level, scikit-image is missing, or a place that
            cannot be written to.

    Source:
        Lewiner et al. (2003), J. Graph. Tools 8, 1-15 (marching cubes).
    """
    arrays, shape, sides = checked_fields(path, {"density": density}, lengths)
    field = np.asarray(arrays["density"], float)
    if field.ndim != 3 or len(shape) != 3:
        remedy = "give (nx, ny, nz) and 3 lengths; extrude a plane with np.repeat(density[:, :, None], n, 2)"
        raise bad_input(path, f"a density of shape {field.shape} on {len(shape)} axes has no surface", remedy)
    if not np.isfinite(field).all():
        raise bad_input(path, "the density is not finite", "give finite numbers")
    copies = [int(n) for n in repeat]
    if len(copies) != 3 or min(copies) < 1:
        raise bad_input(path, f"repeat {repeat!r} are not 3 counts", "give one per axis, at least 1")
    if not field.max() > level:
        raise bad_input(path, f"no voxel exceeds level {level:g}", f"give a level below {field.max():g}")
    measure = optional(path, "skimage.measure", "studies")
    field = np.tile(field, copies)
    ticks = []
    for axis, (n, side, count) in enumerate(zip(shape, sides, copies, strict=True)):
        first, last = field.take([0], axis), field.take([-1], axis)
        field = np.concatenate([face := (first + last) / 2, field, face], axis)
        h = side / n
        ticks.append(h * np.array([-1, 0, *(np.arange(n * count) + 0.5), n * count, n * count + 1]))
    field = np.pad(field, 1, constant_values=level + _OUTSIDE * (field.max() - level))
    corners, faces, _, _ = measure.marching_cubes(field, level, gradient_direction="ascent")
    for axis in range(3):
        corners[:, axis] = np.interp(corners[:, axis], np.arange(ticks[axis].size), ticks[axis])
    _write(path, corners[faces])


def _write(path, triangles: np.ndarray) -> None:
    """80 bytes of header, a count, and 50 bytes per triangle: normal, three corners, and two bytes of nothing."""
    edges = np.diff(triangles, axis=1)
    normal = np.cross(edges[:, 0], edges[:, 1])
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    rows = np.zeros(len(triangles), [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("nothing", "<u2")])
    rows["normal"] = normal / np.where(length > 0, length, 1)
    rows["corners"] = triangles
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(b"jaxhomog".ljust(80))
        file.write(np.uint32(len(rows)).astype("<u4").tobytes())
        file.write(rows.tobytes())
