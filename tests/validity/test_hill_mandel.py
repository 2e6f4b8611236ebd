"""The Hill-Mandel audit: closed forms, fields of solves, and fields that are broken in a known way."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.fields import gradient_part
from jaxhomog.validity import hill_mandel, hill_mandel_rates, reason_text

GRID = jh.Grid((8, 7), (1.0, 1.5))
SOLVES = [("q1r", "elasticity"), ("fourier", "conduction")]
LABELS = np.random.default_rng(3).integers(0, 2, GRID.shape)


@functools.cache
def solved(scheme, physics="elasticity"):
    laws = (
        {0: jh.LinearElastic.isotropic(1.0, 0.3), 1: jh.LinearElastic.isotropic(20.0, 0.2)}
        if physics == "elasticity"
        else {0: jh.LinearConduction(1.0), 1: jh.LinearConduction(20.0)}
    )
    s = jh.homogenize(GRID, jh.PhaseMixture(LABELS, laws), element=scheme, fields=True, tolerance=1e-10)
    return np.asarray(s.value.fields.up), np.asarray(s.value.fields.down), np.asarray(s.value.effective)


def sines(n=64):
    x = (np.arange(n) + 0.5) / n
    wave = np.sin(2 * np.pi * x)
    return (1 + 0.5 * wave)[None, :, None], (1 + 0.2 * wave)[None, :, None]


def test_the_average_of_a_product():
    """hm.cross_average: sigma = 1 + 0.5 sin, eps = 1 + 0.2 sin: <s e> - <s><e> = 0.05, relative to <s e> = 1.05."""
    report = hill_mandel(*sines())
    np.testing.assert_allclose(report.defect, [[0.05]], rtol=0, atol=1e-12)
    np.testing.assert_allclose(report.residual, 0.05 / 1.05, rtol=0, atol=1e-12)
    assert not report.verdict and np.isnan(report.equilibrium)
    assert "power is lost" in report.reason


def test_a_stress_that_varies_along_a_bar_is_named():
    """The same fields as a conduction cell: a flux 1 + 0.5 sin(x) along x has a divergence, the gradient is one."""
    flux, gradient = (np.concatenate([np.broadcast_to(x[..., None, :], (1, 64, 3, 1)), np.zeros((1, 64, 3, 1))], -1)
                      for x in sines())  # fmt: skip
    report = hill_mandel(flux, gradient, jh.Grid((64, 3)))
    assert report.reason == "not in equilibrium"
    # ||0.5 sin|| / ||1 + 0.5 sin||
    np.testing.assert_allclose(report.equilibrium, np.sqrt(0.125 / 1.125), rtol=1e-12)
    np.testing.assert_allclose(report.compatibility, 0.0, rtol=0, atol=1e-14)
    # Turned by a right angle the flux is in equilibrium, and the gradient is none.
    report = hill_mandel(flux[..., ::-1], gradient[..., ::-1], jh.Grid((64, 3)))
    assert report.reason == "not compatible"
    np.testing.assert_allclose(report.compatibility, np.sqrt(0.02 / 1.02), rtol=1e-12)


@pytest.mark.parametrize(("scheme", "physics"), SOLVES)
def test_fields_of_a_solve_pass(scheme, physics):
    up, down, effective = solved(scheme, physics)
    sign = 1 if physics == "elasticity" else -1
    n = len(up)
    report = hill_mandel(up, down, GRID, scheme=scheme, mean_strain=np.eye(n), mean_stress=sign * effective.T)
    assert report.verdict and report.reason.startswith("faithful")
    assert max(report.residual, report.equilibrium, report.averages) < 1e-5
    assert report.compatibility < 1e-12


@pytest.mark.parametrize(("scheme", "physics"), SOLVES)
def test_what_is_broken_is_named(scheme, physics):
    up, down, _ = solved(scheme, physics)
    noise = 0.1 * np.random.default_rng(0).normal(size=up.shape)
    noise -= noise.mean(axis=(1, 2), keepdims=True)
    audit = functools.partial(hill_mandel, grid=GRID, scheme=scheme, tolerance=1e-3)
    assert audit(up + noise, down).reason == "not in equilibrium"
    assert audit(up, down + noise).reason == "not compatible"
    assert audit(up + noise, down + noise).reason == "both: not in equilibrium and not compatible"
    assert audit(up + noise, down).residual > 1e-3
    wrong = np.mean(down, axis=(1, 2)) + 0.01
    assert audit(up, down, mean_strain=wrong).reason == "averages do not match the prescribed ones"
    assert audit(up, down, mean_strain=np.where(wrong > 0, np.nan, wrong - 0.01)).verdict  # free components
    assert audit(up * np.nan, down).reason.startswith("not finite")


def test_fields_need_no_law():
    """The stress of one solve and the strain of another are admissible: Hill-Mandel holds for all of their pairs."""
    up, down = solved("q1r")[0], np.random.default_rng(4).normal(size=(3, *GRID.shape, 3))
    down = np.asarray(gradient_part(GRID, down, "q1r")) + np.eye(3)[:, None, None, :]
    report = hill_mandel(up, down, GRID, scheme="q1r")
    assert report.verdict
    np.testing.assert_allclose(report.defect, 0.0, rtol=0, atol=1e-5)


def test_the_worst_pair_is_told():
    s, e = np.ones((3, 5, 1)), np.ones((3, 5, 1))
    wave = np.array([1.0, -1.0, 0.5, -0.5, 0.0])
    s[2, :, 0] += 0.1 * wave
    e[0, :, 0] += 0.1 * wave
    report = hill_mandel(s, e)
    assert report.pair.tolist() == [2, 0]
    np.testing.assert_allclose(report.residual, 0.01 * np.mean(wave**2), rtol=1e-12)


def test_a_pair_without_power_is_seen_by_its_norms():
    """<s : e> = 0, lost 1: over the floor 4 sqrt(1e-6) M ||e||^2 = 0.008 alone (M = 1, ||e||^2 = 2)."""
    wave = np.array([1.0, -1.0, 1.0, -1.0])
    s, e = np.ones((1, 4, 1)), np.ones((1, 4, 1))
    s[0, :, 0], e[0, :, 0] = wave + 1, wave - 1  # <s e> = 1 - 1 = 0, <s><e> = -1
    report = hill_mandel(s, e)
    np.testing.assert_allclose(report.defect, [[1.0]], rtol=1e-12)
    np.testing.assert_allclose(report.residual, 125, rtol=1e-12)
    assert not report.verdict


def test_weights_of_integration_points():
    """Two points of weights 1 and 3: <a> = (a1 + 3 a2) / 4."""
    s, e = np.array([[[2.0], [4.0]]]), np.array([[[1.0], [3.0]]])
    report = hill_mandel(s, e, weights=np.array([2.0, 6.0]))
    np.testing.assert_allclose(report.defect, [[(2 + 36) / 4 - 3.5 * 2.5]], rtol=1e-12)


def test_no_load_is_faithful():
    zero = np.zeros((2, *GRID.shape, 3))
    report = hill_mandel(zero, zero, GRID)
    assert report.verdict and report.residual == 0


def test_rates_of_a_history_that_unloads():
    """A laminate loaded and unloaded: admissible at every step, though powers change sign; then a spoilt step."""
    up, down, _ = solved("q1r")
    path = np.array([0.0, 0.5, 1.0, 0.4, -0.3])
    mix = np.stack([path, path**2, np.sin(path)], axis=-1)
    stress, strain = np.tensordot(mix, up, 1), np.tensordot(mix, down, 1)
    report = hill_mandel_rates(stress, strain, GRID, scheme="q1r", tolerance=1e-4)
    assert report.verdict and report.residual < 1e-6
    strain[3] += 0.1 * np.random.default_rng(2).normal(size=strain[3].shape)
    report = hill_mandel_rates(stress, strain, GRID, scheme="q1r", tolerance=1e-4)
    assert report.reason == "not compatible" and int(report.pair[1]) in (2, 3)
    assert report.defect.shape == (4, 4)


def test_a_constant_stress_in_steps_is_the_closed_form():
    """sigma = 1 + 0.5 sin held, eps from 0 to 1 + 0.2 sin in two equal steps: each loses 0.025."""
    s, e = sines()
    stress, strain = np.repeat(s, 3, axis=0), np.concatenate([0 * e, 0.5 * e, e])
    report = hill_mandel_rates(stress, strain)
    np.testing.assert_allclose(report.defect, 0.025, rtol=0, atol=1e-12)
    np.testing.assert_allclose(report.residual, 0.05 / np.sqrt(1.125 * 1.02), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("scheme", "shape"), [("fourier", (6, 5)), ("q1r", (4, 1, 6))])
def test_the_split_is_orthogonal_and_idempotent(scheme, shape):
    grid = jh.Grid(shape, np.linspace(1.0, 2.0, len(shape)))
    for m in (len(shape), len(shape) * (len(shape) + 1) // 2):
        x = np.random.default_rng(0).normal(size=(2, *shape, m))
        part = np.asarray(gradient_part(grid, x, scheme))
        rest = x - part
        np.testing.assert_allclose(gradient_part(grid, part, scheme), part, rtol=0, atol=1e-12)
        np.testing.assert_allclose(gradient_part(grid, rest, scheme), 0.0, rtol=0, atol=1e-12)
        np.testing.assert_allclose(np.sum(part[0] * rest[1]), 0.0, rtol=0, atol=1e-11)


def test_vmap_and_refusals():
    up, down, _ = solved("q1r")
    scales = jnp.array([0.0, 1.0])
    noise = np.random.default_rng(0).normal(size=up.shape)
    reports = jax.vmap(lambda a: hill_mandel(up + a * noise, down, GRID, scheme="q1r"))(scales)
    assert reports.verdict.tolist() == [True, False]
    assert "not in equilibrium" in reports.reason
    single = hill_mandel(up.astype(np.float32), down.astype(np.float32), GRID, scheme="q1r")
    assert single.residual.dtype == np.float32 and single.verdict
    assert reason_text(np.array([0, 4])) == "averages do not match the prescribed ones"
    with pytest.raises(jh.InputError, match="n_loads"):
        hill_mandel(up, down[:2])
    with pytest.raises(jh.InputError, match="on a grid"):
        hill_mandel(up, down, jh.Grid((7, 8)))
    with pytest.raises(jh.InputError, match="not both"):
        hill_mandel(up, down, GRID, weights=np.ones(GRID.shape))
    with pytest.raises(jh.InputError, match="weights"):
        hill_mandel(up, down, weights=np.ones(3))
    with pytest.raises(jh.InputError, match="mean_strain"):
        hill_mandel(up, down, mean_strain=np.ones(3))
    with pytest.raises(jh.InputError, match="scheme"):
        hill_mandel(up, down, GRID, scheme="q1")
    with pytest.raises(jh.InputError, match="no step"):
        hill_mandel_rates(up[:1], down[:1])
