"""Points of an EBSD map that were not indexed, or that the file leaves out, and what becomes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ._errors import bad_input

_FAILED_ANGLE = 4 * np.pi  # what EDAX writes for all three angles of a point without a solution
_PIECE = 1 << 22  # distances held at once


def not_indexed(rows: np.ndarray, degrees: bool) -> np.ndarray:
    """Which points of the file have no solution.

    Args:
        rows: (points, columns): three angles, x, y, phase, and the confidence index where there is one.
        degrees: whether the map is a `.ctf`, which says it by phase 0.

    Returns:
        (points,) bool.
    """
    phase = rows[:, 5]
    if degrees:
        return phase == 0
    # A single-phase .ang may number its phase 0; beside other phases 0 is none.
    missed = (phase < 0) | ((phase == 0) & (phase.max() > 0))
    missed |= (np.abs(rows[:, :3] - _FAILED_ANGLE) < 1e-3).all(axis=1)
    if rows.shape[1] > 6:
        without = rows[:, 6] == -1
        if not without.all():  # a program that knows no confidence writes one number for all
            missed |= without
    return missed


def choice_of(path: Path, unindexed: object) -> str | int:
    """The caller's word on such points: "refuse", "nearest", or a label.

    Raises:
        InputError: something else.
    """
    if isinstance(unindexed, str) and unindexed in ("refuse", "nearest"):
        return unindexed
    try:
        if isinstance(unindexed, (bool, float)) or not isinstance(unindexed, (str, int, np.integer)):
            raise ValueError
        label = int(unindexed)
        if not -(2**31) <= label < 2**31:
            raise ValueError
    except ValueError:
        raise bad_input(
            path, f"unindexed={str(unindexed)[:40]!r} is unknown", "give 'refuse', 'nearest' or an integer label"
        ) from None
    return label


def fill(
    path: Path, choice: str | int, known: np.ndarray, left_out: int, labels: np.ndarray, rotation: np.ndarray,
    step: tuple[float, float],
) -> tuple[str, ...]:  # fmt: skip
    """Give the points without a solution what was chosen, in place.

    Args:
        path: the file.
        choice: from `choice_of`.
        known: (nx, ny) which points are indexed.
        left_out: how many points have no row in the file.
        labels: (nx, ny).
        rotation: (nx, ny, 3, 3).
        step: distances of points.

    Returns:
        The remark with their count; none where all are indexed.

    Raises:
        InputError: the choice is to refuse them, none is indexed, or the label is that of a phase.
    """
    count = int(known.size - np.count_nonzero(known))
    if count == 0:
        return ()
    said = f"{count} of {known.size} points are not indexed" + (f" ({left_out} of them left out)" if left_out else "")
    present = np.unique(labels[known])
    if not len(present):
        raise bad_input(path, "no point of the map is indexed", "index it again")
    if choice == "refuse":
        free = max(int(present.max()) + 1, 0)
        raise bad_input(
            path, said, "give unindexed='nearest' (each takes phase and orientation of the nearest indexed point) or a"
            f" label of their own, e.g. unindexed={free}, or clean the map up in the EBSD program",
        )  # fmt: skip
    if choice == "nearest":
        i, j = nearest(known, step)
        labels[~known], rotation[~known] = labels[i, j], rotation[i, j]
        return (f"{said}: each has phase and orientation of the nearest indexed point",)
    if choice in present:
        raise bad_input(
            path, f"unindexed={choice} is the label of a phase of the map", "give a label of their own, or 'nearest'"
        )
    labels[~known], rotation[~known] = choice, np.eye(3)
    return (f"{said}: they have label {choice}, and the map's axes as their orientation",)


def nearest(known: np.ndarray, step: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """For each point that is not known the nearest known one; the first one where several are equally near.

    Args:
        known: (nx, ny) bool, at least one true.
        step: distances of points along both axes.

    Returns:
        Indices along both axes, one per unknown point in the order of `~known`.
    """
    nx, ny = known.shape
    line = np.arange(nx)[:, None]
    far = 4 * nx
    before = np.maximum.accumulate(np.where(known, line, -far), axis=0)
    behind = np.minimum.accumulate(np.where(known, line, far)[::-1], axis=0)[::-1]
    # The nearest known point on the same line of the map, for every point; then the best of all lines.
    on_line = np.where(line - before <= behind - line, before, behind)
    apart = np.where((on_line >= 0) & (on_line < nx), ((on_line - line) * step[0]) ** 2.0, np.inf)
    i, j = np.nonzero(~known)
    best = np.empty(len(i), int)
    across = (np.arange(ny) * step[1]) ** 2.0
    for start in range(0, len(i), piece := max(_PIECE // ny, 1)):
        part = slice(start, start + piece)
        best[part] = np.argmin(apart[i[part]] + across[np.abs(np.arange(ny) - j[part, None])], axis=1)
    return on_line[i, best], best
