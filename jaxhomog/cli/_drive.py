"""One driven path: solve step by step, print the curve, write it as numbers and as a picture."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import drive
from ..api import LoadPath, describe_driven
from ..plot import write_curve
from ..results import Solution
from ._cell import Cell, cell_facts, load_cell
from ._curve import curve_csv, curve_table
from ._output import check_output, output_folder
from ._phases import chosen_physics
from ._problem import Problem
from ._progress import Progress, warned
from ._run import NotConverged
from ._screen import show

# What result.json has at its top; everything else that is known goes into its `description`.
_RESULT = (
    "curve", "tangent", "element", "hill_mandel_residual", "converged", "result", "rows", "stats", "versions", "axes",
)  # fmt: skip


def run_drive(options: argparse.Namespace, problem: Problem, progress: Progress, argv: Sequence[str]) -> int:
    """Solve and write; the exit code.

    Raises:
        InputError: bad input, in one line.
        NotConverged: the path did not reach its end; the rows before are written.
    """
    output = options.output or Path(f"{problem.stem}-jaxhomog")
    check_output(output)
    assert problem.path is not None
    path = problem.path.path(chosen_physics(problem.physics, problem.phases))
    cell = load_cell(problem, progress)
    steps, size = path.strain.shape[0], " x ".join(map(str, cell.grid.shape))
    progress.say(f"driving {size} voxels through {steps} steps (the first run of a size compiles)")
    solution = _solve(cell, path, problem, progress)
    found = describe_driven(cell.grid, cell.law, path, solution, {**cell.image.phase_names, **problem.names})
    result = {key: found.pop(key) for key in _RESULT}
    result["seconds"] = progress.seconds
    found |= {
        **cell_facts(cell.image),
        "properties": {str(k): {**v, **problem.flow.get(k, {})} for k, v in problem.phases.items()},
        "boundary": problem.boundary,
        "warnings": progress.warnings,
        "command": ["jaxhomog", *argv],
    }
    result["description"] = found
    text = json.dumps(result, indent=1, allow_nan=False) + "\n"
    progress.say(f"writing {output}")
    with output_folder(output) as folder:
        (folder / "result.json").write_text(text, encoding="utf-8")
        (folder / "curve.csv").write_text(curve_csv(result), encoding="utf-8")
        if not options.no_plot:
            write_curve(folder, result)
    show(text if options.json else curve_table(result, output))
    progress.say("done")
    if not result["converged"]:
        reached = f"{result['rows']} of {steps} steps"
        raise NotConverged(f"not converged after {reached} ({result['result']}): {found['advice']}")
    return 0


def drive_settings(problem: Problem) -> dict[str, Any]:
    """Of the verb; what is not given is its own choice."""
    settings = {
        "boundary": problem.boundary if isinstance(problem.boundary, str) else tuple(problem.boundary),
        "element": problem.element,
        "tolerance": problem.tolerance,
        "max_iterations": problem.max_iterations,
        "max_newton": problem.max_newton,
        "max_cuts": problem.max_cuts,
    }
    return {key: value for key, value in settings.items() if value is not None}


def _solve(cell: Cell, path: LoadPath, problem: Problem, progress: Progress) -> Solution:
    """The verb with the settings of the problem; its warnings become ours."""
    with warned(progress):
        return drive(cell.grid, cell.law, path, throw=False, **drive_settings(problem))
