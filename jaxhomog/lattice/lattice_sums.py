"""Lennard-Jones energy of infinite range: sums of r^-6 and r^-12 over all atoms of a crystal, to rounding.

With p = 2 s, lengths in units of L, x = n - offset over the lattice, k over its reciprocal lattice (without 2 pi), and
the generalized exponential integral E_n(z) = int_1^oo t^-n exp(-z t) dt,

    pi^-s Gamma(s) sum' |x|^-2s = sum' E_{1-s}(pi x^2)
        + 1/v (1 / (s - d/2) + sum'_k cos(2 pi k . offset) E_{1+s-d/2}(pi k^2)) - 1/s (where x = 0 is left out)

Both sums end like exp(-pi x^2): what is left out of balls of radius 4.5 is below 1e-25 of the sum, and below rounding
while no direction is stretched or shortened by more than a quarter against the crystal of the table.

Source: Crandall (1998), Fast evaluation of Epstein zeta functions, eq. 2; Borwein et al. (2013), Lattice Sums Then and
Now, section 2.
"""

from __future__ import annotations

import itertools
import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.scipy.special import erfc, exp1
from jaxtyping import Array, Float, Int

from ..results import InputError, under_jax_defaults
from .crystals import Crystal, dual, need_crystal
from .model import AbstractInteraction, Lattice
from .potentials import number, positive

_RADIUS = 4.5


class LennardJonesSum(AbstractInteraction):
    """All pairs of a crystal under V(r) = 4 epsilon ((sigma/r)^12 - (sigma/r)^6), without a cut-off.

    Args:
        crystal: chooses the terms of the sums (concrete; only its shape matters, not its scale).
        epsilon: depth of the well (energy, > 0).
        sigma: distance where V = 0 (length, > 0).

    Raises:
        InputError: a traced crystal, atoms at the same place, something else than real numbers.

    Caveats:
        The terms are those of the crystal given: of a face-centred cubic one, stretched along one axis by F, the energy
        is exact to rounding up to a factor 1.5, to 5e-10 at 2 and to 6e-5 at 3 (a volume change alone costs nothing).
        Energies, stresses, elastic constants and inner shifts; phonons and supercells need a table of pairs
        (`Lattice.pairs`): the part of the dynamical matrix beyond a radius R falls like R^-5 in three dimensions.
    """

    epsilon: Float[Array, ""]
    sigma: Float[Array, ""]
    near: Int[Array, "n d"]
    far: Int[Array, "k d"]

    def __init__(self, crystal: Crystal, epsilon=1.0, sigma=1.0):
        self.epsilon, self.sigma = number(epsilon, "epsilon"), number(sigma, "sigma")
        need_crystal(crystal, "a lattice sum")
        if isinstance(crystal.vectors, Tracer) or isinstance(crystal.positions, Tracer):
            raise InputError("a lattice sum needs a concrete crystal: make it outside jit, vmap and grad")
        vectors = np.asarray(crystal.vectors, float)
        crystal.check()
        size = abs(np.linalg.det(vectors))
        unit = vectors / size ** (1 / len(vectors))
        offsets = np.asarray(crystal.positions, float) @ unit
        slack = max(np.linalg.norm(a - b) for a in offsets for b in offsets)
        fractions = np.asarray(crystal.positions, float)
        for i, j in itertools.combinations(range(len(fractions)), 2):
            apart = fractions[i] - fractions[j]
            if np.max(np.abs(apart - np.rint(apart))) < 1e-9:
                raise InputError(f"atoms {i} and {j} of the cell are at the same place: give other positions")
        with jax.ensure_compile_time_eval():
            self.near = jnp.asarray(_ball(unit, _RADIUS + slack))
            self.far = jnp.asarray(_ball(np.linalg.inv(unit).T, _RADIUS))

    def energy(self, vectors, places, F):
        d, m = places.shape[1], places.shape[0]
        cell = jnp.sum(vectors[:, None, :] * F[None], axis=-1)
        atoms = jnp.sum(places[:, None, :] * F[None], axis=-1)
        volume = Crystal(vectors).volume
        # The unit of length splits the sum between both spaces; the value does not depend on it.
        unit = jax.lax.stop_gradient(volume ** (1 / d))
        total = jnp.zeros((), cell.dtype)
        for i in range(m):
            for j in range(i, m):
                twelve, six = (
                    _power_sum(cell / unit, (atoms[j] - atoms[i]) / unit, self.near, self.far, s, i == j)
                    for s in (6, 3)
                )
                sixth = (self.sigma / unit) ** 6
                total = total + (0.5 if i == j else 1.0) * (sixth**2 * twelve - sixth * six)
        return 4 * self.epsilon * total

    def fits(self, crystal):
        if crystal.dim != self.near.shape[1]:
            raise InputError(
                f"a lattice sum of {self.near.shape[1]} dimensions and a crystal of {crystal.dim}: make it with"
                " lennard_jones_crystal(crystal)"
            )

    def check(self, where: str = "") -> None:
        positive(self.epsilon, "epsilon", where)
        positive(self.sigma, "sigma", where)


