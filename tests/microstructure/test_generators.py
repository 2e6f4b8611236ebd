"""Generated images: volume fractions, periodicity, nearest points by brute force, uniform rotations, seeds."""

import numpy as np
import pytest

from jaxhomog.microstructure import (
    checkerboard,
    laminate,
    overlapping_spheres,
    random_rotations,
    sphere_cell,
    voronoi,
)
from jaxhomog.results import InputError


def _periodic_distance(shape, point):
    """Distance of every voxel centre to the nearest of the 3^d images of a point, one image after another."""
    at = np.stack(np.meshgrid(*(np.arange(n) + 0.5 for n in shape), indexing="ij"), axis=-1)
    images = np.stack(np.meshgrid(*[[-1, 0, 1]] * len(shape), indexing="ij"), axis=-1).reshape(-1, len(shape))
    return np.min([np.linalg.norm(at - point - image * shape, axis=-1) for image in images], axis=0)


@pytest.mark.parametrize("dim, volume", ((2, np.pi * 0.09), (3, 4 / 3 * np.pi * 0.027)))
def test_sphere_cell(dim, volume):
    for n in (15, 16):
        image = sphere_cell(n, 0.3, dim)
        expected = _periodic_distance((n,) * dim, np.full(dim, n / 2)) <= 0.3 * n
        np.testing.assert_array_equal(image, expected)
        for k in range(dim):
            np.testing.assert_array_equal(image, np.flip(image, k))
            np.testing.assert_array_equal(image, np.swapaxes(image, 0, k))
    assert sphere_cell(96, 0.3, dim).mean() == pytest.approx(volume, rel=3e-3)
    assert sphere_cell(4, 0.0, dim).sum() == 0


def test_laminate():
    image = laminate((4, 8, 2), (0.25, 0.5, 0.25), axis=1)
    assert image.shape == (4, 8, 2)
    np.testing.assert_array_equal(image[0, :, 0], [0, 0, 1, 1, 1, 1, 2, 2])
    assert np.all(image == image[:1, :, :1])
    np.testing.assert_array_equal(laminate((10, 3), [0.1] * 10)[:, 0], np.arange(10))
    np.testing.assert_array_equal(laminate((2, 4), (0.5, 0.5), axis=-1)[0], [0, 0, 1, 1])


