"""Random checkerboards and independent realizations: covariances in closed form, seeds."""

import numpy as np
import pytest

from jaxhomog.microstructure import (
    gaussian_field,
    hard_spheres,
    overlapping_spheres,
    random_checkerboard,
    realizations,
    two_point_correlation,
    voronoi,
)
from jaxhomog.results import InputError


def test_checkerboard_covariance():
    """f (1 - f) prod (1 - |r| / a) in the mean over images, about the known f, within four standard errors."""
    f, cells = 0.3, (6, 4)
    images = realizations(lambda seed: random_checkerboard((30, 28), cells, f, seed=seed), 400)
    assert images.shape == (400, 30, 28) and images.dtype == np.int32
    found = np.asarray(two_point_correlation(images - f, dim=2))
    error = found.std(axis=0, ddof=1) / 20
    tent = [
        np.maximum(1 - np.minimum(np.arange(n), n - np.arange(n)) / (n // c), 0)
        for n, c in zip((30, 28), cells, strict=True)
    ]
    expected = f * (1 - f) * np.multiply.outer(*tent)
    # 840 lags, the largest of which strays by 3.5 errors or so.
    assert np.max(np.abs(found.mean(axis=0) - expected) / error) < 4.5
    fraction = images.mean(axis=(1, 2))
    assert abs(fraction.mean() - f) < 4 * (f * (1 - f) / 24 / 400) ** 0.5


def test_several_phases():
    """Counts of independent cells; cells are uniform and lie at the origin."""
    image = random_checkerboard((60, 60, 40), (30, 30, 20), (0.5, 0.2, 0.0, 0.3), seed=3)
    np.testing.assert_array_equal(image, np.kron(image[::2, ::2, ::2], np.ones((2, 2, 2), int)))
    share, n = np.bincount(image.ravel(), minlength=4) / image.size, 30 * 30 * 20
    expected = np.array([0.5, 0.2, 0.0, 0.3])
    assert np.all(np.abs(share - expected) <= 4 * np.sqrt(expected * (1 - expected) / n))
    assert random_checkerboard((4, 4), 2, 0.0).sum() == 0 and random_checkerboard((4, 4), 2, 1.0).sum() == 16


def test_realizations_do_not_depend_on_how_many_follow():
    for generate in (
        lambda seed: overlapping_spheres((12, 12), 2.0, number=4, seed=seed),
        lambda seed: hard_spheres((12, 12), 2.0, number=4, seed=seed),
        lambda seed: voronoi((12, 12), 4, seed=seed),
        lambda seed: gaussian_field((12, 12), 2.0, seed=seed),
    ):
        many, few = realizations(generate, 5, seed=1), realizations(generate, 2, seed=1)
        np.testing.assert_array_equal(many[:2], few)
        assert all(not np.array_equal(many[i], many[j]) for i in range(5) for j in range(i))
        assert not np.array_equal(few[1], realizations(generate, 1, seed=2)[0]), "seed + 1 is another ensemble"
    assert many.dtype == np.float64


@pytest.mark.slow
def test_overlapping_discs():
    """Outside: (1 - union / V)^n with the area of the union of two discs r apart; within 4.5 standard errors."""
    n, radius, number, edge = 16, 6.0, 400, 64
    images = realizations(lambda seed: overlapping_spheres((edge, edge), radius, number=n, seed=seed), number)
    found = np.asarray(two_point_correlation(1 - images, dim=2))[:, 0, : edge // 2]
    r = np.arange(edge // 2)
    half = np.minimum(r / (2 * radius), 1)
    lens = 2 * radius**2 * (np.arccos(half) - half * np.sqrt(1 - half**2))
    expected = (1 - (2 * np.pi * radius**2 - lens) / edge**2) ** n
    assert np.max(np.abs(found.mean(0) - expected) / (found.std(0, ddof=1) / number**0.5)) < 4.5


def test_bad_input(unchecked):
    for cells, fraction, match in (
        (3, 0.5, "do not divide"),
        ((2, 2, 2), 0.5, "cells="),
        (0, 0.5, "cells=0"),
        ("2", 0.5, "cells="),
        (2, 1.5, "fraction=1.5"),
        (2, -0.1, "fraction=-0.1"),
        (2, np.nan, "fraction=nan"),
        (2, "half", "fraction='half'"),
        (2, (0.5, 0.6), "add up"),
        (2, (1.5, -0.5), "add up"),
        (2, None, "fraction=None"),
    ):
        with pytest.raises(InputError, match=match):
            random_checkerboard((8, 8), cells, fraction)
    with pytest.raises(InputError, match=r"cells=2\.0"):
        random_checkerboard((8, 8), 2.0, 0.5)
    with pytest.raises(InputError, match="generate="):
        realizations(lambda: np.zeros(3), 2)
    for generate, number, match in ((None, 2, "generate="), (np.zeros, 0, "number=0"), (np.zeros, True, "number=True")):
        with pytest.raises(InputError, match=match):
            realizations(generate, number)
    sizes = iter((3, 4))
    with pytest.raises(InputError, match="different shapes"):
        realizations(lambda seed: np.zeros(next(sizes)), 2)
