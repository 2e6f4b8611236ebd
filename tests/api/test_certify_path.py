"""Certificates of load paths: a sound one, one that loses ellipticity at a known row, and spoilt ones by name."""

import dataclasses
import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh

LAM, MU, SY = 40.0, 40.0, 0.4
ROOT = np.sqrt(3)
# Shear strains: one row elastic, three that flow, one back.
SHEAR = np.asarray([0.5, 1.5, 3.0, 4.0, 3.9]) * SY / ROOT / MU


@functools.cache
def sheared(slope):
    """A homogeneous cell in simple shear."""
    young, poisson = MU * (3 * LAM + 2 * MU) / (LAM + MU), LAM / 2 / (LAM + MU)
    law = jh.J2Plasticity(jh.LinearElastic.isotropic(young, poisson), jh.LinearHardening(SY, slope))
    return jh.drive(jh.Grid((2, 2)), law, jh.LoadPath(np.outer(SHEAR, [0, 0, 1])))


def with_value(solution, **changes):
    names = list(changes)
    where = lambda s: [getattr(s.value, k) for k in names]  # noqa: E731
    return eqx.tree_at(where, solution, [changes[k] for k in names])


def lowest_acoustic(slope):
    """d tau / d gamma: no direction is softer than the plane that shears, nor any other polarization."""
    flows = np.asarray([False, True, True, True, False])
    return np.where(flows, MU * slope / (3 * MU + slope), MU)


def test_a_sound_path():
    """p = (sqrt(3) G gamma - sy) / (3 G + H), tau = G (gamma - sqrt(3) p), psi = tau^2 / 2 G + H p^2 / 2, d = sy dp."""
    s, slope = sheared(12.0), 12.0
    report = jh.certify(s).value
    assert report.verdict and report.reason.startswith("faithful") and "elliptic" in report.reason
    assert report.lowest_dissipation >= 0 and report.rows == 5 and report.lost == -1
    assert report.hill_mandel_residual < 1e-10 and report.tangent_asymmetry < 1e-10
    np.testing.assert_allclose(report.ellipticity, lowest_acoustic(slope), rtol=1e-6)
    # Stress at the end of the step times its increment, less d psi, less sy dp.
    p = np.maximum.accumulate(np.maximum(0, (ROOT * MU * SHEAR - SY) / (3 * MU + slope)))
    tau = MU * (SHEAR - ROOT * p)
    increments = (np.diff(x, prepend=0) for x in (SHEAR, tau**2 / 2 / MU + slope * p**2 / 2, p))
    dg, energy, dp = increments
    np.testing.assert_allclose(report.excess, tau * dg - energy - SY * dp, rtol=0, atol=1e-10)
    assert not report.excess_negative


def test_a_yield_stress_that_falls_loses_ellipticity():
    slope = -8.0
    report = jh.certify(sheared(slope)).value
    np.testing.assert_allclose(report.ellipticity, lowest_acoustic(slope), rtol=1e-6)
    assert report.lost == 1 and not report.verdict and report.lowest_dissipation >= 0
    assert report.reason.startswith("the tangent is not strongly elliptic from row 1 on")


@pytest.mark.slow
def test_what_is_spoilt_is_named():
    s, nothing = sheared(12.0), jnp.zeros(5)
    scale = float(jnp.max(s.value.energy))
    certify = lambda **changes: jh.certify(with_value(s, **changes)).value  # noqa: E731
    report = certify(lowest_dissipation=nothing.at[1].set(-0.01 * scale))
    assert not report.verdict and report.reason.startswith("a point creates energy")
    assert report.lowest_dissipation < -1e-3
    report = certify(hill_mandel_residual=nothing.at[2].set(0.03))
    assert not report.verdict and report.reason.startswith("power is lost") and report.hill_mandel_residual == 0.03
    report = certify(algorithmic_dissipation=s.value.dissipation - scale)
    assert report.verdict and report.excess_negative and "note: the scheme" in report.reason
    skew = s.value.tangent.at[:, 0, 1].add(s.value.tangent[:, 0, 0])
    assert certify(tangent=skew).tangent_asymmetry > 0.1
    report = jh.certify(eqx.tree_at(lambda s: s.value.tangent, s, None)).value
    assert report.verdict and np.isnan(report.ellipticity).all() and np.isnan(report.tangent_asymmetry)
    assert "no tangent was checked" in report.reason
    with pytest.raises(jh.InputError, match="scheme="):
        jh.certify(s, jh.Grid((2, 2)), scheme="q1r")


def failed(s, row):
    """The path as it is returned when a row failed: NaN from there on, and the code."""
    value = jax.tree.map(lambda x: x.at[row:].set(jnp.nan), s.value)
    return eqx.tree_at(lambda t: (t.value, t.result.code), s, (value, jnp.full_like(s.result.code, 7)))


def test_a_failed_path_is_judged_on_its_rows_lane_by_lane():
    s = sheared(12.0)
    lanes = [s, failed(s, 2), failed(s, 0)]
    both = jax.tree.map(lambda *x: jnp.stack(x), *lanes)
    for many in (jh.certify(both), jax.jit(jax.vmap(jh.certify))(both)):
        report = many.value
        assert report.verdict.tolist() == [True, False, False] and report.rows.tolist() == [5, 2, 0]
        assert many.result.code.tolist() == [0, 7, 7]
        assert np.isfinite(report.ellipticity[1, :2]).all() and np.isnan(report.ellipticity[1, 2:]).all()
        assert np.isfinite(report.hill_mandel_residual[1]) and np.isnan(report.hill_mandel_residual[2])
    assert "judged on 2 of 5 rows" in jh.certify(lanes[1]).value.reason
    assert jh.certify(lanes[2]).value.reason.startswith("not finite")


def test_conduction_in_space_is_no_plane_strain():
    """Three components, too; what must be positive is the smallest conductivity (flux q = -K grad T)."""
    s = sheared(12.0)
    k = np.broadcast_to(np.diag([-3.0, -1.0, -2.0]), (5, 3, 3))
    value = dataclasses.replace(s.value, tangent=jnp.asarray(k), physics="conduction")
    report = jh.certify(dataclasses.replace(s, value=value)).value
    np.testing.assert_allclose(report.ellipticity, 1.0, rtol=1e-12)
    assert report.verdict and report.lost == -1


@pytest.mark.slow
def test_conduction_that_was_driven():
    law = jh.LinearConduction.tensor(np.diag([3.0, 1.0, 2.0]))
    s = jh.drive(jh.Grid((1, 1, 2)), law, jh.LoadPath(np.asarray([[1.0, 0, 0], [1.0, 2.0, 0]])))
    # All of the flux is dissipative, and q = -K grad T with the power grad T . K grad T in a unit of time.
    np.testing.assert_allclose(s.value.dissipative_stress, [[-3.0, 0, 0], [-3.0, -2.0, 0]], rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(s.value.dissipative_stress, s.value.stress)
    np.testing.assert_allclose(s.value.dissipation, [3.0, 7.0], rtol=1e-9)
    np.testing.assert_array_equal(s.value.energy, 0)
    report = jh.certify(s).value
    np.testing.assert_allclose(report.ellipticity, 1.0, rtol=1e-8)
    assert report.verdict and report.lowest_dissipation == pytest.approx(3 / 7, rel=1e-9)
    assert np.isnan(report.excess).all() and not report.excess_negative
