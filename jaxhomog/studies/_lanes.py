"""How the lanes of a sweep are arranged on devices: one program, no communication."""

from __future__ import annotations

import functools
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..api._compile import compiled
from ..results import InputError, Result, Solution

# Lanes that one device takes at once where nothing says how many fit; the share of the free memory that they may fill,
# less than half because two passes are under way.
_AT_ONCE = {"cpu": 8}
_AT_ONCE_ELSEWHERE = 256
_SHARE = 0.4


class Problem(NamedTuple):
    """A problem without its arrays: hashable, a static argument of a compiled program.

    Args:
        structure: of the callable as a pytree.
        rest: its leaves that are no arrays; None where an array was.
    """

    structure: Any
    rest: tuple

    def __call__(self, arrays: list, lane: Any) -> Solution:
        """Solve one lane; the state is left out."""
        given = iter(arrays)
        leaves = [next(given) if leaf is None else leaf for leaf in self.rest]
        solution = jax.tree.unflatten(self.structure, leaves)(lane)
        if not isinstance(solution, Solution):
            raise InputError(
                f"the problem of the sweep returns a {type(solution).__name__}: return the Solution of a verb, with a"
                " smaller value if you like (dataclasses.replace(solution, value=...))"
            )
        # A sweep of sweeps: a lane has the worst code of its own lanes.
        return Solution(solution.value, None, Result(jnp.max(solution.result.code)), solution.stats)


def parted(problem: Callable) -> tuple[Problem, list]:
    """A callable as its static part and its arrays (`jax.tree_util.Partial` and `eqx.Module` have some)."""
    if isinstance(problem, functools.partial):
        problem = jax.tree_util.Partial(problem.func, *problem.args, **problem.keywords)
    leaves, structure = jax.tree.flatten(problem)
    is_array = lambda x: isinstance(x, (jax.Array, np.ndarray))  # noqa: E731
    static = Problem(structure, tuple(None if is_array(x) else x for x in leaves))
    try:
        hash(static)
    except TypeError:
        raise InputError(
            f"the problem of the sweep ({type(problem).__name__}) is not hashable: give a function, a"
            " jax.tree_util.Partial or an equinox.Module"
        ) from None
    return static, [x for x in leaves if is_array(x)]


def closed_over(function: Any, seen: tuple = ()) -> list:
    """What a function and those that it calls by closure hold: traced values there mean that the sweep is traced."""
    cells = []
    for cell in getattr(function, "__closure__", None) or ():
        with suppress(ValueError):  # a name that has no value yet
            cells.append(cell.cell_contents)
    seen = (*seen, function)  # a recursive function holds itself
    deeper = [x for x in cells if callable(x) and not any(x is f for f in seen)]
    return [*cells, *(x for f in deeper for x in closed_over(f, seen))]


@compiled("problem", "lanes", "mesh", "at_once")
def solve_lanes(arrays: list, parameters: Any, problem: Problem, lanes: str, mesh: Any, at_once: int) -> Solution:
    """Solve a batch, its lanes shared out evenly among the devices of a mesh.

    Args:
        arrays: what all lanes share.
        parameters: of every lane; the leading axis is a multiple of the devices.
        problem: from `parted`.
        lanes: "map", one after the other, or "vmap", `at_once` together.
        mesh: with the axis "lanes", or None for the device where the arguments are.
        at_once: lanes that a device takes together.
    """

    def share(arrays, mine):
        one = lambda lane: problem(arrays, lane)  # noqa: E731
        number = jax.tree.leaves(mine)[0].shape[0]
        if number == 1:  # the very program of a single solve: equal to it bit by bit
            return jax.tree.map(lambda x: x[None], one(jax.tree.map(lambda x: x[0], mine)))
        if lanes == "map":
            return jax.lax.map(one, mine)
        return jax.vmap(one)(mine) if number <= at_once else jax.lax.map(one, mine, batch_size=at_once)

    if mesh is None:
        return share(arrays, parameters)
    spec = jax.sharding.PartitionSpec
    spread = jax.shard_map(share, mesh=mesh, in_specs=(spec(), spec("lanes")), out_specs=spec("lanes"), check_vma=False)
    return spread(arrays, parameters)


