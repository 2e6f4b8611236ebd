"""The trust report of a unit cell that repeats without end: what is assumed of it, and what is left to ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..materials import AbstractMaterial
from ..results import SUCCESS, worst_of
from ..rve import Correctors
from ..validity import YES, TrustItem
from ._trust_items import _first_up
from ._trust_solves import correctors_of, energy_of, solved_wholes, voxels_of


class Judged(NamedTuple):
    """All answers but that of the scales, and what this one needs.

    Args:
        items: answers.
        code: worst result code of the solves.
        cell: correctors of the first image; None where they were not asked for.
        length: of the microstructure in voxels.
        length_error: its standard error.
        what: the length that it is.
        assumption: what the image was taken for.
    """

    items: tuple[TrustItem, ...]
    code: Any
    cell: Correctors | None
    length: Any
    length_error: Any
    what: str
    assumption: str


def judged_cell(
    labels: np.ndarray, indicator: np.ndarray, space: tuple[int, ...], law: Mapping[int, AbstractMaterial] | None,
    accuracy: float, element: str, tolerance: float | None, bounds: bool, max_iterations: int,
    say: Callable[[str], None], correct: bool,
) -> Judged:  # fmt: skip
    """A cell that is the whole medium: nothing scatters, one period is the RVE, periodic conditions have no bias."""
    period, fraction = periods(labels[0]), float(indicator.mean())
    edge, known = max(period), "assumed, it repeats without end"
    # Numbers of the same names as those of a sample, so that a program reads both alike.
    sure = {"fraction": fraction, "low": fraction, "high": fraction}
    size: dict[str, Any] = {"period": period, "image_edge": float(np.prod(space, dtype=float)) ** (1 / len(space))}
    code, cell, answers = SUCCESS, None, []
    names = ["fraction"]
    if law is not None:
        wholes, values = solved_wholes(labels, space, law, "periodic", element, tolerance, max_iterations, say, correct)
        code = worst_of(*(w.result.code for w in wholes))
        cell = correctors_of(wholes[0], space) if correct else None
        names = list(values)
        answers = [
            _property(values, accuracy),
            energy_of(wholes, accuracy),
            voxels_of(wholes[0], labels[0], space, law, bounds, accuracy, max_iterations, say),
        ]
    size |= {name: {"edge": edge, "edge_interval": (edge, edge)} for name in names}
    items = (
        _given(
            "fraction", "Is the volume fraction known well enough?", f"{fraction:.5g} of the cell; {known}", sure, False
        ),
        _given(
            "stationarity", "Does the medium look the same everywhere (stationary)?", f"{known}: all cells are alike"
        ),
        _given(
            "correlation", "Is the image larger than its correlations?",
            f"{known}: the image holds whole periods of {times(period)} voxels, and no part of one", {"period": period},
        ),
        _given("ergodicity", "Does one image stand for the ensemble (ergodic)?", f"{known}: there is no ensemble"),
        _given(
            "rve_size", "Is there a representative volume in the image?",
            f"{known}: one period, {times(period)} voxels, is the representative volume, nothing scatters, and periodic"
            " boundary conditions have no bias", size,
        ),
        *answers,
    )  # fmt: skip
    assumption = (
        f"Assumed: the image is a unit cell that repeats without end (every {times(period)} voxels), no sample."
    )
    return Judged(items, code, cell, edge, 0.0, "period", assumption)


def _given(name: str, ask: str, text: str, numbers: dict | None = None, decisive: bool = True) -> TrustItem:
    """An answer that follows from what is assumed."""
    return TrustItem(name, ask, YES, f"{_first_up(text)}.", "", decisive, numbers or {})


def _property(values: dict[str, np.ndarray], accuracy: float) -> TrustItem:
    """The property of the cell is that of the medium: an interval of one point."""
    ask = "Is the effective property known well enough?"
    found = {name: float(x[0]) for name, x in values.items()}
    text = ", ".join(f"{name} {x:.5g}" for name, x in found.items())
    numbers = {name: {"value": x, "interval": (x, x)} for name, x in found.items()} | {"accuracy": accuracy}
    text += ": that of the cell is that of the medium, up to the errors of solver and voxels (see energy and voxels)"
    return TrustItem("property", ask, YES, f"{_first_up(text)}.", numbers=numbers)


def periods(labels: np.ndarray) -> tuple[int, ...]:
    """Voxels along each axis after which an image shows the same again: its edge, or a whole part of it."""
    return tuple(_period(labels, axis) for axis in range(labels.ndim))


def _period(labels: np.ndarray, axis: int) -> int:
    n = labels.shape[axis]
    for p in range(1, n // 2 + 1):
        if n % p == 0 and np.array_equal(np.roll(labels, p, axis), labels):
            return p
    return n


def times(shape: tuple[int, ...]) -> str:
    """16 x 24."""
    return " x ".join(map(str, shape))
