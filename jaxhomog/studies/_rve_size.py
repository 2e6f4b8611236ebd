"""`rve_size`: is there a representative volume, and which windows, how many of them, replace it?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import equinox as eqx
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Real

from ..materials import AbstractLaw, AbstractMaterial
from ..microstructure import IntegralRange, integral_range
from ..results import InputError, Solution, under_jax_defaults
from ..validity import (
    EXPONENT_ERROR,
    RVESize,
    ScatterLaw,
    degrees_of_freedom,
    fit_scatter,
    judge_rve_size,
    judge_rve_size_of_average,
    scatter_of_average,
)
from ..validity._rve_checks import check_settings, read_curve
from ._apparent import BOUNDARIES, Apparent, apparent_properties, tiles


class RVESizes(eqx.Module):
    """The value of `rve_size`.

    Args:
        sizes: name of a property -> `RVESize`; "fraction" is the volume fraction of the higher label of a two-phase
            image, from its integral range or, where the two estimates of that disagree, from the windows.
        apparent: the windows and their properties.
        integral_range: of a two-phase image of four voxels or more along every axis; None for others.
    """

    sizes: dict[str, RVESize]
    apparent: Apparent
    integral_range: IntegralRange | None

    def __getitem__(self, name: str) -> RVESize:
        if name not in self.sizes:
            raise InputError(f"property {name!r} was not computed: there are {', '.join(self.sizes)}")
        return self.sizes[name]

    @property
    def text(self) -> str:
        """A line for every property, and one for every boundary condition that was left out."""
        lines = [size.text for size in self.sizes.values()]
        return "\n".join([*lines, *(f"{name} was left out: {why}." for name, why in self.apparent.skipped.items())])

    def __str__(self) -> str:
        return self.text


@under_jax_defaults
def rve_size(
    image: Real[ArrayLike, "..."],
    law: Mapping[int, AbstractMaterial] | Callable[[Array], AbstractLaw],
    windows: Sequence[int] = (16, 24, 32),
    *,
    tolerance: float = 0.05,
    confidence: float = 0.95,
    boundary: str | None = None,
    exponent: float = 1.0,
    exponent_error: float = EXPONENT_ERROR,
    curve: Sequence[float] | None = None,
    dim: int | None = None,
    number: int | None = None,
    boundaries: Sequence[str] = BOUNDARIES,
    properties: Callable[[np.ndarray], Mapping[str, float]] | None = None,
    element: str = "q1",
    solver_tolerance: float | None = 1e-4,
    max_iterations: int = 2000,
    seed: int = 0,
    lanes: str = "auto",
    progress: Callable[[str, int, int, int, int], None] | None = None,
) -> Solution:
    """Windows and numbers of them that give each effective property to a tolerance, and the bias of their boundaries.

        n(V) = z^2 var(V) / (tolerance limit)^2,    mean_b(V) = limit + slope_b / edge

    Windows of several sizes are cut out of the image and homogenized under every boundary condition
    (`apparent_properties`); `validity.judge_rve_size` fits scatter and bias and says what follows and whether it can be
    trusted.

    Args:
        image: (*batch, *space); the leading axes are realizations of one medium. Cubic voxels.
        law: as for `apparent_properties`.
        windows: edges in voxels, two at least. Choose the smallest larger than the features, and the largest such that
            eight of them fit into the image. Sizes that divide the largest (16, 24, 48) give the narrowest intervals of
            limit and bias, see `validity.fit_bias`.
        tolerance: relative error of a property that is accepted.
        confidence: two-sided.
        boundary: whose scatter is taken; default "periodic", else the first.
        exponent, exponent_error: what is known of the decay of the variance with the volume, see
            `validity.fit_scatter`.
        curve: edges at which the curve is wanted.
        dim, number, boundaries, properties, element, max_iterations, seed, lanes, progress: as for
            `apparent_properties`.
        solver_tolerance: its `tolerance`.

    Returns:
        `Solution` with value `RVESizes`; print it for the words. The result tells of the solves, the `code` of each
        `RVESize` of the statistics. Not differentiable.

    Raises:
        InputError: a bad argument.
        SolverError: all windows of a size failed, under any of the boundary conditions.

    Source:
        Kanit et al. (2003), Int. J. Solids Struct. 40, 3647-3679; Lantuejoul (1991), J. Microsc. 161, 387-403.
    """
    if not isinstance(windows, Sequence | np.ndarray) or isinstance(windows, str) or len(windows) < 2:
        raise InputError(f"windows={windows!r}: give at least two sizes, in voxels")
    # Said before the solves, not after.
    check_settings(2, tolerance, confidence, exponent, exponent_error)
    if curve is not None:
        read_curve(curve)
    names = boundaries if isinstance(boundaries, Sequence) and not isinstance(boundaries, str) else ()
    if boundary is not None and boundary not in names:
        raise InputError(f"boundary={boundary!r}: there are {', '.join(map(str, names)) or 'none'} in boundaries")
    solution = apparent_properties(
        image, law, windows, dim=dim, number=number, boundaries=boundaries, properties=properties, element=element,
        tolerance=solver_tolerance, max_iterations=max_iterations, seed=seed, lanes=lanes, progress=progress,
        needed=boundary,
    )  # fmt: skip
    apparent: Apparent = solution.value
    voxels = np.asarray(image)
    found, indicator = None, None
    present = np.unique(voxels) if np.issubdtype(voxels.dtype, np.integer) or voxels.dtype == bool else ()
    # The descriptors want four voxels along an axis; without them the property's own windows are enough.
    if len(present) == 2 and min(voxels.shape[voxels.ndim - apparent.dim :]) >= 4:
        indicator = voxels == present[1]
        found = integral_range(indicator, dim=apparent.dim, periodic=False)  # the image may be a crop
    given: dict[str, Any] = {"tolerance": tolerance, "confidence": confidence, "curve": curve}
    given["image_voxels"] = float(apparent.voxels)
    known = {"exponent": exponent, "exponent_error": exponent_error}
    correlation = None if found is None else float(found.cut)
    sizes = {
        name: judge_rve_size(
            apparent.windows, apparent.samples(name), dim=apparent.dim, name=name, boundary=boundary,
            blocks=apparent.blocks, correlation=correlation, **known, **given,
        )
        for name in apparent.names
    }  # fmt: skip
    if found is not None and indicator is not None:
        scatter = _scatter_of_fraction(indicator, found, apparent, known)
        sizes["fraction"] = judge_rve_size_of_average(float(indicator.mean()), scatter, name="fraction", **given)
    return Solution(RVESizes(sizes, apparent, found), None, solution.result, solution.stats)


def _scatter_of_fraction(indicator: np.ndarray, found: IntegralRange, apparent: Apparent, known: dict) -> ScatterLaw:
    """From the integral range where its two estimates agree, else from the fractions of all tiles of each size."""
    if bool(found.agree):
        f = float(indicator.mean())
        return scatter_of_average(f * (1 - f), float(found.covariance), float(found.covariance_error), apparent.dim)
    dim, voxels = apparent.dim, indicator.reshape(-1, *indicator.shape[indicator.ndim - apparent.dim :])
    fractions = [tiles(voxels, w).mean(axis=tuple(range(1, dim + 1))) for w in apparent.windows]
    volumes = np.asarray(apparent.windows, float) ** dim
    variances = np.array([x.var(ddof=1) for x in fractions])
    covered = np.array([len(x) for x in fractions]) * volumes / indicator.size
    degrees = degrees_of_freedom(fractions, volumes)
    return fit_scatter(np.asarray(apparent.windows, float), variances, degrees, dim, covered=covered, **known)
