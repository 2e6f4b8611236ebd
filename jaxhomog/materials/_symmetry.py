"""What a tensor means: its symmetry class in the given axes, engineering constants, directional moduli.

These functions read concrete numbers on the host (numpy, double precision); they are for reports, not for traces.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float, Real

from ..results import InputError

_SQRT2 = 2.0**0.5
_PAIRS = {2: ((0, 0), (1, 1), (0, 1)), 3: ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))}


@dataclass(frozen=True)
class Symmetry:
    """Symmetry class of a tensor in the axes it is given in.

    Args:
        name: "isotropic", "cubic", "square", "transversely isotropic", "tetragonal", "orthotropic" or "general".
        axis: the array axis (0, 1, 2) that is special in a transversely isotropic or tetragonal tensor, else None.
        distances: for every class, ||C - P C|| / ||C|| with P the projection on the class (the nearest axis counts).
    """

    name: str
    axis: int | None
    distances: dict[str, float]


def _basis(dim: int) -> np.ndarray:
    """Orthonormal basis of symmetric tensors in Mandel order, (n, dim, dim)."""
    basis = np.zeros((len(_PAIRS[dim]), dim, dim))
    for component, (i, j) in enumerate(_PAIRS[dim]):
        basis[component, i, j] = basis[component, j, i] = 1 if i == j else 1 / _SQRT2
    return basis


def _mandel(rotation: np.ndarray) -> np.ndarray:
    """Action of an orthogonal matrix on Mandel vectors."""
    basis = _basis(len(rotation))
    return np.einsum("aij,ik,bkl,jl->ab", basis, rotation, basis, rotation)


def _turn(dim: int, axis: int, fold: int, number: int) -> np.ndarray:
    """Rotation by number/fold of a full turn about an axis (2-D: in the plane)."""
    c, s = np.cos(2 * np.pi * number / fold), np.sin(2 * np.pi * number / fold)
    i, j = ((axis + 1) % 3, (axis + 2) % 3) if dim == 3 else (0, 1)
    r = np.eye(dim)
    r[i, i], r[i, j], r[j, i], r[j, j] = c, -s, s, c
    return r


def _group(dim: int, axis: int, fold: int) -> list[np.ndarray]:
    """Dihedral group: turns about the axis and mirrors of the axes."""
    turns = [_turn(dim, axis, fold, m) for m in range(fold)]
    mirrors = [np.diag(signs) for signs in product((1.0, -1.0), repeat=dim) if signs[0] > 0]
    return [turn @ mirror for turn in turns for mirror in mirrors]


def _cube() -> list[np.ndarray]:
    """Permutations of the axes combined with mirrors: the cubic group, up to the inversion."""
    cyclic = [np.roll(np.eye(3), m, axis=0) for m in range(3)]
    return [p @ g for p in cyclic for g in _group(3, 2, 4)]


def _classes(kind: str, dim: int) -> list[tuple[str, int | None, list[np.ndarray]]]:
    """Classes from the most to the least symmetric: name, axis, group of orthogonal matrices.

    A five-fold turn stands for all turns: no component of a fourth-order tensor has a harmonic of order 5 or more.
    """
    axes = range(3)
    if dim == 2:
        square = [("square", None, _group(2, 0, 4))] if kind == "stiffness" else []
        return [("isotropic", None, _group(2, 0, 5)), *square, ("orthotropic", None, _group(2, 0, 1))]
    out: list[tuple[str, int | None, list[np.ndarray]]] = []
    if kind == "stiffness":
        out.append(("cubic", None, _cube()))
    out += [("transversely isotropic", k, _group(3, k, 5)) for k in axes]
    if kind == "stiffness":
        out += [("tetragonal", k, _group(3, k, 4)) for k in axes]
    return [*out, ("orthotropic", None, _group(3, 2, 1))]


def _isotropic_part(c: np.ndarray, kind: str, dim: int) -> np.ndarray:
    if kind == "conductivity":
        return np.trace(c) / dim * np.eye(dim)
    j = np.zeros_like(c)
    j[:dim, :dim] = 1 / dim
    k = np.eye(len(c)) - j
    return np.sum(c * j) * j + np.sum(c * k) / np.trace(k) * k


def symmetry_class(
    tensor: Real[ArrayLike, "n n"], tol: float = 1e-2, kind: Literal["stiffness", "conductivity"] = "stiffness"
) -> Symmetry:
    """The most symmetric class that a tensor belongs to, in the given axes, within a relative distance.

    The nearest tensor of a class (in the Frobenius norm) is the mean over its group of rotations and mirrors,
    P C = <Q C Qᵀ>; the distance is ||C - P C|| / ||C||. Classes are tried from isotropic to orthotropic. The
    isotropic distance does not depend on the axes; all others do, and a cubic tensor in rotated axes is reported as
    what it is there.

    Args:
        tensor: Mandel stiffness (6, 6) or (3, 3), or conductivity (3, 3) or (2, 2); finite.
        tol: relative distance up to which a class is accepted.
        kind: "stiffness" or "conductivity".

    Returns:
        `Symmetry`.

    Fails with:
        InputError: a shape that does not fit the kind, an unknown kind, or a value that is not finite.

    Source:
        Moakher & Norris (2006), J. Elasticity 85, 215-263.
    """
    if kind not in ("stiffness", "conductivity"):
        raise InputError(f"kind={kind!r}: use 'stiffness' or 'conductivity'")
    c = _square(tensor, (3, 6) if kind == "stiffness" else (2, 3), kind)
    dim = {3: 2, 6: 3}[len(c)] if kind == "stiffness" else len(c)
    size = np.linalg.norm(c)

    def distance(nearest):
        return float(np.linalg.norm(c - nearest) / size) if size > 0 else 0.0

    candidates: list[tuple[float, str, int | None]] = [(distance(_isotropic_part(c, kind, dim)), "isotropic", None)]
    for name, axis, group in _classes(kind, dim):
        if name != "isotropic":
            actions = [_mandel(g) if kind == "stiffness" else g for g in group]
            candidates.append((distance(np.mean([q @ c @ q.T for q in actions], axis=0)), name, axis))
    distances: dict[str, float] = {}
    for d, name, _ in candidates:
        distances[name] = min(d, distances.get(name, np.inf))
    for d, name, axis in candidates:
        if d <= tol and d == distances[name]:
            return Symmetry(name, axis, distances)
    return Symmetry("general", None, distances)


def _square(tensor: ArrayLike, ends: tuple[int, ...], what: str) -> np.ndarray:
    c = np.asarray(tensor, float)
    if c.ndim != 2 or c.shape[0] != c.shape[1] or c.shape[0] not in ends:
        forms = " or ".join(f"({n}, {n})" for n in ends)
        raise InputError(f"a {what} has shape {c.shape}: give one tensor of shape {forms}")
    if not np.all(np.isfinite(c)):
        raise InputError(f"the {what} holds NaN or infinite values: check that the computation succeeded")
    return (c + c.T) / 2


def _compliance(c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compliance on the range of C, and the projector on its null space (S = finite + null / 0)."""
    values, vectors = np.linalg.eigh(c)
    stiff = values > 1e-8 * max(values[-1], 0.0)
    finite = (vectors[:, stiff] / values[stiff]) @ vectors[:, stiff].T
    return finite, vectors[:, ~stiff] @ vectors[:, ~stiff].T


