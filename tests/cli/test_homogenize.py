"""`jaxhomog homogenize`: results, files and exit codes."""

import json
import os
import warnings
from html.parser import HTMLParser
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.cli import _run
from jaxhomog.io import read_vti

STIFF = ("--phase", "0:young=1,poisson=0.3", "1:young=10,poisson=0.2")
CONDUCT = ("--phase", "0:conductivity=1", "1:conductivity=10")
QUICK = ("--fields", "none", "--no-report")
KEYS = {
    "effective", "hill_mandel_residual", "iterations", "residual", "bounds", "converged", "result", "seconds",
    "versions", "axes", "description",
}  # fmt: skip


def _expected(image):
    law = jh.PhaseMixture(
        image.astype(np.int32), {0: jh.LinearElastic.isotropic(1.0, 0.3), 1: jh.LinearElastic.isotropic(10.0, 0.2)}
    )
    return np.asarray(jh.to_voigt(jh.homogenize(jh.Grid(image.shape), law).value.effective, kind="stiffness"))


def test_the_main_job_from_end_to_end(cli, image, result):
    call = cli("homogenize", "cell.npy", *STIFF)
    assert call.code == 0
    assert "effective stiffness" in call.out and "Hill-Mandel" in call.out
    folder = Path("cell-jaxhomog")
    assert sorted(os.listdir(folder)) == ["fields.vti", "report.html", "result.json"]
    assert sorted(os.listdir()) == ["cell-jaxhomog", "cell.npy"]
    found = result(folder / "result.json")
    assert set(found) == KEYS
    assert found["converged"] is True and found["result"] == "success"
    np.testing.assert_allclose(found["effective"], _expected(image), rtol=1e-9, atol=1e-9)
    assert found["description"]["phases"][1] == {"label": 1, "name": None, "voxels": 6, "fraction": 0.2}
    for stage in ("reading", "solving", "writing"):
        assert stage in call.err


def test_json_is_exactly_the_file_and_alone(cli, image):
    call = cli("homogenize", "cell.npy", *STIFF, *QUICK, "--json")
    assert call.code == 0
    assert call.out == Path("cell-jaxhomog/result.json").read_text()
    assert set(json.loads(call.out)) == KEYS
    assert os.listdir("cell-jaxhomog") == ["result.json"]


def test_a_problem_file_says_the_same_and_its_paths_are_its_own(cli, image, result):
    os.mkdir("sub")
    os.rename("cell.npy", "sub/cell.npy")
    Path("sub/problem.toml").write_text(
        '[cell]\nimage = "cell.npy"\nlengths = [6.0, 5.0]\n[physics]\nkind = "elasticity"\n'
        "[phases.0]\nyoung = 1\npoisson = 0.3\n[phases.1]\nyoung = 10\npoisson = 0.2\nname = 'fibre'\n"
        "[load]\nstrain = [1, 0, 0]\n[solver]\ntolerance = 1e-6\n"
    )
    call = cli("homogenize", "sub/problem.toml", *QUICK)
    assert call.code == 0, call.err
    assert "[load] belongs to `drive`" in call.err
    found = result(Path("problem-jaxhomog/result.json"))
    np.testing.assert_allclose(found["effective"], _expected(image), rtol=1e-9, atol=1e-9)
    assert found["description"]["phases"][1]["name"] == "fibre"


