"""Exact projection of linear dynamics: what is left when part of the unknowns is eliminated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..results import InputError
from ._checked import array, indices, need_definite, need_symmetric


class Eliminated(eqx.Module):
    """The resolved part x of z' = A z without its rest: a Markov term, a memory and a noise.

        x'(t) = markov x(t) + int_0^t memory(s) x(t - s) ds + noise(t, z0)

    Args:
        inner: how the resolved part drives itself (n, n), `markov`.
        out: how the rest acts on it (n, m).
        into: how it drives the rest (m, n).
        rest: how the rest moves alone (m, m): the orthogonal dynamics.
        gain: G (m, n): the rest is measured from its linear regression G x on the resolved part.
        resolved: the unknowns that are kept.
    """

    inner: Float[Array, "n n"]
    out: Float[Array, "n m"]
    into: Float[Array, "m n"]
    rest: Float[Array, "m m"]
    gain: Float[Array, "m n"]
    resolved: tuple[int, ...] = eqx.field(static=True)

    @property
    def markov(self) -> Float[Array, "n n"]:
        """The rate that depends on the present alone."""
        return self.inner

    def memory(self, time: Any) -> Float[Array, "*t n n"]:
        """Memory kernel, out exp(rest t) into, at the times (...); unit 1 / time^2."""
        return self.out @ self._orthogonal(time) @ self.into

    def friction(self, time: Any) -> Float[Array, "*t n n"]:
        """Minus the memory kernel: the convention of generalized Langevin equations, x' = ... - int K x."""
        return -self.memory(time)

    def noise(self, time: Any, z0: Any) -> Float[Array, "*t n"]:
        """Force of the rest's own initial values, out exp(rest t) (y0 - G x0), at the times (...)."""
        x, y = self.split(z0)
        return self.out @ self._orthogonal(time) @ (y - self.gain @ x)

    def noise_correlation(self, time: Any, covariance: Any) -> Float[Array, "*t n n"]:
        """<F(t) F(0)^T> over initial values of the given covariance of z (n + m, n + m)."""
        c = array(covariance, "covariance", 2)
        kept, gone = list(self.resolved), self._gone
        if c.shape != (len(kept) + len(gone),) * 2:
            raise InputError(f"covariance has the shape {c.shape}: give {(len(kept) + len(gone),) * 2}")
        need_symmetric(c, "covariance")
        y = c[np.ix_(gone, gone)] - self.gain @ c[np.ix_(kept, gone)]
        y = y - c[np.ix_(gone, kept)] @ self.gain.T + self.gain @ c[np.ix_(kept, kept)] @ self.gain.T
        return self.out @ self._orthogonal(time) @ y @ self.out.T

    def full(self, time: Any, z0: Any) -> Float[Array, "*t n"]:
        """x(t) of the whole system, exp(A t) z0, at the times (...)."""
        x, y = self.split(z0)
        n = len(self.resolved)
        a = jnp.block([[self.inner, self.out], [self.into, self.rest]])
        return (_exponentials(a, time) @ jnp.concatenate([x, y - self.gain @ x]))[..., :n]

    def split(self, z0: Any) -> tuple[Array, Array]:
        """Resolved and eliminated part of a vector."""
        z = array(z0, "z0", 1)
        if z.shape[0] != len(self.resolved) + self.rest.shape[0]:
            raise InputError(f"z0 has {z.shape[0]} entries: give {len(self.resolved) + self.rest.shape[0]}")
        return z[jnp.asarray(self.resolved)], z[jnp.asarray(self._gone)]

    @property
    def _gone(self) -> list[int]:
        return [i for i in range(len(self.resolved) + self.rest.shape[0]) if i not in self.resolved]

    def _orthogonal(self, time):
        return _exponentials(self.rest, time)


def eliminate(operator: Any, resolved: Sequence[int], covariance: Any = None) -> Eliminated:
    """Eliminate unknowns from z' = A z, exactly.

        K(t) = A_xy exp(A_yy t) A_yx,    F(t) = A_xy exp(A_yy t) y0

    With the covariance C of an equilibrium the projection is Mori's: P f = <f x^T> <x x^T>^-1 x. The rest is then
    measured from its regression on x, y - C_yx C_xx^-1 x, so that the noise is orthogonal to x(0). Where the whole
    system dissipates nothing, A C antisymmetric (Hamiltonian motion in equilibrium), <F(t) F(0)^T> = -K(t) C_xx: the
    fluctuation-dissipation theorem, with K the `memory`, minus the `friction`.

    Args:
        operator: A (n + m, n + m), 1 / time.
        resolved: indices of the n unknowns that are kept.
        covariance: C (n + m, n + m), symmetric, positive definite in the resolved part; None: the rest is measured from
            zero.

    Returns:
        `Eliminated`.

    Raises:
        InputError: an operator that is not square, indices that are not n different ones with something left over, a
            covariance of another shape, not symmetric or singular in the resolved part.

    Source:
        Mori (1965), Prog. Theor. Phys. 33, 423-455, eqs. 3.5-3.12; Zwanzig (2001), Nonequilibrium Statistical
        Mechanics, section 8.1.
    """
    a = array(operator, "operator", 2)
    size = a.shape[0]
    if a.shape != (size, size):
        raise InputError(f"operator has the shape {a.shape}: give a square matrix")
    kept = indices(resolved, "resolved", size)
    gone = [i for i in range(size) if i not in kept]
    xx, xy, yx, yy = (a[np.ix_(rows, columns)] for rows in (kept, gone) for columns in (kept, gone))
    gain = jnp.zeros((len(gone), len(kept)), a.dtype)
    if covariance is not None:
        c = array(covariance, "covariance", 2)
        if c.shape != a.shape:
            raise InputError(f"covariance has the shape {c.shape}: give {a.shape}, like operator")
        c = c.astype(a.dtype)
        need_symmetric(c, "covariance")
        need_definite(c[np.ix_(kept, kept)], "covariance of the resolved part", "leave out what depends on the others")
        gain = jnp.linalg.solve(c[np.ix_(kept, kept)], c[np.ix_(kept, gone)]).T
    # w = y - G x:  x' = (A_xx + A_xy G) x + A_xy w,  w' = (A_yy - G A_xy) w + (A_yx + A_yy G - G (A_xx + A_xy G)) x.
    inner = xx + xy @ gain
    return Eliminated(inner, xy, yx + yy @ gain - gain @ inner, yy - gain @ xy, gain, kept)


def _exponentials(a, time):
    """exp(A t) for times of any shape."""
    t = array(time, "time").astype(a.dtype)
    flat = jax.vmap(lambda s: jax.scipy.linalg.expm(a * s, max_squarings=48))(t.ravel())
    return flat.reshape(*t.shape, *a.shape)
