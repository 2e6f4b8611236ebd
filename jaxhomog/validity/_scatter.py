"""How the scatter of an apparent property decays with the size of the window, and what follows for larger windows.

Host-side numpy in float64: a handful of numbers, no derivatives.
"""

from __future__ import annotations

from math import exp, log
from statistics import NormalDist
from typing import Final

import equinox as eqx
import numpy as np
from jaxtyping import Float
from scipy.special import digamma, polygamma, stdtrit

from ..microstructure._arguments import number as real
from ..results import InputError
from ._rve_checks import check_dim, check_law_data, check_number

# What is known of the exponent if nothing is said.
EXPONENT_ERROR: Final = 0.25


class ScatterLaw(eqx.Module):
    """Variance of a property over windows of volume V = edge^dim: var(V) = exp(level) (V / V0)^-exponent.

    Args:
        level: log of the variance at V0; -inf where nothing scatters.
        exponent: alpha; 1 for a volume average, and for a property that inherits a finite integral range.
        covariance: of (level, exponent), (2, 2).
        reference: V0, in voxels.
        misfit: chi-square of the variances about the law, and of the exponent about what was known of it, over the
            degrees of freedom; NaN where none are left.
        dim: number of space axes.
    """

    level: float
    exponent: float
    covariance: Float[np.ndarray, "2 2"]
    reference: float
    misfit: float
    dim: int = eqx.field(static=True)

    def deviation(self, edge: Float[np.ndarray, "..."] | float) -> Float[np.ndarray, "..."]:
        """Standard deviation of the property over windows of these edges, in voxels."""
        return np.exp(0.5 * self._log(edge)[0])

    def interval(
        self, edge: Float[np.ndarray, "..."] | float, confidence: float = 0.95
    ) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
        """Confidence limits of the standard deviation at these edges: of the law, not of the variance of a few windows.

        Args:
            edge: in voxels.
            confidence: two-sided, in (0, 1).
        """
        mean, error = self._log(edge)
        half = quantile(real(confidence, "confidence", 0, 1)) * error
        return np.exp(0.5 * (mean - half)), np.exp(0.5 * (mean + half))

    def sample_interval(self, edge: float, number: float, confidence: float = 0.95) -> tuple[float, float]:
        """Interval in which the sample standard deviation of some new windows lies: what a check has to look at.

        Args:
            edge: in voxels.
            number: of independent new windows, two at least; of dependent ones, their degrees of freedom and one.
            confidence: two-sided, in (0, 1).

        Fails with:
            InputError: fewer than two windows, a confidence outside (0, 1).
        """
        check_number(number, "number")
        if not number >= 2:
            raise InputError(f"number={number!r}: give at least two windows, one has no standard deviation")
        mean, error = self._log(edge)
        half = 0.5 * (number - 1)
        centre = mean + digamma(half) - np.log(half)
        wide = quantile(real(confidence, "confidence", 0, 1)) * np.sqrt(error**2 + polygamma(1, half))
        return float(np.exp(0.5 * (centre - wide))), float(np.exp(0.5 * (centre + wide)))

    def edge_of(self, deviation: float, confidence: float = 0.95) -> tuple[float, float, float]:
        """Edge at which the standard deviation sinks to a value, with its confidence limits (Fieller 1954).

        Infinite where the deviation never does, or, for the upper limit, where the exponent may be zero (unless the
        deviation at V0 is surely below the value: then the lower limit is 0).

        Fails with:
            InputError: a deviation that is not positive, a confidence outside (0, 1).
        """
        deviation, confidence = real(deviation, "deviation", 0), real(confidence, "confidence", 0, 1)
        if self.level == -np.inf:
            return 0.0, 0.0, 0.0
        gap, a = self.level - 2 * log(deviation), self.exponent
        found = gap / a if a > 0 else np.inf
        # {x: (gap - a x)^2 <= z^2 var(level - exponent x)}, x = log(V / V0).
        z2 = quantile(confidence) ** 2
        (level, mixed), (_, slope) = self.covariance
        lead, half, rest = a**2 - z2 * slope, gap * a - z2 * mixed, gap**2 - z2 * level
        root = np.sqrt(max(half**2 - lead * rest, 0.0))
        if lead > 0 and a > 0:
            low, high = (half - root) / lead, (half + root) / lead
        elif half**2 > lead * rest and lead < 0:
            # Two rays: that of a scatter which decays begins beyond V0, or ends before it.
            low, high = ((half - root) / lead, np.inf) if gap > 0 else (-np.inf, (half + root) / lead)
        else:
            low, high = -np.inf, np.inf
        low, found, high = (self._edge(x) for x in (low, found, high))
        return found, low, high

    def _log(self, edge) -> tuple[np.ndarray, np.ndarray]:
        """Log of the variance, and its standard error."""
        x = self.dim * np.log(np.asarray(edge, float)) - log(self.reference)
        (level, mixed), (_, slope) = self.covariance
        return self.level - self.exponent * x, np.sqrt(np.maximum(level - 2 * mixed * x + slope * x**2, 0))

    def _edge(self, x: float) -> float:
        return exp((x + log(self.reference)) / self.dim) if x < 300 else np.inf


