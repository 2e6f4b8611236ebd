"""What travels between the scales: down a gradient, up its work-conjugate flux, and the power of the pair.

A linear law is passed to the solvers as a *response*: per-voxel moduli that turn a gradient into a flux,

    elasticity      sigma = C : sym(grad u)     (rows of grad u are displacement components)
    finite_strain   dP    = A : dF              (tangents; F = I + grad u, P the first Piola-Kirchhoff stress)
    conduction      g     = k . grad T          (g = -q, so that power is positive)

The gradient of a field with components c along axis k is a dict {(c, k): array}; an absent key is zero. Kernels
slice the moduli like any pytree, so a response carries arrays and nothing else.
"""

from __future__ import annotations

import abc
import math
from typing import Self

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

Gradient = dict[tuple[int, int], Array]


def power(down: Float[Array, "*lanes n"], up: Float[Array, "*lanes n"]) -> Float[Array, "*lanes"]:
    """Power density of conjugate messages, p = down . up (Mandel vectors, or a gradient and its flux).

    Hill-Mandel is the equality of this number on two scales: power(E, S) = <power(e, s)>.

    Args:
        down: strain rate in Mandel notation, or gradient.
        up: stress in Mandel notation, or flux.

    Returns:
        Power per volume.
    """
    return jnp.sum(down * up, axis=-1)


def mandel_pairs(dim: int) -> tuple[tuple[int, int], ...]:
    """Index pairs of the Mandel order 11 22 33 23 13 12 (2-D: 11 22 12)."""
    return ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)) if dim == 3 else ((0, 0), (1, 1), (0, 1))


def upper_triangle(n: int) -> list[tuple[int, int]]:
    """Positions of the upper triangle of a symmetric n x n matrix, row by row."""
    return [(i, j) for i in range(n) for j in range(i, n)]


def symmetric_matrix(values, positions) -> Array:
    """The symmetric matrix (..., n, n) with `values[m]` at `positions[m]` and its mirror."""
    index = {}
    for m, (i, j) in enumerate(positions):
        index[i, j] = index[j, i] = m
    n = 1 + max(j for _, j in positions)
    rows = [jnp.stack([values[index[i, j]] for j in range(n)], axis=-1) for i in range(n)]
    return jnp.stack(rows, axis=-2)


class AbstractResponse(eqx.Module):
    """Per-voxel linear map from gradient to flux."""

    @abc.abstractmethod
    def flux(self, gradient: Gradient) -> Gradient:
        """Flux for the columns k that occur in `gradient`."""

    def times(self, factor) -> Self:
        """The response of moduli that are `factor` times as large."""
        return jax.tree.map(lambda x: x * factor, self)

    def transpose(self) -> Self:
        """The response with transposed moduli: itself, but for those without a potential."""
        return self

    @abc.abstractmethod
    def isotropic_part(self) -> tuple[Array, ...]:
        """Isotropic moduli nearest to each voxel's: (lambda, mu) or (k,); they choose the reference medium."""

    @abc.abstractmethod
    def mean(self) -> Float[Array, "n n"]:
        """Voigt average of the moduli as a matrix (Mandel, or d x d)."""

    @abc.abstractmethod
    def unit(self) -> AbstractResponse:
        """A harmless homogeneous response of the same structure (computed with where the own one is invalid)."""

    @abc.abstractmethod
    def valid(self) -> Array:
        """True when every voxel's moduli are finite and admissible (a scalar; cheap necessary conditions)."""


