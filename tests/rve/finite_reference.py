"""An independent finite-strain cell: plane strain, periodic, dense matrices, Newton's method in the reference shape.

Elements are rectangles with four nodes and 2 x 2 Gauss points. The energy per reference volume, with F33 = 1, is

    W(F) = mu / 2 (|F|^2 - 2 - 2 ln J) + lam / 2 (ln J)^2,    J = det F,

in one of two forms: "full" sums W(F_q); "mean volume" sums W((theta / J_q)^(1/2) F_q), theta the mean of J over the
points of the element, so that J enters through its mean alone. Forces and matrices are exact derivatives of that sum.
It shares nothing with the library, and is meant for cells of some hundred elements.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

KINDS = ("full", "mean volume")
# The cofactor is linear in F: cof(F) = COF F, on rows 11 12 21 22; it is the derivative of det F.
COF = np.asarray([[0.0, 0, 0, 1], [0, 0, -1, 0], [0, -1, 0, 0], [1, 0, 0, 0]])


class Answer(NamedTuple):
    """Means over the cell, row-major components 11 12 21 22.

    Args:
        gradient: mean deformation gradient (2, 2).
        stress: mean first Piola stress (2, 2).
        energy: per reference volume.
        tangent: d stress / d gradient (4, 4), all four components of the gradient prescribed.
        displacements: periodic part, at node (i, j) (n, m, 2).
        gradients: deformation gradient at the Gauss points (n, m, 4, 2, 2).
    """

    gradient: np.ndarray
    stress: np.ndarray
    energy: float
    tangent: np.ndarray
    displacements: np.ndarray
    gradients: np.ndarray


def density(f, lam, mu):
    """W of deformation gradients (..., 2, 2)."""
    log = np.log(np.linalg.det(f))
    return mu / 2 * (np.sum(f**2, axis=(-2, -1)) - 2 - 2 * log) + lam / 2 * log**2


def element_energy(f, lam, mu, kind):
    """Sum of W over the points of one element, f (4, 2, 2)."""
    if kind == "mean volume":
        volumes = np.linalg.det(f)
        f = np.sqrt(np.mean(volumes) / volumes)[:, None, None] * f
    return float(np.sum(density(f, lam, mu)))


def element_derivatives(f, lam, mu, kind):
    """First (16,) and second (16, 16) derivatives of `element_energy`, by the points' gradients."""
    f = f.reshape(4, 4)
    cof = f @ COF
    volume = 0.5 * np.sum(f * cof, axis=1)
    first, second = np.zeros((4, 4)), np.zeros((4, 4, 4, 4))
    outer = np.multiply.outer
    if kind == "full":
        for q in range(4):
            # dW = mu (F - cof / J) + lam ln J cof / J.
            pull = (lam * np.log(volume[q]) - mu) / volume[q]
            first[q] = mu * f[q] + pull * cof[q]
            second[q, :, q] = mu * np.eye(4) + pull * COF + (lam / volume[q] - pull) / volume[q] * outer(cof[q], cof[q])
        return first.ravel(), second.reshape(16, 16)
    # The sum is mu / 2 (theta |F_q|^2 / J_q - 2 - 2 ln theta) + lam / 2 (ln theta)^2, with d theta = cof_q / 4.
    theta, size = np.mean(volume), np.sum(f**2, axis=1)
    log = np.log(theta)
    # By theta: once, and twice.
    slope = np.sum(mu / 2 * size / volume) + 4 * (lam * log - mu) / theta
    bend = 4 * (mu + lam * (1 - log)) / theta**2
    shape = mu / 2 * (2 * f / volume[:, None] - (size / volume**2)[:, None] * cof)
    first = theta * shape + slope / 4 * cof
    for q in range(4):
        j, c = volume[q], cof[q]
        mixed = outer(f[q], c) + outer(c, f[q])
        own = 2 * np.eye(4) / j - 2 * mixed / j**2 + 2 * size[q] * outer(c, c) / j**3 - size[q] * COF / j**2
        second[q, :, q] = theta * mu / 2 * own + slope / 4 * COF
        for p in range(4):
            second[q, :, p] += (outer(shape[q], cof[p]) + outer(cof[q], shape[p])) / 4 + bend / 16 * outer(
                cof[q], cof[p]
            )
    return first.ravel(), second.reshape(16, 16)


