"""`fit`: parameters from macroscopic tests, and what the tests can see of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ..results import BLIND_FIT, SUCCESS, InputError, Result, Solution, SolverError, under_jax_defaults
from ..solvers import guarded
from ._checkpoint import Checkpoint
from ._checks import flag, function, number, whole
from ._experiment import Experiment
from ._fit_ending import advice, check_start, ending, falls_aside
from ._fitted import fitted
from ._identify import as_experiments
from ._misfit import Misfit, half_square, halved, jacobian, summed
from ._transform import limits_of, matched, names_of, pair_of_numbers


class FitState(eqx.Module):
    """Where a fit stands: the free numbers z, and what the optimizer remembers (`fit(..., checkpoint=)` keeps it)."""

    z: Float[Array, " p"]
    optimizer: Any


@under_jax_defaults
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
    checkpoint: str | os.PathLike | None = None,
    progress: Callable[[int, float], None] | None = None,
    throw: bool = True,
) -> Solution:
    """Parameters of laws and microstructures from macroscopic tests, with their uncertainty.

        x = argmin 1/2 sum_i ((model_i(x) - data_i) / noise_i)^2  (+ a prior),
        covariance = (J^T J)^-1,   J = d residuals / dx

    Verbs inside a model need accurate derivatives, which are as good as the square root of their `tolerance`: give
    `homogenize` 1e-10. A fit that stalls above its own tolerance has a model with a poor derivative, most often.

    A prediction that fails (NaN) at the start is left out and counted in `stats["failed"]`; a step that makes another
    one fail is taken back (by solvers that search: Levenberg-Marquardt, Dogleg, BFGS, Nelder-Mead). Under `jit` and
    `vmap` the whole fit is one program; the derivative of its result is the implicit one of the optimum.

    Args:
        experiments: one or several `Experiment`s.
        start: pytree of floating-point parameters (a dict gives them names).
        bounds: per entry of `start`: None, "positive" (fitted as its logarithm) or (lower, upper); some may be absent.
        prior: per entry of `start`: (mean, standard deviation), normal; entries may be absent. Needs a known noise.
        solver: default Levenberg-Marquardt; a least squares solver or minimiser of optimistix (not GoldenSearch, which
            searches an interval), or an optax optimizer.
        tolerance: the fit ends where the optimum is nearer than this many standard deviations of the parameters.
            Minimisers and optax end by their own rules; whoever ends further away has failed.
        max_steps: steps, each an evaluation of all experiments (with derivatives, if the solver asks for them); with
            `checkpoint`, those of all calls together.
        confidence: of the intervals, by the normal distribution; by Student's where the noise is unknown (eager calls).
        state: `solution.state` of an earlier call with the same arguments: it goes on from there (eager calls).
        checkpoint: a file (`"fit.npz"`), replaced as a whole after every step: the same call, made again, goes on from
            it and gives what an uninterrupted one would have given (eager calls).
        progress: called after every step with its number and chi squared (eager calls; one more evaluation a step).
        throw: raise where the fit does not end within the tolerance (eager calls).

    Returns:
        `Solution` with value `Fitted`; success, or a code: "max_iterations" (further away than the tolerance),
        "infinite_misfit" (or an infinite derivative), "blind_fit" (no parameter has a slope, or the misfit falls along
        one that has none; the latter in eager calls); stats: "steps", "failed" (measured, but not predicted),
        "distance" (to the optimum, in standard deviations).

    Raises:
        InputError: a bad argument, no prediction or an infinite misfit at the start, too few data for an unknown noise,
            a checkpoint that is damaged or of another fit.
        SolverError: not converged (throw=True); its `solution` holds the best that was found.

    Source:
        Marquardt (1963), J. Soc. Indust. Appl. Math. 11, 431-441; optimistix (Rader, Lyons & Kidger 2024,
        arXiv:2402.09983) solves.
    """
    optx = _optimistix()
    experiments = as_experiments(experiments)
    unknown = [e.noise is None for e in experiments]
    free = all(unknown)
    if any(unknown) and not free:
        raise InputError("some experiments have a noise and some have none: give it for all, or for none")
    if free and prior is not None:
        raise InputError("a prior is weighed against the noise: give the experiments a noise")
    tolerance = number("tolerance", tolerance, 0, np.inf)
    confidence = number("confidence", confidence, 0, 1)
    max_steps, throw = whole("max_steps", max_steps), flag("throw", throw)
    if progress is not None:
        function("progress", progress, "the step", "chi squared")
    limits, unravel = limits_of(start, bounds)
    mean, deviation = _prior(start, prior, limits.start.dtype)
    z = limits.free(limits.start)
    blank = Misfit(experiments, (), limits, mean, deviation, unravel)
    found = _predictions(blank, z)
    counted = tuple(e.counted(p) for e, p in zip(experiments, found, strict=True))
    misfit = eqx.tree_at(lambda m: m.counted, blank, counted)
    traced = any(isinstance(x, Tracer) for x in jax.tree.leaves((misfit, z)))
    if traced and (state is not None or checkpoint is not None):
        raise InputError("a fit under jit or grad does not go on from a state or a checkpoint: call it outside")
    if state is not None and checkpoint is not None:
        raise InputError("state and checkpoint are both given: give one of them to go on from")
    if not traced:
        _enough(misfit, free)
        check_start(misfit, limits.start, found)
    solver, least = _solver(solver, optx, tolerance, free)
    if traced:
        z, steps = _run(optx, solver, least, misfit, z, max_steps)
        reached = None
    else:
        file = None if checkpoint is None else Checkpoint(checkpoint, misfit, z, solver, tolerance)
        z, reached, steps = _loop(solver, least, misfit, z, state, file, max_steps, progress)
    # What the solver linearized last is not linearized again: the program of a derivative is long in the making.
    memory: Any = None if reached is None else reached.optimizer
    if least and hasattr(memory, "f_info"):
        value, slopes = memory.f_info.residual, memory.f_info.jac.as_matrix()
    else:
        value, slopes = _jacobian(z, misfit)
    quantile = _quantile(confidence, misfit, free and not traced)
    value, far = fitted(misfit, z, _predictions(blank, z), value, slopes, tuple(names_of(start)), quantile, free)
    enough = misfit.measured > 0
    if traced:
        value = jax.tree.map(lambda x: guarded(enough, x) if jnp.issubdtype(x.dtype, jnp.inexact) else x, value)
    code = ending(misfit, value, slopes, far, tolerance)
    if not traced and int(code) == SUCCESS and falls_aside(misfit, value, lambda z: _predictions(blank, z)):
        code = jnp.asarray(BLIND_FIT, jnp.int32)
    failed = sum(jnp.sum(jnp.isfinite(e.data) & ~c) for e, c in zip(experiments, counted, strict=True))
    stats = {"steps": jnp.asarray(steps), "failed": failed, "distance": far}
    solution = Solution(value, reached, Result(code), stats)
    if throw and not traced and int(code) != SUCCESS:
        raise SolverError(f"fit: {advice(int(code), int(steps), max_steps, float(far))}", solution)
    return solution


def _enough(misfit: Misfit, free: bool) -> None:
    if int(misfit.measured) == 0:
        raise InputError("every prediction fails at the start: begin with other parameters, or look at one with a verb")
    if free and int(misfit.freedom) < 1:
        raise InputError("no more data than parameters: the noise cannot be estimated, give it")


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


def _prior(start, prior, dtype):
    """Means and standard deviations of all parameters; infinite ones where there is no prior."""
    leaves = jax.tree.leaves(start)
    known = lambda rule: rule is None or (pair_of_numbers(rule) and bool(np.all(np.isfinite(rule[0]))))  # noqa: E731
    rules = matched(start, prior, "prior", "(mean, standard deviation > 0)", known)
    mean, deviation = [], []
    for leaf, rule in zip(leaves, rules, strict=True):
        middle, width = (0.0, np.inf) if rule is None else rule
        try:
            both = [np.broadcast_to(np.asarray(v, float), np.shape(leaf)).ravel() for v in (middle, width)]
        except ValueError:
            raise InputError(f"prior={rule} does not fit a parameter of shape {np.shape(leaf)}") from None
        if not np.all(both[1] > 0):
            raise InputError(f"prior={rule}: give (mean, standard deviation > 0)")
        mean.append(both[0])
        deviation.append(both[1])
    return jnp.asarray(np.concatenate(mean), dtype), jnp.asarray(np.concatenate(deviation), dtype)


def _solver(solver, optx, tolerance, free):
    """The solver, and whether it takes residuals (else their half square)."""
    from ._by_evidence import ByEvidence

    if solver is None:
        solver = optx.LevenbergMarquardt(rtol=1e-10, atol=1e-10)
    inner = solver
    while hasattr(inner, "solver"):  # of BestSoFar..
        inner = inner.solver
    if isinstance(inner, optx.GoldenSearch):
        raise InputError(
            "solver GoldenSearch searches an interval of one number: give LevenbergMarquardt or NelderMead"
        )
    if isinstance(solver, optx.AbstractGaussNewton):
        return ByEvidence(solver, tolerance, free), True
    if isinstance(solver, optx.AbstractLeastSquaresSolver):
        return solver, True
    if isinstance(solver, optx.AbstractMinimiser):
        return solver, False
    if not isinstance(solver, type) and hasattr(solver, "init") and hasattr(solver, "update"):
        return optx.OptaxMinimiser(solver, rtol=1e-8, atol=1e-8), False
    what = f"is the class {solver.__name__}" if isinstance(solver, type) else f"is a {type(solver).__name__}"
    raise InputError(f"solver {what}: give a least squares solver or minimiser of optimistix, or an optax optimizer")


def _run(optx, solver, least, misfit, z, max_steps):
    """All of it in one program, under a trace."""
    call = optx.least_squares if least else optx.minimise
    found = call(summed if least else halved, solver, z, misfit, has_aux=True, max_steps=max_steps, throw=False)
    return found.value, found.stats["num_steps"]


def _loop(solver, least, misfit, z, state, file, max_steps, progress):
    """Step by step, so that it can be watched and gone on with: the best point, the state and the number of steps."""
    function, steps, ended = summed if least else halved, 0, False
    kept = None
    if file is not None:
        kept = file.read(FitState(jax.eval_shape(lambda: z), eqx.filter_eval_shape(_init, function, solver, z, misfit)))
    if kept is not None:
        state, steps, ended = kept
    if state is None:
        memory = _init(function, solver, z, misfit)
    elif not isinstance(state, FitState) or state.z.shape != z.shape:
        raise InputError("state is not that of a fit of these parameters: give solution.state of an earlier call")
    else:
        z, memory = state.z, state.optimizer
    while steps < max_steps and not ended:
        z, memory, last = _step(function, solver, z, misfit, memory)
        steps, ended = steps + 1, bool(last)
        if file is not None:
            file.write(FitState(z, memory), steps, ended)
        if progress is not None:
            progress(steps, float(_chi_squared(z, misfit)))
    best, *_ = solver.postprocess(function, z, None, misfit, {}, memory, frozenset(), None)
    return best, FitState(z, memory), steps


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


def _quantile(confidence, misfit, students):
    """Of the normal distribution; of Student's where the noise is estimated."""
    from scipy import stats

    upper = 0.5 * (1 + confidence)
    return float(stats.t.ppf(upper, int(misfit.freedom)) if students else stats.norm.ppf(upper))
