"""Claim: every problem file and image ends in a valid result or in one line with exit code 2 (or 3 with a result).

Run `python experiments/fuzz_problems.py [cases] [seed] [homogenize | drive | trust | sweep]`; default 10,000 cases of
homogenize. Cases of trust and sweep end where their solves would begin: what is refused is refused before. A case is a
valid problem on a tiny image with up to three things damaged in it: words of the command line, lines and values of the
problem file, bytes of the image. No traceback, no hang, no partial folder. Prints the count of every kind of ending and
the slowest case. A path compiles for every number of steps and kind of law: a hundred cases of drive take minutes.
"""

from __future__ import annotations

import collections
import contextlib
import io
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import jaxhomog.cli._drive
import jaxhomog.cli._run
import jaxhomog.cli._sweep
import jaxhomog.cli._trust
from jaxhomog.cli import main

LIMIT = 120  # seconds of one case; the first of a kind compiles
STRANGE = (
    "0", "-1", "1e300", "-1e-300", "nan", "inf", "''", "'x'", "[]", "[1, 2]", "[[1], [2, 3]]", "true", "1979-05-27",
    "{}", "99999999999999999999", "1e999", "'\\u0000'", "{a = 1}", "[1, 'x']", "0.5", "1e-30", "'../cell.npy'", "'/'",
    "0x7f", f"0x1{'0' * 5000}", "9" * 5000,
)  # fmt: skip
KEYS = (
    "young", "poisson", "c11", "conductivity", "stiffness", "image", "lengths", "voxel_size", "threshold", "crop",
    "coarsen", "dataset", "array", "shape", "dtype", "kind", "element", "boundary", "tolerance", "max_iterations",
    "precision", "name", "yung", "", "\u00e9", "order", "header", "endian", "unindexed", "foreign",
)  # fmt: skip
WORDS = (
    "--json", "--crop", "0:2,:", "--coarsen", "2", "--threshold", "0.5", "--voxel-size", "-3", "--lengths", "nan",
    "--element", "q9", "--tolerance", "1e-40", "--precision", "float16", "--phase", "7:young=1,poisson=0.2", "::",
    "--order", "x", "--header", "348", "--endian", "big", "--unindexed", "nearest", "--foreign",
    "--fields", "h5", "--strain", "1,0,0", "--output", "no/where", "--nonsense", "\udcff", "--", "", "-1,2",
)  # fmt: skip
LAWS = (
    {0: "young = 1\npoisson = 0.3\n", 1: "young = {x}\npoisson = 0.2\n"},
    {0: "c11 = 3\nc12 = 1\nc44 = 1\n", 1: "young = {x}\npoisson = 0.2\n"},
    {0: "conductivity = 1\n", 1: "conductivity = {x}\n"},
    {0: "conductivity = [1, 2]\n", 1: "conductivity = {x}\n"},
)

# Tables of a sweep.
SWEPT = (
    *("[sweep.phases.1]\nyoung = [2, 5]\n", "[sweep.phases.1]\nconductivity = [2, 5]\n") * 4,
    *("[sweep.phases.1]\nyoung = " + x + "\n" for x in ("[]", "[nan]", "'a'", "[[1], 2]", "[1e999]", "[-1]", "3")),
    "chunk = 0\n", "chunk = 1e99\n", "chunk = []\n", "resume = 'no'\n", "[sweep.phases]\n",
    "[sweep.phases.9]\nyoung = [1]\n",
    "[sweep.solver]\nelement = ['q9']\n", "[sweep.phases.1.hardening]\nmodulus = [1, 2]\n", "[[sweep.phases.1]]\n",
)  # fmt: skip

