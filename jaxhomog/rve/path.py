"""The RVE along a load path: one scan over attempts, each a step of the path or a part of it.

A row of the path is reached in one step, or, where that finds no equilibrium, in halves, quarters, ...: the carry
holds how far the row has come and how long the next step is. A fixed number of attempts, the rows and `cuts` more,
makes the loop one program that can be differentiated; attempts that are not needed end at once.

In reverse mode the carry is kept at the start of every segment and the unknowns of every attempt; the states in between
are computed again. What is solved for is not solved for again: it is a residual of its own name.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

from ..fields import Space
from ..materials import AbstractPoints, Step, at_rest, same_state
from ..results import NO_EQUILIBRIUM, NOT_FINITE, SUCCESS, worst_of
from .cell import (
    Load,
    Problem,
    Unknowns,
    initial_state,
    point_mean,
    reference_energy,
    stopped,
    strains,
    updated,
    virgin_ratios,
)
from .kept import blank_fields, voxel_means, with_row
from .newton import NewtonSettings, solve_step
from .settled import macro_tangent, settled
from .sound import left_finite
from .up import relative


class PathRows(NamedTuple):
    """Rows of a path, Mandel.

    Args:
        down: prescribed mean strain (T, n).
        up: prescribed mean stress (T, n).
        held: components whose stress is prescribed (T, n).
        dt: time increment of every row (T,).
        temperature: at the end of every row (T,), or None.
        time: at the end of every row (T,), absolute.
    """

    down: Float[Array, "t n"]
    up: Float[Array, "t n"]
    held: Array
    dt: Float[Array, " t"]
    temperature: Float[Array, " t"] | None
    time: Float[Array, " t"]


class PathOptions(NamedTuple):
    """Static options of a path.

    Args:
        newton: of every step.
        cuts: attempts beyond one per row.
        segment: attempts between the states that reverse mode keeps.
        tangent: whether the tangent of every row is computed.
        rows: rows whose fields are kept.
        compact: whether the fluctuation of every attempt is rounded to what 32 bits keep (see `_rounded`).
    """

    newton: NewtonSettings
    cuts: int
    segment: int
    tangent: bool
    rows: tuple[int, ...]
    compact: bool = False


class Restart(NamedTuple):
    """All that the next row needs: a path that goes on from here goes on bit for bit.

    Args:
        x: unknowns.
        last: their last change, for the guess of the next step.
        state: of every integration point, leaves (q, m, *shape).
        up: mean stress.
        temperature: at the end, or None.
        moduli: of the reference medium, from the last tangent.
        size: largest stress so far.
        load: change of the load in the last step, for the guess.
        energy: mean free energy.
        time: at the end (0 of the virgin material), in JAX's default precision; None inside the scan.
    """

    x: Unknowns
    last: Unknowns
    state: Any
    up: Array
    temperature: Array | None
    moduli: tuple[Array, ...]
    size: Array
    load: Array
    energy: Array
    time: Array | None


class Rows(NamedTuple):
    """What every row of the path returns; NaN from the row on that failed.

    Args:
        down: mean strain (T, n).
        up: mean stress (T, n).
        drag: mean dissipative stress (T, n), a part of `up`.
        tangent: (T, n, n), zeros unless asked for.
        energy: mean free energy (T,).
        dissipation: mean dissipation of the row (T,).
        lowest: smallest dissipation of any point in the row (T,).
        work: trapezoidal macroscopic work of the row (T,).
        end_work: the same with the stress at the end of every step.
        hill: largest power lost between the scales, relative (see `_lost_power`).
        code: (T,).
        tangent_code: of the tangent alone (T,).
        newton, iterations, cuts: counts (T,).
        residual: largest stress out of balance, relative (T,).
    """

    down: Array
    up: Array
    drag: Array
    tangent: Array
    energy: Array
    dissipation: Array
    lowest: Array
    work: Array
    end_work: Array
    hill: Array
    code: Array
    tangent_code: Array
    newton: Array
    iterations: Array
    cuts: Array
    residual: Array


class _Carry(NamedTuple):
    restart: Restart
    row: Array
    reached: Array  # of the row, 0 to 1
    length: Array  # of the next attempt
    start: tuple  # mean strain, mean stress, temperature at the end of the last row
    sums: Array  # over the attempts of a row, see `_attempt`
    code: Array
    kept: Any


_SUMS = 9


def virgin(space: Space, points: AbstractPoints, grid_shape, nodes, dtype, components, n) -> Restart:
    """The restart of the virgin material."""
    blank = Unknowns(jnp.zeros((components, *nodes), dtype), jnp.zeros(n, dtype))
    start = blank._replace(down=at_rest(blank.down, len(grid_shape)))
    elastic = points.elastic(grid_shape, dtype)
    parts = elastic.isotropic_part()
    moduli = tuple(jnp.mean(p) for p in stopped(parts))
    if len(moduli) == 2:
        # A fluid has no spring in shear: its bulk modulus stands in until a step has told what it resists.
        lam, mu = moduli
        moduli = (lam, jnp.where(mu > 0, mu, jnp.maximum(lam, 0)))
    zero = jnp.zeros((), dtype)
    state = initial_state(space, points, grid_shape, dtype)
    time = jnp.zeros((), jnp.result_type(float))
    return Restart(start, blank, state, jnp.zeros(n, dtype), None, moduli, zero, jnp.zeros(n, dtype), zero, time)


def march(
    space: Space, options: PathOptions, points: AbstractPoints, h, rows: PathRows, restart: Restart
) -> tuple[Rows, Restart, Any]:
    """Drive the RVE along a path.

    Args:
        space: element and boundary condition.
        options: static.
        points: the law on the grid.
        h: voxel edges.
        rows: the path.
        restart: where it begins.

    Returns:
        `Rows`, the restart of its end (of the last row that was reached), and fields of the rows asked for.
    """
    number = rows.dt.shape[0]
    dtype = restart.x.u.dtype
    start_temperature = restart.temperature
    if rows.temperature is not None and start_temperature is None:
        start_temperature = rows.temperature[0]
        restart = restart._replace(temperature=start_temperature)
    if rows.temperature is None and start_temperature is not None:
        # A path that says nothing of it stays at the temperature that it begins with.
        rows = rows._replace(temperature=jnp.broadcast_to(start_temperature, rows.dt.shape))
    assert restart.time is not None
    start_time = restart.time
    restart = restart._replace(time=None)
    count = jnp.asarray(0, jnp.int32)
    shape = space.boundary.voxels(restart.x.u.shape[1:])
    imposed = space.boundary.held(space.boundary.extend(points.elastic(shape, dtype), shape), h)
    # What every attempt shares.
    law = Problem(points, h, None, None, imposed, virgin_ratios(space, points, shape, dtype))
    kept = blank_fields(space, options.rows, law._replace(state=restart.state), restart.x)
    carry = _Carry(
        restart,
        count,
        jnp.zeros((), dtype),
        jnp.ones((), dtype),
        (restart.x.down, restart.up, restart.temperature),
        jnp.zeros(_SUMS, dtype),
        count,
        kept,
    )

    def attempt(carry: _Carry, _):
        return _attempt(space, options, law, rows, carry)

    policy = jax.checkpoint_policies.save_only_these_names("solved")
    # prevent_cse=False: a scan keeps the recomputation apart already.
    inner = jax.checkpoint(attempt, policy=policy, prevent_cse=False)

    def segment(carry, _):
        return lax.scan(inner, carry, None, length=options.segment)

    total = number + options.cuts
    outer = -(-total // options.segment)
    run = jax.checkpoint(segment, policy=policy, prevent_cse=False)
    carry, out = lax.scan(run, carry, None, length=outer)
    flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), out)
    where, values = flat
    # The attempt that completed each row; rows that were not reached take any, and a NaN.
    order = jnp.argsort(jnp.where(where < number, where, number), stable=True)[:number]
    reached = jnp.arange(number) < carry.row
    picked = jax.tree.map(lambda x: x[order], values)
    failed = worst_of(carry.code, jnp.where(carry.row < number, NO_EQUILIBRIUM, SUCCESS))
    code = jnp.where(reached, picked.code, failed)
    tangent_code = jnp.where(reached, picked.tangent_code, SUCCESS)
    times = jnp.concatenate([start_time[None], rows.time.astype(start_time.dtype)])
    last, share = times[carry.row], carry.reached.astype(start_time.dtype)
    # The end of a row is that row's time, to the last bit.
    within = last + share * (times[jnp.minimum(carry.row + 1, number)] - last)
    end = carry.restart._replace(time=jnp.where(carry.reached == 0, last, within))
    return picked._replace(code=code, tangent_code=tangent_code), end, carry.kept


def _load(rows: PathRows, carry: _Carry, length) -> tuple[Load, Array]:
    """What is prescribed at the end of an attempt, on the straight line from the last row, and how much changes."""
    row = jnp.minimum(carry.row, rows.dt.shape[0] - 1)
    at = lambda x: lax.dynamic_index_in_dim(x, row, 0, keepdims=False)  # noqa: E731
    end = jnp.minimum(carry.reached + length, 1)
    down0, up0, temperature0 = carry.start
    line = lambda a, b: jnp.where(end >= 1, b, a + end * (b - a))  # noqa: E731
    temperature = None if rows.temperature is None else line(temperature0, at(rows.temperature))
    step = Step(at(rows.dt) * length, temperature)
    held = at(rows.held)
    return Load(line(down0, at(rows.down)), line(up0, at(rows.up)), held, step), end


def _attempt(space, options: PathOptions, law: Problem, rows: PathRows, carry: _Carry):
    old = carry.restart
    dtype = old.x.u.dtype
    number = rows.dt.shape[0]
    active = (carry.row < number) & (carry.code == SUCCESS)
    load, end = _load(rows, carry, carry.length)
    problem = law._replace(state=old.state, load=load)

    # The last change, in the proportion of the loads, is the guess; a load that turns back starts from where it is.
    step = jnp.where(
        load.held, (load.up - old.up) / jnp.maximum(old.moduli[-1], jnp.finfo(dtype).tiny), load.down - old.x.down
    )
    ratio = _ratio(stopped(step), old.load)
    guess = jax.tree.map(lambda a, d: a + ratio * d, old.x, old.last)
    solved, info = solve_step(space, options.newton, problem, guess, old.moduli, stopped(old.size), active)
    # All that comes out of the solve has the name: what is missing one would be solved for again in reverse mode.
    info = jax.tree.map(lambda v: checkpoint_name(v, "solved"), info)
    ok = active & (info.code == SUCCESS)
    solved = jax.tree.map(lambda new, was: jnp.where(ok, new, was), solved, stopped(old.x))
    solved = lax.stop_gradient(solved)
    u = _rounded(solved.u) if options.compact else checkpoint_name(solved.u, "solved")
    solved = Unknowns(u, checkpoint_name(solved.down, "solved"))
    # Where it failed, the load is that of the state which is kept: no overflow waits for a zero cotangent to meet it.
    keep = lambda new, was: jnp.where(ok, new, lax.stop_gradient(was))  # noqa: E731
    load = load._replace(down=keep(load.down, old.x.down), up=keep(load.up, old.up))
    problem = problem._replace(load=load)
    done = end >= 1
    completed = ok & done
    # Attempts that are not needed, or failed, cost nothing more, in reverse mode neither.
    settle = jax.checkpoint(lambda args: _settle(space, options, *args), prevent_cse=False)
    keep_old = lambda args: _unmoved(space, options, *args)  # noqa: E731
    # The state before the step goes in once: every operand has a cotangent of its own.
    args = problem._replace(state=None), info, old, stopped(step), solved, completed
    restart, new, drag, tangent, codes, means = lax.cond(ok, settle, keep_old, args)

    merge = jnp.asarray([False, True, False, False, False, False, False, False, False])
    worst = jnp.asarray([False] * 7 + [True, True])
    s = carry.sums
    together = jnp.where(merge, jnp.minimum(s, new), jnp.where(worst, jnp.maximum(s, new), s + new))
    first = carry.reached == 0
    together = jnp.where(first & merge, new, together)
    sums = jnp.where(ok, together, s.at[6].add(jnp.where(active, 1, 0)))

    value = Rows(
        restart.x.down, restart.up, drag, tangent, restart.energy, together[0], together[1], together[2], together[3],
        together[8], worst_of(info.code, codes[1]), codes[0], together[4], together[5], together[6], together[7],
    )  # fmt: skip
    half = 0.5 * carry.length
    lost = active & ~ok & (half < 2.0**-12)
    nxt = _Carry(
        restart=restart,
        row=carry.row + completed,
        reached=jnp.where(ok, jnp.where(done, 0, end), carry.reached).astype(dtype),
        length=jnp.where(ok, jnp.where(done, 1, jnp.minimum(carry.length, 1 - end)), half).astype(dtype),
        start=jax.tree.map(
            lambda a, b: jnp.where(completed, a, b), (restart.x.down, restart.up, restart.temperature), carry.start
        ),
        sums=jnp.where(completed, jnp.zeros_like(sums), sums),
        code=worst_of(carry.code, jnp.where(lost, info.code, SUCCESS), jnp.max(codes)),
        kept=with_row(options.rows, carry.kept, carry.row, completed, means),
    )
    return nxt, (jnp.where(completed, carry.row, number), value)


def _rounded(u):
    """A field in steps of 2^-30 of its largest value: a residual of half the size in double precision.

    Four bytes as fixed point are some hundred times as fine as four bytes as floating point, where the largest value
    is what counts.
    """
    step = jnp.maximum(jnp.max(jnp.abs(u)), jnp.finfo(u.dtype).tiny * 2.0**31) * 2.0**-30
    kept = checkpoint_name(jnp.round(u / step).astype(jnp.int32), "solved")
    return kept.astype(u.dtype) * checkpoint_name(step, "solved")


def _settle(space, options: PathOptions, problem: Problem, info, old: Restart, step, solved, completed):
    """What an equilibrium leaves behind: restart, numbers of `_attempt`, mean dissipative stress, tangent, codes of it
    and of the law's answers, voxel means."""
    problem = problem._replace(state=old.state)
    dim, dtype = solved.u.ndim - 1, solved.u.dtype
    x = settled(space, options.newton, problem, stopped(old.moduli), solved)
    # Voids move so that the mean strain is what it is said to be.
    x = x._replace(u=space.boundary.fill(x.u, problem.imposed))
    strain = strains(space, problem, x)
    up = updated(space, problem, strain)
    mean = point_mean(up.stress, dim)
    tangent, tangent_code = _maybe_tangent(space, options, problem, stopped(old.moduli), x, completed)
    change = x.down - old.x.down
    work, end_work = 0.5 * jnp.sum((mean + old.up) * change), jnp.sum(mean * change)
    # Out of balance is at most this stress, in the norm of the reference medium (see `solve_step`).
    noise = max(options.newton.tolerance, 64 * float(jnp.finfo(dtype).eps)) * info.size
    hill = _lost_power(up.stress, strain - strains(space, problem, old.x), mean, change, old.moduli, noise)
    up = up._replace(state=same_state(problem.points, old.state, up.state))
    sound = left_finite(old.state, up, x, mean)
    codes = jnp.stack([tangent_code, jnp.where(sound, SUCCESS, NOT_FINITE).astype(jnp.int32)])
    numbers = jnp.stack([
        point_mean(up.dissipation, dim), jnp.min(up.dissipation), work, end_work, info.newton.astype(dtype),
        info.iterations.astype(dtype), jnp.zeros((), dtype), info.residual, hill,
    ])  # fmt: skip
    fresh = Restart(
        x=x,
        last=stopped(jax.tree.map(jnp.subtract, x, old.x)),
        state=up.state,
        up=mean,
        temperature=problem.load.step.temperature,
        moduli=info.moduli,
        size=info.size,
        load=step,
        energy=point_mean(up.energy, dim),
        time=None,
    )
    means = voxel_means(problem.points, strain, up.stress, up.state) if options.rows else None
    drag = jnp.zeros_like(mean) if up.dissipative is None else point_mean(up.dissipative, dim)
    return fresh, numbers, drag, tangent, codes, means


