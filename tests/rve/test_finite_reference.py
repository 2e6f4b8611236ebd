"""The independent finite-strain cell against closed forms, a jump condition solved apart, and differences."""

import numpy as np
import pytest
from finite_reference import KINDS, cell, density, element_derivatives, element_energy
from scipy.optimize import fsolve

MODULI = {0: (1.5, 1.0), 1: (8.0, 6.0)}
LENGTHS = (1.0, 1.3)
F = np.asarray([[1.15, 0.2], [-0.05, 0.9]])
LABELS = np.random.default_rng(3).integers(0, 2, (3, 4))
ANY = pytest.mark.parametrize("kind", KINDS)


def piola(f, lam, mu):
    """P = mu (F - F^-T) + lam ln J F^-T."""
    turned = np.linalg.inv(f).T
    return mu * (f - turned) + lam * np.log(np.linalg.det(f)) * turned


def rotation(angle):
    return np.asarray([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def differences(function, x, d):
    """Central differences; derivatives by x along the last axis."""
    columns = [(function(x + d * v) - function(x - d * v)) / (2 * d) for v in np.eye(len(x))]
    return np.stack(columns, axis=-1)


@ANY
@pytest.mark.parametrize("shape", [(1, 1), (2, 3)])
def test_a_homogeneous_cell_has_the_closed_form(kind, shape):
    s = cell(np.zeros(shape, int), MODULI, LENGTHS, F, kind)
    np.testing.assert_allclose(s.stress, piola(F, *MODULI[0]), rtol=1e-12)
    assert s.energy == pytest.approx(density(F, *MODULI[0]), rel=1e-12)
    np.testing.assert_allclose(s.displacements, 0, rtol=0, atol=1e-12)
    np.testing.assert_allclose(s.gradients, np.broadcast_to(F, s.gradients.shape), rtol=0, atol=1e-12)
    exact = differences(lambda x: piola(x.reshape(2, 2), *MODULI[0]).ravel(), F.ravel(), 1e-5)
    np.testing.assert_allclose(s.tangent, exact, rtol=0, atol=1e-8)


@ANY
@pytest.mark.parametrize("axis", [0, 1])
def test_a_laminate_against_its_jump_condition(kind, axis):
    """F of the layers is F + c a n^T, with a such that the traction P n is one."""
    labels = np.moveaxis(np.asarray([0, 0, 1])[:, None], 0, axis)
    normal = np.eye(2)[axis]
    layers = lambda a: (F + np.outer(a, normal) / 3, F - np.outer(a, normal) * 2 / 3)  # noqa: E731

    def jump(a):
        soft, stiff = (piola(f, *MODULI[k]) for k, f in enumerate(layers(a)))
        return (soft - stiff) @ normal

    a, _, found, _ = fsolve(jump, np.zeros(2), xtol=1e-13, full_output=True)
    assert found == 1
    soft, stiff = layers(a)
    s = cell(labels, MODULI, LENGTHS, F, kind)
    expected = (2 * piola(soft, *MODULI[0]) + piola(stiff, *MODULI[1])) / 3
    np.testing.assert_allclose(s.stress, expected, rtol=1e-10, atol=1e-11)
    assert s.energy == pytest.approx((2 * density(soft, *MODULI[0]) + density(stiff, *MODULI[1])) / 3, rel=1e-11)
    np.testing.assert_allclose(s.gradients[labels == 1][0], np.broadcast_to(stiff, (4, 2, 2)), rtol=1e-10)


@ANY
def test_element_derivatives_against_differences(kind):
    f = F + 0.1 * np.random.default_rng(0).normal(size=(4, 2, 2))
    energy = lambda x: element_energy(x.reshape(4, 2, 2), 3.0, 2.0, kind)  # noqa: E731
    slope = lambda x: element_derivatives(x.reshape(4, 2, 2), 3.0, 2.0, kind)[0]  # noqa: E731
    first, second = element_derivatives(f, 3.0, 2.0, kind)
    np.testing.assert_allclose(first, differences(energy, f.ravel(), 1e-5), rtol=0, atol=1e-8)
    np.testing.assert_allclose(second, differences(slope, f.ravel(), 1e-5), rtol=0, atol=1e-7)


@ANY
def test_stress_and_tangent_against_differences(kind):
    """P = dW / dF of the relaxed energy, and dP / dF; symmetric, since the energy is a potential."""
    run = lambda x: cell(LABELS, MODULI, LENGTHS, x.reshape(2, 2), kind)  # noqa: E731
    s = run(F.ravel())
    assert np.abs(s.displacements).max() > 1e-2
    np.testing.assert_allclose(
        s.stress.ravel(), differences(lambda x: run(x).energy, F.ravel(), 1e-5), rtol=0, atol=1e-8
    )
    numeric = differences(lambda x: run(x).stress.ravel(), F.ravel(), 1e-5)
    np.testing.assert_allclose(s.tangent, numeric, rtol=0, atol=1e-7 * np.abs(numeric).max())
    np.testing.assert_allclose(s.tangent, s.tangent.T, rtol=0, atol=1e-12 * np.abs(numeric).max())


@ANY
def test_rotations_before_and_after(kind):
    """W(Q F) = W(F) and P(Q F) = Q P(F); a quarter turn of a square cell turns the answer."""
    s = cell(LABELS, MODULI, LENGTHS, F, kind)
    q = rotation(0.7)
    turned = cell(LABELS, MODULI, LENGTHS, q @ F, kind)
    np.testing.assert_allclose(turned.stress, q @ s.stress, rtol=1e-9, atol=1e-10)
    assert turned.energy == pytest.approx(s.energy, rel=1e-11)
    q = np.asarray([[0.0, -1.0], [1.0, 0.0]])
    # Element (i, j) moves to (m - 1 - j, i).
    quarter = cell(np.rot90(LABELS), MODULI, LENGTHS[::-1], q @ F @ q.T, kind)
    np.testing.assert_allclose(quarter.stress, q @ s.stress @ q.T, rtol=1e-9, atol=1e-10)


@ANY
def test_the_mean_of_the_gradients_and_the_power_of_hill(kind):
    """<F> is the mean gradient; the sum over points of stress : gradient is the macroscopic one."""
    s = cell(LABELS, MODULI, LENGTHS, F, kind)
    np.testing.assert_allclose(s.gradients.mean(axis=(0, 1, 2)), F, rtol=1e-12)
    each = np.stack(
        [element_derivatives(f, *MODULI[int(k)], kind)[0].reshape(4, 2, 2) for k, f in
         zip(LABELS.ravel(), s.gradients.reshape(-1, 4, 2, 2), strict=True)]
    )  # fmt: skip
    np.testing.assert_allclose(each.mean(axis=(0, 1)), s.stress, rtol=1e-12)
    power = np.mean(np.sum(each * s.gradients.reshape(-1, 4, 2, 2), axis=(2, 3)))
    assert power == pytest.approx(np.sum(s.stress * F), rel=1e-10)


def test_small_strains_are_linear_elasticity():
    """A laminate in plane strain, P11 = 1 / <1 / (lam + 2 mu)> per strain 11."""
    e = 1e-6
    s = cell([[0], [0], [1]], MODULI, LENGTHS, np.eye(2) + e * np.asarray([[1.0, 0], [0, 0]]))
    series = 1 / np.mean([1 / (1.5 + 2), 1 / (1.5 + 2), 1 / (8.0 + 12)])
    assert s.stress[0, 0] / e == pytest.approx(series, rel=1e-5)
    assert s.tangent[0, 0] == pytest.approx(series, rel=1e-5)


def test_mean_volume_does_not_lock():
    """Nearly incompressible phases: "full" keeps the volume at every point and is far stiffer; theta is kept alone."""
    stiff = {k: (1e3, mu) for k, (_, mu) in MODULI.items()}
    f = np.asarray([[1.2, 0.1], [0.0, 1 / 1.2]])
    full, mean = (cell(LABELS, stiff, (1.0, 1.0), f, kind) for kind in KINDS)
    assert mean.energy < 0.9 * full.energy
    volumes = np.linalg.det(mean.gradients)
    np.testing.assert_allclose(volumes.mean(axis=2), 1, rtol=0, atol=5e-3)
    assert np.abs(volumes - 1).max() > 5e-2


@ANY
def test_prescribed_stresses(kind):
    """Uniaxial tension with the lateral stress held: the gradient that comes out gives the stress that went in."""
    held = np.asarray([[False, False], [False, True]])
    target = np.asarray([[0.0, 0.0], [0.0, 0.3]])
    s = cell(LABELS, MODULI, LENGTHS, F, kind, target, held)
    assert s.stress[1, 1] == pytest.approx(0.3, abs=1e-11)
    np.testing.assert_array_equal(s.gradient[~held], F[~held])
    again = cell(LABELS, MODULI, LENGTHS, s.gradient, kind)
    np.testing.assert_allclose(again.stress, s.stress, rtol=0, atol=1e-10)
    np.testing.assert_allclose(again.tangent, s.tangent, rtol=0, atol=1e-9)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="inside out"):
        cell(LABELS, MODULI, LENGTHS, -F @ np.diag([1.0, -1.0]))
    with pytest.raises(ValueError, match="kind"):
        cell(LABELS, MODULI, LENGTHS, F, "q1")
