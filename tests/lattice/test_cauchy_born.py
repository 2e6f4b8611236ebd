"""The Cauchy-Born material: closed forms, derivatives, invariances, and its place in the contract of materials."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from chains import CRITICAL, R0, nearest, stretched
from scipy.optimize import brentq
from scipy.spatial.transform import Rotation

import jaxhomog as jh
from jaxhomog.lattice import (
    CauchyBorn,
    Crystal,
    Harmonic,
    Lattice,
    LennardJones,
    LennardJonesSum,
    Morse,
    Pairs,
    Smooth,
    alternating_chain,
    bcc,
    cauchy_born,
    chain,
    diamond,
    elastic_constants,
    fcc,
    ground_state,
    hcp,
    lennard_jones_crystal,
    neighbours,
    relax,
    square,
    triangular,
)
from jaxhomog.materials import Step

ROOT3 = 3**0.5


def test_springs_on_a_triangular_lattice():
    k = 2.0
    c = elastic_constants(Lattice.pairs(triangular(0.7), Harmonic(k, 0.7), shells=1)) / k
    expected = np.asarray([[3 * ROOT3 / 4, ROOT3 / 4, 0], [ROOT3 / 4, 3 * ROOT3 / 4, 0], [0, 0, 2 * ROOT3 / 4]])
    assert np.allclose(c, expected, rtol=0, atol=1e-12)  # Mandel: twice C66


def test_an_alternating_chain_relaxes_from_the_mean_to_the_harmonic_mean():
    lattice = alternating_chain(Harmonic(1.0, 1.0), Harmonic(3.0, 1.0))
    affine = jax.hessian(lambda t: lattice.density(stretched(1.0) * t, jnp.zeros((1, 1))))(1.0)
    assert float(affine) == pytest.approx(2.0, abs=1e-12)
    assert float(elastic_constants(lattice)[0, 0]) == pytest.approx(1.5, abs=1e-12)


@pytest.mark.slow
def test_the_relaxed_modulus_has_two_derivatives():
    """C = 2 a b / (a + b), d2C / da2 = -4 b^2 / (a + b)^3: the fourth derivatives of the energy."""
    modulus = lambda a: elastic_constants(alternating_chain(Harmonic(a, 1.0), Harmonic(3.0, 1.0)))[0, 0]  # noqa: E731
    assert float(jax.jit(jax.grad(modulus))(1.0)) == pytest.approx(2 * 9 / 16, abs=1e-10)
    assert float(jax.jit(jax.jacfwd(jax.grad(modulus)))(1.0)) == pytest.approx(-4 * 9 / 64, abs=1e-9)


@pytest.mark.parametrize(
    "make, counts",
    [
        (chain, [2, 2]),
        (square, [4, 4, 4, 8]),
        (triangular, [6, 6, 6, 12]),
        (fcc, [12, 6, 24, 12]),
        (bcc, [8, 6, 12, 24]),
        (diamond, [4, 12, 12, 6]),
        (hcp, [12, 6, 2, 18]),
    ],
)
def test_shells_have_their_numbers_of_neighbours(make, counts):
    crystal = make()
    shells = neighbours(crystal, shells=len(counts))
    assert [2 * len(s.first) / crystal.atoms for s in shells] == counts


@pytest.mark.parametrize(
    "make, dim", [(chain, 1), (triangular, 2), (fcc, 3), pytest.param(hcp, 3, marks=pytest.mark.slow)]
)
def test_lattice_sums_are_the_sums(make, dim):
    """Against the pairs themselves within a radius, and an integral beyond it where F = 1."""
    crystal = make(1.1)
    radius = {1: 400.0, 2: 60.0, 3: 14.0}[dim]
    vectors, positions = np.asarray(crystal.vectors), np.asarray(crystal.positions)
    reach = int(np.ceil(radius / np.min(np.linalg.norm(vectors, axis=1)) * 1.7))
    n = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * dim, indexing="ij"), -1).reshape(-1, dim)
    total = 0.0
    for i in positions:
        for j in positions:
            r = np.linalg.norm((n + j - i) @ vectors, axis=1)
            r = r[(r > 1e-9) & (r < radius)]
            total += 0.5 * np.sum(4 * (r**-12.0 - r**-6.0))
    density = len(positions) / abs(np.linalg.det(vectors))
    area = {1: 2.0, 2: 2 * np.pi, 3: 4 * np.pi}[dim]
    tail = -4 * area * density * radius ** (dim - 6) / (6 - dim)
    total += 0.5 * tail * len(positions)
    lattice = lennard_jones_crystal(crystal)
    energy = jax.jit(lambda F: lattice.cell_energy(F, jnp.zeros(lattice.inner)))(jnp.eye(dim))
    assert float(energy) == pytest.approx(total, rel=2e-6)


def test_lattice_sums_do_not_depend_on_their_split():
    """The same crystal, described by another cell: the terms that are summed are others."""
    oblique = np.asarray([[1, 0, 0], [0, 1, 0], [1, 0, 1]]) @ np.asarray(fcc(1.5).vectors)
    F = jnp.asarray([[1.1, 0.05, 0], [0, 0.95, 0.02], [0, 0, 1.03]])
    energy = eqx.filter_jit(lambda part, vectors: part.energy(vectors, jnp.zeros((1, 3)), F))
    values = [float(energy(LennardJonesSum(c), c.vectors)) for c in (fcc(1.5), Crystal(oblique))]
    assert values[0] == pytest.approx(values[1], rel=1e-13)


def deformed(dim, seed=0, size=0.03):
    return jnp.asarray(np.eye(dim) + size * np.random.default_rng(seed).normal(size=(dim, dim)))


def sheet():
    return Lattice.pairs(triangular(1.1), LennardJones(), shells=2)


def zincblende():
    potentials = [Morse(1.0, 3.0, ROOT3 / 4), Harmonic(0.5, 0.5**0.5)]
    return Lattice.pairs(diamond(1.0), potentials)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Lattice.pairs(triangular(1.1), LennardJones(), shells=2),
        pytest.param(zincblende, marks=pytest.mark.slow),
    ],
)
def test_stress_and_tangent_are_slopes_and_turn_with_the_frame(make):
    lattice = make()
    d = lattice.dim
    F = deformed(d)
    answer = cauchy_born(lattice, F)
    assert int(answer.code) == 0
    step = 1e-5
    direction = jnp.asarray(np.random.default_rng(1).normal(size=(d, d)))
    plus, minus = (cauchy_born(lattice, F + s * step * direction) for s in (1, -1))
    slope = (plus.energy - minus.energy) / (2 * step)
    assert float(jnp.sum(answer.stress * direction)) == pytest.approx(float(slope), rel=1e-7)
    change = jnp.einsum("iJkL,kL->iJ", answer.tangent, direction)
    assert np.allclose(change, (plus.stress - minus.stress) / (2 * step), rtol=1e-6, atol=1e-6)
    symmetric = answer.tangent.reshape(d * d, -1)
    assert np.allclose(symmetric, symmetric.T, rtol=0, atol=1e-10)
    turn = jnp.asarray(Rotation.from_rotvec([0.3, -0.2, 0.4]).as_matrix() if d == 3 else [[0.8, -0.6], [0.6, 0.8]])
    turned = cauchy_born(lattice, turn @ F)
    assert float(turned.energy) == pytest.approx(float(answer.energy), rel=1e-12)
    assert np.allclose(turned.stress, turn @ answer.stress, rtol=0, atol=1e-10)


def test_inner_shifts_soften_and_their_energy_is_least():
    lattice = zincblende()
    F = jnp.asarray([[1.0, 0.05, 0], [0.05, 1.0, 0], [0, 0, 1.0]])
    found = jax.jit(relax)(lattice, F)
    assert float(found.energy) < float(lattice.density(F, jnp.zeros((1, 3)))) - 1e-4
    gradient = jax.jit(jax.grad(lambda s: lattice.density(F, s)))(found.shifts)
    assert np.max(np.abs(gradient)) < 1e-12
    # By symmetry an in-plane shear moves the sublattice along the third axis (Kleinman's internal strain).
    assert np.max(np.abs(found.shifts[0, :2])) < 1e-12 < abs(float(found.shifts[0, 2]))


def test_lattice_constant_and_energy_follow_the_potential():
    """Scaling: a = sigma a_1, E = epsilon E_1; many potentials at once under vmap."""
    table = Lattice.pairs(triangular(1.1), LennardJones(), shells=3).interactions[0].bonds

    def rest(epsilon, sigma):
        lattice = Lattice(triangular(1.1), Pairs(LennardJones(epsilon, sigma), table))
        value = ground_state(lattice, throw=False).value
        return value.energy, value.lattice.crystal.vectors[0, 0]

    epsilon, sigma = jnp.asarray([1.0, 2.0, 0.7]), jnp.asarray([1.0, 1.05, 0.97])
    energy, spacing = jax.jit(jax.vmap(rest))(epsilon, sigma)
    assert np.allclose(energy, epsilon * energy[0], rtol=1e-12)
    assert np.allclose(spacing, sigma * spacing[0], rtol=1e-12)
    slopes = jax.jit(jax.jacrev(rest, (0, 1)))(2.0, 1.05)
    assert np.allclose(slopes, [[energy[0], 0], [0, spacing[0]]], rtol=0, atol=1e-10)


def test_a_hexagonal_crystal_finds_its_axial_ratio():
    """Nearest-neighbour springs of one length make the close packing ideal: c / a = sqrt(8/3)."""
    table = neighbours(hcp(1.0), shells=1)[0]
    lattice = Lattice(hcp(1.02, 1.55), Pairs(Harmonic(1.0, 1.0), table))
    value = ground_state(lattice, free="cell").value
    a, c = float(value.lattice.crystal.vectors[0, 0]), float(value.lattice.crystal.vectors[2, 2])
    assert (a, c) == pytest.approx((1.0, (8 / 3) ** 0.5), abs=1e-9)
    assert float(value.energy) == pytest.approx(0, abs=1e-15)


def test_a_smooth_tail_ends_and_keeps_the_inside():
    smooth, full = Smooth(LennardJones(), 1.8, 2.2), LennardJones()
    r = jnp.asarray([1.0, 1.79, 2.2, 2.5])
    assert np.allclose(smooth(r), [full(r[0]), full(r[1]), 0, 0], rtol=0, atol=1e-15)
    slope, whole = smooth, full
    for _ in range(3):
        slope, whole = jax.grad(slope), jax.grad(whole)
        assert abs(float(slope(2.2 - 1e-9))) < 1e-5
        assert float(slope(1.8 + 1e-9)) == pytest.approx(float(whole(1.8)), abs=1e-5)
    # Compressed by a fifth the lattice has all bonds that are shorter than the end.
    lattice = Lattice.pairs(triangular(1.1), smooth)
    more = Lattice.pairs(triangular(1.1), smooth, cutoff=4.0)
    F = 0.8 * jnp.eye(2)
    none = jnp.zeros((0, 2))
    assert float(lattice.density(F, none)) == pytest.approx(float(more.density(F, none)), rel=1e-13)


def test_a_bar_of_the_chain_is_the_chain():
    """Finite elements with the Cauchy-Born law, held at one end and pulled at the other, against the atoms, whose bonds
    all carry the force: their length is the root of V'(r) = force below the peak."""
    lattice, elements, atoms_each = nearest(), 5, 4
    n = elements * atoms_each
    length = n * R0

    @jax.jit
    def bar(force):
        h = length / elements

        def energy(u):
            F = 1 + jnp.diff(jnp.concatenate([jnp.zeros(1), u])) / h
            return h * jnp.sum(jax.vmap(lambda f: cauchy_born(lattice, f[None, None]).energy)(F)) - force * u[-1]

        step = lambda _, u: u - jnp.linalg.solve(jax.hessian(energy)(u), jax.grad(energy)(u))  # noqa: E731
        return jnp.concatenate([jnp.zeros(1), jax.lax.fori_loop(0, 30, step, jnp.zeros(elements))])

    lj = lambda r: 24 * (r**-7.0 - 2 * r**-13.0)  # noqa: E731
    for force in (0.5, 1.5, 2.39):
        bond = brentq(lambda r, f=force: lj(r) - f, R0, CRITICAL * R0, xtol=1e-15)
        atoms = (bond - R0) * np.arange(n + 1)[::atoms_each]
        assert np.allclose(bar(force), atoms, rtol=0, atol=1e-8)


