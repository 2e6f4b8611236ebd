"""What the scale above prescribes over time: a load path, row by row, in engineering Voigt components."""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ..results import InputError, under_jax_defaults


class LoadPath(eqx.Module):
    """A history of mean strains and stresses, one row per step: strain, stress or mixed control.

    Engineering Voigt components 11 22 33 23 13 12 (2-D: 11 22 12), shear strain gamma = 2 eps; in conduction the d
    components of the temperature gradient and of the flux q. Row 0 is the first increment from the virgin state.

    Args:
        strain: (T, n) mean strain at the end of every step; entries of stress-controlled components are ignored. None
            where every component is stress-controlled.
        stress: (T, n) mean stress; entries of strain-controlled components are ignored. None: all strain-controlled.
        stress_controlled: booleans (n,) or (T, n). Default: everything if only `stress` is given, nothing if only
            `strain` is. Required with both.
        time: (T,) at the end of every step, rising from 0; None is unit steps (rate-dependent laws refuse that). Of a
            path that goes on (`drive(state=)`) the times are those of the uncut path, above that of the state.
        temperature: (T,) at the end of every step, or None: every law at its reference temperature, or as warm as the
            state is. Refused where no law of the cell depends on it.

    Raises:
        InputError: shapes that do not fit, components prescribed twice or not at all, times that do not rise.
    """

    strain: Float[Array, "t n"]
    stress: Float[Array, "t n"]
    stress_controlled: Array
    time: Float[Array, " t"] | None
    temperature: Float[Array, " t"] | None

    @under_jax_defaults
    def __init__(
        self,
        strain: Any = None,
        stress: Any = None,
        stress_controlled: Any = None,
        time: Any = None,
        temperature: Any = None,
    ):
        if strain is None and stress is None:
            raise InputError("LoadPath: no load: give strain= or stress=, one row per step")
        given = _table(strain if strain is not None else stress, "strain" if strain is not None else "stress")
        shape = given.shape
        if stress_controlled is None:
            if strain is not None and stress is not None:
                raise InputError(
                    f"LoadPath: strain and stress are both given: give stress_controlled= ({shape[1]} booleans, or one"
                    " row of them per step) to say which counts where"
                )
            stress_controlled = np.full(shape[1], strain is None)
        mask = stress_controlled if isinstance(stress_controlled, Tracer) else np.asarray(stress_controlled)
        if mask.shape not in ((shape[1],), shape) or mask.dtype.kind not in "biu":
            raise InputError(
                f"stress_controlled has shape {mask.shape} and dtype {mask.dtype}: give {shape[1]} booleans, or"
                f" {shape[0]} rows of them"
            )
        mask = np.broadcast_to(mask.astype(bool), shape) if not isinstance(mask, Tracer) else mask.astype(bool)
        concrete = not isinstance(mask, Tracer)
        if concrete and stress is None and mask.any():
            raise InputError("stress_controlled marks components but stress is missing: give stress=")
        if concrete and strain is None and not mask.all():
            raise InputError("stress_controlled leaves components to strain, which is missing: give strain=")
        self.strain = _used(strain, "strain", shape, ~mask)
        self.stress = _used(stress, "stress", shape, mask)
        self.stress_controlled = jnp.broadcast_to(jnp.asarray(mask), shape)
        self.time = None if time is None else _times(time, shape[0])
        self.temperature = None if temperature is None else _row(temperature, "temperature", shape[0])

    @classmethod
    @under_jax_defaults
    def finite(
        cls, F: Any = None, P: Any = None, p_controlled: Any = None, time: Any = None, temperature: Any = None
    ) -> LoadPath:
        """A history of mean deformation gradients and first Piola-Kirchhoff stresses: finite strain.

        Row by row, components 11 12 13 21 22 23 31 32 33 (2-D, plane strain: 11 12 21 22); row 0 is the first
        increment from F = 1. Of every pair ij, ji at least one component of F must be prescribed: it holds the
        rotation.

        Args:
            F: (T, d, d) or (T, d d) mean deformation gradient at the end of every step; entries of P-controlled
                components are ignored. None is not possible: the rotation would be free.
            P: mean first Piola-Kirchhoff stress, alike; entries of F-controlled components are ignored.
            p_controlled: booleans (d, d), (d d,), or one of these per step; required with P.
            time, temperature: as for small strain.

        Raises:
            InputError: as for small strain; a rotation that nothing holds; a row of F alone with det F <= 0.
        """
        if F is None:
            raise InputError("LoadPath.finite: F is missing: prescribe at least one of F_ij and F_ji of every pair")
        if P is not None and p_controlled is None:
            raise InputError("LoadPath.finite: P is given without p_controlled=: say which components it prescribes")
        down, up = _rows_of(F, "F"), None if P is None else _rows_of(P, "P")
        mask = p_controlled
        if mask is not None:
            mask = mask if isinstance(mask, Tracer) else np.asarray(mask)
            width = down.shape[-1]
            if mask.shape[-2:] == (math.isqrt(width),) * 2:
                mask = mask.reshape(*mask.shape[:-2], width)
            if not isinstance(mask, Tracer):
                _holds_rotation(mask, width)
        path = cls(down, up, mask, time, temperature)
        _keeps_volume_positive(path)
        return path