class IsotropicElasticResponse(AbstractResponse):
    """sigma = lambda tr(eps) I + 2 mu eps.

    Args:
        lam: Lame's first parameter (any shape).
        mu: shear modulus (same shape).
    """

    lam: Float[Array, "*shape"]
    mu: Float[Array, "*shape"]
    dim: int = eqx.field(static=True)

    def flux(self, gradient: Gradient) -> Gradient:
        columns = sorted({k for _, k in gradient})
        normal = [gradient[k, k] for k in columns if (k, k) in gradient]
        spherical = [self.lam * total(normal)] if normal else []
        out: Gradient = {}
        for k in columns:
            for c in range(self.dim):
                shear = [gradient[key] for key in ((c, k), (k, c)) if key in gradient]
                parts = ([self.mu * total(shear)] if shear else []) + (spherical if c == k else [])
                if parts:
                    out[c, k] = total(parts)
        return out

    def flux_within(self, gradient: Gradient) -> Gradient:
        """Fluxes of the components of `gradient` alone, among fewer than all axes."""
        spherical = self.lam * total([value for (c, k), value in gradient.items() if c == k])
        shear = lambda c, k: self.mu * (gradient[c, k] + gradient[k, c])  # noqa: E731
        return {(c, k): shear(c, k) + spherical if c == k else shear(c, k) for c, k in gradient}

    def isotropic_part(self):
        return self.lam, self.mu

    def mean(self):
        lam, mu = _mean(self.lam), _mean(self.mu)
        n, d = (6, 3) if self.dim == 3 else (3, 2)
        hydrostatic = jnp.zeros((n, n), lam.dtype).at[:d, :d].set(1.0)
        return lam * hydrostatic + 2 * mu * jnp.eye(n, dtype=lam.dtype)

    def unit(self):
        return jax.tree.map(jnp.ones_like, self)

    def valid(self):
        # lambda + 2 mu / 3 is the bulk modulus; a void has all zeros.
        bulk = 3 * self.lam + 2 * self.mu
        finite = jnp.isfinite(self.lam) & jnp.isfinite(self.mu)
        return jnp.all(finite & (self.mu >= 0) & (bulk >= 0))


class AnisotropicElasticResponse(AbstractResponse):
    """sigma = C : eps with C given by the upper triangle of its Mandel matrix, row by row.

    Args:
        c: (21, *shape) in 3-D, (6, *shape) in 2-D (plane strain).
    """

    c: Float[Array, "m *shape"]
    dim: int = eqx.field(static=True)

    def flux(self, gradient: Gradient) -> Gradient:
        root = math.sqrt(0.5)
        strain: dict[int, Array] = {}
        pairs = mandel_pairs(self.dim)
        for i, (a, b) in enumerate(pairs):
            parts = [gradient[key] for key in {(a, b), (b, a)} if key in gradient]
            if parts:
                strain[i] = total(parts) if a == b else root * total(parts)
        row = {}
        for m, (i, j) in enumerate(upper_triangle(len(pairs))):
            row[i, j] = row[j, i] = m
        columns = sorted({k for _, k in gradient})
        out: Gradient = {}
        for i, (a, b) in enumerate(pairs):
            wanted = {key for key in ((a, b), (b, a)) if key[1] in columns}
            if not wanted or not strain:
                continue
            value = total([self.c[row[i, j]] * e for j, e in strain.items()])
            value = value if a == b else root * value
            for key in wanted:
                out[key] = value
        return out

    def isotropic_part(self):
        # Projection on the isotropic tensors: 3 K = tr(J:C), 10 G = tr(K:C) (2-D: 2 k and 4 mu of the in-plane block).
        n, d = (6, 3) if self.dim == 3 else (3, 2)
        index = {position: m for m, position in enumerate(upper_triangle(n))}
        sphere = sum(self.c[index[min(i, j), max(i, j)]] for i in range(d) for j in range(d)) / d
        trace = sum(self.c[index[i, i]] for i in range(n))
        two_mu = (trace - sphere) / (n - 1)
        return (sphere - two_mu) / d, two_mu / 2

    def mean(self):
        return symmetric_matrix([_mean(row) for row in self.c], upper_triangle(6 if self.dim == 3 else 3))

    def unit(self):
        rows = [jnp.ones_like(self.c[0]) * (i == j) for i, j in upper_triangle(6 if self.dim == 3 else 3)]
        return AnisotropicElasticResponse(jnp.stack(rows), self.dim)

    def valid(self):
        positions = upper_triangle(6 if self.dim == 3 else 3)
        diagonal = jnp.stack([self.c[m] for m, (i, j) in enumerate(positions) if i == j])
        return jnp.all(jnp.isfinite(self.c)) & jnp.all(diagonal >= 0)


