"""`design` says success of minima alone: every other ending has a name, and an advice that can be followed.

All minima are known in closed form.
"""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxhomog as jh
from jaxhomog.studies._optimal import _stationary

ENDLESS = {
    "a plane": (lambda v: v[0], np.zeros(1)),
    "a plane in one of two variables": (lambda v: v[0] ** 2 - v[1], np.ones(2)),
    "a cubic": (lambda v: v[0] ** 3, np.array([-1.0])),
    "a hill, from its flank": (lambda v: -jnp.sum(v**2), np.array([0.1])),
    "a hill, from its top": (lambda v: -jnp.sum(v**2), np.zeros(2)),
    "a saddle, along its ridge": (lambda v: v[0] ** 2 - v[1] ** 2, np.array([1.0, 0.0])),
    "a logarithm": (lambda v: -jnp.log(v[0]), np.ones(1)),
    "a strip": (lambda v: jh.Criteria(-v[0] - v[1], {"a": v[0] - v[1] - 1}), np.zeros(2)),
    "single precision": (lambda v: v[0], np.zeros(1, np.float32)),
}


@pytest.mark.parametrize("problem, start", ENDLESS.values(), ids=ENDLESS.keys())
def test_an_objective_without_a_minimum_has_its_own_code(problem, start):
    s = jh.design(problem, start, throw=False)
    assert s.result.name == "unbounded" and not s.stats["converged"]
    with pytest.raises(jh.SolverError, match="design: unbounded: the objective falls without end: give bounds") as e:
        jh.design(problem, start)
    assert e.value.solution.value.objective < 0


def test_the_advice_of_unbounded_works():
    s = jh.design(ENDLESS["a plane"][0], np.zeros(1), bounds=(-3.0, 2.0))
    assert s.result.ok and float(s.value.variables[0]) == pytest.approx(-3)


def rosenbrock(v):
    return 100 * (v[1] - v[0] ** 2) ** 2 + (1 - v[0]) ** 2


STEEP = np.array([-1.2, 1.0])


def test_steps_that_end_early_are_told_and_the_advice_works():
    with pytest.warns(UserWarning, match="design: stopped: the design is feasible, but") as told:
        s = jh.design(rosenbrock, STEEP, max_steps=3)
    assert told[0].filename == __file__ and s.result.name == "stopped" and s.value.objective > 1
    rest = jh.design(rosenbrock, STEEP, max_steps=100, state=s.state)
    assert rest.result.ok and rest.stats["converged"]
    np.testing.assert_allclose(rest.value.variables, [1, 1], rtol=0, atol=1e-4)


def test_a_callback_that_stops_is_not_warned_of(recwarn):
    s = jh.design(rosenbrock, STEEP, callback=lambda step: True)
    assert s.result.name == "stopped" and not recwarn.list


# Steps so short that the objective hardly changes are no convergence, nor is the word of an optimizer.
CRAWLING = {
    "a plane": (lambda v: v[0], np.zeros(1), 1e-6),
    "a parabola": (lambda v: (v[0] - 1) ** 2 + 1, np.array([5.0]), 1e-6),
    "a loose tolerance": (lambda v: (v[0] - 1) ** 2 + 1, np.array([5.0]), 0.1),
    "an exponential": (lambda v: -jnp.exp(v[0]), np.zeros(1), 1e-6),
    "single precision": (lambda v: jnp.sum((v - 1) ** 2), np.zeros(2, np.float32), 1e-6),
    "a face of the box": (lambda v: jnp.sum((v - 1) ** 2) + 1, np.array([0.0, 5.0]), 1e-6),
}


@pytest.mark.parametrize("problem, start, tolerance", CRAWLING.values(), ids=CRAWLING.keys())
def test_short_steps_are_no_convergence(problem, start, tolerance):
    s = jh.design(problem, start, optimizer=optax.sgd(1e-9), tolerance=tolerance, max_steps=5, bounds=(-9.0, 9.0))
    assert s.result.name == "stopped"


