"""Voids that a face cuts: a void bears no traction, so the multiplier of a mean that it can take up is zero.

Expected: the dense solve of `test_boundary` (assembled in numpy, constraints by multipliers, least squares); and the
limit of soft voids.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_boundary import TIGHT, check_dense, law

import jaxhomog as jh

MIXED, TRACTION = "uniform_mixed", "uniform_traction"
VALUES = (0.0, 1.0, 10.0)


def porous(shape, seed):
    return np.random.default_rng(seed).choice(3, shape, p=(0.4, 0.3, 0.3))


def spared(shape):
    """Solid, but for voids at an edge of the window (in 2-D a corner) and one patch of a face."""
    labels = np.ones(shape, int)
    labels[(0, 0, *[1] * (len(shape) - 2))] = 0
    labels[(0, slice(2, 4), *[0] * (len(shape) - 2))] = 0
    return labels


@pytest.mark.parametrize("seed", range(4))
def test_porous_windows_are_the_dense_solve(seed):
    found, _ = check_dense("elasticity", MIXED, "q1", (6, 5), VALUES, porous((6, 5), seed))
    assert float(found.value.effective[0, 0]) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(
    "physics, boundary, shape",
    [
        ("elasticity", (TRACTION, MIXED), (6, 5)),
        ("elasticity", ("affine", TRACTION), (6, 5)),
        ("elasticity", (MIXED,) * 3, (4, 3, 3)),
        ("conduction", ("affine", TRACTION), (6, 5)),
        ("conduction", ("affine", TRACTION, TRACTION), (4, 3, 3)),
    ],
    ids=str,
)
def test_porous_windows_of_other_kinds_are_the_dense_solve(physics, boundary, shape):
    for labels in (porous(shape, 1), porous(shape, 2), spared(shape)):
        names = boundary if len(shape) == 3 or boundary[0] == boundary[-1] else tuple(boundary)
        check_dense(physics, names, "q1", shape, VALUES, labels)


@pytest.mark.exhaustive
@pytest.mark.parametrize("boundary", [(TRACTION, TRACTION, "affine"), (TRACTION, MIXED, MIXED)], ids=str)
def test_porous_windows_in_three_dimensions(boundary):
    for seed in range(3):
        check_dense3(boundary, porous((4, 3, 3), seed))


def check_dense3(names, labels):
    """`check_dense` with one name for each axis."""
    grid = jh.Grid(labels.shape)
    found = jh.homogenize(grid, law("elasticity", labels, VALUES), boundary=names, **TIGHT)
    soft = jh.homogenize(grid, law("elasticity", labels, (1e-9, 1.0, 10.0)), boundary=names, tolerance=1e-12)
    np.testing.assert_allclose(found.value.effective, soft.value.effective, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_a_void_is_the_limit_of_a_soft_medium():
    """The apparent stiffness falls on that with voids, in proportion to the stiffness of what fills them."""
    labels, grid = porous((6, 5), 1), jh.Grid((6, 5))
    void = np.asarray(jh.homogenize(grid, law("elasticity", labels, VALUES), boundary=MIXED, **TIGHT).value.effective)
    gaps = []
    for soft in (1e-4, 1e-6):
        problem = law("elasticity", labels, (soft, 1.0, 10.0))
        gap = np.asarray(jh.homogenize(grid, problem, boundary=MIXED, **TIGHT).value.effective) - void
        assert np.linalg.eigvalsh(gap)[0] > -1e-9
        gaps.append(np.abs(gap).max())
    assert gaps[1] < 0.02 * gaps[0] < 0.02 * 0.01


@pytest.mark.slow
def test_fields_keep_the_mean_strain():
    """Nodes in voids move so that the mean strain is the prescribed one: the evidence can be checked on the fields."""
    labels = porous((6, 5), 0)
    s = jh.homogenize(jh.Grid((6, 5), (1.0, 0.7)), law("elasticity", labels, VALUES), MIXED, fields=True, **TIGHT)
    np.testing.assert_allclose(np.mean(s.value.fields.down, axis=(1, 2)), np.eye(3), rtol=0, atol=1e-12)
    np.testing.assert_allclose(np.mean(s.value.fields.up, axis=(1, 2)), s.value.effective, rtol=0, atol=1e-9)


@pytest.mark.slow
def test_paths_take_voids_at_faces():
    """`drive` of a linear law is `homogenize` times the strain."""
    labels, grid = porous((6, 5), 0), jh.Grid((6, 5), (1.0, 0.7))
    problem = law("elasticity", labels, VALUES)
    c = np.asarray(jh.homogenize(grid, problem, MIXED, tolerance=1e-12).value.effective)
    strain = np.array([0.01, -0.02, 0.03])  # engineering shear
    s = jh.drive(grid, problem, jh.LoadPath(strain[None]), MIXED, "q1", 1e-10, fields=(0,)).value
    root = np.array([1, 1, np.sqrt(2)])
    np.testing.assert_allclose(s.stress[0], c @ (strain / root) / root, rtol=0, atol=1e-9)
    np.testing.assert_allclose(np.mean(s.fields.strain[0], axis=(0, 1)), strain, rtol=0, atol=1e-10)


@pytest.mark.slow
def test_derivatives_by_the_lengths():
    """The condition on the mean shear depends on the ratio of the lengths, and fields and tensor with it."""
    labels = np.random.default_rng(5).integers(1, 3, (5, 4))

    def square(x):
        grid = jh.Grid((5, 4), (1.0, x))
        s = jh.homogenize(grid, law("elasticity", labels, VALUES), MIXED, tolerance=1e-12, fields=True)
        return jnp.sum(s.value.fields.up**2) + s.value.effective[2, 2]

    step = 1e-4
    slope = (square(0.8 + step) - square(0.8 - step)) / (2 * step)
    np.testing.assert_allclose(jax.grad(square)(0.8), slope, rtol=1e-6)
