"""From what was measured to the answers of the trust report: thresholds and words in one place."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import stdtrit

from ..microstructure import (
    RANGE_FEW_WINDOWS,
    RANGE_NO_DECAY,
    RANGE_UNIFORM,
    FractionInterval,
    IntegralRange,
    MeasuredLength,
)
from ..validity import (
    DRIFT_UNIFORM,
    ERGODIC_OFFSET,
    ERGODIC_UNIFORM,
    NO,
    NOT_ASKED,
    REGIME_NONE,
    REGIME_STRONG,
    RVE_NO_DECAY,
    RVE_NOT_IN_IMAGE,
    RVE_UNDEFINED,
    SCALES_UNDECIDED,
    UNDECIDED,
    YES,
    Ergodicity,
    ExpansionConstants,
    RVESize,
    ScaleSeparation,
    Stationarity,
    TrustItem,
)

_REGIME_ADVICE = {
    "weak": "first-order correctors or second-order homogenization (`correctors`, `rve.corrected`)",
    "none": "resolve the microstructure where the macroscopic field varies (concurrent coupling)",
}


_UNIFORM = "the image does not vary: it shows a homogeneous body, or less than one feature of another"
_LARGER = "give a larger image or more realizations"


def fraction_item(found: FractionInterval, accuracy: float) -> TrustItem:
    """How well does the image know its volume fraction?"""
    f, half = float(found.fraction), float(found.half_width)
    numbers = {"fraction": f, "low": found.low, "high": found.high}
    ask = "Is the volume fraction known well enough?"
    if int(found.integral_range.code) & RANGE_UNIFORM:
        text = f"Volume fraction {f:.4g}; {_UNIFORM}."
        return TrustItem("fraction", ask, UNDECIDED, text, _LARGER, False, numbers, found)
    good = half <= accuracy * f
    verdict = UNDECIDED if int(found.code) or not np.isfinite(half) else YES if good else NO
    remedy = "" if verdict == YES else _LARGER
    text = f"{_first_up(found.reason)}; wanted within {accuracy:.3g} of it."
    return TrustItem("fraction", ask, verdict, text, remedy, False, numbers, found)


def stationarity_item(found: Stationarity, indicator: Any) -> TrustItem:
    """Does the medium look the same everywhere?"""
    ask = "Does the medium look the same everywhere (stationary)?"
    code = int(found.code)
    numbers: dict[str, Any] = {
        "slope": found.slope,
        "slope_error": found.slope_error,
        "trend": found.trend,
        "pattern": found.pattern,
    }
    numbers["profiles"] = _profiles(indicator)
    if code & DRIFT_UNIFORM and (indicator.all() or not indicator.any()):
        return TrustItem("stationarity", ask, YES, f"{_first_up(_UNIFORM)}.", "", True, numbers, found)
    verdict = {"stationary": YES, "not stationary": NO}.get(found.verdict, UNDECIDED)
    remedy = {
        YES: "",
        NO: "treat the property as a function of the place: cut the image where it is alike, or model the gradient",
        UNDECIDED: "give a larger image: four windows, each twice as wide as the correlations, along every axis",
    }[verdict]
    return TrustItem("stationarity", ask, verdict, f"{_first_up(found.reason)}.", remedy, True, numbers, found)


def ergodicity_item(found: Ergodicity, dim: int) -> TrustItem:
    """Does the average of one image stand for that of the ensemble?"""
    ask = "Does one image stand for the ensemble (ergodic)?"
    numbers = {
        "exponent": found.exponent,
        "low": found.low,
        "high": found.high,
        "volumes": np.asarray(found.windows, float) ** dim,
        "variances": found.variances,
        "between": found.between,
        "predicted": found.predicted,
        "images": found.number,
    }
    code = int(found.code)
    if code & ERGODIC_UNIFORM:
        return TrustItem("ergodicity", ask, YES, f"{_first_up(_UNIFORM)}.", "", True, numbers, found)
    verdict = YES if code == 0 else NO if code & ERGODIC_OFFSET else UNDECIDED
    remedy = {
        YES: "",
        NO: "average over realizations: none of them stands for the others",
        UNDECIDED: "give several realizations" if found.number == 1 else "give more or larger images",
    }[verdict]
    return TrustItem("ergodicity", ask, verdict, f"{_first_up(found.reason)}.", remedy, True, numbers, found)


def _profiles(indicator: np.ndarray) -> dict[str, np.ndarray]:
    """Means of at most 50 slabs along each axis that is longer than one voxel."""
    out, d = {}, indicator.ndim - 1
    for k in range(d):
        if indicator.shape[k + 1] > 1:
            line = indicator.mean(axis=tuple(j for j in range(d + 1) if j != k + 1))
            out[str(k)] = np.array([part.mean() for part in np.array_split(line, min(50, len(line)))])
    return out


def correlation_item(found: IntegralRange, length: MeasuredLength, shape: tuple[int, ...], curve: Any) -> TrustItem:
    """Is the image larger than what one place knows of another?"""
    code, edge = int(found.code), min(n for n in shape if n > 1)
    numbers = {
        "correlation_length": length.value,
        "correlation_length_error": length.error,
        "integral_range": found.covariance,
        "integral_range_error": found.covariance_error,
        "integral_range_of_windows": found.windows,
        "integral_range_of_windows_error": found.windows_error,
        "cut": found.cut,
        "distance": curve[0],
        "covariance": curve[1],
    }
    words = f"correlation length {_pm(length.value, length.error)} voxels, shortest edge {edge}"
    ask = "Is the image larger than its correlations?"
    if code & RANGE_UNIFORM:
        text = f"{_first_up(_UNIFORM)}."
        return TrustItem("correlation", ask, UNDECIDED, text, _LARGER, True, numbers, found)
    if code & RANGE_NO_DECAY:
        return TrustItem(
            "correlation", ask, NO,
            f"The covariance does not vanish within half of the box ({words} at the least): the image shows a part of"
            " one feature, not a sample of many.",
            "give an image many correlation lengths wide, or more realizations", numbers=numbers,
        )  # fmt: skip
    samples = np.prod([n for n in shape if n > 1], dtype=float) / float(found.covariance)
    text = (
        f"{_first_up(words)}; {samples:.3g} independent samples (integral range {float(found.covariance):.3g} voxels)."
    )
    if code == 0:
        return TrustItem("correlation", ask, YES, text, numbers=numbers)
    reason = found.reason
    remedy = (
        "give a larger image or more realizations"
        if code & RANGE_FEW_WINDOWS
        else "look at windows wider than the tail of the covariance"
    )
    return TrustItem("correlation", ask, UNDECIDED, f"{text} But {reason}.", remedy, decisive=False, numbers=numbers)


def size_item(sizes: dict[str, RVESize], skipped: dict[str, str]) -> TrustItem:
    """Is there a representative volume in the image?"""
    verdicts = {name: _in_image(size) for name, size in sizes.items()}
    verdict = next(v for v in (NO, UNDECIDED, YES) if v in verdicts.values())
    blamed = [name for name, v in verdicts.items() if v == verdict]
    largest = max((sizes[name] for name in blamed), key=lambda size: size.edge)
    text = " ".join(size.text for size in sizes.values())
    text += "".join(f" {name} was left out: {why}." for name, why in skipped.items())
    remedy = ""
    if verdict != YES:
        wanted = f"about {np.ceil(largest.edge):.0f} voxels" if np.isfinite(largest.edge) else "no finite edge is seen"
        there = f"; the image has {largest.image_edge:.0f}" if np.isfinite(largest.image_edge) else ""
        remedy = f"{', '.join(blamed)}: give a larger edge ({wanted}{there}), more realizations, or accept more error"
    numbers: dict[str, Any] = {
        name: {
            "edge": size.edge,
            "edge_interval": size.edge_interval,
            "limit": size.limit,
            "limit_error": size.limit_error,
            "exponent": size.scatter.exponent,
            "edges": size.edges,
            "number": size.number,
            "number_upper": size.number_upper,
            "bias": dict(zip(size.boundaries, size.bias, strict=True)),
            "code": size.code,
        }
        for name, size in sizes.items()
    }
    numbers["image_edge"] = largest.image_edge
    ask = "Is there a representative volume in the image?"
    return TrustItem("rve_size", ask, verdict, text, remedy, True, numbers, sizes)


def _in_image(size: RVESize) -> str:
    """Whether one window of the image's size is representative, at the confidence."""
    if size.code & RVE_NOT_IN_IMAGE:
        return NO
    if size.code & (RVE_UNDEFINED | RVE_NO_DECAY) or not size.edge_interval[1] <= size.image_edge:
        return UNDECIDED
    return YES