# Laws, plastic flow and load of paths: everything that a problem of `drive` may hold.
FLOWS = (
    "",
    "[phases.0.hardening]\nkind = 'voce'\nyield_stress = 0.5\nsaturation_stress = 0.8\nrate = 30.0\n",
    "[phases.0.hardening]\nkind = 'linear'\nyield_stress = 0.01\nmodulus = 0.1\n[phases.0.kinematic]\nmodulus = 0.1\n",
    "[phases.0.hardening]\nkind = 'table'\nplastic_strain = [0, 0.1]\nyield_stress = [0.01, 0.02]\n",
)
LOADS = (
    "strain = [0.02, 0, nan]\nstress = [nan, 0, 0]\nstress_controlled = [false, true, true]\nsteps = 2\n",
    "strain = [[0.01, 0, 0], [0.02, 0, 0.01]]\ntime = [0.5, 1]\n",
)
DRIVEN = (
    *(("elasticity", LAWS[0], flow, load) for flow in FLOWS for load in LOADS),
    ("conduction", LAWS[2], "", "gradient = [[1, 0], [1, 1]]\n"),
    ("finite_strain", LAWS[0], FLOWS[1], "F = [1.1, 0, 0, nan]\nP = [nan, nan, nan, 0]\n"
     "p_controlled = [false, false, false, true]\nsteps = 2\n"),
)  # fmt: skip
ROWS = (
    "[1, 2]", "[[0.01, 0, 0], [0.02, 0]]", "[nan, 0, 0]", "[[0.01, 0, 0]]", "[0.02, 0, 0]", "[2, 1]", "[1, 1]",
    "[-1, 2]", "[true, false]", "[false, false, false]", "[[false, true, true], [true, true, true]]", "[0, inf, 0]",
    "[1e300, 0, 0]", "[[0.01, 0, 0, 0, 0, 0], [0.02, 0, 0, 0, 0, 0]]", "1", "2", "[-1, 0, 0, 1]", "'linear'",
    "'table'", "[[[1, 0, 0]]]",
)  # fmt: skip
PATH_KEYS = (
    "strain", "stress", "stress_controlled", "gradient", "flux", "flux_controlled", "F", "P", "p_controlled", "steps",
    "time", "temperature", "yield_stress", "modulus", "saturation_stress", "rate", "plastic_strain", "recovery", "kind",
    "max_cuts", "max_newton", "max_iterations", "boundary", "strian", "yield", "hardening", "kinematic",
)  # fmt: skip
PATH_TABLES = (
    "load", "load.x", "physics", "phases.0.hardening", "phases.1.hardening", "phases.0.kinematic", "phases.1.kinematic",
    "phases.0.hardning", "phases.2.hardening", "hardening", "solver", "",
)  # fmt: skip


def write_image(rng: np.random.Generator) -> str:
    """A tiny image, sometimes of a wrong kind, sometimes with damaged bytes; its name."""
    labels = rng.integers(0, 2, (4, 3))
    labels[0, 0], labels[-1, -1] = 0, 1
    kind = rng.integers(0, 10)
    if kind == 0:
        strange = (
            np.zeros(3), np.zeros((0, 2)), np.zeros((2, 2), complex), labels + 0.25, labels * np.nan, labels * 2**40,
            np.array("text"), labels[None, None], labels - 5, labels.astype(bool),
        )  # fmt: skip
        np.save("cell.npy", strange[rng.integers(len(strange))])
    elif kind == 1:
        np.savez("cell.npz", cell=labels)
        return "cell.npz" if rng.random() < 0.5 else damaged("cell.npz", rng)
    elif kind == 2:
        return ("none.npy", ".", "cell.xyz", "cell", "")[rng.integers(5)]
    else:
        np.save("cell.npy", labels.astype(("u1", "i4", ">i2", "f8", "i8")[rng.integers(5)]))
    return damaged("cell.npy", rng) if rng.random() < 0.2 else "cell.npy"


def damaged(name: str, rng: np.random.Generator) -> str:
    """The file with some bytes changed, cut off or added."""
    data = bytearray(Path(name).read_bytes())
    for _ in range(rng.integers(1, 6)):
        data[rng.integers(len(data))] = rng.integers(256)
    cut = rng.random()
    Path(name).write_bytes(data[: rng.integers(len(data))] if cut < 0.3 else data + b"x" * int(5 * (cut > 0.9)))
    return name


def problem_text(image: str, rng: np.random.Generator) -> str:
    """A problem file of homogenize with up to three damages."""
    laws = LAWS[rng.integers(len(LAWS))]
    value = (10, 0.5, 2.0, 1e6, 0)[rng.integers(5)]
    lines = _cell(image)
    for label, law in laws.items():
        lines += [f"[phases.{label}]", *law.format(x=value).splitlines()]
    lines += ["[solver]", "element = 'q1'"]
    tables = ("load", "physics", "phases.x", "phases.2", "cell.x", "solver", "")
    return _spoilt(lines, rng, STRANGE, KEYS, tables, (0.35, 0.35, 0.2, 0.1), (1, 1, 1, 1, 1, 1))


