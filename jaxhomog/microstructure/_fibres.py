"""Straight fibres in a periodic box, overlapping or hard, with isotropic, aligned or Watson-distributed axes.

A fibre is a spherocylinder: all points within `radius` of a segment of `length`. Host-side numpy; the same seed gives
the same fibres.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import inf, isinf, log1p, pi, prod
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Int

from ..results import InputError
from ._arguments import flag, how_many, vector, voxels, whole
from ._arguments import number as real
from ._generators import overlapping_spheres
from ._packings import hard_spheres

# Random sequential addition gives up after this many candidates in a row.
_TRIES: Final = 5_000
_BATCH: Final = 64
# Share of the box (fibres with their gap) that it reached before, isotropic, by length over diameter of the segment, in
# boxes not much longer than the fibres; the lower of two seeds. Aligned fibres: 0.34 to 0.44. The last bound is beyond
# both: nothing is tried there.
_REACH: Final = ((0.0, 0.31), (1.0, 0.30), (2.0, 0.28), (5.0, 0.24), (10.0, 0.17), (20.0, 0.12))
_BEYOND: Final = 0.5


def axial_directions(
    number: int, axis: Sequence[float] | None = None, concentration: float = inf, *, seed: int = 0
) -> Float[np.ndarray, "number 3"]:
    """Random axes (u and -u are one), isotropic or from Watson's distribution about a mean axis.

        density ~ exp(k (axis . u)^2):    k = inf aligned, 0 isotropic, k < 0 about the plane normal to the axis

    Args:
        number: how many.
        axis: mean axis of any length, or None: isotropic.
        concentration: k.
        seed: of numpy's default generator.

    Returns:
        (number, 3), of length one, float64.

    Fails with:
        InputError: an axis that is not three finite numbers or is zero; k that is no number or -inf, or without axis.

    Source:
        Watson (1965), Biometrika 52, 193-201; Mardia & Jupp (2000), Directional Statistics. Drawn by rejection.
    """
    rng = np.random.default_rng(whole(seed, "seed", 0))
    return _directions(whole(number, "number", 0), axis, concentration, rng)


def fibre_segments(
    box: Sequence[float],
    radius: float,
    length: float,
    *,
    number: int | None = None,
    fraction: float | None = None,
    axis: Sequence[float] | None = None,
    concentration: float = inf,
    hard: bool = False,
    gap: float = 0.0,
    seed: int = 0,
) -> tuple[Float[np.ndarray, "number 3"], Float[np.ndarray, "number 3"]]:
    """Centres and axes of spherocylinders in a periodic box, overlapping or hard.

    Overlapping: uniform independent centres; the expected fraction outside is (1 - V_fibre / V)^number, and `fraction`
    takes the number for which that comes nearest. Hard: random sequential addition of segments that are at least
    2 radius + gap apart; `fraction` takes the number whose volume comes nearest. What is rejected is rarely parallel
    to its neighbours: the axes that are kept follow the distribution in the dilute limit only.

    Hard fibres are only added and never moved, so that dense packings are out of reach: of the box, fibres with their
    gap, isotropic ones fill at most about 0.3 up to length = 2 diameters, 0.25 at 5, 0.17 at 10, 0.12 at 20; aligned
    ones 0.34 to 0.44. What is not reached is refused. (Continuous fibres, `fibres(length=None)`, are discs and reach
    0.82.)

    Args:
        box: three edges, any unit.
        radius: in the unit of the box.
        length: of the segment: the ends add a half sphere each.
        number: number of fibres, or None.
        fraction: volume fraction in [0, 1), or None.
        axis, concentration: of the axes, as for `axial_directions`.
        hard: whether fibres must not overlap.
        gap: least distance between surfaces of hard fibres.
        seed: of numpy's default generator.

    Returns:
        Centres in [0, box) and axes of length one.

    Fails with:
        InputError: a value out of range; hard fibres longer than an edge, or more than could be placed.

    Source:
        Random sequential addition: Widom (1966), J. Chem. Phys. 44, 3888-3894; of bodies of other shapes: Evans (1993),
        Rev. Mod. Phys. 65, 1281-1329.
    """
    edges = vector(box, "box", 3)
    if not np.all(edges > 0):
        raise InputError(f"box={box!r}: give three positive edges")
    radius, length = real(radius, "radius", 0), real(length, "length", 0, closed=True)
    gap, hard = real(gap, "gap", 0, closed=True), flag(hard, "hard")
    rng = np.random.default_rng(whole(seed, "seed", 0))
    volume = pi * radius**2 * (length + 4 / 3 * radius)
    if not hard:
        n = _expected(number, fraction, volume / prod(edges))
        return rng.random((n, 3)) * edges, _directions(n, axis, concentration, rng)
    n = how_many(number, fraction, volume, prod(edges), "fibres")
    if n and length + 2 * radius + gap > edges.min():
        raise InputError(
            f"length={length:g}: with its ends (and gap) a hard fibre must not be longer than the box {edges.tolist()}"
        )
    apart = 2 * radius + gap
    filled = n * pi / 4 * apart**2 * (length + 2 / 3 * apart) / prod(edges)
    ratios, shares = np.array(_REACH).T
    reach = float(np.interp(length / apart, ratios, shares))
    advice = f"{filled:.3g} of the box with the gap, of which isotropic ones reach about {reach:.2g}, aligned ones 0.4"
    if filled > _BEYOND:
        raise InputError(f"{n} hard fibres would fill {advice}: give fewer, or let them overlap")
    return _added(edges, n, length, apart, lambda m: _directions(m, axis, concentration, rng), rng, advice)


def fibres(
    shape: Sequence[int],
    radius: float,
    length: float | None,
    *,
    number: int | None = None,
    fraction: float | None = None,
    axis: Sequence[float] | None = None,
    concentration: float = inf,
    hard: bool = False,
    gap: float = 0.0,
    seed: int = 0,
) -> Int[np.ndarray, "nx ny nz"]:
    """Image of straight fibres (spherocylinders), periodic: `fibre_segments` in voxels.

    `length=None`: continuous fibres through the whole cell along a coordinate axis: discs in its cross-section,
    overlapping or, hard, those of `hard_spheres`.

    Args:
        shape: voxels along the three axes.
        radius: in voxels.
        length: of the segment in voxels, or None.
        number, fraction, axis, concentration, hard, gap, seed: as for `fibre_segments`.

    Returns:
        Image of `shape`, int32: 1 where the voxel's centre lies in a fibre, else 0.

    Fails with:
        InputError: as for `fibre_segments`; `length=None` with axes that are not all along one coordinate axis.
    """
    shape, hard = voxels(shape, (3,)), flag(hard, "hard")
    if length is None:
        return _continuous(shape, radius, number, fraction, _coordinate(axis, concentration), hard, gap, seed)
    centres, axes = fibre_segments(
        shape,
        radius,
        length,
        number=number,
        fraction=fraction,
        axis=axis,
        concentration=concentration,
        hard=hard,
        gap=gap,
        seed=seed,
    )
    image = np.zeros(shape, np.int32)
    for centre, u in zip(centres, axes, strict=True):
        # In coordinates of the fibre's own copy; what leaves the box enters on the other side.
        reach = 0.5 * length * np.abs(u) + radius
        low = np.floor(centre - reach).astype(int)
        high = np.ceil(centre + reach).astype(int)
        x = np.ix_(*(np.arange(a, b) + 0.5 - c for a, b, c in zip(low, high, centre, strict=True)))
        along = np.clip(x[0] * u[0] + x[1] * u[1] + x[2] * u[2], -0.5 * length, 0.5 * length)
        square = np.asarray(sum((a - along * b) ** 2 for a, b in zip(x, u, strict=True)))
        at = np.nonzero(square <= radius**2)
        image[tuple((i + a) % n for i, a, n in zip(at, low, shape, strict=True))] = 1
    return image


def _expected(count: int | None, fraction: float | None, share: float) -> int:
    """Number of independent bodies, each of this share of the box, that fill an expected fraction."""
    if (count is None) == (fraction is None):
        raise InputError("fibres: give either number= or fraction=")
    if count is not None:
        return whole(count, "number", 0)
    wanted = real(fraction, "fraction", 0, 1, closed=True)
    if share >= 1:
        raise InputError(f"a fibre is {share:.3g} times as large as the box: give a larger box, or number=")
    return round(log1p(-wanted) / log1p(-share))


def _directions(number: int, axis: Any, concentration: Any, rng) -> Float[np.ndarray, "number 3"]:
    mean, k = _mean_axis(axis, concentration)
    if isinf(k):
        return np.tile(mean, (number, 1))
    # Two axes normal to the mean one: the rows of Q after the first.
    frame = np.linalg.qr(np.column_stack([mean, np.eye(3)]))[0].T
    t = _watson(number, k, rng)
    phi, s = 2 * pi * rng.random(number), np.sqrt(1 - t**2)
    return np.column_stack([t, s * np.cos(phi), s * np.sin(phi)]) @ np.vstack([mean, frame[1:]])


def _mean_axis(axis: Any, concentration: Any) -> tuple[np.ndarray, float]:
    if axis is None:
        if isinstance(concentration, bool | str) or concentration not in (inf, 0):
            raise InputError(f"concentration={concentration!r} without axis=: give the mean axis as well")
        return np.array([0.0, 0.0, 1.0]), 0.0
    mean = vector(axis, "axis", 3)
    largest = np.max(np.abs(mean))
    if not largest > 0:
        raise InputError(f"axis={axis!r}: give a vector that is not zero")
    mean = mean / largest  # squares of very long or short ones are not numbers
    size = np.linalg.norm(mean)
    if concentration != inf:
        concentration = real(concentration, "concentration", -inf)
    return mean / size, float(concentration)


def _watson(number: int, k: float, rng) -> Float[np.ndarray, " number"]:
    """Cosines t in [0, 1] to the mean axis, density ~ exp(k t^2), by rejection."""
    out = np.empty(0)
    while len(out) < number:
        u = rng.random(2 * number + 16)
        if k > 0:
            # Proposal ~ exp(k t), which is above exp(k t^2) on [0, 1].
            t = 1 + np.log(u + (1 - u) * np.exp(-k)) / k
            keep = np.exp(k * (t**2 - t))
        elif k < -1:
            # Half of a normal distribution of variance 1 / 2|k|, cut off at 1.
            t = np.abs(rng.normal(size=u.size)) / np.sqrt(-2 * k)
            keep = (t <= 1).astype(float)
        else:
            t, keep = u, np.exp(k * u**2)
        out = np.append(out, t[rng.random(u.size) < keep])
    return np.clip(out[:number], 0, 1)


def _added(edges, n: int, length: float, apart: float, directions, rng, advice: str):
    """Random sequential addition: candidates one after the other, each kept if it is clear of all before it."""
    centres, axes, failed = np.empty((0, 3)), np.empty((0, 3)), 0
    while len(centres) < n:
        new, u = rng.random((_BATCH, 3)) * edges, directions(_BATCH)
        clear = np.array([_clear(c, v, centres, axes, edges, length, apart) for c, v in zip(new, u, strict=True)])
        first = len(centres)
        for i in np.flatnonzero(clear):
            # Those kept earlier in this batch were not yet looked at.
            if len(centres) < n and _clear(new[i], u[i], centres[first:], axes[first:], edges, length, apart):
                centres, axes, failed = np.vstack([centres, new[i]]), np.vstack([axes, u[i]]), 0
        failed += _BATCH
        if failed > _TRIES:
            raise InputError(
                f"{n} hard fibres would fill {advice}: {len(centres)} were placed before {_TRIES} candidates in a row"
                " met others; give fewer or shorter fibres, align them, or let them overlap"
            )
    return centres, axes


def _clear(centre, u, centres, axes, edges, length: float, apart: float) -> bool:
    """Whether a segment is at least `apart` from all others and their periodic images."""
    gap = centres - centre
    gap -= edges * np.rint(gap / edges)
    # A segment may reach more than half a box from its centre: all neighbouring images count.
    gap = (gap[:, None, :] + edges * np.array(list(product((-1, 0, 1), repeat=3)))).reshape(-1, 3)
    near = np.sum(gap**2, axis=1) < (length + apart) ** 2
    return bool(np.all(segment_distance(gap[near], u, np.repeat(axes, 27, axis=0)[near], length) >= apart))


def segment_distance(
    gap: Float[np.ndarray, "n 3"], u: Float[np.ndarray, "3"], v: Float[np.ndarray, "n 3"], length: float
) -> Float[np.ndarray, " n"]:
    """Distance of segments c + s u and c + gap + t v, |s|, |t| <= length / 2.

    The squared distance is convex in (s, t): its minimum is inside the square, or the least of the four on its edges.

    Source:
        Vega & Lago (1994), Comput. Chem. 18, 55-59, where the four edges are told apart.
    """
    half = 0.5 * length
    uv, gu, gv = v @ u, gap @ u, np.sum(gap * v, axis=1)
    square = np.sum(gap**2, axis=1)
    rest = 1 - uv**2
    with np.errstate(divide="ignore", invalid="ignore"):
        s, t = (gu - uv * gv) / rest, (uv * gu - gv) / rest
    # Parallel segments: the minimum is on an edge as well.
    inside = (rest > 1e-12) & (np.abs(s) <= half) & (np.abs(t) <= half)
    pairs = [(np.where(inside, s, 0), np.where(inside, t, 0))]
    for end in (-half, half):
        pairs.append((np.full_like(uv, end), np.clip(end * uv - gv, -half, half)))
        pairs.append((np.clip(gu + end * uv, -half, half), np.full_like(uv, end)))
    values = [square + s**2 + t**2 - 2 * s * t * uv - 2 * s * gu + 2 * t * gv for s, t in pairs]
    return np.sqrt(np.maximum(np.min(values, axis=0), 0))


def _coordinate(axis: Any, concentration: Any) -> int:
    """Number of the coordinate axis along which continuous fibres lie."""
    along = None if axis is None else _mean_axis(axis, concentration)
    if along is None or not isinf(along[1]) or np.count_nonzero(along[0]) != 1:
        raise InputError(f"length=None with axis={axis!r}: give continuous fibres a coordinate axis, such as (0, 0, 1)")
    return int(np.argmax(np.abs(along[0])))


def _continuous(shape, radius, number, fraction, along: int, hard: bool, gap, seed) -> Int[np.ndarray, "nx ny nz"]:
    section = tuple(n for k, n in enumerate(shape) if k != along)
    if hard:
        discs = hard_spheres(section, radius, number=number, fraction=fraction, gap=gap, seed=seed)
    else:
        count = _expected(number, fraction, pi * real(radius, "radius", 0) ** 2 / prod(section))
        discs = overlapping_spheres(section, radius, number=count, seed=seed)
    return np.broadcast_to(np.expand_dims(discs, along), shape).copy()
