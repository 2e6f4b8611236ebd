"""Areas of interfaces and the interface term of averaged balances, against closed forms."""

import jax
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.fields import averaged_balance, interface_area, interface_term, surface_density


def ball(n, dim, radius=0.3, centre=None, lengths=None):
    """Indicator of a ball in a box of n voxels along each edge."""
    lengths = np.ones(dim) if lengths is None else np.asarray(lengths)
    centre = 0.5 * lengths if centre is None else np.asarray(centre)
    shape = (n,) * dim if np.isscalar(n) else n
    x = np.meshgrid(*[(np.arange(m) + 0.5) * e / m for m, e in zip(shape, lengths, strict=True)], indexing="ij")
    square = sum((a - c) ** 2 for a, c in zip(x, centre, strict=True))
    return jh.Grid(shape, lengths), (square < radius**2).astype(int)


def bar(source, n=200):
    """Bar (0, 1), k = 2 on (0, 0.4) and 5 on (0.4, 1), T(0) = 1, T(1) = 0, source g at 0.4: T, q1, q2."""
    # Unknown T_i: q1 = 2 (1 - T_i) / 0.4, q2 = 5 T_i / 0.6, q2 - q1 = g.
    t = (source + 2 / 0.4) / (5 / 0.6 + 2 / 0.4)
    grid = jh.Grid((n, 1), (1.0, 1.0))
    first = (np.arange(n) < 0.4 * n).astype(float)[:, None]
    return grid, first, t, 2 * (1 - t) / 0.4, 5 * t / 0.6


def bar_faces(q_in, q_out, n=200):
    return ((np.full((1, 1), -q_in), np.full((1, 1), q_out)), (np.zeros((n, 1)), np.zeros((n, 1))))


def test_a_source_on_an_interface_of_a_bar():
    """if.source_jump: q1 = 2, q2 = 5, T = 0.6; (q(1) - q(0)) / L = 3 = 0 + [q] / L."""
    grid, first, t, q1, q2 = bar(3.0)
    np.testing.assert_allclose((t, q1, q2), (0.6, 2.0, 5.0), rtol=0, atol=1e-10)
    term = interface_term(grid, first, q2 - q1, periodic=False)
    balance = averaged_balance(grid, bar_faces(q1, q2), source=0.0, interface=term)
    np.testing.assert_allclose(balance.outflow, 3.0, rtol=0, atol=1e-10)
    np.testing.assert_allclose(balance.interface, 3.0, rtol=0, atol=1e-10)
    np.testing.assert_allclose(balance.residual, 0.0, rtol=0, atol=1e-10)
    np.testing.assert_allclose(balance.lost, 3.0, rtol=0, atol=1e-10)


def test_a_jump_of_the_conductivity_alone_makes_no_term():
    """if.no_source: q = 3.125 on both sides though k jumps."""
    grid, first, _, q1, q2 = bar(0.0)
    np.testing.assert_allclose((q1, q2), 3.125, rtol=0, atol=1e-10)
    balance = averaged_balance(grid, bar_faces(q1, q2), interface=interface_term(grid, first, q2 - q1, periodic=False))
    np.testing.assert_allclose((balance.interface, balance.residual[0], balance.lost[0]), 0.0, rtol=0, atol=1e-10)


def test_a_mirrored_end_is_no_interface():
    grid, first, *_ = bar(0.0)
    np.testing.assert_allclose(interface_area(grid, first, 1, periodic=False), 1.0, rtol=0, atol=1e-10)
    np.testing.assert_allclose(interface_area(grid, first, 1, periodic=True), 2.0, rtol=0, atol=1e-10)
    np.testing.assert_allclose(interface_area(grid, first, 1, periodic=(True, False)), 2.0, rtol=0, atol=1e-10)