def path_text(image: str, rng: np.random.Generator) -> str:
    """A problem file of drive, nine times in ten with up to three damages."""
    physics, laws, flow, load = DRIVEN[rng.integers(len(DRIVEN))]
    lines = [*_cell(image), "[physics]", f"kind = '{physics}'", "[phases.0]", *laws[0].splitlines(), *flow.splitlines()]
    lines += ["[phases.1]", *laws[1].format(x=3).splitlines(), "[load]", *load.splitlines(), "[solver]", "max_cuts = 2"]
    # Values above all: letters, tables and lines that are twice there are homogenize's to find as well.
    often = (4, 20, 4, 1, 1, 1)
    return _spoilt(lines, rng, STRANGE + 3 * ROWS, KEYS + 3 * PATH_KEYS, PATH_TABLES, (0.1, 0.45, 0.25, 0.2), often)


def _cell(image: str) -> list[str]:
    return ["[cell]", f"image = {json.dumps(image)}", "voxel_size = 0.5"]


def _spoilt(lines, rng, strange, keys, tables, chances, often) -> str:
    """The lines with damages, none to three of them by these chances; how often each kind of damage is done."""
    for _ in range(rng.choice(4, p=chances)):
        at = int(rng.integers(len(lines)))
        key, equals, _ = lines[at].partition(" = ")
        action = rng.choice(6, p=np.asarray(often) / sum(often)) if len(set(often)) > 1 else rng.integers(6)
        if action == 0:
            del lines[at]
        elif action == 1 and equals:
            lines[at] = f"{key} = {strange[rng.integers(len(strange))]}"
        elif action == 2:
            lines.insert(at, f"{keys[rng.integers(len(keys))]} = {strange[rng.integers(len(strange))]}")
        elif action == 3:
            lines[at] = "".join(c for c in lines[at] if rng.random() > 0.15)
        elif action == 4:
            lines.insert(at, f"[{tables[rng.integers(len(tables))]}]")
        else:
            lines.insert(at, lines[int(rng.integers(len(lines)))])
        lines = lines or [""]
    return "\n".join(lines) + "\n"


def make_path(rng: np.random.Generator) -> list[str]:
    """Files of a call of drive in the current folder, and its words."""
    # What is wrong with images is homogenize's to find.
    np.save("cell.npy", np.asarray([[0, 1, 1], [0, 0, 1]]))
    Path("problem.toml").write_text(path_text("cell.npy", rng), encoding="utf-8")
    words = ["drive", "problem.toml", "--no-plot"]
    if rng.random() < 0.1:
        words.insert(int(rng.integers(len(words) + 1)), WORDS[rng.integers(len(WORDS))])
    return words


def make_case(rng: np.random.Generator) -> list[str]:
    """Files of a call of homogenize in the current folder, and its words."""
    Path("problem.toml").write_text(problem_text(write_image(rng), rng), encoding="utf-8")
    words = ["homogenize", "problem.toml", "--no-report"]
    if rng.random() > 0.1:
        words += ["--fields", "none"]
    if rng.random() < 0.25:
        for _ in range(rng.integers(1, 3)):
            words.insert(int(rng.integers(len(words) + 1)), WORDS[rng.integers(len(WORDS))])
    return words


class Reached(BaseException):
    """A case has come to its solves; no handler of ordinary errors holds it up."""


def _reach(*_, **__):
    raise Reached


def early_case(seed: int, verb: str) -> str:
    """How a case ends that is not let into its solves: "one line", "help", or "solves" where nothing is refused.

    Raises:
        AssertionError: it did not end as claimed, or left something behind.
    """
    places = {"homogenize": jaxhomog.cli._run, "drive": jaxhomog.cli._drive, "sweep": jaxhomog.cli._sweep}
    place = places.get(verb, jaxhomog.cli._trust)
    kept, here, start = getattr(place, verb), os.getcwd(), time.perf_counter()
    out, err = io.StringIO(), io.StringIO()
    setattr(place, verb, _reach)
    try:
        with tempfile.TemporaryDirectory(prefix="fuzz-problems-") as folder:
            os.chdir(folder)
            try:
                words = make_early(np.random.default_rng(seed), verb)
                before = sorted(os.listdir())
                try:
                    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                        code = main(words)
                except Reached:
                    code = None
                story = f"case {seed}: {words} ended with {code}\n{err.getvalue()}"
                assert sorted(os.listdir()) == before and "Traceback" not in err.getvalue(), story
                errors = [s for s in err.getvalue().splitlines() if s.startswith("jaxhomog: error: ")]
                other = [s for s in err.getvalue().splitlines() if not s.startswith(("[", "jaxhomog: "))]
                assert not other and len(errors) == (code == 2) and code in (None, 0, 2), story
                assert time.perf_counter() - start < 30, story
                return {None: "solves", 0: "help", 2: "one line"}[code]
            finally:
                os.chdir(here)
    finally:
        setattr(place, verb, kept)


