"""The trust report as a page: every question with its verdict, evidence and figure."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import _figures as figures
from . import _html as html

_MARKS = {"yes": "yes", "no": "no", "cannot be decided": "cannot be decided", "not asked": "not asked"}
# Shown beside the questions in this order; everything else stays in result.json.
_HEAD = ("question", "verdict", "evidence")


def write_trust(path: Path, report: Mapping[str, Any], labels: np.ndarray | None, lengths, more: Mapping) -> None:
    """Write the page.

    Args:
        path: the file.
        report: `TrustReport.to_dict()`.
        labels: the phase image, or None for an ensemble.
        lengths: edges of its box.
        more: command, versions, warnings and seconds of the run.
    """
    path.write_text(trust_page(report, labels, lengths, more), encoding="utf-8", errors="backslashreplace")


def trust_page(report: Mapping[str, Any], labels: np.ndarray | None, lengths, more: Mapping[str, Any]) -> str:
    """The page as a text; arguments as for `write_trust`."""
    items = {item["name"]: item for item in report["items"]}
    counts = [(k, str(sum(i["verdict"] == k for i in report["items"]))) for k in _MARKS]
    kind = "bad" if report["verdict"] == "no" else ""
    body = [
        html.section(report["summary"], html.big(counts), html.note(_why(report)), kind=kind),
        html.section(
            "Questions and answers",
            html.rows(_HEAD, [(i["question"], i["verdict"], _said(i)) for i in report["items"]]),
        ),
    ]
    if figures.have_matplotlib():
        if labels is not None:
            names = {int(v): str(v) for v in np.unique(labels)}
            picture = html.picture(
                figures.image_figure(labels, lengths, names), "slices of the phase image", labels.ndim == 3
            )
            body.append(html.section("Phase image", picture))
        for name, (title, draw, words) in FIGURES.items():
            numbers = items.get(name, {}).get("numbers", {})
            picture = draw(numbers)
            if picture is not None:
                body.append(html.section(title, html.picture(picture, title), html.note(words)))
    else:
        body.append(html.section("Figures", html.note("No figures: pip install 'jaxhomog[plot]'")))
    if more.get("warnings"):
        body.append(html.section("Remarks", *(html.note(w) for w in more["warnings"])))
    versions = ", ".join(f"{k} {v}" for k, v in more["versions"].items())
    command = f"<pre>{html.escape(shlex.join(more['command']))}</pre>"
    body.append(
        html.section(
            "How to reproduce", command, html.note(f"Versions: {versions}. Wall time {more['seconds']:.1f} s.")
        )
    )
    return html.page("May it be passed?", report["subject"], body)


def _why(report: Mapping[str, Any]) -> str:
    return (
        "A question is answered yes or no with the numbers beside it; what one image cannot show is not guessed. A no to"
        " a decisive question forbids to pass the property as it is; the remedy says what would change that."
    )


def _said(item: Mapping[str, Any]) -> str:
    return item["evidence"] + (f" Remedy: {item['remedy']}" if item["remedy"] else "")


def _arrays(numbers: Mapping[str, Any], *keys: str) -> list[np.ndarray] | None:
    """Arrays of these names, or None if one is missing or has no two finite entries."""
    out = []
    for key in keys:
        value = numbers.get(key)
        if value is None:
            return None
        array = np.asarray([np.nan if x is None else x for x in np.ravel(np.asarray(value, object))], float)
        if np.isfinite(array).sum() < 2:
            return None
        out.append(array)
    return out


def covariance_figure(numbers: Mapping[str, Any]) -> bytes | None:
    """Covariance over distance, with the correlation length.

    Args:
        numbers: `distance`, `covariance` (relative), `correlation_length`.
    """
    found = _arrays(numbers, "distance", "covariance")
    if found is None:
        return None
    distance, covariance = found
    length = numbers.get("correlation_length")

    def draw(figure):
        ax = figure.subplots()
        ax.plot(distance, covariance, color=figures._BLUE, marker=".", markersize=3)
        ax.axhline(0, color="#888", linewidth=0.8)
        if length is not None:
            ax.axvline(length, color=figures._RED, linewidth=1, label=f"correlation length {length:.3g}")
            ax.legend(frameon=False)
        ax.set(xlabel="distance in voxels", ylabel="covariance / variance")

    return figures._figure((5.2, 3.0), draw)


def decay_figure(numbers: Mapping[str, Any]) -> bytes | None:
    """Variance of window means over the windows' volume, beside a slope of -1.

    Args:
        numbers: `volumes`, `variances`, `exponent`.
    """
    found = _arrays(numbers, "volumes", "variances")
    if found is None:
        return None
    volumes, variances = found
    exponent = numbers.get("exponent")

    def draw(figure):
        ax = figure.subplots()
        label = "window means" if exponent is None else f"window means, exponent {exponent:.2f}"
        ax.loglog(volumes, variances, "o", color=figures._BLUE, markersize=4, label=label)
        ax.loglog(volumes, variances[-1] * volumes[-1] / volumes, color=figures._RED, linewidth=1, label="exponent -1")
        ax.set(xlabel="window volume in voxels", ylabel="variance of the mean")
        ax.legend(frameon=False)

    return figures._figure((5.2, 3.0), draw)


def profile_figure(numbers: Mapping[str, Any]) -> bytes | None:
    """Means of slabs along each axis: a trend is seen here first.

    Args:
        numbers: `profiles`, axis -> means of the slabs, evenly spaced; `mean`.
    """
    profiles = numbers.get("profiles")
    if not profiles:
        return None

    def draw(figure):
        ax = figure.subplots()
        for (axis, values), colour in zip(sorted(profiles.items()), (figures._BLUE, figures._RED, "#2f855a"), strict=False):
            x = (np.arange(len(values)) + 0.5) / len(values)
            ax.plot(x, values, color=colour, marker=".", markersize=3, label=f"direction {int(axis) + 1}")
        ax.set(xlabel="position over edge", ylabel="mean of a slab", xlim=(0, 1))
        ax.legend(frameon=False)

    return figures._figure((5.2, 3.0), draw)


def size_figure(numbers: Mapping[str, Any]) -> bytes | None:
    """Number of windows that reach the accuracy over their edge, and the bias of each boundary condition.

    Args:
        numbers: `edges`, `number`, `number_upper`; `bias`, name -> values; `accuracy`.
    """
    found = _arrays(numbers, "edges", "number", "number_upper")
    if found is None:
        return None
    edges, number, upper = found
    bias = numbers.get("bias") or {}

    def draw(figure):
        left, right = figure.subplots(1, 2)
        left.loglog(edges, number, color=figures._BLUE, marker=".", label="windows needed")
        left.loglog(edges, upper, color=figures._BLUE, linestyle=":", label="at the upper limit of the scatter")
        left.set(xlabel="edge of a window in voxels", ylabel="number of windows")
        left.legend(frameon=False)
        for (name, values), colour in zip(bias.items(), (figures._BLUE, figures._RED, "#2f855a"), strict=False):
            right.semilogx(edges, 100 * np.asarray(values, float), color=colour, label=name.replace("_", " "))
        right.axhline(0, color="#888", linewidth=0.8)
        for sign in (-1, 1):
            right.axhline(100 * sign * float(numbers.get("accuracy") or np.nan), color="#888", linestyle=":")
        right.set(xlabel="edge of a window in voxels", ylabel="bias in %")
        if bias:
            right.legend(frameon=False)

    return figures._figure((9.0, 3.0), draw)


FIGURES: dict[str, tuple[str, Callable[[Mapping[str, Any]], bytes | None], str]] = {
    "stationarity": (
        "Is it the same everywhere?",
        profile_figure,
        "Means of slabs across each direction. A graded material has a slope that chance does not explain.",
    ),
    "correlation": (
        "How far does one place know of another?",
        covariance_figure,
        "Covariance over distance, relative to the variance, averaged over directions.",
    ),
    "ergodicity": (
        "Do windows average out?",
        decay_figure,
        "Variance of the mean of windows; a finite integral range makes it fall with the inverse of the volume.",
    ),
    "rve_size": (
        "Which windows, and how many?",
        size_figure,
        "Left: windows that bring the random error within the accuracy. Right: what each boundary condition adds.",
    ),
}
