"""Arrays at the door of this room: what is given becomes a floating array, or one clear line."""

from __future__ import annotations

import contextlib
import inspect
import operator
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
    known = concrete(value)
    try:
        # Inside `jax.jit` even a Python number becomes a tracer, unless asked for at once.
        with jax.ensure_compile_time_eval() if known else contextlib.nullcontext():
            x = jnp.asarray(value)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{name}={value!r} is no array of numbers: give real numbers") from None
    if x.dtype == bool or not (jnp.issubdtype(x.dtype, jnp.integer) or jnp.issubdtype(x.dtype, jnp.floating)):
        raise InputError(f"{name} has the dtype {x.dtype}: give real numbers")
    if jnp.issubdtype(x.dtype, jnp.floating) and jnp.finfo(x.dtype).bits < 32:
        raise InputError(f"{name} has the dtype {x.dtype}, which no factorization takes: give float32 or float64")
    allowed = (ndim,) if isinstance(ndim, int) else ndim
    if (allowed is not None and x.ndim not in allowed) or x.size == 0:
        axes = "" if allowed is None else f", with {' or '.join(map(str, allowed))} axes"
        raise InputError(f"{name} has the shape {x.shape}: give an array that is not empty{axes}")
    if not jnp.issubdtype(x.dtype, jnp.floating):
        with jax.ensure_compile_time_eval() if known else contextlib.nullcontext():
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


def known_number(value: Any, name: str) -> float:
    """A positive number that a program is built with."""
    array(value, name, 0, "positive")
    if not concrete(value):
        raise InputError(f"{name} is traced: give a number that is known before the program runs")
    return float(np.asarray(value))


def indices(value: Any, name: str, size: int) -> tuple[int, ...]:
    """Different whole numbers from 0 to below `size`, at least one and not all of them."""
    try:
        entries = list(value)
        if any(isinstance(i, bool) or str(getattr(i, "dtype", "")) == "bool" for i in entries):
            raise InputError(f"{name}={value!r} is a mask: give indices, np.flatnonzero({name})")
        found = tuple(operator.index(i) for i in entries)
    except TypeError:
        raise InputError(f"{name}={value!r}: give the indices of this part, whole numbers below {size}") from None
    if not 0 < len(set(found)) == len(found) < size or not all(0 <= i < size for i in found):
        raise InputError(f"{name}={found}: give different indices below {size}, fewer than all and at least one")
    return found


def random_key(value: Any) -> Any:
    """One key of `jax.random`, of the new kind or of the old."""
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    typed = dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key)
    if not ((typed and shape == ()) or (dtype == jnp.uint32 and shape is not None and len(shape) == 1)):
        what = f"of shape {shape}" if typed else f"{value!r}"
        raise InputError(f"key {what}: give one key, jax.random.key(0), and jax.vmap over several")
    return value


def need_symmetric(matrix: Array, name: str) -> None:
    """Raise `InputError` for a known matrix that is not symmetric: half of it would be ignored in silence."""
    if concrete(matrix):
        m = np.asarray(matrix)
        if np.max(np.abs(m - m.T)) > float(np.sqrt(np.finfo(m.dtype).eps)) * np.max(np.abs(m)):
            raise InputError(f"{name} is not symmetric: give one that is, 0.5 * (a + a.T) for example")


def need_definite(matrix: Array, name: str, remedy: str) -> None:
    """Raise `InputError` for a known matrix that is not symmetric positive definite beyond rounding, in any units."""
    need_symmetric(matrix, name)
    if concrete(matrix):
        m = np.asarray(matrix)
        unit = np.sqrt(np.maximum(np.diag(m), 0))
        limit = 8 * len(m) * float(np.finfo(m.dtype).eps)
        if not (unit > 0).all() or not np.linalg.eigvalsh(m / np.outer(unit, unit))[0] > limit:
            raise InputError(f"{name} is not positive definite: {remedy}")


def concrete(*trees: Any) -> bool:
    """Whether nothing here is under a trace.

    Checks of such values are written in numpy: inside `jax.jit` an operation of JAX makes a tracer even of constants.
    """
    return not any(isinstance(x, Tracer) for x in jax.tree.leaves(trees))


def tolerance_of(value: Any, default: float) -> float | Array:
    """A tolerance: the default for None, else a positive number."""
    return default if value is None else array(value, "tolerance", 0, "positive")


def need_scalar(function: Any, name: str, call: str, *arguments: Any) -> None:
    """Raise `InputError` for what is no function, or one that does not return one real number."""
    need_callable(function, name, call, len(arguments))
    found = jax.eval_shape(function, *arguments)
    shape, dtype = getattr(found, "shape", None), getattr(found, "dtype", bool)
    if shape != () or not jnp.issubdtype(dtype, jnp.floating):
        raise InputError(f"{name} returns {found}: give {call}, one floating-point number")


def need_callable(value: Any, name: str, call: str, arguments: int | None = None) -> None:
    """Raise `InputError` for what cannot be called, or not with this number of arguments where it is given."""
    if not callable(value):
        raise InputError(f"{name} is a {type(value).__name__}: give a function {call}")
    if arguments is not None:
        try:
            signature = inspect.signature(value)
        except ValueError:  # some built-in functions have none
            return
        try:
            signature.bind(*range(arguments))
        except TypeError:
            raise InputError(f"{name} takes {signature}: give a function {call}") from None
