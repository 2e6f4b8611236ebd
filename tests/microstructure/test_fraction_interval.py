"""Intervals of the volume fraction: coverage on ensembles of known fraction, quantiles, degenerate input."""

import jax
import numpy as np
import pytest
from scipy import stats

from jaxhomog.microstructure import (
    RANGE_DISAGREE,
    RANGE_UNIFORM,
    fraction_interval,
    gaussian_field,
    random_checkerboard,
    thresholded,
)
from jaxhomog.microstructure._quantiles import fisher_tail, student_quantile
from jaxhomog.results import InputError


def test_quantiles_against_scipy():
    for level in (0.5, 0.95, 0.99):
        nu = np.array([1.0, 2.0, 3.5, 10.0, 400.0])
        np.testing.assert_allclose(student_quantile(level, nu), stats.t.ppf(0.5 + level / 2, nu), rtol=1e-8)
        single = student_quantile(level, nu.astype(np.float32))
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, stats.t.ppf(0.5 + level / 2, nu), rtol=2e-3)
    assert student_quantile(0.95, 1e9) == pytest.approx(stats.norm.ppf(0.975), rel=2e-4)
    assert np.isnan(student_quantile(0.95, 0.0))
    f = np.array([0.1, 1.0, 3.0, 40.0])
    np.testing.assert_allclose(fisher_tail(f, 3, 12), stats.f.sf(f, 3, 12), rtol=1e-9)
    np.testing.assert_allclose(fisher_tail(np.array([np.inf, np.nan]), 3, 12), [0, np.nan])


def _least(number, chance):
    """Successes that are exceeded or met with probability 0.999."""
    return stats.binom.ppf(0.001, number, chance)


@pytest.mark.slow
@pytest.mark.parametrize("fraction, level", ((0.5, 0.95), (0.3, 0.8)))
def test_coverage_from_one_image(fraction, level):
    """200 images of 96 x 96 voxels, l = 2: at least as many intervals hold the truth as a binomial allows."""
    chi = thresholded(gaussian_field((96, 96), 2.0, number=200, seed=11), fraction)
    found = jax.jit(jax.vmap(lambda x: fraction_interval(x, level=level, window=12)))(chi)
    held = int(np.sum((found.low <= fraction) & (fraction <= found.high)))
    assert _least(200, level) <= held <= 200 - _least(200, 1 - level)
    assert found.method == "range"


@pytest.mark.slow
def test_coverage_from_several_images():
    """200 ensembles of 6 images of 32 x 32: by their scatter, and pooled by the integral range."""
    chi = thresholded(gaussian_field((32, 32), 1.5, number=1200, seed=5), 0.4).reshape(200, 6, 32, 32)
    for method in ("scatter", "range"):
        found = jax.vmap(lambda x, by=method: fraction_interval(x, dim=2, window=8, method=by))(chi)
        held = int(np.sum(np.abs(found.fraction - 0.4) <= found.half_width))
        assert _least(200, 0.95) <= held <= 200 - _least(200, 0.05), method


def test_error_of_a_checkerboard():
    """Integral range a^2: the standard error is sqrt(f (1 - f) / cells), to within the error of the range."""
    chi = random_checkerboard((240, 240), 60, 0.3, seed=2)
    found = fraction_interval(chi)
    exact = np.sqrt(0.3 * 0.7 / 3600)
    relative = 0.5 * float(found.integral_range.covariance_error / found.integral_range.covariance)
    assert abs(found.range_error / exact - 1) < 3 * relative < 0.4
    assert found.half_width == pytest.approx(stats.t.ppf(0.975, found.freedom) * found.range_error)
    assert found.reason.startswith("volume fraction 0.3") and np.isnan(found.scatter_error)


def test_scatter_by_hand():
    chi = random_checkerboard((7, 16, 16), (7, 4, 4), 0.5, seed=1)
    found = fraction_interval(chi, dim=2, level=0.9)
    each = chi.mean(axis=(1, 2))
    assert found.method == "scatter" and found.number == 7
    np.testing.assert_allclose(found.scatter_error, each.std(ddof=1) / 7**0.5)
    np.testing.assert_allclose(found.half_width, stats.t.ppf(0.95, 6) * each.std(ddof=1) / 7**0.5)
    assert found.code == 0 and "scatter of 7 images" in found.reason


def test_what_speaks_against_the_range_is_passed_on():
    """A medium with a hole in its spectrum: the covariance does not see the negative tail."""
    g = gaussian_field((256, 256), 2.0, seed=0)
    h = 0.5 + 0.05 * np.clip(g - np.roll(g, 14, axis=1), -10, 10)
    found = fraction_interval(h, window=32)
    assert found.code & RANGE_DISAGREE and "but the two estimates differ" in found.reason


def test_uniform_and_thin_images():
    found = fraction_interval(np.ones((16, 16), int))
    assert found.fraction == 1 and np.isnan(found.half_width) and found.code & RANGE_UNIFORM
    assert "does not vary" in found.reason
    chi = thresholded(gaussian_field((65, 1, 43), 1.0, seed=0), 0.5)
    np.testing.assert_allclose(fraction_interval(chi).half_width, fraction_interval(chi[:, 0]).half_width)
    assert fraction_interval(chi == 1).fraction == chi.mean()
    assert fraction_interval(chi.astype(np.float32)).half_width.dtype == np.float32


def test_bad_input(unchecked):
    chi = random_checkerboard((16, 16), 4, 0.5)
    for options, match in (
        ({"level": 95}, "not a percentage"),
        ({"level": 0.0}, "level=0.0"),
        ({"level": None}, "level=None"),
        ({"level": np.nan}, "level=nan"),
        ({"method": "both"}, "method='both'"),
        ({"method": "scatter"}, "method='scatter'"),
    ):
        with pytest.raises(InputError, match=match):
            fraction_interval(chi, **options)
    for bad in (2 * chi, np.where(chi, np.nan, 0.0)):
        with pytest.raises(InputError, match=r"labels == phase"):
            fraction_interval(bad)
