"""A sweep that is killed at any moment goes on: `experiments/sweep_kill.py` does the same a hundred times."""

import os

import pytest
from killed import HERE, kill_often


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is a signal of POSIX systems")
def test_killed_at_random_moments(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", HERE)
    found = kill_often(tmp_path, kills=8, seed=0)
    assert found["with lanes finished"] >= 2, found
