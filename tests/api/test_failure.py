"""Failure is a value under a trace and an exception of one line outside; a failed lane never looks fine."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.results import INVALID_MATERIAL, MAX_ITERATIONS, MISSING_LAW, SUCCESS

SHAPE = (6, 5)
GRID = jh.Grid(SHAPE)
LABELS = np.random.default_rng(0).integers(0, 2, SHAPE)


def law(a, b, labels=LABELS):
    return jh.PhaseMixture(labels, {0: jh.LinearConduction(a), 1: jh.LinearConduction(b)})


def effective(a, b, **options):
    s = jh.homogenize(GRID, law(a, b), **options)
    return s.value.effective, s.result.code


def one_line(caught):
    text = str(caught.value)
    assert text and "\n" not in text and len(text) < 300
    return text


def test_an_eager_failure_raises_with_the_solution():
    with pytest.raises(jh.SolverError) as caught:
        jh.homogenize(GRID, law(1.0, 1e6), max_iterations=2, tolerance=1e-10)
    assert "max_iterations" in one_line(caught)
    solution = caught.value.solution
    assert int(solution.result.code) == MAX_ITERATIONS and solution.result.name == "max_iterations"
    assert np.isnan(solution.value.effective).all() and np.isnan(solution.value.hill_mandel_residual)


def test_without_throw_the_code_speaks_and_the_value_is_nan():
    s = jh.homogenize(GRID, law(1.0, 1e6), max_iterations=2, tolerance=1e-10, throw=False, fields=True)
    assert not bool(s.result.ok) and "raise max_iterations" in s.result.advice
    for leaf in jax.tree.leaves(s.value):
        assert np.isnan(leaf).all()
    assert int(s.stats["iterations"]) == 2 and np.isfinite(s.stats["residual"])


@pytest.mark.parametrize("wrap", [jax.jit, lambda f: jax.jit(jax.vmap(f))], ids=["jit", "vmap"])
def test_under_a_trace_nothing_raises(wrap):
    f = wrap(lambda b: effective(1.0, b, max_iterations=2, tolerance=1e-10))
    value, code = f(jnp.full((3,), 1e6) if "vmap" in str(wrap) or wrap is not jax.jit else jnp.asarray(1e6))
    assert np.isnan(value).all() and (np.asarray(code) == MAX_ITERATIONS).all()


BAD = [jnp.nan, -1.0, jnp.inf]


def test_invalid_lanes_are_nan_and_the_others_right():
    values = jnp.asarray([2.0, *BAD, 5.0])
    effs, codes = jax.jit(jax.vmap(lambda b: effective(1.0, b)))(values)
    assert codes.tolist() == [SUCCESS, *[INVALID_MATERIAL] * 3, SUCCESS]
    assert np.isnan(effs[1:4]).all()
    for i in (0, 4):
        np.testing.assert_allclose(effs[i], effective(1.0, float(values[i]))[0], rtol=1e-6)


def test_masked_lanes_do_not_poison_shared_parameters():
    """Cotangent exactly 0 stays 0 through a failed lane, and NaN where something came in."""
    lanes = jnp.asarray([2.0, jnp.nan, 5.0])

    def total(shared, mask):
        def lane(b):
            s = jh.homogenize(GRID, law(shared, b))
            return jnp.where(mask & ~s.result.ok, 0.0, s.value.effective[0, 0])

        return jnp.sum(jax.vmap(lane)(lanes))

    gradient = jax.jit(jax.grad(total))
    masked = gradient(1.0, True)
    expected = sum(jax.grad(lambda a, b=b: effective(a, b)[0][0, 0])(1.0) for b in (2.0, 5.0))
    np.testing.assert_allclose(masked, expected, rtol=1e-5)
    assert np.isnan(gradient(1.0, False))


@pytest.mark.parametrize("fields", [False, True])
def test_masked_unconverged_lanes_too(fields):
    def total(shared, mask):
        def lane(b):
            s = jh.homogenize(GRID, law(shared, b), max_iterations=5, tolerance=1e-3, fields=fields)
            x = s.value.fields.up[0, 0, 0, 0] if fields else s.value.effective[0, 0]
            return jnp.where(mask & ~s.result.ok, 0.0, x), s.result.code

        values, codes = jax.vmap(lane)(jnp.asarray([1.5, 1e7]))
        return jnp.sum(values), codes

    gradient = jax.jit(jax.grad(total, has_aux=True))
    masked, codes = gradient(1.0, True)
    assert codes.tolist() == [SUCCESS, MAX_ITERATIONS]
    assert np.isfinite(masked) and masked != 0
    assert np.isnan(gradient(1.0, False)[0])


def test_forward_mode_of_a_failed_lane_is_nan_and_of_a_still_one_zero():
    f = lambda a, b: effective(a, b)[0]  # noqa: E731
    assert np.isnan(jax.jvp(f, (jnp.asarray(1.0), jnp.asarray(jnp.nan)), (jnp.asarray(1.0), jnp.asarray(0.0)))[1]).all()
    still = jax.jit(lambda a, b: jax.jvp(f, (a, b), (jnp.zeros(()), jnp.zeros(())))[1])(1.0, jnp.nan)
    np.testing.assert_array_equal(still, 0)


@pytest.mark.parametrize(
    "bad, word",
    [
        (lambda: law(1.0, -2.0), "-2"),
        (lambda: law(1.0, np.nan), "nan"),
        (lambda: law(1.0, 2.0, np.full(SHAPE, 7)), "label"),
        (lambda: jh.LinearElastic.isotropic(1.0, 0.5), "poisson"),
        (lambda: jh.LinearElastic.isotropic(-1.0, 0.3), "young"),
        (lambda: jh.LinearElastic.isotropic(np.full((4, 4), 1.0), 0.3), "shape"),
        (lambda: jh.LinearElastic.from_stiffness(-np.eye(3)), "eigenvalue"),
        (lambda: jh.LinearConduction.tensor(np.eye(3)), "2 directions"),
        (lambda: "steel", "law"),
    ],
)
def test_bad_laws_raise_one_line(bad, word, unchecked):
    with pytest.raises(jh.InputError) as caught:
        jh.homogenize(GRID, bad())
    assert word in one_line(caught)


@pytest.mark.parametrize(
    "options, word",
    [
        ({"element": "q2"}, "q1"),
        ({"boundary": "cyclic"}, "periodic"),
        ({"boundary": 5}, "per axis"),
        ({"boundary": (5, "affine")}, "unknown"),
        ({"boundary": "afine"}, "did you mean 'affine'"),
        ({"boundary": ("affine", "periodic", "affine", "affine")}, "one per axis"),
        ({"boundary": "affine", "element": "fourier"}, "periodic only"),
        ({"tolerance": 0.0}, "tolerance"),
        ({"tolerance": 1e-20}, "float64"),
        ({"tolerance": 2.0}, "tolerance"),
        ({"max_iterations": 0}, "max_iterations"),
    ],
)
def test_bad_options_raise_one_line(options, word):
    with pytest.raises(jh.InputError) as caught:
        jh.homogenize(GRID, law(1.0, 2.0), **options)
    assert word in one_line(caught)


@pytest.mark.parametrize("lengths", [(0.0, 1.0), (-1.0, 1.0), (np.nan, 1.0), (np.inf, 1.0)])
def test_bad_lengths(lengths):
    with pytest.raises(jh.InputError) as caught:
        jh.homogenize(jh.Grid(SHAPE, lengths), law(1.0, 2.0))
    one_line(caught)
    s = jax.jit(lambda x: jh.homogenize(jh.Grid(SHAPE, x), law(1.0, 2.0)))(jnp.asarray(lengths))
    assert int(s.result.code) == INVALID_MATERIAL and np.isnan(s.value.effective).all()


def test_a_label_without_a_law_under_a_trace():
    s = jax.jit(lambda x: jh.homogenize(GRID, law(1.0, 2.0, x)))(jnp.asarray(LABELS).at[0, 0].set(9))
    assert int(s.result.code) == MISSING_LAW and np.isnan(s.value.effective).all()


def test_mixed_physics_are_refused():
    with pytest.raises(jh.InputError):
        jh.PhaseMixture(LABELS, {0: jh.LinearConduction(1.0), 1: jh.LinearElastic.isotropic(1.0, 0.3)})


@pytest.mark.parametrize("key", ["tolerance", "field_tolerance", "residual_tolerance"])
def test_float32_refuses_what_it_cannot_reach(key):
    single = law(np.float32(1.0), np.float32(2.0))
    with pytest.raises(jh.InputError) as caught:
        jh.homogenize(GRID, single, **{key: 1e-7})
    assert "jax_enable_x64" in one_line(caught) and key in str(caught.value)


@pytest.mark.slow
def test_the_result_has_the_laws_dtype():
    for dtype in (np.float32, np.float64):
        s = jh.homogenize(GRID, law(dtype(1.0), dtype(2.0)), fields=True)
        assert {str(x.dtype) for x in jax.tree.leaves(s.value)} == {np.dtype(dtype).name}
        assert s.stats["residual"].dtype == dtype
    assert jh.homogenize(GRID, law(np.float32(1.0), np.float64(2.0))).value.effective.dtype == np.float64
    # A Python number takes the other parameter's precision.
    assert jh.homogenize(GRID, law(np.float32(1.0), 2.0)).value.effective.dtype == np.float32


def test_apply_fails_alike():
    with pytest.raises(jh.SolverError) as caught:
        jh.apply(GRID, law(1.0, 1e6), gradient=(1.0, 0.0), max_iterations=2, tolerance=1e-10)
    assert "apply" in one_line(caught)
    empty = law(0.0, 0.0)
    with pytest.raises(jh.SolverError) as caught:
        jh.apply(GRID, empty, flux=(1.0, 0.0))
    one_line(caught)
    with pytest.raises(jh.InputError):
        jh.apply(GRID, law(1.0, 2.0), strain=(1.0, 0.0))
    with pytest.raises(jh.InputError):
        jh.apply(GRID, law(1.0, 2.0))


@pytest.mark.parametrize(
    "element, contrast",
    [(e, c) for e in ("q1", "q1r", "fourier", "fv") for c in (0.0, 1e6)],
)
def test_voids_and_high_contrast_end_in_a_right_number_or_a_code(element, contrast):
    """Percolating voids at random voxels, where one-point and spectral schemes have soft or floating modes."""
    labels = (np.random.default_rng(2).random((9, 9)) < 0.35).astype(int)
    s = jh.homogenize(jh.Grid((9, 9)), law(1.0, contrast, labels), element=element, tolerance=1e-8, throw=False)
    if element in ("q1", "fv"):
        assert bool(s.result.ok), s.result
    if bool(s.result.ok):
        near = law(1.0, contrast or 1e-9, labels)
        limit = jh.homogenize(
            jh.Grid((9, 9)), near, element=element, tolerance=1e-12, residual_tolerance=1e-9, throw=False
        )
        if bool(limit.result.ok):
            scale = float(jnp.abs(s.value.bounds.voigt).max())
            np.testing.assert_allclose(s.value.effective, limit.value.effective, rtol=0, atol=2e-8 * scale)
    else:
        assert np.isnan(s.value.effective).all()
