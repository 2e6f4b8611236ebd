"""Chains that several tests use."""

import jax.numpy as jnp

from jaxhomog.lattice import Lattice, LennardJones, chain, ground_state

R0 = 2 ** (1 / 6)
CRITICAL = (13 / 7) ** (1 / 6)
STRETCHES = jnp.linspace(1.0, 1.2, 5)


def nearest():
    """Lennard-Jones, nearest neighbours, at rest."""
    return Lattice.pairs(chain(R0), LennardJones(), shells=1)


def at_rest(shells):
    """Lennard-Jones with more neighbours, at the spacing of least energy."""
    return ground_state(Lattice.pairs(chain(1.12), LennardJones(), shells=shells)).value.lattice


def stretched(t):
    """F of a chain."""
    return jnp.asarray([[t]], float)
