"""What the lattice returns: energy, stress, tangent and elastic constants; and itself, as a material."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Float, Int

from ..materials import AbstractMaterial, AbstractPoints, LinearElastic, Step, Update, at_rest
from ..messages import GeneralResponse, IsotropicElasticResponse
from ..results import LOCAL_SOLVE, SUCCESS, InputError
from ..solvers import guarded
from ..tensors import to_mandel
from .crystals import dual
from .down import deformation
from .model import Lattice, need_deformation, need_lattice
from .solve import admissible, inner_equilibrium


class LatticeAnswer(eqx.Module):
    """What comes up from a lattice at a deformation.

    Args:
        energy: W per volume of the undeformed crystal.
        stress: (d, d) first Piola-Kirchhoff stress P = dW/dF (force per undeformed area; in 1-D the force).
        tangent: (d, d, d, d) dP_iJ / dF_kL, with the inner shifts in equilibrium.
        shifts: (m - 1, d) inner shifts, in the undeformed crystal.
        code: SUCCESS or LOCAL_SOLVE.
    """

    energy: Float[Array, ""]
    stress: Float[Array, "d d"]
    tangent: Float[Array, "d d d d"]
    shifts: Float[Array, "n d"]
    code: Int[Array, ""]


def energy_and_stress(lattice: Lattice, F: Float[Array, "d d"]) -> tuple[Array, Array, Array, Array]:
    """W(F), P(F), inner shifts and code; the shifts at equilibrium do no work, P is the slope at fixed ones.

    Of an F that is turned inside out too: a pair of atoms does not notice, whoever asks must (`admissible`).
    """
    found = inner_equilibrium(lattice, F)
    energy, stress = jax.value_and_grad(lattice.density)(F, found.shifts)
    return energy, stress, found.shifts, found.code


def cauchy_born(lattice: Lattice, F: Float[Array, "d d"]) -> LatticeAnswer:
    """Energy, stress and tangent of a crystal whose atoms follow a uniform deformation (the Cauchy-Born rule).

        W(F) = min_s sum of V(|F (R + s)|) / v,    P = dW/dF,    A = dP/dF = W_FF - W_Fs W_ss^-1 W_sF

    Args:
        lattice: crystal and potentials.
        F: deformation gradient (d, d); d = 1 is a chain.

    Returns:
        `LatticeAnswer`, NaN where no inner equilibrium was found or det F > 0 does not hold (energies of pairs do not
        notice a crystal that is turned inside out).

    Raises:
        InputError: no lattice, or an F of another shape.

    Source:
        Born & Huang (1954), Dynamical Theory of Crystal Lattices, section 11; Tadmor, Ortiz & Phillips (1996), Phil.
        Mag. A 73, 1529-1563, section 2.
    """
    need_lattice(lattice, "cauchy_born")
    return _answer(lattice, need_deformation(F, lattice))


@eqx.filter_jit
def _answer(lattice, F):
    energy, stress, shifts, code = energy_and_stress(lattice, F)
    tangent = jax.jacfwd(lambda f: energy_and_stress(lattice, f)[1])(F)
    ok = (code == SUCCESS) & admissible(F) & jnp.isfinite(energy)
    energy, stress, tangent = (guarded(ok, x) for x in (energy, stress, tangent))
    return LatticeAnswer(energy, stress, tangent, shifts, jnp.where(ok, SUCCESS, LOCAL_SOLVE).astype(jnp.int32))


def elastic_constants(lattice: Lattice) -> Float[Array, "n n"]:
    """Elastic stiffness of the crystal as it is given, at 0 K, with relaxed inner shifts.

        C_IJKL = d2W / dE_IJ dE_KL = A_IJKL - delta_IK P_JL    at F = 1, E Green's strain

    Args:
        lattice: crystal and potentials; give that of `ground_state` for the constants at rest.

    Returns:
        Mandel (6, 6) or (3, 3); (1, 1) for a chain, its modulus in units of force. NaN where the inner shifts have no
        equilibrium.

    Raises:
        InputError: no lattice, inadmissible parameters.
    """
    d = lattice.dim if isinstance(lattice, Lattice) else 0
    need_lattice(lattice, "elastic_constants")
    answer = cauchy_born(lattice, jnp.eye(d, dtype=lattice.crystal.vectors.dtype))
    eye = jnp.eye(d, dtype=answer.tangent.dtype)
    c = answer.tangent - eye[:, None, :, None] * answer.stress[None, :, None, :]
    c = 0.5 * (c + jnp.swapaxes(c, 0, 1))
    c = 0.5 * (c + jnp.swapaxes(c, 2, 3))
    if d == 1:
        return c[0, 0]
    half = to_mandel(c)  # (d, d, n)
    return to_mandel(jnp.moveaxis(half, -1, 0))


class CauchyBorn(AbstractMaterial):
    """A crystal as a hyperelastic material: `drive(LoadPath.finite(...))` and every other user of the contract take it.

    Small strains of it are a linear law: `linearized`.

    The energy that it answers is W(F) - W(1). A crystal of dimension 3 on a plane grid is in plane strain; axes of the
    crystal are those of the grid (`crystal.deformed(rotation)` turns it).

    Args:
        lattice: crystal and potentials, at rest (`ground_state`) unless it shall be prestressed.

    Raises:
        InputError: no lattice, a chain (it has no grid: use `cauchy_born`).

    Fails with:
        local_solve at points that are turned inside out or whose inner shifts found no equilibrium.

    Caveats:
        One crystal for all points; a polycrystal is a `PhaseMixture` of turned ones. The rule itself may fail before
        the material notices: ask `rule` where phonons are soft or a broken state has less energy.
    """

    lattice: Lattice
    physics: str = eqx.field(static=True)

    def __init__(self, lattice: Lattice):
        if not isinstance(lattice, Lattice):
            raise InputError(
                f"CauchyBorn was given {type(lattice).__name__}: give a Lattice, such as Lattice.pairs(...)"
            )
        if lattice.dim == 1:
            raise InputError("a chain is no material of a plane or a solid: use cauchy_born(lattice, F) for a bar")
        self.lattice, self.physics = lattice, "finite_strain"

    def linearized(self, rotation=None) -> LinearElastic:
        """The crystal under small strains, a linear law for `homogenize`: C of `elastic_constants`.

        Args:
            rotation: (..., 3, 3) of a solid crystal, one or per voxel, v_sample = R v_crystal; a plane one is turned
                by `crystal.deformed(R)`.

        Returns:
            `LinearElastic`, differentiable with respect to every number of the lattice.

        Raises:
            InputError: a concrete crystal that is not at rest (its stress is no linear function of strain alone) or has
                no inner equilibrium; a rotation of a plane crystal.
        """
        c = elastic_constants(self.lattice)
        stress = cauchy_born(self.lattice, jnp.eye(self.lattice.dim, dtype=c.dtype)).stress
        if not isinstance(c, Tracer) and not isinstance(stress, Tracer):
            top, pull = float(jnp.max(jnp.abs(c))), float(jnp.max(jnp.abs(stress)))
            if not pull <= float(jnp.finfo(c.dtype).eps) ** 0.4 * top:
                raise InputError(
                    f"the crystal is not at rest (stress {pull:.3g}, stiffness {top:.3g}): give the lattice of"
                    " ground_state"
                )
        return LinearElastic.from_stiffness(c, rotation)

    def points(self, shape, dtype):
        if self.lattice.dim < len(shape):
            raise InputError(f"the crystal has {self.lattice.dim} dimensions, the grid {len(shape)}: give a solid one")
        return CauchyBornPoints(lattice=self.lattice.cast(dtype), dim=len(shape))

    def code(self):
        return jnp.asarray(SUCCESS, jnp.int32)

    def check(self, where: str = "") -> None:
        self.lattice.check(where)


class CauchyBornPoints(AbstractPoints):
    """The law at points."""

    lattice: Lattice
    dim: int = eqx.field(static=True)

    @property
    def symmetric(self) -> bool:
        return True

    def initial(self, shape, dtype):
        return ()

    def voxel(self, index, shape):
        return self

    def _one(self, f):
        """W, P, det F and code of one point."""
        d = self.dim
        F = deformation(f, d, self.lattice.dim)
        energy, stress, _, code = energy_and_stress(self.lattice, F)
        return energy, stress[:d, :d].ravel(), dual(F)[1], code

    def _each(self, function, strain):
        out = jax.vmap(function, 1, -1)(strain.reshape(strain.shape[0], -1))
        return jax.tree.map(lambda x: x.reshape(*x.shape[:-1], *strain.shape[1:]), out)

    def update(self, strain, state, step: Step) -> Update:
        energy, stress, det, code = self._each(self._one, strain)
        rest, *_ = energy_and_stress(self.lattice, jnp.eye(self.lattice.dim, dtype=strain.dtype))
        code = jnp.maximum(code, jnp.where(det > 0, SUCCESS, LOCAL_SOLVE).astype(jnp.int32))
        return Update(stress, (), energy - rest, jnp.zeros_like(energy), code)

    def tangent(self, strain, state, step: Step):
        rows = self._each(jax.jacfwd(lambda f: self._one(f)[1]), strain)
        n = self.dim**2
        return GeneralResponse.of([[rows[i, j] for j in range(n)] for i in range(n)], self.dim, True)

    def elastic(self, shape, dtype):
        one = at_rest(jnp.zeros((self.dim**2, *(1,) * self.dim), dtype), self.dim)
        lam, mu = (jnp.asarray(x) for x in self.tangent(one, (), Step(jnp.ones((), dtype))).isotropic_part())
        return IsotropicElasticResponse(jnp.broadcast_to(lam, shape), jnp.broadcast_to(mu, shape), self.dim)
