"""Spheres that do not overlap, in a periodic box: random sequential addition, then relaxation of what is left.

Host-side numpy and scipy (which JAX itself needs); the same seed gives the same packing.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import pi, prod
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from ..results import InputError
from ._arguments import how_many, vector, voxels, whole
from ._arguments import number as real
from ._generators import _gaps

_UNIT_BALL: Final = {1: 2.0, 2: pi, 3: 4 / 3 * pi}
_CLOSEST: Final = {2: pi / 12**0.5, 3: pi / 18**0.5}
# Random sequential addition gives up after this many candidates for each sphere; the rest is found by relaxation.
_TRIES: Final = 200
# Relaxation aims at diameters larger by this share, so that it ends with gaps and not with contacts.
_MARGIN: Final = 1e-3
_SWEEPS: Final = 5_000
# What relaxation packs in boxes of 30 to 2000 spheres (tests).
_REACH: Final = {2: 0.82, 3: 0.62}


def sphere_packing(
    box: Sequence[float],
    radius: float,
    *,
    number: int | None = None,
    fraction: float | None = None,
    gap: float = 0.0,
    seed: int = 0,
) -> Float[np.ndarray, "number d"]:
    """Centres of equal spheres (2-D: discs, 1-D: rods) that do not overlap, in a periodic box.

        |x_i - x_j| >= 2 radius + gap    for the nearest periodic images

    1-D: rods in equilibrium at any density (Tonks gas), whose gaps are those of uniform points on the free length.
    2-D and 3-D: random sequential addition, which saturates at 0.547 and 0.384 of the box for spheres with their gap;
    if it does not place all of them, the rest is put at random and overlaps are pushed apart, all spheres moving. The
    two are different ensembles, and neither is that of equilibrium.

    Args:
        box: edges, any unit.
        radius: in the unit of the box.
        number: number of spheres, or None.
        fraction: volume fraction in [0, 1), or None; the number that comes nearest is taken.
        gap: least distance between surfaces. For images: from sqrt(d) voxels on, no two spheres touch in voxels.
        seed: of numpy's default generator.

    Returns:
        Centres (number, d), in [0, box).

    Fails with:
        InputError: a value out of range, an edge shorter than a diameter with its gap, or more spheres than fit: beyond
            about 0.82 (2-D) and 0.62 (3-D) of the box for spheres with their gap.

    Source:
        Addition: Feder (1980), J. Theor. Biol. 87, 237-254. Relaxation: Moscinski, Bargiel, Rycerz & Jacobs (1989),
        Mol. Simul. 3, 201-212 (forces of overlapping spheres), with the minimization of O'Hern, Silbert, Liu & Nagel
        (2003), Phys. Rev. E 68, 011306. Rods: Tonks (1936), Phys. Rev. 50, 955-963.
    """
    edges = vector(box, "box")
    d = edges.size
    if d > 3 or not np.all(edges > 0):
        raise InputError(f"box={box!r}: give one to three positive edges")
    radius, gap = real(radius, "radius", 0), real(gap, "gap", 0, closed=True)
    n = how_many(number, fraction, _UNIT_BALL[d] * radius**d, prod(edges), "sphere_packing")
    rng = np.random.default_rng(whole(seed, "seed", 0))
    diameter = 2 * radius + gap
    filled = n * _UNIT_BALL[d] * (diameter / 2) ** d / prod(edges)
    # One part in 1e12 for the rounding of a product of edges.
    if n and (diameter > edges.min() or filled > _CLOSEST.get(d, 1.0) * (1 + 1e-12)):
        raise InputError(
            f"{n} spheres of radius {radius:g} with gap {gap:g} fill {filled:.3g} of the box {edges.tolist()}: they do"
            " not fit, give fewer, smaller ones or a larger box"
        )
    if d == 1:
        free = np.sort(rng.random(n)) * max(edges[0] - n * diameter, 0.0)
        return np.mod(free + diameter * np.arange(n) + rng.random() * edges[0], edges[0])[:, None]
    centres = _added(edges, diameter, n, rng)
    if len(centres) < n:
        centres = np.concatenate([centres, rng.random((n - len(centres), d)) * edges])
        if not _relax(centres, edges, diameter):
            raise InputError(
                f"{n} spheres of radius {radius:g} with gap {gap:g} fill {filled:.3g} of the box: no random packing was"
                f" found, {_REACH[d]} is within reach"
            )
    return centres


def hard_spheres(
    shape: Sequence[int],
    radius: float,
    *,
    number: int | None = None,
    fraction: float | None = None,
    gap: float = 0.0,
    seed: int = 0,
) -> Int[np.ndarray, "..."]:
    """Image of equal spheres (2-D: discs, 1-D: rods) that do not overlap, periodic: `sphere_packing` in voxels.

    With `fraction` it is the spheres' volume, not the number of voxels, that comes nearest.

    Args:
        shape: voxels along each axis.
        radius: in voxels.
        number, fraction, gap, seed: as for `sphere_packing`.

    Returns:
        Image of `shape`, int32: 1 where the voxel's centre lies in a sphere, else 0.

    Fails with:
        InputError: a bad shape, and as for `sphere_packing`.
    """
    shape = voxels(shape)
    centres = sphere_packing(shape, radius, number=number, fraction=fraction, gap=gap, seed=seed)
    image = np.zeros(shape, np.int32)
    for centre in centres:
        gaps = _gaps(shape, centre)
        near = [np.flatnonzero(g <= radius) for g in gaps]
        square = sum(np.ix_(*(g[at] ** 2 for g, at in zip(gaps, near, strict=True))))
        image[np.ix_(*near)] |= square <= radius**2
    return image


def _added(edges, diameter: float, n: int, rng) -> Float[np.ndarray, "placed d"]:
    """Random sequential addition: candidates one after the other, each kept if it overlaps none before it."""
    from scipy.spatial import KDTree

    centres, tries = np.empty((0, len(edges))), 0
    while len(centres) < n and tries < _TRIES * n:
        # A batch is judged against the spheres before it at once, then in its own order.
        batch = rng.random((max(16, n - len(centres)), len(edges))) * edges
        tries += len(batch)
        if len(centres):
            batch = batch[KDTree(centres, boxsize=edges).query(batch)[0] >= diameter]
        kept = np.ones(len(batch), bool)
        if len(batch):
            pairs = KDTree(batch, boxsize=edges).query_pairs(diameter, output_type="ndarray")
            near = _distances(batch[pairs[:, 0]] - batch[pairs[:, 1]], edges)[1] < diameter
            for i, j in pairs[near][np.lexsort((pairs[near, 1], pairs[near, 0]))]:
                # Pairs have i < j and come in the order of i: whether i is kept is settled by then.
                kept[j] &= not kept[i]
        centres = np.concatenate([centres, batch[kept]])[:n]
    return centres


def _relax(centres, edges, diameter: float) -> bool:
    """Push overlapping spheres apart, in place; whether no overlap is left.

    Descent with momentum in E = sum over overlaps (D - r)^2 / 4, D a little larger than the diameter; a step against
    the force stops the motion.
    """
    from scipy.spatial import KDTree

    wide, velocity = (1 + _MARGIN) * diameter, np.zeros_like(centres)
    for _ in range(_SWEEPS):
        pairs = KDTree(centres, boxsize=edges).query_pairs(wide, output_type="ndarray")
        apart, r = _distances(centres[pairs[:, 0]] - centres[pairs[:, 1]], edges)
        if not np.any(r < diameter):
            return True
        push = apart * (0.5 * (wide - r) / np.maximum(r, 1e-12 * diameter))[:, None]
        force = np.zeros_like(centres)
        for k in range(len(edges)):
            force[:, k] = np.bincount(pairs[:, 0], push[:, k], len(centres))
            force[:, k] -= np.bincount(pairs[:, 1], push[:, k], len(centres))
        velocity = force + (0.95 * velocity if np.sum(force * velocity) > 0 else 0)
        np.copyto(centres, _wrapped(centres + 0.3 * velocity, edges))
    return False


def _wrapped(x, edges):
    """Into [0, edges): the remainder of a tiny negative number rounds to the edge itself."""
    x = np.mod(x, edges)
    return np.where(x >= edges, 0.0, x)


def _distances(apart, edges):
    """Vectors to the nearest images, and their lengths."""
    apart = apart - edges * np.rint(apart / edges)
    return apart, np.sqrt(np.sum(apart**2, axis=1))
