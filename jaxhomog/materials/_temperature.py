"""Whether a law hears of the temperature that a step tells it: read off its program, so that no law has to say."""

from __future__ import annotations

import equinox as eqx
import jax

from ._material import AbstractMaterial, Step
from ._state import virgin_state


def depends_on_temperature(law: AbstractMaterial, shape: tuple[int, ...], dtype) -> bool:
    """Whether what a law answers depends on `Step.temperature`.

    Its update is traced, not computed: an operation that takes the temperature, or what such an operation has made, may
    depend on it. A law that branches on the values may therefore be said to depend on it although it does not.

    Args:
        law: any law, a mixture too.
        shape: of its grid.
        dtype: floating dtype of the computation.
    """
    dim = len(shape)
    n = {"conduction": dim, "elasticity": 6 if dim == 3 else 3, "finite_strain": dim * dim}[law.physics]

    def answer(temperature, strain, dt, law):
        points = law.points(shape, dtype)
        return points.update(strain, virgin_state(points, shape, dtype), Step(dt, temperature))

    number = jax.ShapeDtypeStruct((), dtype)
    arrays, static = eqx.partition(law, eqx.is_array)
    program = jax.make_jaxpr(lambda t, e, dt, a: answer(t, e, dt, eqx.combine(a, static)))(
        number, jax.ShapeDtypeStruct((n, *shape), dtype), number, arrays
    ).jaxpr
    # By identity: literals among the operands have no hash.
    moved = {id(program.invars[0])}
    for equation in program.eqns:
        if any(id(x) in moved for x in equation.invars):
            moved.update(map(id, equation.outvars))
    return any(id(x) in moved for x in program.outvars)
