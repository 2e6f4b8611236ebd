"""Certificates of our own solutions and of other codes' fields, and the reasons that they give."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh

GRID = jh.Grid((7, 6), (1.0, 1.3))
LABELS = np.random.default_rng(3).integers(0, 2, GRID.shape)


def conductors():
    return jh.PhaseMixture(LABELS, {0: jh.LinearConduction(1.0), 1: jh.LinearConduction(10.0)})


@functools.cache
def conduction(element="q1r"):
    return jh.homogenize(GRID, conductors(), element=element, fields=True)


@pytest.mark.parametrize("element", ["q1", "q1r"])
def test_a_converged_solution_is_certified(element):
    s = conduction(element)
    report = jh.certify(s, GRID).value
    assert report.verdict and report.reason.startswith("faithful")
    assert float(report.residual) == float(s.value.hill_mandel_residual)
    assert float(report.equilibrium) == float(s.stats["residual"]) > 0
    assert report.compatibility == 0 and report.averages < 1e-3


def test_pairs_see_what_the_diagonal_cannot():
    """Stopped at a residual of 0.3: every load's own power agrees with its means', the pairs betray the cell."""
    soft, stiff = jh.LinearElastic.isotropic(1.0, 0.3), jh.LinearElastic.isotropic(100.0, 0.2)
    law = jh.PhaseMixture(LABELS, {0: soft, 1: stiff})
    s = jh.homogenize(GRID, law, element="q1r", fields=True, residual_tolerance=0.3)
    report = jh.certify(s, GRID).value
    assert report.residual > 1e-2 and not report.verdict
    assert report.reason.startswith("not in equilibrium")
    audit = jh.certify(s, GRID, scheme="q1r").value
    defect = np.abs(np.asarray(audit.defect))
    assert np.diag(defect).max() < 1e-10 * defect.max()
    assert audit.pair[0] != audit.pair[1]
    np.testing.assert_allclose(audit.residual, report.residual, rtol=1e-6)


def test_voxel_means_of_full_integration_are_no_evidence():
    """q1: power inside the voxels is left out by their means; the solution's own residual is the right number."""
    s = conduction("q1")
    assert jh.certify(s).value.verdict and jh.certify(s).value.residual < 1e-3
    audit = jh.certify(s, GRID, scheme="q1r").value
    assert not audit.verdict and audit.residual > 1e-2


def test_one_load():
    loose = jh.apply(GRID, conductors(), gradient=(1.0, 0.5), element="q1r", residual_tolerance=0.3)
    report = jh.certify(loose).value
    # The pair i = i is blind, equilibrium is not.
    assert report.residual < 1e-10 and report.reason.startswith("not in equilibrium")


@pytest.mark.slow
def test_fields_of_another_code():
    fields = conduction().value.fields
    flux, gradient = np.asarray(fields.up), np.asarray(fields.down)
    audit = functools.partial(jh.certify, grid=GRID, scheme="q1r")
    assert audit(flux=flux, gradient=gradient, mean_down=np.eye(2)).value.verdict
    assert audit(flux=flux[1], gradient=gradient[1], mean_down=np.eye(2)[1]).value.verdict
    noise = 0.2 * np.random.default_rng(0).normal(size=flux.shape)
    assert "not in equilibrium" in audit(flux=flux + np.std(flux) * noise, gradient=gradient).value.reason
    assert "not compatible" in audit(flux=flux, gradient=gradient + noise).value.reason
    spoilt = audit(flux=flux, gradient=gradient, mean_down=2 * np.eye(2)).value
    assert spoilt.reason == "averages do not match the prescribed ones"
    path = np.array([0.0, 1.0, 0.2])[:, None, None, None]
    assert audit(flux=path * flux[0], gradient=path * gradient[0], history=True).value.verdict
    assert jh.certify(s := conduction(), GRID, scheme="q1r").value.verdict and s.result.ok


def test_a_spoilt_tensor_is_seen_by_its_means():
    s = conduction()
    spoilt = eqx.tree_at(lambda t: t.value.effective, s, 1.1 * s.value.effective)
    assert jh.certify(spoilt).value.reason == "averages do not match the prescribed ones"


def test_failed_lanes_under_jit_and_vmap():
    """A converged lane and a failed one (NaN, with its code): one certificate says yes, the other no."""
    good = conduction()
    floats = lambda x: x * jnp.nan if jnp.issubdtype(x.dtype, jnp.floating) else x  # noqa: E731
    bad = jh.Solution(jax.tree.map(floats, good.value), None, jh.Result(good.result.code + 4), good.stats)
    both = jax.tree.map(lambda a, b: jnp.stack([a, b]), good, bad)
    for s in (jax.jit(jax.vmap(jh.certify))(both), jh.certify(both)):
        assert s.value.verdict.tolist() == [True, False] and s.value.pair.shape == (2, 2)
        assert s.value.reason.startswith("not finite") and s.result.name == "invalid_material"
        np.testing.assert_allclose(s.value.averages[0], jh.certify(good).value.averages, rtol=1e-12)


def test_refusals():
    fields = conduction().value.fields
    with pytest.raises(jh.InputError, match="give certify a solution"):
        jh.certify()
    with pytest.raises(jh.InputError, match="give certify a solution"):
        jh.certify(stress=fields.up, gradient=fields.down)
    with pytest.raises(jh.InputError, match="own fields"):
        jh.certify(conduction(), stress=fields.up)
    with pytest.raises(jh.InputError, match="give grid="):
        jh.certify(conduction(), scheme="q1r")
    with pytest.raises(jh.InputError, match="homogenize or apply"):
        jh.certify(jh.certify(conduction()))
    with pytest.raises(jh.InputError, match="increments"):
        jh.certify(grid=GRID, flux=fields.up, gradient=fields.down, mean_up=np.eye(2), history=True)
