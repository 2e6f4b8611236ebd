"""Tables of a problem file: what is there, under which keys, and of which type."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from ..io import one_line
from ..results import InputError


def known(table: str, given: Mapping[str, Any], keys: Iterable[str]) -> None:
    """Refuse an unknown key and name the nearest known one."""
    keys = list(keys)
    for key in given:
        if key not in keys:
            near = difflib.get_close_matches(str(key), keys, 1, 0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(keys)}"
            raise InputError(one_line(f"unknown key {key!r}{f' in [{table}]' if table else ''}: {hint}"))


def table_of(parent: Mapping[str, Any], name: str, keys: Iterable[str]) -> dict[str, Any]:
    """The table of that name, empty if it is missing, with known keys only."""
    values = mapping(name, parent.get(name, {}))
    known(name, values, keys)
    return values


def mapping(name: str, value: Any) -> dict[str, Any]:
    """A table."""
    if not isinstance(value, dict):
        raise InputError(f"{name} is {one_line(repr(value))[:60]}, not a table: write [{name}]")
    return value


def text_of(name: str, value: Any) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value:
        raise InputError(one_line(f"{name} is {shown(value)}: give a text in quotes"))
    return value


def integer_of(name: str, value: Any) -> int:
    """A whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(one_line(f"{name} is {shown(value)}: give an integer"))
    return value


def check_integers(name: str, value: Any) -> None:
    """Integers beyond TOML's 64 bits, anywhere in a table: Python takes thousands of digits, and cannot print them.

    Raises:
        InputError: it names the key.
    """
    if isinstance(value, dict):
        for key, inner in value.items():
            check_integers(f"{name}.{key}" if name else str(key), inner)
    elif isinstance(value, list):
        for inner in value:
            check_integers(name, inner)
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise InputError(one_line(f"{name[:60]} is an integer of more than 64 bits: give a smaller one"))


def shown(value: Any) -> str:
    """A value of the user's in a message: its first characters."""
    return one_line(repr(value))[:60]
