"""`drive`: closed forms, published and independent curves, the tangent, restarts, lanes, failures."""

import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.microstructure import sphere_cell

E, NU, SY, H = 200.0, 0.3, 0.4, 12.0
CRATE = Path(__file__).parents[2].parent / "shared" / "data" / "crate"
# Liu, Bessa, Liu (2016), CMAME 306:319: mean stress 11 at mean strain 11.
CURVE = {0.005: 0.59952, 0.01: 0.69448, 0.02: 0.81665, 0.03: 0.90145, 0.04: 0.96890, 0.05: 1.03247}


def two_phases(labels, yield_stress=0.5):
    soft = jh.J2Plasticity(jh.LinearElastic.isotropic(100.0, 0.3), jh.VoceHardening(yield_stress, 0.8, 30.0))
    return jh.PhaseMixture(labels, {0: soft, 1: jh.LinearElastic.isotropic(300.0, 0.2)})


def random_labels(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 2, shape)


def ramp(end, steps):
    return np.linspace(0, 1, steps + 1)[1:, None] * np.asarray(end)


def test_uniaxial_tension_of_a_homogeneous_bar():
    """eps = sigma / E + p with sigma = sy + H p, lateral stresses held at zero; then unloading, elastic."""
    law = jh.J2Plasticity(jh.LinearElastic.isotropic(E, NU), jh.LinearHardening(SY, H))
    axial = np.asarray([0.001, 0.002, 0.006, 0.012, 0.0115])
    strain = np.zeros((5, 6))
    strain[:, 0] = axial
    mask = [False, True, True, True, True, True]
    s = jh.drive(jh.Grid((2, 1, 2)), law, jh.LoadPath(strain, np.zeros((5, 6)), mask), tolerance=1e-10, fields=(2, 4))
    p = np.maximum(0, (E * axial - SY) / (E + H))
    p[4] = p[3]
    expected = E * (axial - p)
    np.testing.assert_allclose(s.value.stress[:, 0], expected, rtol=1e-8)
    np.testing.assert_allclose(s.value.stress[:, 1:], 0, rtol=0, atol=1e-9)
    np.testing.assert_allclose(s.value.strain[:, 1], -NU * expected / E - p / 2, rtol=1e-7)
    np.testing.assert_allclose(np.sum(s.value.dissipation), SY * p[-1], rtol=1e-7)
    np.testing.assert_allclose(s.value.energy, expected**2 / (2 * E) + H * p**2 / 2, rtol=1e-7)
    assert s.value.element == "q1e" and s.result.ok
    inside = s.value.fields.state
    assert inside["equivalent_plastic_strain"].shape == (2, 2, 1, 2)
    np.testing.assert_allclose(inside["equivalent_plastic_strain"][:, 1, 0, 1], p[[2, 4]], rtol=1e-7)
    flow = [1, -0.5, -0.5, 0, 0, 0]
    np.testing.assert_allclose(inside["plastic_strain"][1, 0, 0, 1], p[4] * np.asarray(flow), rtol=1e-7, atol=1e-12)
    # Tangent in tension at fixed lateral stress: E H / (E + H) while it flows, E when it does not.
    for row, modulus in ((3, E * H / (E + H)), (4, E)):
        compliance = np.linalg.inv(np.asarray(s.value.tangent[row]))
        assert 1 / compliance[0, 0] == pytest.approx(modulus, rel=1e-6)


def test_a_laminate_against_its_jump_conditions():
    """`pl.laminate_J2` of the reference values: an independent solver with the same 50 backward Euler steps."""
    labels = np.asarray([0, 1])[:, None, None]
    law = jh.PhaseMixture(
        labels,
        {
            0: jh.J2Plasticity(jh.LinearElastic.isotropic(70.0, 0.3), jh.LinearHardening(0.1, 0.0)),
            1: jh.LinearElastic.isotropic(400.0, 0.2),
        },
    )
    path = jh.LoadPath(ramp([0, 0.01, 0, 0, 0, 0.01], 50))  # gamma_12 = 2 eps_12
    s = jh.drive(jh.Grid((2, 1, 1)), law, path, tolerance=1e-12, tangent=False)
    expected = [0.6327879448950612, 2.501469573750372, 0.809503313374648, 0.0, 0.0, 0.050597342779914206]
    np.testing.assert_allclose(s.value.stress[-1], expected, rtol=1e-10, atol=1e-12)
    assert float(s.value.hill_mandel_residual.max()) < 1e-8


