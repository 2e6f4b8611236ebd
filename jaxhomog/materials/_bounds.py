"""Analytic bounds on effective properties from the values of the voxels alone (no image statistics, no solve).

Every Hashin-Shtrikman-type bound here is one weighted average. With a comparison constant a >= 0,

    B(x; a) = <1/(x + a)>⁻¹ - a = <x/(x + a)> / <1/(x + a)>,

which is the harmonic mean for a = 0, the arithmetic mean for a → ∞, and free of cancellation in the second form.
All functions can be traced and differentiated; where a void makes a mean 0, the value and its gradient are 0, never
NaN.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from ..results import InputError
from ..tensors import inverse_spd, isotropic_stiffness


class Bounds(eqx.Module):
    """Bounds on an effective tensor, lower <= C_eff <= upper in the sense of quadratic forms.

    Args:
        voigt: arithmetic mean, an upper bound without any assumption.
        reuss: inverse of the mean inverse, a lower bound without any assumption.
        hs_lower: lower Hashin-Shtrikman bound, or None where none is known for the phases.
        hs_upper: upper Hashin-Shtrikman bound, or None.
        assumes: what the Hashin-Shtrikman bounds assume.
        lower: lower bound of this very voxel medium from a computed flux or stress, or None where none was asked for.
        upper: upper bound of this very voxel medium from a computed potential or displacement, or None.
    """

    voigt: Float[Array, "..."]
    reuss: Float[Array, "..."]
    hs_lower: Float[Array, "..."] | None
    hs_upper: Float[Array, "..."] | None
    assumes: str = eqx.field(static=True)
    lower: Float[Array, "..."] | None = None
    upper: Float[Array, "..."] | None = None


class PolycrystalBounds(eqx.Module):
    """Isotropic bulk modulus and bounds and estimates of the shear modulus of a random, untextured polycrystal.

    Args:
        bulk: the exact bulk modulus of a polycrystal of cubic grains.
        voigt: upper bound on the shear modulus.
        reuss: lower bound.
        hill: mean of `voigt` and `reuss` (an estimate).
        hs_lower: lower Hashin-Shtrikman bound.
        hs_upper: upper Hashin-Shtrikman bound.
        self_consistent: self-consistent estimate.
    """

    bulk: Float[Array, "..."]
    voigt: Float[Array, "..."]
    reuss: Float[Array, "..."]
    hill: Float[Array, "..."]
    hs_lower: Float[Array, "..."]
    hs_upper: Float[Array, "..."]
    self_consistent: Float[Array, "..."]


def _average(x: Array, weights: Array | None, keep: int = 0) -> Array:
    """Mean over all axes but the last `keep`, axis by axis (a flat float32 sum of 10⁸ voxels loses digits)."""
    if weights is None:
        while x.ndim > keep:
            x = jnp.mean(x, axis=0)
        return x
    total, x = weights, x * weights.reshape(weights.shape + (1,) * keep)
    while total.ndim > 0:
        total, x = jnp.sum(total, axis=0), jnp.sum(x, axis=0)
    return x / total


def _compare(x: Array, a: Array | float | int, weights: Array | None) -> Array:
    """<x/(x + a)> / <1/(x + a)>; 0 where any x + a is 0 (a void against a void as comparison medium)."""
    s = x + a
    empty = s <= 0
    w = jnp.where(empty, 0, 1 / jnp.where(empty, 1, s))
    void = jnp.any(empty)
    return jnp.where(void, 0, _average(x * w, weights) / jnp.where(void, 1, _average(w, weights)))


def _quotient(a: Array, b: Array) -> Array:
    """a / b, and 0 where b is 0."""
    return jnp.where(b == 0, 0, a / jnp.where(b == 0, 1, b))


def _fields(weights: ArrayLike | None, *fields: ArrayLike) -> tuple[list[Array], Array | None]:
    """The fields in their common dtype and shape, and the weights in the same."""
    dtype = jnp.result_type(*fields)
    dtype = dtype if jnp.issubdtype(dtype, jnp.inexact) else jnp.result_type(float)
    arrays = list(jnp.broadcast_arrays(*(jnp.asarray(f, dtype) for f in fields)))
    if weights is None:
        return arrays, None
    w = jnp.asarray(weights, dtype)
    if w.shape != arrays[0].shape:
        raise InputError(f"weights have shape {w.shape} and the field {arrays[0].shape}: give one weight per entry")
    return arrays, w


def _check_dim(dim: int) -> None:
    if dim not in (2, 3):
        raise InputError(f"dim={dim!r}: use 2 or 3")


def voigt_reuss(tensors: Real[ArrayLike, "*space n n"], weights: Real[ArrayLike, "*space"] | None = None) -> Bounds:
    """Voigt and Reuss bounds of a field of symmetric tensors, <C> and <C⁻¹>⁻¹.

    Args:
        tensors: (space..., n, n): Mandel stiffness, or conductivity tensors, one per voxel (or per phase).
        weights: volume of each entry, (space...); equal by default.

    Returns:
        `Bounds` with (n, n) tensors and no Hashin-Shtrikman bounds (None). If any voxel is singular the Reuss tensor
        is returned as 0: exact for a void, and a valid but not the sharpest bound for a partly singular voxel.

    Fails with:
        InputError: weights of another shape than the space.

    Source:
        Hill (1952), Proc. Phys. Soc. A 65, 349-354.
    """
    (c,), _ = _fields(None, tensors)
    w = None if weights is None else jnp.asarray(weights, c.dtype)
    if w is not None and w.shape != c.shape[:-2]:
        raise InputError(f"weights have shape {w.shape} and the field {c.shape[:-2]}: give one weight per tensor")
    compliance = inverse_spd(c)
    singular = jnp.any(jnp.all(compliance == 0, axis=(-1, -2)))
    reuss = inverse_spd(_average(compliance, w, keep=2))
    return Bounds(_average(c, w, keep=2), jnp.where(singular, 0, reuss), None, None, "nothing (Voigt and Reuss only)")


def conduction_bounds(
    conductivity: Real[ArrayLike, "..."], dim: int, weights: Real[ArrayLike, "..."] | None = None
) -> Bounds:
    """Bounds on the effective conductivity of a field of isotropic conductors.

    Hashin-Shtrikman: B(k; (dim - 1) k₀) with k₀ the smallest (lower) and the largest (upper) conductivity.

    Args:
        conductivity: scalar conductivity of each voxel (or phase), any shape, in the user's units.
        dim: 2 or 3, the dimension of the conduction problem.
        weights: volume of each entry, of the same shape; equal by default.

    Returns:
        `Bounds` with (dim, dim) tensors.

    Fails with:
        InputError: dim is neither 2 nor 3; weights of another shape.

    Source:
        Hashin & Shtrikman (1962), J. Appl. Phys. 33, 3125-3131; any dimension: Torquato (2002), Random
        Heterogeneous Materials, §21.1.
    """
    _check_dim(dim)
    (k,), w = _fields(weights, conductivity)
    values = (
        _average(k, w),
        _compare(k, 0, w),
        _compare(k, (dim - 1) * jnp.min(k), w),
        _compare(k, (dim - 1) * jnp.max(k), w),
    )
    eye = jnp.eye(dim, dtype=k.dtype)
    return Bounds(*(v * eye for v in values), assumes="isotropic phases and a statistically isotropic microstructure")


def elastic_bounds_isotropic(
    bulk: Real[ArrayLike, "..."],
    shear: Real[ArrayLike, "..."],
    dim: int,
    weights: Real[ArrayLike, "..."] | None = None,
) -> Bounds:
    """Bounds on the effective stiffness of a field of isotropic solids; in 2-D plane strain.

    With K₀, G₀ the extreme moduli over all voxels (smallest for the lower bounds, largest for the upper):

        3-D: K = B(K; 4/3 G₀),             G = B(G; G₀ (9 K₀ + 8 G₀) / (6 (K₀ + 2 G₀))),
        2-D: k = B(k; G₀), k = K + G/3,    G = B(G; k₀ G₀ / (k₀ + 2 G₀)).

    The extreme bulk and shear modulus need not belong to one phase (Walpole's form); any number of phases.

    Args:
        bulk: three-dimensional bulk modulus of each voxel (or phase), any shape, also in 2-D.
        shear: shear modulus; broadcasts against `bulk`.
        dim: 2 (plane strain: the transverse moduli of a composite of parallel cylinders) or 3.
        weights: volume of each entry, of the broadcast shape; equal by default.

    Returns:
        `Bounds` with (3, 3) or (6, 6) Mandel tensors.

    Fails with:
        InputError: dim is neither 2 nor 3; weights of another shape.

    Source:
        Hashin & Shtrikman (1963), J. Mech. Phys. Solids 11, 127-140, eqs. (4.1)-(4.4); Walpole (1966), J. Mech. Phys.
        Solids 14, 151-162; 2-D: Hashin (1965), J. Mech. Phys. Solids 13, 119-134.
    """
    _check_dim(dim)
    (k, g), w = _fields(weights, bulk, shear)
    if dim == 2:
        k = k + g / 3

    def tensor(k_eff, g_eff):
        return isotropic_stiffness(k_eff if dim == 3 else k_eff - g_eff / 3, g_eff, dim)

    def walpole(k0, g0):
        if dim == 3:
            a, b = 4 * g0 / 3, _quotient(g0 * (9 * k0 + 8 * g0), 6 * (k0 + 2 * g0))
        else:
            a, b = g0, _quotient(k0 * g0, k0 + 2 * g0)
        return tensor(_compare(k, a, w), _compare(g, b, w))

    return Bounds(
        voigt=tensor(_average(k, w), _average(g, w)),
        reuss=tensor(_compare(k, 0, w), _compare(g, 0, w)),
        hs_lower=walpole(jnp.min(k), jnp.min(g)),
        hs_upper=walpole(jnp.max(k), jnp.max(g)),
        assumes="isotropic phases and a statistically isotropic microstructure"
        + (" of parallel cylinders (plane strain)" if dim == 2 else ""),
    )


def cubic_polycrystal_bounds(
    c11: Real[ArrayLike, "..."], c12: Real[ArrayLike, "..."], c44: Real[ArrayLike, "..."]
) -> PolycrystalBounds:
    """Moduli of an untextured polycrystal of equal cubic crystals.

    A cubic crystal has the shear moduli G₁ = (c11 - c12)/2 on two of the five shears and G₂ = c44 on three, so every
    bound is B(G; b(K, G₀)) over the weights 2/5 and 3/5, with b as in `elastic_bounds_isotropic` and G₀ = 0 (Reuss),
    ∞ (Voigt), min or max of G₁, G₂ (Hashin-Shtrikman). The self-consistent G₀ = G is the positive root of

        8 G³ + (5 c11 + 4 c12) G² - c44 (7 c11 - 4 c12) G - c44 (c11 - c12)(c11 + 2 c12) = 0.

    Args:
        c11: single-crystal constant, engineering Voigt notation, any shape; the others broadcast.
        c12: likewise.
        c44: likewise.

    Returns:
        `PolycrystalBounds`, each entry of the broadcast shape, in the units of the constants.

    Source:
        Hill (1952), Proc. Phys. Soc. A 65, 349-354; Hashin & Shtrikman (1962), J. Mech. Phys. Solids 10, 343-352;
        Hershey (1954), J. Appl. Mech. 21, 236-240.
    """
    (c11, c12, c44), _ = _fields(None, c11, c12, c44)
    k, g1, g2 = (c11 + 2 * c12) / 3, (c11 - c12) / 2, c44

    def bound(g0):
        b = _quotient(g0 * (9 * k + 8 * g0), 6 * (k + 2 * g0))
        return _quotient(2 * g1 * (g2 + b) + 3 * g2 * (g1 + b), 2 * (g2 + b) + 3 * (g1 + b))

    voigt, reuss = (2 * g1 + 3 * g2) / 5, bound(jnp.zeros_like(k))
    upper = bound(jnp.maximum(g1, g2))
    coefficients = (5 * c11 + 4 * c12, c44 * (7 * c11 - 4 * c12), c44 * (c11 - c12) * (c11 + 2 * c12))

    def newton(g, coefficients):
        a2, a1, a0 = coefficients
        value = ((8 * g + a2) * g - a1) * g - a0
        return g - _quotient(value, (24 * g + 2 * a2) * g - a1)

    # The cubic is convex for G > 0, so Newton's method falls monotonically to the root from any upper bound. The
    # steps after the frozen loop carry first and second derivatives (implicit function theorem).
    frozen = jax.lax.stop_gradient((upper, coefficients))
    root = jax.lax.fori_loop(0, 60, lambda _, g: newton(g, frozen[1]), frozen[0])
    root = newton(newton(root, coefficients), coefficients)
    return PolycrystalBounds(
        bulk=k,
        voigt=voigt,
        reuss=reuss,
        hill=(voigt + reuss) / 2,
        hs_lower=bound(jnp.minimum(g1, g2)),
        hs_upper=upper,
        self_consistent=root,
    )
