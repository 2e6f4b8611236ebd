"""Entropy, relative entropy and mutual information in nat: exact for discrete distributions and for Gaussians."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int

from ..results import InputError
from ._checked import array, concrete, indices, need_symmetric, together

DATA_PROCESSING_VIOLATED: Final = 1
DATA_PROCESSING_NOT_FINITE: Final = 2

_SUM: Final = 1e-4


def entropy(probabilities: Any) -> Float[Array, ""]:
    """Shannon entropy -sum p ln p of a discrete distribution of any shape; nat."""
    p = _distribution(probabilities, "probabilities")
    return -jnp.sum(_p_log(p, p))


def relative_entropy(probabilities: Any, reference: Any) -> Float[Array, ""]:
    """Relative entropy (Kullback-Leibler divergence) sum p ln(p / q) of discrete distributions; nat.

    Args:
        probabilities: p, of any shape.
        reference: q, of the same shape.

    Returns:
        A number >= 0, infinite where q vanishes and p does not.

    Source:
        Kullback & Leibler (1951), Ann. Math. Stat. 22, 79-86.
    """
    p, q = together(_distribution(probabilities, "probabilities"), _distribution(reference, "reference"))
    if p.shape != q.shape:
        raise InputError(f"reference has the shape {q.shape}: give {p.shape}, like probabilities")
    return jnp.sum(_p_log(p, p) - _p_log(p, q))


def mutual_information(joint: Any) -> Float[Array, ""]:
    """Mutual information of two discrete variables, sum p_xy ln(p_xy / (p_x p_y)); nat.

    Args:
        joint: p_xy (nx, ny).

    Source:
        Shannon (1948), Bell Syst. Tech. J. 27, 379-423, part II.
    """
    p = _distribution(joint, "joint")
    if p.ndim != 2:
        raise InputError(f"joint has the shape {p.shape}: give (values of x, values of y)")
    x, y = jnp.sum(p, axis=1, keepdims=True), jnp.sum(p, axis=0, keepdims=True)
    return jnp.sum(_p_log(p, p)) - jnp.sum(_p_log(x, x)) - jnp.sum(_p_log(y, y))


def gaussian_relative_entropy(mean: Any, covariance: Any, mean_reference: Any, covariance_reference: Any) -> Array:
    """Relative entropy of two Gaussians; nat.

        1/2 (tr(B^-1 A) - n + (b - a).B^-1 (b - a) + ln det B - ln det A)

    Args:
        mean, covariance: a (n,) and A (n, n).
        mean_reference, covariance_reference: b and B.

    Returns:
        A number >= 0; NaN for a covariance that is not positive definite.

    Raises:
        InputError: shapes that do not fit, a covariance that is not symmetric.
    """
    a, b = array(mean, "mean", 1), array(mean_reference, "mean_reference", 1)
    ca, cb = array(covariance, "covariance", 2), array(covariance_reference, "covariance_reference", 2)
    n = a.shape[0]
    if b.shape != (n,) or ca.shape != (n, n) or cb.shape != (n, n):
        raise InputError(f"means {a.shape}, {b.shape} and covariances {ca.shape}, {cb.shape}: give (n,) and (n, n)")
    a, ca, b, cb = together(a, ca, b, cb)
    need_symmetric(ca, "covariance")
    need_symmetric(cb, "covariance_reference")
    la, lb = jnp.linalg.cholesky(ca), jnp.linalg.cholesky(cb)
    ratio = jnp.linalg.solve(lb, la)
    shift = jnp.linalg.solve(lb, b - a)
    logs = jnp.sum(jnp.log(jnp.diag(lb))) - jnp.sum(jnp.log(jnp.diag(la)))
    return 0.5 * (jnp.sum(ratio**2) - n + shift @ shift) + logs


def gaussian_mutual_information(covariance: Any, first: Sequence[int]) -> Float[Array, ""]:
    """Mutual information of two parts of a Gaussian vector, 1/2 ln(det C_xx det C_yy / det C); nat.

    Args:
        covariance: C (n, n), positive definite.
        first: indices of x; the others are y.

    Returns:
        A number >= 0; NaN for a covariance that is not positive definite.

    Raises:
        InputError: a covariance that is not square and symmetric, indices that are not those of a part of it.

    Source:
        Gelfand & Yaglom (1959), Am. Math. Soc. Transl. 12, 199-246.
    """
    c = array(covariance, "covariance", 2)
    n = c.shape[0]
    if c.shape != (n, n):
        raise InputError(f"covariance has the shape {c.shape}: give a square matrix")
    need_symmetric(c, "covariance")
    x = list(indices(first, "first", n))
    y = [i for i in range(n) if i not in x]
    half = lambda part: jnp.sum(jnp.log(jnp.diag(jnp.linalg.cholesky(c[np.ix_(part, part)]))))  # noqa: E731
    return half(x) + half(y) - half([*x, *y])


def through_channel(joint: Any, channel: Any) -> Float[Array, "nx nz"]:
    """Joint distribution of x and z, where z is made from y alone: p_xz = sum_y p_xy p(z | y).

    Args:
        joint: p_xy (nx, ny).
        channel: p(z | y) (ny, nz), rows sum to 1; of a coarse graining z(y), a 1 in each row.
    """
    p, c = together(_distribution(joint, "joint"), array(channel, "channel", 2, "not negative"))
    if p.ndim != 2 or p.shape[1] != c.shape[0]:
        raise InputError(f"joint {p.shape} and channel {c.shape}: give (nx, ny) and (ny, nz)")
    if concrete(c) and not np.allclose(np.sum(np.asarray(c), axis=1), 1, atol=_SUM):
        raise InputError("a row of channel does not sum to 1: give p(z | y), y by row")
    return p @ c


class DataProcessing(eqx.Module):
    """Information before and after a step of processing, which can only lose some.

    Args:
        before: I(x; y), nat.
        after: I(x; z), z made from y alone; nat.
        lost: the difference.
        code: 1 where `after` exceeds `before` by more than the error; 2 where one is not finite; else 0.
    """

    before: Float[Array, "..."]
    after: Float[Array, "..."]
    lost: Float[Array, "..."]
    code: Int[Array, "..."]

    @property
    def holds(self) -> Bool[Array, "..."]:
        """True where information has not been gained."""
        return self.code == 0

    @property
    def reason(self) -> str:
        """What is wrong in the worst case, in words (needs concrete values)."""
        if isinstance(self.code, Tracer):
            return "<traced>"
        return {
            0: "no information is gained by processing",
            1: "processing seems to gain information: an estimate is biased, or z depends on more than y",
            2: "an information is not finite: a covariance is not positive definite",
        }[int(np.max(np.asarray(self.code)))]


def data_processing(before: Any, after: Any, error: Any = 0.0) -> DataProcessing:
    """Check the data-processing inequality I(x; z) <= I(x; y) for z made from y alone.

    Args:
        before: I(x; y), exact or estimated (arrays broadcast).
        after: I(x; z).
        error: of their difference, three standard errors for example; rounding comes on top.

    Returns:
        `DataProcessing`.

    Source:
        Cover & Thomas (2006), Elements of Information Theory, theorem 2.8.1.
    """
    b, a = (array(value, name, None, "any") for value, name in ((before, "before"), (after, "after")))
    b, a, e = together(b, a, array(error, "error", None, "not negative"))
    rounding = 64 * jnp.finfo(b.dtype).eps * (1 + jnp.abs(b))
    finite = jnp.isfinite(b) & jnp.isfinite(a)
    code = jnp.where(finite, jnp.where(a - b > e + rounding, DATA_PROCESSING_VIOLATED, 0), DATA_PROCESSING_NOT_FINITE)
    return DataProcessing(b, a, b - a, code.astype(jnp.int32))


def _distribution(value, name):
    p = array(value, name, None, "not negative")
    if concrete(p) and abs(float(np.sum(np.asarray(p))) - 1) > _SUM:
        raise InputError(f"{name} sums to {float(np.sum(np.asarray(p))):g}: give probabilities, which sum to 1")
    return p


def _p_log(p, q):
    """p ln q, 0 where p is 0, with a finite derivative there where q is not 0."""
    positive = p > 0
    return jnp.where(positive, p * jnp.log(jnp.where(positive, q, 1)), 0)
