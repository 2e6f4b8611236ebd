"""Claim: the estimated area of a circle and of a sphere converges faster than h^1.5; that of voxel faces does not.

    python experiments/interface_area.py

Prints the largest relative error over places of the centre (symmetric ones included), radius 0.3 in a unit box, and the
ratio of the voxel faces' area to the true one (4/pi and 3/2 in the limit).
"""

from __future__ import annotations

import math

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np  # noqa: E402

import jaxhomog as jh  # noqa: E402
from jaxhomog.fields import interface_area  # noqa: E402

RADIUS = 0.3
CASES = {2: (32, 64, 128, 256, 512), 3: (16, 32, 64, 128)}


def ball(n: int, centre: np.ndarray) -> np.ndarray:
    """1 in the voxels whose centres lie in the ball."""
    x = np.meshgrid(*[(np.arange(n) + 0.5) / n] * len(centre), indexing="ij")
    return (sum((a - c) ** 2 for a, c in zip(x, centre, strict=True)) < RADIUS**2).astype(int)


def main() -> None:
    rng = np.random.default_rng(0)
    for dim, sizes in CASES.items():
        exact = 2 * math.pi * RADIUS if dim == 2 else 4 * math.pi * RADIUS**2
        worst = []
        for n in sizes:
            grid, errors, staircase = jh.Grid((n,) * dim, np.ones(dim)), [], 0.0
            centres = [np.full(dim, 0.5), np.full(dim, 0.5 + 0.5 / n), *(0.5 + rng.uniform(-0.1, 0.1, (3, dim)))]
            for centre in centres:
                labels = ball(n, centre)
                errors.append(abs(float(interface_area(grid, labels, 1)) / exact - 1))
                faces = sum(np.abs(np.diff(labels, axis=k)).sum() for k in range(dim))
                staircase = faces / n ** (dim - 1) / exact
            worst.append(max(errors))
            print(f"dim {dim}  n {n:4d}  error {worst[-1]:.1e}   voxel faces / area {staircase:.3f}", flush=True)
        order = np.polyfit(np.log(sizes), np.log(worst), 1)[0]
        print(f"dim {dim}  error like h^{-order:.1f}", flush=True)


if __name__ == "__main__":
    main()
