"""Regions of a trigonometric level: volumes that symmetry or a closed form gives, derivatives, enclosing voxels."""

import math

import jax
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.microstructure import enclosing_voxels
from jaxhomog.microstructure.shapes import FourierSurface

P = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
# sin x cos y + sin y cos z + sin z cos x, as sines of sums and differences.
GYROID = [(1, 1, 0), (1, -1, 0), (0, 1, 1), (0, 1, -1), (1, 0, 1), (-1, 0, 1)]
BOX = jh.Grid((16, 16, 16), (1.0, 2.0, 1.5))


@pytest.mark.parametrize(
    "shape", [FourierSurface(P, np.ones(3)), FourierSurface(GYROID, np.zeros(6), np.full(6, 0.5))], ids=["P", "G"]
)
def test_both_sides_of_a_balanced_surface_are_equal(shape):
    """A shift (P) or an inversion (gyroid) changes the sign of the level: half of the cell, voxel for voxel."""
    f = np.asarray(jh.volume_fraction(BOX, shape))
    assert f.mean() == pytest.approx(0.5, abs=1e-12) and ((f > 0) & (f < 1)).mean() > 0.1
    inner, outer = enclosing_voxels(BOX, shape)
    # Random points of every voxel: all inside, none inside.
    gap = np.random.default_rng(0).uniform(-0.5, 0.5, (50, 1, 1, 1, 3)) / 16
    x = (np.moveaxis(np.indices(BOX.shape), 0, -1) + 0.5) / 16 + gap
    inside = np.asarray(shape.level(x * BOX.lengths, BOX.lengths)) < 0
    assert inside[:, np.asarray(inner)].all() and not inside[:, ~np.asarray(outer)].any()
    assert 0 < np.asarray(inner).mean() < 0.5 < np.asarray(outer).mean() < 1


def test_layers_and_their_derivative():
    """cos(2 pi x) < c on a share 1 - arccos(c) / pi of the cell."""
    grid = jh.Grid((128, 3), (2.0, 1.0))
    share = lambda c: jh.volume_fraction(grid, FourierSurface([(1, 0), (0, 0)], jax.numpy.stack([1.0, -c]))).mean()  # noqa: E731
    for c in (0.3, -0.8):
        assert float(share(c)) == pytest.approx(1 - math.acos(c) / math.pi, abs=128**-2)
        assert float(jax.grad(share)(c)) == pytest.approx(
            1 / (math.pi * math.sqrt(1 - c * c)), rel=4 / 128
        )  # of first order


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: FourierSurface([(1, 0.5)], np.ones(1)), "rows of 2 or 3 whole numbers"),
        (lambda: FourierSurface([1, 0], np.ones(2)), "rows of 2 or 3 whole numbers"),
        (lambda: FourierSurface(P, np.ones(2)), "3 waves, cosines (2,)"),
        (lambda: jh.volume_fraction(jh.Grid((4, 4)), FourierSurface(P, np.ones(3))), "3 components and the box 2"),
        (lambda: jh.volume_fraction(BOX, FourierSurface(P, np.full(3, np.nan))), "cosines are not finite"),
    ],
)
def test_bad_input(unchecked, call, words):
    with pytest.raises(jh.InputError) as caught:
        call()
    assert words in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_coefficients_that_are_no_numbers(unchecked):
    for arguments, words in (
        (("a", [1.0]), "waves have shape"),
        (([[1, 0], [1]], [1.0, 1.0]), "different lengths"),
        (([[True, False]], [1.0]), "waves have shape"),
        (([[1, 0]], "a"), "cosines"),
        (([[1, 0]], [1j]), "cosines"),
        (([[1, 0]], [1.0], "s"), "sines"),
    ):
        with pytest.raises(jh.InputError, match=words):
            FourierSurface(*arguments)
