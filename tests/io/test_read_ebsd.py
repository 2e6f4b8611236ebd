"""EBSD maps: [x, y], phases, and orientations whose answer is known."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from jaxhomog.io import image_size, read_image
from jaxhomog.io._ebsd import bunge_rotation

# Ideal rolling-texture components {normal || ND}<direction || RD> with their Bunge angles, as every textbook on
# texture lists them; ND is the sample's axis 3 and RD its axis 1.
MAGIC = np.degrees(np.arctan(1 / np.sqrt(2)))
COMPONENTS = {
    "cube": ((0, 0, 0), (0, 0, 1), (1, 0, 0)),
    "goss": ((0, 45, 0), (0, 1, 1), (1, 0, 0)),
    "copper": ((90, MAGIC, 45), (1, 1, 2), (-1, -1, 1)),
    "brass": ((MAGIC, 45, 0), (0, 1, 1), (2, -1, 1)),
    "rotated cube": ((45, 0, 0), (0, 0, 1), (1, -1, 0)),
}


@pytest.mark.parametrize("name", COMPONENTS)
def test_known_orientations(name):
    angles, normal, rolling = COMPONENTS[name]
    rotation = bunge_rotation(*np.radians(angles))
    unit = [np.array(v) / np.linalg.norm(v) for v in (normal, rolling)]
    assert np.allclose(rotation @ unit[0], [0, 0, 1], rtol=0, atol=1e-12)
    assert np.allclose(rotation @ unit[1], [1, 0, 0], rtol=0, atol=1e-12)
    assert np.allclose(rotation @ rotation.T, np.eye(3), rtol=0, atol=1e-12) and np.isclose(np.linalg.det(rotation), 1)


def test_angles_are_intrinsic_turns_about_z_x_z():
    """An independent code's idea of the same turns."""
    angles = np.random.default_rng(0).uniform(-4, 4, (7, 3))
    assert np.allclose(bunge_rotation(*angles.T), Rotation.from_euler("ZXZ", angles).as_matrix(), rtol=0, atol=1e-14)


def test_ang(tmp_path, maps):
    ang, _ = maps
    path = tmp_path / "map.ang"
    phases = [[1, 2, 1], [2, 2, -1]]
    path.write_text(ang(angles=np.radians(COMPONENTS["copper"][0]), phases=phases), encoding="utf-8")
    image = read_image(path, unindexed=-1)
    assert image.array.tolist() == np.transpose(phases).tolist() and image.array.shape == (3, 2)
    assert image.voxel_size == (1.5, 0.5) and image.lengths == (4.5, 1.0)
    assert image.axes == "map x -> direction 1, map y -> direction 2"
    assert image.phase_names == {1: "austenite", 2: "ferrite bcc"}
    assert image.rotation.shape == (3, 2, 3, 3) and np.array_equal(image.rotation[2, 1], np.eye(3))
    assert np.allclose(image.rotation[0, 0] @ (np.array([1, 1, 2]) / np.sqrt(6)), [0, 0, 1], rtol=0, atol=1e-8)
    assert any("1 of 6 points are not indexed: they have label -1" in n for n in image.notes)
    assert any("frame" in n for n in image.notes)
    assert image_size(path) == ((3, 2), np.int32)
    path.write_bytes(path.read_text(encoding="utf-8").encode("latin-1"))  # older programs
    assert read_image(path, unindexed=-1).array.shape == (3, 2)


def test_ctf(tmp_path, maps):
    _, ctf = maps
    path = tmp_path / "map.ctf"
    path.write_text(ctf(angles=COMPONENTS["copper"][0]))
    image = read_image(path, unindexed=0)
    assert image.array.tolist() == [[1, 0], [1, 1], [2, 2]] and image.voxel_size == (1.0, 0.5)
    assert image.phase_names == {1: "Iron fcc", 2: "Iron bcc (old)"}
    assert np.allclose(image.rotation[2, 1] @ (np.array([1, 1, 2]) / np.sqrt(6)), [0, 0, 1], rtol=0, atol=1e-8)
    assert np.array_equal(image.rotation[0, 0], np.eye(3))
    assert any("1 of 6 points are not indexed: they have label 0" in n for n in image.notes)


