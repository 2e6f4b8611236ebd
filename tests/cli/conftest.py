"""What the tests of the command line share: calls in this process, in a folder of their own."""

import json
from typing import NamedTuple

import numpy as np
import pytest

from jaxhomog.cli import main


class Call(NamedTuple):
    """How a call ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys):
    """Call the command line in an empty folder; words become strings."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("JAXHOMOG_CACHE", "off")

    def call(*words):
        capsys.readouterr()
        code = main([str(w) for w in words])
        return Call(code, *capsys.readouterr())

    return call


@pytest.fixture
def refused(cli, tmp_path):
    """A call that must end in one line, exit code 2, and leave the folder as it was."""

    def check(*words, say=()):
        before = sorted(tmp_path.rglob("*"))
        code, out, err = cli(*words)
        errors = [line for line in err.splitlines() if not line.startswith(("[", "jaxhomog: warning: "))]
        assert code == 2, (code, err)
        assert out == ""
        assert len(errors) == 1 and errors[0].startswith("jaxhomog: error: "), err
        assert "Traceback" not in err
        assert sorted(tmp_path.rglob("*")) == before
        for word in (say,) if isinstance(say, str) else say:
            assert word in errors[0], errors[0]
        return errors[0]

    return check


@pytest.fixture
def image(cli):
    """A small labelled image `cell.npy` in the folder of the call; shape (6, 5)."""
    labels = np.zeros((6, 5), np.uint8)
    labels[2:4, 1:4] = 1
    np.save("cell.npy", labels)
    return labels


@pytest.fixture
def result():
    """Read a result.json, refusing NaN and infinity."""

    def read(path):
        def no(word):
            raise ValueError(word)

        return json.loads(path.read_text(encoding="utf-8"), parse_constant=no)

    return read
