"""Crystal plasticity at small strain: rate-dependent slip on the systems of a cubic crystal."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Float

from ..messages import AnisotropicElasticResponse, total, upper_triangle
from ..results import LOCAL_SOLVE, SUCCESS, InputError
from ..solvers import guarded
from ..tensors import rotation_mandel
from ._crystal_solve import Local, crystal_step, kinetics, linearized, residual
from ._hooke import in_plane
from ._law import above, as_parameter, at_least, orthogonal, spread
from ._linear_elastic import LinearElastic
from ._material import AbstractMaterial, AbstractPoints, Step, Update, engineering, packed
from ._slip_systems import DEVIATORIC, SlipHardening, SlipSystems, slip_systems


class CrystalPlasticity(AbstractMaterial):
    """Slip of a cubic crystal, rate-dependent, small strain; 2-D is plane strain.

        d gamma_a / dt = rate |tau_a / g_a|^n sign(tau_a),    tau_a = sigma : P_a,    P_a = sym(b_a n_a),
        eps = eps_elastic + sum_a gamma_a P_a,    dg_a = sum_b q_ab h(g_b) |d gamma_b|    (`SlipHardening`),

    integrated by backward Euler; the equations of a step are solved at every point.

    Args:
        elastic: `LinearElastic.cubic` or `LinearElastic.isotropic`, in crystal axes (without a rotation of its own).
        slip: "fcc", "bcc", "bcc24", a pair of arrays (normals, directions) (systems, 3), or `SlipSystems`.
        rotation: (..., 3, 3), v_sample = R v_crystal (`Rotation.from_bunge`), or None: aligned with the sample.
        strength: initial resistance g of every system > 0 (unit of stress).
        exponent: n >= 1; the larger, the less the rate matters.
        reference_rate: slip rate at tau = g, > 0 (1 / unit of time).
        hardening: `SlipHardening`, or None: g stays.
        latent: q, hardening of other planes' systems relative to a system's own, >= 0.

    Raises:
        InputError: an elasticity that is neither cubic nor isotropic or has a rotation, unknown slip systems.

    Caveats:
        Hardening counts as dissipated: the free energy is elastic energy alone. A step of more than some per cent may
        meet no solution of its equations (`local_solve`).

    Source:
        Hutchinson (1976), Proc. R. Soc. Lond. A 348, 101-127 (slip); Peirce, Asaro & Needleman (1982), Acta Metall.
        30, 1087-1119 (hardening).
    """

    elastic: LinearElastic
    rotation: Float[Array, "*r 3 3"] | None
    strength: Float[Array, "..."]
    exponent: Float[Array, "..."]
    reference_rate: Float[Array, "..."]
    hardening: SlipHardening | None
    latent: Float[Array, "..."]
    slip: SlipSystems = eqx.field(static=True)
    physics: str = eqx.field(static=True)

    def __init__(
        self,
        elastic: LinearElastic,
        slip: Any = "fcc",
        rotation: Any = None,
        *,
        strength: Any,
        exponent: Any,
        reference_rate: Any,
        hardening: SlipHardening | None = None,
        latent: Any = 1.4,
    ):
        if not isinstance(elastic, LinearElastic) or elastic.form not in ("cubic", "isotropic"):
            raise InputError("CrystalPlasticity needs LinearElastic.cubic(c11, c12, c44) or LinearElastic.isotropic")
        if elastic.rotation is not None:
            raise InputError("the elasticity has a rotation: give it to CrystalPlasticity(rotation=...) alone")
        if hardening is not None and not isinstance(hardening, SlipHardening):
            raise InputError("hardening is not a SlipHardening(modulus, saturation, exponent)")
        if rotation is not None:
            rotation = as_parameter(rotation, "rotation")
            if rotation.shape[-2:] != (3, 3):
                raise InputError(f"rotation has shape {rotation.shape}: give (..., 3, 3)")
        self.elastic, self.rotation, self.hardening = elastic, rotation, hardening
        self.slip = slip_systems(slip)
        self.strength = as_parameter(strength, "strength")
        self.exponent = as_parameter(exponent, "exponent")
        self.reference_rate = as_parameter(reference_rate, "reference_rate")
        self.latent = as_parameter(latent, "latent")
        self.physics = "elasticity"

    @property
    def rate_dependent(self) -> bool:
        return True

    @property
    def isochoric(self) -> bool:
        return True

    def points(self, shape, dtype):
        p = {name: jnp.asarray(value, dtype) for name, value in self.elastic.parameters.items()}
        if self.elastic.form == "cubic":
            normal, shear = p["c11"] - p["c12"], 2 * p["c44"]
            bulk = (p["c11"] + 2 * p["c12"]) / 3
        else:
            normal = shear = p["young"] / (1 + p["poisson"])
            bulk = p["young"] / (3 * (1 - 2 * p["poisson"]))
        stiffness = jnp.stack([spread(c, shape, dtype, "elasticity") for c in (normal, normal, shear, shear, shear)])
        frame = jnp.asarray(DEVIATORIC.T, dtype).reshape(6, 5, *(1,) * len(shape))
        if self.rotation is not None:
            spread(self.rotation[..., 0, 0], shape, dtype, "rotation")
            turn = jnp.moveaxis(rotation_mandel(jnp.asarray(orthogonal(self.rotation), dtype)), (-2, -1), (0, 1))
            turn = turn.reshape(6, 6, *(1,) * (len(shape) + 2 - turn.ndim), *turn.shape[2:])
            frame = total([turn[:, k, None] * frame[None, k] for k in range(6)])
        names = ("strength", "exponent", "reference_rate", "latent")
        own = {name: _parameter(getattr(self, name), shape, dtype, name) for name in names}
        hardening = jax.tree.map(lambda x: _parameter(x, shape, dtype, "hardening"), self.hardening)
        return CrystalPoints(
            stiffness=stiffness,
            bulk=_parameter(bulk, shape, dtype, "elasticity"),
            frame=frame,
            hardening=hardening,
            slip=self.slip,
            dim=len(shape),
            **own,
        )

    def code(self):
        return jnp.asarray(SUCCESS, jnp.int32)

    def check(self, where: str = "") -> None:
        LinearElastic(self.elastic.parameters, self.elastic.form, self.rotation).check(where)
        for name in ("strength", "reference_rate"):
            above(getattr(self, name), name, where)
        at_least(self.exponent, 1, "exponent", where)
        at_least(self.latent, 0, "latent", where)
        if self.hardening is not None:
            self.hardening.check(where)
        stiff = [x for x in self.elastic.parameters.values() if not isinstance(x, Tracer)]
        if self.elastic.form == "isotropic" and len(stiff) == 2:
            above(self.elastic.parameters["young"], "young", where)


def _parameter(value, shape, dtype, name):
    """Cast, and checked against the shape, but not spread: a number stays a number."""
    spread(value, shape, dtype, name)
    return jnp.asarray(value, dtype)


class CrystalPoints(AbstractPoints):
    """The law at points.

    State (6 + systems, *pts): plastic strain in the crystal's deviatoric basis (5), resistances, accumulated slip.
    """

    stiffness: Float[Array, "5 *shape"]
    bulk: Float[Array, "..."]
    frame: Float[Array, "6 5 *#shape"]
    strength: Float[Array, "..."]
    exponent: Float[Array, "..."]
    reference_rate: Float[Array, "..."]
    latent: Float[Array, "..."]
    hardening: SlipHardening | None
    slip: SlipSystems = eqx.field(static=True)
    dim: int = eqx.field(static=True)

    @property
    def symmetric(self) -> bool:
        """Without hardening an incremental potential exists."""
        return self.hardening is None

    def initial(self, shape, dtype):
        strength = jnp.broadcast_to(jnp.asarray(self.strength, dtype), (len(self.slip), *shape))
        return jnp.concatenate([jnp.zeros((5, *shape), dtype), strength, jnp.zeros((1, *shape), dtype)])

    def elastic(self, shape, dtype):
        zero = jnp.zeros((), dtype)
        c = _aligned(self.stiffness, 1, len(shape))
        diagonal = jnp.stack([jnp.stack([c[i] if i == j else zero * c[i] for j in range(5)]) for i in range(5)])
        matrix = self._sample(diagonal)
        rows = [jnp.broadcast_to(matrix[i, j], shape) for i, j in upper_triangle(matrix.shape[0])]
        return AnisotropicElasticResponse(jnp.stack(rows), self.dim)

    def internal(self, state):
        plastic = engineering(in_plane(self.plastic_strain(state), self.dim), "strain")
        return {"plastic_strain": plastic, "slip_resistance": state[5:-1], "accumulated_slip": state[-1]}

    def plastic_strain(self, state):
        """Plastic strain in sample axes, (6, *pts) Mandel also in plane strain."""
        frame = _aligned(self.frame, 2, state.ndim - 1)
        return total([frame[:, k] * state[None, k] for k in range(5)])

    def _frame(self, ndim):
        """Columns: the crystal's deviatoric basis in the components of the strain."""
        frame = _aligned(self.frame, 2, ndim)
        return frame if self.dim == 3 else jnp.stack([frame[0], frame[1], frame[5]])

    def _sample(self, matrix):
        """F M F^T + K 1 1^T: moduli (5, 5, *pts) of the crystal's deviators in sample axes."""
        frame = self._frame(matrix.ndim - 2)
        half = total([frame[:, k, None] * matrix[None, k] for k in range(5)])
        out = total([half[:, k, None] * frame[None, :, k] for k in range(5)])
        normal = [float(i < self.dim) for i in range(out.shape[0])]
        normal = jnp.asarray(normal, out.dtype).reshape(-1, *(1,) * (out.ndim - 2))
        return out + self.bulk * (normal[:, None] * normal[None])

    def _local(self, strain, state, step: Step):
        count = len(self.slip)
        ndim = strain.ndim - 1
        frame = self._frame(ndim)
        e = total([frame[i] * strain[None, i] for i in range(strain.shape[0])]) - state[:5]
        # As an array of the law's precision, whatever that of dt.
        amount = self.reference_rate * jnp.asarray(step.dt, strain.dtype)
        strength, stiffness = state[5 : 5 + count], _aligned(self.stiffness, 1, ndim)
        return Local(e, strength, stiffness, self.exponent, amount, self.hardening, self.latent)

    def _solved(self, local):
        """The solution, and the code of every point: of the true residual."""
        x = crystal_step(self.slip, local)
        q, y = jax.lax.stop_gradient((local, x))
        r = jnp.abs(residual(self.slip, y, q))
        tolerance = jnp.sqrt(jnp.finfo(x.dtype).eps)
        size = jnp.max(jnp.abs(q.e), axis=0)
        ok = (jnp.max(r[:5], axis=0) <= tolerance * size) & (q.amount > 0)
        if self.hardening is not None:
            ok = ok & (jnp.max(r[5:], axis=0) <= tolerance * jnp.min(q.strength, axis=0))
        return guarded(ok, x), jnp.where(ok, SUCCESS, LOCAL_SOLVE).astype(jnp.int32)

    def update(self, strain, state, step: Step) -> Update:
        local = self._local(strain, state, step)
        x, code = self._solved(local)
        tau, g, slip, _ = kinetics(self.slip, x, local)
        s, frame = x[:5], self._frame(strain.ndim - 1)
        trace = total([strain[k] for k in range(self.dim)])
        deviator = total([frame[:, k] * s[None, k] for k in range(5)])
        pressure = self.bulk * trace
        stress = jnp.stack([row + pressure if i < self.dim else row for i, row in enumerate(deviator)])
        plastic = state[:5] + (local.e - s / local.stiffness)
        slipped = state[-1] + jnp.sum(jnp.abs(slip), axis=0)
        energy = 0.5 * (jnp.sum(s**2 / local.stiffness, axis=0) + pressure * trace)
        dissipation = jnp.sum(tau * slip, axis=0)
        return Update(stress, jnp.concatenate([plastic, g, slipped[None]]), energy, dissipation, code)

    def tangent(self, strain, state, step: Step):
        local = self._local(strain, state, step)
        x, _ = self._solved(local)
        matrix = self._sample(linearized(self.slip, x, local).inverse)
        return packed(jnp.swapaxes(matrix, 0, 1), self.dim, self.symmetric)


def _aligned(array, lead: int, ndim: int):
    """Axes of length 1 between the leading axes and the points, so that the points' axes broadcast from the right."""
    missing = ndim - (array.ndim - lead)
    return array if missing <= 0 else array.reshape(*array.shape[:lead], *(1,) * missing, *array.shape[lead:])
