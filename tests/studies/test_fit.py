"""`fit`: straight lines against their normal equations, limits, priors, failures, restarts, bad input."""

from collections import OrderedDict

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optimistix as optx
import pytest
from scipy import stats

import jaxhomog as jh
from jaxhomog import Experiment, fit

X = np.linspace(0.0, 1.0, 8)
RNG = np.random.default_rng(3)
Y = 1.5 - 0.7 * X + 0.05 * RNG.standard_normal(8)
DESIGN = np.stack([np.ones(8), X], axis=1)


def line(p):
    return p["a"] + p["b"] * X


def exponential(p):
    return p["size"] * jnp.exp(-X / p["time"])


def by_hand(noise):
    """Normal equations: estimate and covariance."""
    covariance = np.linalg.inv(DESIGN.T @ DESIGN) * noise**2
    return covariance @ DESIGN.T @ Y / noise**2, covariance


SOLVERS = {"Levenberg-Marquardt": None, "BFGS": optx.BFGS(rtol=1e-10, atol=1e-10), "adam": optax.adam(0.05)}


@pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS.keys())
def test_a_line_is_its_normal_equations(solver):
    best, covariance = by_hand(0.05)
    s = fit(Experiment(line, Y, 0.05), {"a": 1.0, "b": 1.0}, solver=solver, max_steps=3000, tolerance=1e-4)
    v = s.value
    found = [float(v.parameters["a"]), float(v.parameters["b"])]
    assert np.all(np.abs(found - best) <= 1e-3 * np.sqrt(np.diag(covariance)))
    np.testing.assert_allclose(v.covariance, covariance, rtol=1e-8)
    half = stats.norm.ppf(0.975) * np.sqrt(np.diag(covariance))
    np.testing.assert_allclose([v.upper["a"] - v.lower["a"], v.upper["b"] - v.lower["b"]], 2 * half, rtol=1e-6)
    left = (DESIGN @ best - Y) / 0.05
    assert float(v.chi_squared) == pytest.approx(left @ left, rel=1e-6)
    np.testing.assert_allclose(v.residuals[0], left, rtol=0, atol=1e-3)
    assert float(s.stats["distance"]) <= 1e-3 and s.result.ok


def test_an_unknown_noise_is_estimated():
    """s^2 = |r|^2 / (m - p), Student's quantile with m - p degrees of freedom."""
    best, covariance = by_hand(1.0)
    left = DESIGN @ best - Y
    deviation = np.sqrt(left @ left / 6)
    v = fit(Experiment(line, Y), {"a": 1.0, "b": 1.0}, confidence=0.9).value
    assert float(v.noise) == pytest.approx(deviation, rel=1e-6)
    half = stats.t.ppf(0.95, 6) * deviation * np.sqrt(covariance[1, 1])
    assert float(v.upper["b"] - v.lower["b"]) == pytest.approx(2 * half, rel=1e-6)


@pytest.mark.parametrize("bounds", ["positive", (0.05, 2.0)])
def test_limits_hold_on_the_way_and_the_optimum_does_not_know_them(bounds):
    truth = {"size": 2.0, "time": 0.3}
    seen = []

    def model(p):
        jax.debug.callback(lambda t: seen.append(float(t)), p["time"])
        return exponential(p)

    s = fit(Experiment(model, exponential(truth), 0.01), {"size": 1.0, "time": 1.9}, bounds={"time": bounds})
    assert float(s.value.parameters["time"]) == pytest.approx(0.3, rel=1e-4)
    jax.effects_barrier()
    low, high = (0.0, np.inf) if bounds == "positive" else bounds
    assert seen and all(low <= t <= high for t in seen)
    assert low < float(s.value.lower["time"]) < 0.3 < float(s.value.upper["time"]) < high


def test_a_prior_is_one_more_measurement():
    """The posterior of a mean with a normal prior, and draws from it."""
    data = np.array([1.1, 0.9, 1.3])
    s = fit(Experiment(lambda p: p["a"] * np.ones(3), data, 0.2), {"a": 0.5}, prior={"a": (2.0, 0.1)}, tolerance=1e-6)
    weights = np.array([3 / 0.04, 1 / 0.01])
    mean, deviation = weights @ [1.1, 2.0] / weights.sum(), 1 / np.sqrt(weights.sum())
    assert float(s.value.parameters["a"]) == pytest.approx(mean, rel=1e-8)
    assert float(s.value.covariance[0, 0]) == pytest.approx(deviation**2, rel=1e-8)
    draws = np.asarray(s.value.sample(jax.random.key(0), 4000)["a"])
    assert draws.mean() == pytest.approx(mean, abs=4 * deviation / np.sqrt(4000))
    assert draws.std() == pytest.approx(deviation, rel=0.05)


