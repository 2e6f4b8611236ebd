"""Clusters and percolation against an independent labelling, brute force on the covering space, and known images."""

import time

import numpy as np
import pytest
from scipy import ndimage

from jaxhomog.microstructure import percolation
from jaxhomog.results import InputError

IMAGES = [
    np.random.default_rng(seed).random(shape) < p
    for seed, (shape, p) in enumerate(
        [
            ((1,), 1.0),
            ((9,), 0.6),
            ((8, 11), 0.55),
            ((12, 7), 0.62),
            ((1, 6, 5), 0.5),
            ((7, 5, 6), 0.3),
            ((9, 8, 7), 0.35),
        ]
        + [((6, 6), 0.6)] * 12
        + [((4, 5, 6), 0.33)] * 12
    )
]


def _same_partition(a, b):
    pairs = np.unique(np.stack([a.ravel(), b.ravel()]), axis=1)
    return len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]


def _walk(mask, around):
    """Brute force: label every voxel by flood fill in the covering space, and collect the windings met."""
    seen, windings, number = {}, {}, 0
    for start in map(tuple, np.argwhere(mask)):
        if start in seen:
            continue
        number += 1
        seen[start], windings[number], stack = (number, np.zeros(mask.ndim, int)), [], [start]
        while stack:
            at = stack.pop()
            for k in range(mask.ndim):
                for sign in (1, -1):
                    to, box = list(at), seen[at][1].copy()
                    to[k] += sign
                    if not 0 <= to[k] < mask.shape[k]:
                        if not around[k]:
                            continue
                        box[k] += sign
                        to[k] %= mask.shape[k]
                    to = tuple(to)
                    if not mask[to]:
                        continue
                    if to not in seen:
                        seen[to] = (number, box)
                        stack.append(to)
                    else:
                        windings[number].append(box - seen[to][1])
    labels = np.zeros(mask.shape, int)
    for at, (label, _) in seen.items():
        labels[at] = label
    wraps = np.array([np.any(np.array(w).reshape(-1, mask.ndim) != 0, axis=0) for w in windings.values()])
    return labels, wraps.reshape(number, mask.ndim)


@pytest.mark.parametrize("mask", IMAGES, ids=lambda m: str(m.shape))
def test_open_clusters_are_those_of_an_independent_labelling(mask):
    got = percolation(mask)
    labels, number = ndimage.label(mask)
    assert len(got.sizes) == number and _same_partition(labels, got.labels)
    assert np.all(np.diff(got.sizes) <= 0)
    np.testing.assert_array_equal(np.bincount(got.labels[mask], minlength=number + 1)[1:], got.sizes)
    for k in range(mask.ndim):
        first, last = np.take(labels, 0, k), np.take(labels, -1, k)
        touching = np.intersect1d(first[first > 0], last[last > 0])
        assert got.percolates[k] == got.open[k] == bool(touching.size)
        assert got.connected_fraction[k] == pytest.approx(np.isin(labels, touching).sum() / max(mask.sum(), 1))
    for label, at in enumerate(got.voxels, start=1):
        assert got.labels[tuple(at)] == label


@pytest.mark.parametrize("around", ("all", "first"))
@pytest.mark.parametrize("mask", IMAGES, ids=lambda m: str(m.shape))
def test_periodic_clusters_and_windings_are_those_of_a_walk(mask, around):
    around = tuple(around == "all" or k == 0 for k in range(mask.ndim))
    got = percolation(mask, periodic=around)
    labels, wraps = _walk(mask, around)
    assert _same_partition(labels, got.labels)
    for old in range(1, labels.max() + 1):
        new = got.labels[tuple(np.argwhere(labels == old)[0])]
        for k in range(mask.ndim):
            if around[k]:
                assert got.spans[new - 1, k] == wraps[old - 1, k]
            else:
                here = labels == old
                assert got.spans[new - 1, k] == (np.take(here, 0, k).any() and np.take(here, -1, k).any())


