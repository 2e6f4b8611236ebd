"""Numbers that leave the range of the dtype: refused in one line, or solved in scaled variables; never success."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh

GRID = jh.Grid((4, 4))
ROWS = np.zeros((4, 4), int)
ROWS[:2] = 1


def mixture(soft, stiff, dtype=np.float64):
    one = lambda young: jh.LinearElastic.isotropic(dtype(young), dtype(0.3))  # noqa: E731
    return jh.PhaseMixture(ROWS, {0: one(soft), 1: one(stiff)})


def verbs(grid, law, dtype=np.float64):
    yield lambda: jh.homogenize(grid, law)
    yield lambda: jh.apply(grid, law, strain=np.array([0.01, 0, 0], dtype))
    yield lambda: jh.drive(grid, law, jh.LoadPath(strain=np.array([[0.01, 0, 0]], dtype)), tangent=False)


@pytest.mark.parametrize(
    ("soft", "stiff", "dtype"),
    [(1, 1e307, np.float64), (1e-300, 1e-301, np.float64), (1, 1e37, np.float32), (1e-30, 1e-31, np.float32)],
)
def test_moduli_out_of_range_are_refused(soft, stiff, dtype):
    for verb in verbs(GRID, mixture(soft, stiff, dtype), dtype):
        with pytest.raises(jh.SolverError, match="use other units"):
            verb()


def test_lengths_out_of_range_are_refused():
    with pytest.raises(jh.SolverError, match="use other units"):
        jh.homogenize(jh.Grid((4, 4), (1e200, 1e200)), mixture(1, 2))


def test_conduction_and_a_trace():
    """Traced: the code and NaN. The series bound 2 k1 k2 / (k1 + k2) of ordinary lanes is untouched."""

    @jax.jit
    @jax.vmap
    def solve(stiff):
        law = jh.PhaseMixture(ROWS, {0: jh.LinearConduction(1.0), 1: jh.LinearConduction(stiff)})
        s = jh.homogenize(GRID, law)
        return s.result.code, s.value.effective[0, 0]

    code, k = solve(jnp.asarray([3.0, 1e308]))
    assert jh.Result(code[1]).name == "overflow" and np.isnan(k[1]) and code[0] == 0
    np.testing.assert_allclose(k[0], 2 * 3 / 4, rtol=1e-6)


@pytest.mark.parametrize("size", [1e160, 1e-160])
def test_loads(size):
    """`apply` is linear: it scales, and refuses a power that overflows; a path knows no scale and refuses both."""
    law = mixture(1, 2)
    unit = jh.apply(GRID, law, strain=[1.0, 0, 0]).value
    if size > 1:
        with pytest.raises(jh.SolverError, match="use other units"):
            jh.apply(GRID, law, strain=[size, 0, 0])
    else:
        small = jh.apply(GRID, law, strain=[size, 0, 0]).value
        np.testing.assert_allclose(small.up / size, unit.up, rtol=1e-9, atol=1e-9 * float(jnp.max(unit.up)))
        # 300 times smaller than the square that vanishes, and still right.
        np.testing.assert_allclose(small.fields.up / size, unit.fields.up, rtol=0, atol=1e-9)
    with pytest.raises(jh.SolverError, match="use other units"):
        jh.drive(GRID, law, jh.LoadPath(strain=np.array([[size, 0, 0]])), tangent=False)


def test_pascals_in_single_precision_stay_in():
    for verb in verbs(GRID, mixture(7e10, 2e11, np.float32), np.float32):
        assert verb().result.ok.all()
