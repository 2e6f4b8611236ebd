"""Integral range by two estimators and variances of window means, against closed forms."""

import jax
import numpy as np
import pytest

from jaxhomog.microstructure import (
    RANGE_DISAGREE,
    RANGE_FEW_WINDOWS,
    RANGE_NO_DECAY,
    RANGE_UNIFORM,
    gaussian_field,
    integral_range,
    thresholded,
    window_variance,
)
from jaxhomog.results import InputError

# rve.telegraph_variance: f = 1/2, covariance exp(-r) / 4, var of the fraction in a window of length L.
TELEGRAPH = {1: 0.18393972058572117, 5: 0.08013475893998172, 20: 0.023750000002576443, 100: 0.00495}
VOXEL = 0.05


@pytest.fixture(scope="module")
def telegraph():
    """Eight random telegraph signals, exact at the voxels' centres."""
    rng = np.random.default_rng(0)
    flips = rng.random((8, 2**17)) < 0.5 * (1 - np.exp(-VOXEL))
    flips[:, 0] = rng.random(8) < 0.5
    return np.cumsum(flips, axis=1) % 2


def test_telegraph_variance(telegraph):
    for length, exact in TELEGRAPH.items():
        assert exact == pytest.approx((length - 1 + np.exp(-length)) / (2 * length**2), abs=1e-11)
        variance, error = window_variance(telegraph, round(length / VOXEL), dim=1)
        assert abs(variance - exact) < 3 * error
        assert error < 0.12 * exact


def test_telegraph_integral_range(telegraph):
    """A = 2."""
    found = integral_range(telegraph, dim=1)
    assert found.agree, found.reason
    assert abs(found.covariance * VOXEL - 2) < 3 * found.covariance_error * VOXEL < 0.3
    assert abs(found.windows * VOXEL - 2) < 3 * found.windows_error * VOXEL < 0.4


@pytest.mark.parametrize(
    "shape, number, length, exact",
    (
        ((512, 512), 16, 3.0, 2 * np.pi * np.log(2) * 9),
        pytest.param((64, 64, 64), 32, 1.6, 10.471 * 1.6**3, marks=pytest.mark.slow),
    ),
    ids=("2d", "3d"),
)
def test_integral_range_of_a_median_cut(shape, number, length, exact):
    """2 pi ln 2 l^2 and 10.471 l^3: within 3 % from the covariance, 3 standard errors from windows."""
    chi = thresholded(gaussian_field(shape, length, number=number, seed=0), 0.5)
    found = integral_range(chi, dim=len(shape))
    assert found.covariance == pytest.approx(exact, rel=0.03)
    assert abs(found.windows - exact) < 3 * found.windows_error < 0.5 * exact
    assert found.agree and found.reason == "the two estimates agree within three standard errors"


@pytest.mark.slow
def test_standard_errors_are_those_of_the_scatter():
    """Thirty ensembles: deviations from the exact value are one stated error in the mean square."""
    exact, out = 2 * np.pi * np.log(2) * 4, []
    for seed in range(30):
        chi = thresholded(gaussian_field((192, 192), 2.0, number=4, seed=seed), 0.5)
        r = integral_range(chi, dim=2, window=12)
        out.append([r.covariance, r.covariance_error, r.windows, r.windows_error])
    value, error = np.array(out)[:, ::2], np.array(out)[:, 1::2]
    # Of thirty values the rms is known to 13 %, the median of the covariances to about 1 %, of windows to 3 %.
    rms = np.sqrt(np.mean(((value - exact) / error) ** 2, axis=0))
    assert np.all((rms > 0.7) & (rms < 1.4))
    assert np.all(np.abs(np.median(value, axis=0) / exact - 1) < (0.03, 0.08))


@pytest.mark.slow
def test_single_small_images_are_right_in_the_mean():
    """24 l on edge: the sample covariance lacks 4 % of the sum, because it is about the image's own mean."""
    chi = thresholded(gaussian_field((48, 48), 2.0, number=600, seed=1), 0.5)
    found = jax.vmap(lambda x: integral_range(x, window=8))(chi)
    assert np.mean(found.covariance) == pytest.approx(2 * np.pi * np.log(2) * 4, rel=0.04)


