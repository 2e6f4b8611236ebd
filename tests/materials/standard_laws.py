"""Generalized standard materials that the tests share: two functions each."""

import jax.numpy as jnp

from jaxhomog.materials import StandardMaterial
from jaxhomog.tensors import safe_norm

E, NU, SY, H = 200.0, 0.3, 0.4, 12.0
G, K = E / 2.6, E / 1.2


def deviator(a):
    return a - jnp.sum(a[:3]) / 3 * jnp.asarray([1, 1, 1, 0, 0, 0], a.dtype)


def volume(e, p):
    return 0.5 * p["K"] * jnp.sum(e[:3]) ** 2


def zener(e, a, p):
    d = deviator(e)
    return volume(e, p) + p["G0"] * d @ d + p["G1"] * (d - a) @ (d - a)


def newtonian(rate, p):
    return p["eta"] * rate @ rate


def elastoplastic(e, a, p):
    """alpha: plastic strain (6) and accumulated plastic strain."""
    d = deviator(e) - a[:6]
    return volume(e, p) + p["G"] * d @ d + 0.5 * p["H"] * a[6] ** 2


def overstress(force, p):
    """Perzyna: <f>^2 / (2 eta)."""
    f = 1.5**0.5 * safe_norm(force[:6]) + force[6] - p["sy"]
    return jnp.where(f > 0, f, 0) ** 2 / (2 * p["eta"])


def hardened(e, a, p):
    """alpha: plastic strain; linear kinematic hardening."""
    d = deviator(e) - a
    return volume(e, p) + p["G"] * d @ d + 0.5 * p["C"] * (2 / 3) * a @ a


def rounded(rate, p):
    """The cone of von Mises, its tip rounded off."""
    return (2 / 3) ** 0.5 * p["sy"] * (jnp.sqrt(rate @ rate + p["tip"] ** 2) - p["tip"])


def norton(force, p):
    q = 1.5**0.5 * safe_norm(force)
    return p["s0"] * p["rate0"] / (p["n"] + 1) * (q / p["s0"]) ** (p["n"] + 1)


def elastoviscous(e, a, p):
    d = deviator(e) - a
    return volume(e, p) + p["G"] * d @ d


def kelvin(rate, p):
    return 0.5 * p["drag"] * rate @ rate


SOLID = {"K": K, "G": G}
LAWS = {
    "zener": StandardMaterial(zener, newtonian, 6, {"K": K, "G0": 20.0, "G1": 50.0, "eta": 30.0}),
    "perzyna": StandardMaterial(
        elastoplastic, internal=7, parameters=SOLID | {"H": H, "sy": SY, "eta": 5.0}, dual_potential=overstress
    ),
    "rounded": StandardMaterial(hardened, rounded, 6, SOLID | {"C": 9.0, "sy": SY, "tip": 1e-3}),
    "norton": StandardMaterial(
        elastoviscous, internal=6, parameters=SOLID | {"s0": 0.5, "rate0": 1e-3, "n": 5.0}, dual_potential=norton
    ),
    "kelvin": StandardMaterial(
        zener, newtonian, 6, {"K": K, "G0": 20.0, "G1": 50.0, "eta": 30.0, "drag": 15.0}, viscous=kelvin
    ),
}
