"""Whole commands in a process of their own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import jaxhomog

COMMAND = (sys.executable, "-m", "jaxhomog")
# The package under test, also where it is not installed.
PATH = os.pathsep.join(filter(None, (str(Path(jaxhomog.__file__).parents[1]), os.environ.get("PYTHONPATH"))))


@pytest.mark.slow
def test_the_demo_and_its_cache(tmp_path):
    cache = tmp_path / "cache"
    environment = {**os.environ, "JAXHOMOG_CACHE": str(cache), "PYTHONPATH": PATH}
    done = subprocess.run(
        [*COMMAND, "demo", "--size", "8"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "effective stiffness" in done.stdout and "Traceback" not in done.stderr
    folder = tmp_path / "jaxhomog-demo"
    assert sorted(os.listdir(folder)) == ["fields.vti", "report.html", "result.json"]
    found = json.loads((folder / "result.json").read_text())
    c, bounds = np.asarray(found["effective"]), found["bounds"]
    assert bounds["reuss"][0][0] < c[0, 0] < bounds["voigt"][0][0]
    assert any(cache.iterdir()), "no compiled program was kept"


@pytest.mark.slow
def test_an_interrupt_ends_with_130_and_leaves_nothing(tmp_path):
    np.save(tmp_path / "cell.npy", np.random.default_rng(0).integers(0, 2, (12, 12, 12)).astype(np.uint8))
    words = ["homogenize", "cell.npy", "--phase", "0:young=1,poisson=0.3", "1:young=2,poisson=0.3", "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": PATH}
    # A shell that starts the tests in the background passes on an ignored SIGINT, and Python would keep ignoring it.
    heeds = [
        sys.executable,
        "-c",
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])",
    ]
    child = subprocess.Popen(
        [*heeds, *COMMAND, *words], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    )
    assert child.stderr is not None
    for line in child.stderr:
        if "solving" in line:
            break
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=120)
    assert child.returncode == 130, err
    assert "Traceback" not in err
    assert os.listdir(tmp_path) == ["cell.npy"]