# Known to be so without any image.
_POSITIVE = ("bulk", "shear", "young", "conductivity")


def interval_of(value: float, size: RVESize) -> tuple[float, float]:
    """Interval for the medium's property from that of the whole image, its scatter and the bias of its boundary.

    The scatter of an image of this size is extrapolated from its windows; Student's t with the degrees of freedom of
    that extrapolation (2 / var(log s^2)) accounts for its error. What the boundary condition adds at the image's edge
    (bias and its error) comes on top.

    Args:
        value: of the whole image, under the boundary condition whose scatter was fitted.
        size: from windows of the same image.
    """
    low, high = (float(x) for x in size.scatter.interval(size.image_edge, 0.6826894921370859))
    deviation = float(size.scatter.deviation(size.image_edge))
    spread = float(np.log(high / low)) if deviation > 0 else 0.0  # standard error of log s^2
    t = float(stdtrit(max(2 / spread**2, 1.0), 0.5 + 0.5 * size.confidence)) if spread > 0 else 0.0
    bias = 0.0
    if size.fit is not None and size.boundary in size.boundaries:
        k = size.boundaries.index(size.boundary)
        bias = abs(float(size.fit.slopes[k])) / size.image_edge
    half = t * deviation + bias
    return value - half, value + half


def property_item(values: dict[str, float], sizes: dict[str, RVESize], unit: str) -> TrustItem:
    """How well does the image know the effective property?"""
    ask = "Is the effective property known well enough?"
    numbers, parts, verdict, accuracy = {}, [], YES, 0.0
    for name, value in values.items():
        size = sizes[name]
        accuracy, confidence = size.tolerance, size.confidence
        if size.code & RVE_UNDEFINED:
            low, high = np.nan, np.nan
        else:
            low, high = interval_of(value, size)
            low = max(low, 0.0) if name in _POSITIVE else low
        numbers[name] = {"value": value, "interval": (low, high)}
        half = max(high - value, value - low)
        if not np.isfinite(half):
            verdict = UNDECIDED if verdict == YES else verdict
            parts.append(f"{name} {value:.5g}, interval unknown")
            continue
        relative = half / abs(value) if value else np.inf
        parts.append(f"{name} {value:.5g} in [{low:.5g}, {high:.5g}] ({relative:.1%})")
        if relative > accuracy:
            verdict = NO
    text = f"{'; '.join(parts)}, for the medium at {confidence:.0%}; wanted within {accuracy:.3g} of it."
    remedy = "" if verdict == YES else "give a larger image, or the mean of several (see rve_size)"
    return TrustItem("property", ask, verdict, _first_up(text), remedy, numbers=numbers | {"accuracy": accuracy})


