"""Figure of an RVE size: mean and scatter of windows, and how many of them are needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..validity import RVESize
from . import _figures as figures

_COLOURS = {"uniform_traction": "#2f855a", "periodic": figures._BLUE, "affine": figures._RED}


def write_rve_size(folder: Path, size: RVESize, name: str = "rve_size") -> list[str]:
    """Write `NAME.png` and `NAME.svg`; nothing where matplotlib is missing or no size was found.

    Args:
        folder: where.
        size: what `judge_rve_size` found.
        name: of the files.

    Returns:
        Names of the files.
    """
    if not figures.have_matplotlib() or not np.isfinite(size.limit):
        return []
    names = [f"{name}.{form}" for form in ("png", "svg")]
    for file in names:
        (folder / file).write_bytes(rve_size_figure(size, file.rpartition(".")[2]))
    return names


def rve_size_figure(size: RVESize, form: str = "png") -> bytes:
    """Left: means with their standard deviation against the edge, for every boundary condition, the fit and the limit.

    Right: number of windows against the edge, from the scatter alone with its upper limit, and with the bias taken
    from the tolerance.

    Args:
        size: what `judge_rve_size` found.
        form: "png" or "svg".
    """
    fine = np.geomspace(size.edges[0], size.edges[-1], 60)

    def means(ax):
        ax.axhline(size.limit, color="#555", linewidth=0.8, label="limit")
        ax.axhspan(size.limit - size.limit_error, size.limit + size.limit_error, color="#eee", linewidth=0)
        for b, boundary in enumerate(size.boundaries):
            colour = _COLOURS.get(boundary, "#555")
            shift = 1 + 0.015 * (b - 0.5 * (len(size.boundaries) - 1))
            ax.errorbar(
                size.measured * shift, size.means[b], size.deviations[b],
                fmt="o", markersize=3.5, capsize=2, color=colour, label=boundary.replace("_", " "),
            )  # fmt: skip
            if size.fit is not None:
                ax.plot(fine, size.limit + size.fit.slopes[b] / fine, color=colour, linewidth=0.9)
        if not size.boundaries:
            deviation = size.scatter.deviation(fine)
            ax.fill_between(fine, size.limit - deviation, size.limit + deviation, color=figures._LIGHT, linewidth=0)
        ax.set(
            xlabel="edge of the window / voxels", ylabel=figures._plain(size.name), title="mean and standard deviation"
        )
        ax.legend(frameon=False)

    def numbers(ax):
        ax.plot(size.edges, size.number, "o-", markersize=3, color=figures._BLUE, label="scatter alone")
        upper = np.where(np.isfinite(size.number_upper), size.number_upper, np.nan)
        ax.fill_between(size.edges, size.number, upper, color=figures._LIGHT, linewidth=0)
        for b, boundary in enumerate(size.boundaries):
            biased = np.where(np.isfinite(size.number_biased[b]), size.number_biased[b], np.nan)
            if np.any(np.isfinite(biased)):
                colour = _COLOURS.get(boundary, "#555")
                ax.plot(size.edges, biased, "--", color=colour, label=f"with the bias of {boundary.replace('_', ' ')}")
        ax.set(xscale="log", yscale="log", xlabel="edge of the window / voxels", ylabel="windows")
        ax.set_title(f"for {100 * size.tolerance:.3g} % at {size.confidence:.0%} confidence")
        ax.legend(frameon=False)

    def draw(figure):
        left, right = figure.subplots(1, 2)
        means(left)
        numbers(right)

    return figures._figure((8.4, 3.3), draw, form)
