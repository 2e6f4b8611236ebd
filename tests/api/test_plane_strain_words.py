"""Plane strain says what it is: thermal expansion, von Mises stress, engineering constants."""

import json

import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.api import stress_across
from jaxhomog.cli import main

E, NU, ALPHA = 3.0, 0.35, 6e-5
SOLID = jh.LinearElastic.isotropic(E, NU)
# Rotated out of the axes of the grid, and out of its plane.
CUBIC = jh.LinearElastic.cubic(168.4, 121.4, 75.4, rotation=jh.Rotation.from_bunge(0.3, 0.8, 1.1))
GRID = jh.Grid((2, 3))
LABELS = np.asarray([[0, 1, 1], [1, 0, 1]])


def cubic_stiffness():
    """C_ijkl of the crystal, turned index by index, as a Mandel matrix."""
    c = 121.4 * np.einsum("ij,kl->ijkl", np.eye(3), np.eye(3))
    c = c + 75.4 * (np.einsum("ik,jl->ijkl", np.eye(3), np.eye(3)) + np.einsum("il,jk->ijkl", np.eye(3), np.eye(3)))
    for i in range(3):
        c[i, i, i, i] += 168.4 - 121.4 - 2 * 75.4
    r = np.asarray(CUBIC.rotation)
    return mandel(np.einsum("ai,bj,ck,dl,ijkl->abcd", r, r, r, r, c))


def mandel(c):
    pairs, root = [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)], np.sqrt([1, 1, 1, 2, 2, 2])
    return np.asarray([[c[i, j, k, m] for k, m in pairs] for i, j in pairs]) * np.outer(root, root)


def isotropic_stiffness(young, poisson):
    lam, mu = young * poisson / ((1 + poisson) * (1 - 2 * poisson)), young / (2 * (1 + poisson))
    c = 2 * mu * np.eye(6)
    c[:3, :3] += lam
    return c


def held(c):
    """In-plane strain, Mandel 11 22 12, of a solid that is free in the plane and expands by 1: C_pp e = (C 1)_p."""
    plane = [0, 1, 5]
    return np.linalg.solve(c[np.ix_(plane, plane)], (c @ [1, 1, 1, 0, 0, 0])[plane])


FLAT = np.asarray([1 + NU, 1 + NU, 0])
KINDS = {
    "isotropic": (SOLID, FLAT),
    "bulk and shear": pytest.param(
        jh.LinearElastic.from_bulk_shear(E / (3 - 6 * NU), E / (2 + 2 * NU)), FLAT, marks=pytest.mark.slow
    ),
    "cubic": pytest.param(CUBIC, None, marks=pytest.mark.slow),
}


@pytest.mark.parametrize("law, share", KINDS.values(), ids=KINDS.keys())
def test_one_meaning_of_an_expansion(law, share):
    """A data-sheet coefficient in plane strain: alpha (1 + nu), 8.1e-5 here; of a crystal by its 6 x 6 stiffness."""
    share = held(cubic_stiffness()) if share is None else share
    found = jh.effective_expansion(GRID, law, np.full(GRID.shape, ALPHA)).value.expansion
    np.testing.assert_allclose(found, ALPHA * share, rtol=0, atol=1e-9 * ALPHA)
    if law is SOLID:  # the other verb
        path = jh.LoadPath(stress=np.zeros((1, 3)), temperature=[1.0])
        free = jh.drive(GRID, jh.ThermoElastic(SOLID, ALPHA), path, tangent=False).value.strain[0]
        np.testing.assert_allclose(free, found, rtol=0, atol=1e-6 * ALPHA)


@pytest.mark.slow
@pytest.mark.parametrize("crystal", [False, True])
def test_a_free_composite_expands_alike_in_both_verbs(crystal):
    """`effective_expansion` of one number per voxel is the strain of `drive` with `ThermoElastic` per kelvin."""
    elastic = {0: SOLID, 1: CUBIC if crystal else jh.LinearElastic.isotropic(20.0, 0.2)}
    alpha = {0: ALPHA, 1: 1e-5}
    warm = jh.PhaseMixture(LABELS, {k: jh.ThermoElastic(elastic[k], alpha[k]) for k in elastic})
    path = jh.LoadPath(stress=np.zeros((1, 3)), temperature=[10.0])
    driven = jh.drive(GRID, warm, path, tangent=False, tolerance=1e-11).value.strain[0]
    field = np.where(LABELS == 0, alpha[0], alpha[1])
    found = jh.effective_expansion(GRID, jh.PhaseMixture(LABELS, elastic), field, tolerance=1e-12).value.expansion
    np.testing.assert_allclose(10 * jh.to_voigt(found, "strain"), driven, rtol=0, atol=1e-6 * np.abs(driven).max())


