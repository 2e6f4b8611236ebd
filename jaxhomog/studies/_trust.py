"""`trust`: may a property of this image be passed to the scale above?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Real

from ..api import duality, homogenize
from ..fields import Grid
from ..materials import AbstractMaterial, PhaseMixture
from ..microstructure import (
    RANGE_DISAGREE,
    IntegralRange,
    fraction_interval,
    integral_range,
    measured_length,
    radial_average,
    two_point_correlation,
)
from ..results import SUCCESS, InputError, Result, Solution, worst_of
from ..rve import Correctors
from ..validity import (
    RVESize,
    Scale,
    TrustItem,
    TrustReport,
    ergodicity,
    expansion_constants,
    judge_rve_size_of_average,
    scale_separation,
    scatter_of_average,
    stationarity,
)
from ._apparent import isotropic_properties
from ._rve_size import rve_size
from ._trust_items import (
    correlation_item,
    energy_item,
    ergodicity_item,
    fraction_item,
    property_item,
    scales_item,
    size_item,
    stationarity_item,
    voxels_item,
)

TRUST_BOUNDARIES = ("periodic", "affine", "uniform_traction")


def trust(
    image: Real[ArrayLike, "..."],
    law: Mapping[int, AbstractMaterial] | None = None,
    *,
    dim: int | None = None,
    phase: int | None = None,
    accuracy: float = 0.05,
    confidence: float = 0.95,
    voxel_size: float = 1.0,
    macro_length: Scale | Real[ArrayLike, "..."] | None = None,
    time_ratio: Scale | Real[ArrayLike, "..."] = 0.0,
    windows: Sequence[int] | None = None,
    boundaries: Sequence[str] = TRUST_BOUNDARIES,
    element: str = "q1",
    tolerance: float | None = None,
    bounds: bool = True,
    max_iterations: int = 2000,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Solution:
    """The trust report: may a property of this image be passed to the scale above, how uncertain is it, and how?

    Every question that a user of homogenization must ask, with its verdict and the numbers behind it:

        fraction      volume fraction with its confidence interval
        stationarity  trend and windowed mean and variance: the same everywhere?
        correlation   correlation length, integral range: larger than its correlations?
        ergodicity    exponent of the variance of window means; several images: do they agree?
        rve_size      windows, and how many of them, that give each property within `accuracy` (Kanit et al. 2003)
        property      the effective property with an interval for the medium
        energy        Hill-Mandel and the solver's error
        voxels        two-sided bounds of the voxel medium; in 2-D conduction by duality
        scales        L_micro / L_macro + T_micro / T_macro against `accuracy`: strong, weak or none, and the scheme

    Args:
        image: labels (*batch, *space); the leading axes are realizations of one medium. Cubic voxels.
        law: label -> law (linear); None: geometry only.
        dim: number of space axes, the last ones; default all.
        phase: the label whose indicator the statistics look at; default the highest of two labels.
        accuracy: relative error that is accepted, in every question.
        confidence: two-sided, of every interval.
        voxel_size: edge of a voxel, the unit of `macro_length`.
        macro_length: over which the macroscopic field varies, one or a map (`validity.gradient_length`).
        time_ratio: T_micro / T_macro; 0 for a steady problem.
        windows: edges of the windows in voxels; default three sizes, of the largest eight
            (3-D) or nine (2-D) fit into a cubic image.
        boundaries: boundary conditions of the windows; the first is that of the interval.
        element: as for `homogenize`.
        tolerance: of the solve of the whole image; windows are solved to 1e-4.
        bounds: whether the bounds of the voxel medium are computed (in 3-D about as costly as the solve itself).
        max_iterations: as for `homogenize`.
        seed: of the order in which windows are chosen.
        progress: called with a line before every step.

    Returns:
        `Solution` with value `TrustReport`: print it, `value["rve_size"]`, `value.verdict`, `value.to_dict()`. A bad
        verdict is an answer, not a failure. The result is that of the solves. Host side: no jit, no derivatives.

    Raises:
        InputError: a bad argument, in one line; more than two labels without `phase`.
        SolverError: the whole image, or all windows of a size, could not be solved.

    Source:
        Kanit et al. (2003), Int. J. Solids Struct. 40, 3647-3679; Lantuejoul (1991), J. Microsc. 161, 387-403; Hill
        (1963), J. Mech. Phys. Solids 11, 357-372; Bensoussan, Lions & Papanicolaou (1978). For each item see the
        function of its name in `microstructure`, `validity` and `studies`.

    The statistics take the image as periodic where they correlate it (wrapped pairs are a small part of a large image).
    One image of an ensemble cannot show whether others have another mean: its ergodicity is never decided.
    """
    say = progress or (lambda text: None)
    if any(isinstance(x, Tracer) for x in jax.tree.leaves((image, law))):
        raise InputError("trust steers solves from Python: call it outside jit, grad and vmap")
    labels, space, indicator, chosen = _checked(image, dim, phase)
    _number("accuracy", accuracy, 1.0)
    _number("confidence", confidence, 1.0)
    _number("voxel_size", voxel_size, np.inf)
    d, count = len(space), len(labels)
    subject = f"{' x '.join(map(str, space))} voxels" + (f", {count} realizations" if count > 1 else "")
    subject += f"; statistics of label {chosen}, accuracy {accuracy:g}, confidence {confidence:g}"
    say("volume fraction, stationarity, ergodicity")
    images = indicator if count > 1 else indicator[0]
    items = [
        fraction_item(fraction_interval(images, dim=d, level=confidence), accuracy),
        stationarity_item(stationarity(images, dim=d, level=confidence), indicator),
    ]
    say("correlations")
    found, length = integral_range(indicator, dim=d), measured_length(indicator, dim=d)
    items.append(correlation_item(found, length, space, _curve(indicator, d)))
    items.append(ergodicity_item(ergodicity(images, dim=d), d))
    code, cell = SUCCESS, None
    if law is None:
        items.append(size_item({"fraction": _size_of_fraction(indicator, found, d, accuracy, confidence)}, {}))
    else:
        more, code, cell = _solved(
            labels, space, law, accuracy, confidence, windows, boundaries, element, tolerance, bounds, max_iterations,
            seed, say, macro_length is not None, float(found.cut),
        )  # fmt: skip
        items += more
    separation = constants = None
    if macro_length is not None:
        micro = Scale(length.value * voxel_size, length.error * voxel_size)
        constants = None if cell is None else expansion_constants(cell, length.value)
        separation = scale_separation(micro, macro_length, time_ratio, 1.0, tolerance=accuracy, constants=constants)
    items.append(scales_item(separation, length, voxel_size, accuracy, constants))
    return Solution(TrustReport(tuple(items), subject), None, Result(jnp.asarray(code)), {})


def _size_of_fraction(indicator, found: IntegralRange, d: int, accuracy: float, confidence: float) -> RVESize:
    """RVE size of the volume fraction; estimates of the integral range that disagree are its error."""
    f, a, error = float(indicator.mean()), float(found.covariance), float(found.covariance_error)
    if int(found.code) & RANGE_DISAGREE and np.isfinite(float(found.windows)):
        error = max(error, abs(a - float(found.windows)))
    scatter = scatter_of_average(f * (1 - f), a, error, d)
    settings: dict[str, Any] = {"tolerance": accuracy, "confidence": confidence, "image_voxels": float(indicator.size)}
    return judge_rve_size_of_average(f, scatter, name="volume fraction", **settings)


def _solved(
    labels, space, law, accuracy, confidence, windows, boundaries, element, tolerance, bounds, max_iterations, seed,
    say, with_correctors, cut,
) -> tuple[list[TrustItem], Any, Correctors | None]:  # fmt: skip
    """The answers that need the effective property, the worst code, and the correctors of the first image."""
    d = len(space)
    edges = _windows(windows, space, cut)

    def told(boundary, edge, done, count, failed):
        if done == count:
            say(f"{count} windows of {edge} voxels, {boundary}: {failed} failed")

    s = rve_size(
        labels, law, edges, tolerance=accuracy, confidence=confidence, boundary=boundaries[0], dim=d,
        boundaries=boundaries, element=element, max_iterations=max_iterations, seed=seed, progress=told,
    )  # fmt: skip
    sizes = {name: size for name, size in s.value.sizes.items() if name != "fraction"}
    say("the whole image")
    wholes = [
        homogenize(
            Grid(space), PhaseMixture(x, law), boundaries[0], element, tolerance, max_iterations=max_iterations,
            fields=with_correctors and k == 0,
        )
        for k, x in enumerate(labels)
    ]  # fmt: skip
    tensors = np.stack([np.asarray(w.value.effective) for w in wholes])
    physics = next(iter(law.values())).physics
    values = {k: float(np.mean(v)) for k, v in isotropic_properties(tensors, physics).items()}
    main = {name: size for name, size in sizes.items() if name in ("bulk", "shear", "conductivity")}
    items = [
        size_item(main, s.value.apparent.skipped),
        property_item({name: values[name] for name in sizes}, sizes, physics),
        energy_item(
            max(float(w.value.hill_mandel_residual) for w in wholes),
            max(float(w.stats["error_bound"]) for w in wholes),
            accuracy,
        ),
    ]
    stiff = float(np.trace(np.asarray(wholes[0].value.bounds.reuss))) > 0
    items.append(voxels_item(*_gap(labels[0], space, law, physics, stiff, bounds, say), accuracy))
    cell = None
    if with_correctors and boundaries[0] == "periodic":
        first = jnp.moveaxis(wholes[0].value.fields.fluctuation, -1, 1)
        cell = Correctors(first, None, wholes[0].value.effective, jnp.asarray(space, first.dtype), physics)
    return items, worst_of(s.result.code, *(w.result.code for w in wholes)), cell


def _gap(labels, space, law, physics: str, stiff: bool, bounds: bool, say) -> tuple[float | None, str]:
    """Relative half distance of two-sided bounds of the (first) voxel image, and where it comes from."""
    if not bounds:
        return None, "Two-sided bounds were not asked for (bounds=False)."
    if physics == "elasticity" and not stiff:
        return None, "There are no two-sided bounds of an elastic medium with voids."
    say("bounds of the voxel medium")
    grid, mixture = Grid(space), PhaseMixture(labels, law)
    try:
        if physics == "conduction" and len(space) == 2:
            return float(duality(grid, mixture).value.error), "Duality"
        found = homogenize(grid, mixture, bounds=True).value.bounds
    except InputError as error:
        return None, f"No two-sided bounds: {error}."
    lower, upper = np.asarray(found.lower), np.asarray(found.upper)
    return float(np.linalg.norm(upper - lower) / np.linalg.norm(upper + lower)), "Two-sided bounds"


def _curve(indicator, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Radial mean of the covariance over its value at zero, for the figure."""
    x = jnp.asarray(indicator, float)
    c = jnp.mean(two_point_correlation(x - jnp.mean(x), dim=d), axis=0)
    r, mean = radial_average(c)
    keep = slice(0, min(len(r), 200))
    return np.asarray(r)[keep], np.asarray(mean / jnp.where(mean[0] > 0, mean[0], 1))[keep]


