"""Lanes with exact answers that the tests of sweeps share: two-phase laminates in 2-D conduction."""

import numpy as np

import jaxhomog as jh

SHAPE = (6, 5)


def solve(lane):
    """Conductivity per voxel to effective tensor."""
    law = jh.LinearConduction(lane["k"])
    return jh.homogenize(jh.Grid(SHAPE), law, element="fv", throw=False, tolerance=1e-12)


def laminates(number):
    """Lane i: i % 5 + 1 of the six layers normal to axis 0 have the conductivity 2 + i, the others 1."""
    k = np.ones((number, *SHAPE))
    for i in range(number):
        k[i, : i % 5 + 1] = 2.0 + i
    return {"k": k}


def exact(k):
    """Series and parallel connection of the layers."""
    layers = k[:, :, 0]
    return np.stack([np.diag([1 / np.mean(1 / x), np.mean(x)]) for x in layers])
