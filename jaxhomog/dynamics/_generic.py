"""Dynamics that respect both laws of thermodynamics: an energy, an entropy, and two matrices that keep them apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int

from ..results import InputError
from ._checked import array, need_callable, tolerance_of

GENERIC_NOT_FINITE: Final = 1
GENERIC_ANTISYMMETRY: Final = 2
GENERIC_SYMMETRY: Final = 4
GENERIC_INDEFINITE: Final = 8
GENERIC_ENTROPY_DEGENERACY: Final = 16
GENERIC_ENERGY_DEGENERACY: Final = 32

_REASONS: Final = {
    GENERIC_NOT_FINITE: ("", "energy, entropy or a matrix is not finite at this state"),
    GENERIC_ANTISYMMETRY: ("antisymmetry", "L is not antisymmetric: the reversible part changes the energy"),
    GENERIC_SYMMETRY: ("symmetry", "M is not symmetric"),
    GENERIC_INDEFINITE: ("indefinite", "M is not positive semi-definite: entropy may fall"),
    GENERIC_ENTROPY_DEGENERACY: ("entropy_degeneracy", "L grad S is not 0: the reversible part changes the entropy"),
    GENERIC_ENERGY_DEGENERACY: ("energy_degeneracy", "M grad E is not 0: the dissipative part changes the energy"),
}
_SOUND: Final = "energy is conserved and entropy cannot fall"


class GenericReport(eqx.Module):
    """Whether a pair of matrices belongs to an energy and an entropy, at one state or at several.

    Args:
        antisymmetry: |L + L^T| / |L| (Frobenius; 0 where L is 0, and so on).
        symmetry: |M - M^T| / |M|.
        indefinite: -(lowest eigenvalue of M) / |M|, at least 0.
        entropy_degeneracy: |L grad S| / (|L| |grad S|).
        energy_degeneracy: |M grad E| / (|M| |grad E|). In a law by construction |L| and |M| are those of J and R R^T,
            of which the projections may leave nothing but rounding.
        code: what is violated (bits, see `reason`); 0 where nothing is.
    """

    antisymmetry: Float[Array, "..."]
    symmetry: Float[Array, "..."]
    indefinite: Float[Array, "..."]
    entropy_degeneracy: Float[Array, "..."]
    energy_degeneracy: Float[Array, "..."]
    code: Int[Array, "..."]

    @property
    def holds(self) -> Bool[Array, "..."]:
        """True where nothing is violated."""
        return self.code == 0

    @property
    def reason(self) -> str:
        """What is violated, with the worst residual of all states (needs concrete values)."""
        if isinstance(self.code, Tracer):
            return "<traced>"
        bits = int(np.bitwise_or.reduce(np.asarray(self.code), axis=None))
        parts = []
        for bit, (name, text) in _REASONS.items():
            if bits & bit:
                worst = f" ({name} = {float(np.max(np.asarray(getattr(self, name)))):.2g})" if name else ""
                parts.append(text + worst)
        return "; ".join(parts) or _SOUND


class Generic(eqx.Module):
    """A law of the form GENERIC.

        z' = L(z) grad E(z) + M(z) grad S(z),    L = -L^T,  L grad S = 0,    M = M^T >= 0,  M grad E = 0

    so that E' = 0 and S' = grad S . M grad S >= 0.

    The matrices are the user's own (`Generic(...)`: they are checked by `certify` and by the integrator, which refuses
    a pair that violates a line above), or projected so that they cannot violate any (`Generic.constructed`).

    Args:
        energy: E(z, parameters) of z (n,), a pure function.
        entropy: S(z, parameters).
        poisson: L(z, parameters) (n, n).
        friction: M(z, parameters) (n, n).
        parameters: pytree handed to all four; it may be differentiated.
        by_construction: whether the matrices are projected (see `constructed`).

    Raises:
        InputError: something that is no function.

    Source:
        Grmela & Oettinger (1997), Phys. Rev. E 56, 6620-6632; Oettinger (2005), Beyond Equilibrium Thermodynamics,
        eqs. 1.1-1.7.

    Caveats:
        The Jacobi identity of L is not looked at: projected matrices do not have it in general.
    """

    energy: Callable = eqx.field(static=True)
    entropy: Callable = eqx.field(static=True)
    poisson: Callable = eqx.field(static=True)
    friction: Callable = eqx.field(static=True)
    parameters: Any
    by_construction: bool = eqx.field(static=True)

    def __init__(
        self,
        energy: Callable,
        entropy: Callable,
        poisson: Callable,
        friction: Callable,
        parameters: Any = None,
        *,
        by_construction: bool = False,
    ):
        for name, f in (("energy", energy), ("entropy", entropy), ("poisson", poisson), ("friction", friction)):
            need_callable(f, name, "(z, parameters) -> value", 2)
        self.energy, self.entropy, self.poisson, self.friction = energy, entropy, poisson, friction
        self.parameters, self.by_construction = parameters, by_construction

    @classmethod
    def constructed(
        cls, energy: Callable, entropy: Callable, skew: Callable, root: Callable, parameters: Any = None
    ) -> Generic:
        """A law that holds by construction, whatever `skew` and `root` return: for learning and for design.

            L = Q(grad S) (J - J^T) / 2 Q(grad S),    M = Q(grad E) R R^T Q(grad E),    Q(g) = 1 - g g^T / g.g

        Args:
            energy, entropy: as for `Generic`.
            skew: J(z, parameters) (n, n), any matrix.
            root: R(z, parameters) (n, r), any matrix.
            parameters: pytree handed to all four.

        Caveats:
            The projections are orthogonal in the components of z: choose their units so that they are comparable.
        """
        return cls(energy, entropy, skew, root, parameters, by_construction=True)

    def gradients(self, z: Float[Array, " n"]) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        """grad E and grad S (n,)."""
        z = array(z, "z", 1)
        return jax.grad(self.energy)(z, self.parameters), jax.grad(self.entropy)(z, self.parameters)

    def matrices(self, z: Float[Array, " n"]) -> tuple[Float[Array, "n n"], Float[Array, "n n"]]:
        """L and M (n, n)."""
        z = array(z, "z", 1)
        left, right = self.poisson(z, self.parameters), self.friction(z, self.parameters)
        if not self.by_construction:
            return left, right
        energy, entropy = self.gradients(z)
        return across(0.5 * (left - left.T), entropy), across(right @ right.T, energy)

    def rate(self, z: Float[Array, " n"]) -> Float[Array, " n"]:
        """z' (n,)."""
        z = self.state(z)
        (energy, entropy), (left, right) = self.gradients(z), self.matrices(z)
        return left @ energy + right @ entropy

    def certify(self, z: Any, *, tolerance: float | None = None) -> GenericReport:
        """Whether every condition holds at states z (..., n).

        Args:
            z: states.
            tolerance: of all residuals; default the dtype's precision to the power 2/3 (4e-11 in float64).
        """
        z = self.state(z, (1, 2))
        limit = tolerance_of(tolerance, float(jnp.finfo(z.dtype).eps) ** (2 / 3))
        report = _certify(self, z.reshape(-1, z.shape[-1]), limit)
        return jax.tree.map(lambda x: x.reshape(z.shape[:-1]), report)

    def state(self, z: Any, ndim: int | tuple[int, ...] = 1) -> Float[Array, "*b n"]:
        """z as an array that all four functions take, in the widest precision of what they return.

        Raises:
            InputError: numbers of the wrong shape, or functions that return something else for it.
        """
        z = array(z, "z", ndim)
        n = z.shape[-1]
        one = jax.ShapeDtypeStruct((n,), z.dtype)
        dtypes = [z.dtype]
        for name in ("energy", "entropy", "poisson", "friction"):
            found = jax.eval_shape(getattr(self, name), one, self.parameters)
            shape, dtype = getattr(found, "shape", None), getattr(found, "dtype", bool)
            scalar = name in ("energy", "entropy")
            wanted = () if scalar else (n, n)
            root = name == "friction" and self.by_construction
            if shape != wanted and not (root and shape is not None and len(shape) == 2 and shape[0] == n):
                raise InputError(f"{name} returns the shape {shape} for z of {n} entries: give {wanted}")
            if not jnp.issubdtype(dtype, jnp.floating) and (scalar or not jnp.issubdtype(dtype, jnp.integer)):
                raise InputError(f"{name} returns the dtype {dtype}: give real floating-point numbers")
            dtypes.append(dtype)
        return z.astype(jnp.result_type(*dtypes))


