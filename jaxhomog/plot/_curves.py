"""Figures of many driven paths in one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from . import _figures as figures

_MOST = 500


def write_curves(folder: Path, down: np.ndarray, up: np.ndarray, names: tuple[str, str]) -> list[str]:
    """Write `curves.png` and `curves.svg`; nothing where matplotlib is missing or there is no curve.

    Args:
        folder: where.
        down: (lanes, steps + 1), of one component; NaN behind the end of a path.
        up: its dual, alike.
        names: of both.

    Returns:
        Names of the files.
    """
    if not figures.have_matplotlib() or not len(down):
        return []
    files = [f"curves.{form}" for form in ("png", "svg")]
    for name in files:
        (folder / name).write_bytes(curves_figure(down, up, names, name.rpartition(".")[2]))
    return files


def curves_figure(down: np.ndarray, up: np.ndarray, names: tuple[str, str], form: str = "png") -> bytes:
    """All curves (of more than 500, evenly chosen ones), and their mean where they share the abscissa.

    Args:
        down: (lanes, steps + 1); NaN behind the end of a path.
        up: its dual, alike.
        names: of both.
        form: "png" or "svg".
    """
    chosen = np.unique(np.linspace(0, len(down) - 1, min(len(down), _MOST)).round().astype(int))
    whole = np.isfinite(up).all(axis=1)
    shared = whole.any() and bool(np.allclose(down[whole], down[whole][:1], rtol=1e-6, atol=0))

    def draw(figure):
        ax = figure.subplots()
        ax.plot(down[chosen].T, up[chosen].T, color=figures._BLUE, linewidth=0.7, alpha=0.5)
        if shared:
            ax.plot(down[whole][0], up[whole].mean(axis=0), color=figures._RED, linewidth=1.4, label="mean")
            ax.legend(frameon=False)
        ax.set(xlabel=f"mean {names[0]}", ylabel=f"mean {names[1]}")
        ax.grid(color="#eee")
        ax.set_axisbelow(True)

    return figures._figure((5.2, 3.6), draw, form)
