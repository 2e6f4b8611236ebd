"""Failure is a value: result codes with advice, and the `Solution` that every verb returns.

`under_jax_defaults` stands here because everything may import from here: the library computes under JAX's default
rules, whatever stricter ones a user has set for a program of their own.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any, Final, ParamSpec, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Int

P = ParamSpec("P")
T = TypeVar("T")


class InputError(ValueError):
    """A bad input: one line that names what is wrong and the remedy (the command line exits with 2)."""


class SolverError(RuntimeError):
    """An eager call ended with a code that is not success; `solution` holds what was reached."""

    def __init__(self, message: str, solution: Any = None):
        super().__init__(message)
        self.solution = solution


SUCCESS: Final = 0
MAX_ITERATIONS: Final = 1
STAGNATION: Final = 2
SINGULAR: Final = 3
INVALID_MATERIAL: Final = 4
MISSING_LAW: Final = 5
LOCAL_SOLVE: Final = 6
NO_EQUILIBRIUM: Final = 7
NO_DESIGN: Final = 8
STOPPED: Final = 9
STALLED: Final = 10
UNBOUNDED: Final = 11
INFINITE_MISFIT: Final = 12
BLIND_FIT: Final = 13
INVALID_LOAD: Final = 14
NOT_FINITE: Final = 15
OVERFLOW: Final = 16

# name, what happened and what to do. The order is the severity: `worst_of` takes the largest code.
_CODES: Final = (
    ("success", "converged"),
    (
        "max_iterations",
        "the iteration cap was reached before the tolerance: raise max_iterations, loosen the tolerance, or lower"
        " the contrast",
    ),
    (
        "stagnation",
        "rounding stopped the solver above the tolerance: loosen the tolerance or use float64 (jax_enable_x64)",
    ),
    (
        "singular",
        "a load meets no stiffness beyond the error bound, or the operator is indefinite: prescribe strain (gradient)"
        " there, with uniform_traction use affine; use element='q1' for voids, a lower tolerance for soft phases, and"
        " stiffnesses that are positive semi-definite",
    ),
    (
        "invalid_material",
        "a material value is NaN, infinite, or not positive semi-definite: check moduli and Poisson's ratios",
    ),
    ("missing_law", "a label of the phase image has no law: add the label to PhaseMixture"),
    ("local_solve", "the law of a point did not converge: take smaller steps (more rows in the path)"),
    (
        "no_equilibrium",
        "a step found no equilibrium, even when cut: give the path more rows, raise max_cuts or max_newton, or"
        " prescribe strain where the response softens",
    ),
    (
        "no_design",
        "no feasible point of the last stage was found: take more steps or another start, loosen the constraints, and"
        " see that every solve converges",
    ),
    (
        "stopped",
        "the design is feasible, but its steps ended before a minimum was found: go on from it with"
        " state=solution.state and a larger max_steps",
    ),
    (
        "stalled",
        "the design is feasible, but the optimizer gave up where no minimum was found: begin beside this design,"
        " with variables scaled to the order of one, with another optimizer, or with a smoother objective",
    ),
    (
        "unbounded",
        "the objective falls without end: give bounds, or constraints, that keep the variables where the problem is"
        " meant",
    ),
    (
        "infinite_misfit",
        "the misfit, or its derivative, is not finite where the fit ended: begin nearer to the data, or give bounds"
        " within which every prediction is finite",
    ),
    (
        "blind_fit",
        "no prediction changes with any parameter where the fit ended: begin elsewhere, or fit data that depend on the"
        " parameters",
    ),
    (
        "invalid_load",
        "a load is not finite, or the times of the path do not rise from that of its state (0 of the virgin material):"
        " check the LoadPath and state=",
    ),
    (
        "not_finite",
        "a law left the finite numbers (state, energy or dissipation) while its stress was in balance: check the law's"
        " parameters and the size of the load, and take smaller steps",
    ),
    (
        "overflow",
        "moduli, lengths, loads or powers leave the range of the dtype (squares overflow or vanish): use other units"
        " (all of order one), or float64 (jax_enable_x64)",
    ),
)
CODE_NAMES: Final = tuple(name for name, _ in _CODES)


class Result(eqx.Module):
    """How a computation ended: an integer code per lane, with a name and advice.

    Args:
        code: integer array; 0 is success, larger is worse.
    """

    code: Int[Array, "..."]

    @property
    def ok(self):
        """True where the lane succeeded (array of the lanes' shape)."""
        return self.code == SUCCESS

    @property
    def name(self) -> str:
        """Name of the worst code of all lanes (needs concrete values)."""
        return _CODES[int(np.max(np.asarray(self.code)))][0]

    @property
    def advice(self) -> str:
        """What happened in the worst lane and what to do about it (needs concrete values)."""
        return _CODES[int(np.max(np.asarray(self.code)))][1]

    def __str__(self) -> str:
        if isinstance(self.code, Tracer):
            return "Result(<traced>)"
        return f"{self.name}: {self.advice}"


class Solution(eqx.Module):
    """What a verb returns: the value asked for, the state to go on from, how it ended, and statistics.

    Args:
        value: the answer (a pytree; NaN in failed lanes).
        state: what a following call needs (a pytree or None).
        result: `Result`, one code per lane.
        stats: numbers for a reader (dict of arrays); they carry no derivatives.
    """

    value: Any
    state: Any
    result: Result
    stats: dict[str, Any]


def real_array(x: Any, name: str) -> Array:
    """What a user gave for an argument as an array of floats, or one line that names the argument."""
    try:
        values = jnp.asarray(x)
    except (TypeError, ValueError):
        values = None
    if values is None or not (jnp.issubdtype(values.dtype, jnp.floating) or jnp.issubdtype(values.dtype, jnp.integer)):
        what = f"={x!r}" if values is None or values.size < 2 else f" has dtype {values.dtype}"
        raise InputError(f"{name}{what}: give a number or an array of real numbers")
    return values if jnp.issubdtype(values.dtype, jnp.floating) else values.astype(jnp.result_type(float))


def worst_of(*codes) -> Array:
    """The most severe of several codes, lane by lane."""
    worst = jnp.asarray(codes[0], jnp.int32)
    for code in codes[1:]:
        worst = jnp.maximum(worst, jnp.asarray(code, jnp.int32))
    return worst


def throw_if_failed(solution: Solution, verb: str) -> Solution:
    """Raise `SolverError` after an eager call whose code is not success; under a trace do nothing."""
    code = solution.result.code
    # An eager grad or jvp leaves the integer code concrete; the value tells that it is under a trace.
    traced = any(isinstance(x, Tracer) for x in jax.tree.leaves(solution))
    if traced or int(np.max(np.asarray(code))) == SUCCESS:
        return solution
    raise SolverError(f"{verb}: {solution.result}", solution)


def under_jax_defaults(function: Callable[P, T]) -> Callable[P, T]:
    """Decorator: call a verb, or the rule of a derivative, under JAX's default checks.

    Strict dtype promotion, rank promotion that raises, transfer guards, `jax_debug_nans` and `jax_debug_infs` look for
    slips in a program. Here an integer times a float, a matrix over a vector, a Python number handed over and the NaN
    of a lane that is masked are meant. Rules of derivatives need it as well: JAX calls them when it differentiates,
    long after the verb has returned. What a user's own function does within a verb is under the defaults, too.

    Args:
        function: any.

    Returns:
        The same function; where no such check is on, with the costs of a few look-ups.
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        with _defaults():
            return function(*args, **kwargs)

    return call


def _defaults() -> AbstractContextManager:
    config: Any = jax.config  # its flags are not in its type
    # Only what is set is changed: a context manager of JAX's is a part of the key of its caches.
    changes = []
    if getattr(config.jax_numpy_dtype_promotion, "value", config.jax_numpy_dtype_promotion) != "standard":
        changes.append(jax.numpy_dtype_promotion("standard"))
    if config.jax_numpy_rank_promotion != "allow":
        changes.append(jax.numpy_rank_promotion("allow"))
    guards = (
        config.jax_transfer_guard_host_to_device,
        config.jax_transfer_guard_device_to_device,
        config.jax_transfer_guard_device_to_host,
    )
    if any(guard not in (None, "allow") for guard in (config.jax_transfer_guard, *guards)):
        changes.append(jax.transfer_guard("allow"))
    if config.jax_debug_nans:
        changes.append(jax.debug_nans(False))
    if config.jax_debug_infs:
        changes.append(jax.debug_infs(False))
    if not changes:
        return nullcontext()
    stack = ExitStack()
    for change in changes:
        stack.enter_context(change)
    return stack
