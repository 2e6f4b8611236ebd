"""`design`: variables that make an objective small under constraints."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ..results import (
    NO_DESIGN,
    STALLED,
    STOPPED,
    SUCCESS,
    UNBOUNDED,
    InputError,
    Result,
    Solution,
    throw_if_failed,
    under_jax_defaults,
)
from ._checks import flag, function, is_real, number, shown, whole
from ._criteria import TRACED, Evaluated, flat, like, objective_at
from ._optimal import Scales, better
from ._optimizers import Lost, gradient_steps, slsqp
from ._run import DesignState, DesignStep, History, Run, Stopped


class Designed(eqx.Module):
    """The value of `design`: the best point of the last stage.

    Args:
        variables: as the problem takes them.
        objective: value of the objective.
        inequality: name -> values, fulfilled where <= 0.
        equality: name -> values, fulfilled where 0.
        output: what the problem returned besides (image, tensor, bounds).
        history: `History`.
    """

    variables: Any
    objective: Float[Array | np.ndarray, ""]
    inequality: dict[str, Any]
    equality: dict[str, Any]
    output: Any
    history: History


@under_jax_defaults
def design(
    problem: Callable[..., Any],
    start: Any,
    *,
    bounds: tuple[Any, Any] = (None, None),
    optimizer: Any = "slsqp",
    stages: Sequence[Any] = (),
    max_steps: int = 50,
    tolerance: float = 1e-6,
    constraint_tolerance: float = 1e-3,
    callback: Callable[[DesignStep], Any] | None = None,
    state: DesignState | None = None,
    throw: bool = True,
) -> Solution:
    """Variables that minimize an objective under constraints; the problem may hold any verb.

        min f(v)   with   g(v) <= 0,   h(v) = 0,   lower <= v <= upper

    The problem is a pure function `problem(v)` that returns f, or `Criteria(f, inequality=..., equality=...)`. It is
    compiled once with its derivatives. Densities: `DensityField` and `simp` or `ramp`; shapes: `volume_fraction`. A
    design is a local optimum: the start decides, and a uniform density often is one already.

    Args:
        problem: variables -> scalar or `Criteria`; with `stages`: (variables, stage) -> likewise. Solves within it take
            `throw=False`.
        start: the variables: a pytree of floating arrays.
        bounds: (lower, upper), each None, a number, or a pytree like `start`.
        optimizer: "slsqp" (scipy; constraints; for up to about a thousand variables: besides the problem a step takes
            0.07 s for 500, 0.6 s for 1000, 8 s for 2000 of them), or an `optax.GradientTransformation` (any number of
            variables; bounds only, constraints as penalties in the objective). One with a line search, `optax.lbfgs()`,
            takes no bounds.
        stages: continuation: second arguments of the problem, numbers or pytrees of numbers, one after the other, each
            from the design of the one before; for example the sharpness of `projected`.
        max_steps: steps of each stage.
        tolerance: relative change of the objective at which a stage ends (optax: none ends early).
        constraint_tolerance: largest violation of a design that counts as feasible.
        callback: told of every step (`DesignStep`); where it returns True the design ends there.
        state: `solution.state` or `DesignStep.state` of an earlier call: goes on from there (optax: bit for bit).
        throw: raise where no design is feasible, and where the objective falls without end. A feasible design that is
            not shown to be a minimum is returned with its code and a warning.

    Returns:
        `Solution` with value `Designed`, the state, a result code ("success": within the root of the tolerance around
        the design, downhill along all constraints, no point is better by ten tolerances; "stopped", "stalled",
        "unbounded", "no_design"), and stats steps, evaluations, rejected (points that could not be
        evaluated: NaN of a failed solve; the optimizer backs away from them), violation, converged (of the last stage).

    Raises:
        InputError: a bad argument; a start that cannot be evaluated; constraints with an optax optimizer.
        SolverError: no feasible design was found, or the objective has no minimum (throw=True).
    """
    count, throw = whole("max_steps", max_steps), flag("throw", throw)
    tolerance = number("tolerance", tolerance, 0, 1)
    allowed = number("constraint_tolerance", constraint_tolerance, 0, 1)
    quadratic = isinstance(optimizer, str) and optimizer == "slsqp"
    if not quadratic and not all(callable(getattr(optimizer, name, None)) for name in ("init", "update")):
        raise InputError(
            f"optimizer={shown(optimizer)}: give 'slsqp' or an optax transformation such as optax.adam(0.02)"
        )
    start, x, limits = _flat_start(start, bounds)
    settings = _settings(stages, x.dtype)
    function("problem", problem, "the variables", *(("a stage",) if settings else ()))
    if callback is not None:
        function("callback", callback, "a step")
    last = max(len(settings), 1) - 1
    if state is None:
        state = DesignState(x, np.asarray(0), np.asarray(0), x)
    elif not isinstance(state, DesignState):
        raise InputError(f"state is a {type(state).__name__}: give solution.state of an earlier design")
    elif state.variables.shape != x.shape or state.stage > last:
        raise InputError(
            f"the state has {state.variables.size} variables and is in stage {state.stage}: start has {x.size}, and the"
            f" last stage is {last}"
        )
    run = Run(problem, start, settings, allowed, callback, state)
    ending, memory, first = STOPPED, state.memory, run.stage
    x, best = np.asarray(state.variables, x.dtype), np.asarray(state.best, x.dtype)
    for stage in range(first, last + 1):
        resumed = stage == first and run.step > 0
        found = run.begin(stage, run.step if resumed else 0, best if resumed else x)
        if not found.sound and stage == first:
            raise InputError(
                f"the start cannot be evaluated (objective {found.objective:g}, {_unsound(found)}): start where every"
                " solve converges"
            )
        if not found.sound:
            ending = NO_DESIGN
            break
        if not quadratic and found.inequality.size + found.equality.size:
            raise InputError("an optax optimizer knows no constraints: use optimizer='slsqp', or add penalties")
        scales = Scales(run.reached[0], found)
        setting = settings[stage] if settings else None

        def search(x: np.ndarray, steps: int, setting=setting, memory=memory) -> bool:
            arguments = (run.evaluate, run.report, x, limits, steps, tolerance)
            if (limits[0] == limits[1]).all():  # one point, and no choice
                run.report(x, memory)
                return True
            if quadratic:
                return slsqp(*arguments, allowed)
            value = eqx.Partial(objective_at, problem, start, setting, bool(np.isfinite(limits).any()))
            return gradient_steps(optimizer, memory, *arguments, value)

        try:
            ending = _ending(run, x, search, limits, scales, count, tolerance, repeat=quadratic)
        except Lost:
            ending = UNBOUNDED if scales.endless(run.reached[0], run.reached[1].objective) else STALLED
        except Stopped:
            return _assembled(run, STOPPED, throw, asked=True)
        x, memory = run.reached[0], None
    return _assembled(run, ending, throw)


def _ending(run: Run, x, search: Callable[..., bool], limits, scales: Scales, count, tolerance, repeat: bool) -> int:
    """Search until nothing better is found beside the best point, or the steps end: a result code."""
    before = np.inf
    while run.step < count:
        ended = search(x, count - run.step)
        x, found = run.reached
        if found.violation > run.allowed:
            return NO_DESIGN
        if scales.endless(x, found.objective):
            return UNBOUNDED
        beside = better(run.evaluate, x, limits, scales, tolerance, run.allowed) if ended else None
        if ended and beside is None:
            return SUCCESS
        if not ended or not repeat:
            return STOPPED
        # An optimizer that ended by itself on a slope is begun again from there, as long as that helps.
        if before - found.objective <= tolerance * scales.objective_scale(found.objective, tolerance):
            return STALLED
        before, x = found.objective, x if beside is None else beside
    return STOPPED


def _assembled(run: Run, ending: int, throw: bool, asked: bool = False) -> Solution:
    """The best point as a `Solution`."""
    x, found = run.reached
    if run.rejected:
        warnings.warn(
            f"design: {run.rejected} of {run.evaluations} points could not be evaluated (a failed solve) and were"
            " rejected: see the result code of the solves, or bound the variables",
            stacklevel=4,  # of `_assembled`, `design` and its decorator
        )
    parts = (found.criteria.inequality, found.criteria.equality, found.criteria.output)
    value = Designed(like(jnp.asarray(x), run.start), np.asarray(found.objective), *parts, run.history())
    code = ending if ending == NO_DESIGN or found.violation <= run.allowed else NO_DESIGN
    stats = {
        "steps": len(run.rows),
        "evaluations": run.evaluations,
        "rejected": run.rejected,
        "violation": found.violation,
        "converged": code == SUCCESS,
    }
    solution = Solution(value, run.state, Result(jnp.asarray(code, jnp.int32)), stats)
    # A feasible design is worth having: it is returned with its code and, where an exception was asked for, a word.
    if throw and code in (STOPPED, STALLED):
        if not asked:
            warnings.warn(f"design: {solution.result}", stacklevel=4)
        return solution
    return throw_if_failed(solution, "design") if throw else solution


def _flat_start(start, bounds):
    """The start as arrays, flat, and its bounds, flat."""
    leaves = jax.tree.leaves(start)
    if any(isinstance(x, Tracer) for x in jax.tree.leaves((start, bounds))):
        raise InputError(TRACED)
    floating = [is_real(x) and jnp.issubdtype(jnp.result_type(x), jnp.floating) for x in leaves]
    if not any(np.size(x) for x in leaves) or not all(floating):
        raise InputError("start has no leaf or one that is not floating: give floating arrays, the variables")
    start = jax.tree.map(jnp.asarray, start)
    dtype = jnp.result_type(*leaves)
    x = np.asarray(flat(start, dtype))
    if not np.isfinite(x).all():
        k = int(np.argmin(np.isfinite(x)))
        raise InputError(f"start is {x[k]:g} at variable {k}: give finite numbers")
    if not isinstance(bounds, tuple | list) or len(bounds) != 2:
        raise InputError(f"bounds={shown(bounds)}: give (lower, upper), each None, a number or a pytree like start")
    limits = (_limit("lower", bounds[0], -np.inf, start, x), _limit("upper", bounds[1], np.inf, start, x))
    if not (limits[0] <= limits[1]).all():
        k = int(np.argmin(limits[0] <= limits[1]))
        raise InputError(
            f"bounds: the lower one of variable {k} is {limits[0][k]:g} and the upper one {limits[1][k]:g}: give lower"
            " <= upper"
        )
    if not ((limits[0] <= x) & (x <= limits[1])).all():
        k = int(np.argmin((limits[0] <= x) & (x <= limits[1])))
        raise InputError(f"start is {x[k]:g} at variable {k}, outside its bounds [{limits[0][k]:g}, {limits[1][k]:g}]")
    return start, x, limits


def _limit(name: str, bound: Any, default: float, start: Any, x: np.ndarray) -> np.ndarray:
    """One bound of all variables."""
    bound = default if bound is None else bound
    if is_real(bound) and np.ndim(bound) == 0:
        return np.full(x.shape, bound, x.dtype)
    fits = jax.tree.structure(bound) == jax.tree.structure(start) and all(map(is_real, jax.tree.leaves(bound)))
    if not fits:
        raise InputError(f"the {name} bound is no number and no pytree like start: give one of the two")
    try:
        bound = jax.tree.map(lambda b, v: jnp.broadcast_to(jnp.asarray(b, x.dtype), v.shape), bound, start)
    except ValueError:
        raise InputError(f"the {name} bound has another shape than start: give a number or an array like it") from None
    return np.asarray(flat(bound, x.dtype))


def _settings(stages, dtype) -> tuple:
    """Second arguments of the problem as arrays."""
    if not isinstance(stages, tuple | list | np.ndarray | jax.Array):
        raise InputError(f"stages={shown(stages)}: give a list of numbers, one per stage, or of pytrees of numbers")
    for k, stage in enumerate(stages):
        leaves = jax.tree.leaves(stage)
        if any(isinstance(x, Tracer) for x in leaves):
            raise InputError(TRACED)
        if not leaves or not all(map(is_real, leaves)) or not all(np.isfinite(x).all() for x in leaves):
            raise InputError(f"stages[{k}]={shown(stage)}: give finite numbers")
    return tuple(jax.tree.map(lambda a: jnp.asarray(a, dtype), stage) for stage in stages)


def _unsound(found: Evaluated) -> str:
    """Where the first value that is not finite was met."""
    for name, group in (("inequality", found.criteria.inequality), ("equality", found.criteria.equality)):
        for key, value in group.items():
            if not np.isfinite(np.asarray(value)).all():
                return f"{name} {key!r} not finite"
    return "constraints finite" if np.isnan(found.objective) else "a derivative not finite"
