"""The random checkerboard, and independent realizations of any generator. Host-side numpy."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Int, Shaped

from ..results import InputError
from ._arguments import number as real
from ._arguments import vector, voxels, whole


def random_checkerboard(
    shape: Sequence[int], cells: int | Sequence[int], fraction: float | Sequence[float], *, seed: int = 0
) -> Int[np.ndarray, "..."]:
    """Equal square (2-D) or cubic cells, each of a phase drawn independently of the others; periodic.

    With two phases, averaged over the origin,

        S2(r) - f^2 = f (1 - f) prod_k (1 - |r_k| / a_k)_+,    a_k = edge of a cell,    integral range prod_k a_k

    Args:
        shape: voxels along each axis, multiples of `cells`.
        cells: number of cells along each axis (one integer for all).
        fraction: probability of label 1, or those of labels 0, 1, 2, ..., which add up to 1. The fraction of an image
            scatters about it with variance f (1 - f) / number of cells.
        seed: of numpy's default generator.

    Returns:
        Image of `shape`, int32.

    Fails with:
        InputError: a shape that is no multiple of the cells, or probabilities out of range.

    Source:
        Torquato (2002), Random Heterogeneous Materials (symmetric-cell materials).
    """
    shape = voxels(shape)
    counts: list = list(cells) if isinstance(cells, list | tuple | np.ndarray) else [cells] * len(shape)
    if len(counts) != len(shape):
        raise InputError(f"cells={cells!r}: give one integer, or one for each of {len(shape)} axes")
    counts = [whole(c, "cells", 1) for c in counts]
    if any(n % c for n, c in zip(shape, counts, strict=True)):
        raise InputError(f"cells={cells!r}: {counts} cells do not divide {shape} voxels")
    if np.ndim(fraction) == 0:
        chance = real(fraction, "fraction", -np.inf)
        share = np.array([1 - chance, chance])
    else:
        share = vector(fraction, "fraction")
    if np.any(share < 0) or abs(share.sum() - 1) > 1e-9:
        raise InputError(f"fraction={fraction!r}: give probabilities that add up to 1")
    draw = np.random.default_rng(whole(seed, "seed", 0)).random(counts)
    image = np.searchsorted(np.cumsum(share)[:-1], draw, side="right").astype(np.int32)
    for k, (n, c) in enumerate(zip(shape, counts, strict=True)):
        image = np.repeat(image, n // c, axis=k)
    return image


def realizations(
    generate: Callable[..., Shaped[np.ndarray, "..."]], number: int, seed: int = 0
) -> Shaped[np.ndarray, "number ..."]:
    """Independent realizations of a generator, `generate(seed=...)` stacked on a leading axis.

        images = realizations(lambda seed: hard_spheres((64, 64, 64), 6, fraction=0.3, seed=seed), 20)

    The seeds are children of one (numpy's `SeedSequence.spawn`), so that realization i is the same however many come
    after it, and ensembles of neighbouring seeds share none (`seed`, `seed + 1`, ... handed to the generator would).
    `gaussian_field(number=)` draws all of its realizations from one stream: other fields, the same statistics.

    Args:
        generate: called with the keyword `seed`, an integer; returns an array of one shape.
        number: how many, at least one.
        seed: of the sequence.

    Returns:
        (number, *shape of one), of the generator's dtype.

    Fails with:
        InputError: something that cannot be called with a seed, no realizations, or realizations of different shapes.
    """
    children = np.random.SeedSequence(whole(seed, "seed", 0)).spawn(whole(number, "number", 1))
    if not _takes_seed(generate):
        raise InputError(f"generate={generate!r}: give a function of the keyword seed")
    images = [np.asarray(generate(seed=int(child.generate_state(1, np.uint64)[0]))) for child in children]
    shapes = {image.shape for image in images}
    if len(shapes) > 1:
        raise InputError(f"realizations: images of different shapes {sorted(shapes)}: generate all of one shape")
    return np.stack(images)


def _takes_seed(generate) -> bool:
    try:
        inspect.signature(generate).bind(seed=0)
    except TypeError:
        return False
    except ValueError:  # compiled functions do not say what they take
        return callable(generate)
    return True
