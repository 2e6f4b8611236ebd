"""Phases as a user writes them, and the laws that they mean."""

from __future__ import annotations

import difflib
from typing import Any

import numpy as np

from .. import tensors
from ..io import one_line
from ..materials import AbstractLaw, LinearConduction, LinearElastic, NeoHookean, SaintVenantKirchhoff
from ..results import InputError
from ._values import numbers

_FORMS = (("young", "poisson"), ("c11", "c12", "c44"), ("stiffness",), ("conductivity",))
PHASE_KEYS = tuple(key for form in _FORMS for key in form)
_LISTS = ("stiffness", "conductivity")
_HOW = "LABEL:young=..,poisson=.. | c11=..,c12=..,c44=.. | stiffness=(21 or 36 numbers) | conductivity=.."


def parse_phase(text: str) -> tuple[int, dict[str, list[float]]]:
    """`--phase LABEL:key=value,...`; numbers without a key go on with the list of the key before them.

    Args:
        text: what the user wrote.

    Returns:
        The label and its parameters.

    Raises:
        InputError: in one line, with the form that is expected.
    """
    label, colon, rest = text.partition(":")
    try:
        number = int(label)
    except ValueError:
        number = None
    if number is None or not colon or not rest.strip():
        raise InputError(one_line(f"--phase {text[:80]!r} is not understood: give {_HOW}"))
    given: dict[str, list[str]] = {}
    key = ""
    for part in rest.split(","):
        name, equals, value = part.partition("=")
        if equals:
            key = name.strip()
            if key in given:
                raise InputError(one_line(f"--phase {label}: {key!r} is given twice"))
            given[key] = [value]
        elif key in _LISTS:
            given[key].append(part)
        else:
            raise InputError(one_line(f"--phase {label}: {part[:60]!r} is not key=value: give {_HOW}"))
    for key in given:
        if key not in PHASE_KEYS:
            near = difflib.get_close_matches(key, PHASE_KEYS, 1, 0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"give {_HOW}"
            raise InputError(one_line(f"--phase {label}: unknown parameter {key!r}: {hint}"))
    return number, phase_values(f"--phase {label}", given)


def phase_values(name: str, given: dict[str, Any]) -> dict[str, list[float]]:
    """Parameters of one phase, as numbers and complete.

    Args:
        name: the phase, for messages.
        given: parameter to value as written.

    Raises:
        InputError: a mixture of forms, a missing parameter, no numbers.
    """
    for form in _FORMS:
        if set(given) == set(form):
            return {key: numbers(f"{name} {key}", given[key], None if key in _LISTS else 1) for key in form}
    for form in _FORMS:
        missing = [key for key in form if key not in given]
        if given and set(given) < set(form):
            raise InputError(f"{name} has {' and '.join(given)} but not {' and '.join(missing)}: give {_HOW}")
    what = f"has {' and '.join(given)}, which do not belong together" if given else "has no parameters"
    raise InputError(f"{name} {what}: give {_HOW}")


def physics_of(phases: dict[int, dict[str, list[float]]]) -> str:
    """The one physics of all phases.

    Raises:
        InputError: no phases, or phases of two kinds.
    """
    if not phases:
        raise InputError(f"no phase has properties: give --phase {_HOW} for every label")
    kinds = {label: "conduction" if "conductivity" in values else "elasticity" for label, values in phases.items()}
    if len(set(kinds.values())) > 1:
        listed = ", ".join(f"{label}: {kind}" for label, kind in kinds.items())
        raise InputError(f"the phases belong to different physics ({listed}): give moduli or conductivities, not both")
    return next(iter(kinds.values()))


def chosen_physics(kind: str | None, phases: dict[int, dict[str, list[float]]]) -> str:
    """The physics of a problem: what its file says, where the phases can be that.

    Args:
        kind: what the file says, or None.
        phases: from `phase_values`.

    Raises:
        InputError: no phases, phases of two kinds or of another kind than the file says.
    """
    physics = physics_of(phases)
    if kind == "finite_strain" and physics == "elasticity":
        return kind
    if kind not in (None, physics):
        raise InputError(f"physics.kind is {kind!r}, but the phases have {physics} properties: correct one")
    return physics


def at_finite_strain(law: AbstractLaw) -> NeoHookean | SaintVenantKirchhoff:
    """The hyperelastic law of an elastic phase: neo-Hookean if isotropic, else Saint Venant-Kirchhoff."""
    assert isinstance(law, LinearElastic)
    return NeoHookean(law) if law.form == "isotropic" else SaintVenantKirchhoff(law)


def phase_law(
    label: int, values: dict[str, list[float]], dim: int, dtype: np.dtype, rotation: np.ndarray | None
) -> AbstractLaw:
    """The law of one phase.

    Args:
        label: its label.
        values: from `parse_phase` or `phase_values`.
        dim: 2 or 3.
        dtype: floating dtype of the computation.
        rotation: (*shape, 3, 3) orientation per voxel, used for crystals.

    Raises:
        InputError: a list of the wrong length; values that no solid has.
    """
    scalars = {key: np.asarray(v[0], dtype) for key, v in values.items()}
    turn = None if rotation is None else np.asarray(rotation, dtype)
    where = f" of phase {label}"
    if "young" in values:
        law = LinearElastic.isotropic(**scalars)
    elif "c11" in values:
        law = LinearElastic.cubic(**scalars, rotation=turn)
    elif "stiffness" in values:
        voigt = _matrix(f"stiffness{where}", values["stiffness"], (6,) if dim == 3 or turn is not None else (6, 3))
        mandel = np.asarray(tensors.from_voigt(np.asarray(voigt, dtype), kind="stiffness"))
        law = LinearElastic.from_stiffness(mandel, rotation=turn)
    elif len(values["conductivity"]) == 1:
        law = LinearConduction(scalars["conductivity"])
    else:
        given = values["conductivity"]
        k = np.diag(given) if len(given) == dim else _matrix(f"conductivity{where}", given, (dim,))
        law = LinearConduction.tensor(np.asarray(k, dtype))
    law.check(where)
    return law


def _matrix(name: str, given: list[float], sizes: tuple[int, ...]) -> np.ndarray:
    """A symmetric matrix from all its entries or from its upper triangle, row by row."""
    for n in sizes:
        if len(given) == n * n:
            matrix = np.asarray(given).reshape(n, n)
            if not np.allclose(matrix, matrix.T, rtol=1e-6, atol=1e-9 * np.abs(matrix).max()):
                raise InputError(f"{name} is not symmetric: give a symmetric matrix")
            return matrix
        if len(given) == n * (n + 1) // 2:
            matrix = np.zeros((n, n))
            matrix[np.triu_indices(n)] = given
            return matrix + np.triu(matrix, 1).T
    counts = " or ".join(f"{n * (n + 1) // 2} (upper triangle, row by row) or {n * n}" for n in sizes)
    raise InputError(f"{name} has {len(given)} numbers: give {counts}")
