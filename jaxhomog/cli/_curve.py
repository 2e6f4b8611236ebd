"""A driven path as text: the rows of curve.csv, and what the screen shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..api import message_keys
from ..io import one_line
from ._screen import cell_lines, tidy


def curve_csv(result: dict[str, Any]) -> str:
    """Rows step, time, strain_11, .., stress_11, .., energy, dissipation, with all digits (F, P; gradient, flux).

    The dissipative stress has no columns: of the laws that a problem file knows it is zero, or all of a flux.

    Args:
        result: what goes into result.json.
    """
    curve, names = result["curve"], result["description"]["components"]
    head, columns = [], []
    for key, values in curve.items():
        if key in message_keys(result["description"]["physics"]):
            head += [f"{key}_{name}" for name in names]
            columns += [[row[k] for row in values] for k in range(len(names))]
        else:
            head.append(key)
            columns.append(values)
    rows = zip(*columns, strict=True)
    return "\n".join([",".join(head), *(",".join(map(_exact, row)) for row in rows)]) + "\n"


def _exact(x: float | int | None) -> str:
    return "nan" if x is None else repr(x)


def curve_table(result: dict[str, Any], output: Path) -> str:
    """What a user wants to see at once: some rows, and the evidence.

    Args:
        result: what goes into result.json.
        output: where it was written.
    """
    more, curve, names = result["description"], result["curve"], result["description"]["components"]
    down, up = message_keys(more["physics"])
    lines = [*cell_lines(more, f", element {result['element']}"), ""]
    for phase in more["phases"] or []:
        name = f" ({phase['name']})" if phase["name"] else ""
        lines.append(f"  phase {phase['label']}{one_line(name)}: {100 * phase['fraction']:.2f} %")
    rows = result["rows"]
    if rows:
        heads = [f"{down} {n}" for n in names] + [f"{up} {n}" for n in names]
        lines += ["", "  step" + "".join(f"{h:>14}" for h in heads)]
        shown = sorted({0, *(round(k * (rows - 1) / 9) for k in range(10))})
        for i in shown:
            values = "".join(f"{_tidy(x, curve[key]):>14}" for key in (down, up) for x in curve[key][i])
            lines.append(f"{curve['step'][i]:>6}{values}")
        spent = sum(x or 0 for x in curve["dissipation"])
        lines += ["", f"energy {_short(curve['energy'][-1])}, dissipated {_short(spent)} (per volume)"]
        lines.append(
            f"evidence: Hill-Mandel residual {_short(result['hill_mandel_residual'])} at most, stress out of balance"
            f" {_short(max(x or 0 for x in result['stats']['residual']))}, {sum(result['stats']['newton'])} passes of"
            f" Newton's method, {sum(result['stats']['iterations'])} iterations"
        )
    if not result["converged"]:
        lines.append(f"NOT CONVERGED: {result['result']} after {rows} of {more['steps']} steps")
    return "\n".join([*lines, f"written: {one_line(output)}", ""])


def _tidy(x: float | None, rows: list[list[float | None]]) -> str:
    return "unknown" if x is None else tidy(x, [[v or 0.0 for v in row] for row in rows])


def _short(x: float | None) -> str:
    return "unknown" if x is None else f"{x:.5g}"