def test_column_headers_tell_where_the_phase_is(tmp_path, maps):
    text = maps[0]().replace("# OPERATOR", "# COLUMN_HEADERS: phi1, PHI, phi2, x, y, Phase index, CI, IQ\n# OPERATOR")
    (tmp_path / "a.ang").write_text(text.replace("24.4 0.8 1", "2 0.8 24.4"), encoding="utf-8")
    assert (read_image(tmp_path / "a.ang").array == 2).all()


def test_single_phase_numbered_zero(tmp_path, maps):
    text = maps[0](phases=[[0, 0, 0], [0, 0, 0]]).replace("# Phase 2\n# MaterialName    ferrite bcc\n", "")
    (tmp_path / "a.ang").write_text(text, encoding="utf-8")
    image = read_image(tmp_path / "a.ang")
    assert not image.array.any() and "single-phase" in image.notes[-1]


def test_order_of_lines_does_not_matter(tmp_path, maps):
    head, rows = maps[0](phases=[[1, 2, 1], [2, 2, 2]]).split("# OPERATOR: Håkon\n")
    shuffled = "\n".join(rows.splitlines()[::-1])
    (tmp_path / "a.ang").write_text(f"{head}{shuffled}\n")
    assert read_image(tmp_path / "a.ang").array.tolist() == [[1, 2], [2, 2], [1, 2]]


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("SqrGrid", "HexGrid", ("hexagonal", "square grid")),
        ("# GRID: SqrGrid\n", "", ("GRID",)),
        ("NCOLS_ODD: 3", "NCOLS_ODD: 4", ("6 points", "4 x 2")),
        ("NCOLS_ODD: 3", "NCOLS_ODD: 0", ("empty",)),
        ("NROWS: 2", "NROWS: 99999999", ("reading the image needs",)),
        ("NROWS: 2", "NROWS: two", ("NROWS",)),
        ("XSTEP: 1.5", "XSTEP: 0", ("XSTEP",)),
        ("XSTEP: 1.5", "XSTEP: 0.7", ("do not fill the grid",)),
        ("0 0 0 3.00000", "nan 0 0 3.00000", ("NaN",)),
        ("0.8 1\n", "0.8 1.5\n", ("phase column",)),
        ("0.8 1\n", "\n", ("columns",)),
        ("1.50000 0.00000", "x 0.00000", ("is damaged",)),
    ],
)
def test_ang_refused(tmp_path, maps, refused, old, new, words):
    text = maps[0]()
    assert old in text
    limit = {"max_bytes": 10**9} if "9999" in new else {}
    (tmp_path / "a.ang").write_text(text.replace(old, new), encoding="utf-8")
    refused(lambda: read_image(tmp_path / "a.ang", **limit), "a.ang", *words)


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("Channel Text File", "Other", ("Channel Text File",)),
        ("Grid", "Line", ("job mode 'Line'",)),
        ("XCells\t3", "XCells\t3\nZCells\t4", ("3-D map",)),
        ("YCells\t2", "YCells\t1", ("6 points",)),
        ("Euler2", "Other", ("misses the column Euler2",)),
        ("Phase\tX", "Nothing\tX", ("no points",)),
    ],
)
def test_ctf_refused(tmp_path, maps, refused, old, new, words):
    text = maps[1]()
    assert old in text
    (tmp_path / "a.ctf").write_text(text.replace(old, new))
    refused(lambda: read_image(tmp_path / "a.ctf"), "a.ctf", *words)


def test_real_map(shared):
    """The super-duplex steel: 117 columns of 100 rows, two phases, and its first lines as they stand there."""
    image = read_image(shared / "sdss_ferrite_austenite.ang")
    assert image.array.shape == (117, 100) and image.voxel_size == (1.5, 1.5)
    assert np.unique(image.array).tolist() == [1, 2] and (image.array == 2).sum() == 6043
    assert image.array[0, 0] == 2 and image.array[1, 0] == 1
    assert image.phase_names == {1: "austenite/austenite", 2: "ferrite/ferrite"}
    assert np.array_equal(image.rotation[1, 0], bunge_rotation(2.71855, 0.93469, 4.03133))
