"""Which clusters of a phase connect opposite faces, wrap around a periodic cell, or are isolated islands.

Voxels are connected through faces. Host-side numpy: runs along the last axis are joined by a vectorised union-find
whose links carry the number of boxes crossed, so that a path around a periodic cell is seen as a winding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from ..results import InputError
from ._arguments import flag


@dataclass(frozen=True)
class Percolation:
    """Connectivity of one phase. Clusters are named by their label, 1 for the largest.

    Args:
        percolates: per axis: some cluster wraps around this axis (periodic) or touches both its faces (not periodic).
        open: per axis: some cluster inside the box, not using periodicity, touches both faces.
        labels: image of cluster labels; 0 outside the phase.
        sizes: voxels of each cluster, largest first; `sizes[label - 1]`.
        spans: (clusters, d): along which axes each cluster percolates.
        voxels: (clusters, d): index of one voxel of each cluster.
    """

    percolates: tuple[bool, ...]
    open: tuple[bool, ...]
    labels: Int[np.ndarray, "..."]
    sizes: Int[np.ndarray, " clusters"]
    spans: Bool[np.ndarray, "clusters d"]
    voxels: Int[np.ndarray, "clusters d"]

    @property
    def fraction(self) -> float:
        """Volume fraction of the phase in the image."""
        return float(self.sizes.sum() / self.labels.size)

    @property
    def islands(self) -> Int[np.ndarray, " islands"]:
        """Labels of the isolated clusters: those that percolate along no axis."""
        return np.flatnonzero(~self.spans.any(axis=1)) + 1

    @property
    def island_fraction(self) -> float:
        """Share of the phase's voxels that lies in isolated clusters (0 for an empty phase)."""
        return float(self.sizes[self.islands - 1].sum() / max(self.sizes.sum(), 1))

    @property
    def connected_fraction(self) -> tuple[float, ...]:
        """Per axis: share of the phase's voxels in clusters that percolate along it (0 for an empty phase)."""
        return tuple(float(n) for n in self.sizes @ self.spans / max(self.sizes.sum(), 1))

    def summary(self, names: int = 10) -> dict[str, Any]:
        """Plain numbers for a report: status per axis, clusters, islands counted, the `names` largest named."""
        return {
            "fraction": self.fraction,
            "percolates": list(self.percolates),
            "open": list(self.open),
            "connected_fraction": list(self.connected_fraction),
            "clusters": len(self.sizes),
            "islands": len(self.islands),
            "island_fraction": self.island_fraction,
            "largest_islands": [
                {
                    "label": int(label),
                    "voxels": int(self.sizes[label - 1]),
                    "voxel": [int(i) for i in self.voxels[label - 1]],
                }
                for label in self.islands[:names]
            ],
        }