MINIMA = {
    "zero curvature, from afar": (lambda v: (v[0] - 1) ** 4, np.array([300.0]), {}, [1.0], 0.3),
    "a valley": (rosenbrock, STEEP, {}, [1, 1], 1e-3),
    "a constant": (lambda v: 0 * v[0] + 3, np.array([7.0]), {}, [7.0], 0),
    "a kink": (lambda v: jnp.abs(v[0] - 1), np.array([3.0]), {}, [1.0], 1e-4),
    "a corner of a polygon": (
        lambda v: jh.Criteria(-v[0] - v[1], {"a": v[0] + 2 * v[1] - 4, "b": 3 * v[0] + v[1] - 6, "c": -v}),
        np.array([0.1, 0.1]),
        {},
        [1.6, 1.2],
        1e-6,
    ),
    "a circle": (
        lambda v: jh.Criteria(v[0] + v[1], {"c": v[0] ** 2 + v[1] ** 2 - 1}),
        np.array([0.1, 0.2]),
        {},
        [-(0.5**0.5)] * 2,
        1e-3,
    ),
    "an equality within a box": (
        lambda v: jh.Criteria(jnp.sum((v - 2) ** 2), equality={"s": jnp.sum(v) - 1}),
        np.array([0.5, 0.5]),
        dict(bounds=(0.0, 0.6)),
        [0.5, 0.5],
        1e-6,
    ),
    "a well beside a hill, from its top": (lambda v: (v[0] ** 2 - 1) ** 2, np.zeros(1), {}, None, 0),
    "one variable held": (
        lambda v: v[0] ** 2 + (v[1] - v[0]) ** 2,
        np.array([2.0, 1.0]),
        dict(bounds=(np.array([2.0, -9.0]), np.array([2.0, 9.0]))),
        [2.0, 2.0],
        1e-4,
    ),
}


@pytest.mark.parametrize("problem, start, options, right, close", MINIMA.values(), ids=MINIMA.keys())
def test_minima_are_still_found(problem, start, options, right, close):
    s = jh.design(problem, start, **options)
    assert s.result.ok and s.stats["converged"]
    if right is None:
        assert abs(float(s.value.variables[0])) == pytest.approx(1, abs=1e-4)
    else:
        np.testing.assert_allclose(s.value.variables, right, rtol=0, atol=close)


@pytest.mark.parametrize("optimizer", ["slsqp", optax.adam(0.1), optax.lbfgs()], ids=["slsqp", "adam", "lbfgs"])
def test_bounds_that_leave_one_point(optimizer):
    here = {"a": np.array([1.0, 2.0]), "b": np.array([3.0])}
    s = jh.design(lambda v: jnp.sum(v["a"] ** 2) + v["b"][0], here, bounds=(here, here), optimizer=optimizer)
    assert s.result.ok and float(s.value.objective) == 8 and float(s.value.variables["b"][0]) == 3
    told = jh.design(
        lambda v: jh.Criteria(v["a"][0], {"never": v["b"]}), here, bounds=(here, here), throw=False, max_steps=2
    )
    assert told.result.name == "no_design" and told.stats["violation"] == 3


def test_crossed_bounds_are_named():
    for bounds in ((2.0, 1.0), (0.0, np.nan)):
        with pytest.raises(jh.InputError, match=r"bounds: the lower one of variable 0 .* give lower <= upper"):
            jh.design(rosenbrock, STEEP, bounds=bounds)


def test_a_search_lost_on_a_cliff_is_not_success():
    """The feasible point at the edge of what can be evaluated is returned, but not as a minimum."""
    wall = lambda v: jnp.where(v[0] <= 0, 1.0, jnp.nan) * (v[0] - 1) ** 2  # noqa: E731
    with pytest.warns(UserWarning, match="design: stalled: the design is feasible, but the optimizer gave up"):
        s = jh.design(wall, np.array([0.0]), optimizer=optax.sgd(0.5))
    assert s.result.name == "stalled" and s.value.objective == 1


def test_multipliers_leave_the_smallest_projected_gradient():
    """Against scipy's L-BFGS-B on the same convex function of the multipliers."""
    optimize = pytest.importorskip("scipy.optimize")
    rng = np.random.default_rng(0)
    for _ in range(25):
        n, m = rng.integers(1, 8), rng.integers(1, 5)
        slope, rows, one = rng.standard_normal(n), rng.standard_normal((m, n)), rng.random(m) < 0.6
        low = rng.random(n) < 0.3
        high = ~low & (rng.random(n) < 0.3)

        def half(x, slope=slope, rows=rows, low=low, high=high):
            r = slope + x @ rows
            r = np.where(low, np.minimum(r, 0), np.where(high, np.maximum(r, 0), r))
            return 0.5 * r @ r, rows @ r

        limits = [(0, None) if o else (None, None) for o in one]
        options = dict(ftol=1e-16, gtol=1e-13, maxiter=5000)
        least = optimize.minimize(half, np.zeros(m), jac=True, method="L-BFGS-B", bounds=limits, options=options).fun
        multipliers, rest = _stationary(slope, rows, one, low, high)
        assert 0.5 * rest @ rest <= least + 1e-8 and (multipliers[one] >= 0).all()
