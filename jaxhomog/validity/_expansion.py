"""How wrong is a two-scale expansion: errors in named norms, and the constants in front of eps and eps^2."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from ..results import InputError, real_array
from ..rve import Correctors
from ..tensors import safe_norm, safe_sqrt


class ExpansionError(eqx.Module):
    """Difference of a resolved and an approximate field, in norms that may converge with different orders.

    Args:
        mean: integral of the difference over the volume (per component of a vector).
        l2: square root of the integral of its square, over the square root of the volume.
        linf: largest difference in the points.
        h1: the same as `l2` for the gradient (the seminorm); None without gradients.
    """

    mean: Float[Array, "..."]
    l2: Float[Array, ""]
    linf: Float[Array, ""]
    h1: Float[Array, ""] | None


def expansion_error(
    resolved: Real[ArrayLike, "..."],
    approximate: Real[ArrayLike, "..."],
    weights: Real[ArrayLike, "*p"],
    resolved_gradient: Real[ArrayLike, "..."] | None = None,
    approximate_gradient: Real[ArrayLike, "..."] | None = None,
) -> ExpansionError:
    """Mean, L2, Linf and H1 seminorm of resolved - approximate, per volume.

        l2^2 = sum w |u - v|^2 / sum w,    h1^2 = sum w |grad u - grad v|^2 / sum w

    The points should resolve the cell: an oscillation that falls between them is an error that is not seen. What each
    norm may be expected to do is in `rve.corrected`.

    Args:
        resolved: field in quadrature points (*p, *components).
        approximate: the same of the other field.
        weights: of the points (*p), at least 0 and not all 0 (else NaN under a trace); their scale does not matter.
        resolved_gradient: (*p, *components, d), or None.
        approximate_gradient: the same of the other field.

    Returns:
        `ExpansionError`, differentiable; absolute numbers in the unit of the field (h1: of its gradient).

    Fails with:
        InputError: shapes that do not match, one gradient without the other, or negative weights.
    """
    given = ((resolved, "resolved"), (approximate, "approximate"), (weights, "weights"))
    u, v, w = (real_array(x, name) for x, name in given)
    if u.shape != v.shape or u.shape[: w.ndim] != w.shape or w.size == 0:
        raise InputError(
            f"fields of shapes {u.shape} and {v.shape} with weights {w.shape}: give fields in the same points, (*p) or"
            " (*p, components), and one weight per point"
        )
    if (resolved_gradient is None) != (approximate_gradient is None):
        raise InputError("one gradient without the other: give both for the H1 seminorm, or none")
    good = jnp.all(w >= 0) & (jnp.sum(w) > 0)
    if not isinstance(good, Tracer) and not good:
        raise InputError("weights: give volumes of the points, at least 0 and not all 0")
    share = jnp.where(good, w / jnp.sum(w), jnp.nan)
    points = tuple(range(w.ndim))
    difference = u - v
    h1 = None
    if resolved_gradient is not None and approximate_gradient is not None:
        g = real_array(resolved_gradient, "resolved_gradient")
        k = real_array(approximate_gradient, "approximate_gradient")
        if g.shape != k.shape or g.shape[:-1] != u.shape:
            raise InputError(f"gradients of shapes {g.shape} and {k.shape} of a field {u.shape}: give (*p, *c, d)")
        h1 = _rms(g - k, share)
    shaped = share.reshape(*share.shape, *(1,) * (u.ndim - w.ndim))
    largest = jnp.max(safe_norm(difference.reshape(w.size, -1)))
    return ExpansionError(jnp.sum(difference * shaped, axis=points), _rms(difference, share), largest, h1)


def _rms(x, share):
    square = jnp.sum(jnp.square(x), axis=tuple(range(share.ndim, x.ndim)))
    return safe_sqrt(jnp.sum(square * share))


class ExpansionConstants(eqx.Module):
    """What stands in front of eps and eps^2, for a length of the microstructure.

    Args:
        first: of the field without corrector, in L2.
        second: of the field with first corrector, in L2; None where there are no second correctors.
    """

    first: Float[Array, ""]
    second: Float[Array, ""] | None


def expansion_constants(correctors: Correctors, micro_length: Real[ArrayLike, ""]) -> ExpansionConstants:
    """Constants of the errors of a first-order and a corrected scheme, from the correctors of the cell.

        ||u_eps - u0||                ~ ||N . grad u0||       <= c1 eps ||U||,      c1 = sqrt(lambda_max <N_i N_j>) / l
        ||u_eps - u0 - N . grad u0||  ~ ||M : grad grad u0||  <= c2 eps^2 ||U||,    c2 = sqrt(lambda_max <M M>) / l^2

    with N and M in the lengths of the body, eps = l / L, and L = |U| / |grad U| the length of the macroscopic field
    (|grad grad U| = |U| / L^2). lambda_max is over directions of the gradient: the least favourable one. The textbook
    takes one for both; the true ones are 0 where all voxels are alike, and by Poincare's inequality c1 is at most the
    root mean square of |grad N| over 2 pi for the edge of a cube as length.

    The errors are those of the interior, with sums over whole cells. A boundary at which N does not vanish adds
    another term of order eps (2-D and 3-D) that depends on the body, not on the cell alone (see `rve.corrected`).

    Args:
        correctors: of the cell at its true size.
        micro_length: l, the length that stands in eps: edge of the cell, or correlation length.

    Returns:
        `ExpansionConstants`, dimensionless; NaN for a length that is not positive.

    Fails with:
        InputError: correctors of another kind, a length that is not one number.

    Source:
        Bensoussan, Lions & Papanicolaou (1978), Asymptotic Analysis for Periodic Structures, chapter 1.
    """
    if not isinstance(correctors, Correctors):
        raise InputError(f"correctors is a {type(correctors).__name__}: give the value of `correctors(...)`")
    length = real_array(micro_length, "micro_length").astype(correctors.first.dtype)
    if length.ndim:
        raise InputError(f"micro_length has shape {length.shape}: give one length")
    length = jnp.where(length > 0, length, jnp.nan)
    n = correctors.first
    first = jnp.sqrt(_largest(n.reshape(n.shape[0], -1), n[0, 0].size)) / length
    second = None
    if correctors.second is not None:
        m = correctors.second
        second = jnp.sqrt(_largest(m.reshape(m.shape[0] * m.shape[1], -1), m[0, 0, 0].size)) / length**2
    return ExpansionConstants(first, second)


def _largest(rows, nodes: int):
    """Largest eigenvalue of the matrix of mean products, at least 0."""
    return jnp.maximum(jnp.linalg.eigvalsh(rows @ rows.T / nodes)[-1], 0)
