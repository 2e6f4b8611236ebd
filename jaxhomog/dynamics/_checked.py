"""Arrays at the door of this room: what is given becomes a floating array, or one clear line."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array

from ..results import InputError


def array(value: Any, name: str, ndim: int | tuple[int, ...] | None = None, sign: str = "") -> Array:
    """`value` as a floating array.

    Args:
        value: numbers; arrays of JAX or numpy, or nested lists.
        name: of the argument, for the message.
        ndim: how many axes it may have; None: any.
        sign: "positive", "not negative", "" for any finite number, "any" for any; checked where values are concrete.

    Raises:
        InputError: no real numbers, other axes, no entry, values that are not finite or of the wrong sign.
    """
    try:
        x = jnp.asarray(value)
    except (TypeError, ValueError):
        raise InputError(f"{name}={value!r} is no array of numbers: give real numbers") from None
    if x.dtype == bool or not (jnp.issubdtype(x.dtype, jnp.integer) or jnp.issubdtype(x.dtype, jnp.floating)):
        raise InputError(f"{name} has the dtype {x.dtype}: give real numbers")
    allowed = (ndim,) if isinstance(ndim, int) else ndim
    if (allowed is not None and x.ndim not in allowed) or x.size == 0:
        axes = "" if allowed is None else f", with {' or '.join(map(str, allowed))} axes"
        raise InputError(f"{name} has the shape {x.shape}: give an array that is not empty{axes}")
    if not jnp.issubdtype(x.dtype, jnp.floating):
        x = x.astype(jnp.result_type(float))
    if sign != "any" and not isinstance(x, Tracer):
        v = np.asarray(x)
        ok = np.isfinite(v) & {"positive": v > 0, "not negative": v >= 0, "": True}[sign]
        if not ok.all():
            raise InputError(f"{name} holds {v[~ok][0]:g}: give finite numbers{sign and f', {sign}'}")
    return x


def together(*values: Array) -> tuple[Array, ...]:
    """Arrays in their common floating dtype."""
    dtype = jnp.result_type(*values)
    return tuple(x.astype(dtype) for x in values)


def whole(value: Any, name: str, low: int = 1) -> int:
    """A whole number that a program's shape depends on."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < low:
        raise InputError(f"{name}={value!r}: give a whole number, at least {low}")
    return int(value)


def concrete(*trees: Any) -> bool:
    """Whether nothing here is under a trace."""
    return not any(isinstance(x, Tracer) for x in jax.tree.leaves(trees))


def tolerance_of(value: Any, default: float) -> float | Array:
    """A tolerance: the default for None, else a positive number."""
    return default if value is None else array(value, "tolerance", 0, "positive")


def need_scalar(function: Any, name: str, call: str, *arguments: Any) -> None:
    """Raise `InputError` for what is no function, or one that does not return one real number."""
    need_callable(function, name, call)
    found = jax.eval_shape(function, *arguments)
    shape, dtype = getattr(found, "shape", None), getattr(found, "dtype", bool)
    if shape != () or not jnp.issubdtype(dtype, jnp.floating):
        raise InputError(f"{name} returns {found}: give {call}, one floating-point number")


def need_callable(value: Any, name: str, call: str) -> None:
    """Raise `InputError` for what cannot be called."""
    if not callable(value):
        raise InputError(f"{name} is a {type(value).__name__}: give a function {call}")
