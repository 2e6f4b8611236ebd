"""Figures of a driven path beside its numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..api import message_keys
from . import _figures as figures


def write_curve(folder: Path, result: dict[str, Any]) -> None:
    """Write `curve.png` and `curve.svg`; nothing where matplotlib is missing or the path has no row.

    Args:
        folder: where.
        result: what `result.json` holds.
    """
    if not figures.have_matplotlib() or result["rows"] == 0:
        return
    for form in ("png", "svg"):
        (folder / f"curve.{form}").write_bytes(curve_figure(result, form))


def curve_figure(result: dict[str, Any], form: str = "png") -> bytes:
    """Stress against strain of the component with the largest range of strain, energy and dissipation against time.

    Args:
        result: what `result.json` holds.
        form: "png" or "svg".
    """
    curve, more = result["curve"], result["description"]
    down, up = message_keys(more["physics"])
    from_zero = lambda key: np.asarray([0.0, *curve[key]], float)  # noqa: E731
    rest = [float(down == "F" and name[0] == name[-1]) for name in more["components"]]
    strain, stress = (np.asarray([first, *curve[key]], float) for key, first in ((down, rest), (up, [0.0] * len(rest))))
    k = int(np.argmax(np.ptp(np.nan_to_num(strain), axis=0)))
    time = from_zero("time")

    def draw(figure):
        left, right = figure.subplots(1, 2)
        left.plot(strain[:, k], stress[:, k], ".-", color=figures._BLUE, markersize=4)
        name = more["components"][k]
        left.set(xlabel=f"mean {down} {name}", ylabel=f"mean {up} {name}")
        right.plot(time, from_zero("energy"), color=figures._BLUE, label="free energy")
        right.plot(time, np.cumsum(from_zero("dissipation")), color=figures._RED, label="dissipated")
        right.set(xlabel="time", ylabel="per volume")
        right.legend(frameon=False)
        for ax in (left, right):
            ax.grid(color="#eee")
            ax.set_axisbelow(True)

    return figures._figure((8.0, 3.4), draw, form)
