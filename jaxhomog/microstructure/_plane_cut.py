"""How much of a voxel lies on one side of a plane."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float


def fraction_below(height: Float[Array, "*b"], slopes: Float[Array, "*b d"]) -> Float[Array, "*b"]:
    """Volume fraction of the unit cube |y_k| <= 1/2 on which slopes . y <= height, d = 2 or 3.

    With height and slopes divided by the largest |slope|, and u the sum of one (3-D: two) independent numbers uniform
    on intervals about 0 as long as the other slopes,

        f = E[(height + 1/2 + u)_+] - E[(height - 1/2 + u)_+],

    the distribution function of a sum of independent uniform numbers. No term divides by a slope that may vanish, so
    that planes along the axes are as good as others. f is continuous, and so is its derivative wherever at least two
    slopes differ from 0. If all are 0, the voxel is on one side.

    Args:
        height: value that the plane reaches at the centre.
        slopes: change of the plane's function over one edge of the cube along each direction.

    Returns:
        Fraction in [0, 1].

    Source:
        Scardovelli & Zaleski (2000), J. Comput. Phys. 164, 228-237 (the same volume, case by case).
    """
    m = jnp.sort(jnp.abs(slopes), axis=-1)
    inclined = m[..., -1] > 0
    largest = jnp.where(inclined, m[..., -1], 1)
    c, m = height / largest, m / largest[..., None]
    # A ratio below rounding counts as 0: its square could not be divided by.
    m = jnp.where(m < jnp.finfo(m.dtype).eps, 0, m)
    wide = m[..., -2]
    narrow = m[..., 0] if slopes.shape[-1] == 3 else jnp.zeros_like(wide)
    cut = _expected_ramp(c + 0.5, narrow, wide) - _expected_ramp(c - 0.5, narrow, wide)
    return jnp.where(inclined, jnp.clip(cut, 0, 1), jnp.where(height > 0, 1, 0))


def _expected_ramp(c, narrow, wide):
    """E[(c + t_1 + t_2)_+] for t uniform on intervals of lengths 0 <= narrow <= wide about 0."""
    flat, end = 0.5 * (wide - narrow), 0.5 * (wide + narrow)
    some_narrow, some_wide = jnp.where(narrow > 0, narrow, 1), jnp.where(wide > 0, wide, 1)
    # E[(c + t)_+] = c + E[(-c - t)_+]: the part beyond max(c, 0) is even in c.
    away = jnp.abs(c)
    # Off its branch each term sees a harmless argument, so that its quotients and their derivatives stay bounded.
    foot = jnp.where((away >= flat) & (away < end), end - away, 0)
    near = jnp.where(away < flat, away, 0)
    cubic = (foot / some_narrow) * (foot / some_wide) * foot / 6
    square = ((near - 0.5 * wide) ** 2 + narrow**2 / 12) / (2 * some_wide)
    return jnp.maximum(c, 0) + jnp.where(away >= end, 0, jnp.where(away < flat, square, cubic))
