"""Von Mises plasticity at a point: closed forms, an independent integration, tangent, energies, both dimensions."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from one_point import march, path
from scipy.integrate import solve_ivp

import jaxhomog as jh
from jaxhomog.materials import (
    ArmstrongFrederick,
    J2Plasticity,
    LinearHardening,
    Step,
    TabulatedHardening,
    VoceHardening,
    prager,
)
from jaxhomog.results import LOCAL_SOLVE

E, NU, SY = 200.0, 0.3, 0.4
G, K = E / 2.6, E / 1.2
ELASTIC = jh.LinearElastic.isotropic(E, NU)
STEP = Step(jnp.asarray(1.0))


class Ludwik(eqx.Module):
    """A user's own law, in three lines."""

    k: float = 0.9

    def __call__(self, p):
        return SY + self.k * jnp.sqrt(p + 1e-3) - self.k * 1e-3**0.5


LAWS = {
    "perfect": J2Plasticity(ELASTIC, LinearHardening(SY, 0.0)),
    "linear": J2Plasticity(ELASTIC, LinearHardening(SY, 12.0)),
    "voce": J2Plasticity(ELASTIC, VoceHardening(SY, 0.7, 40.0)),
    "table": J2Plasticity(ELASTIC, TabulatedHardening([0.0, 0.002, 0.01], [SY, 0.5, 0.6])),
    "own": J2Plasticity(ELASTIC, Ludwik()),
    "prager": J2Plasticity(ELASTIC, LinearHardening(SY, 3.0), prager(9.0)),
    "frederick": J2Plasticity(ELASTIC, VoceHardening(SY, 0.5, 30.0), ArmstrongFrederick(40.0, 80.0)),
}
FEW = ("perfect", "voce")
ANY = pytest.mark.parametrize(
    "law",
    [pytest.param(law, id=name, marks=() if name in FEW else pytest.mark.slow) for name, law in LAWS.items()],
)


@pytest.mark.parametrize("modulus", [0.0, 12.0, -5.0])
def test_shear_against_the_closed_form(modulus):
    """Simple shear: tau = (sy + H p) / sqrt 3 with p = (sqrt3 G gamma - sy) / (3 G + H)."""
    law = J2Plasticity(ELASTIC, LinearHardening(SY, modulus))
    gamma = np.asarray([0.002, 0.004, 0.01, 0.02])
    strain = np.zeros((4, 6))
    strain[:, 5] = gamma / 2**0.5
    stress, state, _, dissipation = march(law, strain)
    p = np.maximum(0, (3**0.5 * G * gamma - SY) / (3 * G + modulus))
    tau = np.where(p > 0, (SY + modulus * p) / 3**0.5, G * gamma)
    np.testing.assert_allclose(stress[:, 5] / 2**0.5, tau, rtol=1e-12)
    np.testing.assert_allclose(state[:, 6], p, rtol=1e-12, atol=1e-18)
    np.testing.assert_allclose(np.sum(dissipation), SY * p[-1], rtol=1e-12)
    np.testing.assert_allclose(stress[:, :3], 0, rtol=0, atol=1e-15)


def test_a_saturating_back_stress_against_its_integral():
    """Monotone shear: |beta| sqrt(3/2) = (C / g) (1 - exp(-g p)), of a fine backward Euler march."""
    law = J2Plasticity(ELASTIC, LinearHardening(SY, 0.0), ArmstrongFrederick(40.0, 80.0))
    strain = np.zeros((2000, 6))
    strain[:, 5] = np.linspace(0, 0.04, 2001)[1:] / 2**0.5
    stress, state, _, _ = march(law, strain)
    p = state[-1, 6]
    back = np.sqrt(1.5) * np.linalg.norm(state[-1, 7:])
    assert back == pytest.approx(0.5 * (1 - np.exp(-80 * p)), rel=1e-3)
    assert stress[-1, 5] * np.sqrt(1.5) == pytest.approx(SY + back, rel=1e-9)


