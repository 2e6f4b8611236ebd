"""Judgement of a material: one point is driven around closed paths, and its answers are held against each other."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int

from ..materials import AbstractMaterial, Step, at_rest, same_state, virgin_state
from ..messages import physics_of
from ..results import worst_of
from ._ellipticity import ellipticity

LAW_DISSIPATION: Final = 1
LAW_BALANCE: Final = 2
LAW_CYCLE: Final = 4
LAW_TANGENT: Final = 8
LAW_SYMMETRY: Final = 16
LAW_CODE: Final = 32
LAW_NOT_FINITE: Final = 64
LAW_OBJECTIVITY: Final = 128

_REASONS: Final = {
    LAW_NOT_FINITE: "not finite: stress, energy, dissipation or tangent hold NaN or infinite values (smaller strain=?)",
    LAW_CODE: "the law reports that a step failed: see result.advice (smaller strain=, more steps=)",
    LAW_DISSIPATION: "negative dissipation: the law breaks the second law",
    LAW_BALANCE: "work is not stored energy and dissipation, nor with half the step: energy, dissipation and stress do"
    " not belong to one law (if its scales are not resolved: more steps=, smaller strain=)",
    LAW_CYCLE: "a closed cycle without dissipation gives work away, or keeps some that it does not store: the stress"
    " has no potential (a hypoelastic law?)",
    LAW_TANGENT: "the tangent is not the derivative of the stress: correct `tangent`, or leave it out",
    LAW_OBJECTIVITY: "a superposed rotation changes the energy or does not turn the stress with it: let the law"
    " depend on F^T F",
    LAW_SYMMETRY: "the tangent is not symmetric and the law claims it: let `symmetric` be False",
}
_SOUND: Final = "admissible: nothing that was checked on these paths is violated"

# Sizes of the loops relative to the largest, each in both directions.
_SIZES: Final = (1.0, 0.3, 0.03)
# Angle by which a loop is turned on its way, radians.
_TURN: Final = 2.0


class MaterialReport(eqx.Module):
    """Whether a law is fit for use. NaN stands for "not checked".

    Args:
        verdict: True where nothing that was checked is violated.
        lowest_dissipation: smallest dissipation of any step, relative to the largest energy, work or dissipation of a
            step; in conduction the power of flux and gradient likewise. The second law is >= 0.
        balance: |work - change of energy - dissipation| at any time of a loop, relative to the work of the loop.
        balance_limit: what remains of it as the steps go to zero, extrapolated from two lengths of step.
        cycle: work that closed cycles without dissipation give away, or keep beyond what they store, relative to their
            work back and forth; NaN: there was none.
        tangent_error: |tangent - d stress / d strain| relative to the larger of it and the virgin moduli.
        tangent_asymmetry: |C - C^T| likewise; NaN where the law claims no symmetry.
        objectivity: at finite strain |P(Q F) - Q P(F)| for a history that is turned on its way, relative to the largest
            stress, or the change of energy, whichever is larger; NaN at small strain.
        convexity: smallest eigenvalue of the symmetric tangent on these paths (at finite strain of the acoustic tensor)
            relative to the virgin moduli; where it is negative the law softens, which is no part of the verdict.
        code: why not (bits, see `reason`).
        voxel: of a law with fields the first voxel that was judged and is not admissible, or None.
        points: number of points that were judged; the numbers are the worst of them.
        distinct: number of different points that there are.
    """

    verdict: Bool[Array, "..."]
    lowest_dissipation: Float[Array, "..."]
    balance: Float[Array, "..."]
    balance_limit: Float[Array, "..."]
    cycle: Float[Array, "..."]
    tangent_error: Float[Array, "..."]
    tangent_asymmetry: Float[Array, "..."]
    objectivity: Float[Array, "..."]
    convexity: Float[Array, "..."]
    code: Int[Array, "..."]
    voxel: tuple[int, ...] | None = eqx.field(static=True, default=None)
    points: int = eqx.field(static=True, default=1)
    distinct: int = eqx.field(static=True, default=1)

    @property
    def reason(self) -> str:
        """Why the verdict is what it is, in words (needs concrete values; of several lanes, all their reasons)."""
        if isinstance(self.code, Tracer):
            return "<traced>"
        bits = int(np.bitwise_or.reduce(np.asarray(self.code), axis=None))
        text = "; ".join(text for bit, text in _REASONS.items() if bits & bit) or _SOUND
        where = "" if self.voxel is None else f", first at voxel {self.voxel}"
        return text if self.distinct == 1 else f"{text} ({self.points} of {self.distinct} points judged{where})"


class _Answers(NamedTuple):
    """Per lane and row (lanes, rows)."""

    work: Array
    power: Array
    energy: Array
    dissipation: Array
    finite: Array
    code: Array
    tangent_error: Array
    asymmetry: Array
    stress: Array
    convexity: Array


def judge_material(
    law: AbstractMaterial,
    dim: int = 3,
    size: Any = 0.01,
    steps: int = 32,
    duration: Any = 1.0,
    tolerance: Any = 1e-2,
    dtype: Any = None,
    voxels: Int[Array, "k d"] | None = None,
    shape: tuple[int, ...] = (),
) -> tuple[MaterialReport, Int[Array, "..."]]:
    """One point driven around closed loops of strain, random ones with fixed seeds.

        eps(t) = size (a sin 2 pi t + b (1 - cos 2 pi t) / 2),    |a| = |b| = 1,

    of three sizes (1, 0.3, 0.03), both ways, in `steps` steps (two laps) and in twice as many (one lap). With
    trapezoidal work W of stress and strain, free energy psi and dissipation D:

        D >= 0,    W - (psi - psi_0) - D -> 0 with the step,    W = d psi >= 0 over a lap with D = 0,
        C = d sigma / d eps.

    At finite strain F = 1 + eps with all d d components, and a second history Q(t) F(t) is driven beside it:

        P(Q F) = Q P(F),    W(Q F) = W(F).

    The balance is met where it is below the tolerance, or falls with the step towards a limit that is. In conduction
    there is none, since a law may count the power of a steady state as dissipated or not; power >= 0 is asked for.

    Args:
        law: any law whose parameters are single numbers, or fields of that `shape`.
        dim: 2 (plane strain) or 3.
        size: of the largest loop, strain or gradient.
        steps: of the coarser lap, at least 4.
        duration: of a lap, unit of time.
        tolerance: of balance and cycles, relative. Tangents are held to 100 sqrt(eps), dissipation to sqrt(eps).
        dtype: floating dtype of the computation.
        voxels: of a law with fields, each a lane of its own.
        shape: of the fields.

    Returns:
        `MaterialReport` and the worst result code of the law.

    Raises:
        InputError: by the law itself, whose parameters do not fit a single point of that dimension.

    Source:
        Coleman & Gurtin (1967), J. Chem. Phys. 47, 597-613; hypoelasticity: Bernstein (1960), Arch. Ration. Mech.
        Anal. 6, 89-104.
    """
    dtype = jnp.dtype(jnp.result_type(float) if dtype is None else dtype)
    cast = lambda x: jnp.asarray(x, dtype)  # noqa: E731
    settings = cast(size), cast(duration), cast(tolerance), dim, int(steps), str(dtype)
    if voxels is None:
        return _judge(law, None, (1,) * dim, *settings)
    # One program for every number of voxels up to a power of two.
    number = len(voxels)
    more = jnp.pad(jnp.asarray(voxels), ((0, (1 << (number - 1).bit_length()) - number), (0, 0)), mode="edge")
    return jax.tree.map(lambda x: x[:number], _judge(law, more, tuple(shape), *settings))


@eqx.filter_jit
def _judge(law, voxels, shape: tuple[int, ...], size, duration, tolerance, dim: int, steps: int, dtype: str):
    points, physics = law.points(shape, size.dtype), law.physics
    one = lambda p: _judge_points(p, physics, law.code(), size, duration, tolerance, dim, steps, dtype)  # noqa: E731
    return one(points) if voxels is None else jax.vmap(lambda v: one(points.voxel(v, shape)))(voxels)


def _judge_points(points, physics, own, size, duration, tolerance, dim: int, steps: int, dtype: str):
    pts = (1,) * dim
    solid = physics != "conduction"
    n = {"conduction": dim, "elasticity": 6 if dim == 3 else 3, "finite_strain": dim * dim}[physics]
    rest = at_rest(jnp.zeros(n, size.dtype), dim)
    loops = rest + jnp.asarray(_loops(n, steps), dtype) * size
    half = len(_SIZES) * 2
    dt = duration / steps * jnp.where(jnp.arange(2 * half) < half, 1, 0.5)
    run = jax.vmap(lambda path, dt: _drive(points, path, dt, pts))
    answers = run(loops, dt)
    turned = jnp.asarray(jnp.nan, size.dtype)
    if physics == "finite_strain":
        turned = _turned_apart(run, loops[:half], dt[:half], answers, dim)
    code = worst_of(jnp.max(answers.code), own)
    return _report(answers, code, half, steps, solid, points.symmetric, tolerance, turned), code


def _turned_apart(run, loops, dt, answers: _Answers, dim):
    """Largest difference between the histories Q F and F, once their stresses are turned back."""
    angle = _TURN * np.arange(loops.shape[1]) / loops.shape[1]
    if dim == 2:
        turns = np.stack([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).transpose(2, 0, 1)
    else:
        axis = np.array([1.0, 2.0, 3.0]) / 14**0.5
        cross = np.cross(np.eye(3), -axis)  # Rodrigues
        sine, versine = np.sin(angle)[:, None, None], 1 - np.cos(angle)[:, None, None]
        turns = np.eye(3) + sine * cross + versine * (cross @ cross)
    turns = jnp.asarray(turns, loops.dtype)
    turn = lambda x: jnp.einsum("tij,ltjk->ltik", turns, x.reshape(*x.shape[:2], dim, dim)).reshape(x.shape)  # noqa: E731
    other = run(turn(loops), dt)
    lanes, half = len(loops), (1, 2)
    stress, energy = answers.stress[:lanes], answers.energy[:lanes]
    size = jnp.max(jnp.abs(stress), axis=half)
    apart = jnp.max(jnp.abs(other.stress - turn(stress)), axis=half) / jnp.where(size > 0, size, 1)
    gain = jnp.max(jnp.abs(energy), axis=1)
    moved = jnp.max(jnp.abs(other.energy - energy), axis=1) / jnp.where(gain > 0, gain, 1)
    return jnp.max(jnp.maximum(apart, moved))


def _loops(n, steps):
    """Strains (lanes, 1 + 2 steps, n): two coarse laps, then a fine one, all from zero."""
    rng = np.random.default_rng(0)
    coarse, fine = [], []
    for size in _SIZES:
        a, b = rng.normal(size=(2, n))
        a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
        for way in (1, -1):
            t = np.arange(2 * steps + 1)[:, None] / (2 * steps)
            lap = size * (way * a * np.sin(2 * np.pi * t) + b * 0.5 * (1 - np.cos(2 * np.pi * t)))
            lap[-1] = 0
            fine.append(lap)
            coarse.append(np.concatenate([lap[::2], lap[2::2]]))
    return np.stack(coarse + fine)


def _drive(points, path, dt, pts) -> _Answers:
    """One lane. The first row is the virgin point at rest."""
    n, step = path.shape[1], Step(dt)
    symmetric = points.symmetric
    virgin = points.elastic(pts, path.dtype).mean()

    def body(carry, strain):
        state, stress_before, strain_before = carry

        def answer(e):
            up = points.update(e.reshape(n, *pts), state, step)
            return up.stress.reshape(n), up

        # One program for the answer and its derivative: the answer is that of every direction.
        column = lambda v: jax.jvp(answer, (strain,), (v,), has_aux=True)[1:]  # noqa: E731
        slopes, ups = jax.vmap(column)(jnp.eye(n, dtype=strain.dtype))
        true, up = slopes.T, jax.tree.map(lambda x: x[0], ups)
        stress = up.stress.reshape(n)
        own = points.tangent(strain.reshape(n, *pts), state, step).mean()
        scale = jnp.maximum(_norm(true), _norm(virgin))
        scale = jnp.where(scale > 0, scale, 1)
        error = _norm(own - true)
        if symmetric:
            # A packed tangent keeps the upper triangle: a false claim of symmetry is no error of the tangent.
            mirrored = jnp.triu(true) + jnp.triu(true, 1).T
            error = jnp.minimum(error, _norm(own - mirrored))
        finite = True
        for x in (stress, up.energy, up.dissipation, own, true):
            finite &= jnp.all(jnp.isfinite(x))
        out = _Answers(
            work=0.5 * (stress + stress_before) @ (strain - strain_before),
            power=stress @ strain,
            energy=up.energy.reshape(()),
            dissipation=up.dissipation.reshape(()),
            finite=jnp.asarray(finite),
            code=jnp.max(up.code),
            tangent_error=error / scale,
            asymmetry=_norm(true - true.T) / scale,
            stress=stress,
            convexity=_lowest(true, len(pts)) / jnp.where(_norm(virgin) > 0, _norm(virgin), 1),
        )
        return (same_state(points, state, up.state), stress, strain), out

    start = (virgin_state(points, pts, path.dtype), jnp.zeros(n, path.dtype), path[0])
    return jax.lax.scan(body, start, path)[1]


def _lowest(tangent, dim):
    """Smallest eigenvalue of the symmetric part, or of the acoustic tensor at finite strain."""
    finite = jnp.all(jnp.isfinite(tangent))
    n = tangent.shape[0]
    safe = jnp.where(finite, 0.5 * (tangent + tangent.T), jnp.eye(n, dtype=tangent.dtype))
    lowest = ellipticity(safe)[0] if physics_of(n, dim) == "finite_strain" else jnp.linalg.eigvalsh(safe)[0]
    return jnp.where(finite, lowest, jnp.nan)


def _report(a: _Answers, code, half, steps, solid, symmetric, tolerance, turned) -> MaterialReport:
    root = jnp.sqrt(jnp.finfo(a.work.dtype).eps)
    work, lost = a.work[:, 1:], a.dissipation[:, 1:]
    largest = lambda x: jnp.max(jnp.abs(x), axis=1)  # noqa: E731
    over = lambda x, by: x / jnp.where(by > 0, by, 1)  # noqa: E731
    step = jnp.maximum(jnp.maximum(largest(work), largest(jnp.diff(a.energy, axis=1))), largest(lost))
    lowest = jnp.min(over(jnp.min(lost, axis=1), step))
    nan = jnp.asarray(jnp.nan, work.dtype)
    balance = limit = nan
    unmet = jnp.asarray(False)
    if solid:
        rest = jnp.cumsum(work - lost, axis=1) - (a.energy[:, 1:] - a.energy[:, :1])
        # The first coarse lap and the fine one, at the times of the coarse.
        coarse, fine = rest[:half, :steps], rest[half:, 1::2]
        size = jnp.sum(jnp.abs(work[half:]), axis=1)[:, None]
        coarse, fine = over(coarse, size), over(fine, size)
        # First or second order in the step: the scheme's and the trapezoidal rule's.
        limits = jnp.minimum(largest(2 * fine - coarse), largest(4 * fine - coarse) / 3)
        balance, limit = jnp.max(largest(fine)), jnp.max(limits)
        stays = (limits > jnp.maximum(tolerance, 0.5 * largest(fine))) & (largest(fine) > 0.3 * largest(coarse))
        unmet = jnp.any((largest(fine) > tolerance) & stays)
    else:
        lowest = jnp.minimum(lowest, jnp.min(over(jnp.min(a.power, axis=1), largest(a.power))))
    first, second = slice(steps), slice(steps, None)
    cycle = jnp.asarray(-jnp.inf, work.dtype)
    for lanes, lap in ((slice(half), first), (slice(half), second), (slice(half, None), slice(None))):
        w, d = work[lanes, lap], lost[lanes, lap]
        stored = jnp.sum(jnp.diff(a.energy, axis=1)[lanes, lap], axis=1)
        size = jnp.sum(jnp.abs(w), axis=1)
        conserves = (jnp.sum(jnp.abs(d), axis=1) <= root * size) & (size > 0)
        net = jnp.sum(w, axis=1)
        # A law that hardens at no yield stress stores work in a lap; none gives any away.
        kept = jnp.maximum(jnp.abs(net - stored), -net)
        cycle = jnp.maximum(cycle, jnp.max(jnp.where(conserves, over(kept, size), -jnp.inf)))
    error, asymmetry = jnp.max(a.tangent_error), jnp.max(a.asymmetry) if symmetric else nan
    bits = jnp.zeros((), jnp.int32)
    for bit, bad in (
        (LAW_DISSIPATION, lowest < -root),
        (LAW_BALANCE, unmet),
        (LAW_CYCLE, cycle > tolerance),
        (LAW_TANGENT, error > 100 * root),
        (LAW_SYMMETRY, asymmetry > 100 * root),
        (LAW_OBJECTIVITY, turned > 100 * root),
        (LAW_CODE, code != 0),
        (LAW_NOT_FINITE, ~jnp.all(a.finite)),
    ):
        bits = bits + jnp.where(bad, bit, 0).astype(jnp.int32)
    return MaterialReport(
        verdict=bits == 0,
        lowest_dissipation=lowest,
        balance=balance,
        balance_limit=limit,
        cycle=jnp.where(jnp.isinf(cycle), jnp.nan, cycle),
        tangent_error=error,
        tangent_asymmetry=asymmetry,
        objectivity=turned,
        convexity=jnp.min(a.convexity),
        code=bits,
    )


def _norm(x):
    return jnp.sqrt(jnp.sum(x**2))
