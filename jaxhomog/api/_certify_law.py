"""The part of `certify` that judges laws."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.core import Tracer

from ..fields import Grid
from ..materials import AbstractMaterial, CompositeVoxels, PhaseMixture
from ..results import InputError, Result, Solution
from ..validity import judge_material
from ._checks import law_dtype

_DEFAULT = {"elasticity": 0.01, "finite_strain": 0.1, "conduction": 1.0}


def certify_law(law: AbstractMaterial, grid: Grid | None, strain, gradient, steps, duration, tolerance) -> Solution:
    """`MaterialReport` of a law at one point.

    Raises:
        InputError: of the law's own check, or by name of the argument.
    """
    if isinstance(law, PhaseMixture | CompositeVoxels):
        raise InputError(f"a {type(law).__name__} has many points: certify its laws one by one")
    law.check()
    wrong, size, name = (strain, gradient, "gradient") if law.physics == "conduction" else (gradient, strain, "strain")
    if wrong is not None:
        raise InputError(f"the law is one of {law.physics}: give {name}=, the size of the largest loop")
    size = _DEFAULT[law.physics] if size is None else size
    for key, value in ((name, size), ("duration", duration)):
        if jnp.ndim(value) != 0 or not (isinstance(value, Tracer) or 0 < float(value) < float("inf")):
            raise InputError(f"{key} is {value}: give one number > 0")
    if int(steps) != steps or steps < 4:
        raise InputError(f"steps={steps}: give a whole number, at least 4")
    floating = any(jnp.issubdtype(jnp.result_type(x), jnp.floating) for x in jax.tree.leaves(law))
    dtype = law_dtype(law) if floating else None
    report, code = judge_material(law, 3 if grid is None else grid.dim, size, int(steps), duration, tolerance, dtype)
    return Solution(report, None, Result(code), {})