class ScalarConductionResponse(AbstractResponse):
    """g = k grad T.

    Args:
        k: conductivity (any shape).
    """

    k: Float[Array, "*shape"]
    dim: int = eqx.field(static=True)

    def flux(self, gradient: Gradient) -> Gradient:
        return {key: self.k * value for key, value in gradient.items()}

    def isotropic_part(self):
        return (self.k,)

    def mean(self):
        return _mean(self.k) * jnp.eye(self.dim, dtype=self.k.dtype)

    def unit(self):
        return jax.tree.map(jnp.ones_like, self)

    def valid(self):
        return jnp.all(jnp.isfinite(self.k) & (self.k >= 0))


class TensorConductionResponse(AbstractResponse):
    """g = K . grad T with K given by its upper triangle: 11 22 33 23 13 12 (2-D: 11 22 12), plain components.

    Args:
        k: (6, *shape) in 3-D, (3, *shape) in 2-D.
    """

    k: Float[Array, "m *shape"]
    dim: int = eqx.field(static=True)

    def flux(self, gradient: Gradient) -> Gradient:
        index = {}
        for i, (a, b) in enumerate(mandel_pairs(self.dim)):
            index[a, b] = index[b, a] = i
        columns = sorted({k for _, k in gradient})
        return {(0, a): total([self.k[index[a, b]] * gradient[0, b] for b in columns]) for a in columns}

    def isotropic_part(self):
        return (sum(self.k[i] for i in range(self.dim)) / self.dim,)

    def mean(self):
        return symmetric_matrix([_mean(row) for row in self.k], mandel_pairs(self.dim))

    def unit(self):
        rows = [jnp.ones_like(self.k[0]) * (a == b) for a, b in mandel_pairs(self.dim)]
        return TensorConductionResponse(jnp.stack(rows), self.dim)

    def valid(self):
        return jnp.all(jnp.isfinite(self.k)) & jnp.all(self.k[: self.dim] >= 0)


class PlasticResponse(AbstractResponse):
    """sigma = lambda tr(eps) I + 2 mu eps - w s (s : eps): an isotropic tangent softened along one direction.

    The algorithmic tangent of von Mises plasticity in six or nine numbers a point instead of six or twenty-one.

    Args:
        lam: Lame's first parameter (any shape).
        mu: shear modulus (same shape).
        weight: w (same shape), negative where the step stiffens along s.
        flow: s (n, *shape), in-plane Mandel components.
    """

    lam: Float[Array, "*shape"]
    mu: Float[Array, "*shape"]
    weight: Float[Array, "*shape"]
    flow: Float[Array, "n *shape"]
    dim: int = eqx.field(static=True)

    def share(self, gradient: Gradient) -> Array | None:
        """w (s : eps), or None where no component is there."""
        root = math.sqrt(0.5)
        parts = []
        for i, (a, b) in enumerate(mandel_pairs(self.dim)):
            present = [gradient[key] for key in {(a, b), (b, a)} if key in gradient]
            if present:
                e = total(present)
                parts.append(self.flow[i] * (e if a == b else root * e))
        return self.weight * total(parts) if parts else None

    def flux(self, gradient: Gradient) -> Gradient:
        return self.flux_beside(gradient, self.share(gradient))

    def flux_beside(self, gradient: Gradient, share: Array | None) -> Gradient:
        """The flux from a `share` that is known already."""
        out = IsotropicElasticResponse(self.lam, self.mu, self.dim).flux(gradient)
        root = math.sqrt(0.5)
        pairs = mandel_pairs(self.dim)
        columns = {k for _, k in gradient}
        if share is None:
            return out
        for i, (a, b) in enumerate(pairs):
            value = None
            for key in {(a, b), (b, a)}:
                if key[1] not in columns:
                    continue
                if value is None:
                    value = share * self.flow[i] * (1.0 if a == b else root)
                out[key] = out[key] - value if key in out else -value
        return out

    def times(self, factor):
        return PlasticResponse(self.lam * factor, self.mu * factor, self.weight * factor, self.flow, self.dim)

    def isotropic_part(self):
        # Projection of w s s^T on the isotropic tensors, subtracted (see AnisotropicElasticResponse).
        n, d = (6, 3) if self.dim == 3 else (3, 2)
        trace = total([self.flow[i] for i in range(d)])
        sphere = self.weight * trace**2 / d
        two_mu = (self.weight * total([self.flow[i] ** 2 for i in range(n)]) - sphere) / (n - 1)
        return self.lam - (sphere - two_mu) / d, self.mu - two_mu / 2

    def mean(self):
        n = 6 if self.dim == 3 else 3
        soft = [_mean(self.weight * self.flow[i] * self.flow[j]) for i, j in upper_triangle(n)]
        base = IsotropicElasticResponse(self.lam, self.mu, self.dim).mean()
        return base - symmetric_matrix(soft, upper_triangle(n))

    def unit(self):
        one = jnp.ones_like(self.mu)
        return PlasticResponse(one, one, one, jnp.zeros_like(self.flow), self.dim)

    def valid(self):
        finite = jnp.isfinite(self.lam + self.mu + self.weight) & jnp.all(jnp.isfinite(self.flow), axis=0)
        return jnp.all(finite & (self.mu >= 0) & (3 * self.lam + 2 * self.mu >= 0))


