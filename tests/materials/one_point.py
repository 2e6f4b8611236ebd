"""A law at a single point: histories of strain, its two tangents, and paths of strain to try it on."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxhomog.materials import Step

ONE = np.asarray([1.0, 1, 1, 0, 0, 0])


@eqx.filter_jit
def history(law, strains, dts):
    """As `march`, of arrays and differentiable; compiled for every length."""
    pts = (1,) * (3 if strains.shape[1] == 6 else 2)
    points = law.points(pts, strains.dtype)

    def body(state, inputs):
        strain, dt = inputs
        up = points.update(strain.reshape(-1, *pts), state, Step(dt))
        return up.state, (up.stress.ravel(), up.state.ravel(), up.energy.ravel()[0], up.dissipation.ravel()[0])

    return jax.lax.scan(body, points.initial(pts, strains.dtype), (strains, dts))[1]


def march(law, strains, dts=1.0):
    """Stress, state, energy and dissipation of a history of strains (T, n) with steps of time (T,).

    The history is prolonged to one of two lengths, so that few programs are compiled.
    """
    n = len(strains)
    more = (8 if n <= 8 else 1024) - n % 1024
    dts = np.pad(np.broadcast_to(dts, (n,)).astype(strains.dtype), (0, more), mode="edge")
    strains = np.pad(strains, ((0, more), (0, 0)), mode="edge")
    return tuple(np.asarray(x)[:n] for x in history(law, jnp.asarray(strains), jnp.asarray(dts)))


@eqx.filter_jit
def slopes(law, strain, state, dt):
    """Own tangent and the automatic one, of one step."""
    pts = (1,) * (3 if len(strain) == 6 else 2)
    points, state = law.points(pts, strain.dtype), state.reshape(-1, *pts)
    own = points.tangent(strain.reshape(-1, *pts), state, Step(dt)).mean()
    return own, jax.jacfwd(lambda e: points.update(e.reshape(-1, *pts), state, Step(dt)).stress.ravel())(strain)


def differences(law, strains, dt, size):
    """d stress / d strain of the last step of a history, by central differences of the whole history."""
    columns = []
    for v in np.eye(strains.shape[1]):
        ends = [np.vstack([strains[:-1], strains[-1] + s * v]) for s in (size, -size)]
        up, down = (march(law, history, dt)[0][-1] for history in ends)
        columns.append((up - down) / (2 * size))
    return np.stack(columns, axis=1)


@eqx.filter_jit
def one_step(law, strain, dt):
    """Update, tangent and virgin moduli of a single step in the dtype of the strain (6,)."""
    pts = (1, 1, 1)
    points, strain = law.points(pts, strain.dtype), strain.reshape(6, *pts)
    up = points.update(strain, points.initial(pts, strain.dtype), Step(dt))
    return up, points.tangent(strain, up.state, Step(dt)), points.elastic(pts, strain.dtype)


def path(seed, steps=6, n=6, size=6e-3):
    """A random walk of strain (steps, n)."""
    return np.cumsum(np.random.default_rng(seed).normal(size=(steps, n)), axis=0) * size / steps**0.5


def wave(t):
    """A smooth path that starts at zero, with all components."""
    t = np.asarray(t)[..., None]
    return 1e-2 * np.sin(t * np.asarray([1.0, 2.0, 0.7, 1.3, 0.4, 1.6])) * np.asarray([1, -0.5, 0.3, 0.8, 1, 0.6])


def deviator(e):
    """Of Mandel vectors (..., 6)."""
    return e - ONE * e[..., :3].mean(axis=-1, keepdims=True)


def mises(s):
    """Von Mises stress of Mandel vectors (..., 6)."""
    return np.sqrt(1.5) * np.linalg.norm(deviator(s), axis=-1)
