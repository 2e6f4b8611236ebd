"""Regimes of scale separation: the cases of the rule, equality in both precisions, transformations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxhomog.results import InputError
from jaxhomog.validity import REGIME_NONE, REGIME_STRONG, REGIME_UNDECIDED, REGIME_WEAK, regime

CASES = [
    (0.01, 0.02, 0.05, REGIME_STRONG),
    (0.15, 0.10, 0.05, REGIME_WEAK),
    (0.3, 0.1, 0.05, REGIME_NONE),
    (0.025, 0.025, 0.05, REGIME_STRONG),  # equal
    (0.1, 0.2, 0.3, REGIME_STRONG),  # equal, though 0.1 + 0.2 > 0.3 in float64
    (0.3, 0.4, 0.25, REGIME_WEAK),  # equal
    (0.0, 0.0, 0.0, REGIME_STRONG),
    (0.5, 0.0, 0.25, REGIME_WEAK),
]


@pytest.mark.parametrize("dtype", (np.float32, np.float64))
@pytest.mark.parametrize("length, time, tolerance, expected", CASES)
def test_cases(length, time, tolerance, expected, dtype):
    found = regime(dtype(length), dtype(time), dtype(tolerance))
    assert found.code.dtype == jnp.int32 and int(found.code) == expected
    assert int(regime(dtype(time), dtype(length), dtype(tolerance)).code) == expected


@pytest.mark.parametrize("dtype", (np.float32, np.float64))
def test_equality_is_inside_and_a_little_more_is_not(dtype):
    """Pairs that add up to tau in decimals are strong; ten units in the last place above it are not."""
    parts = np.arange(1, 100)
    length, time = (np.asarray(x / 1000, dtype) for x in (parts, 100 - parts))
    tau = dtype(0.1)
    assert np.all(np.asarray(regime(length, time, tau).code) == REGIME_STRONG)
    above = time + 10 * np.finfo(dtype).eps * tau
    assert np.all(np.asarray(regime(length, above, tau).code) == REGIME_WEAK)


def test_python_numbers_in_default_precision():
    assert [int(regime(*case[:3]).code) for case in CASES] == [case[3] for case in CASES]
    with jax.enable_x64(False):
        assert [int(regime(*case[:3]).code) for case in CASES] == [case[3] for case in CASES]


def test_under_transformations():
    length, time, tau, expected = (np.array(column) for column in zip(*CASES, strict=True))
    for f in (regime, jax.jit(regime), jax.vmap(regime), jax.jit(jax.vmap(regime))):
        np.testing.assert_array_equal(f(length, time, tau).code, expected)
    assert regime(length[:, None], time[:3], 0.05).code.shape == (len(CASES), 3)
    seen = []
    jax.jit(lambda x: (seen.append(regime(x, 0.0, 0.1).name), x)[1])(0.1)
    assert seen == ["<traced>"]


def test_what_is_no_ratio_is_undecided():
    for bad in (np.nan, -0.1):
        for case in ((bad, 0.0, 0.1), (0.0, bad, 0.1), (0.0, 0.0, bad)):
            assert regime(*case).code == REGIME_UNDECIDED
    assert "NaN or negative" in regime(np.nan, 0.0, 0.1).advice


def test_what_is_no_number_is_refused(unchecked):
    for bad, words in (
        ("a", "'a'"),
        (None, "None"),
        (0.1j, "0.1j"),
        (True, "True"),
        (np.ones(2), "broadcast"),
    ):
        with pytest.raises(InputError, match=words):
            regime(bad, np.zeros(3), 0.1)
    with pytest.raises(InputError, match="at least one"):
        regime([], 0.0, 0.1)
    assert regime([0.01, 0.3], 0.0, 0.05).code.tolist() == [REGIME_STRONG, REGIME_NONE]


def test_names_and_advice():
    for case, name, scheme in ((CASES[0], "strong", "hierarchical"), (CASES[1], "weak", "corrected"),
                               (CASES[2], "none", "concurrent")):  # fmt: skip
        found = regime(*case[:3])
        assert found.name == name and found.advice.startswith(scheme)
    assert regime(np.array([0.01, 0.3, 0.1]), 0.0, 0.05).name == "none", "of several lanes the worst"