def test_a_lane_that_fails_is_left_out_and_poisons_nothing():
    """Tests of one kind in lanes: the fit is that of the lanes that work; missing data count for nothing."""

    def model(p, x):
        y = p["a"] + p["b"] * x
        return jnp.where(x > 0.8, jnp.sqrt(-1.0 - y**2), y)  # NaN with a NaN derivative

    data = Y.copy()
    data[1] = np.nan
    s = fit(Experiment(model, data, 0.05, inputs=X), {"a": 1.0, "b": 1.0}, tolerance=1e-4)
    use = (X <= 0.8) & np.isfinite(data)
    best = np.linalg.lstsq(DESIGN[use], Y[use], rcond=None)[0]
    np.testing.assert_allclose([s.value.parameters["a"], s.value.parameters["b"]], best, rtol=1e-5)
    assert int(s.stats["failed"]) == 2 and np.isnan(s.value.predictions[0][-2:]).all()
    for solver in (optx.BFGS(rtol=1e-10, atol=1e-10), optax.adam(0.05)):
        other = fit(Experiment(model, data, 0.05, inputs=X), {"a": 1.0, "b": 1.0}, solver=solver, max_steps=2000)
        np.testing.assert_allclose([other.value.parameters["a"], other.value.parameters["b"]], best, rtol=1e-3)
    with pytest.raises(jh.InputError, match="every prediction fails"):
        fit(Experiment(lambda p: p["a"] * jnp.full(2, jnp.nan), [1.0, 2.0], 1.0), {"a": 1.0})


@pytest.mark.parametrize(
    "solver", [None, optx.NelderMead(1e-8, 1e-8), optx.BFGS(1e-10, 1e-10)], ids=["LM", "NM", "BFGS"]
)
def test_a_step_into_failure_is_taken_back(solver):
    """sqrt(a) has no value below zero, where the first full step of a line through (4, 2) leads."""
    model = lambda p: jnp.where(p["a"] > 0, jnp.sqrt(p["a"]), jnp.nan) * jnp.ones(2)  # noqa: E731
    v = fit(Experiment(model, [0.1, 0.1], 0.01), {"a": 4.0}, solver=solver, tolerance=1e-3).value
    assert float(v.parameters["a"]) == pytest.approx(0.01, rel=1e-3)


def test_several_kinds_of_tests_and_going_on():
    """Weighted by their noises; three steps and the rest are all steps, bit for bit."""
    both = [Experiment(exponential, exponential({"size": 2.0, "time": 0.3}) + 0.01, 0.01)]
    both.append(Experiment(lambda p: p["size"], 1.9, 0.5, name="size alone"))
    start = {"size": 1.0, "time": 1.0}
    seen = []
    whole = fit(both, start, progress=lambda n, chi: seen.append((n, chi)))
    assert [n for n, _ in seen] == list(range(1, int(whole.stats["steps"]) + 1)) and seen[-1][1] < seen[0][1]
    part = fit(both, start, max_steps=3, throw=False)
    assert part.result.name == "max_iterations"
    rest = fit(both, start, state=part.state)
    assert int(part.stats["steps"]) + int(rest.stats["steps"]) == int(whole.stats["steps"])
    assert rest.value.parameters == whole.value.parameters
    with pytest.raises(jh.SolverError, match="after 2 steps the optimum is"):
        fit(both, start, max_steps=2)


UNITS = {
    "a modulus in Pa and a ratio": (lambda p: p["E"] * 0.01 * (1 + jnp.arange(4) * p["nu"]), 2e11, 0.3, 1e7),
    "a product": (lambda p: p["E"] * jnp.exp(-jnp.arange(4) * p["nu"]), 1e-7, 1e3, 1e-10),
}


