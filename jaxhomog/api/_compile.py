"""How the verbs are compiled."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer


class Compiled:
    """`jax.jit` with static arguments; an eager call on a CPU compiles in three quarters of the time.

    LLVM's first optimization level makes kernels here that run as fast as its third (`experiments/cost.py`). JAX takes
    compiler options at the outermost `jit` only: under any trace the function is an ordinary `jit`.
    """

    def __init__(self, function: Callable, static: tuple[str, ...]):
        functools.update_wrapper(self, function)
        # A level of the user's own stands.
        own = "xla_backend_optimization_level" in os.environ.get("XLA_FLAGS", "")
        quick = {} if own else {"xla_backend_optimization_level": 1}
        self.plain = jax.jit(function, static_argnames=static)
        self.quick = jax.jit(function, static_argnames=static, compiler_options=quick)

    def __call__(self, *args):
        if not getattr(jax.config, "jax_enable_x64"):  # noqa: B009  (the flag is not in the type of `config`)
            args = jax.tree.map(_canonical, args)
        eager = not any(isinstance(x, Tracer) for x in jax.tree.leaves((args, jnp.zeros(()))))
        return (self.quick if eager and jax.default_backend() == "cpu" else self.plain)(*args)


def _canonical(x):
    """An array of 64 bits as one of 32: JAX may take a program of the one for a program of the other.

    Arrays of NumPy count as well: a `Grid` keeps its lengths in double precision.
    """
    if not isinstance(x, jax.Array | np.ndarray) or isinstance(x, Tracer):
        return x
    if isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jax.dtypes.extended):
        return x
    dtype = jax.dtypes.canonicalize_dtype(x.dtype)
    return x if dtype == x.dtype else np.asarray(x).astype(dtype)


def compiled(*static: str) -> Callable[[Callable], Compiled]:
    """Decorator: `Compiled` with these static arguments."""
    return lambda function: Compiled(function, static)