def test_a_turning_path_against_an_ordinary_differential_equation():
    """Prager and linear hardening under strain that turns by ninety degrees, integrated by scipy in rate form."""
    h, c = 3.0, 9.0
    legs = [np.asarray([0.012, -0.006, -0.006, 0, 0, 0]), np.asarray([0.012, -0.006, -0.006, 0, 0, 0.012])]

    def rate(direction):
        def f(_, y):
            s, beta, p = y[:6], y[6:12], y[12]
            xi = s - beta
            q = np.sqrt(1.5) * np.linalg.norm(xi)
            flow = 1.5 * xi / q
            ds = 2 * G * direction
            over = q - (SY + h * p)
            loading = max(0.0, flow @ ds) / (3 * G + h + c) if over >= -1e-9 else 0.0
            return np.concatenate([ds - 2 * G * loading * flow, (2 / 3) * c * loading * flow, [loading]])

        return f

    # Elastic until yield on the first leg, which is uniaxial deviatoric.
    first = SY / (np.sqrt(1.5) * 2 * G * np.linalg.norm(legs[0]))
    y = np.concatenate([2 * G * legs[0] * first, np.zeros(7)])
    for start, end, span in ((legs[0] * first, legs[0], 1.0), (legs[0], legs[1], 1.0)):
        y = solve_ivp(rate(end - start), (0, span), y, rtol=1e-10, atol=1e-13, max_step=1e-3).y[:, -1]
    n = 400
    turns = np.concatenate([np.linspace(0, 1, n + 1)[1:, None] * legs[0],
                            legs[0] + np.linspace(0, 1, n + 1)[1:, None] * (legs[1] - legs[0])])  # fmt: skip
    stress, state, _, _ = march(LAWS["prager"], turns)
    np.testing.assert_allclose(stress[-1], y[:6], rtol=0, atol=2e-3 * np.linalg.norm(y[:6]))
    assert state[-1, 6] == pytest.approx(y[12], rel=2e-3)


@ANY
def test_the_yield_condition_and_the_flow(law):
    """After a step that flows: q = sigma_y(p), the plastic strain is trace-free and p its length."""
    stress, state, _, dissipation = march(law, path(1))
    points = law.points((1, 1, 1), jnp.float64)
    for s, z in zip(stress, state, strict=True):
        beta = z[7:] if law.kinematic is not None else 0
        dev = s - np.asarray([1, 1, 1, 0, 0, 0]) * s[:3].mean() - beta
        q = np.sqrt(1.5) * np.linalg.norm(dev)
        assert q <= points.hardening(z[6]) * (1 + 1e-10)
        assert abs(z[:3].sum()) < 1e-15
    grown = np.diff(state[:, 6], prepend=0)
    moved = np.sqrt(2 / 3) * np.linalg.norm(np.diff(state[:, :6], axis=0, prepend=0), axis=1)
    np.testing.assert_allclose(grown, moved, rtol=1e-9, atol=1e-16)
    assert grown[-1] > 0 and (dissipation >= 0).all()


@ANY
def test_the_energy_balance_closes_with_the_step(law):
    """Work = change of free energy + dissipation, in the limit: trapezoidal work, error of second order or first."""
    errors = []
    for n in (50, 100):
        strain = np.linspace(0, 1, n + 1)[1:, None] * np.asarray([0.01, -0.004, 0.001, 0.003, 0.0, 0.008])
        stress, _, energy, dissipation = march(law, strain)
        mean = 0.5 * (stress + np.vstack([np.zeros(6), stress[:-1]]))
        work = np.sum(mean * np.diff(strain, axis=0, prepend=0))
        errors.append(abs(work - energy[-1] - dissipation.sum()) / work)
    assert errors[1] < 0.62 * errors[0] or errors[1] < 1e-10
    assert errors[1] < 2e-3


@ANY
def test_tangent_against_differences(law):
    strain = path(3)
    points = law.points((1, 1, 1), jnp.float64)
    _, states, _, _ = march(law, strain[:-1])
    state = jnp.asarray(states[-1]).reshape(-1, 1, 1, 1)
    stress = jax.jit(lambda e: points.update(e.reshape(6, 1, 1, 1), state, STEP).stress.ravel())
    e0 = jnp.asarray(strain[-1])
    d = 1e-6
    numeric = np.stack([(stress(e0 + d * v) - stress(e0 - d * v)) / (2 * d) for v in jnp.eye(6)], axis=1)
    own = np.asarray(points.tangent(e0.reshape(6, 1, 1, 1), state, STEP).mean())
    np.testing.assert_allclose(own, numeric, rtol=0, atol=2e-6 * np.linalg.norm(numeric))
    np.testing.assert_allclose(jax.jacfwd(stress)(e0), own, rtol=0, atol=1e-9 * np.linalg.norm(own))
    assert (abs(own - own.T).max() < 1e-12 * np.linalg.norm(own)) == points.symmetric


