"""A particle in a bath of harmonic oscillators: the friction that it feels, and the noise that goes with it."""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..results import InputError
from ._checked import array, concrete, need_symmetric, random_key, together, whole


class OscillatorBath(eqx.Module):
    """Oscillators coupled to a coordinate X (Ford, Kac & Mazur; Zwanzig; Caldeira & Leggett).

        H = P^2 / 2 M + V(X) + sum_j p_j^2 / 2 + w_j^2 / 2 (q_j - c_j X / w_j^2)^2
        M X'' = -V'(X) - int_0^t K(t - s) X'(s) ds + F(t),    K(t) = sum_j c_j^2 / w_j^2 cos w_j t

    exactly, for every potential V. Bath coordinates are mass weighted.

    Args:
        frequencies: w_j > 0 (m,), 1 / time.
        couplings: c_j (m,), a force per bath coordinate.

    Raises:
        InputError: frequencies that are not positive, couplings of another number.

    Source:
        Ford, Kac & Mazur (1965), J. Math. Phys. 6, 504-515; Zwanzig (1973), J. Stat. Phys. 9, 215-220.
    """

    frequencies: Float[Array, " m"]
    couplings: Float[Array, " m"]

    def __init__(self, frequencies: Any, couplings: Any):
        w, c = together(array(frequencies, "frequencies", 1, "positive"), array(couplings, "couplings", 1))
        if w.shape != c.shape:
            raise InputError(f"{w.shape[0]} frequencies and {c.shape[0]} couplings: give as many")
        self.frequencies, self.couplings = w, c

    @classmethod
    def of_springs(cls, stiffness: Any, coupling: Any) -> OscillatorBath:
        """The normal modes of a bath with the energy p.p / 2 + q.K q / 2 - X coupling.q.

        The term that completes the squares, X^2 coupling.K^-1 coupling / 2, is counted to V.

        Args:
            stiffness: K (m, m), symmetric positive definite, mass weighted.
            coupling: (m,).
        """
        k, c = together(array(stiffness, "stiffness", 2), array(coupling, "coupling", 1))
        if k.shape != (c.shape[0], c.shape[0]):
            raise InputError(f"stiffness has the shape {k.shape}: give {(c.shape[0],) * 2}, one row per coupling")
        need_symmetric(k, "stiffness")
        squares, modes = jnp.linalg.eigh(k)
        if concrete(squares) and not float(squares[0]) > 0:
            raise InputError(f"stiffness has the eigenvalue {float(squares[0]):g}: give a positive definite matrix")
        return cls(jnp.sqrt(squares), modes.T @ c)

    def friction(self, time: Any) -> Float[Array, "*t"]:
        """K(t), mass / time^2."""
        t = array(time, "time").astype(self.frequencies.dtype)
        return jnp.cos(t[..., None] * self.frequencies) @ (self.couplings / self.frequencies) ** 2

    def force(self, time: Any, q0: Any, p0: Any, x0: Any) -> Float[Array, "*t"]:
        """F(t) of the bath's initial values: sum_j c_j ((q_j - c_j x0 / w_j^2) cos w_j t + p_j / w_j sin w_j t).

        Args:
            time: t (...).
            q0, p0: coordinates and momenta of the oscillators (m,), mass weighted.
            x0: of the coordinate X at t = 0.

        Returns:
            (...), a force: what the bath does to X beside its friction on X'.
        """
        w, c = self.frequencies, self.couplings
        t = array(time, "time").astype(w.dtype)[..., None]
        q, p = array(q0, "q0", 1), array(p0, "p0", 1)
        if q.shape != w.shape or p.shape != w.shape:
            raise InputError(f"q0 {q.shape} and p0 {p.shape}: give {w.shape}, one per oscillator")
        shift = q - c * array(x0, "x0", 0) / w**2
        return jnp.cos(t * w) @ (c * shift) + jnp.sin(t * w) @ (c * p / w)

    def thermal(self, key: Array, temperature: Any, x0: Any) -> tuple[Float[Array, " m"], Float[Array, " m"]]:
        """q0 and p0 (m,) in equilibrium at kT around x0; then <F(t) F(0)> = kT K(t).

        Args:
            key: of `jax.random`; `jax.vmap` over several.
            temperature: kT >= 0, energy.
            x0: of the coordinate X, which the bath has relaxed to.
        """
        w = self.frequencies
        scale = jnp.sqrt(array(temperature, "temperature", 0, "not negative")).astype(w.dtype)
        q, p = jax.random.normal(random_key(key), (2, *w.shape), w.dtype) * scale
        return q / w + self.couplings * array(x0, "x0", 0) / w**2, p

    def operator(self, stiffness: Any, mass: Any = 1.0) -> Float[Array, "n n"]:
        """A of z' = A z, z = (X, X', q, p), for V = stiffness X^2 / 2: the whole system, to compare with."""
        w, c = self.frequencies, self.couplings
        m = w.shape[0]
        k, mass = array(stiffness, "stiffness", 0), array(mass, "mass", 0, "positive")
        a = jnp.zeros((2 * m + 2, 2 * m + 2), w.dtype).at[0, 1].set(1.0)
        a = a.at[1, 0].set(-(k + jnp.sum((c / w) ** 2)) / mass).at[1, 2 : m + 2].set(c / mass)
        a = a.at[2 : m + 2, m + 2 :].set(jnp.eye(m, dtype=w.dtype))
        return a.at[m + 2 :, 0].set(c).at[m + 2 :, 2 : m + 2].set(-jnp.diag(w**2))


def rubin_bath(modes: int, spring: Any = 1.0, mass: Any = 1.0) -> OscillatorBath:
    """The bath of an atom in an infinite harmonic chain (Rubin's model), both sides.

        K(t) = 2 sqrt(k m) J1(w t) / t = (4 k / pi) int_0^pi sin^2(a) cos(w t cos a) da,    w = 2 sqrt(k / m)

    by the midpoint rule in a. The integrand is periodic: the error is below rounding until w t is about 2.5 `modes`,
    and of order one from 4 `modes` on.

    Args:
        modes: number of oscillators.
        spring: k of the chain.
        mass: m of its atoms.

    Source:
        Rubin (1960), J. Math. Phys. 1, 309-318.
    """
    n = whole(modes, "modes")
    k, m = together(array(spring, "spring", 0, "positive"), array(mass, "mass", 0, "positive"))
    a = (jnp.arange(n, dtype=k.dtype) + 0.5) * (math.pi / (2 * n))
    w = 2 * jnp.sqrt(k / m) * jnp.cos(a)
    return OscillatorBath(w, w * jnp.sin(a) * jnp.sqrt(4 * k / n))
