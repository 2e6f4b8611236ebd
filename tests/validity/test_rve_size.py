"""RVE size from samples of known statistics: the law of the scatter, its coverage, limits, codes, bad input."""

import numpy as np
import pytest

from jaxhomog.microstructure import gaussian_field, thresholded
from jaxhomog.results import InputError
from jaxhomog.validity import (
    RVE_BOUNDARIES_DISAGREE,
    RVE_EXTRAPOLATED,
    RVE_FAILED_WINDOWS,
    RVE_FEW_WINDOWS,
    RVE_NO_DECAY,
    RVE_NO_LAW,
    RVE_NOT_IN_IMAGE,
    RVE_SMALL_WINDOWS,
    RVE_UNDEFINED,
    ScatterLaw,
    degrees_of_freedom,
    fit_bias,
    fit_scatter,
    judge_rve_size,
    judge_rve_size_of_average,
    scatter_of_average,
)

Z = 1.959963984540054
FREE = {"exponent_error": np.inf}
# rve.telegraph_variance: f = 1/2, covariance exp(-r) / 4, var of the fraction in a window of length L; A = 2.
TELEGRAPH = {20: 0.023750000002576443, 100: 0.00495}


def exact(n, mean, deviation, rng=None):
    """Values whose sample mean and deviation are these."""
    x = np.arange(n, dtype=float) if rng is None else rng.normal(size=n)
    return mean + deviation * (x - x.mean()) / x.std(ddof=1)


def samples(edges, number, dim, c=4.0, alpha=1.0, mean=10.0, slopes=None):
    """Values with variance c V^-alpha and mean m + slope / edge, exactly."""
    slopes = slopes or {"periodic": 0.0}
    return {
        key: [exact(number, mean + b / e, np.sqrt(c) * e ** (-dim * alpha / 2)) for e in edges]
        for key, b in slopes.items()
    }


@pytest.mark.parametrize("dim, alpha", [(1, 1.0), (2, 0.7), (3, 1.2)])
def test_a_power_is_found(dim, alpha):
    """With as many values of each size the mean of the log chi-square is the same for all, and the slope exact."""
    edges = np.array([8.0, 16.0, 32.0])
    variances = 4.0 * edges ** (-dim * alpha)
    for error in (0.0, np.inf):
        law = fit_scatter(edges, variances, np.full(3, 1e6), dim, exponent=alpha, exponent_error=error)
        assert law.exponent == pytest.approx(alpha, abs=1e-9)
        np.testing.assert_allclose(law.deviation(edges), np.sqrt(variances), rtol=1e-5)
        assert abs(law.misfit) < 1e-6


def test_one_size_is_the_interval_of_a_standard_deviation():
    """alpha held: the log of a variance with nu degrees of freedom; the exact chi-square limits at nu = 30."""
    law = fit_scatter(np.array([10.0]), np.array([1.0]), np.array([30.0]), 2, exponent_error=0.0)
    low, high = law.interval(10.0)
    # sqrt(30 / 46.979) and sqrt(30 / 16.791): quantiles of chi^2_30 at 97.5 and 2.5 %.
    np.testing.assert_allclose([low, high], [0.79911, 1.33667], rtol=0.02)
    assert law.deviation(20.0) == pytest.approx(0.5 * law.deviation(10.0))


def test_what_is_known_of_the_exponent_weighs_as_an_observation():
    """A wide prior changes nothing, a narrow one holds it, one as good as the data meets them half-way."""
    edges, degrees = np.array([10.0, 20.0]), np.array([50.0, 50.0])
    variances = edges**-3.2  # alpha = 1.6
    fit = lambda error: fit_scatter(edges, variances, degrees, 2, exponent_error=error)  # noqa: E731
    free = fit(np.inf)
    assert free.exponent == pytest.approx(1.6) and fit(1e6).exponent == pytest.approx(1.6, abs=1e-6)
    assert fit(0.0).exponent == 1 and fit(0.0).covariance[1, 1] == 0
    error = np.sqrt(free.covariance[1, 1])
    assert fit(error).exponent == pytest.approx(1.3) and fit(error).covariance[1, 1] == pytest.approx(error**2 / 2)


