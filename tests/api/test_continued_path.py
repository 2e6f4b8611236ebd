"""Paths cut in two: the state keeps time and temperature, times are absolute, and what cannot go on is refused."""

import functools
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.io import load_solution, save_solution

GRID = jh.Grid((2, 2))
LABELS = np.asarray([[0, 1], [0, 0]])
ELASTIC = jh.LinearElastic.isotropic(1.0, 0.3)
TIME = np.arange(1.0, 7.0)
HELD = np.tile([0.01, 0.0, 0.02], (6, 1))
MAXWELL = jh.GeneralizedMaxwell(ELASTIC, [3.0], [2.0])
MIXED = jh.PhaseMixture(LABELS, {0: MAXWELL, 1: jh.LinearElastic.isotropic(5.0, 0.2)})
WARM = jh.ThermoElastic(ELASTIC, 1e-3, 20.0)
NAMES = ("strain", "stress", "energy", "dissipation", "algorithmic_dissipation", "time")


def compiled(law):
    """One program as users compile it; with the emitters of these tests two differ by a rounding."""
    default: dict = {"xla_backend_optimization_level": 3}
    if "fusion_emitters" in os.environ.get("XLA_FLAGS", ""):
        default["xla_cpu_use_fusion_emitters"] = True

    def drive(law, rows, time, temperature, state):
        path = jh.LoadPath(rows, time=time, temperature=temperature)
        return jh.drive(GRID, law, path, tangent=False, state=state, throw=False, max_cuts=0)

    run = jax.jit(drive)
    return lambda *args: run.lower(law, *args).compile(default)(law, *args)


def assert_one_path(parts, whole):
    assert all(bool(s.result.ok) for s in (*parts, whole))
    for name in NAMES:
        together = np.concatenate([np.asarray(getattr(s.value, name)) for s in parts])
        np.testing.assert_array_equal(together, getattr(whole.value, name))
    for a, b in zip(jax.tree.leaves(parts[-1].state), jax.tree.leaves(whole.state), strict=True):
        np.testing.assert_array_equal(a, b)


LAWS = {
    "a relaxing mixture": pytest.param(MIXED, None, marks=pytest.mark.slow),
    "warming": pytest.param(WARM, np.linspace(30.0, 80.0, 6), marks=pytest.mark.slow),
    "creep": pytest.param(jh.Norton(ELASTIC, 0.01, 4.0, 0.01), None, marks=pytest.mark.exhaustive),
    "a dashpot": pytest.param(jh.KelvinVoigt(ELASTIC, 2.0), None, marks=pytest.mark.exhaustive),
}


@pytest.mark.parametrize("law, temperature", LAWS.values(), ids=LAWS.keys())
def test_a_path_cut_in_two_is_the_uncut_one(law, temperature):
    """Absolute times 1..6, two parts of three rows and one program for both: bit for bit."""
    run = compiled(law)
    at = lambda rows: None if temperature is None else temperature[rows]  # noqa: E731
    one, two = slice(3), slice(3, None)
    first = run(HELD[one], TIME[one], at(one), None)
    second = run(HELD[two], TIME[two], at(two), first.state)
    whole = run(HELD, TIME, at(slice(None)), None)
    assert_one_path([first, second], whole)
    assert float(first.state.time) == 3 and float(whole.state.time) == 6
    if temperature is not None:
        assert float(first.state.temperature) == temperature[2]


def relaxation(t, ramp=1.0):
    """Shear stress of the Maxwell solid under a strain that has grown until `ramp`: 2 G e + 2 G1 e (1 - exp) / x."""
    shear, e = 1.0 / 2.6, 0.01
    return 2 * shear * e + 2 * 3.0 * e * (1 - np.exp(-ramp / 2.0)) / (ramp / 2.0) * np.exp(-(t - ramp) / 2.0)


@functools.cache
def half(steps=False):
    time = None if steps else TIME[:3]
    law = jh.ThermoElastic(ELASTIC, 1e-3, 20.0) if steps else MAXWELL
    warm = np.asarray([30.0, 50.0, 80.0]) if steps else None
    return law, jh.drive(GRID, law, jh.LoadPath(HELD[:3], time=time, temperature=warm), tangent=False)


def test_the_second_part_relaxes_on(tmp_path):
    """Held strain of a homogeneous cell in closed form, from the state, from a saved one, and in an eager call."""
    law, first = half()
    save_solution(tmp_path / "half.npz", first)
    for state in (first.state, load_solution(tmp_path / "half.npz").state):
        second = jh.drive(GRID, law, jh.LoadPath(HELD[3:], time=TIME[3:]), tangent=False, state=state)
        np.testing.assert_allclose(second.value.stress[:, 2], relaxation(TIME[3:]), rtol=1e-10)
        np.testing.assert_array_equal(second.value.time, TIME[3:])
    np.testing.assert_allclose(first.value.stress[:, 2], relaxation(TIME[:3]), rtol=1e-10)


@pytest.mark.parametrize("time, words", [
    ([1.0, 2.0, 3.0], "time 1 of row 0 is not above the time 3 of state=: give absolute times"),
    ([3.0, 4.0, 5.0], "time 3 of row 0 is not above the time 3"),
])  # fmt: skip
def test_times_below_that_of_the_state_are_refused(time, words):
    law, first = half()
    with pytest.raises(jh.InputError, match=words):
        jh.drive(GRID, law, jh.LoadPath(HELD[3:], time=time), tangent=False, state=first.state)


