"""`trust`: may a property of this image be passed to the scale above?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Real

from ..materials import AbstractMaterial
from ..microstructure import (
    RANGE_DISAGREE,
    IntegralRange,
    fraction_interval,
    integral_range,
    measured_length,
    radial_average,
    two_point_correlation,
)
from ..results import SUCCESS, InputError, Result, Solution, under_jax_defaults, worst_of
from ..rve import Correctors
from ..validity import (
    RVE_SMALL_WINDOWS,
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
from ..validity._scatter import quantile
from ._rve_size import rve_size
from ._trust_cell import Judged, judged_cell, periods, times
from ._trust_checks import (
    check_cell,
    check_scales,
    checked_boundaries,
    checked_image,
    checked_law,
    checked_windows,
    positive,
)
from ._trust_items import (
    correlation_item,
    ergodicity_item,
    fraction_item,
    property_item,
    scales_item,
    size_item,
    stationarity_item,
)
from ._trust_solves import correctors_of, energy_of, solved_wholes, voxels_of


@under_jax_defaults
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
    time_ratio: Scale | Real[ArrayLike, "..."] | None = None,
    windows: Sequence[int] | None = None,
    boundaries: Sequence[str] | None = None,
    element: str = "q1",
    tolerance: float | None = None,
    bounds: bool = True,
    max_iterations: int = 2000,
    periodic_cell: bool = False,
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
        image: labels (*batch, *space); the leading axes are realizations of one medium. Cubic voxels. Axes of space of
            one voxel do not count; with a law there are none.
        law: label -> law (linear), of two or three axes of space; None: geometry only.
        dim: number of space axes, the last ones; default all.
        phase: the label whose indicator the statistics look at; default the highest of two labels.
        accuracy: relative error that is accepted, in every question.
        confidence: two-sided, of every interval but that of `ergodicity`, whose two tests keep their own level (0.99).
        voxel_size: edge of a voxel, the unit of `macro_length`.
        macro_length: over which the macroscopic field varies, one or a map (`validity.gradient_length`); infinite where
            it is uniform. L_micro beside it is the correlation length, a voxel at least.
        time_ratio: T_micro / T_macro, beside macro_length; 0 says that the problem is steady. None: nothing was asked
            of times, and the answer is for lengths alone.
        windows: edges of the windows in voxels; default three sizes, of the largest eight
            (3-D) or nine (2-D) fit into a cubic image.
        boundaries: boundary conditions of the windows; the first is that of the interval. Default periodic, affine and
            uniform_traction, as far as the element has them.
        element: as for `homogenize`.
        tolerance: of the solve of the whole image; windows are solved to 1e-4.
        bounds: whether the bounds of the voxel medium (element `q1`, periodic) are computed; in 3-D about as costly as
            the solve itself.
        max_iterations: as for `homogenize`.
        periodic_cell: the image is a unit cell that repeats without end, or several periods of one, and no sample of a
            random medium: nothing scatters, one period is the RVE, the property is exact up to voxels and solver, and
            the period (of the longest axis) is L_micro. By default it is one random sample; the report's `assumption`
            says which of the two was taken.
        progress: called with a line before every step.

    Returns:
        `Solution` with value `TrustReport`: print it, `value["rve_size"]`, `value.verdict`, `value.to_dict()`. A bad
        verdict is an answer, not a failure. The result is that of the solves. Host side: no jit, no derivatives.

    Raises:
        InputError: a bad argument, in one line; more than two labels without `phase`; windows or boundaries without
            `law`, or of a periodic cell.
        SolverError: the whole image, or all windows of a size, could not be solved.

    Source:
        Kanit et al. (2003), Int. J. Solids Struct. 40, 3647-3679; Lantuejoul (1991), J. Microsc. 161, 387-403; Hill
        (1963), J. Mech. Phys. Solids 11, 357-372; Bensoussan, Lions & Papanicolaou (1978). For each item see the
        function of its name in `microstructure`, `validity` and `studies`.

    The statistics look inside the image alone, which may be a crop (a CT image): none takes opposite faces as
    neighbours. One image of an ensemble cannot show whether others have another mean: its ergodicity is never decided.
    """
    say = progress or (lambda text: None)
    if any(isinstance(x, Tracer) for x in jax.tree.leaves((image, law))):
        raise InputError("trust steers solves from Python: call it outside jit, grad and vmap")
    if not callable(say) or not isinstance(bounds, bool):
        raise InputError(f"progress={progress!r}, bounds={bounds!r}: give a function of a line or None, True or False")
    if not isinstance(periodic_cell, bool):
        raise InputError(f"periodic_cell={periodic_cell!r}: give True for a cell that repeats without end, else False")
    labels, space, indicator, chosen = checked_image(image, dim, phase, law is not None, periodic_cell)
    accuracy, confidence = positive("accuracy", accuracy, 1.0), positive("confidence", confidence, 1.0)
    voxel_size = positive("voxel_size", voxel_size, np.inf)
    check_scales(macro_length, time_ratio)
    windows, boundaries = checked_windows(windows), checked_boundaries(boundaries)
    if law is None and (windows is not None or boundaries is not None):
        raise InputError("windows and boundaries are of the solves: give law, or leave them out for the geometry alone")
    if periodic_cell:
        check_cell(windows, boundaries)
        boundaries = ("periodic",)
    if law is not None:
        boundaries = checked_law(labels, space, law, boundaries, element, tolerance, max_iterations)
    wanted = f"statistics of label {chosen}, accuracy {accuracy:g}, confidence {confidence:g}"
    correct = macro_length is not None
    if periodic_cell:
        found = judged_cell(
            labels, indicator, space, law, accuracy, element, tolerance, bounds, max_iterations, say, correct
        )
        subject = f"{times(space)} voxels, a periodic cell; {wanted}"
    else:
        found = _judged_sample(
            labels, indicator, space, law, accuracy, confidence, windows, boundaries, element, tolerance, bounds,
            max_iterations, say, correct,
        )  # fmt: skip
        count = len(labels)
        subject = f"{times(space)} voxels{f', {count} realizations' if count > 1 else ''}; {wanted}"
    # No structure, no length below which it shows; of others an image shows none below a voxel.
    uniform = bool(indicator.all() or not indicator.any())
    voxels, error = (0.0, 0.0) if uniform else (max(float(found.length), 1.0), float(found.length_error))
    separation = constants = None
    if macro_length is not None:
        micro = Scale(jnp.asarray(voxels * voxel_size), jnp.asarray(error * voxel_size))
        constants = None if found.cell is None or uniform else expansion_constants(found.cell, voxels)
        separation = scale_separation(
            micro, macro_length, 0.0 if time_ratio is None else time_ratio, 1.0, tolerance=accuracy,
            constants=constants, deviations=quantile(confidence),
        )  # fmt: skip
    timed = time_ratio is not None
    items = (*found.items, scales_item(separation, voxels * voxel_size, found.what, accuracy, constants, timed))
    return Solution(TrustReport(items, subject, found.assumption), None, Result(jnp.asarray(found.code)), {})


