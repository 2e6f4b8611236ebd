"""`report.html`: one file that a colleague can read without the program."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import _figures as figures
from . import _html as html

_NO_PLOT = "No figures: matplotlib is not installed. Remedy: pip install 'jaxhomog[plot]'"


def write_report(path: Path, result: dict[str, Any], labels: np.ndarray, fields: Mapping[str, np.ndarray]) -> None:
    """Write a self-contained report.

    Args:
        path: the file.
        result: what `result.json` holds, with its `description`.
        labels: the phase image.
        fields: `von_mises` or `flux_magnitude`, (space...), if there are any.
    """
    path.write_text(report(result, labels, fields), encoding="utf-8", errors="backslashreplace")


def report(result: dict[str, Any], labels: np.ndarray, fields: Mapping[str, np.ndarray]) -> str:
    """The report as a text; arguments as for `write_report`."""
    more = result["description"]
    elastic = more["physics"] == "elasticity"
    title = "Effective stiffness" if elastic else "Effective conductivity"
    shape = " x ".join(map(str, more["shape"]))
    body = [] if result["converged"] else [_failure(result)]
    if result["converged"]:
        body.append(_headline(result))
        body.append(_tensor(result))
    body.append(_two(_computed(result), _evidence(result)))
    if not elastic:
        body.append(_transport(more["transport"]))
    drawn = figures.have_matplotlib()
    if drawn:
        body += _pictures(result, labels, fields)
    else:
        body.append(html.section("Figures", html.note(_NO_PLOT)))
    body.append(_bounds(result, drawn))
    if more["warnings"]:
        body.append(html.section("Remarks", *(html.note(w) for w in more["warnings"])))
    body.append(_again(result))
    return html.page(f"{title} of {Path(more['image']).name}", f"{shape} voxels, {_cell(more)}, jaxhomog", body)


def _cell(more: dict[str, Any]) -> str:
    """What the box was taken for."""
    boundary = more.get("boundary", "periodic")
    names = [boundary] if isinstance(boundary, str) else list(dict.fromkeys(boundary))
    return "periodic cell" if names == ["periodic"] else f"boundary {', '.join(names)}"


def _headline(result: dict[str, Any]) -> str:
    more = result["description"]
    items = [("symmetry in these axes", more["symmetry"]["name"])]
    if more["physics"] == "elasticity":
        e, dim = more["engineering"], len(more["shape"])
        items += [(_name(k, dim), f"{v:.4g}") for k, v in e.items() if k in _FIRST]
    else:
        tau = more["transport"]["tortuosity"] or []
        diagonal = [result["effective"][k][k] for k in range(len(result["effective"]))]
        items += [(f"conductivity {k + 1}{k + 1}", f"{v:.4g}") for k, v in enumerate(diagonal)]
        without = more["transport"].get("without") or ["blocked"] * len(tau)
        items += [
            (f"tortuosity factor {k + 1}", w if t is None else f"{t:.4g}")
            for k, (t, w) in enumerate(zip(tau, without, strict=True))
        ]
    return html.section("In short", html.big(items))


_FIRST = ("E1", "E2", "E3", "nu12", "G12")
_NAMES = {
    "bulk_voigt": "bulk modulus (Voigt mean)",
    "bulk_reuss": "bulk modulus (Reuss mean)",
    "shear_voigt": "shear modulus (Voigt mean)",
    "shear_reuss": "shear modulus (Reuss mean)",
    "zener": "Zener ratio",
    "universal_anisotropy": "universal anisotropy index",
}


def _name(key: str, dim: int) -> str:
    """An engineering constant in words; in 2-D those of the in-plane compliance are no constants of the material."""
    for start, words in (("E", "Young's modulus"), ("nu", "Poisson's ratio"), ("G", "shear modulus")):
        if key.startswith(start):
            return f"{words} {key}{'' if dim == 3 or start == 'G' else ' (plane strain)'}"
    area = "area " if dim == 2 and key.startswith("bulk") else ""
    return area + _NAMES.get(key, key)


def _tensor(result: dict[str, Any]) -> str:
    more = result["description"]
    elastic = more["physics"] == "elasticity"
    largest = max(abs(x) for row in result["effective"] for x in row)
    text = [["0" if abs(x) <= 1e-9 * largest else f"{x:.6g}" for x in row] for row in result["effective"]]
    name = "Effective stiffness (engineering Voigt)" if elastic else "Effective conductivity"
    symmetry = more["symmetry"]
    near = ", ".join(f"{n} {100 * d:.2g} %" for n, d in symmetry["distances"].items() if d is not None)
    axis = f" (axis: direction {symmetry['direction']})" if symmetry["direction"] else ""
    where = more["file_axes"]
    parts = [
        html.tensor(more["components"], text),
        html.note(f"Axes: {where}. {_order(result['axes'])}. Units are those of the input."),
        html.note(f"Symmetry in these axes, within 1 %: {symmetry['name']}{axis}. Distance to each class: {near}."),
    ]
    if elastic:
        e = more["engineering"]
        lines = [(_name(k, len(more["shape"])), f"{v:.5g}") for k, v in e.items() if v is not None]
        half = (len(lines) + 1) // 2
        parts.append('<div class="two" style="margin:12px 0 0">')
        parts += [html.pairs(lines[:half]), html.pairs(lines[half:]), "</div>"]
    return html.section(name, *parts)


def _order(axes: str) -> str:
    """The part about components of the one line on axes (the file's own mapping stands before it)."""
    text = axes.partition("; ")[2] or axes
    return text[0].upper() + text[1:]


def _two(left: str, right: str) -> str:
    return f'<div class="two">{left}{right}</div>'


def _computed(result: dict[str, Any]) -> str:
    more = result["description"]
    lines = [
        ("image", more["image"]),
        ("voxels", " x ".join(map(str, more["shape"]))),
        ("box", " x ".join(f"{x:.6g}" for x in more["lengths"])),
        ("voxel size", html.voxel_size(more)),
        ("physics", more["physics"]),
        ("element, boundary", f"{more['element']}, {more['boundary']}"),
        ("precision", more["dtype"]),
    ]
    head = ("label", "volume", "properties")
    table = []
    for phase in (more["phases"] or [])[:40]:
        own = more["properties"].get(str(phase["label"]), {})
        words = ", ".join(f"{k} {' '.join(f'{v:g}' for v in values[:6])}" for k, values in own.items())
        name = f"{phase['label']} {phase['name']}" if phase["name"] else str(phase["label"])
        table.append((name, f"{100 * phase['fraction']:.2f} %", words))
    return html.section("What was computed", html.pairs(lines), html.rows(head, table))


def _evidence(result: dict[str, Any]) -> str:
    more = result["description"]
    lines = [
        ("Hill-Mandel residual", _number(result["hill_mandel_residual"])),
        ("solver error in the tensor", f"at most {_number(more['error_bound'])} (relative)"),
        ("residual of the equations", _number(result["residual"])),
        ("iterations", f"{result['iterations']} ({', '.join(map(str, more['iterations_per_load']))} per load)"),
        ("wall time", f"{result['seconds']:.1f} s"),
    ]
    return html.section(
        "Evidence",
        html.pairs(lines),
        html.note(
            "Hill-Mandel: power lost between the scales, from the mean stress (flux) as computed, not from the energy."
            " The solver's error is a computed bound relative to the Voigt mean; it does not contain the error of the"
            " voxel image itself, which only a finer image shows."
        ),
    )


def _transport(transport: dict[str, Any]) -> str:
    clusters = transport["percolation"]
    tau = transport["tortuosity"] or [None] * len(clusters["percolates"])
    without = transport.get("without") or ["blocked"] * len(tau)
    table = []
    for k, (around, through) in enumerate(zip(clusters["percolates"], clusters["open"], strict=True)):
        factor = (
            "not given (tensor)"
            if transport["tortuosity"] is None
            else without[k]
            if tau[k] is None
            else f"{tau[k]:.5g}"
        )
        table.append((str(k + 1), factor, "yes" if around else "no", "yes" if through else "no"))
    parts = [
        html.rows(("direction", "tortuosity factor", "percolates if repeated periodically", "open face to face"), table)
    ]
    d0 = "" if transport["d0"] is None else f", D0 = {transport['d0']:.5g} the largest conductivity"
    parts.append(
        html.note(
            f"Tortuosity factor tau = eps D0 / D with eps = {transport['conducting_fraction']:.5g} the volume fraction"
            f" of conducting voxels{d0}. Voxels are connected through their faces."
        )
    )
    if any(transport.get("edge_contacts_only") or []):
        parts.append(
            html.note(
                "Along some direction voxels touch at edges or corners only: nodal elements conduct there and the"
                " number depends on the voxel size. Element fv sees faces only."
            )
        )
    share = 100 * clusters["island_voxel_fraction"]
    parts.append(
        html.note(
            f"Isolated islands: {clusters['islands']} of {clusters['clusters']} clusters, {share:.3g} % of all voxels."
        )
    )
    islands = clusters["largest_islands"]
    if islands:
        lines = [(str(i["label"]), str(i["voxels"]), ", ".join(map(str, i["voxel"]))) for i in islands]
        parts.append(html.rows(("island", "voxels", "one of its voxels"), lines))
    return html.section("Transport and connectivity", *parts)


def _pictures(result: dict[str, Any], labels: np.ndarray, fields: Mapping[str, np.ndarray]) -> list[str]:
    more = result["description"]
    lengths = more["lengths"]
    names = {p["label"]: f"{p['label']} {p['name']}" if p["name"] else str(p["label"]) for p in more["phases"] or []}
    wide = labels.ndim == 3
    out = [
        html.section(
            "Phase image",
            html.picture(figures.image_figure(labels, lengths, names), "slices of the phase image", wide),
        )
    ]
    ((load, values),) = more["load"].items()
    under = f"Under the macroscopic {load} {', '.join(f'{v:g}' for v in values)}."
    for key, name in (("von_mises", "von Mises stress"), ("flux_magnitude", "flux magnitude")):
        if key in fields:
            picture = html.picture(figures.field_figure(fields[key], lengths, name), f"slices of the {name}", wide)
            tail = " Plane strain: with the stress across the plane." if key == "von_mises" and not wide else ""
            out.append(
                html.section(
                    name[0].upper() + name[1:], picture, html.note(f"{under}{tail} Colours end at the 99.5 % quantile.")
                )
            )
    if more["physics"] == "elasticity" and result["converged"] and np.any(result["effective"]):
        picture = html.picture(
            figures.young_figure(np.asarray(result["effective"])), "directional Young's modulus", wide
        )
        out.append(html.section("Young's modulus along directions", picture))
    return out


def _bounds(result: dict[str, Any], drawn: bool) -> str:
    bounds, more = result["bounds"], result["description"]
    parts = []
    ready = result["converged"] and bounds["voigt"] is not None and None not in bounds["voigt"][0]
    if drawn and ready:
        parts.append(html.picture(figures.bounds_figure(result), "computed values between their bounds"))
    known = [(k, t) for k, t in _BOUNDS if bounds[k] is not None and None not in bounds[k][0]]
    lines = [(t, *(f"{bounds[k][i][i]:.5g}" for i in range(len(more["components"])))) for k, t in known]
    if lines:
        parts.append(html.rows(("bound", *(f"{n}-{n}" for n in more["components"])), lines, "numbers"))
    if bounds["hs_lower"] is not None:
        parts.append(html.note(f"Voigt and Reuss assume nothing. Hashin-Shtrikman assumes {bounds['assumes']}."))
    else:
        parts.append(html.note("Voigt and Reuss assume nothing; no Hashin-Shtrikman bound is known for these phases."))
    return html.section("Bounds", *parts)


_BOUNDS = (
    ("reuss", "Reuss"),
    ("hs_lower", "Hashin-Shtrikman lower"),
    ("hs_upper", "Hashin-Shtrikman upper"),
    ("voigt", "Voigt"),
)


def _failure(result: dict[str, Any]) -> str:
    text = f"The solver ended with '{result['result']}': {result['description']['advice']}."
    return html.section("Not converged: there is no effective tensor", html.note(text), kind="bad")


def _again(result: dict[str, Any]) -> str:
    versions = ", ".join(f"{k} {v}" for k, v in result["versions"].items())
    command = f"<pre>{html.escape(shlex.join(result['description']['command']))}</pre>"
    return html.section("How to reproduce", command, html.note(f"Versions: {versions}."))


def _number(x: float | None) -> str:
    return "unknown" if x is None else f"{x:.3g}"
