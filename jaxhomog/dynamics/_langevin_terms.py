"""A generalized Langevin equation as terms of diffrax, for its solvers, its adaptive steps and its ways to save."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..results import InputError
from ._checked import array, known_number, random_key, whole
from ._langevin import GeneralizedLangevin


def langevin_terms(system: GeneralizedLangevin, key: Any, end: Any, directions: int = 1, *, spacing: Any = None) -> Any:
    """The equation with auxiliary variables, as what `diffrax.diffeqsolve` integrates.

        x' = v,    m v' = f + c z,    z' = -A z - c^T v + sqrt(kT (A + A^T)) W'

    `GeneralizedLangevin.simulate` solves the linear part exactly and needs no step below the times of the modes. These
    terms are for what it does not do: adaptive steps, events, dense output, other schemes. Solvers of Euler's kind heat
    an oscillation of frequency w by w^2 dt over its damping; take those of order 1.5 for additive noise (ShARK, SRA1).

    Args:
        system: a `GeneralizedLangevin`.
        key: of `jax.random`, for the noise; None leaves it out: the deterministic equation, whatever its temperature.
        end: the noise is defined at times from 0 to `end`.
        directions: d, components of the position.
        spacing: of times that the noise resolves, below the solver's steps; default `end` / 2^14.

    Returns:
        `diffrax.ODETerm` without noise, else `diffrax.MultiTerm` with an additive `ControlTerm`. States are
        (2 + 2 n, d) for n modes: position, velocity, and the auxiliary variables, as `langevin_start` makes them.

    Raises:
        InputError: another system, times that are not positive, diffrax is missing.

    Source:
        Mori (1965), Prog. Theor. Phys. 34, 399-416; solvers: Kidger (2021), On Neural Differential Equations, thesis,
        University of Oxford.
    """
    try:
        import diffrax
        import lineax
    except ImportError:
        raise InputError("langevin_terms needs diffrax: pip install 'jaxhomog[dynamics]'") from None
    _need_system(system)
    d = whole(directions, "directions")

    def drift(t, y, args):
        a, c, _ = system.kernel.auxiliary()
        x, v, z = y[0], y[1], y[2:]
        rate = (system.force(x, system.parameters) + c @ z) / system.mass
        return jnp.concatenate([v[None], rate[None], -a @ z - c[:, None] * v])

    move = diffrax.ODETerm(drift)
    if key is None:
        return move
    last = known_number(end, "end")
    fine = last / 2**14 if spacing is None else known_number(spacing, "spacing")
    dtype = system.kernel.weights.dtype
    rows = 2 + 2 * len(system.kernel.weights)
    shape = jax.ShapeDtypeStruct((rows, d), dtype)
    path = diffrax.VirtualBrownianTree(0.0, last, fine, shape, random_key(key), diffrax.SpaceTimeLevyArea)

    def spread(t, y, args):
        loss = system.kernel.auxiliary()[2]
        size = jnp.concatenate([jnp.zeros(2, dtype), jnp.sqrt(2 * system.temperature * loss)])
        return lineax.DiagonalLinearOperator(jnp.broadcast_to(size[:, None], (rows, d)))

    return diffrax.MultiTerm(move, diffrax.ControlTerm(spread, path))


def langevin_start(system: GeneralizedLangevin, key: Any, x0: Any, v0: Any) -> Float[Array, "rows d"]:
    """A state for `langevin_terms`: x0, v0 (d,), the auxiliary variables in equilibrium; at rest where key is None."""
    _need_system(system)
    x, v = array(x0, "x0", 1), array(v0, "v0", 1)
    if x.shape != v.shape:
        raise InputError(f"x0 has the shape {x.shape} and v0 {v.shape}: give as many components")
    dtype, shape = system.kernel.weights.dtype, (2 * len(system.kernel.weights), *x.shape)
    z = jnp.zeros(shape, dtype)
    if key is not None:
        z = jnp.sqrt(system.temperature) * jax.random.normal(random_key(key), shape, dtype)
    return jnp.concatenate([jnp.stack([x, v]).astype(dtype), z])


def _need_system(system):
    if not isinstance(system, GeneralizedLangevin):
        raise InputError(f"system is a {type(system).__name__}: give a GeneralizedLangevin")
