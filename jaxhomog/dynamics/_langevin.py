"""Generalized Langevin equations by auxiliary variables, with the linear part solved exactly."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..results import InputError
from ._checked import array, need_callable, random_key, whole
from ._prony import PronyKernel


class Trajectory(eqx.Module):
    """A path of a generalized Langevin equation.

    Args:
        time: (steps,).
        position: (steps, d).
        velocity: (steps, d).
        force: friction and noise together, -int K v + F (steps, d).
    """

    time: Float[Array, " steps"]
    position: Float[Array, "steps d"]
    velocity: Float[Array, "steps d"]
    force: Float[Array, "steps d"]


class GeneralizedLangevin(eqx.Module):
    """A particle in a potential with memory and its noise.

        m x'' = f(x, parameters) - int_0^t K(t - s) x'(s) ds + F(t),    <F(t) F(0)> = kT K(t)

    The modes of K become auxiliary variables z with white noise (see `PronyKernel.auxiliary`),

        m v' = f + c z,    z' = -A z - c^T v + sqrt(kT (A + A^T)) white noise,

    each direction with its own. A step is half a kick by f, half a drift, the exact solution of the linear rest, half
    a drift, half a kick: time reversible, of second order, and with the exact equilibrium of v and z at every step,
    however stiff the modes. A general solver of stochastic equations (diffrax) needs steps below the shortest time
    of the modes and heats or cools them by its error; without f nothing is left here to approximate. `langevin_terms`
    hands the equation to diffrax, for adaptive steps, events or dense output.

    Args:
        force: f(x, parameters) -> (d,) from x (d,), a pure function; energy / length.
        kernel: K, a `PronyKernel`: every one is admissible. Mass / time^2.
        mass: m > 0.
        temperature: kT >= 0, energy; 0 leaves the deterministic equation.
        parameters: pytree handed to `force` (it may be differentiated).

    Raises:
        InputError: a force that is no function, a kernel of another kind, a mass that is not positive.

    Source:
        Auxiliary variables: Mori (1965), Prog. Theor. Phys. 34, 399-416; Ceriotti, Bussi & Parrinello (2010), J. Chem.
        Theory Comput. 6, 1170-1180. Order of the parts: Leimkuhler & Matthews (2013), Appl. Math. Res. Express, 34-56.

    Caveats:
        The variance of x in a harmonic well is exact, that of v at the ends of steps falls short by (w dt)^2 / 4. Kicks
        by f are stable for w dt < 2, w its stiffest frequency: larger steps grow without bound.
    """

    force: Callable = eqx.field(static=True)
    kernel: PronyKernel
    mass: Float[Array, ""]
    temperature: Float[Array, ""]
    parameters: Any

    def __init__(self, force: Callable, kernel: PronyKernel, mass: Any = 1.0, temperature: Any = 1.0, parameters=None):
        need_callable(force, "force", "(x, parameters) -> force", 2)
        if not isinstance(kernel, PronyKernel):
            raise InputError(f"kernel is a {type(kernel).__name__}: give a PronyKernel, from fit_prony for example")
        self.force, self.kernel, self.parameters = force, kernel, parameters
        dtype = kernel.weights.dtype
        self.mass = array(mass, "mass", 0, "positive").astype(dtype)
        self.temperature = array(temperature, "temperature", 0, "not negative").astype(dtype)

    def simulate(self, key: Array, x0: Any, v0: Any, dt: Any, steps: int, *, every: int = 1) -> Trajectory:
        """A path from x0, v0 (d,), the auxiliary variables in equilibrium; `jax.vmap` over keys and starts.

        Args:
            key: of `jax.random`.
            x0: position (d,).
            v0: velocity (d,).
            dt: step, time.
            steps: number of states that are kept.
            every: steps between them.

        Returns:
            `Trajectory`, the start not included.
        """
        x, v = array(x0, "x0", 1), array(v0, "v0", 1)
        if x.shape != v.shape:
            raise InputError(f"x0 has the shape {x.shape} and v0 {v.shape}: give as many components")
        dtype = self.kernel.weights.dtype
        h = array(dt, "dt", 0, "positive").astype(dtype)
        steps, every = whole(steps, "steps"), whole(every, "every")
        force = jax.eval_shape(self.force, x.astype(dtype), self.parameters)
        if getattr(force, "shape", None) != x.shape or getattr(force, "dtype", None) != dtype:
            raise InputError(f"force returns {force} for x of shape {x.shape} and {dtype}: give one like it")
        return _simulate(self, random_key(key), x.astype(dtype), v.astype(dtype), h, steps, every)


@partial(jax.jit, static_argnums=(5, 6))
def _simulate(system, key, x, v, h, steps, every):
    mass, kt = system.mass, system.temperature
    root = jnp.sqrt(mass)
    drift, coupling, _ = system.kernel.auxiliary()
    decay, spread = exact_step(_coupled(drift, coupling / root), h)
    force = lambda x: system.force(x, system.parameters)  # noqa: E731
    key, first = jax.random.split(key)
    z = jnp.sqrt(kt) * jax.random.normal(first, (len(coupling), *x.shape), x.dtype)
    scale = jnp.sqrt(kt) * spread

    def step(carry, k):
        x, v, z, f = carry
        v = v + 0.5 * h / mass * f
        x = x + 0.5 * h * v
        noise = jax.random.normal(jax.random.fold_in(key, k), (len(coupling) + 1, *x.shape), x.dtype)
        both = decay @ jnp.concatenate([root * v[None], z]) + scale @ noise
        v, z = both[0] / root, both[1:]
        x = x + 0.5 * h * v
        f = force(x)
        return (x, v + 0.5 * h / mass * f, z, f), None

    def kept(carry, k):
        carry, _ = jax.lax.scan(step, carry, k * every + jnp.arange(every))
        return carry, (carry[0], carry[1], coupling @ carry[2])

    _, (xs, vs, forces) = jax.lax.scan(kept, (x, v, z, force(x)), jnp.arange(steps))
    return Trajectory(h * every * (1 + jnp.arange(steps, dtype=x.dtype)), xs, vs, forces)


def coloured_noise(key: Array, kernel: PronyKernel, temperature: Any, dt: Any, steps: int) -> Float[Array, " steps"]:
    """Stationary Gaussian noise with the correlation kT K(t), exact at the times 0, dt, 2 dt, ...

    Args:
        key: of `jax.random`.
        kernel: K.
        temperature: kT.
        dt: step, time; any.
        steps: number of values.

    Returns:
        F (steps,), unit of sqrt(kT K).
    """
    if not isinstance(kernel, PronyKernel):
        raise InputError(f"kernel is a {type(kernel).__name__}: give a PronyKernel")
    dtype = kernel.weights.dtype
    kt = array(temperature, "temperature", 0, "not negative").astype(dtype)
    return _noise(random_key(key), kernel, kt, array(dt, "dt", 0, "positive").astype(dtype), whole(steps, "steps"))


@partial(jax.jit, static_argnums=4)
def _noise(key, kernel, kt, h, steps):
    drift, coupling, _ = kernel.auxiliary()
    decay, spread = exact_step(drift, h)
    normal = jax.random.normal(key, (steps, len(coupling)), h.dtype)

    def step(z, n):
        return decay @ z + spread @ n, coupling @ z

    return jnp.sqrt(kt) * jax.lax.scan(step, normal[0], jnp.roll(normal, -1, axis=0))[1]


def _coupled(drift, coupling):
    """Drift of (sqrt(m) v, z)."""
    top = jnp.concatenate([jnp.zeros((1,), drift.dtype), -coupling])
    return jnp.concatenate([top[None], jnp.concatenate([coupling[:, None], drift], axis=1)])


def exact_step(drift: Float[Array, "n n"], dt: Array) -> tuple[Float[Array, "n n"], Float[Array, "n n"]]:
    """Propagator E = exp(-A dt) and a root of 1 - E E^T: a step of y' = -A y + noise, in equilibrium <y y^T> = 1.

    Caveats:
        Directions that the noise does not reach in one step get a variance of rounding, relative to equilibrium.
    """
    decay = jax.scipy.linalg.expm(-drift * dt, max_squarings=48)
    n = len(drift)
    # E E^T = 1 - int exp(-A s) (A + A^T) exp(-A^T s) ds; rounding, which squaring multiplies by the number of turns
    # in a step, must not make the difference indefinite.
    turns = jax.lax.stop_gradient(jnp.max(jnp.sum(jnp.abs(drift), axis=0)) * dt)
    lift = 4 * (n + turns) * jnp.finfo(decay.dtype).eps
    return decay, jnp.linalg.cholesky((1 + lift) * jnp.eye(n, dtype=decay.dtype) - decay @ decay.T)
