"""The trust report as a page: every question with its verdict, evidence and figure."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..validity import NO, NOT_ASKED, UNDECIDED, YES, TrustItem, TrustReport
from . import _figures as figures
from . import _html as html
from ._rve_size import rve_size_figure

_HOW = (
    "A question is answered yes or no with the numbers beside it; what one image cannot show is not guessed. A no to a"
    " decisive question forbids to pass the property as it is; the remedy says what would change that."
)
_COLOURS = (figures._BLUE, figures._RED, "#2f855a")
_HEAD = ("question", "verdict", "evidence")


def write_trust(path: Path, report: TrustReport, labels: np.ndarray | None, lengths, more: Mapping) -> None:
    """Write the page.

    Args:
        path: the file.
        report: what `trust` found.
        labels: the phase image, or None for an ensemble.
        lengths: edges of its box.
        more: command, versions, warnings and seconds of the run.
    """
    path.write_text(trust_page(report, labels, lengths, more), encoding="utf-8", errors="backslashreplace")


def trust_page(report: TrustReport, labels: np.ndarray | None, lengths, more: Mapping[str, Any]) -> str:
    """The page as a text; arguments as for `write_trust`."""
    counts = [(k, str(sum(i.verdict == k for i in report.items))) for k in (YES, NO, UNDECIDED, NOT_ASKED)]
    kind = "bad" if report.verdict == NO else ""
    assumed = [html.note(report.assumption)] if report.assumption else []
    if "voxel_size" in more:
        axes = f", axes: {more['file_axes']}" if "file_axes" in more else ""
        assumed.append(html.note(f"Image: {more.get('image', '')}, voxel size {html.voxel_size(more)}{axes}."))
    body = [
        html.section(report.summary, html.big(counts), *assumed, html.note(_HOW), kind=kind),
        html.section(
            "Questions and answers",
            html.rows(_HEAD, [(i.question, i.verdict, _said(i)) for i in report.items]),
        ),
    ]
    if figures.have_matplotlib():
        if labels is not None:
            names = {int(v): str(v) for v in np.unique(labels)}
            picture = html.picture(
                figures.image_figure(labels, lengths, names), "slices of the phase image", labels.ndim == 3
            )
            body.append(html.section("Phase image", picture))
        for item in report.items:
            body += _pictures(item)
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
    return html.page("May it be passed?", report.subject, body)


def _pictures(item: TrustItem) -> list[str]:
    """Sections with the figures of one question."""
    if item.name == "rve_size":
        found = (item.found or {}).values()  # of a periodic cell none
        drawn = [(size.name, rve_size_figure(size)) for size in found if np.isfinite(size.limit)]
        words = "Left: means of windows and their scatter. Right: windows that keep the error within the accuracy."
        return [
            html.section(f"Which windows, and how many? {name}", html.picture(picture, name), html.note(words))
            for name, picture in drawn
        ]
    title, draw, words = FIGURES.get(item.name, ("", None, ""))
    picture = None if draw is None else draw(item.numbers)
    return [] if picture is None else [html.section(title, html.picture(picture, title), html.note(words))]


def _said(item: TrustItem) -> str:
    return item.evidence + (f" Remedy: {item.remedy}" if item.remedy else "")


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
        for (axis, values), colour in zip(sorted(profiles.items()), _COLOURS, strict=False):
            x = (np.arange(len(values)) + 0.5) / len(values)
            ax.plot(x, values, color=colour, marker=".", markersize=3, label=f"direction {int(axis) + 1}")
        ax.set(xlabel="position over edge", ylabel="mean of a slab", xlim=(0, 1))
        ax.legend(frameon=False)

    return figures._figure((5.2, 3.0), draw)


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
}