@pytest.mark.parametrize("model, first, second, noise", UNITS.values(), ids=UNITS.keys())
def test_units_decide_nothing(model, first, second, noise):
    """The same test in units that make both parameters one: same residuals, relative intervals and verdict."""
    truth = {"E": first, "nu": second}
    if second > 1:  # a rate per second beside a stress in TPa: time counts in milliseconds
        model_of = lambda p: p["E"] * jnp.exp(-jnp.arange(4) * p["nu"] * 1e-3)  # noqa: E731
    else:
        model_of = model
    data = model_of(truth) + noise * np.array([0.3, -0.5, 0.8, -0.1])
    raw = fit(Experiment(model_of, data, noise), {k: 0.7 * v for k, v in truth.items()}, tolerance=1e-6).value
    scaled = Experiment(
        lambda p: model_of({k: v * truth[k] for k, v in p.items()}) / first, data / first, noise / first
    )
    ones = fit(scaled, {"E": 0.7, "nu": 0.7}, tolerance=1e-6).value
    for k, v in truth.items():
        for ours, theirs in ((raw.parameters, ones.parameters), (raw.lower, ones.lower), (raw.upper, ones.upper)):
            assert float(ours[k]) / v == pytest.approx(float(theirs[k]), rel=1e-6)
    size = np.array([first, second])
    np.testing.assert_allclose(raw.covariance / np.outer(size, size), ones.covariance, rtol=1e-5)
    assert raw.identifiability.identified and "do not see" not in str(raw)


def test_sensitivities_that_differ_by_decades():
    """Two separate measurements, one ten million times as exact: both are fitted. A tight prior fixes a parameter."""
    both = [Experiment(lambda p: p["a"], 2.0, 1e-7), Experiment(lambda p: p["b"], 5.0, 1.0)]
    v = fit(both, {"a": 1.0, "b": 1.0}).value
    assert float(v.parameters["b"]) == pytest.approx(5.0, abs=0.02) and np.isfinite(v.upper["b"])
    fixed = fit(Experiment(line, Y, 0.05), {"a": 1.0, "b": 1.0}, prior={"a": (1.4, 1e-7)}, tolerance=1e-5).value
    assert float(fixed.parameters["b"]) == pytest.approx(X @ (Y - 1.4) / (X @ X), rel=1e-5)
    assert float(fixed.covariance[1, 1]) == pytest.approx(0.05**2 / (X @ X), rel=1e-5)


def test_containers_keep_their_order():
    """An ordered dict, a tuple and a nested dict: rules reach the parameters that they name."""
    model = lambda p: jnp.stack([p["z"], p["a"]])  # noqa: E731
    start = OrderedDict(z=5.0, a=1.0)
    v = fit(Experiment(model, [5.0, 1.0], 10.0), start, prior={"a": (1.0, 1e-3)}, bounds={"a": "positive"}).value
    assert v.identifiability.names == ("z", "a")
    np.testing.assert_allclose(np.diagonal(v.covariance), [100, 1e-6], rtol=1e-6)
    pair = fit(Experiment(jnp.stack, [0.5, 2.0], 0.1), (1.0, 1.0), bounds=("positive", (0.0, 3.0))).value
    assert float(pair.lower[0]) > 0 and float(pair.upper[1]) < 3
    nested = {"m": {"E": 1.0, "n": 1.0}}
    deep = Experiment(lambda p: jnp.stack([p["m"]["E"], p["m"]["n"]]), [1.0, 1.0], 1.0)
    v = fit(deep, nested, prior={"m": {"n": (1.0, 1.0)}}).value
    np.testing.assert_allclose(np.diagonal(v.covariance), [1.0, 0.5], rtol=1e-6)


def test_degrees_of_freedom_count_what_is_used():
    """Three of eight lanes work: Student's quantile has one degree of freedom."""
    model = lambda p, x: jnp.where(x > 0.3, jnp.nan, p["a"] + p["b"] * x)  # noqa: E731
    v = fit(Experiment(model, Y, inputs=X), {"a": 1.0, "b": 1.0}, tolerance=1e-4).value
    design = DESIGN[:3]
    best, left, *_ = np.linalg.lstsq(design, Y[:3], rcond=None)
    deviation = np.sqrt(left[0] * np.linalg.inv(design.T @ design)[0, 0])
    assert float(v.upper["a"] - best[0]) == pytest.approx(stats.t.ppf(0.975, 1) * deviation, rel=1e-4)


def test_exact_data_and_an_unknown_noise():
    s = fit(Experiment(line, 1.5 - 0.7 * X), {"a": 1.0, "b": 1.0})
    assert float(s.value.parameters["b"]) == pytest.approx(-0.7, abs=1e-6) and float(s.value.noise) < 1e-7


