"""Moduli and rotations that no solver here takes: refused by name, traced with a code, never symmetrized in silence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh

GRID = jh.Grid((3, 3))
HALL = np.array([[2.0, 0.5], [-0.5, 2.0]])  # a conductivity in a magnetic field
LOST = np.array([[3.0, 1.0, 0.0], [1.2, 3.0, 0.0], [0.0, 0.0, 2.0]])
SKEW = np.diag([3.0] * 6) + np.triu(np.ones((6, 6)), 3)
STRETCH = np.diag([1.0, 1.0, 1.1])
CUBIC = {"c11": 3.0, "c12": 1.0, "c44": 1.5}


@pytest.mark.parametrize(
    ("law", "words"),
    [
        (lambda: jh.LinearConduction.tensor(HALL), "conductivity tensor is not symmetric.*0.5 of the largest"),
        (
            lambda: jh.LinearConduction.tensor(np.where(np.eye(3)[..., None, None] > 0, HALL, np.eye(2))),
            r"voxel \(0, 0\)",
        ),
        (lambda: jh.LinearElastic.from_stiffness(LOST), "stiffness is not symmetric.*C_ij = C_ji"),
        (lambda: jh.LinearElastic.from_stiffness(SKEW), "stiffness is not symmetric"),
        (lambda: jh.LinearElastic.cubic(**CUBIC, rotation=STRETCH), "rotation is not orthogonal.*from_bunge"),
        (lambda: jh.PhaseMixture(np.zeros((3, 3), int), {0: jh.LinearElastic.from_stiffness(LOST)}), "of phase 0"),
    ],
)
def test_refused_by_the_verbs(law, words):
    strain = {"gradient": [1.0, 0]} if law().physics == "conduction" else {"strain": [1.0, 0, 0]}
    row = np.array([[1e-3, 0.0]] if law().physics == "conduction" else [[1e-3, 0.0, 0.0]])
    path = jh.LoadPath(strain=row)
    for verb in (
        lambda: jh.homogenize(GRID, law()),
        lambda: jh.apply(GRID, law(), **strain),
        lambda: jh.drive(GRID, law(), path),
    ):
        with pytest.raises(jh.InputError, match=words) as said:
            verb()
        assert "\n" not in str(said.value)


def test_traced_they_have_a_code_and_no_number():
    @jax.jit
    @jax.vmap
    def conduction(skew):
        k = jnp.asarray([[2.0, 0.0], [0.0, 2.0]]) + skew * jnp.asarray([[0.0, 1.0], [-1.0, 0.0]])
        s = jh.homogenize(GRID, jh.LinearConduction.tensor(k))
        return s.result.code, s.value.effective[0, 0]

    code, k = conduction(jnp.asarray([0.0, 1e-9, 0.3]))
    assert [jh.Result(c).name for c in code] == ["success", "success", "invalid_material"]
    np.testing.assert_allclose(k[:2], 2.0, rtol=1e-12)
    assert np.isnan(k[2])

    @jax.jit
    @jax.vmap
    def crystal(stretch):
        turn = jnp.diag(jnp.stack([jnp.ones_like(stretch), jnp.ones_like(stretch), 1 + stretch]))
        s = jh.homogenize(GRID, jh.LinearElastic.cubic(**CUBIC, rotation=turn))
        return s.result.code, s.value.effective[0, 0]

    code, c = crystal(jnp.asarray([0.0, 0.1]))
    assert [jh.Result(x).name for x in code] == ["success", "invalid_material"]
    np.testing.assert_allclose(c[0], 3.0, rtol=1e-9)
    assert np.isnan(c[1])


def test_rounding_is_no_asymmetry():
    """A tensor turned in single precision differs from its mirror image in the last digits."""
    a = np.float32(0.3)
    q = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]], np.float32)
    k = q @ np.diag(np.float32([5, 1])) @ q.T
    s = jh.homogenize(GRID, jh.LinearConduction.tensor(k + np.float32(3e-7) * np.float32([[0, 1], [0, 0]])))
    np.testing.assert_allclose(s.value.effective, k, rtol=0, atol=1e-5)
