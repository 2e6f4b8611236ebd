"""`[load]`: what a problem file prescribes step by step, and the path that it means."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..api import LoadPath
from ..io import one_line
from ..results import InputError
from ._tables import integer_of, known
from ._values import numbers

# Names of what is prescribed from below, of its dual, and of the mask that tells which counts where.
_NAMES = {
    "elasticity": ("strain", "stress", "stress_controlled"),
    "conduction": ("gradient", "flux", "flux_controlled"),
    "finite_strain": ("F", "P", "p_controlled"),
}
_ROWS = tuple(name for down, up, _ in _NAMES.values() for name in (down, up))
LOAD_KEYS = (
    *_NAMES["elasticity"], "steps", "time", "temperature", *_NAMES["conduction"], *_NAMES["finite_strain"],
)  # fmt: skip
_MOST = 100_000


@dataclass(frozen=True)
class Load:
    """A load as written, its numbers read.

    Args:
        given: key to array: rows (T, n) of strain, stress, gradient, flux, F, P; booleans (n,) or (T, n); rows (T,).
        line: whether it is a straight line to the one row that was written.
    """

    given: dict[str, np.ndarray]
    line: bool = False

    def path(self, physics: str) -> LoadPath:
        """The load path of that physics.

        Raises:
            InputError: keys of the other physics, nothing or too much prescribed, rows that do not fit.
        """
        names = _NAMES[physics]
        for key in self.given:
            if key not in (*names, "time", "temperature"):
                raise InputError(
                    f"[load]: {key} does not belong to {physics}: give {names[0]} or {names[1]}{_hint(key)}"
                )
        down, up, mask = (self.given.get(name) for name in names)
        if down is None and up is None:
            raise InputError(f"[load] has no {names[0]} and no {names[1]}: give rows of components, one per step")
        if down is not None and up is not None and mask is None:
            n = down.shape[1]
            raise InputError(
                f"[load]: {names[0]} and {names[1]} are both given: add {names[2]} = [{n} booleans], true where the"
                f" {names[1]} counts"
            )
        try:
            make = LoadPath.finite if physics == "finite_strain" else LoadPath
            return make(down, up, mask, self.given.get("time"), self.given.get("temperature"))
        except InputError as error:
            text = str(error)
            if physics == "conduction":
                text = text.replace("stress", "flux").replace("strain", "gradient")
            raise InputError(f"[load]: {text}") from None


def _hint(key: str) -> str:
    return ', or physics.kind = "finite_strain"' if key in _NAMES["finite_strain"] else ""


def read_load(table: dict[str, Any]) -> Load:
    """The table `[load]`.

    Args:
        table: as written.

    Raises:
        InputError: an unknown key, no numbers, rows of several lengths.
    """
    known("load", table, LOAD_KEYS)
    given: dict[str, np.ndarray] = {}
    for key in _ROWS:
        if key in table:
            given[key] = _rows(f"load.{key}", table[key], (4, 9) if key in ("F", "P") else (2, 3, 6))
    for _, _, key in _NAMES.values():
        if key in table:
            given[key] = _booleans(f"load.{key}", table[key])
    for key in ("time", "temperature"):
        if key in table:
            given[key] = np.asarray(numbers(f"load.{key}", table[key]))
    steps = _steps(table["steps"]) if "steps" in table else None
    for key in _ROWS:
        if key in given and steps is not None:
            rest = np.eye(math.isqrt(given[key].shape[1])).ravel() if key == "F" else 0.0
            given[key] = rest + _line(f"load.{key}", given[key] - rest, steps)
        elif key in given and len(given[key]) > _MOST:
            raise InputError(f"load.{key} has {len(given[key])} rows: give at most {_MOST}")
    if steps is not None and "time" in given and len(given["time"]) == 1:
        given["time"] = _line("load.time", given["time"][:, None], steps)[:, 0]
    rows = next((len(given[key]) for key in _ROWS if key in given), 1)
    if "temperature" in given and len(given["temperature"]) == 1:
        given["temperature"] = np.full(rows, given["temperature"][0])
    return Load(given, steps is not None)


def _steps(value: Any) -> int:
    steps = integer_of("load.steps", value)
    if not 1 <= steps <= _MOST:
        raise InputError(f"load.steps is {steps}: give 1 to {_MOST}")
    return steps


def _line(name: str, rows: np.ndarray, steps: int) -> np.ndarray:
    """The straight line from zero to the one row there is; the last point is that row."""
    if len(rows) != 1:
        raise InputError(f"{name} has {len(rows)} rows beside load.steps: give the final row alone, or leave out steps")
    return rows * (np.arange(1, steps + 1)[:, None] / steps)


def _rows(name: str, value: Any, lengths: tuple[int, ...]) -> np.ndarray:
    """Rows of numbers of one length; a single row needs no second pair of brackets."""
    listed = value if isinstance(value, list) else [value]
    if not any(isinstance(row, list) for row in listed):
        listed = [listed]
    out = []
    for i, row in enumerate(listed):
        if not isinstance(row, list) or any(isinstance(x, (list, str)) for x in row):
            raise InputError(one_line(f"{name}, row {i + 1} is {row!r}"[:100] + ": give a list of numbers"))
        out.append(numbers(f"{name}, row {i + 1}", row, len(out[0]) if out else None))
    if len(out[0]) not in lengths:
        how = "d x d, row by row (9 in 3-D, 4 in 2-D)" if 9 in lengths else "one per component (6 in 3-D, 3 in 2-D)"
        raise InputError(f"{name} has rows of {len(out[0])} numbers: give {how}")
    return np.asarray(out)


def _booleans(name: str, value: Any) -> np.ndarray:
    """One row of booleans, or several of one length."""
    listed = value if isinstance(value, list) else [value]
    if listed and all(isinstance(row, list) for row in listed):
        if len(listed) == 1:
            return _booleans(name, listed[0])
        rows = [_booleans(name, row) for row in listed]
        if len({row.shape for row in rows}) > 1 or rows[0].ndim > 1:
            raise InputError(f"{name} has rows of several lengths: give one boolean per component")
        return np.stack(rows)
    if not listed or not all(isinstance(x, bool) for x in listed):
        raise InputError(one_line(f"{name} is {str(value)[:60]}: give true or false per component"))
    return np.asarray(listed)
