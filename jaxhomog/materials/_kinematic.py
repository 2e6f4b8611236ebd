"""Kinematic hardening: the back stress that moves the yield surface."""

from __future__ import annotations

from typing import Any

import equinox as eqx
from jaxtyping import Array, Float

from ._law import as_parameter, at_least


class ArmstrongFrederick(eqx.Module):
    """d beta = (2/3) modulus d eps_p - recovery beta dp.

    Args:
        modulus: >= 0 (unit of stress).
        recovery: >= 0 (no unit), or None: Prager's linear law, whose tangent is symmetric.

    Source:
        Armstrong & Frederick (1966), reprinted in Mater. High Temp. 24 (2007) 1-26; Prager (1956), J. Appl. Mech. 23,
        493-496.
    """

    modulus: Float[Array, "..."]
    recovery: Float[Array, "..."] | None

    def __init__(self, modulus: Any, recovery: Any = None):
        self.modulus = as_parameter(modulus, "modulus")
        self.recovery = None if recovery is None else as_parameter(recovery, "recovery")

    def check(self, where: str = "") -> None:
        """Raise `InputError` for inadmissible concrete values."""
        at_least(self.modulus, 0, "kinematic modulus", where)
        if self.recovery is not None:
            at_least(self.recovery, 0, "recovery", where)


def prager(modulus: Any) -> ArmstrongFrederick:
    """Linear kinematic hardening, d beta = (2/3) modulus d eps_p."""
    return ArmstrongFrederick(modulus)
