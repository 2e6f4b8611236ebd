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
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_one_line(case, cells, refused):
    text, say = BAD[case]
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
