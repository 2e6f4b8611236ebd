"""Spatial averages with weights, ensemble averages with intervals, and whether they agree."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxhomog.results import InputError
from jaxhomog.validity import (
    AVERAGES_DIFFER,
    AVERAGES_UNDECIDED,
    averages_agree,
    ensemble_average,
    smooth_window,
    spatial_average,
)


def test_weights_by_hand():
    rng = np.random.default_rng(0)
    a, labels = rng.normal(size=(3, 5, 4, 2)), rng.integers(0, 2, (5, 4))
    np.testing.assert_allclose(spatial_average(a, dim=2, rank=1), a.mean((1, 2)))
    np.testing.assert_allclose(spatial_average(a, labels == 1, dim=2, rank=1), a[:, labels == 1].mean(axis=1))
    each = rng.random((3, 5, 4))
    expected = np.einsum("bijc,bij->bc", a, each) / each.sum((1, 2))[:, None]
    np.testing.assert_allclose(spatial_average(a, each, dim=2, rank=1), expected)
    np.testing.assert_allclose(spatial_average(a[0, :, :, 0], each[0]), expected[0, 0])
    assert np.isnan(spatial_average(a[0, :, :, 0], np.zeros((5, 4), bool)))
    np.testing.assert_allclose(spatial_average(labels), labels.mean())
    assert spatial_average(a.astype(np.float32), labels, dim=2, rank=1).dtype == np.float32


def test_derivatives_of_a_weighted_mean():
    """d <a>_w / d a = w / sum w,  d <a>_w / d w = (a - <a>_w) / sum w."""
    a, w = jnp.asarray(np.random.default_rng(1).random((2, 4, 6)))
    by_a, by_w = jax.jit(jax.grad(spatial_average, (0, 1)))(a, w)
    np.testing.assert_allclose(by_a, w / w.sum())
    np.testing.assert_allclose(by_w, (a - spatial_average(a, w)) / w.sum(), rtol=0, atol=1e-15)


def test_smooth_windows_are_a_partition_of_unity():
    total = 0.0
    for i in range(3):
        for j in range(4):
            w = smooth_window((12, 16), 4.0, jnp.asarray([4.0 * i + 0.3, 4.0 * j]))
            assert np.sum(w) == pytest.approx(1) and np.min(w) >= 0
            total = total + w
    np.testing.assert_allclose(total, 12 / (12 * 16), rtol=1e-6)
    row = np.asarray(smooth_window((15,), 3.0))
    x = np.arange(15) - 7.0
    np.testing.assert_allclose(row, np.where(abs(x) < 3, (1 + np.cos(np.pi * x / 3)) / 2, 0) / 3, rtol=0, atol=1e-12)
    assert smooth_window((9, 1), 2.0).shape == (9, 1)
    shifted = smooth_window((12, 16), 4.0, jnp.asarray([0.0, 16.0]))
    np.testing.assert_allclose(shifted, np.roll(smooth_window((12, 16), 4.0), (-6, -8), (0, 1)), rtol=0, atol=1e-12)
    centres = jnp.asarray([[1.0, 2.0], [5.5, 3.0]])
    lanes = jax.jit(jax.vmap(lambda c: smooth_window((8, 8), 3.0, c)))(centres)
    np.testing.assert_allclose(lanes[1], smooth_window((8, 8), 3.0, centres[1]), rtol=0, atol=1e-12)


def test_ensemble_average_by_scipy():
    x = np.random.default_rng(2).normal(size=(6, 3)) + 1
    for found in (ensemble_average(x, level=0.9), jax.jit(lambda y: ensemble_average(y, level=0.9))(x)):
        np.testing.assert_allclose(found.error, stats.sem(x))
        ends = stats.t.interval(0.9, 5, x.mean(0), stats.sem(x))
        np.testing.assert_allclose([found.mean - found.half_width, found.mean + found.half_width], ends)
    lanes = jax.vmap(ensemble_average, 1)(x)
    np.testing.assert_allclose(lanes.half_width, ensemble_average(x).half_width)
    one = ensemble_average(x[:1])
    assert np.all(np.isnan(one.error)) and np.all(one.mean == x[0])
    x[0, 1] = np.nan
    assert np.isnan(ensemble_average(x).error).tolist() == [False, True, False]


def test_a_realization_agrees_as_often_as_the_level_says():
    """Students t is exact for normal values: 2000 cases at a level of 0.9, within four binomial deviations."""
    x = np.random.default_rng(3).normal(size=(5, 2000))
    found = averages_agree(x[0], ensemble_average(x[1:]), level=0.9)
    assert abs(np.mean(found.code == 0) - 0.9) < 4 * np.sqrt(0.09 / 2000)
    np.testing.assert_allclose(found.limit, stats.t.ppf(0.95, 3))
    assert found.verdict == "differ" and "standard errors apart" in found.reason


def test_verdicts():
    ensemble = ensemble_average(np.array([0.9, 1.0, 1.1]))
    assert averages_agree(1.05, ensemble).verdict == "agree"
    assert averages_agree(2.0, ensemble).verdict == "differ"
    with_error = averages_agree(2.0, ensemble, 1.0)
    assert with_error.verdict == "agree"
    np.testing.assert_allclose(with_error.z, 1 / np.sqrt(1 + 0.01 / 3))
    for bad in (np.nan, 1.0):
        single = ensemble if np.isnan(bad) else ensemble_average(np.array([1.0]))
        found = averages_agree(bad, single)
        assert found.code == AVERAGES_UNDECIDED and found.reason.startswith("cannot be decided")
    seen = []
    jax.jit(lambda x: (seen.append(averages_agree(x, ensemble).reason), x)[1])(1.0)
    assert seen == ["<traced>"]


def test_bad_input(unchecked):
    a = np.zeros((4, 5))
    for call, match in (
        (lambda: spatial_average(a, np.ones((5, 4))), "weight of shape"),
        (lambda: spatial_average(a, dim=3), "dim=3"),
        (lambda: spatial_average(a, rank=-1), "rank=-1"),
        (lambda: spatial_average(np.zeros(())), "space axes"),
        (lambda: smooth_window((8, 8), 5.0), "half_width=5"),
        (lambda: smooth_window((8, 8), "a"), "half_width='a'"),
        (lambda: smooth_window((8, 8), np.nan), "half_width=nan"),
        (lambda: smooth_window((8, 8), 2.0, jnp.zeros(3)), "centre"),
        (lambda: ensemble_average(np.zeros(())), "realizations"),
        (lambda: ensemble_average(np.zeros((0, 2))), "realizations"),
        (lambda: ensemble_average(a, level=2), "percentage"),
        (lambda: averages_agree(np.zeros(3), ensemble_average(a)), "one shape"),
        (lambda: averages_agree(0.0, None), "ensemble is a NoneType"),
        (lambda: averages_agree(0.0, ensemble_average(a[:, 0]), np.ones(3)), "error has shape"),
        (lambda: averages_agree("a", ensemble_average(a[:, 0])), "spatial is a str"),
        (lambda: spatial_average("field"), "field is a str"),
        (lambda: spatial_average(a * 1j), "complex"),
        (lambda: spatial_average(a, "w"), "weight is a str"),
        (lambda: spatial_average(a, dim="2"), "dim='2'"),
        (lambda: spatial_average(a, rank=True), "rank=True"),
        (lambda: smooth_window((8, 8), 2.0, (np.nan, 1.0)), "centre="),
        (lambda: ensemble_average([[1.0], [1.0, 2.0]]), "realizations is a list"),
    ):
        with pytest.raises(InputError, match=match):
            call()


def test_what_an_error_does_not_decide():
    ensemble = ensemble_average(np.arange(5.0))
    for error in (-1.0, np.inf, np.nan):
        assert averages_agree(100.0, ensemble, error).code == AVERAGES_UNDECIDED
    assert averages_agree(100.0, ensemble, 1.0).code == AVERAGES_DIFFER


def test_large_weights_do_not_overflow():
    big = np.full((4, 4), 1e30, np.float32)
    np.testing.assert_allclose(spatial_average(big, big), 1e30, rtol=1e-5)
    assert spatial_average(np.full((4, 4), 2, np.float16), big > 0).dtype == np.float32
