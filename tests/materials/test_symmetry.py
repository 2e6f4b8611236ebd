"""Symmetry classes, engineering constants and directional moduli of tensors of known answer."""

import numpy as np
import pytest

from jaxhomog import tensors as t
from jaxhomog.materials import directional_young, engineering_constants, symmetry_class
from jaxhomog.results import InputError


def _orthotropic(e, nu, g):
    """Mandel stiffness from E1 E2 E3, nu12 nu13 nu23, G23 G13 G12: the compliance, inverted."""
    s = np.zeros((6, 6))
    s[:3, :3] = [
        [1 / e[0], -nu[0] / e[0], -nu[1] / e[0]],
        [-nu[0] / e[0], 1 / e[1], -nu[2] / e[1]],
        [-nu[1] / e[0], -nu[2] / e[1], 1 / e[2]],
    ]
    s[range(3, 6), range(3, 6)] = 1 / np.array(g)
    return np.asarray(t.from_voigt(np.linalg.inv(s), "stiffness"))


WOOD = _orthotropic((10.0, 2.0, 1.0), (0.3, 0.35, 0.4), (0.4, 0.9, 1.1))
CUBIC = np.asarray(t.cubic_stiffness(168.4, 121.4, 75.4))


def _transverse(axis):
    """Fibre along `axis`: built along axis 2 with C66 = (C11 - C12)/2, then turned by relabelling."""
    voigt = np.array(
        [
            [14.0, 6.0, 5.0, 0, 0, 0],
            [6.0, 14.0, 5.0, 0, 0, 0],
            [5.0, 5.0, 60.0, 0, 0, 0],
            [0, 0, 0, 7.0, 0, 0],
            [0, 0, 0, 0, 7.0, 0],
            [0, 0, 0, 0, 0, 4.0],
        ]
    )
    order = np.roll([0, 1, 2], axis - 2)
    return np.asarray(t.from_voigt(voigt[np.ix_([*order, *order + 3], [*order, *order + 3])], "stiffness"))


def _tetragonal():
    c = _transverse(2).copy()
    c[5, 5] *= 2
    return c


def _general():
    a = np.random.default_rng(0).normal(size=(6, 6))
    return a @ a.T + np.eye(6)


