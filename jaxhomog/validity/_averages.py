"""Averages over space, with any weight, and over realizations, with their errors; and whether the two agree."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import jit
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Real

from ..fields._averages import box_mean
from ..microstructure._arguments import image_array, number, voxels
from ..microstructure._quantiles import level_of, student_quantile
from ..results import InputError

AVERAGES_AGREE: Final = 0
AVERAGES_DIFFER: Final = 1
AVERAGES_UNDECIDED: Final = 2

_VERDICTS: Final = ("agree", "differ", "cannot be decided")


def spatial_average(
    field: Real[ArrayLike, "..."],
    weight: Real[ArrayLike, "..."] | None = None,
    *,
    dim: int | None = None,
    rank: int = 0,
) -> Float[Array, "..."]:
    """Weighted mean over space, <a>_w = sum w a / sum w.

    Args:
        field: a (*batch, *space, *components), any unit.
        weight: None: uniform; or (*space), (*batch, *space): `labels == phase`, `smooth_window`, any other.
        dim: number of space axes; default all but the last `rank`.
        rank: number of axes of components behind those of space.

    Returns:
        (*batch, *components); NaN where the weights add up to 0. Differentiable in field and weight.

    Fails with:
        InputError: no one to three space axes, a weight that does not fit, or no real numbers.
    """
    a = image_array(field, "field")
    for name, axes in (("dim", 1 if dim is None else dim), ("rank", rank)):
        if isinstance(axes, bool) or not isinstance(axes, int | np.integer):
            raise InputError(f"{name}={axes!r}: give a number of axes")
    d = a.ndim - rank if dim is None else dim
    if rank < 0 or not 1 <= d <= 3 or d + rank > a.ndim:
        raise InputError(f"a field of shape {a.shape} with dim={dim}, rank={rank}: give one to three space axes")
    a = jnp.moveaxis(a, tuple(range(a.ndim - rank, a.ndim)), tuple(range(rank)))
    space = a.shape[a.ndim - d :]
    if weight is None:
        return _components_last(box_mean(a, d), rank)
    counted = not jnp.issubdtype(jnp.result_type(weight), jnp.floating) if hasattr(weight, "dtype") else False
    w = image_array(weight, "weight")
    w = w.astype(a.dtype) if counted else w  # labels == phase do not lift a field's precision
    if w.ndim < d or w.shape[w.ndim - d :] != space or w.shape[: w.ndim - d] not in ((), a.shape[rank : a.ndim - d]):
        raise InputError(f"a weight of shape {w.shape}: give {space}, or with the batch axes of the field before it")
    total = box_mean(w, d)
    # Weights of mean one: products with large ones would overflow.
    mean = box_mean(w / jnp.expand_dims(jnp.where(total == 0, jnp.nan, total), tuple(range(-d, 0))) * a, d)
    return _components_last(mean, rank)


def smooth_window(
    shape: Sequence[int], half_width: float, centre: Real[ArrayLike, " d"] | None = None
) -> Float[Array, "..."]:
    """Weight of a smooth periodic window, normalized to sum 1.

        w(x) ~ prod_k (1 + cos(pi x_k / h)) / 2    for |x_k| < h, else 0

    Windows h apart add up to a constant (h an integer that divides the edges): their means average to the volume mean.

    Args:
        shape: voxels along each axis; one to three. An axis of one voxel has weight 1.
        half_width: h in voxels, above 0.5 and at most half of the shortest edge (axes of one voxel do not count).
        centre: in voxels, voxel i has its centre at i + 1/2; default: of the box. May be traced.

    Returns:
        Weights of `shape`.

    Fails with:
        InputError: a bad shape, a half-width out of range, a centre that is not d numbers.

    Source:
        Filters of volume averaging: Quintard & Whitaker (1994), Transp. Porous Media 14, 163-177.
    """
    shape = voxels(shape)
    h = number(half_width, "half_width", 0.5)
    edge = min((n for n in shape if n > 1), default=1)
    if edge > 1 and h > edge / 2:
        raise InputError(f"half_width={h:g}: at most half of the shortest edge, {edge} voxels")
    c = image_array(np.asarray(shape) / 2 if centre is None else centre, "centre")
    if c.shape != (len(shape),) or not (isinstance(c, Tracer) or bool(jnp.all(jnp.isfinite(c)))):
        raise InputError(f"centre={centre}: give {len(shape)} finite numbers")
    return _window(shape, jnp.asarray(h, c.dtype), c)


class EnsembleAverage(eqx.Module):
    """Mean over realizations and its error.

    Args:
        mean: of the realizations (*values).
        scatter: their standard deviation (*values); NaN for a single one.
        error: standard error of the mean (*values).
        half_width: of the confidence interval of the mean (*values).
        number: m, of realizations.
        level: of confidence.
    """

    mean: Float[Array, "*values"]
    scatter: Float[Array, "*values"]
    error: Float[Array, "*values"]
    half_width: Float[Array, "*values"]
    number: int = eqx.field(static=True)
    level: float = eqx.field(static=True)


def ensemble_average(values: Real[ArrayLike, "m *values"], *, level: float = 0.95) -> EnsembleAverage:
    """Average over independent realizations, with standard error and Student's confidence interval.

        mean +- t_{m-1} s / sqrt(m)

    Args:
        values: (m, *values): realizations first; any unit. A NaN spoils only its own entry.
        level: of confidence, in (0, 1).

    Returns:
        `EnsembleAverage`.

    Fails with:
        InputError: no leading axis, no realizations, no real numbers, or a level outside (0, 1).
    """
    level, x = level_of(level), image_array(values, "realizations")
    if x.ndim < 1 or x.shape[0] < 1:
        raise InputError(f"values of shape {x.shape}: give realizations on the first axis")
    m, mean = x.shape[0], jnp.mean(x, axis=0)
    scatter = jnp.sqrt(jnp.sum((x - mean) ** 2, axis=0) / (m - 1)) if m > 1 else jnp.full_like(mean, jnp.nan)
    error = scatter / m**0.5
    factor = student_quantile(level, jnp.asarray(m - 1.0, x.dtype))
    return EnsembleAverage(mean, scatter, error, factor * error, m, level)


class Agreement(eqx.Module):
    """Whether a spatial average agrees with the ensemble average.

    Args:
        z: their difference over its standard error (*values).
        limit: |z| up to which they agree at `level` (*values).
        code: 0 agree, 1 differ, 2 cannot be decided (*values).
        level: of confidence.
    """

    z: Float[Array, "*values"]
    limit: Float[Array, "*values"]
    code: Int[Array, "*values"]
    level: float = eqx.field(static=True)

    @property
    def verdict(self) -> str:
        """Of several values the worst (needs concrete values)."""
        return "<traced>" if isinstance(self.code, Tracer) else _VERDICTS[int(np.max(np.asarray(self.code)))]

    @property
    def reason(self) -> str:
        """The verdict in words (needs concrete values)."""
        if isinstance(self.code, Tracer):
            return "<traced>"
        z, limit, code = (np.atleast_1d(np.asarray(x)).ravel() for x in (self.z, self.limit, self.code))
        if np.any(code == AVERAGES_UNDECIDED):
            return "cannot be decided: an average or its error is NaN, zero or infinite, or there is one realization"
        at = int(np.argmax(np.abs(z) / limit))
        return (
            f"spatial and ensemble average {self.verdict}: they are {abs(z[at]):.3g} standard errors apart, where"
            f" {limit[at]:.3g} are allowed at a level of {self.level:.4g}"
        )


def averages_agree(
    spatial: Real[ArrayLike, "*values"],
    ensemble: EnsembleAverage,
    error: Real[ArrayLike, "*values"] | None = None,
    *,
    level: float = 0.95,
) -> Agreement:
    """Does the spatial average of one realization agree with the ensemble average?

        z = (spatial - mean) / sqrt(error^2 + s^2 / m),    |z| <= t_{m-1}

    Without `error` the realization is taken to scatter as those of the ensemble do, error = s. It must then not be one
    of them: z is exactly Student's for an independent realization of a normal quantity. With an error from the image
    itself (`fraction_interval`), agreement says that the image knows how far it is from the ensemble; the quantile is
    then on the safe side.

    Args:
        spatial: average of one realization.
        ensemble: from `ensemble_average`, of the same shape.
        error: standard error of `spatial`, one or (*values), or None; negative or infinite ones decide nothing.
        level: of confidence of each value; of many values some differ by chance.

    Returns:
        `Agreement`.

    Fails with:
        InputError: shapes that do not fit, no real numbers, or a level outside (0, 1).
    """
    level, x = level_of(level), image_array(spatial, "spatial")
    if not isinstance(ensemble, EnsembleAverage):
        raise InputError(f"ensemble is a {type(ensemble).__name__}: give `ensemble_average(values)`")
    if x.shape != ensemble.mean.shape:
        raise InputError(f"spatial has shape {x.shape}, the ensemble average {ensemble.mean.shape}: give one shape")
    own = ensemble.scatter if error is None else image_array(error, "error")
    if own.shape not in ((), x.shape):
        raise InputError(f"error has shape {own.shape} for values of shape {x.shape}: give one number, or one for each")
    total = jnp.sqrt(own**2 + ensemble.error**2)
    z = (x - ensemble.mean) / jnp.where((total > 0) & (own >= 0) & jnp.isfinite(total), total, jnp.nan)
    limit = jnp.broadcast_to(student_quantile(level, jnp.asarray(ensemble.number - 1.0, z.dtype)), z.shape)
    code = jnp.where(jnp.abs(z) <= limit, AVERAGES_AGREE, AVERAGES_DIFFER)
    code = jnp.where(jnp.isfinite(z) & jnp.isfinite(limit), code, AVERAGES_UNDECIDED)
    return Agreement(z, limit, code.astype(jnp.int32), level)


@partial(jit, static_argnums=0)
def _window(shape: tuple[int, ...], h, centre) -> Array:
    w = jnp.ones((), centre.dtype)
    for k, n in enumerate(shape):
        x = jnp.mod(jnp.arange(n) + 0.5 - centre[k] + 0.5 * n, n) - 0.5 * n
        row = jnp.where(jnp.abs(x) < h, 0.5 * (1 + jnp.cos(jnp.pi * x / h)), 0) if n > 1 else jnp.ones(1)
        w = w[..., None] * (row / jnp.sum(row)).astype(w.dtype)
    return w


def _components_last(x, rank: int) -> Array:
    return jnp.moveaxis(x, tuple(range(rank)), tuple(range(x.ndim - rank, x.ndim)))