@pytest.mark.slow
def test_traced_times_that_do_not_rise_have_a_code():
    law, first = half()
    run = jax.jit(lambda t: jh.drive(GRID, law, jh.LoadPath(HELD[3:], time=t), tangent=False, state=first.state))
    bad = run(jnp.asarray([1.0, 2.0, 3.0]))
    assert bad.result.name == "invalid_load" and np.isnan(bad.value.stress).all()
    good = run(jnp.asarray(TIME[3:]))
    np.testing.assert_allclose(good.value.stress[:, 2], relaxation(TIME[3:]), rtol=1e-10)


@pytest.mark.slow
def test_unit_steps_and_the_temperature_go_on():
    """Without times the steps count on; without temperatures the cell stays as warm as it is: 2 G (e - alpha dT) .."""
    law, first = half(steps=True)
    on = jh.drive(GRID, law, jh.LoadPath(HELD[3:]), tangent=False, state=first.state)
    np.testing.assert_array_equal(on.value.time, TIME[3:])
    assert float(on.state.temperature) == 80.0
    np.testing.assert_allclose(on.value.stress, np.tile(first.value.stress[-1], (3, 1)), rtol=1e-12)
    lam, mu = 0.3 / 1.3 / 0.4, 1 / 2.6
    thermal = (3 * lam + 2 * mu) * 1e-3 * 60
    np.testing.assert_allclose(on.value.stress[0, 0], (lam + 2 * mu) * 0.01 - thermal, rtol=1e-10)
    # Back to where it is free of stress, in one row.
    back = jh.drive(GRID, law, jh.LoadPath(0 * HELD[:3], temperature=[50.0, 30.0, 20.0]), tangent=False, state=on.state)
    np.testing.assert_allclose(back.value.stress[-1], 0, rtol=0, atol=1e-12)
    assert float(back.state.time) == 9


@pytest.mark.slow
def test_a_path_that_ends_within_a_row_tells_its_time():
    """A row that fails when cut: the state lies between two times, in the proportion of its mean strain."""
    soft = jh.J2Plasticity(jh.LinearElastic.isotropic(100.0, 0.3), jh.VoceHardening(0.5, 0.8, 30.0))
    labels = np.random.default_rng(0).integers(0, 2, (4, 4))
    law = jh.PhaseMixture(labels, {0: soft, 1: jh.LinearElastic.isotropic(300.0, 0.2)})
    rows = np.asarray([[0.001, 0.0, 0.0], [0.05, -0.02, 0.06]])
    short = {"tangent": False, "tolerance": 1e-2, "max_newton": 2, "max_cuts": 10, "throw": False, "element": "q1r"}
    s = jh.drive(jh.Grid((4, 4)), law, jh.LoadPath(rows, time=[1.0, 3.0]), **short)
    assert s.result.name == "no_equilibrium" and int(s.stats["rows"]) == 1
    share = (float(s.state.time) - 1) / 2
    assert 0 < share < 1
    np.testing.assert_allclose(s.state.x.down[:2], (rows[0] + share * (rows[1] - rows[0]))[:2], rtol=1e-12)


COLD = {
    "J2": (jh.J2Plasticity(ELASTIC, jh.LinearHardening(1.0, 0.1)), HELD, "J2Plasticity"),
    "mixture": (jh.PhaseMixture(LABELS, {0: ELASTIC, 1: ELASTIC}), HELD, "LinearElastic"),
    "conductor": (jh.LinearConduction(1.0), HELD[:, :2], "LinearConduction"),
    "rubber": (jh.NeoHookean(ELASTIC), np.tile([1.01, 0, 0, 1.0], (6, 1)), "NeoHookean"),
}


@pytest.mark.parametrize("law, rows, name", COLD.values(), ids=COLD.keys())
def test_a_temperature_that_no_law_hears_is_refused(law, rows, name):
    make = jh.LoadPath.finite if rows.shape[1] == 4 else jh.LoadPath
    path = make(rows, time=TIME, temperature=np.full(6, 80.0))
    with pytest.raises(jh.InputError, match=f"nothing in this cell depends on it .{name}.: leave it out"):
        jh.drive(GRID, law, path, tangent=False)


def test_laws_that_hear_a_temperature():
    """One among several is enough; a law of one's own need not say so."""
    from jaxhomog.materials import StandardMaterial, depends_on_temperature

    psi = lambda e, a, t, p: 0.5 * (1 + p["soft"] * t) * (e - a) @ (e - a)  # noqa: E731
    phi = lambda rate, p: 0.5 * rate @ rate  # noqa: E731
    own = StandardMaterial(psi, phi, 6, {"soft": -1e-3}, reference_temperature=20.0)
    deaf = StandardMaterial(lambda e, a, p: 0.5 * (e - a) @ (e - a), phi, 6)
    for law, hears in (
        (own, True),
        (deaf, False),
        (WARM, True),
        (MIXED, False),
        (jh.PhaseMixture(LABELS, {0: MAXWELL, 1: WARM}), True),
    ):
        assert depends_on_temperature(law, (2, 2), jnp.float64) is hears
