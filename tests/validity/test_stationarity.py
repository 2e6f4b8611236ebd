"""Stationary media are called so as often as stated; graded mean, variance and texture are named."""

from statistics import NormalDist

import jax
import numpy as np
import pytest
from scipy import stats

from jaxhomog.microstructure import (
    checkerboard,
    gaussian_field,
    overlapping_spheres,
    random_checkerboard,
    realizations,
    sphere_cell,
    thresholded,
)
from jaxhomog.results import InputError
from jaxhomog.validity import (
    DRIFT_FEW_WINDOWS,
    DRIFT_MEAN,
    DRIFT_TEXTURE,
    DRIFT_UNIFORM,
    DRIFT_VARIANCE,
    stationarity,
)
from jaxhomog.validity._slow_modes import correlation_cut, slow_modes
from jaxhomog.validity._stationarity import exact_periods


def _graded(seed, change, axis=0, shape=(160, 120), length=2.5):
    """Fraction 0.4 in the middle, rising linearly by `change` from face to face."""
    g = gaussian_field(tuple(n + 40 for n in shape), length, seed=seed)[tuple(slice(n) for n in shape)]
    n = shape[axis]
    f = 0.4 + change * (np.arange(n) + 0.5 - n / 2) / n
    level = np.array([NormalDist().inv_cdf(1 - x) for x in f])
    return (g > np.moveaxis(np.broadcast_to(level, (*np.delete(shape, axis), n)), -1, axis)).astype(int)


def test_a_graded_material_is_named_with_axis_and_size():
    for axis in (0, 1):
        found = stationarity(_graded(3, 0.5, axis))
        assert found.verdict == "not stationary" and found.code & DRIFT_MEAN, found.reason
        assert f"along axis {axis}" in found.reason and "the mean changes by +" in found.reason
        assert abs(found.slope[0, axis] - 0.5) < 4 * found.slope_error[0, axis] < 0.5
        assert abs(found.slope[0, 1 - axis]) < 4 * found.slope_error[0, 1 - axis]


def test_variance_and_texture():
    """The mean is 0 everywhere; the amplitude, or the length, is graded."""
    g = gaussian_field((200, 180), 2.0, seed=0)
    found = stationarity(g * np.linspace(0.5, 1.5, 180))
    assert found.code & DRIFT_VARIANCE and not found.code & DRIFT_MEAN
    assert "variance changes by +" in found.reason and "axis 1" in found.reason
    coarse = gaussian_field((200, 180), 4.0, seed=1)
    found = stationarity(thresholded(np.concatenate([g[:100], coarse[:100]]), 0.5))
    assert found.code == DRIFT_TEXTURE and "texture" in found.reason and "changes by -" in found.reason


def test_a_band_is_a_pattern_without_a_trend():
    g = gaussian_field((240, 120), 2.0, seed=2)
    level = np.where(abs(np.arange(240) - 119.5) < 60, -0.6, 0.6)
    found = stationarity((g > level[:, None]).astype(int))
    assert found.code & DRIFT_MEAN and "not as a linear trend" in found.reason
    assert found.trend[0] > 0.05 > found.pattern[0]


def test_white_noise_by_hand():
    """Slope by least squares of window means; p-value of the trend by scipy from the slow modes."""
    m = np.random.default_rng(4).normal(size=(3, 12, 9))
    found = slow_modes(jax.numpy.asarray(m))
    x = np.stack(np.meshgrid((np.arange(12) - 5.5) / 12, (np.arange(9) - 4) / 9, indexing="ij"), -1).reshape(-1, 2)
    centred = (m - m.mean((1, 2), keepdims=True)).reshape(3, -1)
    slope = np.linalg.lstsq(np.tile(x, (3, 1)), centred.ravel(), rcond=None)[0]
    np.testing.assert_allclose(found.slope, slope)
    rest = (centred - x @ slope).reshape(3, 12, 9)
    from scipy.fft import dctn

    modes = dctn(rest, axes=(1, 2), norm="ortho")[:, :5, :4]  # modes up to a third of the windows
    nu = 3 * 17 + 2 * 2  # those with two first modes have lost one to the trend, the mean all
    square = np.sum(modes**2) / nu
    error = np.sqrt(square / (3 * np.sum(x**2, axis=0)))
    np.testing.assert_allclose(found.slope_error, error)
    np.testing.assert_allclose(found.trend, stats.f.sf(np.mean((slope / error) ** 2), 2, nu))


