"""Parameters with limits as functions of numbers without limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from ..results import InputError

# A parameter nearer to its bound than this share of its range (a positive one: of its start) lies at it.
_AT = 1e-6


class Limits(eqx.Module):
    """x(z) of a vector of parameters, one rule per entry, monotonic; z has no unit.

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

    def at_bound(self, z: Float[Array, " p"]) -> Array:
        """Which parameters lie at a bound: the data would have them beyond."""
        share = jax.nn.sigmoid(z)
        low = self.positive & (self.parameters(z) < _AT * jnp.abs(self.start))
        return low | (self.bounded & ((share < _AT) | (share > 1 - _AT)))


class Unravel(eqx.Module):
    """From a vector to the user's pytree, in the precision of its own numbers."""

    function: Any = eqx.field(static=True)
    dtype: Any = eqx.field(static=True)

    def __call__(self, x: Float[Array, " p"]) -> Any:
        return self.function(x.astype(self.dtype))


def limits_of(start: Any, bounds: Any) -> tuple[Limits, Unravel]:
    """The rules of a pytree of parameters, and the function that makes the pytree of a vector.

    The vector has JAX's default precision: the optimizers mix it into theirs.

    Args:
        start: parameters.
        bounds: None, or for every entry of `start` None, "positive" or (lower, upper); entries of a dict may be absent.

    Raises:
        InputError: parameters that are no floating-point numbers, limits that do not fit, a start outside of them.
    """
    leaves = jax.tree.leaves(start)
    # None is an absent part of a module, but no entry of a dict or a list.
    entries = jax.tree_util.tree_leaves_with_path(start, is_leaf=lambda x: x is None)
    holes = [p for p, x in entries if x is None and not (p and isinstance(p[-1], jax.tree_util.GetAttrKey))]
    if holes or not leaves or not all(_floating(leaf) for leaf in leaves):
        raise InputError("start has no parameter, or one that is no floating-point number: write 1.0 instead of 1")
    names = names_of(start)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        what = f"two parameters would be called {twice[0]!r}: rename one" if twice else "start has no number: give some"
        raise InputError(what)
    x, unravel = ravel_pytree(jax.tree.map(jnp.asarray, start))
    unravel = Unravel(unravel, x.dtype)
    x = x.astype(jnp.asarray(0.0).dtype)
    each = matched(start, bounds, "bounds", "None, 'positive' or (lower, upper)", _is_rule)
    lower, upper, positive, bounded = [], [], [], []
    for leaf, rule in zip(leaves, each, strict=True):
        n = int(np.size(leaf))
        low, high = (-np.inf, np.inf) if rule is None or isinstance(rule, str) else map(float, rule)
        lower += [low] * n
        upper += [high] * n
        positive += [isinstance(rule, str)] * n
        bounded += [isinstance(rule, tuple)] * n
    cast = lambda v: jnp.asarray(v, x.dtype)  # noqa: E731
    limits = Limits(x, cast(lower), cast(upper), jnp.asarray(positive), jnp.asarray(bounded))
    if not isinstance(x, Tracer):
        low = np.where(positive, 0.0, lower)
        outside = ~((np.asarray(x) > low) & (np.asarray(x) < np.asarray(upper)))
        if outside.any():
            k = int(np.argmax(outside))
            raise InputError(f"start has {float(x[k])} for {names_of(start)[k]}: it must lie inside its bounds")
    return limits, unravel


def _floating(leaf) -> bool:
    return (hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating)) or type(leaf) is float


def _is_rule(rule) -> bool:
    """None, "positive", or two finite numbers in order."""
    if rule is None or isinstance(rule, str):
        return rule is None or rule == "positive"
    if not pair_of_numbers(rule) or any(np.ndim(v) for v in rule):
        return False
    return bool(np.isfinite(rule).all()) and rule[0] < rule[1]


def pair_of_numbers(rule) -> bool:
    """Whether this is a tuple of two numbers (or arrays of numbers)."""
    numbers = (int, float, np.ndarray, np.generic)
    return isinstance(rule, tuple) and len(rule) == 2 and all(isinstance(v, numbers) for v in rule)


def matched(start: Any, rules: Any, what: str, choice: str, known: Callable[[Any], bool]) -> list:
    """One rule per leaf of `start`, from a rule for all or a container like `start`, dicts with some of its entries.

    Raises:
        InputError: a rule that is not `known`, or a container of another shape.
    """
    children = jax.tree_util.tree_flatten_with_path(start, is_leaf=lambda x: x is not start)[0]
    if len(children) == 1 and children[0][0] == ():  # a leaf
        if not known(rules):
            raise InputError(f"{what}={rules!r} is unknown: give {choice}, finite and in order")
        return [rules]
    if rules is None or isinstance(rules, str):
        return [r for _, child in children for r in matched(child, rules, what, choice, known)]
    if isinstance(start, Mapping) and isinstance(rules, Mapping):
        foreign = [key for key in rules if key not in start]
        if foreign:
            raise InputError(
                f"{what} name {foreign[0]!r}, which start does not have: it has {', '.join(map(str, start))}"
            )
        parts = [rules.get(path[0].key) for path, _ in children]
    elif isinstance(rules, list | tuple) and len(rules) == len(children):
        parts = list(rules)
    else:
        raise InputError(f"{what}={rules!r} does not have the structure of start: give {choice} per entry of start")
    return [
        r for (_, child), part in zip(children, parts, strict=True) for r in matched(child, part, what, choice, known)
    ]


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
