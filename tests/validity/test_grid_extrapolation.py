"""Extrapolation over grids: sequences of known limit, the safety factors, and what speaks against an order."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxhomog.validity import (
    FEW_GRIDS,
    NOT_MONOTONE,
    ONE_POSITION,
    UNCONVERGED,
    UNUSUAL_ORDER,
    convergence_text,
    extrapolate,
)

TRUTH = np.asarray([[3.0, 1.0], [1.0, 2.0]])
H = 1 / np.asarray([32.0, 48.0, 64.0])
run = jax.jit(extrapolate)


def sequences(*coefficients, h=H, positions=4, scatter=0.0):
    """C + b h + c h^2 for every scheme's pair (b, c), in units of the identity; (schemes, grids, positions, 2, 2)."""
    error = np.asarray([[b * x + c * x**2 for x in h] for b, c in coefficients])
    values = TRUTH + error[..., None, None, None] * np.eye(2) * np.ones((positions, 1, 1))
    return values + scatter * np.random.default_rng(0).standard_normal((*error.shape, positions, 1, 1)) * np.eye(2)


def judge(values, h=H, solver=0.0):
    return run(jnp.asarray(values), jnp.asarray(h), jnp.full(values.shape[:2], solver))


def off(found):
    return np.linalg.norm(np.asarray(found.effective) - TRUTH, 2)


def test_lines_and_parabolas_are_exact():
    lines = judge(sequences((8.0, 0.0), (-1.0, 0.0)))
    assert off(lines) < 1e-12 and float(lines.order) == pytest.approx(1, abs=1e-6) and int(lines.code) == 0
    one = judge(sequences((-2.0, 90.0)))
    assert off(one) < 1e-12
    # Lines alone would leave a part of the parabola: 90 h1 h2 at spacings h1, h2.
    assert off(judge(sequences((-2.0, 90.0), (-2.0, 90.0)))) == pytest.approx(90 * H[1] * H[2], rel=1e-9)


def test_the_bar_by_hand():
    """Two schemes, lines 1 + 0.2 h and 1 - 0.4 h in h = 2, 1: steps 0.2 and 0.4, no disagreement; F = 3 for two grids.

    With a parabola added to one of them both the step and the disagreement count.
    """
    h = np.asarray([2.0, 1.0])
    found = judge(sequences((0.2, 0.0), (-0.4, 0.0), h=h), h)
    assert float(found.error_bar) == pytest.approx(3 * 0.2, rel=1e-9) and int(found.code) == FEW_GRIDS
    # The second limit moves by -c h1 h2 = -1, the mean by -1/2: steps of 0.7 and 0.6, both limits 0.5 away.
    found = judge(sequences((0.2, 0.0), (-0.4, 0.5), h=h), h)
    assert float(found.error_bar) == pytest.approx(3 * 0.6, rel=1e-9)
    # Limits 1 and -1, and a finest value that happens to be their mean: no step, but a disagreement of 1.
    found = judge(sequences((-0.5, 0.5), (0.7, -0.5), h=h), h)
    assert float(found.error_bar) == pytest.approx(3, rel=1e-9)


def test_usual_factor_scatter_and_solver():
    quiet = judge(sequences((8.0, 0.0), (4.0, 0.0)))
    assert float(quiet.error_bar) == pytest.approx(1.25 * 4 / 64, rel=1e-9)
    solver = judge(sequences((8.0, 0.0), (4.0, 0.0)), solver=1e-3)
    # Weights 4 and -3 of the two finest grids.
    assert float(solver.error_bar - quiet.error_bar) == pytest.approx(7e-3, rel=1e-9)
    # A swing of +-0.01 on the finest grid at four positions: standard error 0.01 sqrt(4 / 3) / 2, Frobenius sqrt 2.
    values = sequences((8.0, 0.0), (4.0, 0.0))
    values[0, -1] += 0.01 * np.asarray([1, -1, 1, -1]).reshape(4, 1, 1) * np.eye(2)
    swing = float(judge(values).error_bar - quiet.error_bar)
    assert swing == pytest.approx(2 * 4 * 0.01 * np.sqrt(4 / 3) / 2 * np.sqrt(2), rel=1e-9)


@pytest.mark.parametrize("p", [0.6, 1.0, 1.7, 2.3])
def test_the_observed_order_of_a_power(p):
    values = sequences((0.0, 0.0)) + (H**p)[None, :, None, None, None] * np.eye(2)
    found = judge(values)
    assert float(found.order) == pytest.approx(p, abs=1e-6) and int(found.code) == 0


def test_what_speaks_against_the_order():
    swinging = sequences((8.0, 0.0))
    swinging[:, 1] -= 1.0 * np.eye(2)
    steep = sequences((0.0, 0.0)) + (H**5 * 1e6)[None, :, None, None, None] * np.eye(2)
    broken = sequences((8.0, 0.0))
    broken[0, 0, 0] = np.nan
    for values, bit, word in (
        (swinging, NOT_MONOTONE, "monotonically"),
        (steep, UNUSUAL_ORDER, "observed order"),
        (sequences((8.0, 0.0), positions=1), ONE_POSITION, "positions"),
        (broken, UNCONVERGED, "not finite"),
    ):
        found = judge(values)
        assert int(found.code) & bit, word
        assert word in convergence_text(found.code)
    assert np.isnan(float(judge(broken).error_bar))
    assert "approach a limit" in convergence_text(judge(sequences((8.0, 0.0))).code)


def test_nothing_changes():
    """A cell whose tensor no grid alters: no order, no caution, and no bar but the solver's."""
    found = judge(sequences((0.0, 0.0), (0.0, 0.0)), solver=1e-9)
    assert off(found) < 1e-14 and np.isnan(float(found.order)) and int(found.code) == 0
    assert float(found.error_bar) == pytest.approx(7e-9, rel=1e-3)


def test_the_bar_holds_the_truth_of_random_sequences():
    """Errors of two terms and scatter, of sizes as discs have them: the truth is outside in none of 600."""
    rng, outside = np.random.default_rng(1), 0
    for schemes in (1, 2, 3):
        for _ in range(200):
            b, c = rng.normal(0, 1, schemes) * 3, rng.normal(0, 1, schemes) * 40
            values = sequences(*zip(b, c, strict=True), positions=8)
            values = values + 2e-3 * rng.standard_normal((*values.shape[:3], 1, 1)) * np.eye(2)
            found = judge(values)
            outside += off(found) > float(found.error_bar)
    assert outside == 0


def test_derivatives_go_through_the_tensor_alone():
    values = jnp.asarray(sequences((8.0, 1.0), (4.0, -2.0)))
    pick = lambda k: lambda x: extrapolate(x, jnp.asarray(H), jnp.zeros((2, 3)))[k].sum()  # noqa: E731
    # Weights 0, -3, 4 of the grids, shared among two schemes, four positions.
    slope = np.asarray(jax.jit(jax.grad(pick(0)))(values))
    np.testing.assert_allclose(slope[0, :, 0, 0, 0], np.asarray([0, -3, 4]) / 8, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(np.asarray(jax.jit(jax.grad(pick(1)))(values)), 0)
