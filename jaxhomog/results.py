"""Failure is a value: result codes with advice, and the `Solution` that every verb returns."""

from __future__ import annotations

from typing import Any, Final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Int


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
OVERFLOW: Final = 9

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
        "overflow",
        "moduli, lengths, loads or powers leave the range of the dtype (squares overflow or vanish): use other units"
        " (all of order one), or float64 (jax_enable_x64)",
    ),
)


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