class GeneralResponse(AbstractResponse):
    """flux_i = sum_j C_ij gradient_j with any square matrix per point: tangents of nonlinear laws.

    Args:
        c: rows of C one after the other (n n, *shape), or its upper triangle (n (n + 1) / 2, *shape) if `symmetric`.
        n: number of components: d of a gradient, 6 or 3 Mandel ones, d d of a deformation gradient, row by row.
        symmetric: whether C is symmetric (conjugate gradients then serve).
    """

    c: Float[Array, "m *shape"]
    dim: int = eqx.field(static=True)
    n: int = eqx.field(static=True)
    symmetric: bool = eqx.field(static=True)

    @classmethod
    def of(cls, matrix, dim: int, symmetric: bool) -> GeneralResponse:
        """From rows of arrays, `matrix[i][j]`; of a symmetric one the upper triangle is read."""
        n = len(matrix)
        return cls(jnp.stack([matrix[i][j] for i, j in _kept(n, symmetric)]), dim, n, symmetric)

    def matrix(self) -> list[list[Array]]:
        """All entries, row by row."""
        out: list[list] = [[None] * self.n for _ in range(self.n)]
        for m, (i, j) in enumerate(_kept(self.n, self.symmetric)):
            out[i][j] = self.c[m]
            if self.symmetric:
                out[j][i] = self.c[m]
        return out

    def _names(self):
        """Component -> gradient keys."""
        physics = physics_of(self.n, self.dim)
        if physics == "conduction":
            return [[(0, k)] for k in range(self.dim)]
        if physics == "finite_strain":
            return [[(i, k)] for i in range(self.dim) for k in range(self.dim)]
        return [[(a, b)] if a == b else [(a, b), (b, a)] for a, b in mandel_pairs(self.dim)]

    def flux(self, gradient: Gradient) -> Gradient:
        root = math.sqrt(0.5)
        columns = {k for _, k in gradient}
        down: dict[int, Array] = {}
        for j, keys in enumerate(self._names()):
            present = [gradient[key] for key in keys if key in gradient]
            if present:
                down[j] = total(present) if len(keys) == 1 else root * total(present)
        out: Gradient = {}
        rows = self.matrix()
        for i, keys in enumerate(self._names()):
            wanted = [key for key in keys if key[1] in columns]
            if not wanted or not down:
                continue
            value = total([rows[i][j] * e for j, e in down.items()])
            value = value if len(keys) == 1 else root * value
            for key in wanted:
                out[key] = value
        return out

    def isotropic_part(self):
        rows, physics = self.matrix(), physics_of(self.n, self.dim)
        if physics == "conduction":
            return (total([rows[i][i] for i in range(self.n)]) / self.n,)
        if physics == "elasticity":
            upper = [0.5 * (rows[i][j] + rows[j][i]) for i, j in upper_triangle(self.n)]
            return AnisotropicElasticResponse(jnp.stack(upper), self.dim).isotropic_part()
        # Of isotropic moduli A_iijj = d^2 lambda + 2 d mu and A_ijij = d lambda + (d^2 + d) mu.
        d = self.dim
        normal = [i * d + i for i in range(d)]
        sphere = total([rows[i][j] for i in normal for j in normal])
        trace = total([rows[i][i] for i in range(self.n)])
        mu = (trace - sphere / d) / (d * d + d - 2)
        return (sphere - 2 * d * mu) / d**2, mu

    def transpose(self) -> GeneralResponse:
        """The response with C^T, for adjoint problems."""
        if self.symmetric:
            return self
        order = [j * self.n + i for i in range(self.n) for j in range(self.n)]
        return GeneralResponse(self.c[jnp.asarray(order)], self.dim, self.n, self.symmetric)

    def mean(self):
        rows = [[_mean(x) for x in row] for row in self.matrix()]
        return jnp.stack([jnp.stack(row) for row in rows])

    def unit(self):
        one, zero = jnp.ones_like(self.c[0]), jnp.zeros_like(self.c[0])
        rows = [[one if i == j else zero for j in range(self.n)] for i in range(self.n)]
        return GeneralResponse.of(rows, self.dim, self.symmetric)

    def valid(self):
        rows = self.matrix()
        diagonal = jnp.stack([rows[i][i] for i in range(self.n)])
        return jnp.all(jnp.isfinite(self.c)) & jnp.all(diagonal >= 0)


