"""Memory kernels from correlation functions: inversion of the Volterra equation, of second order in the step."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..results import InputError
from ._checked import array, need_definite
from ._correlation import as_trajectories

KINDS: Final = ("first", "second")


class MemoryKernel(eqx.Module):
    """Markov term and friction kernel of x' = markov x - int_0^t friction(s) x(t - s) ds + noise.

    Args:
        time: t (n,).
        markov: (d, d), 1 / time.
        friction: K (n, d, d), 1 / time^2.
    """

    time: Float[Array, " n"]
    markov: Float[Array, "d d"]
    friction: Float[Array, "n d d"]

    def noise(self, trajectories: Any) -> Float[Array, "batch k d"]:
        """The orthogonal noise of every trajectory, what the other terms leave of its rate.

            F(t) = x'(t) - W x(t) + int_0^t K(s) x(t - s) ds

        Of the process that the kernel belongs to, <F(t) x(0)^T> = 0 and <F(t) F(0)^T> = K(t) C(0).

        Args:
            trajectories: x (batch, steps, d), or (batch, steps) of scalars, in the kernel's step of time.

        Returns:
            F at the times 0, dt, .. of the k = min(steps, n) first states; central differences (one-sided at both ends)
            and the trapezoidal rule, errors of order dt^2.

        Raises:
            InputError: fewer than three steps, other variables.
        """
        x = as_trajectories(trajectories)[:, : len(self.friction)]
        if x.shape[1] < 3 or x.shape[2] != self.markov.shape[0]:
            raise InputError(
                f"trajectories of {x.shape[1]} steps and {x.shape[2]} variables: give at least 3 steps, and"
                f" {self.markov.shape[0]}, like the kernel"
            )
        return _noise(self, x)


def memory_kernel(
    correlation: Any,
    dt: Any,
    *,
    rate: Any = None,
    acceleration: Any = None,
    kind: str | None = None,
    kink: bool = False,
) -> MemoryKernel:
    """The friction kernel of a correlation function C(t) = <x(t) x(0)^T>.

        C'(t) = W C(t) - int_0^t K(s) C(t - s) ds,    W = C'(0) C(0)^-1

    "first": the integral, an equation of the first kind for G = int_0^t K, by the midpoint rule. It needs no second
    derivative of C; K is the difference of neighbouring G. From samples of C it is the more accurate one.

    "second": the derivative, a Volterra equation of the second kind, by the trapezoidal rule,

        K(t) C(0) = W C'(t) - C''(t) - int_0^t K(s) C'(t - s) ds.

    Derivatives that are not given are central differences, with C(-t) = C(t)^T at the start.

    Args:
        correlation: C (n, d, d), or (n,) of a scalar, at the times 0, dt, 2 dt, ...; n >= 5.
        dt: step, time.
        rate: C' at the same times; the first kind uses its first values alone.
        acceleration: C'' at the same times (second kind).
        kind: "first" or "second"; default "second" where `acceleration` is given, else "first".
        kink: True where C has a corner at t = 0, as under white noise: differences are then one-sided there.

    Returns:
        `MemoryKernel` at the n times, with errors of order dt^2. Without `acceleration` the last value is the
        extrapolation of the three before. NaN or infinite where C(0) is singular (under a trace).

    Raises:
        InputError: fewer than five times, arrays of other shapes, another kind, a C(0) that is not symmetric positive
            definite.

    Source:
        Berkowitz, Morgan, Kouri & McCammon (1981), J. Chem. Phys. 75, 2462-2463 (second kind); Kowalik, Daldrop,
        Kappler, Schulz, Schlaich & Netz (2019), Phys. Rev. E 100, 012126 (integrated kernel); Linz (1985), Analytical
        and Numerical Methods for Volterra Equations, sections 7.1 and 9.2.

    Caveats:
        Values of C at late times are noise divided by C(0): cut the correlation where it is lost in its standard error.
    """
    kind = kind if kind is not None else KINDS[0] if acceleration is None else KINDS[1]
    if kind not in KINDS:
        raise InputError(f"kind={kind!r}: choose from {', '.join(KINDS)}")
    c = _matrices(correlation, "correlation")
    if c.shape[0] < 5:
        raise InputError(f"correlation has {c.shape[0]} times: give at least five")
    need_definite(c[0], "correlation at t = 0", "leave out variables that depend on the others")
    h = array(dt, "dt", 0, "positive").astype(c.dtype)
    given = []
    for value, name in ((rate, "rate"), (acceleration, "acceleration")):
        d = None if value is None else _matrices(value, name).astype(c.dtype)
        if d is not None and d.shape != c.shape:
            raise InputError(f"{name} has the shape {d.shape}: give {c.shape}, like correlation")
        given.append(d)
    first, second = given
    if kind == "first" and second is not None:
        raise InputError("acceleration is used by kind='second' alone: leave it out")
    return _invert(c, h, first, second, kind, bool(kink))


def _matrices(value, name):
    x = array(value, name, (1, 3))
    x = x[:, None, None] if x.ndim == 1 else x
    if x.shape[1] != x.shape[2]:
        raise InputError(f"{name} has the shape {x.shape}: give (times,) or (times, d, d)")
    return x


@partial(jax.jit, static_argnums=(4, 5))
def _invert(c, h, first, second, kind, kink):
    before = c[1].T
    rate = _rate(c, h, before, kink) if first is None else first
    markov = jnp.linalg.solve(c[0].T, rate[0].T).T
    # C'' from C, or from C' with C'(-t) = -C'(t)^T.
    differences = _second(c, h, before, kink) if first is None else _rate(rate, h, -rate[1].T, kink)
    acceleration = differences if second is None else second
    if kind == "first":
        friction = _first_kind(c, h, markov)
        # The error of G is smooth, but does not vanish at 0 with G: the second kind gives the first value.
        start = jnp.linalg.solve(c[0].T, (markov @ rate[0] - acceleration[0]).T).T
        friction = jnp.concatenate([start[None], friction])
    else:
        friction = _second_kind(c[0], h, markov, rate, acceleration)
    if second is None:
        friction = friction.at[-1].set(3 * friction[-2] - 3 * friction[-3] + friction[-4])
    return MemoryKernel(h * jnp.arange(len(c), dtype=c.dtype), markov, friction)


@jax.jit
def _noise(memory, x):
    steps, h = x.shape[1], memory.time[1] - memory.time[0]
    rate = _rate(jnp.moveaxis(x, 1, 0), h, None, True)
    padded = 2 * steps
    spectrum = jnp.einsum(
        "wab,kwb->kwa", jnp.fft.rfft(memory.friction[:steps], padded, axis=0), jnp.fft.rfft(x, padded, axis=1)
    )
    past = jnp.fft.irfft(spectrum, padded, axis=1)[:, :steps]
    ends = jnp.einsum("ab,knb->kna", memory.friction[0], x) + jnp.einsum(
        "nab,kb->kna", memory.friction[:steps], x[:, 0]
    )
    return jnp.moveaxis(rate, 0, 1) - x @ memory.markov.T + h * (past - 0.5 * ends)


def _second_kind(c0, h, markov, rate, acceleration):
    """K_n (C0 + h/2 C'_0) = W C'_n - C''_n - h (K_0 C'_n / 2 + sum_0<j<n K_j C'_(n-j))."""
    data = markov @ rate - acceleration
    left = (c0 + 0.5 * h * rate[0]).T
    start = jnp.linalg.solve(c0.T, data[0].T).T
    right = lambda n, k: data[n] - h * (_past(k, rate, n) - 0.5 * k[0] @ rate[n])  # noqa: E731
    return _march(start, left, right, len(rate))


def _first_kind(c, h, markov):
    """C_n - C_0 - W int_0^t C = -h sum_j G_(j+1/2) C_(n-j-1/2), solved for G; then K = G' from the second time on."""
    n = len(c)
    trapezoid = jnp.concatenate([jnp.zeros_like(c[:1]), jnp.cumsum(0.5 * h * (c[1:] + c[:-1]), axis=0)])
    data = -(c - c[0] - markov @ trapezoid)[1:] / h
    half = 0.5 * (c[1:] + c[:-1])
    left = half[0].T
    start = jnp.linalg.solve(left, data[0].T).T
    g = _march(start, left, lambda m, g: data[m] - _past(g, half, m), n - 1)
    inner = (g[1:] - g[:-1]) / h
    return jnp.concatenate([inner, inner[-1:]])


def _past(k, weights, n):
    """sum_j<n K_j D_(n-j); entries of K from n on are still zero."""
    steps = len(k)
    reversed_ = jnp.concatenate([jnp.flip(weights[:steps], 0), jnp.zeros_like(weights[:steps])])
    aligned = jax.lax.dynamic_slice_in_dim(reversed_, steps - 1 - n, steps)
    return jnp.einsum("jab,jbc->ac", k, aligned, precision=jax.lax.Precision.HIGHEST)


def _march(start, left, right, steps):
    """Values one after the other: K_n left^T = right(n, values before)."""
    factor = jnp.linalg.inv(left.T)

    def step(k, n):
        value = right(n, k) @ factor
        return jax.lax.dynamic_update_index_in_dim(k, value, n, 0), None

    empty = jnp.zeros((steps, *start.shape), start.dtype).at[0].set(start)
    return jax.lax.scan(step, empty, jnp.arange(1, steps))[0]


def _rate(c, h, before, kink):
    """C' by central differences."""
    inner = (c[2:] - c[:-2]) / (2 * h)
    first = (-3 * c[0] + 4 * c[1] - c[2]) / (2 * h) if kink else (c[1] - before) / (2 * h)
    last = (3 * c[-1] - 4 * c[-2] + c[-3]) / (2 * h)
    return jnp.concatenate([first[None], inner, last[None]])


def _second(c, h, before, kink):
    """C'' by central differences."""
    inner = (c[2:] - 2 * c[1:-1] + c[:-2]) / h**2
    first = (2 * c[0] - 5 * c[1] + 4 * c[2] - c[3]) / h**2 if kink else (c[1] - 2 * c[0] + before) / h**2
    last = (2 * c[-1] - 5 * c[-2] + 4 * c[-3] - c[-4]) / h**2
    return jnp.concatenate([first[None], inner, last[None]])
