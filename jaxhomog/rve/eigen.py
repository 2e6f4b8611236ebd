"""An eigenstrain in every voxel (thermal expansion, swelling): the fluctuation that it forces on a held cell.

div C : (grad u - e) = 0,   <grad u> = 0
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..fields import Space
from .model import Settings
from .solve import solve_linear


def extended_eigenstrain(
    eigenstrain: Float[Array, "*voxels d d"], nodes: tuple[int, ...]
) -> Float[Array, "d d *nodes"]:
    """The eigenstrain on the extended cell of a boundary condition: the layers without stiffness have none."""
    e = jnp.moveaxis(eigenstrain, (-2, -1), (0, 1))
    return jnp.pad(e, [(0, 0), (0, 0), *((0, m - n) for m, n in zip(nodes, e.shape[2:], strict=True))])


def eigen_force(space: Space, response, h: Float[Array, " d"], e: Float[Array, "d d *nodes"], like: Array):
    """Nodal forces B^T (C : e) of the extended cell."""
    element = space.element
    # Where a uniform gradient lives among the stations, a piecewise uniform one does too.
    unit = element.gradient(jnp.zeros_like(like), h, jnp.ones(e.shape[:2], e.dtype))
    stations = [(weight, {key: g * e[key] for key, g in station.items()}) for weight, station in unit]
    return element.divergence(element.flux(response, stations), h, like)


def eigen_fluctuation(
    space: Space, settings: Settings, response, h: Float[Array, " d"], e: Float[Array, "d d *nodes"]
) -> tuple[Float[Array, "d *nodes"], Array]:
    """Displacement of the cell whose mean strain is held at zero, and whether its solve converged.

    Args:
        space: element and boundary condition.
        settings: stopping rules. The mean stress feels the first power of the field's error here: the field is solved
            to `tolerance`.
        response: moduli of the extended cell.
        h: voxel edges.
        e: from `extended_eigenstrain`.

    Returns:
        u, with implicit derivatives; NaN where the solve failed.
    """
    if settings.tolerance is not None:
        field = settings.tolerance if settings.field_tolerance is None else settings.field_tolerance
        settings = settings._replace(field_tolerance=min(settings.tolerance, field))
    like = jnp.zeros((e.shape[0], *e.shape[2:]), e.dtype)
    held = space.boundary.held(response, h)
    force = space.boundary.restrict(eigen_force(space, response, h, e, like), held)
    u = solve_linear(space, settings, response, h, force)
    return u, jnp.all(jnp.isfinite(jax.lax.stop_gradient(u)))


def eigen_state(space: Space, response, h, u, macro, e):
    """Voxel means of strain and stress C : (macro + B u - e), and <stress : B u>, which equilibrium makes zero.

    Args:
        space: element and boundary condition.
        response: moduli of the extended cell.
        h: voxel edges.
        u: displacement fluctuation of the extended cell.
        macro: mean strain (d, d).
        e: from `extended_eigenstrain`.

    Returns:
        strain (d, d, *nodes), stress (d, d, *nodes, in terms of the extended moduli), lost power per volume.
    """
    element = space.element
    stations = element.mean_only(u, h, macro)
    strain = element.voxel_field(stations, u)
    stress = element.voxel_field(element.flux(response, stations), u)
    uniform = [(1.0, {(i, k): e[i, k] for i in range(len(e)) for k in range(len(e))})]
    stress = stress - element.voxel_field(element.flux(response, uniform), u)
    force = element.force(response, u, h, macro) - eigen_force(space, response, h, e, u)
    return strain, stress, jnp.sum(u * force) / u[0].size
