"""Numbers as a user writes them, on the command line ("1,2,3") or in TOML (1 or [1, 2, 3])."""

from __future__ import annotations

from typing import Any

from ..io import one_line
from ..results import InputError


def numbers(name: str, given: Any, count: int | None = None) -> list[float]:
    """One or more real numbers.

    Args:
        name: what they are, for messages.
        given: text with commas, a number, or a list (of lists).
        count: how many there must be.

    Raises:
        InputError: something else.
    """
    values = _flat(given)
    out: list[float] = []
    for value in values:
        try:
            if isinstance(value, bool) or not isinstance(value, (str, int, float)):
                raise ValueError
            out.append(float(value))
        except (ValueError, OverflowError):
            raise InputError(one_line(f"{name}: {str(value)[:60]!r} is no number: give numbers")) from None
    if not out or (count is not None and len(out) != count):
        raise InputError(f"{name} has {len(out)} numbers: give {'at least one' if count is None else count}")
    return out


def integers(name: str, given: Any) -> int | list[int]:
    """An integer or a list of them ("2", "2,2,1", "100x100x50", 2, [2, 2, 1])."""
    values = _flat(given.replace("x", ",") if isinstance(given, str) else given)
    out: list[int] = []
    for value in values:
        try:
            if isinstance(value, (bool, float)) or not isinstance(value, (str, int)):
                raise ValueError
            out.append(int(value))
        except ValueError:
            raise InputError(one_line(f"{name}: {str(value)[:60]!r} is no integer: give integers")) from None
    if not out or max(map(abs, out)) > 2**40:
        raise InputError(f"{name}: give one integer, or one per axis")
    return out[0] if len(out) == 1 else out


def crop_ranges(name: str, given: Any) -> list[tuple[int | None, int | None] | None]:
    """One (start, stop) per axis: "0:50,10:60,:" or [[0, 50], [10, 60], []]."""
    out: list[tuple[int | None, int | None] | None] = []
    for part in given.split(",") if isinstance(given, str) else (given if isinstance(given, list) else [given]):
        ends = part.split(":") if isinstance(part, str) else part
        try:
            if ends == []:
                out.append(None)
                continue
            if not isinstance(ends, list) or any(isinstance(e, (bool, float)) for e in ends):
                raise ValueError
            start, stop = (None if isinstance(e, str) and not e.strip() else int(e) for e in ends)
        except (TypeError, ValueError):
            raise InputError(
                one_line(f"{name}: {str(part)[:60]!r} is no range: give START:STOP per axis, e.g. 0:50,0:50,:")
            ) from None
        out.append((start, stop))
    return out


def _flat(given: Any) -> list[Any]:
    if isinstance(given, str):
        return [part.strip() for part in given.split(",")]
    if isinstance(given, list):
        return [x for part in given for x in (_flat(part) if isinstance(part, list) else [part])]
    return [given]
