"""`sweep`: one problem, many parameters."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from contextlib import closing
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ..results import SUCCESS, InputError, Solution, SolverError, under_jax_defaults
from ._checks import flag, function, whole
from ._lanes import (
    Problem,
    closed_over,
    dispatchers,
    in_order,
    lanes_at_once,
    mesh_of,
    most_at_once,
    padded,
    parted,
    placed,
    solve_lanes,
)
from ._product import lane_count
from ._results import Results
from ._store import Store, open_store

_STORED = 64


@under_jax_defaults
def sweep(
    problem: Callable[[Any], Solution],
    parameters: Any,
    *,
    lanes: str = "auto",
    chunk: int | None = None,
    devices: int | None = None,
    store: str | os.PathLike | None = None,
    resume: bool = False,
    throw: bool = True,
    progress: Callable[[int, int, int], None] | None = None,
) -> Solution:
    """Any verb over a batch: many microstructures, many parameters, many loads, or their `product`.

        value[i] = problem(parameters[i]).value

    Args:
        problem: a pure function of one lane's parameters that returns the `Solution` of a verb, with a smaller value if
            the whole takes too much memory: `dataclasses.replace(solution, value=solution.value.effective)`. Arrays
            that all lanes share belong into a partial (`functools` or `jax.tree_util`) or an `equinox.Module`, where
            they are arguments of the program; those in a closure become constants of it. The same function object is
            compiled once.
        parameters: a pytree of arrays, with the lanes along every leading axis.
        lanes: "map": every device (on one device of a CPU, every core) solves one lane after the other; "vmap": `chunk`
            lanes at once, in lockstep (a lane that has converged does not move any more while others go on), while the
            next such pass is prepared. "auto": "map" on a CPU, else "vmap".
        chunk: lanes that are in memory (and, with `store`, in one file) together. Default with "vmap": what fits the
            device's memory, at most 256 per device (a CPU: 8), which takes a compilation to find out.
        devices: how many of JAX's devices share the lanes. Default: all; of several processes
            (`jax.distributed.initialize`) each takes a part of the chunks.
        store: a directory for a Zarr store: every lane is there as soon as it is solved, with its parameters. See
            `load_sweep`. Needs the extra `jaxhomog[studies]`.
        resume: go on with the store where an earlier sweep was ended, however that was; start it if there is none.
        throw: raise after all lanes are solved (and stored) if some have failed, in eager calls. Under a trace, and
            with throw=False, the codes tell.
        progress: called with the numbers of lanes that are finished, of all, and of those that failed.

    Returns:
        `Solution` with a leading axis of lanes in value, result and stats; NaN in failed lanes, with their code; state
        None (put it into the value if you need it). Arrays of the host from an eager call.

    Raises:
        InputError: a bad argument, a store that is foreign, damaged, in use, of another sweep, or cannot be written.
        SolverError: failed lanes (throw=True); its `solution` holds all lanes.

    With "map" and one device an eager call is equal to a loop of `jax.jit(problem)` bit by bit, whatever the chunk. On
    several devices XLA compiles another program: values agree within rounding, and every lane's is independent of the
    others. Under a trace (`jax.grad`, `jax.jit`) the sweep is one program, differentiable in reverse and forward mode;
    it communicates where results of all lanes meet, as in the gradient of a shared parameter, never fields. The number
    of lanes should be a multiple of the devices there.
    """
    count = lane_count(parameters, "parameters")
    function("problem", problem, "the parameters of one lane")
    static, arrays = parted(problem)
    given = (arrays, parameters, closed_over(problem), jnp.zeros(()))
    traced = any(isinstance(x, Tracer) for x in jax.tree.leaves(given))
    if lanes not in ("auto", "map", "vmap"):
        raise InputError(f"lanes={lanes!r} is unknown: choose 'auto', 'map' or 'vmap'")
    if chunk is not None:
        chunk = whole("chunk", chunk, "a whole number of lanes")
    if progress is not None:
        function("progress", progress, "lanes finished", "all lanes", "lanes failed")
    resume, throw = flag("resume", resume), flag("throw", throw)
    chosen = _devices(devices, jax.devices() if traced else jax.local_devices())
    if lanes == "auto":
        lanes = "map" if chosen[0].platform == "cpu" else "vmap"
    if traced:
        if store is not None or progress is not None:
            raise InputError(
                "a sweep under jit or grad has no store and no progress: call it outside, or leave them out"
            )
        return _in_one_program(static, arrays, parameters, count, lanes, chunk, chosen)
    parameters = jax.tree.map(np.asarray, parameters)
    passes = _Passes(static, arrays, parameters, count, lanes, chunk, chosen)
    if store is None:
        solution = passes.solve(None, progress)
    else:
        kept = open_store(store, static, arrays, parameters, count, passes.chunk, resume)
        try:
            solution = passes.solve(kept, progress)
        finally:
            kept.close()
    return _throw_if_failed(solution) if throw else solution


class _Passes:
    """The eager sweep: passes of some lanes through one program, collected chunk by chunk."""

    def __init__(self, problem: Problem, arrays, parameters, count: int, lanes: str, chunk: int | None, devices: list):
        self.problem, self.parameters, self.count = problem, parameters, count
        self.lanes, self.devices, self.mesh = lanes, devices, mesh_of(devices)
        self.arrays = jax.device_put(arrays, placed(self.mesh, devices, False))
        share = None if chunk is None else -(-min(chunk, count) // len(devices))
        self.at_once = 1 if lanes == "map" else lanes_at_once(problem, arrays, parameters, self.mesh, devices, share)
        share = -(-count // jax.process_count())
        self.chunk = chunk or max(min(_STORED, share), self.at_once * len(devices))

    def solve(self, store: Store | None, progress) -> Solution:
        """All lanes."""
        chunk = self.chunk if store is None else store.chunk
        results = None if store is None else store.results
        mine = self._passes(chunk, np.zeros(self.count, bool) if results is None else results.done)
        if results is not None and progress is not None:
            progress(int(results.done.sum()), self.count, results.failed)
        # The first pass compiles; it is run here, so that the other threads find the program.
        first = [(index, self._run(index)) for index in mine[:1]]
        # Closed at once when somebody interrupts: no other lane is begun.
        with closing(in_order(self._run, mine[1:], dispatchers(self.devices))) as others:
            for index, solution in itertools.chain(first, others):
                if results is None:
                    results = Results(self.count, jax.tree.map(lambda x: x[0], solution))
                results.put(index, [x[: len(index)] for x in jax.tree.leaves(solution)])
                if store is not None:
                    store.write(index)
                if progress is not None:
                    progress(int(results.done.sum()), self.count, results.failed)
        if jax.process_count() > 1:
            results = results or Results(self.count, self._template())
            results.exchange([self._share(chunk, process) for process in range(jax.process_count())])
        assert results is not None
        return results.solution()

    def _share(self, chunk: int, process: int) -> np.ndarray:
        """Lanes of a process: every so many chunks one."""
        lanes = np.arange(self.count)
        return lanes[lanes // chunk % jax.process_count() == process]

    def _passes(self, chunk: int, done: np.ndarray) -> list[np.ndarray]:
        """Lanes of every pass of this process that has some left; a pass lies in one chunk."""
        mine = self._share(chunk, jax.process_index())
        left = mine[~done[mine]]
        width = self.at_once * len(self.devices)
        chunks = np.split(left, np.flatnonzero(np.diff(left // chunk)) + 1)
        return [lanes[k : k + width] for lanes in chunks for k in range(0, len(lanes), width)]

    def _template(self) -> Solution:
        lane = jax.tree.map(lambda x: x[0], self.parameters)
        return jax.eval_shape(lambda arrays, lane: self.problem(arrays, lane), self.arrays, lane)

    def _run(self, index: np.ndarray) -> Solution:
        mine = padded(jax.tree.map(lambda x: x[index], self.parameters), self.at_once * len(self.devices))
        mine = jax.device_put(mine, placed(self.mesh, self.devices, True))
        solution = solve_lanes(self.arrays, mine, self.problem, self.lanes, self.mesh, self.at_once)
        return jax.tree.map(np.asarray, solution)


def _in_one_program(problem, arrays, parameters, count, lanes, chunk, devices) -> Solution:
    """The sweep under a trace."""
    at_once = most_at_once(count, devices) if chunk is None else -(-chunk // len(devices))
    filled = padded(parameters, -(-count // len(devices)) * len(devices))
    solution = solve_lanes.plain(arrays, filled, problem, lanes, mesh_of(devices), at_once)
    return solution if len(devices) == 1 else jax.tree.map(lambda x: x[:count], solution)


def _devices(number: int | None, there: list) -> list:
    if number is None:
        return there
    number = whole("devices", number)
    if number > len(there):
        raise InputError(
            f"devices={number}, but JAX has {len(there)}: give fewer, or on a CPU set jax_num_cpu_devices first"
        )
    return there[:number]


def _throw_if_failed(solution: Solution) -> Solution:
    code = np.asarray(solution.result.code)
    failed = int(np.sum(code != SUCCESS))
    if failed:
        raise SolverError(f"sweep: {failed} of {len(code)} lanes failed, the worst: {solution.result}", solution)
    return solution
