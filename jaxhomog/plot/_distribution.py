"""Figures of a sweep: how its properties are distributed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from . import _figures as figures


def write_distribution(folder: Path, properties: Mapping[str, np.ndarray]) -> list[str]:
    """Write `distribution.png` and `distribution.svg`; nothing where matplotlib is missing or no lane has succeeded.

    Args:
        folder: where.
        properties: name -> values, one per lane that succeeded.

    Returns:
        Names of the files.
    """
    if not figures.have_matplotlib() or not all(len(values) for values in properties.values()):
        return []
    names = [f"distribution.{form}" for form in ("png", "svg")]
    for name in names:
        (folder / name).write_bytes(distribution_figure(properties, name.rpartition(".")[2]))
    return names


def distribution_figure(properties: Mapping[str, np.ndarray], form: str = "png") -> bytes:
    """A histogram of every property, with its mean.

    Args:
        properties: name -> values.
        form: "png" or "svg".
    """
    columns = min(3, len(properties))
    rows = -(-len(properties) // columns)

    def draw(figure):
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for ax, (name, values) in zip(panels, properties.items(), strict=False):
            # Values that differ by rounding only are one bar.
            span = float(np.ptp(values))
            same = span <= 1e-9 * float(np.abs(values).max())
            bins = min(40, max(8, round(len(values) ** 0.5)))
            ax.hist(values, bins=1 if same else bins, color=figures._LIGHT, edgecolor=figures._BLUE, linewidth=0.6)
            ax.axvline(float(np.mean(values)), color=figures._RED, linewidth=1.2, label="mean")
            ax.set(xlabel=name, ylabel="lanes")
            ax.locator_params(axis="x", nbins=5)
        panels[0].legend(frameon=False)
        for ax in panels[len(properties) :]:
            ax.set_visible(False)

    return figures._figure((3.2 * columns, 2.6 * rows), draw, form)
