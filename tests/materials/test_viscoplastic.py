"""Viscoplasticity at a point: closed forms, an independent integration, limits, tangent, energies, both dimensions."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from one_point import ONE, deviator, differences, march, mises, one_step, path, slopes, wave
from scipy.integrate import solve_ivp

import jaxhomog as jh
from jaxhomog.materials import (
    J2Plasticity,
    LinearHardening,
    Norton,
    Step,
    TabulatedHardening,
    ViscoPlasticity,
    VoceHardening,
)
from jaxhomog.results import INVALID_MATERIAL, SUCCESS

pytestmark = pytest.mark.slow

E, NU, SY = 200.0, 0.3, 0.4
G, K = E / 2.6, E / 1.2
ELASTIC = jh.LinearElastic.isotropic(E, NU)


class Ludwik(eqx.Module):
    """A user's own law."""

    k: float = 0.9

    def __call__(self, p):
        return SY + self.k * jnp.sqrt(p + 1e-3) - self.k * 1e-3**0.5


LAWS = {
    "perzyna": ViscoPlasticity(ELASTIC, LinearHardening(SY, 12.0), 0.2, 3.0, 0.01),
    "linear_rate": ViscoPlasticity(ELASTIC, VoceHardening(SY, 0.7, 40.0), 0.3, 1.0, 0.01),
    "steep": ViscoPlasticity(ELASTIC, TabulatedHardening([0.0, 0.002, 0.01], [SY, 0.5, 0.6]), 0.1, 25.0, 0.002),
    "own": ViscoPlasticity(ELASTIC, Ludwik(), 0.2, 1.5, 0.01),
    "norton": Norton(ELASTIC, 0.5, 5.0, 0.01),
    "maxwell": Norton(ELASTIC, 0.5, 1.0, 0.01),
}
ANY = pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())


def shear(gamma):
    strain = np.zeros((len(gamma), 6))
    strain[:, 5] = np.asarray(gamma) / 2**0.5
    return strain


@pytest.mark.parametrize("n", [1.0, 3.0, 20.0])
def test_relaxation_under_a_held_strain(n):
    """Norton in shear: q' = -3 G rate (q / s)^n, so q^(1 - n) grows linearly (n = 1: exponential); first order."""
    q0, s, rate, end = G * 0.01 * 3**0.5, 0.8, 0.002, 3.0
    c = 3 * G * rate / s
    exact = q0 * np.exp(-c * end) if n == 1 else s * ((q0 / s) ** (1 - n) + (n - 1) * c * end) ** (1 / (1 - n))
    errors = []
    for steps in (400, 800):
        dts = np.full(steps + 1, end / steps)
        dts[0] = 1e-12
        errors.append(
            mises(march(Norton(ELASTIC, s, n, rate), shear(np.full(steps + 1, 0.01)), dts)[0][-1]) / exact - 1
        )
    assert 0 < errors[1] < 4e-3 and errors[1] < 0.55 * errors[0]


@pytest.mark.parametrize("n", [1.0, 2.0, 8.0])
def test_steady_flow_at_a_constant_rate(n):
    """q = sigma_y + drag (d_eq / rate)^(1 / n) once the stress no longer changes, whatever the step; Norton alike."""
    rates = np.asarray([0.02, 0.5])
    for d in rates:
        gamma = d * 3**0.5 * np.arange(1, 60)
        perfect = march(ViscoPlasticity(ELASTIC, LinearHardening(SY), 0.2, n, 0.1), shear(gamma))[0][-1]
        assert mises(perfect) == pytest.approx(SY + 0.2 * (d / 0.1) ** (1 / n), rel=1e-9)
        creep = march(Norton(ELASTIC, 0.7, n, 0.1), shear(gamma))[0][-1]
        assert mises(creep) == pytest.approx(0.7 * (d / 0.1) ** (1 / n), rel=1e-9)


