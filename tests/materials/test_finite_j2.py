"""Plasticity at finite strain against closed forms, an independent integration in time, and the small-strain law."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.spatial.transform import Rotation

import jaxhomog as jh
from jaxhomog.materials import AbstractPoints, Step

YOUNG, POISSON, YIELD, SLOPE = 200.0, 0.3, 0.5, 2.0
SHEAR, BULK = YOUNG / 2 / (1 + POISSON), YOUNG / 3 / (1 - 2 * POISSON)
ELASTIC = jh.LinearElastic.isotropic(YOUNG, POISSON)
LAW = jh.FiniteJ2Plasticity(ELASTIC, jh.LinearHardening(YIELD, SLOPE))
STEP = Step(jnp.asarray(1.0))


@jax.jit
def _march(history):
    points = LAW.points((1, 1, 1), history.dtype)

    def body(state, f):
        up = points.update(f.reshape(9, 1, 1, 1), state, STEP)
        return up.state, (up.stress.reshape(3, 3), up.state.ravel(), up.energy.ravel()[0], up.dissipation.ravel()[0])

    return jax.lax.scan(body, points.initial((1, 1, 1), history.dtype), history)[1]


def march(history):
    """P, state, energy and dissipation of a history of F (T, 3, 3); prolonged to one length, one program."""
    number = len(history)
    padded = np.concatenate([history, np.repeat(history[-1:], 512 - number, axis=0)])
    return [np.asarray(x)[:number] for x in _march(jnp.asarray(padded))]


def plastic_metric(state):
    """C_p^-1 of a state."""
    return np.asarray(jh.tensors.from_mandel(state[:6]))


def test_isochoric_stretching_in_closed_form():
    # F = diag(s, s^-1/2, s^-1/2): coaxial, so that the Kirchhoff stress is q = min(3 mu ln s, flow stress) whatever
    # the steps; p = (3 mu ln s - sigma_0) / (3 mu + H).
    logs = np.linspace(0, 1.2, 25)[1:]
    history = np.stack([np.diag([np.exp(x), np.exp(-x / 2), np.exp(-x / 2)]) for x in logs])
    stress, state, energy, _ = march(history)
    p = np.maximum(0, (3 * SHEAR * logs - YIELD) / (3 * SHEAR + SLOPE))
    assert np.allclose(state[:, 6], p, rtol=1e-12, atol=1e-15)
    q = 3 * SHEAR * (logs - p)
    # tau = diag(2, -1, -1) q / 3 with zero pressure, P = tau F^-T.
    assert np.allclose(stress[:, 0, 0], 2 / 3 * q / np.exp(logs), rtol=1e-10)
    assert np.allclose(stress[:, 1, 1], -q / 3 * np.exp(logs / 2), rtol=1e-10)
    assert np.allclose(energy, q**2 / (6 * SHEAR) + 0.5 * SLOPE * p**2, rtol=1e-10)
    dets = [np.linalg.det(plastic_metric(z)) for z in state]
    assert np.allclose(dets, 1, rtol=1e-12)


def test_pure_dilatation_is_hencky():
    logs = np.linspace(-0.3, 0.3, 7)
    stress, state, *_ = march(np.stack([np.exp(x) * np.eye(3) for x in logs]))
    assert np.allclose(stress[:, 0, 0] * np.exp(logs), 3 * BULK * logs, rtol=1e-11, atol=1e-12)
    assert not np.any(state[:, 6])


def rate_form(turned, end, times):
    """Simple shear by integrating the rate equations in time: an own formulation, with eigenvectors and consistency.

    d C_p^-1 / dt = -2 gamma F^-1 n F C_p^-1, gamma from d f / dt = 0, where f is the yield function.
    """

    def gradient(t):
        return turned @ np.array([[1.0, t, 0], [0, 1, 0], [0, 0, 1]])

    def kirchhoff(f, metric):
        b = f @ metric @ f.T
        values, axes = np.linalg.eigh(0.5 * (b + b.T))
        e = 0.5 * np.log(values)
        return axes @ np.diag(BULK * e.sum() + 2 * SHEAR * (e - e.mean())) @ axes.T

    def excess(t, y):
        tau = kirchhoff(gradient(t), y[:9].reshape(3, 3))
        dev = tau - np.trace(tau) / 3 * np.eye(3)
        return np.sqrt(1.5) * np.linalg.norm(dev) - YIELD - SLOPE * y[9]

    def flow(t, y):
        f, metric = gradient(t), y[:9].reshape(3, 3)
        tau = kirchhoff(f, metric)
        dev = tau - np.trace(tau) / 3 * np.eye(3)
        n = np.sqrt(1.5) * dev / np.linalg.norm(dev)
        turned_back = -2 * np.linalg.solve(f, n @ f @ metric)
        return np.append(turned_back.ravel(), 1.0)

    def rate(t, y):
        d = 1e-6
        loading = (excess(t + d, y) - excess(t - d, y)) / (2 * d)
        way = flow(t, y)
        resistance = (excess(t, y + d * way) - excess(t, y - d * way)) / (2 * d)
        return way * (-loading / resistance)

    virgin = np.append(np.eye(3).ravel(), 0.0)
    # First yield: the excess is zero and the state is virgin.
    low, high = 0.0, end
    for _ in range(60):
        mid = 0.5 * (low + high)
        low, high = (mid, high) if excess(mid, virgin) < 0 else (low, mid)
    out = solve_ivp(rate, (high, end), virgin, method="RK45", rtol=1e-9, atol=1e-11, t_eval=times)
    return [(kirchhoff(gradient(t), y[:9].reshape(3, 3)), y[9]) for t, y in zip(out.t, out.y.T, strict=True)]


@pytest.mark.slow
def test_simple_shear_tends_to_the_rate_equations():
    turned = Rotation.from_rotvec([0.3, -0.2, 0.5]).as_matrix()
    end, times = 0.8, np.array([0.4, 0.8])
    expected = rate_form(turned, end, times)
    answers = []
    for steps in (100, 200, 400):
        shears = np.linspace(0, end, steps + 1)[1:]
        history = np.stack([turned @ np.array([[1.0, t, 0], [0, 1, 0], [0, 0, 1]]) for t in shears])
        stress, state, *_ = march(history)
        rows = [steps // 2 - 1, steps - 1]
        answers.append(np.stack([np.append(stress[i] @ history[i].T, state[i, 6]) for i in rows]))
    expected = np.stack([np.append(tau, p) for tau, p in expected])
    away = lambda x: np.abs((x - expected) / np.abs(expected).max(axis=1, keepdims=True)).max()  # noqa: E731
    errors = [away(x) for x in answers]
    # First order in the step, backward Euler; its limit is that of the rate equations.
    assert 1.8 < errors[0] / errors[1] < 2.2
    assert 1.8 < errors[1] / errors[2] < 2.2
    assert away(2 * answers[2] - answers[1]) < 2e-5


def test_a_rotation_after_flow_turns_the_stress():
    history = np.stack([np.eye(3) + t * np.array([[0.1, 0.3, 0], [0.1, -0.05, 0.2], [0, 0, 0.1]]) for t in (0.5, 1.0)])
    turn = Rotation.random(random_state=7).as_matrix()
    stress, state, energy, dissipation = march(np.concatenate([history, turn @ history[-1:]]))
    assert np.allclose(stress[2], turn @ stress[1], rtol=1e-9, atol=1e-11)
    assert np.allclose(state[2], state[1], rtol=1e-9, atol=1e-11)
    assert np.isclose(energy[2], energy[1], rtol=1e-9)
    assert abs(dissipation[2]) <= 1e-9 * dissipation[1]
    kirchhoff = stress @ np.concatenate([history, turn @ history[-1:]]).swapaxes(1, 2)
    assert np.allclose(kirchhoff, kirchhoff.swapaxes(1, 2), rtol=0, atol=1e-11)


def test_small_strains_are_those_of_the_small_law():
    rng = np.random.default_rng(8)
    change = 1e-5 * np.cumsum(rng.normal(size=(6, 3, 3)), axis=0)
    stress, *_ = march_with(1e-5, np.eye(3) + change)
    strain = 0.5 * (change + change.swapaxes(1, 2))
    small = jh.J2Plasticity(ELASTIC, jh.LinearHardening(1e-5 * YOUNG, SLOPE)).points((1, 1, 1), jnp.float64)
    state = small.initial((1, 1, 1), jnp.float64)
    for f, e in zip(stress, strain, strict=True):
        up = small.update(jh.tensors.to_mandel(jnp.asarray(e)).reshape(6, 1, 1, 1), state, STEP)
        state = up.state
        assert np.allclose(
            jh.tensors.to_mandel(0.5 * (f + f.T)), up.stress.ravel(), rtol=2e-4, atol=2e-4 * 1e-5 * YOUNG
        )
    assert float(state[6].ravel()[0]) > 0


def march_with(size, history):
    """As `march`, with a yield stress of `size` Young's moduli."""
    law = jh.FiniteJ2Plasticity(ELASTIC, jh.LinearHardening(size * YOUNG, SLOPE))
    points = law.points((1, 1, 1), jnp.float64)
    state, out = points.initial((1, 1, 1), jnp.float64), []
    update = jax.jit(lambda f, z: points.update(f, z, STEP))
    for f in history:
        up = update(jnp.asarray(f).reshape(9, 1, 1, 1), state)
        state = up.state
        out.append(np.asarray(up.stress).reshape(3, 3))
    return np.stack(out), state


