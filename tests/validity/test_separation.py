"""Scale separation per point: regimes from measured scales, their intervals, and the constants of a cell."""

import jax
import numpy as np
import pytest

from jaxhomog.results import InputError
from jaxhomog.rve import line_correctors
from jaxhomog.validity import (
    REGIME_NONE,
    REGIME_STRONG,
    REGIME_UNDECIDED,
    REGIME_WEAK,
    SCALES_NONE,
    SCALES_UNDECIDED,
    SCALES_UNSURE,
    SCALES_WEAK,
    ExpansionConstants,
    Scale,
    expansion_constants,
    regime,
    scale_separation,
)


def test_a_map_of_regimes():
    macro = np.array([[100.0, 10.0], [2.0, np.inf]])
    found = scale_separation(1.0, macro, tolerance=0.05)
    np.testing.assert_allclose(found.eps_length, [[0.01, 0.1], [0.5, 0]])
    np.testing.assert_array_equal(found.regime.code, [[REGIME_STRONG, REGIME_WEAK], [REGIME_NONE, REGIME_STRONG]])
    np.testing.assert_allclose(found.fractions, [0.5, 0.25, 0.25, 0])
    assert found.code == SCALES_WEAK + SCALES_NONE and not found.verdict and np.all(found.sure)
    assert "first-order homogenization in 50 %" in found.reason and "0.5 (length)" in found.reason
    both = scale_separation(1.0, 100.0, 2.0, np.array([50.0, 20.0]), tolerance=0.05)
    np.testing.assert_array_equal(both.regime.code, [REGIME_STRONG, REGIME_WEAK])
    fine = scale_separation(1.0, 100.0, tolerance=0.05)
    assert fine.verdict and fine.reason.startswith("the points need first-order homogenization in all; it is the same")


def test_intervals():
    """Micro 1 +- 0.2 and macro 20 +- 2: 0.6 / 24 to 1.4 / 16 with two standard errors."""
    found = scale_separation(Scale(np.array(1.0), np.array(0.2)), Scale(np.array(20.0), np.array(2.0)), tolerance=0.06)
    assert found.regime.code == REGIME_STRONG and found.lower.code == REGIME_STRONG
    assert found.upper.code == REGIME_WEAK and found.code == SCALES_UNSURE and "100 %" not in found.reason
    for tolerance, low, high in ((0.0249, 1, 1), (0.0251, 0, 1), (0.0874, 0, 1), (0.0876, 0, 0)):
        ends = scale_separation(
            Scale(np.array(1.0), np.array(0.2)), Scale(np.array(20.0), np.array(2.0)), tolerance=tolerance
        )
        assert (int(ends.lower.code), int(ends.upper.code)) == (low, high)
    wide = scale_separation(Scale(np.array(1.0), np.array(2.0)), Scale(np.array(20.0), np.array(30.0)), tolerance=0.05)
    assert wide.lower.code == REGIME_STRONG and wide.upper.code == REGIME_NONE, "ends stop at zero"
    assert scale_separation(1.0, Scale(np.array(np.inf), np.array(np.nan)), tolerance=0.1).verdict


def test_what_is_not_known():
    found = scale_separation(Scale(np.array(0.01), np.array(np.nan)), 1.0, tolerance=0.05)
    assert found.regime.code == REGIME_STRONG and found.code == SCALES_UNSURE
    for bad in (np.nan, -1.0):
        found = scale_separation(bad, 10.0, tolerance=0.05)
        assert found.regime.code == REGIME_UNDECIDED and found.code == SCALES_UNDECIDED + SCALES_UNSURE


def test_constants_of_a_cell():
    """N = sin(2 pi y) / 4 pi and M = cos(2 pi y) / 8 pi^2 of a = 1 / (2 + cos 2 pi y)."""
    n = 512
    cell = line_correctors(1 / (2 + np.cos(2 * np.pi * (np.arange(n) + 0.5) / n)))
    constants = expansion_constants(cell, 1.0)
    np.testing.assert_allclose(constants.first, 1 / (4 * np.pi * np.sqrt(2)), rtol=1e-4)
    np.testing.assert_allclose(constants.second, 1 / (8 * np.pi**2 * np.sqrt(2)), rtol=1e-4)
    half = expansion_constants(cell, 0.5)
    np.testing.assert_allclose((half.first / constants.first, half.second / constants.second), (2, 4))
    found = scale_separation(1.0, 10.0, tolerance=0.05, constants=constants)
    assert found.textbook.code == REGIME_WEAK and found.regime.code == REGIME_STRONG and found.verdict
    alike = expansion_constants(line_correctors(np.ones(4)), 1.0)
    assert alike.first == 0 and alike.second == 0
    assert np.isnan(expansion_constants(cell, -1.0).first)


def test_constants_of_the_rule():
    assert regime(0.1, 0.0, 0.05, 0.5).code == REGIME_STRONG
    assert regime(0.1, 0.0, 0.05, 1.0, 6.0).code == REGIME_NONE
    assert regime(0.1, 0.0, 0.05, np.nan).code == REGIME_UNDECIDED
    only = ExpansionConstants(np.array(2.0), None)
    assert scale_separation(0.1, 1.0, tolerance=0.05, constants=only).regime.code == REGIME_WEAK


def test_under_transformations():
    macro = np.array([100.0, 10.0, 2.0], np.float32)
    codes = jax.jit(jax.vmap(lambda L: scale_separation(np.float32(1), L, tolerance=0.05).code))(macro)
    np.testing.assert_array_equal(codes, [0, SCALES_WEAK, SCALES_NONE])
    assert scale_separation(np.float32(1), macro, tolerance=0.05).eps_length.dtype == np.float32
    seen = []
    jax.jit(lambda L: (seen.append(scale_separation(1.0, L, tolerance=0.05).reason), L)[1])(2.0)
    assert seen == ["<traced>"]


@pytest.mark.parametrize(
    "given, words",
    (
        ({"micro_length": None}, "micro_length=None"),
        ({"micro_length": "1"}, "micro_length='1'"),
        ({"macro_length": True}, "macro_length=True"),
        ({"macro_time": 1j}, "macro_time=1j"),
        ({"micro_length": np.ones(2), "macro_length": np.ones(3)}, "must broadcast"),
        ({"micro_time": np.ones(2), "macro_length": np.ones(3)}, "must broadcast"),
        ({"tolerance": "small"}, "tolerance='small'"),
        ({"tolerance": None}, "tolerance=None"),
        ({"deviations": -1.0}, "deviations=-1.0"),
        ({"micro_length": Scale(np.ones(()), np.asarray(-0.1))}, "micro_length.error is negative"),
        ({"macro_length": np.ones(0)}, "macro_length has shape"),
        ({"deviations": None}, "deviations=None"),
        ({"constants": 2.0}, "constants is a float"),
    ),
)
def test_bad_input(unchecked, given, words):
    with pytest.raises(InputError, match=words):
        scale_separation(**({"micro_length": 1.0, "macro_length": 10.0, "tolerance": 0.05} | given))