@pytest.mark.parametrize(
    "c, name, axis",
    (
        (np.asarray(t.isotropic_stiffness(3.0, 2.0)), "isotropic", None),
        (CUBIC, "cubic", None),
        (_transverse(0), "transversely isotropic", 0),
        (_transverse(1), "transversely isotropic", 1),
        (_transverse(2), "transversely isotropic", 2),
        (_tetragonal(), "tetragonal", 2),
        (WOOD, "orthotropic", None),
        (_general(), "general", None),
    ),
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_class_of_a_stiffness(c, name, axis):
    got = symmetry_class(c, tol=1e-10)
    assert (got.name, got.axis) == (name, axis)
    # A subgroup's class contains the group's: distances fall from each class to those inside it.
    d = got.distances
    assert d["isotropic"] >= d["cubic"] - 1e-12 >= d["tetragonal"] - 2e-12 >= d["orthotropic"] - 3e-12
    assert d["isotropic"] >= d["transversely isotropic"] - 1e-12 >= d["tetragonal"] - 2e-12
    # Noise below the tolerance does not change the class.
    noise = np.random.default_rng(1).normal(size=(6, 6))
    noisy = c + 1e-4 * np.linalg.norm(c) * (noise + noise.T) / np.linalg.norm(noise + noise.T)
    assert symmetry_class(noisy, tol=1e-3).name == name


def test_distance_is_the_least_over_the_class():
    """The projection is the nearest member: least squares over the five constants of the class, fitted directly."""
    c = _general()
    members = []
    for k in range(5):
        p = np.zeros(5)
        p[k] = 1
        a, b, d, e, f = p
        voigt = np.zeros((6, 6))
        voigt[:3, :3] = [[a, b, d], [b, a, d], [d, d, e]]
        voigt[range(3, 6), range(3, 6)] = [f, f, (a - b) / 2]
        members.append(np.asarray(t.from_voigt(voigt, "stiffness")).ravel())
    design = np.stack(members, axis=1)
    best = []
    for axis in range(3):
        order = np.roll([0, 1, 2], 2 - axis)
        turned = c[np.ix_([*order, *order + 3], [*order, *order + 3])]
        fit = design @ np.linalg.lstsq(design, turned.ravel(), rcond=None)[0]
        best.append(np.linalg.norm(turned.ravel() - fit) / np.linalg.norm(c))
    np.testing.assert_allclose(symmetry_class(c).distances["transversely isotropic"], min(best), rtol=1e-12)


def test_isotropic_distance_does_not_depend_on_the_axes():
    r = t.Rotation.from_quaternion(np.array([0.3, -0.5, 0.7, 0.2]))
    turned = np.asarray(t.rotate_stiffness(CUBIC, r))
    one, other = symmetry_class(CUBIC), symmetry_class(turned)
    np.testing.assert_allclose(one.distances["isotropic"], other.distances["isotropic"], rtol=1e-12)
    assert other.name == "general" and other.distances["cubic"] > 0.1


@pytest.mark.parametrize(
    "k, name, axis",
    (
        (np.eye(3), "isotropic", None),
        (np.diag([2.0, 1, 1]), "transversely isotropic", 0),
        (np.diag([1.0, 1, 3]), "transversely isotropic", 2),
        (np.diag([1.0, 2, 3]), "orthotropic", None),
        (np.array([[2.0, 1, 0], [1, 2, 0], [0, 0, 2]]), "general", None),
        (np.eye(2), "isotropic", None),
        (np.diag([1.0, 2]), "orthotropic", None),
        (np.array([[2.0, 1], [1, 2]]), "general", None),
        (np.zeros((3, 3)), "isotropic", None),
    ),
)
def test_class_of_a_conductivity(k, name, axis):
    got = symmetry_class(k, kind="conductivity")
    assert (got.name, got.axis) == (name, axis)


def test_class_of_a_plane_stiffness():
    assert symmetry_class(t.isotropic_stiffness(3.0, 2.0, 2)).name == "isotropic"
    assert symmetry_class(t.plane_strain(CUBIC)).name == "square"
    assert symmetry_class(t.plane_strain(WOOD)).name == "orthotropic"
    turned = t.rotate_stiffness(t.plane_strain(WOOD), t.Rotation.from_bunge(0.4, 0.0, 0.0)[:2, :2])
    assert symmetry_class(turned).name == "general"


def test_engineering_constants_come_back():
    got = engineering_constants(WOOD)
    expected = {
        "E1": 10,
        "E2": 2,
        "E3": 1,
        "nu12": 0.3,
        "nu13": 0.35,
        "nu23": 0.4,
        "G23": 0.4,
        "G13": 0.9,
        "G12": 1.1,
    }
    expected |= {"nu21": 0.3 * 2 / 10, "nu31": 0.35 / 10, "nu32": 0.4 / 2}
    for name, value in expected.items():
        np.testing.assert_allclose(got[name], value, rtol=1e-12)


def test_indices_of_copper():
    # Zener ratio, Voigt and Reuss shear moduli as published for C11, C12, C44 = 168.4, 121.4, 75.4 (Hill 1952).
    got = engineering_constants(CUBIC)
    np.testing.assert_allclose(got["zener"], 3.2085106382978728, rtol=1e-12)
    np.testing.assert_allclose((got["bulk_voigt"], got["bulk_reuss"]), 137.0666666666667, rtol=1e-12)
    np.testing.assert_allclose((got["shear_voigt"], got["shear_reuss"]), (54.64, 40.03389064618165), rtol=1e-12)
    # Cubic crystals: A_U = 6/5 (sqrt(A) - 1/sqrt(A))^2 (Ranganathan & Ostoja-Starzewski 2008).
    a = 3.2085106382978728
    np.testing.assert_allclose(got["universal_anisotropy"], 1.2 * (np.sqrt(a) - 1 / np.sqrt(a)) ** 2, rtol=1e-12)
    iso = engineering_constants(t.isotropic_stiffness(3.0, 2.0))
    np.testing.assert_allclose((iso["zener"], iso["universal_anisotropy"]), (1, 0), rtol=0, atol=1e-13)


def test_plane_constants():
    young, nu = 7.0, 0.3
    got = engineering_constants(t.isotropic_stiffness(*t.bulk_and_shear(young, nu), 2))
    # Plane strain: E/(1 - nu^2) and nu/(1 - nu).
    np.testing.assert_allclose((got["E1"], got["E2"]), young / (1 - nu**2), rtol=1e-12)
    np.testing.assert_allclose((got["nu12"], got["nu21"]), nu / (1 - nu), rtol=1e-12)
    np.testing.assert_allclose(got["G12"], young / 2.6, rtol=1e-12)
    np.testing.assert_allclose((got["zener"], got["universal_anisotropy"]), (1, 0), rtol=0, atol=1e-12)
    area = young / (2 * (1 + nu) * (1 - 2 * nu))
    np.testing.assert_allclose((got["bulk_voigt"], got["bulk_reuss"]), area, rtol=1e-12)


@pytest.mark.parametrize("dim", (2, 3))
def test_a_singular_stiffness_gives_zeros_and_no_nan(dim):
    n = {2: 3, 3: 6}[dim]
    void = engineering_constants(np.zeros((n, n)))
    assert all(value == 0 for value in void.values()) and "zener" not in void
    plate = np.zeros((n, n))
    plate[0, 0] = 5.0  # carries load along axis 0 only
    got = engineering_constants(plate)
    assert got["E1"] == pytest.approx(5.0) and got["E2"] == 0 and got["G12"] == 0
    assert got["nu12"] == 0 and got["nu21"] == 0 and all(np.isfinite(v) for v in got.values())
    np.testing.assert_allclose(directional_young(plate, np.eye(dim)), np.eye(dim)[0] * 5)
    fluid = engineering_constants(t.isotropic_stiffness(3.0, 0.0, dim))
    assert fluid["E1"] == fluid["G12"] == fluid["shear_reuss"] == 0
    np.testing.assert_allclose(fluid["bulk_reuss"], 3.0)


def test_directional_young():
    s = np.linalg.inv(t.to_voigt(CUBIC, "stiffness"))
    n = np.random.default_rng(2).normal(size=(4, 5, 3))
    m = n / np.linalg.norm(n, axis=-1, keepdims=True)
    # Nye: 1/E = s11 - 2 (s11 - s12 - s44/2) (l²m² + m²n² + n²l²)
    q = (m[..., 0] * m[..., 1]) ** 2 + (m[..., 1] * m[..., 2]) ** 2 + (m[..., 2] * m[..., 0]) ** 2
    expected = 1 / (s[0, 0] - 2 * (s[0, 0] - s[0, 1] - s[3, 3] / 2) * q)
    np.testing.assert_allclose(directional_young(CUBIC, n), expected, rtol=1e-12)
    r = np.asarray(t.Rotation.from_quaternion(np.array([0.3, -0.5, 0.7, 0.2])))
    np.testing.assert_allclose(directional_young(t.rotate_stiffness(WOOD, r), m @ r.T), directional_young(WOOD, m))
    plane = t.isotropic_stiffness(*t.bulk_and_shear(7.0, 0.3), 2)
    np.testing.assert_allclose(directional_young(plane, np.array([[1.0, 1.0], [0.0, 2.0]])), 7 / 0.91, rtol=1e-12)


def test_bad_input(unchecked):
    with pytest.raises(InputError, match="kind='heat'"):
        symmetry_class(np.eye(3), kind="heat")
    with pytest.raises(InputError, match="shape"):
        symmetry_class(np.eye(6), kind="conductivity")
    with pytest.raises(InputError, match="NaN"):
        engineering_constants(np.full((6, 6), np.nan))
    with pytest.raises(InputError, match="length 0"):
        directional_young(np.eye(6), np.zeros(3))
    with pytest.raises(InputError, match="directions"):
        directional_young(np.eye(6), np.ones(2))
