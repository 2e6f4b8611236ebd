"""`jaxhomog sweep`: every image with every parameter, a store that goes on, tables, and one line for what is wrong."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.cli import _sweep
from jaxhomog.plot._figures import have_matplotlib

PHASES = "[phases.0]\nconductivity = 1.0\n[phases.1]\nconductivity = 2.0\n"
SOLVER = "[solver]\nelement = 'fv'\ntolerance = 1e-10\n"
SWEEP = '[sweep]\nimages = "cells/*.npy"\nchunk = 4\n[sweep.phases.1]\nconductivity = [2, 5, 9]\n'
TEXT = PHASES + SOLVER + SWEEP


@pytest.fixture
def cells(cli):
    """Images a, b: laminates with one and two layers of six."""
    Path("cells").mkdir()
    for layers, name in ((1, "a"), (2, "b")):
        labels = np.zeros((6, 5), np.uint8)
        labels[:layers] = 1
        np.save(f"cells/{name}.npy", labels)
    Path("sweep.toml").write_text(TEXT)


def exact(layers, k):
    """Series and parallel connection of some layers of six in others of conductivity 1."""
    f = layers / 6
    return 1 / (f / k + 1 - f), f * k + 1 - f


EXPECTED = [exact(layers, k) for layers in (1, 2) for k in (2, 5, 9)]


def rows(folder="sweep-jaxhomog"):
    with open(Path(folder) / "table.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_from_end_to_end(cli, cells, result):
    call = cli("sweep", "sweep.toml", "--json")
    assert call.code == 0, call.err
    folder = Path("sweep-jaxhomog")
    pictures = ["distribution.png", "distribution.svg"] if have_matplotlib() else []
    assert sorted(os.listdir(folder)) == [*pictures, "store", "summary.json", "table.csv"]
    assert call.out == (folder / "summary.json").read_text()
    table = rows()
    assert [row["image"] for row in table] == ["cells/a.npy"] * 3 + ["cells/b.npy"] * 3
    assert [float(row["phases.1.conductivity"]) for row in table] == [2, 5, 9] * 2
    np.testing.assert_allclose([[float(row["K11"]), float(row["K22"])] for row in table], EXPECTED, rtol=1e-9)
    assert {row["result"] for row in table} == {"success"}
    found = result(folder / "summary.json")
    k11 = np.asarray(EXPECTED)[:, 0]
    assert found["lanes"] == 6 and found["failed"] == 0 and found["results"] == {"success": 6}
    assert found["properties"]["K11"]["mean"] == pytest.approx(k11.mean(), rel=1e-9)
    assert found["properties"]["K11"]["median"] == pytest.approx(np.median(k11), rel=1e-9)
    store = jh.load_sweep(folder / "store")
    np.testing.assert_allclose(np.diagonal(store.value["value"], axis1=1, axis2=2), EXPECTED, rtol=1e-9)
    np.testing.assert_array_equal(store.parameters["image"], [0, 0, 0, 1, 1, 1])
    assert "6 of 6 lanes" in call.err and "0 failed" in call.err


def test_ctrl_c_leaves_a_store_that_goes_on(cli, cells, refused, monkeypatch):
    class Interrupted(_sweep._Report):
        def __call__(self, finished, total, failed):
            if finished == 3:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_sweep, "_Report", Interrupted)
        call = cli("sweep", "sweep.toml")
    assert call.code == 130 and "--resume goes on" in call.err
    assert os.listdir("sweep-jaxhomog") == ["store"]
    refused("sweep", "sweep.toml", say="--resume")
    Path("sweep.toml").write_text(TEXT.replace("9]", "8]"))
    refused("sweep", "sweep.toml", "--resume", say="parameters differ")
    Path("sweep.toml").write_text(TEXT)
    call = cli("sweep", "sweep.toml", "--resume", "--no-plot")
    assert call.code == 0 and "3 of 6 lanes are in the store already" in call.err
    np.testing.assert_allclose([[float(row["K11"]), float(row["K22"])] for row in rows()], EXPECTED, rtol=1e-9)


def test_a_failed_lane_is_three_and_all_the_rest_is_written(cli, cells, result):
    Path("sweep.toml").write_text(TEXT.replace("[2, 5, 9]", "[2, -5]"))
    call = cli("sweep", "sweep.toml", "--no-plot")
    assert call.code == 3 and "2 of 4 lanes failed" in call.err and "2 failed" in call.out
    assert [row["result"] for row in rows()] == ["success", "invalid_material"] * 2
    assert [float(row["K11"]) for row in rows()] == pytest.approx(
        [EXPECTED[0][0], np.nan, EXPECTED[3][0], np.nan], nan_ok=True
    )
    found = result(Path("sweep-jaxhomog/summary.json"))
    assert found["properties"]["K22"]["max"] == pytest.approx(EXPECTED[3][1], rel=1e-9)


SPHERES = """\
[sweep]
samples = 2
seed = 3
[sweep.spheres]
shape = [6, 5]
radius = 1.5
fraction = 0.3
number = 3
seed = 7
[sweep.phases.0]
conductivity = { low = 1, high = 2 }
[sweep.phases.1]
conductivity = { from = 3, to = 3, steps = 1 }
"""


def test_generated_images_and_draws(cli):
    """Every lane is the single solve of its image, remade from its seed, with its numbers."""
    from jaxhomog.microstructure import overlapping_spheres

    Path("s.toml").write_text("[cell]\nlengths = [3, 2]\n" + PHASES + SOLVER + SPHERES)
    call = cli("sweep", "s.toml", "--no-plot", "--output", "out")
    assert call.code == 0, call.err
    table = rows("out")
    assert [int(row["seed"]) for row in table] == [7, 7, 8, 8, 9, 9]
    drawn = np.asarray([float(row["phases.0.conductivity"]) for row in table])
    np.testing.assert_array_equal(drawn, np.tile(np.random.default_rng(3).uniform(1, 2, 2), 3))
    for row, k in zip(table, drawn, strict=True):
        labels = overlapping_spheres((6, 5), 1.5, fraction=0.3, seed=int(row["seed"]))
        law = jh.PhaseMixture(labels, {0: jh.LinearConduction(k), 1: jh.LinearConduction(3.0)})
        s = jh.homogenize(jh.Grid((6, 5), (3.0, 2.0)), law, element="fv", tolerance=1e-10)
        assert float(row["K12"]) == pytest.approx(float(s.value.effective[0, 1]), rel=1e-8, abs=1e-12)
        assert float(row["K22"]) == pytest.approx(float(s.value.effective[1, 1]), rel=1e-9)


@pytest.mark.slow
def test_names_of_an_elastic_tensor(cli):
    """In the plane a homogeneous cell has C11 = E (1 - nu) / ((1 + nu) (1 - 2 nu)) and C66 = E / (2 (1 + nu))."""
    np.save("one.npy", np.zeros((4, 4), np.uint8))
    sweep = "[sweep.phases.0]\nyoung = [1, 2]\n"
    Path("s.toml").write_text("[cell]\nimage = 'one.npy'\n[phases.0]\nyoung = 1\npoisson = 0.25\n" + sweep)
    call = cli("sweep", "s.toml", "--no-plot")
    assert call.code == 0, call.err
    for row, young in zip(rows("s-jaxhomog"), (1, 2), strict=True):
        assert float(row["C11"]) == pytest.approx(1.2 * young) and float(row["C66"]) == pytest.approx(0.4 * young)
    assert "C66" in call.out and "C16" not in call.out


PATH = TEXT + "[load]\ngradient = [1, 0]\nsteps = 2\n"
SHEAR = """\
[cell]
image = 'one.npy'
[phases.0]
young = 100.0
poisson = 0.25
[phases.0.hardening]
kind = 'linear'
yield_stress = 9.0
modulus = 5.0
[load]
strain = [0, 0, 9]
steps = 2
[sweep]
[sweep.phases.0.hardening]
yield_stress = [0.5, 0.8]
[sweep.load]
strain_12 = [0.02, 0.03]
amplitude = [1, 2]
"""


def sheared(gamma, sy, young=100.0, poisson=0.25, modulus=5.0):
    """tau = G (gamma - sqrt(3) p), sqrt(3) tau = sy + H p: stress, stored energy and what sy takes over p."""
    g = young / (2 * (1 + poisson))
    p = max(0.0, (np.sqrt(3) * g * gamma - sy) / (3 * g + modulus))
    tau = g * (gamma - np.sqrt(3) * p)
    return tau, tau**2 / (2 * g) + modulus * p**2 / 2, sy * p


def test_paths_from_end_to_end(cli, result):
    """Shear of a homogeneous cell that yields, in closed form; curves in the store, and on again from there."""
    np.save("one.npy", np.zeros((2, 2), np.uint8))
    Path("s.toml").write_text(SHEAR)
    call = cli("sweep", "s.toml")
    assert call.code == 0, call.err
    assert "8 lanes of 2 x 2 voxels, 2 steps each" in call.err and "stress_12" in call.out
    assert "stress_11" not in call.out  # a zero but for rounding
    table, lanes = rows("s-jaxhomog"), [(y, g * a) for y in (0.5, 0.8) for g in (0.02, 0.03) for a in (1, 2)]
    expected = [sheared(gamma, sy) for sy, gamma in lanes]
    found = [[float(row[key]) for key in ("stress_12", "energy", "dissipated")] for row in table]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert [float(row["load.amplitude"]) for row in table] == [1, 2] * 4
    assert {row["rows"] for row in table} == {"2"} and {row["result"] for row in table} == {"success"}
    folder = Path("s-jaxhomog")
    pictures = [f"{k}.{form}" for k in ("curves", "distribution") for form in ("png", "svg")]
    assert sorted(os.listdir(folder)) == [
        *(pictures if have_matplotlib() else []),
        "store",
        "summary.json",
        "table.csv",
    ]
    said = result(folder / "summary.json")
    assert said["properties"]["stress_12"]["mean"] == pytest.approx(np.mean([e[0] for e in expected]), rel=1e-6)
    store = jh.load_sweep(folder / "store")
    assert store.value["stress"].shape == (8, 2, 3)
    np.testing.assert_allclose(store.value["strain"][:, :, 2], [[gamma / 2, gamma] for _, gamma in lanes], rtol=1e-9)
    first = [sheared(gamma / 2, sy)[0] for sy, gamma in lanes]
    np.testing.assert_allclose(store.value["stress"][:, 0, 2], first, rtol=1e-6)
    call = cli("sweep", "s.toml", "--resume", "--no-plot")
    assert call.code == 0 and "8 of 8 lanes are in the store already" in call.err and rows("s-jaxhomog") == table


def test_a_path_that_ends_early_is_three(cli):
    """Perfect plasticity carries no more than sy / sqrt(3)."""
    np.save("one.npy", np.zeros((2, 2), np.uint8))
    load = "stress = [0, 0, 1.0]\nstrain = [0, 0, 0]\nstress_controlled = [false, false, true]\n"
    text = SHEAR.replace("strain = [0, 0, 9]\n", load).replace("modulus = 5.0", "modulus = 0.0")
    text = text.replace("strain_12 = [0.02, 0.03]\namplitude = [1, 2]", "amplitude = [0.2, 0.9]")
    Path("s.toml").write_text(text.replace("[0.5, 0.8]", "[1]") + "[solver]\nmax_cuts = 0\n")
    call = cli("sweep", "s.toml", "--no-plot")
    assert call.code == 3 and "1 of 2 lanes failed" in call.err, call.err
    table = rows("s-jaxhomog")
    assert [row["result"] for row in table] == ["success", "no_equilibrium"]
    assert [row["rows"] for row in table] == ["2", "1"] and table[1]["strain_12"] == "nan"
    assert float(table[0]["strain_12"]) == pytest.approx(0.2 / 40, rel=1e-6)


@pytest.mark.slow
def test_paths_at_finite_strain(cli):
    """A lane is the single path with its own numbers; F - 1 is what the amplitude multiplies."""
    labels = np.zeros((4, 3), np.uint8)
    labels[:2] = 1
    np.save("one.npy", labels)
    text = SHEAR.replace("strain = [0, 0, 9]", "F = [1.1, 0, 0, 1]").replace("strain_12 = [0.02, 0.03]", "F_12 = [0.1]")
    stiff = "[phases.1]\nc11 = 300\nc12 = 150\nc44 = 90\n[physics]\nkind = 'finite_strain'\n"
    text += "[sweep.phases.1]\nc44 = [60]\n"
    Path("s.toml").write_text(stiff + text.replace("amplitude = [1, 2]", "amplitude = [0.5]"))
    call = cli("sweep", "s.toml", "--no-plot")
    assert call.code == 0, call.err
    f = np.eye(2).ravel() + np.array([[0.5], [1.0]]) * [0.05, 0.05, 0, 0]
    soft = jh.LinearElastic.isotropic(*np.float64([100.0, 0.25]))
    stiff = jh.SaintVenantKirchhoff(jh.LinearElastic.cubic(*np.float64([300, 150, 60])))
    for row, sy in zip(rows("s-jaxhomog"), (0.5, 0.8), strict=True):
        law = {0: jh.FiniteJ2Plasticity(soft, jh.LinearHardening(*np.float64([sy, 5.0]))), 1: stiff}
        s = jh.drive(jh.Grid((4, 3), (4.0, 3.0)), jh.PhaseMixture(labels, law), jh.LoadPath.finite(f))
        for k, name in enumerate(("11", "12", "21", "22")):
            assert float(row[f"P_{name}"]) == pytest.approx(float(s.value.stress[-1, k]), rel=1e-6, abs=1e-9)


BAD = {
    "no sweep": (PHASES, "no [sweep]"),
    "nothing varies": ("[cell]\nimage = 'cells/a.npy'\n" + PHASES + "[sweep]\n", "varies nothing"),
    "no image": (PHASES + "[sweep]\n[sweep.phases.1]\nconductivity = [1]\n", "no image"),
    "two images": ("[cell]\nimage = 'cells/a.npy'\n" + TEXT, "give one of"),
    "no match": (TEXT.replace("*.npy", "*.tif"), "matches no file"),
    "absolute pattern": (TEXT.replace("cells/*", "/cells/*"), "relative"),
    "unknown key": (TEXT.replace("chunk", "chunks"), "did you mean 'chunk'"),
    "unknown parameter": (TEXT.replace("[2, 5, 9]", "[2]\nconductvity = [1]"), "did you mean 'conductivity'"),
    "unknown label": (TEXT.replace("[sweep.phases.1]", "[sweep.phases.7]"), "no image has the label 7"),
    "parameter of others": (TEXT.replace("[2, 5, 9]", "[2]\nyoung = [1]"), "no young"),
    "no numbers": (TEXT.replace("[2, 5, 9]", "['a']"), "no number"),
    "not finite": (TEXT.replace("[2, 5, 9]", "[nan]"), "not finite"),
    "half a range": (TEXT.replace("[2, 5, 9]", "{ from = 1, to = 2 }"), "{ from, to, steps }"),
    "no steps": (TEXT.replace("[2, 5, 9]", "{ from = 1, to = 2, steps = 0 }"), "steps is 0"),
    "falling range": (TEXT.replace("[2, 5, 9]", "{ low = 2, high = 1 }"), "low is above high"),
    "no samples": (TEXT.replace("[2, 5, 9]", "{ low = 1, high = 2 }"), "sweep.samples"),
    "samples of nothing": (TEXT.replace("chunk = 4", "samples = 4"), "leave it out"),
    "no chunk": (TEXT.replace("chunk = 4", "chunk = 0"), "at least 1 lane"),
    "half spheres": (PHASES + "[sweep.spheres]\nshape = [4, 4]\n", "lacks radius and fraction and number"),
    "bad spheres": (PHASES + SPHERES.replace("0.3", "1.3"), "fraction"),
    "flow": (TEXT + "[phases.0.hardening]\nkind = 'linear'\nyield_stress = 1\nmodulus = 1\n", "jaxhomog drive"),
    "load without a load": (TEXT + "[sweep.load]\namplitude = [1]\n", "[sweep.load] without [load]"),
    "load of another physics": (TEXT + "[load]\nstrain = [1, 0, 0]\n", "does not belong to conduction"),
    "load of 3-D": (TEXT + "[load]\ngradient = [1, 0, 0]\n", "a 2-D image takes 2"),
    "unknown component": (PATH + "[sweep.load]\ngradient_3 = [1]\n", "amplitude, or one of gradient_1, gradient_2"),
    "component that is free": (PATH + "[sweep.load]\nflux_1 = [1]\n", "is not prescribed by [load]"),
    "component of rows": (PATH.replace("steps = 2", "") + "[sweep.load]\ngradient_1 = [1]\n", "give load.steps"),
    "amplitude of text": (PATH + "[sweep.load]\namplitude = ['a']\n", "no number"),
    "values of a path": (PATH.replace("[2, 5, 9]", "[2, -1]"), "[sweep.phases.1]: conductivity of phase 1"),
    "setting of homogenize": (PATH.replace("1e-10", "1e-6\nfield_tolerance = 1e-3"), "no setting of sweep with a"),
    "bad yield stress": (SHEAR.replace("[0.5, 0.8]", "[0.5, -1]"), "yield_stress of phase 0"),
    "hardening that is not there": (SHEAR.replace("yield_stress = [0.5, 0.8]", "rate = [1]"), "no rate of one number"),
    "kinematic that is not there": (SHEAR + "[sweep.phases.0.kinematic]\nmodulus = [1]\n", "no modulus of one number"),
    "unknown hardening": (SHEAR.replace("yield_stress = [", "yeild_stress = ["), "did you mean 'yield_stress'"),
    "hardening that is a list": (SHEAR.replace("[sweep.load]", "[sweep.phases.1]\nhardening = [1]\n[sweep.load]"),
                                 "not a table"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_one_line(case, cells, refused):
    text, say = BAD[case]
    np.save("one.npy", np.zeros((2, 2), np.uint8))
    Path("sweep.toml").write_text(text)
    refused("sweep", "sweep.toml", say=say)


def test_images_of_two_shapes(cells, refused):
    np.save("cells/c.npy", np.zeros((4, 4), np.uint8))
    refused("sweep", "sweep.toml", say=("different shapes", "4 x 4"))


def test_a_folder_that_is_no_sweep_is_left_alone(cells, refused):
    refused("sweep", "cells/a.npy", say=".toml")
    Path("thesis").mkdir()
    Path("thesis/chapter.txt").write_text("one")
    for words in ((), ("--resume",)):
        refused("sweep", "sweep.toml", "--output", "thesis", *words, say="no sweep's")
    refused("sweep", "sweep.toml", "--output", "sweep.toml", say="no folder")
    refused("sweep", "sweep.toml", "--output", "not/there", say="cannot be written")


def test_help_shows_a_whole_file(cli):
    assert "[sweep.spheres]" in cli("sweep", "--help").out and "sweep" in cli("--help").out