@ANY
def test_plane_strain_is_a_solid_without_strain_along_the_third_axis(law):
    plane = path(5, n=3)
    solid = np.zeros((len(plane), 6))
    solid[:, [0, 1, 5]] = plane
    s2, _, e2, d2 = march(law, plane)
    s3, _, e3, d3 = march(law, solid)
    np.testing.assert_allclose(s2, s3[:, [0, 1, 5]], rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(e2, e3, rtol=1e-11)
    np.testing.assert_allclose(d2, d3, rtol=1e-9, atol=1e-16)


def test_a_table_that_stiffens_and_a_law_that_ends():
    """Strongly convex hardening: the tangent stiffens along the flow. Softening below zero has no root, and a code."""
    law = J2Plasticity(ELASTIC, TabulatedHardening([0.0, 0.002, 0.01], [0.4, 0.4, 10.0]))
    points = law.points((1, 1, 1), jnp.float64)
    e0 = jnp.zeros((6, 1, 1, 1)).at[5].set(0.02)
    state = points.initial((1, 1, 1), jnp.float64)
    own = np.asarray(points.tangent(e0, state, STEP).mean())
    stress = lambda e: points.update(e.reshape(6, 1, 1, 1), state, STEP).stress.ravel()  # noqa: E731
    exact = np.asarray(jax.jit(jax.jacfwd(stress))(e0.ravel()))
    np.testing.assert_allclose(own, exact, rtol=0, atol=1e-9 * np.linalg.norm(exact))
    assert float(points.tangent(e0, state, STEP).weight[0, 0, 0]) < 0
    broken = J2Plasticity(ELASTIC, LinearHardening(0.1, -20.0)).points((1, 1, 1), jnp.float64)
    assert int(jnp.max(broken.update(e0, state, STEP).code)) == LOCAL_SOLVE
    assert int(jnp.max(points.update(e0, state, STEP).code)) == 0


def test_a_void_stores_nothing():
    points = J2Plasticity(jh.LinearElastic.isotropic(0.0, 0.3), LinearHardening(SY)).points((1, 1), jnp.float64)
    up = points.update(jnp.full((3, 1, 1), 0.01), points.initial((1, 1), jnp.float64), STEP)
    assert not np.any(up.stress) and not np.any(up.energy) and not np.any(up.dissipation)


def test_plane_tangent_against_differences():
    law = LAWS["voce"]
    points = law.points((1, 1), jnp.float64)
    e0 = jnp.asarray([0.01, -0.002, 0.006])
    state = points.initial((1, 1), jnp.float64)
    stress = lambda e: points.update(e.reshape(3, 1, 1), state, STEP).stress.ravel()  # noqa: E731
    own = np.asarray(points.tangent(e0.reshape(3, 1, 1), state, STEP).mean())
    np.testing.assert_allclose(own, jax.jacfwd(stress)(e0), rtol=0, atol=1e-10 * np.linalg.norm(own))


@ANY
def test_single_precision_stays_single(law):
    points = law.points((2, 1, 1), jnp.float32)
    strain = jnp.asarray(path(2)[-1:], jnp.float32).T.reshape(6, 1, 1, 1) * jnp.ones((1, 2, 1, 1), jnp.float32)
    up = points.update(strain, points.initial((2, 1, 1), jnp.float32), Step(jnp.asarray(1.0, jnp.float32)))
    tangent = points.tangent(strain, up.state, Step(jnp.asarray(1.0, jnp.float32)))
    floats = [x for x in jax.tree.leaves((up, tangent)) if jnp.issubdtype(x.dtype, jnp.floating)]
    assert {x.dtype for x in floats} == {jnp.dtype("float32")}


def test_derivative_by_a_parameter():
    """d tau / d sigma_y = H' ... of the closed form in shear: tau = (sy + H p) / sqrt 3."""

    def tau(sy):
        law = J2Plasticity(ELASTIC, LinearHardening(sy, 12.0))
        points = law.points((1, 1, 1), jnp.float64)
        strain = jnp.zeros((6, 1, 1, 1)).at[5].set(0.02 / 2**0.5)
        return points.update(strain, points.initial((1, 1, 1), jnp.float64), STEP).stress.ravel()[5] / 2**0.5

    assert jax.grad(tau)(SY) == pytest.approx((1 - 12 / (3 * G + 12)) / 3**0.5, rel=1e-10)


@pytest.mark.parametrize(
    "build, words",
    [
        (lambda: J2Plasticity(jh.LinearElastic.cubic(3.0, 1.0, 1.0), LinearHardening(1.0, 0.0)), "isotropic"),
        (lambda: J2Plasticity(ELASTIC, 0.4), "hardening"),
        (lambda: J2Plasticity(ELASTIC, LinearHardening(-1.0, 0.0)).check(), "yield_stress"),
        (lambda: J2Plasticity(ELASTIC, VoceHardening(1.0, 2.0, 0.0)).check(), "rate"),
        (lambda: TabulatedHardening([0.0, 0.1], [1.0]), "same length"),
        (lambda: TabulatedHardening([0.0, 0.1, 0.1], [1.0, 2.0, 3.0]).check(), "rise from 0"),
        (lambda: J2Plasticity(ELASTIC, LinearHardening(1.0), prager(-1.0)).check(), "kinematic"),
        (lambda: J2Plasticity(ELASTIC, LinearHardening(np.ones((2, 3)))).points((4, 4), jnp.float64), "broadcast"),
    ],
)
def test_bad_input_is_named(build, words):
    with pytest.raises(jh.InputError, match=words):
        build()