def test_a_crop_without_the_wrap():
    """Wrapped pairs see C(r) prod (1 - |r_k| / n), 9 % less in sum for n = 16 l; pairs inside see C(r)."""
    n, length, count = 32, 2.0, 900
    crops = thresholded(gaussian_field((48, 48), length, number=count, seed=7), 0.5)[:, :n, :n]
    wrapped, inside = (integral_range(crops, dim=2, window=8, periodic=p) for p in (True, False))
    r = np.arange(-8, 9)
    rho = np.exp(-0.5 * (r[:, None] ** 2 + r**2) / length**2)
    c, share = np.arcsin(rho) / (2 * np.pi), np.multiply.outer(1 - abs(r) / n, 1 - abs(r) / n)
    lost = np.sum(c * share) / np.sum(c)
    exact = 2 * np.pi * np.log(2) * length**2
    assert abs(inside.covariance - exact) < 3 * inside.covariance_error < 0.1 * exact
    assert wrapped.covariance / inside.covariance == pytest.approx(lost, abs=0.015)
    assert lost < 0.92 and wrapped.windows == inside.windows


def test_window_variance_by_hand():
    """Windows of one, pooled over realizations; leftovers are not looked at; axes of one voxel do not count."""
    x = np.random.default_rng(0).normal(size=(3, 9, 7))
    means = np.array([[[w[i : i + 4, j : j + 4].mean() for j in (0,)] for i in (0, 4)] for w in x])
    expected = (means - x.mean()) ** 2
    variance, error = window_variance(x, 4, dim=2)
    assert variance == pytest.approx(expected.mean() / (1 - 16 / x.size))
    assert error == pytest.approx(expected.std(ddof=1) / 6**0.5 / (1 - 16 / x.size))
    np.testing.assert_allclose(window_variance(x[..., None], 4, dim=3), (variance, error))
    assert np.isnan(window_variance(x[0], 7)[1]), "a single window has no standard error"
    assert np.isnan(window_variance(x[0, :7], 7)[0]), "and nothing to vary against where it is the box"


def test_realizations_that_differ_in_their_means_are_flagged():
    g = gaussian_field((64, 64), 2.0, number=8, seed=0)
    offset = np.random.default_rng(1).normal(size=(8, 1, 1))
    assert integral_range(g, dim=2, window=8).agree
    found = integral_range(g + offset, dim=2, window=8)
    assert found.code & RANGE_NO_DECAY and "differ in their means" in found.reason


def test_estimates_that_disagree_are_flagged():
    """g(x) - g(x + s) has integral range 0, and a covariance that is positive until it turns negative near s."""
    g = gaussian_field((256, 256), 2.0, number=4, seed=0)
    h = g - np.roll(g, 14, axis=1)
    found = integral_range(h, dim=2, window=32)
    assert found.code == RANGE_DISAGREE and not found.agree and "trust neither" in found.reason
    assert abs(found.windows) < 0.1 * found.covariance, "the windows are right"


def test_small_and_uniform_images_are_flagged():
    found = integral_range(thresholded(gaussian_field((32, 32), 4.0, seed=1), 0.5))
    assert found.code & RANGE_FEW_WINDOWS and "more" in found.reason
    for bad in (np.full((32, 32), 0.1), np.full((32, 32), np.nan)):
        assert integral_range(bad).code & RANGE_UNIFORM


def test_under_jit():
    g = gaussian_field((64, 64), 2.0, number=8, seed=0)
    eager = integral_range(g, dim=2, window=8)
    traced = jax.jit(lambda x: integral_range(x, dim=2, window=8))(g)
    for name in ("covariance", "covariance_error", "windows", "windows_error", "cut", "code"):
        np.testing.assert_allclose(getattr(traced, name), getattr(eager, name), rtol=1e-10)
    with pytest.raises(InputError, match="window="):
        jax.jit(lambda x: integral_range(x, dim=2))(g)


@pytest.mark.slow
def test_single_precision():
    g = gaussian_field((64, 64), 2.0, number=8, seed=0)
    eager = integral_range(g, dim=2, window=8)
    single = integral_range(g.astype(np.float32), dim=2, window=8)
    for name in ("covariance", "covariance_error", "windows", "windows_error", "cut"):
        assert getattr(single, name).dtype == np.float32
        np.testing.assert_allclose(getattr(single, name), getattr(eager, name), rtol=1e-4)


def test_bad_input(unchecked):
    for window in (1.5, "4", True, -2):
        with pytest.raises(InputError, match="window="):
            window_variance(np.zeros((16, 16)), window)
        with pytest.raises(InputError, match="window="):
            integral_range(np.zeros((16, 16)), window=window)
    with pytest.raises(InputError, match="two windows"):
        integral_range(np.zeros((16, 16)), window=9)
    with pytest.raises(InputError, match="must fit"):
        window_variance(np.zeros((16, 16)), 17)
    with pytest.raises(InputError, match="four"):
        integral_range(np.zeros((16, 3)))
