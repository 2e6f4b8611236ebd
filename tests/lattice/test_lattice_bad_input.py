"""Bad input ends in one clear line."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from chains import nearest

from jaxhomog.lattice import (
    Along,
    Bonds,
    CauchyBorn,
    Crystal,
    Harmonic,
    Lattice,
    LennardJones,
    LennardJonesSum,
    Morse,
    Pair,
    Pairs,
    Smooth,
    UniaxialStretch,
    brillouin_zone,
    cauchy_born,
    chain,
    commensurate,
    critical_stretch,
    fcc,
    follow_branch,
    ground_state,
    lennard_jones_crystal,
    maxwell_stretch,
    neighbours,
    opening_start,
    phonon_scan,
    relax,
    relax_supercell,
    rule,
    supercell,
    triangular,
    wave_start,
)
from jaxhomog.results import InputError, SolverError

ONE = jnp.eye(1)
WAVE = jnp.ones((1, 1))
PATH = jnp.asarray([1.0, 1.2])
CASES = {
    "text for a number": (lambda: LennardJones("a"), "epsilon is 'a': give one real number"),
    "nothing for a number": (lambda: LennardJones(None), "epsilon is None: give one real number"),
    "a boolean": (lambda: Morse(True), "depth is True: give one real number"),
    "an array": (lambda: LennardJones(np.ones(3)), "epsilon has shape .3,., .*vmap over many"),
    "a negative sigma": (lambda: ground_state(Lattice.pairs(chain(1.1), LennardJones(1.0, -1.0), 1)), "sigma is -1"),
    "NaN": (lambda: cauchy_born(Lattice.pairs(chain(1.1), LennardJones(np.nan), 1), ONE), "epsilon is nan"),
    "no function": (lambda: Pair(3.0), "a potential is float: give a function"),
    "ends exchanged": (lambda: ground_state(Lattice.pairs(chain(1.1), Smooth(LennardJones(), 3, 2))), "0 <= onset"),
    "four dimensions": (lambda: Crystal(np.eye(4)), "vectors have shape .4, 4.: give d rows"),
    "text for vectors": (lambda: Crystal([["a"]]), "vectors have dtype .*: give real numbers"),
    "positions of another dimension": (lambda: Crystal(np.eye(2), [[0.0]]), "positions have shape .1, 1.: give"),
    "three masses": (lambda: Crystal(np.eye(2), [[0, 0]], [1, 1, 1]), "masses have shape .3,.: give one number"),
    "shells and cutoff": (lambda: neighbours(chain(), 1, 2.0), "give either shells"),
    "half a shell": (lambda: neighbours(chain(), 0.5), "shells is 0.5: give a whole number"),
    "a short cutoff": (lambda: neighbours(chain(), cutoff=0.5), "no two atoms are within cutoff = 0.5"),
    "a negative cutoff": (lambda: neighbours(chain(), cutoff=-1), "cutoff is -1: give a finite distance > 0"),
    "flat cells": (lambda: neighbours(Crystal(np.ones((2, 2))), 1), "not finite or not independent"),
    "the same place": (lambda: neighbours(Crystal(np.eye(2), np.zeros((2, 2))), 1), "at the same place"),
    "too few potentials": (lambda: Lattice.pairs(chain(), [LennardJones()], 2), "1 potentials for 2 shells"),
    "no crystal": (lambda: Lattice(1.0, ()), "crystal is float: give a Crystal"),
    "no interaction": (lambda: Lattice(chain(), ()), "interactions are no list of Pairs"),
    "bonds of a chain": (lambda: Lattice(triangular(), nearest().interactions), "a table of bonds has shifts"),
    "no lattice": (lambda: cauchy_born(None, ONE), "cauchy_born needs a Lattice and was given NoneType"),
    "F of a solid": (lambda: cauchy_born(nearest(), jnp.eye(3)), "F has shape .3, 3.* give a real .1, 1."),
    "a chain as a material": (lambda: CauchyBorn(nearest()), "a chain is no material of a plane"),
    "no lattice as a material": (lambda: CauchyBorn("fcc"), "CauchyBorn was given str"),
    "a sheet in a solid": (
        lambda: CauchyBorn(Lattice.pairs(triangular(), LennardJones(), 1)).points((2, 2, 2), float),
        "the crystal has 2 dimensions, the grid 3",
    ),
    "free what": (lambda: ground_state(nearest(), free="shape"), "free is 'shape': give 'volume' or 'cell'"),
    "waves of a sum": (lambda: phonon_scan(lennard_jones_crystal(chain()), ONE[None], WAVE), "needs tables of pairs"),
    "waves of a plane": (lambda: phonon_scan(nearest(), ONE[None], jnp.ones((1, 2))), "q has shape .1, 2."),
    "one F": (lambda: phonon_scan(nearest(), ONE, WAVE), "F has shape .1, 1.: give .t, 1, 1."),
    "no zone": (lambda: brillouin_zone(chain(), 1), "n is 1: give a whole number"),
    "a zero wave": (lambda: critical_stretch(nearest(), PATH, 0 * WAVE), "q holds zero"),
    "falling stretches": (lambda: critical_stretch(nearest(), PATH[::-1], WAVE), "stretches do not increase"),
    "one stretch": (lambda: critical_stretch(nearest(), PATH[:1], WAVE), "give at least two increasing numbers"),
    "no path": (lambda: critical_stretch(nearest(), PATH, WAVE, 3.0), "a path is float: give a function"),
    "a path in the plane": (
        lambda: critical_stretch(nearest(), PATH, WAVE, Along(lambda t: t * jnp.eye(2))),
        "give .1, 1.",
    ),
    "half a cell": (lambda: supercell(nearest(), 0.5), "repeats is 0.5: give 1 whole numbers"),
    "one atom": (lambda: relax_supercell(nearest(), 1, ONE), "the supercell has one atom"),
    "other starts": (lambda: relax_supercell(nearest(), 2, ONE, jnp.zeros((1, 5, 1))), "starts have shape .1, 5, 1."),
    "an axis of one cell": (lambda: maxwell_stretch(nearest(), 1, (1.0, 1.1)), "give an axis with at least two cells"),
    "an irrational wave": (lambda: commensurate(chain(), [np.sqrt(2)]), "no cell of up to 12 repeats fits"),
    "no number at all": (lambda: cauchy_born(nearest(), "a"), "F='a': give a number or an array of real numbers"),
    "a ragged F": (lambda: rule(nearest(), [[1.0], [1.0, 2.0]], WAVE), "F=.*: give a number or an array"),
    "text for waves": (lambda: critical_stretch(nearest(), PATH, "q"), "q='q': give a number"),
    "text for stretches": (lambda: critical_stretch(nearest(), "ab", WAVE), "stretches='ab': give a number"),
    "no wave to follow": (lambda: critical_stretch(nearest(), PATH, jnp.zeros((0, 1))), "at least one"),
    "NaN for a wave": (lambda: rule(nearest(), ONE, np.nan * WAVE), "q holds zero or is not finite"),
    "text for ends": (lambda: maxwell_stretch(nearest(), 4, "ab"), "between='ab': give a number"),
    "a direction in words": (lambda: UniaxialStretch("x"), "direction is 'x': give a vector"),
    "nothing to relax": (lambda: relax(None, ONE), "relax needs a Lattice and was given NoneType"),
    "another start": (lambda: relax(nearest(), ONE, np.ones((2, 1))), "start has shape .2, 1.: give .0, 1."),
    "no starts": (lambda: relax_supercell(nearest(), 2, ONE, np.zeros((0, 1, 1))), "starts have shape .0, 1, 1."),
    "no start to follow": (lambda: follow_branch(nearest(), 2, [1.1], "a"), "start='a': give a number"),
    "a wave that does not fit": (
        lambda: wave_start(nearest(), 3, ONE, [np.pi / 2 ** (1 / 6)]),
        "the wave has .1.5.* periods in the supercell .3,.: take commensurate",
    ),
    "no amplitude": (lambda: wave_start(nearest(), 1, ONE, [0.0], np.nan), "amplitude is nan: give a finite number"),
    "a crack in one cell": (lambda: opening_start(nearest(), 1, ONE), "give an axis with at least two cells"),
    "no repeats": (lambda: commensurate(chain(), [0.0], 0), "largest is 0: give a whole number >= 1"),
    "waves of nothing": (lambda: brillouin_zone(None, 4), "brillouin_zone needs a Crystal and was given NoneType"),
    "neighbours of nothing": (lambda: neighbours(None, 1), "neighbours needs a Crystal and was given NoneType"),
    "a sum of nothing": (lambda: lennard_jones_crystal(None), "a lattice sum needs a Crystal"),
    "a sum of another crystal": (
        lambda: Lattice(triangular(), LennardJonesSum(fcc())),
        "a lattice sum of 3 dimensions and a crystal of 2",
    ),
    "a sum of one place": (
        lambda: lennard_jones_crystal(Crystal(np.eye(2), [[0, 0], [1.0, 0]])),
        "atoms 0 and 1 of the cell are at the same place",
    ),
    "atoms that are not there": (
        lambda: Lattice(chain(), Pairs(Harmonic(), Bonds([0], [1], [[0]]))),
        "a table of bonds names atoms 0 to 1 and the cell has 1",
    ),
    "half an atom": (lambda: Bonds([0.5], [0], [[1]]), "first of a table of bonds is .0.5.: give whole numbers"),
    "a bond to itself": (lambda: Bonds([0], [0], [[0]]), "ties an atom to itself"),
    "a bond and its opposite": (lambda: Bonds([0, 0], [0, 0], [[1], [-1]]), "lists a pair twice"),
    "tables of two lengths": (lambda: Bonds([0, 1], [0], [[1]]), "give .b,., .b,. and .b, d."),
    "no table": (lambda: Pairs(Harmonic(), None), "bonds are NoneType: give Bonds"),
    "a mass below zero": (
        lambda: phonon_scan(Lattice.pairs(chain(1.0, 1, -1.0), Harmonic(), 1), ONE[None], WAVE),
        "masses are .-1.0.: give finite numbers > 0",
    ),
    "a class for a potential": (lambda: Lattice.pairs(chain(), Harmonic, 1), "a potential is the class Harmonic"),
    "a potential that sums": (
        lambda: cauchy_born(Lattice.pairs(triangular(), lambda r: jnp.sum(r**2), 1), jnp.eye(2)),
        "the potential gives .. for distances of shape .3,.: make it elementwise",
    ),
    "a potential in numpy": (
        lambda: cauchy_born(Lattice.pairs(triangular(), lambda r: np.exp(-r), 1), jnp.eye(2)),
        "the potential converts distances to numpy: write it in jax.numpy",
    ),
    "a crystal turned by a plane": (lambda: fcc().deformed(np.eye(2)), "F has shape .2, 2.: give a real .3, 3."),
    "no waves": (lambda: rule(nearest(), ONE, jnp.zeros((0, 1))), "q has shape .0, 1.: give .waves, 1., at least one"),
}


@pytest.mark.parametrize("name", CASES)
def test_is_one_line(name, unchecked):
    call, line = CASES[name]
    with pytest.raises(InputError, match=line) as error:
        call()
    assert "\n" not in str(error.value)


def test_a_crystal_that_is_turned_inside_out_is_not_answered():
    """Energies of pairs do not notice it."""
    for F in (-1.1 * ONE, jnp.zeros((1, 1)), jnp.full((1, 1), jnp.nan)):
        answer = cauchy_born(nearest(), F)
        assert int(answer.code) > 0 and np.isnan(answer.energy) and np.isnan(answer.stress).all()
        assert int(relax(nearest(), F).code) > 0
        assert np.isnan(phonon_scan(nearest(), F[None], WAVE)).all()
    assert int(cauchy_born(nearest(), 1.1 * ONE).code) == 0


class Learned(eqx.Module):
    """A potential whose module holds functions beside its arrays."""

    net: eqx.nn.MLP

    def __call__(self, r):
        return (r - 1) ** 2 + 0.01 * jax.vmap(self.net)(r)


def test_a_potential_may_be_a_network():
    net = eqx.nn.MLP("scalar", "scalar", 3, 1, activation=jnp.tanh, key=jax.random.PRNGKey(0))
    lattice = Lattice.pairs(chain(1.0, 2), Learned(net), 1)
    found = relax(lattice, 1.01 * ONE, [[0.01]])
    # By symmetry both bonds are equal again.
    assert int(found.code) == 0 and abs(float(found.shifts[0, 0])) < 1e-12


def test_a_table_needs_a_concrete_crystal():
    with pytest.raises(InputError, match="make the lattice outside jit"):
        jax.jit(lambda a: neighbours(fcc(a), 1)[0].first)(1.0)


def test_a_concrete_crystal_is_one_inside_a_trace():
    inside = jax.jit(lambda e: Lattice.pairs(fcc(1.5), LennardJones(e), 1).density(jnp.eye(3), jnp.zeros((0, 3))))
    outside = Lattice.pairs(fcc(1.5), LennardJones(2.0), 1).density(jnp.eye(3), jnp.zeros((0, 3)))
    assert float(inside(2.0)) == pytest.approx(float(outside), rel=1e-14)


def test_what_does_not_converge_says_so():
    with pytest.raises(SolverError, match="nothing softens on the path"):
        critical_stretch(nearest(), jnp.asarray([1.0, 1.05]), WAVE)
    with pytest.raises(SolverError, match="do not cross"):
        maxwell_stretch(nearest(), 4, (1.0, 1.05))