def test_a_parameter_at_its_bound_is_held_there():
    """The data want 3, the bound is 2: it ends there, says so, and the other has the interval of a fit without it."""
    model = lambda p: jnp.concatenate([p["a"] * np.ones(3), p["b"] * np.ones(2)])  # noqa: E731
    s = fit(Experiment(model, [3.0, 3.0, 3.0, 1.0, 1.2], 0.1), {"a": 1.0, "b": 0.5}, bounds={"a": (0.0, 2.0)})
    v = s.value
    assert float(v.parameters["a"]) == pytest.approx(2.0, abs=1e-5) and bool(v.at_bound["a"])
    assert float(v.parameters["b"]) == pytest.approx(1.1, abs=1e-3) and not bool(v.at_bound["b"])
    assert float(v.covariance[1, 1]) == pytest.approx(0.005, rel=1e-6) and float(v.covariance[0, 0]) == 0
    assert "a = 2, at its bound" in str(v) and "do not see" not in str(v)
    assert np.isfinite(v.sample(jax.random.key(0), 3)["b"]).all()


CHECKPOINTED = {
    "Levenberg-Marquardt": None,
    "best of Gauss-Newton": optx.BestSoFarLeastSquares(optx.GaussNewton(rtol=1e-8, atol=1e-8)),
    "BFGS": optx.BFGS(rtol=1e-8, atol=1e-8),
    "adam": optax.adam(0.05),
}


@pytest.mark.parametrize("solver", CHECKPOINTED.values(), ids=CHECKPOINTED.keys())
def test_a_fit_that_is_cut_off_goes_on_from_its_file(tmp_path, solver):
    """The same call, made again, ends bit for bit where one that nobody cut off does; and once more at no step."""
    e, start, file = Experiment(line, Y, 0.05), {"a": 1.0, "b": 1.0}, tmp_path / "fit.npz"
    options = dict(solver=solver, tolerance=1e-6, max_steps=30, throw=False)
    whole = fit(e, start, **options)

    def interrupt(step, chi):
        if step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(e, start, checkpoint=file, progress=interrupt, **options)
    told = []
    rest = fit(e, start, checkpoint=file, progress=lambda step, chi: told.append(step), **options)
    assert told[0] == 3 and rest.stats["steps"] == whole.stats["steps"] == told[-1]
    np.testing.assert_array_equal(rest.value.z, whole.value.z)
    again = fit(e, start, checkpoint=file, **options)
    np.testing.assert_array_equal(again.value.z, whole.value.z)
    assert again.stats["steps"] == whole.stats["steps"] and [p.name for p in tmp_path.iterdir()] == ["fit.npz"]


def test_a_checkpoint_of_another_fit_is_refused(tmp_path):
    e, start, file = Experiment(line, Y, 0.05), {"a": 1.0, "b": 1.0}, tmp_path / "fit.npz"
    loose = fit(e, start, checkpoint=file, tolerance=100.0)
    assert fit(e, start, checkpoint=file, tolerance=1e-6).stats["steps"] > loose.stats["steps"], "a finer one goes on"
    before = file.read_bytes()

    def cubic(p):
        return p["a"] + p["b"] * X**3

    other = {
        "start, bounds or prior differ": lambda: fit(e, {"a": 1.0, "b": 1.1}, checkpoint=file),
        "experiments differ": lambda: fit(Experiment(line, Y + 1, 0.05), start, checkpoint=file),
        "models differ": lambda: fit(Experiment(cubic, Y, 0.05), start, checkpoint=file),
        "solver differ": lambda: fit(e, start, checkpoint=file, solver=optax.adam(0.1)),
        "give one of them": lambda: fit(e, start, checkpoint=file, state=loose.state),
        "is a folder": lambda: fit(e, start, checkpoint=tmp_path),
        "no folder that exists": lambda: fit(e, start, checkpoint=tmp_path / "a" / "b"),
        "checkpoint=3: give the path": lambda: fit(e, start, checkpoint=3),
        "outside": lambda: jax.jit(lambda s: fit(e, s, checkpoint=file).value.z)(start),
    }
    for words, run in other.items():
        with pytest.raises(jh.InputError, match=words) as caught:
            run()
        assert "\n" not in str(caught.value) and file.read_bytes() == before
    file.write_bytes(before[:-50])
    with pytest.raises(jh.InputError, match="is no checkpoint of a fit"):
        fit(e, start, checkpoint=file)