def test_correlation_cut_of_a_graded_material():
    """Gaussian covariance: 0.1 at l sqrt(2 ln 10); a gradient does not change it."""
    g = gaussian_field((150, 170), 4.0, seed=1)
    exact = 4 * np.sqrt(2 * np.log(10))
    for x in (g, g + 4 * np.linspace(0, 1, 170)):
        assert abs(float(correlation_cut(jax.numpy.asarray(x[None]))) - exact) < 1.5


@pytest.mark.parametrize(
    "image, periods",
    (
        (np.tile([0, 1], (64, 32)), (1, 2)),
        (np.tile([0.1, 0.1, 0.7], (4, 65, 20)).astype(np.float32), (1, 1, 3)),
        (checkerboard((96, 64), 16), (12, 8)),
        (checkerboard((64, 64), 16, phases=4), (8, 8)),
        (np.tile(sphere_cell(13, 0.3, 2), (9, 10))[:-5, 4:], (13, 13)),
        (np.sin(2 * np.pi * np.arange(200) / 7), (7,)),
    ),
    ids=("stripes", "thirds", "checkerboard", "four phases", "discs, no whole number", "sine"),
)
def test_periodic_media_are_stationary(image, periods):
    """Windows that cut periods see a drift in them: whole periods do not."""
    found = stationarity(image)
    assert found.verdict == "stationary" and found.code == 0 and found.periods == periods, found.reason
    assert f"every {periods[-1]} voxels along axis {image.ndim - 1}" in found.reason
    assert np.all(np.asarray(found.slope) == 0) and found.axes == tuple(range(image.ndim))


def test_a_few_periods_do_not_decide():
    found = stationarity(checkerboard((64, 64), 4))
    assert found.verdict == "cannot be decided" and "fewer than 4 times" in found.reason
    assert stationarity(checkerboard((64, 64), 2)).verdict == "cannot be decided"


def test_gradients_of_periodic_media_are_named():
    """Stripes on a ramp, and layers whose thickness grows: nothing in them is random."""
    ramp = np.tile([0, 1], (128, 64)) + np.linspace(0, 1, 128)[:, None]
    layers = np.tile(np.arange(8), 16)[None, :] < np.linspace(1, 7, 128)[:, None]
    for image, period in ((ramp, 2), (layers, 8)):
        found = stationarity(image)
        assert found.verdict == "not stationary" and found.periods == (0, period)
        assert found.code & DRIFT_MEAN and "axis 0" in found.reason and found.slope[0, 1] == 0


def test_what_is_the_same_along_an_axis_is_judged_on_the_others():
    """Long fibres are discs: the verdict and the p-values of a section."""
    discs = overlapping_spheres((90, 84), 3.0, number=120, seed=2)
    flat = stationarity(discs)
    found = stationarity(np.repeat(discs[:, None], 5, 1))
    assert found.verdict == flat.verdict == "stationary" and found.window == flat.window
    np.testing.assert_allclose(found.trend, flat.trend, rtol=1e-9)
    np.testing.assert_allclose(found.pattern, flat.pattern, rtol=1e-9)
    np.testing.assert_allclose(found.slope[:, ::2], flat.slope, rtol=0, atol=1e-12)
    assert np.all(np.asarray(found.slope)[:, 1] == 0) and found.periods == (0, 1, 0)


@pytest.mark.slow
def test_random_layers_in_a_periodic_array_are_stationary():
    """Random along one axis, of period four along the other: as often as stated (before, never)."""
    verdicts = []
    for seed in range(100):
        line = thresholded(gaussian_field((400,), 2.5, seed=seed), 0.5)[:360]
        verdicts.append(stationarity(line[:, None] ^ np.tile([0, 0, 1, 1], 4)).verdict)
    assert verdicts.count("stationary") >= stats.binom.ppf(0.001, 100, 0.95)


