"""`jaxhomog drive`: numbers, files, bad input and exit codes."""

import csv
import os
import warnings
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.cli import _drive
from jaxhomog.plot._figures import have_matplotlib

CELL = '[cell]\nimage = "cell.npy"\n'
SOFT = "[phases.0]\nyoung = 100.0\npoisson = 0.3\n"
VOCE = "[phases.0.hardening]\nkind = 'voce'\nyield_stress = 0.5\nsaturation_stress = 0.8\nrate = 30.0\n"
HARD = "[phases.1]\nyoung = 300.0\npoisson = 0.2\n"
# Stretched along direction 1, free along direction 2.
LOAD = "[load]\nstrain = [0.02, 0, nan]\nstress = [nan, 0, 0]\nstress_controlled = [false, true, true]\nsteps = 4\n"
TEXT = CELL + SOFT + VOCE + HARD + LOAD
KEYS = {
    "curve", "tangent", "element", "hill_mandel_residual", "converged", "result", "rows", "stats", "seconds",
    "versions", "axes", "description",
}  # fmt: skip


def _law(labels):
    """The law of TEXT, its leaves of the types that the command line gives them: one program serves both."""
    soft = jh.LinearElastic.isotropic(*np.float64([100.0, 0.3]))
    hard = jh.LinearElastic.isotropic(*np.float64([300.0, 0.2]))
    return jh.PhaseMixture(labels, {0: jh.J2Plasticity(soft, jh.VoceHardening(*np.float64([0.5, 0.8, 30.0]))), 1: hard})


