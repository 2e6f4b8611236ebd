"""Arguments of generators and reports: one clear line for what is no number, or out of range."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ..results import InputError


def image_array(value: Any, name: str) -> Float[Array, "..."]:
    """An image or field in a dtype that sums and transforms can use: half precision becomes single."""
    try:
        x = jnp.asarray(value)
    except (TypeError, ValueError):
        raise InputError(f"{name} is a {type(value).__name__} that is no array: give real numbers") from None
    kind = x.dtype
    if x.size == 0 or not any(jnp.issubdtype(kind, known) for known in (jnp.bool_, jnp.integer, jnp.floating)):
        raise InputError(f"{name} has dtype {kind} and shape {x.shape}: give real numbers, at least one")
    if not jnp.issubdtype(kind, jnp.floating):
        return x.astype(jnp.result_type(float))
    return x.astype(jnp.float32) if kind.itemsize < 4 else x


def flag(value: Any, name: str) -> bool:
    """True or False."""
    if not isinstance(value, bool | np.bool_):
        raise InputError(f"{name}={value!r}: give True or False")
    return bool(value)


def _plain(value: Any) -> Any:
    """A number that is kept as an array of no axes, as that number."""
    return value.item() if isinstance(value, jax.Array) and not isinstance(value, Tracer) and not value.ndim else value


def whole(value: Any, name: str, least: int) -> int:
    """An integer that is at least `least`."""
    value = _plain(value)
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer) or value < least:
        raise InputError(f"{name}={value!r}: give an integer of at least {least}")
    return int(value)


def number(value: Any, name: str, low: float, high: float = math.inf, *, closed: bool = False) -> float:
    """A real number between two bounds; `closed`: or equal to the lower one."""
    value = _plain(value)
    real = not isinstance(value, bool | np.bool_) and isinstance(value, int | float | np.integer | np.floating)
    if not real or not (low < value < high or (closed and value == low)):
        above = f"{'at least' if closed else 'above'} {low:g}" if math.isfinite(low) else "finite"
        raise InputError(
            f"{name}={value!r}: give a number that is {above}" + f" and below {high:g}" * (high < math.inf)
        )
    return float(value)


def vector(value: Any, name: str, size: int | None = None) -> np.ndarray:
    """A list of finite numbers, of a given size."""
    try:
        out = np.asarray(value, float)
    except (TypeError, ValueError):
        out = np.zeros(())
    if out.ndim != 1 or not out.size or not np.isfinite(out).all() or (size is not None and out.size != size):
        raise InputError(f"{name}={value!r}: give {'a list of' if size is None else size} finite numbers")
    return out


def voxels(shape: Any, dims: tuple[int, ...] = (1, 2, 3)) -> tuple[int, ...]:
    """Voxels along each axis."""
    given: list[Any] = list(shape) if hasattr(shape, "__iter__") and not isinstance(shape, str) else [None]
    if len(given) not in dims or not all(
        isinstance(n, int | np.integer) and not isinstance(n, bool) and n > 0 for n in given
    ):
        counts = " or ".join(map(str, dims)) if len(dims) < 3 else "one to three"
        raise InputError(f"shape={shape!r}: give {counts} positive numbers of voxels")
    return tuple(int(n) for n in given)


def how_many(number_: int | None, fraction: float | None, each: float, total: float, what: str) -> int:
    """Number of bodies of volume `each` in a box, given directly or by the volume fraction that comes nearest."""
    if (number_ is None) == (fraction is None):
        raise InputError(f"{what}: give either number= or fraction=")
    if number_ is not None:
        return whole(number_, "number", 0)
    wanted = number(fraction, "fraction", 0, 1, closed=True)
    count = round(wanted * total / each)
    if wanted > 0 and count == 0:
        raise InputError(
            f"fraction={wanted}: one body alone fills {each / total:.3g}: give a larger box or smaller ones"
        )
    return count
