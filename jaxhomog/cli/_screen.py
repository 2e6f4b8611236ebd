"""The result as a table on the screen."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..io import one_line


def show(text: str) -> None:
    """Text on standard output, whatever its encoding."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()


def table(result: dict[str, Any], output: Path, options: argparse.Namespace) -> str:
    """What a user wants to see at once.

    Args:
        result: what goes into result.json.
        output: where it was written.
        options: of the command line.
    """
    more = result["description"]
    elastic = more["physics"] == "elasticity"
    lines = [*cell_lines(more), ""]
    for phase in more["phases"] or []:
        name = f" ({phase['name']})" if phase["name"] else ""
        lines.append(f"  phase {phase['label']}{one_line(name)}: {100 * phase['fraction']:.2f} %")
    if not result["converged"]:
        return "\n".join([*lines, "", f"NOT CONVERGED: {result['result']}", f"written: {one_line(output)}", ""])
    names = more["components"]
    title = "effective stiffness (engineering Voigt)" if elastic else "effective conductivity"
    lines += ["", title, "      " + "".join(f"{n:>13}" for n in names)]
    for name, row in zip(names, result["effective"], strict=True):
        lines.append(f"  {name:>4}" + "".join(f"{tidy(x, result['effective']):>13}" for x in row))
    lines += ["", f"symmetry: {more['symmetry']['name']}{_axis(more['symmetry'])} (in these axes, within 1 %)"]
    if elastic:
        e = more["engineering"]
        picked = [k for k in e if k[0] in "EG" or k in ("nu12", "nu13", "nu23")]
        lines.append(_of_the_plane(more["shape"]) + "  ".join(f"{k} {e[k]:.5g}" for k in picked))
    else:
        lines += transport_lines(more["transport"])
    bounds = result["bounds"]
    for name, title in (("reuss", "Reuss"), ("hs_lower", "HS-"), ("hs_upper", "HS+"), ("voigt", "Voigt")):
        if bounds[name] is not None:
            lines.append(f"bound {title:6} of {'C11' if elastic else 'K11'}: {_number(bounds[name][0][0])}")
    if bounds["hs_lower"] is not None:
        lines.append(f"(Hashin-Shtrikman assumes {bounds['assumes']})")
    lines += [
        f"evidence: Hill-Mandel residual {_number(result['hill_mandel_residual'])}, error of the solver at most"
        f" {_number(more['error_bound'])}, {result['iterations']} iterations, residual {_number(result['residual'])}",
        f"written: {one_line(output)}" + ("" if options.no_report else f"  (open {one_line(output / 'report.html')})"),
        "",
    ]
    return "\n".join(lines)


def cell_lines(more: dict[str, Any], end: str = "") -> list[str]:
    """The image, its axes and its voxels, with their unit and who says so.

    Args:
        more: the description in a result.
        end: of the first line.
    """
    unit = f" {more['unit']}" if more["unit"] else ""
    source = {"given": "as given", "file": "from the file"}.get(more["voxel_size_source"], "assumed: nobody says it")
    size = " x ".join(f"{h:.6g}" for h in more["voxel_size"])
    return [
        f"{one_line(more['image'])}: {' x '.join(map(str, more['shape']))} voxels{end}",
        f"  axes: {one_line(more['file_axes'])}",
        f"  voxel size: {size}{one_line(unit)} ({source})",
    ]


def _of_the_plane(shape: list[int]) -> str:
    """What the engineering constants of a two-dimensional cell are."""
    return "plane strain (in-plane compliance; not the material's E and nu): " if len(shape) == 2 else ""


def transport_lines(transport: dict[str, Any]) -> list[str]:
    """Tortuosity and connectivity, one line each."""
    lines = []
    if transport["tortuosity"] is not None:
        reasons = transport["without"]
        values = ", ".join(
            f"none ({w})" if t is None else f"{t:.5g}" for t, w in zip(transport["tortuosity"], reasons, strict=True)
        )
        lines.append(f"tortuosity factor eps D0 / D per direction: {values}")
    clusters = transport["percolation"]
    for k, (around, through) in enumerate(zip(clusters["percolates"], clusters["open"], strict=True)):
        lines.append(
            f"direction {k + 1}: {'percolates' if around else 'does not percolate'} (if repeated periodically),"
            f" {'open' if through else 'not open'} from face to face"
        )
    lines.append(
        f"isolated islands: {clusters['islands']} ({100 * clusters['island_voxel_fraction']:.3g} % of all voxels)"
    )
    return lines


def tidy(x: float, tensor: list[list[float]]) -> str:
    """A component, with noise far below the largest one shown as 0."""
    largest = max(abs(v) for row in tensor for v in row)
    return "0" if abs(x) <= 1e-9 * largest else f"{x:.6g}"


def _axis(symmetry: dict[str, Any]) -> str:
    return f", axis {symmetry['direction']}" if symmetry["direction"] else ""


def _number(x: float | None) -> str:
    return "unknown" if x is None else f"{x:.4g}"
