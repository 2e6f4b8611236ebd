"""Devices and processes give what one device gives, without communication (in processes of their own)."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conduction_lanes import exact, laminates

import jaxhomog as jh

SCRIPT = Path(__file__).with_name("sharded.py")


def start(*words):
    env = {key: value for key, value in os.environ.items() if key != "JAX_NUM_CPU_DEVICES"}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *map(str, words)], stdout=pipe, stderr=pipe, text=True, env=env
    )


def ended(process):
    try:
        out, err = process.communicate(timeout=600)
    finally:
        process.kill()
    assert process.returncode == 0 and out.splitlines()[-1].startswith("same"), err[-3000:]


@pytest.mark.slow
def test_four_devices_give_what_one_gives():
    ended(start(4))


@pytest.mark.slow
def test_two_processes_give_what_one_gives(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = tmp_path / "store"
    processes = [start(2, 2, number, port, store) for number in range(2)]
    for process in processes:
        ended(process)
    found = jh.load_sweep(store)
    np.testing.assert_array_equal(found.code, 0)
    np.testing.assert_allclose(found.value["effective"], exact(laminates(11)["k"]), rtol=0, atol=1e-11)
