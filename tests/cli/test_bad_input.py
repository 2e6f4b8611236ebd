"""Every bad input ends in one line that says what is wrong and the remedy; nothing is left behind."""

import os
from pathlib import Path

import numpy as np
import pytest

from jaxhomog.cli import _cell

A = "--phase=0:young=1,poisson=0.3"
B = "--phase=1:young=10,poisson=0.2"
K = "--phase=1:conductivity=10"

WORDS = {
    "missing file": (("nothing.npy", A, B), "no such file"),
    "unknown format": (("cell.xyz", A, B), "is unknown"),
    "corrupt": (("corrupt.npy", A, B), "cut off"),
    "zero bytes": (("zero.npy", A, B), "empty file"),
    "empty image": (("empty.npy", A, B), "the image is empty"),
    "one axis": (("line.npy", A, B), "has 1 axes"),
    "a folder": (("folder.npy", A, B), "is a folder"),
    "NaN voxels": (("nan.npy", A, B), "NaN"),
    "grey floats": (("grey.npy", A, B), "--threshold"),
    "label without law": (("cell.npy", A), "label 1 has no law"),
    "no phase": (("cell.npy",), "--phase"),
    "phase without colon": (("cell.npy", "--phase", "0"), "is not understood"),
    "phase twice": (("cell.npy", A, A, B), "given twice"),
    "misspelt parameter": (("cell.npy", "--phase", "0:yung=1,poisson=0.3", B), "did you mean 'young'"),
    "half a law": (("cell.npy", "--phase", "0:young=1", B), "but not poisson"),
    "two laws in one": (("cell.npy", "--phase", "0:young=1,poisson=0.3,conductivity=1", B), "do not belong together"),
    "no number": (("cell.npy", "--phase", "0:young=soft,poisson=0.3", B), "'soft' is no number"),
    "negative modulus": (("cell.npy", "--phase=0:young=-1,poisson=0.3", B), "young of phase 0 is -1"),
    "NaN modulus": (("cell.npy", "--phase=0:young=nan,poisson=0.3", B), "finite"),
    "Poisson 0.5": (("cell.npy", "--phase=0:young=1,poisson=0.5", B), "(-1, 0.5)"),
    "Poisson -1": (("cell.npy", "--phase=0:young=1,poisson=-1", B), "(-1, 0.5)"),
    "negative conductivity": (("cell.npy", "--phase=0:conductivity=-1", K), "conductivity of phase 0 is -1"),
    "indefinite cubic": (("cell.npy", "--phase=0:c11=1,c12=2,c44=1", B), "positive semi-definite"),
    "20 stiffness numbers": (("cell.npy", "--phase=0:stiffness=" + ",".join("1" * 20), B), "has 20 numbers"),
    "asymmetric": (("cell.npy", "--phase=0:conductivity=1,0.5,0,1", K), "not symmetric"),
    "two physics": (("cell.npy", A, "--phase=1:conductivity=1"), "different physics"),
    "zero length": (("cell.npy", A, B, "--lengths", "0,1"), "positive"),
    "negative voxel": (("cell.npy", A, B, "--voxel-size", "-1"), "positive"),
    "both sizes": (("cell.npy", A, B, "--voxel-size", "1", "--lengths", "1"), "both given"),
    "bad crop": (("cell.npy", A, B, "--crop", "0:99,:"), "crop"),
    "crop no range": (("cell.npy", A, B, "--crop", "abc"), "START:STOP"),
    "bad coarsen": (("cell.npy", A, B, "--coarsen", "4"), "does not divide"),
    "thresholds fall": (("cell.npy", A, B, "--threshold", "3", "1"), "threshold"),
    "unknown element": (("cell.npy", A, B, "--element", "q2"), "choose from"),
    "fv elasticity": (("cell.npy", A, B, "--element", "fv"), "conduction only"),
    "float32 tolerance": (("cell.npy", A, B, "--precision=float32", "--tolerance=1e-9"), "--precision float64"),
    "float64 tolerance": (("cell.npy", A, B, "--tolerance", "1e-20"), "out of reach"),
    "tolerance no number": (("cell.npy", A, B, "--tolerance", "small"), "'small' is no number"),
    "unknown precision": (("cell.npy", A, B, "--precision", "float16"), "float32"),
    "no iterations": (("cell.npy", A, B, "--max-iterations", "0"), "at least 1"),
    "unknown option": (("cell.npy", A, B, "--voxelsize", "1"), "did you mean --voxel-size"),
    "unknown fields": (("cell.npy", A, B, "--fields", "xml"), "vti, h5 or none"),
    "short load": (("cell.npy", A, B, "--strain", "1,0"), "give 3 finite numbers"),
    "load of other physics": (("cell.npy", A, B, "--flux", "1,0"), "does not belong to elasticity"),
    "two loads": (("cell.npy", A, B, "--strain", "1,0,0", "--stress", "1,0,0"), "give one load"),
    "output in no folder": (("cell.npy", A, B, "--output", "no/where"), "does not exist"),
    "output is a file": (("cell.npy", A, B, "--output", "cell.npy"), "no output folder"),
    "raw without shape": (("cell.raw", A, B), "shape"),
    "dataset of npy": (("cell.npy", A, B, "--dataset", "x"), "does not apply"),
    "line break in a name": (("no\nsuch.npy", A, B), "no such file"),
    "no such problem": (("no.toml",), "no such file"),
}  # fmt: skip

