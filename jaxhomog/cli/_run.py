"""One run: solve a cell, print the table, write result, fields and report."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import Grid, homogenize
from ..api import apply, describe, stress_across
from ..io import ImageData, optional, write_h5, write_vti
from ..microstructure import overlapping_spheres
from ..plot import write_report
from ..results import InputError
from ..tensors import from_voigt, to_voigt
from ._cell import Cell, build_cell, cell_facts, load_cell
from ._output import check_output, output_folder
from ._problem import Problem
from ._progress import Progress, warned
from ._screen import show, table

# What result.json has at its top; everything else that is known goes into its `description`.
_RESULT = (
    "effective", "hill_mandel_residual", "iterations", "residual", "bounds", "converged", "result", "versions", "axes",
)  # fmt: skip


def demo_cell(options: argparse.Namespace, progress: Progress) -> tuple[Problem, Cell]:
    """A generated composite: stiff overlapping spheres in a soft matrix."""
    n = options.size
    if not 4 <= n <= 512:
        raise InputError(f"--size {n}: give 4 to 512 voxels")
    progress.say(f"generating random overlapping spheres on {n} x {n} x {n} voxels")
    array = overlapping_spheres((n, n, n), max(n / 8, 0.5), fraction=0.3, seed=1)
    image = ImageData(
        array, (1.0,) * 3, (1 / n,) * 3, "array axis k -> direction k + 1", "generated: random overlapping spheres"
    )
    phases = {0: {"young": [1.0], "poisson": [0.3]}, 1: {"young": [10.0], "poisson": [0.2]}}
    problem = Problem(stem="demo", phases=phases, names={0: "matrix", 1: "spheres"})
    return problem, build_cell(problem, image, progress)


def run(options: argparse.Namespace, problem: Problem, progress: Progress, argv: Sequence[str]) -> int:
    """Solve and write; the exit code.

    Raises:
        InputError: bad input, in one line.
    """
    stem = "jaxhomog-demo" if options.verb == "demo" else f"{problem.stem}-jaxhomog"
    output = options.output or Path(stem)
    check_output(output)
    if options.fields == "h5":
        optional(output / "fields.h5", "h5py")  # before any work: it is needed at the very end
    for note in problem.notes:
        progress.warn(note)
    if options.verb == "demo":
        problem, cell = demo_cell(options, progress)
    else:
        problem.load = _load_given(options)
        cell = load_cell(problem, progress)
    problem.element = problem.element or "q1"
    load = _load(problem, cell.grid.dim, cell.law.physics)  # a bad load is refused before anything is compiled
    progress.say(f"solving {' x '.join(map(str, cell.grid.shape))} voxels (the first run of a size compiles)")
    settings: dict[str, Any] = {
        "boundary": problem.boundary,
        "element": problem.element,
        "tolerance": problem.tolerance,
        "field_tolerance": problem.field_tolerance,
        "residual_tolerance": problem.residual_tolerance,
        "max_iterations": problem.max_iterations,
        "throw": False,
    }
    with warned(progress):
        solution = homogenize(cell.grid, cell.law, **settings)
    names = {**cell.image.phase_names, **problem.names}
    found = describe(cell.grid, cell.law, solution, phase_names=names)
    fields: dict[str, np.ndarray] = {}
    if options.fields != "none" and found["converged"]:
        progress.say(f"solving for the fields under {load[0]} {load[1]}")
        fields = _fields(cell, load, settings, progress)
    result = {key: found.pop(key) for key in _RESULT}
    result["seconds"] = progress.seconds
    found |= {
        **cell_facts(cell.image),
        "properties": {str(k): v for k, v in problem.phases.items()},
        "element": problem.element,
        "boundary": problem.boundary,
        "load": {load[0]: load[1]},
        "fields": sorted(fields),
        "warnings": progress.warnings,
        "command": ["jaxhomog", *argv],
    }
    result["description"] = found
    text = json.dumps(result, indent=1, allow_nan=False) + "\n"
    progress.say(f"writing {output}")
    with output_folder(output) as folder:
        (folder / "result.json").write_text(text, encoding="utf-8")
        if fields:
            _write_fields(folder / f"fields.{options.fields}", cell.grid, fields)
        if not options.no_report:
            write_report(folder / "report.html", result, np.asarray(cell.law.labels), fields)
    show(text if options.json else table(result, output, options))
    progress.say("done")
    if not result["converged"]:
        raise NotConverged(f"not converged ({result['result']}): {found['advice']}")
    return 0


class NotConverged(RuntimeError):
    """The run has written its result, and the result is that there is none."""


def _load_given(options: argparse.Namespace) -> tuple[str, list[float]] | None:
    """The one load among the options."""
    loads = [(name, getattr(options, name)) for name in ("strain", "stress", "gradient", "flux")]
    loads = [(name, values) for name, values in loads if values is not None]
    if len(loads) > 1:
        raise InputError(f"--{loads[0][0]} and --{loads[1][0]} are both given: give one load")
    return loads[0] if loads else None


def _load(problem: Problem, dim: int, physics: str) -> tuple[str, list[float]]:
    """The load behind the fields, as the user writes it."""
    allowed = ("strain", "stress") if physics == "elasticity" else ("gradient", "flux")
    n = dim * (dim + 1) // 2 if physics == "elasticity" else dim
    name, values = problem.load or (allowed[0], [1.0] + [0.0] * (n - 1))
    if name not in allowed:
        raise InputError(f"--{name} does not belong to {physics}: give --{allowed[0]} or --{allowed[1]}")
    if len(values) != n or not np.isfinite(values).all():
        raise InputError(f"--{name} {values}: give {n} finite numbers, separated by commas")
    return name, values


def _fields(cell: Cell, load: tuple[str, list[float]], settings: dict, progress: Progress) -> dict[str, np.ndarray]:
    """Fields under the load in the convention of files, with the phase image."""
    elastic = cell.law.physics == "elasticity"
    values: Any = np.asarray(load[1])
    if elastic:
        values = from_voigt(values, kind="strain" if load[0] == "strain" else "stress")
    solution = apply(cell.grid, cell.law, **{load[0]: values}, **settings)
    phases = np.asarray(cell.law.labels)
    if not bool(solution.result.ok):
        progress.warn(f"no fields: the load {load[0]} {load[1]} has no solution ({solution.result.advice})")
        return {"phase": phases}
    found = solution.value.fields
    if not elastic:
        flux = np.asarray(found.up)
        return {
            "phase": phases,
            "gradient": np.asarray(found.down),
            "flux": flux,
            "flux_magnitude": np.sqrt(np.sum(flux**2, axis=-1)),
        }
    stress = np.asarray(to_voigt(found.up, kind="stress"))
    out = {"phase": phases, "strain": np.asarray(to_voigt(found.down, kind="strain")), "stress": stress}
    across = None if cell.grid.dim == 3 else stress_across(cell.grid, cell.law, found.down)
    if cell.grid.dim == 2 and across is None:
        progress.warn(
            "no field von_mises: a 3 x 3 stiffness does not tell the stress across the plane; give the 6 x 6 one"
        )
        return out
    return {**out, "von_mises": _von_mises(stress, across)}


def _von_mises(stress: np.ndarray, across: np.ndarray | None) -> np.ndarray:
    """Von Mises stress of engineering Voigt components (..., 6), or (..., 3) and the stress across the plane."""
    dim = 3 if across is None else 2
    normal, shear = stress[..., :dim], stress[..., dim:]
    if across is not None:
        normal = np.concatenate([normal, across[..., None]], axis=-1)
    gaps = normal - np.roll(normal, 1, axis=-1)
    return np.sqrt(np.sum(gaps**2, axis=-1) / 2 + 3 * np.sum(shear**2, axis=-1))


def _write_fields(path: Path, grid: Grid, fields: dict[str, np.ndarray]) -> None:
    lengths = [float(x) for x in np.asarray(grid.lengths)]
    if path.suffix == ".h5":
        write_h5(path, fields, lengths)
        return
    names = {3: ("11", "22", "33", "23", "13", "12"), 2: ("11", "22", "12")}[grid.dim]
    parts = {key: names for key in ("strain", "stress") if key in fields}
    write_vti(path, fields, lengths, components=parts)
