"""The discrete Green operator of an element: inverse of its stiffness for a homogeneous isotropic medium.

In Fourier space the stiffness of a periodic homogeneous medium is a d x d (elasticity) or 1 x 1 (conduction) matrix per
wave. Two families of symbols occur:

* "vector": one station, gradient symbol i w. Then K = mu |w|^2 I + (lambda + mu) w w^T, inverted in closed form.
* "tensor": separable full integration with 1-D symbols stiff_k, mass_k, cross_k (Q1). K_aa = (lambda + 2 mu) stiff_a
  mass.. + mu (...), K_ab = (lambda + mu) cross_a cross_b mass_c, inverted by cofactors.

* "bending": one vector w_S of symbols per station S of assumed strains, over the axes that are not in S, each with
  Lame's first parameter of its own (`_bending`). K_ab = sum_S (lambda_S + mu) w_a w_b + mu |w_S|^2 delta_ab.

* "dilatation": the tensor symbols for the deviator, (lambda + 2 mu / d) w w^T of the mean gradient for the dilatation.

The wave zero, and waves that the element cannot see (hourglasses of one-point elements), are projected out: there the
operator returns zero. Willot 2015 (CRM 343:232); Leute et al. 2022 (JCP 453:110931); Ladecky et al. 2023 (CMAME).
"""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..messages import total
from ._bending import bending_lame
from ._subsets import modes


def _product(factors):
    out = factors[0]
    for factor in factors[1:]:
        out = out * factor
    return out


def _guarded_inverse(x, floor):
    seen = x > floor
    return jnp.where(seen, 1 / jnp.where(seen, x, 1), 0)


def _tensor_symbols(symbols, dim):
    """Symbols of int d_a d_a and int d_a d_b from the 1-D ones."""
    stiff, mass, cross = symbols[:dim], symbols[dim : 2 * dim], symbols[2 * dim :]
    second = [_product([stiff[j] if j == a else mass[j] for j in range(dim)]) for a in range(dim)]
    mixed = {}
    for a in range(dim):
        for b in range(a + 1, dim):
            mixed[a, b] = _product([cross[j] if j in (a, b) else mass[j] for j in range(dim)])
    return second, mixed


def green_symbol(kind, symbols, reference):
    """A function r_hat -> G r_hat, for a list of components (the symbols are real: parts pass separately).

    Args:
        kind: "vector", "bending", "tensor" or "dilatation" (see the module).
        symbols: the element's symbols.
        reference: (lambda, mu) or (k,) of the reference medium, scalars.
    """
    if kind == "vector":
        dim = len(symbols)
        square = total([w**2 for w in symbols])
        eps = jnp.finfo(square.dtype).eps
        inverse = _guarded_inverse(square, 64 * eps * jnp.max(square))
        if len(reference) == 1:
            return lambda r: [r[0] * (inverse / reference[0])]
        lam, mu = reference

        def apply_vector(r):
            along = total([symbols[k] * r[k] for k in range(dim)]) * (inverse * ((lam + mu) / (lam + 2 * mu)))
            return [(r[k] - symbols[k] * along) * (inverse / mu) for k in range(dim)]

        return apply_vector

    if kind == "bending":
        return _apply_inverse(*_bending_stiffness(symbols, *reference))

    waves = None
    if kind == "dilatation":
        dim = len(symbols) // 4
        symbols, waves = symbols[: 3 * dim], symbols[3 * dim :]
    dim = len(symbols) // 3
    second, mixed = _tensor_symbols(symbols, dim)
    laplace = total(second)
    eps = jnp.finfo(laplace.dtype).eps
    floor = 64 * eps * jnp.max(laplace)
    if len(reference) == 1:
        inverse = _guarded_inverse(laplace, floor) / reference[0]
        return lambda r: [r[0] * inverse]
    lam, mu = reference
    bulk = lam + 2 * mu / dim
    if waves is not None:
        lam = -2 * mu / dim
    diagonal = [mu * laplace + (lam + mu) * second[a] for a in range(dim)]
    off = {key: (lam + mu) * value for key, value in mixed.items()}
    if waves is not None:
        diagonal = [value + bulk * waves[a] ** 2 for a, value in enumerate(diagonal)]
        off = {(a, b): value + bulk * waves[a] * waves[b] for (a, b), value in off.items()}
    return _apply_inverse(diagonal, off, laplace > floor)


def _bending_stiffness(symbols, lam, mu):
    """Diagonal, off-diagonal and the waves that are seen."""
    dim = 2 if len(symbols) == 4 else 3
    rest = list(symbols)
    diagonal: list = [0.0] * dim
    off: dict = dict.fromkeys(itertools.combinations(range(dim), 2), 0.0)
    laplace = total([w**2 for w in symbols])
    for s in (s for s in modes(dim) if sum(s) < dim):
        kept = [k for k, bit in enumerate(s) if not bit]
        waves = {k: rest.pop(0) for k in kept}
        here = bending_lame(lam, mu, sum(s)) if any(s) else lam
        square = total([w**2 for w in waves.values()])
        for a in kept:
            diagonal[a] = diagonal[a] + (here + mu) * waves[a] ** 2 + mu * square
            for b in (b for b in kept if b > a):
                off[a, b] = off[a, b] + (here + mu) * waves[a] * waves[b]
    # Every wave but the one of zero length is seen: the element has no hourglass.
    return diagonal, off, laplace > 64 * jnp.finfo(laplace.dtype).eps * jnp.max(laplace)


def _apply_inverse(diagonal, off, seen):
    """The inverse of a symmetric matrix per wave, as a function of a list of components."""
    dim = len(diagonal)
    if dim == 2:
        a, c, b = diagonal[0], diagonal[1], off[0, 1]
        cofactors, determinant = [[c, -b], [-b, a]], a * c - b * b
    else:
        a, b, c = diagonal
        d, e, f = off[1, 2], off[0, 2], off[0, 1]
        aa, bb, cc = b * c - d * d, a * c - e * e, a * b - f * f
        dd, ee, ff = e * f - a * d, d * f - b * e, d * e - c * f
        cofactors, determinant = [[aa, ff, ee], [ff, bb, dd], [ee, dd, cc]], a * aa + f * ff + e * ee
    inverse = jnp.where(seen, 1 / jnp.where(seen, determinant, 1), 0)
    unique = {(i, j): cofactors[i][j] * inverse for i in range(dim) for j in range(i, dim)}

    def apply_tensor(r):
        return [total(unique[min(i, j), max(i, j)] * r[j] for j in range(dim)) for i in range(dim)]

    return apply_tensor


def green_operator(element, shape, h: Float[Array, " d"], reference):
    """The preconditioner r -> K_ref^-1 r of an element on a periodic grid.

    Args:
        element: discretization with `symbol`.
        shape: grid shape.
        h: voxel edges.
        reference: (lambda, mu) or (k,) of the reference medium.

    Returns:
        Function of a real field (components, *shape); its range has zero mean.
    """
    kind, symbols = element.symbol(shape, h)
    apply = green_symbol(kind, symbols, reference)

    def green(r):
        # Real and imaginary parts apart: XLA does not vectorize products of real and complex numbers.
        hat = [jnp.fft.rfftn(x) for x in r]
        real, imaginary = apply([jnp.real(x) for x in hat]), apply([jnp.imag(x) for x in hat])
        z = [jnp.fft.irfftn(jax.lax.complex(a, b), s=shape) for a, b in zip(real, imaginary, strict=True)]
        return jnp.stack(z).astype(r.dtype)

    return green
