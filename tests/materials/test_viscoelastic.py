"""Linear viscoelasticity at a point: closed forms, an independent integration, tangent, energies, both dimensions."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from one_point import ONE, deviator, differences, march, one_step, path, slopes, wave
from scipy.integrate import solve_ivp

import jaxhomog as jh
from jaxhomog.materials import GeneralizedMaxwell, KelvinVoigt, Step
from jaxhomog.results import INVALID_MATERIAL, SUCCESS

E, NU = 10.0, 0.3
G, K = E / 2.6, E / 1.2
ELASTIC = jh.LinearElastic.isotropic(E, NU)
BRANCHES, TIMES, BULKS = np.asarray([4.0, 2.5]), np.asarray([0.5, 3.0]), np.asarray([3.0, 1.5])
ETA, ZETA = 1.7, 0.6

LAWS = {
    "maxwell": GeneralizedMaxwell(ELASTIC, BRANCHES, TIMES),
    "maxwell_bulk": GeneralizedMaxwell(ELASTIC, BRANCHES, TIMES, BULKS),
    "kelvin": KelvinVoigt(ELASTIC, ETA, ZETA),
}
ANY = pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())


def test_relaxation_after_a_sudden_strain():
    """Held after a jump: G(t) = G + sum G_i exp(-t / tau_i), K(t) alike, whatever the steps."""
    strain = np.asarray([0.01, -0.004, 0.003, 0.002, 0.0, 0.006])
    dts = np.asarray([1e-10, 0.1, 2.0, 0.03, 5.0, 1e3])
    stress, _, _, _ = march(LAWS["maxwell_bulk"], np.tile(strain, (6, 1)), dts)
    decay = np.exp(-np.cumsum(dts)[:, None] / TIMES)
    shear, bulk = G + decay @ BRANCHES, K + decay @ BULKS
    expected = 2 * shear[:, None] * deviator(strain) + (bulk * strain[:3].sum())[:, None] * ONE
    np.testing.assert_allclose(stress, expected, rtol=1e-8, atol=1e-12)


def test_a_constant_rate_against_the_closed_form():
    """d eps / dt = r: sigma = 2 r (G t + sum G_i tau_i (1 - exp(-t / tau_i))), exact with few unequal steps."""
    dts = np.asarray([0.3, 1.1, 0.02, 4.0])
    t = np.cumsum(dts)
    strain = np.zeros((4, 6))
    strain[:, 5] = 0.02 * t
    stress, _, _, _ = march(LAWS["maxwell"], strain, dts)
    expected = 0.04 * (G * t + (BRANCHES * TIMES * -np.expm1(-t[:, None] / TIMES)).sum(axis=1))
    np.testing.assert_allclose(stress[:, 5], expected, rtol=1e-12)


def test_kelvin_voigt_at_a_constant_rate():
    """sigma = C : eps + 2 eta dev r + zeta tr r, split in its two parts."""
    law, rate = LAWS["kelvin"], np.asarray([0.01, -0.004, 0.003, 0.002, 0.0, 0.006])
    dts = np.asarray([0.3, 1.1, 0.02])
    strain = np.cumsum(dts)[:, None] * rate
    stress, state, _, dissipation = march(law, strain, dts)
    spring = 2 * G * deviator(strain) + K * strain[:, :3].sum(axis=1)[:, None] * ONE
    dashpot = 2 * ETA * deviator(rate) + ZETA * rate[:3].sum() * ONE
    np.testing.assert_allclose(stress, spring + dashpot, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(dissipation, dts * (dashpot @ rate), rtol=1e-12)
    points, old, new = law.points((1, 1, 1), jnp.float64), state[1].reshape(6, 1, 1, 1), strain[2].reshape(6, 1, 1, 1)
    parts = points.split(jnp.asarray(new), jnp.asarray(old), Step(jnp.asarray(dts[2])))
    np.testing.assert_allclose(np.ravel(parts[0]), spring[2], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(np.ravel(parts[1]), dashpot, rtol=1e-11, atol=1e-13)


def test_kelvin_voigt_creeps_towards_its_spring():
    """Constant shear stress s: eps(t) = s / 2G (1 - exp(-G t / eta)); backward Euler, of first order in the step."""
    s, end, errors = 0.1, 0.5, []
    points = LAWS["kelvin"].points((1, 1, 1), jnp.float64)

    @eqx.filter_jit
    def creep(dt, steps):
        def body(strain, _):
            # One step of Newton: the law is linear.
            step = Step(dt)
            stress = points.update(strain, strain, step).stress[5]
            stiff = 2 * points.tangent(strain, strain, step).mu
            return strain.at[5].add((s - stress) / stiff), None

        return jax.lax.scan(body, jnp.zeros((6, 1, 1, 1)), None, length=steps)[0][5, 0, 0, 0]

    for n in (100, 200):
        errors.append(float(creep(jnp.asarray(end / n), n)) / (s / (2 * G) * -np.expm1(-G * end / ETA)) - 1)
    assert abs(errors[1]) < 2e-3 and 0.48 < errors[1] / errors[0] < 0.52


@pytest.mark.parametrize("frequency", [0.3, 2.0])
def test_storage_and_loss_modulus(frequency):
    """G' = G + sum G_i w^2 tau^2 / (1 + w^2 tau^2), G'' = sum G_i w tau / (1 + w^2 tau^2), of second order."""
    x = frequency * TIMES
    exact = G + (BRANCHES * x**2 / (1 + x**2)).sum() + 1j * (BRANCHES * x / (1 + x**2)).sum()
    errors = []
    for n in (60, 120):
        dt, periods = 2 * np.pi / frequency / n, 12
        phase = 2 * np.pi * np.arange(1, n * periods + 1) / n
        strain = np.zeros((n * periods, 6))
        strain[:, 5] = np.sin(phase)
        stress = march(LAWS["maxwell"], strain, dt)[0][-n:, 5] / 2
        errors.append(
            abs(2 / n * (stress @ np.sin(phase[-n:]) + 1j * stress @ np.cos(phase[-n:])) - exact) / abs(exact)
        )
    assert errors[1] < 3e-4 and errors[1] < 0.27 * errors[0]


