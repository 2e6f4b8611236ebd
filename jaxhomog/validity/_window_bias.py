"""How the mean of an apparent property depends on the size of the window and on the boundary condition.

Host-side numpy in float64: a handful of numbers, no derivatives.
"""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int


class WindowBias(eqx.Module):
    """Means of windows m_b(edge) = limit + slope_b / edge, for every boundary condition b.

    Args:
        limit: common to all boundary conditions: the property of the medium.
        limit_error: its standard error.
        slopes: (boundaries,), property times voxels.
        slopes_error: standard errors (boundaries,).
        limits: one for each boundary condition alone (boundaries,).
        spread: largest less smallest of these.
        spread_error: standard error of that difference.
        degrees: degrees of freedom of the standard errors; infinite where they come from every window.
    """

    limit: float
    limit_error: float
    slopes: Float[np.ndarray, " boundaries"]
    slopes_error: Float[np.ndarray, " boundaries"]
    limits: Float[np.ndarray, " boundaries"]
    spread: float
    spread_error: float
    degrees: float


def fit_bias(
    edges: Float[np.ndarray, " sizes"],
    values: Sequence[Float[np.ndarray, "boundaries n"]],
    blocks: Sequence[Int[np.ndarray, " n"]] | None = None,
) -> WindowBias:
    """Weighted least-squares fit of the means, with one limit for all boundary conditions and with one for each.

    The disturbance that a boundary makes is as thick as the microstructure is coarse: its share of the window goes as
    surface over volume, 1 / edge. Boundary conditions meet the same windows and windows of several sizes the same
    parts of an image, so that none of the means is independent of the others. Standard errors are therefore those of
    the jackknife that leaves out one block of the image at a time, in all sizes and boundary conditions together.

    Args:
        edges: of the windows in voxels, two at least, all different.
        values: for every size, of each window under each boundary condition.
        blocks: for every size, the block in which each window lies (one that straddles two, in either); None: all
            windows of all sizes are independent. Choose sizes that divide the largest, and blocks of its edge: where
            they straddle, what the sizes have in common no longer cancels. Of additive fields the errors of slopes are
            then too large, up to ten times (33, 40 and 50 in 200), and that of the limit is off by a quarter, or too
            large by up to two: the intervals are safe, but wider than they need be.

    Source:
        Bracket of the boundary conditions: Huet (1990), J. Mech. Phys. Solids 38, 813-841; Hazanov & Huet (1994),
        J. Mech. Phys. Solids 42, 1995-2011. Decay: Ostoja-Starzewski (2006), Probab. Eng. Mech. 21, 112-132. Jackknife:
        Kuensch (1989), Ann. Statist. 17, 1217-1241.
    """
    number, sizes = len(values[0]), len(values)
    means = np.stack([x.mean(axis=1) for x in values], axis=1)
    variance = np.stack([x.var(axis=1, ddof=1) / x.shape[1] for x in values], axis=1)
    # Where nothing scatters every size counts alike.
    floor = max(1e-24 * float(np.max(means**2)), np.finfo(float).tiny)
    weight = 1 / np.maximum(variance, floor)
    x = 1 / np.asarray(edges, float)
    columns = np.zeros((number, sizes, 1 + number))
    columns[..., 0] = 1
    for b in range(number):
        columns[b, :, 1 + b] = x
    rows = _weights(columns.reshape(number * sizes, -1), weight.ravel()).reshape(-1, number, sizes)
    found = np.einsum("pbs,bs->p", rows, means)
    alone = np.stack([_weights(columns[b][:, [0, 1 + b]], weight[b])[0] for b in range(number)])
    limits = np.sum(alone * means, axis=1)
    apart = np.zeros((1, number, sizes))
    high, low = int(np.argmax(limits)), int(np.argmin(limits))
    apart[0, high] += alone[high]
    apart[0, low] -= alone[low]
    sums = np.concatenate([rows, apart])
    error, degrees = _independent(sums, values), np.inf
    if blocks is not None:
        error, degrees = _jackknife(sums, values, blocks)
    return WindowBias(
        limit=float(found[0]),
        limit_error=float(error[0]),
        slopes=found[1:],
        slopes_error=error[1:-1],
        limits=limits,
        spread=float(limits[high] - limits[low]),
        spread_error=float(error[-1]),
        degrees=degrees,
    )


def _weights(columns: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Rows that turn data into the parameters of their weighted least-squares fit."""
    root = np.sqrt(weight / weight.max())
    return np.linalg.pinv(columns * root[:, None]) * root


def _independent(sums: np.ndarray, values: Sequence[np.ndarray]) -> np.ndarray:
    """Standard errors of sums of means with these weights (sums, boundaries, sizes), windows all independent."""
    each = [np.einsum("pb,bn->pn", sums[..., s], x) for s, x in enumerate(values)]
    return np.sqrt(sum(np.var(x, axis=1, ddof=1) / x.shape[1] for x in each))


def _jackknife(sums: np.ndarray, values: Sequence[np.ndarray], blocks: Sequence[np.ndarray]) -> tuple[np.ndarray, int]:
    """The same from the sums without one block of the image, and their degrees of freedom."""
    names = np.unique(np.concatenate(blocks))
    without = np.zeros((len(names), *sums.shape[1:]))
    for g, name in enumerate(names):
        for s, (x, where) in enumerate(zip(values, blocks, strict=True)):
            # A size that lies in this block alone has nothing left: it stays as it is.
            rest = where != name if np.any(where != name) else np.ones(len(where), bool)
            without[g, :, s] = x[:, rest].mean(axis=1)
    each = np.einsum("pbs,gbs->gp", sums, without)
    return np.sqrt((len(names) - 1) * np.var(each, axis=0)), len(names) - 1
