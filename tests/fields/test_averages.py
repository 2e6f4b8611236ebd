"""Means from boundary data: closed forms, equality with volume averages, and the terms that break it."""

import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.fields import (
    ELEMENTS,
    faces_of,
    flux_from_boundary,
    flux_from_nodal_forces,
    gradient_from_boundary,
    nodal_field,
    strain_from_boundary,
    stress_from_boundary,
    volume_average,
)
from jaxhomog.tensors import to_mandel

GRIDS = [jh.Grid((4, 5), (0.7, 2.0)), jh.Grid((3, 1, 4), (1.0, 0.5, 3.0))]


def centres(grid):
    h = np.asarray(grid.lengths) / grid.shape
    return np.stack(np.meshgrid(*[(np.arange(n) + 0.5) * e for n, e in zip(grid.shape, h, strict=True)], indexing="ij"))


def face_centres(grid, axis):
    """Points (d, *face) of the voxel faces of the low and of the high face."""
    x = np.take(centres(grid), 0, axis + 1)
    low, high = x.copy(), x.copy()
    low[axis], high[axis] = 0, grid.lengths[axis]
    return low, high


def tractions(grid, tensor):
    """Outward tractions of tensor(x) (..., c, d) on the faces."""
    faces = []
    for k in range(grid.dim):
        low, high = (tensor(x) for x in face_centres(grid, k))
        faces.append((-low[..., k], high[..., k]))
    return tuple(faces)