def across(matrix: Float[Array, "n n"], direction: Float[Array, " n"]) -> Float[Array, "n n"]:
    """Q A Q with Q = 1 - g g^T / g.g; A itself for g = 0."""
    square = direction @ direction
    unit = direction / jnp.sqrt(jnp.where(square > 0, square, 1))
    half = matrix - jnp.outer(unit, unit @ matrix)
    return half - jnp.outer(half @ unit, unit)


@eqx.filter_jit
def _certify(law, z, limit):
    def at(z):
        (energy, entropy), (left, right) = law.gradients(z), law.matrices(z)
        size = lambda x: jnp.sqrt(jnp.sum(x**2))  # noqa: E731
        over = lambda a, b: a / jnp.where(b > 0, b, 1)  # noqa: E731
        left, right = left.astype(z.dtype), right.astype(z.dtype)
        lowest = jnp.linalg.eigvalsh(0.5 * (right + right.T))[0]
        skew, positive = size(left), size(right)
        if law.by_construction:
            root = law.friction(z, law.parameters)
            skew, positive = size(law.poisson(z, law.parameters)), size(root @ root.T)
        residuals = (
            over(size(left + left.T), skew),
            over(size(right - right.T), positive),
            over(jnp.maximum(-lowest, 0), positive),
            over(size(left @ entropy), skew * size(entropy)),
            over(size(right @ energy), positive * size(energy)),
        )
        bits = (GENERIC_ANTISYMMETRY, GENERIC_SYMMETRY, GENERIC_INDEFINITE)
        bits += (GENERIC_ENTROPY_DEGENERACY, GENERIC_ENERGY_DEGENERACY)
        values = (law.energy(z, law.parameters), law.entropy(z, law.parameters), *residuals)
        code = jnp.where(jnp.all(jnp.isfinite(jnp.stack(values))), 0, GENERIC_NOT_FINITE)
        for bit, residual in zip(bits, residuals, strict=True):
            code = code + jnp.where(residual > limit, bit, 0)
        return GenericReport(*residuals, code.astype(jnp.int32))

    return jax.vmap(at)(z)
