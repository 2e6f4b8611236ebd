"""Parameters with limits as functions of numbers without limits."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from ..results import InputError


class Limits(eqx.Module):
    """x(z) of a vector of parameters, one rule per entry, monotonic.

        free      x = x0 + s z,   s = |x0| (1 where x0 = 0)
        positive  x = exp(z)
        bounded   x = a + (b - a) / (1 + exp(-z))

    Args:
        start: x0 (p,).
        lower, upper: limits (p,); infinite where there is none.
        positive, bounded: which rule (p,).
    """

    start: Float[Array, " p"]
    lower: Float[Array, " p"]
    upper: Float[Array, " p"]
    positive: Array
    bounded: Array

    def parameters(self, z: Float[Array, " p"]) -> Float[Array, " p"]:
        """x(z)."""
        scale = jnp.where(self.start == 0, 1, jnp.abs(self.start))
        width = jnp.where(self.bounded, self.upper - self.lower, 1)
        low = jnp.where(self.bounded, self.lower, 0)
        x = jnp.where(self.bounded, low + width * jax.nn.sigmoid(z), self.start + scale * z)
        return jnp.where(self.positive, jnp.exp(jnp.where(self.positive, z, 0)), x)

    def free(self, x: Float[Array, " p"]) -> Float[Array, " p"]:
        """z(x)."""
        scale = jnp.where(self.start == 0, 1, jnp.abs(self.start))
        share = jnp.where(self.bounded, (x - self.lower) / (self.upper - self.lower), 0.5)
        z = jnp.where(self.bounded, jnp.log(share) - jnp.log1p(-share), (x - self.start) / scale)
        return jnp.where(self.positive, jnp.log(jnp.where(self.positive, x, 1)), z)

    def slope(self, z: Float[Array, " p"]) -> Float[Array, " p"]:
        """dx/dz, positive."""
        return jax.jvp(self.parameters, (z,), (jnp.ones_like(z),))[1]


def limits_of(start: Any, bounds: Any) -> tuple[Limits, Any]:
    """The rules of a pytree of parameters, and the function that makes the pytree of a vector.

    Args:
        start: parameters.
        bounds: None, or for every entry of a dict (or of a list) None, "positive" or (lower, upper).

    Raises:
        InputError: limits that do not fit the parameters, or a start outside of them.
    """
    x, unravel = ravel_pytree(jax.tree.map(jnp.asarray, start))
    if x.size == 0:
        raise InputError("start has no parameters: give a pytree of floating-point numbers")
    if not all(jnp.issubdtype(jnp.result_type(leaf), jnp.floating) for leaf in jax.tree.leaves(start)):
        raise InputError("start has a parameter that is no floating-point number: write 1.0 instead of 1")
    each = _matched(start, bounds)
    lower, upper, positive, bounded = [], [], [], []
    for leaf, rule in zip(jax.tree.leaves(start), each, strict=True):
        n = int(np.size(leaf))
        low, high = -np.inf, np.inf
        if rule is not None and not isinstance(rule, str):
            low, high = (float(v) for v in rule)
            if not low < high:
                raise InputError(f"bounds={rule}: give (lower, upper) with lower < upper")
        lower += [low] * n
        upper += [high] * n
        positive += [rule == "positive"] * n
        bounded += [np.isfinite(low)] * n
    cast = lambda v: jnp.asarray(v, x.dtype)  # noqa: E731
    limits = Limits(x, cast(lower), cast(upper), jnp.asarray(positive), jnp.asarray(bounded))
    if not isinstance(x, Tracer):
        low = np.where(positive, 0.0, lower)
        outside = ~((np.asarray(x) > low) & (np.asarray(x) < np.asarray(upper)))
        if outside.any():
            k = int(np.argmax(outside))
            raise InputError(f"start has {float(x[k])} for {names_of(start)[k]}: it must lie inside its bounds")
    return limits, unravel


def _matched(start, bounds) -> list:
    """One rule per leaf."""
    rule = lambda b: b is None or isinstance(b, str | tuple)  # noqa: E731
    if bounds is None:
        return [None] * len(jax.tree.leaves(start))
    if isinstance(bounds, dict) and isinstance(start, dict):
        foreign = sorted(set(bounds) - set(start))
        if foreign:
            raise InputError(f"bounds name {foreign[0]!r}, which start does not have: it has {', '.join(start)}")
        bounds = {key: bounds.get(key) for key in start}
    try:
        spread = jax.tree.map(lambda b, sub: [b] * len(jax.tree.leaves(sub)), bounds, start, is_leaf=rule)
    except ValueError:
        raise InputError("bounds do not have the structure of start: give one rule per entry of start") from None
    found = jax.tree.leaves(spread, is_leaf=rule)
    for b in found:
        known = b is None or b == "positive" or (isinstance(b, tuple) and len(b) == 2)
        if not known:
            raise InputError(f"bounds={b!r} is unknown: give None, 'positive' or (lower, upper)")
    return found


def names_of(tree: Any) -> list[str]:
    """A name for every number of a pytree: k1, radius, centre[0], ..."""
    out = []
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        name = jax.tree_util.keystr(path, simple=True, separator=".") or "x"
        shape = np.shape(leaf)
        if shape == ():
            out.append(name)
        else:
            out += [f"{name}[{', '.join(map(str, index))}]" for index in np.ndindex(*shape)]
    return out
