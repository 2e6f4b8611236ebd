"""Windows of a medium: single voxels, the order of partitions, windows against crops, codes, bad input."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.results import SINGULAR

TIGHT = {"tolerance": 1e-12}


def law(physics, values):
    return jh.LinearConduction(values) if physics == "conduction" else jh.LinearElastic.isotropic(values, 0.3)


def random_cell(shape, contrast=20.0, seed=0):
    return np.where(np.random.default_rng(seed).random(shape) < 0.5, 1.0, contrast)


def below(a, b):
    return np.linalg.eigvalsh(np.asarray(b) - np.asarray(a)).min() >= -1e-10 * np.abs(b).max()


@pytest.mark.parametrize("physics", ["conduction", pytest.param("elasticity", marks=pytest.mark.slow)])
def test_single_voxels_are_voigt_and_reuss(physics):
    values = random_cell((2, 3))
    one = np.eye(2) if physics == "conduction" else None
    if one is None:  # plane strain with E = 1, nu = 0.3
        lam, mu = 0.3 / (1.3 * 0.4), 1 / 2.6
        one = np.array([[lam + 2 * mu, lam, 0], [lam, lam + 2 * mu, 0], [0, 0, 2 * mu]])
    value = jh.window_bounds(jh.Grid((2, 3)), law(physics, values), (2, 3), **TIGHT).value
    np.testing.assert_allclose(value.upper, values.mean() * one, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(value.lower, one / np.mean(1 / values), rtol=1e-10, atol=1e-12)
    for tensors in (value.affine, value.uniform_traction):
        np.testing.assert_allclose(tensors, values[..., None, None] * one, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "physics, element, shape",
    [
        pytest.param("conduction", "q1", (8, 4), marks=pytest.mark.exhaustive),
        pytest.param("elasticity", "q1", (8, 4), marks=pytest.mark.exhaustive),
        pytest.param("elasticity", "q1r", (8, 4), marks=pytest.mark.slow),
        pytest.param("conduction", "q1r", (4, 4, 4), marks=pytest.mark.slow),
        pytest.param("elasticity", "q1", (4, 4, 4), marks=pytest.mark.exhaustive),
    ],
)
def test_coarser_partitions_bound_tighter(physics, element, shape):
    """Huet's hierarchy: Reuss <= lower of every finer partition <= C <= upper of every finer one <= Voigt."""
    grid, material = jh.Grid(shape), law(physics, random_cell(shape))
    rest = jh.homogenize(grid, material, element=element, **TIGHT).value
    lower, upper = [rest.bounds.reuss], [rest.bounds.voigt]
    for m in (4, 2, 1):
        value = jh.window_bounds(grid, material, (m,) * len(shape), element, **TIGHT).value
        lower.append(value.lower)
        upper.append(value.upper)
    lower.append(rest.effective)
    upper.append(rest.effective)
    assert all(below(a, b) for a, b in itertools.pairwise(lower))
    assert all(below(b, a) for a, b in itertools.pairwise(upper))
    # A window narrower than two voxels has no node inside: its affine tensor is Voigt's. The whole cell's is not.
    assert not any(np.allclose(a, b, rtol=1e-3) for a, b in itertools.combinations(upper[::2], 2))
    if element == "q1":  # one point per voxel leaves this small cell floppy enough for Reuss
        assert not any(np.allclose(a, b, rtol=1e-3) for a, b in itertools.combinations(lower[::2], 2))


@pytest.mark.slow
def test_windows_are_the_crops_in_their_order():
    shape, windows = (4, 6, 4), (2, 3, 1)
    values = random_cell(shape)
    grid = jh.Grid(shape, (1.0, 3.0, 1.5))
    value = jh.window_bounds(grid, law("elasticity", values), windows, **TIGHT).value
    for at in ((0, 0, 0), (1, 2, 0), (0, 1, 0)):
        crop = values[tuple(slice(a * n // w, (a + 1) * n // w) for a, n, w in zip(at, shape, windows, strict=True))]
        for name in ("affine", "uniform_traction"):
            window = jh.Grid(crop.shape, (0.5, 1.0, 1.5))
            alone = jh.homogenize(window, law("elasticity", crop), name, **TIGHT).value.effective
            np.testing.assert_allclose(getattr(value, name)[at], alone, rtol=1e-8, atol=1e-8)


@pytest.mark.slow
def test_gradient_against_differences():
    values, weight = random_cell((4, 4), 3.0), np.random.default_rng(1).normal(size=(2, 2, 2))

    def functional(k):
        value = jh.window_bounds(jh.Grid((4, 4)), jh.LinearConduction(k), (2, 1), **TIGHT).value
        return jnp.sum(weight * jnp.stack([value.lower, value.upper]))

    slope = np.asarray(jax.jit(jax.grad(functional))(jnp.asarray(values)))
    for at in ((0, 0), (3, 1)):
        step = np.zeros((4, 4))
        step[at] = 1e-5
        difference = (functional(jnp.asarray(values + step)) - functional(jnp.asarray(values - step))) / 2e-5
        assert slope[at] == pytest.approx(float(difference), rel=1e-5, abs=1e-8)


def test_void_at_a_face_of_a_window_is_a_code():
    values = np.ones((4, 4))
    values[1, 1] = 0.0  # inside the cell, at the faces of its window
    s = jh.window_bounds(jh.Grid((4, 4)), jh.LinearConduction(values), (2, 2), throw=False)
    assert int(s.result.code) == SINGULAR and np.isnan(s.value.lower).all()
    with pytest.raises(jh.SolverError, match="window_bounds"):
        jh.window_bounds(jh.Grid((4, 4)), jh.LinearConduction(values), (2, 2))


def test_bad_input_says_what_to_do(unchecked):
    grid, material = jh.Grid((4, 4)), jh.LinearConduction(1.0)
    for windows, words in (
        ((3, 1), r"do not divide the shape \(4, 4\)"),
        ((2, 2, 2), "a number >= 1 for each of the 2 axes"),
        (2, "a number >= 1 for each of the 2 axes"),
        ((0, 2), "a number >= 1"),
        ((2.0, 2), "a number >= 1"),
        ("22", "a number >= 1"),
    ):
        with pytest.raises(jh.InputError, match=words):
            jh.window_bounds(grid, material, windows)
    with pytest.raises(jh.InputError, match="periodic only"):
        jh.window_bounds(grid, material, element="fourier")
