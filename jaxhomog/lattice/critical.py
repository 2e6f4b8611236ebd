"""Where a crystal loses its stability along a path of deformations, and by which wave.

For nearest neighbours in a chain, omega^2 = 4 V''(r) sin^2(q a / 2) / m: every wave vector softens at the same stretch,
for Lennard-Jones at (13/7)^(1/6), the zone boundary q = pi / a among them. With more neighbours the long waves
(q -> 0) soften first and the zone boundary later; a ring of finitely many atoms, which has no wave longer than itself,
softens a little later than the infinite chain (two neighbours, 100 atoms: by 2.8e-6). Where neighbours compete, a wave
may soften first that fits no grid: it is sought between those that were given (`softest`).
"""

from __future__ import annotations

from typing import Final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int

from ..results import NO_EQUILIBRIUM, SUCCESS, InputError, Result, Solution, real_array, throw_if_failed
from ..solvers import guarded
from .down import as_path
from .model import Lattice
from .phonons import need_pairs, need_waves
from .softest import LONG, SUBLATTICE, WAVE, first_roots, followed, parted, refined, weight

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
        stretch: t where the first omega^2 (or the acoustic tensor) becomes zero; differentiable with respect to every
            number of the lattice, twice.
        wave_vector: (d,) of the critical wave, 1/length of the undeformed crystal; zero for long waves and for
            sublattices that move against each other. Where it lies between the waves that were given it is
            differentiable as well; a wave of the grid stays where it is.
        direction: (d,) unit vector along it; of long waves their direction; zero for sublattices.
        long_wave: whether q -> 0 is among the critical waves: the acoustic tensor loses its positive definiteness.
        share: share of all scanned waves that soften together with the softest of them.
        code: 0 one wave, 1 several, 2 the whole band. (q and -q are one wave.)
        stretch_of_wave: (q,) where each scanned wave softens, infinite where it does not.
        stretch_of_direction: (a,) where each long wave softens, infinite where it does not.
        directions: (a, d) their directions: those of q, every line once (under a trace of q: one for each q).
        stretch_of_sublattices: where a mode of q = 0 softens, the sublattices of a crystal of several atoms against
            each other; infinite where it does not.
    """

    stretch: Float[Array, ""]
    wave_vector: Float[Array, " d"]
    direction: Float[Array, " d"]
    long_wave: Bool[Array, ""]
    share: Float[Array, ""]
    code: Int[Array, ""]
    stretch_of_wave: Float[Array, " q"]
    stretch_of_direction: Float[Array, " a"]
    directions: Float[Array, "a d"]
    stretch_of_sublattices: Float[Array, ""]

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
            return "no wave that was scanned softens on the path, or one is soft from its start"
        listed = lambda v: ", ".join(f"{float(x):.6g}" for x in v)  # noqa: E731
        wave = f"q = ({listed(self.wave_vector)})"
        if self.long_wave:
            wave = f"q -> 0 along ({listed(self.direction)}): the acoustic tensor is singular"
        elif not np.any(np.asarray(self.wave_vector)):
            wave = "q = 0: the sublattices move against each other"
        return f"{_TEXTS[int(self.code)]}; stretch {float(self.stretch):.10g}, {wave}"


def critical_stretch(
    lattice: Lattice,
    stretches: Float[Array, " t"],
    q: Float[Array, "q d"],
    path=None,
    *,
    long_waves: bool = True,
    refine: bool = True,
    throw: bool = True,
) -> Solution:
    """The smallest stretch of a path where the crystal is unstable against a wave, and which wave it is.

    Every wave vector is followed on the given stretches to its first change of sign of omega^2, and located there by a
    safeguarded Newton iteration. From the softest one the wave itself is then sought between those of the grid,

        t_c = min over q of t(q),    omega^2(q, t(q)) = 0,

    by Newton's method in q; the derivative of t_c is the one at fixed q (envelope theorem), that of q implicit.

    Args:
        lattice: crystal and pairs.
        stretches: (t,) increasing values of the path's parameter, at least two; they bracket the roots, so that a wave
            that softens and hardens again between two of them is missed.
        q: (q, d) wave vectors that are scanned, such as `brillouin_zone(crystal, n)`, without q = 0.
        path: t -> F; None is `UniaxialStretch()`.
        long_waves: whether the crystal is infinite: the limit q -> 0 is scanned as well, by the acoustic tensor along
            the directions of q. Without it: a finite ring with these waves only, of which none is refined.
        refine: whether the softest wave and the softest direction are refined between those that were given (needs
            `long_waves`).
        throw: whether a failure raises in an eager call.

    Returns:
        `Solution` whose value is `Softening`.

    Raises:
        InputError: no table of pairs, shapes that do not fit, no wave, stretches that do not increase.
        SolverError: nothing softens on the path.

    Fails with:
        no_equilibrium, where no wave softens between the first and last stretch, or the first is unstable already.

    Caveats:
        A local minimum over the waves around the softest that was given: the grid must be fine enough to see the right
        valley. A critical wave whose phase from cell to cell is below 0.01 is not told from q -> 0.

    Source:
        Elliott, Triantafyllidis & Shaw (2006), J. Mech. Phys. Solids 54, 161-192, section 3.
    """
    need_pairs(lattice, "critical_stretch")
    q = need_waves(lattice, q)
    if q.ndim != 2 or q.shape[0] == 0:
        raise InputError(f"q has shape {q.shape}: give (waves, {lattice.dim}), at least one")
    stretches = real_array(stretches, "stretches").astype(q.dtype)
    if stretches.ndim != 1 or stretches.shape[0] < 2:
        raise InputError(f"stretches have shape {stretches.shape}: give at least two increasing numbers")
    if not isinstance(stretches, Tracer) and not np.all(np.diff(np.asarray(stretches)) > 0):
        raise InputError("stretches do not increase or are not finite: give increasing numbers")
    if not isinstance(q, Tracer) and not np.all(np.any(np.asarray(q) != 0, axis=1) & np.isfinite(q).all(1)):
        raise InputError("q holds zero or is not finite: leave such waves out, long_waves=True scans the limit q -> 0")
    directions = _directions(lattice, q) if long_waves else jnp.zeros((0, lattice.dim), q.dtype)
    value, started = _critical(lattice, stretches, q, directions, as_path(path), bool(refine and long_waves))
    ok = jnp.isfinite(value.stretch)
    code = jnp.where(ok, SUCCESS, NO_EQUILIBRIUM).astype(jnp.int32)
    solution = Solution(value, None, Result(code), {"stable_at_start": started})
    return throw_if_failed(solution, "critical_stretch: nothing softens on the path") if throw else solution


@eqx.filter_jit
def _critical(lattice, stretches, q, directions, path, refine):
    eps = float(jnp.finfo(q.dtype).eps)
    kinds = [kind for kind in (LONG, SUBLATTICE, WAVE) if _asked(kind, lattice, directions)]
    given = {LONG: directions, SUBLATTICE: jnp.zeros((1, lattice.dim), q.dtype), WAVE: q}
    roots, firsts, firm = {}, [], jnp.ones((), bool)
    for kind in kinds:
        k = given[kind]
        roots[kind], above, last = first_roots(kind, lattice, path, stretches, k)
        firm = firm & above
        fixed = jax.lax.stop_gradient(roots[kind])
        best = jnp.min(fixed)
        # Where none softens: the one that is softest at the end.
        ease = last / jax.vmap(lambda one, kind=kind: weight(kind, lattice, one))(k) if kind == WAVE else last
        at = jnp.where(jnp.isfinite(best), jnp.argmin(fixed), jnp.argmin(ease))
        soft = jnp.isfinite(fixed) & (fixed <= best + eps**0.6 * jnp.abs(best))
        several = jnp.any(soft & parted(kind, lattice, k, at))
        wave, moved = k[at], None
        if refine and kind != SUBLATTICE and not (kind == LONG and lattice.dim == 1):
            near, lower, above = refined(kind, lattice, path, stretches, wave, best)
            firm = firm & above
            moved = lower < jnp.where(jnp.isfinite(best), best - eps**0.6 * jnp.abs(best), jnp.inf)
            wave, best = jnp.where(moved, near, wave), jnp.where(moved, lower, best)
        found = jnp.isfinite(best)
        wave, stretch = followed(kind, lattice, path, wave, jnp.where(found, best, stretches[0]), moved)
        firsts.append((jnp.where(found, stretch, jnp.inf), wave, jnp.maximum(jnp.sum(soft), 1), several))
    every, waves, numbers, severals = (jnp.stack(column) for column in zip(*firsts, strict=True))
    fixed = jax.lax.stop_gradient(every)
    best = jnp.min(fixed)
    soft = fixed <= best + eps**0.6 * jnp.abs(best)
    at = jnp.argmax(soft)  # long waves first: of equals q -> 0 is named
    number, count = jnp.sum(jnp.where(soft, numbers, 0)), sum(r.shape[0] for r in roots.values())
    several = (jnp.sum(soft) > 1) | severals[at]
    code = jnp.where(several, jnp.where(number == count, WHOLE_BAND, SEVERAL_WAVES), ONE_WAVE)
    long = jnp.asarray([kind == LONG for kind in kinds]) & soft
    size = jnp.sqrt(jnp.sum(waves[at] ** 2))
    softening = Softening(
        stretch=guarded(jnp.isfinite(best) & firm, every[at]),
        wave_vector=jnp.where(jnp.asarray([kind == WAVE for kind in kinds])[at], waves[at], 0),
        direction=waves[at] / jnp.where(size > 0, size, 1),
        long_wave=jnp.any(long),
        share=number / count,
        code=code.astype(jnp.int32),
        stretch_of_wave=roots[WAVE],
        stretch_of_direction=roots.get(LONG, jnp.zeros(0, q.dtype)),
        directions=directions,
        stretch_of_sublattices=roots[SUBLATTICE][0] if SUBLATTICE in roots else jnp.full((), jnp.inf, q.dtype),
    )
    return softening, firm


def _asked(kind, lattice, directions) -> bool:
    return kind == WAVE or (directions.shape[0] if kind == LONG else lattice.crystal.atoms) > (kind == SUBLATTICE)


def _directions(lattice: Lattice, q) -> Float[Array, "a d"]:
    """Unit vectors along waves; of concrete ones every line once."""
    if lattice.dim == 1:
        return jnp.ones((1, 1), q.dtype)
    n = q / jnp.sqrt(jnp.sum(q**2, axis=-1, keepdims=True))
    if isinstance(n, Tracer):
        return n
    rows = np.asarray(n)
    clear = np.abs(rows) > 1e-5
    leading = np.take_along_axis(rows, np.argmax(clear, axis=1)[:, None], 1)
    _, first = np.unique(np.round(rows * np.sign(leading), 5) + 0.0, axis=0, return_index=True)
    return n[np.sort(first)]
