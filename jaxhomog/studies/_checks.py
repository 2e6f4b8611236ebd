"""Arguments of the studies as they take them, or one line that names the argument, its value and the remedy."""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from ..results import InputError


def shown(value: Any) -> str:
    """A value as a part of one line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def whole(name: str, value: Any, what: str = "a whole number", least: int = 1, most: int = 2**31 - 1) -> int:
    """A whole number within limits; of a float, one without a fraction."""
    plain = _plain(value)
    if not isinstance(plain, int | float) or not least <= plain <= most or int(plain) != plain:
        raise InputError(f"{name}={shown(value)}: give {what}, at least {least}")
    return int(plain)


def number(name: str, value: Any, low: float, high: float) -> float:
    """A number between two others."""
    plain = _plain(value)
    if not isinstance(plain, int | float) or not low < plain < high:
        raise InputError(f"{name}={shown(value)}: give a number between {low:g} and {high:g}")
    return float(plain)


def _plain(value: Any) -> Any:
    """A number of NumPy or JAX as one of Python, None for a boolean."""
    if isinstance(value, np.generic | np.ndarray | jax.Array) and not isinstance(value, Tracer) and np.ndim(value) == 0:
        value = value.item()
    return None if isinstance(value, bool) else value


def flag(name: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool | np.bool_):
        raise InputError(f"{name}={shown(value)}: give True or False")
    return bool(value)


def function(name: str, value: Any, *arguments: str) -> Any:
    """Something that can be called with so many arguments."""
    takes = f"give a function of {' and '.join(arguments)}"
    if not callable(value):
        raise InputError(f"{name} is a {type(value).__name__}: {takes}")
    try:
        inspect.signature(value).bind(*arguments)
    except TypeError as error:
        raise InputError(f"{name} cannot be called ({error}): {takes}") from None
    except ValueError:  # a function without a signature
        pass
    return value


def place(name: str, value: Any) -> Path:
    """A path."""
    if not isinstance(value, str | os.PathLike) or not os.fspath(value) or not isinstance(os.fspath(value), str):
        raise InputError(f"{name}={shown(value)}: give the path as a text or a pathlib.Path")
    if "\0" in os.fspath(value):
        raise InputError(f"{name}={shown(value)}: holds a null character: give another path")
    return Path(value)


def is_real(value: Any, more: str = "") -> bool:
    """Whether this is a real number or an array of them.

    Args:
        value: anything.
        more: kinds of dtypes that count as well, such as "c" or "b".
    """
    dtype = _dtype(value)
    return dtype is not None and (dtype.kind in f"iuf{more}" or jax.numpy.issubdtype(dtype, np.floating))


def _dtype(value: Any) -> Any:
    """Of a number or an array; None of anything else."""
    if isinstance(value, bool | int | float | complex):
        return np.asarray(value).dtype
    dtype = getattr(value, "dtype", None)
    return dtype if isinstance(dtype, np.dtype) else None