def test_fields_obey_the_load_that_was_asked_for(cli, image):
    strain = (-1.0, 0.5, 0.25)
    call = cli("homogenize", "cell.npy", *STIFF, "--strain", "-1,0.5,0.25", "--no-report", "--field-tolerance", "1e-9")
    assert call.code == 0, call.err
    fields = read_vti("cell-jaxhomog/fields.vti")[0]
    np.testing.assert_allclose(fields["strain"].mean(axis=(0, 1)), strain, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(fields["phase"], image)
    assert set(fields) == {"phase", "strain", "stress", "von_mises"}
    effective = np.asarray(json.loads(Path("cell-jaxhomog/result.json").read_text())["effective"])
    np.testing.assert_allclose(fields["stress"].mean(axis=(0, 1)), effective @ strain, rtol=1e-5, atol=1e-7)


@pytest.mark.slow
def test_boundary_conditions_by_name(cli, image, result):
    for option, names in (("uniform_traction", "uniform_traction"), ("affine,periodic", ("affine", "periodic"))):
        call = cli("homogenize", "cell.npy", *CONDUCT, "--boundary", option, "--no-report", "--output", "open")
        assert call.code == 0
        law = jh.PhaseMixture(image.astype(np.int32), {0: jh.LinearConduction(1.0), 1: jh.LinearConduction(10.0)})
        expected = jh.homogenize(jh.Grid(image.shape), law, boundary=names).value.effective
        np.testing.assert_allclose(result(Path("open/result.json"))["effective"], expected, rtol=1e-9, atol=1e-9)
        fields, _ = read_vti(Path("open/fields.vti"))
        assert all(np.isfinite(values).all() for values in fields.values())


def test_transport_in_hdf5_with_tortuosity(cli, image, result):
    h5py = pytest.importorskip("h5py")
    call = cli("homogenize", "cell.npy", *CONDUCT, "--fields", "h5", "--flux", "1,0", "--no-report")
    assert call.code == 0, call.err
    assert "tortuosity" in call.out and "percolates" in call.out
    with h5py.File("cell-jaxhomog/fields.h5") as file:
        np.testing.assert_allclose(np.asarray(file["flux"]).mean(axis=(0, 1)), [1, 0], rtol=0, atol=1e-3)
    found = result(Path("cell-jaxhomog/result.json"))
    k = found["effective"]
    tau = found["description"]["transport"]["tortuosity"]
    np.testing.assert_allclose(tau, [10 / k[0][0], 10 / k[1][1]])


def test_a_void_that_cuts_the_cell_is_no_failure(cli, result):
    labels = np.zeros((6, 5), np.int16)
    labels[3] = 7
    np.save("cut.npy", labels)
    call = cli("homogenize", "cut.npy", "--phase", "0:conductivity=1", "--phase", "7:conductivity=0", *QUICK)
    assert call.code == 0, call.err
    transport = result(Path("cut-jaxhomog/result.json"))["description"]["transport"]
    assert transport["tortuosity"][0] is None and transport["tortuosity"][1] == pytest.approx(1.0)
    assert transport["percolation"]["percolates"] == [False, True]


def test_not_converged_is_three_with_a_result_and_no_tensor(cli, image, result):
    call = cli("homogenize", "cell.npy", *STIFF, "--max-iterations", "1", "--no-report")
    assert call.code == 3
    assert "not converged" in call.err and "raise max_iterations" in call.err
    found = result(Path("cell-jaxhomog/result.json"))
    assert found["converged"] is False and found["effective"] is None and found["result"] == "max_iterations"


def test_crop_coarsen_and_threshold_at_the_door(cli, result):
    grey = np.kron(np.array([[0, 200, 0], [0, 0, 0]]), np.ones((4, 4))).astype(np.uint8)  # (8, 12)
    np.save("grey.npy", np.pad(grey, ((2, 0), (0, 1))))
    call = cli(
        "homogenize", "grey.npy", "--crop", "2:,:12", "--coarsen", "4", "--threshold", "100",
        "--voxel-size", "0.5", *STIFF, *QUICK,
    )  # fmt: skip
    assert call.code == 0, call.err
    more = result(Path("grey-jaxhomog/result.json"))["description"]
    assert more["shape"] == [2, 3] and more["lengths"] == [4.0, 6.0]
    assert [p["voxels"] for p in more["phases"]] == [5, 1]


def test_float32_is_used_and_the_setting_comes_back(cli, image, result):
    assert cli("homogenize", "cell.npy", *CONDUCT, *QUICK, "--precision", "float32").code == 0
    assert result(Path("cell-jaxhomog/result.json"))["description"]["dtype"] == "float32"
    assert jax.config.jax_enable_x64


def test_a_law_without_a_label_is_a_warning(cli, image):
    call = cli("homogenize", "cell.npy", *CONDUCT, "5:conductivity=3", *QUICK)
    assert call.code == 0
    assert "warning: the image holds no voxel of label 5" in call.err


@pytest.mark.slow
def test_orientations_of_a_map_turn_cubic_phases(cli, result):
    lines = ["# XSTEP: 1.0", "# YSTEP: 1.0", "# NCOLS_ODD: 2", "# NCOLS_EVEN: 2", "# NROWS: 2", "# GRID: SqrGrid"]
    for y in range(2):
        lines += [f"{np.pi / 4:.9f} 0 0 {x}.0 {y}.0 1 1 1 1 1" for x in range(2)]
    Path("map.ang").write_text("\n".join(lines) + "\n")
    call = cli("homogenize", "map.ang", "--phase", "1:c11=3,c12=1,c44=2", *QUICK)
    assert call.code == 0, call.err
    c = result(Path("map-jaxhomog/result.json"))["effective"]
    # Turned by 45 degrees about direction 3: C11' = (C11 + C12)/2 + C44, C66' = (C11 - C12)/2.
    np.testing.assert_allclose([c[0][0], c[0][1], c[2][2]], [4.0, 0.0, 1.0], rtol=0, atol=1e-6)


def test_ours_is_replaced_and_others_are_kept(cli, refused, image):
    assert cli("homogenize", "cell.npy", *STIFF, *QUICK).code == 0
    assert cli("homogenize", "cell.npy", *CONDUCT, *QUICK).code == 0
    assert json.loads(Path("cell-jaxhomog/result.json").read_text())["description"]["physics"] == "conduction"
    Path("cell-jaxhomog/notes.txt").write_text("mine")
    refused("homogenize", "cell.npy", *STIFF, *QUICK, say=("notes.txt", "--output"))
    os.mkdir("mine")
    refused("homogenize", "cell.npy", *STIFF, *QUICK, "--output", "mine", say="no output folder of jaxhomog")
    assert os.listdir("mine") == []


@pytest.mark.parametrize("place", ["homogenize", "_write_fields", "write_report"])
def test_an_interrupt_leaves_nothing(cli, image, tmp_path, monkeypatch, place):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(_run, place, interrupt)
    call = cli("homogenize", "cell.npy", *STIFF)
    assert call.code == 130
    assert os.listdir() == ["cell.npy"]


def test_a_failed_write_keeps_the_earlier_result(cli, image, monkeypatch):
    assert cli("homogenize", "cell.npy", *STIFF, *QUICK).code == 0
    before = Path("cell-jaxhomog/result.json").read_text()

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_run, "write_report", full)
    call = cli("homogenize", "cell.npy", *STIFF, "--fields", "none")
    assert call.code == 2 and "No space left" in call.err
    assert Path("cell-jaxhomog/result.json").read_text() == before
    assert sorted(os.listdir()) == ["cell-jaxhomog", "cell.npy"]


