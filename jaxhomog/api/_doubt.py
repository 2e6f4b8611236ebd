"""Where an element cannot be trusted with the moduli at hand: a warning beside the answer."""

from __future__ import annotations

import warnings
from typing import Any

import jax.numpy as jnp
from jax.core import Tracer

from ..fields import Space
from ..messages import AbstractResponse

_HOURGLASS, _LOCKING = 1, 2
_WORDS = {
    _HOURGLASS: "element='q1r' where stiffness differs by more than 50 times: its hourglass modes cost no energy, and"
    " struts may carry nothing; compare with element='q1e'",
    _LOCKING: "element='q1' where Poisson's ratio exceeds 0.45 locks: the result is too stiff; use element='q1e'",
}


def element_doubt(space: Space, response: AbstractResponse) -> dict[str, Any]:
    """An entry of `stats` about the element: 0, or the number of a doubt (see `warn_of_doubt`)."""
    parts, none = response.isotropic_part(), jnp.zeros((), jnp.int32)
    if len(parts) == 1 or space.name not in ("q1", "q1r"):
        return {"element_doubt": none}
    lam, mu = parts
    if space.name == "q1r":
        return {"element_doubt": jnp.where(jnp.min(mu) < 0.02 * jnp.max(mu), _HOURGLASS, none)}
    # nu > 0.45 is lambda > 9 mu.
    return {"element_doubt": jnp.where(jnp.any((mu > 0) & (lam > 9 * mu)), _LOCKING, none)}


def warn_of_doubt(stats: dict[str, Any]) -> None:
    """A warning after an eager call; nothing under a trace."""
    doubt = stats["element_doubt"]
    if not isinstance(doubt, Tracer) and doubt.ndim == 0 and int(doubt):
        warnings.warn(_WORDS[int(doubt)], stacklevel=3)
