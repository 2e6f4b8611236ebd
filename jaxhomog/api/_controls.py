"""What a user prescribes of one macroscopic load, component by component."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array

from ..results import InputError

# Keywords of `apply`: what goes down, what comes up, and the mask between them.
KEYWORDS = {
    "elasticity": ("strain", "stress", "stress_controlled"),
    "conduction": ("gradient", "flux", "flux_controlled"),
}


def prescribed(physics: str, given: dict[str, Any], components: list[str], dtype) -> tuple[Array, Array, tuple]:
    """The load as (down, up, controlled), every component prescribed exactly once.

    Args:
        physics: "elasticity" or "conduction".
        given: the keywords of both physics, None where not given.
        components: names of the components, for messages.
        dtype: of the computation.

    Returns:
        down (n,) and up (n,), zero where the other one counts, and the mask as a tuple of bool.

    Raises:
        InputError: keywords of the other physics, components prescribed twice or not at all, or bad values.
    """
    names = KEYWORDS[physics]
    for other, theirs in KEYWORDS.items():
        used = [name for name in theirs if other != physics and given[name] is not None]
        if used:
            wanted = ", ".join(f"{name}=" for name in names)
            raise InputError(f"{' and '.join(theirs[:2])} belong to {other} ({used[0]}= is given): give {wanted}")
    down, up, mask = (given[name] for name in names)
    n = len(components)
    if down is None and up is None:
        raise InputError(f"no load: give {names[0]}= or {names[1]}=")
    if mask is None and down is not None and up is not None:
        raise InputError(
            f"{names[0]} and {names[1]} are both given for components {', '.join(components)}: leave one out, or give"
            f" {names[2]}= ({n} booleans) to say which counts where"
        )
    controlled = (down is None,) * n if mask is None else _mask(names[2], mask, components)
    held = np.asarray(controlled)
    if up is None and held.any():
        raise InputError(f"{names[2]} marks {_listed(components, held)} but {names[1]} is missing: give {names[1]}=")
    if down is None and not held.all():
        raise InputError(
            f"{names[2]} leaves {_listed(components, ~held)} to {names[0]}, which is missing: give {names[0]}="
        )
    return (
        _values(names[0], down, ~held, components, dtype),
        _values(names[1], up, held, components, dtype),
        controlled,
    )


def _listed(components: list[str], chosen) -> str:
    return ", ".join(name for name, yes in zip(components, chosen, strict=True) if yes)


def _mask(name: str, value: Any, components: list[str]) -> tuple[bool, ...]:
    """Which components are controlled from above, as booleans; one boolean stands for all."""
    if isinstance(value, Tracer):
        raise InputError(f"{name} is traced: give it as Python booleans (static; another mask is another program)")
    wanted = f"give {len(components)} booleans, for components {', '.join(components)}"
    try:
        array = np.asarray(value)
    except ValueError:
        raise InputError(f"{name} is not a row of booleans: {wanted}") from None
    if array.shape not in ((), (len(components),)):
        raise InputError(f"{name} has shape {array.shape}: {wanted}")
    # Zeros and ones pass: an image or a file has no booleans. Anything else that Python takes for true does not.
    if array.dtype.kind not in "biu" or not np.isin(array, (0, 1)).all():
        raise InputError(f"{name} has an entry that is not a boolean: {wanted}")
    return tuple(bool(x) for x in np.broadcast_to(array, (len(components),)))


def _values(name: str, value: Any, used, components: list[str], dtype) -> Array:
    """The used components of a row of numbers, zero elsewhere: what is not used may be anything, NaN for instance."""
    n = len(components)
    if value is None:
        return jnp.zeros(n, dtype)
    wanted = f"give {n} numbers, for components {', '.join(components)}"
    try:
        array = jnp.asarray(value)
    except (TypeError, ValueError):
        raise InputError(f"{name} is not a row of numbers: {wanted}") from None
    if array.shape != (n,):
        raise InputError(f"{name} has shape {array.shape}: {wanted}")
    if not (jnp.issubdtype(array.dtype, jnp.floating) or jnp.issubdtype(array.dtype, jnp.integer)):
        raise InputError(f"{name} has dtype {array.dtype}: {wanted}")
    array = jnp.where(used, array.astype(dtype), 0)
    if not isinstance(array, Tracer):
        bad = ~np.isfinite(np.asarray(array))
        if bad.any():
            shown = np.asarray(array)[bad][0]
            raise InputError(f"{name} component {_listed(components, bad)} is {shown}: give finite numbers")
    return array
