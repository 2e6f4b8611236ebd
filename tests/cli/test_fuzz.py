"""A few hundred damaged problems: each ends in a valid result or in one line (thousands in experiments/)."""

import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "experiments" / "fuzz_problems.py"


@pytest.mark.slow
def test_every_case_ends_as_claimed(monkeypatch):
    monkeypatch.setenv("JAXHOMOG_CACHE", "off")
    endings = runpy.run_path(str(SCRIPT))["campaign"](300, seed=1)
    assert endings["valid result"] > 20 and endings["one line"] > 100
    assert set(endings) <= {"valid result", "one line", "help"} or any(e.startswith("not conv") for e in endings)


@pytest.mark.slow
def test_every_path_ends_as_claimed(monkeypatch):
    monkeypatch.setenv("JAXHOMOG_CACHE", "off")
    endings = runpy.run_path(str(SCRIPT))["campaign"](60, seed=1, verb="drive")
    assert endings["valid result"] >= 2 and endings["one line"] > 30


def test_damaged_problems_are_refused_before_any_solve(monkeypatch):
    """Two hundred cases of all verbs; those without a fault stop where their solves would begin."""
    monkeypatch.setenv("JAXHOMOG_CACHE", "off")
    script = runpy.run_path(str(SCRIPT))
    for verb in ("homogenize", "drive", "trust", "sweep"):
        endings = [script["early_case"](7_000_000 + k, verb) for k in range(50)]
        assert endings.count("one line") > 20 and (verb == "sweep" or "solves" in endings), (verb, endings)


def test_the_slice_sees_an_internal_error_and_litter(monkeypatch):
    script = runpy.run_path(str(SCRIPT))
    for verb in ("homogenize", "drive", "trust", "sweep"):
        for broken in (lambda words: 1, lambda words: [Path("left-behind").mkdir(), 2][1]):
            monkeypatch.setitem(script["early_case"].__globals__, "main", broken)
            with pytest.raises(AssertionError):
                script["early_case"](0, verb)


def test_the_fuzzer_sees_a_traceback_and_a_partial_folder(monkeypatch):
    """A blind fuzzer would pass everything."""
    script = runpy.run_path(str(SCRIPT))

    def broken(words):
        Path("left-behind").mkdir()
        return 2

    monkeypatch.setitem(script["run_case"].__globals__, "main", broken)
    for verb in ("homogenize", "drive"):
        with pytest.raises(AssertionError):
            script["run_case"](0, verb)
    monkeypatch.setitem(script["run_case"].__globals__, "main", lambda words: 1)
    for verb in ("homogenize", "drive"):
        with pytest.raises(AssertionError):
            script["run_case"](0, verb)
