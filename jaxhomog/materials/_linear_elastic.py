"""Hooke's law: sigma = C : eps, of any symmetry, with an optional rotation per voxel."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ..messages import AnisotropicElasticResponse, IsotropicElasticResponse, upper_triangle
from ..results import SUCCESS, InputError, under_jax_defaults
from ..tensors import cubic_stiffness, inverse_spd, plane_strain, rotate_stiffness
from ._law import AbstractLaw, as_parameter, check_rotation, check_symmetric, first_bad, orthogonal, spread, symmetric


class LinearElastic(AbstractLaw):
    """Linear elasticity; build it with one of the constructors below. 2-D is plane strain.

    Every parameter is 0-d or broadcastable to the grid's shape. A `rotation` (..., 3, 3) turns the crystal into the
    sample, v_sample = R v_crystal (`Rotation.from_bunge`).

    Args:
        parameters: primary parameters, by name.
        rotation: rotation per voxel or None.
        form: which constructor made it.
    """

    parameters: dict[str, Float[Array, "..."]]
    rotation: Float[Array, "*r 3 3"] | None
    form: str = eqx.field(static=True)
    physics: str = eqx.field(static=True)

    def __init__(self, parameters: dict[str, Any], form: str, rotation: Any = None):
        self.parameters = {name: as_parameter(value, name) for name, value in parameters.items()}
        if rotation is not None:
            rotation = as_parameter(rotation, "rotation")
            if rotation.shape[-2:] != (3, 3):
                raise InputError(f"rotation has shape {rotation.shape}: give (..., 3, 3)")
        self.rotation = rotation
        self.form = form
        self.physics = "elasticity"

    @staticmethod
    @under_jax_defaults
    def isotropic(young: Any, poisson: Any) -> LinearElastic:
        """Young's modulus E >= 0 (0 is a void) and Poisson's ratio -1 < nu < 0.5."""
        return LinearElastic({"young": young, "poisson": poisson}, "isotropic")

    @staticmethod
    @under_jax_defaults
    def from_bulk_shear(bulk: Any, shear: Any) -> LinearElastic:
        """Isotropic, by bulk modulus K >= 0 and shear modulus G >= 0 (of the solid, in 2-D too); G = 0 is a fluid."""
        return LinearElastic({"bulk": bulk, "shear": shear}, "isotropic")

    @staticmethod
    @under_jax_defaults
    def cubic(c11: Any, c12: Any, c44: Any, rotation: Any = None) -> LinearElastic:
        """Cubic crystal; constants in engineering Voigt notation (c44 = d sigma_23 / d gamma_23)."""
        return LinearElastic({"c11": c11, "c12": c12, "c44": c44}, "cubic", rotation)

    @staticmethod
    @under_jax_defaults
    def orthotropic(
        young: tuple[Any, Any, Any], poisson: tuple[Any, Any, Any], shear: tuple[Any, Any, Any], rotation: Any = None
    ) -> LinearElastic:
        """Orthotropic solid: young (E1, E2, E3), poisson (nu23, nu13, nu12), shear (G23, G13, G12).

        nu_ij is -eps_j / eps_i under a stress along i.
        """
        names = ("E1", "E2", "E3", "nu23", "nu13", "nu12", "G23", "G13", "G12")
        return LinearElastic(dict(zip(names, (*young, *poisson, *shear), strict=True)), "orthotropic", rotation)

    @staticmethod
    @under_jax_defaults
    def transversely_isotropic(
        young_axial: Any,
        young_transverse: Any,
        poisson_axial: Any,
        poisson_transverse: Any,
        shear_axial: Any,
        rotation: Any = None,
    ) -> LinearElastic:
        """Transversely isotropic solid with axis 3; poisson_axial is nu_31 (-eps_1 / eps_3 under a stress along 3)."""
        names = ("E_axial", "E_transverse", "nu_axial", "nu_transverse", "G_axial")
        values = (young_axial, young_transverse, poisson_axial, poisson_transverse, shear_axial)
        return LinearElastic(dict(zip(names, values, strict=True)), "transverse", rotation)

    @staticmethod
    @under_jax_defaults
    def from_stiffness(stiffness: Any, rotation: Any = None) -> LinearElastic:
        """Any stiffness in **Mandel** notation, (..., 6, 6), or (..., 3, 3) in 2-D (plane strain, no rotation).

        `from_voigt(C, kind="stiffness")` converts from engineering Voigt. A stiffness that is not
        symmetric is refused, traced with `invalid_material`: such a solid has no energy, and no solver here.
        """
        array = as_parameter(stiffness, "stiffness")
        if array.ndim < 2 or array.shape[-2:] not in ((6, 6), (3, 3)):
            raise InputError(f"stiffness has shape {array.shape}: give Mandel (..., 6, 6), or (..., 3, 3) in 2-D")
        if rotation is not None and array.shape[-1] == 3:
            raise InputError("a (..., 3, 3) in-plane stiffness takes no rotation: give the (..., 6, 6) stiffness")
        return LinearElastic({"stiffness": array}, "stiffness", rotation)

    def _crystal(self, dtype):
        """Mandel stiffness in the material's own axes, (..., 6, 6) or (..., 3, 3)."""
        p = {name: jnp.asarray(value, dtype) for name, value in self.parameters.items()}
        if self.form == "stiffness":
            return jnp.asarray(symmetric(self.parameters["stiffness"]), dtype)
        if self.form == "cubic":
            return cubic_stiffness(p["c11"], p["c12"], p["c44"])
        if self.form == "transverse":
            et, vt, ea, va = p["E_transverse"], p["nu_transverse"], p["E_axial"], p["nu_axial"]
            ga, gt = p["G_axial"], et / (2 * (1 + vt))
            normal = {(0, 0): 1 / et, (1, 1): 1 / et, (2, 2): 1 / ea, (0, 1): -vt / et, (0, 2): -va / ea}
            normal[1, 2] = normal[0, 2]
            shear = (ga, ga, gt)
        else:
            normal = {(i, i): 1 / p[f"E{i + 1}"] for i in range(3)}
            normal[0, 1] = -p["nu12"] / p["E1"]
            normal[0, 2] = -p["nu13"] / p["E1"]
            normal[1, 2] = -p["nu23"] / p["E2"]
            shear = (p["G23"], p["G13"], p["G12"])
        zero = jnp.zeros((), dtype)
        rows = [[zero] * 6 for _ in range(6)]
        for (i, j), value in normal.items():
            rows[i][j] = rows[j][i] = value
        for i, g in enumerate(shear):
            rows[3 + i][3 + i] = 1 / (2 * g)
        shape = jnp.broadcast_shapes(*(jnp.shape(x) for row in rows for x in row))
        compliance = jnp.stack([jnp.stack([jnp.broadcast_to(x, shape) for x in row], axis=-1) for row in rows], axis=-2)
        return inverse_spd(compliance)

    def response(self, shape, dtype):
        dim = len(shape)
        if self.form == "isotropic":
            p = {name: jnp.asarray(value, dtype) for name, value in self.parameters.items()}
            name = " x ".join(p)
            if "bulk" in p:
                lam, mu = p["bulk"] - 2 * p["shear"] / 3, p["shear"]
            else:
                lam = p["young"] * p["poisson"] / ((1 + p["poisson"]) * (1 - 2 * p["poisson"]))
                mu = p["young"] / (2 * (1 + p["poisson"]))
            return IsotropicElasticResponse(spread(lam, shape, dtype, name), spread(mu, shape, dtype, name), dim)
        c = self._crystal(dtype)
        if self.rotation is not None:
            c = rotate_stiffness(c, jnp.asarray(orthogonal(self.rotation), dtype))
        if c.shape[-1] == 3 and dim == 3:
            raise InputError("a 3 x 3 in-plane stiffness on a 3-D grid: give a 6 x 6 Mandel stiffness")
        if c.shape[-1] == 6 and dim == 2:
            c = plane_strain(c)
        n = c.shape[-1]
        rows = [spread(c[..., i, j], shape, dtype, "stiffness") for i, j in upper_triangle(n)]
        return AnisotropicElasticResponse(jnp.stack(rows), dim)

    def across(self, shape, dtype):
        if self.form == "stiffness" and self.parameters["stiffness"].shape[-1] == 3:
            return None
        solid = self.response((1, *shape), dtype)
        if isinstance(solid, IsotropicElasticResponse):
            return jnp.stack([solid.lam[0], solid.lam[0], jnp.zeros_like(solid.lam[0])])
        return jnp.stack([solid.c[upper_triangle(6).index(pair), 0] for pair in ((0, 2), (1, 2), (2, 5))])

    def code(self):
        return jnp.asarray(SUCCESS, jnp.int32)

    def check(self, where: str = "") -> None:
        if any(isinstance(x, Tracer) for x in jax.tree.leaves(self)):
            return
        p = {name: np.asarray(value, np.float64) for name, value in self.parameters.items()}
        for name, value in p.items():
            if not np.isfinite(value).all():
                raise InputError(f"{name}{where} is {first_bad(np.isfinite(value), value)}: give finite numbers")
        if "bulk" in p:
            for name, value in p.items():
                if not (value >= 0).all():
                    raise InputError(f"{name}{where} is {first_bad(value >= 0, value)}: give a modulus >= 0")
            return
        if self.form == "isotropic":
            young, poisson = p["young"], p["poisson"]
            if not (young >= 0).all():
                raise InputError(f"young{where} is {first_bad(young >= 0, young)}: give a modulus >= 0 (0 is a void)")
            ok = (poisson > -1) & (poisson < 0.5)
            if not ok.all():
                raise InputError(f"poisson{where} is {first_bad(ok, poisson)}: give a ratio in (-1, 0.5)")
            return
        if self.form in ("orthotropic", "transverse"):
            for name, value in p.items():
                if name[0] in "EG" and not (value > 0).all():
                    raise InputError(f"{name}{where} is {first_bad(value > 0, value)}: give a modulus > 0")
        if self.rotation is not None:
            check_rotation(np.asarray(self.rotation, np.float64), where)
        if self.form == "stiffness":
            check_symmetric(p["stiffness"], "stiffness", where, "give one with C_ij = C_ji, in Mandel notation")
        c = np.asarray(self._crystal(jnp.result_type(float)), np.float64)
        lowest = np.linalg.eigvalsh(c) if np.isfinite(c).all() else np.full((*c.shape[:-2], 1), np.nan)
        ok = lowest[..., 0] >= -1e-6 * np.abs(lowest).max(initial=0)
        if not ok.all():
            raise InputError(
                f"stiffness{where} has eigenvalue {first_bad(ok, lowest[..., 0])}: its constants must make it"
                " positive semi-definite"
            )
