"""The microstructures of a sweep, and the problem that one lane is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np

from .. import Grid, homogenize
from ..io import ImageData
from ..materials import AbstractMaterial, LinearConduction, LinearElastic, PhaseMixture
from ..microstructure import overlapping_spheres
from ..results import InputError, Solution
from ._cell import Cell, build_cell, cell_facts, check_settings, image_of
from ._flow import FLOW_KEYS
from ._problem import Problem
from ._progress import Progress


class Cells(NamedTuple):
    """What is swept over, checked.

    Args:
        laws: label -> law, of every label in any image.
        shared: labels and lengths where all lanes have the same.
        varying: labels, lengths and the number of the image (or its seed), with a leading axis; None if shared.
        names: of the images.
        physics: of the laws.
        shape: of the images.
        facts: of the first image: its file, axes, voxel size and unit.
    """

    laws: dict[int, AbstractMaterial]
    shared: dict[str, np.ndarray]
    varying: dict[str, np.ndarray] | None
    names: list[str]
    physics: str
    shape: tuple[int, ...]
    facts: dict[str, Any]


class _Quiet(Progress):
    """What build_cell warns of every image would fill the screen."""

    def warn(self, text: str) -> None:
        pass


def load_cells(problem: Problem, progress: Progress) -> Cells:
    """Read or generate all images and give every label its law.

    Raises:
        InputError: an image that does not fit the others, or the phases.
    """
    check_settings(problem)
    axes = problem.sweep
    assert axes is not None
    cells: list[Cell] = []
    quiet = _Quiet()
    if axes.spheres is not None:
        made = axes.spheres
        progress.say(f"generating {made.number} images of random overlapping spheres")
        for seed in range(made.seed, made.seed + made.number):
            array = overlapping_spheres(made.shape, made.radius, fraction=made.fraction, seed=seed)
            size = problem.lengths or [(problem.voxel_size or [1.0])[0] * n for n in array.shape]
            image = ImageData(
                array.astype(np.uint8), tuple(size), tuple(x / n for x, n in zip(size, array.shape, strict=True)),
                "array axis k -> direction k + 1", f"spheres, seed {seed}",
            )  # fmt: skip
            cells.append(build_cell(problem, image, quiet))
    else:
        paths = axes.images or [problem.image]
        progress.say(f"reading {len(paths)} image{'s' if len(paths) > 1 else ''}")
        for path in paths:
            image = image_of(dataclasses.replace(problem, image=path))
            for note in image.notes:
                progress.warn(note)
            if image.rotation is not None:
                raise InputError(f"{image.source}: holds orientations, which a sweep does not take: use homogenize")
            cells.append(build_cell(problem, image, quiet))
    shapes = {cell.grid.shape for cell in cells}
    if len(shapes) > 1:
        listed = ", ".join(" x ".join(map(str, shape)) for shape in sorted(shapes)[:3])
        raise InputError(f"the images have different shapes ({listed}): crop or coarsen them to one")
    laws = {key: law for cell in cells for key, law in zip(cell.law.keys, cell.law.laws, strict=True)}
    for name in (*axes.lists, *axes.draws):
        if name.startswith("phases."):
            _check_varied(name, laws)
    one = [
        {"labels": np.asarray(c.law.labels), "lengths": np.asarray(c.grid.lengths, problem.precision)} for c in cells
    ]
    names = [cell.image.source for cell in cells]
    shared, varying = one[0], None
    if axes.images or axes.spheres:
        stacked = {key: np.stack([x[key] for x in one]) for key in one[0]}
        first = 0 if axes.spheres is None else axes.spheres.seed
        number = np.arange(first, first + len(cells), dtype=np.int32)
        shared, varying = {}, {**stacked, "image" if axes.spheres is None else "seed": number}
    return Cells(laws, shared, varying, names, cells[0].law.physics, cells[0].grid.shape, cell_facts(cells[0].image))


def _check_varied(name: str, laws: Mapping[int, AbstractMaterial]) -> None:
    """A parameter that varies must be one of a phase's."""
    _, label, *where = name.split(".")
    law = next((law for k, law in laws.items() if str(k) == label), None)
    if law is None:
        raise InputError(f"[sweep.{name}]: no image has the label {label}, or it has no [phases.{label}]")
    table, key = ".".join(["phases", label, *where[:-1]]), where[-1]
    if key not in _parameters(law, where[:-1]):
        raise InputError(f"[sweep.{name}]: phase {label} has no {key} of one number in [{table}]: add it there")


def _parameters(law: Any, table: list[str]) -> dict[str, Any]:
    """Numbers of one of a phase's tables that may vary."""
    if table:
        part = getattr(law, table[0], None)
        given = {} if part is None else {f.name: getattr(part, f.name) for f in dataclasses.fields(part)}
    elif isinstance(law, LinearConduction):
        given = {"conductivity": law.conductivity} if law.form == "scalar" else {}
    else:
        given = _elastic(law).parameters
    return {key: value for key, value in given.items() if value is not None and np.ndim(value) == 0}


def _elastic(law: Any) -> LinearElastic:
    return law if isinstance(law, LinearElastic) else law.elastic


def lane_problem(cells: Cells, settings: dict[str, Any]) -> jax.tree_util.Partial:
    """The problem of `sweep`: one lane's parameters to the effective tensor."""
    return jax.tree_util.Partial(_solve, cells.laws, cells.shared, settings)


def _solve(laws: dict[int, AbstractMaterial], shared: dict, settings: dict[str, Any], lane: dict[str, Any]) -> Solution:
    cell = {**shared, **lane}
    labels = cell["labels"]
    law = PhaseMixture(labels, varied_laws(laws, lane))
    solution = homogenize(Grid(labels.shape, cell["lengths"]), law, throw=False, **settings)
    return dataclasses.replace(solution, value=solution.value.effective)


def varied_laws(laws: Mapping[int, AbstractMaterial], lane: Mapping[str, Any]) -> dict[int, AbstractMaterial]:
    """The laws with the lane's parameters in place of their own.

    Args:
        laws: label -> law.
        lane: "phases.0.young", "phases.0.hardening.rate", .. -> number.
    """
    out = {}
    for label, law in laws.items():
        start = f"phases.{label}."
        own = {name.removeprefix(start): value for name, value in lane.items() if name.startswith(start)}
        out[label] = _varied(law, own) if own else law
    return out


def _varied(law: Any, own: dict[str, Any]) -> AbstractMaterial:
    """The law with some of its numbers replaced, by their names within the phase's table."""
    if isinstance(law, LinearConduction):
        return LinearConduction(own["conductivity"])
    elastic, moduli = _elastic(law), {key: value for key, value in own.items() if "." not in key}
    elastic = LinearElastic({**elastic.parameters, **moduli}, elastic.form, elastic.rotation)
    if isinstance(law, LinearElastic):
        return elastic
    parts: dict[str, Any] = {"elastic": elastic}
    for table in FLOW_KEYS:
        new = {key.removeprefix(f"{table}."): value for key, value in own.items() if key.startswith(f"{table}.")}
        if new:
            parts[table] = dataclasses.replace(getattr(law, table), **new)
    return eqx.tree_at(lambda law: [getattr(law, key) for key in parts], law, list(parts.values()))
