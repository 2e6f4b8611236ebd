"""Symmetric stresses on a periodic grid whose traction is continuous and whose divergence is zero by plain differences.

The rectangular H(div) element of Hu, Man & Zhang (2014, J. Sci. Comput. 58:367) without its divergence: inside a voxel
sigma_ii is quadratic in x_i, sigma_ij bilinear in x_i and x_j, neither varies along other axes. The numbers are

    t_ii[x] = sigma_ii / h_i^2       on the face between voxel x and its neighbour along +i
    t_ij[x] = sigma_ij / (h_i h_j)   on the upper edge (2-D: corner) of voxel x in the plane of i and j

in Mandel order, plain components. div sigma = 0 fixes the quadratic term and asks for one balance a voxel and axis:
in these units a plain sum of differences, whatever the edges of a voxel. Such a stress is statically admissible, and
its energy is the voxel medium's own.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ..messages import AbstractResponse, mandel_pairs, total
from ._element import axis_mean
from ._modal_fast import _separate, _surely

# An array (n, *shape), or in kernels a list of n arrays.
Stress = Float[Array, "n *shape"] | list[Array]


class Modes(NamedTuple):
    """A voxel's stress in orthogonal polynomials of the voxel coordinates -1 <= xi <= 1.

        sigma_ii = mean + linear xi_i + quadratic (3 xi_i^2 - 1) / 2
        sigma_ij = mean + linear[i] xi_i + linear[j] xi_j + bilinear xi_i xi_j

    Args:
        mean: by component (i, j), i <= j.
        linear: by axis k and component (i, j), k = i or k = j.
        quadratic: by component (i, i).
        bilinear: by component (i, j), i < j.
    """

    mean: dict[tuple[int, int], Array]
    linear: dict[int, dict[tuple[int, int], Array]]
    quadratic: dict[tuple[int, int], Array]
    bilinear: dict[tuple[int, int], Array]


# Squares of the polynomials, averaged over a voxel.
_LINEAR, _QUADRATIC, _BILINEAR = 1 / 3, 1 / 5, 1 / 9
# Voxels per slab of `fast_energy_slope`.
_SLAB = 8192


def _behind(x, axis):
    return jnp.roll(x, 1, axis=axis)


def _ahead(x, axis):
    return jnp.roll(x, -1, axis=axis)


def stress_modes(stress: Stress, h: Float[Array, " d"]) -> Modes:
    """The polynomial coefficients in every voxel; the quadratic ones make linear parts of the divergence vanish."""
    return _modes(list(stress), _layers_behind(stress, len(h)), h)


def gathered(strain: Modes, h: Float[Array, " d"]) -> list[Array]:
    """Adjoint of `stress_modes`, component by component in Mandel order."""
    return _with_layers_ahead(*_gathered(strain, h))


# Neighbours along the first axis come and go by themselves, so that the rest can run on a slab of layers.


def _layers_behind(stress: Stress, dim: int) -> dict[int, Array]:
    return {m: _behind(stress[m], 0) for m, pair in enumerate(mandel_pairs(dim)) if 0 in pair}


def _with_layers_ahead(here: list[Array], late: dict[int, Array]) -> list[Array]:
    return [x + _ahead(late[m], 0) if m in late else x for m, x in enumerate(here)]


def _modes(stress: list[Array], behind: dict[int, Array], h) -> Modes:
    dim = len(h)
    modes = Modes({}, {k: {} for k in range(dim)}, {}, {})
    bent: dict[int, list[Array]] = {k: [] for k in range(dim)}
    for m, (i, j) in enumerate(mandel_pairs(dim)):
        if i == j:
            continue
        t, area = stress[m], 0.25 * h[i] * h[j]
        low = behind[m] if i == 0 else _behind(t, i)
        both, change = area * (t + low), area * (t - low)
        both_low, change_low = _behind(both, j), _behind(change, j)
        modes.mean[i, j] = both + both_low
        modes.linear[j][i, j] = both - both_low
        modes.linear[i][i, j] = change + change_low
        modes.bilinear[i, j] = change - change_low
        bent[i].append(modes.bilinear[i, j] * (h[i] / h[j]))
        bent[j].append(modes.bilinear[i, j] * (h[j] / h[i]))
    for i in range(dim):
        t, size = stress[i], 0.5 * h[i] ** 2
        low = behind[i] if i == 0 else _behind(t, i)
        modes.quadratic[i, i] = total(bent[i]) * (-1 / 3)
        modes.mean[i, i] = size * (t + low) - modes.quadratic[i, i]
        modes.linear[i][i, i] = size * (t - low)
    return modes


def _gathered(strain: Modes, h) -> tuple[list[Array], dict[int, Array]]:
    """What belongs to a layer's own numbers, and by component what belongs to those of the layer behind it."""
    dim = len(h)
    bend = {k: (strain.mean[k, k] - strain.quadratic[k, k]) * (1 / 3) for k in range(dim)}
    here, late = [], {}
    for m, (i, j) in enumerate(mandel_pairs(dim)):
        if i == j:
            size = 0.5 * h[i] ** 2
            mean, slope = strain.mean[i, i], strain.linear[i][i, i]
            own, next_one = size * (mean + slope), size * (mean - slope)
        else:
            area = 0.25 * h[i] * h[j]
            mean, along, across = strain.mean[i, j], strain.linear[j][i, j], strain.linear[i][i, j]
            bilinear = strain.bilinear[i, j] + bend[i] * (h[i] / h[j]) + bend[j] * (h[j] / h[i])
            both = area * ((mean + along) + _ahead(mean - along, j))
            change = area * ((across + bilinear) + _ahead(across - bilinear, j))
            own, next_one = both + change, both - change
        if i == 0:
            late[m] = next_one
        here.append(own if i == 0 else own + _ahead(next_one, i))
    return here, late


