"""Mutual information from samples: nearest neighbours, and a variational lower bound."""

from __future__ import annotations

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.scipy.special import digamma
from jaxtyping import Array, Float

from ..results import InputError
from ._checked import array, concrete, known_number, random_key, together, whole

# Samples whose distances to all others are held at once.
_ROWS = 64
# Share of the samples that must differ in each variable: distances of 0 have no neighbours to count.
_DIFFERENT = 0.9


def neighbour_information(x: Any, y: Any, *, neighbours: int = 4) -> Float[Array, ""]:
    """Mutual information of continuous variables by nearest neighbours; nat.

        I = psi(k) + psi(N) - < psi(n_x + 1) + psi(n_y + 1) >

    n_x counts the samples whose x lies nearer than the k-th neighbour in (x, y) does, in the maximum norm.

    Args:
        x: samples (N, a), or (N,).
        y: samples (N, b), or (N,).
        neighbours: k; more: less scatter, more bias.

    Returns:
        The estimate; for independent variables it is unbiased, and may be below 0.

    Raises:
        InputError: samples of different number, or not more than k + 1; more than a tenth of x or of y that repeats.

    Source:
        Kraskov, Stoegbauer & Grassberger (2004), Phys. Rev. E 69, 066138, eq. 8.

    Caveats:
        N^2 distances. Invariant under monotonic maps of x and y, up to its error: bring both to comparable, smooth
        distributions (ranks, or unit variance). Repeated values break it (under a trace in silence): add noise below
        their resolution, or count a joint histogram of discrete values and take `mutual_information`. Samples are taken
        to be independent. It is a count, and has no derivative: what JAX gives is 0.
    """
    x, y = _samples(x, y)
    k = whole(neighbours, "neighbours")
    if x.shape[0] < k + 2:
        raise InputError(f"{x.shape[0]} samples for neighbours={k}: give more")
    for v, name in ((x, "x"), (y, "y")):
        if concrete(v) and len(np.unique(np.asarray(v), axis=0)) < _DIFFERENT * len(v):
            raise InputError(
                f"{name} repeats values: add noise below their resolution, or take mutual_information of a histogram"
            )
    return _neighbours(jax.lax.stop_gradient(x), jax.lax.stop_gradient(y), k)


@partial(jax.jit, static_argnums=2)
def _neighbours(x, y, k):
    n = x.shape[0]

    def far(a, points):
        # Direction by direction: no array of rows x samples x components.
        return jnp.max(jnp.stack([jnp.abs(a[i] - points[:, i]) for i in range(points.shape[1])]), axis=0)

    def terms(i):
        dx, dy = far(x[i], x), far(y[i], y)
        both = jnp.maximum(dx, dy).at[i].set(jnp.inf)
        radius = -jax.lax.top_k(-both, k)[0][-1]
        # The sample itself is among those nearer: n_x + 1.
        count = lambda d: jnp.maximum(jnp.sum(d < radius), 1).astype(x.dtype)  # noqa: E731
        return digamma(count(dx)) + digamma(count(dy))

    mean = jnp.mean(jax.lax.map(terms, jnp.arange(n), batch_size=min(_ROWS, n)))
    return digamma(jnp.asarray(k, x.dtype)) + digamma(jnp.asarray(n, x.dtype)) - mean


class VariationalInformation(eqx.Module):
    """A lower bound of mutual information from a critic that was trained on other samples.

    Args:
        bound: E[T] - ln E'[exp T], nat; E over pairs, E' over shuffled ones, both held out.
        error: its standard error.
        critic: T(concatenated x and y), a network.
    """

    bound: Float[Array, ""]
    error: Float[Array, ""]
    critic: Any


