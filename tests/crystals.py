"""Crystals that several tests deform, and their slip systems written out by hand."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import jaxhomog as jh
from jaxhomog.materials import CrystalPlasticity, SlipHardening, Step

C11, C12, C44 = 168.4e3, 121.4e3, 75.4e3  # copper, MPa
CUBIC = jh.LinearElastic.cubic(C11, C12, C44)
G0, RATE = 16.0, 1e-3
HARD = SlipHardening(180.0, 148.0, 2.25)
TURN = np.asarray(jh.Rotation.from_bunge(0.4, 0.9, -1.3))
MANDEL = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


def crystal(slip="fcc", rotation=TURN, exponent=20.0, hardening=HARD, **kw):
    return CrystalPlasticity(
        CUBIC, slip, rotation, strength=G0, exponent=exponent, reference_rate=RATE, hardening=hardening, **kw
    )


def mandel(a):
    return np.asarray([a[i, j] * (1 if i == j else 2**0.5) for i, j in MANDEL])


def tensor(v):
    a = np.zeros((3, 3))
    for x, (i, j) in zip(v, MANDEL, strict=True):
        a[i, j] = a[j, i] = x if i == j else x / 2**0.5
    return a


def fcc_by_hand():
    """Normals and directions of FCC, written out independently of the library's enumeration."""
    out = []
    for n in ((1, 1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, -1)):
        for b in ((0, 1, -1), (1, 0, -1), (1, -1, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)):
            if np.dot(n, b) == 0:
                out.append((np.asarray(n) / 3**0.5, np.asarray(b) / 2**0.5))
    return out


@eqx.filter_jit
def _march(law, strains, dt):
    pts = (1,) * (3 if strains.shape[1] == 6 else 2)
    points = law.points(pts, strains.dtype)

    def body(state, strain):
        up = points.update(strain.reshape(-1, *pts), state, Step(dt))
        scalars = [x.ravel()[0] for x in (up.energy, up.dissipation, up.code)]
        return up.state, (up.stress.ravel(), up.state.ravel(), *scalars)

    return jax.lax.scan(body, points.initial(pts, strains.dtype), strains)[1]


def march(law, strains, dt=1.0):
    """Stress, state, energy, dissipation and code of a history of strains (T, n) at one point."""
    count = len(strains)
    # The last strain is held on to a common length: one program for all histories.
    padded = np.pad(strains, [(0, -count % 120), (0, 0)], mode="edge")
    return tuple(np.asarray(x)[:count] for x in _march(law, jnp.asarray(padded), jnp.asarray(dt)))


def path(seed, steps=4, n=6, size=3e-3):
    return np.cumsum(np.random.default_rng(seed).normal(size=(steps, n)), axis=0) * size / steps**0.5