@pytest.mark.parametrize("grid", GRIDS, ids=lambda g: str(g.shape))
@pytest.mark.parametrize("c", [1, "d"])
def test_boundary_displacements_give_the_mean_of_q1_gradients(grid, c):
    """Random nodal values: <grad u> over the elements, exactly, though u is anything but linear."""
    c = grid.dim if c == "d" else c
    rng = np.random.default_rng(0)
    w, g = rng.normal(size=(*grid.shape, c)), rng.normal(size=(c, grid.dim))
    u = np.array(nodal_field(grid, w, g))
    u += rng.normal(size=u.shape)  # not periodic
    # Mean over elements of the gradient at their centres, written down independently.
    h = np.asarray(grid.lengths) / grid.shape
    expected = np.empty((c, grid.dim))
    for k in range(grid.dim):
        du = np.diff(u, axis=k) / h[k]
        for j in range(grid.dim):
            if j != k:
                du = 0.5 * (np.take(du, range(1, du.shape[j]), j) + np.take(du, range(du.shape[j] - 1), j))
        expected[:, k] = du.reshape(-1, c).mean(axis=0)
    np.testing.assert_allclose(gradient_from_boundary(grid, faces_of(grid, u)), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("grid", GRIDS, ids=lambda g: str(g.shape))
def test_a_periodic_fluctuation_has_no_mean_gradient(grid):
    rng = np.random.default_rng(1)
    g = rng.normal(size=(grid.dim, grid.dim))
    u = nodal_field(grid, rng.normal(size=(*grid.shape, grid.dim)), g)
    np.testing.assert_allclose(gradient_from_boundary(grid, faces_of(grid, u)), g, rtol=0, atol=1e-12)


def test_the_mean_gradient_of_a_solution():
    grid = jh.Grid((4, 5), (1.0, 2.0))
    labels = np.random.default_rng(2).integers(0, 2, grid.shape)
    law = jh.PhaseMixture(labels, {0: jh.LinearConduction(1.0), 1: jh.LinearConduction(9.0)})
    value = jh.apply(grid, law, gradient=(0.1, -0.2)).value
    u = nodal_field(grid, value.fields.fluctuation, np.array([[0.1, -0.2]]))
    np.testing.assert_allclose(gradient_from_boundary(grid, faces_of(grid, u)), [[0.1, -0.2]], rtol=0, atol=1e-12)
    np.testing.assert_allclose(volume_average(grid, value.fields.down), [0.1, -0.2], rtol=0, atol=1e-12)


def test_a_rotation_is_no_strain():
    """u = G x: the mean strain is the Mandel vector of sym G."""
    grid, g = GRIDS[0], np.array([[0.1, 0.5], [-0.3, 0.2]])
    u = nodal_field(grid, np.zeros((*grid.shape, 2)), g)
    np.testing.assert_allclose(
        strain_from_boundary(grid, faces_of(grid, u)), [0.1, 0.2, 0.1 * 2**0.5], rtol=0, atol=1e-14
    )


def test_a_crack_opening_is_missing_from_the_volume():
    """u = 0 below x = 1/2 and 1 above: the regular gradient vanishes, the boundary sees [u] n / |V| times area."""
    grid = jh.Grid((4, 3), (2.0, 1.0))
    u = np.zeros((5, 4, 1))
    u[3:] = 1.0  # the crack runs inside the third row of elements
    mean = gradient_from_boundary(grid, faces_of(grid, u))
    np.testing.assert_allclose(mean, [[1.0 / 2.0, 0.0]], rtol=0, atol=1e-14)


@pytest.mark.parametrize("grid", GRIDS, ids=lambda g: str(g.shape))
def test_a_laminate_s_tractions_give_its_mean_stress(grid):
    """In-plane stresses that change from layer to layer are in equilibrium; every traction is uniform on its voxel."""
    rng = np.random.default_rng(3)
    layers = rng.normal(size=(grid.shape[0], grid.dim, grid.dim))
    layers = layers + np.swapaxes(layers, 1, 2)
    layers[:, 0, :] = layers[0, 0, :]
    layers[:, :, 0] = layers[0, :, 0]
    h = grid.lengths[0] / grid.shape[0]

    def stress(x):
        at = np.clip((x[0] / h).astype(int), 0, grid.shape[0] - 1)
        return layers[at]

    field = np.asarray(stress(centres(grid)))
    expected = field.reshape(-1, grid.dim, grid.dim).mean(axis=0)
    faces = tractions(grid, stress)
    np.testing.assert_allclose(flux_from_boundary(grid, faces), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(stress_from_boundary(grid, faces), to_mandel(expected), rtol=0, atol=1e-12)


def airy(x):
    """Stresses of the Airy function x^3 y^2 + x y^3 (div sigma = 0) at points (2, ...)."""
    x, y = x
    s11, s22, s12 = 2 * x**3 + 6 * x * y, 6 * x * y**2, -(6 * x**2 * y + 3 * y**2)
    return np.stack([np.stack([s11, s12], -1), np.stack([s12, s22], -1)], -2)


def test_smooth_equilibrium_converges_with_the_square_of_the_voxel():
    lengths, errors = (1.2, 0.8), []
    a, b = lengths
    s11 = a**3 / 2 + 6 * a * b / 4
    s22, s12 = a * b**2, -(a**2 * b + b**2)
    exact = np.array([[s11, s12], [s12, s22]])
    for n in (8, 16):
        grid = jh.Grid((n, n), lengths)
        errors.append(np.abs(np.asarray(flux_from_boundary(grid, tractions(grid, airy))) - exact).max())
    assert errors[-1] < 2e-2
    np.testing.assert_allclose(np.log2(np.divide(errors[:-1], errors[1:])), 2.0, rtol=0, atol=0.05)


def test_a_source_needs_its_volume_term():
    """q = (x, 0), div q = 1 (a uniform heat source): the boundary alone gives twice <q>."""
    grid = jh.Grid((5, 4), (2.0, 3.0))
    faces = tractions(grid, lambda x: np.stack([x[0], 0 * x[0]], -1)[..., None, :])
    np.testing.assert_allclose(flux_from_boundary(grid, faces), [[2.0, 1.5 * 1.0]], rtol=0, atol=1e-12)
    source = np.ones((*grid.shape, 1))
    np.testing.assert_allclose(flux_from_boundary(grid, faces, divergence=source), [[1.0, 0.0]], rtol=0, atol=1e-12)


def test_a_jump_of_the_traction_needs_its_surface_term():
    """q = 0 left of x = 1/2 and g right of it: the boundary gives <q> + g x_S times area over volume."""
    grid, g = jh.Grid((4, 3)), 3.0
    faces = tractions(grid, lambda x: np.stack([np.where(x[0] > 2, g, 0.0), 0 * x[0]], -1)[..., None, :])
    boundary = np.asarray(flux_from_boundary(grid, faces))[0, 0]
    np.testing.assert_allclose(boundary - g * 2.0 / 4.0, g / 2, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dim", [2, 3])
def test_nodal_reactions_give_the_mean_of_the_finite_elements(dim):
    """Forces of a q1 cell, assembled on the open box, not in equilibrium: sum f (x) x = |V| <q>."""
    grid = jh.Grid((3, 4, 2)[:dim], (1.0, 2.0, 0.5)[:dim])
    rng = np.random.default_rng(5)
    shape = tuple(n + 1 for n in grid.shape)
    u, k = rng.normal(size=(*shape, 1)), rng.uniform(1, 9, grid.shape)
    # A row of empty voxels after the last makes the periodic element an open box.
    open_grid, padded = shape, np.pad(k, [(0, 1)] * dim)
    h = np.asarray(grid.lengths) / grid.shape
    element = ELEMENTS["q1"]
    law = jh.LinearConduction(padded).response(open_grid, np.float64)
    stations = element.flux(law, element.gradient(np.moveaxis(u, -1, 0), h))
    force = np.moveaxis(np.asarray(element.divergence(stations, h, np.moveaxis(u, -1, 0))), 0, -1) * np.prod(h)
    size = np.prod(grid.shape)
    mean = [float(np.sum(np.asarray(stations[0][1][0, a]))) / size for a in range(dim)]
    np.testing.assert_allclose(flux_from_nodal_forces(grid, force)[0], mean, rtol=1e-12)


def test_batches_and_refusals():
    grid = jh.Grid((3, 2))
    u = np.random.default_rng(6).normal(size=(7, 4, 3, 2))
    many = gradient_from_boundary(grid, faces_of(grid, u))
    assert many.shape == (7, 2, 2)
    np.testing.assert_allclose(many[4], gradient_from_boundary(grid, faces_of(grid, u[4])), rtol=1e-12)
    with pytest.raises(jh.InputError, match="nodal field"):
        faces_of(grid, np.zeros((3, 2, 1)))
    with pytest.raises(jh.InputError, match="one \\(low, high\\) pair"):
        gradient_from_boundary(grid, faces_of(grid, u)[:1])
    with pytest.raises(jh.InputError, match="normal to axis 0"):
        flux_from_boundary(grid, faces_of(grid, u))
    with pytest.raises(jh.InputError, match="voxel field"):
        volume_average(grid, np.zeros((2, 3, 1)))
    with pytest.raises(jh.InputError, match="gradient has shape"):
        nodal_field(grid, np.zeros((3, 2, 1)), np.zeros((2, 2)))