def test_a_path_from_end_to_end(cli, image, result):
    Path("problem.toml").write_text(TEXT)
    call = cli("drive", "problem.toml", "--json")
    assert call.code == 0, call.err
    folder = Path("problem-jaxhomog")
    pictures = ["curve.png", "curve.svg"] if have_matplotlib() else []
    assert sorted(os.listdir(folder)) == ["curve.csv", *pictures, "result.json"]
    assert sorted(os.listdir()) == ["cell.npy", "problem-jaxhomog", "problem.toml"]
    assert call.out == (folder / "result.json").read_text()
    found = result(folder / "result.json")
    assert set(found) == KEYS
    assert found["converged"] is True and found["rows"] == 4 and found["element"] == "q1e"

    strain = np.linspace(0, 1, 5)[1:, None] * [0.02, 0, 0]
    path = jh.LoadPath(strain, np.zeros((4, 3)), [False, True, True])
    s = jh.drive(jh.Grid(image.shape, (6.0, 5.0)), _law(image), path)
    curve = found["curve"]
    for key in ("strain", "stress", "energy", "dissipation"):
        np.testing.assert_allclose(curve[key], getattr(s.value, key), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found["tangent"], s.value.tangent[-1], rtol=1e-9, atol=1e-9)
    assert curve["step"] == [1, 2, 3, 4] and curve["time"] == [1.0, 2.0, 3.0, 4.0]
    assert max(curve["dissipation"]) > 0

    with open(folder / "curve.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:5] == ["step", "time", "strain_11", "strain_22", "strain_12"]
    assert list(rows[0])[5:] == ["stress_11", "stress_22", "stress_12", "energy", "dissipation"]
    for k, name in enumerate(("11", "22", "12")):
        for key in ("strain", "stress"):
            assert [float(row[f"{key}_{name}"]) for row in rows] == [row[k] for row in curve[key]]
    assert [float(row["energy"]) for row in rows] == curve["energy"]


@pytest.mark.slow
def test_finite_strain_from_end_to_end(cli, image, result):
    crystal = "[phases.1]\nc11 = 300.0\nc12 = 150.0\nc44 = 90.0\n"
    load = "[load]\nF = [1.1, 0.05, 0, nan]\nP = [nan, nan, nan, 0]\nsteps = 3\n"
    load += "p_controlled = [false, false, false, true]\n"
    Path("problem.toml").write_text(CELL + "[physics]\nkind = 'finite_strain'\n" + SOFT + crystal + load)
    call = cli("drive", "problem.toml")
    assert call.code == 0, call.err
    assert "F 11" in call.out and "P 22" in call.out
    found = result(Path("problem-jaxhomog/result.json"))
    assert found["converged"] and found["element"] == "q1bar"
    f = np.eye(2).ravel() + np.linspace(0, 1, 4)[1:, None] * [0.1, 0.05, 0, 0]
    path = jh.LoadPath.finite(f, 0 * f, [False, False, False, True])
    soft, stiff = (
        jh.LinearElastic.isotropic(*np.float64([100.0, 0.3])),
        jh.LinearElastic.cubic(*np.float64([300, 150, 90])),
    )
    law = jh.PhaseMixture(image, {0: jh.NeoHookean(soft), 1: jh.SaintVenantKirchhoff(stiff)})
    s = jh.drive(jh.Grid(image.shape, (6.0, 5.0)), law, path)
    for key, rows in (("F", s.value.strain), ("P", s.value.stress), ("energy", s.value.energy)):
        np.testing.assert_allclose(found["curve"][key], rows, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found["tangent"], s.value.tangent[-1], rtol=1e-8, atol=1e-8)
    with open("problem-jaxhomog/curve.csv", newline="") as file:
        assert list(csv.DictReader(file).fieldnames)[2:6] == ["F_11", "F_12", "F_21", "F_22"]


FINITE = "[physics]\nkind = 'finite_strain'\n"
PULL = "[load]\nF = [[1.1, 0, 0, 1]]\n"


@pytest.mark.parametrize(
    "text, said",
    [
        (CELL + SOFT + HARD + PULL, "finite_strain"),
        (CELL + FINITE + SOFT + HARD + LOAD, "give F or P"),
        (CELL + FINITE + SOFT + VOCE + "[phases.0.kinematic]\nmodulus = 1.0\n" + HARD + PULL, "small strain"),
        (CELL + FINITE + SOFT + HARD + "[load]\nF = [[1.1, 0, 0]]\n", "d x d"),
        (
            CELL + FINITE + SOFT + HARD + PULL + "P = [[0, 0, 0, 0]]\np_controlled = [false, true, true, false]\n",
            "rotation",
        ),
        (CELL + FINITE + "[phases.0]\nconductivity = 1\n[phases.1]\nconductivity = 2\n" + PULL, "correct one"),
    ],
)
def test_bad_input_at_finite_strain(cli, image, text, said):
    Path("problem.toml").write_text(text)
    call = cli("drive", "problem.toml")
    assert call.code == 2 and said in call.err and len(call.err.strip().splitlines()[-1]) < 400
    assert not Path("problem-jaxhomog").exists()


def test_not_converged_is_three_with_the_rows_reached(cli, image, result):
    rows = "strain = [[0.005, 0, 0], [0.01, 0, 0], [1e300, 0, 0], [1e300, 0, 0]]\n"
    load = LOAD.replace("strain = [0.02, 0, nan]\n", rows).replace("steps = 4\n", "")
    load = load.replace("stress = [nan, 0, 0]", f"stress = {[[0, 0, 0]] * 4}")
    Path("problem.toml").write_text(CELL + SOFT + VOCE + HARD + load)
    call = cli("drive", "problem.toml", "--no-plot")
    assert call.code == 3
    assert "not converged after 2 of 4 steps" in call.err and "NOT CONVERGED" in call.out
    assert sorted(os.listdir("problem-jaxhomog")) == ["curve.csv", "result.json"]
    found = result(Path("problem-jaxhomog/result.json"))
    assert found["converged"] is False and found["rows"] == 2 and found["description"]["steps"] == 4
    np.testing.assert_allclose([row[0] for row in found["curve"]["strain"]], [0.005, 0.01])
    assert np.shape(found["tangent"]) == (3, 3)
    assert len(Path("problem-jaxhomog/curve.csv").read_text().splitlines()) == 3


FLOWS = {
    "linear": ("kind = 'linear'\nyield_stress = 0.5\nmodulus = 2\n", jh.LinearHardening(0.5, 2.0), None),
    "table": (
        "kind = 'table'\nplastic_strain = [0, 0.1]\nyield_stress = [0.5, 0.7]\n[phases.0.kinematic]\nmodulus = 3\n",
        jh.TabulatedHardening([0.0, 0.1], [0.5, 0.7]),
        jh.prager(3.0),
    ),
    "recovery": (
        "kind = 'voce'\nyield_stress = 0.5\nsaturation_stress = 0.8\nrate = 30\n"
        "[phases.0.kinematic]\nmodulus = 3\nrecovery = 9\n",
        jh.VoceHardening(0.5, 0.8, 30.0),
        jh.ArmstrongFrederick(3.0, 9.0),
    ),
}


def _asked(monkeypatch, cli, text, *words):
    """What `drive` is called with; the call ends there, before anything is compiled."""
    seen = {}

    def stop(grid, law, path, **settings):
        seen.update(settings, law=law, path=path)
        raise jh.InputError("seen")

    monkeypatch.setattr(_drive, "drive", stop)
    Path("problem.toml").write_text(text)
    call = cli("drive", "problem.toml", *words)
    assert call.err.endswith("error: seen\n"), call.err
    return seen


@pytest.mark.parametrize("kind", FLOWS)
def test_every_kind_of_hardening(cli, image, monkeypatch, kind):
    text, hardening, kinematic = FLOWS[kind]
    law = _asked(monkeypatch, cli, CELL + SOFT + "[phases.0.hardening]\n" + text + HARD + LOAD)["law"].laws[0]
    assert type(law.hardening) is type(hardening) and type(law.kinematic) is type(kinematic)
    for one, other in ((law.hardening, hardening), (law.kinematic, kinematic)):
        assert jax.tree.structure(one) == jax.tree.structure(other)
        assert all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))


