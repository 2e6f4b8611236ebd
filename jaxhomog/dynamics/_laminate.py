"""Memory from space averaging: the relaxation of laminates of viscoelastic layers in series, exactly."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..results import InputError
from ._checked import array, concrete, together
from ._prony import PronyKernel


class Relaxation(eqx.Module):
    """Stress of a linear viscoelastic layer or laminate under a strain history.

        sigma(t) = viscosity E'(t) + modulus E(t) + int_0^t kernel(t - s) E'(s) ds

    Args:
        viscosity: what answers to the rate at once (0 unless all layers are dashpots too); stress x time.
        modulus: long-term modulus, stress.
        kernel: the memory, exponentials with weights >= 0; its `weights` and 1 / `rates` are the branches of a
            generalized Maxwell model.
    """

    viscosity: Float[Array, ""]
    modulus: Float[Array, ""]
    kernel: PronyKernel

    def __call__(self, time: Any) -> Float[Array, "*t"]:
        """Modulus after a unit step of strain, t > 0."""
        return self.modulus + self.kernel(time)

    def complex_modulus(self, frequency: Any) -> Array:
        """Storage and loss modulus as real and imaginary part, at angular frequencies."""
        s = 1j * array(frequency, "frequency")
        return self.modulus + s * (self.viscosity + self.kernel.transform(s))


def maxwell_laminate(fractions: Any, moduli: Any, branches: Any, times: Any) -> Relaxation:
    """Layers in series, each a spring beside Maxwell branches: springs E_i and E_ik exp(-t / tau_ik).

    The viscous strains are eliminated exactly. Averaging leaves as many exponentials as there are branches, at times
    that no layer has: between the local relaxation and retardation times.

    Args:
        fractions: f_i of the volume (p,), positive; they sum to 1.
        moduli: long-term moduli E_i (p,), not negative, uniaxial or of a plane wave; stress.
        branches: E_ik (p, k), not negative; 0 where a layer has fewer.
        times: tau_ik (p, k), positive.

    Returns:
        `Relaxation`. A branch of no modulus has no weight in it.

    Raises:
        InputError: shapes or signs that do not fit, a layer without any stiffness.

    Caveats:
        Derivatives of weights and times exist where no two times coincide.

    Source:
        Correspondence principle: Hashin (1965), J. Appl. Mech. 32, 630-636.
    """
    f, e = _layers(fractions, moduli, "not negative")
    m, tau = array(branches, "branches", 2, "not negative"), array(times, "times", 2, "positive")
    if m.shape != tau.shape or m.shape[0] != f.shape[0]:
        raise InputError(f"branches {m.shape} and times {tau.shape}: give ({f.shape[0]}, k), one row per layer")
    f, e, m, tau = together(f, e, m, tau)
    sudden = e + jnp.sum(m, axis=1)
    if concrete(sudden) and not (np.asarray(sudden) > 0).all():
        raise InputError("a layer has neither a modulus nor a branch: give it some stiffness")
    series = 1 / jnp.sum(f / sudden)
    # Branches in a row, with the moduli of their layers. In y = sqrt(f m) a, a the strain of the dashpot,
    #   sigma = series (E - r.y),   y' = rate (series r E - hold y),   r = sqrt(f m) / sudden,
    # where `hold` is symmetric: modes are real, and weights are squares.
    layer = np.repeat(np.arange(f.shape[0]), m.shape[1])
    share, stiff, root = f[layer], sudden[layer], jnp.sqrt(1 / tau.ravel())
    # A branch of no modulus gets one of rounding: results are smooth in m, their coordinates in sqrt m are not.
    own = m.ravel()
    b = jnp.sqrt(share * jnp.where(own > 0, own, own + jnp.finfo(own.dtype).eps * jax.lax.stop_gradient(stiff)))
    r = b / stiff
    beside = (layer[:, None] == layer) * (b[:, None] * b) / (share * stiff)
    hold = jnp.eye(len(r), dtype=r.dtype) - beside + series * r[:, None] * r
    rates, modes = jnp.linalg.eigh(root[:, None] * hold * root)
    drive = modes.T @ (root * series * r)
    # A rate of rounding: two layers that flow may share a strain in any way, and no stress drives that.
    flows = rates > 8 * len(r) * jnp.finfo(r.dtype).eps * jnp.max(rates)
    weights = jnp.where(flows, drive**2 / jnp.where(flows, rates, 1), 0)
    modulus = series - jnp.sum(weights)
    return Relaxation(jnp.zeros((), m.dtype), modulus, PronyKernel(weights, jnp.where(flows, rates, 0)))


def kelvin_voigt_laminate(fractions: Any, moduli: Any, viscosities: Any) -> Relaxation:
    """Layers in series, each a spring beside a dashpot: no layer remembers, the laminate does.

    Args:
        fractions: f_i of the volume (p,), positive; they sum to 1.
        moduli: E_i (p,), positive; stress.
        viscosities: eta_i (p,), positive; stress x time.

    Returns:
        `Relaxation` with viscosity 1 / sum(f_i / eta_i) and p - 1 exponentials (as many as layers with different
        E_i / eta_i, less one).

    Raises:
        InputError: shapes or signs that do not fit.

    Caveats:
        Derivatives of weights and times exist where no two times coincide.

    Source:
        Sanchez-Palencia (1980), Non-Homogeneous Media and Vibration Theory, chapter 6; Francfort & Suquet (1986),
        Arch. Ration. Mech. Anal. 96, 265-293.
    """
    f, e = _layers(fractions, moduli, "positive")
    eta = array(viscosities, "viscosities", 1, "positive")
    if eta.shape != f.shape or len(f) < 2:
        raise InputError(f"{len(f)} layers and {len(eta)} viscosities: give one per layer, and at least two layers")
    f, e, eta = together(f, e, eta)
    # eta_i e_i' = sigma - E_i e_i with sum f e = E. In y = sqrt(f eta) e, whose part along u is the mean strain, the
    # rest of y moves in the plane across u, with the symmetric rates E / eta.
    viscosity = 1 / jnp.sum(f / eta)
    u = jnp.sqrt(f / eta * viscosity)
    rate = e / eta
    p = jnp.eye(len(f), dtype=f.dtype) - u[:, None] * u
    rates, modes = jnp.linalg.eigh((p * rate) @ p)
    # The direction u itself is the one of rate 0, the lowest.
    rates, modes = rates[1:], modes[:, 1:]
    drive = modes.T @ (rate * u)
    weights = viscosity * drive**2 / rates
    modulus = viscosity * jnp.sum(rate * u**2) - jnp.sum(weights)
    return Relaxation(viscosity, modulus, PronyKernel(weights, rates))


def _layers(fractions, moduli, sign):
    f, e = array(fractions, "fractions", 1, "positive"), array(moduli, "moduli", 1, sign)
    if f.shape != e.shape:
        raise InputError(f"{f.shape[0]} fractions and {e.shape[0]} moduli: give as many")
    if concrete(f) and abs(float(np.sum(np.asarray(f))) - 1) > 1e-4:
        raise InputError(
            f"fractions sum to {float(np.sum(np.asarray(f))):g}: give shares of the volume, which sum to 1"
        )
    return f, e
