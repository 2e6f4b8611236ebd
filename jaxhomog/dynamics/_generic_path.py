"""An integrator that keeps both laws of thermodynamics in every step, however large."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int

from ..results import InputError
from ..solvers import guarded
from ._checked import array, concrete, need_scalar, together, whole
from ._generic import Generic, GenericReport, across

PATH_LAW: Final = 1
PATH_ENERGY: Final = 2
PATH_ENTROPY: Final = 4
PATH_STEP: Final = 8

_REASONS: Final = {
    PATH_LAW: "the matrices violate the form along the path",
    PATH_ENERGY: "the energy is not constant to rounding",
    PATH_ENTROPY: "the entropy falls by more than rounding",
    PATH_STEP: "a step was not solved: take smaller steps",
}
_SOUND: Final = "energy is constant and entropy does not fall, to rounding"
_MAX_NEWTON: Final = 50
# Nodes of Gauss' rule with three points about the middle, and their weight; the third node is the middle itself.
_NODE: Final = 0.5 * float(np.sqrt(0.6))
_WEIGHT: Final = 5 / 18


class GenericPath(eqx.Module):
    """States of a law of the form GENERIC, with what certifies them.

    Args:
        time: (steps,), the start not included.
        state: z (steps, n); NaN where a step was not solved.
        energy: E (steps,).
        entropy: S (steps,).
        energy_drift: largest |E - E(z0)|.
        lowest_entropy_step: smallest difference of S between neighbouring kept states.
        law: residuals of the matrices at all states (of z0 in place of a state that is NaN).
        code: what is violated (bits, see `reason`); 0 where nothing is.
    """

    time: Float[Array, " steps"]
    state: Float[Array, "steps n"]
    energy: Float[Array, " steps"]
    entropy: Float[Array, " steps"]
    energy_drift: Float[Array, ""]
    lowest_entropy_step: Float[Array, ""]
    law: GenericReport
    code: Int[Array, ""]

    @property
    def reason(self) -> str:
        """What is violated, in words (needs concrete values)."""
        if isinstance(self.code, Tracer):
            return "<traced>"
        bits = int(np.asarray(self.code))
        texts = [text for bit, text in _REASONS.items() if bits & bit]
        return "; ".join([*texts, *([self.law.reason] if bits & PATH_LAW else [])]) or _SOUND


def integrate_generic(law: Generic, z0: Any, dt: Any, steps: int, *, every: int = 1) -> GenericPath:
    """Integrate a law of the form GENERIC so that energy is constant and entropy grows in every step.

        (z' - z) / dt = L~ DE + M~ DS,    L~ = Q(DS) L(m) Q(DS),    M~ = Q(DE) M(m) Q(DE),    m = (z + z') / 2

    with Gonzalez' discrete gradients, DF . (z' - z) = F(z') - F(z), and Q(g) = 1 - g g^T / g.g, which gives the
    matrices of the middle the degeneracy with respect to them. The scheme is implicit, symmetric in time, and of
    second order. Newton's method solves it to rounding; derivatives are implicit.

    Args:
        law: `Generic`.
        z0: start (n,).
        dt: step, time.
        steps: number of states that are kept.
        every: steps between them.

    Returns:
        `GenericPath`.

    Raises:
        InputError: a law that violates the form at z0 or at a kept state (eager calls; under a trace the code says so,
            and states are NaN where it is so at z0), a start of another shape.

    Source:
        Gonzalez (1996), J. Nonlinear Sci. 6, 449-467, eq. 2.4; for this form: Romero (2009), Int. J. Numer. Meth. Eng.
        79, 706-732; Oettinger (2018), J. Non-Equilib. Thermodyn. 43, 89-100.
    """
    if not isinstance(law, Generic):
        raise InputError(f"law is a {type(law).__name__}: give a Generic")
    z = law.state(z0)
    h = array(dt, "dt", 0, "positive").astype(z.dtype)
    start = law.certify(z)
    if concrete(start) and int(start.code):
        raise InputError(f"the law is not of the form GENERIC at z0: {start.reason}")
    path = _integrate(law, z, h, whole(steps, "steps"), whole(every, "every"), start.code == 0)
    # In place of states that are NaN, which have a code of their own, the start.
    known = jnp.where(jnp.isfinite(path.state), path.state, z)
    report = law.certify(jax.lax.stop_gradient(known))
    violated = jnp.any(report.code != 0)
    if concrete(path) and bool(violated):
        raise InputError(f"the law is not of the form GENERIC along the path: {report.reason}")
    code = path.code + jnp.where(violated, PATH_LAW, 0).astype(jnp.int32)
    return eqx.tree_at(lambda p: (p.law, p.code), path, (report, code))


@eqx.filter_jit
def _integrate(law, z0, h, steps, every, sound):
    value = lambda f, z: f(z, law.parameters)  # noqa: E731

    def advance(carry, _):
        z, good = carry
        new, converged = _step(law, z, h)
        return (new, good & converged), None

    def kept(carry, _):
        carry, _ = jax.lax.scan(advance, carry, None, length=every)
        return carry, carry

    _, (z, good) = jax.lax.scan(kept, (z0, sound), None, length=steps)
    z = jax.vmap(guarded)(good, z)
    energy, entropy = jax.vmap(lambda s: (value(law.energy, s), value(law.entropy, s)))(z)
    first, start = value(law.energy, z0), value(law.entropy, z0)
    drift = jnp.max(jnp.abs(energy - first))
    lowest = jnp.min(jnp.diff(entropy, prepend=start))
    # Each step rounds the energy some times.
    rounding = 16 * jnp.finfo(z.dtype).eps * jnp.sqrt(jnp.asarray(steps * every, z.dtype))
    code = (
        jnp.where(good[-1] | ~sound, 0, PATH_STEP)
        + jnp.where(drift > rounding * (jnp.abs(first) + _size(z0)), PATH_ENERGY, 0)
        + jnp.where(lowest < -rounding * (jnp.abs(start) + 1), PATH_ENTROPY, 0)
    )
    time = h * every * (1 + jnp.arange(steps, dtype=z.dtype))
    blank = GenericReport(drift, drift, drift, drift, drift, code)  # replaced by the caller
    return GenericPath(time, z, energy, entropy, drift, lowest, blank, code.astype(jnp.int32))


def _step(law, z, h):
    """The end of a step, and whether Newton's method found it."""

    def residual(new):
        energy = _discrete_gradient(law.energy, z, new, law.parameters)
        entropy = _discrete_gradient(law.entropy, z, new, law.parameters)
        left, right = law.matrices(0.5 * (z + new))
        return new - z - h * (across(left, entropy) @ energy + across(right, energy) @ entropy)

    def newton(f, start):
        eps = float(jnp.finfo(start.dtype).eps)

        def step(carry):
            x, _, size, count = carry
            change = jnp.linalg.solve(jax.jacfwd(f)(x), f(x))
            return x - change, size, _size(change), count + 1

        def go_on(carry):
            x, before, size, count = carry
            # Rounding is reached where steps are small and shrink no more.
            small = size <= eps**0.75 * _size(x)
            settled = small & ((size >= 0.5 * before) | (size <= 0.5 * eps * _size(x)))
            return ~settled & (count < _MAX_NEWTON) & jnp.isfinite(size)

        inf = jnp.asarray(1e30, start.dtype)
        x, _, size, _ = jax.lax.while_loop(go_on, step, (start, inf, inf, 0))
        return x, (size <= eps**0.75 * _size(x)).astype(start.dtype)

    def tangent(linear, y):
        return jnp.linalg.solve(jax.jacfwd(linear)(y), y)

    new, converged = jax.lax.custom_root(residual, z, newton, tangent, has_aux=True)
    return new, converged > 0.5


def discrete_gradient(
    function: Callable, start: Float[Array, " n"], end: Float[Array, " n"], parameters: Any = None
) -> Float[Array, " n"]:
    """Gonzalez' midpoint discrete gradient of F between two points.

        DF = grad F(m) + (F(b) - F(a) - grad F(m).d) d / d.d,    d = b - a,  m = (a + b) / 2

    so that DF . d = F(b) - F(a) exactly. Where that difference is lost in rounding, the integral of grad F along d by
    Gauss' rule takes its place, which it is not.

    Args:
        function: F(z, parameters) -> scalar.
        start, end: a and b (n,).
        parameters: handed to F.

    Returns:
        DF (n,), unit of F / z; grad F(a) where b = a.

    Raises:
        InputError: points of different shape, a function that is none or returns no floating-point number.

    Source:
        Gonzalez (1996), J. Nonlinear Sci. 6, 449-467, eq. 2.4.
    """
    a, b = together(array(start, "start", 1), array(end, "end", 1))
    if a.shape != b.shape:
        raise InputError(f"start has the shape {a.shape} and end {b.shape}: give two points of one space")
    need_scalar(function, "function", "(z, parameters) -> F", a, parameters)
    return _discrete_gradient(function, a, b, parameters)


def _discrete_gradient(function, start, end, parameters):
    slope = jax.grad(function)
    middle, d = 0.5 * (start + end), end - start
    g = slope(middle, parameters)
    low, high = function(start, parameters), function(end, parameters)
    direct = high - low - g @ d
    sides = slope(middle - _NODE * d, parameters) - 2 * g + slope(middle + _NODE * d, parameters)
    integral = _WEIGHT * (sides @ d)
    rounding = 4 * jnp.finfo(d.dtype).eps * (jnp.abs(low) + jnp.abs(high))
    rest = jnp.where(jnp.abs(direct - integral) <= rounding, integral, direct)
    square = d @ d
    return g + rest / jnp.where(square > 0, square, 1) * d


def _size(x):
    return jnp.max(jnp.abs(x))
