"""Isotropic damage at a point: closed forms of both softening laws, irreversibility, tangent, energies."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from one_point import history, march, path

import jaxhomog as jh
from jaxhomog.materials import ExponentialSoftening, IsotropicDamage, LinearSoftening, Step
from jaxhomog.tensors import Rotation

E, NU, Y0 = 30.0, 0.2, 2e-4
G = E / (2 * (1 + NU))
ELASTIC = jh.LinearElastic.isotropic(E, NU)
CRYSTAL = jh.LinearElastic.cubic(40.0, 10.0, 25.0, rotation=Rotation.from_bunge(0.4, 0.9, -0.3))
STEP = Step(jnp.asarray(1.0))


class Power(eqx.Module):
    """A user's own law, in three lines."""

    exponent: float = 1.5

    def __call__(self, x):
        return x**-self.exponent


LAWS = {
    "exponential": IsotropicDamage(ELASTIC, Y0, ExponentialSoftening(0.7)),
    "linear": IsotropicDamage(ELASTIC, Y0, LinearSoftening(8.0)),
    "own": IsotropicDamage(ELASTIC, Y0, Power()),
    "crystal": IsotropicDamage(CRYSTAL, Y0, ExponentialSoftening(0.4)),
}
ANY = pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())


def test_shear_against_the_closed_forms():
    """Simple shear: x = gamma / gamma_0 with G gamma_0^2 / 2 = Y_0; tau = G gamma_0 times the softened share."""
    g0 = np.sqrt(2 * Y0 / G)
    x = np.asarray([0.5, 1.0, 1.5, 3.0, 7.0, 9.0])
    strain = np.zeros((6, 6))
    strain[:, 5] = x * g0 / 2**0.5
    for name, share in (
        ("exponential", np.where(x < 1, x, np.exp(0.7 * (1 - x)))),
        ("linear", np.where(x < 1, x, np.maximum(0, 8 - x) / 7)),
    ):
        stress, state, _, _ = march(LAWS[name], strain)
        # 1e-6 of the stiffness stays.
        np.testing.assert_allclose(stress[:, 5] / 2**0.5, G * g0 * (share + 1e-6 * (x - share)), rtol=1e-11)
        np.testing.assert_allclose(state[:, 0], np.maximum(1, x), rtol=1e-12)


def test_a_broken_point_has_dissipated_the_energy_of_its_law():
    """Y_0 (1 + 2 / rate) and Y_0 u, by the triangle and the exponential under the curve of stress."""
    strain = np.zeros((4000, 6))
    strain[:, 0] = np.linspace(0, 60 * np.sqrt(2 * Y0 / E), 4001)[1:]
    for name, energy in (("exponential", Y0 * (1 + 2 / 0.7)), ("linear", Y0 * 8)):
        assert np.sum(march(LAWS[name], strain)[3]) == pytest.approx(energy, rel=2e-2)


@ANY
def test_unloading_is_elastic_and_damage_never_heals(law):
    up = np.asarray([6.0, 2.0, -1.0, 3.0, 0.0, 4.0]) * 2e-3
    scale = np.asarray([0.3, 1.0, 0.5, -0.9, 0.99, 1.3])
    stress, state, energy, dissipation = march(law, scale[:, None] * up)
    np.testing.assert_allclose(stress[2:5], scale[2:5, None] * stress[1], rtol=1e-12)
    np.testing.assert_array_equal(state[1:5, 0], state[1, 0])
    np.testing.assert_array_equal(dissipation[2:5], 0)
    assert state[5, 0] == pytest.approx(1.3 * state[1, 0], rel=1e-12) and dissipation[5] > 0
    np.testing.assert_allclose(energy, 0.5 * np.sum(stress * scale[:, None] * up, axis=1), rtol=1e-12)


@ANY
def test_the_second_law_on_random_paths(law):
    for seed in range(5):
        _, state, energy, dissipation = march(law, path(seed, size=8e-3))
        d = np.asarray(law.points((1, 1, 1), float).damage(jnp.asarray(state).T))
        assert (dissipation >= 0).all() and dissipation.sum() > 0 and (energy >= 0).all()
        assert (np.diff(d) >= 0).all() and (d < 1).all()


@ANY
def test_the_energy_balance_closes_with_the_step(law):
    errors = []
    for n in (100, 200):
        strain = np.linspace(0, 1, n + 1)[1:, None] * np.asarray([0.01, -0.004, 0.001, 0.003, 0.0, 0.008])
        stress, _, energy, dissipation = march(law, strain)
        mean = 0.5 * (stress + np.vstack([np.zeros(6), stress[:-1]]))
        work = np.sum(mean * np.diff(strain, axis=0, prepend=0))
        errors.append(abs(work - energy[-1] - dissipation.sum()) / work)
    assert errors[1] < 0.6 * errors[0] and errors[1] < 3e-2


