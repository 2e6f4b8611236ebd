"""The effective compliance: layers in series and parallel, strains under a stress, cells without stiffness."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.results import SINGULAR


def test_layers_of_conductors_add_their_resistances():
    k = np.broadcast_to([[1.0], [4.0], [8.0]], (3, 2))
    value = jh.effective_compliance(jh.Grid((3, 2)), jh.LinearConduction(k), tolerance=1e-12).value
    np.testing.assert_allclose(value.compliance, np.diag([np.mean(1 / k), 3 / 13]), rtol=0, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("boundary", ["periodic", "uniform_traction"])
def test_strain_under_a_prescribed_stress(boundary):
    labels = np.random.default_rng(0).integers(0, 2, (6, 5))
    law = jh.PhaseMixture(labels, {0: jh.LinearElastic.isotropic(1.0, 0.3), 1: jh.LinearElastic.isotropic(20.0, 0.2)})
    grid, options = jh.Grid((6, 5)), {"boundary": boundary, "tolerance": 1e-12}
    s = jh.effective_compliance(grid, law, **options).value.compliance
    stress = np.array([0.3, -1.0, 0.7])
    alone = jh.apply(grid, law, stress=stress, stress_controlled=[True] * 3, **options).value
    np.testing.assert_allclose(s @ stress, np.mean(alone.fields.down, axis=(0, 1)), rtol=1e-6)


@pytest.mark.slow
def test_a_cell_without_a_path_has_no_compliance():
    k = np.ones((6, 6))
    k[3] = 0.0
    s = jh.effective_compliance(jh.Grid((6, 6)), jh.LinearConduction(k), throw=False)
    assert int(s.result.code) == SINGULAR and np.isnan(s.value.compliance).all()
    with pytest.raises(jh.SolverError, match="effective_compliance"):
        jh.effective_compliance(jh.Grid((6, 6)), jh.LinearConduction(k))
    # A failed lane does not spoil its neighbours' derivatives.
    many = lambda c: jh.effective_compliance(jh.Grid((6, 6)), jh.LinearConduction(k + c * (k == 0))).value.compliance  # noqa: E731
    slope = jax.grad(lambda c: jnp.nansum(jax.vmap(many)(c)[:, 0, 0]))(jnp.asarray([0.0, 0.5]))
    assert float(slope[1]) == pytest.approx(-1 / (6 * 0.25), rel=1e-3)
