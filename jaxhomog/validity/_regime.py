"""Separation of scales: how far apart must length and time scales be for a scheme to be trusted?"""

from __future__ import annotations

from typing import Final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Int, Real

from ..results import InputError, real_array

REGIME_STRONG: Final = 0
REGIME_WEAK: Final = 1
REGIME_NONE: Final = 2
REGIME_UNDECIDED: Final = 3

# name and advice; the order is the severity.
_REGIMES: Final = (
    ("strong", "hierarchical: first-order homogenization, the effective property is passed up once"),
    ("weak", "corrected: first-order correctors or second-order homogenization, the first order alone is too coarse"),
    ("none", "concurrent: the scales are not separated, resolve the microstructure where the macroscopic field varies"),
    ("undecided", "a ratio, a constant or the tolerance is NaN or negative: give scales that are not negative"),
)

# Units in the last place by which a sum may exceed the tolerance and still be equal to it: one rounding for each
# input, one for each operation.
_ULPS: Final = 4


class Regime(eqx.Module):
    """How well scales are separated: an integer code per lane, with a name and the advice that follows.

    Args:
        code: 0 strong, 1 weak, 2 none, 3 undecided.
    """

    code: Int[Array, "..."]

    @property
    def name(self) -> str:
        """Name of the regime; of several lanes, the worst (needs concrete values)."""
        return self._text(0)

    @property
    def advice(self) -> str:
        """Which scheme to use; of several lanes, for the worst (needs concrete values)."""
        return self._text(1)

    def _text(self, column: int) -> str:
        if isinstance(self.code, Tracer):
            return "<traced>"
        return _REGIMES[int(np.max(np.asarray(self.code)))][column]


def regime(
    eps_length: Real[ArrayLike, "..."],
    eps_time: Real[ArrayLike, "..."],
    tolerance: Real[ArrayLike, "..."],
    first: Real[ArrayLike, "..."] = 1.0,
    second: Real[ArrayLike, "..."] = 1.0,
) -> Regime:
    """Regime of scale separation for a tolerance.

        strong:  c1 eps_L + eps_T <= tau,     weak:  c2 eps_L^2 + eps_T^2 <= tau,     none otherwise

    The error of a first-order scheme is of order eps, that of a corrected one of order eps^2, with constants of order
    one that the textbook rule takes as one. Equality is inside, up to four units in the last place of the dtype.

    Args:
        eps_length: L_micro / L_macro.
        eps_time: T_micro / T_macro; 0 for a steady problem.
        tolerance: tau, the relative error that is accepted. All of them may be arrays that broadcast.
        first: c1; `expansion_constants` has those of a cell.
        second: c2.

    Returns:
        `Regime` of the broadcast shape; `undecided` where a number is NaN or negative.

    Fails with:
        InputError: what is no real number, no number at all, or shapes that do not broadcast.

    Source:
        Orders of the two-scale expansion: Bensoussan, Lions & Papanicolaou (1978), Asymptotic Analysis for Periodic
        Structures, chapter 1. (They hold for means and in L2: near a boundary the corrected field keeps an error of
        order sqrt(eps) in H1, Jikov, Kozlov & Oleinik (1994), Homogenization of Differential Operators, chapter 1.)
    """
    given = {"eps_length": eps_length, "eps_time": eps_time, "tolerance": tolerance, "first": first, "second": second}
    arrays = {name: real_array(x, name) for name, x in given.items()}
    try:
        jnp.broadcast_shapes(*(x.shape for x in arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {x.shape}" for name, x in arrays.items())
        raise InputError(f"{shapes} must broadcast: give one shape, or numbers") from None
    for name, x in arrays.items():
        if x.size == 0:
            raise InputError(f"{name} has shape {x.shape}: give at least one number")
    # Python numbers take the precision of the arrays beside them, and of JAX's default where there is none.
    dtype = jnp.result_type(*(given[name] if np.ndim(given[name]) == 0 else x for name, x in arrays.items()), 0.0)
    length, time, tau, c1, c2 = (x.astype(dtype) for x in arrays.values())
    limit = tau * (1 + _ULPS * jnp.finfo(dtype).eps)
    strong, weak = c1 * length + time <= limit, c2 * length**2 + time**2 <= limit
    known = (length >= 0) & (time >= 0) & (tau >= 0) & (c1 >= 0) & (c2 >= 0)
    code = jnp.where(strong, REGIME_STRONG, jnp.where(weak, REGIME_WEAK, REGIME_NONE))
    return Regime(jnp.where(known, code, REGIME_UNDECIDED).astype(jnp.int32))
