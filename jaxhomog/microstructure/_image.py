"""Crop, coarsen and threshold: what an image needs before it is a cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from ..results import InputError

Range = slice | tuple[int | None, int | None] | None


def crop(image: np.ndarray, ranges: Sequence[Range]) -> np.ndarray:
    """The part of an image inside index ranges.

    Args:
        image: 2-D or 3-D array.
        ranges: one per axis: (start, stop) or a slice with step 1, half open as in Python (None and negative ends
            too), or None for the whole axis.

    Returns:
        A copy of that part (the rest of the image can be freed).

    Raises:
        InputError: not one range per axis, or a range that is empty or leaves the image.
    """
    image = _image("crop", image)
    return image[crop_slices(image.shape, ranges)].copy()


def crop_slices(shape: tuple[int, ...], ranges: Sequence[Range]) -> tuple[slice, ...]:
    """The slices that `crop` takes, for arrays that have further axes behind the image's.

    Args:
        shape: shape of the image.
        ranges: as for `crop`.

    Returns:
        One slice per axis, with both ends explicit.

    Raises:
        InputError: as for `crop`.
    """
    if isinstance(ranges, (slice, str)) or not hasattr(ranges, "__len__") or len(ranges) != len(shape):
        raise InputError(
            f"crop: the ranges {ranges!r} do not fit an image of shape {shape}: give one (start, stop) per axis, None"
            " for a whole axis"
        )
    return tuple(_slice(axis, n, r) for axis, (n, r) in enumerate(zip(shape, ranges, strict=True)))


def coarsen(
    image: np.ndarray, factor: int | Sequence[int], kind: Literal["majority", "mean"] = "majority"
) -> np.ndarray:
    """Replace blocks of voxels by one voxel.

    Args:
        image: 2-D or 3-D array.
        factor: voxels per block along each axis (one integer for all); must divide the shape.
        kind: "majority" for labels: the most frequent value of the block, the smallest of them where several are
            equally frequent (so the result does not depend on the order of the voxels); "mean" for grey levels.

    Returns:
        The coarse image: of the image's dtype for "majority", float64 for "mean" (float32 of a float32 image).

    Raises:
        InputError: an unknown kind, a factor that is not a positive integer or does not divide the shape, or NaN
            in the image.
    """
    image = _image("coarsen", image)
    if kind not in ("majority", "mean"):
        raise InputError(f"coarsen: unknown kind {kind!r}: choose 'majority' for labels or 'mean' for grey levels")
    factors = _factors(image.shape, factor)
    if all(f == 1 for f in factors) and kind == "majority":
        return image.copy()
    shape = tuple(n // f for n, f in zip(image.shape, factors, strict=True))
    out = np.empty(shape, image.dtype if kind == "majority" else _mean_dtype(image.dtype))
    for i in range(shape[0]):  # slab by slab: the sorted copy of a whole image would cost many times its memory
        slab = _blocks(image[i * factors[0] : (i + 1) * factors[0]], factors)[0]
        out[i] = _most_frequent(slab) if kind == "majority" else slab.mean(axis=-1, dtype=np.float64)
    return out


def coarsen_index(image: np.ndarray, coarse: np.ndarray, factor: int | Sequence[int]) -> tuple[np.ndarray, ...]:
    """Where, for each coarse voxel, the first fine voxel of its value lies in the fine image.

    This carries whatever belongs to a voxel (an orientation, say) over to the coarse image without averaging it.

    Args:
        image: the fine image.
        coarse: `coarsen(image, factor, "majority")`.
        factor: voxels per block along each axis (one integer for all).

    Returns:
        One integer array of the coarse shape per axis, to index the fine image with.

    Raises:
        InputError: a coarse value that its block does not hold (a mean), or shapes that do not fit.
    """
    image, coarse = _image("coarsen_index", image), _image("coarsen_index", coarse)
    factor = _factors(image.shape, factor)
    if coarse.shape != tuple(n // f for n, f in zip(image.shape, factor, strict=True)):
        raise InputError(f"coarsen_index: a coarse image of shape {coarse.shape} is not {image.shape} over {factor}")
    same = _blocks(image, factor) == coarse[..., None]
    if not same.any(axis=-1).all():
        raise InputError("coarsen: a mean has no orientation: coarsen an orientation map with kind='majority'")
    inside = np.unravel_index(same.argmax(axis=-1), factor)
    corner = np.indices(coarse.shape)
    return tuple(c * f + k for c, f, k in zip(corner, factor, inside, strict=True))


def threshold(image: np.ndarray, levels: float | Sequence[float]) -> np.ndarray:
    """Turn grey levels into labels 0..n: the number of levels that are below the voxel's value.

    Args:
        image: 2-D or 3-D array of grey levels.
        levels: one level, or n increasing ones; a value equal to a level stays below it.

    Returns:
        Labels, uint8 (uint16 from 256 levels on).

    Raises:
        InputError: no level, a level that is not finite, levels that do not increase, or NaN in the image.
    """
    image = _image("threshold", image)
    try:
        steps = np.atleast_1d(np.asarray(levels, dtype=np.float64))
    except (TypeError, ValueError):
        raise InputError(f"threshold: the levels {levels!r} are no numbers: give one number or a list") from None
    if steps.ndim != 1 or not 1 <= steps.size < 2**16:
        raise InputError(f"threshold: {steps.size} levels of {steps.ndim} axes: give one number or a list of them")
    if not np.isfinite(steps).all() or (np.diff(steps) <= 0).any():
        raise InputError(f"threshold: the levels {steps.tolist()} are not finite and increasing: sort them")
    labels = np.zeros(image.shape, np.uint8 if steps.size < 256 else np.uint16)
    for step in steps.tolist():
        labels += image > step
    return labels


def _image(verb: str, image: np.ndarray) -> np.ndarray:
    try:
        image = np.asarray(image)
    except ValueError:  # rows of different lengths
        raise InputError(f"{verb}: a {type(image).__name__} that is no array is no image: give real numbers") from None
    if image.ndim not in (2, 3) or image.size == 0 or image.dtype.kind not in "biuf":
        raise InputError(
            f"{verb}: an array of shape {image.shape} and dtype {image.dtype} is no image: give a 2-D or 3-D array of"
            " real numbers"
        )
    if verb != "crop" and image.dtype.kind == "f" and np.isnan(image).any():
        raise InputError(f"{verb}: the image holds NaN: replace them by a label or grey level first")
    return image


def _slice(axis: int, n: int, given: Range) -> slice:
    if given is None:
        return slice(0, n)
    try:
        start, stop, step = (given.start, given.stop, given.step) if isinstance(given, slice) else (*given, None)
        start = 0 if start is None else _integer(start)
        stop = n if stop is None else _integer(stop)
        step = 1 if step is None else _integer(step)
    except (TypeError, ValueError):
        raise InputError(f"crop: the range {given!r} of axis {axis} is not (start, stop): give two integers") from None
    if step != 1:
        raise InputError(f"crop: axis {axis} has a step of {step}: crop with step 1, then coarsen")
    start, stop = (k + n if k < 0 else k for k in (start, stop))
    if not 0 <= start < stop <= n:
        raise InputError(
            f"crop: the range ({start}, {stop}) of axis {axis} is empty or leaves its {n} voxels: keep"
            f" 0 <= start < stop <= {n}"
        )
    return slice(start, stop)


def _integer(value) -> int:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError("not an integer")
    return int(value)


def _factors(shape: tuple[int, ...], factor) -> tuple[int, ...]:
    given = list(factor) if hasattr(factor, "__iter__") else [factor] * len(shape)
    try:
        factors = tuple(_integer(f) for f in given)
    except TypeError:
        factors = ()
    if len(factors) != len(shape) or min(factors) < 1:
        raise InputError(
            f"coarsen: the factor {factor!r} is no positive integer, or not one for each of {len(shape)} axes"
        )
    if any(n % f for n, f in zip(shape, factors, strict=True)):
        fitting = tuple(n - n % f for n, f in zip(shape, factors, strict=True))
        remedy = f"crop it to {fitting} first" if all(fitting) else "use a smaller factor"
        raise InputError(f"coarsen: the factor {factors} does not divide the shape {shape}: {remedy}")
    return factors


def _blocks(image: np.ndarray, factors: tuple[int, ...]) -> np.ndarray:
    """The image as (coarse shape..., voxels of the block), voxels in C order."""
    d = image.ndim
    split = image.reshape([k for n, f in zip(image.shape, factors, strict=True) for k in (n // f, f)])
    split = split.transpose([*range(0, 2 * d, 2), *range(1, 2 * d, 2)])
    return split.reshape(*split.shape[:d], math.prod(factors))


def _most_frequent(blocks: np.ndarray) -> np.ndarray:
    """Most frequent value along the last axis, the smallest of equals, without a loop over values."""
    ordered = np.sort(blocks, axis=-1)
    place = np.arange(ordered.shape[-1])
    first = np.ones(ordered.shape, bool)
    first[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    # Length so far of the run of equal values that each place is in; argmax takes the first of equal lengths, which
    # in ascending order is the smallest value.
    run = place - np.maximum.accumulate(np.where(first, place, 0), axis=-1)
    return np.take_along_axis(ordered, run.argmax(axis=-1)[..., None], axis=-1)[..., 0]


def _mean_dtype(dtype: np.dtype) -> type:
    return np.float32 if dtype in (np.dtype(np.float16), np.dtype(np.float32)) else np.float64
