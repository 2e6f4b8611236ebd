"""Raw files: which number of the shape runs fastest, what stands before the voxels, and in which byte order."""

import numpy as np
import pytest

from jaxhomog.io import read_image

SHAPE = (4, 3, 2)
# A voxel says where it is: 100 x + 10 y + z.
X, Y, Z = np.indices(SHAPE)
IMAGE = (100 * X + 10 * Y + Z).astype(np.uint16)


@pytest.mark.parametrize("order", ["x", "X", "F", "first", "x-fastest"])
def test_x_fastest(tmp_path, order):
    """As Fiji, MHD and VTK write: all x of the first row, then the next row, then the next slice."""
    path = tmp_path / "a.raw"
    path.write_bytes(b"".join(int(100 * x + 10 * y + z).to_bytes(2, "little")
                              for z in range(2) for y in range(3) for x in range(4)))  # fmt: skip
    image = read_image(path, shape=SHAPE, dtype="uint16", order=order, endian="little")
    assert np.array_equal(image.array, IMAGE) and image.notes == () and "first axis fastest" in image.axes


@pytest.mark.parametrize("order", ["z", "C", "last", "z-fastest"])
def test_z_fastest(tmp_path, order):
    path = tmp_path / "a.raw"
    path.write_bytes(b"".join(int(100 * x + 10 * y + z).to_bytes(2, "big")
                              for x in range(4) for y in range(3) for z in range(2)))  # fmt: skip
    image = read_image(path, shape=SHAPE, dtype="uint16", order=order, endian="big")
    assert np.array_equal(image.array, IMAGE) and image.notes == () and image.array.dtype.isnative
    assert np.array_equal(read_image(path, shape=SHAPE, dtype=">u2", order=order).array, IMAGE)


def test_what_nobody_said_is_remarked(tmp_path):
    path = tmp_path / "a.raw"
    path.write_bytes(IMAGE.astype("<u2").tobytes())
    (note,) = read_image(path, shape=SHAPE, dtype="uint16").notes
    assert "last number of the shape runs fastest" in note and "endian" in note and "order='x'" in note
    (note,) = read_image(path, shape=SHAPE, dtype="<u2").notes
    assert "endian" not in note
    path.write_bytes(bytes(6))
    assert read_image(path, shape=(6, 1), dtype="u1").notes == ()  # one row: there is only one order


def test_header(tmp_path, refused):
    path = tmp_path / "a.raw"
    path.write_bytes(b"x" * 348 + IMAGE.astype("<u2").tobytes())
    given = {"shape": SHAPE, "dtype": "<u2", "order": "z"}
    line = refused(lambda: read_image(path, **given), "holds 396 bytes", "needs 48", "header=348")
    assert line.count(";") == 0
    assert np.array_equal(read_image(path, header=348, **given).array, IMAGE)  # the advice helps
    refused(lambda: read_image(path, header=340, **given), "header=348")
    refused(lambda: read_image(path, header=349, **given), "47 bytes behind its header of 349", "header=348")
    refused(lambda: read_image(path, header=10**9, **given), "0 bytes behind")
    for bad in (-1, 1.5, "348", True):
        refused(lambda bad=bad: read_image(path, header=bad, **given), "no count of bytes")
    path.write_bytes(IMAGE.astype("<u2").tobytes())
    refused(lambda: read_image(path, shape=SHAPE, dtype="u1", order="z"), "dtype='uint16'")


def test_refused(tmp_path, refused):
    path = tmp_path / "a.raw"
    path.write_bytes(IMAGE.tobytes())
    refused(lambda: read_image(path, shape=SHAPE, dtype="u2", order="y"), "order 'y' is unknown", "order='x'")
    refused(lambda: read_image(path, shape=SHAPE, dtype="u2", endian="middle"), "endian 'middle' is unknown")
    refused(lambda: read_image(path, shape=SHAPE, dtype=">u2", endian="little"), "disagree on the byte order")
    refused(lambda: read_image(path, shape=SHAPE, dtype="u2", foreign=True), "foreign= does not apply")
    refused(lambda: read_image(path, shape=SHAPE, dtype="u2", unindexed="nearest"), "unindexed= does not apply")
    np.save(tmp_path / "a.npy", IMAGE)
    for given in ({"order": "x"}, {"header": 3}, {"endian": "big"}):
        refused(lambda given=given: read_image(tmp_path / "a.npy", **given), "not apply to .npy files")
