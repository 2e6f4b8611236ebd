"""`grid_convergence`: a value without grid, from the same cell on several, with its discretization error bar."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int

from ..fields import ELEMENTS, Grid
from ..materials import AbstractLaw, dual_conductivity
from ..results import InputError, Result, Solution, throw_if_failed, under_jax_defaults, worst_of
from ..validity import convergence_text, extrapolate
from ._checks import check_problem, law_dtype
from ._duality import algebraic_error, conductor
from ._homogenize import homogenize


class GridConvergence(eqx.Module):
    """The value of `grid_convergence`.

    Args:
        effective: stiffness (Mandel) or conductivity at spacing zero, the best value.
        error_bar: estimated bound e of its discretization error: effective - e I <= C_exact <= effective + e I in the
            sense of quadratic forms, so that |E : (effective - C_exact) : E| <= e |E|^2. An estimate, no proof.
        values: tensors (scheme, grid, n, n), means over the positions; grids from coarse to fine.
        limits: tensors (scheme, n, n) extrapolated from each scheme alone.
        order: observed order of the last three grids, all schemes together; NaN where there are two grids, or where
            the tensors do not change.
        spacing: of the grids, the geometric mean over the directions, in the unit of the lengths.
        code: why the bar was taken with caution (bits, see `reason`); 0 where it was not.
        schemes: their names, in the order of `values`.
        shapes: voxels of the grids.
    """

    effective: Float[Array, "n n"]
    error_bar: Float[Array, ""]
    values: Float[Array, "schemes grids n n"]
    limits: Float[Array, "schemes n n"]
    order: Float[Array, ""]
    spacing: Float[Array, " grids"]
    code: Int[Array, ""]
    schemes: tuple[str, ...] = eqx.field(static=True)
    shapes: tuple[tuple[int, ...], ...] = eqx.field(static=True)

    @property
    def reason(self) -> str:
        """Whether the bar has the usual safety factor, or the cautious one and why (needs concrete values)."""
        return convergence_text(self.code)


@under_jax_defaults
def grid_convergence(
    build: Callable[..., AbstractLaw],
    grids: Sequence[Grid],
    schemes: Sequence[str] | None = None,
    positions: int = 1,
    tolerance: float | None = None,
    throw: bool = True,
    **options,
) -> Solution:
    """Effective tensor of a periodic cell without the error of its grid, and a bar for what is left of it.

        C_s(h) = C + b_s h + ...,    C from several schemes s and spacings h,    bar as in `validity.extrapolate`

    The cell is solved on two grids or more (three show the order of convergence) by several schemes, which err
    differently and have one limit. Several schemes are extrapolated by lines through the two finest grids, and their
    limits averaged; one scheme alone by a parabola through three. The bar is the largest of the extrapolation's step
    (Roache's grid convergence index), the schemes' distance from the mean limit and the distance between lines and
    parabolas, times 1.25 where the order was seen, and times 3 where anything speaks against it (`value.reason`); plus
    two standard errors of the mean over positions, and the solvers' bounds.

    Args:
        build: `build(grid)` renders the cell: it returns the law on that grid, `CompositeVoxels` or whole voxels. With
            `positions` above 1 it is called as `build(grid, shift)`, and moves all shapes by `shift` (d lengths, at
            most half a voxel); the first shift is zero. Voids: `CompositeVoxels` with rule "arithmetic".
        grids: of one box, from coarse to fine, refined alike along all directions that are refined. Fractions of the
            finest such as 1/2, 3/4, 1 are a good choice. The finest two should resolve the narrowest gap.
        schemes: elements of `homogenize`, and "dual": two-dimensional conduction by the stream function, the inverse of
            R K^-1 R^T with element "q1", which errs to the other side. Default: "q1" alone where a voxel has no
            stiffness (there "q1r" may fail, and the dual is infinite), else "q1", "q1r", and "dual" where it exists.
        positions: how many positions of the voxels relative to the shapes every value is averaged over, at most 64. How
            they happen to meet scatters a value by a few per cent of its error; the extrapolation amplifies that about
            fivefold (one scheme: twelvefold). Four let the bar know the scatter, eight are a good choice.
        tolerance: of every solve, see `homogenize`; the extrapolation amplifies it as well.
        throw: as for `homogenize`.
        options: further arguments of `homogenize`: boundary (default "periodic"), max_iterations, devices.

    Returns:
        `Solution` with value `GridConvergence`; stats iterations (the most of any solve) and solves (their number).

    Raises:
        InputError: grids of different boxes or not refined, an unknown scheme, a `build` that returns no law.
        SolverError: a solve did not converge (throw=True, eager calls).

    Derivatives of `effective` go through every solve (`value.error_bar` carries none). Under `jax.grad` name the
    schemes: the search for voids needs concrete values. Each solve is compiled by itself; a `jit` around all of them
    only takes longer.

    The bar knows what the grids show. Features that no grid resolves, or corners with singular fields (order below 1),
    are not in them; two-sided bounds of the voxel medium are `homogenize(..., bounds=True)`.

    Source:
        Richardson (1911), Phil. Trans. R. Soc. A 210, 307-357; Roache (1994), J. Fluids Eng. 116, 405-413; Eca &
        Hoekstra (2014), J. Comput. Phys. 262, 104-130. Dual: Keller (1964), J. Math. Phys. 5, 548-549; Mendelson
        (1975), J. Appl. Phys. 46, 917-918.
    """
    if "element" in options:
        raise InputError(f"element={options['element']!r}: give it as schemes=[...], a list of elements and 'dual'")
    grids = tuple(grids)
    spacing = _spacings(grids)
    if isinstance(positions, bool) or int(positions) != positions or not 1 <= positions <= 64:
        raise InputError(f"positions={positions}: give a whole number from 1 to 64")
    solves = [[(g, _render(build, g, k, int(positions))) for k in range(int(positions))] for g in grids]
    finest = solves[-1][0][1]
    names = _schemes(schemes, *solves[-1][0], options)
    values, errors, codes, iterations = [], [], [], []
    for name in names:
        for row in solves:
            for grid, law in row:
                if law.physics != finest.physics:
                    raise InputError(f"build returns laws of {law.physics} and of {finest.physics}: give one physics")
                tensor, error, s = _solve(name, grid, law, {**options, "tolerance": tolerance}, "dual" in names)
                values.append(tensor)
                errors.append(error)
                codes.append(s.result.code)
                iterations.append(s.stats["iterations"])
    shape = (len(names), len(grids), int(positions))
    table = jnp.stack(values).reshape(*shape, *values[0].shape)
    error = jnp.max(jnp.stack(errors).reshape(shape), axis=2)
    found = _extrapolate(table, spacing.astype(table.dtype), error.astype(table.dtype))
    value = GridConvergence(
        found.effective,
        found.error_bar,
        jnp.mean(table, axis=2),
        found.limits,
        found.order,
        spacing.astype(table.dtype),
        found.code,
        names,
        tuple(g.shape for g in grids),
    )
    stats = {"iterations": jnp.max(jnp.stack(iterations)), "solves": jnp.asarray(len(values))}
    solution = Solution(value, None, Result(worst_of(*codes)), stats)
    return throw_if_failed(solution, "grid_convergence") if throw else solution


_extrapolate = jax.jit(extrapolate)


def _spacings(grids) -> Array:
    """Spacings of grids of one box that refine it alike, or an `InputError`."""
    if len(grids) < 2 or not all(isinstance(g, Grid) for g in grids):
        raise InputError("grids: give at least two Grid of one box, from coarse to fine (three show the order)")
    first = grids[0]
    if any(g.dim != first.dim for g in grids):
        raise InputError(f"grids of {sorted({g.dim for g in grids})} directions: give one box")
    if not any(isinstance(g.lengths, Tracer) for g in grids):
        lengths = np.asarray([np.asarray(g.lengths, float) for g in grids])
        if not np.allclose(lengths, lengths[0], rtol=1e-6, atol=0):
            shown = [tuple(x.tolist()) for x in lengths]
            raise InputError(f"grids of different boxes {shown}: give the same lengths to all")
    counts = np.asarray([g.shape for g in grids], float)
    refined = np.any(counts != counts[0], axis=0)
    ratios = counts[1:, refined] / counts[:-1, refined]
    if not refined.any() or not (ratios > 1).all() or (ratios.max(axis=1) > 1.1 * ratios.min(axis=1)).any():
        shown = [g.shape for g in grids]
        raise InputError(f"grids of {shown} voxels: refine all directions alike, from coarse to fine")
    edges = jnp.stack([jnp.asarray(g.lengths) for g in grids]) / counts
    return jnp.exp(jnp.mean(jnp.log(edges[:, refined]), axis=1))


def _render(build, grid: Grid, k: int, positions: int) -> AbstractLaw:
    """The law at the k-th position."""
    if positions == 1:
        law = build(grid)
    else:
        law = build(grid, jnp.asarray(_position(k, grid.dim)) * (jnp.asarray(grid.lengths) / np.asarray(grid.shape)))
    check_problem(grid, law)
    return law


def _position(k: int, dim: int) -> np.ndarray:
    """The k-th of well-spread points of [-1/2, 1/2)^dim, from 0: multiples of powers of the root of x^(dim+1) = x + 1.

    Powers of one algebraic number of degree dim + 1 are badly approximable together (Kronecker's sequence), so that few
    points fill the square or the cube evenly, whatever their number.
    """
    root = 1.5
    for _ in range(60):
        root = (1 + root) ** (1 / (dim + 1))
    return (0.5 + k * root ** -np.arange(1.0, dim + 1)) % 1 - 0.5


def _schemes(schemes, grid: Grid, law: AbstractLaw, options) -> tuple[str, ...]:
    """Names of the schemes, the default ones for None."""
    periodic = options.get("boundary", "periodic") == "periodic"
    dual = law.physics == "conduction" and grid.dim == 2 and periodic
    if schemes is None:
        least, largest = _range(law, grid.shape)
        if isinstance(least, Tracer):
            raise InputError("schemes=None looks for voids, which needs concrete values: name the schemes here")
        if not float(least) > float(jnp.finfo(least.dtype).eps * largest):
            return ("q1",)
        return ("q1", "q1r", "dual") if dual else ("q1", "q1r")
    if isinstance(schemes, str):
        raise InputError(f"schemes={schemes!r}: give a list of names, such as ['q1', 'q1r']")
    names = tuple(schemes)
    known = (*sorted(ELEMENTS), "dual")
    if not names or len(set(names)) != len(names) or any(name not in known for name in names):
        raise InputError(f"schemes={list(names)}: give different names from {', '.join(known)}")
    if "dual" in names and not dual:
        raise InputError("schemes: 'dual' is for two-dimensional conduction with periodic boundaries: leave it out")
    return names


@eqx.filter_jit
def _range(law: AbstractLaw, shape: tuple[int, ...]):
    """Smallest and largest conductivity or shear modulus of any voxel."""
    modulus = law.response(shape, law_dtype(law)).isotropic_part()[-1]
    return jnp.min(modulus), jnp.max(modulus)


def _solve(name: str, grid: Grid, law: AbstractLaw, options, tensors: bool):
    """Tensor, a bound of its algebraic error, and the solution; `tensors`: as a conductor of tensors."""
    if name != "dual":
        # One program then serves the scheme and the dual.
        law = conductor(law, grid.shape, False) if tensors and name in ("q1", "q1r") else law
        s = homogenize(grid, law, element=name, throw=False, **options)
        return s.value.effective, algebraic_error(s), s
    s = homogenize(grid, conductor(law, grid.shape, True), element="q1", throw=False, **options)
    tensor = dual_conductivity(s.value.effective)
    # d(K^-1) = K^-1 dK K^-1
    return tensor, algebraic_error(s) * jnp.sum(jax.lax.stop_gradient(tensor) ** 2), s
