"""The part of `certify` that judges laws."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ..fields import Grid
from ..materials import AbstractMaterial, AbstractPoints, PhaseMixture, Step, virgin_state
from ..results import InputError, Result, Solution, worst_of
from ..validity import MaterialReport, MixtureReport, judge_material, worst_point
from ._checks import law_dtype

_DEFAULT = {"elasticity": 0.01, "finite_strain": 0.1, "conduction": 1.0}
# So many different points of a law are all judged; of more the extremes of every parameter, and so many others.
_SAMPLE = 64


def certify_law(law: AbstractMaterial, grid: Grid | None, strain, gradient, steps, duration, tolerance) -> Solution:
    """`MaterialReport` of a law, `MixtureReport` of a mixture.

    Raises:
        InputError: of the law's own check, or by name of the argument.
    """
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
    dtype = jnp.dtype(law_dtype(law) if floating else jnp.result_type(float))
    judge = partial(judge_material, size=size, steps=int(steps), duration=duration, tolerance=tolerance, dtype=dtype)
    if not isinstance(law, PhaseMixture):
        report, code = _judge(judge, law, None if grid is None else grid.shape, dtype, None)
        return Solution(report, None, Result(code), {})
    shape = law.labels.shape
    if grid is not None and grid.shape != shape:
        raise InputError(f"labels have shape {shape} and the grid {grid.shape}: they must agree")
    found = {
        key: _judge(judge, phase, shape, dtype, law.labels == key)
        for key, phase in zip(law.keys, law.laws, strict=True)
    }
    code = worst_of(law.code(), *(code for _, code in found.values()))
    return Solution(MixtureReport({key: report for key, (report, _) in found.items()}), None, Result(code), {})


def _judge(
    judge, law: AbstractMaterial, shape: tuple[int, ...] | None, dtype, here
) -> tuple[MaterialReport, jax.Array]:
    """Report and code of a law, at one point or at the voxels that tell its fields apart."""
    dim = 3 if shape is None else len(shape)
    try:
        point = law.points((1,) * dim, dtype)
    except InputError as error:
        if shape is None:
            raise InputError(f"{error}; for a law with fields give certify its grid") from None
    else:
        _check_one(point, law.physics, dim, dtype)
        return judge(law, dim)
    assert shape is not None
    if any(isinstance(x, Tracer) for x in (*jax.tree.leaves(law), here)):
        raise InputError("certify chooses voxels of a law with fields by their values: call it outside jit and vmap")
    voxels, distinct = _voxels(law.points(shape, dtype), law.physics, shape, here, dtype)
    report, codes = judge(law, dim, voxels=jnp.asarray(voxels), shape=shape)
    return worst_point(report, [tuple(v) for v in voxels.tolist()], distinct), jnp.max(codes)


def _voxels(points: AbstractPoints, physics: str, shape: tuple[int, ...], here, dtype) -> tuple[np.ndarray, int]:
    """Voxels (k, d) that stand for all of a law's, and how many different ones there are."""
    leaves = jax.tree.leaves(points)
    first = jax.eval_shape(lambda p: p.voxel(jnp.zeros(len(shape), int), shape), points)
    fields = [np.asarray(x) for x, y in zip(leaves, jax.tree.leaves(first), strict=True) if x.shape != y.shape]
    _check_one(first, physics, len(shape), dtype)
    rows = [np.broadcast_to(x, (*x.shape[: x.ndim - len(shape)], *shape)).reshape(-1, np.prod(shape)) for x in fields]
    inside = np.ones(shape, bool) if here is None or not np.any(here) else np.asarray(here)
    at = np.flatnonzero(inside)
    values = np.concatenate(rows)[:, at] if rows else np.zeros((1, len(at)))
    _, where = np.unique(values, axis=1, return_index=True)
    distinct = len(where)
    if distinct > _SAMPLE:
        some = where[np.linspace(0, distinct - 1, _SAMPLE).round().astype(int)]
        where = np.unique(np.concatenate([some, values.argmin(axis=1), values.argmax(axis=1)]))
    return np.stack(np.unravel_index(np.sort(at[where]), shape), axis=-1), distinct


def _check_one(point: AbstractPoints, physics: str, dim: int, dtype) -> None:
    """The answer at a voxel must be that of a point."""
    pts = (1,) * dim
    n = {"conduction": dim, "elasticity": 6 if dim == 3 else 3, "finite_strain": dim * dim}[physics]
    step = Step(jnp.ones((), dtype))
    answer = lambda p, e: p.update(e, virgin_state(p, pts, dtype), step).stress  # noqa: E731
    try:
        fits = jax.eval_shape(answer, point, jax.ShapeDtypeStruct((n, *pts), dtype)).shape == (n, *pts)
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise InputError("a parameter of the law has fewer axes than the grid: give one number, or one per voxel")
