"""Sweeps over driven paths: the problem that one lane is, what may vary in its load, and what is told of it."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .. import Grid, drive
from ..api import LoadPath, message_keys
from ..api._describe import _components as components_of
from ..materials import AbstractMaterial, PhaseMixture
from ..results import InputError, Solution
from ._load import Load
from ._sweep_axes import Axes
from ._sweep_cells import Cells, varied_laws

AMPLITUDE = "load.amplitude"
_MESSAGES = [message_keys(physics) for physics in ("elasticity", "conduction", "finite_strain")]


def path_problem(cells: Cells, path: LoadPath, settings: dict[str, Any]) -> jax.tree_util.Partial:
    """The problem of `sweep`: one lane's parameters to its curves of strain, stress, energy and dissipation."""
    names = components_of(cells.physics, len(cells.shape))
    return jax.tree_util.Partial(_solve, cells.laws, cells.shared, path, settings, tuple(names), cells.physics)


def _solve(laws, shared, path, settings, names, physics, lane: dict[str, Any]) -> Solution:
    cell = {**shared, **lane}
    labels = cell["labels"]
    law = PhaseMixture(labels, varied_laws(laws, lane))
    path = varied_path(path, lane, names, physics)
    solution = drive(Grid(labels.shape, cell["lengths"]), law, path, throw=False, tangent=False, **settings)
    kept = ("strain", "stress", "energy", "dissipation", "hill_mandel_residual")
    return dataclasses.replace(solution, value={key: getattr(solution.value, key) for key in kept})


def varied_path(path: LoadPath, lane: Mapping[str, Any], names: tuple[str, ...], physics: str) -> LoadPath:
    """The path with the lane's final components in place of its own, times its amplitude.

    Args:
        path: of the problem file.
        lane: "load.strain_11", .. -> the end of that component's straight line; "load.amplitude" -> a factor on all
            that is prescribed (of F: on F - 1).
        names: of the components.
        physics: of the laws.
    """
    finite = physics == "finite_strain"
    rest = jnp.eye(math.isqrt(len(names))).ravel() if finite else jnp.zeros(len(names))
    number = path.strain.shape[0]
    ramp = jnp.arange(1, number + 1) / number
    rows = []
    for key, given, still in zip(message_keys(physics), (path.strain, path.stress), (rest, 0 * rest), strict=True):
        away = given - still
        for k, name in enumerate(names):
            if f"load.{key}_{name}" in lane:
                away = away.at[:, k].set((lane[f"load.{key}_{name}"] - still[k]) * ramp)
        rows.append(still + lane.get(AMPLITUDE, 1.0) * away)
    return eqx.tree_at(lambda p: (p.strain, p.stress), path, tuple(rows))


def check_paths(axes: Axes, load: Load, path: LoadPath, cells: Cells) -> None:
    """Refuse components that the load does not prescribe, and values that no solid has.

    Raises:
        InputError: in one line.
    """
    names, number = components_of(cells.physics, len(cells.shape)), len(cells.shape)
    if path.strain.shape[1] != len(names):
        raise InputError(f"[load] has {path.strain.shape[1]} components: a {number}-D image takes {len(names)}")
    mask = np.asarray(path.stress_controlled)
    counts = dict(zip(message_keys(cells.physics), (~mask, mask), strict=True))
    known = {f"load.{key}_{name}": (key, k) for key in counts for k, name in enumerate(names)}
    for name in (*axes.lists, *axes.draws):
        if not name.startswith("load.") or name == AMPLITUDE:
            continue
        if name not in known:
            raise InputError(f"[sweep.load]: {name[5:]} is unknown: give amplitude, or one of {_listed(known)}")
        key, k = known[name]
        if not load.line:
            raise InputError(f"[sweep.load]: {name[5:]} is the end of a straight line: give load.steps and one row")
        if not counts[key][:, k].all():
            raise InputError(f"[sweep.load]: {name[5:]} is not prescribed by [load]: see its stress_controlled")
    _check_values(axes, cells.laws)


def _listed(known: Mapping[str, Any]) -> str:
    return ", ".join(name[5:] for name in known)


def _check_values(axes: Axes, laws: Mapping[int, AbstractMaterial]) -> None:
    """Every phase at the corners of what varies in it: what is admissible is convex."""
    ends = {name: (values.min(), values.max()) for name, values in axes.lists.items()} | axes.draws
    for label, law in laws.items():
        mine = {name: pair for name, pair in ends.items() if name.startswith(f"phases.{label}.")}
        for corner in itertools.product(*mine.values()) if mine else ():
            found = varied_laws({label: law}, dict(zip(mine, map(np.asarray, corner), strict=True)))[label]
            try:
                found.check(f" of phase {label}")
            except InputError as error:
                raise InputError(f"[sweep.phases.{label}]: {error}") from None


def final_values(solution: Solution, cells: Cells, path: LoadPath) -> dict[str, np.ndarray]:
    """What a lane ends with: the component of every direction that is not prescribed, energy, and all that dissipated.

    Args:
        solution: of the sweep.
        cells: what is swept over.
        path: of the problem file.
    """
    names = components_of(cells.physics, len(cells.shape))
    down, up = message_keys(cells.physics)
    mask = np.asarray(path.stress_controlled)[-1]
    value = solution.value
    out = {}
    for k, name in enumerate(names):
        key, kept = (down, "strain") if mask[k] else (up, "stress")
        out[f"{key}_{name}"] = value[kept][:, -1, k]
    return {**out, "energy": value["energy"][:, -1], "dissipated": np.sum(value["dissipation"], axis=1)}


def telling(found: Mapping[str, np.ndarray], solution: Solution) -> list[str]:
    """Names of the final values that are more than what the solver leaves of a zero.

    Args:
        found: from `final_values`.
        solution: of the sweep.
    """
    most = lambda x: float(np.max(np.abs(np.nan_to_num(x))))  # noqa: E731
    largest = {kept: most(solution.value[kept]) for kept in ("strain", "stress")}
    scale = {key: largest[kept] for keys in _MESSAGES for key, kept in zip(keys, largest, strict=True)}
    told = [name for name, x in found.items() if most(x) > 1e-6 * scale.get(name.rpartition("_")[0], 0)]
    return told or list(found)


def curves(solution: Solution, cells: Cells) -> tuple[np.ndarray, np.ndarray, tuple[str, str]]:
    """Strain and stress of every lane from the start on, of the component with the largest range of strain, and names.

    Args:
        solution: of the sweep.
        cells: what is swept over.
    """
    names = components_of(cells.physics, len(cells.shape))
    strain, stress = solution.value["strain"], solution.value["stress"]
    rest = np.asarray([float(cells.physics == "finite_strain" and name[0] == name[-1]) for name in names])
    k = int(np.argmax(np.max(np.abs(np.nan_to_num(strain - rest)), axis=(0, 1))))
    first = np.full((len(strain), 1), rest[k])
    down, up = message_keys(cells.physics)
    labels = f"{down} {names[k]}", f"{up} {names[k]}"
    return np.concatenate([first, strain[:, :, k]], axis=1), np.pad(stress[:, :, k], ((0, 0), (1, 0))), labels