def test_solvers_that_do_not_fit_are_named():
    e, start, tight = Experiment(line, Y, 0.05), {"a": 1.0, "b": 1.0}, dict(rtol=1e-8, atol=1e-8)
    for solver, words in (
        (optx.GoldenSearch(**tight), "GoldenSearch searches an interval"),
        (optx.BestSoFarMinimiser(optx.GoldenSearch(**tight)), "GoldenSearch searches an interval"),
        (optx.Newton(**tight), "solver is a Newton: give a least squares solver"),
        (optx.LevenbergMarquardt, "solver is the class LevenbergMarquardt"),
        (optax.adam, "solver is a function"),
    ):
        with pytest.raises(jh.InputError, match=words):
            fit(e, start, solver=solver)


def test_a_fit_that_ends_above_its_tolerance_has_failed():
    """A minimiser's own rule ends it early: the distance in standard deviations decides, and nothing beside it."""
    e, start = Experiment(exponential, exponential({"size": 2.0, "time": 0.3}) + 0.01, 0.01), {"size": 1.0, "time": 0.5}
    solver = optx.BFGS(rtol=1e-2, atol=1e-2)
    far = float(fit(e, start, solver=solver, throw=False, tolerance=1e-3).stats["distance"])
    for tolerance, name in ((far / 1.1, "max_iterations"), (far * 1.1, "success")):
        assert fit(e, start, solver=solver, tolerance=tolerance, throw=False).result.name == name


def test_single_precision_and_mixed():
    for start in (np.float32(1.0), 1.0):
        v = fit(Experiment(line, Y.astype(np.float32), np.float32(0.05)), {"a": start, "b": start}).value
        assert float(v.parameters["b"]) == pytest.approx(by_hand(0.05)[0][1], abs=1e-3)


def test_a_fit_without_any_prediction_fails_under_jit():
    """Its lane is NaN with a code; the others of a batch are what they are alone."""
    one = lambda d: fit(Experiment(lambda p: jnp.where(d[0] > 0, p["a"], jnp.nan) * jnp.ones(2), d, 0.1), {"a": 1.0})  # noqa: E731
    s = jax.jit(jax.vmap(one))(jnp.asarray([[2.0, 2.2], [-1.0, 0.0]]))
    assert s.result.code[0] == 0 and s.result.code[1] != 0
    assert float(s.value.parameters["a"][0]) == pytest.approx(2.1, abs=1e-3) and np.isnan(s.value.parameters["a"][1])


def test_a_batch_of_fits():
    """`vmap` over noise: every lane is its single fit."""
    data = jnp.asarray(Y + 0.02 * RNG.standard_normal((3, 8)))
    one = lambda d: fit(Experiment(line, d, 0.05), {"a": 1.0, "b": 1.0}, throw=False).value  # noqa: E731
    weight = np.linalg.inv(DESIGN.T @ DESIGN) @ DESIGN.T
    slope = jax.jit(jax.grad(lambda d: one(d).parameters["b"]))(data[0])
    np.testing.assert_allclose(slope, weight[1], rtol=0, atol=1e-8)
    by_closure = jax.jit(lambda x: fit(Experiment(lambda p: x * p["a"], Y, 0.05), {"a": 1.0}).value.parameters["a"])
    assert float(by_closure(X)) == pytest.approx(X @ Y / (X @ X), rel=1e-6)
    lanes = jax.jit(jax.vmap(lambda d: (one(d).parameters, one(d).lower)))(data)
    for k in range(3):
        alone = one(data[k])
        for many, single in zip(jax.tree.leaves(lanes), jax.tree.leaves((alone.parameters, alone.lower)), strict=True):
            assert float(many[k]) == pytest.approx(float(single), abs=1e-6)


