"""`q1e`: no mode of an element is free, volume does not lock, thin struts bend; the default where laws flow."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from assembled import effective, isotropic_stiffness

import jaxhomog as jh
from jaxhomog.fields import ELEMENTS
from jaxhomog.rve import load_cases

ISO = jh.LinearElastic.isotropic


def frame(times=1):
    """Walls of one voxel around a void of 7 x 7."""
    labels = np.zeros((8, 8), int)
    labels[0] = labels[:, 0] = 1
    return np.kron(labels, np.ones((times, times), int))


def disc():
    x = (np.arange(16) + 0.5) / 16 - 0.5
    return (x[:, None] ** 2 + x**2 < 0.12).astype(int)


def plastic(young=100.0, yield_stress=10.0, modulus=1.0):
    return jh.J2Plasticity(ISO(young, 0.3), jh.LinearHardening(yield_stress, modulus))


@pytest.mark.parametrize("shape", [(3, 3), (3, 3, 3)], ids=str)
def test_one_element_in_a_void_has_rigid_modes_alone(shape):
    """Eigenvalues of its stiffness: 5 of 8 in 2-D and 18 of 24 in 3-D are positive, for one voxel among voids."""
    d, size = len(shape), int(np.prod(shape))
    young = np.zeros(shape)
    young[(1,) * d] = 1.0
    response = ISO(young, 0.3).response(shape, jnp.float64)
    force = lambda u: ELEMENTS["q1e"].force(response, u.reshape(d, *shape), jnp.ones(d)).ravel()  # noqa: E731
    values = np.linalg.eigvalsh(jax.jit(jax.vmap(force))(jnp.eye(d * size)))
    assert values.min() > -1e-12
    assert np.sum(values > 1e-3) == (5 if d == 2 else 18)
    assert np.sum(np.abs(values) < 1e-12) == d * size - (5 if d == 2 else 18)


def test_a_frame_that_the_default_element_carries():
    """Shear of a frame of struts of one voxel, by an element eight times finer: 1.242e-4 (full integration)."""
    law = jh.PhaseMixture(frame(), {0: ISO(0.0, 0.3), 1: plastic()})
    path = jh.LoadPath([[0, 0, 0.001]], np.zeros((1, 3)), [False] * 3)
    s = jh.drive(jh.Grid((8, 8)), law, path)
    assert s.value.element == "q1e"
    assert float(s.value.stress[0, 2]) == pytest.approx(1.242e-4, rel=0.1)
    assert float(s.value.hill_mandel_residual[0]) < 1e-5
    # Other numbers, the frame turned by a right angle and moved: pascals, a filler 1e-6 as stiff.
    moved = np.roll(frame().T[::-1], (3, 2), (0, 1))
    law = jh.PhaseMixture(moved, {0: ISO(1e3, 0.3), 1: plastic(1e9, 1e8, 1e7)})
    turned = jh.drive(jh.Grid((8, 8), (2.0, 2.0)), law, path)
    assert float(turned.value.stress[0, 2]) / 1e9 * 100 == pytest.approx(float(s.value.stress[0, 2]), rel=1e-3)


@pytest.mark.slow
def test_a_frame_to_its_limit_load():
    """Yield stress .01 up to a shear of .003; the same element eight times finer, 6.043e-5 at the first row."""
    path = jh.LoadPath(np.outer(np.linspace(0.0005, 0.003, 6), [0, 0, 1]), np.zeros((6, 3)), [False] * 3)
    curve = {}
    for times in (1, 4):
        law = jh.PhaseMixture(frame(times), {0: ISO(0.0, 0.3), 1: plastic(yield_stress=0.01)})
        curve[times] = jh.drive(jh.Grid((8 * times,) * 2), law, path, tangent=False).value.stress[:, 2]
    # Six per cent in one-voxel struts; a plastic hinge ends the rise.
    np.testing.assert_allclose(curve[1], curve[4], rtol=0.1)
    assert float(curve[1][-1] / curve[1][1]) < 1.2


def young_of_a_disc(poisson, times):
    labels = np.kron(disc(), np.ones((times, times), int))
    law = jh.PhaseMixture(labels, {0: ISO(1.0, poisson), 1: ISO(50.0, 0.3)})
    return 1 / float(np.linalg.inv(jh.homogenize(jh.Grid(labels.shape), law, element="q1e").value.effective)[0, 0])


def test_a_disc_in_a_matrix_that_hardly_changes_volume():
    """Young's modulus 1 of a 16 x 16 cell: 4.811 by mixed Q2-P1 elements, refined."""
    assert young_of_a_disc(0.499, 1) == pytest.approx(4.811, rel=0.02)
    assert young_of_a_disc(0.499, 4) == pytest.approx(4.811, rel=0.005)


