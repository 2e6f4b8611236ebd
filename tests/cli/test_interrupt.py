"""An interrupt is never lost, wherever it arrives; each case in a process whose signals nobody else handles."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
START = """
import gc, os, signal, sys, time
from jaxhomog.cli._interrupt import heeded_interrupts

signal.signal(signal.SIGINT, signal.default_int_handler)
arrived = []

def deeper():
    os.kill(os.getpid(), signal.SIGINT)
    return sum(range(1000))  # the handler runs between these steps

def callback(phase, info):
    if armed and not arrived:
        arrived.append(phase)
        deeper()

armed = False
gc.callbacks.append(callback)
"""
CASES = {
    "inside a collection it comes again": """
with heeded_interrupts():
    try:
        armed = True
        gc.collect()
        assert arrived  # it arrived inside, and did not end the collection
        time.sleep(20)
    except KeyboardInterrupt:
        sys.exit(7)
""",
    "elsewhere it comes at once": """
with heeded_interrupts():
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(20)
    except KeyboardInterrupt:
        sys.exit(7)
""",
    "where it is ignored it stays ignored": """
signal.signal(signal.SIGINT, signal.SIG_IGN)
with heeded_interrupts():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.1)
sys.exit(7)
""",
}


@pytest.mark.parametrize("case", CASES)
def test_an_interrupt(case):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, "-c", START + CASES[case]], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 7, done.stderr