def test_a_wave_against_an_ordinary_differential_equation():
    """Stress and dissipation of both laws under a smooth path, against scipy: second order in the step."""
    end = 3.0

    def f(t, y):
        e = wave(t)
        h = deviator(e) - y[:12].reshape(2, 6)
        b = e[:3].sum() - y[12:14]
        lost = (2 * BRANCHES / TIMES * (h**2).sum(axis=1)).sum() + (BULKS / TIMES * b**2).sum()
        return np.concatenate([(h / TIMES[:, None]).ravel(), b / TIMES, [lost]])

    y = solve_ivp(f, (0, end), np.zeros(15), rtol=1e-11, atol=1e-14).y[:, -1]
    e = wave(end)
    h, b = deviator(e) - y[:12].reshape(2, 6), e[:3].sum() - y[12:14]
    expected = 2 * G * deviator(e) + 2 * BRANCHES @ h + (K * e[:3].sum() + BULKS @ b) * ONE
    errors, losses = [], []
    for n in (40, 80):
        stress, state, _, dissipation = march(LAWS["maxwell_bulk"], wave(np.linspace(0, end, n + 1)[1:]), end / n)
        errors.append(np.linalg.norm(stress[-1] - expected) / np.linalg.norm(expected))
        losses.append(abs(dissipation.sum() / y[14] - 1))
    assert errors[1] < 2e-4 and errors[1] < 0.27 * errors[0]
    assert losses[1] < 1e-3 and losses[1] < 0.27 * losses[0]
    np.testing.assert_allclose(state[-1, 6:18], y[:12], rtol=0, atol=1e-3 * np.abs(y[:12]).max())


@pytest.mark.parametrize("dt", [1e-7, 0.02, 1.0, 40.0])
def test_the_energy_balance_of_one_step_is_exact(dt):
    """Work along the straight strain of a step, by scipy's quadrature = change of energy + dissipation."""
    strains = path(3, steps=3)
    _, state, energy, dissipation = march(LAWS["maxwell_bulk"], strains, np.asarray([0.7, 0.4, dt]))
    old, rate = strains[1], (strains[2] - strains[1]) / dt
    a, b = state[1, 6:18].reshape(2, 6), state[1, 18:20]

    def f(t, y):
        e = old + rate * t
        h, hb = deviator(e) - y[:12].reshape(2, 6), e[:3].sum() - y[12:14]
        s = 2 * G * deviator(e) + 2 * BRANCHES @ h
        power = s @ rate + (K * e[:3].sum() + BULKS @ hb) * rate[:3].sum()
        return np.concatenate([(h / TIMES[:, None]).ravel(), hb / TIMES, [power]])

    y = np.concatenate([a.ravel(), b, [0.0]])
    work = solve_ivp(f, (0, dt), y, rtol=1e-11, atol=1e-15).y[-1, -1]
    assert energy[2] - energy[1] + dissipation[2] == pytest.approx(work, rel=1e-8)