@pytest.mark.parametrize("shape", [(4, 3), (3, 2, 3)], ids=str)
def test_the_effective_tensor_is_the_assembled_one(shape):
    rng, d = np.random.default_rng(3), len(shape)
    young, nu = rng.uniform(0.1, 2, shape), rng.uniform(-0.2, 0.45, shape)
    lam, mu = young * nu / (1 + nu) / (1 - 2 * nu), young / 2 / (1 + nu)
    macros = np.asarray(load_cases("elasticity", d, jnp.float64))
    expected = effective("q1e", isotropic_stiffness(lam, mu, d), np.ones(d), macros)
    s = jh.homogenize(jh.Grid(shape), ISO(young, nu), element="q1e", tolerance=1e-10)
    np.testing.assert_allclose(s.value.effective, expected, rtol=0, atol=1e-9 * np.abs(expected).max())
    # At the Gauss points, as a path asks it: the same element.
    n = len(macros)
    path = jh.LoadPath(1e-3 * np.eye(n), np.zeros((n, n)), [False] * n)
    got = jh.drive(jh.Grid(shape), ISO(young, nu), path, element="q1e", tangent=False, tolerance=1e-9).value.stress
    voigt = jh.to_voigt(jnp.asarray(expected), "stiffness")
    np.testing.assert_allclose(got, 1e-3 * voigt, rtol=0, atol=1e-9 * np.abs(expected).max())


def test_a_section_in_two_dimensions_is_the_slice_of_one_voxel_in_three():
    s2 = jh.homogenize(jh.Grid((8, 8)), jh.PhaseMixture(frame(), {0: ISO(0.01, 0.2), 1: ISO(1.0, 0.4)}), element="q1e")
    labels = frame()[..., None]
    s3 = jh.homogenize(
        jh.Grid((8, 8, 1)), jh.PhaseMixture(labels, {0: ISO(0.01, 0.2), 1: ISO(1.0, 0.4)}), element="q1e"
    )
    plane = np.asarray(s3.value.effective)[np.ix_([0, 1, 5], [0, 1, 5])]
    np.testing.assert_allclose(s2.value.effective, plane, rtol=0, atol=2e-6)


def test_derivatives_of_the_element_see_its_assumed_strains():
    """Against central differences: the strains depend on Poisson's ratio and on the neighbours' moduli."""

    def shear(x):
        law = jh.PhaseMixture(frame(), {0: ISO(x[0], x[1]), 1: ISO(1.0, x[2])})
        return jh.homogenize(jh.Grid((8, 8)), law, element="q1e", tolerance=1e-10, throw=False).value.effective[2, 2]

    x = jnp.asarray([0.05, 0.2, 0.35])
    slope, step = jax.jit(jax.grad(shear))(x), 1e-4
    both = jax.jit(shear)
    for k in range(3):
        move = step * jnp.eye(3)[k]
        assert float(slope[k]) == pytest.approx(float((both(x + move) - both(x - move)) / (2 * step)), rel=1e-5)


def test_an_open_face_is_no_soft_neighbour():
    """A homogeneous cell deforms evenly whatever holds it, and nothing is lost at its faces."""
    for boundary in ("affine", "uniform_traction", "uniform_mixed"):
        s = jh.homogenize(jh.Grid((3, 3)), ISO(2.0, 0.3), element="q1e", boundary=boundary)
        exact = jh.homogenize(jh.Grid((3, 3)), ISO(2.0, 0.3)).value.effective
        np.testing.assert_allclose(s.value.effective, exact, rtol=0, atol=1e-9)


def test_doubtful_elements_are_named():
    void = jh.PhaseMixture(frame(), {0: ISO(0.0, 0.3), 1: plastic()})
    path = jh.LoadPath([[0, 0, 0.001]], np.zeros((1, 3)), [False] * 3)
    with pytest.warns(UserWarning, match="hourglass"):
        jh.drive(jh.Grid((8, 8)), void, path, element="q1r", tangent=False, throw=False)
    with pytest.warns(UserWarning, match="locks"):
        jh.homogenize(jh.Grid((3, 3)), ISO(1.0, 0.499))
    with pytest.raises(jh.InputError, match="q1bar"):
        jh.drive(jh.Grid((2, 2)), jh.NeoHookean(ISO(1.0, 0.3)), jh.LoadPath.finite([[1.01, 0, 0, 1]]), element="q1e")
