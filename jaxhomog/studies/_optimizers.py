"""One stage of a design: the optimizers of scipy and optax behind one call."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..results import InputError
from ._criteria import Evaluated

# How often a step into a region that cannot be evaluated is halved.
_HALVINGS = 12
_ITERATION_LIMIT = 9  # scipy's number of this ending of SLSQP


class Lost(Exception):
    """An optimizer has nowhere to go: even short steps could not be evaluated."""


def slsqp(
    evaluate: Callable[[np.ndarray], Evaluated],
    report: Callable[[np.ndarray, Any], None],
    x: np.ndarray,
    bounds: tuple[np.ndarray, np.ndarray],
    steps: int,
    tolerance: float,
    allowed: float,
) -> bool:
    """Sequential least-squares quadratic programming (scipy).

    The objective is scaled so that its largest derivative at the start is 1: the first step, with the identity for the
    Hessian, is then of the size of the variables. A point that cannot be evaluated is given an objective that its line
    search backs away from.

    Args:
        evaluate: the problem at a point within the bounds.
        report: called after every step.
        x: start.
        bounds: lower and upper.
        steps: largest number of steps.
        tolerance: relative change of the objective at which the search ends.
        allowed: violation of the constraints that counts as none.

    Returns:
        Whether it ended by itself, before the steps did.

    Raises:
        InputError: scipy is not installed.
        Lost: no step could be evaluated.

    Source:
        Kraft (1988), A software package for sequential quadratic programming, DFVLR-FB 88-28.
    """
    try:
        minimize = importlib.import_module("scipy.optimize").minimize
    except ImportError:
        raise InputError("optimizer='slsqp' needs scipy: pip install 'jaxhomog[studies]'") from None
    good = evaluate(x)
    steepest = float(np.abs(good.slopes[0]).max())
    scale = 1 / steepest if steepest > 1e-12 * abs(good.objective) else 1.0
    size = max(scale * abs(good.objective), 1e-3)
    dtype = x.dtype

    def inside(x):
        return np.clip(x, *bounds).astype(dtype)

    def at(x):
        return evaluate(inside(x))

    def objective(x):
        nonlocal good
        here = at(x)
        if not here.sound:
            return scale * good.objective + 10 * size
        good = here
        return scale * here.objective

    def values(name, sign):
        def of(x):
            here = at(x)
            return sign * getattr(here if here.sound else good, name)

        return of

    def rows(k, factor):
        def of(x):
            here = at(x)
            if not here.sound:
                raise Lost
            return factor * here.slopes[k]

        return of

    start = told = x.tobytes()

    def tell(x):
        nonlocal told
        if x.tobytes() != told:
            told = x.tobytes()
            report(x, None)

    def slopes(x):
        # Asked for where a step ends. (scipy's callback is given the first trial of the step after.)
        out = rows(0, scale)(x)
        tell(inside(x))
        return out

    constraints = []
    if good.inequality.size:
        constraints.append({"type": "ineq", "fun": values("inequality", -1), "jac": rows(1, -1)})
    if good.equality.size:
        constraints.append({"type": "eq", "fun": values("equality", 1), "jac": rows(2, 1)})
    done = minimize(
        objective,
        x,
        jac=slopes,
        method="SLSQP",
        bounds=list(zip(*bounds, strict=True)),
        constraints=constraints,
        # The same number is scipy's measure of a violated constraint.
        options={"maxiter": steps, "ftol": min(tolerance * size, 0.1 * allowed)},
    )
    if at(done.x).sound:
        tell(inside(done.x))
    if told == start:  # a stage that begins at its optimum has a row of its history all the same
        report(x, None)
    return done.status != _ITERATION_LIMIT


@eqx.filter_jit
def _update(transform, memory, objective, slope, x, value):
    from optax import with_extra_args_support  # an optional package, there with whoever made the transformation

    return with_extra_args_support(transform).update(slope, memory, x, value=value, grad=slope, value_fn=objective)


def gradient_steps(
    transform: Any,
    memory: Any,
    evaluate: Callable[[np.ndarray], Evaluated],
    report: Callable[[np.ndarray, Any], None],
    x: np.ndarray,
    bounds: tuple[np.ndarray, np.ndarray],
    steps: int,
    tolerance: float,
    objective: Callable[[Any], Any],
) -> bool:
    """Steps of an optax transformation, each cut off at the bounds and halved where it cannot be evaluated.

    Args:
        transform: `optax.GradientTransformation`.
        memory: leaves of its state, or None at the beginning.
        evaluate, report, x, bounds, steps: as for `slsqp`; `report` gets the leaves of the transformation's state too.
        tolerance: relative change of the objective over the last step that counts as converged.
        objective: a pure function of the flat variables, an `eqx.Partial`: what line searches (`optax.lbfgs`) evaluate.

    Returns:
        Whether the last step changed the objective by less than that, relative to its value or, near 0, to the
        tolerance's share of its first one.

    Raises:
        Lost: no step could be evaluated.
    """
    dtype = x.dtype
    begun = transform.init(jnp.asarray(x))
    memory = begun if memory is None else jax.tree.unflatten(jax.tree.structure(begun), memory)
    here, change = evaluate(x), np.inf
    first = abs(here.objective)
    for _ in range(steps):
        given = (jnp.asarray(v, dtype) for v in (here.slopes[0], x, here.objective))
        update, memory = _update(transform, memory, objective, *given)
        update = np.asarray(update)
        for _ in range(_HALVINGS):
            trial = np.clip(x + update, *bounds).astype(dtype)
            there = evaluate(trial)
            if there.sound:
                break
            update = update / 2
        else:
            raise Lost
        change = abs(there.objective - here.objective)
        x, here = trial, there
        report(x, tuple(jax.tree.leaves(memory)))
    return change <= tolerance * max(abs(here.objective), tolerance * first)
