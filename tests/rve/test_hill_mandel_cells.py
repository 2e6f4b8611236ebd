"""Hill-Mandel on cells that carry nothing in some direction, or almost nothing, and on spoiled ones.

The whole set of 200 sound and 60 spoiled cells: experiments/hill_mandel_cells.py.
"""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.rve import hill_mandel_floor, hill_mandel_pairs, hill_mandel_residual

BAR, LAYERS, ISLAND, DEAD_END = (np.zeros((6, 6), int) for _ in range(4))
BAR[:, 2:4] = LAYERS[1:3] = LAYERS[4] = ISLAND[2:5, 1:4] = 1
DEAD_END[:, 2:4] = DEAD_END[0, 2:5] = DEAD_END[3, :3] = 1
PLANE = np.stack([BAR, LAYERS, ISLAND, DEAD_END, np.random.default_rng(0).integers(0, 2, (6, 6))])
SOLID = np.zeros((3, 4, 4, 4), int)
SOLID[0, :, 1:3, 1:3] = SOLID[1, :2] = SOLID[2, 1:3, 1:3, 1:3] = 1


@functools.cache
def solved(physics, dim, dtype="float64"):
    images = PLANE if dim == 2 else SOLID
    n = len(images)
    soft = jnp.concatenate([jnp.zeros(n), jnp.full(n, 1e-6), jnp.full(n, 1e-3)])
    unit = jnp.asarray([1.0, 7e10, 2e11] * n)[: 3 * n]

    @jax.jit
    @jax.vmap
    def one(labels, soft, unit):
        field = (jnp.where(labels == 1, 1.0, soft) * unit).astype(dtype)
        law = (
            jh.LinearConduction(field)
            if physics == "conduction"
            else jh.LinearElastic.isotropic(field, jnp.asarray(0.3, dtype))
        )
        return jh.homogenize(jh.Grid(labels.shape), law, throw=False, fields=True)

    return one(np.concatenate([images] * 3), soft, unit)


SLOW = [pytest.param(physics, 3, marks=pytest.mark.slow) for physics in ("conduction", "elasticity")]
CASES = [("conduction", 2), ("elasticity", 2), *SLOW]


@pytest.mark.parametrize(("physics", "dim"), CASES)
def test_sound_cells_are_certified(physics, dim):
    s = solved(physics, dim)
    assert np.asarray(s.result.ok).all()
    report = jh.certify(s).value
    assert np.asarray(report.verdict).all(), np.asarray(report.residual)
    # Layers in void and bars: a direction carries exactly nothing, and its tensor entry is noise.
    least = np.min(np.diagonal(s.value.effective, axis1=1, axis2=2), axis=1)
    assert (np.abs(least) < 1e-6 * np.trace(s.value.bounds.voigt, axis1=1, axis2=2)).any()


@pytest.mark.parametrize(("physics", "dim"), CASES)
def test_spoiled_cells_are_not(physics, dim):
    """A mean off by 3 % where at least 1 % of the Voigt energy is carried; means exchanged; the stiff phase's mean."""
    s = solved(physics, dim)
    tried = 0
    for k in range(len(s.value.effective)):
        c, floor = np.asarray(s.value.effective[k]), np.asarray(s.stats["power_floor"][k])
        carried = np.flatnonzero(np.diag(c) >= 0.01 * np.diag(s.value.bounds.voigt[k]))
        for load in carried:
            tried += 1
            off = c.copy()
            off[load] *= 1.03
            assert hill_mandel_residual(off, np.eye(len(c)), c, floor) > 0.01
            lane = jax.tree.map(lambda x, k=k: x[k], s)
            wrong = eqx.tree_at(lambda x: x.value.effective, lane, jnp.asarray(off.T))
            assert not jh.certify(wrong).value.verdict
            other = (load + 1) % len(c)
            if abs(c[load, load] - c[other, load]) > 0.05 * c[load, load]:
                swapped = c.copy()
                swapped[[load, other]] = c[[other, load]]
                assert hill_mandel_residual(swapped, np.eye(len(c)), c, floor) > 0.01
    assert tried > 5


def test_the_floor_and_the_pairs_are_the_closed_form():
    """Two loads, by hand: w = (4 + f, 0 + f) with f = 4 sqrt(1e-6) (C : E : E)."""
    voigt, strains = jnp.diag(jnp.asarray([8.0, 5.0])), jnp.asarray([[1.0, 0.0], [0.0, 2.0]])
    floor = hill_mandel_floor(voigt, strains, None)
    np.testing.assert_allclose(floor, [0.004 * 8, 0.004 * 20], rtol=1e-12)
    np.testing.assert_allclose(hill_mandel_floor(voigt, strains, 1e-4), [0.04 * 8, 0.04 * 20], rtol=1e-12)
    powers, means = jnp.asarray([[4.0, 0.3], [0.1, 0.0]]), jnp.asarray([[4.0, 0.0], [0.0, 0.01]])
    lost = np.array([[0.0, 0.3], [0.1, 0.02]])
    w = np.array([4 + 0.032, 0.08])
    np.testing.assert_allclose(hill_mandel_pairs(means, strains, powers, floor), lost / np.sqrt(np.outer(w, w)), 1e-12)


def test_a_path_along_a_direction_that_carries_nothing():
    """Bar and layers in void, strained across: the power is noise over noise; a path off by a lost row is seen."""
    for image in (BAR, LAYERS):
        law = jh.PhaseMixture(
            image, {0: jh.LinearElastic.isotropic(0.0, 0.3), 1: jh.LinearElastic.isotropic(7e10, 0.3)}
        )
        strain = np.array([[1e-3, 0, 0], [1e-3, 2e-3, 1e-3], [-1e-3, 0, 1e-3]])
        s = jh.drive(jh.Grid(image.shape), law, jh.LoadPath(strain=strain), tangent=False)
        assert jh.certify(s).value.verdict and float(s.value.hill_mandel_residual.max()) < 1e-3


@pytest.mark.parametrize("physics", ["conduction", pytest.param("elasticity", marks=pytest.mark.slow)])
def test_single_precision_is_certified_or_refused(physics):
    """Contrasts of 1e3, 1e6 and voids in float32: the tensor is right to its tolerance, or the lane has a code."""
    low, high = solved(physics, 2, "float32"), solved(physics, 2)
    ok = np.asarray(low.result.ok)
    apart = np.linalg.norm(np.asarray(low.value.effective, float) - np.asarray(high.value.effective), axis=(1, 2))
    assert ok.any() and (apart[ok] <= 3e-5 * np.linalg.norm(high.value.bounds.voigt, axis=(1, 2))[ok]).all()
    assert np.asarray(jh.certify(low).value.verdict)[ok].all()
