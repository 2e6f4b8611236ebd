"""Two projections side by side: linear regression (Mori) and conditional expectation (Zwanzig)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..results import InputError
from ._checked import array, concrete, need_scalar, together


class Projected(eqx.Module):
    """A force, projected on functions of the resolved variables in two ways.

    Args:
        resolved: the points x (p, n).
        weight: their equilibrium probabilities (p,), the rule's weights included; they sum to 1.
        conditional: E[f | x] (p, n): minus the gradient of the free energy.
        spring: k (n, n) of the linear projection -k x: for a force of equilibrium, kT <x x^T>^-1.
        orthogonality: largest entries of <(f - P f) x^T>, in units of kT, for the conditional and the linear
            projection; <f x^T> is summed over all pairs of nodes.
        equipartition: largest entry of <f x^T> / kT + 1, which is 0 where exp(-V / kT) vanishes at the ends of the
            rules: whether they are wide and fine enough. (For an x that ends at a wall, or is periodic, it is not.)
        distance: root mean square of the difference of the two over that of the conditional force; 0 where they agree.
    """

    resolved: Float[Array, "p n"]
    weight: Float[Array, " p"]
    conditional: Float[Array, "p n"]
    spring: Float[Array, "n n"]
    orthogonality: Float[Array, "2"]
    equipartition: Float[Array, ""]
    distance: Float[Array, ""]

    @property
    def linear(self) -> Float[Array, "p n"]:
        """The linear projection at the points."""
        return -self.resolved @ self.spring.T


def project_force(
    potential: Callable,
    resolved: Any,
    unresolved: Any,
    temperature: Any = 1.0,
    *,
    resolved_weights: Any = None,
    unresolved_weights: Any = None,
) -> Projected:
    """Conditional expectation and linear projection of the force -dV/dx in canonical equilibrium, by quadrature.

        E[f | x] = -int dV/dx exp(-V / kT) dy / int exp(-V / kT) dy,        P f = <f x^T> <x x^T>^-1 x

    The linear projection has no constant: measure x from its mean where that is not 0.

    Args:
        potential: V(x, y) of x (n,) and y (m,), a pure function; energy.
        resolved: nodes of a rule for x (p, n), or (p,) where n = 1.
        unresolved: nodes of a rule for y (q, m), or (q,).
        temperature: kT > 0, energy.
        resolved_weights: of the rule (p,); default equal ones. On a uniform grid over a peak that decays at its ends
            these are the most accurate.
        unresolved_weights: likewise (q,).

    Returns:
        `Projected`.

    Raises:
        InputError: a potential that is no function, nodes and weights that do not fit, energies or forces that are not
            finite at them, components of x that depend on one another.

    Source:
        Mori (1965), Prog. Theor. Phys. 33, 423-455; Zwanzig (1961), Phys. Rev. 124, 983-992; both: Chorin, Hald &
        Kupferman (2000), PNAS 97, 2968-2973.
    """
    x, wx = _rule(resolved, resolved_weights, "resolved")
    y, wy = _rule(unresolved, unresolved_weights, "unresolved")
    kt = array(temperature, "temperature", 0, "positive")
    x, wx, y, wy, kt = together(x, wx, y, wy, kt)
    need_scalar(potential, "potential", "(x, y) -> energy", x[0], y[0])

    def at(point):
        value, slope = jax.vmap(jax.value_and_grad(potential), (None, 0))(point, y)
        log = -value / kt + jnp.log(wy)
        top = jnp.max(log)
        share = jnp.exp(log - top)
        total = jnp.sum(share)
        return top, total, -share @ slope / total, -jnp.einsum("q,qa,b->ab", share, slope, point)

    top, total, conditional, virial = jax.lax.map(at, x)
    height = wx * jnp.exp(top - jnp.max(top))
    whole = jnp.sum(height * total)
    weight = height * total / whole
    moment = lambda a, b: jnp.einsum("p,pa,pb->ab", weight, a, b)  # noqa: E731
    # <f x^T> over all pairs of nodes, without the conditional mean in between.
    fx, xx = jnp.einsum("p,pab->ab", height, virial) / whole, moment(x, x)
    spring = -jnp.linalg.solve(xx.T, fx.T).T
    if concrete(spring) and not (np.isfinite(np.asarray(spring)).all() and np.isfinite(np.asarray(conditional)).all()):
        raise InputError(
            "no linear projection: the potential or its slope is not finite at a node, or resolved has components that"
            " depend on one another or are 0 everywhere; move or add nodes"
        )
    gaps = jnp.stack([jnp.max(jnp.abs(fx - moment(conditional, x))), jnp.max(jnp.abs(fx + spring @ xx))])
    square = lambda a: jnp.sum(weight[:, None] * a**2)  # noqa: E731
    apart, size = square(conditional + x @ spring.T), square(conditional)
    distance = jnp.where(size > 0, jnp.sqrt(apart / jnp.where(size > 0, size, 1)), 0)
    equipartition = jnp.max(jnp.abs(fx / kt + jnp.eye(x.shape[1], dtype=x.dtype)))
    return Projected(x, weight, conditional, spring, gaps / kt, equipartition, distance)


def project(observable: Any, features: Any, weights: Any = None) -> tuple[Float[Array, "m n"], Float[Array, "s m"]]:
    """Orthogonal projection of an observable on the span of features, from samples.

        P f = <f b^T> <b b^T>^-1 b

    With the resolved variables themselves as features it is Mori's; with more and more functions of them it tends to
    the conditional expectation.

    Args:
        observable: f (s, m).
        features: b (s, n), linearly independent.
        weights: of the samples (s,), positive; default equal.

    Returns:
        Coefficients (m, n), and the orthogonal part f - P f (s, m): <(f - P f) b^T> = 0 to rounding.

    Raises:
        InputError: samples of different number, fewer samples than features, features that depend on one another.
    """
    f, b = together(array(observable, "observable", 2), array(features, "features", 2))
    if f.shape[0] != b.shape[0]:
        raise InputError(f"observable has {f.shape[0]} samples and features {b.shape[0]}: give as many")
    if b.shape[0] < b.shape[1]:
        raise InputError(f"{b.shape[0]} samples of {b.shape[1]} features: give at least as many samples as features")
    root = jnp.ones(f.shape[0], f.dtype)
    if weights is not None:
        w = array(weights, "weights", 1, "positive")
        if w.shape[0] != f.shape[0]:
            raise InputError(f"weights has {w.shape[0]} samples: give {f.shape[0]}")
        root = jnp.sqrt(w).astype(f.dtype)
    # By an orthogonal basis: normal equations would square the condition of the features.
    q, r = jnp.linalg.qr(root[:, None] * b)
    if concrete(r):
        # Each pivot beside its column: what is left of a feature after the ones before it.
        columns = np.asarray(r)
        left = np.abs(np.diag(columns)) - 64 * np.finfo(columns.dtype).eps * np.sqrt(np.sum(columns**2, axis=0))
        if not (left > 0).all():
            name = int(np.argmin(left))
            raise InputError(f"feature {name} is 0 or depends linearly on the ones before it: leave it out")
    coefficients = jax.scipy.linalg.solve_triangular(r, q.T @ (root[:, None] * f)).T
    return coefficients, f - b @ coefficients.T


def _rule(nodes, weights, name):
    x = array(nodes, name, (1, 2))
    x = x[:, None] if x.ndim == 1 else x
    if weights is None:
        return x, jnp.ones(x.shape[0], x.dtype)
    w = array(weights, f"{name}_weights", 1, "positive")
    if w.shape[0] != x.shape[0]:
        raise InputError(f"{name}_weights has {w.shape[0]} entries: give {x.shape[0]}, one per node")
    return x, w