def test_edge_of_a_deviation_and_its_limits():
    """The limits are where the confidence band of the deviation meets the value; infinite if it may not decay."""
    edges = np.array([8.0, 12.0, 16.0])
    law = fit_scatter(edges, 4 * edges**-2.0, np.array([60.0, 40.0, 30.0]), 2, **FREE)
    found, low, high = law.edge_of(0.05)
    assert law.deviation(found) == pytest.approx(0.05)
    assert law.interval(low)[0] == pytest.approx(0.05) and law.interval(high)[1] == pytest.approx(0.05)
    assert low < found < high
    mixed = ScatterLaw(-3.0, 1.0, np.array([[0.02, 0.004], [0.004, 0.01]]), 100.0, np.nan, 2)
    _, low, high = mixed.edge_of(0.05)
    assert mixed.interval(low)[0] == pytest.approx(0.05) and mixed.interval(high)[1] == pytest.approx(0.05)
    vague = fit_scatter(edges, 4 * edges**-2.0, np.array([7.0, 7.0, 7.0]), 2, **FREE)
    found, low, high = vague.edge_of(0.05)
    assert np.isinf(high) and vague.interval(low)[0] == pytest.approx(0.05)


def test_a_deviation_above_that_of_the_windows_has_an_edge_below_theirs():
    """Scatter 0.1 at 32 voxels, exponent 0.3 +- 0.3: where it was 0.3 is uncertain, but not beyond 32."""
    law = ScatterLaw(np.log(0.01), 0.3, np.diag([0.01, 0.09]), 1024.0, np.nan, 2)
    found, low, high = law.edge_of(0.3)
    assert law.deviation(found) == pytest.approx(0.3)
    assert low == 0 and found < high < 32 and law.interval(high)[1] == pytest.approx(0.3)


def test_some_sizes_that_do_not_scatter_have_no_law():
    """Windows of whole periods beside others: no power goes through zero, and no size follows."""
    for k in range(3):
        variances = np.array([1e-2, 1e-3, 1e-4])
        variances[k] = 0
        law = fit_scatter(np.array([8.0, 16.0, 32.0]), variances, np.array([50.0, 20.0, 8.0]), 2)
        assert judge_rve_size_of_average(0.5, law).code == RVE_UNDEFINED


def test_number_of_windows():
    """n = z^2 var / (eps m)^2, and a single window of the edge where n = 1."""
    edges = (10.0, 20.0)
    size = judge_rve_size(edges, samples(edges, 20001, 2), dim=2, exponent_error=0.0, tolerance=0.02, curve=(10, 4, 30))
    n = Z**2 * 4 / np.array([10.0, 4.0, 30.0]) ** 2 / 0.2**2
    np.testing.assert_array_equal(size.number, np.maximum(np.ceil(n), 1))
    assert size.edge == pytest.approx(Z * 2 / 0.2, rel=1e-3)
    assert size.error(10.0, 4)[0] == pytest.approx(Z * 0.2 / 10 / 2, rel=1e-3)
    assert size.code == 0 and "keep the random error within 2 % at 95% confidence" in size.text
    np.testing.assert_array_less(size.number[:2] - 1, size.number_upper[:2])


def test_bias_of_boundary_conditions_and_their_common_limit():
    """Means m + b / edge: the limit and every slope are found, and the number of windows that the bias leaves."""
    edges, slopes = (10.0, 15.0, 20.0), {"uniform_traction": -4.0, "periodic": -1.0, "affine": 8.0}
    size = judge_rve_size(edges, samples(edges, 400, 2, slopes=slopes), dim=2, tolerance=0.05)
    assert size.limit == pytest.approx(10.0) and size.code == 0
    np.testing.assert_allclose(size.fit.slopes, list(slopes.values()), rtol=1e-9)
    np.testing.assert_allclose(size.bias[:, 0], [-0.04, -0.01, 0.08], rtol=1e-9)
    assert np.isinf(size.number_biased[2, 0])  # 8 % of bias, 5 % allowed
    n = Z**2 * size.scatter.deviation(10.0) ** 2 / (0.05 * 10 * (1 - 0.01 / 0.05)) ** 2
    assert size.number_biased[1, 0] == max(np.ceil(n), 1)
    # Limits of their own, no error in them: the boundary conditions contradict each other.
    apart = {key: [x + 0.5 * (key == "affine") for x in v] for key, v in samples(edges, 400, 2, slopes=slopes).items()}
    wrong = judge_rve_size(edges, {k: [v.mean() + 1e-5 * (v - v.mean()) for v in x] for k, x in apart.items()}, dim=2)
    assert wrong.code & RVE_BOUNDARIES_DISAGREE and wrong.limit_error > 0.25
    assert wrong.fit.spread == pytest.approx(0.5, rel=1e-3)


