"""Judgement of a load path: the second law, the power between the scales, and whether the tangent stays elliptic."""

from __future__ import annotations

from functools import partial
from typing import Final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int

from ._ellipticity import ellipticity

PATH_DISSIPATION: Final = 1
PATH_POWER: Final = 2
PATH_ELLIPTICITY: Final = 4
PATH_UNFINISHED: Final = 8
PATH_NOTHING: Final = 16

_SOUND: Final = "faithful: no point creates energy, the scales agree in power"


class PathReport(eqx.Module):
    """Whether the rows of a path may be passed to the scale above. NaN stands for "not checked".

    Numbers over rows are those of the rows that were reached.

    Args:
        verdict: True where nothing that was checked is violated.
        lowest_dissipation: smallest dissipation of any point in any row, relative to the largest energy, work or
            dissipation of a row; the second law is >= 0.
        hill_mandel_residual: power lost between the scales in rate form, relative, max over rows.
        excess: (T,) algorithmic less physical dissipation, energy per volume: of first order in the step, and not
            negative for convex laws. NaN in conduction, where flux times gradient is a power.
        excess_negative: whether it is somewhere, beyond the tolerance; a warning, no part of the verdict.
        tangent_asymmetry: |C - C^T| / |C| of the consistent tangents, max over rows.
        ellipticity: (T,) smallest eigenvalue of the acoustic tensor in any direction, unit of stress; in conduction
            of the symmetric part of the conductivity.
        lost: first row where it is not positive beyond rounding; -1 where it always is or was not checked.
        rows: number of rows that were reached.
        code: why not (bits, see `reason`).
    """

    verdict: Bool[Array, "..."]
    lowest_dissipation: Float[Array, "..."]
    hill_mandel_residual: Float[Array, "..."]
    excess: Float[Array, "... t"]
    excess_negative: Bool[Array, "..."]
    tangent_asymmetry: Float[Array, "..."]
    ellipticity: Float[Array, "... t"]
    lost: Int[Array, "..."]
    rows: Int[Array, "..."]
    code: Int[Array, "..."]

    @property
    def reason(self) -> str:
        """Why the verdict is what it is, in words (needs concrete values; of several lanes, all their reasons)."""
        if isinstance(self.code, Tracer):
            return "<traced>"
        bits = int(np.bitwise_or.reduce(np.asarray(self.code), axis=None))
        total = self.excess.shape[-1]
        causes = []
        if bits & PATH_NOTHING:
            causes.append("not finite: no row was reached, or a row that was holds NaN (see result.advice)")
        if bits & PATH_UNFINISHED:
            reached = int(np.min(np.asarray(self.rows)))
            causes.append(f"the path failed: judged on {reached} of {total} rows (see result.advice)")
        if bits & PATH_DISSIPATION:
            causes.append("a point creates energy: its law breaks the second law (certify(law) names the phase)")
        if bits & PATH_POWER:
            causes.append("power is lost between the scales: not in equilibrium (lower the tolerance of drive)")
        if bits & PATH_ELLIPTICITY:
            lost = np.asarray(self.lost)
            row = int(np.min(lost[lost >= 0]))
            causes.append(
                f"the tangent is not strongly elliptic from row {row} on: the response depends on the size of the cell"
                " there (pass up the rows before, or a law with a length)"
            )
        if not bits:
            checked = not np.isnan(np.asarray(self.tangent_asymmetry)).all()
            causes.append(
                _SOUND + (", the tangent stays strongly elliptic" if checked else " (no tangent was checked)")
            )
        if np.any(np.asarray(self.excess_negative)):
            causes.append("note: the scheme dissipates less than the law, which no convex law does")
        return "; ".join(causes)


