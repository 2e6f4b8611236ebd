"""The part of `certify` that judges solutions of `drive`."""

from __future__ import annotations

from functools import partial

import jax

from ..results import Solution
from ..tensors import from_voigt
from ..validity import judge_path


def certify_path(solution: Solution, tolerance: float) -> Solution:
    """`PathReport` of a solution of `drive`, lane by lane."""
    value = solution.value
    judge = partial(_judge, physics=value.physics)
    for _ in range(value.energy.ndim - 1):
        judge = jax.vmap(judge, in_axes=(0, None))
    return Solution(judge(value, tolerance), None, solution.result, {})


def _judge(value, tolerance, *, physics):
    tangent = value.tangent
    if tangent is not None and physics != "finite_strain":
        tangent = -tangent if physics == "conduction" else from_voigt(tangent, "stiffness")
    return judge_path(
        value.energy,
        value.dissipation,
        value.algorithmic_dissipation,
        value.lowest_dissipation,
        value.hill_mandel_residual,
        tangent,
        tolerance,
        physics == "conduction",
    )