@ANY
def test_the_energy_balance_closes_with_the_step(law):
    """Trapezoidal work - change of energy - dissipation: second order, Kelvin-Voigt's dashpot first."""
    errors = []
    for n in (50, 100):
        strain = wave(np.linspace(0, 3, n + 1)[1:])
        stress, _, energy, dissipation = march(law, strain, 3 / n)
        before = stress[:1] if law is LAWS["kelvin"] else np.zeros((1, 6))  # a dashpot starts with a jump of stress
        mean = 0.5 * (stress + np.vstack([before, stress[:-1]]))
        work = np.sum(mean * np.diff(strain, axis=0, prepend=0))
        errors.append(abs(work - energy[-1] - dissipation.sum()) / (energy[-1] + dissipation.sum()))
    assert errors[1] < (0.6 if law is LAWS["kelvin"] else 0.27) * errors[0]
    assert errors[1] < 2e-2


@ANY
def test_dissipation_is_never_negative(law):
    rng = np.random.default_rng(7)
    strain = rng.normal(size=(300, 6)) * 10.0 ** rng.integers(-6, 0, size=(300, 1))
    dts = 10.0 ** rng.uniform(-8, 5, size=300)
    _, _, energy, dissipation = march(law, strain, dts)
    assert (dissipation >= 0).all() and (energy >= 0).all() and dissipation.max() > 0
    single = march(law, strain.astype(np.float32), dts.astype(np.float32))
    assert (single[3] >= 0).all()
    np.testing.assert_allclose(single[3], dissipation, rtol=2e-3, atol=1e-5 * dissipation.max())


@ANY
def test_tangent_against_differences(law):
    """Central differences of whole marches, and automatic differentiation."""
    strain = path(3)
    own, automatic = slopes(law, jnp.asarray(strain[-1]), jnp.asarray(march(law, strain, 0.8)[1][-2]), 0.8)
    np.testing.assert_allclose(own, differences(law, strain, 0.8, 1e-4), rtol=0, atol=1e-9 * np.linalg.norm(own))
    np.testing.assert_allclose(automatic, own, rtol=0, atol=1e-13 * np.linalg.norm(own))
    assert abs(own - own.T).max() < 1e-14 * np.linalg.norm(own)