def test_a_sphere_that_emits_heat():
    """if.sphere_source: unit cube, a = 0.3, g = 2: (1/V) int [q] . n dS = 4 pi a^2 g; q = g a^2 r / |r|^3 outside."""
    a, g, errors = 0.3, 2.0, []
    exact = 4 * np.pi * a**2 * g
    for n in (16, 64):
        grid, inside = ball(n, 3, a)
        errors.append(abs(float(interface_term(grid, inside, g)) / exact - 1))
    assert errors[1] < 6e-3 and errors[1] < errors[0] / 4**1.2, errors
    faces = []
    for _ in range(3):
        x = np.stack(np.meshgrid(*[(np.arange(64) + 0.5) / 64 - 0.5] * 2, indexing="ij"))
        normal = g * a**2 * 0.5 / (0.25 + np.sum(x**2, axis=0)) ** 1.5
        faces.append((normal[..., None], normal[..., None]))
    balance = averaged_balance(grid, tuple(faces), interface=interface_term(grid, inside, g))
    np.testing.assert_allclose(balance.outflow, exact, rtol=2e-4)
    np.testing.assert_allclose(balance.lost, exact, rtol=2e-4)
    assert abs(float(balance.residual[0])) < 6e-3 * exact


def test_a_circle_converges_where_its_staircase_does_not():
    exact, errors, steps = 2 * np.pi * 0.3, [], []
    for n in (32, 128, 512):
        grid, inside = ball(n, 2, centre=(0.51, 0.47))
        errors.append(abs(float(interface_area(grid, inside, 1)) / exact - 1))
        steps.append(sum(np.abs(inside - np.roll(inside, 1, k)).sum() for k in range(2)) / n / exact)
    np.testing.assert_allclose(steps, 4 / np.pi, rtol=0.03)
    assert errors[2] < 3e-4, errors
    # At least h^1.2 from 32 to 512 (16 times finer).
    assert errors[2] < errors[0] / 16**1.2, errors


def test_a_plane_at_a_slope():
    """A stripe across a periodic cell between lines 2 x + y = const: two of length sqrt(5) each in a unit cell."""
    n = 256
    x = np.stack(np.meshgrid(*[np.arange(n) + 0.5] * 2, indexing="ij")) / n
    stripe = (np.mod(2 * x[0] + x[1] + 0.13, 1.0) < 0.5).astype(int)
    area = float(interface_area(jh.Grid((n, n), (1.0, 1.0)), stripe, 1))
    assert abs(area / (2 * 5**0.5) - 1) < 1e-4, area


def test_a_field_of_jumps_and_boxes_of_any_shape():
    """int_S x_1 dS over an off-centre sphere is its centre times its area; voxels 1 : 1.25 : 0.8."""
    lengths, centre = (1.0, 1.25, 0.8), (0.42, 0.6, 0.41)
    grid, inside = ball((40, 40, 40), 3, 0.25, centre, lengths)
    h = 1.0 / 40
    x = np.broadcast_to(((np.arange(40) + 0.5) * h)[:, None, None], grid.shape)
    area = 4 * np.pi * 0.25**2
    np.testing.assert_allclose(interface_area(grid, inside, 1), area, rtol=1e-2)
    np.testing.assert_allclose(interface_term(grid, inside, x), 0.42 * area / 1.0, rtol=1e-2)


def test_lengths_are_leaves():
    """Area scales with length^(d - 1), also under grad: dA/ds = A at s = 1 for a circle."""
    grid, inside = ball(24, 2)
    area = lambda s: interface_area(jh.Grid(grid.shape, s * np.ones(2)), inside, 1)  # noqa: E731
    value, slope = jax.value_and_grad(area)(1.0)
    np.testing.assert_allclose(slope, value, rtol=1e-10)


def test_nothing_has_no_interface_and_refusals():
    grid = jh.Grid((6, 5))
    np.testing.assert_allclose(surface_density(grid, np.ones(grid.shape)), 0.0, rtol=0, atol=1e-7)
    with pytest.raises(jh.InputError, match="indicator"):
        interface_term(grid, np.ones((5, 6)), 1.0)
    with pytest.raises(jh.InputError, match="jump"):
        interface_term(grid, np.ones((6, 5)), np.ones(6))
    with pytest.raises(jh.InputError, match="periodic"):
        surface_density(grid, np.ones((6, 5)), periodic=(True,))
    with pytest.raises(jh.InputError, match="source"):
        averaged_balance(grid, ((np.ones((5, 1)),) * 2, (np.ones((6, 1)),) * 2), source=np.ones((5, 6, 1)))
