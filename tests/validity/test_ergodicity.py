"""Exponent of the variance of window means, and ensembles whose images have offsets of their own."""

import jax
import numpy as np
import pytest

from jaxhomog.microstructure import gaussian_field, hard_spheres, realizations, thresholded
from jaxhomog.results import InputError
from jaxhomog.validity import (
    ERGODIC_FEW_IMAGES,
    ERGODIC_FEW_WINDOWS,
    ERGODIC_OFFSET,
    ERGODIC_ONE_IMAGE,
    ERGODIC_SLOW,
    ERGODIC_UNIFORM,
    ergodicity,
)

ONE = "cannot be decided from one image"


def _ensemble(seed, offset=0.0, number=8, shape=(128, 128), length=3.0):
    """Gaussian fields cut at their median, each after a random shift of its level."""
    g = gaussian_field(shape, length, number=number, seed=seed)
    shift = offset * np.random.default_rng(10_000 + seed).normal(size=(number, *[1] * len(shape)))
    return thresholded(g + shift, 0.5)


@pytest.mark.slow
def test_twenty_seeds():
    """8 images of 128 x 128, l = 3: ergodic with exponent -1 on at least 19 of 20 seeds; with offsets not ergodic."""
    held, right, offsets, single = 0, 0, 0, 0
    for seed in range(20):
        found = ergodicity(_ensemble(seed), dim=2)
        held += bool(found.low <= -1 <= found.high)
        right += found.verdict == "ergodic"
        shifted = _ensemble(seed, offset=0.5)
        offsets += ergodicity(shifted, dim=2).verdict == "not ergodic"
        single += all(ergodicity(x[0], dim=2).verdict == ONE for x in (shifted, _ensemble(seed)))
    assert held >= 19 and right >= 19 and offsets >= 19 and single == 20


@pytest.mark.slow
def test_stated_error_is_that_of_the_scatter():
    """60 ensembles: deviations of the exponent from -1 are one stated error in the mean square (known to 9 %)."""
    found = [ergodicity(_ensemble(seed, length=2.0), dim=2, window=8) for seed in range(60)]
    z = np.array([(r.exponent + 1) / r.exponent_error for r in found])
    assert 0.7 < np.sqrt(np.mean(z**2)) < 1.3
    ratio = np.array([r.between / r.predicted for r in found])
    # F with 7 over many degrees of freedom: the mean of sixty is known to sqrt(2 / 7 / 60) = 7 %.
    assert abs(ratio.mean() - 1) < 0.28


def test_an_ergodic_ensemble_and_one_with_offsets():
    found = ergodicity(_ensemble(0), dim=2)
    assert found.verdict == "ergodic" and found.code == 0 and found.decays, found.reason
    assert found.low < -1 < found.high and found.reason.startswith("ergodic: within images")
    shifted = ergodicity(_ensemble(0, offset=0.5), dim=2)
    assert shifted.verdict == "not ergodic" and shifted.code == ERGODIC_OFFSET and shifted.decays
    assert "an offset of its own" in shifted.reason and shifted.between_p < 1e-3
    # Fraction 1/2, shift 0.5 of the level: the fraction's deviation is 0.5 phi(0) or a little less.
    assert shifted.offset_limit > 0.15 > found.offset_limit


def test_from_one_image_nothing_is_said_about_the_ensemble():
    for offset in (0.0, 0.5):
        found = ergodicity(_ensemble(1, offset)[0], dim=2)
        assert found.verdict == ONE and found.code == ERGODIC_ONE_IMAGE and found.decays
        assert found.reason.startswith(ONE) and "power -" in found.reason and np.isnan(found.between)


