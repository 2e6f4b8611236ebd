"""What the trust report is asked: the table [trust] of a problem file, and its options."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..results import InputError
from ._tables import integer_of, known, text_of
from ._values import integers, numbers

_FLAGS = ("bounds", "periodic_cell")
TRUST_KEYS = ("accuracy", "confidence", "macro_length", "time_ratio", "windows", "phase", "boundaries", *_FLAGS)


@dataclass(frozen=True)
class TrustAsked:
    """What `trust` is asked besides the cell; None is the verb's own default."""

    accuracy: float | None = None
    confidence: float | None = None
    macro_length: list[float] | None = None
    time_ratio: float | None = None
    windows: list[int] | None = None
    phase: int | None = None
    boundaries: list[str] | None = None
    bounds: bool | None = None
    periodic_cell: bool | None = None


def read_trust(table: Mapping[str, Any]) -> TrustAsked:
    """The table [trust] of a problem file.

    Raises:
        InputError: an unknown key, or a value of another type.
    """
    known("trust", table, TRUST_KEYS)
    out: dict[str, Any] = {}
    for key in ("accuracy", "confidence", "time_ratio"):
        if key in table:
            (out[key],) = numbers(f"trust.{key}", table[key], 1)
    if "macro_length" in table:
        out["macro_length"] = numbers("trust.macro_length", table["macro_length"])
    if "windows" in table:
        found = integers("trust.windows", table["windows"])
        out["windows"] = [found] if isinstance(found, int) else found
    if "phase" in table:
        out["phase"] = integer_of("trust.phase", table["phase"])
    if "boundaries" in table:
        names = table["boundaries"]
        names = names if isinstance(names, list) else [names]
        out["boundaries"] = [text_of("trust.boundaries", name) for name in names]
    for key in _FLAGS:
        if key in table:
            if not isinstance(table[key], bool):
                raise InputError(f"trust.{key} is {table[key]!r}: give true or false")
            out[key] = table[key]
    return TrustAsked(**out)


def asked(problem_table: TrustAsked | None, options: argparse.Namespace) -> TrustAsked:
    """The file's questions with those of the command line in their place."""
    given = {key: getattr(options, key, None) for key in TRUST_KEYS}
    if isinstance(given["windows"], int):
        given["windows"] = [given["windows"]]
    return replace(problem_table or TrustAsked(), **{k: v for k, v in given.items() if v is not None})
