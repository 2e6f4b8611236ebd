"""`jaxhomog trust`: the files, the words, and one line for what is wrong."""

import json

import numpy as np
import pytest

from jaxhomog.cli import main
from jaxhomog.microstructure import gaussian_field, thresholded


@pytest.fixture
def image(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAXHOMOG_CACHE", "off")
    np.save("pores.npy", np.asarray(thresholded(gaussian_field((96, 96), 2.0, seed=1), 0.4), np.uint8))
    return "pores.npy"


def test_geometry_alone(image, capsys):
    assert main(["trust", image, "--voxel-size", "0.5", "--macro-length", "100,8", "--accuracy", "0.1"]) == 0
    said = capsys.readouterr()
    assert "Does the medium look the same everywhere (stationary)? YES" in said.out
    result = json.loads(open("pores-jaxhomog/result.json").read())
    items = {item["name"]: item for item in result["items"]}
    assert list(items) == ["fraction", "stationarity", "correlation", "ergodicity", "rve_size", "scales"]
    # L is about 1.9 voxels of 0.5: far from 100, not from 8.
    assert items["scales"]["verdict"] == "no" and items["scales"]["numbers"]["regime"][0] == 0
    assert items["scales"]["numbers"]["eps_length"][1] == pytest.approx(
        items["correlation"]["numbers"]["correlation_length"] * 0.5 / 8
    )
    page = open("pores-jaxhomog/report.html").read()
    assert result["summary"] in page and page.count("data:image/png") >= 4
    assert result["description"]["command"][:3] == ["jaxhomog", "trust", image]


def test_a_problem_file_and_its_options(image, tmp_path, capsys):
    (tmp_path / "ask.toml").write_text('[cell]\nimage = "pores.npy"\n[trust]\naccuracy = 0.3\nphase = 0\n')
    assert main(["trust", "ask.toml", "--json", "--no-report", "--accuracy", "0.2"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert "statistics of label 0, accuracy 0.2" in result["subject"]
    assert result["items"][0]["numbers"]["fraction"] == pytest.approx(1 - np.load("pores.npy").mean())


def test_a_unit_cell(image, tmp_path):
    """By option and by table; the page says what was assumed."""
    np.save("cell.npy", np.kron([[0, 1], [1, 0]], np.ones((4, 4), np.uint8)))
    assert main(["trust", "cell.npy", "--periodic-cell", "--macro-length", "1000"]) == 0
    result = json.loads(open("cell-jaxhomog/result.json").read())
    assert result["verdict"] == "yes" and "every 8 x 8 voxels" in result["assumption"]
    assert result["assumption"] in open("cell-jaxhomog/report.html").read()
    (tmp_path / "ask.toml").write_text('[cell]\nimage = "cell.npy"\n[trust]\nperiodic_cell = true\n')
    assert main(["trust", "ask.toml", "--no-report"]) == 0
    assert json.loads(open("ask-jaxhomog/result.json").read())["assumption"] == result["assumption"]


def test_what_does_not_converge_is_no_crash(image, tmp_path, capsys):
    np.save("cell.npy", np.random.default_rng(0).integers(0, 2, (8, 8)))
    words = ["--phase", "0:conductivity=1", "1:conductivity=9", "--periodic-cell", "--max-iterations", "1"]
    assert main(["trust", "cell.npy", *words]) == 3
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert "max_iterations" in said and "internal" not in said and not (tmp_path / "cell-jaxhomog").exists()


@pytest.mark.slow
def test_conduction(image):
    words = [
        "trust",
        image,
        "--phase",
        "0:conductivity=1",
        "1:conductivity=5",
        "--accuracy",
        "0.2",
        "--windows",
        "12,20,32",
    ]
    assert main(words) == 0
    result = json.loads(open("pores-jaxhomog/result.json").read())
    items = {item["name"]: item for item in result["items"]}
    assert items["energy"]["verdict"] == items["voxels"]["verdict"] == items["property"]["verdict"] == "yes"
    assert items["rve_size"]["numbers"]["conductivity"]["edges"][:3] == [12, 20, 32]
    assert open("pores-jaxhomog/report.html").read().count("data:image/png") == 5


@pytest.mark.parametrize(
    ("table", "words", "line"),
    [
        ("accurracy = 0.1", [], "unknown key 'accurracy' in [trust]: did you mean 'accuracy'?"),
        ("bounds = 3", [], "trust.bounds is 3: give true or false"),
        ("periodic_cell = 'yes'", [], "trust.periodic_cell is 'yes': give true or false"),
        (
            "accuracy = 0.1",
            ["--phase", "0:conductivity=1", "1:conductivity=5", "--boundary", "affine,periodic"],
            "one name",
        ),
        ("windows = [3, 5]", ["--periodic-cell"], "windows and boundaries are of the solves"),
        ("macro_length = 'far'", [], "trust.macro_length: 'far' is no number"),
        ("accuracy = 0.1", ["--label", "9"], "phase=9 is not in the image"),
        ("boundaries = []", ["--phase", "0:conductivity=1", "1:conductivity=5"], "boundaries=[]: give a list of names"),
        ("macro_length = -5", [], "give one number or a map of them, positive"),
        ("accuracy = 2.0", [], "accuracy=2.0: give a positive number below 1"),
        ("accuracy = 0.1", ["--phase", "0:conductivity=1"], "label 1 has no law"),
    ],
)
def test_bad_input(image, tmp_path, capsys, table, words, line):
    (tmp_path / "ask.toml").write_text(f'[cell]\nimage = "pores.npy"\n[trust]\n{table}\n')
    assert main(["trust", "ask.toml", *words]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert line in said[-1] and not (tmp_path / "ask-jaxhomog").exists()