def _maps(shape, lengths):
    """For every element the matrix (16, unknowns) from displacements of all nodes and the mean gradient."""
    n, m = shape
    h = np.asarray(lengths, float) / shape
    places = (1 + np.asarray([-1, 1]) / 3**0.5) / 2
    along = lambda a, x: x if a else 1 - x  # noqa: E731
    slope = (-1.0, 1.0)
    out = np.zeros((n, m, 4, 2, 2, 2 * n * m + 4))
    for i, j in np.ndindex(n, m):
        for q, (x, y) in enumerate((x, y) for x in places for y in places):
            for a, b in np.ndindex(2, 2):
                node = (i + a) % n * m + (j + b) % m
                by = (slope[a] * along(b, y) / h[0], along(a, x) * slope[b] / h[1])
                for component, direction in np.ndindex(2, 2):
                    out[i, j, q, component, direction, 2 * node + component] += by[direction]
            out[i, j, q, :, :, -4:] = np.eye(4).reshape(2, 2, 4)
    return out.reshape(n * m, 16, -1)


def assembled(maps, x, lam, mu, kind):
    """Energy per volume, its first and second derivatives by the unknowns x = (displacements, mean gradient)."""
    energy, force, matrix = 0.0, np.zeros_like(x), np.zeros((len(x), len(x)))
    for b, l, g in zip(maps, lam.ravel(), mu.ravel(), strict=True):
        f = (b @ x).reshape(4, 2, 2)
        first, second = element_derivatives(f, l, g, kind)
        energy += element_energy(f, l, g, kind)
        force += b.T @ first
        matrix += b.T @ second @ b
    points = 4 * len(maps)
    return energy / points, force / points, matrix / points


def cell(labels, moduli, lengths, gradient, kind="full", stress=None, stress_controlled=None, tolerance=1e-12):
    """The equilibrium of a periodic cell.

    Args:
        labels: (n, m).
        moduli: {label: (lam, mu)}.
        lengths: of the cell, per axis.
        gradient: mean deformation gradient (2, 2); a first guess where `stress_controlled`.
        kind: one of `KINDS`.
        stress: mean first Piola stress (2, 2), or None.
        stress_controlled: components (2, 2) whose mean stress is prescribed, or None.
        tolerance: largest force out of balance, relative to the largest lam + 2 mu.

    Returns:
        `Answer`.
    """
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r}: give one of {KINDS}")
    labels = np.asarray(labels)
    lam, mu = (np.vectorize(lambda k, i=i: moduli[int(k)][i], otypes=[float])(labels) for i in (0, 1))
    maps = _maps(labels.shape, lengths)
    held = np.zeros(4, bool) if stress_controlled is None else np.asarray(stress_controlled, bool).ravel()
    load = np.zeros(maps.shape[2])
    if stress is not None:
        load[-4:] = np.where(held, np.ravel(stress), 0)
    # The displacement of the first node is a translation of all.
    free = np.concatenate([[False, False], np.ones(len(load) - 6, bool), held])
    x = np.concatenate([np.zeros(len(load) - 4), np.ravel(np.asarray(gradient, float))])

    def out_of_balance(x):
        if min(np.linalg.det((maps @ x).reshape(-1, 2, 2))) <= 0:
            return np.inf, np.zeros(0), np.zeros((0, 0))
        _, force, matrix = assembled(maps, x, lam, mu, kind)
        return np.linalg.norm((force - load)[free]), force - load, matrix

    size, residual, matrix = out_of_balance(x)
    if size == np.inf:
        raise ValueError("the mean gradient turns the material inside out")
    for _ in range(100):
        if size <= tolerance * (lam + 2 * mu).max():
            break
        step = np.zeros_like(x)
        step[free] = -np.linalg.solve(matrix[np.ix_(free, free)], residual[free])
        length = 1.0
        while (new := out_of_balance(x + length * step))[0] >= size and length > 1e-6:
            length /= 2
        x, (size, residual, matrix) = x + length * step, new
        if size == np.inf:
            raise RuntimeError("no equilibrium: every step turns an element inside out")
    else:
        raise RuntimeError(f"no equilibrium: {size:g} out of balance")
    energy, force, matrix = assembled(maps, x, lam, mu, kind)
    inner = free & (np.arange(len(x)) < len(x) - 4)
    condensed = np.linalg.solve(matrix[np.ix_(inner, inner)], matrix[inner, -4:])
    tangent = matrix[-4:, -4:] - matrix[-4:, inner] @ condensed
    return Answer(
        x[-4:].reshape(2, 2),
        force[-4:].reshape(2, 2),
        energy,
        tangent,
        x[:-4].reshape(*labels.shape, 2),
        (maps @ x).reshape(*labels.shape, 4, 2, 2),
    )