def mesh_of(devices: list) -> Any:
    """The devices in a row, or None for one."""
    return jax.sharding.Mesh(np.asarray(devices), ("lanes",)) if len(devices) > 1 else None


def placed(mesh: Any, devices: list, by_lanes: bool) -> Any:
    """Where arrays go: shared out by lanes or, if all lanes share them, to every device."""
    if mesh is None:
        return jax.sharding.SingleDeviceSharding(devices[0])
    spec = jax.sharding.PartitionSpec("lanes") if by_lanes else jax.sharding.PartitionSpec()
    return jax.sharding.NamedSharding(mesh, spec)


def padded(parameters: Any, number: int) -> Any:
    """The last lane repeated until there are `number`."""

    def fill(x):
        xp = jnp if isinstance(x, jax.Array) else np
        return xp.concatenate([x, xp.repeat(x[-1:], number - x.shape[0], axis=0)]) if x.shape[0] < number else x

    return jax.tree.map(fill, parameters)


def most_at_once(number: int, devices: list) -> int:
    """Lanes that a device takes together under `vmap` where memory is no question."""
    return min(_AT_ONCE.get(devices[0].platform, _AT_ONCE_ELSEWHERE), -(-number // len(devices)))


def lanes_at_once(problem: Problem, arrays: list, parameters: Any, mesh: Any, devices: list, wanted: int | None) -> int:
    """How many lanes fit one device under `vmap`.

    Args:
        problem: from `parted`.
        arrays: what all lanes share.
        parameters: of all lanes.
        mesh: of the devices, or None.
        devices: that the lanes run on.
        wanted: a number of lanes per device that the user vouches for, or None.

    Returns:
        The number asked for; else as many as the compiled program says that fit into the free memory, where the
        device tells it.
    """
    if wanted is not None:
        return wanted
    count = most_at_once(jax.tree.leaves(parameters)[0].shape[0], devices)
    memory = devices[0].memory_stats() or {}
    if "bytes_limit" not in memory:
        return count
    free = _SHARE * (memory["bytes_limit"] - memory.get("bytes_in_use", 0))
    while count > 1:
        need = _bytes_needed(problem, arrays, parameters, mesh, count, len(devices))
        if need <= free:
            break
        count = max(1, min(count - 1, int(count * free / need)))
    return count


def _bytes_needed(problem, arrays, parameters, mesh, count: int, devices: int) -> int:
    """Memory of one device while `count` lanes run on it, as the compiler plans it."""
    like = lambda x: jax.ShapeDtypeStruct((count * devices, *x.shape[1:]), jnp.result_type(x))  # noqa: E731
    lowered = solve_lanes.plain.lower(arrays, jax.tree.map(like, parameters), problem, "vmap", mesh, count)
    plan = lowered.compile().memory_analysis()
    if plan is None:
        return 0
    return plan.argument_size_in_bytes + plan.output_size_in_bytes + plan.temp_size_in_bytes


def dispatchers(devices: list) -> int:
    """Threads that hand passes to the devices.

    XLA keeps little more than one core busy with one program, but runs programs of several threads side by side: on
    one device of a CPU a thread per core. Elsewhere two, so that a device does not wait for the host.
    """
    if devices[0].platform != "cpu" or len(devices) > 1:
        return 2
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def in_order(work: Callable[[Any], Any], items: Iterable, threads: int) -> Generator[tuple[Any, Any], None, None]:
    """(item, work(item)) in the order of the items, with a few of them ahead in other threads."""
    if threads == 1:
        for item in items:
            yield item, work(item)
        return
    ahead: deque = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                ahead.append((item, pool.submit(work, item)))
                if len(ahead) > 2 * threads:
                    item, future = ahead.popleft()
                    yield item, future.result()
            while ahead:
                item, future = ahead.popleft()
                yield item, future.result()
        finally:
            for _, future in ahead:
                future.cancel()