@ANY
@pytest.mark.parametrize("plane", [False, True])
@pytest.mark.parametrize("loading", [True, False])
def test_tangent_against_differences(law, plane, loading):
    strain = path(3, n=3 if plane else 6, size=8e-3)
    pts = (1,) * (2 if plane else 3)
    points = law.points(pts, float)
    state = jnp.asarray(march(law, strain)[1][-1]).reshape(1, *pts)
    e0 = jnp.asarray(strain[-1])
    e0 = e0 / jnp.sqrt(_energy(points, e0, pts) / Y0) * state[0].ravel() * (1.1 if loading else 0.5)
    stress = jax.jit(lambda e: points.update(e.reshape(-1, *pts), state, STEP).stress.ravel())
    d = 1e-7
    numeric = np.stack([(stress(e0 + d * v) - stress(e0 - d * v)) / (2 * d) for v in jnp.eye(len(e0))], axis=1)
    own = np.asarray(points.tangent(e0.reshape(-1, *pts), state, STEP).mean())
    np.testing.assert_allclose(own, numeric, rtol=0, atol=2e-6 * np.linalg.norm(numeric))
    np.testing.assert_allclose(jax.jacfwd(stress)(e0), own, rtol=0, atol=1e-10 * np.linalg.norm(own))
    assert points.symmetric
    grows = points.update(e0.reshape(-1, *pts), state, STEP).dissipation.ravel()[0] > 0
    assert bool(grows) == loading


def _energy(points, e, pts):
    """Energy of the undamaged point: that of a virgin state whose threshold is out of reach."""
    far = jnp.full((1, *pts), 1e9)
    stress = points.update(e.reshape(-1, *pts), far, STEP).stress.ravel() / (1 - points.damage(far).ravel())
    return 0.5 * jnp.sum(stress * e)


@ANY
def test_plane_strain_is_a_solid_without_strain_along_the_third_axis(law):
    plane = path(5, n=3, size=8e-3)
    solid = np.zeros((len(plane), 6))
    solid[:, [0, 1, 5]] = plane
    s2, x2, e2, d2 = march(law, plane)
    s3, x3, e3, d3 = march(law, solid)
    for two, three in ((s2, s3[:, [0, 1, 5]]), (x2, x3), (e2, e3), (d2, d3)):
        np.testing.assert_allclose(two, three, rtol=1e-11, atol=1e-18)


@ANY
def test_single_precision_stays_single_and_lanes_agree(law):
    points = law.points((2, 1, 1), jnp.float32)
    step = Step(jnp.asarray(1.0, jnp.float32))
    strain = jnp.asarray(np.random.default_rng(0).normal(size=(3, 6, 2, 1, 1)) * 1e-2, jnp.float32)
    state = points.initial((2, 1, 1), jnp.float32)
    f = lambda e: (points.update(e, state, step), points.tangent(e, state, step))  # noqa: E731
    lanes = jax.vmap(f)(strain)
    assert {x.dtype for x in jax.tree.leaves(lanes)} == {jnp.dtype("float32"), jnp.dtype("int32")}
    np.testing.assert_allclose(lanes[0].stress[1], f(strain[1])[0].stress, rtol=2e-5, atol=1e-6)


def test_the_virgin_point_has_finite_derivatives():
    points = LAWS["exponential"].points((1, 1, 1), float)
    stress = lambda e: points.update(e.reshape(6, 1, 1, 1), points.initial((1, 1, 1), float), STEP).stress.ravel()  # noqa: E731
    c = np.asarray(points.elastic((1, 1, 1), float).mean())
    np.testing.assert_allclose(jax.jacrev(stress)(jnp.zeros(6)), c, rtol=1e-12)


def test_derivative_by_a_parameter():
    """Exponential law in shear beyond the threshold: tau = G gamma_0 exp(A (1 - x)), so d ln tau / d A = 1 - x."""
    g0 = np.sqrt(2 * Y0 / G)
    strain = jnp.zeros((1, 6)).at[0, 5].set(3 * g0 / 2**0.5)
    law = lambda a: IsotropicDamage(ELASTIC, Y0, ExponentialSoftening(a), 1e-12)  # noqa: E731
    tau = lambda a: history(law(a), strain, jnp.ones(1))[0][0, 5]  # noqa: E731
    assert jax.grad(lambda a: jnp.log(tau(a)))(0.7) == pytest.approx(-2, rel=1e-9)


@pytest.mark.parametrize(
    "build, words",
    [
        (lambda: IsotropicDamage(3.0, Y0, Power()), "needs a LinearElastic"),
        (lambda: IsotropicDamage(ELASTIC, Y0, 0.4), "softening is not a function"),
        (lambda: IsotropicDamage(ELASTIC, 0.0, Power()).check(), "threshold is 0"),
        (lambda: IsotropicDamage(ELASTIC, Y0, ExponentialSoftening(-1.0)).check(), "rate is -1"),
        (lambda: IsotropicDamage(ELASTIC, Y0, LinearSoftening(1.0)).check(), "ultimate is 1"),
        (lambda: IsotropicDamage(ELASTIC, Y0, Power(), residual=0.0).check(), "residual is 0"),
        (lambda: IsotropicDamage(ELASTIC, np.ones(3), Power()).points((4, 4), float), "threshold has shape"),
        (lambda: IsotropicDamage(ELASTIC, Y0, LinearSoftening(np.ones(3))).points((4, 4), float), "softening"),
    ],
)
def test_bad_input_is_named(build, words):
    with pytest.raises(jh.InputError, match=words) as error:
        build()
    assert "\n" not in str(error.value)
