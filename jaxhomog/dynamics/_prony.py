"""Memory kernels as sums of decaying modes that no choice of parameters can make active."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ..results import InputError
from ._checked import array, concrete, known_number, together, whole


class PronyKernel(eqx.Module):
    """Friction kernel of decaying, possibly oscillating modes.

        K(t) = sum_i w_i exp(-g_i t) (cos v_i t + b_i g_i sin(v_i t) / v_i),    w_i, g_i >= 0,    |b_i| <= 1

    Every mode is positive real: the real part of its Laplace transform on the imaginary axis has the sign of
    w g ((1 + b) (g^2 + v^2) + (1 - b) s^2) >= 0. A memory of such modes cannot give work in a cycle, and there is a
    noise with the correlation kT K(t). b = 1 is flat at t = 0 (a mode that is a dynamical variable itself), b = -1
    passes no constant velocity, v = 0 is a relaxation (with b = 0 an exponential).

    A mode is the friction of two auxiliary variables, K = c exp(-A t) c^T, whose drift has a diagonal symmetric part:

        A = [[g (1 - b), -q], [q, g (1 + b)]],    q^2 = v^2 + b^2 g^2,    c = (sqrt w, 0)

    Args:
        weights: w (n,), unit of K.
        rates: g (n,), 1 / time.
        frequencies: v (n,), 1 / time; default 0.
        shapes: b (n,); default 0.

    Raises:
        InputError: values that make it active, or rows of different length.

    Source:
        Positive real functions: Brune (1931), J. Math. Phys. 10, 191-236. Auxiliary variables: Ceriotti, Bussi &
        Parrinello (2010), J. Chem. Theory Comput. 6, 1170-1180, eqs. 4-8.
    """

    weights: Float[Array, " n"]
    rates: Float[Array, " n"]
    frequencies: Float[Array, " n"]
    shapes: Float[Array, " n"]

    def __init__(self, weights: Any, rates: Any, frequencies: Any = None, shapes: Any = None):
        w = array(weights, "weights", 1, "not negative")
        g = array(rates, "rates", 1, "not negative")
        v = jnp.zeros_like(g) if frequencies is None else array(frequencies, "frequencies", 1)
        b = jnp.zeros_like(g) if shapes is None else array(shapes, "shapes", 1)
        for name, row in (("rates", g), ("frequencies", v), ("shapes", b)):
            if row.shape != w.shape:
                raise InputError(f"weights has {w.shape[0]} modes and {name} {row.shape[0]}: give one value per mode")
        if not isinstance(b, Tracer) and (np.abs(np.asarray(b)) > 1).any():
            raise InputError("shapes lie outside of -1 .. 1: such a mode is active and has no noise")
        self.weights, self.rates, self.frequencies, self.shapes = together(w, g, v, b)

    def __call__(self, time: Any) -> Float[Array, "*t"]:
        """K(t) at the times t >= 0 (...)."""
        t = array(time, "time", None, "not negative").astype(self.weights.dtype)[..., None]
        angle = self.frequencies * t
        # sin(v t) / v, smooth through v = 0.
        wave = jnp.cos(angle) + self.shapes * self.rates * t * jnp.sinc(angle / jnp.pi)
        return jnp.sum(self.weights * jnp.exp(-self.rates * t) * wave, axis=-1)

    def transform(self, s: Any) -> Array:
        """Laplace transform at complex s (...): sum w (s + g + b g) / ((s + g)^2 + v^2), infinite at a pole."""
        try:
            s = jnp.asarray(s)[..., None]
        except (TypeError, ValueError):
            raise InputError(f"s={s!r} is no array of numbers: give real or complex numbers") from None
        g = self.rates
        return jnp.sum(self.weights * (s + g + self.shapes * g) / ((s + g) ** 2 + self.frequencies**2), axis=-1)

    @property
    def friction(self) -> Float[Array, ""]:
        """Integral of K over all times: the friction of a slow motion; infinite where a mode never decays."""
        g, v = self.rates, self.frequencies
        square = g**2 + v**2
        mode = (1 + self.shapes) * g / jnp.where(square > 0, square, 1)
        endless = jnp.where(self.weights > 0, jnp.full((), jnp.inf, square.dtype), jnp.zeros((), square.dtype))
        return jnp.sum(jnp.where(square > 0, self.weights * mode, endless))

    def auxiliary(self) -> tuple[Float[Array, "m m"], Float[Array, " m"], Float[Array, " m"]]:
        """Drift A (2 n, 2 n), coupling c (2 n,), and the diagonal of the symmetric part of A, which noise balances."""
        g, b = self.rates, self.shapes
        square = self.frequencies**2 + (b * g) ** 2
        # A root whose derivative is finite where a mode is a plain exponential.
        q = jnp.sqrt(jnp.where(square > 0, square, 1)) * (square > 0)
        n = len(g)
        even = 2 * jnp.arange(n)
        loss = jnp.stack([g * (1 - b), g * (1 + b)], axis=1).ravel()
        drift = jnp.diag(loss).at[even, even + 1].set(-q).at[even + 1, even].set(q)
        weight = self.weights
        coupling = jnp.zeros_like(loss).at[even].set(jnp.sqrt(jnp.where(weight > 0, weight, 1)) * (weight > 0))
        return drift, coupling, loss


class PronyFit(eqx.Module):
    """A fit of modes to a kernel.

    Args:
        kernel: the modes.
        residual: root mean square of the misfit, over the largest |K| of the data.
        converged: whether the optimizer ended by its tolerance.
    """

    kernel: PronyKernel
    residual: Float[Array, ""]
    converged: Array


def fit_prony(
    time: Any,
    friction: Any,
    modes: int,
    *,
    oscillating: bool = True,
    start: PronyKernel | None = None,
    tolerance: float | None = None,
    max_steps: int = 500,
) -> PronyFit:
    """Modes nearest to a kernel, in least squares; passive by construction, however noisy the data.

        min sum_k (K(t_k) - K_k)^2  over  log w, log g, v, atanh b

    Args:
        time: t (m,), increasing from 0 or later.
        friction: K (m,) at these times, unit of K.
        modes: number of modes.
        oscillating: False: exponentials alone (v = b = 0), a completely monotonic kernel.
        start: as many modes to start from; default the best of several spread over the spectrum of the data.
        tolerance: relative, of the parameters and of the misfit; default JAX's default precision to the power 2/3
            (4e-11 in double precision).
        max_steps: of Levenberg-Marquardt.

    Returns:
        `PronyFit`; its derivative with respect to `friction` is the implicit one of the optimum: right where
        `converged`.

    Raises:
        InputError: fewer times than parameters, a start of other modes, optimistix is missing.

    Caveats:
        Not a convex problem: look at the residual, and give a start of your own where it is too large.
    """
    try:
        import optimistix  # noqa: F401
    except ImportError:
        raise InputError("fit_prony needs optimistix: pip install 'jaxhomog[studies]'") from None
    modes = whole(modes, "modes")
    t, k = together(array(time, "time", 1, "not negative"), array(friction, "friction", 1))
    per_mode = 4 if oscillating else 2
    if t.shape != k.shape or t.shape[0] < per_mode * modes:
        raise InputError(
            f"{t.shape[0]} times and {k.shape[0]} values for {modes} modes: give as many, at least {per_mode * modes}"
        )
    if concrete(t, k) and not ((np.diff(np.asarray(t)) > 0).all() and np.asarray(k).any()):
        raise InputError("time does not increase, or friction is 0 everywhere: there is nothing to fit")
    if start is not None and not isinstance(start, PronyKernel):
        raise InputError(f"start is a {type(start).__name__}: give a PronyKernel")
    if start is not None and len(start.weights) != modes:
        raise InputError(f"start has {len(start.weights)} modes: give {modes}, like modes")
    starts = _starts(t, k, modes, oscillating) if start is None else [_scaled(start, 1 / jnp.max(jnp.abs(k)))]
    starts = jax.tree.map(lambda *x: jnp.stack(x), *starts)
    bound = float(jnp.finfo(jnp.result_type(float)).eps) ** (2 / 3)
    if tolerance is not None:
        bound = known_number(tolerance, "tolerance")
    return _fit(t, k, starts, bool(oscillating), bound, whole(max_steps, "max_steps"))


@eqx.filter_jit
def _fit(t, k, starts, oscillating: bool, tolerance: float, max_steps: int):
    import optimistix as optx

    # The optimizer mixes JAX's default precision into its own; what was given comes back in its own.
    dtype = k.dtype
    t, k, starts = jax.tree.map(lambda x: x.astype(jnp.result_type(float)), (t, k, starts))
    unit, span = jnp.max(jnp.abs(k)), jnp.max(t)

    def misfit(z, data):
        t, k, unit, span = data
        return (_kernel(z, unit, span)(t) - k) / unit

    solver = optx.LevenbergMarquardt(rtol=tolerance, atol=tolerance)
    data = (t, k, unit, span)

    def attempt(start):
        free = _free(start, span, oscillating)
        found = optx.least_squares(misfit, solver, free, data, max_steps=max_steps, throw=False)
        residual = jnp.sqrt(jnp.mean(misfit(found.value, data) ** 2))
        return found.value, residual, found.result == optx.RESULTS.successful

    values, residuals, ended = jax.vmap(attempt)(starts)
    best = jnp.argmin(jnp.where(jnp.isfinite(residuals), residuals, jnp.inf))
    value, residual, ended = jax.tree.map(lambda x: x[best], (values, residuals, ended))
    fitted = PronyFit(_kernel(value, unit, span), residual, ended)
    return jax.tree.map(lambda x: x.astype(dtype) if eqx.is_inexact_array(x) else x, fitted)


def _kernel(z, unit, span):
    """Modes of free numbers: dimensionless logarithms, and a frequency of either sign."""
    w, g = unit * jnp.exp(z["weight"]), jnp.exp(z["rate"]) / span
    if "frequency" not in z:
        return PronyKernel(w, g, jnp.zeros_like(g), jnp.zeros_like(g))
    return PronyKernel(w, g, z["frequency"] / span, jnp.tanh(z["shape"]))


def _starts(t, k, modes, oscillating):
    """Modes spread below and around the root mean square frequency of the data, damped weakly or strongly."""
    span, slope = jnp.max(t), jnp.diff(k) / jnp.diff(t)
    typical = jnp.sqrt(jnp.mean(slope**2) / jnp.mean(k**2)) + 1 / span
    share = (jnp.arange(modes, dtype=t.dtype) + 0.5) / modes
    same = jnp.full_like(share, 1 / modes)
    if not oscillating:
        tops = (typical, 8 * typical)
        return [PronyKernel(same, jnp.exp(-jnp.log(span) * (1 - share) + jnp.log(top) * share)) for top in tops]
    return [
        PronyKernel(same, jnp.full_like(share, rate), top * share)
        for top in (typical, 2 * typical)
        for rate in (0.5 * typical, 1 / span)
    ]


def _scaled(kernel, factor):
    return eqx.tree_at(lambda k: k.weights, kernel, kernel.weights * factor)


def _free(kernel, span, oscillating):
    """Free numbers of modes whose weights are in units of the largest |K|."""
    tiny = jnp.finfo(span.dtype).eps
    z = {
        "weight": jnp.log(jnp.maximum(kernel.weights, tiny)),
        "rate": jnp.log(jnp.maximum(kernel.rates * span, tiny)),
    }
    if oscillating:
        z["frequency"] = kernel.frequencies * span
        z["shape"] = jnp.arctanh(jnp.clip(kernel.shapes, -0.99, 0.99))
    return z
