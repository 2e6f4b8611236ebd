"""EBSD points without a solution: refused, filled from the nearest one, or given a label of their own."""

import numpy as np
import pytest

from jaxhomog.io import read_image
from jaxhomog.io._ebsd import bunge_rotation
from jaxhomog.io._ebsd_gaps import nearest

FAILED = 4 * np.pi


def _ang(path, drop=(), failed=(), how="both", shape=(5, 4), step=(1.0, 1.0)):
    """A map whose point (x, y) has phase 1 + x % 2 and angles (0.1 x, 0.2 y, 0.3)."""
    lines = [
        "# Phase 1", "# MaterialName a", "# Phase 2", "# MaterialName b", "# GRID: SqrGrid", f"# XSTEP: {step[0]}",
        f"# YSTEP: {step[1]}", f"# NCOLS_ODD: {shape[0]}", f"# NROWS: {shape[1]}",
    ]  # fmt: skip
    for y in range(shape[1]):
        for x in range(shape[0]):
            angles, confidence, phase = (0.1 * x, 0.2 * y, 0.3), 0.8, 1 + x % 2
            if (x, y) in failed:
                angles = (FAILED,) * 3 if how in ("both", "angles") else (0.0, 0.0, 0.0)
                confidence = -1 if how in ("both", "confidence") else 0.8
                phase = {"phase": -1, "zero": 0}.get(how, 1)
            if (x, y) not in drop:
                turn = " ".join(f"{a:.5f}" for a in angles)
                lines.append(f"{turn} {x * step[0]:.5f} {y * step[1]:.5f} 24.4 {confidence} {phase}")
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("how", ["both", "angles", "confidence", "phase", "zero"])
def test_every_sign_of_a_failed_point(tmp_path, refused, how):
    path = tmp_path / "a.ang"
    _ang(path, failed={(2, 1), (4, 3)}, how=how)
    refused(lambda: read_image(path), "2 of 20 points are not indexed", "unindexed='nearest'", "unindexed=3")
    image = read_image(path, unindexed=3)  # the advice helps
    assert (image.array == 3).sum() == 2 and image.array[2, 1] == image.array[4, 3] == 3
    assert any("2 of 20 points are not indexed: they have label 3" in n for n in image.notes)
    refused(lambda: read_image(path, unindexed=1), "unindexed=1 is the label of a phase")
    image = read_image(path, unindexed="nearest")
    assert any("2 of 20" in n and "nearest" in n for n in image.notes)
    x, y = (2, 0) if image.array[2, 1] == 1 else (1, 1)  # either neighbour at distance 1 will do
    assert np.allclose(image.rotation[2, 1], bunge_rotation(0.1 * x, 0.2 * y, 0.3), rtol=0, atol=1e-5) or np.allclose(
        image.rotation[2, 1], bunge_rotation(0.2, 0.4, 0.3), rtol=0, atol=1e-5
    )


def test_rows_left_out(tmp_path, refused):
    """The point (0, 0) among them: the places of the others stay."""
    path = tmp_path / "a.ang"
    _ang(path, drop={(0, 0), (3, 2)}, failed={(1, 1)}, step=(1.5, 0.5))
    refused(lambda: read_image(path), "holds 18 points where its header says 5 x 4", "unindexed='nearest'")
    image = read_image(path, unindexed=9)
    assert sorted(zip(*np.nonzero(image.array == 9), strict=True)) == [(0, 0), (1, 1), (3, 2)]
    assert any("3 of 20 points are not indexed (2 of them left out)" in n for n in image.notes)
    image = read_image(path, unindexed="nearest")
    assert image.array[0, 0] == 1 and image.array[3, 2] == 2  # along y, where points are closer
    assert np.allclose(image.rotation[0, 0], bunge_rotation(0, 0.2, 0.3), rtol=0, atol=1e-5)
    _ang(path, drop={(x, y) for x in range(5) for y in range(4)} - {(0, 0)})
    refused(lambda: read_image(path, unindexed=9), "leaves out 19 of its 20 points")


def test_zero_solutions_of_ctf(tmp_path, maps, refused):
    path = tmp_path / "a.ctf"
    path.write_text(maps[1](phases=((0, 1, 2), (0, 1, 2))))
    refused(lambda: read_image(path), "2 of 6 points are not indexed", "unindexed=3")
    assert read_image(path, unindexed="nearest").array.tolist() == [[1, 1], [1, 1], [2, 2]]
    assert read_image(path, unindexed="0").array.tolist() == [[0, 0], [1, 1], [2, 2]]
    path.write_text(maps[1](phases=((0, 0, 0), (0, 0, 0))))
    refused(lambda: read_image(path, unindexed="nearest"), "no point of the map is indexed")
    for bad in ("closest", 1.5, True, 2**40, None):
        refused(lambda bad=bad: read_image(path, unindexed=bad), "is unknown", "'nearest'")


def test_one_confidence_for_all_says_nothing(tmp_path):
    """Programs that know no confidence write -1 for every point."""
    path = tmp_path / "a.ang"
    everywhere = {(x, y) for x in range(5) for y in range(4)}
    _ang(path, failed=everywhere, how="confidence")
    assert (read_image(path).array == 1).all()


@pytest.mark.parametrize("step", [(1.0, 1.0), (1.0, 0.3), (0.2, 1.0)])
def test_nearest_against_all_distances(step):
    rng = np.random.default_rng(3)
    known = rng.random((17, 11)) < 0.15
    i, j = nearest(known, step)
    assert known[i, j].all()
    points, there = np.argwhere(~known) * step, np.argwhere(known) * step
    apart = np.linalg.norm(points[:, None] - there[None], axis=-1).min(axis=1)
    assert np.allclose(np.linalg.norm(points - np.stack([i, j], 1) * step, axis=1), apart, rtol=0, atol=1e-12)