def _unmoved(space, options: PathOptions, problem: Problem, info, old: Restart, step, solved, completed):
    """The answer of `_settle` where there is no equilibrium: all as it was."""
    shapes = jax.eval_shape(lambda args: _settle(space, options, *args), (problem, info, old, step, solved, completed))
    _, *others = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
    return old, *others


def _lost_power(stress, moved, mean, change, reference, noise):
    """Hill-Mandel in rate form, |<s : de> - <s> : <de>| / (|<s : de>| + floor); no derivative.

    floor = 1000 noise sqrt(<de : C0 : de>) with `noise` the stress that the solver leaves out of balance: equilibrium
    loses at most a thousandth of it, so that steps of little power (unloading, a direction that carries nothing) do not
    divide noise by noise.
    """
    stress, moved, mean, change, noise = stopped((stress, moved, mean, change, noise))
    dim = stress.ndim - 2
    power = point_mean(jnp.sum(stress * moved, axis=1), dim)
    size = jnp.sqrt(jnp.maximum(point_mean(reference_energy(moved, stopped(reference), dim), dim), 0))
    return relative(jnp.abs(power - jnp.sum(mean * change)), jnp.abs(power) + 1000 * noise * size)


def _ratio(step, last):
    """Projection of a load on the last one, between 0 and 2."""
    square = jnp.sum(last * last)
    share = jnp.sum(step * last) / jnp.where(square > 0, square, 1)
    return jnp.where(square > 0, jnp.clip(share, 0, 2), 0)


def _maybe_tangent(space, options: PathOptions, problem, moduli, x, wanted):
    n, dtype = x.down.shape[0], x.u.dtype
    if not options.tangent:
        return jnp.zeros((n, n), dtype), jnp.asarray(SUCCESS, jnp.int32)
    code = jnp.asarray(SUCCESS, jnp.int32)
    return lax.cond(
        wanted,
        lambda args: macro_tangent(space, options.newton, *args),
        lambda args: (jnp.zeros((n, n), dtype), code),
        (problem, moduli, x),
    )


def segment_length(attempts: int, segment: int | None) -> int:
    """Attempts per segment, unless the user says: the square root of half of all.

    A segment keeps one state; while it is walked back, every attempt in it keeps a state and, twice, its unknowns.
    """
    return max(1, min(attempts, segment or math.ceil(math.sqrt(attempts / 2))))
