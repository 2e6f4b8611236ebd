"""`describe_driven`: a driven path in plain numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..fields import Grid
from ..materials import AbstractMaterial, PhaseMixture
from ..results import Solution
from ._checks import law_dtype
from ._describe import _components, _numbers, _phases, versions
from ._load_path import LoadPath


def message_keys(physics: str) -> tuple[str, str]:
    """What the columns of a curve are called: what is prescribed from above, and its dual."""
    names = {"elasticity": ("strain", "stress"), "finite_strain": ("F", "P")}
    return names.get(physics, ("gradient", "flux"))


def describe_driven(
    grid: Grid,
    law: AbstractMaterial,
    path: LoadPath,
    solution: Solution,
    phase_names: Mapping[int, str] | None = None,
) -> dict[str, Any]:
    """A solution of `drive` in words and plain numbers (host side; everything can be written as JSON).

    Args:
        grid: the cell.
        law: its law.
        path: the load path.
        solution: what `drive` returned for it (throw=False: the rows that a failed one has reached).
        phase_names: label to name.

    Returns:
        A dictionary: curve (step from 1, time, strain and stress, or `message_keys`, energy, dissipation; the rows
        reached, engineering Voigt), tangent (of the last of them, or null), element, hill_mandel_residual (the
        largest), converged, result, advice, rows, steps (asked for), stats (per row), physics, shape, lengths, dtype,
        components, phases, versions, axes. Numbers that are not finite are null.
    """
    value, stats = solution.value, solution.stats
    steps, rows = path.strain.shape[0], int(stats["rows"])
    reached = lambda x: _numbers(np.asarray(x)[:rows])  # noqa: E731
    down, up = message_keys(law.physics)
    components = _components(law.physics, grid.dim)
    return {
        "physics": law.physics,
        "shape": list(grid.shape),
        "lengths": _numbers(grid.lengths),
        "dtype": str(law_dtype(law)),
        "converged": bool(solution.result.ok) and rows == steps,
        "result": solution.result.name,
        "advice": solution.result.advice,
        "curve": {
            "step": list(range(1, rows + 1)),
            "time": reached(value.time),
            down: reached(value.strain),
            up: reached(value.stress),
            "energy": reached(value.energy),
            "dissipation": reached(value.dissipation),
        },
        "tangent": None if value.tangent is None or rows == 0 else _numbers(value.tangent[rows - 1]),
        "element": value.element,
        "hill_mandel_residual": _numbers(np.max(np.asarray(value.hill_mandel_residual)[:rows])) if rows else None,
        "rows": rows,
        "steps": steps,
        "stats": {
            "newton": [int(n) for n in np.asarray(stats["newton"])[:rows]],
            "iterations": [int(n) for n in np.asarray(stats["iterations"])[:rows]],
            "cuts": [int(n) for n in np.asarray(stats["cuts"])[:rows]],
            "residual": reached(stats["residual"]),
            "hill_mandel_residual": reached(value.hill_mandel_residual),
            "algorithmic_dissipation": reached(value.algorithmic_dissipation),
            "lowest_dissipation": reached(value.lowest_dissipation),
        },
        "components": components,
        "phases": _phases(np.asarray(law.labels), phase_names or {}) if isinstance(law, PhaseMixture) else None,
        "versions": versions(),
        "axes": "array axis k is direction k + 1; "
        + {"elasticity": "tensors in engineering Voigt order ", "finite_strain": "F and P row by row "}.get(
            law.physics, "vector components "
        )
        + " ".join(components),
    }
