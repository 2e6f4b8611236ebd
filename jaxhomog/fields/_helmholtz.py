"""What part of a periodic field is a gradient, and what part is divergence free.

Wave by wave, with n the unit vector of the scheme's derivative, symmetric tensors split orthogonally into strains
sym(n (x) a) of a displacement and stresses P s P, P = I - n (x) n, that have no divergence (vectors alike: along n and
across). The mean belongs to neither. A stress in equilibrium has no part of the first kind; a compatible strain has,
beside its mean, none of the second.

Source: Milton (2002), The Theory of Composites, section 12.2; discrete derivatives: Willot (2015), C. R. Mecanique
343, 232-245.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from ..messages import total
from ..results import InputError
from ..tensors import from_mandel, to_mandel
from ._averages import floating
from ._fourier import FOURIER
from ._grid import Grid
from ._modal import Q1R

# Schemes with one derivative per voxel. (q1 has several stations in a voxel: its voxel means obey neither condition.)
SCHEMES = {"fourier": FOURIER, "q1r": Q1R}


@partial(jax.jit, static_argnames="scheme")
def gradient_part(grid: Grid, field: Real[ArrayLike, "..."], scheme: str = "fourier") -> Float[Array, "..."]:
    """The part of a periodic voxel field that is the (symmetric) gradient of a periodic displacement or temperature.

        s_hat -> n (x) f + f (x) n - (n . f) n (x) n,  f = s_hat n    (elasticity),      (n . q_hat) n    (conduction)

    Args:
        grid: the periodic box.
        field: (..., *space, m): Mandel vectors (m = 3 or 6), or vectors (m = d), any unit.
        scheme: the derivative, "fourier" (trigonometric) or "q1r" (one-point elements, the rotated scheme). Waves whose
            derivative the scheme does not see count as no gradient.

    Returns:
        (..., *space, m), with zero mean. The field less its mean and this part has no divergence.

    Fails with:
        InputError: an unknown scheme or a shape that does not fit.
    """
    if scheme not in SCHEMES:
        raise InputError(f"scheme={scheme!r} is unknown: choose from {', '.join(SCHEMES)}")
    x = floating(field)
    dim = grid.dim
    n = dim * (dim + 1) // 2
    if x.ndim < dim + 1 or x.shape[-1 - dim : -1] != grid.shape or x.shape[-1] not in (dim, n):
        raise InputError(f"a field has shape {x.shape}: give (..., {grid.shape}, {dim} or {n} components)")
    axes = tuple(range(x.ndim - 1 - dim, x.ndim - 1))
    _, waves = SCHEMES[scheme].symbol(grid.shape, grid.spacing(x.dtype))
    square = total([w**2 for w in waves])
    # The bound of `green_symbol`: waves below it are rounding.
    seen = square > 64 * jnp.finfo(x.dtype).eps * jnp.max(square)
    scale = jnp.where(seen, 1 / jnp.sqrt(jnp.where(seen, square, 1)), 0)
    unit = jnp.stack([w * scale for w in waves], axis=-1)
    hat = jnp.fft.rfftn(x, axes=axes)
    # Real and imaginary parts apart: the projection is real.
    parts = [_along(y, unit, x.shape[-1] == dim) for y in (jnp.real(hat), jnp.imag(hat))]
    return jnp.fft.irfftn(parts[0] + 1j * parts[1], s=grid.shape, axes=axes).astype(x.dtype)


def _along(y, unit, vector: bool):
    if vector:
        return jnp.sum(y * unit, axis=-1, keepdims=True) * unit
    f = jnp.sum(from_mandel(y) * unit[..., None, :], axis=-1)
    normal = jnp.sum(f * unit, axis=-1, keepdims=True)
    # to_mandel takes the symmetric part: n (x) (2 f - (n . f) n) is enough.
    return to_mandel(unit[..., :, None] * (2 * f - normal * unit)[..., None, :])