def lennard_jones_crystal(crystal: Crystal, epsilon=1.0, sigma=1.0) -> Lattice:
    """A crystal under Lennard-Jones forces of infinite range (see `LennardJonesSum`).

    Args:
        crystal: the undeformed crystal, concrete.
        epsilon: depth of the well (energy, > 0).
        sigma: distance where V = 0 (length, > 0).

    Raises:
        InputError: no crystal, atoms at the same place, something else than real numbers.
    """
    return Lattice(crystal, LennardJonesSum(crystal, epsilon, sigma))


def _ball(vectors, radius):
    """Integers n != 0 with |n . vectors| <= radius."""
    reach = np.floor(radius * np.linalg.norm(np.linalg.inv(vectors), axis=0)).astype(int)
    grid = np.stack(np.meshgrid(*(np.arange(-r, r + 1) for r in reach), indexing="ij"), -1).reshape(-1, len(vectors))
    inside = (np.linalg.norm(grid @ vectors, axis=1) <= radius) & np.any(grid != 0, axis=1)
    return grid[inside].astype(np.int32)


def _power_sum(cell, offset, near, far, s: int, same: bool):
    """sum |n . cell + offset|^(-2 s) over all cells; without n = 0 if `same` (the offset is then zero)."""
    d = cell.shape[0]
    reciprocal, volume = dual(cell)
    volume = jnp.abs(volume)
    x = jnp.sum(near.astype(cell.dtype)[:, :, None] * cell[None], axis=1) + offset
    direct = jnp.sum(_exponential_integrals(math.pi * jnp.sum(x**2, axis=-1), 1 - s))
    k = jnp.sum(far.astype(cell.dtype)[:, :, None] * reciprocal[None], axis=1)
    wave = jnp.cos(2 * math.pi * jnp.sum(k * offset, axis=-1))
    order = 1 + s - d / 2
    spectral = jnp.sum(wave * _exponential_integrals(math.pi * jnp.sum(k**2, axis=-1), order))
    own = -1 / s if same else _exponential_integrals(math.pi * jnp.sum(offset**2), 1 - s)
    return math.pi**s / math.gamma(s) * (direct + own + (spectral + 1 / (s - d / 2)) / volume)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _exponential_integrals(z, order: float):
    """E_order(z), of orders <= 0 in closed form, of others upwards from E_1/2 or E_1; dE_n/dz = -E_{n-1}.

    Upwards an error of rounding grows by z / n a step: for the few steps and the z <= 64 used here it stays far below
    rounding of the sum, whose terms fall like exp(-z).
    """
    decay = jnp.exp(-z)
    if order <= 0:  # m! exp(-z) / z^(m+1) (1 + z + z^2 / 2! + ... + z^m / m!),  m = -order
        m = round(-order)
        value = jnp.full_like(z, 1 / math.factorial(m))
        for k in range(m - 1, -1, -1):
            value = value * z + 1 / math.factorial(k)
        return math.factorial(m) * decay * value / z ** (m + 1)
    if order == int(order):
        value, n = exp1(z), 1.0
    else:
        value, n = jnp.sqrt(math.pi / z) * erfc(jnp.sqrt(z)), 0.5
    while n < order:
        value, n = (decay - z * value) / n, n + 1
    return value


@_exponential_integrals.defjvp
@under_jax_defaults
def _exponential_integrals_jvp(order, primals, tangents):
    (z,), (dz,) = primals, tangents
    if order == 0.5:  # E_-1/2
        lower = (0.5 * _exponential_integrals(z, 0.5) + jnp.exp(-z)) / z
    else:
        lower = _exponential_integrals(z, order - 1)
    return _exponential_integrals(z, order), -lower * dz
