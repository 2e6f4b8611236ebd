"""Functions that users give, as modules: their arrays are parameters, all else is part of the program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax


def as_module(function: Callable) -> eqx.Module:
    """A function as a module whose leaves are arrays and numbers.

    A plain function becomes part of the program. A module that holds functions too (a neural network its activation)
    is split, so that transformations which take arrays alone see arrays alone.
    """
    if not isinstance(function, eqx.Module):
        return _Static(function)
    if all(eqx.is_array_like(x) for x in jax.tree.leaves(function)):
        return function
    return _Split(*eqx.partition(function, eqx.is_array_like))


class _Static(eqx.Module):
    """A plain function, part of the program."""

    function: Callable = eqx.field(static=True)

    def __call__(self, *args):
        return self.function(*args)


class _Split(eqx.Module):
    """A module whose functions are part of the program."""

    arrays: Any
    rest: Any = eqx.field(static=True)

    def __call__(self, *args):
        return eqx.combine(self.arrays, self.rest)(*args)