def fit_scatter(
    edges: Float[np.ndarray, " sizes"],
    variances: Float[np.ndarray, " sizes"],
    degrees: Float[np.ndarray, " sizes"],
    dim: int,
    *,
    exponent: float = 1.0,
    exponent_error: float = EXPONENT_ERROR,
    covered: Float[np.ndarray, " sizes"] | None = None,
) -> ScatterLaw:
    """Fit of Kanit's law to sample variances, by generalized least squares in their logarithm.

        log s^2 = level - exponent log(V / V0) + error,    nu s^2 / var ~ chi^2_nu

    The error has the exact moments of a log chi-square: mean psi(nu / 2) - log(nu / 2), which is taken off, and
    variance psi'(nu / 2). Variances from one image are correlated. Of an additive property, two tilings of the same
    voxels by windows of edges e < E share

        rho = sqrt(v / V) sum |small and large window|^2 / sum |small window|^2,

    where the quotient is 1 if E is a multiple of e, else, in the mean over positions, (1 - e / 3 E)^dim; where only
    shares p and q of the image are covered, at random, sqrt(p q) of that.

    Args:
        edges: of the windows in voxels, all different.
        variances: s^2, unbiased.
        degrees: nu, effective: n - 1 for Gaussian values, see `degrees_of_freedom`.
        dim: number of space axes.
        exponent: what is known of alpha beforehand; 1 is the law of large numbers for a finite integral range.
        exponent_error: standard deviation of that knowledge, one more observation of the fit: 0 holds alpha, infinity
            leaves it to the data. By default 1/4, so that media of long fibres (1/2 to 2/3) stay within two of them.
        covered: share of one image that the windows of each size cover; None: every size has realizations of its own.

    Returns:
        `ScatterLaw`; with level -inf where all variances are zero, NaN where some are and others are not.

    Fails with:
        InputError: one size only, and nothing known of the exponent; numbers that do not belong together, edges or
            degrees that are not positive, negative variances.

    Source:
        The law: Kanit et al. (2003), Int. J. Solids Struct. 40, 3647-3679, and, for exponents below 1 (long fibres 2/3,
        strata 1/3), Jeulin (2011), Variance scaling of Boolean random varieties, hal-00618967. Logarithm of a variance:
        Bartlett & Kendall (1946), J. R. Stat. Soc. Suppl. 8, 128-138.
    """
    edges, variances, degrees, covered = check_law_data(
        edges, variances, degrees, covered, dim, exponent, exponent_error
    )
    if np.isinf(exponent_error) and len(edges) < 2:
        raise InputError("one window size does not show how the scatter decays: give a second, or exponent_error=0")
    volumes = edges**dim
    half = 0.5 * degrees
    error = np.sqrt(polygamma(1, half))
    shared = np.eye(len(volumes)) if covered is None else _shared(edges, covered, dim)
    weight = np.linalg.inv(shared * np.outer(error, error))
    reference = exp(np.sum(weight.sum(0) * np.log(volumes)) / weight.sum())
    x = np.log(volumes / reference)
    if not np.any(variances):
        return ScatterLaw(-np.inf, exponent, np.zeros((2, 2)), reference, np.nan, dim)
    if not np.all(variances):  # no power of the volume goes through zero
        return ScatterLaw(np.nan, np.nan, np.full((2, 2), np.nan), reference, np.nan, dim)
    y = np.log(variances) - digamma(half) + np.log(half)
    # Deviations from the exponent that is expected; the prior is an observation of theirs, zero.
    y, slopes = y + exponent * x, -x * (exponent_error > 0)
    columns = np.stack([np.ones_like(x), slopes], axis=1)
    prior = np.diag([0.0, 1 / exponent_error**2 if exponent_error > 0 else 1.0])
    covariance = np.linalg.inv(columns.T @ weight @ columns + prior)
    level, beyond = covariance @ columns.T @ weight @ y
    rest = y - columns @ (level, beyond)
    left = len(y) - 1 - np.isinf(exponent_error)
    misfit = float(rest @ weight @ rest + prior[1, 1] * beyond**2) / left if left else np.nan
    covariance[1, 1] *= exponent_error > 0
    return ScatterLaw(float(level), exponent + float(beyond), covariance, reference, misfit, dim)


