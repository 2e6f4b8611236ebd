"""Damaged files of every format end in an image or in one line (thousands of them in experiments/fuzz_files.py)."""

import runpy
from pathlib import Path

import pytest

from jaxhomog.io import FORMATS

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "experiments" / "fuzz_files.py"))


def test_some_damaged_files_of_each_format():
    endings = SCRIPT["campaign"](192, seed=2)
    assert set(endings) == {"image", "one line"}, endings
    assert sum(endings.values()) == 192 and endings["one line"] > 96


@pytest.mark.slow
@pytest.mark.parametrize("suffix", FORMATS)
def test_many_damaged_files(suffix):
    endings = SCRIPT["campaign"](120, seed=3, suffixes=(suffix,))
    assert set(endings) <= {"image", "one line"}, endings
    assert endings["one line"] > 12, "the damage does no harm: the fuzzer is blind"


def test_the_fuzzer_sees_what_it_looks_for(monkeypatch):
    """A traceback, a crash, a print, a file that is left, and a number that is none."""
    inside = SCRIPT["campaign"].__globals__
    read, os = inside["read_image"], inside["os"]
    calls = []

    def second(what):
        """The undamaged file is read as it should be, the damaged one not."""

        def reader(path, **given):
            calls.append(path)
            return what(path) if len(calls) % 2 == 0 else read(path, **given)

        return reader

    faults = {
        "ZeroDivisionError": lambda path: 1 / 0,
        "signal 9": lambda path: os.kill(os.getpid(), 9),
        "it printed": lambda path: os.write(2, b"a word") and read(path),
        "a file was made": lambda path: (path.parent / "new").write_text("x") and read(path),
    }
    monkeypatch.setitem(inside, "spoil", lambda path, rng: None)
    for word, what in faults.items():
        calls.clear()
        monkeypatch.setitem(inside, "read_image", second(what))
        (ending,) = SCRIPT["campaign"](1, suffixes=(".npy",))
        assert "WRONG" in ending and word in ending, ending
