"""Results of lanes as arrays with names, filled in any order."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from ..results import SUCCESS, InputError, Solution

CODE = "code"
NOT_RUN = -1


def names_of(tree: Any, root: str) -> list[str]:
    """Names of the arrays of a pytree: root.field.0.name, each once."""
    paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(tree)]
    names = [".".join([root, *(jax.tree_util.keystr((step,), simple=True) for step in path)]) for path in paths]
    names = [name.replace("/", "_") for name in names]  # a slash would be a folder of the store
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"two arrays of the sweep would be called {twice[0]!r}: rename one")
    return names


def solution_names(solution: Solution) -> list[str]:
    """Names of a solution's arrays in the order of its leaves: value.*, the code, stats.*."""
    return [*names_of(solution.value, "value"), CODE, *names_of(solution.stats, "stats")]


def blank(name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array of lanes that have not run: NaN, 0 or False, and the code NOT_RUN."""
    return np.full(shape, NOT_RUN if name == CODE else np.nan if np.issubdtype(dtype, np.inexact) else 0, dtype)


class Results:
    """Solutions of the lanes of a sweep.

    Args:
        count: number of lanes.
        template: the solution of one lane, anything with shapes and dtypes.
    """

    def __init__(self, count: int, template: Solution):
        leaves, self.structure = jax.tree.flatten(template)
        names = solution_names(template)
        self.arrays = {
            name: blank(name, (count, *x.shape), np.dtype(x.dtype)) for name, x in zip(names, leaves, strict=True)
        }

    @property
    def code(self) -> np.ndarray:
        """Result codes; NOT_RUN marks a lane that is not finished."""
        return self.arrays[CODE]

    @property
    def done(self) -> np.ndarray:
        """Which lanes are finished."""
        return self.code != NOT_RUN

    @property
    def failed(self) -> int:
        """Number of finished lanes without success."""
        return int(np.sum(self.done & (self.code != SUCCESS)))

    def put(self, index: np.ndarray, rows: list[np.ndarray]) -> None:
        """Rows of every array for the lanes `index`."""
        for array, row in zip(self.arrays.values(), rows, strict=True):
            array[index] = row

    def rows(self, index: np.ndarray) -> list[np.ndarray]:
        """Rows of every array for the lanes `index`."""
        return [array[index] for array in self.arrays.values()]

    def exchange(self, shares: list[np.ndarray]) -> None:
        """Give every process the lanes of all; `shares` are those that each has got, by process."""
        most = max(map(len, shares))
        if len(shares[jax.process_index()]) == 0:
            mine = np.zeros(most, int)  # not used by anybody
        else:
            mine = np.resize(shares[jax.process_index()], most)
        rows = multihost_utils.process_allgather(self.rows(mine))
        for process, index in enumerate(shares):
            self.put(index, [np.asarray(row)[process, : len(index)] for row in rows])

    def solution(self) -> Solution:
        """The solutions of all lanes as one."""
        return jax.tree.unflatten(self.structure, list(self.arrays.values()))
