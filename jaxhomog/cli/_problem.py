"""`Problem`: everything that one run needs to know, from options or from a problem file."""

from __future__ import annotations

import argparse
import dataclasses
import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..io import one_line
from ..results import InputError
from ._flow import FLOW_KEYS, read_flow
from ._load import Load, read_load
from ._phases import PHASE_KEYS, phase_values
from ._sweep_axes import Axes, read_sweep
from ._tables import check_integers, integer_of, known, mapping, shown, table_of, text_of
from ._trust_asked import TrustAsked, read_trust
from ._values import crop_ranges, integers, numbers

_TABLES = ("cell", "physics", "phases", "load", "solver")
_RAW = ("shape", "dtype", "order", "header", "endian")
_READ = ("dataset", "array", *_RAW, "unindexed", "foreign")
_CELL = ("image", "lengths", "voxel_size", "threshold", "crop", "coarsen", *_READ)
_MOST_BYTES = 1 << 24
_SOLVER = ("element", "boundary", "tolerance", "max_iterations", "precision")
# Settings that one verb alone has.
_OF: dict[str, tuple[str, ...]] = {
    "homogenize": ("field_tolerance", "residual_tolerance"),
    "drive": ("max_newton", "max_cuts"),
    "trust": (),
}
_OF["sweep"] = _OF["homogenize"]
# Tables that one verb alone has.
_TABLE_OF = {"sweep": ("sweep",), "trust": ("trust",)}
_USE = "use `jaxhomog drive`"
_DRIVE = {"homogenize": _USE, "trust": _USE, "sweep": "add [load], as for `jaxhomog drive`"}
# What options of the command line may put in place of the file's.
_OWN = (
    "phases", "threshold", "crop", "coarsen", "voxel_size", "lengths", *_READ, *_SOLVER, *_OF["homogenize"],
)  # fmt: skip


@dataclass
class Problem:
    """A cell, its phases, a load, and how to solve.

    Args:
        stem: name that the output folder takes by default.
        image: path of the voxel image.
        phases: label -> {parameter: numbers}.
        flow: label -> tables of plastic flow (`drive`).
        element: None is the verb's own choice.
        load: of `homogenize`: the one behind the fields.
        path: of `drive`, and of a `sweep` over paths: step by step.
        sweep: of `sweep`: what varies.
        trust: of `trust`: what is asked.
    """

    stem: str = ""
    image: Path | None = None
    phases: dict[int, dict[str, Any]] = field(default_factory=dict)
    flow: dict[int, dict[str, Any]] = field(default_factory=dict)
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
    order: str | None = None
    header: int | None = None
    endian: str | None = None
    unindexed: str | int | None = None
    foreign: bool | None = None
    element: str | None = None
    boundary: str | list[str] = "periodic"
    tolerance: float | None = None
    field_tolerance: float | None = None
    residual_tolerance: float | None = None
    max_iterations: int = 2000
    max_newton: int | None = None
    max_cuts: int | None = None
    precision: str = "float64"
    load: tuple[str, list[float]] | None = None
    path: Load | None = None
    sweep: Axes | None = None
    trust: TrustAsked | None = None
    notes: list[str] = field(default_factory=list)


def problem_of(options: argparse.Namespace) -> Problem:
    """The problem that the options of `homogenize`, `drive` or `sweep` describe."""
    path = Path(options.image)
    if path.suffix.lower() == ".toml":
        problem = read_problem(path, options.verb)
    elif options.verb in ("drive", "sweep"):
        table = {"drive": "[load]", "sweep": "[sweep]"}[options.verb]
        help = f"see {options.verb} --help"
        raise InputError(one_line(f"{path} is no problem file: {options.verb} takes its {table} from a .toml, {help}"))
    else:
        stem = path.name.split(".")[0] if path.name.lower().endswith(".nii.gz") else path.stem
        problem = Problem(stem=stem, image=path)
    return override(problem, {key: getattr(options, key, None) for key in _OWN})


def read_problem(path: Path, verb: str = "homogenize") -> Problem:
    """A `problem.toml`.

    Args:
        path: the file; paths in it are relative to its folder.
        verb: who asks, "homogenize", "drive", "sweep" or "trust".

    Raises:
        InputError: one line that names the file, the key and the remedy.
    """
    try:
        table = tomllib.loads(_text_of_file(path))
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file: check the name and the folder") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror}): check its permissions") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise InputError(one_line(f"{path}: is no valid TOML ({reason}): correct it")) from None
    try:
        check_integers("", table)
        return _problem(path, table, verb)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _text_of_file(path: Path) -> str:
    """The text of a problem file; what is no regular file of some pages would block or never end."""
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        what = "a folder" if stat.S_ISDIR(found.st_mode) else "no regular file"
        raise InputError(one_line(f"{path}: is {what}: give a problem file"))
    if found.st_size > _MOST_BYTES:
        raise InputError(one_line(f"{path}: is no problem file ({found.st_size} bytes): give a TOML file"))
    return path.read_bytes().decode("utf-8")


