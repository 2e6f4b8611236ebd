"""Figures of a result as bytes. matplotlib is imported here only, and only when a figure is drawn."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..materials import directional_young
from ..tensors import from_voigt

_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "savefig.facecolor": "white",
    "svg.hashsalt": "jaxhomog",
}
_BLUE, _LIGHT, _RED = "#2b6cb0", "#cfe0f2", "#c0392b"
# Distinguishable without colour vision (P. Tol's "light" scheme); further labels take a continuous map.
_PHASES = ("#e8e8e8", "#4477aa", "#ee8866", "#44bb99", "#eedd88", "#aa4499", "#99ddff", "#bbcc33")


def have_matplotlib() -> bool:
    """True if figures can be drawn."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        return False
    return True


def _figure(size: tuple[float, float], draw: Callable[[Any], None], form: str = "png") -> bytes:
    """A figure drawn without any window or global state, as PNG or SVG."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        out = io.BytesIO()
        figure.savefig(out, format=form, dpi=110, metadata={"Software" if form == "png" else "Date": None})
    return out.getvalue()


def _slices(array: np.ndarray) -> list[tuple[str, np.ndarray, str, str]]:
    """Middle slices: title, values (rows are the first direction), names of the row and column direction."""
    if array.ndim == 2:
        return [("", array, "1", "2")]
    out = []
    for axis in range(3):
        rows, columns = (k for k in range(3) if k != axis)
        middle = array.shape[axis] // 2
        out.append(
            (f"slice {middle} of direction {axis + 1}", np.take(array, middle, axis), str(rows + 1), str(columns + 1))
        )
    return out


def _panels(figure, array: np.ndarray, lengths: Sequence[float], **how: Any):
    """The slices beside each other; the first direction of each points to the right."""
    slices = _slices(array)
    axes = figure.subplots(1, len(slices), squeeze=False)[0]
    image = None
    for ax, (title, values, right, up) in zip(axes, slices, strict=True):
        extent = (0, lengths[int(right) - 1], 0, lengths[int(up) - 1])
        image = ax.imshow(values.T, origin="lower", extent=extent, interpolation="nearest", **how)
        ax.set(title=title, xlabel=f"direction {right}", ylabel=f"direction {up}")
        ax.spines[:].set_visible(False)
        ax.tick_params(length=2)
    return axes, image


def _size(array: np.ndarray, lengths: Sequence[float], legend: float) -> tuple[float, float]:
    if array.ndim == 3:
        return 9.0, 3.1 + legend
    height = 4.2 * min(max(lengths[1] / lengths[0], 0.3), 1.6)
    return 5.2, height + legend


def image_figure(labels: np.ndarray, lengths: Sequence[float], names: dict[int, str]) -> bytes:
    """Slices of the phase image, with its labels.

    Args:
        labels: 2-D or 3-D integers.
        lengths: edges of the box.
        names: label to the text of the legend.
    """
    present = np.unique(labels)
    index = np.searchsorted(present, labels)

    def draw(figure):
        from matplotlib.colors import ListedColormap
        from matplotlib.patches import Patch

        if len(present) <= len(_PHASES):
            colours = ListedColormap(_PHASES[: len(present)])
            _panels(figure, index, lengths, cmap=colours, vmin=-0.5, vmax=len(present) - 0.5)
            handles = [
                Patch(facecolor=_PHASES[k], edgecolor="#888", label=_plain(names.get(int(v), str(v))))
                for k, v in enumerate(present)
            ]
            figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 4), frameon=False)
        else:
            axes, image = _panels(figure, labels, lengths, cmap="viridis")
            figure.colorbar(image, ax=list(axes), shrink=0.8, label="label")

    return _figure(_size(labels, lengths, 0.3), draw)


def field_figure(values: np.ndarray, lengths: Sequence[float], name: str) -> bytes:
    """Slices of a scalar field >= 0 on one colour scale (99.5 % quantile at the top: corners would drown the rest).

    Args:
        values: (space...).
        lengths: edges of the box.
        name: what it is.
    """
    low, top = (float(q) for q in np.quantile(values, (0.005, 0.995)))
    top = top or 1.0
    low = low if 0.5 * top < low < 0.999 * top else 0.0  # a nearly uniform field would show nothing on a scale from 0

    def draw(figure):
        axes, image = _panels(figure, values, lengths, cmap="magma", vmin=low, vmax=top)
        extend = "both" if low else "max"
        figure.colorbar(image, ax=list(axes), shrink=0.85, label=name, extend=extend)

    return _figure(_size(values, lengths, 0.0), draw)


def young_figure(stiffness: np.ndarray) -> bytes:
    """Directional Young's modulus: the surface r = E(n), and its sections by the coordinate planes.

    Args:
        stiffness: effective stiffness in engineering Voigt notation.
    """
    mandel = np.asarray(from_voigt(np.asarray(stiffness), kind="stiffness"))
    angle = np.linspace(0, 2 * np.pi, 241)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=-1)

    def sections(ax, pairs, dim):
        from matplotlib.ticker import MaxNLocator

        for (i, j), colour in zip(pairs, (_BLUE, _RED, "#2f855a"), strict=False):
            n = np.zeros((len(angle), dim))
            n[:, i], n[:, j] = circle.T
            ax.plot(angle, directional_young(mandel, n), color=colour, label=f"{i + 1}-{j + 1} plane")
        top = float(ax.get_rmax()) or 1.0
        ax.set_rlim(0, top)
        ax.set_rticks([t for t in MaxNLocator(3).tick_values(0, top) if 0 < t <= top])
        ax.tick_params(labelsize=8)
        ax.set_thetagrids([0, 45, 90, 135, 180, 225, 270, 315])
        ax.set_title("E(n) in the coordinate planes" if dim == 3 else "E(n) in plane strain")

    def draw(figure):
        if len(mandel) == 3:
            sections(figure.add_subplot(projection="polar"), [(0, 1)], 2)
            return
        from matplotlib import colormaps
        from matplotlib.colors import Normalize

        theta, phi = np.meshgrid(np.linspace(0, np.pi, 61), np.linspace(0, 2 * np.pi, 121), indexing="ij")
        n = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=-1)
        e = directional_young(mandel, n)
        r = n * e[..., None]
        ax = figure.add_subplot(1, 2, 1, projection="3d")
        low, high = float(e.min()), float(e.max())
        if high - low < 1e-6 * high:
            low, high = 0.999 * low, 1.001 * high
        norm = Normalize(low, high)
        colours = colormaps["viridis"](norm(e))
        ax.plot_surface(r[..., 0], r[..., 1], r[..., 2], facecolors=colours, rstride=2, cstride=2, shade=False)
        limit = float(e.max()) or 1.0
        ax.set(xlim=(-limit, limit), ylim=(-limit, limit), zlim=(-limit, limit))
        ax.set(xlabel="direction 1", ylabel="direction 2", zlabel="direction 3", title="surface r = E(n)")
        ax.set_box_aspect((1, 1, 1))
        ax.tick_params(labelsize=7)
        ax.locator_params(nbins=4)
        polar = figure.add_subplot(1, 2, 2, projection="polar")
        sections(polar, [(0, 1), (0, 2), (1, 2)], 3)
        polar.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=3, frameon=False)

    return _figure((9.0, 4.2) if len(mandel) == 6 else (4.4, 4.4), draw)


def bounds_figure(result: dict[str, Any]) -> bytes:
    """Diagonal components of the effective tensor between their bounds.

    Args:
        result: what `result.json` holds.
    """
    bounds, names = result["bounds"], result["description"]["components"]
    letter = "C" if result["description"]["physics"] == "elasticity" else "K"
    diagonal = lambda x: np.diag(np.asarray(x, float))  # noqa: E731
    place = np.arange(len(names))

    def draw(figure):
        ax = figure.subplots()
        low, high = diagonal(bounds["reuss"]), diagonal(bounds["voigt"])
        ax.barh(place, high - low, left=low, height=0.55, color=_LIGHT, label="Reuss to Voigt")
        if bounds["hs_lower"] is not None:
            low, high = diagonal(bounds["hs_lower"]), diagonal(bounds["hs_upper"])
            ax.barh(place, high - low, left=low, height=0.3, color="#7fa8d6", label="Hashin-Shtrikman")
        value = diagonal(result["effective"])
        ax.plot(value, place, "D", color=_RED, markersize=5, label="computed", clip_on=False)
        ax.set_yticks(place, [f"{letter} {n}-{n}" for n in names])
        ax.invert_yaxis()
        ax.set_xlim(left=0)
        ax.grid(axis="x", color="#eee")
        ax.set_axisbelow(True)
        figure.legend(loc="outside lower center", ncols=3, frameon=False)

    return _figure((4.8, 1.1 + 0.32 * len(names)), draw)


def _plain(text: str) -> str:
    """Text that matplotlib will not take for mathematics, and short enough for a legend."""
    return (text if len(text) <= 40 else text[:37] + "...").replace("$", r"\$")