@pytest.mark.skipif(not CRATE.exists(), reason="the published image is not here")
def test_the_published_composite_at_100_squared():
    """Within 2.5 % at every listed strain, with the default element."""
    labels = np.load(CRATE / "disks_100.npy").astype(int)
    s = jh.drive(jh.Grid(labels.shape), published(labels), tension(20), tangent=False)
    for strain, stress in CURVE.items():
        assert float(s.value.stress[round(strain / 0.05 * 20) - 1, 0]) == pytest.approx(stress, rel=0.025)


def published(labels):
    table = jh.TabulatedHardening([0.0, 0.04, 1.0], [0.5, 0.7, 0.7 + 2 * 0.96])
    soft = jh.J2Plasticity(jh.LinearElastic.isotropic(100.0, 0.3), table)
    return jh.PhaseMixture(labels, {0: soft, 1: jh.LinearElastic.isotropic(500.0, 0.19)})


def tension(steps):
    return jh.LoadPath(ramp([0.05, 0, 0], steps), np.zeros((steps, 3)), [False, True, True])


@pytest.mark.slow
@pytest.mark.skipif(not CRATE.exists(), reason="the published image is not here")
def test_the_published_composite_at_200_squared_and_what_locks():
    """Within 0.5 % but at the knee, where the digitized curve scatters by several per cent; q1 is 28 % too stiff."""
    labels = np.load(CRATE / "disks_200.npy").astype(int)
    s = jh.drive(jh.Grid(labels.shape), published(labels), tension(20), tangent=False)
    for strain, stress in CURVE.items():
        near = 0.0125 if strain == 0.005 else 0.005
        assert float(s.value.stress[round(strain / 0.05 * 20) - 1, 0]) == pytest.approx(stress, rel=near)
    labels = np.load(CRATE / "disks_100.npy").astype(int)
    with pytest.warns(UserWarning, match="locks"):
        stiff = jh.drive(jh.Grid(labels.shape), published(labels), tension(20), element="q1", tangent=False)
    assert float(stiff.value.stress[-1, 0]) / CURVE[0.05] == pytest.approx(1.28, abs=0.01)
    # Single precision follows double within 1e-3.
    single = jax.tree.map(
        lambda x: x.astype(jnp.float32) if jnp.issubdtype(x.dtype, jnp.floating) else x, published(labels)
    )
    double = jh.drive(jh.Grid(labels.shape), published(labels), tension(20), tangent=False).value.stress
    got = jh.drive(jh.Grid(labels.shape), single, tension(20), tangent=False).value.stress
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got[:, 0], double[:, 0], rtol=1e-3)


@pytest.mark.slow
def test_single_precision_follows_double_in_a_sphere_of_32_cubed():
    """Within 1e-3, and the answer is single."""
    labels = sphere_cell(32, 0.3)
    path = jh.LoadPath(ramp([0.02, -0.008, -0.008, 0, 0, 0.01], 5))
    law = two_phases(labels)
    single = jax.tree.map(lambda x: x.astype(jnp.float32) if jnp.issubdtype(x.dtype, jnp.floating) else x, law)
    double = jh.drive(jh.Grid(labels.shape), law, path, element="q1r", tangent=False).value
    got = jh.drive(jh.Grid(labels.shape), single, path, element="q1r", tangent=False).value
    assert got.stress.dtype == jnp.float32
    size = float(jnp.abs(double.stress).max())
    np.testing.assert_allclose(got.stress, double.stress, rtol=0, atol=1e-3 * size)
    np.testing.assert_allclose(got.dissipation, double.dissipation, rtol=1e-3, atol=1e-12)


CASES = [
    ("q1r", "periodic"),
    pytest.param("q1bar", "affine", marks=pytest.mark.slow),
    pytest.param("q1r", "uniform_traction", marks=pytest.mark.slow),
    pytest.param("q1bar", "periodic", marks=pytest.mark.exhaustive),
    pytest.param("q1bar", ("periodic", "uniform_mixed"), marks=pytest.mark.exhaustive),
]