def test_rows_masks_times_and_settings_arrive(cli, image, monkeypatch):
    load = "[load]\nstress = [[1, 0, 0], [2, 0, 0.5]]\ntime = [0.1, 0.5]\ntemperature = 20\n"
    solver = "[solver]\nelement = 'q1bar'\ntolerance = 1e-4\nmax_newton = 9\nmax_cuts = 3\nboundary = 'affine'\n"
    seen = _asked(monkeypatch, cli, CELL + SOFT + VOCE + HARD + load + solver, "--boundary", "affine,periodic")
    path = seen["path"]
    np.testing.assert_array_equal(path.stress, [[1, 0, 0], [2, 0, 0.5]])
    assert path.stress_controlled.all() and path.time.tolist() == [0.1, 0.5]
    assert path.temperature.tolist() == [20, 20]
    assert (seen["element"], seen["tolerance"], seen["max_newton"], seen["max_cuts"]) == ("q1bar", 1e-4, 9, 3)
    assert seen["boundary"] == ("affine", "periodic")
    masks = "[load]\nstrain = [[1, 0, 0], [2, 0, 0]]\nstress = [[0, 0, 0], [0, 0, 0]]\n"
    masks += "stress_controlled = [[true, false, false], [false, true, false]]\n"
    seen = _asked(monkeypatch, cli, CELL + SOFT + VOCE + HARD + masks)
    assert seen["path"].stress_controlled.tolist() == [[True, False, False], [False, True, False]]
    line = "[load]\nstrain = [[0.3, 0, -0.6]]\nsteps = 3\ntime = 6\n"
    path = _asked(monkeypatch, cli, CELL + SOFT + VOCE + HARD + line)["path"]
    np.testing.assert_allclose(path.strain, [[0.1, 0, -0.2], [0.2, 0, -0.4], [0.3, 0, -0.6]])
    assert path.time.tolist() == [2, 4, 6] and not path.stress_controlled.any()
    flux = "[phases.0]\nconductivity = 1\n[phases.1]\nconductivity = 2\n[load]\nflux = [1, 0]\n"
    path = _asked(monkeypatch, cli, CELL + flux)["path"]
    assert path.stress.tolist() == [[1, 0]] and path.stress_controlled.all()


