"""Which wave softens first: between those of a grid, along which direction, or at q = 0; and of how many it is one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from chains import CRITICAL, R0, STRETCHES, nearest
from scipy.optimize import brentq, minimize_scalar

from jaxhomog.lattice import (
    Harmonic,
    Lattice,
    LennardJones,
    Morse,
    Pairs,
    brillouin_zone,
    chain,
    critical_stretch,
    neighbours,
    square,
    supercell,
    triangular,
)

TABLES = neighbours(chain(1.0), 3)


def competing(second=1.0, third=1.0, alpha=6.0):
    """Morse bonds that soften between springs to second and third neighbours that do not."""
    parts = (Morse(1.0, alpha, 1.0), Harmonic(second, 2.0), Harmonic(third, 3.0))
    return Lattice(chain(1.0), tuple(Pairs(p, b) for p, b in zip(parts, TABLES, strict=True)))


def closed(second, third, alpha):
    """With x = sin^2(q/2): m omega^2 / 4 x = V'' + 4 k2 (1 - x) + k3 (3 - 4 x)^2, least at x = (3 + k2 / 2 k3) / 4,
    and there zero where V'' = k2^2 / 4 k3 - k2; V'' = 2 alpha^2 (2 e^2 - e) with e = exp(-alpha (t - 1))."""
    x = (3 + second / (2 * third)) / 4
    e = (1 + jnp.sqrt(1 + 4 * (second**2 / (4 * third) - second) / alpha**2)) / 4
    return 1 - jnp.log(e) / alpha, 2 * jnp.arcsin(jnp.sqrt(x))


def soft(second, third, alpha):
    value = critical_stretch(competing(second, third, alpha), STRETCHES, COARSE, throw=False).value
    return value.stretch, value.wave_vector[0]


COARSE = np.asarray(brillouin_zone(chain(1.0), 7))


def test_a_wave_between_those_of_the_grid():
    at = (0.8, 1.1, 6.0)
    value, slopes = jax.jit(lambda *p: (soft(*p), jax.jacfwd(soft, (0, 1, 2))(*p)))(*at)
    assert np.allclose(value, closed(*at), rtol=0, atol=1e-12)
    assert np.allclose(slopes, jax.jacfwd(closed, (0, 1, 2))(*at), rtol=0, atol=1e-10)


@pytest.mark.exhaustive
def test_a_wave_between_those_of_the_grid_has_second_derivatives():
    at = (0.8, 1.1, 6.0)
    curvature = jax.jit(jax.jacfwd(jax.grad(lambda *p: soft(*p)[0], (0, 1, 2)), (0, 1, 2)))(*at)
    expected = jax.jacfwd(jax.grad(lambda *p: closed(*p)[0], (0, 1, 2)), (0, 1, 2))(*at)
    assert np.allclose(curvature, expected, rtol=0, atol=1e-10)


def test_the_waves_of_a_ring_are_taken_as_they_are():
    """The softest of seven atoms, from the same closed form at its wave."""
    value = critical_stretch(competing(), STRETCHES, COARSE, long_waves=False).value
    x = np.sin(COARSE[:, 0] / 2) ** 2
    e = [(1 + np.sqrt(1 - 4 * (4 * (1 - k) + (3 - 4 * k) ** 2) / 36)) / 4 for k in x[1:]]
    expected = 1 - np.log(e) / 6
    assert np.allclose(value.stretch_of_wave[1:], expected, rtol=0, atol=1e-12)
    assert float(value.stretch) == pytest.approx(expected.min(), abs=1e-12)
    assert int(value.code) == 0 and "one wave" in value.reason and not value.long_wave


def test_one_wave_is_no_band():
    value = critical_stretch(nearest(), STRETCHES, jnp.asarray([[np.pi / R0]]), long_waves=False).value
    assert not value.degenerate and float(value.share) == 1
    # Given with its opposite, and with one that lies a reciprocal vector apart, it is one wave still.
    three = jnp.asarray([[0.5], [-0.5], [0.5 + 2 * np.pi / R0]])
    assert not critical_stretch(nearest(), STRETCHES, three, long_waves=False).value.degenerate


def rows():
    """Rows of Lennard-Jones atoms along direction 1, tied by springs: a wave along the rows softens, q -> 0 first."""
    stiff = Harmonic(0.3, 2**0.5 * R0)
    return Lattice.pairs(square(R0), [LennardJones(), stiff, LennardJones()])


def test_a_direction_counts_once_however_many_waves_have_it():
    lattice = rows()
    q = brillouin_zone(lattice.crystal, 4)
    value = critical_stretch(lattice, jnp.linspace(1.0, 1.3, 5), q, refine=False).value
    assert value.long_wave and np.allclose(np.abs(value.direction), [1, 0], rtol=0, atol=1e-12)
    assert len(value.directions) == len(value.stretch_of_direction) == 6
    assert int(value.code) == 0, value.reason


@pytest.mark.slow
def test_a_direction_between_those_of_the_grid():
    """The acoustic tensor of a sheet, summed over its six bonds in numpy, minimized over the angle."""
    turn = 0.2
    crystal = triangular(R0).deformed(jnp.asarray([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]))
    lattice = Lattice.pairs(crystal, LennardJones(), shells=1)
    value = critical_stretch(lattice, jnp.linspace(1.0, 1.2, 5), brillouin_zone(crystal, 4)).value
    bonds = R0 * np.stack([[np.cos(turn + k * np.pi / 3), np.sin(turn + k * np.pi / 3)] for k in range(3)])

    def least(t):
        across = bonds * [t, 1.0]
        r = np.linalg.norm(across, axis=1)
        first, second = 24 * (r**-7.0 - 2 * r**-13.0), 4 * (156 * r**-14.0 - 42 * r**-8.0)
        unit = across / r[:, None]
        outer = np.einsum("bi,bj->bij", unit, unit)
        stiffness = second[:, None, None] * outer + (first / r)[:, None, None] * (np.eye(2) - outer)

        def low(angle):
            n = np.asarray([np.cos(angle), np.sin(angle)])
            return np.linalg.eigvalsh(np.einsum("b,bij->ij", (bonds @ n) ** 2, stiffness))[0]

        start = min(np.linspace(0, np.pi, 200), key=low)
        found = minimize_scalar(low, bounds=(start - 0.05, start + 0.05), method="bounded", options={"xatol": 1e-10})
        return found.fun, found.x

    expected = brentq(lambda t: least(t)[0], 1.0, 1.2, xtol=1e-14)
    assert value.long_wave and int(value.code) == 0
    assert float(value.stretch) == pytest.approx(expected, abs=1e-10)
    n = np.asarray([np.cos(least(expected)[1]), np.sin(least(expected)[1])])
    assert abs(float(n @ value.direction)) == pytest.approx(1, abs=1e-10)
    # What the grid alone would have said is later by more than rounding.
    assert float(np.min(value.stretch_of_direction)) > expected + 1e-6


@pytest.mark.exhaustive
def test_sublattices_that_soften_against_each_other():
    """Springs to second neighbours stiffen all waves of the Morse chain but the zone boundary, which stays at
    1 + ln 2 / alpha; in a cell of two atoms it is a wave of q = 0."""
    small = Lattice.pairs(chain(1.0), [Morse(1.0, 6.0, 1.0), Harmonic(1.0, 2.0)])
    lattice = supercell(small, 2)
    value = critical_stretch(lattice, STRETCHES, brillouin_zone(lattice.crystal, 4), refine=False).value
    assert float(value.stretch) == pytest.approx(1 + np.log(2) / 6, abs=1e-10)
    assert not np.any(value.wave_vector) and not value.long_wave and int(value.code) == 0
    assert "the sublattices move against each other" in value.reason
    # A wave of the long cell softens where that of the chain does: V'' + 4 cos^2(q/2) = 0 at q = pi - 2 pi / 8.
    e = (1 + np.sqrt(1 - 4 * 4 * np.sin(np.pi / 8) ** 2 / 36)) / 4
    assert float(value.stretch_of_wave[0]) == pytest.approx(1 - np.log(e) / 6, abs=1e-10)


def test_a_path_that_is_turned_inside_out_has_no_start():
    found = critical_stretch(nearest(), jnp.asarray([-1.0, 1.0, 1.2]), jnp.ones((1, 1)), refine=False, throw=False)
    assert not found.result.ok and not found.stats["stable_at_start"] and np.isnan(found.value.stretch)
    assert CRITICAL < 1.2