@pytest.mark.parametrize("modulus", [12.0, 0.0, -5.0])
def test_one_step_of_linear_rate(modulus):
    """n = 1: dp = (q_trial - sigma_y) / (3 G + H + drag / (rate dt)), hardening or softening."""
    law, dt = ViscoPlasticity(ELASTIC, LinearHardening(SY, modulus), 0.3, 1.0, 0.01), 2.5
    stress, state, energy, dissipation = march(law, shear([0.02]), dt)
    dp = (3**0.5 * G * 0.02 - SY) / (3 * G + modulus + 0.3 / (0.01 * dt))
    q = 3**0.5 * G * 0.02 - 3 * G * dp
    assert state[0, 6] == pytest.approx(dp, rel=1e-12) and mises(stress[0]) == pytest.approx(q, rel=1e-12)
    assert dissipation[0] == pytest.approx((q - modulus * dp) * dp, rel=1e-12)
    assert energy[0] == pytest.approx(q**2 / (6 * G) + 0.5 * modulus * dp**2, rel=1e-12)


def test_a_step_without_an_answer_says_so():
    """Softening to a negative yield stress leaves the equation without a root: a code, not a silent number."""
    law = ViscoPlasticity(ELASTIC, LinearHardening(SY, -20.0), 0.01, 3.0, 1.0)
    codes = [one_step(law, jnp.asarray(shear([x])[0]), jnp.asarray(1.0))[0].code.item() for x in (0.001, 0.02, 0.1)]
    assert codes == [SUCCESS, SUCCESS, INVALID_MATERIAL]


def test_creep_under_constant_stress():
    """Uniaxial stress s held: strain grows by rate (s / s0)^n t along, minus half of it across; exact in the step."""
    s, n, rate, dt, steps = 0.6, 4.0, 0.01, 0.5, 10
    points = Norton(ELASTIC, 0.5, n, rate).points((1, 1, 1), jnp.float64)
    target = jnp.zeros((6, 1, 1, 1)).at[0].set(s)

    @jax.jit
    def creep():
        def newton(_, carry):
            strain, state = carry
            stiff = points.tangent(strain, state, Step(dt)).mean()
            missing = (target - points.update(strain, state, Step(dt)).stress).ravel()
            return strain + jnp.linalg.solve(stiff, missing).reshape(6, 1, 1, 1), state

        def body(carry, _):
            strain, state = jax.lax.fori_loop(0, 8, newton, carry)
            return (strain, points.update(strain, state, Step(dt)).state), strain.ravel()

        start = (target / E, points.initial((1, 1, 1), jnp.float64))
        return jax.lax.scan(body, start, None, length=steps)[1]

    strain = np.asarray(creep())
    flow = rate * (s / 0.5) ** n * dt * np.arange(1, steps + 1)
    np.testing.assert_allclose(strain[:, 0], s / E + flow, rtol=1e-10)
    np.testing.assert_allclose(strain[:, 1], -NU * s / E - 0.5 * flow, rtol=1e-10)


@pytest.mark.parametrize("name", ["perzyna", "norton"])
def test_a_wave_against_an_ordinary_differential_equation(name):
    """A turning path integrated by scipy in rate form: stress, p and dissipation, of first order in the step."""
    law, end = LAWS[name], 3.0
    sy, h, drag, n = (SY, 12.0, 0.2, 3.0) if name == "perzyna" else (0.0, 0.0, 0.5, 5.0)

    def f(t, y):
        rate = (wave(t + 1e-6) - wave(t - 1e-6)) / 2e-6
        s, p = y[:6], y[6]
        q = mises(s)
        dp = 0.01 * (max(q - sy - h * p, 0) / drag) ** n
        return np.concatenate([2 * G * (deviator(rate) - 1.5 * dp * s / max(q, 1e-300)), [dp, (q - h * p) * dp]])

    y = solve_ivp(f, (0, end), np.zeros(8), rtol=1e-9, atol=1e-12, method="LSODA").y[:, -1]
    errors = []
    for steps in (400, 800):
        stress, state, _, lost = march(law, wave(np.linspace(0, end, steps + 1)[1:]), end / steps)
        miss = (deviator(stress[-1]) - y[:6]) / np.linalg.norm(y[:6])
        errors.append([np.linalg.norm(miss), abs(state[-1, 6] / y[6] - 1), abs(lost.sum() / y[7] - 1)])
    assert (np.asarray(errors[1]) < 5e-3).all()
    assert (np.asarray(errors[1]) < 0.56 * np.asarray(errors[0]) + 1e-6).all()


