"""May a continuum go on with the Cauchy-Born rule? A pure function of the deformation and the material.

The affine state is stable against small waves up to the critical stretch; the rule says nothing beyond. From the
Maxwell stretch on, a cell of a given size has a broken state with less energy: the affine state is then only
metastable, and whether it survives is a matter of temperature and defects.
"""

from __future__ import annotations

from typing import Final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int

from ..results import SUCCESS, InputError
from ..solvers import guarded
from .eigen import eigenvalues
from .model import Lattice, need_deformation
from .phonons import need_pairs, need_waves, relaxed_matrices
from .solve import relax
from .supercells import need_repeats, relax_supercell
from .up import cauchy_born

RULE_VALID: Final = 0
RULE_METASTABLE: Final = 1
RULE_INVALID: Final = 2
RULE_UNDECIDED: Final = 3

# name and advice; the order is the severity.
_RULES: Final = (
    ("valid", "no wave is soft and no state that was tried has less energy: use the Cauchy-Born rule"),
    (
        "metastable",
        "a supercell with a crack has less energy than the affine state: the rule describes a state that need not last,"
        " take smaller loads or resolve the atoms where it is reported",
    ),
    (
        "invalid",
        "a wave or the acoustic tensor has lost its stiffness: the atoms leave the affine state, resolve them there",
    ),
    (
        "undecided",
        "no inner equilibrium of the cell or of the supercell was found, det F <= 0, or a number is not finite: take"
        " smaller steps, check F",
    ),
)


class Rule(eqx.Module):
    """What is known of the rule at a deformation.

    Args:
        code: 0 valid, 1 metastable, 2 invalid, 3 undecided.
        wave: smallest omega^2 of all waves that were scanned.
        long_wave: smallest eigenvalue of the acoustic tensor along their directions (unit of stress).
        gain: energy per volume by which the lowest supercell that was found lies below the affine state (0: not asked;
            NaN: none was found).
    """

    code: Int[Array, "..."]
    wave: Float[Array, "..."]
    long_wave: Float[Array, "..."]
    gain: Float[Array, "..."]

    @property
    def name(self) -> str:
        """Name of the state; of several lanes, the worst (needs concrete values)."""
        return self._text(0)

    @property
    def advice(self) -> str:
        """What to do; of several lanes, in the worst (needs concrete values)."""
        return self._text(1)

    def _text(self, column: int) -> str:
        if isinstance(self.code, Tracer):
            return "<traced>"
        return _RULES[int(np.max(np.asarray(self.code)))][column]


def rule(lattice: Lattice, F: Float[Array, "d d"], q: Float[Array, "q d"], repeats=None) -> Rule:
    """Whether the Cauchy-Born rule may be used at a deformation; `vmap` over the points of a structure.

        invalid:     some omega^2(q, F) <= 0, or the acoustic tensor is not positive definite along some q
        metastable:  a supercell that opens across a lattice vector has less energy than the affine state

    Args:
        lattice: crystal and pairs.
        F: deformation gradient.
        q: (q, d) wave vectors to be scanned, such as `brillouin_zone(crystal, n)`; their directions are those of the
            long waves.
        repeats: supercell for the second question, one whole number per lattice vector (static); None does not ask. The
            longer it is, the earlier the warning.

    Returns:
        `Rule`.

    Raises:
        InputError: no table of pairs, shapes that do not fit.

    Caveats:
        A switch on a finite number of waves and one supercell: what it does not try it does not see.
    """
    need_pairs(lattice, "rule")
    F, q = need_deformation(F, lattice), need_waves(lattice, q)
    if q.ndim != 2 or q.shape[0] == 0:
        raise InputError(f"q has shape {q.shape}: give (waves, {lattice.dim}), at least one")
    if not isinstance(q, Tracer) and not np.all(np.any(np.asarray(q) != 0, axis=1) & np.isfinite(q).all(1)):
        raise InputError("q holds zero or is not finite: q -> 0 is judged by the acoustic tensor, leave it out")
    return _judged(lattice, F, q, None if repeats is None else need_repeats(repeats, lattice.dim))


@eqx.filter_jit
def _judged(lattice, F, q, repeats):
    affine = relax(lattice, F)
    wave = jnp.min(eigenvalues(relaxed_matrices(lattice, F, q)))
    n = q / jnp.sqrt(jnp.sum(q**2, axis=-1, keepdims=True))
    acoustic = jnp.einsum("qJ,iJkL,qL->qik", n, cauchy_born(lattice, F).tangent, n, precision=jax.lax.Precision.HIGHEST)
    long_wave = jnp.min(eigenvalues(0.5 * (acoustic + jnp.swapaxes(acoustic, 1, 2))))
    gain, lower, answered = jnp.zeros_like(wave), jnp.zeros((), bool), jnp.ones((), bool)
    if repeats is not None:
        state = relax_supercell(lattice, repeats, F)
        answered = state.code == SUCCESS
        gain = guarded(answered, state.gain)
        lower = gain > 64 * float(jnp.finfo(F.dtype).eps) * jnp.abs(state.affine)
    soft = (wave <= 0) | (long_wave <= 0)
    calm = jnp.where(lower, RULE_METASTABLE, jnp.where(answered, RULE_VALID, RULE_UNDECIDED))
    code = jnp.where(soft, RULE_INVALID, calm)
    known = (affine.code == SUCCESS) & jnp.isfinite(wave) & jnp.isfinite(long_wave)
    return Rule(jnp.where(known, code, RULE_UNDECIDED).astype(jnp.int32), wave, long_wave, gain)
