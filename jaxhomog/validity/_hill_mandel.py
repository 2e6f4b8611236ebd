"""Hill-Mandel as an audit: is the power of micro fields, from whatever code, that of their means?

    <s_i : e_j> = <s_i> : <e_j>      for all pairs of load cases i, j

holds for any stress in equilibrium and any compatible strain, related by a law or not, if the boundary condition of
the cell makes the fluctuations' work vanish (periodic, affine displacement, uniform traction). The converse is false: a
few pairs may agree by accident, and i = j alone agrees after every step of conjugate gradients. So the audit takes all
pairs, and looks at equilibrium and compatibility themselves where it can.

Source: Hill (1963), J. Mech. Phys. Solids 11, 357-372; Hill (1967), J. Mech. Phys. Solids 15, 79-95; Mandel (1972),
Plasticite classique et viscoplasticite, CISM Courses 97; Nemat-Nasser & Hori (1999), Micromechanics, section 2.4.
"""

from __future__ import annotations

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Real

from ..fields import Grid, gradient_part
from ..results import InputError
from ..rve import DEFAULT_TOLERANCE, hill_mandel_pairs, hill_mandel_scale, noise_share, relative
from ..tensors import safe_norm
from ._reasons import reason_code, reason_text

_HIGHEST = jax.lax.Precision.HIGHEST


class EnergyReport(eqx.Module):
    """Whether fields pass power faithfully to the scale above. NaN stands for "not checked".

    Args:
        verdict: True where nothing that was checked is violated.
        residual: the Hill-Mandel residual, relative, max over pairs of load cases.
        pair: the worst pair (stress of load i, strain of load j); (-1, -1) where it is not known.
        equilibrium: relative residual of equilibrium, max over loads.
        compatibility: part of the strains that no displacement has, relative, max over loads.
        averages: distance of the means from the prescribed ones, relative to the field's size and as power under every
            load by sqrt(w_i w_j), max over loads.
        code: why not (bits, see `reason`).
        defect: <s_i : e_j> - <s_i> : <e_j> (n, n) in the unit of the power, or None.
    """

    verdict: Bool[Array, "..."]
    residual: Float[Array, "..."]
    pair: Int[Array, "... 2"]
    equilibrium: Float[Array, "..."]
    compatibility: Float[Array, "..."]
    averages: Float[Array, "..."]
    code: Int[Array, "..."]
    defect: Float[Array, "..."] | None

    @property
    def reason(self) -> str:
        """Why the verdict is what it is, in words (needs concrete values; of several lanes, all their reasons)."""
        return reason_text(self.code)


def hill_mandel(
    stress: Real[ArrayLike, "..."],
    strain: Real[ArrayLike, "..."],
    grid: Grid | None = None,
    *,
    weights: Real[ArrayLike, "..."] | None = None,
    scheme: str = "fourier",
    mean_stress: Real[ArrayLike, "..."] | None = None,
    mean_strain: Real[ArrayLike, "..."] | None = None,
    tolerance: float = 1e-2,
    floor: Real[ArrayLike, " n"] | None = None,
) -> EnergyReport:
    """Audit of the Hill-Mandel condition over all pairs of load cases.

        residual = max_ij |<s_i : e_j> - <s_i> : <e_j>| / sqrt(w_i w_j),      w_i = <s_i : e_i> + floor_i

    The floor keeps the noise of a load that carries nothing from being divided by noise, see `rve.hill_mandel_floor`.
    Where it is not given, the law being unknown, w_i is at least c t M ||e_i||^2 with M the largest ||s_k|| / ||e_k||
    of a load and t what `homogenize` solves a tensor to by default, and <s_i : e_i> above that: give it for cells that
    carry nothing at all. Pairs whose own power vanishes are judged by |...| / (||s_i|| ||e_j||) as well, in the verdict
    only. The size of such a load's stress is at least floor_i / (||e_i|| sqrt(c t)).

    Args:
        stress: (n_loads, *space, m): Mandel stresses, or fluxes (either sign), at voxels or integration points.
        strain: likewise, Mandel strains or gradients.
        grid: the periodic box, if space is its voxels. It is needed to name the cause: the parts of the stress that
            have a divergence and of the strain that no periodic displacement has. Both are those of a *periodic* cell:
            under affine displacements the periodic image of the stress is not in equilibrium at the faces, under
            uniform tractions that of the strain is not compatible there, and Hill-Mandel holds all the same.
        weights: volumes of the integration points, shape of space (any unit); default: equal. Without `grid`.
        scheme: the derivative of the code that made the fields: "fourier" or "q1r".
        mean_stress: prescribed means (n_loads, m), NaN where a component was left free.
        mean_strain: likewise.
        tolerance: of every relative number in the report. A tensor converged to 1e-6 leaves about 1e-3 in fields.
        floor: (n_loads,) powers, see above (`stats["power_floor"]` of our own solutions).

    Returns:
        `EnergyReport`.

    Fails with:
        InputError: shapes that do not fit each other.

    Source:
        Hill (1963), section 2; Mandel (1972).
    """
    s, e = _fields(stress, strain, grid, weights)
    w = None if weights is None else jnp.asarray(weights, s.dtype)
    prescribed = (_prescribed(mean_stress, s, "mean_stress"), _prescribed(mean_strain, s, "mean_strain"))
    if floor is not None:
        floor = jnp.asarray(floor, s.dtype)
        if floor.shape != s.shape[:1]:
            raise InputError(f"floor has shape {floor.shape}: give one power per load, {s.shape[:1]}")
    return _audit(s, e, grid, w, prescribed, tolerance, scheme, True, floor)


