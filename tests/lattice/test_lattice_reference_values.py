"""Closed forms and independently computed numbers: chains, face-centred cubic Lennard-Jones, Morse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from chains import CRITICAL, R0, STRETCHES, at_rest, nearest, stretched

from jaxhomog.lattice import (
    Lattice,
    LennardJones,
    Morse,
    Pairs,
    brillouin_zone,
    cauchy_born,
    chain,
    critical_stretch,
    elastic_constants,
    fcc,
    frequencies,
    ground_state,
    lennard_jones_crystal,
    maxwell_stretch,
    relax_supercell,
)
from jaxhomog.tensors import to_voigt


def test_nearest_neighbours_soften_all_at_once():
    lattice = nearest()
    q = brillouin_zone(lattice.crystal, 20)
    value = critical_stretch(lattice, STRETCHES, q).value
    assert float(value.stretch) == pytest.approx(1.1086834179687215, abs=1e-12) == pytest.approx(CRITICAL)
    assert value.degenerate and value.long_wave and float(value.share) == 1
    assert np.allclose(value.stretch_of_wave, CRITICAL, rtol=1e-12)
    assert "whole band" in value.reason
    assert float(cauchy_born(lattice, stretched(value.stretch)).stress[0, 0]) == pytest.approx(2.396429261244233, 1e-10)
    rest = cauchy_born(lattice, stretched(1.0))
    assert float(rest.tangent.ravel()[0]) / R0 == pytest.approx(57.146437870855124, rel=1e-10)
    boundary = jnp.asarray([np.pi / R0])
    for t, omega in ((1.0, 15.11905259873847), (1.05, 8.34522367578756)):
        assert float(frequencies(lattice, stretched(t), boundary)[0]) == pytest.approx(omega, rel=1e-10)


# spacing, stretch where the zone boundary softens, speed of sound, frequency of the zone boundary
NEIGHBOURS = {
    2: (1.1196108663112254, 1.1115067723126926, 8.616812102957308, 15.52600145268275),
    3: (1.119359384076527, 1.1117282900399397, 8.628442184180097, 15.560923061841489),
    5: (1.1193028800186888, 1.1117839374633278, 8.631056247678762, 15.569054459262883),
}


@pytest.mark.parametrize(
    "shells", [2, pytest.param(3, marks=pytest.mark.slow), pytest.param(5, marks=pytest.mark.slow)]
)
def test_with_more_neighbours_long_waves_soften_first(shells):
    spacing, boundary, sound, omega = NEIGHBOURS[shells]
    lattice = at_rest(shells)
    a = float(lattice.crystal.vectors[0, 0])
    q = brillouin_zone(lattice.crystal, 100)
    value = critical_stretch(lattice, STRETCHES, q).value
    assert a == pytest.approx(spacing, rel=1e-10)
    assert float(value.stretch) == pytest.approx(CRITICAL, rel=1e-10)
    assert value.long_wave and not value.degenerate and "q -> 0" in value.reason
    assert float(value.stretch_of_wave[-1]) == pytest.approx(boundary, rel=1e-10)
    assert np.all(np.diff(value.stretch_of_wave) > 0)
    # rho omega^2 = C q^2 with rho = m / a.
    assert float(jnp.sqrt(elastic_constants(lattice)[0, 0] * a)) == pytest.approx(sound, rel=1e-8)
    assert float(frequencies(lattice, stretched(1.0), q[-1])[0]) == pytest.approx(omega, rel=1e-8)


def test_a_finite_ring_softens_a_little_later():
    lattice = at_rest(2)
    q = brillouin_zone(lattice.crystal, 100)
    value = critical_stretch(lattice, STRETCHES, q, long_waves=False).value
    assert float(value.stretch) - CRITICAL == pytest.approx(2.8e-6, abs=0.05e-6)
    assert float(value.wave_vector[0] * lattice.crystal.vectors[0, 0]) == pytest.approx(2 * np.pi / 100)


@pytest.mark.parametrize(
    "stretch, affine, least, short, long",
    [
        (1.11, -0.7834408485638611, -0.7834656021879085, 1.2239907433222978, 1.2678750039245104),
        (1.12, -0.7565871494092525, -0.7583056743446185, 1.191965960180574, 1.3223490280324215),
        (1.15, -0.6777480416364468, -0.6968702524017544, 1.1613553898562339, 1.4203073212553239),
    ],
)
def test_the_period_doubles(stretch, affine, least, short, long):
    state = relax_supercell(nearest(), 2, stretched(stretch))
    assert float(state.affine) * R0 == pytest.approx(affine, abs=1e-12)
    assert float(state.energy) * R0 == pytest.approx(least, abs=1e-12)
    bond = stretch * (R0 + float(state.shifts[0, 0]))
    assert sorted([bond, 2 * stretch * R0 - bond]) == pytest.approx([short, long], abs=1e-8)


@pytest.mark.parametrize(
    "cells, maxwell, least",
    [
        (4, 1.0917339821083216, -0.7985566279659801),
        pytest.param(8, 1.067006110346159, -0.8794425570547114, marks=pytest.mark.slow),
    ],
)
def test_one_broken_bond_is_best_and_early(cells, maxwell, least):
    lattice = nearest()
    state = relax_supercell(lattice, cells, stretched(1.12))
    assert float(state.energy) * R0 == pytest.approx(least, abs=1e-10)
    # One bond is long, all others are equal.
    places = np.concatenate([[0], np.asarray(state.shifts[:, 0]) + R0 * np.arange(1, cells), [cells * R0]])
    bonds = 1.12 * np.sort(np.diff(places))
    assert np.ptp(bonds[:-1]) < 1e-9 and bonds[-1] > 1.6
    assert float(maxwell_stretch(lattice, cells, (1.0, 1.108)).value) == pytest.approx(maxwell, abs=1e-10)


@pytest.mark.slow
def test_face_centred_cubic_lennard_jones_of_infinite_range():
    ground = ground_state(lennard_jones_crystal(fcc(1.55))).value
    a = 1.55 * float(ground.stretch[0, 0])
    assert a == pytest.approx(1.5417373905397964, rel=1e-6)
    assert float(ground.energy) == pytest.approx(-8.610199633737896, rel=1e-6)
    c = np.asarray(to_voigt(elastic_constants(ground.lattice), "stiffness"))
    assert c[0, 0] == pytest.approx(105.182071488998, rel=1e-6)
    assert c[0, 1] == pytest.approx(60.1866667696173, rel=1e-6) == pytest.approx(c[3, 3], rel=1e-6)
    # Exact identities: Cauchy's relation, and B = 8 |E| / volume of an atom at zero pressure.
    assert c[0, 1] == pytest.approx(c[3, 3], rel=1e-12)
    assert (c[0, 0] + 2 * c[0, 1]) / 3 == pytest.approx(8 * abs(float(ground.energy)) / (a**3 / 4), rel=1e-12)


def test_the_morse_chain_and_what_its_critical_stretch_depends_on():
    bonds = Lattice.pairs(chain(1.0), Morse(), shells=1).interactions[0].bonds

    def critical(depth, alpha, r0):
        lattice = Lattice(chain(r0), Pairs(Morse(depth, alpha, r0), bonds))
        return critical_stretch(lattice, STRETCHES, jnp.asarray([[np.pi]]), throw=False).value.stretch

    depth, alpha, r0 = 2.0, 5.0, 1.2
    value, slopes = jax.jit(jax.value_and_grad(critical, (0, 1, 2)))(depth, alpha, r0)
    assert float(value) == pytest.approx(1.1155245300933243, abs=1e-12)
    expected = [0, -np.log(2) / (alpha**2 * r0), -np.log(2) / (alpha * r0**2)]
    assert np.allclose(slopes, expected, rtol=0, atol=1e-12)


def test_the_critical_stretch_of_lennard_jones_depends_on_no_parameter():
    table = Lattice.pairs(chain(R0), LennardJones(), shells=2).interactions[0].bonds

    def critical(epsilon, sigma):
        lattice = ground_state(
            Lattice(chain(R0), Pairs(LennardJones(epsilon, sigma), table)), throw=False
        ).value.lattice
        return critical_stretch(lattice, STRETCHES, jnp.asarray([[1.0]]), throw=False).value.stretch

    value, slopes = jax.jit(jax.value_and_grad(critical, (0, 1)))(1.3, 0.9)
    assert float(value) == pytest.approx(CRITICAL, rel=1e-12)
    assert np.allclose(slopes, 0, rtol=0, atol=1e-12)