def scatter_of_average(point_variance: float, integral_range: float, error: float, dim: int) -> ScatterLaw:
    """Scatter of a volume average from the integral range: var(V) = D A / V.

    Args:
        point_variance: D; f (1 - f) of an indicator.
        integral_range: A in voxels^dim.
        error: its standard error.
        dim: number of space axes.

    Returns:
        `ScatterLaw`; NaN where a number is not finite, D negative, or A not positive.

    Fails with:
        InputError: something else than numbers, dim other than 1, 2 or 3.

    Source:
        Lantuejoul (1991), J. Microsc. 161, 387-403.
    """
    for name, value in (("point_variance", point_variance), ("integral_range", integral_range), ("error", error)):
        check_number(value, name)
    check_dim(dim)
    if not (np.isfinite([point_variance, integral_range, error]).all() and point_variance >= 0 < integral_range):
        return ScatterLaw(np.nan, 1.0, np.full((2, 2), np.nan), 1.0, np.nan, dim)
    level = -np.inf if point_variance == 0 else log(point_variance)
    return ScatterLaw(level, 1.0, np.diag([(error / integral_range) ** 2, 0.0]), float(integral_range), np.nan, dim)


def degrees_of_freedom(samples: list[Float[np.ndarray, " n"]], volumes: Float[np.ndarray, " sizes"]) -> np.ndarray:
    """Effective degrees of freedom of sample variances: 2 / nu = 2 / (n - 1) + kappa / n.

    The excess kurtosis kappa of a mean over V falls as 1 / V; the coefficient is that of all sizes together, and what
    comes out negative counts as zero.

    Args:
        samples: values of each size, two at least.
        volumes: of the windows.

    Source:
        var(s^2) = sigma^4 (2 / (n - 1) + kappa / n): Kendall & Stuart (1977), The Advanced Theory of Statistics 1,
        §12.
    """
    number = np.array([len(x) for x in samples], float)
    kappa = np.array([_excess_kurtosis(x) for x in samples])
    known = np.isfinite(kappa)
    x = np.min(volumes) / np.asarray(volumes, float)
    slope = np.sum((number * x * kappa)[known]) / np.sum((number * x**2)[known]) if known.any() else 0.0
    return 2 / (2 / (number - 1) + max(slope, 0.0) * x / number)


def quantile(confidence: float, degrees: float = np.inf) -> float:
    """z of a two-sided confidence, 1.96 for 0.95; with degrees of freedom, Student's t."""
    tail = 0.5 + 0.5 * confidence
    return NormalDist().inv_cdf(tail) if np.isinf(degrees) else float(stdtrit(degrees, tail))


def _shared(edges: np.ndarray, covered: np.ndarray, dim: int) -> np.ndarray:
    """Correlation of the sample variances of tilings of one image."""
    ratio = np.minimum.outer(edges, edges) / np.maximum.outer(edges, edges)
    aligned = np.abs(1 / ratio - np.rint(1 / ratio)) < 1e-9
    share = np.sqrt(np.minimum(covered, 1.0))
    rho = ratio ** (0.5 * dim) * np.where(aligned, 1.0, (1 - ratio / 3) ** dim) * np.outer(share, share)
    np.fill_diagonal(rho, 1.0)
    return rho


def _excess_kurtosis(x: np.ndarray) -> float:
    """Unbiased for Gaussian values; NaN for fewer than four, or equal ones."""
    n, gap = len(x), x - np.mean(x)
    square = np.mean(gap**2)
    if n < 4 or square == 0:
        return np.nan
    return float((n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * (np.mean(gap**4) / square**2 - 3) + 6))