@ANY
def test_plane_strain_is_a_solid_without_strain_along_the_third_axis(law):
    plane = path(5, n=3)
    solid = np.zeros((len(plane), 6))
    solid[:, [0, 1, 5]] = plane
    s2, z2, e2, d2 = march(law, plane, 0.6)
    s3, _, e3, d3 = march(law, solid, 0.6)
    np.testing.assert_allclose(s2, s3[:, [0, 1, 5]], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(e2, e3, rtol=1e-12)
    np.testing.assert_allclose(d2, d3, rtol=1e-12)
    own, automatic = slopes(law, jnp.asarray(plane[-1]), jnp.asarray(z2[-2]), 0.6)
    np.testing.assert_allclose(automatic, own, rtol=0, atol=1e-13 * np.linalg.norm(own))


def test_limits_of_the_step():
    """Sudden: spring and all branches; slow: the spring alone. The virgin moduli are the sudden ones."""
    law, strain = LAWS["maxwell_bulk"], path(2, steps=1)
    for dt, shear, bulk in ((1e-13, G + BRANCHES.sum(), K + BULKS.sum()), (1e13, G, K)):
        expected = 2 * shear * deviator(strain[0]) + bulk * strain[0, :3].sum() * ONE
        np.testing.assert_allclose(march(law, strain, dt)[0][0], expected, rtol=1e-11, atol=1e-14)
    virgin = law.points((2, 1, 1), jnp.float64).elastic((2, 1, 1), jnp.float64)
    np.testing.assert_allclose(virgin.mu, G + BRANCHES.sum(), rtol=1e-14)
    np.testing.assert_allclose(virgin.lam + 2 * virgin.mu / 3, K + BULKS.sum(), rtol=1e-14)


@ANY
def test_single_precision_stays_single(law):
    """Also under a time step in double precision."""
    out = one_step(law, jnp.asarray(path(2)[-1], jnp.float32), jnp.asarray(1.0))
    assert {x.dtype for x in jax.tree.leaves(out) if x.dtype != jnp.int32} == {jnp.dtype("float32")}


def test_fields_of_parameters_and_lanes_are_alone():
    """A field of moduli is a law per voxel; vmap over the moduli is a loop."""
    moduli = np.asarray([[[[1.0]], [[2.0]]], [[[0.5]], [[3.0]]]])
    strain = path(4, steps=1)

    @jax.jit
    def stress(moduli, strain):
        points = GeneralizedMaxwell(ELASTIC, moduli, TIMES).points((2, 1, 1), jnp.float64)
        strain = jnp.broadcast_to(strain.reshape(6, 1, 1, 1), (6, 2, 1, 1))
        return points.update(strain, points.initial((2, 1, 1), jnp.float64), Step(jnp.asarray(0.8))).stress

    field = np.asarray(stress(jnp.asarray(moduli), jnp.asarray(strain[0])))[:, :, 0, 0]
    rows = moduli[:, :, 0, 0].T
    for i, row in enumerate(rows):
        np.testing.assert_allclose(
            field[:, i], march(GeneralizedMaxwell(ELASTIC, row, TIMES), strain, 0.8)[0][0], rtol=1e-12
        )
    lanes = jax.vmap(stress, (0, None))(jnp.asarray(rows), jnp.asarray(strain[0]))
    np.testing.assert_allclose(np.asarray(lanes)[:, :, 0, 0, 0].T, field, rtol=1e-12)


def test_derivative_by_a_relaxation_time():
    """Held strain: d sigma / d tau = 2 G_1 e exp(-t / tau) t / tau^2, forwards and backwards."""

    def shear(tau):
        points = GeneralizedMaxwell(ELASTIC, [4.0], jnp.stack([tau])).points((1, 1, 1), jnp.float64)
        strain = jnp.zeros((6, 1, 1, 1)).at[5].set(0.01)
        state = points.update(strain, points.initial((1, 1, 1), jnp.float64), Step(jnp.asarray(1e-9))).state
        return points.update(strain, state, Step(jnp.asarray(0.7))).stress[5, 0, 0, 0]

    expected = 8.0 * 0.01 * np.exp(-0.7 / 1.3) * 0.7 / 1.3**2
    assert jax.jit(jax.grad(shear))(jnp.asarray(1.3)) == pytest.approx(expected, rel=1e-6)
    assert jax.jit(jax.jacfwd(shear))(jnp.asarray(1.3)) == pytest.approx(expected, rel=1e-6)


# ----------------------------------------------------------------------------- two layers in series


def _laminate(means, dts):
    """Mean stress 11 of an elastic layer (P-wave modulus 10, share 0.4) and a standard solid under mean strain 11.

    Every step solves for the strain of the solid at which both layers carry the same stress: Newton's, once, as all
    is linear. The solid has K = 1 and G(t) = 1.5 exp(-t / 2); its long-term shear modulus is 1e-7 instead of none.
    """
    g, k = 1e-7, 1.0
    spring = jh.LinearElastic.isotropic(9 * k * g / (3 * k + g), (3 * k - 2 * g) / (2 * (3 * k + g)))
    points = GeneralizedMaxwell(spring, [1.5], [2.0]).points((1, 1, 1), jnp.float64)
    along = lambda x: jnp.zeros((6, 1, 1, 1)).at[0].set(x)  # noqa: E731

    def body(state, inputs):
        mean, dt = inputs
        hard = lambda x: 10.0 * (mean - 0.6 * x) / 0.4  # noqa: E731
        stress = points.update(along(0.0), state, Step(dt)).stress[0, 0, 0, 0]
        tangent = points.tangent(along(0.0), state, Step(dt))
        stiff = (tangent.lam + 2 * tangent.mu)[0, 0, 0]
        x = (hard(0.0) - stress) / (stiff + 15.0)
        up = points.update(along(x), state, Step(dt))
        return up.state, up.stress[0, 0, 0, 0]

    return jax.lax.scan(body, points.initial((1, 1, 1), jnp.float64), (means, dts))[1]


def test_relaxation_of_a_laminate():
    """Case ve.laminate_standard_solid: M(t) = Minf + (M0 - Minf) exp(-t / tau*), by correspondence (Hashin 1965)."""
    dts = np.full(1001, 0.01)
    dts[0] = 1e-10
    stress = np.asarray(jax.jit(_laminate)(jnp.ones(1001), jnp.asarray(dts)))
    t = np.arange(1001) * 0.01
    np.testing.assert_allclose(stress, 1.5625 + (25 / 6 - 1.5625) * np.exp(-t / 2.25), rtol=2e-5)


def test_storage_and_loss_modulus_of_a_laminate():
    """The same laminate at angular frequency 1: 1 / M* = 0.4 / 10 + 0.6 / (1 + (4/3) 1.5 i 2 / (1 + 2 i))."""
    n, periods = 400, 6
    phase = 2 * np.pi * np.arange(1, n * periods + 1) / n
    stress = np.asarray(jax.jit(_laminate)(jnp.sin(phase), jnp.full(len(phase), 2 * np.pi / n)))[-n:]
    exact = 1 / (0.04 + 0.6 / (1 + 4j / (1 + 2j)))
    np.testing.assert_allclose([exact.real, exact.imag], [3.7371134020618557, 0.9664948453608248], rtol=1e-12)
    own = 2 / n * (stress @ np.sin(phase[-n:]) + 1j * stress @ np.cos(phase[-n:]))
    assert abs(own - exact) < 1e-4 * abs(exact)


@pytest.mark.parametrize(
    "build, words",
    [
        (lambda: GeneralizedMaxwell(jh.LinearElastic.cubic(3.0, 1.0, 1.0), [1.0], [1.0]), "isotropic"),
        (lambda: KelvinVoigt(jh.LinearElastic.cubic(3.0, 1.0, 1.0), 1.0), "isotropic"),
        (lambda: GeneralizedMaxwell(ELASTIC, 1.0, [1.0]), "moduli has shape"),
        (lambda: GeneralizedMaxwell(ELASTIC, [1.0], [1.0, 2.0]), "times 2"),
        (lambda: GeneralizedMaxwell(ELASTIC, [1.0], [1.0], [1.0, 1.0]), "bulk_moduli 2"),
        (
            lambda: GeneralizedMaxwell(ELASTIC, [1.0, -2.0], [1.0, 1.0]).check(" of phase 2"),
            r"moduli\[1\] of phase 2 is -2",
        ),
        (lambda: GeneralizedMaxwell(ELASTIC, [1.0], [0.0]).check(), r"times\[0\] is 0"),
        (lambda: GeneralizedMaxwell(ELASTIC, [1.0], [1.0], [np.nan]).check(), r"bulk_moduli\[0\]"),
        (lambda: GeneralizedMaxwell(ELASTIC, np.ones((1, 2, 3)), [1.0]).points((4, 4), jnp.float64), "broadcast"),
        (lambda: KelvinVoigt(ELASTIC, -1.0).check(), "viscosity is -1"),
        (lambda: KelvinVoigt(ELASTIC, 1.0, -0.5).check(), "bulk_viscosity is -0.5"),
        (lambda: KelvinVoigt(ELASTIC, np.ones((2, 3))).points((4, 4), jnp.float64), "viscosity .* broadcast"),
    ],
)
def test_bad_input_is_named(build, words):
    with pytest.raises(jh.InputError, match=words) as error:
        build()
    assert "\n" not in str(error.value)


def test_a_traced_value_that_is_bad_becomes_a_code():
    code = jax.jit(lambda tau: GeneralizedMaxwell(ELASTIC, [1.0], jnp.stack([tau])).code())
    assert code(1.0) == SUCCESS and code(-1.0) == INVALID_MATERIAL and code(jnp.nan) == INVALID_MATERIAL
    code = jax.jit(lambda eta: KelvinVoigt(ELASTIC, eta).code())
    assert code(1.0) == SUCCESS and code(-1.0) == INVALID_MATERIAL
