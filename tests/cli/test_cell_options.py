"""What the command line says of files: raw and EBSD options, voxel sizes, and inputs that would never end."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from jaxhomog.cli._arguments import parse
from jaxhomog.cli._cell import cell_facts, image_of
from jaxhomog.cli._problem import problem_of
from jaxhomog.cli._screen import cell_lines
from jaxhomog.microstructure import gaussian_field, thresholded

LABELS = np.zeros((6, 5), np.uint8)
LABELS[2:4, 1:4] = 1
A, B = "--phase=0:young=1,poisson=0.3", "--phase=1:young=10,poisson=0.2"


def _read(*words):
    """The image that a call would solve."""
    return image_of(problem_of(parse(["homogenize", *words])))


@pytest.fixture
def no(refused):
    """`homogenize` with these words is refused in one line that holds all of what is said; returns the line."""
    return lambda words, *say: refused("homogenize", *words, say=say)


@pytest.fixture
def raw(cli):
    """A raw file as Fiji writes it, behind 348 bytes of something else."""
    Path("a.raw").write_bytes(b"x" * 348 + LABELS.T.astype(">u2").tobytes())


def test_raw_on_the_command_line_and_in_a_file(raw):
    words = ("--shape", "6x5", "--dtype", "uint16", "--order", "x", "--header", "348", "--endian", "big")
    image = _read("a.raw", *words)
    assert np.array_equal(image.array, LABELS) and image.notes == ()
    Path("p.toml").write_text(
        "[cell]\nimage = 'a.raw'\nshape = [6, 5]\ndtype = 'uint16'\norder = 'x'\nheader = 348\nendian = 'big'\n"
        "voxel_size = 0.5\n[phases.0]\nyoung = 1\npoisson = 0.3\n"
    )
    image = _read("p.toml")
    assert np.array_equal(image.array, LABELS) and image.voxel_size == (0.5, 0.5)
    assert not np.array_equal(_read("p.toml", "--order", "z").array, LABELS)  # options count before the file


def test_a_raw_file_of_another_size_names_the_option(raw, no):
    words = ("a.raw", "--shape", "6x5", "--dtype", "uint16", A, B)
    line = no(words, "give --header=348 if the file starts with that many other bytes")
    assert _read(*words, line.partition("give ")[2].split()[0]).array.shape == (6, 5)  # the advice works as it stands
    no(("a.raw", A, B), "give --shape and --dtype, e.g. --shape 100x100x100, --dtype='uint8'")
    no((*words, "--header", "-1"), "--header: give one count of bytes")
    no((*words, "--order", "up"), "--order='x'")


def test_help_says_what_the_first_number_is(cli):
    text = " ".join(cli("homogenize", "--help").out.split())
    assert "the first number belongs to direction 1" in text and "Fiji" in text


def test_unindexed_points(cli, no):
    head = "# GRID: SqrGrid\n# XSTEP: 1\n# YSTEP: 1\n# NCOLS_ODD: 2\n# NROWS: 2\n"
    rows = "0 0 0 0 0 1 .9 1\n0 0 0 1 0 1 .9 1\n0 0 0 0 1 1 .9 2\n12.56637 12.56637 12.56637 1 1 1 -1 1\n"
    Path("a.ang").write_text(head + rows)
    no(("a.ang", A, B), "1 of 4 points are not indexed: give --unindexed='nearest'")
    assert _read("a.ang", "--unindexed", "7").array[1, 1] == 7
    assert _read("a.ang", "--unindexed=-1").array[1, 1] == -1
    image = _read("a.ang", "--unindexed", "nearest")
    assert image.array[1, 1] in (1, 2) and "1 of 4 points" in image.notes[-1]
    Path("p.toml").write_text("[cell]\nimage = 'a.ang'\nunindexed = 7\n")
    assert _read("p.toml").array[1, 1] == 7
    Path("p.toml").write_text("[cell]\nimage = 'a.ang'\nunindexed = 1.5\n")
    no(("p.toml",), "cell.unindexed is 1.5: give an integer")


def test_the_screen_names_axes_voxel_size_and_unit(cli):
    tifffile.imwrite("a.tif", LABELS, resolution=(400, 200), resolutionunit="CENTIMETER")

    def lines(*words):
        return "\n".join(cell_lines({**cell_facts(_read("a.tif", *words)), "shape": [6, 5]}))

    assert "rows -> direction 1, columns -> direction 2" in lines()
    assert "voxel size: 0.005 x 0.0025 cm (from the file)" in lines()
    assert "voxel size: 2 x 3 (as given)" in lines("--voxel-size", "2,3")
    tifffile.imwrite("a.tif", LABELS)
    assert "voxel size: 1 x 1 (assumed: nobody says it)" in lines()


@pytest.mark.slow
def test_the_users_voxel_size_keeps_the_verdict_of_trust(cli, result):
    """Scale separation at a macroscopic length of 100: yes for voxels of 0.5, no matter what 72 dpi say."""
    pores = np.asarray(thresholded(gaussian_field((96, 96), 2.0, seed=1), 0.4), np.uint8)
    np.save("npy.npy", pores)
    tifffile.imwrite("tif.tif", pores, resolution=(72, 72), resolutionunit="INCH")
    found = {}
    for name in ("npy.npy", "tif.tif"):
        call = cli("trust", name, "--voxel-size", "0.5", "--macro-length", "100", "--no-report")
        assert call.code == 0 and "voxel size: 0.5 x 0.5 (as given)" in call.out
        assert ("voxel_size counts" in call.err) is (name == "tif.tif")
        items = result(Path(f"{name[:3]}-jaxhomog/result.json"))["items"]
        found[name] = {item["name"]: (item["verdict"], item["numbers"]) for item in items}["scales"]
    assert found["npy.npy"] == found["tif.tif"] and found["tif.tif"][0] == "yes"
    call = cli("trust", "tif.tif", "--macro-length", "100", "--no-report")
    assert "macro_length is taken in voxels" in call.err and "72 pixels per inch" in call.err


@pytest.mark.parametrize("verb", ["homogenize", "drive", "sweep", "trust"])
def test_a_problem_file_that_never_ends(cli, verb):
    os.mkfifo("pipe.toml")
    os.symlink("/dev/zero", "zero.toml")
    with open("large.toml", "wb") as file:
        file.truncate(1 << 30)
    for name, say in (("pipe", "is no regular file"), ("zero", "is no regular file"), ("large", "is no problem file")):
        call = cli(verb, f"{name}.toml")
        assert call.code == 2 and f"error: {name}.toml: {say}" in call.err and "TOML (" not in call.err


@pytest.mark.parametrize(
    "line",
    ["[solver]\nmax_iterations = {}", "[phases.0]\nyoung = {}", "[cell]\nimage = 'a.npy'\ncrop = [[0, {}], []]"],
)
def test_integers_of_5000_digits(no, image, line):
    # decimal ones are refused by Python's own limit, hexadecimal ones have none
    for number in ("9" * 5000, "0x1" + "0" * 5000, "0b1" + "0" * 70):
        Path("p.toml").write_text(line.format(number) + "\n")
        said = no(("p.toml",), "p.toml: ")
        assert len(said) < 400
    assert len(no(("cell.npy", A, B, "--max-iterations", "9" * 5000), "--max-iterations")) < 500


def test_a_folder_under_one_of_our_names_is_the_users(cli, image, no):
    """In an output folder of ours, otherwise."""
    Path("out/report.html").mkdir(parents=True)
    Path("out/report.html/thesis.txt").write_text("five years")
    Path("out/result.json").write_text(json.dumps({"versions": {"jaxhomog": "0"}}))
    no(("cell.npy", A, B, "--output", "out"), "report.html")
    assert Path("out/report.html/thesis.txt").read_text() == "five years"
    Path("sweep/table.csv").mkdir(parents=True)
    Path("p.toml").write_text("[sweep]\nimages = '*.npy'\n")
    call = cli("sweep", "p.toml", "--output", "sweep", "--resume")
    assert call.code == 2 and "table.csv" in call.err and Path("sweep/table.csv").is_dir()


def test_extras_are_asked_for_before_any_work(image, no, cli, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    monkeypatch.setattr("jaxhomog.cli._run.load_cell", lambda *_: pytest.fail("work was begun"))
    no(("cell.npy", A, B, "--fields", "h5"), "h5py")
    monkeypatch.setitem(sys.modules, "zarr", None)
    monkeypatch.setattr("jaxhomog.cli._sweep.load_cells", lambda *_: pytest.fail("work was begun"))
    Path("p.toml").write_text(
        "[cell]\nimage = 'cell.npy'\n[phases.0]\nyoung = 1\npoisson = 0.3\n[sweep.phases.0]\nyoung = [1, 2]\n"
    )
    call = cli("sweep", "p.toml")
    assert call.code == 2 and "zarr" in call.err and "jaxhomog[studies]" in call.err and not Path("p-jaxhomog").exists()


def test_the_next_run_sweeps_what_a_killed_one_left(cli, image):
    """A process that was killed while it held its temporary folder."""
    from jaxhomog.cli._output import output_folder
    from jaxhomog.studies import _claims

    code = (
        "import sys, os, pathlib, importlib.util as u\n"
        "spec = u.spec_from_file_location('claims', sys.argv[1]); m = u.module_from_spec(spec)\n"
        "spec.loader.exec_module(m)\n"
        "with m.claimed(pathlib.Path('.'), directory=True) as p:\n"
        "    (p / 'half').write_text('x'); os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, _claims.__file__]).returncode == -9
    (left,) = Path(".").glob(".jaxhomog-*.tmp")
    assert (left / "half").exists()
    with output_folder(Path("out")) as folder:
        assert not left.exists() and folder.is_dir()
        (folder / "result.json").write_text("{}")
    assert sorted(os.listdir()) == ["cell.npy", "out"] and os.listdir("out") == ["result.json"]
