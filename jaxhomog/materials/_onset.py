"""Whether a point has left its elastic domain: decided above rounding, or not at all."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def beyond(excess: Float[Array, "*pts"], scale: Float[Array, "*pts"]) -> Bool[Array, "*pts"]:
    """Whether an excess over a threshold is more than rounding of the numbers of size `scale` that it is made of.

    A load that is held leaves a point on its threshold to the last bits. Programs that round differently would decide
    differently there, and the tangent of one decision does not belong to the residual of the other: gradients through
    a step without change would be wrong in the third digit.

    Args:
        excess: value minus threshold.
        scale: size of the value, same units.
    """
    return excess > 64 * float(jnp.finfo(excess.dtype).eps) * scale
