"""Face fluxes of the lowest Raviart-Thomas space RT0 on a periodic grid.

One number per face, F_k = q_k / h_k, constant on the face; q_k is linear across a voxel along axis k. F_k[x] sits on
the face between voxel x and its neighbour along +k. In these units the divergence is a plain difference and the curl of
edge potentials a plain sum: what is divergence free stays so to rounding, whatever the edges of a voxel.

The normal flux is continuous, so div q = 0 in every voxel makes q statically admissible, and its energy is the voxel
medium's own. Raviart & Thomas 1977 (Lecture Notes in Math. 606:292).
"""

from __future__ import annotations

import itertools

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..messages import AbstractResponse, total
from ._element import axis_mean
from ._green import green_operator

# An array (d, *shape), or in kernels a list of d arrays: stacking costs XLA's CPU backend more than the arithmetic.
Faces = Float[Array, "d *shape"] | list[Array]


def face_divergence(faces: Faces) -> Float[Array, " *shape"]:
    """Net outflow of every voxel per volume, sum_k F_k[x] - F_k[x - e_k]."""
    return total(f - jnp.roll(f, 1, axis=k) for k, f in enumerate(faces))


def face_means(faces: Faces, h: Float[Array, " d"]) -> Float[Array, " d"]:
    """Mean flux <q_k>."""
    return jnp.stack([axis_mean(f) for f in faces]) * h


def voxel_fluxes(faces: Faces, h: Float[Array, " d"]) -> tuple[list[Array], list[Array]]:
    """Mean m_k and difference s_k of q_k over every voxel; q_k = m_k + s_k x_k / h_k about its centre."""
    before = [jnp.roll(f, 1, axis=k) for k, f in enumerate(faces)]
    mean = [0.5 * h[k] * (f + before[k]) for k, f in enumerate(faces)]
    return mean, [h[k] * (f - before[k]) for k, f in enumerate(faces)]


def resisted(resistivity: AbstractResponse, faces: Faces, h: Float[Array, " d"]) -> tuple[list[Array], list[Array]]:
    """Conjugates of `voxel_fluxes`: the power of two fluxes is <sum_k m_k (R m)_k + s_k R_kk s_k / 12>, exactly.

    Cross terms are products of the means alone: q_k and q_l vary along different axes.
    """
    mean, slope = voxel_fluxes(faces, h)
    from_mean = resistivity.flux({(0, k): m for k, m in enumerate(mean)})
    from_slope = [resistivity.flux({(0, k): s / 12})[0, k] for k, s in enumerate(slope)]
    return [from_mean[0, k] for k in range(len(faces))], from_slope


def complementary_powers(resistivity: AbstractResponse, faces: Float[Array, "n d *shape"], h) -> Float[Array, "n n"]:
    """S_ij = <q_i . K^-1 . q_j>, integrated exactly over the voxels.

    Args:
        resistivity: K^-1 of every voxel, as a response.
        faces: face fluxes of n load cases.
        h: voxel edges.

    Returns:
        (n, n), symmetric.
    """
    n = len(faces)
    fluxes = [voxel_fluxes(f, h) for f in faces]
    rows: list[list[Array]] = [[jnp.zeros((), faces.dtype)] * n for _ in range(n)]
    for i in range(n):
        mean, slope = resisted(resistivity, faces[i], h)
        for j in range(i, n):
            other_mean, other_slope = fluxes[j]
            pairs = zip([*mean, *slope], [*other_mean, *other_slope], strict=True)
            rows[i][j] = rows[j][i] = axis_mean(total(a * b for a, b in pairs))
    return jnp.stack([jnp.stack(row) for row in rows])


def power_slope(resistivity: AbstractResponse, faces: Faces, h: Float[Array, " d"]) -> list[Array]:
    """Derivative of 1/2 <q . K^-1 . q> with respect to every face number, times the number of voxels."""
    mean, slope = resisted(resistivity, faces, h)
    out = []
    for k in range(len(faces)):
        half = 0.5 * mean[k]
        out.append(h[k] * (half + slope[k] + jnp.roll(half - slope[k], -1, axis=k)))
    return out


def planes(dim: int) -> list[tuple[int, int]]:
    """Pairs of axes; every pair has one edge per voxel, normal to both, at the voxel's upper corner in the plane."""
    return list(itertools.combinations(range(dim), 2))


def curl(potential: list[Array], dim: int) -> list[Array]:
    """Face flux of edge potentials, one per plane: divergence free and of zero mean.

    In 2-D the potential is a stream function at the nodes.
    """
    parts: dict[int, list[Array]] = {k: [] for k in range(dim)}
    for a, (i, j) in zip(potential, planes(dim), strict=True):
        parts[i].append(a - jnp.roll(a, 1, axis=j))
        parts[j].append(jnp.roll(a, 1, axis=i) - a)
    return [total(parts[k]) for k in range(dim)]


def curl_transpose(faces: Faces) -> list[Array]:
    """Adjoint of `curl`: circulation around every edge."""
    around = []
    for i, j in planes(len(faces)):
        around.append(faces[i] - jnp.roll(faces[i], -1, axis=j) - faces[j] + jnp.roll(faces[j], -1, axis=i))
    return around


def around_edges(voxels: Float[Array, "*shape"], combine) -> list[Array]:
    """`combine` over the four voxels around every edge, for every plane."""
    out = []
    for i, j in planes(voxels.ndim):
        pair = combine(voxels, jnp.roll(voxels, -1, axis=i))
        out.append(combine(pair, jnp.roll(pair, -1, axis=j)))
    return out


def remove_divergence(element, faces: Array, h: Float[Array, " d"]) -> Faces:
    """The divergence-free flux nearest in <q . q>, of the same mean: F_k - (difference of phi) / h_k^2.

    Args:
        element: the finite-volume scheme; its Green operator for unit conductivity is the Poisson solver.
        faces: any face flux.
        h: voxel edges.
    """
    poisson = green_operator(element, faces.shape[1:], h, (jnp.ones((), faces.dtype),))
    # The Green operator inverts minus the Laplacian.
    phi = -poisson(face_divergence(faces)[None])[0]
    return jnp.stack([f - (jnp.roll(phi, -1, axis=k) - phi) / h[k] ** 2 for k, f in enumerate(faces)])
