"""`grid_convergence`: exact layers, which schemes, positions, derivatives, failures and bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.api._grid_convergence import _position, _schemes
from jaxhomog.microstructure._plane_cut import fraction_below
from jaxhomog.validity import FEW_GRIDS, ONE_POSITION

GOOD, BAD = jh.LinearConduction(10.0), jh.LinearConduction(1.0)


def square(n):
    return jh.Grid((n, n), (1.0, 1.0))


def layers(grid, shift=0.0):
    """0.437 of GOOD, with faces inside voxels."""
    box = jh.shapes.Box(jnp.asarray([0.41, 0.5]) + shift, (0.437, 1.0))
    return jh.CompositeVoxels(jh.volume_fraction(grid, box), GOOD, BAD)


def disc(radius, inside=10.0, rule="laminate"):
    def build(grid, shift=0.0):
        f = jh.volume_fraction(grid, jh.shapes.Sphere(jnp.asarray([0.5, 0.5]) + shift, radius))
        return jh.CompositeVoxels(f, jh.LinearConduction(inside), BAD, rule)

    return build


def test_layers_along_the_axes_are_exact_and_their_bar_is_the_solvers():
    grids = [jh.Grid((n, 2), (1.0, 1.0)) for n in (4, 6)]
    s = jh.grid_convergence(layers, grids, ["q1", "dual"], positions=2, tolerance=1e-12)
    expected = np.diag([1 / (0.437 / 10 + 0.563), 4.37 + 0.563])
    np.testing.assert_allclose(s.value.effective, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(s.value.values, np.broadcast_to(expected, (2, 2, 2, 2)), rtol=1e-9, atol=1e-9)
    assert float(s.value.error_bar) < 1e-8
    assert int(s.value.code) == FEW_GRIDS | ONE_POSITION and int(s.stats["solves"]) == 8
    assert s.value.schemes == ("q1", "dual") and s.value.shapes == ((4, 2), (6, 2))
    np.testing.assert_allclose(s.value.spacing, [1 / 4, 1 / 6], rtol=1e-12)


@pytest.mark.slow
def test_primal_and_dual_enclose_the_voxel_medium():
    """The dual of q1 errs to the other side: with one law of the medium, tensors lie below those of q1."""
    s = jh.grid_convergence(disc(0.35), [square(5), square(8)], ["q1", "dual"])
    upper, lower = np.asarray(s.value.values)
    assert np.all(np.linalg.eigvalsh(upper - lower) > 1e-3)
    assert int(s.value.code) == FEW_GRIDS | ONE_POSITION
    # Two grids, lines: by hand from the table, each scheme weighted by one half.
    lines = (8 * s.value.values[:, 1] - 5 * s.value.values[:, 0]) / 3
    np.testing.assert_allclose(s.value.limits, lines, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(s.value.effective, jnp.mean(lines, axis=0), rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_what_a_loose_solve_leaves_is_in_the_bar():
    """Two grids, one scheme: three times the step, and the solvers' bounds with the weights 8/3 and -5/3."""
    s = jh.grid_convergence(disc(0.35), [square(5), square(8)], ["q1"], tolerance=1e-2)
    step = np.linalg.norm(np.asarray(s.value.values[0, 1] - s.value.effective), 2)
    exact = jh.grid_convergence(disc(0.35), [square(5), square(8)], ["q1"], tolerance=1e-10).value
    left = np.linalg.norm(np.asarray(s.value.effective - exact.effective), 2)
    assert left > 1e-6 and float(s.value.error_bar) - 3 * step >= left


