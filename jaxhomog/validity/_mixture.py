"""Reports of many points as one: a law whose parameters are fields, a mixture of laws."""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from ._material import MaterialReport


class MixtureReport(eqx.Module):
    """Whether every law of a mixture is fit for use.

    Args:
        phases: label to `MaterialReport`.
    """

    phases: dict[int, MaterialReport]

    @property
    def verdict(self) -> Bool[Array, "..."]:
        """True where nothing that was checked is violated in any phase."""
        return jnp.all(jnp.stack([report.verdict for report in self.phases.values()]), axis=0)

    @property
    def code(self) -> Int[Array, "..."]:
        """Why not, of all phases together (bits)."""
        return jnp.bitwise_or.reduce(jnp.stack([report.code for report in self.phases.values()]), axis=0)

    @property
    def reason(self) -> str:
        """Why the verdict is what it is, in words: of the phases to blame, or of all (needs concrete values)."""
        bad = {key: r for key, r in self.phases.items() if not np.all(np.asarray(r.verdict))}
        return "; ".join(f"phase {key}: {report.reason}" for key, report in (bad or self.phases).items())


def worst_point(report: MaterialReport, voxels: Sequence[tuple[int, ...]], distinct: int) -> MaterialReport:
    """One report of the points of a law, the worst of every number.

    Args:
        report: its numbers have an axis of points.
        voxels: where they are.
        distinct: how many different points the law has.
    """
    codes = np.asarray(report.code)
    bad = np.flatnonzero(codes)
    names = ("balance", "balance_limit", "cycle", "tangent_error", "tangent_asymmetry", "objectivity")
    return MaterialReport(
        verdict=jnp.all(report.verdict),
        lowest_dissipation=jnp.nanmin(report.lowest_dissipation),
        convexity=jnp.nanmin(report.convexity),
        code=jnp.asarray(np.bitwise_or.reduce(codes)),
        voxel=voxels[bad[0]] if bad.size else None,
        points=len(voxels),
        distinct=distinct,
        **{name: jnp.nanmax(getattr(report, name)) for name in names},
    )