def _modulus(c: np.ndarray, v: np.ndarray) -> np.ndarray:
    """1 / (v . S v) for Mandel vectors v (..., n), and 0 where the compliance is infinite."""
    finite, null = _compliance(c)
    compliance = np.einsum("...i,ij,...j->...", v, finite, v)
    loose = np.einsum("...i,ij,...j->...", v, null, v) > 1e-8 * np.sum(v * v, axis=-1)
    return np.where(loose | (compliance <= 0), 0.0, 1 / np.where(compliance > 0, compliance, 1.0))


def engineering_constants(stiffness: Real[ArrayLike, "n n"]) -> dict[str, float]:
    """Young's, shear and bulk moduli, Poisson's ratios and anisotropy indices of a stiffness in the given axes.

    From the compliance S = C⁻¹: E_i = 1/S_ii, ν_ij = -S_ij/S_ii (contraction along j under tension along i),
    G_ij = σ_ij/γ_ij. A stiffness that is 0 in some direction has the modulus 0 there, and Poisson's ratios are then
    the limits for a vanishing added stiffness: no entry is ever NaN.

    Args:
        stiffness: Mandel (6, 6), or (3, 3) in plane strain. In 2-D all constants are plane-strain ones: E and ν those
            of the in-plane compliance (E / (1 - ν²) and ν / (1 - ν) of an isotropic solid, not the material's own), the
            bulk moduli area moduli.

    Returns:
        3-D: E1 E2 E3, nu12 nu13 nu21 nu23 nu31 nu32, G23 G13 G12; 2-D: E1 E2, nu12 nu21, G12. Both: bulk_voigt,
        bulk_reuss, shear_voigt, shear_reuss, and, where they exist, zener (2 C44/(C11 - C12), axes averaged) and
        universal_anisotropy (0 if isotropic; 3-D: 5 Gv/Gr + Kv/Kr - 6). Moduli are in the units of the stiffness.

    Fails with:
        InputError: another shape, or a value that is not finite.

    Source:
        Ranganathan & Ostoja-Starzewski (2008), Phys. Rev. Lett. 101, 055504, eq. (9).
    """
    c = _square(stiffness, (3, 6), "stiffness")
    dim, n = {3: 2, 6: 3}[len(c)], len(c)
    finite, null = _compliance(c)
    unit = np.eye(n)
    out: dict[str, float] = {f"E{i + 1}": float(_modulus(c, unit[i])) for i in range(dim)}
    for i, j in product(range(dim), repeat=2):
        if i != j:
            s = null if null[i, i] > 1e-8 else finite
            out[f"nu{i + 1}{j + 1}"] = float(-s[i, j] / s[i, i]) + 0.0
    for component in range(dim, n):
        i, j = _PAIRS[dim][component]
        out[f"G{i + 1}{j + 1}"] = float(_modulus(c, unit[component])) / 2
    spherical = np.repeat([1 / np.sqrt(dim), 0.0], [dim, n - dim])
    deviatoric = np.eye(n) - np.outer(spherical, spherical)
    kv = float(spherical @ c @ spherical) / dim
    gv = float(np.sum(c * deviatoric)) / (2 * (n - 1))
    kr = float(_modulus(c, spherical)) / dim
    loose = np.sum(null * deviatoric) > 1e-8
    gr = 0.0 if loose else (n - 1) / (2 * float(np.sum(finite * deviatoric)))
    out |= {"bulk_voigt": kv, "bulk_reuss": kr, "shear_voigt": gv, "shear_reuss": gr}
    normal = c[:dim, :dim]
    c11, c12 = np.trace(normal) / dim, (np.sum(normal) - np.trace(normal)) / (dim * (dim - 1))
    if c11 - c12 > 1e-8 * abs(c11):
        out["zener"] = float(np.trace(c[dim:, dim:]) / (n - dim) / (c11 - c12))
    if kr > 0 and gr > 0:
        out["universal_anisotropy"] = (n - 1) * gv / gr + kv / kr - n
    return out


