"""`design` finds optima that are known in closed form, keeps what it must not lose, and says what is wrong."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.optimize
from disc_array import disc_array_conductivity

import jaxhomog as jh
from jaxhomog.studies import DesignState

A = {"a": np.array([1.0, -2.0]), "b": np.array([[0.5], [3.0]])}


def distance(v):
    """Half the squared distance to A, its sum prescribed and each entry >= 0: x = max(A + t, 0), here t = -1/2."""
    f = 0.5 * sum(jnp.sum((v[k] - A[k]) ** 2) for k in A)
    total = sum(jnp.sum(x) for x in v.values())
    return jh.Criteria(f, {"positive": -v["b"]}, {"sum": total - 3.0}, output=total)


def test_a_quadratic_program():
    start = {"a": np.ones(2), "b": np.ones((2, 1))}
    seen = []
    s = jh.design(distance, start, bounds=({"a": 0.0, "b": -9.0}, None), callback=seen.append, tolerance=1e-12)
    np.testing.assert_allclose(s.value.variables["a"], [0.5, 0.0], rtol=0, atol=1e-6)
    np.testing.assert_allclose(s.value.variables["b"], [[0.0], [2.5]], rtol=0, atol=1e-6)
    assert s.value.objective == pytest.approx(0.5 * (0.25 + 4 + 0.25 + 0.25), rel=1e-6)
    assert s.value.inequality["positive"].shape == (2, 1) and float(s.value.output) == pytest.approx(3.0)
    assert s.result.name == "success" and s.stats["converged"] and s.stats["rejected"] == 0
    history = s.value.history
    assert len(seen) == s.stats["steps"] == history.objective.size == history.constraints["sum"].size
    assert history.objective[-1] == seen[-1].objective and seen[0].variables["b"].shape == (2, 1)


def test_a_radius_that_makes_a_conductivity():
    """The square array of discs of conductivity 10 conducts 1.6029 at radius 0.3 (Rayleigh's multipoles)."""
    target = disc_array_conductivity(0.3, 10.0)
    grid, inside, outside = jh.Grid((24, 24), (1.0, 1.0)), jh.LinearConduction(10.0), jh.LinearConduction(1.0)

    def miss(v):
        fraction = jh.volume_fraction(grid, jh.shapes.Sphere(v["centre"], v["radius"]))
        k = jh.homogenize(grid, jh.CompositeVoxels(fraction, inside, outside), element="q1r", throw=False)
        k = k.value.effective
        return jh.Criteria((k[0, 0] / target - 1) ** 2, output=k)

    start = {"centre": np.array([0.5, 0.52]), "radius": np.array(0.2)}
    s = jh.design(miss, start, bounds=({"centre": 0.4, "radius": 0.1}, {"centre": 0.6, "radius": 0.45}), tolerance=1e-9)
    assert float(s.value.output[0, 0]) == pytest.approx(target, rel=1e-4)
    # The error of 24 voxels is 7e-4 in k, and d log k / d log r is about 1.
    assert float(s.value.variables["radius"]) == pytest.approx(0.3, rel=1.5e-3)


def conduction(field, sharpness, variables, rho=None):
    rho = field.density(variables, sharpness) if rho is None else rho
    law = jh.LinearConduction(jh.simp(rho, 3.0, 0.1))
    return jh.homogenize(field.grid, law, throw=False).value, jnp.mean(rho)


def test_the_best_conductor_is_a_laminate():
    """Of all cells with half of the better conductor the layers along a direction conduct best: the arithmetic mean."""
    field = jh.DensityField(jh.Grid((8, 8), (1.0, 1.0)), 0.2, "2mm")

    def problem(variables, sharpness):
        value, volume = conduction(field, sharpness, variables)
        return jh.Criteria(-value.effective[0, 0], {"volume": volume / 0.5 - 1}, output=value.effective)

    start = np.random.default_rng(1).uniform(0.45, 0.55, field.number)
    s = jh.design(problem, start, bounds=(0.0, 1.0), stages=(1.0, 4.0, 16.0), max_steps=40)
    assert float(s.value.output[0, 0]) == pytest.approx(0.55, rel=2e-4)
    assert float(s.value.output[1, 1]) == pytest.approx(1 / (0.5 / 1 + 0.5 / 0.1), rel=2e-4)
    assert abs(float(s.value.inequality["volume"])) < 1e-3, "the constraint is active"
    assert set(s.value.history.stage) == {0, 1, 2} and s.stats["evaluations"] >= s.stats["steps"] > 5


@pytest.mark.slow
def test_the_best_isotropic_conductor_meets_hashin_and_shtrikman():
    field = jh.DensityField(jh.Grid((24, 24), (1.0, 1.0)), 0.08, "4mm")
    x = (np.arange(24) + 0.5) / 24 - 0.5
    start = field.variables(np.where(np.hypot(x[:, None], x[None]) < 0.3, 0.3, 0.6))

    def problem(variables, sharpness):
        value, volume = conduction(field, sharpness, variables)
        return jh.Criteria(-value.effective[0, 0], {"volume": volume / 0.5 - 1})

    s = jh.design(problem, start, bounds=(0.0, 1.0), stages=(2.0, 8.0, 32.0), max_steps=40)
    fine = field.refined(2)
    solid = (fine.density(s.value.variables, 32.0) > 0.5).astype(float)
    value, volume = conduction(fine, None, None, solid)
    upper = float(value.bounds.hs_upper[0, 0])
    assert 0.98 * upper < float(value.effective[0, 0]) < 1.005 * upper and 0.45 < float(volume) < 0.55


def auxetic(field, variables, sharpness, tolerance=None):
    """Poisson's ratio, modulus over the solid's, volume; E = 1, nu = 0.3, plane strain."""
    rho = field.density(variables, sharpness)
    law = jh.LinearElastic.isotropic(jh.simp(rho, 3.0, 1e-4), 0.3)
    s = jh.effective_compliance(field.grid, law, throw=False, tolerance=tolerance).value.compliance
    return -s[0, 1] / s[0, 0], (1 - 0.3**2) / s[0, 0], jnp.mean(rho)


def test_gradients_of_a_density_problem():
    field = jh.DensityField(jh.Grid((8, 8), (1.0, 1.0)), 0.3, "4mm")
    x = np.random.default_rng(0).uniform(0.2, 0.8, field.number)
    f = jax.jit(lambda x: jnp.stack(auxetic(field, x, 5.0, 1e-12)))
    slopes = jax.jacrev(f)(x)
    for k in (0, 4, 9):
        e = 1e-5 * (np.arange(x.size) == k)
        np.testing.assert_allclose(slopes[:, k], (f(x + e) - f(x - e)) / 2e-5, rtol=1e-6, atol=1e-9)


@pytest.mark.slow
def test_a_small_auxetic():
    """Poisson's ratio below -0.5 with half of the solid and 1 % of its stiffness, on twice as many voxels too."""
    field = jh.DensityField(jh.Grid((32, 32), (1.0, 1.0)), 0.05, "4mm")
    x = np.abs((np.arange(32) + 0.5) / 32 - 0.5)
    edges = np.minimum(np.hypot(0.5 - x[:, None], x[None]), np.hypot(x[:, None], 0.5 - x[None]))
    start = field.variables(np.where(edges < 0.25, 0.2, 0.6))

    def problem(variables, sharpness):
        ratio, modulus, volume = auxetic(field, variables, sharpness)
        return jh.Criteria(ratio, {"volume": volume / 0.47 - 1, "stiffness": jnp.log(0.02 / modulus)})

    s = jh.design(problem, start, bounds=(0.0, 1.0), stages=(1.0, 2.0, 4.0, 8.0, 16.0), max_steps=30)
    for refined in (field, field.refined(2)):
        solid = (refined.density(s.value.variables, 16.0) > 0.5) * 1.0
        law = jh.LinearElastic.isotropic(solid, 0.3)
        compliance = jh.effective_compliance(refined.grid, law).value.compliance
        assert float(-compliance[0, 1] / compliance[0, 0]) < -0.5
        assert float(0.91 / compliance[0, 0]) > 0.01 and solid.mean() < 0.5


def well(v):
    """(v - 1)^2, where v < 1.2; nothing beyond."""
    return jnp.where(v[0] < 1.2, 1.0, jnp.nan) * (v[0] - 1) ** 2


@pytest.mark.parametrize("optimizer", ["slsqp", optax.sgd(0.9)], ids=["slsqp", "sgd"])
def test_points_that_fail_are_rejected(optimizer):
    with pytest.warns(UserWarning, match=r"design: \d+ of \d+ points could not be evaluated"):
        s = jh.design(well, np.array([0.7]), optimizer=optimizer, tolerance=1e-8, max_steps=60)
    assert s.stats["rejected"] > 0
    assert float(s.value.variables[0]) == pytest.approx(1.0, abs=1e-3)


def test_constraints_that_fail_are_rejected(monkeypatch):
    """x -> min with 1 / x <= 1 from x = 2.8, where nothing can be evaluated below 0.9; scipy never meets a NaN."""
    minimize, met = scipy.optimize.minimize, []

    def watched(function):
        def call(x):
            met.append(function(x))
            return met[-1]

        return call

    def watching(fun, x, jac, constraints, **options):
        constraints = [c | {"fun": watched(c["fun"])} for c in constraints]
        return minimize(watched(fun), x, jac=jac, constraints=constraints, **options)

    monkeypatch.setattr(scipy.optimize, "minimize", watching)
    inside = lambda v: jnp.where(v[0] > 0.9, 1.0, jnp.nan)  # noqa: E731
    problem = lambda v: jh.Criteria(inside(v) * v[0], {"low": inside(v) / v[0] - 1})  # noqa: E731
    with pytest.warns(UserWarning, match="rejected"):
        s = jh.design(problem, np.array([2.8]), tolerance=1e-9)
    assert float(s.value.variables[0]) == pytest.approx(1.0, abs=1e-4) and s.stats["rejected"] > 0
    assert len(met) > 10 and np.isfinite(np.hstack(met)).all()


def test_a_search_that_is_lost_returns_its_best_point():
    wall = lambda v: jnp.where(v[0] <= 0, 1.0, jnp.nan) * (v[0] - 1) ** 2  # noqa: E731
    with pytest.warns(UserWarning, match="rejected"):
        s = jh.design(wall, np.array([0.0]), optimizer=optax.sgd(0.5))
    assert float(s.value.variables[0]) == 0 and s.value.objective == 1 and not s.stats["converged"]


def test_optax_keeps_bounds_and_resumes_bit_for_bit():
    f = lambda v: jnp.sum((v["x"] - jnp.array([0.3, 2.0])) ** 2)  # noqa: E731
    options = dict(bounds=(0.0, 1.0), optimizer=optax.adam(0.05))
    start = {"x": np.array([0.9, 0.1])}
    whole = jh.design(f, start, max_steps=80, **options)
    half = jh.design(f, start, max_steps=30, **options)
    rest = jh.design(f, start, max_steps=80, state=half.state, **options)
    assert np.array_equal(rest.value.variables["x"], whole.value.variables["x"])
    assert np.array_equal(rest.state.variables, whole.state.variables) and rest.stats["steps"] == 50
    np.testing.assert_allclose(whole.value.variables["x"], [0.3, 1.0], rtol=0, atol=1e-2)
    again = jh.design(f, start, max_steps=80, state=whole.state, **options)
    assert again.stats["steps"] == 0 and again.value.objective == whole.value.objective


def test_a_line_search_of_optax():
    """L-BFGS on a quadratic of two variables ends within a few steps, and goes on bit for bit."""

    def f(v):
        a, b = v[0] - 0.3, v[1] - 2.0
        return a**2 + b**2 + a * b / 2

    start, options = np.array([0.9, 0.1]), dict(optimizer=optax.lbfgs())
    s = jh.design(f, start, max_steps=8, **options)
    np.testing.assert_allclose(s.value.variables, [0.3, 2.0], rtol=0, atol=1e-6)
    half = jh.design(f, start, max_steps=2, **options)
    rest = jh.design(f, start, max_steps=8, state=half.state, **options)
    assert np.array_equal(rest.state.variables, s.state.variables)
    with pytest.raises(jh.InputError, match="knows no bounds: use optimizer='slsqp'"):
        jh.design(f, start, bounds=(0.0, 1.0), **options)


def test_a_line_search_backs_away_from_points_that_fail():
    f = lambda v: jnp.sum(v**2) - 1e-3 * jnp.sum(jnp.log(0.5 - v))  # noqa: E731  NaN beyond 0.5
    s = jh.design(f, np.array([-3.0, 0.4]), optimizer=optax.lbfgs(), max_steps=30)
    assert np.abs(jax.grad(lambda v: f(v))(s.value.variables)).max() < 1e-6


def test_a_design_is_saved_and_goes_on_from_its_file(tmp_path):
    start, options = {"a": np.ones(2), "b": np.ones((2, 1))}, dict(optimizer=optax.adam(0.1))
    f = lambda v: distance(v).objective  # noqa: E731
    half = jh.design(f, start, max_steps=5, **options)
    jh.save_solution(tmp_path / "a.npz", half)
    read = jh.load_solution(tmp_path / "a.npz")
    assert np.array_equal(read.value.variables["b"], half.value.variables["b"])
    assert np.array_equal(read.value.history.objective, half.value.history.objective)
    whole = jh.design(f, start, max_steps=9, **options)
    rest = jh.design(f, start, max_steps=9, state=read.state, **options)
    assert np.array_equal(rest.state.variables, whole.state.variables)
    constrained = jh.design(distance, start)
    jh.save_solution(tmp_path / "b.npz", constrained)
    again = jh.design(distance, start, state=jh.load_solution(tmp_path / "b.npz").state)
    assert float(again.value.objective) == pytest.approx(float(constrained.value.objective), rel=1e-6)


def test_single_precision_stays():
    f = lambda v: jh.Criteria(jnp.sum((v - 2) ** 2), {"sum": jnp.sum(v) - 1}, output=v)  # noqa: E731
    s = jh.design(f, np.zeros(2, np.float32), bounds=(0.0, 1.0))
    assert s.value.variables.dtype == s.value.output.dtype == jnp.float32
    np.testing.assert_allclose(s.value.variables, [0.5, 0.5], rtol=0, atol=1e-3)


def test_a_start_without_slope():
    f = lambda v: jh.Criteria(jnp.sum(v**2), {"away": 1 - v[0]})  # noqa: E731
    np.testing.assert_allclose(jh.design(f, np.zeros(2)).value.variables, [1, 0], rtol=0, atol=1e-6)


def test_stages_start_from_the_design_before_and_a_callback_can_stop_them():
    seen, traced = [], []

    def f(v, target):
        traced.append(v)
        return jnp.sum((v - target) ** 2)

    s = jh.design(f, np.zeros(2), stages=(1.0, 3.0), callback=seen.append)
    assert len(traced) == 1, "one program for all stages"
    np.testing.assert_allclose(s.value.variables, [3, 3], rtol=0, atol=1e-5)
    first = [step for step in seen if step.state.stage == 0]
    np.testing.assert_allclose(first[-1].variables, [1, 1], rtol=0, atol=1e-5)
    assert (s.state.stage, s.value.history.stage[-1]) == (1, 1)
    stopped = jh.design(f, np.zeros(2), stages=(1.0, 3.0), callback=lambda step: step.state.stage == 0)
    assert stopped.stats["steps"] == 1
    later = jh.design(f, np.zeros(2), stages=(1.0, 3.0), state=stopped.state)
    np.testing.assert_allclose(later.value.variables, [3, 3], rtol=0, atol=1e-5)


def test_a_stage_that_cannot_be_reached():
    f = lambda v, power: jnp.sum(v**2) ** power  # noqa: E731
    g = lambda v, bad: f(v, 1.0) * jnp.where(bad > 0, jnp.nan, 1.0)  # noqa: E731
    with pytest.warns(UserWarning, match="rejected"), pytest.raises(jh.SolverError, match="no_design") as caught:
        jh.design(g, np.ones(2), stages=(0.0, 1.0))
    assert caught.value.solution.value.objective < 1e-6, "the design of the stage before is not lost"


def test_no_feasible_design():
    problem = lambda v: jh.Criteria(v[0], {"above": 2 - v[0]})  # noqa: E731
    with pytest.raises(jh.SolverError, match="no_design: no feasible point") as caught:
        jh.design(problem, np.array([0.5]), bounds=(0.0, 1.0))
    s = caught.value.solution
    assert s.stats["violation"] == pytest.approx(1.0) and float(s.value.variables[0]) == pytest.approx(1.0)
    assert jh.design(problem, np.array([0.5]), bounds=(0.0, 1.0), throw=False).result.name == "no_design"


def one(v):
    return jnp.sum(v**2)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: jh.design(one, np.ones(2), optimizer="mma"), "optimizer='mma': give 'slsqp' or an optax"),
        (lambda: jh.design(one, np.ones(2, int)), "start has no leaf or one that is not floating"),
        (lambda: jh.design(one, {}), "start has no leaf"),
        (
            lambda: jh.design(one, np.ones(2), bounds=(0.0, 0.5)),
            "start is 1 at variable 0, outside its bounds [0,",
        ),
        (lambda: jh.design(one, np.ones(2), bounds=({"x": 0}, None)), "the lower bound is no number and no pytree"),
        (lambda: jh.design(one, np.ones(2), max_steps=0), "max_steps=0"),
        (lambda: jh.design(one, np.ones(2), tolerance=0.0), "tolerance=0.0"),
        (lambda: jh.design(lambda v: v, np.ones(2)), "the objective has shape (2,): return one number"),
        (lambda: jh.design(lambda v: jnp.log(-v[0]), np.ones(2)), "start cannot be evaluated (objective nan"),
        (
            lambda: jh.design(lambda v: jh.Criteria(v[0], {"a": jnp.log(-v)}), np.ones(2)),
            "inequality 'a' not finite",
        ),
        (
            lambda: jh.design(lambda v: jh.Criteria(v[0], {"a": v}), np.ones(2), optimizer=optax.sgd(0.1)),
            "an optax optimizer knows no constraints",
        ),
        (lambda: jax.jit(lambda v: jh.design(one, v).value.objective)(np.ones(2)), "call it outside jit"),
        (
            lambda: jh.design(one, np.ones(2), state=DesignState(np.ones(3), 0, 0, np.ones(3))),
            "the state has 3 variables and is in stage 0: start has 2",
        ),
        (lambda: jh.design(one, np.ones(2), state=3), "state is a int: give solution.state"),
        (lambda: jh.design(one, np.ones(2), bounds=("a", "b")), "the lower bound is no number"),
        (lambda: jh.design(one, np.ones(2), bounds=(0.0, np.ones(3))), "the upper bound has another shape"),
        (lambda: jh.design(one, np.ones(2), bounds=3), "bounds=3: give (lower, upper)"),
        (lambda: jh.design(one, np.array([1.0, np.nan])), "start is nan at variable 1: give finite"),
        (lambda: jh.design(one, None), "start has no leaf"),
        (lambda: jh.design(one, "x"), "start has no leaf"),
        (lambda: jh.design(None, np.ones(2)), "problem is a NoneType: give a function of the variables"),
        (lambda: jh.design(lambda: 1.0, np.ones(2)), "problem cannot be called (too many"),
        (lambda: jh.design(one, np.ones(2), stages=(1.0,)), "a function of the variables and a stage"),
        (lambda: jh.design(one, np.ones(2), stages=3), "stages=3: give a list"),
        (lambda: jh.design(one, np.ones(2), stages=[1.0, "x"]), "stages[1]='x': give finite numbers"),
        (lambda: jh.design(one, np.ones(2), stages=[None]), "stages[0]=None"),
        (lambda: jh.design(one, np.ones(2), callback=3), "callback is a int: give a function of a step"),
        (lambda: jh.design(one, np.ones(2), max_steps="x"), "max_steps='x': give a whole number"),
        (lambda: jh.design(one, np.ones(2), max_steps=True), "max_steps=True"),
        (lambda: jh.design(one, np.ones(2), tolerance=None), "tolerance=None: give a number between 0 and 1"),
        (lambda: jh.design(lambda v: None, np.ones(2)), "the objective is a NoneType: return one real number"),
        (lambda: jh.design(lambda v: 1j * v[0], np.ones(2)), "the objective is a complex"),
        (lambda: jh.design(lambda v: jh.Criteria(v[0], [v]), np.ones(2)), "inequality is a list: give a dict"),
        (
            lambda: jh.design(lambda v: jh.Criteria(v[0], equality={"a": "x"}), np.ones(2)),
            "equality 'a' is a str: give an array of real numbers",
        ),
        (
            lambda: jax.grad(lambda c: jh.design(lambda v: one(v - c), np.ones(2)).value.objective)(0.3),
            "call it outside jit",
        ),
    ],
)
def test_bad_input_is_one_line(unchecked, call, words):
    with pytest.raises(jh.InputError) as caught:
        call()
    line = str(caught.value)
    assert words in line and len(line.splitlines()) == 1


def test_scipy_is_asked_for_by_name(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "scipy.optimize", None)
    with pytest.raises(jh.InputError, match=r"pip install 'jaxhomog\[studies\]'"):
        jh.design(one, np.ones(2))
