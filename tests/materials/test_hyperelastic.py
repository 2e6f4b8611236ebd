"""Hyperelastic laws against closed forms, against each other, and under superposed rotations."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import jaxhomog as jh
from jaxhomog.materials import AbstractPoints, Step

STEP = Step(jnp.asarray(1.0))
YOUNG, POISSON = 10.0, 0.3
LAME, SHEAR = YOUNG * POISSON / (1 + POISSON) / (1 - 2 * POISSON), YOUNG / 2 / (1 + POISSON)
ELASTIC = jh.LinearElastic.isotropic(YOUNG, POISSON)
CUBIC = jh.LinearElastic.cubic(10.0, 5.0, 3.0, rotation=jh.Rotation.from_bunge(0.3, 0.4, 0.5))


def neo_hookean_energy(f, p):
    volume = jnp.linalg.det(f)
    return 0.5 * p["shear"] * (jnp.sum(f * f) - 3 - 2 * jnp.log(volume)) + 0.5 * p["lame"] * jnp.log(volume) ** 2


def green_energy(f, p):
    e = 0.5 * (f.T @ f - jnp.eye(3))
    return 0.5 * p["lame"] * jnp.trace(e) ** 2 + p["shear"] * jnp.sum(e * e)


PARAMETERS = {"shear": SHEAR, "lame": LAME}
LAWS = {
    "neo-hookean": jh.NeoHookean(ELASTIC),
    "saint-venant-kirchhoff": jh.SaintVenantKirchhoff(ELASTIC),
    "cubic": jh.SaintVenantKirchhoff(CUBIC),
    "own": jh.Hyperelastic(neo_hookean_energy, PARAMETERS),
}


def points(law, dim):
    return law.points((2,) * dim, jnp.float64)


def gradients(dim, size=0.15, seed=0):
    """Random deformation gradients (d d, *pts)."""
    rng = np.random.default_rng(seed)
    rest = np.eye(dim).reshape(-1, *(1,) * dim)
    return jnp.asarray(rest + size * rng.normal(size=(dim * dim, *(2,) * dim)))


def matrices(rows):
    """(d d, *pts) as (m, d, d)."""
    dim = rows.ndim - 1
    return np.moveaxis(np.asarray(rows).reshape(dim, dim, -1), -1, 0)


def field(matrices, dim):
    """The reverse."""
    return jnp.asarray(np.moveaxis(matrices, 0, -1).reshape(dim * dim, *(2,) * dim))


@eqx.filter_jit
def answers(law, f):
    """Update, slope of the energy, own and automatic tangent."""
    at = law.points(f.shape[1:], f.dtype)
    slope = jax.grad(lambda x: jnp.sum(at.update(x, (), STEP).energy))(f)
    tangents = at.tangent(f, (), STEP), AbstractPoints.tangent(at, f, (), STEP)
    return at.update(f, (), STEP), slope, *(jnp.asarray(t.matrix()) for t in tangents)


@pytest.mark.parametrize("dim", [2, pytest.param(3, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("name", LAWS)
def test_stress_is_the_derivative_of_the_energy_and_the_tangent_that_of_the_stress(name, dim):
    up, slope, own, automatic = answers(LAWS[name], gradients(dim))
    assert np.allclose(up.stress, slope, rtol=1e-12, atol=1e-12)
    assert np.allclose(own, automatic, rtol=1e-12, atol=1e-12)
    assert not np.any(up.code)
    assert not np.any(up.dissipation)


@pytest.mark.parametrize(
    "dim", [pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.exhaustive)]
)
@pytest.mark.parametrize(
    ("law", "energy"), [("neo-hookean", neo_hookean_energy), ("saint-venant-kirchhoff", green_energy)]
)
def test_closed_forms_are_the_potential_form(law, energy, dim):
    f = gradients(dim, seed=1)
    both = LAWS[law], jh.Hyperelastic(energy, PARAMETERS)
    (one, _, closed, _), (other, _, general, _) = (answers(x, f) for x in both)
    assert np.allclose(one.stress, other.stress, rtol=1e-12, atol=1e-12)
    assert np.allclose(one.energy, other.energy, rtol=1e-12, atol=1e-13)
    assert np.allclose(closed, general, rtol=1e-11, atol=1e-11)
    moduli = [points(x, dim).elastic((2,) * dim, jnp.float64).isotropic_part() for x in both]
    assert np.allclose(*moduli, rtol=1e-12)


def test_known_stresses_of_simple_deformations():
    stretch, shear = 1.3, 0.4
    f = np.zeros((8, 3, 3)) + np.eye(3)
    f[0, 0, 0], f[1, 0, 1] = stretch, shear
    # Uniaxial strain, P11: E11 = (s^2 - 1)/2; ln J = ln s. Simple shear, P12: J = 1; E12 = g/2, E22 = g^2/2.
    strain = 0.5 * (stretch**2 - 1)
    expected = {
        "saint-venant-kirchhoff": (
            stretch * (LAME + 2 * SHEAR) * strain,
            SHEAR * shear + shear * (LAME + 2 * SHEAR) * shear**2 / 2,
        ),
        "neo-hookean": (SHEAR * (stretch - 1 / stretch) + LAME * np.log(stretch) / stretch, SHEAR * shear),
    }
    for name, (axial, sheared) in expected.items():
        stress = matrices(points(LAWS[name], 3).update(field(f, 3), (), STEP).stress)
        assert np.isclose(stress[0, 0, 0], axial, rtol=1e-13)
        assert np.isclose(stress[1, 0, 1], sheared, rtol=1e-13)
        assert np.allclose(stress[2:], 0, rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", LAWS)
def test_a_superposed_rotation_turns_the_stress_and_keeps_the_energy(name):
    law, f = points(LAWS[name], 3), gradients(3, seed=2)
    turn = Rotation.random(random_state=4).as_matrix()
    before, after = (law.update(x, (), STEP) for x in (f, field(turn @ matrices(f), 3)))
    assert np.allclose(after.energy, before.energy, rtol=1e-12, atol=1e-13)
    assert np.allclose(matrices(after.stress), turn @ matrices(before.stress), rtol=1e-11, atol=1e-12)
    # Balance of angular momentum: P F^T is symmetric.
    kirchhoff = matrices(before.stress) @ matrices(f).swapaxes(1, 2)
    assert np.allclose(kirchhoff, kirchhoff.swapaxes(1, 2), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", LAWS)
def test_small_strains_are_linear_elastic(name):
    law = points(LAWS[name], 3)
    change = 1e-7 * np.random.default_rng(5).normal(size=(8, 3, 3))
    stress = matrices(law.update(field(np.eye(3) + change, 3), (), STEP).stress)
    linear = (CUBIC if name == "cubic" else ELASTIC).points((2, 2, 2), jnp.float64)
    strain = jnp.asarray(jh.tensors.to_mandel(0.5 * (change + change.swapaxes(1, 2)))).T.reshape(6, 2, 2, 2)
    expected = linear.update(strain, (), STEP).stress.reshape(6, -1).T
    assert np.allclose(jh.tensors.to_mandel(stress), expected, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("name", ["neo-hookean", "saint-venant-kirchhoff"])
def test_a_point_turned_inside_out_says_so(name):
    f = np.zeros((8, 3, 3)) + np.eye(3)
    f[3, 1, 1] = -0.2
    up = points(LAWS[name], 3).update(field(f, 3), (), STEP)
    assert np.array_equal(np.ravel(up.code) > 0, np.arange(8) == 3)
    assert np.isfinite(up.stress).all()


def test_parameters_are_fields():
    rng = np.random.default_rng(6)
    young = jnp.asarray(rng.uniform(1, 2, size=(2, 2)))
    f = gradients(2)
    whole = jh.NeoHookean(jh.LinearElastic.isotropic(young, 0.3)).points((2, 2), jnp.float64).update(f, (), STEP)
    one = jh.NeoHookean(jh.LinearElastic.isotropic(float(young[1, 0]), 0.3)).points((2, 2), jnp.float64)
    assert np.allclose(whole.stress[:, 1, 0], one.update(f, (), STEP).stress[:, 1, 0], rtol=1e-14)
    own = jh.Hyperelastic(lambda f, p: p * jnp.sum((f.T @ f - jnp.eye(3)) ** 2), young)
    answer = own.points((2, 2), jnp.float64).update(f, (), STEP).energy
    green = np.asarray([m.T @ m - np.eye(2) for m in matrices(f)])
    assert np.allclose(np.ravel(answer), np.ravel(young) * np.sum(green**2, axis=(1, 2)), rtol=1e-13)


def test_bad_input_has_a_remedy():
    with pytest.raises(jh.InputError, match="isotropic"):
        jh.NeoHookean(CUBIC)
    with pytest.raises(jh.InputError, match="LinearElastic"):
        jh.SaintVenantKirchhoff(3.0)
    with pytest.raises(jh.InputError, match="scalar"):
        jh.Hyperelastic(lambda f, p: f, ()).points((2, 2), jnp.float64)
    with pytest.raises(jh.InputError, match="function"):
        jh.Hyperelastic(3.0)
