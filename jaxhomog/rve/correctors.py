"""The two-scale expansion: correctors of a periodic cell, and the field that they make of a macroscopic one.

u_eps(x) = u0(x) + eps N(x/eps) . grad u0(x) + eps^2 M(x/eps) : grad grad u0(x) + ...
"""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from ..fields import Q1, Boundary, Space, interpolated
from ..messages import AbstractResponse
from ..results import InputError, real_array
from ..tensors import to_mandel
from .model import Settings
from .solve import solve_linear


class Correctors(eqx.Module):
    """Correctors of a periodic cell; from `correctors` (2-D, 3-D) or `line_correctors` (1-D).

    Args:
        first: N (n, c, *nodes): fluctuation (c components, zero mean) per unit of each component of the macroscopic
            gradient (n = d) or Mandel strain (n = 3, 6); unit of length.
        second: M (d, d, c, *nodes), symmetric in the first two, of conduction; unit of length squared. None if it was
            not asked for.
        effective: effective conductivity (d, d) or stiffness (Mandel).
        lengths: edges of the cell.
        physics: "conduction" or "elasticity".
    """

    first: Float[Array, "..."]
    second: Float[Array, "..."] | None
    effective: Float[Array, "..."]
    lengths: Float[Array, " d"]
    physics: str = eqx.field(static=True)


def line_correctors(conductivity: Real[ArrayLike, " n"], length: Real[ArrayLike, ""] = 1.0) -> Correctors:
    """First and second correctors of a line of voxels, in closed form.

        N' = a* / a - 1,    M' = -N,    <N> = <M> = 0,    1 / a* = <1 / a>

    Nodal values are exact for a constant in each voxel. (The flux of order eps, a (N + M') u0'', is a constant without
    divergence, and <N + M'> = 0.) Differentiable.

    Args:
        conductivity: a of every voxel, positive; or a modulus.
        length: of the cell.

    Returns:
        `Correctors` with first (1, 1, n) and second (1, 1, 1, n). NaN where a is not positive.

    Fails with:
        InputError: not a line of positive numbers.

    Source:
        Bensoussan, Lions & Papanicolaou (1978), Asymptotic Analysis for Periodic Structures, chapter 1.
    """
    a = real_array(conductivity, "conductivity")
    if a.ndim != 1 or a.shape[0] < 1:
        raise InputError(f"conductivity has shape {a.shape}: give the values of a line of voxels, (n,)")
    if not isinstance(a, Tracer) and not (np.isfinite(np.asarray(a)) & (np.asarray(a) > 0)).all():
        raise InputError("conductivity has an entry that is not positive and finite: give positive numbers")
    size = real_array(length, "length").astype(a.dtype)
    if size.ndim:
        raise InputError(f"length has shape {size.shape}: give one length of the cell")
    if not isinstance(size, Tracer) and not (np.isfinite(size) and size > 0):
        raise InputError(f"length={length}: give a positive length of the cell")
    h = size / a.shape[0]
    a = jnp.where((a > 0) & jnp.isfinite(a), a, jnp.nan)
    effective = 1 / jnp.mean(1 / a)
    slope = effective / a - 1
    n = _summed(slope * h)
    # The integral of a linear function over a voxel; that of N over the cell is 0.
    m = _summed(-0.5 * h * (n + jnp.roll(n, -1)))
    return Correctors(n[None, None], m[None, None, None], effective[None, None], size[None], "conduction")


def _summed(steps):
    """Nodal values of zero mean with these differences."""
    values = jnp.cumsum(steps) - steps
    return values - jnp.mean(values)