def _windows(windows, space, cut: float) -> tuple[int, ...]:
    """Three sizes: eight or nine of the largest fit in; the smallest is not inside the correlation if it can be."""
    if windows is not None:
        return tuple(windows)
    largest = min(space) // (2 if len(space) == 3 else 3)
    smallest = max(round(largest / 2.5), min(int(np.ceil(cut)), round(0.7 * largest)))
    middle = round((smallest * largest) ** 0.5)
    if not 2 <= smallest < middle < largest:
        raise InputError(f"an image of {space} voxels has no windows of three sizes: give a larger one, or windows=")
    return smallest, middle, largest


def _checked(image, dim, phase):
    """Labels (realizations, *space), the shape of space, the indicator and its label."""
    x = np.asarray(image)
    if not (np.issubdtype(x.dtype, np.integer) or x.dtype == bool):
        raise InputError(f"image is of type {x.dtype}: give integer labels (microstructure.threshold makes them)")
    x = x.astype(np.int8) if x.dtype == bool else x
    d = x.ndim if dim is None else dim
    if isinstance(d, bool) or d not in (1, 2, 3) or x.ndim < d or not x.size:
        raise InputError(f"dim={dim!r} and an image of shape {x.shape}: give 1 to 3 axes of space, the last ones")
    space = x.shape[x.ndim - d :]
    x = x.reshape(-1, *space)
    present = np.unique(x)
    if phase is None and len(present) > 2:
        raise InputError(f"the image has {len(present)} labels: give phase=, the one whose statistics count")
    chosen = int(present[-1]) if phase is None else phase
    if chosen not in present:
        raise InputError(f"phase={phase!r} is not in the image: its labels are {present[:10].tolist()}")
    return x, space, x == chosen, chosen


def _number(name: str, value: Any, below: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < below:
        limit = "" if np.isinf(below) else f" below {below:g}"
        raise InputError(f"{name}={value!r}: give a positive number{limit}")
