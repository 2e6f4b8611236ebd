"""Temporary files: gone at the end, kept while their process lives, swept when it was killed."""

import os
import signal
import subprocess
import sys
import time

import pytest

from jaxhomog.studies import claimed, exchange, sweep_claims

CHILD = """
import os, sys, pathlib
sys.path.insert(0, sys.argv[1])
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("claims", sys.argv[2])
claims = module_from_spec(spec)
spec.loader.exec_module(claims)
folder = pathlib.Path(sys.argv[3])
with claims.claimed(folder) as file, claims.claimed(folder, directory=True) as made:
    (made / "new").mkdir()
    (made / "new" / "result.json").write_text("new")
    if sys.argv[4] == "exchange":
        os.rename, real = lambda a, b: os.kill(os.getpid(), 9) if a.name == "new" else real(a, b), os.rename
        claims.exchange(made, folder / "out")
    print("ready", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def child(tmp_path):
    """A process that holds a temporary file and a folder; waits until it does (or is dead)."""
    from jaxhomog.studies import _claims

    started = []

    def start(how="hold"):
        words = [sys.executable, "-c", CHILD, os.getcwd(), _claims.__file__, str(tmp_path), how]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(process)
        process.stdout.readline()
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def _names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_gone_at_the_end_and_after_a_failure(tmp_path):
    with claimed(tmp_path) as file:
        assert file.is_file() and file.parent == tmp_path
        os.rename(file, tmp_path / "kept")
    with pytest.raises(KeyError), claimed(tmp_path, directory=True) as folder:
        (folder / "x").write_text("x")
        raise KeyError
    assert _names(tmp_path) == ["kept"]


def test_what_a_killed_process_left_is_swept(tmp_path, child):
    process = child()
    assert len(_names(tmp_path)) == 2
    sweep_claims(tmp_path)
    assert len(_names(tmp_path)) == 2, "its process lives"
    with claimed(tmp_path):
        assert len(_names(tmp_path)) == 3
    process.send_signal(signal.SIGKILL)
    process.wait()
    with claimed(tmp_path) as file:
        assert _names(tmp_path) == [file.name]
    assert _names(tmp_path) == []


def test_only_what_is_ours(tmp_path):
    names = [
        ".jaxhomog-0123.tmp",
        ".0123456789abcdef.tmp",
        "jaxhomog-0123456789abcdef.tmp",
        ".jaxhomog-XYZ.tmp",
        "a.tmp",
    ]
    for name in names:
        (tmp_path / name).write_text("five years")
    (tmp_path / "target").write_text("x")
    link = tmp_path / ".jaxhomog-0123456789abcdef.tmp"
    link.symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / ".jaxhomog-fedcba9876543210.tmp")
    begin = time.perf_counter()
    sweep_claims(tmp_path)
    sweep_claims(tmp_path / "none")
    assert time.perf_counter() - begin < 10, "a pipe blocks"
    assert _names(tmp_path) == sorted([*names, "target", link.name, ".jaxhomog-fedcba9876543210.tmp"])


def test_an_exchange_that_is_killed_loses_nothing(tmp_path, child):
    """Killed after the old folder went away and before the new one came."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "result.json").write_text("old")
    child("exchange").wait()
    assert not (tmp_path / "out").exists()
    sweep_claims(tmp_path)
    assert _names(tmp_path) == ["out"] and (tmp_path / "out" / "result.json").read_text() == "new"


def test_an_exchange(tmp_path):
    for word in ("first", "second"):
        with claimed(tmp_path, directory=True) as folder:
            (folder / "new").mkdir()
            (folder / "new" / "result.json").write_text(word)
            exchange(folder, tmp_path / "out")
        assert _names(tmp_path) == ["out"] and (tmp_path / "out" / "result.json").read_text() == word