def directional_young(
    stiffness: Real[ArrayLike, "n n"], directions: Real[ArrayLike, "*number d"]
) -> Float[np.ndarray, "*number"]:
    """Young's modulus along directions, 1/E(n) = (n⊗n) : S : (n⊗n); 0 where the solid resists no tension.

    Args:
        stiffness: Mandel (6, 6), or (3, 3) in plane strain.
        directions: (..., 3) or (..., 2), of any length but 0.

    Returns:
        (...), in the units of the stiffness.

    Fails with:
        InputError: shapes that do not fit, a zero direction, a value that is not finite.

    Source:
        Nye (1985), Physical Properties of Crystals, ch. VIII.
    """
    c = _square(stiffness, (3, 6), "stiffness")
    dim = {3: 2, 6: 3}[len(c)]
    v = np.asarray(directions, float)
    if v.ndim < 1 or v.shape[-1] != dim:
        raise InputError(f"directions have shape {v.shape}: for this stiffness give (..., {dim})")
    length = np.linalg.norm(v, axis=-1, keepdims=True)
    if not np.all(length > 0):
        raise InputError("a direction has length 0 or is NaN: give non-zero vectors")
    v = v / length
    return _modulus(c, np.einsum("aij,...i,...j->...a", _basis(dim), v, v))