def _problem(path: Path, table: dict[str, Any], verb: str) -> Problem:
    known("", table, (*_TABLES, *_TABLE_OF.get(verb, ())))
    # A sweep with a load is one over driven paths: what drive takes, it takes.
    solves = "drive" if verb == "sweep" and "load" in table else verb
    problem = Problem(stem=path.stem)
    cell = table_of(table, "cell", _CELL)
    if verb == "sweep":
        problem.sweep = read_sweep(path.parent, table, "image" in cell)
    elif "image" not in cell:
        raise InputError('[cell] has no image: add image = "FILE"')
    if "image" in cell:
        problem.image = path.parent / text_of("cell.image", cell["image"])
    for key in ("lengths", "voxel_size", "threshold"):
        if key in cell:
            setattr(problem, key, numbers(f"cell.{key}", cell[key]))
    if "crop" in cell:
        problem.crop = crop_ranges("cell.crop", cell["crop"])
    for key in ("coarsen", "shape"):
        if key in cell:
            setattr(problem, key, integers(f"cell.{key}", cell[key]))
    for key in ("dataset", "array", "dtype", "order", "endian"):
        if key in cell:
            setattr(problem, key, text_of(f"cell.{key}", cell[key]))
    if "header" in cell:
        problem.header = integer_of("cell.header", cell["header"])
    if "unindexed" in cell:
        given = cell["unindexed"]
        problem.unindexed = given if isinstance(given, str) else integer_of("cell.unindexed", given)
    if "foreign" in cell:
        if not isinstance(cell["foreign"], bool):
            raise InputError(f"cell.foreign is {shown(cell['foreign'])}: give true or false")
        problem.foreign = cell["foreign"]
    physics = table_of(table, "physics", ("kind",))
    if "kind" in physics:
        kind = physics["kind"]
        if kind not in ("elasticity", "conduction", "finite_strain"):
            raise InputError(f"physics.kind is {kind!r}: choose 'elasticity', 'conduction' or 'finite_strain'")
        if kind == "finite_strain" and solves != "drive":
            raise InputError(f"physics.kind = 'finite_strain' is not linear: {_DRIVE[verb]}")
        problem.physics = kind
    for label, values in mapping("phases", table.get("phases", {})).items():
        _phase(problem, label, values, verb, solves)
    if verb == "trust":
        problem.trust = read_trust(mapping("trust", table.get("trust", {})))
    if solves == "drive":
        if "load" not in table:
            raise InputError("no [load], which drive follows: add one with strain or stress, or use homogenize")
        problem.path = read_load(mapping("load", table["load"]))
    elif "load" in table:
        problem.notes.append(f"[load] belongs to `drive`: `{verb}` does not use it")
    for key, value in table_of(table, "solver", (*_SOLVER, *(key for keys in _OF.values() for key in keys))).items():
        if key not in (*_SOLVER, *_OF[solves]):
            what = verb if solves == verb else f"{verb} with a [load]"
            raise InputError(f"solver.{key} is no setting of {what}: leave it out")
        if key.startswith("max_"):
            value = integer_of(f"solver.{key}", value)
        elif key.endswith("tolerance"):
            (value,) = numbers(f"solver.{key}", value, 1)
        else:
            value = text_of(f"solver.{key}", value)
        setattr(problem, key, value)
    return problem


def _phase(problem: Problem, text: str, values: Any, verb: str, solves: str) -> None:
    name = f"phases.{text}"
    try:
        label = int(text)
    except ValueError:
        raise InputError(one_line(f"[{name[:60]}]: a phase is called by its integer label in the image")) from None
    if label in problem.phases:
        raise InputError(f"[{name}]: label {label} is given twice")
    values = dict(mapping(name, values))
    known(name, values, (*PHASE_KEYS, *FLOW_KEYS, "name"))
    flow = {key: values.pop(key) for key in FLOW_KEYS if key in values}
    if flow and solves != "drive":
        raise InputError(f"[{name}.{next(iter(flow))}] is not linear: {_DRIVE[verb]}, or leave it out")
    if flow:
        problem.flow[label] = read_flow(name, flow)
    if "name" in values:
        problem.names[label] = one_line(text_of(f"{name}.name", values.pop("name")))
    problem.phases[label] = phase_values(name, values)


def override(problem: Problem, options: Mapping[str, Any]) -> Problem:
    """The problem with the options that were given on the command line in place of its own."""
    given = {key: value for key, value in options.items() if value is not None}
    if "phases" in given:
        given["phases"] = {**problem.phases, **given["phases"]}
    for one, other in (("lengths", "voxel_size"), ("voxel_size", "lengths")):
        if one in given and other not in given:
            given[other] = None
    return dataclasses.replace(problem, **given)
