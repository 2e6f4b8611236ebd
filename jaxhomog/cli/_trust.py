"""The trust report of an image: ask, print, write the page."""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..api import versions
from ..plot import write_trust
from ..results import InputError, SolverError
from ..studies import TRUST_BOUNDARIES, trust
from ._cell import build_cell, cell_facts, image_of, labels_of
from ._output import check_output, output_folder
from ._problem import Problem
from ._progress import Progress
from ._run import NotConverged
from ._screen import cell_lines, show
from ._trust_asked import asked


def run_trust(options: argparse.Namespace, problem: Problem, progress: Progress, argv: Sequence[str]) -> int:
    """Ask and write; the exit code. A bad verdict is an answer: it is 0 too.

    Raises:
        InputError: bad input, in one line.
        NotConverged: a solve failed; nothing is written, because a report without a property answers nothing.
    """
    output = options.output or Path(f"{problem.stem}-jaxhomog")
    check_output(output)
    wanted = asked(problem.trust, options)
    progress.say(f"reading {problem.image}")
    image = image_of(problem)
    for note in image.notes:
        progress.warn(note)
    labels = labels_of(image.array)
    spacing = np.asarray(image.voxel_size, float)
    if np.ptp(spacing) > 1e-6 * spacing.max():
        raise InputError(f"voxels of {spacing.tolist()} are not cubic: trust cuts cubic windows (resample the image)")
    law = None
    if problem.phases:
        cell = build_cell(problem, image, progress)
        if image.rotation is not None:
            raise InputError("the image has orientations per voxel: trust knows labels only (jaxhomog.trust in Python)")
        law = dict(zip(cell.law.keys, cell.law.laws, strict=True))
    settings = {k: v for k, v in vars(wanted).items() if v is not None}
    if "macro_length" in settings:
        if image.size_source == "assumed":
            progress.warn("nobody gives a voxel size: macro_length is taken in voxels (give --voxel-size)")
        settings["macro_length"] = np.asarray(settings["macro_length"])
    if problem.element is not None:
        settings["element"] = problem.element
    if not isinstance(problem.boundary, str):
        raise InputError(f"boundary={problem.boundary!r} is one for each axis: trust takes one name for all of them")
    if problem.boundary != "periodic" and "boundaries" in settings:
        raise InputError(
            "solver.boundary and trust.boundaries are both given: give the latter, its first for the whole"
        )
    if problem.boundary != "periodic":
        settings["boundaries"] = [problem.boundary, *(x for x in TRUST_BOUNDARIES if x != problem.boundary)]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        try:
            solution = trust(
                labels, law, voxel_size=float(spacing[0]), tolerance=problem.tolerance,
                max_iterations=problem.max_iterations, progress=progress.say, **settings,
            )  # fmt: skip
        except SolverError as error:
            raise NotConverged(" ".join(str(error).split())) from None
    for warning in said:
        if warning.category is UserWarning:
            progress.warn(str(warning.message))
    report = solution.value
    result = report.to_dict() | {"seconds": progress.seconds, "versions": versions()}
    result["description"] = {
        **cell_facts(image),
        "shape": list(labels.shape),
        "properties": {str(k): v for k, v in problem.phases.items()},
        "warnings": progress.warnings,
        "command": ["jaxhomog", *argv],
    }
    text = json.dumps(result, indent=1, allow_nan=False) + "\n"
    progress.say(f"writing {output}")
    with output_folder(output) as folder:
        (folder / "result.json").write_text(text, encoding="utf-8")
        if not options.no_report:
            more = {**result["description"], "versions": result["versions"], "seconds": result["seconds"]}
            lengths = [float(x) for x in np.asarray(image.lengths)]
            write_trust(folder / "report.html", report, labels, lengths, more)
    about = "\n".join(cell_lines(result["description"]))
    show(text if options.json else f"{about}\n{report.text()}\n\nwritten: {output}\n")
    progress.say("done")
    return 0
