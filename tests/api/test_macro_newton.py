"""The scale above: Newton's method on a macroscopic point, with the tangent that the cell passes up."""

import jax
import numpy as np
import pytest

import jaxhomog as jh


@pytest.mark.slow
def test_a_macroscopic_newton_converges_quadratically():
    """Find the mean strain of a given mean stress: residuals square, and the end is what stress control finds."""
    matrix = jh.J2Plasticity(jh.LinearElastic.isotropic(100.0, 0.3), jh.VoceHardening(0.3, 1.0, 60.0))
    law = jh.PhaseMixture(np.eye(3, dtype=int), {0: matrix, 1: jh.LinearElastic.isotropic(300.0, 0.2)})
    grid, target = jh.Grid((3, 3)), np.array([0.9, 0.1, 0.35])

    @jax.jit
    def cell(strain):
        value = jh.drive(grid, law, jh.LoadPath(strain[None]), tolerance=1e-12, throw=False).value
        return value.stress[0], value.tangent[0]

    strain, left = np.array([0.012, -0.004, 0.008]), []
    for _ in range(12):
        stress, tangent = (np.asarray(x) for x in cell(strain))
        left.append(np.linalg.norm(stress - target))
        if left[-1] < 1e-10:
            break
        strain = strain - np.linalg.solve(tangent, stress - target)
    assert left[-1] < 1e-10, left
    # Where the phases that flow no longer change: the exponent of the error, above rounding, is two.
    small = [x for x in left if 1e-10 < x < 0.1]
    assert len(small) >= 2, left
    orders = [np.log(b) / np.log(a) for a, b in zip(small, [*small[1:], max(left[-1], 1e-13)], strict=True)]
    assert min(orders) > 1.6, (left, orders)
    path = jh.LoadPath(np.zeros((1, 3)), target[None], [True] * 3)
    there = jh.drive(grid, law, path, tolerance=1e-12, tangent=False).value.strain[0]
    np.testing.assert_allclose(strain, there, rtol=1e-8)
    # A tangent that is off by a tenth of its plastic softening converges linearly: the order is the tangent's doing.
    stress, tangent = (np.asarray(x) for x in cell(strain))
    elastic = np.asarray(cell(1e-6 * strain)[1])
    wrong, errors = strain + 1e-4, []
    for _ in range(3):
        stress, tangent = (np.asarray(x) for x in cell(wrong))
        errors.append(np.linalg.norm(stress - target))
        wrong = wrong - np.linalg.solve(0.9 * tangent + 0.1 * elastic, stress - target)
    assert np.log(errors[2]) / np.log(errors[1]) < 1.6
