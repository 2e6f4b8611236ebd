"""Relative-entropy coarse graining: the coarse potential that keeps most of what the fine samples say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int

from ..results import InputError
from ..solvers import guarded
from ._checked import array, concrete, need_scalar, together

_MAX_NEWTON: Final = 60
_HALVINGS: Final = 30


class CoarsePotential(eqx.Module):
    """A fit of a coarse potential.

    Args:
        parameters: of the potential, like `start`; NaN where the fit did not converge.
        cross_entropy: -<ln P> over the fine samples, nat; less the entropy of the mapped fine distribution it is S_rel.
        gradient: largest entry of its derivative by the parameters: mean forces of fine and coarse, in balance.
        code: 1 where the fit did not converge, else 0.
    """

    parameters: Any
    cross_entropy: Float[Array, ""]
    gradient: Float[Array, ""]
    code: Int[Array, ""]

    @property
    def reason(self) -> str:
        """How the fit ended, in words (needs concrete values)."""
        if isinstance(self.code, Tracer):
            return "<traced>"
        return (
            "not converged: the samples do not determine the parameters, or have probabilities that no finite"
            " parameters give; leave parameters out or take another start"
            if int(np.asarray(self.code))
            else "the means of fine samples and coarse ensemble agree"
        )


def cross_entropy(
    potential: Callable,
    parameters: Any,
    fine: Any,
    nodes: Any,
    temperature: Any = 1.0,
    *,
    fine_weights: Any = None,
    node_weights: Any = None,
) -> Float[Array, ""]:
    """Minus the mean log-likelihood of mapped fine samples in the ensemble of a coarse potential; nat.

        -<ln P> = <U(X)>_fine / kT + ln Z,    Z = sum_nodes w exp(-U / kT)

    It is S_rel plus the entropy of the fine distribution, seen through the map.

    Args, Raises:
        as for `relative_entropy_fit`, with the parameters of U in place of a start.
    """
    data = _data(potential, parameters, fine, nodes, temperature, fine_weights, node_weights)
    return _objective(potential, parameters, data)


def relative_entropy_fit(
    potential: Callable,
    start: Any,
    fine: Any,
    nodes: Any,
    temperature: Any = 1.0,
    *,
    fine_weights: Any = None,
    node_weights: Any = None,
) -> CoarsePotential:
    """Parameters of a coarse potential with the least relative entropy to the fine model.

        min S_rel = sum p_fine ln(p_fine / P),   P = exp(-U(X; parameters) / kT) / Z
        where   <dU/d parameters>_fine = <dU/d parameters>_coarse

    For a U that is linear in its parameters the problem is convex, and it is maximum likelihood. Newton's method, with
    the variance of the mean forces in place of the second derivative where that is not positive.

    Args:
        potential: U(X, parameters) -> energy of one coarse state X, a pure function.
        start: pytree of floating-point parameters.
        fine: mapped samples of the fine model (s, ...), X(x) of each.
        nodes: coarse states (c, ...): all of them, or the nodes of a rule, to sum the ensemble over.
        temperature: kT > 0, energy.
        fine_weights: of the samples (s,), probabilities for example; default equal ones. Only ratios count.
        node_weights: of the rule (c,), positive; default 1.

    Returns:
        `CoarsePotential`; its derivatives with respect to samples, weights and temperature are the implicit ones.

    Raises:
        InputError: a potential that is no function, parameters that are no floating-point numbers, states and weights
            that do not fit.

    Source:
        Shell (2008), J. Chem. Phys. 129, 144108, eqs. 3-8.
    """
    leaves = jax.tree.leaves(start)
    if not leaves or not all(_floating(leaf) for leaf in leaves):
        raise InputError("start has no parameter, or one that is no floating-point number: write 1.0 instead of 1")
    start = jax.tree.map(jnp.asarray, start)
    data = _data(potential, start, fine, nodes, temperature, fine_weights, node_weights)
    # One precision for all: Newton's method carries parameters and energies through one loop.
    dtype = jnp.result_type(data[0], *jax.tree.leaves(start))
    start, data = jax.tree.map(lambda leaf: leaf.astype(dtype), (start, data))
    return _fit(potential, start, data)


def _floating(leaf) -> bool:
    return type(leaf) is float or (hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating))


def _data(potential, parameters, fine, nodes, temperature, fine_weights, node_weights):
    if not all(
        _floating(leaf) or type(leaf) is int for leaf in jax.tree.leaves(parameters, is_leaf=lambda p: p is None)
    ):
        raise InputError("parameters hold something that is no real number: give floating-point numbers or arrays")
    x, c, kt = together(array(fine, "fine"), array(nodes, "nodes"), array(temperature, "temperature", 0, "positive"))
    if x.ndim < 1 or x.ndim != c.ndim or x.shape[1:] != c.shape[1:]:
        raise InputError(f"fine {x.shape} and nodes {c.shape}: give (samples, ...) and (nodes, ...) of equal states")
    need_scalar(potential, "potential", "(state, parameters) -> energy", c[0], parameters)
    wx = _weights(fine_weights, x, "fine_weights", "not negative")
    return x, c, kt, wx / jnp.sum(wx), _weights(node_weights, c, "node_weights", "positive")


def _weights(value, states, name, sign):
    if value is None:
        return jnp.ones(states.shape[0], states.dtype)
    w = array(value, name, 1, sign).astype(states.dtype)
    if w.shape[0] != states.shape[0]:
        raise InputError(f"{name} has {w.shape[0]} entries: give {states.shape[0]}")
    if concrete(w) and not (np.asarray(w) > 0).any():
        raise InputError(f"{name} is 0 everywhere: give at least one positive weight")
    return w


def _objective(potential, parameters, data):
    x, c, kt, wx, wc = data
    energy = jax.vmap(potential, (0, None))
    return wx @ energy(x, parameters) / kt + jax.nn.logsumexp(-energy(c, parameters) / kt, b=wc)


@eqx.filter_jit
def _fit(potential, start, data):
    flat, unravel = ravel_pytree(start)
    objective = lambda p: _objective(potential, unravel(p), data)  # noqa: E731
    slope = jax.grad(objective)
    held = jax.lax.stop_gradient(data)
    eps = float(jnp.finfo(flat.dtype).eps)

    def newton(f, p):
        value = lambda p: _objective(potential, unravel(p), held)  # noqa: E731

        def fisher(p):
            _, c, kt, _, wc = held
            energy = lambda p: jax.vmap(potential, (0, None))(c, unravel(p)) / kt  # noqa: E731
            weight = jax.nn.softmax(jnp.log(wc) - energy(p))
            force = jax.jacfwd(energy)(p)
            force = force - weight @ force
            return force.T @ (weight[:, None] * force)

        def step(carry):
            p, _, size, count = carry
            g, curved = jax.grad(value)(p), jax.hessian(value)(p)
            exact = jnp.all(jnp.isfinite(jnp.linalg.cholesky(curved)))
            change = -jnp.linalg.solve(jnp.where(exact, curved, fisher(p)), g)
            now = value(p)
            good = lambda t: value(p + t * change) <= now + 8 * eps * (1 + jnp.abs(now))  # noqa: E731
            share = jax.lax.while_loop(
                lambda s: ~good(s[0]) & (s[1] < _HALVINGS), lambda s: (0.5 * s[0], s[1] + 1), (jnp.ones_like(now), 0)
            )[0]
            return p + share * change, size, jnp.max(jnp.abs(share * change)), count + 1

        def go_on(carry):
            p, before, size, count = carry
            unit = 1 + jnp.max(jnp.abs(p))
            settled = (size <= eps**0.6 * unit) & ((size >= 0.5 * before) | (size <= 2 * eps * unit))
            return ~settled & (count < _MAX_NEWTON) & jnp.isfinite(size)

        inf = jnp.asarray(1e30, p.dtype)
        p, _, size, _ = jax.lax.while_loop(go_on, step, (p, inf, inf, 0))
        return p, (size <= eps**0.6 * (1 + jnp.max(jnp.abs(p)))).astype(p.dtype)

    def tangent(linear, y):
        return jnp.linalg.solve(jax.jacfwd(linear)(y), y)

    found, converged = jax.lax.custom_root(slope, flat, newton, tangent, has_aux=True)
    # Parameters that only act together make the second derivative singular, whatever their units.
    # Parameters that run to infinity leave it without any size.
    curvature = jax.hessian(lambda p: _objective(potential, unravel(p), held))
    curved, first = curvature(jax.lax.stop_gradient(found)), curvature(jax.lax.stop_gradient(flat))
    unit = jnp.sqrt(jnp.diag(curved))
    lowest = jnp.linalg.eigvalsh(curved / (unit[:, None] * unit))[0]
    bounded = jnp.all(unit**2 > eps**0.75 * jnp.abs(jnp.diag(first)))
    ok = (converged > 0.5) & (lowest > 64 * len(flat) * eps) & bounded
    found = guarded(ok, found)
    return CoarsePotential(
        unravel(found), objective(found), jnp.max(jnp.abs(slope(found))), jnp.where(ok, 0, 1).astype(jnp.int32)
    )
