"""Correctors and two-scale expansions: closed forms, laminates, and the orders of the case `hom.1d_orders`."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.api import correctors
from jaxhomog.fields import interpolated
from jaxhomog.results import InputError, SolverError
from jaxhomog.rve import Correctors, corrected, line_correctors
from jaxhomog.validity import expansion_constants, expansion_error

REFERENCES = Path(__file__).parents[3] / "shared" / "references" / "reference_values.json"
VOXELS = 4096  # of the cell of the case


def line(eps, order=1, n=VOXELS):
    """Errors of u0 (order 0) or of its expansion, for -(a u')' = 1 with a = 1 / (2 + cos 2 pi x / eps).

    The resolved field is the cumulative quadrature of u' = (s - x) / a with two Gauss points per voxel.
    """
    cells = round(1 / eps)
    cell = line_correctors(1 / (2 + np.cos(2 * np.pi * (np.arange(n) + 0.5) / n)))
    h = eps / n
    gauss = 0.5 + np.array([-1, 1]) / np.sqrt(12)
    x = (np.arange(cells * n)[:, None] + gauss) * h
    fine, weights = np.polynomial.legendre.leggauss(8)
    rate = lambda x: 2 + np.cos(2 * np.pi * x / eps)  # noqa: E731

    def integral(lower, upper, f):
        at = lower[..., None] + (upper - lower)[..., None] * 0.5 * (fine + 1)
        return (f(at) * weights).sum(-1) * 0.5 * (upper - lower)

    edges = np.arange(cells * n) * h
    total = lambda f: integral(edges, edges + h, f)  # noqa: E731
    s = total(lambda x: x * rate(x)).sum() / total(rate).sum()
    slope = lambda x: (s - x) * rate(x)  # noqa: E731
    before = np.concatenate([[0], np.cumsum(total(slope))[:-1]])[:, None]
    u = before + integral(np.broadcast_to(edges[:, None], x.shape), x, slope)
    a = float(cell.effective[0, 0])
    macro = [x * (1 - x), 1 - 2 * x, np.full_like(x, -2.0), np.zeros_like(x)]
    macro = [m.reshape(*x.shape, *(1,) * k) / (2 * a) for k, m in enumerate(macro)]
    if order == 2:
        # The mean field whose boundary values make the expansion vanish there (N is 0 at the ends).
        macro[0] = macro[0] + eps**2 * float(cell.second[0, 0, 0, 0]) / a
    v, dv = (macro[0], macro[1]) if order == 0 else corrected(cell, x[..., None], eps, macro, order)
    return expansion_error(u, v, np.full_like(x, h / 2), slope(x)[..., None], dv)


@pytest.mark.parametrize(
    "cells", (4, pytest.param(8, marks=pytest.mark.slow), 16, pytest.param(32, marks=pytest.mark.slow))
)
def test_orders_of_the_case(cells):
    """The table to 1e-3; from 16 cells on, the constants in front of the powers of eps to 1 %."""
    if not REFERENCES.exists():
        pytest.skip("the shared reference values are not beside this repository")
    table = next(x for x in json.loads(REFERENCES.read_text()) if x["id"] == "hom.1d_orders")["value"][str(cells)]
    zero, one = line(1 / cells, 0), line(1 / cells, 1)
    found = {
        "L2_0": zero.l2,
        "Linf_0": zero.linf,
        "H1_0": zero.h1,
        "L2_1": one.l2,
        "H1_1": one.h1,
        "mean_err": zero.mean,
    }
    for name, value in found.items():
        np.testing.assert_allclose(value, table[name], rtol=1e-3, err_msg=name)
    if cells >= 16:
        constants = {
            "L2_0": cells / (2 * np.pi * np.sqrt(24)) / cells**2,
            "H1_0": np.sqrt(1 / 24),
            "L2_1": np.sqrt(1.5) / (4 * np.pi**2) / cells**2,
            "H1_1": 1 / (2 * np.pi * np.sqrt(2)) / cells,
            "mean_err": 1 / (2 * np.pi**2) / cells**2,
        }
        for name, value in constants.items():
            np.testing.assert_allclose(found[name], value, rtol=0.01, err_msg=name)


def test_second_order_is_exact_for_the_case():
    """With M, and a mean field that lets the sum vanish at the ends, what is left is that of the voxels."""
    found = line(0.25, order=2, n=512)
    # Linear interpolation of eps N u0' between nodes h apart: h^2 / 8 max|N''| max|u0'|.
    assert max(found.l2, found.linf, abs(found.mean)) < 0.25 * (2 * np.pi / 512) ** 2 / 8 / (4 * np.pi)


CONDUCTIVITY = np.array([1.0, 3, 3, 7, 2, 2, 1, 5])


def test_line_of_voxels():
    """N and M of a piecewise constant line by hand: slopes a* / a - 1, and M'' = -N' in every voxel."""
    cell = line_correctors(CONDUCTIVITY, 2.0)
    a = 8 / np.sum(1 / CONDUCTIVITY)
    np.testing.assert_allclose(cell.effective, [[a]], rtol=1e-14)
    n, m = np.asarray(cell.first)[0, 0], np.asarray(cell.second)[0, 0, 0]
    np.testing.assert_allclose((np.roll(n, -1) - n) / 0.25, a / CONDUCTIVITY - 1, rtol=0, atol=1e-13)
    np.testing.assert_allclose(np.roll(m, -1) - m, -0.125 * (n + np.roll(n, -1)), rtol=0, atol=1e-13)
    assert abs(n.mean()) < 1e-15 and abs(m.mean()) < 1e-15
    single = line_correctors(CONDUCTIVITY.astype(np.float32), 2.0)
    assert single.first.dtype == np.float32
    np.testing.assert_allclose(single.first, cell.first, rtol=0, atol=1e-6)
    slope = jax.grad(lambda a: line_correctors(a, 2.0).first[0, 0, 3])(jnp.asarray(CONDUCTIVITY))
    step = 1e-6 * np.eye(8)[2]
    low, high = (line_correctors(CONDUCTIVITY + s * step, 2.0).first[0, 0, 3] for s in (-1, 1))
    np.testing.assert_allclose(slope[2], (high - low) / 2e-6, rtol=1e-6)
    assert np.isnan(jax.jit(lambda a: line_correctors(a).first)(-CONDUCTIVITY)).all()
    assert np.all(np.asarray(line_correctors(np.ones(1)).first) == 0)


@pytest.mark.parametrize("dim", (2, pytest.param(3, marks=pytest.mark.slow)))
def test_laminate(dim):
    """Across the layers a cell is a line; along them N = 0 and (a M')' = <a> - a."""
    shape = (8, *(1,) * (dim - 1))
    law = jh.LinearConduction(CONDUCTIVITY.reshape(shape))
    cell = correctors(jh.Grid(shape, (2.0,) + (1.0,) * (dim - 1)), law, order=2, field_tolerance=1e-10).value
    expected = line_correctors(CONDUCTIVITY, 2.0)
    assert cell.first.shape == (dim, 1, *shape) and cell.second.shape == (dim, dim, 1, *shape)
    np.testing.assert_allclose(cell.first[0].ravel(), expected.first[0, 0], rtol=0, atol=1e-10)
    np.testing.assert_allclose(cell.first[1:], 0, rtol=0, atol=1e-12)
    np.testing.assert_allclose(cell.second[0, 0].ravel(), expected.second[0, 0, 0], rtol=0, atol=1e-10)
    np.testing.assert_allclose(cell.second[0, 1:], 0, rtol=0, atol=1e-12)
    along = np.asarray(cell.second[1, 1]).ravel()
    flux = CONDUCTIVITY * (np.roll(along, -1) - along) / 0.25
    source = 0.5 * 0.25 * (CONDUCTIVITY + np.roll(CONDUCTIVITY, 1) - 2 * CONDUCTIVITY.mean())
    np.testing.assert_allclose(np.roll(flux, 1) - flux, source, rtol=0, atol=1e-8)


def test_elastic_laminate():
    """P-wave modulus across the layers: N_11 is the line of the moduli, and the shear line carries sqrt 2 of Mandel."""
    young, poisson = CONDUCTIVITY, 0.25
    mu = young / (2 * (1 + poisson))
    lam = 2 * mu * poisson / (1 - 2 * poisson)
    law = jh.LinearElastic.isotropic(young[:, None], poisson)
    cell = correctors(jh.Grid((8, 1), (2.0, 1.0)), law, field_tolerance=1e-10).value
    assert cell.first.shape == (3, 2, 8, 1) and cell.second is None and cell.physics == "elasticity"
    np.testing.assert_allclose(
        cell.first[0, 0].ravel(), line_correctors(lam + 2 * mu, 2.0).first[0, 0], rtol=0, atol=1e-9
    )
    np.testing.assert_allclose(
        cell.first[2, 1].ravel(), np.sqrt(2) * line_correctors(mu, 2.0).first[0, 0], rtol=0, atol=1e-9
    )
    # A shear gradient du_2/dx_1 = g bends the layers by g times the line's N, and rotations bend nothing.
    x = np.array([[0.3, 0.1], [1.9, 7.0]])
    grad = np.zeros((2, 2, 2))
    grad[:, 1, 0] = 0.3
    value, slope = corrected(cell, x, 1.0, (np.zeros((2, 2)), grad, np.zeros((2, 2, 2, 2))))
    line_n, line_slope = interpolated(line_correctors(mu, 2.0).first, (2.0,), x[:, :1])
    np.testing.assert_allclose(value[:, 1], 0.3 * line_n[:, 0, 0], rtol=0, atol=1e-9)
    np.testing.assert_allclose(slope[:, 1, 0], 0.3 * (1 + line_slope[:, 0, 0, 0]), rtol=0, atol=1e-8)
    turned = np.zeros((2, 2, 2))
    turned[:, 1, 0], turned[:, 0, 1] = 0.3, -0.3
    np.testing.assert_allclose(corrected(cell, x, 1.0, (np.zeros((2, 2)), turned))[0], 0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", (np.float32, np.float64))
def test_interpolation(dtype):
    """A multilinear function in one voxel, its gradient, periods, and the upper voxel on a face."""
    u = np.random.default_rng(0).random((2, 4, 3)).astype(dtype)
    lengths = np.array([2.0, 3.0])
    value, slope = interpolated(jnp.asarray(u), lengths, np.array([[1.75, 0.4], [1.75 + 20, 0.4 - 30]]))
    s, t = 0.5, 0.4  # voxel (3, 0): corners 3 and 0 (periodic), 0 and 1
    c = u[:, [3, 0]][:, :, [0, 1]]
    expected = (1 - s) * ((1 - t) * c[:, 0, 0] + t * c[:, 0, 1]) + s * ((1 - t) * c[:, 1, 0] + t * c[:, 1, 1])
    across = ((1 - t) * (c[:, 1, 0] - c[:, 0, 0]) + t * (c[:, 1, 1] - c[:, 0, 1])) / 0.5
    atol = 1e-12 if dtype == np.float64 else 1e-5
    np.testing.assert_allclose(value, [expected, expected], rtol=0, atol=atol)
    np.testing.assert_allclose(slope[..., 0], [across, across], rtol=0, atol=10 * atol)
    at_node, _ = interpolated(jnp.asarray(u), lengths, np.array([0.5, 2.0]))
    np.testing.assert_allclose(at_node, u[:, 1, 2], rtol=0, atol=atol)
    assert value.dtype == dtype


def test_gradient_of_the_sum():
    """By differences of the sum itself, inside voxels, second order, in 2-D; traced points and eps."""
    rng = np.random.default_rng(1)
    first, second = rng.random((2, 1, 4, 5)), rng.random((2, 2, 1, 4, 5))
    second = second + np.swapaxes(second, 0, 1)
    cell = Correctors(*map(jnp.asarray, (first, second, np.eye(2), np.array([1.0, 2.0]))), "conduction")

    def field(x):
        return jnp.sin(x[0]) * jnp.cos(2 * x[1])

    derivatives = [field]
    for _ in range(3):
        derivatives.append(jax.jacfwd(derivatives[-1]))

    @jax.jit
    def both(x, eps):
        return corrected(cell, x, eps, [d(x) for d in derivatives], order=2)

    x = jnp.array([0.313, 0.477])
    expected = jax.jacfwd(lambda x: both(x, 0.1)[0])(x)
    np.testing.assert_allclose(both(x, 0.1)[1], expected, rtol=1e-10)
    assert corrected(cell, x, 0.1, [d(x) for d in derivatives[:3]], order=2)[1] is None


def test_errors_in_norms():
    x = (np.arange(1000) + 0.5) / 1000
    wave, slope = np.sin(2 * np.pi * x), 2 * np.pi * np.cos(2 * np.pi * x)
    found = expansion_error(wave + 0.5, np.zeros(1000), np.ones(1000), slope[:, None], np.zeros((1000, 1)))
    expected = (0.5, np.sqrt(0.75), 1.5, np.sqrt(2) * np.pi)
    np.testing.assert_allclose((found.mean, found.l2, found.linf, found.h1), expected, rtol=1e-5)
    vector = expansion_error(np.stack([wave, 2 * wave], -1), np.zeros((1000, 2)), np.ones(1000))
    assert vector.mean.shape == (2,) and vector.h1 is None
    np.testing.assert_allclose((vector.l2, vector.linf), (np.sqrt(2.5), np.sqrt(5)), rtol=1e-5)
    assert np.isnan(jax.jit(expansion_error)(wave, wave, -np.ones(1000)).l2)
    same = jax.grad(lambda u: expansion_error(u, jnp.zeros(3), jnp.ones(3)).l2)(jnp.zeros(3))
    assert np.all(np.isfinite(same))


def test_failure_is_a_value():
    law = jh.LinearConduction(np.random.default_rng(0).choice([1e3, 1.0], (6, 6)))
    with pytest.raises(SolverError):
        correctors(jh.Grid((6, 6)), law, max_iterations=1)
    failed = correctors(jh.Grid((6, 6)), law, max_iterations=1, throw=False)
    assert np.all(np.isnan(failed.value.first)) and not failed.result.ok


CELL = line_correctors(CONDUCTIVITY)
ONES = np.ones(3)


@pytest.mark.parametrize(
    "call, words",
    (
        (lambda: line_correctors(np.ones((2, 2))), "conductivity has shape"),
        (lambda: line_correctors(np.array([1.0, 0.0])), "positive"),
        (lambda: line_correctors(np.array([1.0, np.nan])), "positive"),
        (lambda: line_correctors(None), "conductivity=None"),
        (lambda: line_correctors("stiff"), "conductivity='stiff'"),
        (lambda: line_correctors(ONES, 0.0), "length=0.0"),
        (lambda: line_correctors(ONES, None), "length=None"),
        (lambda: corrected(CELL, ONES[:, None], 0.1, (ONES,)), "1 derivatives"),
        (lambda: corrected(CELL, ONES[:, None], 0.1, (ONES, ONES)), r"derivatives\[1\] has shape"),
        (lambda: corrected(CELL, ONES[:, None], None, (ONES, ONES[:, None])), "eps=None"),
        (lambda: corrected(CELL, ONES[:, None], -0.1, (ONES, ONES[:, None])), "eps=-0.1"),
        (lambda: corrected(CELL, ONES[:, None], 0.1, None), "derivatives is a NoneType"),
        (lambda: corrected(None, ONES[:, None], 0.1, (ONES, ONES[:, None])), "correctors is a NoneType"),
        (lambda: expansion_error(ONES, ONES, np.array([2.0, -1.0, 1.0])), "weights"),
        (lambda: expansion_error(ONES, ONES, 0 * ONES), "weights"),
        (lambda: expansion_constants(None, 1.0), "correctors is a NoneType"),
        (lambda: corrected(CELL, None, 0.1, (ONES, ONES[:, None])), "points=None"),
        (lambda: corrected(CELL, ONES[:, None], 0.1, (ONES, ONES[:, None]), order=3), "order=3"),
        (lambda: corrected(CELL, ONES[:, None], 0.1, (ONES, ONES[:, None]), order=True), "order=True"),
        (lambda: corrected(CELL, np.ones((3, 2)), 0.1, (ONES, np.ones((3, 2)))), "points"),
        (lambda: expansion_error(ONES, np.ones(2), ONES), "fields of shapes"),
        (lambda: expansion_error(ONES, ONES, np.ones(2)), "fields of shapes"),
        (lambda: expansion_error(None, ONES, ONES), "resolved=None"),
        (lambda: expansion_error(ONES, ONES, ONES, ONES[:, None]), "without the other"),
        (lambda: expansion_error(ONES, ONES, ONES, ONES, ONES), "gradients of shapes"),
        (lambda: expansion_constants(CELL, np.ones(2)), "micro_length has shape"),
        (lambda: expansion_constants(CELL, None), "micro_length=None"),
        (lambda: correctors(jh.Grid((2, 2)), jh.LinearConduction(np.ones((2, 2))), order=3), "order=3"),
        (lambda: correctors(jh.Grid((2, 2)), jh.LinearElastic.isotropic(np.ones((2, 2)), 0.3), order=2), "order=2"),
        (lambda: correctors(jh.Grid((2, 2)), None), "law is a NoneType"),
    ),
)
def test_bad_input(unchecked, call, words):
    with pytest.raises(InputError, match=words):
        call()