def test_exact_periods_by_brute_force():
    rng = np.random.default_rng(0)
    for cell in ((2, 3), (5, 1), (4, 4)):
        image = np.tile(rng.random((2, *cell)), (1, 4, 5))
        assert exact_periods(image) == cell
        image[1, -1, -1] += 1e-3  # a period must hold to the last voxel, in every image
        assert exact_periods(image) == (0, 0)
    slow = np.broadcast_to(np.linspace(1, 1.01, 4000, dtype=np.float32)[:, None], (1, 4000, 4))
    assert exact_periods(slow) == (0, 1), "steps near rounding that add up are a gradient"
    assert exact_periods(np.full((1, 6, 6), np.nan)) == (0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("medium", ("median", "crop", "gaussian", "discs", "checkerboard", "3d", "1d", "several"))
def test_stationary_media_are_called_so(medium):
    """At a level of 0.95: of 100 seeds not fewer than a binomial exceeds with probability 0.999."""
    number, dim = 100, {"3d": 3, "1d": 1}.get(medium, 2)
    make = {
        "median": lambda s: thresholded(gaussian_field((128, 128), 3.0, seed=s), 0.5),
        "crop": lambda s: thresholded(gaussian_field((160, 150), 3.0, seed=s), 0.3)[:128, :110],
        "gaussian": lambda s: gaussian_field((160, 150), 3.0, seed=s)[:128, :110],
        "discs": lambda s: overlapping_spheres((150, 150), 5.0, number=150, seed=s),
        "checkerboard": lambda s: random_checkerboard((160, 160), 20, 0.4, seed=s),
        "3d": lambda s: thresholded(gaussian_field((56, 48, 48), 1.6, seed=s), 0.4),
        "1d": lambda s: thresholded(gaussian_field((2048,), 4.0, seed=s), 0.4),
        "several": lambda s: thresholded(gaussian_field((96, 96), 2.5, number=4, seed=s), 0.3),
    }[medium]
    verdicts = [stationarity(make(s), dim=dim).verdict for s in range(number)]
    assert "cannot be decided" not in verdicts
    assert verdicts.count("stationary") >= stats.binom.ppf(0.001, number, 0.95)


def test_several_images_share_a_trend():
    images = np.stack([_graded(s, 0.25) for s in range(6)])
    found = stationarity(images, dim=2)
    assert found.code & DRIFT_MEAN and abs(found.slope[0, 0] - 0.25) < 4 * found.slope_error[0, 0] < 0.2


def test_what_cannot_be_decided():
    small = thresholded(gaussian_field((24, 24), 4.0, seed=0), 0.5)
    found = stationarity(small)
    assert found.code & DRIFT_FEW_WINDOWS and found.verdict == "cannot be decided" and "larger image" in found.reason
    assert stationarity(gaussian_field((128, 128), 3.0, seed=0), window=4).code & DRIFT_FEW_WINDOWS, "too narrow"
    for bad in (np.full((32, 32), 0.1), np.full((32, 32), np.nan), np.zeros((8, 8), int)):
        found = stationarity(bad)
        assert found.code & DRIFT_UNIFORM and found.verdict == "cannot be decided" and "does not vary" in found.reason


@pytest.mark.slow
def test_thin_axes_precision_and_traces():
    chi = thresholded(gaussian_field((96, 81), 2.0, seed=5), 0.5)
    flat, thin = stationarity(chi, window=9), stationarity(chi[:, None], window=9)
    np.testing.assert_allclose(flat.slope, thin.slope)
    assert thin.axes == (0, 2) and flat.verdict == "stationary" and "may be chance" in flat.reason
    assert np.isnan(flat.trend[1]) and int(flat.tests) == 4, "two values: no test of the variance"
    single = stationarity(chi.astype(np.float32), window=9)
    assert single.slope.dtype == np.float32
    np.testing.assert_allclose(single.trend[::2], flat.trend[::2], rtol=1e-3)
    traced = jax.jit(lambda x: stationarity(x, window=9))(chi)
    np.testing.assert_allclose(traced.trend, flat.trend)
    assert int(traced.code) == int(flat.code)
    lanes = jax.vmap(lambda x: stationarity(x, window=9))(np.stack([chi, chi[::-1]]))
    np.testing.assert_allclose(lanes.slope[1, 0, 0], -flat.slope[0, 0], rtol=0, atol=0.2)
    assert lanes.code.shape == (2,)
    with pytest.raises(InputError, match="window="):
        jax.jit(lambda x: stationarity(x))(chi)


def test_bad_input(unchecked):
    chi = realizations(lambda seed: random_checkerboard((16, 16), 4, 0.5, seed=seed), 2)
    for options, match in (
        ({"window": 17}, "window=17"),
        ({"window": 0}, "window=0"),
        ({"window": 2.5}, "window=2.5"),
        ({"window": True}, "window=True"),
        ({"level": 95}, "percentage"),
        ({"level": "high"}, "level='high'"),
        ({"dim": 4}, "dim=4"),
    ):
        with pytest.raises(InputError, match=match):
            stationarity(chi, **{"dim": 2, **options})
    with pytest.raises(InputError, match="four"):
        stationarity(np.zeros((16, 3)))
