"""Slip systems of cubic crystals, and how slip hardens them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..results import InputError
from ._law import above, as_parameter, at_least

# Orthonormal basis of the deviatoric tensors, Mandel components by rows. Cubic stiffness is diagonal in it:
# c11 - c12 twice, then 2 c44 three times.
_A, _B = 0.5**0.5, 6**-0.5
DEVIATORIC = np.asarray(
    [[_A, -_A, 0, 0, 0, 0], [-_B, -_B, 2 * _B, 0, 0, 0], [0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 1, 0], [0, 0, 0, 0, 0, 1]]
)


@dataclass(frozen=True)
class SlipSystems:
    """Slip systems (plane normal n, direction b) in crystal axes; slip gives the strain gamma sym(b n).

    Args:
        normals: unit normals of the planes, one tuple of three a system.
        directions: unit slip directions, orthogonal to them.
    """

    normals: tuple[tuple[float, float, float], ...]
    directions: tuple[tuple[float, float, float], ...]

    def __len__(self):
        return len(self.normals)

    @cached_property
    def schmid(self) -> np.ndarray:
        """sym(b n) in the deviatoric basis, (systems, 5)."""
        n, b = np.asarray(self.normals), np.asarray(self.directions)
        both = 0.5 * (b[:, :, None] * n[:, None, :] + n[:, :, None] * b[:, None, :])
        weight = np.asarray([1, 1, 1, 2**0.5, 2**0.5, 2**0.5])
        mandel = both[:, (0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1)] * weight
        return mandel @ DEVIATORIC.T

    @cached_property
    def coplanar(self) -> np.ndarray:
        """Which plane each system glides on, (systems, planes), ones and zeros."""
        n = np.asarray(self.normals)
        same = np.abs(n @ n.T) > 1 - 1e-6
        first = np.argmax(same, axis=1)
        return (first[:, None] == np.unique(first)[None, :]).astype(float)


def slip_systems(slip: Any) -> SlipSystems:
    """Systems by name, or of given normals and directions.

    Args:
        slip: "fcc", 12 of {111}<110>; "bcc", 12 of {110}<111>; "bcc24", these and 12 of {112}<111>; or a pair
            (normals, directions) of arrays (systems, 3) in crystal axes, of any length.

    Raises:
        InputError: an unknown name, shapes that do not fit, or a direction that does not lie in its plane.

    Source:
        Kocks, Tome & Wenk (1998), Texture and Anisotropy, chapter 8.
    """
    if isinstance(slip, SlipSystems):
        return slip
    if isinstance(slip, str):
        families = {
            "fcc": [((1, 1, 1), (1, 1, 0))],
            "bcc": [((1, 1, 0), (1, 1, 1))],
            "bcc24": [((1, 1, 0), (1, 1, 1)), ((1, 1, 2), (1, 1, 1))],
        }
        if slip not in families:
            raise InputError(f"slip={slip!r}: use 'fcc', 'bcc', 'bcc24', or a pair of arrays (normals, directions)")
        pairs = [(n, b) for plane, line in families[slip] for n in _family(plane) for b in _family(line)]
        pairs = [(n, b) for n, b in pairs if np.dot(n, b) == 0]
        normals, directions = (np.asarray(x, float) for x in zip(*pairs, strict=True))
    else:
        try:
            normals, directions = (np.asarray(x, float) for x in slip)
        except (TypeError, ValueError):
            raise InputError("slip is not a pair of arrays (normals, directions)") from None
        if normals.ndim != 2 or normals.shape[1] != 3 or normals.shape != directions.shape or not len(normals):
            raise InputError(
                f"slip has normals of shape {normals.shape} and directions of {directions.shape}: give (systems, 3)"
            )
    sizes = np.linalg.norm(normals, axis=1), np.linalg.norm(directions, axis=1)
    if not all((size > 0).all() and np.isfinite(size).all() for size in sizes):
        raise InputError("a slip system has a normal or direction without length")
    normals, directions = normals / sizes[0][:, None], directions / sizes[1][:, None]
    wrong = np.abs(np.sum(normals * directions, axis=1)) > 1e-6
    if wrong.any():
        raise InputError(f"slip system {int(np.argmax(wrong))} has a direction that does not lie in its plane")
    rows = lambda x: tuple((float(a), float(b), float(c)) for a, b, c in x)  # noqa: E731
    return SlipSystems(rows(normals), rows(directions))


def _family(indices):
    """All vectors equivalent under the cubic group, one of each pair of opposites."""
    found = set()
    for order in itertools.permutations(indices):
        for signs in itertools.product((1, -1), repeat=3):
            v = tuple(s * k for s, k in zip(signs, order, strict=True))
            found.add(max(v, tuple(-k for k in v)))
    return sorted(found, reverse=True)


class SlipHardening(eqx.Module):
    """Slip resistances that rise with slip and saturate.

        dg_a = sum_b q_ab h(g_b) |dgamma_b|,    h(g) = modulus |1 - g/saturation|^exponent sign(1 - g/saturation),

    with q_ab = 1 for systems of one plane and `latent` else (an argument of `CrystalPlasticity`).

    Args:
        modulus: h0 >= 0 (unit of stress).
        saturation: resistance where hardening ends, > 0 (unit of stress).
        exponent: a >= 1; 1 is Voce's law.

    Source:
        Peirce, Asaro & Needleman (1982), Acta Metall. 30, 1087-1119; saturation: Brown, Kim &
        Anand (1989), Int. J. Plast. 5, 95-130; Kalidindi, Bronkhorst & Anand (1992), J. Mech. Phys. Solids 40,
        537-569.
    """

    modulus: Float[Array, "..."]
    saturation: Float[Array, "..."]
    exponent: Float[Array, "..."]

    def __init__(self, modulus: Any, saturation: Any, exponent: Any = 1.0):
        self.modulus = as_parameter(modulus, "hardening modulus")
        self.saturation = as_parameter(saturation, "saturation")
        self.exponent = as_parameter(exponent, "hardening exponent")

    def rate(self, resistance):
        """h(g) and dh/dg."""
        left = 1 - resistance / self.saturation
        power = self.modulus * below_one(left, self.exponent - 1)
        return power * left, -self.exponent * power / self.saturation

    def check(self, where: str = "") -> None:
        """Raise `InputError` for inadmissible concrete values."""
        at_least(self.modulus, 0, "hardening modulus", where)
        above(self.saturation, "saturation", where)
        at_least(self.exponent, 1, "hardening exponent", where)


def below_one(ratio, exponent):
    """|ratio|^exponent with finite derivatives of every order at 0 (there the base counts as 1e-30)."""
    return jnp.exp(exponent * jnp.log(jnp.maximum(jnp.abs(ratio), 1e-30)))