@pytest.mark.parametrize("dim", [2, pytest.param(3, marks=pytest.mark.exhaustive)])
def test_the_packed_tangent_is_the_derivative_and_symmetric(dim):
    rng = np.random.default_rng(9)
    pts = (2,) * dim
    law = jh.FiniteJ2Plasticity(ELASTIC, jh.VoceHardening(0.5, 2.0, 10.0)).points(pts, jnp.float64)
    rest = np.eye(dim).reshape(-1, *(1,) * dim)
    first, second = (jnp.asarray(rest + s * rng.normal(size=(dim * dim, *pts))) for s in (0.05, 0.08))

    @jax.jit
    def answers(first, second):
        state = law.update(first, law.initial(pts, jnp.float64), STEP).state
        flow = law.update(second, state, STEP).state[6] - state[6]
        own, automatic = law.tangent(second, state, STEP), AbstractPoints.tangent(law, second, state, STEP)
        back = jax.vjp(lambda f: law.update(f, state, STEP).stress, second)[1]
        unit = jnp.eye(dim * dim).reshape(dim * dim, dim * dim, *(1,) * dim) + jnp.zeros((dim * dim, *second.shape))
        return flow, own.matrix(), automatic.matrix(), jax.vmap(lambda v: back(v)[0])(unit)

    flow, own, automatic, rows = (np.asarray(x) for x in answers(first, second))
    assert flow.min() > 0
    size = np.abs(rows).max()
    assert np.allclose(own, rows, rtol=1e-10, atol=1e-10 * size)
    assert np.allclose(rows, rows.swapaxes(0, 1), rtol=1e-10, atol=1e-10 * size)
    assert np.allclose(own, automatic, rtol=1e-10, atol=1e-10 * size)


