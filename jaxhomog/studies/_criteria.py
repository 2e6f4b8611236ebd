"""What a design problem returns, and its evaluation with all first derivatives."""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ..results import InputError
from ._checks import is_real

TRACED = "design steers solves from Python: call it outside jit, grad and vmap"


class Criteria(eqx.Module):
    """What is sought of a design: objective -> min, inequality <= 0, equality = 0.

    Args:
        objective: a scalar.
        inequality: name -> array of any shape, fulfilled where every entry is <= 0. Entries of the order of one make
            `constraint_tolerance` a relative one: mean / 0.5 - 1, not mean - 0.5.
        equality: name -> array of any shape, fulfilled where every entry is 0.
        output: anything else that the design shall be returned with: image, effective tensor, bounds.
    """

    objective: Any
    inequality: dict[str, Any] = eqx.field(default_factory=dict)
    equality: dict[str, Any] = eqx.field(default_factory=dict)
    output: Any = None


class Evaluated(NamedTuple):
    """Values of a problem at one point and their derivatives with respect to the flat variables.

    Args:
        objective: scalar.
        inequality: all entries, flat.
        equality: all entries, flat.
        slopes: derivatives of the three, one row per entry.
        criteria: as the problem returned them.
    """

    objective: float
    inequality: np.ndarray
    equality: np.ndarray
    slopes: tuple[np.ndarray, np.ndarray, np.ndarray]
    criteria: Criteria

    @property
    def sound(self) -> bool:
        """Whether every value and every derivative is finite."""
        return all(np.isfinite(x).all() for x in (self.objective, self.inequality, self.equality, *self.slopes))

    @property
    def violation(self) -> float:
        """Largest violation of any constraint."""
        return float(max(self.inequality.max(initial=0), np.abs(self.equality).max(initial=0)))


def flat(tree: Any, dtype) -> Float[Array, " n"]:
    """The leaves of a pytree, one after the other."""
    return jnp.concatenate([jnp.ravel(jnp.asarray(x, dtype)) for x in jax.tree.leaves(tree)])


def like(vector: Float[Array, " n"], tree: Any) -> Any:
    """The pytree whose leaves, one after the other, are the vector."""
    leaves, structure = jax.tree.flatten(tree)
    ends = np.cumsum([x.size for x in leaves])
    parts = [vector[end - x.size : end].reshape(x.shape) for end, x in zip(ends, leaves, strict=True)]
    return jax.tree.unflatten(structure, parts)


def _criteria(problem, variables, stage) -> Criteria:
    out = problem(variables) if stage is None else problem(variables, stage)
    out = out if isinstance(out, Criteria) else Criteria(out)
    if not is_real(out.objective):
        raise InputError(f"the objective is a {_kind(out.objective)}: return one real number, or Criteria(number, ...)")
    for name, group in (("inequality", out.inequality), ("equality", out.equality)):
        if not isinstance(group, dict) or not all(isinstance(key, str) for key in group):
            raise InputError(f"{name} is a {type(group).__name__}: give a dict of name -> array")
        for key, value in group.items():
            if not is_real(value):
                raise InputError(f"{name} {key!r} is a {_kind(value)}: give an array of real numbers")
    if jnp.shape(out.objective) != ():
        raise InputError(f"the objective has shape {jnp.shape(out.objective)}: return one number")
    both = set(out.inequality) & set(out.equality)
    if both:
        raise InputError(f"{both.pop()!r} names an inequality and an equality: give each a name of its own")
    return out


def _kind(value) -> str:
    dtype = getattr(value, "dtype", None)
    return type(value).__name__ if dtype is None else f"{dtype} array"


def objective_at(problem, start, stage, bounded: bool, x) -> Array:
    """The objective at the flat variables x: what a line search within a program asks for.

    Raises:
        InputError: variables with bounds, which it would ignore and then end away from the optimum.
    """
    if bounded:
        raise InputError(
            "a line search of optax (lbfgs) knows no bounds: use optimizer='slsqp' or optax.adam, or leave the bounds"
            " out and map the variables yourself, by jax.nn.sigmoid for example"
        )
    return jnp.asarray(_criteria(problem, like(x, start), stage).objective, x.dtype)


# Arrays within a problem that is a pytree (an `eqx.Module`, `jax.tree_util.Partial`) are arguments of the program.
@eqx.filter_jit
def _values(problem, x, start, stage):
    def vector(x):
        criteria = _criteria(problem, like(x, start), stage)
        parts = [
            flat(part, x.dtype) if part else jnp.zeros(0, x.dtype) for part in (criteria.inequality, criteria.equality)
        ]
        return jnp.concatenate([jnp.asarray(criteria.objective, x.dtype)[None], *parts]), criteria

    values, pullback, criteria = jax.vjp(vector, x, has_aux=True)
    # One solve serves all rows: the derivative of an effective tensor costs no further one.
    (slopes,) = jax.vmap(pullback)(jnp.eye(values.size, dtype=values.dtype))
    return values, slopes, criteria


def evaluate(problem, x, start, stage) -> Evaluated:
    """Values and derivatives of a problem at the flat variables x.

    Args:
        problem: variables -> `Criteria` or a scalar (with a stage: variables, stage -> ...).
        x: flat variables.
        start: a pytree of arrays with the structure of the variables.
        stage: second argument of the problem, or None.
    """
    values, slopes, criteria = _values(problem, jnp.asarray(x), start, stage)
    if isinstance(values, Tracer):  # of something that the problem closes over
        raise InputError(TRACED)
    values, slopes = np.asarray(values, np.float64), np.asarray(slopes, np.float64)
    cut = 1 + sum(int(np.size(part)) for part in criteria.inequality.values())
    rows = (slopes[0], slopes[1:cut], slopes[cut:])
    return Evaluated(float(values[0]), values[1:cut], values[cut:], rows, criteria)
