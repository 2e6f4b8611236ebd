"""Mori-Zwanzig in discrete time: operators of a recursion from correlation matrices of observables."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int

from ..results import InputError
from ._checked import array, need_definite, together, tolerance_of, whole
from ._correlation import as_trajectories, time_correlation

MEMORY_ORTHOGONALITY: Final = 1
MEMORY_FLUCTUATION: Final = 2
MEMORY_NOT_FINITE: Final = 4

# Trajectories from which on four standard errors are a bound: half of the observables' own size.
_FEWEST: Final = 64

_REASONS: Final = {
    MEMORY_NOT_FINITE: "the operators or the noise are not finite: observables that depend linearly on one another"
    " (leave some out) or trajectories with NaN",
    MEMORY_ORTHOGONALITY: "the noise is correlated with the initial observables: the operators are those of other"
    " trajectories, or too few samples were taken",
    MEMORY_FLUCTUATION: "the noise does not have the correlation that the memory asks for: the trajectories are not"
    " stationary, or too few samples were taken",
}
_SOUND: Final = "the noise is orthogonal to the initial observables and balances the memory"


class MemoryReport(eqx.Module):
    """Whether a memory and the noise that it leaves belong together.

    Args:
        orthogonality: largest |<W_n g(0)^T>| over n, in units of |<g g^T>| (Frobenius).
        fluctuation: largest |Omega_n <g g^T> - <W_(n-1) g(-1)^T>| over n >= 1, in the same unit.
        noise: root mean square of W_n (lags,), over that of g.
        code: what is wrong (bits, see `reason`); 0 where both residuals are within the tolerance.
    """

    orthogonality: Float[Array, ""]
    fluctuation: Float[Array, ""]
    noise: Float[Array, " lags"]
    code: Int[Array, ""]

    @property
    def holds(self) -> Bool[Array, ""]:
        """True where nothing is violated."""
        return self.code == 0

    @property
    def reason(self) -> str:
        """What is violated, in words (needs concrete values)."""
        if isinstance(self.code, Tracer):
            return "<traced>"
        bits = int(np.asarray(self.code))
        return "; ".join(text for bit, text in _REASONS.items() if bits & bit) or _SOUND


class DiscreteMemory(eqx.Module):
    """g(n + 1) = sum_l operators[l] g(n - l) + W_n, the first operator the Markov term.

    Args:
        operators: Omega_l (lags, d, d).
    """

    operators: Float[Array, "lags d d"]

    def noise(self, trajectories: Any) -> Float[Array, "batch lags d"]:
        """W_0 .. W_(lags-1) of every trajectory, from its first lags + 1 values."""
        g = as_trajectories(trajectories)
        self.need_observables(g)
        need_steps(g, len(self.operators) + 1)
        return _noise(self.operators, g)

    def predict(self, start: Any, steps: int) -> Float[Array, "steps d"]:
        """The recursion without noise, going on from past values.

        Args:
            start: (m, d), oldest first; m up to the number of operators are looked at.
            steps: values to predict.
        """
        past, lags = array(start, "start", 2), len(self.operators)
        if past.shape[1] != self.operators.shape[1]:
            raise InputError(f"start has the shape {past.shape}: give (times, {self.operators.shape[1]})")
        past = past.astype(self.operators.dtype)[-lags:]
        held = jnp.zeros((lags, past.shape[1]), past.dtype).at[lags - past.shape[0] :].set(past)

        def step(held, _):
            new = jnp.einsum("lab,lb->a", self.operators, jnp.flip(held, 0))
            return jnp.concatenate([held[1:], new[None]]), new

        return jax.lax.scan(step, held, None, length=whole(steps, "steps"))[1]

    def need_observables(self, g) -> None:
        """Raise `InputError` for trajectories of another number of observables."""
        if g.shape[2] != self.operators.shape[1]:
            raise InputError(f"trajectories have {g.shape[2]} observables: give {self.operators.shape[1]}, like memory")


def discrete_memory(trajectories: Any, lags: int, *, correlation: Any = None) -> DiscreteMemory:
    """Operators of the discrete generalized Langevin equation of observables, from data.

        Omega_0 = C(1) C(0)^-1,    Omega_n = (C(n + 1) - sum_l<n Omega_l C(n - l)) C(0)^-1,    C(n) = <g(n) g(0)^T>

    With many observables Omega_0 is the extended dynamic mode decomposition; the rest is what it leaves out.

    Args:
        trajectories: g (batch, steps, d) at equal times, stationary; include a constant observable for the mean.
            None where `correlation` is given.
        lags: number of operators.
        correlation: C (lags + 1, d, d), where it is known.

    Returns:
        `DiscreteMemory`. Exact in time: there is no error of the step.

    Raises:
        InputError: fewer than lags + 1 times, observables that depend linearly on one another, data of both kinds.

    Source:
        Lin, Tian, Livescu & Anghel (2021), SIAM J. Appl. Dyn. Syst. 20, 2558-2601, section 3.2.
    """
    lags = whole(lags, "lags")
    if correlation is not None and trajectories is not None:
        raise InputError("both trajectories and correlation: give one of them, None for the other")
    if correlation is None:
        g = as_trajectories(trajectories)
        need_steps(g, lags + 1)
        c = time_correlation(g, lags + 1, same_origins=True)
    else:
        c = array(correlation, "correlation", 3)
        if c.shape[0] < lags + 1 or c.shape[1] != c.shape[2]:
            raise InputError(f"correlation has the shape {c.shape}: give ({lags + 1}, d, d) for {lags} operators")
    need_definite(c[0], "correlation of the observables", "leave out those that depend linearly on others")
    return DiscreteMemory(_operators(c, lags))


def need_steps(g, steps: int) -> None:
    """Raise `InputError` for trajectories that are too short."""
    if g.shape[1] < steps:
        raise InputError(f"trajectories have {g.shape[1]} steps: give at least {steps}")


@partial(jax.jit, static_argnums=1)
def _operators(c, lags):
    inverse = jnp.linalg.inv(c[0])

    def step(omega, n):
        # C(n - l) for l = 0 .. lags - 1; operators from n on are still zero.
        earlier = c[jnp.maximum(n - jnp.arange(lags), 0)]
        past = jnp.einsum("lab,lbc->ac", omega, earlier, precision=jax.lax.Precision.HIGHEST)
        return omega.at[n].set((c[n + 1] - past) @ inverse), None

    return jax.lax.scan(step, jnp.zeros((lags, *c.shape[1:]), c.dtype), jnp.arange(lags))[0]


@jax.jit
def _noise(operators, g):
    lags = len(operators)

    def at(n):
        weight = jnp.where(jnp.arange(lags)[:, None, None] <= n, operators, 0)
        return g[:, n + 1] - jnp.einsum("lab,klb->ka", weight, g[:, jnp.maximum(n - jnp.arange(lags), 0)])

    return jnp.moveaxis(jax.lax.map(at, jnp.arange(lags)), 0, 1)


def certify_memory(memory: DiscreteMemory, trajectories: Any, *, tolerance: float | None = None) -> MemoryReport:
    """Whether the noise that a memory leaves is orthogonal to the present, and balances it.

        <W_n g(0)^T> = 0,        Omega_n <g g^T> = <W_(n-1) g(-1)^T>,  n >= 1

    The second line is the fluctuation-dissipation relation in discrete time, for a stationary process with any
    dynamics: of g(-1) the noise sees the part that is orthogonal to g(0), which is the noise of one step backwards.

    Args:
        memory: of these trajectories, or of others.
        trajectories: (batch, steps, d), at least lags + 2 steps; all origins in them are used.
        tolerance: of both residuals; default four standard errors of a correlation of independent trajectories,
            4 / sqrt(batch).

    Returns:
        `MemoryReport`.

    Raises:
        InputError: trajectories that are too short or of other observables; fewer than 64 of them without a tolerance.

    Source:
        Lin, Tian, Livescu & Anghel (2021), section 3.3.
    """
    g = as_trajectories(trajectories)
    if not isinstance(memory, DiscreteMemory):
        raise InputError(f"memory is a {type(memory).__name__}: give a DiscreteMemory, from discrete_memory")
    need_steps(g, len(memory.operators) + 2)
    memory.need_observables(g)
    if tolerance is None and g.shape[0] < _FEWEST:
        raise InputError(
            f"{g.shape[0]} trajectories give no standard error to go by: cut them into at least {_FEWEST} pieces longer"
            " than their memory, or give a tolerance"
        )
    limit = tolerance_of(tolerance, 4 / np.sqrt(g.shape[0]))
    orthogonality, fluctuation, noise = _residuals(*together(memory.operators, g))
    code = (
        jnp.where(orthogonality > limit, MEMORY_ORTHOGONALITY, 0)
        + jnp.where(fluctuation > limit, MEMORY_FLUCTUATION, 0)
        + jnp.where(jnp.isfinite(orthogonality) & jnp.isfinite(fluctuation), 0, MEMORY_NOT_FINITE)
    )
    return MemoryReport(orthogonality, fluctuation, noise, code.astype(jnp.int32))


@jax.jit
def _residuals(operators, g):
    lags = len(operators)
    origins = g.shape[1] - lags - 1
    cut = lambda k: jax.lax.dynamic_slice_in_dim(g, k, lags + 2, axis=1)  # noqa: E731
    mean = lambda a, b: jnp.einsum("kna,kb->nab", a, b) / len(g)  # noqa: E731

    def add(total, k):
        window = cut(k)
        w = _noise(operators, window[:, 1:])
        parts = (
            mean(w, window[:, 1]),
            mean(w, window[:, 0]),
            mean(window[:, 1:2], window[:, 1])[0],
            jnp.mean(w**2, axis=0),
        )
        return jax.tree.map(jnp.add, total, parts), None

    d = g.shape[2]
    blank = tuple(jnp.zeros(shape, g.dtype) for shape in ((lags, d, d), (lags, d, d), (d, d), (lags, d)))
    (now, earlier, c0, square), _ = jax.lax.scan(add, blank, jnp.arange(origins))
    now, earlier, c0, square = now / origins, earlier / origins, c0 / origins, square / origins
    unit = jnp.sqrt(jnp.sum(c0**2))
    gap = (operators @ c0)[1:] - earlier[:-1]
    size = lambda x: jnp.max(jnp.sqrt(jnp.sum(x**2, axis=(1, 2))), initial=0) / unit  # noqa: E731
    return size(now), size(gap), jnp.sqrt(jnp.sum(square, axis=1) / jnp.trace(c0))
