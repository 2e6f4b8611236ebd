"""Where a crystal loses its stability along a path of deformations, and by which wave.

For nearest neighbours in a chain, omega^2 = 4 V''(r) sin^2(q a / 2) / m: every wave vector softens at the same stretch,
for Lennard-Jones at (13/7)^(1/6), the zone boundary q = pi / a among them. With more neighbours the long waves
(q -> 0) soften first and the zone boundary later; a ring of finitely many atoms, which has no wave longer than itself,
softens a little later than the infinite chain (two neighbours, 100 atoms: by 2.8e-6).
"""

from __future__ import annotations

from typing import Final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int

from ..results import NO_EQUILIBRIUM, SUCCESS, InputError, Result, Solution, throw_if_failed
from ..solvers import guarded, scalar_root
from .down import as_path
from .eigen import lowest_vector
from .model import Lattice
from .phonons import need_pairs, need_waves, relaxed_matrices, relaxed_tangent

ONE_WAVE: Final = 0
SEVERAL_WAVES: Final = 1
WHOLE_BAND: Final = 2

_TEXTS: Final = (
    "one wave softens first",
    "several waves soften at the same stretch (by symmetry or by chance): the wave vector that is named is one of them",
    "the whole band softens at once: every wave vector that was scanned is critical, the one that is named is any",
)


class Softening(eqx.Module):
    """The first loss of stability along a path.

    Args:
        stretch: t where the first omega^2 (or the acoustic tensor) of all that were scanned becomes zero;
            differentiable with respect to every number of the lattice.
        wave_vector: (d,) of the critical wave, 1/length of the undeformed crystal; zero for long waves.
        direction: (d,) unit vector along it; of long waves their direction.
        long_wave: whether q -> 0 is among the critical waves: the acoustic tensor loses its positive definiteness.
        share: share of all scanned waves that soften at that stretch.
        code: 0 one wave, 1 several, 2 the whole band.
        stretch_of_wave: (q,) where each scanned wave softens, infinite where it does not.
        stretch_of_direction: (a,) where each long wave softens, infinite where it does not.
    """

    stretch: Float[Array, ""]
    wave_vector: Float[Array, " d"]
    direction: Float[Array, " d"]
    long_wave: Bool[Array, ""]
    share: Float[Array, ""]
    code: Int[Array, ""]
    stretch_of_wave: Float[Array, " q"]
    stretch_of_direction: Float[Array, " a"]

    @property
    def degenerate(self):
        """Whether more than one wave softens first."""
        return self.code > ONE_WAVE

    @property
    def reason(self) -> str:
        """The critical wave in words (needs concrete values)."""
        if isinstance(self.code, Tracer):
            return "<traced>"
        if not np.isfinite(float(self.stretch)):
            return "no wave that was scanned softens on the path"
        listed = lambda v: ", ".join(f"{float(x):.6g}" for x in v)  # noqa: E731
        wave = f"q = ({listed(self.wave_vector)})"
        if self.long_wave:
            wave = f"q -> 0 along ({listed(self.direction)}): the acoustic tensor is singular"
        return f"{_TEXTS[int(self.code)]}; stretch {float(self.stretch):.10g}, {wave}"


def critical_stretch(
    lattice: Lattice,
    stretches: Float[Array, " t"],
    q: Float[Array, "q d"],
    path=None,
    *,
    long_waves: bool = True,
    throw: bool = True,
) -> Solution:
    """The smallest stretch of a path where the crystal is unstable against a wave, and which wave it is.

    Every wave vector is followed on the given stretches to its first change of sign of omega^2, and located there by a
    safeguarded Newton iteration; the derivative is implicit (for the critical wave as it is).

    Args:
        lattice: crystal and pairs.
        stretches: (t,) increasing values of the path's parameter, at least two; they bracket the roots, so that a wave
            that softens and hardens again between two of them is missed.
        q: (q, d) wave vectors that are scanned, such as `brillouin_zone(crystal, n)`, without q = 0.
        path: t -> F; None is `UniaxialStretch()`.
        long_waves: whether the limit q -> 0 is scanned as well, by the acoustic tensor along the directions of q.
            Without it: a finite ring with these waves only.
        throw: whether a failure raises in an eager call.

    Returns:
        `Solution` whose value is `Softening`.

    Raises:
        InputError: no table of pairs, shapes that do not fit, stretches that do not increase.
        SolverError: nothing softens on the path.

    Fails with:
        no_equilibrium, where no wave softens between the first and last stretch, or the first is unstable already.

    Caveats:
        The minimum over the wave vectors and directions that were given. Between those of a grid of spacing h it may
        lie lower by an amount of order h^2 (a direction: likewise).
    """
    need_pairs(lattice, "critical_stretch")
    q = need_waves(lattice, q)
    if q.ndim != 2:
        raise InputError(f"q has shape {q.shape}: give (waves, {lattice.dim})")
    stretches = jnp.asarray(stretches, q.dtype)
    if stretches.ndim != 1 or stretches.shape[0] < 2:
        raise InputError(f"stretches have shape {stretches.shape}: give at least two increasing numbers")
    if not isinstance(stretches, Tracer) and not np.all(np.diff(np.asarray(stretches)) > 0):
        raise InputError("stretches do not increase or are not finite: give increasing numbers")
    if not isinstance(q, Tracer) and not np.all(np.any(np.asarray(q) != 0, axis=1) & np.isfinite(q).all(1)):
        raise InputError("q holds zero or is not finite: leave such waves out, long_waves=True scans the limit q -> 0")
    value, started = _critical(lattice, stretches, q, as_path(path), long_waves)
    ok = jnp.isfinite(value.stretch)
    code = jnp.where(ok, SUCCESS, NO_EQUILIBRIUM).astype(jnp.int32)
    solution = Solution(value, None, Result(code), {"stable_at_start": started})
    return throw_if_failed(solution, "critical_stretch: nothing softens on the path") if throw else solution


