"""Crystals of several orientations as phases of a cell: small strains by `homogenize`, finite ones by `drive`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import root

import jaxhomog as jh
from jaxhomog.lattice import CauchyBorn, Harmonic, Lattice, LennardJones, Morse, cauchy_born, fcc, square, triangular
from jaxhomog.lattice import elastic_constants as constants
from jaxhomog.results import InputError

ANGLE = 0.4
TURN = np.asarray([[np.cos(ANGLE), -np.sin(ANGLE)], [np.sin(ANGLE), np.cos(ANGLE)]])


def net(turn=None):
    """Square lattice with springs along edges and diagonals: C11 = 1.3, C12 = C66 = 0.3."""
    crystal = square(1.0) if turn is None else square(1.0).deformed(turn)
    return Lattice.pairs(crystal, [Harmonic(1.0, 1.0), Harmonic(0.3, 2**0.5)])


def test_a_turned_crystal_has_the_turned_tensor():
    """C11 = 1.3 - 0.2 sin^2 2a, C16 = 0.1 sin 4a, C66 = 0.3 + 0.2 sin^2 2a (Voigt, C11 - C12 - 2 C66 = 0.4)."""
    c = jh.to_voigt(constants(net(TURN)), kind="stiffness")
    wave, half = 0.2 * np.sin(2 * ANGLE) ** 2, 0.1 * np.sin(4 * ANGLE)
    expected = [[1.3 - wave, 0.3 + wave, half], [0.3 + wave, 1.3 - wave, -half], [half, -half, 0.3 + wave]]
    assert np.allclose(c, expected, rtol=0, atol=1e-12)


def test_small_strains_of_a_solid_crystal_turn_with_the_rotation():
    """A rotation of the law, and a rotation of the atoms: the same tensor."""
    lattice = Lattice.pairs(fcc(2**0.5), Harmonic(1.0, 1.0), shells=1)
    turn = np.asarray(jh.Rotation.from_bunge(0.3, 0.5, 0.2), float).reshape(3, 3)
    law = CauchyBorn(lattice).linearized(turn)
    effective = jh.homogenize(jh.Grid((1, 1, 1)), law).value.effective
    turned = Lattice(lattice.crystal.deformed(turn), lattice.interactions)
    assert np.allclose(effective, constants(turned), rtol=0, atol=1e-12)
    # Nearest-neighbour springs: C11 = 2 C12 = 2 C44 = sqrt2 k / r.
    own = np.asarray(jh.to_voigt(constants(lattice), kind="stiffness"))
    assert own[0, [0, 1]] == pytest.approx([2**0.5, 2**-0.5], abs=1e-12)
    assert own[3, 3] == pytest.approx(2**-0.5, abs=1e-12)


def test_a_crystal_under_stress_has_no_linear_law():
    with pytest.raises(InputError, match=r"the crystal is not at rest.*give the lattice of ground_state"):
        CauchyBorn(Lattice.pairs(fcc(1.7), LennardJones(), shells=1)).linearized()


def test_a_laminate_of_two_orientations_under_small_strains():
    """Layers across direction 1: strain 22 and stresses 11, 12 are equal in both (Milton 2002, section 9.2)."""
    laws = {k: CauchyBorn(lattice).linearized() for k, lattice in enumerate((net(), net(TURN)))}
    mixture = jh.PhaseMixture(np.asarray([[0], [1], [1]]), laws)
    effective = jh.homogenize(jh.Grid((3, 1)), mixture, tolerance=1e-12).value.effective
    c = np.stack([np.asarray(constants(net(turn))) for turn in (None, TURN)])
    share = np.asarray([1, 2])[:, None, None] / 3
    across, along = [0, 2], [1]
    nn, nt, tt = (c[:, a][:, :, b] for a, b in ((across, across), (across, along), (along, along)))
    inverse = np.linalg.inv(nn)
    normal = np.linalg.inv(np.sum(share * inverse, axis=0))
    mixed = np.sum(share * inverse @ nt, axis=0)
    expected = np.zeros((3, 3))
    expected[np.ix_(across, across)] = normal
    expected[np.ix_(across, along)] = normal @ mixed
    expected[np.ix_(along, across)] = (normal @ mixed).T
    rest = np.sum(share * (tt - np.swapaxes(nt, 1, 2) @ inverse @ nt), axis=0)
    expected[np.ix_(along, along)] = rest + mixed.T @ normal @ mixed
    assert np.allclose(effective, expected, rtol=0, atol=1e-10)


@pytest.mark.slow
def test_a_laminate_of_two_crystals_at_finite_strain():
    """F jumps by a x N, the traction does not: two equations for a, solved apart."""
    crystals = triangular(1.0), triangular(1.0).deformed(TURN)
    phases = [Lattice.pairs(c, Morse(1.0, a, 1.0), shells=1) for c, a in zip(crystals, (4.0, 2.0), strict=True)]
    mean = np.asarray([[1.06, 0.04], [-0.02, 0.97]])
    share = np.asarray([1, 2]) / 3
    answer = [jax.jit(lambda F, lattice=lattice: cauchy_born(lattice, F).stress) for lattice in phases]

    def stresses(a):
        jump = np.outer(a, [1.0, 0.0])
        both = (mean - share[1] * jump, mean + share[0] * jump)
        return [np.asarray(f(jnp.asarray(F))) for f, F in zip(answer, both, strict=True)]

    found = root(lambda a: np.subtract(*[P[:, 0] for P in stresses(a)]), np.zeros(2), tol=1e-13)
    assert found.success and np.max(np.abs(found.x)) > 1e-3
    expected = np.tensordot(share, stresses(found.x), 1)
    F = np.stack([np.eye(2), 0.5 * (np.eye(2) + mean), mean]).reshape(3, 4)[1:]
    mixture = jh.PhaseMixture(np.asarray([[0], [1], [1]]), dict(enumerate(map(CauchyBorn, phases))))
    path = jh.LoadPath.finite(F, np.zeros_like(F), np.zeros(4, bool))
    stress = jh.drive(jh.Grid((3, 1)), mixture, path, tolerance=1e-11).value.stress[-1]
    assert np.allclose(stress, expected.ravel(), rtol=0, atol=1e-8)
