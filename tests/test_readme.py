"""The README's Python examples run as printed."""

import re
from pathlib import Path

import numpy as np
import pytest

README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.S)


def test_examples_run_and_print_the_published_stiffness(capsys):
    """C11 of this cell is 1.649843180832 and dC11/dE 0.0098257583 (independent codes, see cross_code.py)."""
    scope: dict = {}
    exec(BLOCKS[0], scope)
    printed = capsys.readouterr().out
    assert float(re.search(r"[\d.]+(e[+-]?\d+)?", printed).group()) == pytest.approx(1.64984318, rel=2e-6)
    exec(BLOCKS[1], scope)
    assert float(capsys.readouterr().out) == pytest.approx(0.0098257583, rel=2e-3)


def test_the_sweep_lies_between_series_and_parallel_connection(capsys):
    scope: dict = {}
    exec(next(block for block in BLOCKS if "jh.sweep" in block), scope)
    k11 = np.asarray([float(x) for x in re.findall(r"[\d.]+(?:e[+-]?\d+)?", capsys.readouterr().out)])
    f, k = scope["lanes"]["labels"].mean(axis=(1, 2, 3)), scope["lanes"]["k"]
    assert k11.shape == (8,) and (k11 > 1 / (f / k + 1 - f)).all() and (k11 < f * k + 1 - f).all()


def test_the_fit_finds_the_phases(capsys):
    """1.291 and 1.898 are what series and parallel connection of 1 and 4 give, to two thousandths (f = 0.3)."""
    exec(next(block for block in BLOCKS if "jh.fit" in block), {})
    printed = capsys.readouterr().out
    for name, truth, noise in (("k1", 1.0, 0.01), ("k2", 4.0, 0.04)):
        value, low, high = map(float, re.search(rf"{name} = ([\d.]+) in \[([\d.]+), ([\d.]+)\]", printed).groups())
        assert low < truth < high and abs(value - truth) < noise


def test_the_first_example_has_five_lines():
    assert len([line for line in BLOCKS[0].splitlines() if line.strip()]) == 5


def test_every_named_script_exists():
    root = Path(__file__).parents[1]
    named = set(re.findall(r"`((?:experiments|notebooks)/\w+\.py)`", README))
    assert len(named) >= 8
    assert np.all([(root / name).exists() for name in named]), [n for n in named if not (root / n).exists()]