def variational_information(
    key: Array, x: Any, y: Any, *, width: int = 32, steps: int = 1000, rate: float = 3e-3
) -> VariationalInformation:
    """Lower bound of mutual information by a trained critic T; nat.

        I(x; y) >= E[T(x, y)] - ln E'[exp T(x', y')],   x' and y' independent

    for every T, with equality for T = ln p_xy / (p_x p_y) + constant. The first half of the samples trains T (Adam with
    decaying weights, full batch with fresh shuffles), the second half gives the bound.

    Args:
        key: of `jax.random`.
        x: samples (N, a), or (N,).
        y: samples (N, b), or (N,).
        width: of the two hidden layers.
        steps: of the optimizer.
        rate: its learning rate, which falls to 0 along a cosine.

    Returns:
        `VariationalInformation`.

    Raises:
        InputError: samples of different number, or fewer than 8.

    Source:
        Donsker & Varadhan (1975), Comm. Pure Appl. Math. 28, 1-47; Belghazi et al. (2018), ICML, 531-540, eq. 10.

    Caveats:
        Where I exceeds ln N the bound cannot be estimated (McAllester & Stratos 2020, AISTATS). Samples are taken to be
        independent: neighbouring times of a path in both halves would spoil the bound.
    """
    x, y = _samples(x, y)
    if x.shape[0] < 8:
        raise InputError(f"{x.shape[0]} samples: give at least 8")
    spread = lambda v: (v - jnp.mean(v, axis=0)) / jnp.maximum(jnp.std(v, axis=0), 1e-30)  # noqa: E731
    speed = known_number(rate, "rate")
    return _variational(random_key(key), spread(x), spread(y), whole(width, "width"), whole(steps, "steps"), speed)


@eqx.filter_jit
def _variational(key, x, y, width: int, steps: int, rate: float):
    first, key = jax.random.split(key)
    critic = eqx.nn.MLP(x.shape[1] + y.shape[1], "scalar", width, 2, jax.nn.softplus, dtype=x.dtype, key=first)
    weights, rest = eqx.partition(critic, eqx.is_inexact_array)
    half = x.shape[0] // 2
    value = lambda w, x, y: jax.vmap(eqx.combine(w, rest))(jnp.concatenate([x, y], axis=1))  # noqa: E731
    log_mean = lambda t: jax.nn.logsumexp(t) - jnp.log(jnp.asarray(t.size, t.dtype))  # noqa: E731
    optimizer = optax.adamw(optax.cosine_decay_schedule(rate, steps), weight_decay=1e-2)

    def loss(w, order):
        pairs, mixed = value(w, x[:half], y[:half]), value(w, x[:half], y[:half][order])
        return log_mean(mixed) - jnp.mean(pairs)

    def step(carry, k):
        w, state = carry
        slope = jax.grad(loss)(w, jax.random.permutation(jax.random.fold_in(key, k), half))
        change, state = optimizer.update(slope, state, w)
        return (optax.apply_updates(w, change), state), None

    (weights, _), _ = jax.lax.scan(step, (weights, optimizer.init(weights)), jnp.arange(steps))
    x, y = x[half:], y[half:]
    n = x.shape[0]
    pairs = value(weights, x, y)
    # Every sample with sixteen others: a shift of the samples never meets a pair.
    shifts = 1 + jnp.arange(16) * (n - 1) // 16
    mixed = jax.vmap(lambda s: value(weights, x, jnp.roll(y, s, axis=0)))(shifts)
    ratio = jnp.mean(jnp.exp(mixed - log_mean(mixed)), axis=0)
    error = jnp.sqrt((jnp.var(pairs) + jnp.var(ratio)) / n)
    return VariationalInformation(jnp.mean(pairs) - log_mean(mixed), error, eqx.combine(weights, rest))


def _samples(x, y):
    x, y = together(array(x, "x", (1, 2)), array(y, "y", (1, 2)))
    x, y = (v[:, None] if v.ndim == 1 else v for v in (x, y))
    if x.shape[0] != y.shape[0]:
        raise InputError(f"x has {x.shape[0]} samples and y {y.shape[0]}: give as many")
    return x, y
