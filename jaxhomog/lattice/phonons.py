"""Small vibrations of a deformed crystal: dynamical matrices, frequencies, whole Brillouin zones, acoustic tensors.

Wave vectors belong to the undeformed crystal (they move with it): u_k(X) = a_k exp(i q . X) over the cells X, so that
the phases of a scan do not depend on the deformation. A mode is unstable where omega^2 < 0.

Source: Born & Huang (1954), section 24; Elliott, Triantafyllidis & Shaw (2006), J. Mech. Phys. Solids 54, 161-192,
section 3 (phonon and homogenized-continuum stability).
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..results import SUCCESS, InputError, real_array, under_jax_defaults
from ..solvers import guarded
from .eigen import closed_form, eigenvalues
from .model import Lattice, Pairs, need_deformation, need_lattice
from .solve import relax
from .up import cauchy_born

_HIGHEST = jax.lax.Precision.HIGHEST


def need_pairs(lattice, verb: str) -> None:
    """Raise `InputError` unless every interaction has a table of pairs."""
    need_lattice(lattice, verb)
    if not all(isinstance(part, Pairs) for part in lattice.interactions):
        raise InputError(f"{verb} needs tables of pairs: give Lattice.pairs(crystal, potential, shells=...)")


def need_waves(lattice: Lattice, q, name: str = "q") -> Float[Array, "*b d"]:
    """Wave vectors (or directions) as floats (..., d)."""
    q = real_array(q, name)
    if q.ndim < 1 or q.shape[-1] != lattice.dim:
        raise InputError(f"{name} has shape {q.shape}: give real vectors (..., {lattice.dim})")
    return q.astype(jnp.result_type(q.dtype, lattice.crystal.vectors.dtype))


def bond_stiffness(lattice: Lattice, F: Float[Array, "d d"], shifts: Float[Array, "n d"]) -> Float[Array, "b d d"]:
    """d2V / dr dr of every pair of the lattice at a deformation."""
    places = lattice.places(shifts)
    return jnp.concatenate([part.stiffness(lattice.crystal.vectors, places, F) for part in tables(lattice)])


def tables(lattice: Lattice) -> list[Pairs]:
    """The tables of pairs of a lattice."""
    return [part for part in lattice.interactions if isinstance(part, Pairs)]


def phase_products(lattice: Lattice, q: Float[Array, "q d"]) -> tuple[Float[Array, "q b m m"], Float[Array, "q b m m"]]:
    """Real and imaginary part of conj(w_k) w_l of every pair, w = e^(i q.R) at its second atom, -1 at its first.

    The stretch of a pair is sum_k w_k a_k, its energy 1/2 (conj(w) w^T) x stiffness. With one atom in the cell this is
    |e^(i q.R) - 1|^2 = 4 sin^2(q.R / 2), which keeps its digits where q is small.
    """
    m = lattice.crystal.atoms
    bonds = [part.bonds for part in tables(lattice)]
    first, second, shift = (jnp.concatenate([getattr(b, k) for b in bonds]) for k in ("first", "second", "shift"))
    angle = jnp.matmul(q, _cells(lattice, shift).T, precision=_HIGHEST)
    if m == 1:
        real = (4 * jnp.sin(0.5 * angle) ** 2)[..., None, None]
        return real, jnp.zeros_like(real)
    head, tail = jax.nn.one_hot(second, m, dtype=q.dtype), jax.nn.one_hot(first, m, dtype=q.dtype)
    real = jnp.cos(angle)[..., None] * head - tail
    imaginary = jnp.sin(angle)[..., None] * head
    outer = lambda a, b: a[..., :, None] * b[..., None, :]  # noqa: E731
    return outer(real, real) + outer(imaginary, imaginary), outer(real, imaginary) - outer(imaginary, real)


def _cells(lattice, shift):
    vectors = lattice.crystal.vectors
    return jnp.sum(shift.astype(vectors.dtype)[:, :, None] * vectors[None], axis=1)


def assembled(lattice: Lattice, products, stiffness) -> Float[Array, "q n n"]:
    """Dynamical matrices; of several atoms in their real form [[Re, -Im], [Im, Re]], every eigenvalue twice."""
    m, d = lattice.crystal.atoms, lattice.dim
    weight = 1 / jnp.sqrt(lattice.crystal.masses)
    weight = jnp.repeat(weight, d)

    def matrix(product):
        out = jnp.einsum("qbkl,bac->qkalc", product, stiffness, precision=_HIGHEST)
        return out.reshape(-1, m * d, m * d) * weight[:, None] * weight[None, :]

    real = matrix(products[0])
    if m == 1:
        return real
    imaginary = matrix(products[1])
    upper = jnp.concatenate([real, -imaginary], axis=-1)
    return jnp.concatenate([upper, jnp.concatenate([imaginary, real], axis=-1)], axis=-2)


def dynamical_matrix(lattice: Lattice, F: Float[Array, "d d"], q: Float[Array, "*b d"]) -> Float[Array, "*b n n"]:
    """Dynamical matrix at a deformation, inner shifts relaxed; its eigenvalues are omega^2.

        D_kl(q) = sum over pairs of conj(w_k) w_l d2V/drdr / sqrt(m_k m_l)

    Args:
        lattice: crystal and pairs.
        F: deformation gradient.
        q: wave vectors (..., d) of the undeformed crystal (1/length).

    Returns:
        (..., d, d), real, with one atom in the cell; with m of them the real form [[Re, -Im], [Im, Re]]
        (..., 2 m d, 2 m d) of the Hermitian matrix, with every eigenvalue twice.

    Raises:
        InputError: no table of pairs, shapes that do not fit.
    """
    need_pairs(lattice, "dynamical_matrix")
    F, q = need_deformation(F, lattice), need_waves(lattice, q)
    matrices = eqx.filter_jit(relaxed_matrices)(lattice, F, q.reshape(-1, q.shape[-1]))
    return matrices.reshape(*q.shape[:-1], *matrices.shape[-2:])


def relaxed_matrices(lattice: Lattice, F: Float[Array, "d d"], q: Float[Array, "q d"]) -> Float[Array, "q n n"]:
    """Dynamical matrices with relaxed inner shifts."""
    found = relax(lattice, F)
    stiffness = guarded(found.code == SUCCESS, bond_stiffness(lattice, F, found.shifts))
    return assembled(lattice, phase_products(lattice, q), stiffness)


def frequencies(lattice: Lattice, F: Float[Array, "d d"], q: Float[Array, "*b d"]) -> Float[Array, "*b n"]:
    """Phonon dispersion omega(q), ascending: sqrt(omega^2), and -sqrt(-omega^2) of unstable modes.

    Args:
        lattice: crystal and pairs.
        F: deformation gradient.
        q: wave vectors (..., d) of the undeformed crystal.

    Returns:
        (..., m d) angular frequencies; their slope is infinite at a mode of frequency zero.

    Raises:
        InputError: no table of pairs, shapes that do not fit.
    """
    need_pairs(lattice, "frequencies")
    squares = phonon_scan(lattice, need_deformation(F, lattice)[None], q)[0]
    return jnp.sign(squares) * jnp.sqrt(jnp.abs(squares))


def phonon_scan(lattice: Lattice, F: Float[Array, "t d d"], q: Float[Array, "*b d"]) -> Float[Array, "t *b n"]:
    """omega^2 of every wave vector at every deformation.

    Args:
        lattice: crystal and pairs.
        F: (t, d, d) deformation gradients.
        q: (..., d) wave vectors of the undeformed crystal, such as `brillouin_zone(crystal, 20)`.

    Returns:
        (t, ..., m d), ascending; NaN at deformations without inner equilibrium or with det F <= 0. Differentiable with
        respect to F, q and the potentials.

    Raises:
        InputError: no table of pairs, shapes that do not fit.
    """
    need_pairs(lattice, "phonon_scan")
    F = real_array(F, "F")
    if F.ndim != 3 or F.shape[1:] != (lattice.dim,) * 2:
        raise InputError(f"F has shape {F.shape}: give (t, {lattice.dim}, {lattice.dim})")
    q = need_waves(lattice, q)
    out = _scan(lattice, F.astype(q.dtype), q.reshape(-1, q.shape[-1]))
    return out.reshape(F.shape[0], *q.shape[:-1], -1)


@eqx.filter_jit
def _scan(lattice, F, q):
    products = phase_products(lattice, q)
    found = jax.vmap(lambda f: relax(lattice, f))(F)
    stiffness = jax.vmap(lambda f, s: bond_stiffness(lattice, f, s))(F, found.shifts)
    stiffness = jax.vmap(guarded)(found.code == SUCCESS, stiffness)
    if lattice.crystal.atoms == 1:
        return _bravais(products[0][..., 0, 0], stiffness, lattice.crystal.masses[0])
    # One deformation at a time: matrices of several atoms are large.
    return jax.lax.map(lambda k: eigenvalues(assembled(lattice, products, k))[..., ::2], stiffness)


def _bravais(waves: Float[Array, "q b"], stiffness: Float[Array, "t b d d"], mass) -> Float[Array, "t q d"]:
    """Scan of one atom in the cell: one product of matrices for all entries, then closed forms, entry by entry."""
    d = stiffness.shape[-1]
    pairs = [(i, j) for i in range(d) for j in range(i, d)]
    rows = jnp.stack([stiffness[:, :, i, j] for i, j in pairs])  # (c, t, b)
    flat = jnp.matmul(rows / mass, waves.T, precision=_HIGHEST)  # (c, t, q)
    index = {pair: c for c, pair in enumerate(pairs)}
    return _eigenvalues_by_entry(tuple(flat[index[min(i, j), max(i, j)]] for i in range(d) for j in range(d)))


@jax.custom_jvp
def _eigenvalues_by_entry(flat):
    """Eigenvalues (.., d) of matrices whose d d entries are arrays: fused, without an array of matrices."""
    d = round(len(flat) ** 0.5)
    return jnp.stack(closed_form([list(flat[i * d : (i + 1) * d]) for i in range(d)]), axis=-1)


@_eigenvalues_by_entry.defjvp
@under_jax_defaults
def _eigenvalues_by_entry_jvp(primals, tangents):
    d = round(len(primals[0]) ** 0.5)
    matrix = lambda flat: jnp.stack(flat, axis=-1).reshape(*flat[0].shape, d, d)  # noqa: E731
    return jax.jvp(eigenvalues, (matrix(primals[0]),), (matrix(tangents[0]),))


def acoustic_tensor(lattice: Lattice, F: Float[Array, "d d"], n: Float[Array, "*b d"]) -> Float[Array, "*b d d"]:
    """The limit of long waves: rho omega^2 are the eigenvalues of |q|^2 Q(n), Q_ik = n_J dP_iJ/dF_kL n_L.

    Args:
        lattice: crystal and potentials (of any range).
        F: deformation gradient.
        n: (..., d) unit directions in the undeformed crystal.

    Returns:
        (..., d, d), unit of stress. Positive definite for all n: strongly elliptic. NaN where no inner equilibrium was
        found or det F <= 0.

    Raises:
        InputError: no lattice, shapes that do not fit.
    """
    tangent = cauchy_born(lattice, F).tangent
    n = need_waves(lattice, n, "n")
    return jnp.einsum("...J,iJkL,...L->...ik", n, tangent, n, precision=_HIGHEST)
