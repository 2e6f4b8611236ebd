"""The rooms of the library: a file imports only from rows above its own, and rooms of one row not at all."""

import ast
from pathlib import Path

import pytest

import jaxhomog

ROOT = Path(jaxhomog.__file__).parent
ROWS = (
    ("tensors", "messages", "results"),
    ("solvers",),
    ("fields", "materials", "microstructure"),
    ("lattice", "rve", "macro"),
    ("coupling", "dynamics", "validity"),
    ("api",),
    ("studies",),
    ("io", "plot", "cli"),
)
ROW = {room: row for row, rooms in enumerate(ROWS) for room in rooms}
# The command line is where files, figures and verbs meet; row 0 is single files that may use one another downwards.
SAME_ROW = {("cli", "io"), ("cli", "plot"), ("messages", "tensors"), ("tensors", "results")}
FILES = sorted(p for p in ROOT.rglob("*.py") if p != ROOT / "__init__.py")


def _room(path: Path) -> str:
    parts = path.relative_to(ROOT).parts
    return parts[0].removesuffix(".py")


def _imported_rooms(path: Path):
    """Rooms of jaxhomog that a file imports, absolute or relative, at module level or inside functions."""
    package = ("jaxhomog", *path.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{stem}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "jaxhomog" and len(parts) > 1 and (parts[1] in ROW):
                yield parts[1]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_one_way(path):
    room = _room(path)
    assert room in ROW or room == "__main__", f"{room} is in no row: add it to the table of DESIGN and here"
    for other in _imported_rooms(path):
        allowed = other == room or ROW[other] < ROW.get(room, len(ROWS)) or (room, other) in SAME_ROW
        assert allowed, f"{path.relative_to(ROOT)} imports {other}, which is not in a row above {room}"


def test_a_wrong_import_is_seen(tmp_path):
    """The scanner sees absolute, relative and nested imports (a blind scanner would pass everything)."""
    source = "def f():\n    from ..api import homogenize\nimport jaxhomog.io\nfrom jaxhomog import cli\n"
    path = ROOT / "fields" / "_not_written.py"
    fake = tmp_path / "x.py"
    fake.write_text(source)

    class Fake:
        def relative_to(self, root):
            return path.relative_to(root)

        def read_text(self):
            return fake.read_text()

    assert set(_imported_rooms(Fake())) == {"api", "io", "cli"}
