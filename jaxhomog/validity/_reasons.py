"""Why fields do not pass energy faithfully: a code of bits (it goes through jit and vmap) and its text."""

from __future__ import annotations

from typing import Final

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Int

EQUILIBRIUM: Final = 1
COMPATIBILITY: Final = 2
AVERAGES: Final = 4
ENERGY: Final = 8
NOT_FINITE: Final = 16

FAITHFUL: Final = "faithful: the scales agree in power, and nothing that was checked is violated"


def reason_code(**violated) -> Int[Array, "..."]:
    """Sum of the bits of what is violated.

    Args:
        violated: booleans (arrays of one shape) named equilibrium, compatibility, averages, energy, not_finite.

    Returns:
        Integer array; 0 where nothing is violated.
    """
    bits = {
        "equilibrium": EQUILIBRIUM,
        "compatibility": COMPATIBILITY,
        "averages": AVERAGES,
        "energy": ENERGY,
        "not_finite": NOT_FINITE,
    }
    code = jnp.zeros((), jnp.int32)
    for name, bad in violated.items():
        code = code + jnp.where(bad, bits[name], 0).astype(jnp.int32)
    return code


def reason_text(code: Int[Array, "..."]) -> str:
    """The reason in words; of several lanes, everything that is violated in any (needs concrete values)."""
    if isinstance(code, Tracer):
        return "<traced>"
    bits = int(np.bitwise_or.reduce(np.asarray(code), axis=None))
    if bits == 0:
        return FAITHFUL
    if bits & NOT_FINITE:
        return "not finite: the fields hold NaN or infinite values"
    causes = []
    if bits & EQUILIBRIUM and bits & COMPATIBILITY:
        causes.append("both: not in equilibrium and not compatible")
    elif bits & EQUILIBRIUM:
        causes.append("not in equilibrium")
    elif bits & COMPATIBILITY:
        causes.append("not compatible")
    if bits & AVERAGES:
        causes.append("averages do not match the prescribed ones")
    if not causes:
        return (
            "power is lost between the scales; equilibrium and compatibility were not checked (give the grid of voxel"
            " fields) or hold to the tolerance (give a smaller one)"
        )
    return "; ".join(causes)
