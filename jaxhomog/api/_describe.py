"""`describe`: what a solved cell says, as plain numbers for a file, a table or a report."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from ..fields import Grid
from ..materials import AbstractLaw, PhaseMixture, engineering_constants, symmetry_class
from ..messages import ScalarConductionResponse
from ..microstructure import percolation
from ..results import Solution, under_jax_defaults
from ..tensors import to_voigt
from ._checks import law_dtype

# Why a direction has no tortuosity factor although a path goes through the box.
_LITTLE = "within the solver's error of zero"
_NOT_PERIODIC = "does not meet itself periodically"


@under_jax_defaults
def describe(
    grid: Grid,
    law: AbstractLaw,
    solution: Solution,
    image: np.ndarray | None = None,
    phase_names: Mapping[int, str] | None = None,
) -> dict[str, Any]:
    """A solution of `homogenize` in words and plain numbers (host side; everything can be written as JSON).

    For conduction the tortuosity factor along axis k is tau_k = eps D0 / D_kk, with eps the volume fraction of voxels
    that conduct, D0 the largest conductivity of a voxel and D_kk the effective one. It is given for scalar
    conductivities, and is null where D_kk is zero to the accuracy of the solver; `without` says why in words that agree
    with the percolation beside it ("blocked" only where no path goes through, periodic or from face to face).

    Args:
        grid: the cell.
        law: its law.
        solution: what `homogenize` returned (throw=False: a failed one is described too, its tensor as null).
        image: labels of the grid's shape, for volume fractions; default: the labels of a `PhaseMixture`.
        phase_names: label to name.

    Returns:
        A dictionary: physics, shape, lengths, converged, result, effective (elasticity: engineering Voigt), bounds
        (likewise), hill_mandel_residual, iterations, residual, error_bound, symmetry, engineering, engineering_of
        (elasticity: in 2-D they are constants of plane strain, not the material's own), phases, transport
        (conduction only), versions, axes. Numbers that are not finite are null.

    Source:
        The tortuosity factor: Cooper et al. (2016), SoftwareX 5, 203-210, eq. (1).
    """
    value, stats = solution.value, solution.stats
    elastic = law.physics == "elasticity"
    tensor = np.asarray(value.effective, float)
    good = bool(np.asarray(solution.result.ok).all()) and bool(np.isfinite(tensor).all())
    if image is None and isinstance(law, PhaseMixture):
        image = np.asarray(law.labels)
    bounds = {"assumes": value.bounds.assumes}
    for name in ("voigt", "reuss", "hs_lower", "hs_upper"):
        bound = getattr(value.bounds, name)
        bounds[name] = None if bound is None else _numbers(_written(bound, elastic))
    symmetry = symmetry_class(tensor, kind="stiffness" if elastic else "conductivity") if good else None
    report = {
        "physics": law.physics,
        "shape": list(grid.shape),
        "lengths": _numbers(grid.lengths),
        "dtype": str(law_dtype(law)),
        "converged": good,
        "result": solution.result.name,
        "advice": solution.result.advice,
        "effective": _numbers(_written(tensor, elastic)) if good else None,
        "components": _components(law.physics, grid.dim),
        "bounds": bounds,
        "hill_mandel_residual": _numbers(value.hill_mandel_residual),
        "iterations": int(stats["iterations"]),
        "iterations_per_load": [int(n) for n in np.asarray(stats["iterations_per_load"])],
        "residual": _numbers(stats["residual"]),
        "error_bound": _numbers(stats["error_bound"]),
        "symmetry": None if symmetry is None else _symmetry(symmetry),
        "engineering": _numbers(engineering_constants(tensor)) if good and elastic else None,
        "engineering_of": None
        if not elastic
        else "the solid"
        if grid.dim == 3
        else "plane strain (in-plane compliance)",
        "phases": None if image is None else _phases(np.asarray(image), phase_names or {}),
        "transport": None if elastic else _transport(grid, law, tensor if good else None, value, stats),
        "versions": versions(),
        "axes": "array axis k is direction k + 1; "
        + ("tensors in engineering Voigt order " if elastic else "tensor components ")
        + " ".join(_components(law.physics, grid.dim)),
    }
    return report


def _written(tensor, elastic: bool) -> np.ndarray:
    """A tensor in the convention of files."""
    return np.asarray(to_voigt(tensor, kind="stiffness") if elastic else tensor, float)


def _components(physics: str, dim: int) -> list[str]:
    if physics == "conduction":
        return [str(k + 1) for k in range(dim)]
    if physics == "finite_strain":
        return [f"{i + 1}{k + 1}" for i in range(dim) for k in range(dim)]
    return ["11", "22", "33", "23", "13", "12"] if dim == 3 else ["11", "22", "12"]


def _numbers(x: Any) -> Any:
    """Arrays as nested lists, and null for what JSON has no number for."""
    if isinstance(x, Mapping):
        return {key: _numbers(v) for key, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [_numbers(v) for v in x]
    if isinstance(x, float):
        return x if math.isfinite(x) else None
    return _numbers(np.asarray(x, float).tolist())


def _symmetry(symmetry) -> dict[str, Any]:
    axis = None if symmetry.axis is None else symmetry.axis + 1
    return {"name": symmetry.name, "direction": axis, "distances": _numbers(symmetry.distances)}


def _phases(image: np.ndarray, names: Mapping[int, str]) -> list[dict[str, Any]]:
    """Label, name and volume fraction of every phase in the image."""
    labels, counts = np.unique(image, return_counts=True)
    return [
        {"label": int(k), "name": names.get(int(k)), "voxels": int(n), "fraction": float(n / image.size)}
        for k, n in zip(labels, counts, strict=True)
    ]


def _transport(grid: Grid, law: AbstractLaw, tensor: np.ndarray | None, value, stats) -> dict[str, Any]:
    """Tortuosity factors, and how the conducting voxels hang together."""
    response = law.response(grid.shape, law_dtype(law))
    scalar = isinstance(response, ScalarConductionResponse)
    if scalar:
        conductivity = np.asarray(response.k, float)
    else:  # the trace: of a positive semi-definite tensor it is zero only where the tensor is
        conductivity = np.asarray(response.k[: grid.dim].sum(axis=0), float)  # type: ignore[attr-defined]
    mask = conductivity > 0
    out: dict[str, Any] = {"conducting_fraction": float(mask.mean()), "tortuosity": None, "d0": None}
    clusters = percolation(mask, periodic=True)
    out["percolation"] = {**clusters.summary(), "island_voxel_fraction": clusters.island_fraction * clusters.fraction}
    if scalar and tensor is not None:
        d0 = float(conductivity.max())
        # The solver's own bound, doubled, separates a blocked axis from a badly conducting one.
        floor = 2 * float(stats["error_bound"]) * float(np.linalg.norm(np.asarray(value.bounds.voigt)))
        floor = max(floor, 1e-12 * d0)
        diagonal = np.diag(tensor)
        out["d0"] = d0
        out["tortuosity"] = [float(mask.mean() * d0 / d) if d > floor else None for d in diagonal]
        out["without"] = [
            None if d > floor else _LITTLE if around else _NOT_PERIODIC if through else "blocked"
            for d, around, through in zip(diagonal, clusters.percolates, clusters.open, strict=True)
        ]
        out["edge_contacts_only"] = [
            bool(d > floor and not around and not through)
            for d, around, through in zip(diagonal, clusters.percolates, clusters.open, strict=True)
        ]
    return out


def versions() -> dict[str, str]:
    """What a reader needs to repeat the computation."""
    import equinox
    import jaxlib.version

    from .. import __version__

    return {
        "jaxhomog": __version__,
        "jax": jax.__version__,
        "jaxlib": jaxlib.version.__version__,
        "equinox": equinox.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "device": jax.default_backend(),
    }
