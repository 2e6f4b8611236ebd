"""Supercells, branches beyond the rule, and the switch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from chains import CRITICAL, R0, nearest, stretched

from jaxhomog.lattice import (
    Lattice,
    LennardJones,
    Pairs,
    brillouin_zone,
    chain,
    commensurate,
    follow_branch,
    maxwell_stretch,
    relax_supercell,
    rule,
    supercell,
    triangular,
    wave_start,
)


def test_a_supercell_is_the_same_crystal():
    lattice = Lattice.pairs(triangular(1.15), LennardJones(), shells=3)
    big = supercell(lattice, (2, 3))
    F = jnp.asarray([[1.02, 0.03], [0.0, 0.99]])
    one = float(lattice.density(F, jnp.zeros((0, 2))))
    assert float(big.density(F, jnp.zeros(big.inner))) == pytest.approx(one, rel=1e-13)
    gradient = jax.grad(lambda s: big.density(F, s))(jnp.zeros(big.inner))
    assert np.max(np.abs(gradient)) < 1e-12


def test_the_cell_of_a_wave():
    crystal = triangular(1.1)
    reciprocal = 2 * np.pi * np.linalg.inv(np.asarray(crystal.vectors)).T
    assert commensurate(crystal, np.asarray([0.5, 2 / 3]) @ reciprocal) == (2, 3)
    assert commensurate(crystal, np.zeros(2)) == (1, 1)


def test_the_period_doubled_branch_is_a_continuous_pitchfork():
    """Just beyond: bonds differ by 2 d, d^2 = 6 (t - t_c) r0 |V'''| / V'''' and the gain grows with the square."""
    lattice = nearest()
    start = wave_start(lattice, 2, stretched(1.11), jnp.asarray([np.pi / R0]))
    beyond = np.asarray([-1e-2, -1e-4, 1e-4, 2e-4, 4e-4])
    branch = follow_branch(lattice, 2, CRITICAL + beyond, start)
    assert not np.any(branch.code)
    gain = np.asarray(branch.gain)
    assert np.allclose(gain[:2], 0, rtol=0, atol=1e-13)
    r = CRITICAL * R0
    third = 4 * (-12 * 13 * 14 * r**-15.0 + 6 * 7 * 8 * r**-9.0)
    fourth = 4 * (12 * 13 * 14 * 15 * r**-16.0 - 6 * 7 * 8 * 9 * r**-10.0)
    half = (CRITICAL + beyond[2:]) * np.abs(np.asarray(branch.shifts[2:, 0, 0]))
    assert np.allclose(half**2, -6 * beyond[2:] * R0 * third / fourth, rtol=5e-3)
    assert third < 0 < fourth


def test_the_maxwell_stretch_follows_the_atoms_size():
    """A spacing that is fixed and atoms of the size sigma: the stretch is sigma times that of sigma = 1."""
    table = Lattice.pairs(chain(R0), LennardJones(), shells=1).interactions[0].bonds

    def maxwell(epsilon, sigma):
        lattice = Lattice(chain(R0), Pairs(LennardJones(epsilon, sigma), table))
        return maxwell_stretch(lattice, 4, (1.0, 1.1), throw=False).value

    value, slopes = jax.jit(jax.value_and_grad(maxwell, (0, 1)))(1.0, 1.0)
    assert np.allclose(slopes, [0, value], rtol=0, atol=1e-10)
    assert np.isnan(maxwell_stretch(nearest(), 4, (1.0, 1.05), throw=False).value)


def test_the_switch_of_the_chain():
    lattice = nearest()
    q = brillouin_zone(lattice.crystal, 20)
    maxwell = 1.0917339821083216  # cell of four
    stretches = jnp.asarray([1.0, 0.97, maxwell - 1e-6, maxwell + 1e-6, CRITICAL - 1e-6, CRITICAL + 1e-6, jnp.nan])
    stretches = jnp.append(stretches, -1.05)  # turned inside out
    judged = jax.jit(jax.vmap(lambda t: rule(lattice, t.reshape(1, 1), q, 4)))(stretches)
    assert np.asarray(judged.code).tolist() == [0, 0, 0, 1, 1, 2, 3, 3]
    unasked = jax.jit(jax.vmap(lambda t: rule(lattice, t.reshape(1, 1), q)))(stretches[:6])
    assert np.asarray(unasked.code).tolist() == [0, 0, 0, 0, 0, 2]
    assert judged.name == "undecided" and unasked.name == "invalid" and "resolve" in unasked.advice


@pytest.mark.slow
def test_a_sheet_tears_before_it_softens():
    lattice = Lattice.pairs(triangular(R0), LennardJones(), shells=1)
    F = jnp.asarray([[1.0, 0.0], [0.0, 1.09]])
    state = relax_supercell(lattice, (1, 10), F)
    assert int(state.code) == 0 and float(state.gain) > 1e-3
    assert rule(lattice, F, brillouin_zone(lattice.crystal, 6), (1, 10)).name == "metastable"