def energy_item(residual: float, bound: float, accuracy: float) -> TrustItem:
    """Was power passed faithfully, and is the solve accurate enough to tell?"""
    good = residual <= 0.01 and bound <= 0.1 * accuracy
    text = (
        f"Hill-Mandel residual {residual:.2g} over all pairs of loads (0.01 is accepted); the solver left at most"
        f" {bound:.2g} of the tensor ({0.1 * accuracy:.2g}, a tenth of the accuracy, is accepted)."
    )
    remedy = "" if good else "lower tolerance=, or raise max_iterations="
    known = np.isfinite(residual) and np.isfinite(bound)
    verdict = YES if good else NO if known else UNDECIDED
    numbers = {"hill_mandel_residual": residual, "error_bound": bound}
    return TrustItem("energy", "Is no energy lost between the scales?", verdict, text, remedy, numbers=numbers)


def voxels_item(gap: float | None, how: str, accuracy: float) -> TrustItem:
    """Is the discretization of the voxel image fine enough?"""
    ask = "Are the voxels fine enough for the solver?"
    if gap is None:
        return TrustItem("voxels", ask, NOT_ASKED, how, decisive=False)
    good = gap <= accuracy
    text = f"{how}: the tensor of the voxel image is known within {gap:.2g}; wanted {accuracy:.3g}."
    remedy = "" if good else "refine the image (every voxel into 2^d), or extrapolate (`grid_convergence`)"
    return TrustItem(
        "voxels", ask, YES if good else NO, text, remedy, decisive=False, numbers={"gap": gap, "accuracy": accuracy}
    )


