"""Macro tests that a fit compares with, and their residuals in units of the noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ..results import InputError


class Experiment(eqx.Module):
    """One kind of test: what was measured, how well, and the model that predicts it.

        residual = (model(parameters, input) - data) / noise

    Args:
        model: a pure function, (parameters) or (parameters, input) -> prediction of the shape of one measurement, NaN
            where its solve failed (`throw=False`). The same function object is compiled once. Large arrays that it
            needs (labels) belong into a `jax.tree_util.Partial` or an `equinox.Module`, as arguments of the program.
        data: what was measured; NaN where nothing was. With `inputs` the leading axis runs over the tests.
        noise: standard deviation, one number or broadcast against `data`; None: unknown, the same for all data, and
            estimated from the residuals.
        inputs: a pytree of arrays whose leading axis runs over several tests of this kind (loads, labels), or None.
        name: for reports.

    Raises:
        InputError: data that are no numbers, a noise that is not positive.
    """

    data: Float[Array, "..."]
    noise: Float[Array, "..."] | None
    inputs: Any
    model: Callable
    name: str = eqx.field(static=True)

    def __init__(self, model: Callable, data: Any, noise: Any = None, inputs: Any = None, name: str = "data"):
        if not callable(model):
            raise InputError(f"model is a {type(model).__name__}: give a function of the parameters")
        self.data = jnp.asarray(data, float)
        if not isinstance(self.data, Tracer) and not bool(jnp.any(jnp.isfinite(self.data))):
            raise InputError(f"experiment {name!r} has no finite data: give what was measured")
        self.noise = None
        if noise is not None:
            self.noise = jnp.asarray(noise, float)
            if not isinstance(self.noise, Tracer) and not bool(jnp.all(self.noise > 0)):
                raise InputError(f"experiment {name!r}: noise must be positive, or None where it is unknown")
            try:
                np.broadcast_shapes(self.noise.shape, self.data.shape)
            except ValueError:
                raise InputError(
                    f"experiment {name!r}: noise of shape {self.noise.shape} does not fit data of {self.data.shape}"
                ) from None
        self.inputs, self.model, self.name = inputs, model, name

    def predicted(self, parameters: Any) -> Float[Array, "..."]:
        """What the model says of all measurements; tests of one kind one after the other."""
        if self.inputs is None:
            out = self.model(parameters)
        else:
            out = jax.lax.map(lambda x: self.model(parameters, x), self.inputs)
        if jnp.shape(out) != self.data.shape:
            raise InputError(
                f"experiment {self.name!r}: the model predicts shape {jnp.shape(out)}, the data have {self.data.shape}"
            )
        return out

    def residuals(self, parameters: Any, believed=None) -> Float[Array, " m"]:
        """In units of the noise; zero where nothing was measured.

        Args:
            parameters: of the model.
            believed: mask of the predictions that count. Default: those that are finite. Others stay NaN where they
                fail, which tells an optimizer to go back.
        """
        prediction = self.predicted(parameters)
        believed = jnp.isfinite(prediction) if believed is None else believed
        counts = believed & jnp.isfinite(self.data)
        # Both sides of the difference are masked: a NaN must not meet a zero cotangent.
        left = jnp.where(counts, prediction, 0) - jnp.where(counts, self.data, 0)
        return (left / (1.0 if self.noise is None else self.noise)).ravel()
