"""Packings without overlap: counts, distances, exact statistics of rods and of pairs, images."""

import numpy as np
import pytest

from jaxhomog.microstructure import hard_spheres, sphere_packing
from jaxhomog.results import InputError


def _nearest(centres, box):
    """Smallest distance of two centres by brute force over all images."""
    apart = centres[:, None] - centres
    apart -= box * np.rint(apart / box)
    r = np.sqrt(np.sum(apart**2, axis=-1))
    return np.min(r[~np.eye(len(centres), dtype=bool)])


@pytest.mark.parametrize(
    "box, fraction",
    (
        ((100.0, 60.0), 0.45),  # random sequential addition
        ((100.0, 60.0), 0.75),  # beyond its saturation, 0.547
        ((40.0, 50.0, 32.0), 0.3),
        ((40.0, 50.0, 32.0), 0.55),  # beyond 0.384
        ((50.0,), 0.9),
    ),
)
def test_no_overlap_and_the_wanted_number(box, fraction):
    radius = {1: 0.5, 2: 3.0, 3: 3.0}[len(box)]
    volume = {1: 1.0, 2: np.pi * 9, 3: 36 * np.pi}[len(box)]
    centres = sphere_packing(box, radius, fraction=fraction, seed=1)
    assert len(centres) == round(fraction * np.prod(box) / volume)
    assert np.all((centres >= 0) & (centres < box))
    assert _nearest(centres, box) >= 2 * radius * (1 - 1e-12)
    np.testing.assert_array_equal(centres, sphere_packing(box, radius, fraction=fraction, seed=1))
    assert not np.allclose(centres, sphere_packing(box, radius, fraction=fraction, seed=2))


def test_gap():
    centres = sphere_packing((60, 60, 60), 4.0, number=80, gap=2.0)
    assert _nearest(centres, np.full(3, 60)) >= 10 * (1 - 1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("box, fraction", (((200.0,) * 2, 0.82), ((64.0,) * 3, 0.62)))
def test_the_stated_reach(box, fraction):
    """Two seeds each at the fractions that the docstring calls within reach."""
    for seed in range(2):
        assert _nearest(sphere_packing(box, 4.0, fraction=fraction, seed=seed), box) >= 8 * (1 - 1e-12)


def test_rods_are_a_tonks_gas():
    """Gaps are spacings of uniform points on the free length l: <g^2> = 2 l^2 / n (n + 1), var g^2 from <g^4>."""
    n, diameter, edge, number = 10, 1.0, 16.0, 400
    free = edge - n * diameter
    gaps = []
    for seed in range(number):
        x = np.sort(sphere_packing((edge,), 0.5, number=n, seed=seed)[:, 0])
        gaps.append(np.diff(x, append=x[0] + edge) - diameter)
    gaps = np.array(gaps)
    assert gaps.min() > -1e-12 and np.allclose(gaps.sum(1), free)
    square = np.mean(gaps**2, axis=1)
    error = square.std(ddof=1) / number**0.5
    assert abs(square.mean() - 2 * free**2 / (n * (n + 1))) < 4 * error < 0.1 * square.mean()


def test_a_pair_of_discs_is_uniform_outside_the_excluded_disc():
    edge, diameter, s, number = 10.0, 4.0, 4.7, 500
    chance = np.pi * (s**2 - diameter**2) / (edge**2 - np.pi * diameter**2)
    near = [_nearest(sphere_packing((edge, edge), 2.0, number=2, seed=k), edge) < s for k in range(number)]
    assert abs(np.mean(near) - chance) < 4 * (chance * (1 - chance) / number) ** 0.5


def test_image_is_that_of_the_centres():
    """Every voxel by brute force; the number of voxels is the volume within the scatter of its surface."""
    shape, radius = (24, 20, 28), 4.2
    image = hard_spheres(shape, radius, number=12, seed=3)
    centres = sphere_packing(shape, radius, number=12, seed=3)
    at = np.stack(np.meshgrid(*(np.arange(n) + 0.5 for n in shape), indexing="ij"), axis=-1)
    apart = at[..., None, :] - centres
    apart -= np.array(shape) * np.rint(apart / shape)
    assert image.dtype == np.int32
    np.testing.assert_array_equal(image, np.any(np.sum(apart**2, axis=-1) <= radius**2, axis=-1))
    assert image.mean() == pytest.approx(12 * 4 / 3 * np.pi * radius**3 / np.prod(shape), rel=0.02)


def test_nothing_and_one():
    assert sphere_packing((5, 5), 1.0, number=0).shape == (0, 2)
    assert hard_spheres((8, 8), 2.0, fraction=0.0).sum() == 0
    assert hard_spheres((8, 8, 1), 0.5, number=1).sum() <= 1
    assert len(sphere_packing((4.0, 9.0), 2.0, number=2)) == 2, "as wide as the box"


def test_bad_input(unchecked):
    for options, match in (
        ({}, "either"),
        ({"number": 1, "fraction": 0.1}, "either"),
        ({"number": -1}, "number=-1"),
        ({"number": True}, "number=True"),
        ({"number": "2"}, "number='2'"),
        ({"fraction": 1.0}, "fraction=1.0"),
        ({"fraction": np.nan}, "fraction=nan"),
        ({"fraction": 1e-4}, "one body alone"),
        ({"number": 1, "gap": -1.0}, "gap=-1.0"),
        ({"number": 1, "seed": None}, "seed=None"),
        ({"fraction": 0.95}, "do not fit"),
        ({"number": 4, "gap": 20.0}, "do not fit"),
    ):
        with pytest.raises(InputError, match=match):
            sphere_packing((20, 20), 2.0, **options)
    for box in ("ab", (0, 3), (np.nan, 2.0), (1, 2, 3, 4), 5.0):
        with pytest.raises(InputError, match="box="):
            sphere_packing(box, 0.1, number=1)
    for radius in (0, np.inf, None, "r"):
        with pytest.raises(InputError, match="radius="):
            hard_spheres((9, 9), radius, number=1)
    for shape in ((3.5, 2), (), None, "ab", (2, 2, 2, 2), (0, 4)):
        with pytest.raises(InputError, match="shape="):
            hard_spheres(shape, 1.0, number=1)


@pytest.mark.slow
def test_beyond_reach():
    with pytest.raises(InputError, match=r"0\.62 is within reach"):
        sphere_packing((40.0,) * 3, 4.0, fraction=0.68)
