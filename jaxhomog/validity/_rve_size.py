"""RVE size: which windows, and how many of them, give a property of a random medium to a tolerance.

Host-side numpy in float64: statistics of values that others computed, no solves, no derivatives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import equinox as eqx
import numpy as np
from jaxtyping import Float
from scipy.special import chdtrc

from ._rve_checks import check_lengths, check_number, check_settings, chosen, read_blocks, read_curve, read_samples
from ._scatter import EXPONENT_ERROR, ScatterLaw, degrees_of_freedom, fit_scatter, quantile
from ._window_bias import WindowBias, fit_bias

RVE_FEW_WINDOWS: Final = 1
RVE_SMALL_WINDOWS: Final = 2
RVE_NO_DECAY: Final = 4
RVE_NO_LAW: Final = 8
RVE_EXTRAPOLATED: Final = 16
RVE_NOT_IN_IMAGE: Final = 32
RVE_BOUNDARIES_DISAGREE: Final = 64
RVE_FAILED_WINDOWS: Final = 128
RVE_NO_LIMIT: Final = 256
RVE_UNDEFINED: Final = 512

# Fewer windows leave the standard deviation uncertain by more than a quarter.
_WINDOWS: Final = 8
# Edges up to which the law is used without a warning, over the largest edge that was measured.
_REACH: Final = 2.0
# A misfit that chance exceeds less often than this is none.
_CHANCE: Final = 0.005

_REASONS: Final = {
    RVE_UNDEFINED: "no size follows: fewer than two windows of a size are left, a value is not finite, the property is"
    " zero within its error, or some sizes scatter and others do not at all",
    RVE_FAILED_WINDOWS: "some windows failed and are left out, so that those that remain may not be typical (raise"
    " max_iterations, or leave out the boundary condition that fails)",
    RVE_FEW_WINDOWS: f"fewer than {_WINDOWS} windows of a size: their scatter is hardly known (give smaller windows, a"
    " larger image or more realizations)",
    RVE_SMALL_WINDOWS: "windows smaller than the correlation of the image: their scatter does not decay by the law yet"
    " (give larger ones)",
    RVE_NO_DECAY: "the scatter does not decay with the size of the window within its error: no size can be predicted"
    " (give a wider range of sizes or more windows; the image may not be stationary)",
    RVE_NO_LAW: "the scatter does not follow one power of the volume: leave out the smallest windows",
    RVE_EXTRAPOLATED: f"the representative window is more than {_REACH:g} times as wide as the largest one measured:"
    " check with larger windows",
    RVE_NOT_IN_IMAGE: "no representative volume in this image: even all of it leaves a larger random error than the"
    " tolerance (give a larger image or a larger tolerance)",
    RVE_BOUNDARIES_DISAGREE: "the boundary conditions do not lead to one limit: half of the spread is in its error"
    " (give larger windows)",
    RVE_NO_LIMIT: "the limit for large windows is not known: its error is as large as itself, and the mean of the"
    " largest windows stands for it (give larger windows or more of them)",
}
_SOUND: Final = "the windows are many and large enough for the law, and nothing speaks against it"


class RVESize(eqx.Module):
    """Window sizes and numbers of windows that give a property to a tolerance, and what each boundary condition adds.

    Args:
        name: of the property.
        boundaries: names of the boundary conditions; none for a volume average.
        boundary: the one whose scatter this is; None for a volume average.
        tolerance: relative error that is accepted.
        confidence: two-sided, of every interval here and of the tolerance.
        reference: what the tolerance and the bias are relative to: the limit, or, where that is not known (see the
            code), the mean of the largest windows.
        limit: property of the medium: of windows without end.
        limit_error: half-width of its interval; half of the spread of the boundary conditions included.
        scatter: standard deviation as a function of the edge.
        fit: means as a function of the edge; None for a volume average.
        edges: (edges,) windows of the curve, in voxels.
        number: windows of each edge whose mean has a random error within the tolerance.
        number_upper: the same, safe at the confidence: from the upper limit of the scatter.
        number_biased: (boundaries, edges) the same as `number`, with the bias taken from the tolerance; infinite where
            the bias leaves nothing of it.
        bias: (boundaries, edges) slope / edge / |reference|, from `fit`.
        bias_error: half-widths of its intervals.
        edge: of the single window whose random error is within the tolerance: the RVE.
        edge_interval: its confidence limits, infinite where the scatter may not decay.
        measured: (sizes,) edges that were measured; none for a volume average.
        means: (boundaries, sizes), what was measured.
        deviations: (boundaries, sizes) standard deviations that were measured.
        counts: (sizes,) windows that they come from.
        failed: windows left out because a solve failed.
        image_edge: edge of a cube as large as the image; NaN where it does not count.
        code: what is wrong (bits, see `reason`); 0 if nothing.
    """

    reference: float
    limit: float
    limit_error: float
    scatter: ScatterLaw
    fit: WindowBias | None
    edges: Float[np.ndarray, " edges"]
    number: Float[np.ndarray, " edges"]
    number_upper: Float[np.ndarray, " edges"]
    number_biased: Float[np.ndarray, "boundaries edges"]
    bias: Float[np.ndarray, "boundaries edges"]
    bias_error: Float[np.ndarray, "boundaries edges"]
    edge: float
    edge_interval: tuple[float, float]
    measured: Float[np.ndarray, " sizes"]
    means: Float[np.ndarray, "boundaries sizes"]
    deviations: Float[np.ndarray, "boundaries sizes"]
    counts: np.ndarray
    failed: int
    image_edge: float
    code: int
    name: str = eqx.field(static=True)
    boundaries: tuple[str, ...] = eqx.field(static=True)
    boundary: str | None = eqx.field(static=True)
    tolerance: float = eqx.field(static=True)
    confidence: float = eqx.field(static=True)

    def error(self, edge: float, number: float = 1.0) -> tuple[float, float, float]:
        """Relative random error of the mean of some windows: half-width at the confidence, and its own limits.

        Args:
            edge: of the windows in voxels.
            number: of independent windows.
        """
        low, high = self.scatter.interval(edge, self.confidence)
        factor = quantile(self.confidence) / abs(self.reference) / number**0.5
        return tuple(float(factor * x) for x in (self.scatter.deviation(edge), low, high))  # type: ignore[return-value]

    @property
    def reason(self) -> str:
        """What is wrong, in words."""
        return "; ".join(text for bit, text in _REASONS.items() if self.code & bit) or _SOUND

    @property
    def text(self) -> str:
        """Size, number and bias in two sentences, and what is wrong in a third."""
        if self.code & RVE_UNDEFINED:
            return f"{self.name}: {_REASONS[RVE_UNDEFINED]}."
        at = self._typical
        edge, number, (low, high) = self.edges[at], self.number[at], self.edge_interval
        alone = "no window" if np.isinf(self.edge) else f"a window of {max(np.ceil(self.edge), 1):.0f} voxels"
        interval = f"{np.floor(low):.0f} to {'any size' if np.isinf(high) else format(np.ceil(high), '.0f')}"
        several = "one window" if number == 1 else f"{number:.0f} windows"
        parts = [
            f"{self.name} = {self.limit:.4g} +- {self.limit_error:.2g}: {alone} alone ({self.confidence:.0%} interval"
            f" {interval}), or {several} of {edge:.0f}, keep the random error within {100 * self.tolerance:.3g} % at"
            f" {self.confidence:.0%} confidence."
        ]
        if self.boundaries:
            rows = zip(self.boundaries, 100 * self.bias[:, at], 100 * self.bias_error[:, at], strict=True)
            listed = ", ".join(f"{name} {b:+.1f} +- {e:.1f} %" for name, b, e in rows)
            parts.append(f"The bias of windows of {edge:.0f} is: {listed}.")
        if self.code:
            parts.append(f"But: {self.reason}.")
        return " ".join(parts)

    @property
    def _typical(self) -> int:
        """Which edge the text speaks of: the largest measured one, or else the one next to half of the RVE."""
        edge = self.measured[-1] if len(self.measured) else 0.5 * self.edge
        return int(np.argmin(np.abs(self.edges - edge)))

    def __str__(self) -> str:
        return self.text


def judge_rve_size(
    edges: Sequence[float],
    samples: Mapping[str, Sequence[Any]],
    *,
    dim: int,
    name: str = "property",
    boundary: str | None = None,
    tolerance: float = 0.05,
    confidence: float = 0.95,
    exponent: float = 1.0,
    exponent_error: float = EXPONENT_ERROR,
    image_voxels: float | None = None,
    blocks: Sequence[Any] | None = None,
    correlation: float | None = None,
    curve: Sequence[float] | None = None,
) -> RVESize:
    """RVE size from apparent properties of windows of several sizes.

        random error of the mean of n windows of volume V:   z sqrt(var(V) / n) / |limit|  <=  tolerance
        n(V) = z^2 var(V) / (tolerance limit)^2,    var(V) ~ V^-alpha,    mean_b(V) = limit + slope_b / edge

    The scatter alone makes a curve (V, n): small windows need to be many. Their mean has a bias, another one for each
    boundary condition, that no number of them removes; `number_biased` takes it from the tolerance.

    Args:
        edges: of the windows in voxels, two sizes at least.
        samples: boundary condition -> for every size the property of each window (n,), the same windows for all
            boundary conditions. NaN is a window that failed: it is left out, counted, and in the code.
        dim: number of space axes.
        name: of the property.
        boundary: whose scatter is asked for; default "periodic", else the first.
        tolerance: relative, in (0, 1).
        confidence: two-sided, in (0, 1).
        exponent, exponent_error: what is known of alpha, see `fit_scatter`.
        image_voxels: if all windows were cut from one image (or one set of them): its voxels, for the correlation of
            the sizes; None: every size has realizations of its own.
        blocks: for every size the number of the image's block in which each window lies (n,), three blocks at least,
            for the errors of the means (see `fit_bias`); None: all windows are independent.
        correlation: distance in voxels at which the image's covariance vanishes (`integral_range(...).cut`).
        curve: edges at which the curve is wanted; default the measured ones and up to the representative one.

    Returns:
        `RVESize`; print it for the words.

    Raises:
        InputError: a bad argument, in one line.

    Source:
        Kanit et al. (2003), Int. J. Solids Struct. 40, 3647-3679; the bracket of boundary conditions: Hazanov & Huet
        (1994), J. Mech. Phys. Solids 42, 1995-2011; its decay: Ostoja-Starzewski (2006), Probab. Eng. Mech. 21,
        112-132.
    """
    check_settings(dim, tolerance, confidence, exponent, exponent_error)
    check_lengths(image_voxels=image_voxels)
    if correlation is not None:
        check_number(correlation, "correlation")
    sizes, values = read_samples(edges, samples)
    boundaries = tuple(samples)
    boundary = chosen(boundary, boundaries)
    order = np.argsort(sizes)
    where = None if blocks is None else read_blocks(blocks, values)
    sizes, values = sizes[order], [values[k] for k in order]
    volumes = sizes**dim
    sound = [np.all(np.isfinite(x), axis=0) for x in values]
    kept = [x[:, ok] for x, ok in zip(values, sound, strict=True)]
    if where is not None:
        where = [where[k][ok] for k, ok in zip(order, sound, strict=True)]
        if len(np.unique(np.concatenate(where))) < 3:  # of the blocks that failures leave no error follows
            where = None
    counts = np.array([x.shape[1] for x in kept])
    failed = int(sum(x.shape[1] for x in values) - counts.sum())
    code = RVE_FAILED_WINDOWS * (failed > 0) + RVE_FEW_WINDOWS * bool(np.any(counts < _WINDOWS))
    if correlation is not None:
        code += RVE_SMALL_WINDOWS * bool(sizes[0] < correlation)
    if np.any(counts < 2):
        return _undefined(name, boundaries, boundary, tolerance, confidence, sizes, counts, failed, code, dim)
    means = np.stack([x.mean(axis=1) for x in kept], axis=1)
    deviations = np.stack([x.std(axis=1, ddof=1) for x in kept], axis=1)
    which = boundaries.index(boundary)
    variances = deviations[which] ** 2
    # Rounding and the solver leave a scatter in windows that are all alike.
    variances = np.where(np.sqrt(variances) <= 1e-9 * np.abs(means[which]), 0.0, variances)
    fit = fit_bias(sizes, kept, where)
    z, t = quantile(confidence), quantile(confidence, fit.degrees)
    limit, limit_error = fit.limit, t * fit.limit_error + 0.5 * fit.spread
    code += RVE_BOUNDARIES_DISAGREE * bool(fit.spread > t * fit.spread_error + 1e-9 * abs(limit))
    code += RVE_NO_LIMIT * bool(abs(limit) <= limit_error)
    reference = means[which, -1] if code & RVE_NO_LIMIT else limit
    noise = z * deviations[which, -1] / counts[-1] ** 0.5
    if np.any(variances == 0) != np.all(variances == 0) or not abs(reference) > noise:
        return _undefined(name, boundaries, boundary, tolerance, confidence, sizes, counts, failed, code, dim)
    degrees = degrees_of_freedom([x[which] for x in kept], volumes)
    covered = None if image_voxels is None else counts * volumes / image_voxels
    law = fit_scatter(sizes, variances, degrees, dim, exponent=exponent, exponent_error=exponent_error, covered=covered)
    left = len(sizes) - 1 - np.isinf(exponent_error)
    code += RVE_NO_LAW * bool(left and chdtrc(left, left * law.misfit) < _CHANCE)
    code += RVE_NO_DECAY * bool(law.exponent <= z * law.covariance[1, 1] ** 0.5)
    return _report(
        law, fit, float(reference), limit, limit_error, code,
        name=name, boundaries=boundaries, boundary=boundary, tolerance=tolerance, confidence=confidence,
        measured=sizes, means=means, deviations=deviations, counts=counts, failed=failed,
        image_edge=np.nan if image_voxels is None else float(image_voxels) ** (1 / dim), curve=curve,
    )  # fmt: skip


def judge_rve_size_of_average(
    mean: float,
    scatter: ScatterLaw,
    *,
    name: str = "volume average",
    tolerance: float = 0.05,
    confidence: float = 0.95,
    image_voxels: float | None = None,
    curve: Sequence[float] | None = None,
) -> RVESize:
    """RVE size of a volume average: a volume fraction, a density, the Voigt bound. Nothing is solved, nothing biased.

        n(V) = z^2 var(V) / (tolerance mean)^2,    var(V) = D A / V  with `scatter_of_average`

    Args:
        mean: of the field over the image.
        scatter: from the integral range (`scatter_of_average`), or from the averages over windows (`fit_scatter`).
        name: of the average.
        tolerance: relative, in (0, 1).
        confidence: two-sided, in (0, 1).
        image_voxels: size of the image, for the error of its own mean and the verdict whether it is representative.
        curve: edges at which the curve is wanted; default from the one that the law refers to up to the RVE.

    Returns:
        `RVESize` without boundary conditions.

    Raises:
        InputError: a bad argument, in one line.

    Source:
        Lantuejoul (1991), J. Microsc. 161, 387-403; Kanit et al. (2003), Int. J. Solids Struct. 40, 3647-3679.
    """
    if not isinstance(scatter, ScatterLaw):
        raise InputError(f"scatter is a {type(scatter).__name__}: give scatter_of_average(...) or fit_scatter(...)")
    check_settings(scatter.dim, tolerance, confidence)
    check_lengths(image_voxels=image_voxels)
    check_number(mean, "mean")
    edge = np.nan if image_voxels is None else float(image_voxels) ** (1 / scatter.dim)
    limit_error = 0.0 if image_voxels is None else float(quantile(confidence) * scatter.deviation(edge))
    if not np.isfinite([mean, limit_error]).all() or np.isnan(scatter.level) or abs(mean) <= limit_error:
        nothing = np.zeros(0), np.zeros(0, int)
        return _undefined(name, (), None, tolerance, confidence, *nothing, 0, 0, scatter.dim)
    return _report(
        scatter, None, float(mean), float(mean), limit_error, 0,
        name=name, boundaries=(), boundary=None, tolerance=tolerance, confidence=confidence,
        measured=np.zeros(0), means=np.zeros((0, 0)), deviations=np.zeros((0, 0)), counts=np.zeros(0, int), failed=0,
        image_edge=edge, curve=curve,
    )  # fmt: skip


def _report(
    law: ScatterLaw, fit, reference, limit, limit_error, code, *, image_edge, curve, measured, **given
) -> RVESize:
    """Curve, representative edge and the codes that follow from them."""
    tolerance, confidence = given["tolerance"], given["confidence"]
    z = quantile(confidence)
    edge, low, high = law.edge_of(tolerance * abs(reference) / z, confidence)
    if len(measured):
        code += RVE_EXTRAPOLATED * bool(edge > _REACH * measured[-1])
    code += RVE_NOT_IN_IMAGE * bool(edge > image_edge)
    start = measured if len(measured) else np.array([law.reference ** (1 / law.dim)])
    edges = _curve(start, edge) if curve is None else read_curve(curve)
    allowed = (tolerance * abs(reference) / z) ** 2
    number = np.ceil(np.maximum(law.deviation(edges) ** 2 / allowed - 1e-9, 1))
    upper = np.ceil(np.maximum(law.interval(edges, confidence)[1] ** 2 / allowed - 1e-9, 1))
    boundaries = len(given["boundaries"])
    bias = bias_error = biased = np.zeros((boundaries, len(edges)))
    if fit is not None:
        bias = fit.slopes[:, None] / edges / abs(reference)
        bias_error = quantile(confidence, fit.degrees) * fit.slopes_error[:, None] / edges / abs(reference)
        rest = np.maximum(1 - np.abs(bias) / tolerance, 0) ** 2
        with np.errstate(divide="ignore"):
            biased = np.ceil(np.maximum(law.deviation(edges) ** 2 / allowed, 1e-9) / rest - 1e-9)
        biased = np.maximum(biased, 1.0)
    return RVESize(
        reference=reference, limit=limit, limit_error=limit_error, scatter=law, fit=fit, edges=edges,
        number=number, number_upper=upper, number_biased=biased, bias=bias, bias_error=bias_error,
        edge=edge, edge_interval=(low, high), measured=measured, image_edge=image_edge, code=code, **given,
    )  # fmt: skip


def _undefined(name, boundaries, boundary, tolerance, confidence, sizes, counts, failed, code, dim) -> RVESize:
    nan = np.full((len(boundaries), len(sizes)), np.nan)
    law = ScatterLaw(np.nan, np.nan, np.full((2, 2), np.nan), 1.0, np.nan, dim)
    line = np.full(len(sizes), np.nan)
    return RVESize(
        np.nan, np.nan, np.nan, law, None, sizes, line, line, nan, nan, nan, np.nan, (np.nan, np.nan), sizes, nan, nan,
        counts, failed, np.nan, code | RVE_UNDEFINED, name, boundaries, boundary, tolerance, confidence,
    )  # fmt: skip


def _curve(measured: np.ndarray, edge: float) -> np.ndarray:
    """The measured edges, and further ones up to the representative one in steps of a fifth."""
    last = measured[-1]
    if not np.isfinite(edge) or edge <= last:
        return measured
    steps = int(np.ceil(np.log(edge / last) / np.log(1.2)))
    return np.append(measured, np.geomspace(last, edge, steps + 1)[1:])
