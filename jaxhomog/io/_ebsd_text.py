"""EBSD maps as text: the vendors' `.ang` and `.ctf` headers and columns."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ._errors import bad_input

# A header has some hundred lines; a file of other bytes may be one line of gigabytes.
_MOST_LINES, _MOST_WORDS, _MOST_ROW = 100_000, 1 << 16, 1 << 12


@dataclass(frozen=True, eq=False)
class EbsdFormat:
    """The header of a map and where its columns are.

    Args:
        cells: points along x and y.
        step: distance of points along x and y.
        phase_names: label to name.
        columns: indices of phi1, Phi, phi2, x, y, phase (and confidence, where there is one).
        degrees: whether the angles are in degrees.
        first_row: number of lines before the data.
        encoding: of the text.
    """

    cells: tuple[int, int]
    step: tuple[float, float]
    phase_names: dict[int, str]
    columns: tuple[int, ...]
    degrees: bool
    first_row: int
    encoding: str = "utf-8"
    notes: tuple[str, ...] = field(default=())


def ang_format(path: Path) -> EbsdFormat:
    """Header of an `.ang` file (EDAX and the programs that imitate it)."""
    lines, encoding = _head(path, lambda line: not line.lstrip().startswith("#") and line.strip() != "")
    entries: dict[str, str] = {}
    phases: dict[int, str] = {}
    number: int | None = None
    for line in lines:
        words = line.lstrip("# \t").replace(":", " ").split()
        if not words:
            continue
        key, value = words[0].lower(), " ".join(words[1:])
        if key == "phase" and value.isdigit():
            number = int(value)
        elif key == "materialname" and number is not None:
            phases[number] = value
        entries.setdefault(key, value)
    if "grid" not in entries:
        raise bad_input(path, "has no GRID line in its header", "export the map as .ang with its header")
    if entries["grid"].lower().startswith("hex"):
        raise bad_input(path, "is a map on a hexagonal grid", "convert it to a square grid in the EBSD program")
    cells = (_count(path, entries, "ncols_odd"), _count(path, entries, "nrows"))
    step = (_length(path, entries, "xstep"), _length(path, entries, "ystep"))
    columns = (0, 1, 2, 3, 4, 7, 6)
    if "column_headers" in entries:  # newer files name their columns
        names = [n.strip().lower() for n in entries["column_headers"].split(",")]
        phase = [k for k, n in enumerate(names) if n.startswith("phase")]
        if phase:
            columns = (0, 1, 2, 3, 4, phase[0], names.index("ci") if "ci" in names else 6)
    return EbsdFormat(cells, step, phases, columns, False, len(lines), encoding)


def ctf_format(path: Path) -> EbsdFormat:
    """Header of a `.ctf` file (channel text file)."""
    lines, encoding = _head(path, lambda line: line.split()[:1] == ["Phase"])
    entries: dict[str, str] = {}
    phases: dict[int, str] = {}
    for k, line in enumerate(lines):
        key, _, value = line.strip().partition("\t")
        entries.setdefault(key.lower(), value.strip())
        if key.lower() == "phases":
            for n in range(min(int(value.split()[0]), len(lines) - k - 1)):
                parts = lines[k + 1 + n].split("\t")
                if len(parts) > 2:
                    phases[n + 1] = parts[2].strip()
    if not lines or not lines[0].lower().startswith("channel text file"):
        raise bad_input(path, "does not start with 'Channel Text File'", "export the map as .ctf")
    if entries.get("jobmode", "grid").lower() not in ("grid", ""):
        raise bad_input(path, f"has job mode {entries['jobmode']!r}", "export the map on a square grid")
    if entries.get("zcells", "1").split()[0] not in ("0", "1"):
        raise bad_input(path, "is a 3-D map", "export one slice, or a stack as .h5")
    cells = (_count(path, entries, "xcells"), _count(path, entries, "ycells"))
    step = (_length(path, entries, "xstep"), _length(path, entries, "ystep"))
    with open(path, encoding=encoding, errors="replace") as file:
        names = next(line for k, line in enumerate(file) if k == len(lines)).split()
    wanted = ("Euler1", "Euler2", "Euler3", "X", "Y", "Phase")
    missing = [name for name in wanted if name not in names]
    if missing:
        raise bad_input(path, f"misses the column {missing[0]}", "export the map with phase, position and Euler angles")
    return EbsdFormat(cells, step, phases, tuple(names.index(n) for n in wanted), True, len(lines) + 1, encoding)


def read_columns(path: Path, form: EbsdFormat) -> np.ndarray:
    """The columns of `form` for all points, in file order.

    Args:
        path: the file.
        form: its header.

    Returns:
        (points, columns) float64.

    Raises:
        InputError: more points than the header says.
    """
    if path.stat().st_size > _MOST_WORDS * (form.first_row + 16) + _MOST_ROW * form.cells[0] * form.cells[1]:
        raise bad_input(path, "holds far more than the points of its header", "copy or export it again")
    with open(path, encoding=form.encoding, errors="replace") as file:
        for _ in range(form.first_row):
            next(file)
        text = file.read()
    if form.degrees:  # European exports write decimal commas; the columns are separated by tabs
        text = text.replace(",", ".")
    first = text.split("\n", 1)[0].split()
    columns = [c for c in form.columns if c < len(first)]
    if len(columns) < 6:
        raise bad_input(
            path, f"has {len(first)} columns where {max(form.columns[:6]) + 1} are needed", "export it again"
        )
    rows = np.loadtxt(io.StringIO(text), usecols=columns, ndmin=2)
    if len(rows) > form.cells[0] * form.cells[1]:
        raise bad_input(
            path,
            f"holds {len(rows)} points where its header says {form.cells[0]} x {form.cells[1]}",
            "copy or export it again",
        )
    return rows


def _head(path: Path, is_data) -> tuple[list[str], str]:
    """The lines before the first data line, and the encoding of the file."""
    for encoding in ("utf-8", "latin-1"):
        lines: list[str] = []
        try:
            with open(path, encoding=encoding) as file:
                for _ in range(_MOST_LINES):
                    line = file.readline(_MOST_WORDS)
                    if is_data(line):
                        return lines, encoding
                    if not line or len(line) == _MOST_WORDS:
                        break
                    lines.append(line.rstrip("\r\n"))
            break
        except UnicodeDecodeError:
            continue
    raise bad_input(path, "holds no points", "export the map again")


def _count(path: Path, entries: dict[str, str], key: str) -> int:
    try:
        count = int(entries[key].split()[0])
    except (KeyError, ValueError, IndexError):
        raise bad_input(path, f"has no number {key.upper()} in its header", "export the map with its header") from None
    if count < 1:
        raise bad_input(path, f"the map is empty ({key.upper()} is {count})", "export it again")
    return count


def _length(path: Path, entries: dict[str, str], key: str) -> float:
    try:
        step = float(entries[key].split()[0].replace(",", "."))
    except (KeyError, ValueError, IndexError):
        raise bad_input(path, f"has no number {key.upper()} in its header", "export the map with its header") from None
    if not 0 < step < float("inf"):
        raise bad_input(path, f"its {key.upper()} is {step:g}", "export a map with a positive step along both axes")
    return step
