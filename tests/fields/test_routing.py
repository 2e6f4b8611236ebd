"""Spanning trees of conducting voxels against a breadth-first search, voxel by voxel."""

from collections import deque

import jax.numpy as jnp
import numpy as np
import pytest

from jaxhomog.fields._routing import spanning_forest


def neighbours(voxel, shape):
    for k, n in enumerate(shape):
        for step in (1, -1):
            yield 2 * k + (step < 0), (*voxel[:k], (voxel[k] + step) % n, *voxel[k + 1 :])


def distances(conducting):
    """Steps to the first voxel of every cluster; -1 in insulators."""
    steps = np.full(conducting.shape, -1)
    for root in np.ndindex(conducting.shape):
        if not conducting[root] or steps[root] >= 0:
            continue
        steps[root], queue = 0, deque([root])
        while queue:
            here = queue.popleft()
            for _, other in neighbours(here, conducting.shape):
                if conducting[other] and steps[other] < 0:
                    steps[other] = steps[here] + 1
                    queue.append(other)
    return steps


@pytest.mark.parametrize("shape", [(24, 24), (1, 9), (8, 7, 6)])
def test_parents_are_one_step_nearer_to_the_first_voxel_of_the_cluster(shape):
    for share in (0.0, 0.3, 0.4, 0.6, 1.0):
        conducting = np.random.default_rng(int(100 * share)).random(shape) >= share
        towards, steps = np.asarray(spanning_forest(jnp.asarray(conducting))), distances(conducting)
        np.testing.assert_array_equal(towards >= 0, steps > 0)
        for voxel in zip(*np.nonzero(steps > 0), strict=True):
            parent = dict(neighbours(voxel, shape))[int(towards[voxel])]
            assert steps[parent] == steps[voxel] - 1