@partial(jax.jit, static_argnames="conduction")
def judge_path(
    energy: Float[Array, " t"],
    dissipation: Float[Array, " t"],
    algorithmic: Float[Array, " t"],
    lowest: Float[Array, " t"],
    hill_mandel: Float[Array, " t"],
    tangent: Float[Array, "t n n"] | None,
    tolerance: Float[Array, ""] | float,
    conduction: bool = False,
) -> PathReport:
    """The report of one path.

        lowest / scale >= -sqrt(eps),    Hill-Mandel <= tolerance,    min_n lambda_min(Q(n)) > sqrt(eps) |C|,

    scale the largest |energy|, |work| or |dissipation| of any row, work = algorithmic dissipation + change of energy
    (in conduction there is no work).

    Args:
        energy: mean free energy per volume at the end of every row; NaN from the row on that failed.
        dissipation: mean physical dissipation per volume of every row.
        algorithmic: work with the stress at the end of the steps, less the change of energy.
        lowest: smallest dissipation per volume of any point.
        hill_mandel: relative residual in rate form.
        tangent: Mandel, dP/dF row by row, the conductivity (d, d), or None.
        tolerance: of the relative numbers.
        conduction: whether the tangent is a conductivity.

    Returns:
        `PathReport`.

    Source:
        Coleman & Gurtin (1967), J. Chem. Phys. 47, 597-613; Hill (1972), Proc. R. Soc. A 326, 131-147.
    """
    root = jnp.sqrt(jnp.finfo(energy.dtype).eps)
    # A row that was reached has an energy; all rows from the failed one on are NaN.
    reached = jnp.cumprod(~jnp.isnan(energy)).astype(bool)
    rows = jnp.sum(reached)
    known = lambda x, blank=0.0: jnp.where(reached, x, blank)  # noqa: E731
    excess = jnp.full_like(energy, jnp.nan) if conduction else algorithmic - dissipation
    work = algorithmic + jnp.diff(energy, prepend=jnp.zeros((1,), energy.dtype))
    work = dissipation if conduction else work
    scale = jnp.max(known(jnp.maximum(jnp.abs(energy), jnp.maximum(jnp.abs(work), jnp.abs(dissipation)))))
    by = jnp.where(scale > 0, scale, 1)
    least = jnp.min(known(lowest, jnp.inf)) / by
    hill = jnp.max(known(hill_mandel))
    negative = jnp.min(known(excess)) < -tolerance * by
    nan = jnp.full_like(energy, jnp.nan)
    asymmetry, elliptic, lost = nan[0], nan, jnp.asarray(-1)
    if tangent is not None:
        size = jnp.sqrt(jnp.sum(tangent**2, axis=(1, 2)))
        apart = jnp.sqrt(jnp.sum((tangent - jnp.swapaxes(tangent, 1, 2)) ** 2, axis=(1, 2)))
        asymmetry = jnp.max(known(apart / jnp.where(size > 0, size, 1)))
        elliptic = _ellipticity(tangent, conduction)
        gone = reached & (elliptic <= root * size)
        lost = jnp.where(jnp.any(gone), jnp.argmax(gone), -1)
    finite = jnp.isfinite(least) & jnp.isfinite(hill) & jnp.isfinite(scale) & (rows > 0)
    if tangent is not None:
        finite &= jnp.all(jnp.isfinite(known(elliptic)))
    code = jnp.zeros((), jnp.int32)
    for bit, bad in (
        (PATH_DISSIPATION, least < -root),
        (PATH_POWER, hill > tolerance),
        (PATH_ELLIPTICITY, lost >= 0),
        (PATH_UNFINISHED, (rows < len(energy)) & (rows > 0)),
        (PATH_NOTHING, ~finite),
    ):
        code = code + jnp.where(bad, bit, 0).astype(jnp.int32)
    none = rows == 0
    blank = lambda x: jnp.where(none, jnp.nan, x)  # noqa: E731
    return PathReport(
        verdict=code == 0,
        lowest_dissipation=blank(least),
        hill_mandel_residual=blank(hill),
        excess=excess,
        excess_negative=negative,
        tangent_asymmetry=blank(asymmetry),
        ellipticity=elliptic,
        lost=lost,
        rows=rows,
        code=code,
    )


def _ellipticity(tangent, conduction):
    symmetric = 0.5 * (tangent + jnp.swapaxes(tangent, 1, 2))
    if conduction:
        finite = jnp.all(jnp.isfinite(symmetric), axis=(1, 2))
        safe = jnp.where(finite[:, None, None], symmetric, jnp.eye(symmetric.shape[-1], dtype=symmetric.dtype))
        return jnp.where(finite, jnp.linalg.eigvalsh(safe)[:, 0], jnp.nan)
    return ellipticity(symmetric)[0]