def _judged_sample(
    labels, indicator, space, law, accuracy, confidence, windows, boundaries, element, tolerance, bounds,
    max_iterations, say, correct,
) -> Judged:  # fmt: skip
    """Images as samples of a random medium: all answers but that of the scales."""
    d, count = len(space), len(labels)
    uniform = bool(indicator.all() or not indicator.any())
    say("volume fraction, stationarity, ergodicity")
    images = indicator if count > 1 else indicator[0]
    items = [
        fraction_item(fraction_interval(images, dim=d, level=confidence, periodic=False), accuracy),
        stationarity_item(stationarity(images, dim=d, level=confidence), indicator),
    ]
    say("correlations")
    found = integral_range(indicator, dim=d, periodic=False)
    length = measured_length(indicator, dim=d, periodic=False)
    items.append(correlation_item(found, length, space, _curve(indicator, d)))
    items.append(ergodicity_item(ergodicity(images, dim=d), d))
    code, cell = SUCCESS, None
    if law is None:
        fraction = {"fraction": _size_of_fraction(indicator, found, d, accuracy, confidence)}
        items.append(size_item(fraction, {}, float(indicator.size) ** (1 / d)))
    else:
        more, code, cell = _solved(
            labels, space, law, accuracy, confidence, windows, boundaries, element, tolerance, bounds, max_iterations,
            say, correct, 0.0 if uniform else float(found.cut),
        )  # fmt: skip
        items += more
    assumption = "Assumed: the image is one sample of a random medium"
    if count > 1:
        assumption = "Assumed: the images are independent samples of one random medium"
    elif not uniform and all(p < n for p, n in zip(periods(labels[0]), space, strict=True)):
        assumption += f", although it repeats itself every {times(periods(labels[0]))} voxels"
    assumption += " (a unit cell that repeats without end: periodic_cell=True, or --periodic-cell)."
    return Judged(tuple(items), code, cell, length.value, length.error, "correlation length", assumption)


