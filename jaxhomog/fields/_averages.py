"""Volume averages of fields on a box, and the same averages from data on its faces.

Gauss' theorem turns a mean into a boundary integral, so that an experiment, a molecular simulation or another code
can be asked for a mean without its inner fields:

    <grad u> = (1/|V|) int_dV u (x) n dS - (1/|V|) int_S [u] (x) n dS                              (kinematics)
    <sigma>  = (1/|V|) int_dV t (x) x dS - <div sigma (x) x> - (1/|V|) int_S [sigma n] (x) x dS    (statics)

with t = sigma n the traction, n the outward normal, and [a] = a+ - a- the jump across an inner surface S whose normal
points from - to +. The boundary term alone is the mean

* of the gradient, if u is continuous (no crack, no sliding or resistive interface); the law does not matter;
* of the stress, if div sigma = 0 (no body force, no inertia) and the tractions are continuous (no surface stress, no
  force on an interface). It is then symmetric, and the origin of x does not matter.

Conduction reads alike: u is the temperature, t the normal flux q . n, -div q a sink, [q . n] the heat made on S.

A box has pairs of faces, one for each axis: boundary data are a tuple over the axes of (low face, high face). Axis
order is (batch..., space..., component), on a face without the axis that is normal to it.

Source: Hill (1963), J. Mech. Phys. Solids 11, 357-372, section 2; Hill (1967), J. Mech. Phys. Solids 15, 79-95;
Nemat-Nasser & Hori (1999), Micromechanics, sections 2.1-2.4.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from ..results import InputError
from ..tensors import to_mandel
from ._grid import Grid

# One (low, high) pair of arrays for each axis.
Faces = tuple[tuple[ArrayLike, ArrayLike], ...]


def volume_average(grid: Grid, field: Real[ArrayLike, "..."]) -> Float[Array, "*batch n"]:
    """Mean of a voxel field, <a> = (1/|V|) int_V a dV, for values that are voxel means.

    Args:
        grid: the box.
        field: (..., *space, n), any unit.

    Returns:
        (..., n), in the unit of the field.

    Fails with:
        InputError: the space axes are not those of the grid.
    """
    x = floating(field)
    _fits(x, grid.shape, "a voxel field")
    return space_mean(x, grid.dim)


@jax.jit
def nodal_field(
    grid: Grid, fluctuation: Real[ArrayLike, "..."], gradient: Real[ArrayLike, "..."]
) -> Float[Array, "..."]:
    """Values at all nodes of the box, u(x) = G . x + w(x), of a periodic fluctuation w.

    Args:
        grid: the box; node i of an axis lies at i times the voxel edge.
        fluctuation: (*space, c) at the first node of every voxel, c = d displacements or 1 temperature.
        gradient: macroscopic gradient G (c, d); a strain as a symmetric matrix.

    Returns:
        (*(n + 1), c): both faces of every axis carry values. Unit of the fluctuation.

    Fails with:
        InputError: shapes that do not fit the grid.
    """
    w, g = floating(fluctuation), floating(gradient)
    _fits(w, grid.shape, "a fluctuation")
    if w.ndim != grid.dim + 1 or g.shape != (w.shape[-1], grid.dim):
        raise InputError(f"a gradient has shape {g.shape}: give one of shape {(w.shape[-1], grid.dim)}")
    w = jnp.pad(w, [(0, 1)] * grid.dim + [(0, 0)], mode="wrap")
    h = grid.spacing(w.dtype)
    for k, n in enumerate(grid.shape):
        x = jnp.arange(n + 1).astype(w.dtype) * h[k]
        w = w + x.reshape((-1,) + (1,) * (grid.dim - k)) * g[:, k]
    return w


@jax.jit
def faces_of(grid: Grid, nodal: Real[ArrayLike, "..."]) -> Faces:
    """The faces of a nodal field (..., *(n + 1), c), as the boundary data that the averages take.

    Fails with:
        InputError: the space axes are not those of the grid's nodes.
    """
    x = floating(nodal)
    _fits(x, tuple(n + 1 for n in grid.shape), "a nodal field")
    at = x.ndim - 1 - grid.dim
    return tuple((jnp.take(x, 0, at + k), jnp.take(x, -1, at + k)) for k in range(grid.dim))


@jax.jit
def gradient_from_boundary(grid: Grid, faces: Faces) -> Float[Array, "*batch c d"]:
    """Mean gradient from boundary values, (1/|V|) int u (x) n dS.

    The faces are integrated with the trapezoidal rule in each direction: exact where u is (bi)linear on every face of
    a voxel, as in `q1`, else with an error of the square of the voxel edge.

    It is <grad u> if u is continuous inside. Otherwise it is <grad u> + (1/|V|) int_S [u] (x) n dS.

    Args:
        grid: the box (any lengths).
        faces: for each axis (low, high), nodal values (..., *(n + 1 of the other axes), c).

    Returns:
        (..., c, d): du_c / dx_d; unit of u over unit of length.

    Fails with:
        InputError: faces that do not fit the grid.

    Source:
        Hill (1963), section 2; Nemat-Nasser & Hori (1999), section 2.2.
    """
    columns = []
    for k, (low, high) in enumerate(_checked(grid, faces, extra=1)):
        jump = high - low
        for _ in range(grid.dim - 1):
            # Trapezoidal weights of one direction of the face; its axis is gone after the mean.
            jump = jnp.moveaxis(jump, -2, 0)
            jump = jnp.mean(0.5 * (jump[1:] + jump[:-1]), axis=0)
        columns.append(jump / _length(grid, k, jump.dtype))
    return jnp.stack(columns, axis=-1)


def strain_from_boundary(grid: Grid, faces: Faces) -> Float[Array, "*batch n"]:
    """Mean strain from boundary displacements, (1/|V|) int sym(u (x) n) dS, in Mandel components.

    Args, conditions, source: `gradient_from_boundary`, with d components.

    Returns:
        (..., n), n = 3 or 6.
    """
    return to_mandel(gradient_from_boundary(grid, faces))


@jax.jit
def flux_from_boundary(
    grid: Grid, faces: Faces, divergence: Real[ArrayLike, "..."] | None = None
) -> Float[Array, "*batch c d"]:
    """Mean flux from boundary fluxes, (1/|V|) int t (x) x dS - <div sigma (x) x>.

    Every face of a voxel carries its mean traction (or normal flux): exact where that is uniform on it, else with an
    error of the square of the voxel edge.

    It is <sigma> if the traction is continuous inside and div sigma is what `divergence` says (0 by default).
    Otherwise it is <sigma> + (1/|V|) int_S [sigma n] (x) x dS, and depends on the origin (here: the low corner).

    Args:
        grid: the box (any lengths).
        faces: for each axis (low, high), t = sigma n with n **outward**, at the voxels of the face
            (..., *(n of the other axes), c). Conduction: q . n with c = 1.
        divergence: (..., *space, c), voxel means of div sigma = -(body force), or div q = source.

    Returns:
        (..., c, d), in the unit of t: sigma_cd, or q_d in row 0.

    Fails with:
        InputError: arrays that do not fit the grid.

    Source:
        Hill (1963), section 2; Nemat-Nasser & Hori (1999), section 2.1.
    """
    pairs = _checked(grid, faces, extra=0)
    dtype = pairs[0][0].dtype
    h = grid.spacing(dtype)
    columns = [jnp.zeros((), dtype)] * grid.dim
    for k, (low, high) in enumerate(pairs):
        # Face area over volume is one over the length normal to it.
        per_length = 1 / _length(grid, k, dtype)
        others = [j for j in range(grid.dim) if j != k]
        columns[k] = columns[k] + space_mean(high, grid.dim - 1)  # x_k is L on the high face and 0 on the low one
        for place, j in enumerate(others):
            x = _centres(grid.shape[j], h[j], grid.dim - 1 - place)
            columns[j] = columns[j] + space_mean((low + high) * x, grid.dim - 1) * per_length
    if divergence is not None:
        b = floating(divergence)
        _fits(b, grid.shape, "a divergence")
        for k in range(grid.dim):
            x = _centres(grid.shape[k], h[k], grid.dim - k)
            columns[k] = columns[k] - space_mean(b * x, grid.dim)
    return jnp.stack(columns, axis=-1)


def stress_from_boundary(
    grid: Grid, faces: Faces, divergence: Real[ArrayLike, "..."] | None = None
) -> Float[Array, "*batch n"]:
    """Mean stress from boundary tractions, (1/|V|) int sym(t (x) x) dS - <sym(div sigma (x) x)>, in Mandel components.

    Args, conditions, source: `flux_from_boundary`, with d components.

    Returns:
        (..., n), n = 3 or 6, in the unit of the traction.
    """
    return to_mandel(flux_from_boundary(grid, faces, divergence))


@jax.jit
def flux_from_nodal_forces(grid: Grid, forces: Real[ArrayLike, "..."]) -> Float[Array, "*batch c d"]:
    """Mean flux from the forces that hold the nodes, (1/|V|) sum_a f_a (x) x_a: the statics of a discrete model.

    Exact for any element that reproduces linear fields (take x as the virtual displacement), hence for the means of a
    finite element code, where face tractions are not defined. Forces inside count as well: they are body forces.

    Args:
        grid: the box.
        forces: external nodal forces (..., *(n + 1), c), in unit of flux times area; zero on free nodes.

    Returns:
        (..., c, d), in the unit of the flux.

    Fails with:
        InputError: the space axes are not those of the grid's nodes.
    """
    f = floating(forces)
    _fits(f, tuple(n + 1 for n in grid.shape), "nodal forces")
    h = grid.spacing(f.dtype)
    volume = jnp.prod(jnp.asarray(grid.lengths, f.dtype))
    columns = []
    for k, n in enumerate(grid.shape):
        x = (jnp.arange(n + 1).astype(f.dtype) * h[k]).reshape((-1,) + (1,) * (grid.dim - k))
        columns.append(jnp.sum(f * x, axis=tuple(range(f.ndim - 1 - grid.dim, f.ndim - 1))) / volume)
    return jnp.stack(columns, axis=-1)


def floating(x) -> Array:
    """The array in a floating dtype."""
    x = jnp.asarray(x)
    return x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(jnp.result_type(float))


@jax.jit
def boundary_outflow(grid: Grid, faces: Faces) -> Float[Array, "*batch c"]:
    """Outflow per volume, (1/|V|) int_dV t dS; arguments and errors as for `flux_from_boundary`.

    It is <div sigma> if the traction is continuous inside, else <div sigma> + (1/|V|) int_S [sigma n] dS.
    """
    total = 0.0
    for k, (low, high) in enumerate(_checked(grid, faces, extra=0)):
        total = total + space_mean(low + high, grid.dim - 1) / _length(grid, k, low.dtype)
    return jnp.asarray(total)


def _fits(x, space: tuple[int, ...], what: str) -> None:
    if x.ndim < len(space) + 1 or x.shape[-1 - len(space) : -1] != space:
        form = ", ".join(str(n) for n in space)
        raise InputError(f"{what} has shape {tuple(x.shape)}: give (..., {form}, components)")


def _checked(grid: Grid, faces: Faces, extra: int) -> list[tuple[Array, Array]]:
    """The faces as floating arrays, after a look at their shapes."""
    if len(faces) != grid.dim:
        raise InputError(f"faces has {len(faces)} entries: give one (low, high) pair for each of {grid.dim} axes")
    out = []
    for k, pair in enumerate(faces):
        low, high = (floating(x) for x in pair)
        space = tuple(n + extra for j, n in enumerate(grid.shape) if j != k)
        for x in (low, high):
            _fits(x, space, f"a face normal to axis {k}")
        out.append((low, high))
    return out


def _length(grid: Grid, axis: int, dtype) -> Array:
    return jnp.asarray(grid.lengths, dtype)[axis]


def _centres(n: int, h, trailing: int) -> Array:
    """Voxel centres along one axis, shaped to broadcast against `trailing` later axes."""
    return ((jnp.arange(n) + 0.5).astype(h.dtype) * h).reshape((-1,) + (1,) * trailing)


def box_mean(x, dim: int) -> Array:
    """Mean over the last `dim` axes, one after the other (float32 keeps its digits)."""
    for _ in range(dim):
        x = jnp.mean(x, axis=-1)
    return x


def space_mean(x, dim: int) -> Array:
    """Mean over the `dim` axes before the last."""
    return box_mean(jnp.moveaxis(x, -1, -1 - dim), dim)