@ANY
def test_the_flow_of_a_step(law):
    """dp = rate dt (overstress / drag)^n, the plastic strain is trace-free along the stress, p its length."""
    stress, state, _, dissipation = march(law, path(1))
    points = law.points((1, 1, 1), jnp.float64)
    p = state[:, 6]
    grown = np.diff(p, prepend=0)
    q, sy = mises(stress), np.asarray(points.threshold(jnp.asarray(p)))
    over = np.maximum(q - sy, 0)
    expected = float(points.rate) * (over / float(points.drag)) ** float(points.exponent)
    np.testing.assert_allclose(grown, expected, rtol=1e-8, atol=1e-15)
    flow = np.diff(state[:, :6], axis=0, prepend=0)
    np.testing.assert_allclose(flow, (1.5 * grown / q)[:, None] * deviator(stress), rtol=0, atol=1e-12)
    np.testing.assert_allclose(flow[:, :3].sum(axis=1), 0, rtol=0, atol=1e-16)
    start = float(points.threshold(jnp.zeros(())))
    np.testing.assert_allclose(dissipation, (q - sy + start) * grown, rtol=1e-8, atol=1e-16)
    assert grown[-1] > 0


@ANY
def test_no_flow_below_the_threshold(law):
    """A small strain is elastic; without threshold the flow is as small as the power law says."""
    strain = path(4, steps=1) * 1e-2
    stress, state, energy, dissipation = march(law, strain)
    elastic = 2 * G * deviator(strain[0]) + K * strain[0, :3].sum() * ONE
    if isinstance(law, ViscoPlasticity):
        np.testing.assert_allclose(stress[0], elastic, rtol=1e-12, atol=1e-16)
        assert state[0, 6] == 0 and dissipation[0] == 0
        assert energy[0] == pytest.approx(0.5 * elastic @ strain[0], rel=1e-12)
    else:
        assert 0 < state[0, 6] <= 0.01 * (mises(elastic) / 0.5) ** float(law.exponent)


@ANY
def test_the_energy_balance_closes_with_the_step(law):
    """Trapezoidal work - change of energy - dissipation falls with the step, at first order."""
    errors = []
    for n in (100, 200):
        strain = np.linspace(0, 1, n + 1)[1:, None] * np.asarray([0.01, -0.004, 0.001, 0.003, 0.0, 0.008])
        stress, _, energy, dissipation = march(law, strain, 6 / n)
        mean = 0.5 * (stress + np.vstack([np.zeros(6), stress[:-1]]))
        work = np.sum(mean * np.diff(strain, axis=0, prepend=0))
        errors.append(abs(work - energy[-1] - dissipation.sum()) / work)
    assert errors[1] < 0.6 * errors[0] and errors[1] < 5e-3


@ANY
def test_dissipation_is_never_negative(law):
    rng = np.random.default_rng(7)
    strain = rng.normal(size=(200, 6)) * 10.0 ** rng.integers(-6, 0, size=(200, 1))
    dts = 10.0 ** rng.uniform(-6, 4, size=200)
    for dtype in (np.float64, np.float32):
        stress, state, energy, dissipation = march(law, strain.astype(dtype), dts)
        assert np.isfinite(stress).all() and np.isfinite(state).all() and np.isfinite(energy).all()
        assert (dissipation >= 0).all() and dissipation.max() > 0 and (np.diff(state[:, 6]) >= 0).all()


@ANY
def test_tangent_against_differences(law):
    """Central differences of whole marches, and automatic differentiation."""
    strain = path(3)
    own, automatic = slopes(law, jnp.asarray(strain[-1]), jnp.asarray(march(law, strain)[1][-2]), 1.0)
    own = np.asarray(own)
    assert np.linalg.norm(own - 2 * G * np.eye(6) - (K - 2 * G / 3) * np.outer(ONE, ONE)) > 0.05 * np.linalg.norm(own)
    np.testing.assert_allclose(own, differences(law, strain, 1.0, 1e-6), rtol=0, atol=2e-6 * np.linalg.norm(own))
    np.testing.assert_allclose(automatic, own, rtol=0, atol=1e-9 * np.linalg.norm(own))
    assert abs(own - own.T).max() < 1e-12 * np.linalg.norm(own)


