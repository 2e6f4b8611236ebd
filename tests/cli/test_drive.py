"""`jaxhomog drive`: numbers, files, bad input and exit codes."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.cli import _drive

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
    soft = jh.J2Plasticity(jh.LinearElastic.isotropic(100.0, 0.3), jh.VoceHardening(0.5, 0.8, 30.0))
    return jh.PhaseMixture(labels.astype(np.int32), {0: soft, 1: jh.LinearElastic.isotropic(300.0, 0.2)})


def test_a_path_from_end_to_end(cli, image, result):
    Path("problem.toml").write_text(TEXT)
    call = cli("drive", "problem.toml", "--json")
    assert call.code == 0, call.err
    folder = Path("problem-jaxhomog")
    pictures = ["curve.png", "curve.svg"] if _drive_draws() else []
    assert sorted(os.listdir(folder)) == ["curve.csv", *pictures, "result.json"]
    assert sorted(os.listdir()) == ["cell.npy", "problem-jaxhomog", "problem.toml"]
    assert call.out == (folder / "result.json").read_text()
    found = result(folder / "result.json")
    assert set(found) == KEYS
    assert found["converged"] is True and found["rows"] == 4 and found["element"] == "q1r"

    strain = np.linspace(0, 1, 5)[1:, None] * [0.02, 0, 0]
    path = jh.LoadPath(strain, np.zeros((4, 3)), [False, True, True])
    s = jh.drive(jh.Grid(image.shape), _law(image), path)
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


def _drive_draws():
    from jaxhomog.plot._figures import have_matplotlib

    return have_matplotlib()


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