def second_correctors(
    response: AbstractResponse, h: Float[Array, " d"], first: Float[Array, "d 1 *nodes"], settings: Settings
) -> Float[Array, "d d 1 *nodes"]:
    """Second correctors of conduction on the nodes of element q1.

        -div a (grad M_ij + e_i N_j) = e_i . a (e_j + grad N_j) - K_ij,     made symmetric in i, j,     <M> = 0

    N and the flux on the right enter with their means over each voxel: an error of second order in the voxel.

    Args:
        response: conductivities of the voxels.
        h: voxel edges.
        first: N.
        settings: stopping rules, for the fields.

    Returns:
        M; NaN where a solve failed.

    Source:
        Bensoussan, Lions & Papanicolaou (1978), chapter 1, §2.
    """
    d = h.shape[0]
    space = Space(Q1, Boundary(("periodic",) * d))
    n = first[:, 0]
    axes = tuple(range(1, d + 1))
    mean_n = _corners(n, axes, -1)
    unit = jnp.eye(d, dtype=n.dtype)
    zero = jnp.zeros_like(first[0])
    fluxes = []
    for j in range(d):
        stations = Q1.flux(response, Q1.mean_only(first[j], h, unit[j][None]))
        fluxes.append(Q1.voxel_field(stations, first[j])[0])
    flux = jnp.stack(fluxes)
    source = flux - jnp.mean(flux, axis=tuple(range(2, d + 2)), keepdims=True)

    def one(pair):
        i, j = pair
        eigen = Q1.gradient(zero, h, unit[i][None])
        uniform = [(w, {key: g * mean_n[j] for key, g in station.items()}) for w, station in eigen]
        inner = Q1.divergence(Q1.flux(response, uniform), h, zero)
        b = _corners(source[j, i][None], axes, 1) - inner
        return b

    pairs = [(i, j) for i in range(d) for j in range(d)]
    loads = jnp.stack([0.5 * (one((i, j)) + one((j, i))) for i, j in pairs])
    found = jax.lax.map(lambda b: solve_linear(space, settings, response, h, b - jnp.mean(b)), loads)
    found = found - jnp.mean(found, axis=tuple(range(2, d + 2)), keepdims=True)
    return found.reshape(d, d, *zero.shape)


def _corners(x, axes, step):
    """Mean over the corners of a voxel (step -1), or of the voxels around a node (step 1)."""
    for k in axes:
        x = 0.5 * (x + jnp.roll(x, step, axis=k))
    return x


