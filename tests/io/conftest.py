"""What the tests of the readers share: the one-line rule, valid files of every format, and the real inputs."""

from pathlib import Path

import numpy as np
import pytest

from jaxhomog.results import InputError

SHARED = Path(__file__).parents[2] / "../shared/data"


@pytest.fixture
def refused(tmp_path):
    """Call something that must end in one printable line with the given words; returns the line."""

    def check(call, *words):
        with pytest.raises(InputError) as caught:
            call()
        line = str(caught.value)
        assert line.isprintable() and len(line.splitlines()) == 1, repr(line)
        line = line.replace(str(tmp_path), "")  # pytest puts the test's own words into the folder's name
        for word in words:
            assert word in line, f"{word!r} is not in: {line}"
        return line

    return check


@pytest.fixture
def shared():
    """Folder of the real inputs; the test is skipped only where there is none."""
    if not SHARED.is_dir():
        pytest.skip(f"the real inputs are not here ({SHARED})")
    return SHARED


@pytest.fixture
def cell():
    """An image whose every voxel says where it is: value 100 i + 10 j + k, shape (4, 3, 2)."""
    i, j, k = np.indices((4, 3, 2))
    return (100 * i + 10 * j + k).astype(np.int16)


def ang_text(angles=(0.0, 0.0, 0.0), grid="SqrGrid", rows=2, columns=3, step=(1.5, 0.5), phases=None):
    """An .ang map in the vendor's order (x fastest); `phases[y][x]`, 1 by default."""
    head = [
        "# TEM_PIXperUM          1.000000",
        "# Phase 1",
        "# MaterialName    austenite",
        "# Symmetry              43",
        "# Phase 2",
        "# MaterialName    ferrite bcc",
        f"# GRID: {grid}",
        f"# XSTEP: {step[0]}",
        f"# YSTEP: {step[1]}",
        f"# NCOLS_ODD: {columns}",
        f"# NCOLS_EVEN: {columns}",
        f"# NROWS: {rows}",
        "# OPERATOR: Håkon",
    ]
    lines = []
    for y in range(rows):
        for x in range(columns):
            phase = 1 if phases is None else phases[y][x]
            turn = "{:.9f} {:.9f} {:.9f}".format(*angles) if x == y == 0 else "0 0 0"
            confidence = -1 if phase < 0 else 0.8
            lines.append(f"{turn} {x * step[0]:.5f} {y * step[1]:.5f} 24.4 {confidence} {phase}")
    return "\n".join([*head, *lines]) + "\n"


def ctf_text(angles=(0.0, 0.0, 0.0), phases=((1, 1, 2), (0, 1, 2)), step=("1", "0,5"), cells=(3, 2)):
    """A .ctf map in the vendor's order (x fastest), with decimal commas as European exports have them."""
    head = [
        "Channel Text File",
        "Prj\tmap",
        "Author\tnobody",
        "JobMode\tGrid",
        f"XCells\t{cells[0]}",
        f"YCells\t{cells[1]}",
        f"XStep\t{step[0]}",
        f"YStep\t{step[1]}",
        "AcqE1\t0",
        "Euler angles refer to Sample Coordinate system (CS0)!\tMag\t100",
        "Phases\t2",
        "3.66;3.66;3.66\t90;90;90\tIron fcc\t11\t225",
        "2.866;2.866;2.866\t90;90;90\tIron bcc (old)\t11\t229",
        "Phase\tX\tY\tBands\tError\tEuler1\tEuler2\tEuler3\tMAD\tBC\tBS",
    ]
    lines = []
    for y in range(2):
        for x in range(3):
            turn = angles if x == 2 and y == 1 else (0.0, 0.0, 0.0)
            row = [phases[y][x], float(x), 0.5 * y, 8, 0, *turn, 0.5, 100, 120]
            lines.append("\t".join(str(v).replace(".", ",") for v in row))
    return "\n".join([*head, *lines]) + "\n"


@pytest.fixture
def maps():
    """The two writers of EBSD text."""
    return ang_text, ctf_text
