"""Generalized standard materials: viscoelasticity, creep, overstress and rounded plasticity from two functions."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from one_point import path
from scipy.optimize import brentq
from standard_laws import (
    LAWS,
    NU,
    SOLID,
    SY,
    E,
    G,
    H,
    K,
    deviator,
    elastoviscous,
    hardened,
    kelvin,
    newtonian,
    norton,
    volume,
    zener,
)

import jaxhomog as jh
from jaxhomog.materials import J2Plasticity, LinearHardening, StandardMaterial, Step, ThermoElastic
from jaxhomog.tensors import safe_norm

pytestmark = pytest.mark.slow

J2 = J2Plasticity(jh.LinearElastic.isotropic(E, NU), LinearHardening(SY, H))


ANY = pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())


def changed(law, **parameters):
    new = law.parameters | {k: jnp.asarray(v) for k, v in parameters.items()}
    return eqx.tree_at(lambda x: x.parameters, law, new)


@eqx.filter_jit
def _march(law, strains, dt):
    pts = (1,) * (3 if strains.shape[1] == 6 else 2)
    points = law.points(pts, strains.dtype)

    def body(state, strain):
        up = points.update(strain.reshape(-1, *pts), state, Step(dt))
        outs = (
            up.stress.ravel(),
            up.state.ravel(),
            up.energy.ravel()[0],
            up.dissipation.ravel()[0],
            up.code.ravel()[0],
        )
        return up.state, outs

    return jax.lax.scan(body, points.initial(pts, strains.dtype), strains)[1]


def march(law, strains, dt=1.0, converged=True):
    """Stress, state, energy and dissipation of a history of strains (T, n) at one point."""
    *out, code = (np.asarray(x) for x in _march(law, jnp.asarray(strains), jnp.asarray(dt)))
    assert not converged or not code.any()
    return out if converged else (*out, code)


def shear(gamma):
    strain = np.zeros((len(gamma), 6))
    strain[:, 5] = np.asarray(gamma) / 2**0.5
    return strain


def test_a_standard_solid_relaxes():
    """tau = gamma (G0 + G1 exp(-t / T)), T = eta / G1; backward Euler has (1 + dt / T)^-k for the exponential."""
    law, gamma, period = LAWS["zener"], 0.01, 30.0 / 50.0
    stress, _, _, _ = march(law, shear([gamma] * 2000), 0.05)
    k = np.arange(1, 41)
    discrete = gamma * (20 + 50 * (1 + 0.05 / period) ** -k)
    np.testing.assert_allclose(stress[:40, 5] / 2**0.5, discrete, rtol=1e-11)
    stress, _, _, _ = march(law, shear([gamma] * 2000), 0.001)
    assert stress[-1, 5] / 2**0.5 == pytest.approx(gamma * (20 + 50 * np.exp(-2 / period)), rel=2e-3)


@pytest.mark.parametrize("n", [1.0, 5.0, 12.0])
def test_creep_by_a_power_law(n):
    """Held shear strain, q = sqrt3 tau: the implicit step solved by bisection, and q(t) in closed form."""
    law = changed(LAWS["norton"], n=n)
    gamma = 0.02
    rate = lambda q: 3 * G * 1e-3 * (q / 0.5) ** n  # noqa: E731
    q0 = 3**0.5 * G * gamma
    stress, _, _, _ = march(law, shear([gamma] * 1500), 0.1)
    q = q0
    for s in stress[:3, 5]:
        q = brentq(lambda x, q=q: x - q + 0.1 * rate(x), 0, q, xtol=1e-15)
        assert 1.5**0.5 * s == pytest.approx(q, rel=1e-10)
    stress, _, _, _ = march(law, shear([gamma] * 1500), 0.002)
    speed = 3 * G * 1e-3 / 0.5**n * 3.0
    exact = q0 * np.exp(-speed) if n == 1 else (q0 ** (1 - n) + (n - 1) * speed) ** (1 / (1 - n))
    assert 1.5**0.5 * stress[-1, 5] == pytest.approx(exact, rel=3e-3)


def test_overstress_against_the_closed_form():
    """dp = <sqrt3 G gamma - sy> / (3 G + H + eta / dt) in one step, tau = (sy + H p + eta dp / dt) / sqrt3."""
    gamma = np.asarray([0.001, 0.004, 0.01])
    for g in gamma:
        stress, state, energy, dissipation = (x[0] for x in march(LAWS["perzyna"], shear([g]), 0.25))
        p = max(0, 3**0.5 * G * g - SY) / (3 * G + H + 20)
        q = 3**0.5 * G * g - 3 * G * p
        assert stress[5] * 1.5**0.5 == pytest.approx(q, rel=1e-11)
        assert state[6] == pytest.approx(p, rel=1e-11, abs=1e-18)
        assert energy == pytest.approx(q**2 / (6 * G) + 0.5 * H * p**2, rel=1e-11)
        assert dissipation == pytest.approx((q - H * p) * p, rel=1e-10, abs=1e-18)


def test_overstress_tends_to_the_radial_return():
    """The distance to rate-independent plasticity is of the order of the viscosity."""
    strain = path(1)
    reference, state, _, lost = march(J2, strain)
    errors = []
    for eta in (1e-2, 1e-4):
        own = march(changed(LAWS["perzyna"], eta=eta), strain)
        errors.append(np.abs(own[0] - reference).max() / np.abs(reference).max())
        assert own[1][-1, 6] == pytest.approx(state[-1, 6], rel=10 * eta)
        assert own[3].sum() == pytest.approx(lost.sum(), rel=10 * eta)
    assert errors[1] < 1e-6 and errors[1] == pytest.approx(errors[0] / 100, rel=0.05)


def test_a_rounded_cone_tends_to_the_radial_return():
    """Proportional shear with kinematic hardening (alone it hardens like the isotropic kind): error of order tip^2."""
    law = J2Plasticity(jh.LinearElastic.isotropic(E, NU), LinearHardening(SY, 9.0))
    strain = shear(np.linspace(0, 0.03, 7)[1:])
    reference = march(law, strain)[0]
    errors = [np.abs(march(changed(LAWS["rounded"], tip=t), strain)[0] - reference).max() for t in (1e-4, 1e-5)]
    assert errors[0] < 1e-2 * SY and errors[1] < 0.2 * errors[0]


def test_viscous_stress_is_kept_apart():
    """A dashpot of strain beside the solid: drag (eps - eps_before) / dt, and the solid as without it."""
    strain, dt = path(2), 0.3
    both, state, energy, lost = march(LAWS["kelvin"], strain, dt)
    alone, _, energy_alone, lost_alone = march(LAWS["zener"], strain, dt)
    change = np.diff(strain, axis=0, prepend=0)
    drag = 15.0 * change / dt
    np.testing.assert_allclose(both, alone + drag, rtol=1e-11)
    np.testing.assert_allclose(energy, energy_alone, rtol=1e-12)
    np.testing.assert_allclose(lost, lost_alone + np.sum(drag * change, axis=1), rtol=1e-11)
    points = LAWS["kelvin"].points((1, 1, 1), float)
    at = lambda x: jnp.asarray(x).reshape(-1, 1, 1, 1)  # noqa: E731
    ask = lambda e, z: (points.split(e, z, Step(jnp.asarray(dt))), points.update(e, z, Step(jnp.asarray(dt))))  # noqa: E731
    split, up = jax.jit(ask)(at(strain[-1]), at(state[-2]))
    np.testing.assert_allclose(split[0].ravel(), alone[-1], rtol=1e-11)
    np.testing.assert_allclose(split[1].ravel(), drag[-1], rtol=1e-11)
    np.testing.assert_allclose(up.dissipative, split[1], rtol=1e-12)


def test_a_free_energy_of_temperature():
    """A quadratic energy with expansion is `ThermoElastic`; without a temperature the reference counts."""

    def psi(e, a, t, p):
        e = e - p["expansion"] * (t - 293.0) * jnp.asarray([1, 1, 1, 0, 0, 0], e.dtype)
        d = deviator(e)
        return volume(e, p) + p["G"] * d @ d + 0.5 * jnp.sum(a**2)

    law = StandardMaterial(psi, kelvin, 1, SOLID | {"expansion": 1e-5, "drag": 1.0}, reference_temperature=293.0)
    other = ThermoElastic(jh.LinearElastic.isotropic(E, NU), 1e-5, 293.0)
    strain = jnp.asarray(path(4)[-1]).reshape(6, 1, 1, 1)
    a, b = (x.points((1, 1, 1), float) for x in (law, other))
    run = jax.jit(lambda e, step: a.update(e, a.initial((1, 1, 1), float), step))
    for temperature in (None, jnp.asarray(400.0)):
        step = Step(jnp.asarray(1.0), temperature)
        mine = run(strain, step)
        np.testing.assert_allclose(mine.stress, b.update(strain, (), step).stress, rtol=1e-11)
    moduli = jax.jit(lambda: a.elastic((1, 1, 1), float).mean())()
    np.testing.assert_allclose(moduli, b.elastic((1, 1, 1), float).mean(), rtol=0, atol=1e-10 * E)


@ANY
def test_the_second_law_on_random_paths(law):
    for seed in range(3):
        _, _, energy, lost = march(law, path(seed), 0.4)
        assert (lost >= -1e-15 * energy.max()).all() and lost.sum() > 0


@ANY
def test_the_energy_balance_closes_with_the_step(law):
    errors = []
    for n in (50, 100):
        # Nothing happens first, so that both marches are one program.
        strain = np.maximum(0, np.linspace(1 - 100 / n, 1, 101)[1:, None]) * np.asarray([10, -4, 1, 3, 0, 8]) * 1e-3
        # The tip of the cone is a rate per step.
        own = changed(law, tip=0.05 / n) if "tip" in law.parameters else law
        stress, _, energy, lost = march(own, strain, 2.0 / n)
        mean = 0.5 * (stress + np.vstack([0 * stress[:1], stress[:-1]]))
        work = np.sum(mean * np.diff(strain, axis=0, prepend=0))
        errors.append(abs(work - energy[-1] - lost.sum()) / work)
    assert errors[1] < 0.62 * errors[0] and errors[1] < 5e-2


@pytest.mark.parametrize("name, plane", [("perzyna", False), ("rounded", False), ("norton", True), ("kelvin", True)])
def test_tangent_against_differences(name, plane):
    law = LAWS[name]
    strain = path(3, n=3 if plane else 6)
    pts = (1,) * (2 if plane else 3)
    points = law.points(pts, float)
    state = jnp.asarray(march(law, strain[:-1], 0.5)[1][-1]).reshape(-1, *pts)
    step = Step(jnp.asarray(0.5))
    stress = lambda e: points.update(e.reshape(-1, *pts), state, step).stress.ravel()  # noqa: E731
    values = jax.jit(jax.vmap(stress))
    e0, d, n = jnp.asarray(strain[-1]), 1e-6, strain.shape[1]
    sides = values(jnp.concatenate([e0 + d * jnp.eye(n), e0 - d * jnp.eye(n)]))
    numeric = np.asarray(sides[:n] - sides[n:]).T / (2 * d)
    both = jax.jit(lambda e: (points.tangent(e.reshape(-1, *pts), state, step).mean(), jax.jacfwd(stress)(e)))
    own, forward = (np.asarray(x) for x in both(e0))
    np.testing.assert_allclose(own, numeric, rtol=0, atol=2e-6 * np.linalg.norm(numeric))
    np.testing.assert_allclose(forward, own, rtol=0, atol=1e-9 * np.linalg.norm(own))
    assert points.symmetric and abs(forward - forward.T).max() < 1e-10 * np.linalg.norm(own)


@ANY
def test_plane_strain_is_a_solid_without_strain_along_the_third_axis(law):
    plane = path(5, n=3)
    solid = np.zeros((len(plane), 6))
    solid[:, [0, 1, 5]] = plane
    s2, _, e2, d2 = march(law, plane)
    s3, _, e3, d3 = march(law, solid)
    np.testing.assert_allclose(s2, s3[:, [0, 1, 5]], rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(e2, e3, rtol=1e-10)
    np.testing.assert_allclose(d2, d3, rtol=1e-8, atol=1e-15)


def test_derivatives_by_parameters():
    """tau of the overstress step: (sy + (H + v) p) / sqrt3, p = (sqrt3 G gamma - sy) / (3 G + H + v), v = eta / dt."""
    gamma = 0.01

    def own(x):
        strain = jnp.asarray(shear([gamma]))
        return _march(changed(LAWS["perzyna"], sy=x[0], eta=x[1]), strain, jnp.asarray(1.0))[0][0, 5] / 2**0.5

    def exact(x):
        return (x[0] + (H + x[1]) * (3**0.5 * G * gamma - x[0]) / (3 * G + H + x[1])) / 3**0.5

    x = jnp.asarray([SY, 7.0])
    np.testing.assert_allclose(jax.jit(jax.grad(own))(x), jax.grad(exact)(x), rtol=1e-9)


class Spring(eqx.Module):
    """A free energy that carries its own array."""

    shear: jax.Array

    def __call__(self, e, a, p):
        d = deviator(e) - a
        return volume(e, p) + self.shear * d @ d


def test_arrays_of_a_function_are_parameters():
    """Maxwell: tau = G1 gamma / (1 + dt G1 / eta), so d tau / d G1 = gamma / (1 + dt G1 / eta)^2."""

    def tau(g):
        law = StandardMaterial(Spring(g), newtonian, 6, {"K": K, "eta": 30.0})
        return _march(law, jnp.asarray(shear([0.01])), jnp.asarray(0.5))[0][0, 5] / 2**0.5

    slope = jax.grad(tau)(jnp.asarray(50.0))
    assert slope == pytest.approx(0.01 / (1 + 0.5 * 50 / 30) ** 2, rel=1e-11)


def test_parameters_of_every_voxel():
    """A field of viscosities: every point answers as it does alone; lanes of `vmap` too."""
    eta = np.asarray([[10.0], [30.0]])
    law = changed(LAWS["zener"], eta=eta)
    points = law.points((2, 3), float)
    strain = jnp.asarray(np.random.default_rng(0).normal(size=(4, 3, 2, 3)) * 1e-3)
    run = jax.jit(jax.vmap(lambda e: points.update(e, points.initial((2, 3), float), Step(jnp.asarray(0.2)))))
    up = run(strain)
    for lane, i, j in ((0, 0, 0), (3, 1, 2)):
        one = march(changed(LAWS["zener"], eta=eta[i, 0]), np.asarray(strain[lane, :, i, j])[None], 0.2)
        np.testing.assert_allclose(up.stress[lane, :, i, j], one[0][0], rtol=1e-12)
        assert up.energy[lane, i, j] == pytest.approx(one[2][0], rel=1e-12)


@ANY
def test_single_precision_stays_single(law):
    points = law.points((2, 1, 1), jnp.float32)
    strain = jnp.asarray(path(2)[-1:], jnp.float32).T.reshape(6, 1, 1, 1) * jnp.ones((1, 2, 1, 1), jnp.float32)
    step = Step(jnp.asarray(1.0, jnp.float32))
    start = points.initial((2, 1, 1), jnp.float32)
    up, virgin = jax.jit(lambda e: (points.update(e, start, step), points.elastic((2, 1, 1), jnp.float32)))(strain)
    leaves = jax.tree.leaves((up, virgin, jax.eval_shape(lambda e: points.tangent(e, start, step), strain)))
    assert {x.dtype for x in leaves} == {jnp.dtype("float32"), jnp.dtype("int32")}
    assert not up.code.any()
    double = march(law, np.asarray(strain[:, 0].reshape(1, 6), float))[0][0]
    np.testing.assert_allclose(up.stress[:, 0].ravel(), double, rtol=0, atol=2e-5 * np.abs(double).max())


def cone(rate, p):
    return (2 / 3) ** 0.5 * p["sy"] * safe_norm(rate)


def test_a_kink_is_reported_point_by_point():
    """A cone has no gradient at rate 0: a point below yield cannot converge, one without load can."""
    law = StandardMaterial(hardened, cone, 6, SOLID | {"C": 9.0, "sy": SY})
    points = law.points((2, 1), float)
    strain = jnp.zeros((3, 2, 1)).at[2, 0].set(0.001)
    up = jax.jit(lambda e: points.update(e, points.initial((2, 1), float), Step(jnp.asarray(1.0))))(strain)
    result = jh.results.Result(up.code)
    assert up.code.ravel().tolist() == [jh.results.LOCAL_SOLVE, 0]
    assert result.name == "local_solve" and "smaller steps" in result.advice


def test_too_few_iterations_are_reported():
    law = StandardMaterial(elastoviscous, None, 6, LAWS["norton"].parameters, dual_potential=norton, max_iterations=2)
    code = march(law, shear([0.02]), converged=False)[-1]
    assert code.tolist() == [jh.results.LOCAL_SOLVE]
    strain = shear([np.nan])
    assert march(LAWS["zener"], strain, converged=False)[-1].tolist() == [jh.results.LOCAL_SOLVE]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_value_and_gradient_lower_without_a_library(dtype):
    def f(sy, strain):
        points = changed(LAWS["perzyna"], sy=sy).points((2, 2), dtype)
        up = points.update(strain, points.initial((2, 2), dtype), Step(jnp.ones((), dtype)))
        return jnp.sum(up.stress**2)

    program = jax.jit(jax.value_and_grad(f, (0, 1)))
    text = export.export(program, platforms=["cpu", "cuda", "tpu"])(
        jnp.ones((), dtype), jnp.ones((3, 2, 2), dtype)
    ).mlir_module()
    assert "custom_call" not in text and "callback" not in text


@pytest.mark.parametrize(
    "build, words",
    [
        (lambda: StandardMaterial(zener), "one of dissipation_potential"),
        (lambda: StandardMaterial(zener, newtonian, 6, dual_potential=norton), "one of dissipation_potential"),
        (lambda: StandardMaterial(zener, newtonian, 0), "internal is 0"),
        (lambda: StandardMaterial(zener, 3.0, 6), "dissipation_potential is not a function"),
        (lambda: StandardMaterial(zener, newtonian, 6, start=np.zeros(3)), "start has shape"),
        (lambda: StandardMaterial(zener, newtonian, 6, max_iterations=0), "max_iterations is 0"),
        (lambda: changed(LAWS["zener"], eta=np.nan).check(), "eta.* is nan"),
        (lambda: changed(LAWS["zener"], eta=np.ones(3)).points((4, 4), float), "eta.* has shape"),
        (lambda: StandardMaterial(lambda e, a, p: a, kelvin, 2, {"drag": 1.0}).points((4, 4), float), "free_energy"),
    ],
)
def test_bad_input_is_named(build, words):
    with pytest.raises(jh.InputError, match=words) as error:
        build()
    assert "\n" not in str(error.value)