def corrected(
    correctors: Correctors,
    points: Real[ArrayLike, "*p d"],
    eps: Real[ArrayLike, ""],
    derivatives: Sequence[Real[ArrayLike, "..."]],
    order: int = 1,
) -> tuple[Float[Array, "..."], Float[Array, "..."] | None]:
    """The macroscopic field with the fluctuations of the cell on top, and its gradient.

        u(x) = u0 + eps N_k(x/eps) E_k  (+ eps^2 M_ij(x/eps) d_i d_j u0),     E = grad u0, or its Mandel strain

    Which norm converges with which order (u_eps resolved, smooth data, a domain of whole cells):

    ====================================  =================  ====================
    u_eps -                               u0                 u0 + eps N . grad u0
    ====================================  =================  ====================
    L2, N = 0 on the boundary             eps                eps^2
    L2, otherwise                         eps                eps
    mean, 1-D with N = 0 at the ends      eps^2              eps^2
    H1 seminorm, inside                   does not converge  eps
    H1 seminorm, N = 0 on the boundary    does not converge  eps
    H1 seminorm, otherwise (2-D and 3-D)  does not converge  sqrt(eps)
    ====================================  =================  ====================

    Without corrector the gradients oscillate at full size for every eps: stresses and fluxes need the corrector. At a
    Dirichlet boundary the corrector's values N . grad u0 are wrong by eps in a layer as wide as a cell, where gradients
    are wrong by O(1): sqrt(eps) in H1. (Where N vanishes on the boundary there is no such layer: 1-D with N = 0 at the
    ends, symmetric cells cut along their planes of symmetry.) The layer also shifts the field inside by eps, in 2-D and
    3-D; in 1-D the shift is known: let u0 be the macroscopic field whose boundary values make u vanish there.

    Args:
        correctors: of the cell.
        points: where.
        eps: size of the cell in the body over its size in `correctors`.
        derivatives: u0, grad u0, second and further derivatives in the points; derivatives are the last axes:
            conduction (*p), (*p, d), (*p, d, d); elasticity (*p, d), (*p, d, d), (*p, d, d, d). The value takes
            order + 1 of them, the gradient one more.
        order: 1 or 2; 2 where `correctors.second` is there.

    Returns:
        Values, in the shape of u0, and gradient, in that of grad u0, or None where the derivatives do not suffice. The
        gradients of N are constant in a voxel (1-D) or multilinear: of first order in the voxel over the cell.

    Fails with:
        InputError: too few derivatives or of other shapes, another order.

    Source:
        Bensoussan, Lions & Papanicolaou (1978), chapter 1; boundary layers: Jikov, Kozlov & Oleinik (1994),
        Homogenization of Differential Operators and Integral Functionals, §1.4; Allaire & Amar (1999), ESAIM: COCV 4,
        209-243.
    """
    if not isinstance(order, int) or isinstance(order, bool) or order not in (1, 2):
        raise InputError(f"order={order!r}: give 1 or 2")
    if not isinstance(correctors, Correctors):
        raise InputError(f"correctors is a {type(correctors).__name__}: give the value of `correctors(...)`")
    if not isinstance(derivatives, Sequence):
        raise InputError(f"derivatives is a {type(derivatives).__name__}: give (u0, grad u0, ...)")
    if order == 2 and correctors.second is None:
        raise InputError("order=2: the correctors have no second part (correctors(..., order=2), for conduction)")
    if len(derivatives) <= order:
        raise InputError(f"{len(derivatives)} derivatives for order={order}: give u0 and {order} of its derivatives")
    elastic = correctors.physics == "elasticity"
    d = correctors.lengths.shape[0]
    dtype = correctors.first.dtype
    x, scale = (real_array(v, name).astype(dtype) for v, name in ((points, "points"), (eps, "eps")))
    if x.ndim < 1 or x.shape[-1] != d or scale.ndim:
        raise InputError(f"points {x.shape} and eps {scale.shape}: give points (*p, {d}) and one number eps")
    if not isinstance(scale, Tracer) and not (np.isfinite(scale) and scale > 0):
        raise InputError(f"eps={eps!r}: give a positive number")
    scale = jnp.where(scale > 0, scale, jnp.nan)
    given = [real_array(u, f"derivatives[{k}]").astype(dtype) for k, u in enumerate(derivatives)]
    for k, u in enumerate(given):
        expected = (*x.shape[:-1], *(d,) * (k + elastic))
        if u.shape != expected:
            raise InputError(f"derivatives[{k}] has shape {u.shape}: give {expected}")
    if not elastic:
        axis = x.ndim - 1
        given = [jnp.expand_dims(u, axis) for u in given]
    y = x / scale
    first, first_slope = interpolated(correctors.first, correctors.lengths, y)
    value = given[0] + scale * jnp.einsum("...kc,...k->...c", first, _message(given[1], elastic, 0))
    slope = None
    if len(given) > order + 1:
        slope = given[1] + jnp.einsum("...kcj,...k->...cj", first_slope, _message(given[1], elastic, 0))
        slope = slope + scale * jnp.einsum("...kc,...kj->...cj", first, _message(given[2], elastic, 1))
    if order == 2 and correctors.second is not None:
        second, second_slope = interpolated(correctors.second, correctors.lengths, y)
        hessian = given[2][..., 0, :, :]
        value = value + scale**2 * jnp.einsum("...ikc,...ik->...c", second, hessian)
        if slope is not None:
            slope = slope + scale * jnp.einsum("...ikcj,...ik->...cj", second_slope, hessian)
            slope = slope + scale**2 * jnp.einsum("...ikc,...ikj->...cj", second, given[3][..., 0, :, :, :])
    if elastic:
        return value, slope
    return value[..., 0], None if slope is None else slope[..., 0, :]


def _message(gradient, elastic: bool, more: int):
    """Gradient (..., c, d, *more) as the message that the correctors are per unit of: (..., n, *more)."""
    if not elastic:
        return gradient[..., 0, :] if more == 0 else gradient[..., 0, :, :]
    # Mandel components take the last two axes.
    matrix = gradient if more == 0 else jnp.moveaxis(gradient, -1, -3)
    vector = to_mandel(0.5 * (matrix + jnp.swapaxes(matrix, -1, -2)))
    return vector if more == 0 else jnp.moveaxis(vector, -2, -1)