def test_checkerboard():
    np.testing.assert_array_equal(checkerboard((4, 4)), [[0, 0, 1, 1]] * 2 + [[1, 1, 0, 0]] * 2)
    np.testing.assert_array_equal(checkerboard((2, 2), phases=4), [[0, 2], [1, 3]])
    image = checkerboard((8, 4, 12), cells=4)
    for k, n in enumerate((8, 4, 12)):
        np.testing.assert_array_equal(np.roll(image, n // 4, k), 1 - image)
    counts = np.bincount(checkerboard((8, 4, 12), cells=4, phases=8).ravel())
    assert np.all(counts == 48)


@pytest.mark.parametrize("shape", ((30, 17), (12, 15, 9)))
def test_overlapping_spheres_by_number_are_balls_around_their_centres(shape):
    image = overlapping_spheres(shape, 4.3, number=3, seed=5)
    rng = np.random.default_rng(5)
    centres = [rng.random(len(shape)) * shape for _ in range(3)]
    expected = np.any([_periodic_distance(shape, c) <= 4.3 for c in centres], axis=0)
    np.testing.assert_array_equal(image, expected)
    assert overlapping_spheres(shape, 4.3, number=0).sum() == 0
    assert np.all(overlapping_spheres(shape, 100.0, number=1) == 1)


def test_overlapping_spheres_obey_the_boolean_model():
    # Fraction outside: (1 - v/V)^N on average over images.
    shape, radius, number = (48, 48, 48), 6.0, 60
    outside = np.mean([np.mean(overlapping_spheres(shape, radius, number=number, seed=s) == 0) for s in range(20)])
    assert outside == pytest.approx((1 - 4 / 3 * np.pi * radius**3 / 48**3) ** number, abs=0.01)


@pytest.mark.parametrize("fraction", (0.0, 0.2, 0.6, 0.95))
def test_overlapping_spheres_reach_a_fraction(fraction):
    image = overlapping_spheres((40, 40, 40), 4.0, fraction=fraction, seed=1)
    assert fraction <= image.mean() <= fraction + 4 / 3 * np.pi * 5**3 / 40**3


@pytest.mark.parametrize(
    "shape, grains",
    (((21, 30), 1), ((21, 30), 12), ((11, 14, 9), 7), ((16, 16, 16), 300), ((4, 300), 5), ((4, 40, 60), 8)),
)
def test_voronoi_takes_the_nearest_point(shape, grains):
    image = voronoi(shape, grains, seed=3)
    points = np.random.default_rng(3).random((grains, len(shape))) * shape
    distance = np.stack([_periodic_distance(shape, p) for p in points])
    np.testing.assert_array_equal(image, np.argmin(distance, axis=0))
    assert image.dtype == np.int32


def test_random_rotations_are_rotations_and_uniform():
    r = random_rotations(20_000, seed=2)
    np.testing.assert_allclose(r @ np.swapaxes(r, 1, 2), np.broadcast_to(np.eye(3), r.shape), rtol=0, atol=1e-14)
    np.testing.assert_allclose(np.linalg.det(r), 1, rtol=0, atol=1e-13)
    # Haar moments: <R> = 0, <R_ij²> = 1/3, <R_ij⁴> = 1/5, and <tr R> = 0 (one seed; five standard errors).
    np.testing.assert_allclose(r.mean(0), 0, rtol=0, atol=5 * 0.58 / 141)
    np.testing.assert_allclose((r**2).mean(0), 1 / 3, rtol=0, atol=5 * 0.3 / 141)
    np.testing.assert_allclose((r**4).mean(0), 1 / 5, rtol=0, atol=5 * 0.27 / 141)
    assert random_rotations(0).shape == (0, 3, 3)


def test_a_seed_gives_the_same_image_and_another_seed_another():
    for make in (
        lambda s: overlapping_spheres((20, 20), 3.0, fraction=0.4, seed=s),
        lambda s: voronoi((20, 20), 9, seed=s),
        lambda s: random_rotations(3, seed=s),
    ):
        np.testing.assert_array_equal(make(4), make(4))
        assert not np.array_equal(make(4), make(5))


@pytest.mark.parametrize(
    "call, words",
    (
        (lambda: sphere_cell(4, 0.3, 4), "dim 2 or 3"),
        (lambda: laminate((4, 4), (0.3, 0.7)), "voxel faces"),
        (lambda: laminate((4, 4), (0.25, 0.25)), "add up to 1"),
        (lambda: laminate((4, 4), (0.5, 0.5), axis=2), "2 axes"),
        (lambda: checkerboard((4, 4), cells=3), "even number"),
        (lambda: checkerboard((4, 4), phases=3), "use 2 or 4"),
        (lambda: overlapping_spheres((4, 4), 1.0), "number= or fraction="),
        (lambda: overlapping_spheres((4, 4), 1.0, fraction=1.0), "fraction=1.0"),
        (lambda: overlapping_spheres((8, 8), 1e-9, fraction=0.5), "at least 0.5"),
        (lambda: voronoi((4, 4), 0), "grains=0"),
        (lambda: voronoi((4, 0), 3), "positive numbers"),
        (lambda: random_rotations(-1), "number=-1"),
        (lambda: random_rotations(2.5), "number=2.5"),
        (lambda: random_rotations(2, seed="a"), "seed='a'"),
        (lambda: sphere_cell("8", 0.3), "n='8'"),
        (lambda: sphere_cell(8.5, 0.3), r"n=8\.5"),
        (lambda: sphere_cell(8, np.inf), "radius=inf"),
        (lambda: laminate((4.5, 4), (0.5, 0.5)), "shape="),
        (lambda: laminate((4, 4), "ab"), "fractions='ab'"),
        (lambda: laminate((4, 4), (0.5, 0.5), axis=0.5), r"axis=0\.5"),
        (lambda: checkerboard("ab"), "shape='ab'"),
        (lambda: checkerboard((4, 4), cells=(2, 4)), r"cells=\(2, 4\)"),
        (lambda: overlapping_spheres((8, 8), "r", number=1), "radius='r'"),
        (lambda: overlapping_spheres((8, 8), np.inf, number=1), "radius=inf"),
        (lambda: overlapping_spheres((8, 8), 2.0, number=1.5), r"number=1\.5"),
        (lambda: overlapping_spheres((8, 8), 2.0, number=1, seed=-1), "seed=-1"),
        (lambda: voronoi((8, 8), True), "grains=True"),
        (lambda: voronoi((8, 8), 3, seed=None), "seed=None"),
    ),
)
def test_bad_input_names_the_remedy(unchecked, call, words):
    with pytest.raises(InputError, match=words):
        call()