def hill_mandel_rates(
    stress: Real[ArrayLike, "..."],
    strain: Real[ArrayLike, "..."],
    grid: Grid | None = None,
    *,
    weights: Real[ArrayLike, "..."] | None = None,
    scheme: str = "fourier",
    tolerance: float = 1e-2,
) -> EnergyReport:
    """The rate form over a history, <s : de> = <s> : <de>, with the finite increments of the steps.

        residual = max_ij |<s_i : de_j> - <s_i> : <de_j>| / (||s_i|| ||de_j||),     ||a||^2 = <a : a>

    s_i is the mean of the stresses at both ends of step i, also in equilibrium; de_j the increment of step j. The
    condition holds for all pairs of steps. Powers may vanish or be negative (unloading): norms are the scale.

    Args:
        stress: (steps + 1, *space, m): states at the ends of the steps, the first one included.
        strain: likewise.
        grid: as for `hill_mandel`.
        weights: as for `hill_mandel`.
        scheme: as for `hill_mandel`.
        tolerance: as for `hill_mandel`.

    Returns:
        `EnergyReport`, pairs being steps.

    Fails with:
        InputError: fewer than two states, or shapes that do not fit each other.

    Source:
        Hill (1967), section 2; Nemat-Nasser & Hori (1999), section 2.4.
    """
    s, e = _fields(stress, strain, grid, weights)
    if s.shape[0] < 2:
        raise InputError("one state makes no step: give (steps + 1, *space, components)")
    w = None if weights is None else jnp.asarray(weights, s.dtype)
    return _audit(0.5 * (s[1:] + s[:-1]), e[1:] - e[:-1], grid, w, (None, None), tolerance, scheme, False)


def _fields(stress, strain, grid, weights):
    """Both fields in their common dtype, after a look at their shapes."""
    s, e = jnp.asarray(stress), jnp.asarray(strain)
    dtype = jnp.result_type(s, e)
    dtype = dtype if jnp.issubdtype(dtype, jnp.floating) else jnp.result_type(float)
    if s.shape != e.shape or s.ndim < 3:
        raise InputError(f"fields of shapes {s.shape} and {e.shape}: give both as (n_loads, *space, components)")
    if grid is not None:
        if weights is not None:
            raise InputError("a grid has equal voxels: give grid= or weights=, not both")
        if s.shape[1:-1] != grid.shape:
            raise InputError(f"fields of shape {s.shape} on a grid of {grid.shape}: give (n_loads, *space, components)")
    if weights is not None and jnp.shape(weights) != s.shape[1:-1]:
        raise InputError(f"weights of shape {jnp.shape(weights)}: the points have shape {s.shape[1:-1]}")
    return s.astype(dtype), e.astype(dtype)


def _prescribed(mean, s, name):
    if mean is None:
        return None
    mean = jnp.asarray(mean, s.dtype)
    if mean.shape != (s.shape[0], s.shape[-1]):
        raise InputError(f"{name} has shape {mean.shape}: give one of shape {(s.shape[0], s.shape[-1])}")
    return mean


