"""Boundary conditions: dense solves of the assembled window, the order of apparent tensors, Hill-Mandel, codes."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.results import SINGULAR, SUCCESS

CONDUCTION = (
    "periodic",
    "affine",
    "uniform_traction",
    ("periodic", "uniform_traction"),
    ("uniform_traction", "affine"),
)
ELASTICITY = (*CONDUCTION, "uniform_mixed", ("uniform_mixed", "periodic"))
TIGHT = {"residual_tolerance": 1e-12}


def names_of(boundary, dim):
    """One name per axis; a pair of names is continued by its first in 3-D."""
    return (boundary,) * dim if isinstance(boundary, str) else (boundary[0],) * (dim - 1) + (boundary[1],)


def law(physics, labels, values):
    make = jh.LinearConduction if physics == "conduction" else lambda k: jh.LinearElastic.isotropic(k, 0.3)
    return jh.PhaseMixture(labels, {i: make(v) for i, v in enumerate(values)})


def element_matrices(dim, h, full):
    """Gradient matrices (corners, direction) and weights of one element, by Gauss points or its centre."""
    point = 1 / np.sqrt(3) if full else 0.0
    corners = list(itertools.product((0, 1), repeat=dim))
    points = itertools.product((-point, point), repeat=dim) if full else [(0.0,) * dim]
    out = []
    for x in points:
        grad = np.zeros((len(corners), dim))
        for n, corner in enumerate(corners):
            for k in range(dim):
                grad[n, k] = (2 * corner[k] - 1) / h[k]
                for j in range(dim):
                    if j != k:
                        grad[n, k] *= (1 + (2 * corner[j] - 1) * x[j]) / 2
        out.append(grad)
    return corners, out


def dense(physics, stiffness, shape, h, names, full):
    """Apparent tensor: every node of the window assembled, constraints by multipliers, one linear solve.

    The multiplier of the mean strain is a symmetric stress (Hazanov and Huet 1994): the mean rotation is free.

    stiffness: (voxels, n, n), Mandel or conductivity.
    """
    dim, components = len(shape), len(shape) if physics == "elasticity" else 1
    corners, grads = element_matrices(dim, h, full)
    nodes = [n if name == "periodic" else n + 1 for n, name in zip(shape, names, strict=True)]
    size = int(np.prod(nodes)) * components
    pairs = [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)] if dim == 3 else [(0, 0), (1, 1), (0, 1)]
    n = len(pairs) if physics == "elasticity" else dim
    k, f, c, mean = np.zeros((size, size)), np.zeros((size, n)), np.zeros((n, n)), np.zeros((n, size))
    for v, index in enumerate(itertools.product(*(range(m) for m in shape))):
        at = [
            np.ravel_multi_index([(i + d) % m for i, d, m in zip(index, corner, nodes, strict=True)], nodes)
            for corner in corners
        ]
        for grad in grads:
            b = np.zeros((n, size))
            for corner, node in enumerate(at):
                for a in range(components):
                    dof = node * components + a
                    if physics == "conduction":
                        b[:, dof] += grad[corner]
                        continue
                    for row, (i, j) in enumerate(pairs):
                        if i == j == a:
                            b[row, dof] += grad[corner, i]
                        elif i != j and a in (i, j):
                            b[row, dof] += grad[corner, j if a == i else i] / np.sqrt(2)
            weight = 1 / (len(grads) * np.prod(shape))
            k += weight * b.T @ stiffness[v] @ b
            f -= weight * b.T @ stiffness[v]
            c += weight * stiffness[v]
            mean += weight * b
    grid = np.stack(np.meshgrid(*(np.arange(m) for m in nodes), indexing="ij"), -1).reshape(-1, dim)
    free = np.ones((len(grid), components), bool)
    for axis, name in enumerate(names):
        face = (grid[:, axis] == 0) | (grid[:, axis] == nodes[axis] - 1)
        if name == "affine":
            free[face] = False
        if name == "uniform_mixed":
            free[face, axis] = False
    keep = free.ravel()
    constraint = mean[:, keep]
    k, f, m = k[np.ix_(keep, keep)], f[keep], len(constraint)
    system = np.block([[k, constraint.T], [constraint, np.zeros((m, m))]])
    u = np.linalg.lstsq(system, np.vstack([f, np.zeros((m, n))]), rcond=1e-12)[0][: len(k)]
    return c - f.T @ u


def check_dense(physics, boundary, element, shape, values=(1.0, 4.0, 20.0), labels=None):
    dim = len(shape)
    if labels is None:
        labels = np.random.default_rng(3).integers(0, 3, shape)
    lengths = np.array((1.0, 0.7, 1.3))[:dim]
    problem = law(physics, labels, values)
    names = names_of(boundary, dim)
    grid = jh.Grid(shape, lengths)
    found = jh.homogenize(grid, problem, boundary=names, element=element, **TIGHT)
    one = jh.Grid((1,) * dim)
    unit = np.asarray(jh.homogenize(one, law(physics, np.zeros(one.shape, int), (1.0,))).value.effective)
    moduli = [v * unit for v in values]
    stiffness = [moduli[label] for label in labels.ravel()]
    expected = dense(physics, stiffness, shape, lengths / shape, names, element == "q1")
    np.testing.assert_allclose(found.value.effective, expected, rtol=0, atol=1e-9 * np.abs(expected).max())
    # A direction that carries nothing has no power to compare with.
    if np.diag(expected).min() > 1e-9 * np.abs(expected).max():
        assert float(found.value.hill_mandel_residual) < 1e-9
    assert float(found.stats["residual"]) <= 1e-12
    return found, expected


@pytest.mark.parametrize("element", ["q1", pytest.param("q1r", marks=pytest.mark.slow)])
@pytest.mark.parametrize("boundary", CONDUCTION, ids=str)
def test_conduction_is_the_dense_solve(boundary, element):
    check_dense("conduction", boundary, element, (4, 3))


@pytest.mark.parametrize("boundary", ["uniform_traction", pytest.param("uniform_mixed", marks=pytest.mark.slow)])
def test_elasticity_is_the_dense_solve(boundary):
    check_dense("elasticity", boundary, "q1", (4, 3))


@pytest.mark.slow
@pytest.mark.parametrize("element", ["q1", "q1r"])
@pytest.mark.parametrize("boundary", ELASTICITY, ids=str)
def test_elasticity_is_the_dense_solve_everywhere(boundary, element):
    check_dense("elasticity", boundary, element, (3, 4))


@pytest.mark.slow
@pytest.mark.parametrize("element", ["q1", "q1r"])
@pytest.mark.parametrize(
    "physics, boundary", [("conduction", b) for b in CONDUCTION] + [("elasticity", b) for b in ELASTICITY]
)
def test_three_dimensions_are_the_dense_solve(physics, boundary, element):
    check_dense(physics, boundary, element, (3, 4, 2))


def apparent(physics, dim, boundary, element, images, contrasts):
    """Tensors of many cells at once: shape (cells, n, n), with the Voigt and Reuss averages."""
    grid = jh.Grid(images.shape[1:], (1.0,) * dim)

    @jax.jit
    @jax.vmap
    def run(labels, contrast):
        problem = law(physics, labels, (1.0, contrast, 0.0))
        s = jh.homogenize(grid, problem, boundary=names_of(boundary, dim), element=element, residual_tolerance=1e-10)
        return s.value.effective, s.value.bounds.voigt, s.value.bounds.reuss, s.result.code

    effective, voigt, reuss, code = run(jnp.asarray(images), jnp.asarray(contrasts))
    assert (np.asarray(code) == SUCCESS).all()
    return np.asarray(effective), np.asarray(voigt), np.asarray(reuss)


def above(upper, lower):
    """upper >= lower in the Loewner order, to rounding."""
    values = np.linalg.eigvalsh(upper - lower)
    return (values[:, 0] >= -1e-9 * np.abs(np.linalg.eigvalsh(upper)).max(axis=1)).all()


def check_order(physics, dim, element, n, cells=20):
    rng = np.random.default_rng(11)
    images = rng.integers(0, 2, (2 * cells, *(n,) * dim))
    inner = (slice(None), *(slice(1, -1),) * dim)
    # Voids inside: every second cell has them, none on a face.
    void = rng.random(images[inner].shape) < 0.1
    void[1::2] = False
    images[inner] = np.where(void, 2, images[inner])
    contrasts = np.repeat((10.0, 1000.0), cells)
    case = lambda boundary: apparent(physics, dim, boundary, element, images, contrasts)  # noqa: E731
    affine, voigt, reuss = case("affine")
    softest = case("uniform_traction")[0]
    between = ["periodic", ("periodic", "uniform_traction")] + ["uniform_mixed"] * (physics == "elasticity")
    assert above(voigt, affine)
    for boundary in between:
        middle = case(boundary)[0]
        assert above(affine, middle) and above(middle, softest)
        assert not above(middle, affine) and not above(softest, middle)
    assert above(softest, reuss)


@pytest.mark.parametrize(
    "physics, element",
    [
        pytest.param("conduction", "q1", marks=pytest.mark.slow),
        pytest.param("conduction", "q1r", marks=pytest.mark.exhaustive),
        pytest.param("elasticity", "q1", marks=pytest.mark.exhaustive),
        pytest.param("elasticity", "q1r", marks=pytest.mark.slow),
    ],
)
def test_apparent_tensors_are_ordered(physics, element):
    check_order(physics, 2, element, 6)


@pytest.mark.parametrize(
    "physics, element",
    [
        pytest.param("conduction", "q1", marks=pytest.mark.exhaustive),
        pytest.param("conduction", "q1r", marks=pytest.mark.slow),
        pytest.param("elasticity", "q1", marks=pytest.mark.slow),
        pytest.param("elasticity", "q1r", marks=pytest.mark.exhaustive),
    ],
)
def test_apparent_tensors_are_ordered_in_three_dimensions(physics, element):
    check_order(physics, 3, element, 4)


# Own finite-element tables with Aitken extrapolation (`rve.sve_ordering_centred`): N x N cells with a centred square
# inclusion of half the edge, k = 10 in 1, and sqrt(31 / 13) for the periodic cell (Obnosov 1999).
@pytest.mark.slow
@pytest.mark.parametrize("n, affine, traction", [(1, 1.562645460, 1.537096095), (2, 1.553447854, 1.540638607)])
def test_windows_of_centred_squares(n, affine, traction):
    cell = np.zeros((128, 128), int)
    cell[32:96, 32:96] = 1
    grid, problem = jh.Grid((128 * n,) * 2, (1.0 * n,) * 2), law("conduction", np.tile(cell, (n, n)), (1.0, 10.0))
    for boundary, expected in (("affine", affine), ("uniform_traction", traction)):
        found = jh.homogenize(grid, problem, boundary=boundary).value.effective
        np.testing.assert_allclose(np.diag(found), expected, rtol=2e-3)
    assert traction < (31 / 13) ** 0.5 < affine


@pytest.mark.slow
def test_a_void_under_uniform_traction_alone_is_a_code():
    labels = np.ones((6, 6), int)
    labels[0, 2:5] = 0
    problem = law("elasticity", labels, (0.0, 1.0))
    grid = jh.Grid((6, 6))
    s = jh.homogenize(grid, problem, boundary="uniform_traction", throw=False)
    assert int(s.result.code) == SINGULAR and np.isnan(s.value.effective).all()
    # One void voxel on a face has all its nodes at solid ones; a held face needs no stiffness.
    labels[0, 3:5] = 1
    problem = law("elasticity", labels, (0.0, 1.0))
    for boundary in ("uniform_traction", "affine"):
        assert int(jh.homogenize(grid, problem, boundary=boundary).result.code) == SUCCESS


@pytest.mark.parametrize(
    "boundary",
    [
        pytest.param("affine", marks=pytest.mark.exhaustive),
        pytest.param("uniform_traction", marks=pytest.mark.slow),
    ],
)
def test_derivatives(boundary):
    labels = np.random.default_rng(5).integers(0, 2, (5, 4))
    grid = jh.Grid((5, 4), (1.0, 0.8))

    def stiffness(x, fields=False):
        problem = law("elasticity", labels, (1.0, x))
        s = jh.homogenize(grid, problem, boundary=boundary, tolerance=1e-12, fields=fields)
        return jnp.sum(s.value.fields.up**2) if fields else s.value.effective[0, 0]

    for what, rtol in ((stiffness, 1e-7), (lambda x: stiffness(x, True), 1e-6)):
        step = 1e-4
        slope = (what(5 + step) - what(5 - step)) / (2 * step)
        np.testing.assert_allclose(jax.grad(what)(5.0), slope, rtol=rtol)


@pytest.mark.slow
def test_fields_average_to_the_macroscopic_values():
    labels = np.random.default_rng(6).integers(0, 2, (5, 4, 3))
    problem = law("elasticity", labels, (1.0, 7.0))
    s = jh.apply(
        jh.Grid((5, 4, 3)),
        problem,
        strain=[0, 0, 0, 0.1, 0, 0],
        stress=[0, 1.0, 0, 0, 0, 0],
        stress_controlled=[True, True, True, False, True, True],
        boundary="uniform_traction",
        tolerance=1e-12,
    )
    fields = s.value.fields
    np.testing.assert_allclose(fields.up.mean(axis=(0, 1, 2)), s.value.up, rtol=0, atol=1e-6)
    np.testing.assert_allclose(fields.down.mean(axis=(0, 1, 2)), s.value.down, rtol=0, atol=1e-6)
    np.testing.assert_allclose(s.value.up[np.array([0, 1, 2, 4, 5])], [0, 1, 0, 0, 0], rtol=0, atol=1e-9)
    assert fields.fluctuation.shape == (6, 5, 4, 3) and fields.up.shape == (5, 4, 3, 6)
