"""Fluids in shear beside an elastic bulk modulus: relaxation in closed form."""

import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.materials import GeneralizedMaxwell, KelvinVoigt

BULK, SHEAR, TAU = 5.0, 2.0, 0.5
TIME = np.asarray([0.5, 1.0, 2.0, 4.0])


def decays(t):
    """What is left of a unit shear strain that has grown in the first row."""
    x = TIME[0] / TAU
    return (1 - np.exp(-x)) / x * np.exp(-(t - TIME[0]) / TAU)


@pytest.mark.parametrize("shape", [(2, 3), pytest.param((1, 2, 2), marks=pytest.mark.slow)])
def test_a_maxwell_fluid_holds_pressure_and_nothing_else(shape):
    """p = K tr e for ever, 2 G dev e times exp(-t / tau) of what has grown."""
    law = GeneralizedMaxwell(jh.LinearElastic.from_bulk_shear(BULK, 0.0), [SHEAR], [TAU])
    n = 6 if len(shape) == 3 else 3
    strain = np.zeros(n)
    strain[0], strain[-1] = 0.01, 0.02
    path = jh.LoadPath(np.tile(strain, (4, 1)), time=TIME)
    s = jh.drive(jh.Grid(shape), law, path, tangent=False, tolerance=1e-10)
    left = decays(TIME)
    np.testing.assert_allclose(s.value.stress[:, -1], SHEAR * 0.02 * left, rtol=1e-9)
    np.testing.assert_allclose(s.value.stress[:, 0], BULK * 0.01 + 2 * SHEAR * (2 / 3) * 0.01 * left, rtol=1e-9)
    np.testing.assert_allclose(s.value.stress[:, 1], BULK * 0.01 - 2 * SHEAR * (1 / 3) * 0.01 * left, rtol=1e-9)


@pytest.mark.slow
def test_a_newtonian_fluid_resists_its_rate():
    """A dashpot beside a bulk modulus: 2 eta de/dt in shear while it moves, nothing when it is held."""
    law = KelvinVoigt(jh.LinearElastic.from_bulk_shear(BULK, 0.0), 3.0)
    rows = np.outer([0.01, 0.02, 0.02], [0.0, 0, 1])
    s = jh.drive(jh.Grid((2, 2)), law, jh.LoadPath(rows, time=[0.5, 1.0, 2.0]), tangent=False)
    np.testing.assert_allclose(s.value.stress[:, 2], [3 * 0.02, 3 * 0.02, 0], rtol=1e-9, atol=1e-12)


def test_moduli_are_checked_and_are_those_of_young_and_poisson():
    both = jh.LinearElastic.from_bulk_shear(5.0, 3.0)
    young, poisson = 9 * 5 * 3 / (3 * 5 + 3), (3 * 5 - 2 * 3) / (2 * (3 * 5 + 3))
    a, b = (law.response((2, 2), jnp.float64) for law in (both, jh.LinearElastic.isotropic(young, poisson)))
    np.testing.assert_allclose((a.lam, a.mu), (b.lam, b.mu), rtol=1e-13)
    for bulk, shear in ((-1.0, 1.0), (1.0, -1.0), (1.0, np.nan)):
        with pytest.raises(jh.InputError, match="give"):
            jh.homogenize(jh.Grid((2, 2)), jh.LinearElastic.from_bulk_shear(bulk, shear))
    with pytest.raises(jh.InputError, match="from_bulk_shear"):
        GeneralizedMaxwell(jh.LinearElastic.cubic(3.0, 1.0, 1.0), [1.0], [1.0])