@pytest.mark.slow
def test_apply_means_the_same():
    """A free cell under an eigenstrain of one number per voxel, and a void, which has no say."""
    free = jh.apply(GRID, SOLID, stress=np.zeros(3), eigenstrain=np.full(GRID.shape, ALPHA)).value
    np.testing.assert_allclose(free.down, ALPHA * (1 + NU) * np.asarray([1, 1, 0]), rtol=1e-8, atol=1e-14)
    law = jh.PhaseMixture([[0, 0], [0, 1]], {0: SOLID, 1: jh.LinearElastic.isotropic(0.0, 0.0)})
    field = np.asarray([[ALPHA, ALPHA], [ALPHA, 77.0]])
    found = jh.effective_expansion(jh.Grid((2, 2)), law, field).value.expansion
    np.testing.assert_allclose(found, ALPHA * (1 + NU) * np.asarray([1, 1, 0]), rtol=0, atol=1e-6 * ALPHA)


def test_a_stiffness_of_the_plane_does_not_tell():
    law = jh.LinearElastic.from_stiffness(np.eye(3))
    with pytest.raises(jh.InputError, match=r"give the 6 x 6 stiffness, or the in-plane eigenstrain \(2, 3, 3\)"):
        jh.effective_expansion(GRID, law, np.full(GRID.shape, ALPHA))


@pytest.mark.slow
def test_the_remedy_for_a_stiffness_of_the_plane():
    law = jh.LinearElastic.from_stiffness(np.eye(3))
    in_plane = np.broadcast_to([ALPHA, ALPHA, 0.0], (2, 3, 3))
    found = jh.effective_expansion(GRID, law, in_plane).value.expansion
    np.testing.assert_allclose(found, [ALPHA, ALPHA, 0], rtol=0, atol=1e-12)


def test_the_stress_across_the_plane():
    """Against rows 3 of the 6 x 6 stiffness; of a laminate with the jump conditions: equal strain along the layers."""
    strain = np.random.default_rng(0).normal(size=(*GRID.shape, 3))
    solid = np.zeros((*GRID.shape, 6))
    solid[..., [0, 1, 5]] = strain
    mixture = jh.PhaseMixture(LABELS, {0: SOLID, 1: CUBIC})
    expected = np.where(LABELS == 0, solid @ isotropic_stiffness(E, NU)[2], solid @ cubic_stiffness()[2])
    found = stress_across(GRID, mixture, strain)
    assert found is not None
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    # Layers normal to 1, half and half: sigma_11 and e_22, e_33 = 0 alike in both; C11 e_11 + lam e_22 = sigma_11.
    two = jh.LinearElastic.isotropic(20.0, 0.2)
    normal = np.broadcast_to([1.0, 0.0], (*GRID.shape, 2))
    composite = jh.CompositeVoxels(np.full(GRID.shape, 0.5), SOLID, two, normal=normal)
    (c1, l1), (c2, l2) = ((c[0, 0], c[0, 1]) for c in (isotropic_stiffness(E, NU), isotropic_stiffness(20.0, 0.2)))
    e1, e2 = strain[..., 0], strain[..., 1]
    # Mean of (sigma_11 - lam e_22) / C11 is e_11.
    stress = (2 * e1 + (l1 / c1 + l2 / c2) * e2) / (1 / c1 + 1 / c2)
    across = [(lam * (stress - lam * e2) / c + lam * e2) for c, lam in ((c1, l1), (c2, l2))]
    found = stress_across(GRID, composite, strain)
    assert found is not None
    np.testing.assert_allclose(found, np.mean(across, axis=0), rtol=1e-10)


def run(tmp_path, phase, *more):
    np.save(tmp_path / "image.npy", np.zeros((4, 4), np.int8))
    line = ["homogenize", str(tmp_path / "image.npy"), "--phase", phase, "--output", str(tmp_path / "out"), *more]
    assert main(line) == 0
    return json.loads((tmp_path / "out" / "result.json").read_text())


def test_the_command_line_names_what_it_shows(tmp_path, capsys):
    """E = 1, nu = .3, strain .01 .01 0: s11 = s22 = .01 / (1.3 * .4), s33 = .6 s11, von Mises .4 s11 = .00769."""
    h5py = pytest.importorskip("h5py")
    result = run(tmp_path, "0:young=1,poisson=0.3", "--strain", "0.01,0.01,0", "--fields", "h5")
    with h5py.File(tmp_path / "out" / "fields.h5") as file:
        mises = file["von_mises"][()]
    np.testing.assert_allclose(mises, 0.4 * 0.01 / (1.3 * 0.4), rtol=1e-6)
    shown = capsys.readouterr().out
    assert "plane strain (in-plane compliance; not the material's E and nu): E1 1.0989" in shown
    assert result["description"]["engineering_of"] == "plane strain (in-plane compliance)"
    report = (tmp_path / "out" / "report.html").read_text()
    assert "Young&#x27;s modulus E1 (plane strain)" in report or "Young's modulus E1 (plane strain)" in report
    assert "with the stress across the plane" in report or "matplotlib" in report


@pytest.mark.slow
def test_no_von_mises_stress_without_the_stress_across_the_plane(tmp_path, capsys):
    h5py = pytest.importorskip("h5py")
    voigt = "stiffness=2,1,0,2,0,0.5"
    run(tmp_path, f"0:{voigt}", "--fields", "h5")
    with h5py.File(tmp_path / "out" / "fields.h5") as file:
        assert "von_mises" not in file and "stress" in file
    assert "give the 6 x 6 one" in capsys.readouterr().err