FLOW = "[phases.0.hardening]\n"
BAD = {
    "no load": (CELL + SOFT + VOCE + HARD, "no [load]"),
    "empty load": (CELL + SOFT + VOCE + HARD + "[load]\n", "no strain and no stress"),
    "load is no table": ("load = 3\n" + CELL + SOFT + HARD, "not a table"),
    "unknown load": (TEXT + "strian = [[1, 0, 0]]\n", "did you mean 'strain'"),
    "unknown hardening": (TEXT.replace("saturation_stress", "saturation_stres"), "did you mean 'saturation_stress'"),
    "unknown table": (TEXT.replace("0.hardening", "0.hardning"), "did you mean 'hardening'"),
    "unknown kind": (TEXT.replace("'voce'", "'swift'"), "'linear', 'voce' or 'table'"),
    "no kind": (TEXT.replace("kind = 'voce'\n", ""), "has no kind"),
    "half a hardening": (TEXT.replace("rate = 30.0\n", ""), "lacks rate"),
    "key of another kind": (TEXT.replace("rate", "modulus"), "'voce' has no modulus"),
    "negative yield stress": (TEXT.replace("yield_stress = 0.5", "yield_stress = -1"), "yield_stress of phase 0 is -1"),
    "zero rate": (TEXT.replace("rate = 30.0", "rate = 0"), "rate of phase 0 is 0"),
    "falling table": (CELL + SOFT + FLOW + "kind = 'table'\nplastic_strain = [0, -1]\nyield_stress = [1, 2]\n" + HARD
                      + LOAD, "rise from 0"),
    "short table": (CELL + SOFT + FLOW + "kind = 'table'\nplastic_strain = [0, 1]\nyield_stress = [1]\n" + HARD + LOAD,
                    "[phases.0.hardening]: plastic_strain"),
    "kinematic alone": (CELL + SOFT + "[phases.0.kinematic]\nmodulus = 1\n" + HARD + LOAD, "add [phases.0.hardening]"),
    "unknown kinematic": (CELL + SOFT + VOCE + "[phases.0.kinematic]\nmodulos = 1\n" + HARD + LOAD, "'modulus'"),
    "hardening of a crystal": (CELL + "[phases.0]\nc11 = 3\nc12 = 1\nc44 = 1\n" + VOCE + HARD + LOAD, "young and"),
    "rows of several lengths": (TEXT.replace("[0.02, 0, nan]", "[[1, 2, 3], [1]]"), "row 2 has 1 numbers"),
    "a row of a wrong length": (TEXT.replace("[0.02, 0, nan]", "[1, 2, 3, 4]"), "rows of 4 numbers"),
    "no numbers": (TEXT.replace("[0.02, 0, nan]", "['a', 0, 0]"), "load.strain"),
    "too deep": (TEXT.replace("[0.02, 0, nan]", "[[[1]]]"), "list of numbers"),
    "NaN that counts": (TEXT.replace("[0.02, 0, nan]", "[nan, 0, 0]"), "not finite"),
    "both without a mask": (TEXT.replace("stress_controlled = [false, true, true]\n", ""), "stress_controlled"),
    "no booleans": (TEXT.replace("[false, true, true]", "[0, 1, 1]"), "true or false"),
    "a short mask": (TEXT.replace("[false, true, true]", "[false, true]"), "stress_controlled"),
    "no steps": (TEXT.replace("steps = 4", "steps = 0"), "load.steps is 0"),
    "half a step": (TEXT.replace("steps = 4", "steps = 0.5"), "give an integer"),
    "steps beside rows": (TEXT.replace("[0.02, 0, nan]", "[[1, 0, 0], [2, 0, 0]]"), "the final row alone"),
    "times fall": (TEXT + "time = [4, 3, 2, 1]\n", "time falls"),
    "too few times": (TEXT + "time = [1, 2]\n", "give 4 numbers"),
    "gradient in elasticity": (TEXT.replace("\nstress = ", "\nflux = "), "does not belong to elasticity"),
    "components of 3-D": (CELL + SOFT + VOCE + HARD + "[load]\nstrain = [1, 0, 0, 0, 0, 0]\n", "takes 3"),
    "setting of homogenize": (TEXT + "[solver]\nfield_tolerance = 1e-9\n", "no setting of drive"),
    "element": (TEXT + "[solver]\nelement = 'fourier'\n", "q1bar"),
    "tolerance": (TEXT + "[solver]\ntolerance = 1e-20\n", "out of reach"),
    "cuts": (TEXT + "[solver]\nmax_cuts = -1\n", "max_cuts"),
    "many cuts": (TEXT + "[solver]\nmax_cuts = 99999999999\n", "max_cuts=99999999999: give"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_one_line(case, image, refused):
    text, say = BAD[case]
    Path("problem.toml").write_text(text)
    refused("drive", "problem.toml", say=say)


def test_what_belongs_to_the_other_verb(image, refused):
    refused("drive", "cell.npy", say=".toml")
    refused("drive", "problem.toml", "--no-plott", say="--no-plot")
    refused("drive", "problem.toml", "--", "--no-plot", say="behind the verb, before any --")
    Path("problem.toml").write_text(TEXT)
    refused("homogenize", "problem.toml", say=("[phases.0.hardening]", "jaxhomog drive"))
    Path("problem.toml").write_text(CELL + SOFT + HARD + "[solver]\nmax_cuts = 3\n")
    refused("homogenize", "problem.toml", say="no setting of homogenize")


def test_an_interrupt_leaves_nothing(cli, image, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(_drive, "drive", interrupt)
    Path("problem.toml").write_text(TEXT)
    assert cli("drive", "problem.toml").code == 130
    assert sorted(os.listdir()) == ["cell.npy", "problem.toml"]


def test_a_warning_of_the_library_becomes_one_of_ours(cli, image, monkeypatch):
    def warn(*args, **kwargs):
        warnings.warn("it locks", stacklevel=2)
        raise jh.InputError("seen")

    monkeypatch.setattr(_drive, "drive", warn)
    Path("problem.toml").write_text(TEXT)
    assert "jaxhomog: warning: it locks" in cli("drive", "problem.toml").err