@pytest.mark.parametrize("element, boundary", CASES)
def test_tangent_and_adjoint_against_differences(element, boundary):
    """Under mixed control: the tangent of the last step, and reverse derivatives through the whole history."""
    shape, steps = (3, 4), 3
    labels, rng = random_labels(shape), np.random.default_rng(0)
    strain = jnp.asarray(np.cumsum(rng.normal(size=(steps, 3)) * 0.008, axis=0))
    stress = jnp.zeros((steps, 3))
    mask = np.zeros((steps, 3), bool)
    mask[:, 1] = True
    grid = jh.Grid(shape, (1.0, 1.2))

    @jax.jit
    def run(sy, strain, stress, mask):
        path = jh.LoadPath(strain, stress, mask)
        return jh.drive(grid, two_phases(labels, sy), path, boundary, element, 1e-11, throw=False)

    def loss(sy, strain, stress):
        v = run(sy, strain, stress, mask).value
        return jnp.sum(v.stress * jnp.arange(1.0, 4.0)) + 10 * jnp.sum(v.dissipation) + 7 * jnp.sum(v.energy)

    s = run(0.5, strain, stress, mask)
    assert s.result.ok and float(s.value.dissipation.min()) >= 0 and float(s.value.dissipation[-1]) > 0
    d = 1e-6
    # The tangent holds all strains: the last row under strain control, from where the path had come.
    held = s.value.strain
    last = np.array(mask)
    last[-1] = False
    move = lambda v: run(0.5, held.at[-1].add(v), stress, last).value.stress[-1]  # noqa: E731
    numeric = jnp.stack([(move(d * v) - move(-d * v)) / (2 * d) for v in jnp.eye(3)], axis=1)
    np.testing.assert_allclose(s.value.tangent[-1], numeric, rtol=0, atol=1e-6 * float(jnp.abs(numeric).max()))

    grads = jax.jit(jax.grad(loss, argnums=(0, 1, 2)))(0.5, strain, stress)
    for which, at in ((0, ()), (1, (0, 0)), (1, (2, 2)), (2, (1, 1))):
        args = [jnp.asarray(0.5), strain, stress]
        bump = lambda sign: [a.at[at].add(sign * d) if k == which else a for k, a in enumerate(args)]  # noqa: B023, E731
        numeric = (loss(*bump(1)) - loss(*bump(-1))) / (2 * d)
        assert float(grads[which][at]) == pytest.approx(float(numeric), rel=1e-5)


