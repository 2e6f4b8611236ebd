"""Time integration by diffrax behind one call, and what can go wrong with two time scales."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array

from ..results import InputError, real_array

TIME_NOT_INTEGRATED: Final = 1
TIME_NO_MANIFOLD: Final = 2
TIME_REPELLED: Final = 4

_REASONS: Final = {
    TIME_NOT_INTEGRATED: "the time integration did not reach the end: raise max_steps, loosen the tolerance, or see"
    " whether the solution is bounded",
    TIME_NO_MANIFOLD: "the fast equation has no equilibrium that Newton's method finds from y0: give a nearer y0",
    TIME_REPELLED: "the fast variable does not settle on its equilibrium (it is not attracting, or y0 is outside its"
    " basin): there is no slow motion to follow",
}
_SOUND: Final = "the slow motion was followed to the end"
# So many times the start: a variable that was to settle does not come back from there.
_FAR: Final = 1e6
# Relative tolerance of a step by dtype.
_TOLERANCE: Final = {"float64": 1e-9, "float32": 1e-5}


def reason(code: Array) -> str:
    """The bits of a code in words (needs concrete values)."""
    if isinstance(code, Tracer):
        return "<traced>"
    bits = int(np.bitwise_or.reduce(np.asarray(code), axis=None))
    return "; ".join(text for bit, text in _REASONS.items() if bits & bit) or _SOUND


def diffrax() -> Any:
    """The package, or a line that says how to get it."""
    try:
        import diffrax
    except ImportError:
        raise InputError("slow motions need diffrax: pip install 'jaxhomog[dynamics]'") from None
    return diffrax


def checked(x0: Any, times: Any, eps: Any, tolerance: Any, max_steps: Any):
    """Start, times and eps in one floating dtype, and the tolerance."""
    x = real_array(x0, "x0")
    if str(x.dtype) not in _TOLERANCE:
        raise InputError(f"x0 is {x.dtype}: give float32 or float64")
    t = real_array(times, "times").astype(x.dtype)
    if t.ndim != 1 or t.shape[0] < 1:
        raise InputError(f"times has shape {t.shape}: give the times at which the motion is wanted, (m,)")
    if not isinstance(t, Tracer):
        values = np.asarray(t)
        if not np.isfinite(values).all() or values[0] < 0 or (np.diff(values) < 0).any():
            raise InputError("times must be finite, ascending and not before 0, where the motion starts")
    small = real_array(eps, "eps").astype(x.dtype)
    if small.ndim or (not isinstance(small, Tracer) and not (np.isfinite(small) and small > 0)):
        raise InputError(f"eps={eps}: give one positive ratio of the time scales")
    if tolerance is None:
        tolerance = _TOLERANCE[str(x.dtype)]
    if isinstance(tolerance, bool) or not isinstance(tolerance, (int, float)) or not 0 < tolerance < 1:
        raise InputError(f"tolerance={tolerance!r}: give a relative tolerance between 0 and 1")
    if isinstance(max_steps, bool) or not isinstance(max_steps, int) or max_steps < 1:
        raise InputError(f"max_steps={max_steps!r}: give at least 1")
    return x, t, small, float(tolerance)


def rate_of(function: Callable, like: Any, name: str, *args) -> Callable:
    """A rate in the dtype of its variable, whose shape it must have (traced once, before any time integration)."""
    if not callable(function):
        raise InputError(f"{name} is a {type(function).__name__}: give a function")
    shape = jax.eval_shape(lambda *at: jax.tree.map(jnp.asarray, function(*at)), *args)
    if getattr(shape, "shape", None) != like.shape:
        found = getattr(shape, "shape", type(shape).__name__)
        raise InputError(f"{name} returns shape {found} for a variable of shape {like.shape}: give its rate")
    if jnp.issubdtype(shape.dtype, jnp.complexfloating):
        raise InputError(f"{name} returns {shape.dtype}: give real and imaginary part as two variables")
    return lambda *at: jnp.asarray(function(*at)).astype(like.dtype)


def flow(rate: Callable, start: Any, times: Array, tolerance: float, max_steps: int):
    """The solution of z' = rate(z) at the times, from 0 on, and whether it was reached.

    Dormand and Prince's method of order five with adaptive steps (Tsitouras' coefficients).
    """
    dfx = diffrax()
    found = dfx.diffeqsolve(
        dfx.ODETerm(lambda t, z, _: rate(z)),
        dfx.Tsit5(),
        t0=jnp.zeros_like(times[0]),
        t1=times[-1],
        dt0=None,
        y0=start,
        saveat=dfx.SaveAt(ts=times),
        stepsize_controller=dfx.PIDController(rtol=tolerance, atol=tolerance * 1e-3),
        max_steps=max_steps,
        throw=False,
    )
    return found.ys, found.result == dfx.RESULTS.successful


def settle(rate: Callable, start: Any, tolerance: float, max_steps: int):
    """Where z' = rate(z) comes to rest, and whether it stopped: at rest, or so far off that it never will be."""
    dfx = diffrax()
    dtype = jax.tree.leaves(start)[0].dtype  # of the time, too: it would lift the state to its own
    at_rest = dfx.steady_state_event(rtol=tolerance, atol=tolerance)
    limit = _FAR * (1 + jnp.max(jnp.stack([jnp.max(jnp.abs(z)) for z in jax.tree.leaves(start)])))

    def lost(t, z, args, **_):
        return jnp.any(jnp.stack([jnp.any(jnp.abs(part) > limit) for part in jax.tree.leaves(z)]))

    found = dfx.diffeqsolve(
        dfx.ODETerm(lambda t, z, _: rate(z)),
        dfx.Tsit5(),
        t0=jnp.zeros((), dtype),
        t1=jnp.asarray(jnp.inf, dtype),
        dt0=None,
        y0=start,
        stepsize_controller=dfx.PIDController(rtol=tolerance, atol=tolerance * 1e-3),
        event=dfx.Event([at_rest, lost]),
        max_steps=max_steps,
        throw=False,
    )
    rest = jax.tree.map(lambda x: x[-1], found.ys)
    return rest, found.result == dfx.RESULTS.event_occurred
