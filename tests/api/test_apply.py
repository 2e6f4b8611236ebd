"""One macroscopic load: a laminate's closed form, mixed control, consistency with the effective tensor, refusals."""

import numpy as np
import pytest

import jaxhomog as jh

# Laminate, normal 1, fractions 1/2: series and parallel conductivity, and the layers' own gradients.
LAYERS = np.repeat(np.array([0, 0, 1, 1]), 3).reshape(4, 3)


def conduction():
    return jh.Grid((4, 3)), jh.PhaseMixture(LAYERS, {0: jh.LinearConduction(1.0), 1: jh.LinearConduction(4.0)})


def elastic():
    labels = np.random.default_rng(3).integers(0, 2, (5, 4, 3))
    laws = {0: jh.LinearElastic.isotropic(1.0, 0.3), 1: jh.LinearElastic.isotropic(8.0, 0.2)}
    return jh.Grid(labels.shape), jh.PhaseMixture(labels, laws)


@pytest.mark.parametrize("element", ["q1", "q1r", "fv"])
def test_fields_of_a_laminate(element):
    """Series: the flux is uniform and the layers carry gradients q/k, k_eff = 1.6 (harmonic mean of 1 and 4)."""
    s = jh.apply(*conduction(), gradient=(1.0, 0.0), element=element, tolerance=1e-12).value
    np.testing.assert_allclose(s.up, [-1.6, 0.0], rtol=0, atol=1e-10)
    if element != "fv":  # its gradients live on faces, between the voxels
        np.testing.assert_allclose(s.fields.up[..., 0], -1.6, rtol=0, atol=1e-9)
        np.testing.assert_allclose(s.fields.down[..., 0], np.where(LAYERS == 0, 1.6, 0.4), rtol=0, atol=1e-9)


def test_flux_control_inverts_gradient_control():
    s = jh.apply(*conduction(), flux=(-1.6, -5.0), tolerance=1e-12).value
    np.testing.assert_allclose(s.down, [1.0, 2.0], rtol=0, atol=1e-10)
    np.testing.assert_allclose(s.power, 1.6 + 2.5 * 4, rtol=1e-10)


def test_mixed_control_agrees_with_the_effective_tensor():
    grid, law = elastic()
    c = np.asarray(jh.homogenize(grid, law, tolerance=1e-12).value.effective)
    held = np.array([False, True, True, False, True, True])
    strain, stress = np.array([0.01, 9, 9, 0.002, 9, 9]), np.array([9, 0.0, 0.1, 9, 0.0, -0.05])
    s = jh.apply(grid, law, strain=strain, stress=stress, stress_controlled=held, tolerance=1e-12).value
    np.testing.assert_allclose(np.asarray(s.down)[~held], strain[~held], rtol=1e-12)
    np.testing.assert_allclose(np.asarray(s.up)[held], stress[held], rtol=0, atol=1e-12)
    np.testing.assert_allclose(s.up, c @ np.asarray(s.down), rtol=0, atol=1e-10)
    # The fields average to the macroscopic messages, and their power to the macroscopic one (Hill-Mandel; q1's voxel
    # means alone leave out the power of the hourglass part, so the latter is checked on the tensor).
    np.testing.assert_allclose(np.mean(s.fields.down, axis=(0, 1, 2)), s.down, rtol=0, atol=1e-12)
    np.testing.assert_allclose(np.mean(s.fields.up, axis=(0, 1, 2)), s.up, rtol=0, atol=1e-6)
    np.testing.assert_allclose(s.power, s.down @ c @ s.down, rtol=1e-9)


def test_a_stress_on_a_void_is_a_code():
    grid = jh.Grid((4, 3))
    law = jh.PhaseMixture(LAYERS, {0: jh.LinearConduction(0.0), 1: jh.LinearConduction(1.0)})
    s = jh.apply(grid, law, flux=(1.0, 0.0), throw=False)
    assert s.result.name == "singular" and np.isnan(s.value.up).all()
    with pytest.raises(jh.SolverError, match="singular"):
        jh.apply(grid, law, flux=(1.0, 0.0))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({}, "no load"),
        ({"strain": (1, 0, 0)}, "belong to elasticity"),
        ({"gradient": (1, 0, 0)}, "give 2 numbers"),
        ({"gradient": (1, 0), "flux_controlled": (True, False)}, "flux is missing"),
        ({"flux": (1, 0), "flux_controlled": (True, False)}, "gradient, which is missing"),
    ],
)
def test_bad_loads_are_refused_in_one_line(kwargs, message):
    with pytest.raises(jh.InputError, match=message) as caught:
        jh.apply(*conduction(), **kwargs)
    assert "\n" not in str(caught.value)
