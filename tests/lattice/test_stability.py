"""Phonons, acoustic tensors and critical stretches against assembled Hessians, symmetry and finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from chains import CRITICAL, R0, STRETCHES, nearest, stretched
from scipy.optimize import brentq

from jaxhomog.lattice import (
    Along,
    EqualStretch,
    Harmonic,
    Lattice,
    LennardJones,
    Morse,
    Pairs,
    UniaxialStretch,
    acoustic_tensor,
    alternating_chain,
    brillouin_zone,
    chain,
    critical_stretch,
    dynamical_matrix,
    fcc,
    frequencies,
    phonon_scan,
    square,
    supercell,
    triangular,
)
from jaxhomog.lattice.eigen import eigenvalues, lowest_vector


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_eigenvalues_of_small_matrices(n):
    rng = np.random.default_rng(n)
    basis, values = np.linalg.qr(rng.normal(size=(400, n, n)))[0], rng.normal(size=(400, n))
    values[:100, -1] = values[:100, 0]  # double ones
    values[100:110], values[110:120] = 1.0, 0.0
    values[120:150, 0] *= 1e-9
    a = np.einsum("bij,bj,bkj->bik", basis, values, basis)
    a = 0.5 * (a + np.swapaxes(a, 1, 2))
    expected = np.linalg.eigvalsh(a)
    assert np.allclose(eigenvalues(jnp.asarray(a)), expected, rtol=0, atol=2e-14)
    v = np.asarray(lowest_vector(jnp.asarray(a)))
    assert np.allclose(np.einsum("bij,bj->bi", a, v), expected[:, :1] * v, rtol=0, atol=2e-14)
    assert np.allclose(np.linalg.norm(v, axis=1), 1)
    direction = jnp.asarray(a[399] @ a[399])
    slope = jax.jvp(eigenvalues, (jnp.asarray(a[399]),), (direction,))[1]
    assert np.allclose(slope, expected[399] ** 2 if n > 0 else 0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("make, dim, n", [(chain, 1, 4), (square, 2, 4), (fcc, 3, 3)])
def test_a_zone_has_one_of_each_pair_of_waves(make, dim, n):
    crystal = make(1.3)
    fractions = np.rint(np.asarray(brillouin_zone(crystal, n) @ crystal.vectors.T) / (2 * np.pi) * n).astype(int) % n
    assert len({tuple(k) for k in fractions}) == len(fractions)
    both = {tuple(k) for k in fractions} | {tuple(-k % n) for k in fractions}
    assert len(both) == n**dim - 1 and (0,) * dim not in both
    own = (2**dim if n % 2 == 0 else 1) - 1  # their own opposites
    assert len(fractions) == (n**dim - 1 + own) // 2


@pytest.mark.parametrize("make, repeats", [(lambda: Lattice.pairs(triangular(1.15), LennardJones(), shells=2), (3, 2))])
def test_a_zone_holds_the_modes_of_a_supercell(make, repeats):
    """All omega^2 of a ring of cells are the eigenvalues of its whole Hessian."""
    lattice = make()
    F = jnp.asarray([[1.02, 0.03], [0.0, 0.99]])
    big = supercell(lattice, repeats)
    n = big.crystal.atoms

    def energy(u):
        places = big.places(jnp.zeros(big.inner)) + jnp.linalg.solve(F, u.reshape(n, 2).T).T
        return sum(part.energy(big.crystal.vectors, places, F) for part in big.interactions)

    whole = np.linalg.eigvalsh(jax.jit(jax.hessian(energy))(jnp.zeros(2 * n)))
    reciprocal = 2 * np.pi * np.linalg.inv(np.asarray(lattice.crystal.vectors)).T
    grid = np.stack(np.meshgrid(*(np.arange(k) / k for k in repeats), indexing="ij"), -1).reshape(-1, 2)
    waves = phonon_scan(lattice, F[None], jnp.asarray(grid @ reciprocal))[0]
    assert np.allclose(np.sort(np.ravel(waves)), whole, rtol=0, atol=1e-10)


def test_two_atoms_have_an_acoustic_and_an_optical_band():
    """omega^2 = (a + b)/m -+ sqrt(a^2 + b^2 + 2 a b cos q l)/m (Born & von Karman)."""
    lattice = alternating_chain(Harmonic(1.0, 1.0), Harmonic(3.0, 1.0), masses=2.0)
    q = jnp.linspace(0.1, 3.0, 7)[:, None] / 2
    root = np.sqrt(1 + 9 + 6 * np.cos(2 * np.asarray(q[:, 0])))
    expected = np.stack([(4 - root) / 2, (4 + root) / 2], axis=-1)
    assert np.allclose(phonon_scan(lattice, jnp.eye(1)[None], q)[0], expected, rtol=0, atol=1e-13)
    assert np.allclose(frequencies(lattice, jnp.eye(1), q), np.sqrt(expected), rtol=0, atol=1e-13)
    matrix = dynamical_matrix(lattice, jnp.eye(1), q)
    assert np.allclose(np.linalg.eigvalsh(matrix)[:, ::2], expected, rtol=0, atol=1e-13)


def test_unequal_masses():
    """At q = 0 the optical mode has omega^2 = (a + b) (1/m + 1/M); the zone boundary 2 k / m and 2 k / M for a = b."""
    lattice = alternating_chain(Harmonic(1.0, 1.0), Harmonic(1.0, 1.0), masses=[1.0, 4.0])
    squares = phonon_scan(lattice, jnp.eye(1)[None], jnp.asarray([[0.0], [np.pi / 2]]))[0]
    assert np.allclose(squares, [[0, 2.5], [0.5, 2.0]], rtol=0, atol=1e-13)


def test_long_waves_are_sound():
    """omega^2 / q^2 -> acoustic tensor / density, also under stress; of two atoms with their inner shifts relaxed."""
    lattice = Lattice.pairs(triangular(1.15), LennardJones(), shells=2)
    F = jnp.asarray([[1.03, 0.02], [0.0, 1.01]])
    n = jnp.asarray([[0.6, 0.8], [1.0, 0.0]])
    sound = np.linalg.eigvalsh(acoustic_tensor(lattice, F, n)) * float(lattice.crystal.volume)
    assert np.allclose(phonon_scan(lattice, F[None], 1e-4 * n)[0] / 1e-8, sound, rtol=1e-6)
    pair = alternating_chain(Harmonic(1.0, 1.0), Harmonic(3.0, 1.0))
    tensor = acoustic_tensor(pair, jnp.eye(1), jnp.ones((1, 1)))
    assert float(tensor[0, 0, 0]) == pytest.approx(1.5)
    slow = phonon_scan(pair, jnp.eye(1)[None], jnp.asarray([[1e-3]]))[0, 0, 0]
    assert float(slow) / 1e-6 == pytest.approx(1.5, rel=1e-5)


def test_waves_of_a_star_soften_together():
    """Square lattice under equal stretch, springs along the edges that soften: (q, 0) and (0, q) by symmetry."""
    lattice = Lattice.pairs(square(1.0), [Morse(1.0, 5.0, 1.0), Harmonic(0.4, 2**0.5)])
    q = brillouin_zone(lattice.crystal, 4)
    value = critical_stretch(lattice, jnp.linspace(1.0, 1.3, 7), q, EqualStretch(), refine=False).value
    # omega^2 of (q, 0) along direction 1 is 4 sin^2(q/2) times the stiffness of an edge and of two diagonals.
    e = lambda t: np.exp(-5 * (t - 1))  # noqa: E731
    expected = brentq(lambda t: 50 * (2 * e(t) ** 2 - e(t)) + 0.4 + 0.4 * (1 - 1 / t), 1.0, 1.3, xtol=1e-15)
    assert float(value.stretch) == pytest.approx(expected, abs=1e-12)
    assert int(value.code) == 1 and value.long_wave and "several waves" in value.reason
    assert float(value.share) == pytest.approx((2 + 4) / (6 + 9))  # directions and waves along both axes
    along = np.min(np.abs(q), axis=1) < 1e-12
    assert np.array_equal(np.abs(np.asarray(value.stretch_of_wave) - expected) < 1e-10, along)
    named = acoustic_tensor(lattice, jnp.eye(2) * value.stretch, value.direction)
    assert abs(np.linalg.eigvalsh(named)[0]) < 1e-9


def test_the_critical_stretch_has_the_right_slope_in_three_dimensions():
    table = Lattice.pairs(fcc(1.4), Morse(), shells=2).interactions[0].bonds
    q = brillouin_zone(fcc(1.4), 2)

    @jax.jit
    def critical(alpha):
        lattice = Lattice(fcc(1.4), Pairs(Morse(1.0, alpha, 1.0), table))
        return critical_stretch(
            lattice, jnp.linspace(1.0, 1.3, 5), q, UniaxialStretch([1, 1, 0]), refine=False, throw=False
        ).value.stretch

    slope = jax.jit(jax.grad(critical))(5.0)
    difference = (critical(5.0 + 1e-4) - critical(5.0 - 1e-4)) / 2e-4
    assert np.isfinite(slope) and float(slope) == pytest.approx(float(difference), rel=1e-6)


def test_a_scan_has_the_right_slope():
    lattice, q = Lattice.pairs(fcc(2**0.5 * R0), LennardJones(), shells=1), jnp.asarray([[0.3, 0.5, 0.9]])
    scan = jax.jit(lambda t: phonon_scan(lattice, t * jnp.eye(3)[None], q)[0, 0])
    slope = jax.jit(jax.jacrev(scan))(1.01)
    assert np.allclose(slope, (scan(1.01 + 1e-6) - scan(1.01 - 1e-6)) / 2e-6, rtol=1e-6)


def test_single_precision():
    lattice = Lattice.pairs(triangular(1.15), LennardJones(), shells=2)
    single = lattice.cast(jnp.float32)
    q = brillouin_zone(lattice.crystal, 4)
    F = jnp.asarray([[[1.02, 0.0], [0.0, 1.0]]])
    out = phonon_scan(single, F.astype(jnp.float32), q.astype(jnp.float32))
    assert out.dtype == jnp.float32
    assert np.allclose(out, phonon_scan(lattice, F, q), rtol=1e-4, atol=1e-3)


def test_a_path_without_a_critical_stretch():
    lattice = Lattice.pairs(square(1.0), [Harmonic(1.0, 1.0), Harmonic(1.0, 2**0.5)])
    q = brillouin_zone(lattice.crystal, 4)
    solution = critical_stretch(lattice, jnp.asarray([1.0, 1.01]), q, throw=False)
    assert not solution.result.ok and np.isnan(solution.value.stretch)
    assert "no wave" in solution.value.reason
    # Beyond the critical stretch from the start: no answer either.
    late = critical_stretch(nearest(), jnp.asarray([1.15, 1.2]), jnp.ones((1, 1)), throw=False)
    assert not late.result.ok and not late.stats["stable_at_start"]


def test_paths():
    assert np.allclose(UniaxialStretch()(jnp.asarray(1.2), 2), [[1.2, 0], [0, 1]])
    assert np.allclose(UniaxialStretch([1, 1])(jnp.asarray(1.2), 2), [[1.1, 0.1], [0.1, 1.1]])
    own = Along(lambda t: t * jnp.eye(1))
    value = critical_stretch(nearest(), STRETCHES, jnp.ones((1, 1)), own).value
    assert float(value.stretch) == pytest.approx(CRITICAL, abs=1e-12)
    assert stretched(1.0).shape == (1, 1)
