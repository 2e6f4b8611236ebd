"""From what was measured to the answers of the trust report: thresholds and words in one place."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..microstructure import (
    RANGE_FEW_WINDOWS,
    RANGE_NO_DECAY,
    RANGE_UNIFORM,
    FractionInterval,
    IntegralRange,
    MeasuredLength,
)
from ..microstructure._fraction_interval import SCATTER_FROM
from ..validity import (
    DRIFT_UNIFORM,
    ERGODIC_OFFSET,
    ERGODIC_UNIFORM,
    NO,
    NOT_ASKED,
    REGIME_NONE,
    REGIME_STRONG,
    RVE_FAILED_WINDOWS,
    RVE_NO_DECAY,
    RVE_NO_LAW,
    RVE_NOT_IN_IMAGE,
    RVE_SMALL_WINDOWS,
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
from ..validity._scatter import quantile

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
    if f in (0, 1):
        return TrustItem("fraction", ask, YES, f"{_first_up(_UNIFORM)}.", "", False, numbers, found)
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


def size_item(sizes: dict[str, RVESize], skipped: dict[str, str], edge: float) -> TrustItem:
    """Is there a representative volume in the image? `edge` is that of a cube as large as all images together."""
    verdicts = {name: _in_image(size) for name, size in sizes.items()}
    verdict = next(v for v in (NO, UNDECIDED, YES) if v in verdicts.values())
    blamed = [name for name, v in verdicts.items() if v == verdict]
    largest = max((sizes[name] for name in blamed), key=lambda size: size.edge if np.isfinite(size.edge) else np.inf)
    text = " ".join(size.text for size in sizes.values())
    text += "".join(f" {name} was left out: {why}." for name, why in skipped.items())
    remedy = ""
    if verdict != YES:
        wanted = f"about {np.ceil(largest.edge):.0f} voxels" if np.isfinite(largest.edge) else "no finite edge is seen"
        there = f"all that is there makes one of {edge:.0f}"
        remedy = f"{', '.join(blamed)}: give a larger edge ({wanted}; {there}), more realizations, or accept more error"
        if largest.code & _DOUBTS:
            again = f"{', '.join(blamed)}: first mend the windows (see the words after 'But')"
            remedy = again if largest.edge_interval[1] <= edge else f"{again}; {remedy}"
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
    numbers["image_edge"] = edge
    ask = "Is there a representative volume in the image?"
    return TrustItem("rve_size", ask, verdict, text, remedy, True, numbers, sizes)


# What makes the law of scatter, carried on to larger edges, too small: windows inside the correlation have not begun to
# decay, those that failed may be the unlike ones, another law than a power says nothing of larger ones.
_DOUBTS = RVE_SMALL_WINDOWS | RVE_FAILED_WINDOWS | RVE_NO_LAW


def _in_image(size: RVESize) -> str:
    """Whether one window of the image's size is representative, at the confidence."""
    if size.code & RVE_NOT_IN_IMAGE:
        return NO
    if size.code & (RVE_UNDEFINED | RVE_NO_DECAY | _DOUBTS) or not size.edge_interval[1] <= size.image_edge:
        return UNDECIDED
    return YES


# Known to be so without any image.
_POSITIVE = ("bulk", "shear", "young", "conductivity")


# Bounded and maybe zero: no relative error judges it.
_NOT_JUDGED = ("poisson",)


def interval_of(values: Any, size: RVESize, space: tuple[int, ...]) -> tuple[float, float]:
    """Interval for the medium's property, from that of whole images, their scatter and the bias of the boundary.

        mean +- (|slope| / L + sqrt((t s)^2 + (t' error of slope / L)^2)),    L = d / sum(1 / n_k)

    From five images on s is the standard error of their mean, which also sees what tells one image from another; of
    fewer it is the scatter of an image of this size, extrapolated from windows, over the root of their number, and
    Student's t has the degrees of freedom of that extrapolation, 2 / var(log s^2). The boundary condition adds a layer
    along the faces of every image: no number of images takes it off, and of a box its share is that of a cube of edge
    L, the harmonic mean.

    Args:
        values: of the whole images (m,), under the boundary condition whose scatter was fitted.
        size: from windows of the same images.
        space: voxels of an image along its axes.
    """
    x = np.asarray(values, float)
    m, d = len(x), len(space)
    if m >= SCATTER_FROM:
        random = quantile(size.confidence, m - 1) * np.std(x, ddof=1) / m**0.5
    else:
        edge = float(np.prod(space, dtype=float)) ** (1 / d)
        deviation = float(size.scatter.deviation(edge)) / m**0.5
        low, high = (float(y) for y in size.scatter.interval(edge, 0.6826894921370859))
        spread = float(np.log(high / low)) if deviation > 0 else 0.0  # standard error of log s^2
        random = quantile(size.confidence, max(2 / spread**2, 1.0) if spread > 0 else np.inf) * deviation
    bias = error = 0.0
    if size.fit is not None and size.boundary in size.boundaries:
        k, faces = size.boundaries.index(size.boundary), sum(1 / n for n in space) / d
        bias = abs(float(size.fit.slopes[k])) * faces
        error = quantile(size.confidence, size.fit.degrees) * float(size.fit.slopes_error[k]) * faces
    half = bias + float(np.hypot(random, error))
    return float(x.mean()) - half, float(x.mean()) + half


