"""`fit`: parameters from macroscopic tests, and what the tests can see of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ..results import MAX_ITERATIONS, SUCCESS, InputError, Result, Solution, throw_if_failed
from ._experiment import Experiment
from ._fitted import fitted
from ._identify import as_experiments
from ._misfit import Misfit, half_square, halved, jacobian, summed
from ._transform import Limits, limits_of, names_of


class FitState(eqx.Module):
    """Where a fit stands: the free numbers z, and what the optimizer remembers."""

    z: Float[Array, " p"]
    optimizer: Any


def fit(
    experiments: Experiment | Sequence[Experiment],
    start: Any,
    *,
    bounds: Any = None,
    prior: dict | None = None,
    solver: Any = None,
    tolerance: float = 0.01,
    max_steps: int = 100,
    confidence: float = 0.95,
    state: FitState | None = None,
    progress: Callable[[int, float], None] | None = None,
    throw: bool = True,
) -> Solution:
    """Parameters of laws and microstructures from macroscopic tests, with their uncertainty.

        x = argmin 1/2 sum_i ((model_i(x) - data_i) / noise_i)^2  (+ a prior),
        covariance = (J^T J)^-1,   J = d residuals / dx

    Verbs inside a model need accurate derivatives, which are as good as the square root of their `tolerance`: give
    `homogenize` 1e-10. A fit that stalls above its own tolerance has a model with a poor derivative, most often.

    A prediction that fails (NaN) at the start is left out and counted in `stats["failed"]`; a step that makes another
    one fail is taken back.

    Args:
        experiments: one or several `Experiment`s.
        start: pytree of floating-point parameters (a dict gives them names).
        bounds: per entry of `start`: None, "positive" (fitted as its logarithm) or (lower, upper).
        prior: entry of `start` (a dict) -> (mean, standard deviation), normal.
        solver: default Levenberg-Marquardt; any least squares solver or minimiser of optimistix, any optax optimizer.
        tolerance: the fit ends where the optimum is nearer than this many standard deviations of the parameters.
            Minimisers and optax end by their own rules; whoever ends further away than ten times this has failed.
        max_steps: evaluations of all experiments.
        confidence: of the intervals.
        state: `solution.state` of an earlier call with the same arguments: it goes on from there.
        progress: called after every step with its number and chi squared (eager calls).
        throw: raise where the fit does not end within the tolerance (eager calls).

    Returns:
        `Solution` with value `Fitted`; stats: "steps", "failed" (predictions left out), "distance" (to the optimum, in
        standard deviations).

    Raises:
        InputError: a bad argument, or no prediction at the start.
        SolverError: not converged (throw=True); its `solution` holds the best that was found.

    Source:
        Marquardt (1963), J. Soc. Indust. Appl. Math. 11, 431-441; optimistix (Rader, Lyons & Kidger 2024,
        arXiv:2402.09983) solves.
    """
    optx = _optimistix()
    experiments = as_experiments(experiments)
    unknown = [e.noise is None for e in experiments]
    if any(unknown) and not all(unknown):
        raise InputError("some experiments have a noise and some have none: give it for all, or for none")
    if not 0 < confidence < 1:
        raise InputError(f"confidence={confidence}: give a number between 0 and 1")
    if int(max_steps) != max_steps or max_steps < 1:
        raise InputError(f"max_steps={max_steps}: give a whole number, at least 1")
    limits, unravel = limits_of(start, bounds)
    mean, deviation = _prior(start, prior, limits)
    z = limits.free(limits.start)
    blank = Misfit(experiments, (), limits, mean, deviation, unravel)
    misfit = eqx.tree_at(lambda m: m.believed, blank, tuple(jnp.isfinite(p) for p in _predictions(blank, z)))
    traced = any(isinstance(x, Tracer) for x in jax.tree.leaves(misfit))
    if not traced and not any(bool(b.any()) for b in misfit.believed):
        raise InputError("every prediction fails at the start: begin with other parameters, or look at one with a verb")
    solver, least = _solver(solver, optx, tolerance, all(unknown))
    if traced:
        z, steps = _run(optx, solver, least, misfit, z, max_steps)
        memory = None
    else:
        z, memory, steps = _loop(solver, least, misfit, z, state, max_steps, progress)
    # What the solver linearized last is not linearized again: the program of a derivative is long in the making.
    if least and memory is not None:
        value, slopes = memory.f_info.residual, memory.f_info.jac.as_matrix()
    else:
        value, slopes = _jacobian(z, misfit)
    quantile = _quantile(confidence, misfit, all(unknown))
    names, predictions = tuple(names_of(start)), _predictions(blank, z)
    value, far = fitted(misfit, z, predictions, value, slopes, names, quantile, all(unknown))
    code = jnp.where(far <= 10 * tolerance, SUCCESS, MAX_ITERATIONS).astype(jnp.int32)
    failed = sum(jnp.sum(~b) for b in misfit.believed)
    stats = {"steps": jnp.asarray(steps), "failed": failed, "distance": far}
    solution = Solution(value, None if memory is None else FitState(z, memory), Result(code), stats)
    return throw_if_failed(solution, "fit") if throw else solution


def _optimistix():
    try:
        import optimistix
    except ModuleNotFoundError:
        raise InputError("fit needs optimistix: pip install 'jaxhomog[studies]'") from None
    return optimistix


@eqx.filter_jit
def _predictions(misfit: Misfit, z):
    return misfit.predictions(z)


@eqx.filter_jit
def _jacobian(z, misfit: Misfit):
    return jacobian(z, misfit)


def _prior(start, prior, limits: Limits):
    mean, deviation = np.zeros(limits.start.size), np.full(limits.start.size, np.inf)
    if prior:
        if not isinstance(start, dict) or set(prior) - set(start):
            raise InputError("prior names entries of start, which must be a dict that has them")
        entries = [names_of({key: start[key]}) for key in sorted(start)]
        place = 0
        for key, names in zip(sorted(start), entries, strict=True):
            if key in prior:
                middle, width = prior[key]
                if not np.all(np.asarray(width) > 0):
                    raise InputError(f"prior of {key!r}: give (mean, standard deviation > 0)")
                mean[place : place + len(names)] = np.ravel(np.broadcast_to(middle, np.shape(start[key])))
                deviation[place : place + len(names)] = np.ravel(np.broadcast_to(width, np.shape(start[key])))
            place += len(names)
    cast = lambda v: jnp.asarray(v, limits.start.dtype)  # noqa: E731
    return cast(mean), cast(deviation)


def _solver(solver, optx, tolerance, free):
    """The solver, and whether it takes residuals (else their half square)."""
    from ._by_evidence import ByEvidence

    if solver is None:
        solver = optx.LevenbergMarquardt(rtol=1e-10, atol=1e-10)
    if isinstance(solver, optx.AbstractGaussNewton):
        return ByEvidence(solver, tolerance, free), True
    if isinstance(solver, optx.AbstractMinimiser):
        return solver, False
    if hasattr(solver, "init") and hasattr(solver, "update"):
        return optx.OptaxMinimiser(solver, rtol=1e-8, atol=1e-8), False
    raise InputError(
        f"solver is a {type(solver).__name__}: give a least squares solver or minimiser of optimistix, or an optax"
        " optimizer"
    )


def _run(optx, solver, least, misfit, z, max_steps):
    """All of it in one program, under a trace; the derivative of the result is not that of the optimum."""
    call = optx.least_squares if least else optx.minimise
    found = call(summed if least else halved, solver, z, misfit, has_aux=True, max_steps=max_steps, throw=False)
    return found.value, found.stats["num_steps"]


def _loop(solver, least, misfit, z, state, max_steps, progress):
    """Step by step, so that it can be watched and gone on with."""
    function = summed if least else halved
    memory = _init(function, solver, z, misfit) if state is None else state.optimizer
    z = z if state is None else state.z
    steps = 0
    while steps < max_steps:
        z, memory, ended = _step(function, solver, z, misfit, memory)
        steps += 1
        if progress is not None:
            progress(steps, float(_chi_squared(z, misfit)))
        if bool(ended):
            break
    return z, memory, steps


@eqx.filter_jit
def _chi_squared(z, misfit):
    return 2 * half_square(z, misfit)


@eqx.filter_jit
def _init(function, solver, z, misfit):
    shape, aux = eqx.filter_eval_shape(function, z, misfit)
    return solver.init(function, z, misfit, {}, shape, aux, frozenset())


@eqx.filter_jit
def _step(function, solver, z, misfit, memory):
    z, memory, _ = solver.step(function, z, misfit, {}, memory, frozenset())
    ended, _ = solver.terminate(function, z, misfit, {}, memory, frozenset())
    return z, memory, ended


def _quantile(confidence, misfit, free):
    """Of the normal distribution; of Student's where the noise is estimated."""
    from scipy import stats

    upper = 0.5 * (1 + confidence)
    data = [e.data for e in misfit.experiments]
    if not free or any(isinstance(d, Tracer) for d in data):
        return float(stats.norm.ppf(upper))
    number = sum(int(np.isfinite(np.asarray(d)).sum()) for d in data) - misfit.limits.start.size
    if number < 1:
        raise InputError("as many parameters as data: the noise cannot be estimated, give it")
    return float(stats.t.ppf(upper, number))
