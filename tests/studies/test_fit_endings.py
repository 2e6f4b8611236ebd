"""`fit` says success of optima alone: a finite misfit, a small slope, and no lower misfit beside it.

The models are written so that the right ending is plain: squares at 0, roots at 0, numbers beyond the largest double.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optimistix as optx
import pytest

import jaxhomog as jh
from jaxhomog import Experiment, fit

DATA = np.array([1.0, 2.0, 3.0])
ONES = np.ones(3)
STEPS = np.arange(3.0)
SOLVERS = {
    "Levenberg-Marquardt": None,
    "Gauss-Newton": optx.GaussNewton(1e-8, 1e-8),
    "BFGS": optx.BFGS(1e-8, 1e-8),
    "adam": optax.adam(0.05),
}
every_solver = pytest.mark.parametrize(
    "solver", [pytest.param(s, id=n, marks=[] if n == "adam" else pytest.mark.slow) for n, s in SOLVERS.items()]
)

HUGE = {
    "a model": (lambda p: p["a"] * 1e200 * ONES, DATA, 0.1, {}),
    "a noise": (lambda p: p["a"] * ONES, DATA, 1e-200, {}),
    "a prior": (lambda p: p["a"] * ONES, DATA, 0.1, {"prior": {"a": (3.0, 1e-200)}}),
}


@pytest.mark.parametrize("model, data, noise, options", HUGE.values(), ids=HUGE.keys())
def test_an_infinite_misfit_at_the_start_is_refused(model, data, noise, options):
    with pytest.raises(jh.InputError, match=r"the misfit is infinite at the start: .* begin nearer") as told:
        fit(Experiment(model, data, noise), {"a": 1.0}, throw=False, **options)
    assert len(str(told.value).splitlines()) == 1


def test_an_infinite_misfit_under_jit_has_a_code():
    run = jax.jit(lambda d: fit(Experiment(lambda p: p["a"] * 1e200 * ONES, d, 0.1), {"a": 1.0}).result.code)
    assert jh.Result(run(jnp.asarray(DATA))).name == "infinite_misfit"


@every_solver
def test_a_slope_that_is_infinite_is_no_optimum(solver):
    """The root of a at a = 0."""
    root = Experiment(lambda p: jnp.sqrt(p["a"]) * ONES, DATA, 0.1)
    with pytest.raises(jh.SolverError, match="fit: the misfit or its derivative is not finite"):
        fit(root, {"a": 0.0}, solver=solver, max_steps=20)


def test_steps_to_infinity_are_no_optimum():
    """Gauss-Newton on a^2 beside b ends at a = -inf, where the misfit is NaN and the distance was 0."""
    e = Experiment(lambda p: p["a"] ** 2 * STEPS + p["b"], DATA, 0.1)
    s = fit(e, {"a": 0.0, "b": 0.0}, solver=optx.GaussNewton(1e-8, 1e-8), max_steps=20, throw=False)
    assert s.result.name == "infinite_misfit" and not np.isfinite(s.value.chi_squared)


@every_solver
def test_a_model_without_slope_is_not_fitted(solver):
    """At 0 the square has none, though 2^(1/2) fits best; a constant never has one."""
    for model, start in ((lambda p: p["a"] ** 2 * ONES, 0.0), (lambda p: 0 * p["a"] + ONES, 1.0)):
        s = fit(Experiment(model, DATA, 0.1), {"a": start}, solver=solver, max_steps=20, throw=False)
        assert s.result.name == "blind_fit"


def test_one_parameter_without_slope_beside_one_that_fits():
    """a^2 x + b through the data 1, 2, 3 at x = 0, 1, 2: a = 1, b = 1; from 0 slopes lead nowhere."""
    e = Experiment(lambda p: p["a"] ** 2 * STEPS + p["b"], DATA, 0.1)
    with pytest.raises(jh.SolverError, match=r"fit: a parameter has no slope where the fit ended.* begin elsewhere"):
        fit(e, {"a": 0.0, "b": 0.0})
    s = fit(e, {"a": 0.5, "b": 0.0})  # the advice
    assert s.result.ok and float(s.value.parameters["a"]) == pytest.approx(1, abs=1e-3)


def test_a_parameter_that_no_datum_sees_is_still_told_as_such():
    s = fit(Experiment(lambda p: p["a"] * ONES + 0 * p["b"], DATA, 0.1), {"a": 1.0, "b": 4.0})
    assert s.result.ok and float(s.value.parameters["a"]) == pytest.approx(2, abs=1e-3)
    assert np.isinf(s.value.upper["b"]) and float(s.value.parameters["b"]) == 4


def test_a_solver_that_ends_by_its_own_rule_is_not_told_to_take_more_steps():
    e = Experiment(lambda p: jnp.exp(p["a"] * STEPS), DATA, 0.1)
    with pytest.raises(jh.SolverError, match=r"ended by its own rule after .* smaller rtol and atol"):
        fit(e, {"a": -3.0}, solver=optx.BFGS(rtol=0.5, atol=0.5), tolerance=1e-6)


def altered(file, change):
    """The archive with some of its arrays changed."""
    with np.load(file) as archive:
        arrays = {name: archive[name] for name in archive.files}
    change(arrays)
    np.savez(file, **arrays)


def nudge(arrays):
    name = next(n for n in arrays if n.startswith("array.") and arrays[n].dtype.kind == "f")
    arrays[name] = arrays[name] + 1e-3


def text(words):
    return np.frombuffer(words, np.uint8)


DAMAGES = {
    "a number": nudge,
    "an array that is missing": lambda a: a.pop("array.0"),
    "a shape": lambda a: a.update({"array.0": a["array.0"][None]}),
    "no description": lambda a: a.pop("about"),
    "keys that are missing": lambda a: a.update(about=text(b'{"format": "jaxhomog fit 2"}')),
    "steps": lambda a: a.update(about=text(a["about"].tobytes().replace(b'"steps": 1', b'"steps": 7'))),
    "no dictionary": lambda a: a.update(about=text(b"[1, 2]")),
    "an older version": lambda a: a.update(about=text(b'{"format": "jaxhomog fit 1"}')),
}


def test_a_checkpoint_that_was_changed_is_refused(tmp_path):
    e, start, file = Experiment(lambda p: p["a"] * ONES, DATA, 0.1), {"a": 1.0}, tmp_path / "fit.npz"
    fit(e, start, checkpoint=file, max_steps=1, throw=False)
    whole = file.read_bytes()
    for what, change in DAMAGES.items():
        file.write_bytes(whole)
        altered(file, change)
        with pytest.raises(jh.InputError, match=r"fit.npz: (is no checkpoint|was written by an older)") as told:
            fit(e, start, checkpoint=file)
        assert len(str(told.value).splitlines()) == 1 and "remove it to begin anew" in str(told.value), what
    file.write_bytes(whole)
    assert fit(e, start, checkpoint=file).result.ok