STEP = Step(jnp.asarray(1.0))


def test_points_of_the_material_are_the_lattice():
    lattice = Lattice.pairs(triangular(R0), LennardJones(), shells=1)
    at = CauchyBorn(lattice).points((2, 1), jnp.float64)
    F = jnp.stack([deformed(2, 0), deformed(2, 1)])
    strain = jnp.moveaxis(F.reshape(2, 4), 0, 1)[:, :, None]
    up = jax.jit(lambda x: at.update(x, (), STEP))(strain)
    tangent = jnp.asarray(jax.jit(lambda x: at.tangent(x, (), STEP).matrix())(strain))
    rest = cauchy_born(lattice, jnp.eye(2)).energy
    for k in range(2):
        answer = cauchy_born(lattice, F[k])
        assert np.allclose(up.stress[:, k, 0], answer.stress.ravel(), rtol=0, atol=1e-12)
        assert float(up.energy[k, 0]) == pytest.approx(float(answer.energy - rest), abs=1e-12)
        assert np.allclose(tangent[:, :, k, 0], answer.tangent.reshape(4, 4), rtol=0, atol=1e-10)
    inverted = strain.at[0].mul(-1)
    assert np.all(jax.jit(lambda x: at.update(x, (), STEP))(inverted).code > 0)


