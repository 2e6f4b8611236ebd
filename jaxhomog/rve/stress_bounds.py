"""Lower bound of the voxel medium's stiffness: the exact complementary energy of a statically admissible stress.

With the energy of a conforming element from above it encloses the exact solution of the voxel image, whatever the
solvers left undone. Prager & Synge 1947 (Q. Appl. Math. 5:241).

The stress is the best one of the rectangular H(div) element of Hu, Man & Zhang (`fields/_stresses.py`), found by
conjugate gradients on divergence-free stresses.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ..fields._element import axis_mean
from ..fields._stress_green import balanced, stress_green
from ..fields._stresses import complementary_energies, fast_energy_slope, stress_means, uniform_stress
from ..messages import (
    AbstractResponse,
    AnisotropicElasticResponse,
    IsotropicElasticResponse,
    symmetric_matrix,
    upper_triangle,
)
from ..solvers import StopRule, conjugate_gradients
from ..tensors import inverse_spd, to_mandel
from .bounds import loosened, proven
from .model import Settings, reference_medium, scaled


def compliances(response: AbstractResponse) -> tuple[AbstractResponse, Array]:
    """S = C^-1 of every voxel as a response, and a mask of the voxels that have one.

    Isotropic moduli below eps times the largest shear modulus count as none: taking them away only lowers the bound.
    """
    if isinstance(response, IsotropicElasticResponse):
        d, lam, mu = response.dim, response.lam, response.mu
        least = jnp.finfo(mu.dtype).eps * jnp.max(mu)
        bulk = d * lam + 2 * mu
        stiff = (mu > least) & (bulk > least)
        bulk, mu = jnp.where(stiff, bulk, 1), jnp.where(stiff, mu, 1)
        return IsotropicElasticResponse(-lam / (2 * mu * bulk), 1 / (4 * mu), d), stiff
    assert isinstance(response, AnisotropicElasticResponse)
    positions = upper_triangle(6 if response.dim == 3 else 3)

    def layer(rows):
        inverse = inverse_spd(symmetric_matrix(rows, positions))
        return jnp.stack([inverse[..., i, j] for i, j in positions])

    # Layer by layer, for the memory.
    rows = jnp.moveaxis(lax.map(layer, jnp.moveaxis(response.c, 1, 0)), 0, 1)
    # A singular stiffness has a zero inverse.
    return AnisotropicElasticResponse(rows, response.dim), rows[0] > 0


def stress_bound(
    compliance: AbstractResponse, stresses: Float[Array, "m n *shape"], h: Float[Array, " d"]
) -> Float[Array, "n n"]:
    """Lower bound of the effective stiffness that given statically admissible stresses prove.

        C >= M^T P^-1 M,   P_ij = <sigma_i : S : sigma_j>,   M_i = <sigma_i>

    since E : C : E >= 2 E : <sigma> - <sigma : S : sigma> for every divergence-free sigma (Prager-Synge), here the
    best combination of the sigma_i. It assumes no more than that; they need not be solutions of anything.

    Args:
        compliance: S of every voxel, in units of the cell's mean compliance or so.
        stresses: divergence-free stresses, in the numbers of `fields/_stresses.py`.
        h: voxel edges.

    Returns:
        (n, n), Mandel.

    Source:
        Prager & Synge (1947), Q. Appl. Math. 5, 241-269; Hu, Man & Zhang (2014), J. Sci. Comput. 58, 367-379.
    """
    means = lax.map(lambda t: stress_means(t, h), stresses)
    return proven(means, complementary_energies(compliance, stresses, h))


def lower_stiffness(
    settings: Settings,
    response: AbstractResponse,
    h: Float[Array, " d"],
    macros: Float[Array, "n d d"],
) -> Float[Array, "n n"]:
    """Guaranteed lower bound of the effective stiffness of the voxel medium.

    It holds however far the solver came. A cell with a voxel without stiffness (a void, a singular tensor) has the
    bound 0: its stresses have infinite complementary energy unless they vanish there, and none such is looked for.

    Args:
        settings: stopping rules, in their meaning for the effective tensor.
        response: `IsotropicElasticResponse` or `AnisotropicElasticResponse`.
        h: voxel edges.
        macros: unit load cases.

    Returns:
        (n, n), Mandel, in the units of the stiffness. Its derivative is that at fixed stress numbers, exact for the
        best stress.
    """
    moduli, unit = scaled(response, axis_mean)
    spacing = h / jnp.mean(h)
    compliance, stiff = compliances(moduli)
    frozen = lax.stop_gradient((compliance, moduli, spacing, macros))
    stresses, _ = best_stresses(settings, jnp.all(stiff), *frozen)
    return unit * stress_bound(compliance, stresses, spacing)


def best_stresses(
    settings: Settings, possible: Array, compliance: AbstractResponse, moduli: AbstractResponse, h, macros
) -> tuple[Float[Array, "m n *shape"], Array]:
    """The admissible stresses of least complementary energy, of mean <C> : E_i, and iterations of each.

    With these means an error of the energy is at least that of the bound. All zero if not `possible`.
    """
    dim = len(h)
    shape = jax.tree.leaves(moduli)[0].shape[-dim:]
    size, voigt = math.prod(shape), moduli.mean()
    limits = []
    looser = loosened(settings)
    norm = jnp.sqrt(jnp.sum(voigt**2)) * size
    if looser.tolerance is not None:
        limits.append(looser.tolerance * norm / len(macros))
    if looser.residual_tolerance is not None:
        # The imbalance of a stress is zero throughout: the nearest rule is one of its energy.
        limits.append(looser.residual_tolerance**2 * norm)
    reference = reference_medium(compliance, axis_mean)
    green = stress_green(shape, h, reference.moduli)

    def one(macro):
        mean = jnp.where(possible, voigt @ to_mandel(macro), 0)
        start = uniform_stress(mean, h, shape)
        found = conjugate_gradients(
            lambda t, on: fast_energy_slope(compliance, t + on * start, h),
            green,
            start,
            StopRule(energy=min(limits) if len(limits) == 1 else jnp.minimum(*limits)),
            floor=reference.floor,
            max_iterations=settings.max_iterations,
        )
        # Whatever the code: the stress is admissible. A last projection takes off the rounding of many steps.
        step = jnp.where(jnp.all(jnp.isfinite(found.x)), found.x, 0)
        return balanced(start + step, h), found.iterations

    return lax.map(one, macros)