@partial(jax.jit, static_argnames=("scheme", "by_energy"))
def _audit(s, e, grid, weights, prescribed, tolerance, scheme: str, by_energy: bool, floor=None) -> EnergyReport:
    n, m = s.shape[0], s.shape[-1]
    points = (n, -1, m)
    w = None if weights is None else (weights / jnp.sum(weights)).reshape(-1)
    means, rests, norms = [], [], []
    for x in (s, e):
        flat = x.reshape(points)
        mean = _mean(flat, w)
        means.append(mean)
        rests.append(flat - mean[:, None])
        norms.append(_norm(flat, w))
    # The defect is the fluctuations' power: the same number, without a difference of large ones.
    defect = _powers(rests[0], rests[1], w)
    energies = defect + jnp.matmul(means[0], means[1].T, precision=_HIGHEST)
    # What a load that carries nothing is measured by, see `hill_mandel`.
    share = noise_share(DEFAULT_TOLERANCE.get(str(s.dtype), 1e-5), str(s.dtype))
    modulus = jnp.max(relative(norms[0], norms[1]))
    least = share * modulus * norms[1] if floor is None else relative(floor, norms[1])
    sizes = jnp.maximum(norms[0], least / share**0.5)
    by_norm = relative(jnp.abs(defect), sizes[:, None] * norms[1][None, :])
    scale = None
    if by_energy:
        # A flux q = -K grad T has negative power with its gradient: the sign is a convention.
        sign = jnp.where(jnp.trace(energies) < 0, -1, 1)
        own = sign * jnp.diagonal(energies)
        if floor is None:
            floor = jnp.maximum(share * modulus * norms[1] ** 2 - jnp.maximum(own, 0), 0)
        pairs = hill_mandel_pairs(sign * means[0], means[1], sign * energies, floor)
        scale = hill_mandel_scale(own, floor)
    else:
        pairs = by_norm
    worst = jnp.argmax(pairs)
    nan = jnp.asarray(jnp.nan, s.dtype)
    unbalanced = incompatible = averages = nan
    if grid is not None:
        unbalanced = jnp.max(relative(_norm(gradient_part(grid, s, scheme).reshape(points), w), sizes))
        strains = gradient_part(grid, e, scheme).reshape(points)
        incompatible = jnp.max(relative(_norm(rests[1] - strains, w), norms[1]))
    if any(x is not None for x in prescribed):
        averages = jnp.max(jnp.stack(_apart(prescribed, means, (sizes, norms[1]), scale)))
    code = reason_code(
        equilibrium=unbalanced > tolerance,
        compatibility=incompatible > tolerance,
        averages=averages > tolerance,
        energy=(jnp.max(pairs) > tolerance) | (jnp.max(by_norm) > tolerance),
        not_finite=~(jnp.all(jnp.isfinite(s)) & jnp.all(jnp.isfinite(e))),
    )
    pair = jnp.stack([worst // n, worst % n])
    return EnergyReport(code == 0, jnp.max(pairs), pair, unbalanced, incompatible, averages, code, defect)


def _mean(x, w):
    return jnp.mean(x, axis=1) if w is None else jnp.einsum("p,npm->nm", w, x, precision=_HIGHEST)


def _powers(a, b, w):
    """<a_i : b_j>."""
    weighted = a / a.shape[1] if w is None else a * w[:, None]
    return jnp.einsum("ipm,jpm->ij", weighted, b, precision=_HIGHEST)


def _norm(x, w):
    """sqrt <x : x> of every load."""
    return safe_norm(safe_norm(x) * (x.shape[1] ** -0.5 if w is None else jnp.sqrt(w)))


def _apart(prescribed, means, sizes, scale):
    """Distances of the means from the prescribed ones, relative to the fields' sizes and as power under every load."""
    gaps = []
    for k, given in enumerate(prescribed):
        if given is None:
            continue
        gap = jnp.where(jnp.isnan(given), 0, means[k] - given)
        gaps.append(jnp.max(relative(safe_norm(gap), sizes[k])))
        if scale is not None:
            work = jnp.matmul(gap, means[1 - k].T, precision=_HIGHEST)
            gaps.append(jnp.max(relative(jnp.abs(work), scale)))
    return gaps
