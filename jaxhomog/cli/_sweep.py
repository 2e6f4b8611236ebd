"""One sweep: many cells into a store, with a table, a summary and the distribution of the properties."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ..api import versions
from ..io import one_line, optional, replacing
from ..plot import write_curves, write_distribution
from ..results import InputError, Result, Solution
from ..studies import sweep
from ..tensors import to_voigt
from ._drive import drive_settings
from ._problem import Problem
from ._progress import Progress, warned
from ._run import NotConverged
from ._screen import cell_lines, show
from ._sweep_cells import Cells, lane_problem, load_cells
from ._sweep_paths import check_paths, curves, final_values, path_problem, telling

OURS = (
    "store", "table.csv", "summary.json", "distribution.png", "distribution.svg", "curves.png", "curves.svg",
)  # fmt: skip
_EVERY = 1.0


def run_sweep(options: argparse.Namespace, problem: Problem, progress: Progress, argv: Sequence[str]) -> int:
    """Solve, store and summarize; the exit code.

    Raises:
        InputError: bad input, in one line.
        NotConverged: some lanes failed; everything is written.
    """
    output = options.output or Path(f"{problem.stem}-jaxhomog")
    _check_output(output, options.resume)
    for library in ("zarr", "filelock"):  # before any image is read
        optional(output / "store", library, "studies")
    for note in problem.notes:
        progress.warn(note)
    cells = load_cells(problem, progress)
    assert problem.sweep is not None
    lanes = problem.sweep.lanes(cells.varying, problem.precision)
    count = len(jax.tree.leaves(lanes)[0])
    path = None if problem.path is None else problem.path.path(cells.physics)
    if path is None or problem.path is None:
        settings = _settings(problem)
        one, of = lane_problem(cells, settings), ""
    else:
        check_paths(problem.sweep, problem.path, path, cells)
        settings = drive_settings(problem)
        one, of = path_problem(cells, path, settings), f", {path.strain.shape[0]} steps each"
    size = " x ".join(map(str, cells.shape))
    progress.say(f"solving {count} lanes of {size} voxels{of} (a new size compiles first)")
    with warned(progress):
        solution = _solved(one, lanes, output, problem.sweep.chunk, options.resume, progress)
    found = _components(solution, cells) if path is None else final_values(solution, cells, path)
    main = [name for name in found if name[1] == name[2]] if path is None else telling(found, solution)
    summary = _summary(solution, found, cells, settings, problem, progress, argv)
    text = json.dumps(summary, indent=1, allow_nan=False) + "\n"
    with replacing(output / "table.csv") as file:
        file.write_text(_csv(solution, found, lanes, cells), encoding="utf-8")
    with replacing(output / "summary.json") as file:
        file.write_text(text, encoding="utf-8")
    if not options.no_plot:
        ok = np.asarray(solution.result.ok)
        write_distribution(output, {name: found[name][ok] for name in main})
        if path is not None:
            write_curves(output, *curves(solution, cells))
    listed = [name for name in found if name in main or name[1:] == "12"]
    show(text if options.json else _table(summary, listed, output))
    if summary["failed"]:
        raise NotConverged(f"{summary['failed']} of {count} lanes failed (the worst: {solution.result}): see table.csv")
    progress.say("done")
    return 0


def _settings(problem: Problem) -> dict[str, Any]:
    """Of `homogenize`."""
    return {
        "boundary": problem.boundary if isinstance(problem.boundary, str) else tuple(problem.boundary),
        "element": problem.element or "q1",
        "tolerance": problem.tolerance,
        "field_tolerance": problem.field_tolerance,
        "residual_tolerance": problem.residual_tolerance,
        "max_iterations": problem.max_iterations,
    }


def _solved(one, lanes, output: Path, chunk: int | None, resume: bool, progress: Progress) -> Solution:
    """The sweep into its store, with a line of progress every second."""
    try:
        output.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"{output}: cannot be written ({error.strerror}): choose another --output") from None
    report = _Report(progress)
    try:
        return sweep(one, lanes, chunk=chunk, store=output / "store", resume=resume, throw=False, progress=report)
    except KeyboardInterrupt:
        progress.say(f"interrupted: what is finished is in {output / 'store'}; --resume goes on")
        raise
    finally:
        if not any(output.iterdir()):
            output.rmdir()


class _Report:
    """A line of progress every second, with the rate since the first lanes (before, programs are compiled)."""

    def __init__(self, progress: Progress):
        self.progress, self.calls, self.said = progress, 0, time.perf_counter()

    def __call__(self, finished: int, total: int, failed: int) -> None:
        now = time.perf_counter()
        self.calls += 1
        if self.calls == 1 and finished:
            self.progress.say(f"{finished} of {total} lanes are in the store already")
        if self.calls <= 2:
            self.begin, self.before = now, finished
        solved, last = finished - self.before, finished == total and self.calls > 1
        if now - self.said < _EVERY and not last:
            return
        self.said = now
        rate = solved / (now - self.begin) if solved else None
        speed = "" if rate is None else f", {rate:.3g} per s, {(total - finished) / rate:.0f} s left"
        self.progress.say(f"{finished} of {total} lanes{speed}, {failed} failed")


def _check_output(path: Path, resume: bool) -> None:
    """Refuse a folder with anything that is not of a sweep, or with a sweep that shall not go on."""
    try:
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            raise InputError(f"{path}: exists and is no folder of a sweep: choose another --output")
        entries = sorted(os.listdir(path)) if path.exists() else []
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}): choose another --output") from None
    strange = [name for name in entries if name not in OURS and not name.endswith(".tmp")]
    strange += [name for name in entries if name in OURS[1:] and not (path / name).is_file()]
    if strange:
        raise InputError(f"{path}: holds files that are no sweep's ({', '.join(strange[:3])}): choose another --output")
    if entries and not resume:
        raise InputError(f"{path}: exists: give --resume to go on with its sweep, or another --output")


def _components(solution: Solution, cells: Cells) -> dict[str, np.ndarray]:
    """Upper triangle of the tensors, C11 C12 .. in engineering Voigt notation, or K11 K12 .. of a conductivity."""
    elastic = cells.physics == "elasticity"
    tensors = np.asarray(to_voigt(solution.value, kind="stiffness") if elastic else solution.value)
    n = tensors.shape[-1]
    names = ["1", "2", "6"] if elastic and n == 3 else [str(k + 1) for k in range(n)]  # in the plane: 11 22 12
    letter = "C" if elastic else "K"
    return {f"{letter}{names[a]}{names[b]}": tensors[:, a, b] for a in range(n) for b in range(a, n)}


def _summary(
    solution, components, cells: Cells, settings, problem: Problem, progress: Progress, argv
) -> dict[str, Any]:
    """What goes into summary.json; null where no lane has succeeded."""
    ok, axes = np.asarray(solution.result.ok), problem.sweep
    assert axes is not None
    codes, counts = np.unique(np.asarray(solution.result.code), return_counts=True)

    def described(values: np.ndarray) -> dict[str, float | None]:
        kept = values[ok]
        how = {"mean": np.mean, "std": np.std, "min": np.min, "median": np.median, "max": np.max}
        return {name: float(f(kept)) if len(kept) else None for name, f in how.items()}

    return {
        "lanes": len(ok),
        "failed": int(np.sum(~ok)),
        "results": {Result(code).name: int(n) for code, n in zip(codes, counts, strict=True)},
        "properties": {name: described(values) for name, values in components.items()},
        "iterations": int(np.max(_iterations(solution))),
        "physics": cells.physics,
        "shape": list(cells.shape),
        "first_image": cells.facts,
        "phases": {str(k): {**values, **problem.flow.get(k, {})} for k, values in problem.phases.items()},
        "varied": [*axes.lists, *axes.draws],
        "images": len(cells.names),
        "seeds": {"draws": axes.seed if axes.draws else None, "spheres": axes.spheres and axes.spheres.seed},
        "settings": {key: value for key, value in settings.items() if value is not None},
        "seconds": progress.seconds,
        "versions": versions(),
        "warnings": progress.warnings,
        "command": ["jaxhomog", *argv],
    }


def _csv(solution: Solution, components: dict[str, np.ndarray], lanes: dict[str, Any], cells: Cells) -> str:
    """A row per lane, with all digits: what varies, the result, the tensor, the iterations."""
    columns: dict[str, Any] = {"lane": range(len(solution.result.code))}
    if "image" in lanes:
        columns["image"] = [json.dumps(cells.names[k]) for k in lanes["image"]]
    columns |= {name: values for name, values in lanes.items() if name.startswith(("seed", "phases.", "load."))}
    columns["result"] = [Result(code).name for code in np.asarray(solution.result.code)]
    columns |= components
    if "rows" in solution.stats:
        columns["rows"] = solution.stats["rows"]
    columns["iterations"] = _iterations(solution)
    rows = zip(*columns.values(), strict=True)
    return "\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]) + "\n"


def _iterations(solution: Solution) -> np.ndarray:
    """Of every lane; of a path, of all its steps."""
    counts = np.nan_to_num(np.asarray(solution.stats["iterations"], float))
    return counts.reshape(len(counts), -1).sum(axis=1).astype(int)


def _table(summary: dict[str, Any], names: list[str], output: Path) -> str:
    """What a user wants to see at once."""
    size = " x ".join(map(str, summary["shape"]))
    heads, width = ("mean", "std", "min", "median", "max"), max(4, *map(len, names))
    lines = [f"{summary['lanes']} lanes of {size} voxels, {summary['failed']} failed"]
    lines += [*cell_lines({**summary["first_image"], "shape": summary["shape"]}), ""]
    lines.append(" " * (width + 2) + "".join(f"{head:>13}" for head in heads))
    for name in names:
        values = summary["properties"][name]
        row = "".join(f"{'unknown' if values[head] is None else f'{values[head]:.6g}':>13}" for head in heads)
        lines.append(f"  {name:>{width}}{row}")
    return "\n".join([*lines, "", f"written: {one_line(output)}", ""])