def _kept(n: int, symmetric: bool) -> list[tuple[int, int]]:
    """Positions of the entries that are stored."""
    return upper_triangle(n) if symmetric else [(i, j) for i in range(n) for j in range(n)]


def physics_of(n: int, dim: int) -> str:
    """What a message of n components is: d of a gradient, d d of a deformation gradient, else a Mandel strain."""
    return {dim: "conduction", dim * dim: "finite_strain"}.get(n, "elasticity")


def gradient_of(message: Float[Array, "n *pts"], dim: int) -> Gradient:
    """A field of messages (Mandel, a gradient, a deformation gradient) as a gradient; components are the first axis."""
    physics, rows = physics_of(message.shape[0], dim), components(message)
    if physics == "conduction":
        return {(0, k): rows[k] for k in range(dim)}
    if physics == "finite_strain":
        return {(i, k): rows[i * dim + k] for i in range(dim) for k in range(dim)}
    root = math.sqrt(0.5)
    out: Gradient = {}
    for i, (a, b) in enumerate(mandel_pairs(dim)):
        out[a, b] = rows[i] if a == b else root * rows[i]
        out[b, a] = out[a, b]
    return out


def message_of(gradient: Gradient, dim: int, n: int) -> Float[Array, "n *pts"]:
    """A full gradient (or flux) as a message of n components; Mandel ones take its symmetric part."""
    physics = physics_of(n, dim)
    if physics == "conduction":
        return jnp.stack([gradient[0, k] for k in range(dim)])
    if physics == "finite_strain":
        return jnp.stack([gradient[i, k] for i in range(dim) for k in range(dim)])
    root = math.sqrt(0.5)
    pairs = mandel_pairs(dim)
    return jnp.stack([gradient[a, a] if a == b else root * (gradient[a, b] + gradient[b, a]) for a, b in pairs])


def components(field: Float[Array, "n *pts"]) -> list[Array]:
    """The rows of a field, components first: list(field), but what comes back from all of them is one array.

    The transpose of x[k] is an array of zeros around one row, for every k; in reverse mode those of a whole law are
    alive together and are most of its memory. The transpose of a split is one concatenation.
    """
    return [row[0] for row in lax.split(field, (1,) * field.shape[0])]


def total(parts) -> Array:
    """Sum of a list that is not empty (Python's sum would start from 0 and add an operation)."""
    parts = list(parts)
    out = parts[0]
    for part in parts[1:]:
        out = out + part
    return out


def _mean(field):
    """Mean, axis by axis: the error of a float32 sum grows with the longest axis, not with the number of voxels."""
    for _ in range(jnp.ndim(field)):
        field = jnp.mean(field, axis=-1)
    return field