@pytest.mark.slow
def test_shifts_are_moves_of_the_shapes():
    """Positions average what single calls return for shapes moved by the shifts, equal parts of each voxel."""
    seen = []

    def build(grid, shift):
        seen.append((grid.shape[0], np.asarray(shift)))
        return disc(0.3)(grid, shift)

    s = jh.grid_convergence(build, [square(5), square(8)], ["q1"], positions=3)
    assert [n for n, _ in seen] == [5] * 3 + [8] * 3
    assert np.all(seen[0][1] == 0) and np.all(seen[3][1] == 0)
    np.testing.assert_allclose(seen[1][1] * 5, seen[4][1] * 8, rtol=1e-12)
    assert np.abs(seen[1][1] * 5).max() > 0.05
    one = [jh.homogenize(square(5), disc(0.3)(square(5), x)).value.effective for n, x in seen if n == 5]
    np.testing.assert_allclose(s.value.values[0, 0], np.mean(one, axis=0), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dim", [2, 3])
def test_positions_fill_the_voxel(dim):
    """Every half of the voxel holds about half of the points, and waves that fit into it average out."""
    points = np.stack([_position(k, dim) for k in range(16)])
    assert np.all(points >= -0.5) and np.all(points < 0.5) and np.all(points[0] == 0)
    assert np.all(np.abs(np.sum(points < 0, axis=0) - 8) <= 3)
    waves = np.abs(np.mean(np.exp(2j * np.pi * points), axis=0))
    assert np.all(waves < 0.12)


def test_default_schemes():
    """The dual in the plane; q1 alone with voids."""

    def schemes(law, grid):
        return _schemes(None, grid, law, {})

    plane, space = square(4), jh.Grid((2, 2, 2), (1.0, 1.0, 1.0))
    assert schemes(disc(0.3)(plane), plane) == ("q1", "q1r", "dual")
    assert _schemes(None, plane, disc(0.3)(plane), {"boundary": "affine"}) == ("q1", "q1r")
    assert schemes(disc(0.3, 0.0, "arithmetic")(square(8)), square(8)) == ("q1",)
    assert schemes(jh.LinearConduction(np.ones((2, 2, 2))), space) == ("q1", "q1r")
    assert schemes(jh.LinearElastic.isotropic(1.0, 0.3), plane) == ("q1", "q1r")
    assert schemes(jh.LinearElastic.isotropic(np.eye(4), 0.3), plane) == ("q1",)


@pytest.mark.slow
def test_derivative_by_the_radius_is_the_finite_difference():
    def value(radius):
        s = jh.grid_convergence(disc(radius), [square(5), square(8)], ["q1"], positions=2, tolerance=1e-10)
        return s.value.effective[0, 0]

    step = 1e-5
    slope = jax.grad(value)(0.3)
    assert float(slope) == pytest.approx(float(value(0.3 + step) - value(0.3 - step)) / (2 * step), rel=1e-5)


@pytest.mark.slow
def test_a_solve_that_fails_is_reported():
    grids, options = [square(5), square(8)], {"max_iterations": 1, "tolerance": 1e-8}
    with pytest.raises(jh.SolverError, match="grid_convergence: max_iterations"):
        jh.grid_convergence(disc(0.3), grids, ["q1"], **options)
    s = jh.grid_convergence(disc(0.3), grids, ["q1"], throw=False, **options)
    assert s.result.name == "max_iterations" and "not finite" in s.value.reason
    assert np.isnan(s.value.effective).all() and np.isnan(s.value.error_bar)


def test_bad_input_says_what_to_do(unchecked):
    two = [square(4), square(6)]
    solid = lambda grid: jh.LinearElastic.isotropic(1.0, 0.3)  # noqa: E731
    mixed = lambda grid: GOOD if grid.shape[0] == 4 else solid(grid)  # noqa: E731
    for call, words in (
        (lambda: jh.grid_convergence(layers, [square(4)]), "give at least two Grid"),
        (lambda: jh.grid_convergence(layers, [4, 6]), "give at least two Grid"),
        (lambda: jh.grid_convergence(layers, [square(6), square(4)]), "from coarse to fine"),
        (lambda: jh.grid_convergence(layers, [square(4), square(4)]), "refine all directions alike"),
        (lambda: jh.grid_convergence(layers, [square(4), jh.Grid((6, 9), (1.0, 1.0))]), "refine all directions alike"),
        (lambda: jh.grid_convergence(layers, [square(4), jh.Grid((6, 6))]), "give the same lengths"),
        (lambda: jh.grid_convergence(layers, [square(4), jh.Grid((6, 6, 6))]), "give one box"),
        (lambda: jh.grid_convergence(layers, two, ["q2"]), "give different names from"),
        (lambda: jh.grid_convergence(layers, two, ["q1", "q1"]), "give different names from"),
        (lambda: jh.grid_convergence(layers, two, "q1"), "give a list of names"),
        (lambda: jh.grid_convergence(layers, two, element="q1"), "give it as schemes"),
        (lambda: jh.grid_convergence(solid, two, ["dual"]), "leave it out"),
        (lambda: jh.grid_convergence(layers, two, ["dual"], boundary="affine"), "leave it out"),
        (lambda: jh.grid_convergence(layers, two, positions=0), "whole number from 1 to 64"),
        (lambda: jh.grid_convergence(lambda grid: None, two), "law is a NoneType"),
        (lambda: jh.grid_convergence(mixed, two, ["q1"]), "give one physics"),
        (lambda: jax.eval_shape(lambda r: jh.grid_convergence(disc(r), two), 0.3), "name the schemes"),
    ):
        with pytest.raises(jh.InputError, match=words):
            call()


def oblique(physics):
    """Layers normal to (2, 1), and the exact tensor of the laminate."""
    direction, f = np.asarray([2.0, 1.0]), 0.4
    turn = np.asarray([[2.0, -1.0], [1.0, 2.0]]) / np.sqrt(5)
    if physics == "conduction":
        inside, outside = GOOD, BAD
        exact = turn @ np.diag([1 / (f / 10 + 1 - f), 10 * f + 1 - f]) @ turn.T
    else:
        inside, outside = jh.LinearElastic.isotropic(20.0, 0.2), jh.LinearElastic.isotropic(1.0, 0.3)
        # Backus (1962) for plane strain: means of 1/m, lam/m and the moduli along, m = lam + 2 mu.
        e, v, w = np.asarray([20.0, 1.0]), np.asarray([0.2, 0.3]), np.asarray([f, 1 - f])
        lam, mu = e * v / ((1 + v) * (1 - 2 * v)), e / (2 * (1 + v))
        m = lam + 2 * mu
        across = 1 / np.sum(w / m)
        ratio = np.sum(w * lam / m)
        along = across * ratio**2 + np.sum(w * 4 * mu * (lam + mu) / m)
        shear = 1 / np.sum(w / mu)
        layered = np.asarray([[across, across * ratio, 0], [across * ratio, along, 0], [0, 0, 2 * shear]])
        exact = np.asarray(jh.tensors.rotate_stiffness(layered, turn))

    def build(grid, shift):
        n = grid.shape[0]
        x = (jnp.arange(n) + 0.5) / n
        s = direction[0] * (x - shift[0])[:, None] + direction[1] * (x - shift[1])[None, :]
        gap = s - jnp.round(s)
        slopes = jnp.broadcast_to(direction / n, (n, n, 2)) * jnp.sign(gap)[..., None]
        return jh.CompositeVoxels(fraction_below(f / 2 - jnp.abs(gap), slopes), inside, outside)

    return build, exact


@pytest.mark.parametrize(
    "physics",
    [pytest.param("conduction", marks=pytest.mark.slow), pytest.param("elasticity", marks=pytest.mark.exhaustive)],
)
def test_oblique_layers_are_within_their_bar(physics):
    build, exact = oblique(physics)
    s = jh.grid_convergence(build, [square(n) for n in (16, 24, 32)], positions=4)
    error = np.linalg.norm(np.asarray(s.value.effective) - exact, 2)
    assert float(s.value.order) >= 0.9, s.value.order
    assert error <= float(s.value.error_bar) < 0.05 * np.linalg.norm(exact, 2), (error, s.value.error_bar)
    # Better than any value on a grid.
    finest = np.asarray(s.value.values[:, -1]) - exact
    assert all(error < np.linalg.norm(x, 2) for x in finest), (error, finest)
