"""Random copper polycrystals against the bounds of Hashin and Shtrikman: `el.cu_polycrystal_bounds`."""

import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.microstructure import random_rotations, voronoi

# C11, C12, C44 = 168.4, 121.4, 75.4 GPa: Hill 1952; Hashin & Shtrikman 1962, J. Mech. Phys. Solids 10, 343.
BULK, LOWER, UPPER = 137.0666666666667, 45.96371053475083, 49.4451842805011
VOIGT, REUSS = 54.64000000000001, 40.03389064618165  # exact for any orientations, of stiffness and of compliance
C11, C12, C44 = 168.4, 121.4, 75.4
GRAINS = 512


ONES = np.array([1.0, 1, 1, 0, 0, 0])


def shear(c):
    """Shear modulus of the isotropic tensor nearest to c (Mandel)."""
    return (np.trace(c) - ONES @ c @ ONES / 3) / 10


def anisotropy(c):
    """Distance of c from the isotropic tensor nearest to it."""
    bulk = np.outer(ONES, ONES) / 3
    return np.linalg.norm(c - (ONES @ c @ ONES / 3) * bulk - 2 * shear(c) * (np.eye(6) - bulk))


@pytest.mark.slow
def test_random_copper_lies_between_hashin_and_shtrikman():
    """512 grains: within statistical error, with the discretization bounded from both sides.

    The image is a polycrystal in its own right, of grains with steps. Its tensor lies between the complementary energy
    of a balanced stress and the energy of a compatible strain, so that coarse voxels bias neither side of the test.
    """
    crystal = anisotropy(np.diag([C11 - C12] * 3 + [2 * C44] * 3) + C12 * np.outer(ONES, ONES))
    got, luck = [], []
    for seed in range(5):
        grain = voronoi((32,) * 3, GRAINS, seed=seed)
        share = np.bincount(grain.ravel(), minlength=GRAINS) / grain.size
        assert np.sum(share > 0) >= 500
        law = jh.LinearElastic.cubic(C11, C12, C44, rotation=random_rotations(GRAINS, seed=100 + seed)[grain])
        value = jh.homogenize(jh.Grid(grain.shape), law, tolerance=1e-6, bounds=True).value
        c, bounds = np.asarray(value.effective), value.bounds
        # A cubic crystal answers a dilatation with a pressure: the bulk modulus is the crystal's, whatever the image.
        np.testing.assert_allclose(c @ ONES, 3 * BULK * ONES, rtol=1e-9, atol=1e-6)
        voigt, reuss = np.asarray(bounds.voigt), np.asarray(bounds.reuss)
        assert shear(voigt) == pytest.approx(VOIGT, rel=1e-12)
        assert 1 / (4 * shear(np.linalg.inv(reuss))) == pytest.approx(REUSS, rel=1e-10)
        # Of fair draws the mean anisotropy is a random walk of so many steps of these lengths.
        luck.append(anisotropy(voigt) / (crystal * np.sqrt(np.sum(share**2))))
        got.append([shear(np.asarray(x)) for x in (bounds.lower, bounds.upper)])
    assert 0.7 < np.sqrt(np.mean(np.square(luck))) < 1.4
    got = np.asarray(got)
    # What the mean of five draws is uncertain by, as the five themselves tell.
    (lower, upper), error = got.mean(axis=0), got.std(axis=0, ddof=1) / np.sqrt(len(got))
    assert (error < 2e-3 * upper).all()
    assert LOWER - 2 * error[0] < lower <= upper < UPPER + 2 * error[1]
