"""Loads on cells that carry nothing in some direction: answered where they ask nothing of it, else refused by name.

Closed forms: layers in void are plates, E / (1 - nu^2) in plane strain along them; bars are E times their share.
"""

import numpy as np
import pytest

import jaxhomog as jh

E, NU = 100.0, 0.3
LAYERS = np.zeros((6, 6), int)
LAYERS[:, :3] = 1


def solid(labels, void=0.0):
    return jh.PhaseMixture(labels, {0: jh.LinearElastic.isotropic(void, NU), 1: jh.LinearElastic.isotropic(E, NU)})


def conductor(labels, void=0.0):
    return jh.PhaseMixture(labels, {0: jh.LinearConduction(void), 1: jh.LinearConduction(2.0)})


STRIP = {"strain": [0.01, 0, 0], "stress_controlled": [False, True, True]}


def test_layers_in_void_are_stretched():
    s = jh.apply(jh.Grid((6, 6)), solid(LAYERS), stress=[0, 0, 0], **STRIP)
    np.testing.assert_allclose(s.value.up, [0.5 * E / (1 - NU**2) * 0.01, 0, 0], rtol=0, atol=1e-9)
    np.testing.assert_allclose(s.value.down, [0.01, 0, 0], rtol=0, atol=1e-9)


@pytest.mark.parametrize("at", [1, 2])
def test_a_stress_that_nothing_carries_is_refused_by_name(at):
    stress = np.zeros(3)
    stress[at] = 0.1
    name = ("11", "22", "12")[at]
    with pytest.raises(
        jh.SolverError, match=f"stress on 22, 12: singular: the cell carries no stress along {name}: pres"
    ):
        jh.apply(jh.Grid((6, 6)), solid(LAYERS), stress=stress, **STRIP)
    s = jh.apply(jh.Grid((6, 6)), solid(LAYERS), stress=stress, throw=False, **STRIP)
    assert s.result.name == "singular" and np.isnan(s.value.up).all()
    # What the message names works.
    held = np.array([False, True, True])
    held[at] = False
    jh.apply(jh.Grid((6, 6)), solid(LAYERS), strain=[0.01, 0, 0], stress=np.zeros(3), stress_controlled=held)


def test_flux_across_a_void_layer():
    grid, law = jh.Grid((6, 6)), conductor(LAYERS)
    s = jh.apply(grid, law, gradient=[1.0, 0], flux=[0, 0], flux_controlled=[False, True])
    np.testing.assert_allclose(s.value.up, [-1.0, 0], rtol=0, atol=1e-9)
    with pytest.raises(jh.SolverError, match="flux on 2: singular: the cell carries no flux along 2: "):
        jh.apply(grid, law, gradient=[1.0, 0], flux=[0, 0.2], flux_controlled=[False, True])


@pytest.mark.slow
def test_all_fluxes_controlled():
    """Nothing flows across; along the layers the gradient is that of their share."""
    s = jh.apply(jh.Grid((6, 6)), conductor(LAYERS), flux=[-1.0, 0])
    np.testing.assert_allclose(s.value.down, [1.0, 0], rtol=0, atol=1e-9)


@pytest.mark.slow
def test_a_bar_in_void_in_three_dimensions():
    labels = np.zeros((3, 4, 4), int)
    labels[:, :2, :2] = 1
    law = solid(labels)
    held = np.array([False, True, True, True, True, True])
    s = jh.apply(jh.Grid(labels.shape), law, strain=[0.01, 0, 0, 0, 0, 0], stress=np.zeros(6), stress_controlled=held)
    # A free bar: uniaxial stress.
    np.testing.assert_allclose(s.value.up, [0.25 * E * 0.01, 0, 0, 0, 0, 0], rtol=0, atol=1e-7)
    for at, name in ((1, "22"), (4, "13")):
        stress = np.zeros(6)
        stress[at] = 0.1
        with pytest.raises(jh.SolverError, match=f"carries no stress along {name}: "):
            jh.apply(jh.Grid(labels.shape), law, strain=np.zeros(6), stress=stress, stress_controlled=held)


@pytest.mark.slow
def test_a_direction_between_the_axes():
    """Diagonal layers carry along (1, 1) alone: a stress with another part is refused."""
    index = np.add.outer(np.arange(8), -np.arange(8)) % 8
    labels = np.where(index < 3, 1, 0)
    grid, law = jh.Grid((8, 8)), solid(labels)
    along = np.array([1.0, 1.0, np.sqrt(2)]) / 2
    s = jh.apply(grid, law, stress=0.1 * along)
    np.testing.assert_allclose(s.value.up, 0.1 * along, rtol=0, atol=1e-9)
    c = np.asarray(jh.homogenize(grid, law, tolerance=1e-12).value.effective)
    np.testing.assert_allclose(s.value.down @ c @ s.value.down, 0.1 * along @ s.value.down, rtol=1e-6)
    with pytest.raises(jh.SolverError, match="carries no stress along 11, 22: "):
        jh.apply(grid, law, stress=[0.1, -0.1, 0.02])


@pytest.mark.slow
@pytest.mark.parametrize("soft", [1e-3, 1e-7])
def test_a_soft_phase_is_not_taken_for_a_void(soft):
    """Beside voids too: the strain of a soft direction is known, not zero."""
    labels = LAYERS.copy()
    labels[:, 4:] = 2
    labels[0, 5] = 0
    laws = {0: jh.LinearConduction(soft), 1: jh.LinearConduction(1.0), 2: jh.LinearConduction(1.0)}
    series = 1 / (5 / 6 + 1 / 6 / soft)
    labels = np.where(np.arange(6) == 3, 0, 1) * np.ones((6, 1), int)
    s = jh.apply(jh.Grid((6, 6)), jh.PhaseMixture(labels, laws), flux=[0, -series], tolerance=1e-12)
    np.testing.assert_allclose(s.value.down, [0, 1.0], rtol=0, atol=1e-4)


@pytest.mark.slow
def test_single_precision():
    laws = {k: jh.LinearElastic.isotropic(np.float32(v), np.float32(NU)) for k, v in ((0, 0), (1, E))}
    law, grid = jh.PhaseMixture(LAYERS, laws), jh.Grid((6, 6))
    s = jh.apply(grid, law, stress=[0, 0, 0], **STRIP)
    assert s.value.up.dtype == np.float32
    np.testing.assert_allclose(s.value.up, [0.5 * E / (1 - NU**2) * 0.01, 0, 0], rtol=0, atol=1e-5)
    with pytest.raises(jh.SolverError, match="carries no stress along 22"):
        jh.apply(grid, law, stress=[0, 0.1, 0], **STRIP)


@pytest.mark.slow
def test_a_conductivity_that_is_zero_along_an_axis():
    """No voids: a tensor that is semi-definite in every voxel."""
    law = jh.LinearConduction.tensor(np.broadcast_to(np.diag([1.0, 0.0]), (3, 4, 2, 2)))
    s = jh.apply(jh.Grid((3, 4)), law, gradient=[1.0, 0], flux=[0, 0], flux_controlled=[False, True])
    np.testing.assert_allclose(s.value.up, [-1.0, 0], rtol=0, atol=1e-12)
