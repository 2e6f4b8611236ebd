"""The course of a design: where it stands, what was best, what every step brought."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ._criteria import Evaluated, evaluate, like


class DesignState(eqx.Module):
    """Where a design stands; `design(..., state=)` goes on from here.

    Args:
        variables: flat.
        stage: index of the stage.
        step: steps taken within it.
        best: the best variables of this stage, flat.
        memory: leaves of the optax transformation's state, or None: SLSQP begins again with the identity for its
            Hessian.
    """

    variables: Float[Array | np.ndarray, " n"]
    stage: int | np.ndarray | Array
    step: int | np.ndarray | Array
    best: Float[Array | np.ndarray, " n"]
    memory: Any = None


class DesignStep(eqx.Module):
    """What `callback` is told after every step.

    Args:
        variables: as the problem takes them.
        objective: its value.
        violation: largest violation of any constraint.
        state: `DesignState`: an interrupted design goes on from the last one that was saved.
    """

    variables: Any
    objective: float
    violation: float
    state: DesignState


class History(eqx.Module):
    """One row per step.

    Args:
        stage: index of the stage.
        objective: its value after the step.
        violation: largest violation of any constraint; 0 where all are fulfilled.
        constraints: name -> largest entry (of an equality: the largest absolute value).
    """

    stage: Int[Array | np.ndarray, " t"]
    objective: Float[Array | np.ndarray, " t"]
    violation: Float[Array | np.ndarray, " t"]
    constraints: dict[str, Float[Array | np.ndarray, " t"]]


class Stopped(Exception):
    """The callback has seen enough."""


class Run:
    """Counts evaluations, remembers the last ones, keeps the best point of the stage and the history."""

    def __init__(self, problem, start, stages, allowed, callback, state: DesignState):
        self.problem, self.start, self.stages, self.allowed, self.callback = problem, start, stages, allowed, callback
        self.state, self.stage, self.step = state, int(state.stage), int(state.step)
        self.rows: list[tuple[int, float, float, dict[str, float]]] = []
        self.evaluations = self.rejected = 0
        self.recent: dict[bytes, Evaluated] = {}
        self.best: tuple[np.ndarray, Evaluated] | None = None

    def begin(self, stage: int, step: int, x: np.ndarray) -> Evaluated:
        """Turn to a stage; the best point of the one before is kept where x cannot be evaluated in this one."""
        self.stage, self.step, self.recent = stage, step, {}
        found = self.evaluate(x)
        if found.sound:
            self.best = (x, found)
        return found

    @property
    def reached(self) -> tuple[np.ndarray, Evaluated]:
        """The best point of the stage."""
        assert self.best is not None
        return self.best

    def evaluate(self, x: np.ndarray) -> Evaluated:
        key = x.tobytes()
        if key not in self.recent:
            found = evaluate(self.problem, x, self.start, self.stages[self.stage] if self.stages else None)
            self.evaluations, self.rejected = self.evaluations + 1, self.rejected + (not found.sound)
            self.recent = dict([*[*self.recent.items()][-1:], (key, found)])
        return self.recent[key]

    def report(self, x: np.ndarray, memory: Any) -> None:
        """A step ended at x: write it down, keep it if it is the best, tell the callback."""
        found = self.evaluate(x)
        # Feasible with the smaller objective, else less violated.
        rank = lambda e: (max(e.violation, self.allowed), e.objective)  # noqa: E731
        if self.best is None or (found.sound and rank(found) < rank(self.best[1])):
            self.best = (x.copy(), found)
        self.step += 1
        self.state = DesignState(x.copy(), np.asarray(self.stage), np.asarray(self.step), self.best[0], memory)
        largest = lambda x: float(np.max(np.asarray(x)))  # noqa: E731
        row = {name: largest(value) for name, value in found.criteria.inequality.items()}
        row |= {name: largest(np.abs(value)) for name, value in found.criteria.equality.items()}
        self.rows.append((self.stage, found.objective, found.violation, row))
        if self.callback is not None:
            variables = like(jnp.asarray(x), self.start)
            if self.callback(DesignStep(variables, found.objective, found.violation, self.state)):
                raise Stopped

    def history(self) -> History:
        """What `report` wrote down."""
        names = self.rows[0][3] if self.rows else {}
        return History(
            np.array([row[0] for row in self.rows], int),
            np.array([row[1] for row in self.rows], float),
            np.array([row[2] for row in self.rows], float),
            {name: np.array([row[3][name] for row in self.rows]) for name in names},
        )