CELL = '[cell]\nimage = "cell.npy"\n'
SOFT = "[phases.0]\nyoung = 1\npoisson = 0.3\n"
HARD = "[phases.1]\nyoung = 10\npoisson = 0.2\n"
FILES = {
    "no TOML": ("[cell", "no valid TOML"),
    "bytes": (b"\xff\xfe\x00", "no valid TOML"),
    "empty": ("", "no image"),
    "no image": ("[cell]\n" + SOFT + HARD, "no image"),
    "unknown table": (CELL + "[phase.0]\nyoung = 1\n", "did you mean 'phases'"),
    "unknown key": (CELL + "voxelsize = 1\n" + SOFT + HARD, "did you mean 'voxel_size'"),
    "unknown parameter": (CELL + "[phases.0]\nyong = 1\npoisson = 0.3\n" + HARD, "did you mean 'young'"),
    "unknown setting": (CELL + SOFT + HARD + "[solver]\ntolerence = 1e-3\n", "did you mean 'tolerance'"),
    "kind": (
        CELL + SOFT + HARD + "[physics]\nkind = 'magnetism'\n",
        "choose 'elasticity', 'conduction' or 'finite_strain'",
    ),
    "kind does not fit": (CELL + SOFT + HARD + "[physics]\nkind = 'conduction'\n", "correct one"),
    "label": (CELL + "[phases.soft]\nyoung = 1\npoisson = 0.3\n", "integer label"),
    "label twice": (CELL + SOFT + "[phases.00]\nyoung = 1\npoisson = 0.3\n", "given twice"),
    "text for a number": (CELL + "[phases.0]\nyoung = 'x'\npoisson = 0.3\n" + HARD, "is no number"),
    "true for a number": (CELL + "[phases.0]\nyoung = true\npoisson = 0.3\n" + HARD, "is no number"),
    "a number for a table": ("cell = 3\n", "not a table"),
    "a number for a text": ("[cell]\nimage = 3\n" + SOFT, "text in quotes"),
    "boundary": (CELL + SOFT + HARD + "[solver]\nboundary = 'cyclic'\n", "periodic"),
    "iterations": (CELL + SOFT + HARD + "[solver]\nmax_iterations = 1.5\n", "give an integer"),
    "huge integer": (CELL + SOFT + HARD + "[solver]\nmax_iterations = 99999999999999999999\n", "max_iterations"),
    "huge float": (CELL + "[phases.0]\nyoung = 1" + "0" * 400 + "\npoisson = 0.3\n" + HARD, "young"),
    "missing image": ('[cell]\nimage = "none.npy"\n' + SOFT + HARD, "no such file"),
    "two sizes": (CELL + "voxel_size = 1\nlengths = 2\n" + SOFT + HARD, "both given"),
}


@pytest.fixture
def files(image):
    """Good and bad images beside each other."""
    np.save("empty.npy", np.zeros((0, 3)))
    np.save("line.npy", np.zeros(5, np.uint8))
    np.save("nan.npy", np.full((3, 3), np.nan))
    np.save("grey.npy", np.random.default_rng(0).random((4, 4)))
    Path("zero.npy").touch()
    Path("cell.xyz").write_text("x")
    Path("cell.raw").write_bytes(bytes(30))
    Path("corrupt.npy").write_bytes(Path("cell.npy").read_bytes()[:-7])
    os.mkdir("folder.npy")


@pytest.mark.parametrize("case", WORDS)
def test_one_line(case, files, refused):
    words, say = WORDS[case]
    refused("homogenize", *words, "--fields=none" if "--fields" not in words else "--no-report", say=say)


@pytest.mark.parametrize("case", FILES)
def test_one_line_for_problem_files(case, files, refused):
    text, say = FILES[case]
    Path("problem.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    line = refused("homogenize", "problem.toml", say=say)
    assert "problem.toml" in line or case in ("kind does not fit", "boundary", "iterations", "huge integer",
                                              "huge float", "missing image", "two sizes")  # fmt: skip


def test_a_wrong_command(refused):
    refused("homogenise", say="homogenize")
    refused("homogenize", say="required")
    refused("demo", "--size", "1", say="--size 1")


def test_too_big_says_how_much(image, refused, monkeypatch):
    monkeypatch.setattr(_cell, "free_memory", lambda: 1000)
    refused("homogenize", "cell.npy", A, B, say=("6 x 5 voxels", "GiB", "--coarsen"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder(image, refused):
    os.mkdir("locked", 0o500)
    refused("homogenize", "cell.npy", A, B, "--output", "locked/out", say="not writable")


def test_out_of_memory_in_the_solver(image, refused, monkeypatch):
    from jaxhomog.cli import _run

    def full(*args, **kwargs):
        raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes")

    monkeypatch.setattr(_run, "homogenize", full)
    refused("homogenize", "cell.npy", A, B, say="out of memory")