def test_variances_by_hand():
    """White noise: windows of 8, 4, 2, 1 in 16; variances about the image's own mean, exponent by the closed form."""
    x = np.random.default_rng(0).normal(size=(5, 16, 16)) + np.arange(5)[:, None, None]
    found = ergodicity(x, dim=2, window=2)
    assert found.windows == (2, 4, 8)
    for w, value in zip(found.windows, found.variances, strict=True):
        means = x.reshape(5, 16 // w, w, 16 // w, w).mean(axis=(2, 4)).reshape(5, -1)
        np.testing.assert_allclose(value, np.mean(means.var(axis=1)))
    np.testing.assert_allclose(found.between, np.var(x.mean((1, 2)), ddof=1))
    assert found.verdict == "not ergodic"


def test_white_noise():
    """g = 1 but for the first shell: independent voxels, var = 1 / W, exact."""
    x = np.random.default_rng(1).normal(size=(6, 64, 64))
    found = ergodicity(x, dim=2)
    assert found.verdict == "ergodic" and abs(found.exponent + 1) < 3 * found.exponent_error < 0.2
    assert abs(found.predicted * 64**2 - 1) < 0.2


def test_variance_between_images_is_predicted_from_small_windows():
    """f (1 - f) A / V with A = 2 pi ln 2 l^2; windows of 12 are four l wide and lack a quarter, known to 2.6 %."""
    found = ergodicity(_ensemble(4, number=200, shape=(48, 48)), dim=2, window=12)
    exact = 0.25 * 2 * np.pi * np.log(2) * 9 / 48**2
    assert abs(found.predicted / exact - 1) < 0.1
    assert abs(found.between / exact - 1) < 4 * np.sqrt(2 / 199)


def test_slow_decay():
    """A gradient across each image: window means do not settle."""
    x = _ensemble(0) + np.linspace(0, 1, 128)
    found = ergodicity(x, dim=2, window=10)
    assert found.code & ERGODIC_SLOW and not found.decays and found.verdict == "cannot be decided"
    assert "slower than -1" in found.reason


def test_negative_tails_are_steeper_and_not_held_against_a_medium():
    """Noise minus its mean at four points nearby: spectrum ~ |k|^4, window means vary with the surface, V^-3/2."""
    g = gaussian_field((128, 128), 1.5, number=6, seed=0)
    x = g - 0.25 * sum(np.roll(g, s, k) for s in (-6, 6) for k in (1, 2))
    found = ergodicity(x, dim=2)
    assert found.verdict == "ergodic" and found.high < -1, found.reason
    images = realizations(lambda seed: hard_spheres((96, 96), 4.0, fraction=0.45, seed=seed), 6, 0)
    found = ergodicity(images, dim=2)
    assert found.verdict == "ergodic" and found.between < 0.2 * found.predicted, found.reason


def test_few_images_few_windows_and_uniform_ones():
    images = _ensemble(2, number=3)
    found = ergodicity(images, dim=2)
    assert found.code & ERGODIC_FEW_IMAGES and found.verdict == "cannot be decided" and "at least 4" in found.reason
    found = ergodicity(_ensemble(0, shape=(16, 16)), dim=2)
    assert found.code & ERGODIC_FEW_WINDOWS and found.verdict == "cannot be decided" and "larger images" in found.reason
    for bad in (np.zeros((4, 16, 16)), np.full((4, 16, 16), np.nan)):
        found = ergodicity(bad, dim=2)
        assert found.code & ERGODIC_UNIFORM and found.verdict == "cannot be decided"
    levels = np.broadcast_to(np.array([0.1, 0.2, 0.3, 0.7])[:, None, None], (4, 16, 16))
    found = ergodicity(levels, dim=2)
    assert found.code & ERGODIC_OFFSET and found.verdict == "not ergodic", "each image has a value of its own"


@pytest.mark.slow
def test_thin_axes_precision_and_traces():
    x = _ensemble(3, shape=(64, 48), length=1.5)
    eager, thin = ergodicity(x, dim=2, window=6), ergodicity(x[:, :, None], dim=3, window=6)
    traced = jax.jit(lambda y: ergodicity(y, dim=2, window=6))(x)
    single = ergodicity(x.astype(np.float32), dim=2, window=6)
    assert single.exponent.dtype == np.float32
    for name, tolerance in (("exponent", 1e-4), ("variances", 1e-4), ("between_p", 1e-3), ("offset_limit", 1e-3)):
        for other, rtol in ((thin, 1e-10), (traced, 1e-10), (single, tolerance)):
            np.testing.assert_allclose(getattr(other, name), getattr(eager, name), rtol=rtol)
    lanes = jax.vmap(lambda y: ergodicity(y, dim=2, window=6))(np.stack([x, x]))
    np.testing.assert_allclose(lanes.exponent, eager.exponent, rtol=1e-10)
    with pytest.raises(InputError, match="window="):
        jax.jit(lambda y: ergodicity(y, dim=2))(x)


def test_bad_input(unchecked):
    x = np.random.default_rng(0).normal(size=(4, 16, 16))
    for options, match in (
        ({"window": 9}, "window=9"),
        ({"window": 1.5}, "window=1.5"),
        ({"window": False}, "window=False"),
        ({"level": 99}, "percentage"),
        ({"level": None}, "level=None"),
        ({"dim": 0}, "dim=0"),
    ):
        with pytest.raises(InputError, match=match):
            ergodicity(x, **{"dim": 2, **options})


def test_windows_of_whole_periods_do_not_scatter():
    """Stripes of two voxels: means of even windows are alike, which is no slow decay."""
    found = ergodicity(np.tile([0, 1], (40, 20)))
    assert int(found.code) == ERGODIC_ONE_IMAGE | ERGODIC_FEW_WINDOWS and np.isnan(found.exponent), found.reason
