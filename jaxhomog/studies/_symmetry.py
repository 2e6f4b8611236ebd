"""Point groups of a voxel cell, and the orbits of its voxels under them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from ..results import InputError


def _mirror(dim: int, axis: int) -> np.ndarray:
    return np.diag([-1 if k == axis else 1 for k in range(dim)])


def _swap(dim: int, a: int, b: int) -> np.ndarray:
    order = list(range(dim))
    order[a], order[b] = b, a
    return np.eye(dim, dtype=int)[order]


_CYCLE = np.eye(3, dtype=int)[[2, 0, 1]]
# Generators of the groups, in Hermann-Mauguin notation (3-D: those whose operations map a box of voxels to itself).
_GENERATORS = {
    2: {
        "1": (),
        "2": (-np.eye(2, dtype=int),),
        "m": (_mirror(2, 0),),
        "2mm": (_mirror(2, 0), _mirror(2, 1)),
        "4": (np.array([[0, -1], [1, 0]]),),
        "4mm": (_mirror(2, 0), _swap(2, 0, 1)),
    },
    3: {
        "1": (),
        "-1": (-np.eye(3, dtype=int),),
        "mmm": tuple(_mirror(3, k) for k in range(3)),
        "4/mmm": (*(_mirror(3, k) for k in range(3)), _swap(3, 0, 1)),
        "m-3": (*(_mirror(3, k) for k in range(3)), _CYCLE),
        "m-3m": (*(_mirror(3, k) for k in range(3)), _CYCLE, _swap(3, 0, 1)),
    },
}


def point_group(symmetry: str, dim: int) -> list[np.ndarray]:
    """All operations of a point group as signed permutation matrices.

    Args:
        symmetry: 2-D: "1", "2", "m" (normal to axis 1), "2mm", "4", "4mm"; 3-D: "1", "-1", "mmm", "4/mmm" (axis 3),
            "m-3", "m-3m".
        dim: 2 or 3.

    Returns:
        (dim, dim) integer matrices, the identity first.

    Fails with:
        InputError: an unknown group.

    Source:
        Hahn (2005), International Tables for Crystallography A, table 10.1.2.
    """
    if symmetry not in _GENERATORS[dim]:
        raise InputError(f"symmetry={symmetry!r} in {dim}-D: choose from {', '.join(_GENERATORS[dim])}")
    found = {tuple(np.eye(dim, dtype=int).ravel()): np.eye(dim, dtype=int)}
    new = list(found.values())
    while new:
        products = [g @ a for g, a in itertools.product(_GENERATORS[dim][symmetry], new)]
        new = []
        for product in products:
            if tuple(product.ravel()) not in found:
                found[tuple(product.ravel())] = product
                new.append(product)
    return list(found.values())


def transformed(field: np.ndarray, operation: np.ndarray) -> np.ndarray:
    """A field on the voxels of a box, moved by a signed permutation about the centre of the box."""
    axes = np.argmax(np.abs(operation), axis=1)
    flipped = tuple(k for k in range(field.ndim) if operation[k, axes[k]] < 0)
    return np.flip(np.transpose(field, axes), flipped)


def orbits(shape: Sequence[int], symmetry: str) -> np.ndarray:
    """Number the voxels so that two have the same number where an operation of the group takes one to the other.

    Args:
        shape: voxels along each direction.
        symmetry: as for `point_group`; its operations act about the centre of the box.

    Returns:
        Integers from 0 on, of the given shape: `variables[orbits(shape, symmetry)]` is a field with the symmetry.

    Fails with:
        InputError: an unknown group, or one that exchanges directions with different numbers of voxels.
    """
    shape = tuple(int(n) for n in shape)
    index = np.arange(np.prod(shape)).reshape(shape)
    lowest = index
    for operation in point_group(symmetry, len(shape)):
        image = transformed(index, operation)
        if image.shape != shape:
            raise InputError(f"symmetry={symmetry!r} exchanges directions of shape {shape}: give them as many voxels")
        lowest = np.minimum(lowest, image)
    return np.unique(lowest, return_inverse=True)[1].reshape(shape)