@pytest.mark.slow
def test_a_linear_law_is_what_homogenize_says():
    """Stress C : E, tangent C, energy E : C : E / 2, no dissipation; conduction with a flux prescribed."""
    labels = random_labels((4, 3))
    grid = jh.Grid((4, 3))
    law = jh.PhaseMixture(labels, {0: jh.LinearElastic.isotropic(1.0, 0.3), 1: jh.LinearElastic.isotropic(9.0, 0.1)})
    c = np.asarray(jh.to_voigt(jh.homogenize(grid, law, tolerance=1e-12).value.effective, "stiffness"))
    strain = np.asarray([[1e-3, 0, 0], [1e-3, -2e-3, 4e-3]])
    s = jh.drive(grid, law, jh.LoadPath(strain), tolerance=1e-10, fields=(-1,))
    np.testing.assert_allclose(s.value.stress, strain @ c, rtol=1e-8)
    np.testing.assert_allclose(s.value.tangent, np.stack([c, c]), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(s.value.energy, 0.5 * np.einsum("ti,ij,tj->t", strain, c, strain), rtol=1e-8)
    np.testing.assert_allclose(s.value.dissipation, 0)
    np.testing.assert_allclose(np.mean(s.value.fields.stress[0], axis=(0, 1)), s.value.stress[-1], rtol=1e-8)
    assert s.value.element == "q1"
    conductor = jh.PhaseMixture(labels, {0: jh.LinearConduction(1.0), 1: jh.LinearConduction(5.0)})
    k = np.asarray(jh.homogenize(grid, conductor, tolerance=1e-12).value.effective)
    path = jh.LoadPath(np.asarray([[2.0, 0.0]]), np.asarray([[0.0, -0.7]]), [False, True])
    s = jh.drive(grid, conductor, path, tolerance=1e-10)
    down = np.asarray([2.0, (0.7 - k[1, 0] * 2.0) / k[1, 1]])
    np.testing.assert_allclose(s.value.strain[0], down, rtol=1e-7)
    np.testing.assert_allclose(s.value.stress[0], -k @ down, rtol=1e-7)
    np.testing.assert_allclose(s.value.tangent[0], -k, rtol=1e-6)


@pytest.mark.slow
def test_a_path_that_is_interrupted_goes_on_bit_for_bit():
    """Of programs as users compile them; with the emitters of these tests the two differ by a rounding."""
    grid, law = jh.Grid((4, 4)), two_phases(random_labels((4, 4)))
    rng = np.random.default_rng(1)
    strain = np.cumsum(rng.normal(size=(6, 3)) * 0.006, axis=0)
    default: dict = {"xla_backend_optimization_level": 3}
    if "fusion_emitters" in os.environ.get("XLA_FLAGS", ""):
        default["xla_cpu_use_fusion_emitters"] = True
    run = jax.jit(lambda law, rows, state: jh.drive(grid, law, jh.LoadPath(rows), tangent=False, state=state))
    compiled = lambda *args: run.lower(*args).compile(default)(*args)  # noqa: E731
    whole, first = compiled(law, strain, None), compiled(law, strain[:3], None)
    second = compiled(law, strain[3:], first.state)
    assert whole.result.ok and second.result.ok
    for name in ("stress", "energy", "dissipation", "algorithmic_dissipation"):
        together = np.concatenate([getattr(first.value, name), getattr(second.value, name)])
        np.testing.assert_array_equal(together, getattr(whole.value, name))
    np.testing.assert_array_equal(second.state.state, whole.state.state)


@pytest.mark.slow
def test_steps_are_cut_and_failures_have_a_code():
    """A step that two passes of Newton's method do not solve is halved; without cuts it fails, NaN from there on."""
    grid, law = jh.Grid((4, 4)), two_phases(random_labels((4, 4)))
    path = jh.LoadPath(np.asarray([[0.001, 0.0, 0.0], [0.05, -0.02, 0.06], [0.051, -0.02, 0.06]]))
    plain = jh.drive(grid, law, path, tangent=False)
    cut = jh.drive(grid, law, path, tangent=False, tolerance=1e-2, max_newton=2, max_cuts=40)
    assert cut.result.ok and float(cut.stats["cuts"][1]) > 0 and float(plain.stats["cuts"].sum()) == 0
    np.testing.assert_allclose(cut.value.stress[-1], plain.value.stress[-1], rtol=0, atol=0.05 * 7.2)
    short = {"tangent": False, "tolerance": 1e-2, "max_newton": 2, "max_cuts": 0}
    failed = jh.drive(grid, law, path, throw=False, **short)
    assert failed.result.name == "no_equilibrium"
    assert np.isfinite(failed.value.stress[0]).all() and np.isnan(failed.value.stress[1:]).all()
    assert int(failed.stats["rows"]) == 1
    with pytest.raises(jh.SolverError, match="no_equilibrium") as caught:
        jh.drive(grid, law, path, **short)
    assert np.isfinite(caught.value.solution.value.stress[0]).all()


@pytest.mark.slow
def test_a_failing_lane_leaves_the_others_alone():
    """Batches of parameters and loads: an invalid law, a load that is too large; values and gradients of the rest."""
    grid, labels = jh.Grid((3, 3)), random_labels((3, 3))
    strain = jnp.asarray(ramp([0.02, -0.01, 0.01], 3))

    def run(sy, size):
        path = jh.LoadPath(strain * size)
        return jh.drive(grid, two_phases(labels, sy), path, tangent=False, throw=False, max_newton=6, max_cuts=0)

    sy, size = jnp.asarray([0.5, jnp.nan, 0.6, 0.5]), jnp.asarray([1.0, 1.0, 1.1, 1e300])
    many = jax.jit(jax.vmap(run))(sy, size)
    assert many.result.code[0] == 0 and many.result.code[2] == 0
    assert many.result.code[1] != 0 and many.result.code[3] != 0
    assert np.isnan(many.value.stress[1]).all() and np.isnan(many.value.stress[3]).all()
    for lane in (0, 2):
        alone = jax.jit(run)(sy[lane], size[lane])
        np.testing.assert_allclose(many.value.stress[lane], alone.value.stress, rtol=1e-9, atol=1e-12)

    def loss(sy):
        stress = jax.vmap(run)(sy, size).value.stress[:, -1, 0]
        return jnp.sum(jnp.where(jnp.asarray([True, False, True, False]), stress, 0.0))

    grads = jax.jit(jax.grad(loss))(sy)
    assert np.isfinite(grads[0]) and np.isfinite(grads[2]) and grads[1] == 0 and grads[3] == 0


@pytest.mark.slow
def test_the_dissipation_of_the_scheme_exceeds_the_physical_one_in_first_order():
    """<sigma : d eps> - d<psi> with end-point stresses, against A : d alpha, for 10 and 20 steps."""
    grid, law = jh.Grid((4, 4)), two_phases(random_labels((4, 4), 3))
    excess = []
    for steps in (10, 20):
        v = jh.drive(grid, law, jh.LoadPath(ramp([0.03, -0.01, 0.02], steps)), tangent=False, tolerance=1e-9).value
        assert (v.algorithmic_dissipation >= v.dissipation - 1e-12).all() and (v.lowest_dissipation >= 0).all()
        excess.append(float(jnp.sum(v.algorithmic_dissipation - v.dissipation)))
    assert 1.8 < excess[0] / excess[1] < 2.2


BAD = {
    "no load": (lambda: jh.LoadPath(), "give strain="),
    "both": (lambda: jh.LoadPath(np.zeros((2, 3)), np.zeros((2, 3))), "stress_controlled="),
    "missing": (lambda: jh.LoadPath(np.zeros((2, 3)), stress_controlled=[True, False, False]), "stress is missing"),
    "shape": (lambda: jh.LoadPath(np.zeros(3)), "one row per step"),
    "rows": (lambda: jh.LoadPath(np.zeros((2, 3)), np.zeros((3, 3)), [True, False, False]), "one row per step"),
    "nan": (lambda: jh.LoadPath(np.asarray([[0.0, np.nan, 0.0]])), "row 0, component 1"),
    "time": (lambda: jh.LoadPath(np.zeros((2, 3)), time=[1.0, 1.0]), "row 1"),
    "mask": (lambda: jh.LoadPath(np.zeros((2, 3)), stress_controlled=[0.5, 0, 0]), "booleans"),
    "components": (lambda: go(jh.LoadPath(np.zeros((1, 6)))), "takes 3"),
    "path": (lambda: go(np.zeros((1, 3))), "LoadPath"),
    "law": (lambda: jh.drive(jh.Grid((2, 2)), 3.0, jh.LoadPath(np.zeros((1, 3)))), "law is a float"),
    "element": (lambda: go(jh.LoadPath(np.zeros((1, 3))), element="fourier"), "linear laws"),
    "tolerance": (lambda: go(jh.LoadPath(np.zeros((1, 3))), tolerance=1e-15), "out of reach"),
    "fields": (lambda: go(jh.LoadPath(np.zeros((1, 3))), fields=(4,)), "rows 0 to 0"),
    "compact": (lambda: go(jh.LoadPath(np.zeros((1, 3))), tolerance=1e-9, compact=True), "compact=True keeps less"),
    "cuts": (lambda: go(jh.LoadPath(np.zeros((1, 3))), max_cuts=-1), "max_cuts"),
    "many cuts": (lambda: go(jh.LoadPath(np.zeros((1, 3))), max_cuts=10**9), "max_cuts=1000000000: .* to 100000"),
    "newton": (lambda: go(jh.LoadPath(np.zeros((1, 3))), max_newton=np.inf), "max_newton=inf: give a whole number"),
    "homogenize": (lambda: jh.homogenize(jh.Grid((2, 2)), two_phases(np.zeros((2, 2), int))), "use drive"),
    "homogenize alone": (lambda: jh.homogenize(jh.Grid((2, 2)), two_phases([[0]]).laws[0]), "use drive"),
}


def go(path, **options):
    return jh.drive(jh.Grid((2, 2)), two_phases(np.zeros((2, 2), int)), path, **options)


@pytest.mark.parametrize("build, words", BAD.values(), ids=BAD.keys())
def test_bad_input_is_named(build, words, unchecked):
    with pytest.raises(jh.InputError, match=words):
        build()