def test_bad_input_says_what_to_do(unchecked):
    e, start = Experiment(line, Y, 0.05), {"a": 1.0, "b": 1.0}

    def at(p, x):
        return p["a"] + x

    for run, words in (
        (lambda: fit([], start), "there are no experiments"),
        (lambda: fit([line], start), "an experiment is a function"),
        (lambda: fit([e, Experiment(line, Y)], start), "some experiments have a noise"),
        (lambda: fit(e, {"a": 1, "b": 1.0}), "no floating-point number"),
        (lambda: fit(e, {}), "start has no parameter"),
        (lambda: fit(e, {"a": "x", "b": 1.0}), "no floating-point number"),
        (lambda: fit(e, start, bounds={"c": "positive"}), "bounds name 'c'"),
        (lambda: fit(e, start, bounds={"a": "negative"}), "'negative' is unknown"),
        (lambda: fit(e, start, bounds={"a": (2.0, 1.0)}), "finite and in order"),
        (lambda: fit(e, {"a": -1.0, "b": 1.0}, bounds={"a": "positive"}), "start has -1.0 for a"),
        (lambda: fit(e, start, prior={"c": (0.0, 1.0)}), "prior name 'c'"),
        (lambda: fit(e, start, prior={"a": 1.0}), "prior=1.0 is unknown"),
        (lambda: fit(e, start, prior={"a": (np.ones(3), 1.0)}), "does not fit a parameter"),
        (lambda: fit(Experiment(line, Y), start, prior={"a": (0.0, 1.0)}), "a prior is weighed against the noise"),
        (lambda: fit(e, start, bounds={"a": (-np.inf, 1.2)}), "finite and in order"),
        (lambda: fit(e, start, bounds={"a": (0.0, None)}), "finite and in order"),
        (lambda: fit(e, start, tolerance=-1), "tolerance=-1"),
        (lambda: fit(e, start, confidence="a"), "confidence='a'"),
        (lambda: fit(e, start, progress=3), "progress is a int: give a function of the step"),
        (lambda: fit(e, start, state=3), "state is not that of a fit"),
        (lambda: fit(None, start), "there are no experiments"),
        (lambda: Experiment(line, "abc"), "data are no numbers"),
        (lambda: Experiment(line, Y + 1j), "data are no numbers"),
        (lambda: Experiment(line, [1.0, np.inf]), "data are infinite"),
        (lambda: Experiment(line, Y, np.full((8, 1), 0.05)), "does not fit data"),
        (lambda: Experiment(at, Y, 0.05, inputs=np.ones(3)), "inputs have lengths"),
        (lambda: Experiment(at, Y, 0.05, inputs=["a"] * 8), "inputs hold 'a'"),
        (lambda: Experiment(line, Y, 0.05, inputs=X), "model cannot be called"),
        (lambda: Experiment(line, [[1, 2], [3]]), "data are no numbers"),
        (lambda: Experiment(line, Y, "0.05"), "noise are no numbers"),
        (lambda: Experiment(line, Y, np.inf), "positive and finite"),
        (lambda: Experiment(line, True), "data are no numbers"),
        (lambda: Experiment(line, Y, name=3), "name=3: give a text"),
        (lambda: fit(e, {"a": 1.0}), "asks for 'b', which is no parameter: there are a"),
        (lambda: jh.identifiability(e, {"a": 1.0}), "asks for 'b'"),
        (lambda: jh.identifiability(None, start), "there are no experiments"),
        (lambda: jh.identifiability(e, {"a": "x", "b": 1.0}), "no floating-point number"),
        (lambda: fit(e, {"a": None, "b": 1.0}), "no floating-point number"),
        (lambda: fit(e, {"a.b": 1.0, "a": {"b": 1.0}}), "would be called 'a.b'"),
        (lambda: fit(e, start, bounds={"a": (np.zeros(2), np.ones(2))}), "finite and in order"),
        (lambda: fit(e, start, throw=np.ones(2)), "give True or False"),
        (lambda: fit(e, start, tolerance=True), "tolerance=True"),
        (lambda: fit(Experiment(lambda p: {"x": p["a"]}, Y, 0.05), start), "returns a dict"),
        (lambda: fit(e, start, prior={"a": (0.0, 0.0)}), "standard deviation > 0"),
        (lambda: fit(e, start, confidence=95), "between 0 and 1"),
        (lambda: fit(e, start, solver="newton"), "solver is a str"),
        (lambda: fit(e, start, max_steps=0), "max_steps=0"),
        (lambda: fit(Experiment(line, Y[:3], 0.05), start), r"predicts shape \(8,\), the data have \(3,\)"),
        (lambda: fit(Experiment(line, Y[:2] * np.nan, 0.05), start), "no finite data"),
        (lambda: Experiment(line, Y, 0.0), "noise must be positive"),
        (lambda: Experiment(line, Y, np.ones(3)), "does not fit data"),
        (lambda: Experiment("line", Y), "model is a str"),
        (lambda: fit(Experiment(lambda p: p["a"] * jnp.ones(2), [1.0, 2.0]), start | {}), "noise cannot be estimated"),
    ):
        with pytest.raises(jh.InputError, match=words):
            run()
