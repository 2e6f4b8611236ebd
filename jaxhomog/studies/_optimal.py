"""Whether a design is a minimum: a check of its own, whatever the optimizer says."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import numpy as np

from ._criteria import Evaluated

# A point counts as no minimum where one nearby is better by so many tolerances (fewer beyond the second number).
_TOLERANCES, _LOOSE = 10, 1e-3
_SETS = 30  # of variables at a bound that would leave it, tried at most
_AT = 1e-6  # of a variable's size: so near to a bound it lies there
# Shares of the longest step that are looked at: from the root of the tolerance downwards.
_SHARES = (1.0, 1 / 8, 1 / 64, 1 / 512)
# An objective falls without end where it fell by so many times its size, or the variables left by so many times theirs.
_FALL, _AWAY = 1e8, 1e10


class Scales:
    """Sizes at the beginning of a stage, by which its end is judged.

    Args:
        x: the variables there.
        found: the problem there.
    """

    def __init__(self, x: np.ndarray, found: Evaluated):
        self.x, self.objective = np.asarray(x, float), found.objective
        with np.errstate(over="ignore"):
            reach = np.sum(np.abs(found.slopes[0]) * np.maximum(np.abs(self.x), 1))
        self.size = abs(found.objective) + min(float(reach), np.finfo(float).max / 1e10)

    def objective_scale(self, value: float, tolerance: float) -> float:
        """What a change of the objective is relative to: its value, or the tolerance's share of the first one."""
        return max(abs(value), tolerance * abs(self.objective))

    def endless(self, x: np.ndarray, value: float) -> bool:
        """Whether objective or variables have run off."""
        away = np.max(np.abs(x), initial=0) > _AWAY * max(1.0, np.max(np.abs(self.x), initial=0))
        return bool(away) or self.objective - value > _FALL * max(self.size, np.finfo(float).tiny)

    def lengths(self, x: np.ndarray, bounds: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """The size of every variable: here or at the beginning; of one that began at 0 at least its bounds' or 1."""
        width = np.minimum(np.asarray(bounds[1], float) - np.asarray(bounds[0], float), 1.0)
        first = np.where(self.x == 0, np.where(width > 0, width, 1.0), np.abs(self.x))
        return np.maximum(np.abs(x), first)


def better(
    evaluate: Callable[[np.ndarray], Evaluated],
    x: np.ndarray,
    bounds: tuple[np.ndarray, np.ndarray],
    scales: Scales,
    tolerance: float,
    allowed: float,
) -> np.ndarray | None:
    """A better design beside this one, if one is found.

        d = -P(grad f + A^T l + B^T m),   L(x + t d) < L(x) - 10 tolerance |f|   for some t

    with the multipliers l >= 0 of active inequalities and m of equalities that make the projection P on the bounds
    smallest, L the Lagrangian, and |t d| the root of the tolerance, relative to the size of the variables, or less. A
    saddle or a maximum has no slope: two points on both sides along a direction by chance, within the constraints, are
    looked at as well, at the fourth root of the tolerance. That none of these is better proves no minimum; but an
    optimizer that ends early is found out.

    Args:
        evaluate: the problem.
        x: a feasible point.
        bounds: lower and upper.
        scales: of the stage.
        tolerance: relative, of the objective.
        allowed: violation of the constraints that counts as none.

    Source:
        Nocedal & Wright (2006), Numerical Optimization, sections 12.3 and 16.7.
    """
    here, lengths = evaluate(x), scales.lengths(x, bounds)
    active = here.inequality >= -allowed
    rows = np.concatenate([here.slopes[1][active], here.slopes[2]]) * lengths
    one_sided = np.arange(len(rows)) < active.sum()
    # An optimizer leaves a variable at its bound up to rounding.
    low, high = x - bounds[0] <= _AT * lengths, bounds[1] - x <= _AT * lengths
    multipliers, rest = _stationary(here.slopes[0] * lengths, rows, one_sided, low, high)
    precision = 64 * float(np.finfo(x.dtype).eps)
    least = max(min(_TOLERANCES * tolerance, max(tolerance, _LOOSE)), precision)
    least *= scales.objective_scale(here.objective, tolerance)

    def lagrangian(found: Evaluated) -> float:
        return found.objective + float(multipliers @ np.concatenate([found.inequality[active], found.equality]))

    def room(direction: np.ndarray) -> float:
        """How far inequalities that are not active yet let one go, at most 1."""
        closing = here.slopes[1][~active] @ (lengths * direction)
        some = closing > 0
        return float(np.min(-here.inequality[~active][some] / closing[some], initial=1.0))

    def lower(step: np.ndarray) -> np.ndarray | None:
        there = np.clip(x + lengths * step, *bounds).astype(x.dtype)
        found = evaluate(there)
        below = found.objective == -np.inf or (found.sound and lagrangian(found) < lagrangian(here) - least)
        return there if below else None

    steepest = np.max(np.abs(rest), initial=0)
    if steepest > 0:
        downhill = -rest / steepest * np.sqrt(tolerance)
        downhill = room(downhill) * downhill
        for share in _SHARES:
            if -float(rest @ downhill) * share <= least:  # not even the slope promises more
                break
            if (found := lower(share * downhill)) is not None:
                return found
    aside = np.random.default_rng(0).standard_normal(x.size) * ~(low | high)
    if len(rows):
        aside = (aside - np.linalg.lstsq(rows, rows @ aside, rcond=None)[0]) * ~(low | high)
    if np.max(np.abs(aside), initial=0) > 1e-8:
        aside *= tolerance**0.25 / np.max(np.abs(aside))
        for sign in (1, -1):
            if (found := lower(sign * room(sign * aside) * aside)) is not None:
                return found
    return None


def _stationary(slope, rows, one_sided, low, high):
    """Multipliers that make the projected gradient of the Lagrangian smallest, and that gradient."""

    def projected(multipliers):
        rest = slope + multipliers @ rows
        # A variable at its bound may only come back from there.
        return np.where(low & high, 0, np.where(low, np.minimum(rest, 0), np.where(high, np.maximum(rest, 0), rest)))

    multipliers = np.zeros(len(rows))
    if not len(rows):
        return multipliers, projected(multipliers)
    size = np.linalg.norm(rows, axis=1)
    scaled = rows / np.where(size > 0, size, 1)[:, None]
    least_squares = importlib.import_module("scipy.optimize").lsq_linear
    best, inside = np.inf, ~(low | high)
    for _ in range(_SETS):
        if inside.any():
            limits = (np.where(one_sided, 0.0, -np.inf), np.full(len(rows), np.inf))
            found = least_squares(scaled[:, inside].T, -slope[inside], limits, method="bvls", tol=1e-14)
            trial = np.maximum(found.x, limits[0]) / np.where(size > 0, size, 1)
        else:
            trial = np.zeros(len(rows))
        rest = projected(trial)
        if np.linalg.norm(rest) < best:
            best, multipliers = np.linalg.norm(rest), trial
        # Of the variables at a bound those count that would come back from it.
        now = ~(low | high) | (rest != 0)
        if (now == inside).all():
            break
        inside = now
    return multipliers, projected(multipliers)