@ANY
def test_plane_strain_is_a_solid_without_strain_along_the_third_axis(law):
    plane = path(5, n=3)
    solid = np.zeros((len(plane), 6))
    solid[:, [0, 1, 5]] = plane
    s2, z2, e2, d2 = march(law, plane)
    s3, _, e3, d3 = march(law, solid)
    np.testing.assert_allclose(s2, s3[:, [0, 1, 5]], rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(e2, e3, rtol=1e-10)
    np.testing.assert_allclose(d2, d3, rtol=1e-8, atol=1e-16)
    own, automatic = slopes(law, jnp.asarray(plane[-1]), jnp.asarray(z2[-2]), 1.0)
    np.testing.assert_allclose(automatic, own, rtol=0, atol=1e-9 * np.linalg.norm(own))


# ------------------------------------------------------------------------------------------------- limits


def _independent(strains, hardening):
    """Rate-independent radial return with linear hardening, in closed form step by step."""
    sy, h = hardening
    plastic, p, out = np.zeros(6), 0.0, []
    for e in strains:
        trial = 2 * G * (deviator(e) - plastic)
        q = np.sqrt(1.5) * np.linalg.norm(trial)
        dp = max(0.0, (q - sy - h * p) / (3 * G + h))
        plastic, p = plastic + 1.5 * dp * trial / q, p + dp
        out.append(trial * (1 - 3 * G * dp / q) + K * e[:3].sum() * ONE)
    return np.asarray(out)


def test_slow_flow_is_rate_independent():
    """dt -> infinity leaves no overstress: the answer of plasticity, in closed form and of J2Plasticity."""
    strains = path(6)
    for n in (1.0, 3.0):
        slow = march(ViscoPlasticity(ELASTIC, LinearHardening(SY, 12.0), 0.2, n, 0.01), strains, 1e30)[0]
        np.testing.assert_allclose(slow, _independent(strains, (SY, 12.0)), rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(
            slow, march(J2Plasticity(ELASTIC, LinearHardening(SY, 12.0)), strains)[0], rtol=0, atol=1e-9
        )


def test_a_large_exponent_is_plasticity_with_a_higher_yield_stress():
    """(x / drag)^n is nothing below drag and everything above: sigma_y + drag is the yield stress."""
    strains = path(6)
    exact, errors = _independent(strains, (SY + 0.1, 12.0)), []
    for n in (100.0, 1000.0):
        stress = march(ViscoPlasticity(ELASTIC, LinearHardening(SY, 12.0), 0.1, n, 0.01), strains)[0]
        errors.append(np.abs(stress - exact).max() / np.abs(exact).max())
    assert errors[1] < 2e-3 and errors[1] < 0.2 * errors[0]


def test_a_sudden_strain_is_elastic():
    strain = path(2, steps=1)
    for law in LAWS.values():
        expected = 2 * G * deviator(strain[0]) + K * strain[0, :3].sum() * ONE
        fast = LAWS["steep"] is law  # the overstress of a high power is felt in the shortest step
        np.testing.assert_allclose(march(law, strain, 1e-60 if fast else 1e-20)[0][0], expected, rtol=1e-9, atol=1e-12)


def test_a_hollow_sphere_that_grows():
    """Case pl.hollow_sphere_power: S = integral of 2 q / r dr over a shell in steady flow, volume fraction f = a^3/b^3.

    Incompressible: d_eq = 2 D (b / r)^3 with D = b' / b, closed form of Wilkinson & Ashby (1975).
    """
    n, f, rate = 5.0, 0.1, 0.5
    x, w = np.polynomial.legendre.leggauss(16)
    low = f ** (1 / 3)
    r = low + (1 - low) * 0.5 * (1 + x)
    law = Norton(ELASTIC, 1.0, n, 1.0)
    direction = np.asarray([-2.0, 1.0, 1.0, 0, 0, 0])

    @jax.jit
    def steady(radius):
        points = law.points((16, 1, 1), jnp.float64)
        unit = jnp.asarray(direction)[:, None, None, None] * (rate / radius**3)[None, :, None, None]

        def body(carry, _):
            time, state = carry
            up = points.update(time * unit, state, Step(jnp.asarray(1.0)))
            return (time + 1.0, up.state), up.stress

        return jax.lax.scan(body, (1.0, points.initial((16, 1, 1), jnp.float64)), None, length=6)[1][-1]

    s = np.asarray(steady(jnp.asarray(r)))[:, :, 0, 0]
    total = (1 - low) * 0.5 * np.sum(w * 2 * (s[1] - s[0]) / r)
    exact = 2 * (2 * rate) ** (1 / n) * (n / 3) * (f ** (-1 / n) - 1)
    assert exact == pytest.approx(1.9496439748703787, rel=1e-12)
    assert total == pytest.approx(exact, rel=1e-8)


# ----------------------------------------------------------------------------------------- precision, doors


@ANY
def test_single_precision_stays_single(law):
    """Also under a time step in double precision."""
    out = one_step(law, jnp.asarray(path(2)[-1], jnp.float32), jnp.asarray(1.0))
    assert {x.dtype for x in jax.tree.leaves(out) if x.dtype != jnp.int32} == {jnp.dtype("float32")}
    assert out[0].code.dtype == jnp.int32 and out[0].code.item() == SUCCESS
    double = march(law, path(2)[-1:])[0][0]
    np.testing.assert_allclose(np.ravel(out[0].stress), double, rtol=0, atol=3e-5 * np.abs(double).max())


def test_a_void_carries_nothing():
    """Young's modulus 0 in some voxels: finite values, no stress, no flow."""
    law = Norton(jh.LinearElastic.isotropic(np.asarray([0.0, E]).reshape(2, 1, 1), NU), 0.5, 3.0, 0.01)
    points = law.points((2, 1, 1), jnp.float64)
    strain = jnp.full((6, 2, 1, 1), 0.01).at[0].set(-0.02)
    up = jax.jit(lambda e: points.update(e, points.initial((2, 1, 1), jnp.float64), Step(1.0)))(strain)
    assert all(bool(jnp.isfinite(x).all()) for x in jax.tree.leaves(up))
    assert not np.asarray(up.stress[:, 0]).any() and up.state[-1, 0, 0, 0] == 0 and up.state[-1, 1, 0, 0] > 0


@pytest.mark.parametrize(
    "build, words",
    [
        (lambda: Norton(jh.LinearElastic.cubic(3.0, 1.0, 1.0), 1.0, 1.0, 1.0), "isotropic"),
        (lambda: ViscoPlasticity(ELASTIC, 0.4, 1.0, 1.0, 1.0), "hardening"),
        (lambda: ViscoPlasticity(ELASTIC, LinearHardening(-1.0), 1.0, 1.0, 1.0).check(), "yield_stress"),
        (lambda: ViscoPlasticity(ELASTIC, LinearHardening(1.0), 0.0, 1.0, 1.0).check(), "drag is 0"),
        (lambda: ViscoPlasticity(ELASTIC, LinearHardening(1.0), 1.0, 0.5, 1.0).check(), "exponent is 0.5"),
        (lambda: ViscoPlasticity(ELASTIC, LinearHardening(1.0), 1.0, 1.0, -1.0).check(), "reference_rate is -1"),
        (lambda: Norton(ELASTIC, 0.0, 1.0, 1.0).check(" of phase 3"), "stress of phase 3 is 0"),
        (lambda: Norton(ELASTIC, 1.0, np.nan, 1.0).check(), "exponent is nan"),
        (lambda: Norton(ELASTIC, 1.0, np.ones((2, 3)), 1.0).points((4, 4), jnp.float64), "exponent .* broadcast"),
    ],
)
def test_bad_input_is_named(build, words):
    with pytest.raises(jh.InputError, match=words) as error:
        build()
    assert "\n" not in str(error.value)


def test_a_traced_value_that_is_bad_becomes_a_code():
    code = jax.jit(lambda n: Norton(ELASTIC, 1.0, n, 1.0).code())
    assert code(1.0) == SUCCESS and code(0.9) == INVALID_MATERIAL and code(jnp.nan) == INVALID_MATERIAL