class _Loads(HTMLParser):
    """Collects everything in a page that a browser would fetch or run."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found += [(tag, k, v) for k, v in attrs if k in ("src", "href", "srcset", "data") or k.startswith("on")]
        self.found += [(tag, "", "")] if tag in ("script", "link", "iframe", "object", "evil") else []


def test_the_report_loads_nothing_and_escapes_names(cli, image):
    name = "<evil onload=x>&amp;$x^2$ \u00fc.npy"
    os.rename("cell.npy", name)
    assert cli("homogenize", name, *STIFF, "--output", "out").code == 0
    text = Path("out/report.html").read_text(encoding="utf-8")
    page = _Loads()
    page.feed(text)
    assert page.found and all(tag == "img" and v.startswith("data:image/png;base64,") for tag, _, v in page.found)
    assert "url(" not in text and "&lt;evil onload=x&gt;&amp;amp;" in text


def test_help_teaches(cli):
    for words in ((), ("--help",), ("homogenize", "--help"), ("drive", "--help"), ("demo", "--help")):
        call = cli(*words)
        assert call.code == 0 and "jaxhomog" in call.out + call.err
    assert "--phase 0:young=1,poisson=0.3" in cli("homogenize", "--help").out
    assert "[phases.0]" in cli("homogenize", "--help").out
    assert "[phases.0.hardening]" in cli("drive", "--help").out


def test_a_warning_of_the_library_is_said_once_and_kept(cli, image, result, monkeypatch):
    """Whatever `homogenize` warns of is one line on the screen and an entry of result.json."""

    def careful(*args, **settings):
        warnings.warn("this choice is dangerous", stacklevel=2)
        return jh.homogenize(*args, **settings)

    monkeypatch.setattr(_run, "homogenize", careful)
    call = cli("homogenize", "cell.npy", "--phase", "0:conductivity=1", "--phase", "1:conductivity=3", "--no-report")
    assert call.code == 0 and call.err.count("this choice is dangerous") == 1
    assert "jaxhomog: warning: this choice is dangerous" in call.err
    assert "this choice is dangerous" in result(Path("cell-jaxhomog/result.json"))["description"]["warnings"]
