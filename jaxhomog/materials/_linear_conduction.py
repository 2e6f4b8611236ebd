"""Fourier's, Fick's or Ohm's law: q = -K grad T."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ..messages import ScalarConductionResponse, TensorConductionResponse, mandel_pairs
from ..results import SUCCESS, InputError, under_jax_defaults
from ._law import AbstractLaw, as_parameter, check_symmetric, first_bad, spread, symmetric


class LinearConduction(AbstractLaw):
    """Steady linear conduction or diffusion, q = -K grad T.

    `LinearConduction(k)` takes a scalar conductivity, 0-d or broadcastable to the grid's shape;
    `LinearConduction.tensor(K)` a symmetric tensor, (d, d) or (*shape, d, d).

    Args:
        conductivity: k >= 0, in the user's unit.
    """

    conductivity: Float[Array, "..."]
    form: str = eqx.field(static=True)
    physics: str = eqx.field(static=True)

    def __init__(self, conductivity: Any, form: str = "scalar"):
        self.conductivity = as_parameter(conductivity, "conductivity")
        self.form = form
        self.physics = "conduction"

    @staticmethod
    @under_jax_defaults
    def tensor(conductivity: Any) -> LinearConduction:
        """Anisotropic conductivity, symmetric, (d, d) or (*shape, d, d).

        An antisymmetric part (Hall effect, gyrotropic media) is refused, traced with `invalid_material`: where it
        varies it changes the effective tensor, and the solvers take symmetric operators.
        """
        array = as_parameter(conductivity, "conductivity tensor")
        if array.ndim < 2 or array.shape[-1] != array.shape[-2] or array.shape[-1] not in (2, 3):
            raise InputError(f"conductivity tensor has shape {array.shape}: give (..., 2, 2) or (..., 3, 3)")
        return LinearConduction(array, "tensor")

    def response(self, shape, dtype):
        dim = len(shape)
        if self.form == "scalar":
            return ScalarConductionResponse(spread(self.conductivity, shape, dtype, "conductivity"), dim)
        k = self.conductivity
        if k.shape[-1] != dim:
            raise InputError(f"conductivity tensor is {k.shape[-1]} x {k.shape[-1]} and the grid has {dim} directions")
        k = symmetric(k)
        rows = [spread(k[..., a, b], shape, dtype, "conductivity tensor") for a, b in mandel_pairs(dim)]
        return TensorConductionResponse(jnp.stack(rows), dim)

    def code(self):
        return jnp.asarray(SUCCESS, jnp.int32)

    def check(self, where: str = "") -> None:
        if isinstance(self.conductivity, Tracer):
            return
        k = np.asarray(self.conductivity)
        if self.form == "scalar":
            ok = np.isfinite(k) & (k >= 0)
            if not ok.all():
                raise InputError(f"conductivity{where} is {first_bad(ok, k)}: give finite numbers >= 0")
            return
        if not np.isfinite(k).all():
            raise InputError(f"conductivity tensor{where} has an entry that is not finite")
        check_symmetric(
            k, "conductivity tensor", where,
            "its antisymmetric part is not solved for (0.5 * (K + K^T) leaves it out: exact where it is the same in all"
            " voxels and wanted without it, wrong where it varies)",
        )  # fmt: skip
        lowest = np.linalg.eigvalsh(0.5 * (k + np.swapaxes(k, -1, -2)))
        ok = lowest[..., 0] >= -1e-6 * np.abs(lowest).max(initial=0)
        if not ok.all():
            raise InputError(
                f"conductivity tensor{where} has eigenvalue {first_bad(ok, lowest[..., 0])}:"
                " give a positive semi-definite tensor"
            )
