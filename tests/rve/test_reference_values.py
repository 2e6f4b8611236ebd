"""Answers of independent origin: exact ones, convergence to the others, relations that hold for any image.

The full table, with grids up to 256^2 and 64^3 and observed rates, is `experiments/reference_table.py`.
"""

import jax.numpy as jnp
import numpy as np
import pytest
from reference_cases import (
    BY_FRACTION,
    CLM_BASE,
    CLM_SHIFT,
    CLM_SHIFTED,
    CONVERGING,
    CORNERS,
    FOUR_PHASE,
    _plane_law,
    unit_grid,
)

import jaxhomog as jh
from jaxhomog.microstructure import laminate, random_rotations, sphere_cell, voronoi

TIGHT = {"tolerance": 1e-13}
# Numbers outside the target on the finest grid: (case, element, number): measured relative error. Voxels of a curved
# interface are the cause: these conforming elements are stiffest there, and the voxel fraction is off as well.
MISSED = {
    ("cond.disc_square_array f=0.7 sigma=10", "q1", "k"): 5.12e-3,
    ("cond.sphere_sc f=0.2 sigma=10", "q1", "k"): 1.01e-2,
    ("cond.sphere_sc f=0.3 sigma=10", "q1", "k"): 1.09e-2,
    ("cond.sphere_sc f=0.4 sigma=10", "q1", "k"): 1.65e-2,
    ("el.disc_array_square f=0.5 hole", "q1", "C12"): 5.54e-3,
    ("el.disc_array_square f=0.5 hole", "q1", "C66"): 7.35e-3,
}
# On the coarsest grid this error is small by accident: the errors of the voxel fraction and of the staircase have
# opposite signs there and cancel. The target on the finest grid is met.
CANCELS = {("el.disc_array_square f=0.3 hole", "q1", "C66")}


def effective(grid, law, **options):
    return np.asarray(jh.homogenize(grid, law, **{**TIGHT, **options}).value.effective)


def conduction(labels, values, **options):
    law = jh.PhaseMixture(np.asarray(labels), {i: jh.LinearConduction(float(k)) for i, k in enumerate(values)})
    return effective(unit_grid(np.shape(labels)), law, **options)