def scales_item(
    found: ScaleSeparation | None,
    length: MeasuredLength,
    voxel: float,
    accuracy: float,
    constants: ExpansionConstants | None,
) -> TrustItem:
    """Is the macroscopic field smooth enough for a first-order scheme?"""
    ask = "Are the scales separated enough for a first-order scheme?"
    micro = float(length.value) * voxel
    if not np.isfinite(micro):
        text = f"{_first_up(_UNIFORM)}, and has no length of its own."
        return TrustItem("scales", ask, UNDECIDED, text, _LARGER, False, {}, found)
    needed = micro / accuracy
    numbers: dict[str, Any] = {"micro_length": micro, "macro_length_needed": needed}
    if found is None:
        text = (
            f"No macroscopic length was given. With L_micro = {micro:.3g} (correlation length) the textbook rule asks"
            f" for fields that vary over {needed:.3g} or more (eps = {accuracy:.3g})."
        )
        return TrustItem("scales", ask, NOT_ASKED, text, "give macro_length=", decisive=False, numbers=numbers)
    codes = np.asarray(found.regime.code)
    numbers |= {"eps_length": found.eps_length, "eps_time": found.eps_time, "regime": codes, "shares": found.fractions}
    if int(found.code) & SCALES_UNDECIDED:
        verdict = UNDECIDED
    elif (codes > REGIME_STRONG).any():
        verdict = NO
    else:
        verdict = YES if bool(np.all(np.asarray(found.sure))) else UNDECIDED
    worst = "none" if (codes == REGIME_NONE).any() else "weak"
    remedy = f"use {_REGIME_ADVICE[worst]}" if verdict == NO else "" if verdict == YES else "measure the scales better"
    numbers["scheme"] = "hierarchical, first order" if verdict == YES else remedy
    text = f"{_first_up(found.reason)}."
    if constants is not None:
        numbers["constant"] = constants.first
        same = bool(np.all(np.asarray(found.textbook.code) == codes))
        text += (
            f" The corrector of the image gives the constant {float(constants.first):.3g}; with the textbook's, one,"
            f" the regime would be {'the same' if same else found.textbook.name}."
        )
    return TrustItem("scales", ask, verdict, text, remedy, True, numbers, found)


def _pm(value: Any, error: Any) -> str:
    return f"{float(value):.3g}" + (f" +- {float(error):.2g}" if np.isfinite(float(error)) else "")


def _first_up(text: str) -> str:
    return text[:1].upper() + text[1:]
