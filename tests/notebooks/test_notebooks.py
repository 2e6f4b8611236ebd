"""Every notebook runs from its text form; its assertions are the test."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))
SHARED = ROOT / "../shared"
NEEDS_DATA = {"boundaries_and_evidence", "real_images", "trust"}

# Runs a script as a notebook would be run, then asks whether it drew anything.
RUN = """
import pathlib, runpy, sys
import matplotlib
matplotlib.use("Agg")
runpy.run_path(sys.argv[1], run_name="__main__")
import matplotlib.pyplot as plt
figures = plt.get_fignums()
assert figures, "the notebook draws no figure"
for number in figures:
    plt.figure(number).savefig(pathlib.Path(sys.argv[2]) / f"figure-{number}.png", dpi=100)
"""


def test_there_are_notebooks():
    names = {"auxetic", "boundaries_and_evidence", "calibration", "elastomer", "image_ensemble", "own_material"}
    names |= {"cauchy_born", "quickstart", "real_images", "trust", "yield_surface"}
    names |= {"memory_from_elimination", "generic_law", "information_of_an_average"}
    assert {path.stem for path in NOTEBOOKS} == names


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_in_percent_format(path):
    text = path.read_text()
    header, _, body = text.removeprefix("# ---\n").partition("# ---\n")
    assert text.startswith("# ---\n") and "format_name: percent" in header
    assert body.lstrip().startswith("# %% [markdown]\n# # ")
    kinds = [line for line in body.splitlines() if line.startswith("# %%")]
    assert set(kinds) == {"# %%", "# %% [markdown]"}
    # Every section with code ends in numbers that are checked.
    assert body.count("\n## ") == 0 and body.rstrip().splitlines()[-1].startswith(("assert", "    assert"))


def test_jupytext_reads_them():
    jupytext = pytest.importorskip("jupytext", reason="jupytext is not installed: pip install 'jaxhomog[notebooks]'")
    for path in NOTEBOOKS:
        cells = jupytext.read(path).cells
        assert {cell.cell_type for cell in cells} == {"markdown", "code"}


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs(path, tmp_path):
    if path.stem in NEEDS_DATA and not SHARED.is_dir():
        pytest.skip(f"{path.stem} needs the images of ../shared/data, which is not there")
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-W", "error::UserWarning", "-c", RUN, str(path), str(tmp_path)]
    done = subprocess.run(command, cwd=path.parent, env=env, capture_output=True, text=True, timeout=3000)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert list(tmp_path.glob("*.png"))
