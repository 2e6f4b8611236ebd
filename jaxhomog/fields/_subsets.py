"""Subsets of the axes as bit tuples: they name the monomials of a trilinear element."""

from __future__ import annotations

import itertools


def modes(dim: int) -> list[tuple[int, ...]]:
    """Subsets of the axes as bit tuples, the empty one first."""
    return sorted(itertools.product((0, 1), repeat=dim), key=lambda s: (sum(s), tuple(-b for b in s)))


def with_axis(mode, k):
    """The subset `mode` with axis k added."""
    return tuple(1 if m == k else bit for m, bit in enumerate(mode))
