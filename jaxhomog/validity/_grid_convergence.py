"""From effective tensors on a few grids to a value without grid, and a bar for what it may be wrong by.

The voxels that an interface cuts fill a share of the cell proportional to the spacing h, so that the tensor's error
starts with a term in h, whatever the element does elsewhere. Where a value is averaged over positions of the voxels
relative to the interface, the coefficient of that term no longer depends on how the two happen to meet.

Source: Richardson (1911), Phil. Trans. R. Soc. A 210, 307-357; Roache (1994), J. Fluids Eng. 116, 405-413 (grid
convergence index, its factors 1.25 and 3); Eca & Hoekstra (2014), J. Comput. Phys. 262, 104-130 (scattered data).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jaxtyping import Array, Float, Int

FEW_GRIDS: Final = 1
ONE_POSITION: Final = 2
NOT_MONOTONE: Final = 4
UNUSUAL_ORDER: Final = 8
UNCONVERGED: Final = 16

# Roache's factors: for a verified order of convergence, and for everything else.
SAFETY: Final = 1.25
CAUTION: Final = 3.0
# Orders that a discretization of interfaces may have: between the first order of cut voxels and the second of smooth
# fields, with half an order for what scatter does to a quotient of differences.
ORDERS: Final = (0.5, 2.5)

_REASONS: Final = {
    UNCONVERGED: "not finite: a solve failed, and there is no value",
    FEW_GRIDS: "two grids only: the order of convergence is not observed (give a third)",
    ONE_POSITION: "fewer than four positions of the voxels: their scatter is not known (raise positions)",
    NOT_MONOTONE: "the tensors do not approach a limit monotonically (give finer grids, or more positions)",
    UNUSUAL_ORDER: "the observed order is not between 0.5 and 2.5: the grids are too coarse for the limit (refine)",
}


class Extrapolated(NamedTuple):
    """What `extrapolate` found; see `GridConvergence` of the verb."""

    effective: Array
    error_bar: Array
    order: Array
    limits: Array
    code: Array


def extrapolate(
    values: Float[Array, "schemes grids positions n n"],
    spacing: Float[Array, " grids"],
    solver_error: Float[Array, "schemes grids"],
) -> Extrapolated:
    """The tensor at spacing zero from several schemes on several grids, and its error bar.

        one scheme:       C_s(h) = C + b_s h + c_s h^2   through the three finest grids
        several schemes:  C_s(h) = C_s + b_s h           through the two finest,   C = mean over s of C_s

    Schemes are independent discretizations of one medium, all with the same limit; their second terms have both signs
    and leave little in the mean, at a third of the parabola's sensitivity to scatter. A single scheme has no such help:
    porous cells have an h term (cut voxels of unlike content conduct less than their mean) that is hidden by the h^2
    term of the element on the usual grids.

        bar = F max(min_s |C_s(h_finest) - C|, max_s |C_s - C|, |line - parabola|) + 2 S + solver

    with spectral norms: the step of the extrapolation (Roache's index, of the nearest scheme), and the disagreement of
    the schemes and of the two models about the limit. S is the standard error of the mean over positions, carried
    through the extrapolation (the largest of any scheme). F = 1.25 if there are three grids and four positions or more,
    the tensors approach the limit monotonically, and their observed order is between 0.5 and 2.5; else F = 3.

    These choices were made with the discs of the experiment `composite_voxels.py` in view; none is made for a case.

    Args:
        values: tensors, grids from coarse to fine.
        spacing: their spacings, any unit.
        solver_error: bounds of what the solvers left in the tensors, in the unit of the tensors.

    Returns:
        `Extrapolated`; derivatives go through the tensor, not through the bar.
    """
    schemes, grids, positions = values.shape[:3]
    mean = jnp.mean(values, axis=2)
    line = _limit_weights(spacing[-2:])
    limits = jnp.einsum("g,sg...->s...", line, mean[:, -2:])
    rival = limits
    if grids > 2:
        parabola = _limit_weights(spacing[-3:])
        rival = jnp.einsum("g,sg...->s...", parabola, mean[:, -3:])
    single = schemes == 1 and grids > 2
    weights = parabola if single else line
    if single:
        limits, rival = rival, limits
    best = jnp.mean(limits, axis=0)

    mean, limits_, rival, centre, values, weights = lax.stop_gradient((mean, limits, rival, best, values, weights))
    step = jnp.min(_spectral(mean[:, -1] - centre))
    apart = jnp.max(_spectral(limits_ - centre))
    models = _spectral(jnp.mean(rival, axis=0) - centre)
    used = len(weights)
    scatter = jnp.zeros((schemes, used), values.dtype)
    if positions > 1:
        gap = values[:, -used:] - mean[:, -used:, None]
        scatter = jnp.sqrt(jnp.sum(gap**2, axis=(2, 3, 4)) / (positions - 1) / positions)
    deviation = jnp.max(jnp.sqrt(jnp.sum((weights * scatter) ** 2, axis=1)))
    solver = jnp.max(jnp.sum(jnp.abs(weights) * solver_error[:, -used:], axis=1))
    order, code = _observed(mean, spacing, positions, jnp.max(solver_error))
    factor = jnp.where(code == 0, SAFETY, CAUTION)
    bar = factor * jnp.maximum(jnp.maximum(step, apart), models) + 2 * deviation + solver
    finite = jnp.isfinite(bar)
    code = jnp.where(finite, code, UNCONVERGED).astype(jnp.int32)
    return Extrapolated(best, lax.stop_gradient(bar), order, limits, code)


def _limit_weights(h):
    """Weights of Lagrange's polynomial at h = 0."""
    weights = []
    for i in range(len(h)):
        others = [j for j in range(len(h)) if j != i]
        weights.append(jnp.prod(jnp.stack([h[j] / (h[j] - h[i]) for j in others])))
    return lax.stop_gradient(jnp.stack(weights))


def _spectral(matrices):
    """Largest |eigenvalue| of symmetric matrices; NaN stays NaN."""
    return jnp.max(jnp.abs(jnp.linalg.eigvalsh(matrices)), axis=-1)


def _observed(mean, spacing, positions, solver_error):
    """Observed order of the last three grids, all schemes together, and the bits of what speaks against it."""
    few = FEW_GRIDS * (mean.shape[1] < 3) + ONE_POSITION * (positions < 4)
    code = jnp.asarray(few, jnp.int32)
    if mean.shape[1] < 3:
        return jnp.full((), jnp.nan, mean.dtype), code
    early, late = mean[:, -3] - mean[:, -2], mean[:, -2] - mean[:, -1]
    size = lambda x: jnp.sqrt(jnp.sum(x**2))  # noqa: E731
    # Changes that the solvers may have made have no order, and need none.
    noise = 4 * solver_error + 64 * jnp.finfo(mean.dtype).eps * size(mean[:, -1])
    still = (size(early) <= noise) & (size(late) <= noise)
    order = _order(size(early) / jnp.where(size(late) > 0, size(late), 1), spacing[-3:])
    order = jnp.where(still, jnp.nan, jnp.where(size(late) > 0, order, jnp.inf))
    against = jnp.sum(early * late) <= 0
    odd = ~((order >= ORDERS[0]) & (order <= ORDERS[1]))
    code = code | jnp.where(still, 0, NOT_MONOTONE * against + UNUSUAL_ORDER * odd).astype(jnp.int32)
    return order, code


def _order(ratio, h):
    """p of (h1^p - h2^p) / (h2^p - h3^p) = ratio, by bisection between -2 and 20; the ratio grows with p."""

    def excess(p):
        # Divided by (h2 / h3)^p, so that neither overflows; p = 0 is the limit of logarithms.
        a, b = jnp.log(h[0] / h[1]), jnp.log(h[1] / h[2])
        small = jnp.abs(p) < 1e-6
        q = jnp.where(small, 1.0, p)
        return jnp.where(small, a / b, jnp.expm1(q * a) / -jnp.expm1(-q * b)) - ratio

    def halve(_, ends):
        low, high = ends
        middle = 0.5 * (low + high)
        above = excess(middle) > 0
        return jnp.where(above, low, middle), jnp.where(above, middle, high)

    low, high = lax.fori_loop(0, 50, halve, (jnp.full_like(ratio, -2.0), jnp.full_like(ratio, 20.0)))
    return 0.5 * (low + high)


def convergence_text(code: Int[Array, "..."]) -> str:
    """The reasons in words (needs concrete values)."""
    if isinstance(code, Tracer):
        return "<traced>"
    bits = int(np.bitwise_or.reduce(np.asarray(code), axis=None))
    if bits & UNCONVERGED:
        return _REASONS[UNCONVERGED]
    causes = [text for bit, text in _REASONS.items() if bits & bit]
    if not causes:
        return "the grids approach a limit at the order that was expected"
    return "; ".join(causes) + f": the bar has the factor {CAUTION:g} instead of {SAFETY:g}"