def test_known_images():
    bar = np.zeros((6, 6, 6), bool)
    bar[:, 2, 3] = True
    assert percolation(bar).percolates == percolation(bar, True).percolates == (True, False, False)
    # A bar that leaves at one place and enters at another is open but wraps around nothing.
    kink = np.zeros((6, 8), bool)
    kink[:3, 2] = kink[3:, 5] = kink[2, 2:6] = True
    assert percolation(kink).open == (True, False)
    got = percolation(kink, periodic=True)
    assert got.percolates == (False, False) and got.open == (True, False) and list(got.islands) == [1]
    # A staircase winds around both axes at once.
    stair = np.eye(6, dtype=bool) | np.roll(np.eye(6, dtype=bool), 1, axis=1)
    assert percolation(stair, periodic=True).percolates == (True, True)
    # A checkerboard touches along edges only: every voxel is an island.
    board = np.indices((6, 6)).sum(0) % 2 == 0
    got = percolation(board, periodic=True)
    assert (len(got.islands), got.island_fraction, got.fraction) == (18, 1.0, 0.5)
    # A wall with an enclosed pore: the pore is named, counted and found.
    solid = np.ones((7, 7, 7), bool)
    solid[3, 3, 3] = False
    summary = percolation(~solid).summary()
    assert summary["largest_islands"] == [{"label": 1, "voxels": 1, "voxel": [3, 3, 3]}]
    assert (summary["islands"], summary["clusters"], summary["percolates"]) == (1, 1, [False] * 3)


def test_trivial_images():
    full, empty = percolation(np.ones((3, 4), bool), True), percolation(np.zeros((3, 4), bool), True)
    assert full.percolates == (True, True) and full.connected_fraction == (1.0, 1.0) and len(full.islands) == 0
    assert empty.percolates == empty.open == (False, False) and len(empty.sizes) == 0
    assert empty.fraction == empty.island_fraction == 0 and empty.connected_fraction == (0.0, 0.0)
    assert empty.summary()["largest_islands"] == []


@pytest.mark.parametrize("periodic", (False, True))
def test_translation_and_permutation_of_a_periodic_image(periodic):
    mask = np.random.default_rng(1).random((9, 8, 7)) < 0.32
    one, turned = percolation(mask, periodic), percolation(mask.transpose(2, 0, 1), periodic)
    assert turned.percolates == tuple(one.percolates[k] for k in (2, 0, 1))
    np.testing.assert_array_equal(one.sizes, turned.sizes)
    if periodic:
        moved = percolation(np.roll(mask, (3, 5, 2), (0, 1, 2)), True)
        assert moved.percolates == one.percolates
        np.testing.assert_array_equal(one.sizes, moved.sizes)


def test_a_long_labyrinth_and_a_large_image_take_seconds():
    maze = np.zeros((201, 201), bool)
    maze[::2] = True
    maze[1::4, -1] = maze[3::4, 0] = True  # one snake through all rows
    got = percolation(maze)
    assert len(got.sizes) == 1 and got.percolates == (True, True)
    mask = np.random.default_rng(2).random((128, 128, 128)) < 0.3
    begin = time.process_time()
    got = percolation(mask, periodic=True)
    assert time.process_time() - begin < 15  # (about 1 s; a per-voxel loop takes minutes)
    assert len(percolation(mask).sizes) == ndimage.label(mask)[1]


def test_bad_input(unchecked):
    with pytest.raises(InputError, match="boolean"):
        percolation(np.ones((3, 3)))
    with pytest.raises(InputError, match="boolean"):
        percolation(np.ones((0, 3), bool))
    with pytest.raises(InputError, match="2 axes"):
        percolation(np.ones((3, 3), bool), (True, False, True))
    for bad in ("x", 2, None, [[True, False], [True, False]], (True, 1)):
        with pytest.raises(InputError, match="periodic="):
            percolation(np.ones((3, 3), bool), bad)
    for bad in ([[True], [True, False]], np.ones((2, 2, 2, 2), bool)):
        with pytest.raises(InputError, match="mask has"):
            percolation(bad)