def test_a_solid_crystal_in_the_plane():
    lattice = Lattice.pairs(fcc(R0 * 2**0.5), LennardJones(), shells=1)
    at = CauchyBorn(lattice).points((1, 1), jnp.float32)
    strain = jnp.asarray([1.01, 0.02, 0.0, 0.99], jnp.float32).reshape(4, 1, 1)
    F = jnp.eye(3).at[:2, :2].set(strain[:, 0, 0].reshape(2, 2).astype(float))
    up = jax.jit(lambda x: at.update(x, (), STEP))(strain)
    assert up.stress.dtype == jnp.float32
    assert np.allclose(up.stress[:, 0, 0], cauchy_born(lattice, F).stress[:2, :2].ravel(), rtol=0, atol=2e-4)


@pytest.mark.slow
def test_a_lattice_drives_a_cell():
    """Alone the cell answers like the lattice; beside rubber it lies between stiffer and softer phases."""
    lattice = ground_state(Lattice.pairs(triangular(1.0), Morse(1.0, 3.0, 1.0), shells=2)).value.lattice
    F = np.asarray([[1, 0, 0, 1.0]]) + np.outer([0.5, 0.98, 1.0], [0.02, 0.01, 0, 0])
    path = jh.LoadPath.finite(F, np.zeros_like(F), np.zeros(4, bool))
    grid = jh.Grid((3, 3))
    alone = jh.drive(grid, CauchyBorn(lattice), path).value
    expected = [cauchy_born(lattice, jnp.asarray(f.reshape(2, 2))) for f in F]
    assert np.allclose(alone.stress, [e.stress.ravel() for e in expected], rtol=0, atol=1e-10)
    soft = jh.NeoHookean(jh.LinearElastic.isotropic(1.0, 0.3))
    labels = np.asarray([[0, 1, 0], [1, 1, 0], [0, 0, 1]])
    mixed = jh.drive(grid, jh.PhaseMixture(labels, {0: CauchyBorn(lattice), 1: soft}), path).value
    rubber = jh.drive(grid, soft, path).value
    assert rubber.energy[-1] < mixed.energy[-1] < alone.energy[-1]
    slope = float(np.sum((mixed.stress[2] + mixed.stress[1]) / 2 * (F[2] - F[1])))
    assert float(mixed.energy[2] - mixed.energy[1]) == pytest.approx(slope, rel=1e-4)
