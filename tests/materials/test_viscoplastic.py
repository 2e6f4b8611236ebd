"""Viscoplasticity at a point: closed forms, an independent integration, limits, tangent, energies, both dimensions."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
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

E, NU, SY = 200.0, 0.3, 0.4
G, K = E / 2.6, E / 1.2
ELASTIC = jh.LinearElastic.isotropic(E, NU)
ONE = np.asarray([1.0, 1, 1, 0, 0, 0])


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


@eqx.filter_jit
def _march(law, strains, dts):
    pts = (1,) * (3 if strains.shape[1] == 6 else 2)
    points = law.points(pts, strains.dtype)

    def body(state, inputs):
        strain, dt = inputs
        up = points.update(strain.reshape(-1, *pts), state, Step(dt))
        return up.state, (up.stress.ravel(), up.state.ravel(), up.energy.ravel()[0], up.dissipation.ravel()[0])

    return jax.lax.scan(body, points.initial(pts, strains.dtype), (strains, dts))[1]


def march(law, strains, dts=1.0):
    """Stress, state, energy and dissipation of a history of strains (T, n) with steps of time (T,) at one point."""
    dts = np.broadcast_to(dts, (len(strains),)).astype(strains.dtype)
    return tuple(np.asarray(x) for x in _march(law, jnp.asarray(strains), jnp.asarray(dts)))


def path(seed, steps=6, n=6, size=6e-3):
    return np.cumsum(np.random.default_rng(seed).normal(size=(steps, n)), axis=0) * size / steps**0.5


def dev(e):
    return e - ONE * e[..., :3].mean(axis=-1, keepdims=True)


def mises(s):
    return np.sqrt(1.5) * np.linalg.norm(dev(s), axis=-1)


def shear(gamma):
    strain = np.zeros((len(gamma), 6))
    strain[:, 5] = np.asarray(gamma) / 2**0.5
    return strain


def wave(t):
    """A smooth strain path that starts at zero with all components."""
    t = np.asarray(t)[..., None]
    return 1e-2 * np.sin(t * np.asarray([1.0, 2.0, 0.7, 1.3, 0.4, 1.6])) * np.asarray([1, -0.5, 0.3, 0.8, 1, 0.6])


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
        return np.concatenate([2 * G * (dev(rate) - 1.5 * dp * s / max(q, 1e-300)), [dp, (q - h * p) * dp]])

    y = solve_ivp(f, (0, end), np.zeros(8), rtol=1e-9, atol=1e-12, method="LSODA").y[:, -1]
    errors = []
    for steps in (400, 800):
        stress, state, _, lost = march(law, wave(np.linspace(0, end, steps + 1)[1:]), end / steps)
        miss = (dev(stress[-1]) - y[:6]) / np.linalg.norm(y[:6])
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
    np.testing.assert_allclose(flow, (1.5 * grown / q)[:, None] * dev(stress), rtol=0, atol=1e-12)
    np.testing.assert_allclose(flow[:, :3].sum(axis=1), 0, atol=1e-16)
    start = float(points.threshold(jnp.zeros(())))
    np.testing.assert_allclose(dissipation, (q - sy + start) * grown, rtol=1e-8, atol=1e-16)
    assert grown[-1] > 0


@ANY
def test_no_flow_below_the_threshold(law):
    """A small strain is elastic; without threshold the flow is as small as the power law says."""
    strain = path(4, steps=1) * 1e-2
    stress, state, energy, dissipation = march(law, strain)
    elastic = 2 * G * dev(strain[0]) + K * strain[0, :3].sum() * ONE
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
    strain = path(3)
    points = law.points((1, 1, 1), jnp.float64)
    step = Step(jnp.asarray(1.0))
    state = jnp.asarray(march(law, strain[:-1])[1][-1]).reshape(-1, 1, 1, 1)
    stress = jax.jit(lambda e: points.update(e.reshape(6, 1, 1, 1), state, step).stress.ravel())
    e0 = jnp.asarray(strain[-1])
    d = 1e-6
    numeric = np.stack([(stress(e0 + d * v) - stress(e0 - d * v)) / (2 * d) for v in jnp.eye(6)], axis=1)
    own = np.asarray(points.tangent(e0.reshape(6, 1, 1, 1), state, step).mean())
    assert np.linalg.norm(own - 2 * G * np.eye(6) - (K - 2 * G / 3) * np.outer(ONE, ONE)) > 0.05 * np.linalg.norm(own)
    np.testing.assert_allclose(own, numeric, atol=2e-6 * np.linalg.norm(numeric))
    np.testing.assert_allclose(jax.jit(jax.jacfwd(stress))(e0), own, atol=1e-9 * np.linalg.norm(own))
    np.testing.assert_allclose(jax.jit(jax.jacrev(stress))(e0), own, atol=1e-9 * np.linalg.norm(own))
    assert points.symmetric and abs(own - own.T).max() < 1e-12 * np.linalg.norm(own)


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
    points, state = law.points((1, 1), jnp.float64), jnp.asarray(z2[-2]).reshape(-1, 1, 1)
    stress = lambda e: points.update(e.reshape(3, 1, 1), state, Step(1.0)).stress.ravel()  # noqa: E731
    own = np.asarray(points.tangent(jnp.asarray(plane[-1]).reshape(3, 1, 1), state, Step(1.0)).mean())
    np.testing.assert_allclose(
        jax.jit(jax.jacfwd(stress))(jnp.asarray(plane[-1])), own, atol=1e-9 * np.linalg.norm(own)
    )


# ------------------------------------------------------------------------------------------------- limits


def _independent(strains, hardening):
    """Rate-independent radial return with linear hardening, in closed form step by step."""
    sy, h = hardening
    plastic, p, out = np.zeros(6), 0.0, []
    for e in strains:
        trial = 2 * G * (dev(e) - plastic)
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
        np.testing.assert_allclose(slow, march(J2Plasticity(ELASTIC, LinearHardening(SY, 12.0)), strains)[0], atol=1e-9)


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
        expected = 2 * G * dev(strain[0]) + K * strain[0, :3].sum() * ONE
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


# ------------------------------------------------------------------------------------- precision, derivatives, doors


@ANY
def test_single_precision_stays_single(law):
    points = law.points((2, 1, 1), jnp.float32)
    strain = jnp.asarray(path(2)[-1:], jnp.float32).T.reshape(6, 1, 1, 1) * jnp.ones((1, 2, 1, 1), jnp.float32)
    double = march(law, path(2)[-1:])[0][0]
    for dt in (jnp.asarray(1.0, jnp.float32), jnp.asarray(1.0), 1.0):
        up = points.update(strain, points.initial((2, 1, 1), jnp.float32), Step(dt))
        leaves = jax.tree.leaves((up, points.tangent(strain, up.state, Step(dt))))
        assert {x.dtype for x in leaves if jnp.issubdtype(x.dtype, jnp.floating)} == {jnp.dtype("float32")}
    np.testing.assert_allclose(up.stress[:, 0, 0, 0], double, rtol=0, atol=3e-5 * np.abs(double).max())


def test_derivatives_by_parameters():
    """Steady shear, q = drag (d / rate)^(1 / n): dq/d drag = q / drag, dq/dn = -q ln(d / rate) / n^2, both ways."""
    d, drag, n, rate = 0.5, 0.7, 4.0, 0.1
    strains = jnp.asarray(shear(d * 3**0.5 * np.arange(1, 15)))

    def stress(theta):
        points = Norton(ELASTIC, theta[0], theta[1], theta[2]).points((1, 1, 1), jnp.float64)

        def body(state, strain):
            up = points.update(strain.reshape(6, 1, 1, 1), state, Step(1.0))
            return up.state, up.stress[5, 0, 0, 0] * 1.5**0.5

        return jax.lax.scan(body, points.initial((1, 1, 1), jnp.float64), strains)[1][-1]

    q = drag * (d / rate) ** (1 / n)
    exact = [q / drag, -q * np.log(d / rate) / n**2, -q / (n * rate)]
    theta = jnp.asarray([drag, n, rate])
    np.testing.assert_allclose(jax.jit(jax.grad(stress))(theta), exact, rtol=1e-8)
    np.testing.assert_allclose(jax.jit(jax.jacfwd(stress))(theta), exact, rtol=1e-8)


@ANY
def test_derivatives_are_finite_where_nothing_flows(law):
    """At the virgin state and below the threshold, first and second order, by strain and by every parameter."""

    @eqx.filter_jit
    def all_of(law, strain):
        def total(law, strain):
            points = law.points((1, 1, 1), jnp.float64)
            state = points.initial((1, 1, 1), jnp.float64)
            up = points.update(strain, state, Step(jnp.asarray(1.0)))
            out = (up.stress.sum(), up.state.sum(), up.energy.sum(), up.dissipation.sum())
            return sum(out) + points.tangent(strain, state, Step(jnp.asarray(1.0))).mean().sum()

        by_law = eqx.filter_grad(total)(law, strain)
        by_strain = jax.grad(lambda e: total(law, e))
        return by_law, by_strain(strain), jax.jvp(by_strain, (strain,), (jnp.ones_like(strain),))[1]

    for size in (0.0, 1e-5):
        leaves = jax.tree.leaves(all_of(law, jnp.full((6, 1, 1, 1), size).at[0].multiply(-1.0)))
        assert all(bool(jnp.isfinite(x).all()) for x in leaves if eqx.is_inexact_array(x))


def test_fields_and_lanes_are_alone():
    """A field of exponents is a law per voxel; vmap over the exponent is a loop."""
    exponents = np.asarray([1.0, 2.5, 6.0])
    strain = path(4, steps=1)

    @jax.jit
    def stress(exponent, strain):
        points = Norton(ELASTIC, 0.5, exponent, 0.01).points((3, 1, 1), jnp.float64)
        strain = jnp.broadcast_to(strain.reshape(6, 1, 1, 1), (6, 3, 1, 1))
        return points.update(strain, points.initial((3, 1, 1), jnp.float64), Step(jnp.asarray(2.0))).stress

    field = np.asarray(stress(jnp.asarray(exponents.reshape(3, 1, 1)), jnp.asarray(strain[0])))[:, :, 0, 0]
    for i, n in enumerate(exponents):
        np.testing.assert_allclose(field[:, i], march(Norton(ELASTIC, 0.5, n, 0.01), strain, 2.0)[0][0], rtol=1e-9)
    lanes = jax.vmap(stress, (0, None))(jnp.asarray(exponents), jnp.asarray(strain[0]))
    np.testing.assert_allclose(np.asarray(lanes)[:, :, 0, 0, 0].T, field, rtol=1e-9)


def test_a_void_carries_nothing():
    """Young's modulus 0 in some voxels: finite values, no stress, no flow."""
    points = Norton(jh.LinearElastic.isotropic(np.asarray([0.0, E]).reshape(2, 1, 1), NU), 0.5, 3.0, 0.01)
    points = points.points((2, 1, 1), jnp.float64)
    strain = jnp.full((6, 2, 1, 1), 0.01).at[0].set(-0.02)
    up = points.update(strain, points.initial((2, 1, 1), jnp.float64), Step(jnp.asarray(1.0)))
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
