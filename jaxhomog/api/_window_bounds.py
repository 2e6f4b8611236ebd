"""`window_bounds`: what windows of a medium prove about it."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..fields import Grid, Space
from ..materials import AbstractLaw
from ..messages import AbstractResponse
from ..results import SINGULAR, SUCCESS, InputError, Result, Solution, throw_if_failed, under_jax_defaults, worst_of
from ..rve import Settings
from ._checks import check_problem, law_dtype, solver_settings, space_named
from ._compile import compiled
from ._core import mask
from ._homogenize import _homogenize


class WindowBounds(eqx.Module):
    """The value of `window_bounds`: lower <= C <= upper in the sense of quadratic forms.

    Args:
        lower: inverse of the mean compliance of the windows under uniform traction, Mandel.
        upper: mean stiffness of the windows under linear displacement, Mandel.
        uniform_traction: apparent stiffness of every window under uniform traction or normal flux.
        affine: apparent stiffness of every window under linear displacement or temperature.
    """

    lower: Float[Array, "n n"]
    upper: Float[Array, "n n"]
    uniform_traction: Float[Array, "*windows n n"]
    affine: Float[Array, "*windows n n"]


@compiled("space", "settings", "physics")
def _apparent(window: Grid, moduli: AbstractResponse, space: Space, settings: Settings, physics: str):
    """Apparent tensors, codes and iterations of windows, one after the other."""

    def one(part):
        value, code, stats = _homogenize(window, _Given(physics, part), space, settings, False, False)
        return value.effective, code, stats["iterations"]

    return jax.lax.map(one, moduli)


class _Given(AbstractLaw):
    """A window of another law's response."""

    physics: str = eqx.field(static=True)
    moduli: AbstractResponse

    def response(self, shape, dtype):
        return self.moduli

    def code(self):
        return jnp.asarray(SUCCESS)

    def check(self, where=""):
        pass


@under_jax_defaults
def window_bounds(
    grid: Grid,
    law: AbstractLaw,
    windows: Any = None,
    element: str = "q1",
    tolerance: float | None = None,
    throw: bool = True,
    *,
    max_iterations: int = 2000,
) -> Solution:
    """Bounds from windows: of the window itself, or of a medium that is cut into windows.

        (mean_w C_traction(w)^-1)^-1  <=  C  <=  mean_w C_affine(w)

    One window: C is its apparent tensor under any boundary condition that fulfils Hill-Mandel, periodic and mixed
    ones among them. A partition: C is the effective tensor of the whole cell, under any of these conditions too.
    Windows of an ensemble: average `uniform_traction` (as compliances) and `affine` over the realizations; the two
    means bound the random medium in expectation.

    The upper bound of a partition holds for the voxel medium itself: affine fluctuations of `q1` fit together to one
    conforming field. The lower bound holds for the medium as the same element sees it. `homogenize(..., bounds=True)`
    proves a lower bound of the voxel medium.

    Args:
        grid: shape and lengths of the cell.
        law: as for `homogenize`.
        windows: number of windows along each axis, by which the shape must be divisible; default: one window.
        element: "q1" or "q1r".
        tolerance: as for `homogenize`, for every window.
        throw: as for `homogenize`. A window that a void cuts at a face is singular under uniform traction: a code.
        max_iterations: as for `homogenize`.

    Returns:
        `Solution` with value `WindowBounds`; stats iterations of the slowest window, `affine` and `uniform_traction`.

    Raises:
        InputError: windows that do not divide the grid, or a bad argument of `homogenize`.
        SolverError: not converged, or a singular window (throw=True, eager calls).

    Source:
        Hill (1963), J. Mech. Phys. Solids 11, 357-372; Huet (1990), J. Mech. Phys. Solids 38, 813-841 (partitions).
    """
    check_problem(grid, law)
    counts = _counts(grid, windows)
    dtype = law_dtype(law)
    settings = solver_settings(dtype, tolerance, None, None, max_iterations, 1)
    shape = tuple(n // w for n, w in zip(grid.shape, counts, strict=True))
    window = Grid(shape, tuple(length / w for length, w in zip(grid.lengths, counts, strict=True)))
    moduli = jax.tree.map(lambda x: _cut(x, shape, counts), law.response(grid.shape, dtype))
    tensors, codes, stats = {}, [law.code()], {}
    for name in ("affine", "uniform_traction"):
        space = space_named(element, name, law.physics, grid.dim)
        tensors[name], code, iterations = _apparent(window, moduli, space, settings, law.physics)
        codes.append(jnp.max(code))
        stats[name] = jnp.max(iterations)
    compliance = jnp.mean(jnp.linalg.inv(tensors["uniform_traction"]), axis=0)
    value = WindowBounds(
        _symmetric(jnp.linalg.inv(compliance)),
        jnp.mean(tensors["affine"], axis=0),
        tensors["uniform_traction"].reshape(*counts, *compliance.shape),
        tensors["affine"].reshape(*counts, *compliance.shape),
    )
    sound = jnp.all(jnp.isfinite(value.lower))
    code = worst_of(jnp.max(jnp.stack(codes)), jnp.where(sound, SUCCESS, SINGULAR))
    solution = Solution(mask(code == SUCCESS, value), None, Result(code), stats)
    return throw_if_failed(solution, "window_bounds") if throw else solution


def _counts(grid: Grid, windows: Any) -> tuple[int, ...]:
    counts = (1,) * grid.dim if windows is None else tuple(windows) if hasattr(windows, "__len__") else (windows,)
    if len(counts) != grid.dim or any(isinstance(w, bool) or not hasattr(w, "__index__") or w < 1 for w in counts):
        raise InputError(f"windows={windows!r}: give a number >= 1 for each of the {grid.dim} axes")
    for n, w in zip(grid.shape, counts, strict=True):
        if n % w:
            raise InputError(f"windows={counts} do not divide the shape {grid.shape}: crop the image or change them")
    return tuple(int(w) for w in counts)


def _cut(x: Array, shape: tuple[int, ...], counts: tuple[int, ...]) -> Array:
    """(*components, *grid) to (windows, *components, *window)."""
    dim, lead = len(shape), x.ndim - len(shape)
    pairs = [k for w, n in zip(counts, shape, strict=True) for k in (w, n)]
    x = x.reshape(*x.shape[:lead], *pairs)
    which = [lead + 2 * k for k in range(dim)]
    x = x.transpose(*which, *range(lead), *(k + 1 for k in which))
    return x.reshape(-1, *x.shape[dim:])


def _symmetric(x: Array) -> Array:
    return 0.5 * (x + x.T)
