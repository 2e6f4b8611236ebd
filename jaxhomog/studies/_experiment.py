"""Macro tests that a fit compares with, and their residuals in units of the noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ..results import InputError, under_jax_defaults
from ._checks import function, is_real, shown


class Experiment(eqx.Module):
    """One kind of test: what was measured, how well, and the model that predicts it.

        residual = (model(parameters, input) - data) / noise

    Args:
        model: a pure function, (parameters) or (parameters, input) -> prediction of the shape of one measurement, NaN
            where its solve failed (`throw=False`). The same function object is compiled once. Large arrays that it
            needs (labels) belong into a `jax.tree_util.Partial` or an `equinox.Module`, as arguments of the program.
        data: what was measured; NaN where nothing was. With `inputs` the leading axis runs over the tests.
        noise: standard deviation, one number or broadcast to the shape of `data`; None: unknown, the same for all data,
            and estimated from the residuals.
        inputs: a pytree of arrays whose leading axis runs over several tests of this kind (loads, labels), or None.
        name: for reports.

    Raises:
        InputError: data that are no numbers, a noise that is not positive or does not fit, inputs that are no arrays of
            one length.
    """

    data: Float[Array, "..."]
    noise: Float[Array, "..."] | None
    inputs: Any
    model: Callable
    name: str = eqx.field(static=True)

    @under_jax_defaults
    def __init__(self, model: Callable, data: Any, noise: Any = None, inputs: Any = None, name: str = "data"):
        if not isinstance(name, str):
            raise InputError(f"name={shown(name)}: give a text, for reports")
        function("model", model, "the parameters", *(() if inputs is None else ("an input",)))
        self.data = _numbers(data, f"experiment {name!r}: data")
        if not isinstance(self.data, Tracer):
            if bool(jnp.any(jnp.isinf(self.data))):
                raise InputError(f"experiment {name!r}: data are infinite: give NaN where nothing was measured")
            if not bool(jnp.any(jnp.isfinite(self.data))):
                raise InputError(f"experiment {name!r} has no finite data: give what was measured")
        self.noise = None
        if noise is not None:
            noise = _numbers(noise, f"experiment {name!r}: noise")
            try:
                fits = np.broadcast_shapes(noise.shape, self.data.shape) == self.data.shape
            except ValueError:
                fits = False
            if not fits:
                raise InputError(
                    f"experiment {name!r}: noise of shape {noise.shape} does not fit data of {self.data.shape}"
                )
            noise = jnp.broadcast_to(noise, self.data.shape)
            if not isinstance(noise + self.data, Tracer) and not bool(
                jnp.all((noise > 0) & (noise < jnp.inf) | jnp.isnan(self.data))
            ):
                raise InputError(
                    f"experiment {name!r}: noise must be positive and finite, or None where it is unknown; give data"
                    " NaN where nothing was measured"
                )
            self.noise = noise
        for x in jax.tree.leaves(inputs):
            if not is_real(x, "bc"):
                raise InputError(f"experiment {name!r}: inputs hold {shown(x)}: give arrays of numbers")
        lengths = {np.shape(x)[:1] for x in jax.tree.leaves(inputs)}
        if inputs is not None and lengths != {self.data.shape[:1] or (0,)}:
            raise InputError(
                f"experiment {name!r}: inputs have lengths {sorted(lengths)} and the data {self.data.shape[:1]}: give"
                " arrays whose first axis runs over the tests"
            )
        self.inputs, self.model, self.name = inputs, model, name

    def predicted(self, parameters: Any) -> Float[Array, "..."]:
        """What the model says of all measurements; tests of one kind one after the other."""
        try:
            if self.inputs is None:
                out = self.model(parameters)
            else:
                out = jax.lax.map(lambda x: self.model(parameters, x), self.inputs)
        except KeyError as error:
            if not isinstance(parameters, Mapping) or not error.args or error.args[0] in parameters:
                raise
            raise InputError(
                f"experiment {self.name!r}: the model asks for {error.args[0]!r}, which is no parameter: there are"
                f" {', '.join(map(str, parameters))}"
            ) from error
        if not isinstance(out, jax.Array | np.ndarray | float) or jnp.iscomplexobj(out):
            raise InputError(f"experiment {self.name!r}: the model returns a {type(out).__name__}: return a real array")
        if jnp.shape(out) != self.data.shape:
            raise InputError(
                f"experiment {self.name!r}: the model predicts shape {jnp.shape(out)}, the data have {self.data.shape}"
            )
        return jnp.asarray(out)

    def counted(self, prediction) -> Array:
        """Which data count: measured, and predicted."""
        return jnp.isfinite(prediction) & jnp.isfinite(self.data)

    def residuals(self, parameters: Any, counted) -> Float[Array, " m"]:
        """In units of the noise; zero where nothing counts, NaN where a prediction that counts fails."""
        prediction = self.predicted(parameters)
        # Both sides of the difference are masked: a NaN must not meet a zero cotangent.
        left = jnp.where(counted, prediction, 0) - jnp.where(counted, self.data, 0)
        if self.noise is not None:
            left = left / jnp.where(counted, self.noise, 1)
        return left.ravel()


@under_jax_defaults
def _numbers(x, what) -> Array:
    try:
        x = x if hasattr(x, "dtype") else np.asarray(x)
    except ValueError:  # lists of several lengths
        raise InputError(f"{what} are no numbers: give an array of real numbers") from None
    if not is_real(x):
        raise InputError(f"{what} are no numbers: give an array of real numbers")
    x = jnp.asarray(x)
    return x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(jnp.asarray(0.0).dtype)
