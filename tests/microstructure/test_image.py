"""Crop, coarsen and threshold against values counted by hand and by a plain loop."""

from collections import Counter
from itertools import product

import numpy as np
import pytest

from jaxhomog.microstructure import coarsen, coarsen_index, crop, threshold
from jaxhomog.results import InputError

RNG = np.random.default_rng(7)


def _line(call):
    with pytest.raises(InputError) as caught:
        call()
    line = str(caught.value)
    assert line.isprintable() and len(line.splitlines()) == 1
    return line


def test_crop():
    image = np.arange(60).reshape(3, 4, 5)
    part = crop(image, [(1, 3), slice(None, 2), None])
    assert np.array_equal(part, image[1:3, :2]) and part.base is None
    assert np.array_equal(crop(image, [(-2, None), (0, -1), slice(-1, None)]), image[1:, :3, 4:])
    assert np.array_equal(crop(image[0], ((0, 4), (2, 3))), image[0, :, 2:3])


@pytest.mark.parametrize(
    "ranges, word",
    [
        ([(0, 1)], "one (start, stop) per axis"),
        ("ab", "one (start, stop) per axis"),
        (3, "one (start, stop) per axis"),
        (slice(0, 2), "one (start, stop) per axis"),
        ([(0, 5), None], "axis 0"),
        ([None, (2, 2)], "axis 1"),
        ([None, (3, 1)], "empty"),
        ([(-5, 2), None], "leaves its 4 voxels"),
        ([slice(0, 4, 2), None], "step of 2"),
        ([(0, 1.5), None], "two integers"),
        ([(0, 1, 2), None], "two integers"),
        ([(True, 2), None], "two integers"),
    ],
)
def test_crop_refuses(ranges, word):
    assert word in _line(lambda: crop(np.zeros((4, 3)), ranges))


@pytest.mark.parametrize("shape, factor", [((6, 4), 2), ((6, 4), (3, 1)), ((4, 6, 3), (2, 3, 3)), ((3, 3, 3), 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
def test_majority_is_the_most_frequent_and_the_smallest_of_equals(shape, factor, dtype):
    image = (RNG.integers(0, 4, shape) - (0 if dtype == np.uint8 else 2)).astype(dtype)
    factors = (factor,) * len(shape) if isinstance(factor, int) else factor
    got = coarsen(image, factor)
    assert got.dtype == dtype
    for place in product(*(range(n // f) for n, f in zip(shape, factors, strict=True))):
        block = image[tuple(slice(p * f, (p + 1) * f) for p, f in zip(place, factors, strict=True))]
        counts = Counter(block.ravel().tolist())
        assert got[place] == min(v for v, c in counts.items() if c == max(counts.values()))


def test_ties_do_not_depend_on_the_order_of_voxels():
    image = np.array([[5, 5, 9, 9], [9, 9, 5, 5]])
    assert coarsen(image, 2).tolist() == [[5, 5]] == coarsen(image[:, ::-1], 2).tolist()


def test_mean():
    image = np.array([[0, 255, 1, 2], [255, 255, 3, 5]], np.uint8)
    got = coarsen(image, 2, "mean")
    assert got.tolist() == [[191.25, 2.75]] and got.dtype == np.float64
    assert coarsen(image.astype(np.float32), 2, "mean").dtype == np.float32
    big = RNG.random((8, 6, 4))
    assert np.allclose(coarsen(big, (4, 3, 2), "mean").mean(), big.mean(), rtol=1e-14)


@pytest.mark.parametrize(
    "factor, kind, word",
    [
        (0, "mean", "positive integer"),
        (-2, "mean", "positive integer"),
        (1.5, "mean", "positive integer"),
        ((2, 2, 2), "mean", "each of 2 axes"),
        ((), "mean", "each of 2 axes"),
        (2, "median", "'median'"),
        (3, "majority", "crop it to (3, 3) first"),
        (9, "majority", "smaller factor"),
    ],
)
def test_coarsen_refuses(factor, kind, word):
    assert word in _line(lambda: coarsen(np.zeros((4, 4)) if factor != 3 else np.zeros((4, 3)), factor, kind))


def test_factor_one_is_a_copy():
    image = np.arange(6).reshape(2, 3)
    got = coarsen(image, 1)
    assert np.array_equal(got, image) and not np.shares_memory(got, image)


def test_threshold_counts_the_levels_below():
    image = np.array([[0, 63, 64], [100, 101, 255]], np.uint8)
    assert threshold(image, 63).tolist() == [[0, 0, 1], [1, 1, 1]]
    assert threshold(image, [63, 100]).tolist() == [[0, 0, 1], [1, 2, 2]]
    assert threshold(image, [-1e9, 1e9]).tolist() == [[1, 1, 1], [1, 1, 1]]
    assert threshold(image, 63).dtype == np.uint8
    grey = RNG.normal(size=(5, 6, 7))
    levels = np.sort(RNG.normal(size=300))
    assert np.array_equal(threshold(grey, levels), (grey[..., None] > levels).sum(axis=-1))


@pytest.mark.parametrize("levels, word", [([], "0 levels"), ([2, 1], "increasing"), ([1, 1], "increasing"),
                                          ("x", "no numbers"), (np.nan, "finite"), ([[1, 2]], "2 axes"),
                                          (None, "finite")])  # fmt: skip
def test_threshold_refuses(levels, word):
    assert word in _line(lambda: threshold(np.zeros((2, 2)), levels))


@pytest.mark.parametrize(
    "verb", [lambda a: crop(a, [None] * a.ndim), lambda a: coarsen(a, 1), lambda a: threshold(a, 0)]
)
@pytest.mark.parametrize("bad", [np.zeros(3), np.zeros((0, 2)), np.zeros((2, 2), complex), np.zeros((2, 2, 2, 2))])
def test_no_image(verb, bad):
    assert "is no image" in _line(lambda: verb(bad))


def test_nan_is_refused():
    image = np.array([[0.0, np.nan]])
    assert "NaN" in _line(lambda: threshold(image, 0.5))
    assert "NaN" in _line(lambda: coarsen(image, 1))


def test_coarsen_index_refuses_what_does_not_fit(unchecked):
    fine = np.arange(16).reshape(4, 4) // 8
    np.testing.assert_array_equal(coarsen_index(fine, coarsen(fine, 2), 2)[0], [[0, 0], [2, 2]])
    for coarse, factor, word in ((np.zeros((3, 3)), 2, "is not"), (fine[::2, ::2], 2.0, "factor"), ("ab", 2, "image")):
        with pytest.raises(InputError, match=word):
            coarsen_index(fine, coarse, factor)
    with pytest.raises(InputError, match="no array"):
        coarsen([[0, 1], [1]], 2)
