"""Lower bound of the voxel medium's conductivity: the exact complementary energy of a divergence-free face flux.

With the energy of a conforming element from above it encloses the exact solution of the voxel image, whatever the
solvers left undone. Prager & Synge 1947 (Q. Appl. Math. 5:241); Vondrejc, Zeman, Marek 2015 (CMAME 297:258).

The flux is that of the finite-volume scheme, whose equations are those of the best RT0 flux with lumped resistivities.
Two local corrections then take it most of the way from the lumped to the exact energy, for a small part of the cost.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ..fields import FV, Boundary, Space
from ..fields._element import axis_mean
from ..fields._faces import (
    around_edges,
    complementary_powers,
    curl,
    curl_transpose,
    face_divergence,
    face_means,
    planes,
    power_slope,
    remove_divergence,
)
from ..fields._routing import route_divergence, spanning_forest
from ..messages import (
    AbstractResponse,
    ScalarConductionResponse,
    TensorConductionResponse,
    mandel_pairs,
    symmetric_matrix,
    total,
)
from ..solvers import StopRule, conjugate_gradients, dot
from ..tensors import inverse_spd
from .model import Settings, scaled
from .solve import equilibrium, solve_loads

# Conjugate gradient steps on edge potentials; the first takes most of the energy between the finite-volume flux and the
# best one (`experiments/conduction_bounds.py` prints both gaps).
_STEPS = 1
# The bound holds at any tolerance and feels errors of the flux by their square: it needs less than the tensor.
_LOOSER = 100
# From this (loosened) tolerance on single precision leaves less in the flux than the tolerance does, at half the cost.
# What it leaves of divergence is taken out in the problem's own. Not so for stresses: at contrast 1000 single precision
# stagnates and loses a twentieth of the bound.
_SINGLE = 1e-5
_SINGLE_CONTRAST = 1e5
# What rounding can feign, in units of eps and the Voigt average; added to complementary powers, on the safe side.
_ROUNDING = 64


def resistivities(response: AbstractResponse) -> tuple[AbstractResponse, Array]:
    """K^-1 of every voxel as a response, and a mask of the voxels that have one.

    A scalar conductivity below eps times the largest counts as none: taking it away only lowers the bound.
    """
    if isinstance(response, ScalarConductionResponse):
        conducting = response.k > jnp.finfo(response.k.dtype).eps * jnp.max(response.k)
        return ScalarConductionResponse(_reciprocal(response.k, conducting), response.dim), conducting
    assert isinstance(response, TensorConductionResponse)
    positions = mandel_pairs(response.dim)

    def layer(rows):
        inverse = inverse_spd(symmetric_matrix(rows, list(positions)))
        return jnp.stack([inverse[..., a, b] for a, b in positions])

    # Layer by layer, for the memory.
    rows = jnp.moveaxis(lax.map(layer, jnp.moveaxis(response.k, 1, 0)), 0, 1)
    # A singular tensor has a zero inverse.
    return TensorConductionResponse(rows, response.dim), rows[0] > 0


def flux_bound(
    resistivity: AbstractResponse, conducting: Array, faces: Float[Array, "n d *shape"], h: Float[Array, " d"]
) -> Float[Array, "d d"]:
    """Lower bound that given divergence-free fluxes prove.

        K >= M^T S^-1 M,   S_ij = <q_i . K^-1 . q_j>,   M_ik = <q_i>_k

    since E . K . E >= 2 E . <q> - <q . K^-1 . q> for every divergence-free q (Prager-Synge), here the best combination
    of the q_i. It assumes no more than that; the q_i need not be solutions of anything.

    Args:
        resistivity: K^-1 of every voxel, in units of the cell's mean conductivity; 0 where there is none.
        conducting: voxels whose K^-1 exists.
        faces: divergence-free face fluxes F_k = q_k / h_k of n load cases.
        h: voxel edges.

    Returns:
        (d, d). A flux that enters an insulator has infinite power and proves nothing: it counts as no flux at all.

    Source:
        Prager & Synge (1947), Q. Appl. Math. 5, 241-269; Raviart & Thomas (1977), Lecture Notes in Math. 606, 292-315;
        Vondrejc, Zeman & Marek (2015), CMAME 297, 258-291.
    """

    def zero_in_insulators(faces):
        """Which fluxes are zero at every face of every insulator."""
        insulator = ~conducting
        through = jnp.stack([insulator | jnp.roll(insulator, -1, axis=k) for k in range(conducting.ndim)])
        return jnp.stack([~jnp.any(through & (f != 0)) for f in faces])

    sound = lax.cond(jnp.all(conducting), lambda faces: jnp.ones(len(faces), bool), zero_in_insulators, faces)
    faces = jnp.where(sound.reshape(-1, *(1,) * (faces.ndim - 1)), faces, 0)
    return proven(jnp.stack([face_means(f, h) for f in faces]), complementary_powers(resistivity, faces, h))


def proven(means: Float[Array, "m n"], powers: Float[Array, "m m"]) -> Float[Array, "n n"]:
    """M^T P^-1 M from mean fluxes M and complementary powers P, less what rounding can feign; both of order one."""
    allowance = _ROUNDING * jnp.finfo(powers.dtype).eps * jnp.maximum(1, jnp.trace(powers))
    inverse = inverse_spd(powers + lax.stop_gradient(allowance) * jnp.eye(len(powers), dtype=powers.dtype))
    bound = jnp.einsum("ik,ij,jl->kl", means, inverse, means, precision=lax.Precision.HIGHEST)
    return 0.5 * (bound + bound.T)


def lower_conductivity(
    settings: Settings,
    response: AbstractResponse,
    h: Float[Array, " d"],
    macros: Float[Array, "n 1 d"],
) -> Float[Array, "d d"]:
    """Guaranteed lower bound of the effective conductivity of the voxel medium.

    It holds however far the solver came: every flux is made divergence free first. Scalar conductivities: the
    finite-volume flux, corrected; insulating voxels carry none. Tensors: the best RT0 flux; where one of them is
    singular the bound is 0.

    Args:
        settings: stopping rules, in their meaning for the effective tensor.
        response: `ScalarConductionResponse` or `TensorConductionResponse`.
        h: voxel edges.
        macros: unit load cases.

    Returns:
        (d, d), in the units of the conductivity. Its derivative is exact for scalars up to the solver's tolerance, and
        that at fixed flux for tensors (the same thing for the best flux).
    """
    moduli, unit = scaled(response, axis_mean)
    edge = jnp.mean(h)
    spacing = h / edge
    resistivity, conducting = resistivities(moduli)
    if isinstance(moduli, ScalarConductionResponse):
        space = Space(FV, Boundary(("periodic",) * len(h)))
        u = edge * potentials(space, loosened(settings), moduli, conducting, spacing, macros)
        u = equilibrium(space, settings, response, h, macros, u)
        faces = finite_volume_faces(moduli, spacing, macros, u / edge)
        faces = admissible(faces, conducting, spacing)
        faces = lax.map(lambda f: correct_locally(resistivity, conducting, f, spacing), faces)
    else:
        faces = lax.stop_gradient(best_faces(settings, resistivity, moduli, spacing, macros))
    return unit * flux_bound(resistivity, conducting, faces, spacing)


def loosened(settings: Settings) -> Settings:
    """Stopping rules for a flux that is to prove a bound."""
    if settings.tolerance is None:
        return settings
    return settings._replace(tolerance=min(_LOOSER * settings.tolerance, 0.1), field_tolerance=None)


def potentials(space: Space, settings: Settings, moduli: ScalarConductionResponse, conducting: Array, h, macros):
    """Finite-volume potentials of all loads, from single precision where that serves.

    Not where a phase conducts so little that its part of the balance drowns in the rounding of the others'.
    """

    def solved(problem):
        return solve_loads(space, "conduction", settings, *problem)[0].astype(h.dtype)

    def in_single(problem):
        return solved(jax.tree.map(lambda x: x.astype(jnp.float32), problem))

    problem = (moduli, h, macros)
    loose = settings.tolerance is not None and settings.tolerance >= _SINGLE and settings.residual_tolerance is None
    if h.dtype == jnp.float32 or not loose:
        return solved(problem)
    least = jnp.min(jnp.where(conducting, moduli.k, jnp.inf))
    return lax.cond(least * _SINGLE_CONTRAST >= jnp.max(moduli.k), in_single, solved, problem)


def finite_volume_faces(moduli: ScalarConductionResponse, h, macros, u) -> Float[Array, "n d *shape"]:
    """Face fluxes of the finite-volume scheme; zero where one side insulates."""

    def one(args):
        v, macro = args
        flux = FV.flux(moduli, FV.gradient(v, h, macro))[0][1]
        return jnp.stack([flux[0, k] / h[k] for k in range(len(h))])

    return lax.map(one, (u, macros))


def admissible(faces: Float[Array, "n d *shape"], conducting: Array, h) -> Float[Array, "n d *shape"]:
    """The fluxes made divergence free, and zero at every face of an insulator.

    What is added carries no derivative: it is zero at equilibrium, for any conductivity.
    """

    def everywhere(faces):
        return lax.map(lambda f: remove_divergence(FV, f, h), faces)

    def around_insulators(faces):
        return route_divergence(faces, spanning_forest(conducting), jax.vmap(face_divergence)(faces))

    open_face = jnp.stack([conducting & jnp.roll(conducting, -1, axis=k) for k in range(conducting.ndim)])
    faces = jnp.where(open_face, faces, 0)
    clean = lax.cond(jnp.all(conducting), everywhere, around_insulators, lax.stop_gradient(faces))
    return faces + lax.stop_gradient(clean - faces)


def correct_locally(resistivity: AbstractResponse, conducting: Array, faces, h) -> Float[Array, "d *shape"]:
    """Lower the complementary power by a few Jacobi-preconditioned conjugate gradient steps on edge potentials.

    q + curl a stays divergence free, keeps its mean, and stays out of insulators if a is zero at their edges.
    """
    assert isinstance(resistivity, ScalarConductionResponse)
    dim = len(faces)
    here = [faces[k] for k in range(dim)]
    inside = around_edges(conducting, jnp.logical_and)
    stiff = around_edges(resistivity.k, jnp.add)
    size = [h[i] ** 2 + h[j] ** 2 for i, j in planes(dim)]
    inverse = [_reciprocal(a * k, on & (k > 0)) for a, k, on in zip(size, stiff, inside, strict=True)]

    def inner(a, b):
        return total(dot(x, y) for x, y in zip(a, b, strict=True))

    def precondition(r):
        return [a * x for a, x in zip(inverse, r, strict=True)]

    r = [-x for x in curl_transpose(power_slope(resistivity, here, h))]
    z = precondition(r)
    p, rho = z, inner(r, z)
    for step in range(_STEPS):
        along = curl(p, dim)
        slope = power_slope(resistivity, along, h)
        work = inner(along, slope)
        alpha = jnp.where(work > 0, rho / jnp.where(work > 0, work, 1), 0)
        here = [f + alpha * a for f, a in zip(here, along, strict=True)]
        if step + 1 < _STEPS:
            r = [x - alpha * y for x, y in zip(r, curl_transpose(slope), strict=True)]
            z = precondition(r)
            old, rho = rho, inner(r, z)
            beta = jnp.where(old > 0, rho / jnp.where(old > 0, old, 1), 0)
            p = [x + beta * y for x, y in zip(z, p, strict=True)]
    return jnp.stack(here)


def best_faces(
    settings: Settings, resistivity: AbstractResponse, moduli: AbstractResponse, h, macros
) -> Float[Array, "n d *shape"]:
    """The divergence-free RT0 fluxes of least complementary power, of mean <K> . E_i (conjugate gradients).

    With these means an error of the power is at least that of the bound.
    """
    dim = len(h)
    shape = jax.tree.leaves(resistivity)[0].shape[-dim:]
    size, voigt = math.prod(shape), moduli.mean()
    eps = float(jnp.finfo(voigt.dtype).eps)
    edges = h.reshape(-1, *(1,) * dim)
    # lambda_min(K^-1) >= 1 / trace K, and the exact power of a voxel is at least a third of the lumped one.
    floor = 1 / (3 * jnp.max(dim * moduli.isotropic_part()[0]))

    def free(q):
        """Orthogonal projection on divergence-free fluxes of zero mean (q, not q / h: the metric is <q . q>)."""
        q = edges * remove_divergence(FV, q / edges, h)
        return q - jnp.stack([axis_mean(x) for x in q]).reshape(-1, *(1,) * dim)

    def slope(q):
        return jnp.stack(power_slope(resistivity, q / edges, h)) / edges

    def one(macro):
        start = jnp.broadcast_to((voigt @ macro[0]).reshape(-1, *(1,) * dim), (dim, *shape))
        energy = None
        if settings.tolerance is not None:
            energy = settings.tolerance * jnp.sqrt(jnp.sum(voigt**2)) / len(macros) * size
        uniform = slope(start)
        found = conjugate_gradients(
            lambda q, on: free(slope(q + on * start)),
            lambda r: r,
            start,
            StopRule(energy=energy, residual=settings.residual_tolerance),
            floor=floor,
            noise=16 * eps * jnp.sqrt(dot(uniform, uniform)),
            max_iterations=settings.max_iterations,
        )
        # Whatever the code: the flux is admissible. A last projection takes off the rounding of many steps.
        step = jnp.where(jnp.all(jnp.isfinite(found.x)), found.x, 0)
        return remove_divergence(FV, (start + step) / edges, h)

    return lax.map(one, macros)


def _reciprocal(x, where):
    return jnp.where(where, 1 / jnp.where(where, x, 1), 0)