def test_plane_strain_is_the_solid_with_a_fixed_thickness():
    rng = np.random.default_rng(10)
    f = np.eye(2) + 0.1 * rng.normal(size=(2, 2))
    solid = np.eye(3)
    solid[:2, :2] = f
    flat = LAW.points((1, 1), jnp.float64)
    up = jax.jit(lambda f: flat.update(f, flat.initial((1, 1), jnp.float64), STEP))(jnp.asarray(f).reshape(4, 1, 1))
    stress, state, *_ = march(solid[None])
    assert np.allclose(up.stress.reshape(2, 2), stress[0, :2, :2], rtol=1e-12)
    assert np.allclose(up.state.ravel(), state[0], rtol=1e-12, atol=1e-14)
    assert state[0, 6] > 0


def test_work_is_stored_or_dissipated():
    # W - d psi - D falls with the step: the law's own balance, along a path with all components.
    shape = np.array([[0.2, 0.3, -0.1], [0.1, -0.15, 0.2], [0.05, 0.1, 0.1]])
    rest = []
    for steps in (100, 200):
        t = np.linspace(0, 1, steps + 1)[1:, None, None]
        history = np.eye(3) + np.sin(2 * t) * shape
        stress, _, energy, dissipation = march(history)
        before = np.concatenate([np.eye(3)[None], history[:-1]])
        mean = 0.5 * (stress + np.concatenate([np.zeros((1, 3, 3)), stress[:-1]]))
        work = np.sum(mean * (history - before))
        assert (dissipation >= 0).all()
        rest.append(abs(work - energy[-1] - dissipation.sum()) / work)
    assert rest[1] < 0.6 * rest[0]
    assert rest[1] < 5e-3