def test_errors_of_the_limit_are_those_of_the_scatter():
    """Independent sizes, two boundary conditions that are fully correlated: 500 draws against the stated errors."""
    rng, edges, fits = np.random.default_rng(0), np.array([10.0, 16.0, 24.0]), []
    for _ in range(500):
        noise = [s * rng.normal(size=100) for s in (2.0, 1.5, 1.0)]
        fits.append(
            fit_bias(edges, [5 + np.outer([1, 2], e) + [[1 / w], [3 / w]] for e, w in zip(noise, edges, strict=True)])
        )
    rms = lambda name: np.sqrt(np.mean(np.square([getattr(f, name) for f in fits]), axis=0))  # noqa: E731
    # A standard deviation of 500 draws is known to 3.2 %.
    assert np.std([f.limit for f in fits]) == pytest.approx(rms("limit_error"), rel=0.1)
    assert np.std([f.slopes for f in fits], axis=0) == pytest.approx(rms("slopes_error"), rel=0.1)


def test_jackknife_sees_what_the_sizes_share():
    """Means of one additive field: every size has the mean of the image, no slope, and its error is that of the image.

    White noise of deviation 1 on 48 x 48 voxels: tiles of 2, 4, 8 cover all of it.
    """
    rng, edges, fits, free = np.random.default_rng(1), (2, 4, 8), [], []
    where = [np.kron(np.arange(36).reshape(6, 6), np.ones((8 // w, 8 // w), int)).ravel() for w in edges]
    for _ in range(200):
        image = 10 + rng.normal(size=(48, 48))
        values = [tiles(image, w)[None] for w in edges]
        fits.append(fit_bias(np.array(edges), values, where))
        free.append(fit_bias(np.array(edges), values))
        assert fits[-1].limit == pytest.approx(image.mean()) and fits[-1].slopes_error == pytest.approx(0, abs=1e-9)
    # A standard deviation of 200 draws is known to 5 %; the true one is 1 / 48.
    assert np.sqrt(np.mean([f.limit_error**2 for f in fits])) == pytest.approx(1 / 48, rel=0.05)
    assert np.std([f.limit for f in fits]) == pytest.approx(1 / 48, rel=0.15) and fits[0].degrees == 35
    # Sizes taken for independent: the intercept of a line through three values at 1/2, 1/4, 1/8.
    x = 1 / np.array(edges)
    intercept = np.sqrt(1 / 3 + x.mean() ** 2 / np.sum((x - x.mean()) ** 2))
    assert np.mean([f.limit_error for f in free]) == pytest.approx(intercept / 48, rel=0.05)


def test_a_volume_average_from_its_integral_range():
    """The telegraph: var = D A / L up to 1 / L (5 % at 20), and the length that gives 5 % by hand."""
    law = scatter_of_average(0.25, 2.0, 0.1, 1)
    size = judge_rve_size_of_average(0.5, law, curve=tuple(TELEGRAPH), image_voxels=5e3)
    for length, variance in TELEGRAPH.items():
        assert size.scatter.deviation(length) ** 2 == pytest.approx(variance, rel=1.1 / length)
    assert size.edge == pytest.approx(0.5 * (Z / 0.025) ** 2)
    # var is proportional to A, whose error is 5 %.
    low, high = size.edge_interval
    assert np.log(high / low) == pytest.approx(2 * Z * 0.05)
    assert size.code == 0 and size.limit_error == pytest.approx(Z * np.sqrt(0.5 / 5e3))
    small = judge_rve_size_of_average(0.5, law, image_voxels=2e3)
    assert small.code == RVE_NOT_IN_IMAGE and "no representative volume in this image" in small.text


def test_effective_degrees_of_freedom():
    """n - 1 for Gaussian values; of a kurtosis kappa, 2 / (2 / (n - 1) + kappa / n)."""
    rng = np.random.default_rng(0)
    x = rng.exponential(size=200_000)  # kappa = 6
    assert degrees_of_freedom([x], np.ones(1))[0] == pytest.approx(len(x) / 4, rel=0.1)
    # A Gaussian sample's own kurtosis is known to sqrt(24 / n) = 0.011; a positive one lowers the number by half of it.
    assert degrees_of_freedom([rng.normal(size=200_000)], np.ones(1))[0] == pytest.approx(2e5, rel=0.02)


def tiles(x, w):
    k = len(x) // w
    s = (len(x) - k * w) // 2
    return x[s : s + k * w, s : s + k * w].reshape(k, w, k, w).mean((1, 3)).ravel()


def test_coverage_for_the_fraction_of_a_median_cut():
    """120 images of which each predicts, from windows of 12 to 24, the variance at 48: 2 pi ln 2 l^2 / 4 / 48^2."""
    images = np.asarray(thresholded(gaussian_field((192, 192), 1.5, number=120, seed=3), 0.5), float)
    deviation = np.sqrt(2 * np.pi * np.log(2) * 1.5**2 / 4) / 48
    edges, hits = (12, 18, 24), 0
    for image in images:
        size = judge_rve_size(edges, {"none": [tiles(image, w) for w in edges]}, dim=2, image_voxels=192**2)
        low, high = size.scatter.interval(48)
        hits += low <= deviation <= high
    # 95 % of 120 is 114 +- 2.4.
    assert 0.9 <= hits / 120 <= 0.995


def test_codes():
    edges = (10.0, 20.0)
    judge = lambda values, **more: judge_rve_size(edges, values, dim=2, **more)  # noqa: E731
    good = samples(edges, 50, 2)
    assert judge(good, correlation=10.0).code == 0
    assert judge(good, correlation=12.0).code == RVE_SMALL_WINDOWS
    assert judge(good, tolerance=0.001).code == RVE_EXTRAPOLATED
    assert judge(good, tolerance=0.001, image_voxels=100.0**2).code == RVE_EXTRAPOLATED | RVE_NOT_IN_IMAGE
    assert judge(samples(edges, 7, 2)).code == RVE_FEW_WINDOWS
    constant = {"periodic": [exact(50, 10.0, 1.0)] * 2}
    flat = judge(constant, **FREE)
    assert flat.code & RVE_NO_DECAY and np.isinf(flat.edge_interval[1]) and "any size" in flat.text
    assert judge(constant).code & RVE_NO_LAW  # alpha = 0 is four standard deviations from what is known of it
    broken = {"periodic": [np.append(x, np.nan) for x in good["periodic"]]}
    failed = judge(broken)
    assert failed.code == RVE_FAILED_WINDOWS and failed.failed == 2
    np.testing.assert_array_equal(failed.counts, 50)
    assert failed.limit == judge(good).limit
    for values in (
        {"periodic": [np.array([1.0, np.nan]), np.ones(3)]},  # one window is left
        {"periodic": [exact(50, 0.0, 1.0), exact(50, 0.0, 0.5)]},  # no mean to be relative to
        {"periodic": [exact(50, 1.0, 0.1), np.ones(50)]},  # scatter in one size only
        {"periodic": [np.zeros(50), np.zeros(50)]},
        {"periodic": [np.full(9, np.nan), np.full(9, np.inf)]},
    ):
        lost = judge(values)
        assert lost.code & RVE_UNDEFINED and np.isnan(lost.edge) and "no size follows" in lost.text
    for wrong in ((0.25, np.nan, 0.1), (0.25, -1.0, 0.1), (-0.25, 2.0, 0.1)):
        assert judge_rve_size_of_average(0.5, scatter_of_average(*wrong, 2)).code == RVE_UNDEFINED


def test_windows_that_are_all_alike_are_representative():
    size = judge_rve_size((4, 8), {"periodic": [np.full(9, 3.0), np.full(9, 3.0 + 1e-12)]}, dim=3)
    assert size.code == 0 and size.edge == 0 and np.all(size.number == 1) and np.all(size.number_biased == 1)
    assert size.limit == pytest.approx(3.0) and "one window of 8" in size.text


def test_order_of_sizes_does_not_matter_and_float32_is_enough():
    edges = (10.0, 15.0, 20.0)
    values = samples(edges, 30, 2, slopes={"affine": 1.0, "periodic": 0.5})
    blocks = [np.arange(30) % 5, np.arange(30) % 6, np.arange(30) // 10]
    one = judge_rve_size(edges, values, dim=2, blocks=blocks)
    other = judge_rve_size(edges[::-1], {k: x[::-1] for k, x in values.items()}, dim=2, blocks=blocks[::-1])
    assert one.fit.limit_error == pytest.approx(other.fit.limit_error, rel=1e-9)
    single = judge_rve_size(edges, {k: [np.float32(y) for y in x] for k, x in values.items()}, dim=2)
    assert one.boundary == "periodic" and other.text == one.text
    assert single.edge == pytest.approx(one.edge, rel=1e-4)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"edges": (10,)}, "at least two sizes"),
        ({"edges": (10, 10)}, "each size once"),
        ({"edges": (10, np.nan)}, "at least two sizes"),
        ({"edges": "ab"}, "at least two sizes"),
        ({"edges": (10, 20, 30)}, "no values of windows of 30"),
        ({"samples": {}}, "samples is a dict"),
        ({"samples": None}, "samples is a NoneType"),
        ({"samples": {"a": [[1.0, 2.0], [[1.0, 2.0]]]}}, "shapes"),
        ({"samples": {"a": [["x"], [1.0]]}}, "no values of windows of 10"),
        ({"samples": {"a": [[1.0, 2.0], [1.0, 2.0]], "b": [[1.0], [1.0]]}}, "same windows"),
        ({"dim": 4}, "dim=4"),
        ({"dim": True}, "dim=True"),
        ({"tolerance": 0.0}, "tolerance=0.0"),
        ({"tolerance": "5 %"}, "tolerance='5 %'"),
        ({"tolerance": None}, "tolerance=None"),
        ({"confidence": 95}, "confidence=95"),
        ({"exponent": -1.0}, "exponent=-1.0"),
        ({"exponent_error": np.nan}, "exponent_error=nan"),
        ({"boundary": "afine"}, "there are periodic"),
        ({"curve": (0.0, 1.0)}, "curve="),
        ({"curve": "x"}, "curve="),
        ({"image_voxels": 0.0}, "image_voxels=0.0"),
        ({"blocks": 3}, "blocks is a int"),
        ({"blocks": [[1] * 9]}, "blocks is a list"),
        ({"blocks": [[1] * 9, [2] * 9]}, "fewer than three"),
        ({"correlation": "x"}, "correlation='x'"),
    ],
)
def test_bad_input_is_one_line(change, words, unchecked):
    given = {"edges": (10, 20), "samples": samples((10, 20), 9, 2), "dim": 2} | change
    with pytest.raises(InputError, match=words) as caught:
        judge_rve_size(given.pop("edges"), given.pop("samples"), **given)
    assert len(str(caught.value).splitlines()) == 1


LAW = ScatterLaw(0.0, 1.0, np.diag([0.01, 0.01]), 100.0, np.nan, 2)
THREE = np.array([8.0, 16.0, 32.0])


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: LAW.edge_of(0.0), "deviation=0.0"),
        (lambda: LAW.edge_of(0.1, 95), "confidence=95"),
        (lambda: LAW.interval(10.0, 1.0), "confidence=1.0"),
        (lambda: LAW.sample_interval(10.0, 1), "number=1"),
        (lambda: fit_scatter(THREE, THREE[:2], THREE, 2), "variances of shape"),
        (lambda: fit_scatter(-THREE, THREE, THREE, 2), "edges="),
        (lambda: fit_scatter(THREE, -THREE, THREE, 2), "variances="),
        (lambda: fit_scatter(THREE, THREE, 0 * THREE, 2), "degrees="),
        (lambda: fit_scatter(0 * THREE + 4, THREE, THREE, 2), "each size once"),
        (lambda: fit_scatter(THREE, None, THREE, 2), "variances"),
        (lambda: fit_scatter(THREE, THREE, THREE, 2.0), "dim=2.0"),
        (lambda: scatter_of_average("half", 1.0, 0.1, 2), "point_variance='half'"),
        (lambda: scatter_of_average(0.2, 1.0, 0.1, 4), "dim=4"),
    ],
)
def test_a_law_says_what_is_wrong(unchecked, call, words):
    with pytest.raises(InputError, match=words):
        call()
