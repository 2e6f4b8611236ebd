"""Plastic flow of a phase: its tables `hardening` and `kinematic`, and the law that they make of an elastic one."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..io import one_line
from ..materials import (
    AbstractLaw,
    ArmstrongFrederick,
    FiniteJ2Plasticity,
    J2Plasticity,
    LinearElastic,
    LinearHardening,
    TabulatedHardening,
    VoceHardening,
)
from ..results import InputError
from ._tables import known, mapping
from ._values import numbers

FLOW_KEYS = ("hardening", "kinematic")
_KINDS = {
    "linear": (LinearHardening, ("yield_stress", "modulus")),
    "voce": (VoceHardening, ("yield_stress", "saturation_stress", "rate")),
    "table": (TabulatedHardening, ("plastic_strain", "yield_stress")),
}
_ALL = ("kind", *dict.fromkeys(key for _, keys in _KINDS.values() for key in keys))


def read_flow(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """The two tables of one phase, as numbers and complete.

    Args:
        name: the phase's table, for messages.
        given: `hardening` and perhaps `kinematic` as written.

    Returns:
        The same with lists of numbers; the kind of hardening as a text.

    Raises:
        InputError: an unknown or missing key, a kind that there is not, no numbers.
    """
    if "hardening" not in given:
        raise InputError(f"[{name}.kinematic] moves a yield surface: add [{name}.hardening] with its yield stress")
    where = f"{name}.hardening"
    values = mapping(where, given["hardening"])
    known(where, values, _ALL)
    kind = values.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        what = "has no kind" if kind is None else f"has the kind {kind!r}"
        raise InputError(one_line(f"[{where}] {what}: choose kind = 'linear', 'voce' or 'table'"))
    flow = {"hardening": {"kind": kind, **_complete(where, values, _KINDS[kind][1], kind == "table", kind)}}
    if "kinematic" in given:
        where = f"{name}.kinematic"
        values = mapping(where, given["kinematic"])
        known(where, values, ("modulus", "recovery"))
        keys = ("modulus", "recovery") if "recovery" in values else ("modulus",)
        flow["kinematic"] = _complete(where, values, keys, False, None)
    return flow


def _complete(where, values, keys, lists, kind) -> dict[str, list[float]]:
    of = "" if kind is None else f" of kind {kind!r}"
    for key in values:
        if key not in (*keys, "kind"):
            raise InputError(f"[{where}]{of} has no {key}: it takes {', '.join(keys)}")
    missing = [key for key in keys if key not in values]
    if missing:
        raise InputError(f"[{where}]{of} lacks {' and '.join(missing)}: give {', '.join(keys)}")
    return {key: numbers(f"{where}.{key}", values[key], None if lists else 1) for key in keys}


def flowing(
    label: int, elastic: AbstractLaw, flow: dict[str, Any], dtype: np.dtype, finite: bool = False
) -> J2Plasticity | FiniteJ2Plasticity:
    """The elastic law of a phase with plastic flow.

    Args:
        label: of the phase.
        elastic: its law without flow.
        flow: from `read_flow`.
        dtype: floating dtype of the computation.
        finite: whether strains are finite.

    Raises:
        InputError: an elasticity that is not isotropic, inadmissible values, kinematic hardening at finite strain.
    """
    if not isinstance(elastic, LinearElastic) or elastic.form != "isotropic":
        raise InputError(f"[phases.{label}.hardening] needs isotropic elasticity: give young and poisson")
    given = dict(flow["hardening"])
    make, keys = _KINDS[given.pop("kind")]
    one = (lambda x: np.asarray(x, dtype)) if make is TabulatedHardening else (lambda x: np.asarray(x[0], dtype))
    try:
        hardening = make(**{key: one(given[key]) for key in keys})
    except InputError as error:
        raise InputError(f"[phases.{label}.hardening]: {error}") from None
    if finite:
        if "kinematic" in flow:
            raise InputError(f"[phases.{label}.kinematic] is for small strain: leave it out at finite strain")
        law = FiniteJ2Plasticity(elastic, hardening)
        law.check(f" of phase {label}")
        return law
    kinematic = None
    if "kinematic" in flow:
        kinematic = ArmstrongFrederick(**{key: np.asarray(v[0], dtype) for key, v in flow["kinematic"].items()})
    law = J2Plasticity(elastic, hardening, kinematic)
    law.check(f" of phase {label}")
    return law