def property_item(values: dict[str, Any], sizes: dict[str, RVESize], space: tuple[int, ...]) -> TrustItem:
    """How well do the images know the effective property? `values`: name -> that of each whole image (m,)."""
    ask = "Is the effective property known well enough?"
    numbers, parts, verdict = {}, [], YES
    settings = next(iter(sizes.values()))
    accuracy, confidence = settings.tolerance, settings.confidence
    doubted = False
    for name, each in values.items():
        size, value = sizes[name], float(np.mean(each))
        if size.code & RVE_UNDEFINED:
            low, high = np.nan, np.nan
        else:
            low, high = interval_of(each, size, space)
        half = high - value
        low = max(low, 0.0) if name in _POSITIVE else low
        numbers[name] = {"value": value, "interval": (low, high)}
        if not np.isfinite(half):
            parts.append(f"{name} {value:.5g}, interval unknown")
            if name not in _NOT_JUDGED:
                verdict = UNDECIDED if verdict == YES else verdict
            continue
        relative = half / abs(value) if value else np.inf if half else 0.0
        if name in _NOT_JUDGED:
            parts.append(f"{name} {value:.5g} in [{low:.5g}, {high:.5g}] (not judged)")
            continue
        parts.append(f"{name} {value:.5g} in [{low:.5g}, {high:.5g}] ({relative:.1%})")
        doubted |= len(each) < SCATTER_FROM and bool(size.code & _DOUBTS)
        verdict = NO if relative > accuracy else verdict
    text = f"{'; '.join(parts)}, for the medium at {confidence:.4g} confidence; wanted within {accuracy:.3g} of it."
    if doubted:
        text += " The windows do not carry this interval (see rve_size): it may be too narrow."
        verdict = UNDECIDED if verdict == YES else verdict
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
    if not np.isfinite(gap):
        text = f"{how}: both are zero, and nothing is a part of it."
        return TrustItem("voxels", ask, UNDECIDED, text, "give a phase that conducts or carries", decisive=False)
    good = gap <= accuracy
    text = f"{how}: the tensor of the voxel image is known within {gap:.2g}; wanted {accuracy:.3g}."
    remedy = "" if good else "refine the image (every voxel into 2^d), or extrapolate (`grid_convergence`)"
    return TrustItem(
        "voxels", ask, YES if good else NO, text, remedy, decisive=False, numbers={"gap": gap, "accuracy": accuracy}
    )


def scales_item(
    found: ScaleSeparation | None,
    micro: float,
    what: str,
    accuracy: float,
    constants: ExpansionConstants | None,
    timed: bool,
) -> TrustItem:
    """Is the macroscopic field smooth enough for a first-order scheme?

    Args:
        found: None where no macroscopic length was given.
        micro: length of the microstructure.
        what: the length that `micro` is.
        accuracy: that is wanted.
        constants: of the corrector, or None.
        timed: whether a ratio of times was given; without one the answer is for lengths alone.
    """
    ask = f"Are the scales{'' if timed or found is None else ' of length'} separated enough for a first-order scheme?"
    needed = micro / accuracy
    numbers: dict[str, Any] = {"micro_length": micro, "macro_length_needed": needed}
    if found is None:
        text = (
            f"No macroscopic length was given. With L_micro = {micro:.3g} ({what}) the textbook rule asks"
            f" for fields that vary over {needed:.3g} or more (eps = {accuracy:.3g})."
        )
        return TrustItem("scales", ask, NOT_ASKED, text, "give macro_length=", decisive=False, numbers=numbers)
    codes = np.asarray(found.regime.code)
    eps_time = found.eps_time if timed else None
    numbers |= {"eps_length": found.eps_length, "eps_time": eps_time, "regime": codes, "shares": found.fractions}
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
    if not timed:
        text += f" Scales of time: {NOT_ASKED.upper()} (no time_ratio was given; 0 says that the problem is steady)."
    elif not np.any(np.asarray(found.eps_time)):
        text += " The problem is taken as steady (time_ratio 0)."
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
