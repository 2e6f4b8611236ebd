"""Surfaces written as STL are closed, point outwards and enclose the volume of what they are the surface of."""

import math
from collections import Counter

import numpy as np
import pytest

from jaxhomog.io import write_stl

X = np.stack(np.meshgrid(*[(np.arange(48) + 0.5) / 48 - 0.5] * 3, indexing="ij"))
BALL = np.linalg.norm(X, axis=0)


def triangles(path):
    """Corners and normals, read by the format's definition."""
    raw = path.read_bytes()
    count = int.from_bytes(raw[80:84], "little")
    rows = np.frombuffer(raw, [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("nothing", "<u2")], count, 84)
    assert len(raw) == 84 + 50 * count and not raw.startswith(b"solid")
    return rows["corners"].astype(float), rows["normal"].astype(float)


def volume(corners):
    """Divergence theorem: a sixth of the sum of triple products; positive where triangles point outwards."""
    a, b, c = np.moveaxis(corners, 1, 0)
    return np.sum(a * np.cross(b, c)) / 6


def closed(corners):
    """Every edge is passed as often one way as the other."""
    keys = [[tuple(p) for p in t] for t in corners]
    passed = Counter((t[i], t[(i + 1) % 3]) for t in keys for i in range(3))
    return all(passed[b, a] == n for (a, b), n in passed.items())


@pytest.mark.parametrize(
    "density, lengths, expected",
    [
        (0.8 - BALL, (1.0, 1.0, 1.0), 4 / 3 * math.pi * 0.3**3),
        (0.8 - BALL, (2.0, 1.0, 3.0), 6 * 4 / 3 * math.pi * 0.3**3),
        (BALL + 0.1, (1.0, 1.0, 1.0), 1 - 4 / 3 * math.pi * 0.4**3),
        # A ball about the corner of the cell, cut into eight by its faces.
        (np.roll(0.8 - BALL, (24, 24, 24), (0, 1, 2)), (1.0, 1.0, 1.0), 4 / 3 * math.pi * 0.3**3),
        (np.ones((3, 4, 5)), (1.0, 2.0, 3.0), 6.0),
    ],
    ids=["ball", "ellipsoid", "void", "corners", "full"],
)
def test_volume_and_closedness(tmp_path, density, lengths, expected):
    write_stl(tmp_path / "a.stl", density, lengths)
    corners, normals = triangles(tmp_path / "a.stl")
    assert volume(corners) == pytest.approx(expected, rel=4e-3)  # triangles are chords: of order (h / r)^2
    assert closed(corners)
    assert corners.min() > -1e-3 and (corners.max((0, 1)) < np.array(lengths) * (1 + 1e-3)).all()
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    big = np.linalg.norm(cross, axis=1) > 1e-6
    size = np.linalg.norm(cross[big], axis=1, keepdims=True)
    np.testing.assert_allclose(normals[big], cross[big] / size, rtol=0, atol=1e-2)


def test_copies_fit_together(tmp_path):
    """Two copies of a random periodic density have twice the volume, but not the two faces between them."""
    rng = np.random.default_rng(2)
    density = np.clip(rng.random((6, 5, 4)), 0, 1)
    write_stl(tmp_path / "one.stl", density, (6.0, 5.0, 4.0))
    write_stl(tmp_path / "two.stl", density, (6.0, 5.0, 4.0), repeat=(2, 1, 1))
    one, two = (triangles(tmp_path / name)[0] for name in ("one.stl", "two.stl"))
    assert closed(one) and closed(two)
    assert volume(two) == pytest.approx(2 * volume(one), rel=2e-3)
    inside = np.abs(two[..., 0] - 6).max(1) < 1e-2
    assert not inside.any() and (one[..., 0] > 6 - 1e-2).all(1).any()


@pytest.mark.parametrize(
    "density, lengths, options, words",
    [
        (np.ones((4, 4)), (1, 1), {}, "np.repeat(density[:, :, None], n, 2)"),
        (np.ones((4, 4, 4)), (1, 1), {}, "on 2 axes"),
        (np.full((4, 4, 4), np.nan), (1, 1, 1), {}, "not finite"),
        (np.zeros((4, 4, 4)), (1, 1, 1), {}, "no voxel exceeds level 0.5"),
        (np.ones((4, 4, 4)), (1, 1, 1), {"repeat": (1, 0, 1)}, "repeat (1, 0, 1)"),
    ],
)
def test_bad_input(tmp_path, refused, density, lengths, options, words):
    refused(lambda: write_stl(tmp_path / "a.stl", density, lengths, **options), "a.stl", words)
    assert list(tmp_path.iterdir()) == []


def test_the_extra_is_named(tmp_path, refused, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "skimage.measure", None)
    refused(lambda: write_stl(tmp_path / "a.stl", np.ones((2, 2, 2)), (1, 1, 1)), "pip install 'jaxhomog[studies]'")
