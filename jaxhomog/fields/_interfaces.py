"""Interfaces in voxel images: their true area, and the term that they add to an averaged balance.

Let a flux q obey div q = r in the phases and let interfaces S emit g = [q . n] = (q+ - q-) . n per area, the normal
pointing from - to +. Then, over a volume V,

    (1/|V|) int_dV q . n dS = <r> + (1/|V|) int_S [q . n] dS.                                     (averaged balance)

Only the jump of the **flux** counts. A jump of the conductivity alone makes none: where an interface neither makes nor
takes heat, q . n is continuous, the temperature gradient jumps instead, and the term is zero. (Reactions, latent heat
and surface tension make sources on interfaces; for stresses the same reads [sigma n], a force per area.)

The area of an interface is not the area of its voxel faces: that one tends to the integral of |n1| + |n2| + |n3|, which
is 4/pi of a circle's length and 3/2 of a sphere's area at every resolution. Here the surface measure is the gradient of
the smoothed indicator chi of a phase, dS = |grad (G_s * chi)| dV, G_s a Gaussian of width s. Curvature costs O(s^2),
which the combination 2 dS(s) - dS(sqrt(2) s) reduces to O(s^4); the voxels' steps cost O((h/s)^3). So s has to shrink
slower than the voxel edge h: s = 0.5 h N^0.4 for N voxels along an edge, which makes the steps' part O(h^1.2). Measured
on balls of radius 0.3 in a unit box (largest relative error of several places, `experiments/interface_area.py`): circle
2e-2, 3e-3, 6e-4, 2e-4 at N = 32, 64, 128, 512, like h^1.6; sphere 1e-2, 5e-3, 6e-4 at N = 32, 64, 128, like h^1.9. Two
interfaces closer than about 8 s disturb one another by percents, farther apart not at all.

Source: averaged balances with interfaces: Whitaker (1999), The Method of Volume Averaging, section 1.2;
Nemat-Nasser & Hori (1999), Micromechanics, section 2.1. Surface measure as the gradient of a mollified indicator:
Evans & Gariepy (1992), Measure Theory and Fine Properties of Functions, section 5.1.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from ..results import InputError
from ._averages import Faces, boundary_outflow, box_mean, floating, space_mean
from ._grid import Grid


class Balance(NamedTuple):
    """The terms of an averaged balance, each per volume.

    Args:
        outflow: (1/|V|) int_dV q . n dS.
        bulk: <r>, sources in the volume.
        interface: (1/|V|) int_S [q . n] dS.
        residual: outflow - bulk - interface; 0 when the balance closes.
        lost: outflow - bulk, what a balance without the interface term misses.
    """

    outflow: Array
    bulk: Array
    interface: Array
    residual: Array
    lost: Array


def surface_density(
    grid: Grid,
    indicator: Real[ArrayLike, "..."],
    width: Real[ArrayLike, ""] | None = None,
    periodic: bool | tuple[bool, ...] = True,
) -> Float[Array, "..."]:
    """Surface measure of a phase per volume, 2 |grad (G_s * chi)| - |grad (G_(sqrt(2) s) * chi)|.

    Its integral with any smooth f tends to int_S f dS. Single values may be slightly negative; sums are what counts.

    Args:
        grid: the box; its voxels may be of any shape.
        indicator: chi (*space): 1 in the phase, 0 outside, or the volume fraction of the phase in every voxel.
        width: s, in units of length; default 0.5 h N^0.4 with h the longest voxel edge and N the geometric mean of the
            voxels along the axes longer than one voxel. It should be well below the radii of curvature and the
            thickness of every layer: the default refines with the grid, not with the features, and loses half of the
            area of a phase that is one voxel thin. For such images give about one voxel, and compare two widths.
        periodic: whether the image goes on periodically (for each axis); otherwise it is mirrored at its ends, and a
            face of the box is no interface.

    Returns:
        (*space), area per volume, in 1 / length.

    Fails with:
        InputError: an indicator of another shape.
    """
    chi = floating(indicator)
    if chi.shape != grid.shape:
        raise InputError(f"an indicator has shape {chi.shape}: the grid has {grid.shape}")
    wraps = tuple(periodic for _ in grid.shape) if isinstance(periodic, bool) else tuple(periodic)
    if len(wraps) != grid.dim:
        raise InputError(f"periodic has {len(wraps)} entries: give one, or one for each of {grid.dim} axes")
    h = grid.spacing(chi.dtype)
    if width is None:
        long = [n for n in grid.shape if n > 1]
        count = float(np.exp(np.mean(np.log(long)))) if long else 1.0
        edges = [h[k] for k, n in enumerate(grid.shape) if n > 1]
        width = 0.5 * count**0.4 * (jnp.max(jnp.stack(edges)) if edges else 1.0)
    return _density(chi, h, jnp.asarray(width, chi.dtype), wraps)


def interface_area(
    grid: Grid,
    labels: Real[ArrayLike, "..."],
    phase: int,
    width: Real[ArrayLike, ""] | None = None,
    periodic: bool | tuple[bool, ...] = True,
) -> Float[Array, ""]:
    """True area of the boundary of one phase of a label image, int_S dS (see the module for its error).

    Args:
        grid: the box.
        labels: (*space).
        phase: the label.
        width: as for `surface_density`.
        periodic: as for `surface_density`.

    Returns:
        Area (2-D: length) in the user's units.

    Fails with:
        InputError: labels of another shape.
    """
    per_volume = interface_term(grid, jnp.asarray(labels) == phase, 1.0, width, periodic)
    return per_volume * jnp.prod(jnp.asarray(grid.lengths, per_volume.dtype))


def interface_term(
    grid: Grid,
    indicator: Real[ArrayLike, "..."],
    jump: Real[ArrayLike, "..."],
    width: Real[ArrayLike, ""] | None = None,
    periodic: bool | tuple[bool, ...] = True,
) -> Float[Array, "..."]:
    """What interfaces add to an averaged balance, (1/|V|) int_S [q . n] dS.

    Args:
        grid: the box.
        indicator: one of the two phases that meet in S, (*space): labels == phase, or its volume fraction.
        jump: [q . n] = (q+ - q-) . n, what S emits per area: a number, or a field (*space) that is smooth near S. It is
            zero for a mere jump of the conductivity.
        width: as for `surface_density`.
        periodic: as for `surface_density`.

    Returns:
        Source per volume.

    Fails with:
        InputError: an indicator or a jump of another shape.

    Source:
        Whitaker (1999), section 1.2.
    """
    density = surface_density(grid, indicator, width, periodic)
    jump = floating(jump)
    if jump.shape not in ((), grid.shape):
        raise InputError(f"a jump has shape {jump.shape}: give a number or a field of shape {grid.shape}")
    return box_mean(density * jump, grid.dim)


def averaged_balance(
    grid: Grid, faces: Faces, source: Real[ArrayLike, "..."] = 0.0, interface: Real[ArrayLike, "..."] = 0.0
) -> Balance:
    """The averaged balance of a box, term by term: (1/|V|) int_dV q . n dS = <r> + (1/|V|) int_S [q . n] dS.

    Args:
        grid: the box.
        faces: for each axis (low, high), the outward normal flux q . n at the voxels of the face
            (..., *(n of the other axes), 1), as for `flux_from_boundary`; tractions alike, with d components.
        source: r = div q in the phases, a number or voxel means (..., *space, 1).
        interface: (1/|V|) int_S [q . n] dS: `interface_term`, or exact.

    Returns:
        `Balance`; its `lost` is what an average without the interface term would miss.

    Fails with:
        InputError: arrays that do not fit the grid.

    Source:
        Whitaker (1999), section 1.2; Nemat-Nasser & Hori (1999), section 2.1.
    """
    outflow, bulk = boundary_outflow(grid, faces), floating(source)
    if bulk.ndim:
        if bulk.shape[-1 - grid.dim : -1] != grid.shape:
            raise InputError(f"a source has shape {bulk.shape}: give a number or (..., space, components)")
        bulk = space_mean(bulk, grid.dim)
    term = floating(interface)
    return Balance(outflow, bulk, term, outflow - bulk - term, outflow - bulk)


@partial(jax.jit, static_argnames="wraps")
def _density(chi, h, width, wraps):
    return 2 * _magnitude(chi, h, width, wraps) - _magnitude(chi, h, 2**0.5 * width, wraps)


def _magnitude(chi, h, width, wraps):
    """|grad (G * chi)| per voxel.

    Central differences, because their sum over a monotone profile is its rise exactly: a plane normal to an axis has
    its area at any width.
    """
    for k in range(chi.ndim):
        chi = _smoothed(chi, k, width / h[k], wraps[k])
    square = jnp.zeros_like(chi)
    for k in range(chi.ndim):
        before, after = _neighbours(chi, k, wraps[k])
        square = square + ((after - before) / (2 * h[k])) ** 2
    positive = square > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, square, 1)), 0)


def _smoothed(x, axis, width, wraps):
    """Convolution along one axis with a Gaussian, `width` in voxels; the mirror image makes an open end periodic."""
    n = x.shape[axis]
    if n == 1:
        return x
    full = x if wraps else jnp.concatenate([x, jnp.flip(x, axis)], axis)
    m = full.shape[axis]
    angle = (jnp.arange(m // 2 + 1) * (2 * np.pi / m)).astype(x.dtype)
    shape = [1] * x.ndim
    shape[axis] = -1
    filtered = jnp.fft.rfft(full, axis=axis) * jnp.exp(-0.5 * (width * angle) ** 2).reshape(shape)
    return jnp.fft.irfft(filtered, n=m, axis=axis).astype(x.dtype)[(slice(None),) * axis + (slice(0, n),)]


def _neighbours(x, axis, wraps):
    mode = "wrap" if wraps else "edge"
    padded = jnp.pad(x, [(1, 1) if k == axis else (0, 0) for k in range(x.ndim)], mode=mode)
    at = lambda a, b: padded[(slice(None),) * axis + (slice(a, b),)]  # noqa: E731
    return at(None, -2), at(2, None)