def strained(compliance: AbstractResponse, modes: Modes) -> Modes:
    """Conjugate coefficients S : sigma: their plain products with those of a stress sum up to the voxel's energy."""

    def respond(components, weight=1.0):
        symmetric = components | {(j, i): value for (i, j), value in components.items()}
        strain = compliance.flux(symmetric)
        return {(i, j): strain[i, j] * (weight if i == j else 2 * weight) for i, j in components}

    return Modes(
        respond(modes.mean),
        {k: respond(part, _LINEAR) for k, part in modes.linear.items()},
        {key: respond({key: value}, _QUADRATIC)[key] for key, value in modes.quadratic.items()},
        {key: respond({key: value}, _BILINEAR)[key] for key, value in modes.bilinear.items()},
    )


def energy_slope(compliance: AbstractResponse, stress: Stress, h: Float[Array, " d"]) -> list[Array]:
    """Derivative of 1/2 <sigma : S : sigma> with respect to every number, times the number of voxels."""
    return gathered(strained(compliance, stress_modes(stress, h)), h)


def fast_energy_slope(compliance: AbstractResponse, stress: Float[Array, "n *shape"], h: Float[Array, " d"]) -> Array:
    """`energy_slope` in the form that runs fastest, (n, *shape); primal only.

    Slab by slab: some thirty intermediate fields stay in cache. See `_modal_fast` for the conditionals.
    """
    n, shape = stress.shape[0], stress.shape[1:]
    dim, always = len(shape), _surely()
    behind = _layers_behind(stress, dim)

    def slab(compliance, stress, behind) -> Any:
        strain = _separate(
            always, lambda s, t, low, h: strained(s, _modes(list(t), low, h)), compliance, stress, behind, h
        )
        return _separate(always, _gathered, strain, h)

    layers = shape[0] if always is None else max(1, min(shape[0], round(_SLAB * shape[0] / math.prod(shape))))
    if layers == shape[0]:
        return jnp.stack(_with_layers_ahead(*slab(compliance, stress, behind)))

    def body(i, carry):
        # The last slab may overlap the one before: it computes the same numbers again.
        start = jnp.minimum(i * layers, shape[0] - layers)
        cut = lambda x: lax.dynamic_slice_in_dim(x, start, layers, axis=x.ndim - dim)  # noqa: E731
        found = slab(*jax.tree.map(cut, (compliance, stress, behind)))
        return jax.tree.map(lambda whole, part: lax.dynamic_update_slice_in_dim(whole, part, start, 0), carry, found)

    blank = jnp.zeros(shape, stress.dtype)
    start = ([blank] * n, dict.fromkeys(behind, blank))
    return jnp.stack(_with_layers_ahead(*lax.fori_loop(0, -(-shape[0] // layers), body, start)))


def complementary_energies(
    compliance: AbstractResponse, stresses: Float[Array, "m n *shape"], h
) -> Float[Array, "m m"]:
    """<sigma_i : S : sigma_j>, integrated exactly over the voxels.

    Args:
        compliance: S of every voxel, as a response.
        stresses: numbers of m stresses.
        h: voxel edges.

    Returns:
        (m, m), symmetric.
    """

    def row(stress):
        slope = energy_slope(compliance, stress, h)
        return lax.map(lambda other: axis_mean(total(a * b for a, b in zip(slope, other, strict=True))), stresses)

    powers = lax.map(row, stresses)
    return 0.5 * (powers + powers.T)


def stress_means(stress: Stress, h: Float[Array, " d"]) -> Float[Array, " n"]:
    """Mean stress in Mandel components: what is quadratic or bilinear has none."""
    root = 2.0**0.5
    pairs = mandel_pairs(len(h))
    return jnp.stack(
        [axis_mean(t) * h[i] * h[j] * (1.0 if i == j else root) for (i, j), t in zip(pairs, stress, strict=True)]
    )


def uniform_stress(mean: Float[Array, " n"], h: Float[Array, " d"], shape) -> Float[Array, "n *shape"]:
    """The numbers of a constant stress, given in Mandel components."""
    root = 0.5**0.5
    pairs = mandel_pairs(len(h))
    numbers = [m / (h[i] * h[j]) * (1.0 if i == j else root) for (i, j), m in zip(pairs, mean, strict=True)]
    return jnp.stack([jnp.broadcast_to(x, shape) for x in numbers])


def imbalance(stress: Stress, dim: int) -> list[Array]:
    """Net force on every voxel along every axis; zero together with the divergence."""
    parts: dict[int, list[Array]] = {k: [] for k in range(dim)}
    for (i, j), t in zip(mandel_pairs(dim), stress, strict=True):
        if i == j:
            parts[i].append(t - _behind(t, i))
            continue
        low_i, low_j = _behind(t, i), _behind(t, j)
        corner = _behind(low_i, j)
        # Along i the differences across j act, averaged over the voxel, and the other way round.
        parts[i].append(0.5 * ((t - low_j) + (low_i - corner)))
        parts[j].append(0.5 * ((t - low_i) + (low_j - corner)))
    return [total(parts[k]) for k in range(dim)]