def make_early(rng: np.random.Generator, verb: str) -> list[str]:
    """Files of a call of any verb, and its words."""
    if verb == "drive":
        return make_path(rng)
    words = make_case(rng)
    if verb == "homogenize":
        return words
    if verb == "sweep":
        text = Path("problem.toml").read_text(encoding="utf-8")
        if rng.random() < 0.9:
            text = "".join(line for line in text.splitlines(True) if not line.startswith("image = "))
        images = (*["'*.npy'"] * 15, "['cell.npy']", "3", "''", "'none/*'", "'/*'")
        text += f"[sweep]\nimages = {images[rng.integers(len(images))]}\n{SWEPT[rng.integers(len(SWEPT))]}"
        text = text[: rng.integers(len(text))] if rng.random() < 0.1 else text
        Path("problem.toml").write_text(text, encoding="utf-8")
    return [verb if w == "homogenize" else w for w in words if w not in ("--no-report", "--fields", "none")]


def run_case(seed: int, verb: str = "homogenize") -> tuple[str, float]:
    """One case in a folder of its own.

    Returns:
        How it ended, and its seconds.

    Raises:
        AssertionError: it did not end as claimed.
    """
    here, start = os.getcwd(), time.perf_counter()
    out, err = io.StringIO(), io.StringIO()
    with tempfile.TemporaryDirectory(prefix="fuzz-problems-") as folder:
        os.chdir(folder)
        try:
            words = (make_path if verb == "drive" else make_case)(np.random.default_rng(seed))
            before = sorted(os.listdir())
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = main(words)
            new = sorted(set(os.listdir()) - set(before))
            story = f"case {seed}: {words}\n{err.getvalue()}"
            assert "Traceback" not in err.getvalue(), story
            errors = [s for s in err.getvalue().splitlines() if s.startswith("jaxhomog: error: ")]
            if code == 0 and not new:
                assert "usage" in out.getvalue() or "jaxhomog" in out.getvalue(), story  # --help and alike
                return "help", time.perf_counter() - start
            if code == 2:
                other = [s for s in err.getvalue().splitlines() if not s.startswith(("[", "jaxhomog: "))]
                assert len(errors) == 1 and not new and not other, story
                return "one line", time.perf_counter() - start
            assert code in (0, 3) and len(new) == 1 and len(errors) == (code == 3), f"{code} {new} {story}"
            found = json.loads(Path(new[0], "result.json").read_text(encoding="utf-8"), parse_constant=_refuse)
            assert found["converged"] is (code == 0), story
            if "curve" in found:
                steps = found["description"]["steps"]
                assert (found["rows"] == steps) is (code == 0) and len(found["curve"]["step"]) == found["rows"], story
                assert all(np.isfinite(np.asarray(x, float)).all() for x in found["curve"].values()), story
            else:
                assert (found["effective"] is None) is (code == 3), story
            if found.get("effective") is not None:
                assert np.isfinite(np.asarray(found["effective"], float)).all(), story
            return ("valid result" if code == 0 else f"not converged: {found['result']}"), time.perf_counter() - start
        finally:
            os.chdir(here)


def _refuse(word: str) -> None:
    raise AssertionError(f"result.json holds {word}")


def _hang(*_):
    raise AssertionError(f"a case took more than {LIMIT} s")


def campaign(cases: int, seed: int = 0, verb: str = "homogenize") -> collections.Counter:
    """Many cases.

    Returns:
        How often each ending occurred.
    """
    endings: collections.Counter = collections.Counter()
    slowest = (0.0, 0)
    before = signal.signal(signal.SIGALRM, _hang)
    try:
        for k in range(cases):
            signal.alarm(LIMIT)
            start = time.perf_counter()
            if verb in ("trust", "sweep"):
                ending, seconds = early_case(seed * 1_000_003 + k, verb), time.perf_counter() - start
            else:
                ending, seconds = run_case(seed * 1_000_003 + k, verb)
            endings[ending] += 1
            slowest = max(slowest, (seconds, k))
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    print(
        f"{cases} cases of {verb}, seed {seed}: all ended as claimed; slowest {slowest[0]:.1f} s"
        f" (case {slowest[1]}, compiling)"
    )
    for ending, count in endings.most_common():
        print(f"  {ending:32} {count}")
    return endings


if __name__ == "__main__":
    numbers = [int(a) for a in sys.argv[1:3]]
    campaign(*(numbers or [10_000]), **dict(zip(("verb",), sys.argv[3:], strict=False)))
