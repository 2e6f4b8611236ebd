"""The part of `certify` that judges solutions of `drive`."""

from __future__ import annotations

from functools import partial

import jax

from ..results import Solution
from ..tensors import from_voigt
from ..validity import judge_path


def certify_path(solution: Solution, tolerance: float) -> Solution:
    """`PathReport` of a solution of `drive`, lane by lane."""
    value, state = solution.value, solution.state
    # Three components are those of a plane strain or of a gradient in space: the restart's reference medium has two
    # moduli or one. A solution without its state is told by their number alone.
    conduction = value.strain.shape[-1] == 2 or (state is not None and len(state.moduli) == 1)
    judge = partial(_judge, conduction=conduction)
    for _ in range(value.energy.ndim - 1):
        judge = jax.vmap(judge, in_axes=(0, None))
    return Solution(judge(value, tolerance), None, solution.result, {})


def _judge(value, tolerance, *, conduction):
    tangent = value.tangent
    if tangent is not None:
        tangent = -tangent if conduction else from_voigt(tangent, "stiffness")
    return judge_path(
        value.energy,
        value.dissipation,
        value.algorithmic_dissipation,
        value.lowest_dissipation,
        value.hill_mandel_residual,
        tangent,
        tolerance,
        conduction,
    )