def _rows_of(value, name):
    """(T, d, d) as (T, d d)."""
    array = _floats(value, name)
    if array.ndim == 3 and array.shape[1] == array.shape[2]:
        array = array.reshape(array.shape[0], -1)
    if array.ndim != 2 or array.shape[0] < 1 or array.shape[1] not in (4, 9):
        raise InputError(f"{name} has shape {array.shape}: give (steps, d, d) or (steps, d d), one matrix per step")
    return array


def _holds_rotation(mask, width):
    """Refuse a mask (..., d d) that leaves a rotation free."""
    d = math.isqrt(width)
    if mask.ndim == 0 or mask.shape[-1] != width or mask.dtype.kind not in "biu":
        raise InputError(f"p_controlled has shape {mask.shape} and dtype {mask.dtype}: give booleans of F's shape")
    table = mask.astype(bool).reshape(-1, d, d)
    for i in range(d):
        for k in range(i + 1, d):
            if (table[:, i, k] & table[:, k, i]).any():
                raise InputError(
                    f"p_controlled has both {i + 1}{k + 1} and {k + 1}{i + 1}: nothing holds the rotation; prescribe F"
                    " in one of them"
                )


def _keeps_volume_positive(path):
    """Refuse rows that prescribe all of F and turn the cell inside out."""
    if isinstance(path.strain, Tracer) or isinstance(path.stress_controlled, Tracer):
        return
    f, held = np.asarray(path.strain, np.float64), np.asarray(path.stress_controlled)
    d = math.isqrt(f.shape[1])
    det = np.linalg.det(f.reshape(-1, d, d))
    bad = np.flatnonzero((det <= 0) & ~held.any(axis=1))
    if bad.size:
        raise InputError(f"F of row {bad[0]} has det F = {det[bad[0]]:.3g}: give a volume ratio > 0")


def _floats(value, name):
    try:
        array = jnp.asarray(value)
    except (TypeError, ValueError):
        raise InputError(f"{name} is not a table of numbers: give one row per step") from None
    if not jnp.issubdtype(array.dtype, jnp.floating):
        if not jnp.issubdtype(array.dtype, jnp.integer):
            raise InputError(f"{name} has dtype {array.dtype}: give real numbers")
        array = array.astype(jnp.result_type(float))
    return array


def _table(value, name):
    array = _floats(value, name)
    if array.ndim != 2 or array.shape[0] < 1 or array.shape[1] not in (2, 3, 4, 6, 9):
        raise InputError(f"{name} has shape {array.shape}: give (steps, components), one row per step")
    return array


def _used(value, name, shape, used):
    """The entries that count, zero elsewhere: what is not used may be anything, NaN for instance."""
    if value is None:
        return jnp.zeros(shape)
    array = _table(value, name)
    if array.shape != shape:
        raise InputError(f"{name} has shape {array.shape} and the path {shape}: give one row per step")
    array = jnp.where(used, array, 0)
    if not isinstance(array, Tracer) and not np.isfinite(np.asarray(array)).all():
        row, component = np.argwhere(~np.isfinite(np.asarray(array)))[0]
        raise InputError(f"{name} of row {row}, component {component} is not finite: give finite numbers")
    return array


def _row(value, name, number):
    array = _floats(value, name)
    if array.shape != (number,):
        raise InputError(f"{name} has shape {array.shape}: give {number} numbers, one per step")
    if not isinstance(array, Tracer) and not np.isfinite(np.asarray(array)).all():
        raise InputError(f"{name} has an entry that is not finite: give finite numbers")
    return array


def _times(value, number):
    time = _row(value, "time", number)
    if not isinstance(time, Tracer):
        steps = np.diff(np.asarray(time), prepend=0)
        if not (steps > 0).all():
            raise InputError(
                f"time falls or stands still at row {int(np.argmin(steps > 0))}: give times at the end of every step,"
                " rising from 0"
            )
    return time