def percolation(mask: Bool[np.ndarray, "..."], periodic: bool | Sequence[bool] = False) -> Percolation:
    """Clusters of a phase, and the axes along which they percolate.

    Along a periodic axis a cluster percolates if a path inside it comes back to its start a whole number of boxes
    further on; a diagonal path counts for each axis it winds around. Along another axis, if it touches both faces.

    Args:
        mask: boolean image (1 to 3 axes), True in the phase.
        periodic: one value, or one for each axis.

    Returns:
        `Percolation`.

    Fails with:
        InputError: an image that is not boolean, is empty or has more than three axes, or a `periodic` of another
            length or not of booleans.

    Source:
        Runs and union-find: Hoshen & Kopelman (1976), Phys. Rev. B 14, 3438-3445; winding by displacements kept in
        the links: Machta et al. (1996), Phys. Rev. E 54, 1332-1345.
    """
    try:
        mask = np.asarray(mask)
    except ValueError:
        raise InputError("mask has rows of different lengths: give a non-empty boolean image") from None
    if mask.dtype != bool or not 1 <= mask.ndim <= 3 or mask.size == 0:
        raise InputError(f"mask has dtype {mask.dtype} and shape {mask.shape}: give a non-empty boolean image")
    d = mask.ndim
    given = periodic if isinstance(periodic, list | tuple | np.ndarray) else [periodic] * d
    around = [flag(p, "periodic") for p in given]
    if len(around) != d:
        raise InputError(f"periodic has {len(around)} entries: give one, or one for each of the {d} axes")

    inside = _label_box(mask)
    number = int(inside.max()) + 1
    faces = [(np.take(inside, 0, axis=k).ravel(), np.take(inside, -1, axis=k).ravel()) for k in range(d)]
    is_open = tuple(bool(np.intersect1d(first[first >= 0], last[last >= 0]).size) for first, last in faces)

    links, shifts = [np.zeros((0, 2), np.int64)], [np.zeros((0, d), np.int64)]
    for k in range(d):
        if around[k]:
            first, last = faces[k]
            both = (first >= 0) & (last >= 0)
            pairs = np.unique(np.stack([last[both], first[both]], axis=1), axis=0)
            links.append(pairs)
            shifts.append(np.broadcast_to(np.arange(d) == k, (len(pairs), d)).astype(np.int64))
    link, shift = np.concatenate(links), np.concatenate(shifts)
    root, offset = _join(number, link, shift)
    roots, cluster = np.unique(root, return_inverse=True)

    spans = np.zeros((len(roots), d), bool)
    winding = offset[link[:, 0]] + shift - offset[link[:, 1]]
    for k in range(d):
        if around[k]:
            spans[cluster[link[winding[:, k] != 0, 0]], k] = True
        else:
            first, last = faces[k]
            spans[np.intersect1d(cluster[first[first >= 0]], cluster[last[last >= 0]]), k] = True

    flat = np.flatnonzero(mask)
    of_voxel = cluster[inside.ravel()[flat]]
    sizes = np.bincount(of_voxel, minlength=len(roots))
    seed = np.zeros(len(roots), np.int64)
    seed[of_voxel[::-1]] = flat[::-1]
    order = np.argsort(-sizes, kind="stable")
    rank = np.empty(len(roots), np.int32)
    rank[order] = np.arange(1, len(roots) + 1)
    labels = np.zeros(mask.shape, np.int32)
    labels.ravel()[flat] = rank[of_voxel]
    voxels = np.stack(np.unravel_index(seed[order], mask.shape), axis=1)
    return Percolation(
        percolates=tuple(bool(spans[:, k].any()) for k in range(d)),
        open=is_open,
        labels=labels,
        sizes=sizes[order],
        spans=spans[order],
        voxels=voxels,
    )


def _label_box(mask: np.ndarray) -> np.ndarray:
    """Cluster number of each voxel, counted from 0 without gaps, -1 outside the mask; no periodicity."""
    start = mask.copy()
    start[..., 1:] &= ~mask[..., :-1]
    run = np.cumsum(start.ravel(), dtype=np.int32).reshape(mask.shape) - 1
    links = []
    for k in range(mask.ndim - 1):
        here = np.moveaxis(mask, k, 0)
        both = here[1:] & here[:-1]
        # Two runs that touch do so along one stretch: its first voxel gives the only link.
        both[..., 1:] &= ~both[..., :-1].copy()
        runs = np.moveaxis(run, k, 0)
        links.append(np.stack([runs[:-1][both], runs[1:][both]], axis=1))
    number = int(start.sum())
    link = np.concatenate(links) if links else np.zeros((0, 2), np.int32)
    root, _ = _join(number, link, np.zeros((len(link), 0), np.int64))
    _, cluster = np.unique(root, return_inverse=True)
    out = np.full(mask.shape, -1, np.int32)
    out[mask] = cluster[run[mask]]
    return out


def _join(number: int, link: np.ndarray, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Roots of a graph and the position of each node relative to its root.

    A link (u, v) with shift w says position(v) = position(u) + w. In each round every root hooks onto its smallest
    neighbouring root, then pointers are halved until all point at roots.

    Returns:
        root (number,), the smallest node of each component; offset (number, d) with
        position(x) = position(root) + offset, along the tree of the links used.
    """
    parent, offset = np.arange(number), np.zeros((number, shift.shape[1]), np.int64)
    u, v, w = link[:, 0], link[:, 1], shift
    while True:
        ru, rv = parent[u], parent[v]
        alive = ru != rv
        if not alive.any():
            return parent, offset
        u, v, w, ru, rv = u[alive], v[alive], w[alive], ru[alive], rv[alive]
        step = offset[u] + w - offset[v]  # position of rv relative to ru
        high, low = np.maximum(ru, rv), np.minimum(ru, rv)
        order = np.argsort(low, kind="stable")[::-1]
        chosen = np.full(number, -1)
        chosen[high[order]] = order  # the last write wins: the smallest neighbour
        hooked = np.flatnonzero(chosen >= 0)
        chosen = chosen[hooked]
        parent[hooked] = low[chosen]
        offset[hooked] = np.where((rv[chosen] == hooked)[:, None], step[chosen], -step[chosen])
        while True:
            up = parent[parent]
            if np.array_equal(up, parent):
                break
            offset += offset[parent]
            parent = up
