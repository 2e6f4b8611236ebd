"""`Problem`: everything that one run needs to know, from options or from a problem file."""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..io import one_line
from ..results import InputError
from ._phases import PHASE_KEYS, phase_values
from ._values import crop_ranges, integers, numbers

_TABLES = ("cell", "physics", "phases", "load", "solver")
_CELL = ("image", "lengths", "voxel_size", "threshold", "crop", "coarsen", "dataset", "array", "shape", "dtype")
_SOLVER = (
    "element", "boundary", "tolerance", "field_tolerance", "residual_tolerance", "max_iterations", "precision",
)  # fmt: skip


@dataclass
class Problem:
    """A cell, its phases, a load for the fields, and how to solve.

    Args:
        stem: name that the output folder takes by default.
        image: path of the voxel image.
        phases: label -> {parameter: numbers}.
    """

    stem: str = ""
    image: Path | None = None
    phases: dict[int, dict[str, Any]] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    physics: str | None = None
    lengths: list[float] | None = None
    voxel_size: list[float] | None = None
    threshold: list[float] | None = None
    crop: list | None = None
    coarsen: int | list[int] | None = None
    dataset: str | None = None
    array: str | None = None
    shape: list[int] | None = None
    dtype: str | None = None
    element: str = "q1"
    boundary: str | list[str] = "periodic"
    tolerance: float | None = None
    field_tolerance: float | None = None
    residual_tolerance: float | None = None
    max_iterations: int = 2000
    precision: str = "float64"
    load: tuple[str, list[float]] | None = None
    notes: list[str] = field(default_factory=list)


def read_problem(path: Path) -> Problem:
    """A `problem.toml`.

    Args:
        path: the file; paths in it are relative to its folder.

    Raises:
        InputError: one line that names the file, the key and the remedy.
    """
    try:
        text = path.read_bytes().decode("utf-8")
        table = tomllib.loads(text)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file: check the name and the folder") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror}): check its permissions") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise InputError(f"{path}: is no valid TOML ({reason}): correct it") from None
    try:
        return _problem(path, table)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _problem(path: Path, table: dict[str, Any]) -> Problem:
    known("", table, _TABLES)
    problem = Problem(stem=path.stem)
    cell = _table(table, "cell", _CELL)
    if "image" not in cell:
        raise InputError('[cell] has no image: add image = "FILE"')
    problem.image = path.parent / _text("cell.image", cell["image"])
    for key in ("lengths", "voxel_size", "threshold"):
        if key in cell:
            setattr(problem, key, numbers(f"cell.{key}", cell[key]))
    if "crop" in cell:
        problem.crop = crop_ranges("cell.crop", cell["crop"])
    for key in ("coarsen", "shape"):
        if key in cell:
            setattr(problem, key, integers(f"cell.{key}", cell[key]))
    for key in ("dataset", "array", "dtype"):
        if key in cell:
            setattr(problem, key, _text(f"cell.{key}", cell[key]))
    physics = _table(table, "physics", ("kind",))
    if "kind" in physics:
        kind = physics["kind"]
        if kind not in ("elasticity", "conduction"):
            raise InputError(f"physics.kind is {kind!r}: choose 'elasticity' or 'conduction'")
        problem.physics = kind
    for label, values in _mapping("phases", table.get("phases", {})).items():
        _phase(problem, label, values)
    if "load" in table:
        problem.notes.append("[load] belongs to `drive`: `homogenize` does not use it")
    for key, value in _table(table, "solver", _SOLVER).items():
        if key == "max_iterations":
            if isinstance(value, bool) or not isinstance(value, int):
                raise InputError(f"solver.max_iterations is {value!r}: give an integer")
        elif key.endswith("tolerance"):
            (value,) = numbers(f"solver.{key}", value, 1)
        else:
            value = _text(f"solver.{key}", value)
        setattr(problem, key, value)
    return problem


def _phase(problem: Problem, text: str, values: Any) -> None:
    name = f"phases.{text}"
    try:
        label = int(text)
    except ValueError:
        raise InputError(f"[{name}]: a phase is called by its integer label in the image") from None
    if label in problem.phases:
        raise InputError(f"[{name}]: label {label} is given twice")
    values = dict(_mapping(name, values))
    known(name, values, (*PHASE_KEYS, "hardening", "name"))
    if values.pop("hardening", None) is not None:
        problem.notes.append(f"[{name}.hardening] belongs to `drive`: `homogenize` is linear and does not use it")
    if "name" in values:
        problem.names[label] = one_line(_text(f"{name}.name", values.pop("name")))
    problem.phases[label] = phase_values(name, values)


def known(table: str, given: Mapping[str, Any], keys: Iterable[str]) -> None:
    """Refuse an unknown key and name the nearest known one."""
    keys = list(keys)
    for key in given:
        if key not in keys:
            near = difflib.get_close_matches(str(key), keys, 1, 0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(keys)}"
            raise InputError(one_line(f"unknown key {key!r}{f' in [{table}]' if table else ''}: {hint}"))


def override(problem: Problem, options: Mapping[str, Any]) -> Problem:
    """The problem with the options that were given on the command line in place of its own."""
    given = {key: value for key, value in options.items() if value is not None}
    if "phases" in given:
        given["phases"] = {**problem.phases, **given["phases"]}
    for one, other in (("lengths", "voxel_size"), ("voxel_size", "lengths")):
        if one in given and other not in given:
            given[other] = None
    return dataclasses.replace(problem, **given)


def _table(table, name, keys) -> dict[str, Any]:
    values = _mapping(name, table.get(name, {}))
    known(name, values, keys)
    return values


def _mapping(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{name} is {one_line(repr(value))[:60]}, not a table: write [{name}]")
    return value


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise InputError(one_line(f"{name} is {value!r}: give a text in quotes"))
    return value
