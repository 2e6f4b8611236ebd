"""Integer images of textbook and random cells. Host-side numpy; the same seed gives the same image.

Voxel i of an axis has its centre at i + 1/2. Lengths are in voxels unless said otherwise, and every random image is
periodic.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log, pi, prod

import numpy as np
from jaxtyping import Float, Int

from ..results import InputError
from ._arguments import number as real
from ._arguments import vector, voxels, whole


def sphere_cell(n: int, radius: float, dim: int = 3) -> Int[np.ndarray, "..."]:
    """One centred sphere (2-D: disc) in a cubic cell: 1 where the voxel's centre lies inside, else 0.

    Args:
        n: voxels along each axis.
        radius: in edges of the cell, so that the volume fraction tends to 4/3 π r³ (2-D: π r²).
        dim: 2 or 3.

    Returns:
        (n,) * dim, int32.

    Fails with:
        InputError: dim is neither 2 nor 3, n is no positive integer, or a radius that is negative or not finite.
    """
    n, radius = whole(n, "n", 1), real(radius, "radius", 0, closed=True)
    if whole(dim, "dim", 2) > 3:
        raise InputError(f"dim={dim}: give dim 2 or 3")
    square = ((np.arange(n) + 0.5) / n - 0.5) ** 2
    distance = np.asarray(sum(np.ix_(*[square] * dim)))
    return (distance <= radius**2).astype(np.int32)


def laminate(shape: Sequence[int], fractions: Sequence[float], axis: int = 0) -> Int[np.ndarray, "..."]:
    """Layers normal to `axis`, labelled 0, 1, 2, ... from its beginning.

    Args:
        shape: voxels along each axis.
        fractions: thickness of each layer as a fraction of the cell; they add up to 1.
        axis: array axis of the normal; negative ones count from the last.

    Returns:
        Image of `shape`, int32.

    Fails with:
        InputError: fractions that do not add up to 1, or a layer whose faces are not voxel faces.
    """
    shape = voxels(shape)
    if whole(axis, "axis", -len(shape)) >= len(shape):
        raise InputError(f"axis={axis}: the image has {len(shape)} axes")
    f, n = vector(fractions, "fractions"), shape[axis]
    if not np.all(f >= 0) or abs(f.sum() - 1) > 1e-9:
        raise InputError(f"fractions={fractions}: give non-negative numbers that add up to 1")
    faces = np.cumsum(f) * n
    if np.any(np.abs(faces - np.rint(faces)) > 1e-6):
        raise InputError(f"layers end at {faces} voxels: choose a number of voxels that puts them on voxel faces")
    line = np.searchsorted(np.rint(faces), np.arange(n) + 0.5).astype(np.int32)
    sizes = [n if k == axis % len(shape) else 1 for k in range(len(shape))]
    return np.broadcast_to(line.reshape(sizes), shape).copy()


def checkerboard(shape: Sequence[int], cells: int = 2, phases: int = 2) -> Int[np.ndarray, "..."]:
    """Checkerboard with `cells` equal squares (cubes) along each axis.

    Args:
        shape: voxels along each axis, multiples of `cells`.
        cells: even, so that the image is periodic.
        phases: 2 (labels alternate), or 2**d: the label's binary digit k is the parity along axis k.

    Returns:
        Image of `shape`, int32; label 0 at the origin.

    Fails with:
        InputError: an odd number of cells, a shape that is no multiple of it, another number of phases.
    """
    shape, cells = voxels(shape), whole(cells, "cells", 1)
    if cells % 2 or any(n % cells for n in shape):
        raise InputError(f"checkerboard of {shape} voxels in {cells} cells: give an even number that divides each axis")
    if whole(phases, "phases", 2) not in (2, 2 ** len(shape)):
        raise InputError(f"phases={phases}: use 2 or {2 ** len(shape)}")
    parities = np.ix_(*(np.arange(n) * cells // n % 2 for n in shape))
    if phases == 2:
        out = sum(parities) % 2
    else:
        out = sum(p << k for k, p in enumerate(parities))
    return np.asarray(out, np.int32)


def _gaps(shape: tuple[int, ...], centre: np.ndarray) -> list[np.ndarray]:
    """Along each axis, distance of the voxel centres to a point, to its nearest periodic image."""
    out = []
    for n, c in zip(shape, centre, strict=True):
        gap = np.abs(np.arange(n) + 0.5 - c)
        out.append(np.minimum(gap, n - gap))
    return out


def overlapping_spheres(
    shape: Sequence[int],
    radius: float,
    *,
    number: int | None = None,
    fraction: float | None = None,
    seed: int = 0,
) -> Int[np.ndarray, "..."]:
    """Random overlapping spheres (2-D: discs) with uniform independent centres, periodic.

    With `number`, the expected fraction outside is (1 - V_sphere/V)^number. With `fraction`, spheres are added until
    they fill at least this share of the voxels.

    Args:
        shape: voxels along each axis.
        radius: in voxels.
        number: number of spheres, or None.
        fraction: volume fraction of the spheres in [0, 1), or None.
        seed: of numpy's default generator.

    Returns:
        Image of `shape`, int32: 1 in a sphere, else 0.

    Fails with:
        InputError: not exactly one of number and fraction, or a value out of range (with `fraction`, the radius
            must be at least half a voxel).

    Source:
        The Boolean model: Torquato (2002), Random Heterogeneous Materials (fully penetrable spheres).
    """
    shape, radius = voxels(shape), real(radius, "radius", 0)
    if (number is None) == (fraction is None):
        raise InputError("overlapping_spheres: give either number= or fraction=")
    if fraction is not None:
        fraction = real(fraction, "fraction", 0, 1, closed=True)
        if radius < 0.5:
            raise InputError(f"radius={radius}: give at least 0.5 with fraction=, or number=")
    dim, size = len(shape), prod(shape)
    volume = {1: 2, 2: pi * radius, 3: 4 / 3 * pi * radius**2}[dim] * radius
    if fraction is not None:
        # Each sphere misses a given voxel with probability 1 - volume/size: this many leave none, but by a miracle.
        wanted, cap = fraction * size, int((size / volume + 1) * (log(size) + 20)) + 1
    else:
        wanted, cap = np.inf, whole(number, "number", 0)
    rng = np.random.default_rng(whole(seed, "seed", 0))
    image, filled = np.zeros(shape, np.int32), 0
    for _ in range(cap):
        if filled >= wanted:
            break
        gaps = _gaps(shape, rng.random(dim) * shape)
        near = [np.flatnonzero(g <= radius) for g in gaps]
        window = np.ix_(*near)
        distance = sum(np.ix_(*(g[at] ** 2 for g, at in zip(gaps, near, strict=True))))
        new = (distance <= radius**2) & (image[window] == 0)
        filled += int(new.sum())
        image[window] |= new
    return image


def voronoi(shape: Sequence[int], grains: int, seed: int = 0) -> Int[np.ndarray, "..."]:
    """Periodic Voronoi cells of uniform random points: each voxel takes the number of the nearest point.

    Args:
        shape: voxels along each axis.
        grains: number of points; a cell smaller than a voxel may be missing from the image.
        seed: of numpy's default generator.

    Returns:
        Image of `shape`, int32, labels 0 ... grains - 1.

    Fails with:
        InputError: no grains, or a bad shape.
    """
    shape, grains = voxels(shape), whole(grains, "grains", 1)
    dim = len(shape)
    points = np.random.default_rng(whole(seed, "seed", 0)).random((grains, dim)) * shape
    # Each point looks at a window of 1.5 mean spacings: what it leaves farther away than that is searched in full.
    reach = 1.5 * (prod(shape) / grains) ** (1 / dim) + 1
    best, label = np.full(shape, np.inf), np.zeros(shape, np.int32)
    for number, point in enumerate(points):
        gaps = _gaps(shape, point)
        near = [np.flatnonzero(g <= reach) for g in gaps]
        window = np.ix_(*near)
        distance = sum(np.ix_(*(g[at] ** 2 for g, at in zip(gaps, near, strict=True))))
        closer = distance < best[window]
        best[window] = np.where(closer, distance, best[window])
        label[window] = np.where(closer, np.int32(number), label[window])
    unsure = np.argwhere(best > reach**2)
    for part in np.array_split(unsure, max(1, len(unsure) * grains // 2_000_000)):
        gap = np.abs(part[:, None, :] + 0.5 - points)
        gap = np.minimum(gap, np.asarray(shape) - gap)
        label[tuple(part.T)] = np.argmin(np.sum(gap**2, axis=-1), axis=1)
    return label


def random_rotations(number: int, seed: int = 0) -> Float[np.ndarray, "number 3 3"]:
    """Rotations drawn uniformly (Haar measure): those of normalized Gaussian quaternions.

    Args:
        number: how many.
        seed: of numpy's default generator.

    Returns:
        (number, 3, 3), v_sample = R v_crystal, float64.

    Fails with:
        InputError: a negative number.

    Source:
        Shoemake (1992), Uniform random rotations, Graphics Gems III, 124-132.
    """
    q = np.random.default_rng(whole(seed, "seed", 0)).normal(size=(whole(number, "number", 0), 4))
    q /= np.linalg.norm(q, axis=1, keepdims=True)
    w, v = q[:, 0, None, None], q[:, 1:]
    cross = np.cross(v[:, None, :], np.eye(3))  # rows v x e_k
    return (2 * w**2 - 1) * np.eye(3) + 2 * v[:, :, None] * v[:, None, :] + 2 * w * np.swapaxes(cross, 1, 2)