@pytest.mark.parametrize("element", ["q1", "q1r", "fv"])
def test_laminate2(element):
    """cond.laminate2: layers normal to x, 0.3 of k = 1 and 0.7 of k = 10 (harmonic and arithmetic means)."""
    k = conduction(laminate((10, 4), (0.3, 0.7)), (1, 10), element=element)
    np.testing.assert_allclose(k, np.diag([2.7027027027027026, 7.3]), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("element", ["q1", "q1r", "fv"])
def test_laminate3_rotated(element):
    """cond.laminate3_rotated: the aligned laminate, turned by 30 degrees (Milton 2002, ch. 9)."""
    k = conduction(laminate((10, 3), (0.2, 0.5, 0.3)), (1, 4, 25), element=element)
    c, s = np.cos(np.pi / 6), np.sin(np.pi / 6)
    r = np.array([[c, -s], [s, c]])
    expected = [[4.650519287833827, -2.915319048436962], [-2.915319048436962, 8.016839762611276]]
    np.testing.assert_allclose(r @ k @ r.T, expected, rtol=1e-10)


def test_laminate3_of_turned_conductors():
    """The same laminate seen from its turned frame: uniform rotated tensors give the rotated mean, per voxel."""
    c, s = np.cos(np.pi / 6), np.sin(np.pi / 6)
    r = np.array([[c, -s], [s, c]])
    k = r @ np.diag([1.0, 4.0]) @ r.T
    got = effective(unit_grid((4, 3)), jh.LinearConduction.tensor(np.broadcast_to(k, (4, 3, 2, 2))))
    np.testing.assert_allclose(got, k, rtol=1e-12)


@pytest.mark.parametrize("element", ["q1", "q1r"])
def test_laminate6x6(element):
    """el.laminate6x6: normal x, 0.4 of (E = 1, nu = 0.3), 0.6 of (E = 10, nu = 0.2) (Backus 1962)."""
    expected = np.zeros((6, 6))
    expected[:3, :3] = [
        [2.8478437754271764, 0.9153783563873067, 0.9153783563873067],
        [0.9153783563873067, 6.983789196970645, 1.6760968892783374],
        [0.9153783563873067, 1.6760968892783374, 6.983789196970645],
    ]
    expected[3:, 3:] = np.diag([2.6538461538461537, 0.8445945945945946, 0.8445945945945946])
    laws = {0: jh.LinearElastic.isotropic(1.0, 0.3), 1: jh.LinearElastic.isotropic(10.0, 0.2)}
    c = effective(unit_grid((10, 2, 3)), jh.PhaseMixture(laminate((10, 2, 3), (0.4, 0.6)), laws), element=element)
    np.testing.assert_allclose(jh.to_voigt(jnp.asarray(c), kind="stiffness"), expected, rtol=1e-10, atol=1e-10)


def hill_errors(labels, element):
    """el.hill_equal_shear_3d: G = 1 in both phases, K = 2 and 10 (Hill 1963), with the image's own fraction."""
    f = np.mean(labels)
    bulk = 1 / ((1 - f) / (2 + 4 / 3) + f / (10 + 4 / 3)) - 4 / 3
    laws = {
        i: jh.LinearElastic.isotropic(9 * k / (3 * k + 1), (3 * k - 2) / (6 * k + 2)) for i, k in ((0, 2.0), (1, 10.0))
    }
    c = effective(unit_grid(labels.shape), jh.PhaseMixture(labels, laws), element=element)
    expected = np.zeros((6, 6))
    expected[:3, :3] = bulk - 2 / 3
    expected += 2 * np.eye(6)
    return bulk, np.abs(c - expected).max()


def test_hill_closed_form_of_the_reference():
    """The formula used here gives the value of the collection at f = 0.3, and at the fraction of its own FFT run."""
    for f, value in ((0.3, 2.8955223880597023), (0.29931640625, 2.892935178441369)):
        assert abs(1 / ((1 - f) / (2 + 4 / 3) + f / (10 + 4 / 3)) - 4 / 3 - value) < 1e-12


@pytest.mark.parametrize("element", ["q1r", "fourier"])
def test_hill_equal_shear_is_exact_for_any_image(element):
    labels = (np.random.default_rng(3).random((5, 7, 5)) < 0.3).astype(int)
    assert hill_errors(labels, element)[1] < 1e-10


@pytest.mark.slow
def test_hill_equal_shear_falls_for_q1():
    errors = [hill_errors(sphere_cell(n, 0.415), "q1")[1] for n in (8, 16)]
    assert errors[0] > 1e-2 and errors[1] < 0.7 * errors[0]


QUICK = [FOUR_PHASE, *CORNERS, *(c for c in CONVERGING if c.name in ("cond.disc_square_array f=0.3 sigma=10",))]
FULL = [(c, e) for c in CONVERGING for e in (("q1",) if "hole" in c.name else ("q1", "q1r"))]


def falls_and_meets(case, element, grids):
    """Errors on the grids; they fall over the whole range, at least like h^(1/3)."""
    table = [case.errors(n, element, tolerance=1e-8)[1] for n in grids]
    for key in case.expected:
        first, last = table[0][key], table[-1][key]
        if (case.name, element, key) in CANCELS:
            assert first < 0.2 * case.target and last < case.target, (key, table)
            continue
        assert last < 2e-8 or last < first * (grids[0] / grids[-1]) ** (1 / 3) or last < 0.1 * case.target, (key, table)
    return table[-1]


@pytest.mark.parametrize("case", QUICK, ids=lambda c: c.name)
def test_convergence_on_coarse_grids(case):
    falls_and_meets(case, "q1", (16, 64))


@pytest.mark.slow
@pytest.mark.parametrize("case, element", FULL, ids=lambda x: getattr(x, "name", x))
def test_convergence_to_the_target(case, element):
    errors = falls_and_meets(case, element, (case.grids[0], case.grids[-1]))
    for key, error in errors.items():
        if (case.name, element, key) in MISSED:
            assert error > case.target and abs(error / MISSED[case.name, element, key] - 1) < 0.02, (key, error)
        else:
            assert error <= case.target, (key, error)


@pytest.mark.slow
@pytest.mark.parametrize("case", BY_FRACTION, ids=lambda c: c.name)
def test_cut_voxels_meet_every_target(case):
    coarse, fine = (case.errors(n, "q1", tolerance=1e-8)[1] for n in (case.grids[0], case.grids[-1]))
    assert max(fine.values()) <= 0.5 * case.target, fine
    assert max(fine.values()) < 0.5 * max(coarse.values()), (coarse, fine)


def turn(k):
    r = np.array([[0.0, -1.0], [1.0, 0.0]])
    return r @ k @ r.T


@pytest.mark.parametrize("element", ["q1r", "fourier"])
def test_duality_holds_to_solver_accuracy(element):
    """cond.duality_any_image (Keller 1964, Mendelson 1975): K(k2, k1) = k1 k2 R K(k1, k2)^-1 R^T.

    Where one gradient symbol serves all columns and has no kernel but constants (odd sizes), turned gradients are the
    divergence-free fields of the same scheme, and the theorem holds exactly on the grid.
    """
    labels = (np.random.default_rng(0).random((15, 17)) < 0.4).astype(int)
    one = conduction(labels, (1, 5), element=element)
    other = conduction(labels, (5, 1), element=element)
    np.testing.assert_allclose(other, 5 * turn(np.linalg.inv(one)), rtol=1e-10, atol=1e-11)


def test_duality_with_its_discretization_error():
    """Two upper bounds: det K(1, 5) det K(5, 1) / 25 lies above 1 and falls to it under refinement of the image."""
    labels = (np.random.default_rng(0).random((16, 16)) < 0.5).astype(int)
    excess = []
    for fine in (1, 2, 4):
        image = np.kron(labels, np.ones((fine, fine), int))
        ratio = np.sqrt(np.linalg.det(conduction(image, (1, 5)) @ conduction(image, (5, 1)))) / 5 - 1
        excess.append(ratio)
    assert 0 < excess[2] < excess[1] < excess[0]
    assert excess[1] < 0.7 * excess[0] and excess[2] < 0.05


@pytest.mark.parametrize("element", ["q1r", "fourier"])
def test_clm_shift_holds_to_solver_accuracy(element):
    """el.clm_shift (Cherkaev, Lurie, Milton 1992): the in-plane compliance moves by a known constant, any image."""
    labels = (np.random.default_rng(1).random((9, 11)) < 0.4).astype(int)
    grid, tensors = unit_grid(labels.shape), []
    for phases in (CLM_BASE, CLM_SHIFTED):
        law = jh.PhaseMixture(labels, {i: _plane_law(*p) for i, p in enumerate(phases)})
        tensors.append(effective(grid, law, element=element))
    # 1/k falls and 1/mu grows by s: in Mandel form S = J/(2k) + K/(2 mu).
    j = np.zeros((3, 3))
    j[:2, :2] = 0.5
    shift = CLM_SHIFT / 2 * (np.eye(3) - 2 * j)
    np.testing.assert_allclose(np.linalg.inv(tensors[1]) - np.linalg.inv(tensors[0]), shift, rtol=0, atol=1e-11)


@pytest.mark.slow
def test_cu_polycrystal_lies_in_its_bounds():
    """el.cu_polycrystal_bounds: C11, C12, C44 = 168.4, 121.4, 75.4 GPa; K exact, G between Reuss and Voigt."""
    grains = 60
    labels = voronoi((13, 12, 11), grains, seed=4)
    law = jh.LinearElastic.cubic(168.4, 121.4, 75.4, rotation=random_rotations(grains, seed=5)[labels])
    solution = jh.homogenize(jh.Grid(labels.shape), law, tolerance=1e-12)
    c, bounds = np.asarray(solution.value.effective), solution.value.bounds
    scale = np.abs(c).max()
    assert np.linalg.eigvalsh(np.asarray(bounds.voigt) - c).min() > -1e-11 * scale
    assert np.linalg.eigvalsh(c - np.asarray(bounds.reuss)).min() > -1e-11 * scale
    # A cubic crystal answers a dilatation with a pressure: the bulk modulus of any polycrystal is the crystal's.
    ones = np.array([1.0, 1, 1, 0, 0, 0])
    np.testing.assert_allclose(c @ ones, 3 * 137.0666666666667 * ones, rtol=0, atol=1e-9)
    shear = (np.trace(c) - ones @ c @ ones / 3) / 10
    assert 40.03389064618165 < shear < 54.64000000000001
    # A Voronoi aggregate with so few grains scatters around the Hashin-Shtrikman interval, not far from it.
    assert 44.5 < shear < 51


@pytest.mark.slow
def test_hs_bounds():
    """cond.hs_bounds: k = 1 (0.7) and 10 (0.3), Hashin & Shtrikman 1962; arrays lie inside."""
    expected = {2: (1.6506024096385543, 2.716763005780347), 3: (1.870967741935484, 3.0769230769230775)}
    for dim, (lower, upper) in expected.items():
        labels = laminate((10, 2, 2)[:dim], (0.7, 0.3))
        law = jh.PhaseMixture(labels, {0: jh.LinearConduction(1.0), 1: jh.LinearConduction(10.0)})
        bounds = jh.homogenize(unit_grid(labels.shape), law).value.bounds
        np.testing.assert_allclose(bounds.hs_lower, lower * np.eye(dim), rtol=0, atol=1e-12)
        np.testing.assert_allclose(bounds.hs_upper, upper * np.eye(dim), rtol=0, atol=1e-12)
        image = sphere_cell(24, {2: np.sqrt(0.3 / np.pi), 3: (0.9 / (4 * np.pi)) ** (1 / 3)}[dim], dim)
        law = jh.PhaseMixture(image, {0: jh.LinearConduction(1.0), 1: jh.LinearConduction(10.0)})
        value = jh.homogenize(unit_grid(image.shape), law, tolerance=1e-10).value
        assert value.bounds.hs_lower[0, 0] < value.effective[0, 0] < value.bounds.hs_upper[0, 0]