@eqx.filter_jit
def _critical(lattice, stretches, q, path, long_waves):
    length = jnp.sqrt(jnp.sum(q**2, axis=-1, keepdims=True))
    directions = (q / length)[: q.shape[0] if long_waves else 0]
    if lattice.dim == 1:
        directions = directions[:1]
    waves, sound = _first_roots(_wave, lattice, path, stretches, q)
    longs, firm = _first_roots(_long, lattice, path, stretches, directions)
    every = jnp.concatenate([longs, waves])  # long waves first: of equals argmin names q -> 0
    fixed = jax.lax.stop_gradient(every)
    best = jnp.min(fixed)
    same = float(jnp.finfo(q.dtype).eps) ** 0.6 * jnp.abs(best)
    soft = fixed <= best + same
    at = jnp.argmax(soft)
    long = soft[: longs.shape[0]].any() if longs.shape[0] else jnp.zeros((), bool)
    number, count = jnp.sum(soft), every.shape[0]
    code = jnp.where(number == count, WHOLE_BAND, jnp.where(number > 1, SEVERAL_WAVES, ONE_WAVE))
    vectors = jnp.concatenate([jnp.zeros_like(directions), q])[at]
    unit = jnp.concatenate([directions, q / length])[at]
    started = sound & firm
    ok = jnp.isfinite(best) & started
    softening = Softening(
        stretch=guarded(ok, every[at]),
        wave_vector=vectors,
        direction=unit,
        long_wave=long,
        share=number / count,
        code=code.astype(jnp.int32),
        stretch_of_wave=waves,
        stretch_of_direction=longs,
    )
    return softening, started


def _first_roots(measure, lattice, path, stretches, k):
    """Where each candidate's measure first falls through zero (infinite: nowhere), and whether all start above."""
    if k.shape[0] == 0:
        return jnp.zeros(0, stretches.dtype), jnp.ones((), bool)
    grid = jax.lax.map(lambda t: measure(jnp.full(k.shape[0], t), (lattice, path, k)), stretches)
    grid = jax.lax.stop_gradient(grid)
    below = grid <= 0
    first = jnp.argmax(below, axis=0)
    found = jnp.any(below, axis=0) & ~below[0]
    low = stretches[jnp.maximum(first - 1, 0)]
    upper = jnp.where(found, stretches[first] - low, 0)
    root = low + scalar_root(_shifted[measure], (lattice, path, k, low), upper)
    return jnp.where(found, root, jnp.inf), ~jnp.any(below[0])


def _wave(t, args):
    """The smallest omega^2 of each wave at its own stretch."""
    lattice, path, q = args

    def one(t, q):
        matrix = relaxed_matrices(lattice, path(t, lattice.dim), q[None])[0]
        v = lowest_vector(matrix)
        return v @ matrix @ v

    return jax.vmap(one)(t, q)


def _long(t, args):
    """The smallest eigenvalue of the acoustic tensor along each direction at its own stretch."""
    lattice, path, n = args

    def one(t, n):
        tangent = relaxed_tangent(lattice, path(t, lattice.dim))
        matrix = jnp.einsum("J,iJkL,L->ik", n, tangent, n)
        matrix = 0.5 * (matrix + matrix.T)
        v = lowest_vector(matrix)
        return v @ matrix @ v

    return jax.vmap(one)(t, n)


def _wave_from(x, args):
    return _wave(args[3] + x, args[:3])


def _long_from(x, args):
    return _long(args[3] + x, args[:3])


_shifted = {_wave: _wave_from, _long: _long_from}
