"""Linear elasticity with thermal expansion."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..messages import AbstractResponse, AnisotropicElasticResponse, IsotropicElasticResponse, total, upper_triangle
from ..results import SUCCESS, InputError, under_jax_defaults
from ..tensors import rotation_mandel
from ._hooke import hooke, in_plane, lifted, solid_moduli
from ._law import as_parameter, finite, spread
from ._linear_elastic import LinearElastic
from ._material import AbstractMaterial, AbstractPoints, Step, Update


class ThermoElastic(AbstractMaterial):
    """Linear elasticity whose stress-free strain grows with temperature; 2-D is plane strain.

        sigma = C : (eps - alpha (T - T0)),    W = 1/2 (eps - alpha (T - T0)) : C : (eps - alpha (T - T0)).

    T is `Step.temperature` (None: T0). In 2-D the body may not expand out of the plane and is stressed for it.
    `ThermoElastic(elastic, a, T0)` expands alike in all directions; `ThermoElastic.tensor(elastic, alpha, T0)` takes
    a tensor.

    The energy is the elastic energy W, a free energy without the part that depends on temperature alone (the heat
    capacity): the entropy beyond that part is -dW/dT = alpha : sigma, so dW = sigma : d eps - (alpha : sigma) dT.
    Nothing is dissipated.

    Args:
        elastic: `LinearElastic`, any symmetry and rotation.
        expansion: coefficient of linear expansion (1 / unit of temperature), 0-d or broadcastable to the grid's shape.
        reference_temperature: T0, where the unstrained body is free of stress; likewise.

    Raises:
        InputError: an elasticity that is not `LinearElastic`; a 3 x 3 in-plane stiffness.

    Source:
        Nye (1985), Physical Properties of Crystals, chapters VI (expansion) and X (thermodynamics).
    """

    elastic: LinearElastic
    expansion: Float[Array, "..."]
    reference_temperature: Float[Array, "..."]
    form: str = eqx.field(static=True)
    physics: str = eqx.field(static=True)

    def __init__(self, elastic: LinearElastic, expansion: Any, reference_temperature: Any = 0.0, form: str = "scalar"):
        if not isinstance(elastic, LinearElastic):
            raise InputError("ThermoElastic needs a LinearElastic: give LinearElastic.isotropic(...) or alike")
        self.elastic = elastic
        self.expansion = as_parameter(expansion, "expansion")
        self.reference_temperature = as_parameter(reference_temperature, "reference_temperature")
        self.form = form
        self.physics = "elasticity"

    @staticmethod
    @under_jax_defaults
    def tensor(elastic: LinearElastic, expansion: Any, reference_temperature: Any = 0.0) -> ThermoElastic:
        """Expansion of any symmetry: alpha (..., 6) in **Mandel** components, in the crystal's axes.

        The rotation of `elastic` turns it into the sample; leading axes broadcast to the grid's shape.
        """
        array = as_parameter(expansion, "expansion tensor")
        if array.ndim < 1 or array.shape[-1] != 6:
            raise InputError(f"expansion tensor has shape {array.shape}: give Mandel components (..., 6)")
        return ThermoElastic(elastic, array, reference_temperature, "tensor")

    def points(self, shape, dtype):
        moduli = solid_moduli(self.elastic, shape, dtype)
        alpha = jnp.asarray(self.expansion, dtype)
        if self.form == "scalar":
            alpha = spread(alpha, shape, dtype, "expansion")
            zero = jnp.zeros_like(alpha)
            alpha = jnp.stack([alpha, alpha, alpha, zero, zero, zero])
        else:
            if self.elastic.rotation is not None:
                turn = rotation_mandel(jnp.asarray(self.elastic.rotation, dtype))
                alpha = jnp.sum(turn * alpha[..., None, :], axis=-1)
            alpha = jnp.stack([spread(alpha[..., k], shape, dtype, "expansion tensor") for k in range(6)])
        reference = spread(self.reference_temperature, shape, dtype, "reference_temperature")
        return ThermoElasticPoints(moduli=moduli, expansion=alpha, reference=reference, dim=len(shape))

    def code(self):
        return jnp.asarray(SUCCESS, jnp.int32)

    def check(self, where: str = "") -> None:
        self.elastic.check(where)
        finite(self.expansion, "expansion", where)
        finite(self.reference_temperature, "reference_temperature", where)


class ThermoElasticPoints(AbstractPoints):
    """The law at points: three-dimensional moduli and expansion in the sample's axes. It has no state."""

    moduli: AbstractResponse
    expansion: Float[Array, "6 *pts"]
    reference: Float[Array, "*pts"]
    dim: int = eqx.field(static=True)

    @property
    def symmetric(self) -> bool:
        return True

    def initial(self, shape, dtype):
        return ()

    def elastic(self, shape, dtype):
        full = lambda x: jnp.broadcast_to(jnp.asarray(x, dtype), shape)  # noqa: E731
        if isinstance(self.moduli, IsotropicElasticResponse):
            return IsotropicElasticResponse(full(self.moduli.lam), full(self.moduli.mu), self.dim)
        assert isinstance(self.moduli, AnisotropicElasticResponse)
        keep = range(6) if self.dim == 3 else (0, 1, 5)
        rows = [self.moduli.c[m] for m, (i, j) in enumerate(upper_triangle(6)) if i in keep and j in keep]
        return AnisotropicElasticResponse(jnp.stack([full(row) for row in rows]), self.dim)

    def update(self, strain, state, step: Step) -> Update:
        e = lifted(strain)
        if step.temperature is not None:
            warming = jnp.asarray(step.temperature, strain.dtype) - self.reference
            e = jnp.stack([e[k] - self.expansion[k] * warming for k in range(6)])
        stress = hooke(self.moduli, e)
        energy = 0.5 * total([e[k] * stress[k] for k in range(6)])
        return Update(
            in_plane(stress, self.dim), state, energy, jnp.zeros_like(energy), jnp.zeros(energy.shape, jnp.int32)
        )

    def tangent(self, strain, state, step: Step):
        return self.elastic(strain.shape[1:], strain.dtype)
