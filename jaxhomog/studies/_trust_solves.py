"""What the trust report asks of the solve of a whole image: property, lost energy, voxels, correctors."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax.numpy as jnp
import numpy as np

from ..api import duality, homogenize
from ..fields import Grid
from ..materials import AbstractMaterial, PhaseMixture
from ..results import InputError, Solution, SolverError
from ..rve import Correctors
from ..validity import TrustItem
from ._apparent import isotropic_properties
from ._trust_items import energy_item, voxels_item


def solved_wholes(
    labels: np.ndarray, space: tuple[int, ...], law: Mapping[int, AbstractMaterial], boundary: str, element: str,
    tolerance: float | None, max_iterations: int, say: Callable[[str], None], fields: bool,
) -> tuple[list[Solution], dict[str, np.ndarray]]:  # fmt: skip
    """Solutions of the images (the first with fields), and name -> property of each (images,).

    Raises:
        SolverError: one of them did not converge.
    """
    say("the whole image")
    wholes = [
        homogenize(
            Grid(space), PhaseMixture(x, law), boundary, element, tolerance, max_iterations=max_iterations,
            fields=fields and k == 0,
        )
        for k, x in enumerate(labels)
    ]  # fmt: skip
    tensors = np.stack([np.asarray(w.value.effective) for w in wholes])
    return wholes, isotropic_properties(tensors, next(iter(law.values())).physics)


def energy_of(wholes: list[Solution], accuracy: float) -> TrustItem:
    """The largest residuals of all images."""
    return energy_item(
        max(float(w.value.hill_mandel_residual) for w in wholes),
        max(float(w.stats["error_bound"]) for w in wholes),
        accuracy,
    )


def voxels_of(
    whole: Solution, labels: np.ndarray, space: tuple[int, ...], law: Mapping[int, AbstractMaterial], bounds: bool,
    accuracy: float, max_iterations: int, say: Callable[[str], None],
) -> TrustItem:  # fmt: skip
    """Bounds of the voxel medium of one image, whose solution is given."""
    physics = next(iter(law.values())).physics
    stiff = float(np.trace(np.asarray(whole.value.bounds.reuss))) > 0
    return voxels_item(*_gap(labels, space, law, physics, stiff, bounds, max_iterations, say), accuracy)


def correctors_of(whole: Solution, space: tuple[int, ...]) -> Correctors:
    """First correctors from the fields of a periodic solution; lengths in voxels."""
    first = jnp.moveaxis(whole.value.fields.fluctuation, -1, 1)
    n = first.shape[0]
    physics = "conduction" if n == len(space) else "elasticity"
    return Correctors(first, None, whole.value.effective, jnp.asarray(space, first.dtype), physics)


def _gap(
    labels, space, law, physics: str, stiff: bool, bounds: bool, max_iterations: int, say
) -> tuple[float | None, str]:
    """Relative half distance of two-sided bounds of the (first) voxel image, and where it comes from."""
    if not bounds:
        return None, "Two-sided bounds were not asked for (bounds=False)."
    if physics == "elasticity" and not stiff:
        return None, "There are no two-sided bounds of an elastic medium with voids."
    say("bounds of the voxel medium")
    grid, mixture = Grid(space), PhaseMixture(labels, law)
    try:
        if physics == "conduction" and len(space) == 2 and stiff:
            return max(float(duality(grid, mixture, max_iterations=max_iterations).value.error), 0.0), "Duality"
        found = homogenize(grid, mixture, bounds=True, max_iterations=max_iterations).value.bounds
    except (InputError, SolverError) as error:
        return None, f"No two-sided bounds: {error}."
    lower, upper = np.asarray(found.lower), np.asarray(found.upper)
    whole = float(np.linalg.norm(upper + lower))
    return float(np.linalg.norm(upper - lower)) / whole if whole > 0 else np.nan, "Two-sided bounds"
