"""The trust report: what was asked of an image before its property is passed up, and what each answer rests on."""

from __future__ import annotations

import math
from typing import Any, Final

import equinox as eqx
import numpy as np

# Verdicts, from the best to the worst.
YES: Final = "yes"
UNDECIDED: Final = "cannot be decided"
NO: Final = "no"
NOT_ASKED: Final = "not asked"

_OVERALL: Final = {
    YES: "may be passed to the scale above",
    UNDECIDED: "may be passed with reservations: not every question could be answered",
    NO: "may not be passed as it is",
}


class TrustItem(eqx.Module):
    """One question, its verdict and the evidence.

    Args:
        name: short name, the key in `TrustReport`.
        question: that a user of homogenization must ask.
        verdict: "yes", "no", "cannot be decided", or "not asked" where the call did not give what the question needs.
        evidence: one or two sentences with the numbers that the verdict rests on.
        remedy: what to do where the verdict is not yes; empty otherwise.
        decisive: whether a "no" forbids to pass the property.
        numbers: name -> number or array, the evidence for programs.
        found: the report behind it (`Stationarity`, `RVESize`, ...), or several by name.
    """

    name: str = eqx.field(static=True)
    question: str = eqx.field(static=True)
    verdict: str = eqx.field(static=True)
    evidence: str = eqx.field(static=True)
    remedy: str = eqx.field(static=True, default="")
    decisive: bool = eqx.field(static=True, default=True)
    numbers: dict[str, Any] = eqx.field(default_factory=dict)
    found: Any = None


class TrustReport(eqx.Module):
    """All questions in order; `report["stationarity"]` is one of them.

    Args:
        items: the answers.
        subject: what was judged, in a line.
        assumption: what the image was taken for, in a sentence: no statistics can show that.
    """

    items: tuple[TrustItem, ...]
    subject: str = eqx.field(static=True)
    assumption: str = eqx.field(static=True, default="")

    def __getitem__(self, name: str) -> TrustItem:
        for item in self.items:
            if item.name == name:
                return item
        raise KeyError(f"no item {name!r}: there are {', '.join(item.name for item in self.items)}")

    @property
    def verdict(self) -> str:
        """The worst of the decisive verdicts; of the others a "no" counts as a reservation."""
        asked = [item for item in self.items if item.verdict != NOT_ASKED]
        if any(item.verdict == NO and item.decisive for item in asked):
            return NO
        return YES if all(item.verdict == YES for item in asked) else UNDECIDED

    @property
    def reasons(self) -> tuple[str, ...]:
        """Names of the items that are not "yes", the decisive noes first."""
        rank = {NO: 0, UNDECIDED: 1}
        open_ = [item for item in self.items if item.verdict in rank]
        order = sorted(open_, key=lambda item: (not (item.decisive and item.verdict == NO), rank[item.verdict]))
        return tuple(item.name for item in order)

    @property
    def summary(self) -> str:
        """The verdict in one sentence."""
        named = f" ({', '.join(self.reasons)})" if self.reasons else ""
        return f"The property {_OVERALL[self.verdict]}{named}."

    def text(self) -> str:
        """The whole report for the terminal."""
        lines = (
            [self.subject, self.assumption, self.summary, ""] if self.assumption else [self.subject, self.summary, ""]
        )
        for item in self.items:
            lines.append(f"{item.question} {item.verdict.upper()}")
            lines.append(f"    {item.evidence}")
            if item.remedy:
                lines.append(f"    Remedy: {item.remedy}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values that JSON can hold; numbers that are not finite are null."""
        items = [
            {
                "name": item.name,
                "question": item.question,
                "verdict": item.verdict,
                "evidence": item.evidence,
                "remedy": item.remedy,
                "decisive": item.decisive,
                "numbers": {key: _plain(value) for key, value in item.numbers.items()},
            }
            for item in self.items
        ]
        return {
            "subject": self.subject,
            "assumption": self.assumption,
            "verdict": self.verdict,
            "summary": self.summary,
            "reasons": list(self.reasons),
            "items": items,
        }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if value is None or isinstance(value, (str, bool)):
        return value
    array = np.asarray(value)
    if array.ndim:
        return [_plain(v) for v in array]
    number = array.item()
    return None if isinstance(number, float) and not math.isfinite(number) else number
