"""Crystal plasticity at a point as a law: derivatives, invariance, energies, both dimensions, precision, failures."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from crystals import C11, C12, C44, CUBIC, G0, RATE, TURN, crystal, mandel, march, path, tensor

import jaxhomog as jh
from jaxhomog.materials import CrystalPlasticity, SlipHardening, Step
from jaxhomog.results import LOCAL_SOLVE

pytestmark = pytest.mark.slow

LAWS = {
    "fcc": crystal(),
    "perfect": crystal(hardening=None),
    "bcc": crystal("bcc", exponent=10.0, latent=0.7),
    "bcc24": crystal("bcc24"),
    "own": crystal(([[0, 0, 1], [0, 1, 1]], [[1, 0, 0], [1, 0, 0]])),
}
ANY = pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())


@eqx.filter_jit
def _once(law, strain, state, dt):
    points = law.points(strain.shape[1:], strain.dtype)
    return points.update(strain, state, Step(dt)), points.tangent(strain, state, Step(dt))


@eqx.filter_jit
def _derivatives(points, strain, state, d):
    stress = lambda e: points.update(e.reshape(-1, *state.shape[1:]), state, Step(1.0)).stress.ravel()  # noqa: E731
    unit = jnp.eye(strain.size)
    numeric = jax.lax.map(lambda v: (stress(strain + d * v) - stress(strain - d * v)) / (2 * d), unit).T
    own = points.tangent(strain.reshape(-1, *state.shape[1:]), state, Step(1.0)).mean()
    return numeric, own, jax.jacfwd(stress)(strain), jax.jacrev(stress)(strain)


CASES = [*((name, 6) for name in LAWS), ("bcc", 3)]


@pytest.mark.parametrize("name, n", CASES)
def test_tangent_against_differences(name, n):
    law = LAWS[name]
    strain = path(3, n=n)
    states = march(law, strain[:-1])[1]
    state = jnp.asarray(states[-1]).reshape(-1, *(1,) * (3 if n == 6 else 2))
    points = law.points(state.shape[1:], jnp.float64)
    numeric, own, forward, backward = _derivatives(points, jnp.asarray(strain[-1]), state, 1e-8)
    size = np.linalg.norm(numeric)
    np.testing.assert_allclose(own, numeric, rtol=0, atol=2e-6 * size)
    np.testing.assert_allclose(forward, own, rtol=0, atol=1e-10 * size)
    np.testing.assert_allclose(backward, own, rtol=0, atol=1e-10 * size)
    assert (abs(own - own.T).max() < 1e-12 * size) == points.symmetric
    # It is a plastic step: far softer than elasticity.
    assert np.linalg.norm(own - points.elastic(state.shape[1:], jnp.float64).mean()) > 0.2 * size


@pytest.mark.slow
def test_first_and_second_derivatives_by_parameters():
    strain = jnp.asarray(path(4)).reshape(-1, 6, 1, 1, 1)
    weights = jnp.asarray(np.random.default_rng(0).normal(size=6))

    def work(p):
        turn = jh.Rotation.from_bunge(p[6], 0.9, -1.3)
        elastic = jh.LinearElastic.cubic(C11, C12, C44 * p[5])
        law = CrystalPlasticity(
            elastic, "fcc", turn, strength=G0 * p[0], exponent=20.0 * p[1], reference_rate=RATE * p[2],
            hardening=SlipHardening(180.0 * p[3], 148.0, 2.25), latent=1.4 * p[4],
        )  # fmt: skip
        points = law.points((1, 1, 1), jnp.float64)

        def body(state, e):
            up = points.update(e, state, Step(1.0))
            return up.state, weights @ up.stress.ravel()

        return jnp.sum(jax.lax.scan(body, points.initial((1, 1, 1), jnp.float64), strain)[1])

    at = jnp.asarray([1.0, 1, 1, 1, 1, 1, 0.4])
    direction = jnp.asarray([0.3, -0.5, 1.0, 0.4, 0.7, 0.2, -0.3])
    slope = lambda p: jax.jvp(work, (p,), (direction,))[1]  # noqa: E731
    d = 1e-5

    @jax.jit
    def run():
        two = jnp.stack([at + d * direction, at - d * direction])
        values, slopes = jax.lax.map(lambda p: jax.jvp(work, (p,), (direction,)), two)
        return values, slopes, jax.grad(work)(at), jax.jvp(slope, (at,), (direction,))[1]

    values, slopes, gradient, second = (np.asarray(x) for x in run())
    assert gradient @ direction == pytest.approx((values[0] - values[1]) / (2 * d), rel=1e-6)
    assert gradient @ direction == pytest.approx(slopes.mean(), rel=1e-6)
    assert float(second) == pytest.approx((slopes[0] - slopes[1]) / (2 * d), rel=1e-5)


@ANY
def test_a_turned_crystal_under_a_turned_strain(law):
    """R -> Q R with eps -> Q eps Q^T gives Q sigma Q^T, the same energy and the same resistances."""
    q = np.asarray(jh.Rotation.from_bunge(1.1, -0.6, 0.3))
    turned = eqx.tree_at(lambda x: x.rotation, law, q @ law.rotation)
    strain = path(2)
    a = march(law, strain)
    b = march(turned, np.asarray([mandel(q @ tensor(e) @ q.T) for e in strain]))
    np.testing.assert_allclose(b[0], [mandel(q @ tensor(s) @ q.T) for s in a[0]], rtol=0, atol=1e-9 * abs(a[0]).max())
    for x, y in zip(a[1:], b[1:], strict=True):
        np.testing.assert_allclose(y, x, rtol=1e-9, atol=1e-13)


@ANY
def test_plane_strain_is_a_solid_without_strain_along_the_third_axis(law):
    plane = path(5, n=3)
    solid = np.zeros((len(plane), 6))
    solid[:, [0, 1, 5]] = plane
    flat, full = march(law, plane), march(law, solid)
    np.testing.assert_allclose(flat[0], full[0][:, [0, 1, 5]], rtol=0, atol=1e-10 * abs(full[0]).max())
    for x, y in zip(flat[1:], full[1:], strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-14)


@ANY
def test_energy_balance_and_dissipation(law):
    """Work = change of free energy + dissipation, with an error of first order in the step; dissipation >= 0."""
    errors = []
    for n in (60, 120):
        strain = np.linspace(0, 1, n + 1)[1:, None] * np.asarray([0.01, -0.004, 0.001, 0.003, 0.0, 0.008])
        stress, state, energy, dissipation, _ = march(law, strain, 60 / n)
        assert (dissipation >= 0).all() and (np.diff(state[:, -1]) >= 0).all()
        mean = 0.5 * (stress + np.vstack([np.zeros(6), stress[:-1]]))
        work = np.sum(mean * np.diff(strain, axis=0, prepend=0))
        errors.append(abs(work - energy[-1] - dissipation.sum()) / work)
    assert errors[1] < 0.6 * errors[0] and errors[1] < 1e-2
    assert (march(law, path(6))[3] >= 0).all()


def test_the_state_splits_the_strain():
    """Elastic energy and stress of strain less plastic strain, by the elasticity of the library."""
    strain = path(7)[-1]
    law = LAWS["fcc"]
    stress, state, energy, _, _ = march(law, strain[None])
    points = law.points((1, 1, 1), jnp.float64)
    plastic = np.asarray(points.plastic_strain(jnp.asarray(state[-1]).reshape(-1, 1, 1, 1))).ravel()
    c = np.asarray(jh.LinearElastic.cubic(C11, C12, C44, TURN).response((1, 1, 1), jnp.float64).mean())
    np.testing.assert_allclose(points.elastic((1, 1, 1), jnp.float64).mean(), c, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(stress[-1], c @ (strain - plastic), rtol=0, atol=1e-9 * abs(stress).max())
    assert energy[-1] == pytest.approx(0.5 * stress[-1] @ (strain - plastic), rel=1e-9)
    assert abs(plastic[:3].sum()) < 1e-15 and np.linalg.norm(plastic) > 1e-3


@pytest.mark.slow
def test_fields_of_parameters_are_single_points():
    """A grid whose voxels differ in everything, with an axis of its own before it, against one point at a time."""
    rng = np.random.default_rng(8)
    turns = np.asarray(jh.Rotation.from_bunge(*rng.uniform(0, 6, (3, 2, 3))))
    strength, exponent = rng.uniform(10, 20, (2, 3)), rng.uniform(5, 20, (1, 3))
    law = CrystalPlasticity(
        jh.LinearElastic.cubic(C11, C12 * rng.uniform(0.9, 1, (2, 1)), C44), "fcc", turns, strength=strength,
        exponent=exponent, reference_rate=RATE, hardening=SlipHardening(180.0 * strength, 148.0, 2.25),
    )  # fmt: skip
    strain = jnp.asarray(rng.normal(size=(3, 4, 2, 3)) * 1e-3)

    @eqx.filter_jit
    def run(law, strain):
        points = law.points((2, 3), jnp.float64)
        state = points.initial(strain.shape[1:], jnp.float64)
        return points.update(strain, state, Step(1.0)), points.tangent(strain, state, Step(1.0)).c

    up, tangent = run(law, strain)
    spread = lambda x: jnp.broadcast_to(jnp.asarray(x), (2, 3))  # noqa: E731
    at = (slice(1, 2), slice(2, 3))
    hard = SlipHardening(*(spread(x)[at] for x in (law.hardening.modulus, 148.0, 2.25)))
    one = CrystalPlasticity(
        jh.LinearElastic.cubic(C11, spread(law.elastic.parameters["c12"])[at], C44), "fcc", turns[1, 2],
        strength=strength[at], exponent=spread(exponent)[at], reference_rate=RATE, hardening=hard,
    )  # fmt: skip
    single, moduli = _once(
        one, strain[:, 3, 1:2, 2:3], one.points((1, 1), jnp.float64).initial((1, 1), jnp.float64), 1.0
    )
    np.testing.assert_allclose(up.stress[:, 3, 1, 2], single.stress.ravel(), rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose(up.state[:, 3, 1, 2], single.state.ravel(), rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(tangent[:, 3, 1, 2], moduli.c.ravel(), rtol=1e-8, atol=1e-4)


def test_many_points_are_solved_in_chunks():
    strain = jnp.asarray(np.random.default_rng(9).normal(size=(6, 11, 11, 11)) * 1e-3)
    law = LAWS["fcc"]
    initial = law.points((1, 1, 1), jnp.float64).initial
    up, _ = _once(law, strain, initial(strain.shape[1:], jnp.float64), 1.0)
    assert (np.asarray(up.code) == 0).all()
    for at in ((0, 0, 0), (10, 10, 10), (10, 1, 7)):
        one, _ = _once(law, strain[:, *at].reshape(6, 1, 1, 1), initial((1, 1, 1), jnp.float64), 1.0)
        np.testing.assert_allclose(up.stress[:, *at], one.stress.ravel(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["fcc", "perfect"])
def test_single_precision_stays_single(name):
    law = LAWS[name]
    points = law.points((2, 1, 1), jnp.float32)
    strain = jnp.asarray(path(2)[-1:], jnp.float32).T.reshape(6, 1, 1, 1) * jnp.ones((1, 2, 1, 1), jnp.float32)
    state = points.initial((2, 1, 1), jnp.float32)
    lowered = jax.jit(lambda e, s, dt: points.update(e, s, Step(dt))).lower(
        strain, state, jnp.asarray(1.0, jnp.float32)
    )
    text = lowered.as_text()
    assert "custom_call" not in text and not [line for line in text.splitlines() if "x1xf64" in line]
    up, tangent = _once(law, strain, state, jnp.asarray(1.0, jnp.float32))
    floats = [x for x in jax.tree.leaves((up, tangent)) if jnp.issubdtype(x.dtype, jnp.floating)]
    assert {x.dtype for x in floats} == {jnp.dtype("float32")} and (np.asarray(up.code) == 0).all()
    stress = march(law, path(2)[-1:])[0][0]
    np.testing.assert_allclose(up.stress[:, 0, 0, 0], stress, rtol=0, atol=2e-5 * abs(stress).max())


def test_failure_has_its_code(monkeypatch):
    """A cap of three iterations: elastic points converge, others are not a number and say so."""
    monkeypatch.setattr("jaxhomog.materials._crystal_solve.MAX_ITERATIONS", 3)
    strain = np.random.default_rng(1).normal(size=(6, 4, 1, 1)) * np.asarray([1e-6, 5e-3, 1e-2, 2e-2])[:, None, None]
    law = crystal(exponent=19.0)  # traced anew, with the cap

    @eqx.filter_jit
    def run(scale, strain):
        points = law.points((4, 1, 1), jnp.float64)
        up = points.update(scale * strain, points.initial((4, 1, 1), jnp.float64), Step(1.0))
        return jnp.sum(jnp.where(up.code == 0, up.stress, 0)), up

    up = run(1.0, jnp.asarray(strain))[1]
    assert np.asarray(up.code).ravel().tolist() == [0, LOCAL_SOLVE, LOCAL_SOLVE, LOCAL_SOLVE]
    for x in (up.stress, up.energy, up.dissipation, up.state[:5], up.state[-1:]):
        assert np.isfinite(x[..., 0, :, :] if x.ndim == 4 else x[0]).all()
        assert np.isnan(x[..., 1:, :, :] if x.ndim == 4 else x[1:]).all()
    assert jh.results.Result(up.code).name == "local_solve"
    # A failed point that is left out leaves the derivative of the others alone.
    c = np.asarray(jh.LinearElastic.cubic(C11, C12, C44, TURN).response((1, 1, 1), jnp.float64).mean())
    slope = jax.grad(lambda a: run(a, jnp.asarray(strain))[0])(1.0)
    assert float(slope) == pytest.approx(np.sum(c @ strain[:, 0, 0, 0]), rel=1e-6)


def test_time_that_stands_still_is_refused():
    law = LAWS["fcc"]
    points = law.points((1, 1, 1), jnp.float64)
    up, _ = _once(law, jnp.full((6, 1, 1, 1), 1e-3), points.initial((1, 1, 1), jnp.float64), 0.0)
    assert int(up.code.ravel()[0]) == LOCAL_SOLVE and np.isnan(up.stress).all()


def test_lanes_do_not_meet():
    law = LAWS["fcc"]
    strain = (
        np.random.default_rng(3).normal(size=(4, 6, 2, 1, 1)) * np.asarray([1e-6, 2e-3, np.nan, 1e-3])[:, *[None] * 4]
    )
    state = law.points((2, 1, 1), jnp.float64).initial((2, 1, 1), jnp.float64)
    run = eqx.filter_jit(lambda e: law.points((2, 1, 1), jnp.float64).update(e, state, Step(1.0)))
    together = jax.jit(jax.vmap(run))(jnp.asarray(strain))
    for k in range(4):
        alone = run(jnp.asarray(strain[k]))
        for x, y in zip(jax.tree.leaves(alone), jax.tree.leaves(together), strict=True):
            np.testing.assert_allclose(y[k], x, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(
    "build, words",
    [
        (lambda: crystal("hcp"), "fcc"),
        (lambda: crystal(([[1, 0, 0]], [[1, 0, 0]])), "lie in its plane"),
        (lambda: crystal(([[1, 0, 0]], [[0, 1, 0], [0, 0, 1]])), "systems, 3"),
        (lambda: crystal(([[0, 0, 0]], [[0, 1, 0]])), "without length"),
        (lambda: crystal(7), "pair of arrays"),
        (lambda: crystal(hardening=3.0), "SlipHardening"),
        (lambda: crystal(rotation=np.eye(2)), "rotation has shape"),
        (lambda: crystal(rotation=2 * np.eye(3)).check(), "not orthogonal"),
        (lambda: crystal(exponent=0.5).check(), "exponent"),
        (lambda: crystal(latent=-1.0).check(), "latent"),
        (lambda: crystal(hardening=SlipHardening(180.0, 0.0)).check(), "saturation"),
        (lambda: crystal(hardening=SlipHardening(180.0, 100.0, 0.5)).check(), "hardening exponent"),
        (lambda: crystal(rotation=np.ones((2, 3, 3))).points((4, 4), jnp.float64), "broadcast"),
        (lambda: CrystalPlasticity(
            jh.LinearElastic.cubic(C11, C12, C44, TURN), strength=1.0, exponent=5.0, reference_rate=1.0), "rotation"),
        (lambda: CrystalPlasticity(
            jh.LinearElastic.from_stiffness(np.eye(6)), strength=1.0, exponent=5.0, reference_rate=1.0), "cubic"),
        (lambda: CrystalPlasticity(CUBIC, strength=0.0, exponent=5.0, reference_rate=1.0).check(), "strength"),
        (lambda: CrystalPlasticity(CUBIC, strength=1.0, exponent=5.0, reference_rate=-1.0).check(), "reference_rate"),
    ],
)  # fmt: skip
def test_bad_input_is_named(build, words):
    with pytest.raises(jh.InputError, match=words) as error:
        build()
    assert "\n" not in str(error.value)
