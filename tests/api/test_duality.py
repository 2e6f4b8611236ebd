"""Duality of two-dimensional conduction: theorem, bounds, error estimate."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.materials import dual_conductivity, interchanged
from jaxhomog.microstructure import checkerboard

REFERENCES = Path(__file__).parents[3] / "shared" / "references" / "reference_values.json"
RANDOM = np.random.default_rng(3).integers(0, 2, (16, 16))


def medium(labels, *k):
    return jh.Grid(labels.shape), jh.PhaseMixture(labels, {i: jh.LinearConduction(float(x)) for i, x in enumerate(k)})


def finer(labels, times):
    return np.kron(labels, np.ones((times, times), int))


def test_dual_tensor_is_the_turned_inverse():
    k = jnp.asarray([[2.0, 0.5], [0.5, 1.0]])
    turn = jnp.asarray([[0.0, -1.0], [1.0, 0.0]])
    assert np.allclose(dual_conductivity(k), turn @ jnp.linalg.inv(k) @ turn.T, rtol=1e-14)
    assert np.allclose(dual_conductivity(dual_conductivity(k)), k, rtol=1e-14)

    tiny = dual_conductivity(jnp.float32(1e-24) * k.astype(jnp.float32))  # the square of it is no number of float32
    assert np.allclose(tiny * 1e-24, dual_conductivity(k), rtol=1e-5)


def test_primal_product_tends_to_one_from_above():
    """det K(1, 5) det K(5, 1) / 25 of one random image, refined: in [1, 1.05] at 128^2, and on its way to 1."""
    ratios = []
    for times in (2, 4, 8):
        a, b = (
            jnp.linalg.det(jh.homogenize(*medium(finer(RANDOM, times), *k)).value.effective) for k in ((1, 5), (5, 1))
        )
        ratios.append(float(a * b / 25))
    assert 1 < ratios[2] < ratios[1] < ratios[0] and ratios[2] < 1.05, ratios
    assert (ratios[2] - 1) / (ratios[0] - 1) < 0.25, ratios  # of first order or better


def test_interchanged_phases_are_the_dual_bound():
    """k1 k2 / k is the image with its phases changed: the lower bound there is the theorem applied to K_h here."""
    one = jh.homogenize(*medium(RANDOM, 1, 5), tolerance=1e-10).value.effective
    found = jh.duality(*medium(RANDOM, 5, 1), tolerance=1e-10).value
    assert abs(float(one[0, 1])) > 1e-3  # the case in which a product of diagonal components would not do
    assert np.allclose(interchanged(one, 1.0, 5.0), found.lower, rtol=1e-9)
    fine = jh.homogenize(*medium(finer(RANDOM, 8), 5, 1)).value.effective
    assert np.linalg.eigvalsh(fine - found.lower)[0] > 0 and np.linalg.eigvalsh(found.upper - fine)[0] > 0
    assert np.linalg.norm(fine - found.effective, 2) <= float(found.error * np.linalg.eigvalsh(found.effective)[-1])


def test_dykhne():
    """sqrt(k1 k2), inside the bounds that an independent code gives for the same mesh: [2.931, 3.070]."""
    found = jh.duality(*medium(checkerboard((64, 64)), 1, 9)).value
    assert np.allclose([found.lower[0, 0], found.upper[0, 0]], [2.931, 3.070], rtol=0, atol=6e-4)
    assert np.allclose(found.effective, 3 * np.eye(2), rtol=float(found.error) * 1.001, atol=1e-6)
    assert float(found.residual) == pytest.approx(np.sqrt(2) * (3.070 / 2.931 - 1), rel=0.02)


@pytest.mark.skipif(not REFERENCES.exists(), reason="reference values are not there")
def test_four_phases():
    cases = {case["id"]: case for case in json.loads(REFERENCES.read_text())}
    exact = cases["cond.four_phase_checkerboard_1_2_3_4"]["value"]
    # Axis 0 is x and axis 1 is y, which points up: [left, right] x [bottom, top].
    labels = finer(np.array([[2, 0], [3, 1]]), 128)
    found = jh.duality(*medium(labels, 1, 2, 3, 4), tolerance=1e-9).value
    for k, name in ((0, "k_xx"), (1, "k_yy")):
        assert float(found.lower[k, k]) < exact[name] < float(found.upper[k, k])
        assert float(found.effective[k, k]) == pytest.approx(exact[name], rel=1e-5)
    assert float(found.error) < 1e-5


def test_traced_single_precision_and_uniform():
    labels = jnp.asarray(RANDOM, jnp.int32)

    @jax.jit
    def of(k):
        law = jh.PhaseMixture(labels, {0: jh.LinearConduction(jnp.float32(1)), 1: jh.LinearConduction(k)})
        return jh.duality(jh.Grid((16, 16)), law, throw=False).value

    found = of(jnp.float32(5))
    assert found.effective.dtype == jnp.float32
    assert np.allclose(found.effective, jh.duality(*medium(RANDOM, 1, 5)).value.effective, rtol=1e-4)
    same = jh.duality(*medium(0 * RANDOM, 2)).value
    assert np.allclose(same.effective, 2 * np.eye(2), rtol=1e-12) and float(same.error) < 1e-12


@pytest.mark.parametrize(
    ("grid", "law", "line"),
    [
        ((4, 4), jh.LinearConduction(1.0), "grid is a tuple"),
        (jh.Grid((4, 4, 4)), jh.LinearConduction(1.0), "conduction in 3 directions"),
        (jh.Grid((4, 4)), jh.LinearElastic.isotropic(1.0, 0.3), "elasticity in 2 directions"),
        (jh.Grid((2, 2)), jh.LinearConduction(jnp.asarray([[1.0, 0.0], [1.0, 1.0]])), "does not conduct"),
    ],
)
def test_bad_input(unchecked, grid, law, line):
    with pytest.raises(jh.InputError, match=line):
        jh.duality(grid, law)


def test_tensors_that_have_no_dual(unchecked):
    for bad in (np.eye(3), np.ones(2), "a", None):
        with pytest.raises(jh.InputError, match="conductivity"):
            dual_conductivity(bad)
    for first, second in ((-1.0, 4.0), (1.0, 0.0), (np.nan, 1.0), ("a", 1.0)):
        with pytest.raises(jh.InputError, match=r"first|second"):
            interchanged(np.eye(2), first, second)
