"""Files that lie about their size, bombs, truncated and foreign ones: each is refused in one line."""

import runpy
from pathlib import Path

import pytest

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "experiments" / "file_limits.py"))
CASES = SCRIPT["cases"](1 << 27)  # bombs of 128 MiB; of 1 GiB in the experiment


@pytest.mark.parametrize("suffix", CASES)
def test_refused_without_a_crash(tmp_path, suffix):
    """Each case in a process of its own, since libhdf5 used to crash on some."""
    for fault, write in CASES[suffix].items():
        path = tmp_path / f"a{suffix}"
        write(path)
        how, _, more = SCRIPT["measured"](path, SCRIPT["options"](suffix))
        assert how.split(" ")[0] not in ("READ", "RAISED", "CRASHED"), f"{suffix} {fault}: {how}"
        assert how.isprintable() and path.name in how, f"{suffix} {fault}: {how}"
        assert more < SCRIPT["MEGABYTES"], f"{suffix} {fault}: {more} MB"
        path.unlink()


def test_the_measurement_is_not_blind(tmp_path, monkeypatch):
    """A good file, an exception and a crash are told from a refusal."""
    path = tmp_path / "a.npy"
    path.write_bytes(SCRIPT["npy"]((2, 2)) + bytes(4))
    assert SCRIPT["measured"](path, {})[0] == "READ"
    inside = SCRIPT["measured"].__globals__
    monkeypatch.setitem(inside, "read_image", lambda path: 1 / 0)
    assert SCRIPT["measured"](path, {})[0] == "RAISED ZeroDivisionError"
    monkeypatch.setitem(inside, "read_image", lambda path: inside["os"].kill(inside["os"].getpid(), 9))
    assert SCRIPT["measured"](path, {})[0] == "CRASHED (signal 9)"