def _size_of_fraction(indicator, found: IntegralRange, d: int, accuracy: float, confidence: float) -> RVESize:
    """RVE size of the volume fraction; estimates of the integral range that disagree are its error."""
    settings: dict[str, Any] = {"tolerance": accuracy, "confidence": confidence, "image_voxels": float(indicator.size)}
    settings["name"] = "volume fraction"
    if indicator.all() or not indicator.any():
        scatter = scatter_of_average(0.0, 1.0, 0.0, d)
        return judge_rve_size_of_average(float(indicator.mean()), scatter, **settings)
    f, a, error = float(indicator.mean()), float(found.covariance), float(found.covariance_error)
    if int(found.code) & RANGE_DISAGREE and np.isfinite(float(found.windows)):
        error = max(error, abs(a - float(found.windows)))
    scatter = scatter_of_average(f * (1 - f), a, error, d)
    return judge_rve_size_of_average(f, scatter, **settings)


def _solved(
    labels, space, law, accuracy, confidence, windows, boundaries, element, tolerance, bounds, max_iterations,
    say, correct, cut,
) -> tuple[list[TrustItem], Any, Correctors | None]:  # fmt: skip
    """The answers that need the effective property, the worst code, and the correctors of the first image."""
    d = len(space)
    edges = _windows(windows, space, cut)

    def told(boundary, edge, done, count, failed):
        if done == count:
            say(f"{count} windows of {edge} voxels, {boundary}: {failed} failed")

    s = rve_size(
        labels, law, edges, tolerance=accuracy, confidence=confidence, boundary=boundaries[0], dim=d,
        boundaries=boundaries, element=element, max_iterations=max_iterations, progress=told,
    )  # fmt: skip
    # An image of more labels than two has no correlation in `rve_size`: that of the phase stands for it.
    inside = RVE_SMALL_WINDOWS * (min(edges) < cut)
    sizes = {k: replace(v, code=v.code | inside) for k, v in s.value.sizes.items() if k != "fraction"}
    wholes, values = solved_wholes(labels, space, law, boundaries[0], element, tolerance, max_iterations, say, correct)
    main = {name: size for name, size in sizes.items() if name in ("bulk", "shear", "conductivity")}
    items = [
        size_item(main, s.value.apparent.skipped, float(labels.size) ** (1 / d)),
        property_item({name: values[name] for name in sizes}, sizes, space),
        energy_of(wholes, accuracy),
        voxels_of(wholes[0], labels[0], space, law, bounds, accuracy, max_iterations, say),
    ]
    cell = correctors_of(wholes[0], space) if correct and boundaries[0] == "periodic" else None
    return items, worst_of(s.result.code, *(w.result.code for w in wholes)), cell


def _curve(indicator, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Radial mean of the covariance over its value at zero, for the figure."""
    x = jnp.asarray(indicator, float)
    c = jnp.mean(two_point_correlation(x - jnp.mean(x), dim=d, periodic=False), axis=0)
    r, mean = radial_average(c)
    keep = slice(0, min(len(r), 200))
    return np.asarray(r)[keep], np.asarray(mean / jnp.where(mean[0] > 0, mean[0], 1))[keep]


def _windows(windows, space, cut: float) -> tuple[int, ...]:
    """Three sizes: eight or nine of the largest fit in; the smallest is not inside the correlation if it can be."""
    if windows is not None:
        return windows
    largest = min(space) // (2 if len(space) == 3 else 3)
    smallest = max(round(largest / 2.5), min(int(np.ceil(cut)), round(0.7 * largest)))
    middle = round((smallest * largest) ** 0.5)
    if not 2 <= smallest < middle < largest:
        raise InputError(f"an image of {space} voxels has no windows of three sizes: give a larger one, or windows=")
    return smallest, middle, largest
