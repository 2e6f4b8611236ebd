"""A preconditioner for windows that are not periodic: the homogeneous operator inverted by its one-dimensional modes.

On a tensor grid the operator of a homogeneous scalar medium is a sum of products of one-dimensional stiffness and mass
matrices, which cosines (free faces), sines (held faces) or both (periodic) diagonalize together: fast diagonalization
(Lynch, Rice, Thomas 1964, Numer. Math. 6:185). The bases are applied as dense matrices, one per axis: matrix products
run at full speed on every device, and for some hundred nodes they cost little more than a fast transform.

In elasticity every component gets the diagonal block of the operator, (mu + (lambda + mu) delta_ca) d_a d_a; what
couples the components is left to the Krylov solver.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._boundary import Boundary
from ._face_means import Held

_EXACT = jax.lax.Precision.HIGHEST


def _modes(boundary: Boundary, component: int, axis: int, n: int, dtype, odd):
    """Basis (nodes, modes) and half angles of one axis with n nodes, orthonormal in the trapezoidal weights."""
    i = jnp.arange(n, dtype=dtype)[:, None]
    half = jnp.asarray(math.sqrt(0.5), dtype)  # two Python scalars in one `where` would make a float64 array
    if boundary.wraps(axis):
        j = jnp.arange(n)
        wave = ((j + 1) // 2).astype(dtype)
        sine = (j % 2 == 0) & (j > 0)
        angle = 2 * math.pi / n * jnp.mod(i * wave, n)
        single = (j == 0) | ((j == n - 1) & (n % 2 == 0))
        size = math.sqrt(2 / n) * jnp.where(single, half, 1)
        return jnp.where(sine, jnp.sin(angle), jnp.cos(angle)) * size, wave * (math.pi / n)
    last = n - 1
    free = boundary.free(component, axis, odd)
    if free is True:
        return _cosines(n, i, half)
    wave = jnp.arange(1, max(last, 1)).astype(dtype)
    values = jnp.sin(math.pi / max(last, 1) * jnp.mod(i * wave, 2 * max(last, 1))) * math.sqrt(2 / max(last, 1))
    held = (i == 0) | (i == last)
    values, angle = jnp.where(held, 0, values).astype(dtype), wave * (math.pi / (2 * max(last, 1)))
    if free is False:
        return values, angle
    # Either basis, in arrays of one shape: the first and the last of the sines are zero.
    cosines, angle = _cosines(n, i, half)
    return jnp.where(free, cosines, jnp.pad(values, ((0, 0), (1, 1)))), angle


def _cosines(n, i, half):
    """Basis and half angles of an axis with free faces."""
    last, j = n - 1, jnp.arange(n)
    size = math.sqrt(2 / last) * jnp.where((j == 0) | (j == last), half, 1)
    wave = j.astype(half.dtype)
    return jnp.cos(math.pi / last * jnp.mod(i * wave, 2 * last)) * size, wave * (math.pi / (2 * last))


def _transform(x, bases, forward: bool):
    """Apply a matrix along every axis."""
    dim = x.ndim
    for k, basis in enumerate(bases):
        matrix = basis if forward else basis.T
        x = jnp.moveaxis(jnp.tensordot(x, matrix, axes=([k], [0]), precision=_EXACT), -1, k)
    assert x.ndim == dim
    return x


def separable_inverse(
    element, boundary: Boundary, nodes: tuple[int, ...], h: Float[Array, " d"], reference, imposed: Held
):
    """The preconditioner r -> z for a window with open axes.

    Args:
        element: a `ModalElement`.
        boundary: names per axis.
        nodes: shape of the extended cell.
        h: voxel edges.
        reference: (lambda, mu) or (k,) of the reference medium.
        imposed: on the means, from `Boundary.held`.

    Returns:
        Function of a nodal field (components, *nodes) into the admissible fluctuations.
    """
    dim = len(nodes)
    components = 1 if len(reference) == 1 else dim
    transverse = reference[-1]
    blocks = []
    for c in range(components):
        pairs = [_modes(boundary, c, k, n, h.dtype, imposed.odd) for k, n in enumerate(nodes)]
        sine = [jnp.sin(angle) ** 2 for _, angle in pairs]
        stiff = [4 * s / h[k] ** 2 for k, s in enumerate(sine)]
        mass = [1 - (2 / 3) * s if element.full else 1 - s for s in sine]
        symbol = jnp.zeros((), h.dtype)
        for a in range(dim):
            along = transverse
            if components > 1 and a == c:
                along = reference[0] + 2 * transverse
            factor = jnp.ones((), h.dtype)
            for k in range(dim):
                part = stiff[k] if k == a else mass[k]
                factor = factor * part.reshape(tuple(-1 if j == k else 1 for j in range(dim)))
            symbol = symbol + along * factor
        seen = symbol > 64 * jnp.finfo(h.dtype).eps * jnp.max(symbol, initial=0)
        inverse = jnp.where(seen, 1 / jnp.where(seen, symbol, 1), 0)
        blocks.append(([basis for basis, _ in pairs], inverse))

    def precondition(r):
        out = []
        for x, (bases, inverse) in zip(boundary.restrict(r, imposed), blocks, strict=True):
            out.append(_transform(_transform(x, bases, True) * inverse, bases, False))
        return boundary.admit(jnp.stack(out), imposed)

    return precondition
