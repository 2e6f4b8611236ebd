"""NumPy, HDF5 and raw files: no transpose, one array chosen, voxel size by priority, nothing unpickled."""

import io
import pickle
import zipfile

import h5py
import numpy as np
import pytest

from jaxhomog.io import ImageData, image_size, read_image


def test_npy_is_not_transposed(tmp_path, cell):
    for name, stored in (("c", cell), ("fortran", np.asfortranarray(cell)), ("big", cell.astype(">i4"))):
        np.save(tmp_path / f"{name}.npy", stored)
        image = read_image(tmp_path / f"{name}.npy")
        assert isinstance(image, ImageData)
        assert image.array.shape == (4, 3, 2) and image.array[3, 2, 1] == 321 and image.array.dtype.isnative
        assert image.lengths == (4.0, 3.0, 2.0) and image.voxel_size == (1.0, 1.0, 1.0)
        assert "axis 0 -> direction 1" in image.axes and image.rotation is None and image.notes == ()
        assert image_size(tmp_path / f"{name}.npy") == ((4, 3, 2), image.array.dtype)


def test_bool_becomes_labels(tmp_path):
    np.save(tmp_path / "a.npy", np.eye(3, dtype=bool))
    image = read_image(tmp_path / "a.npy")
    assert image.array.dtype == np.uint8 and image.array.sum() == 3
    assert image_size(tmp_path / "a.npy")[1] == np.uint8


@pytest.mark.parametrize(
    "given, size",
    [
        ({"voxel_size": 0.5}, (0.5, 0.5, 0.5)),
        ({"voxel_size": (1, 2, 4)}, (1.0, 2.0, 4.0)),
        ({"lengths": (8, 9, 1)}, (2.0, 3.0, 0.5)),
        ({"lengths": 12}, (3.0, 4.0, 6.0)),
    ],
)
def test_the_callers_voxel_size(tmp_path, cell, given, size):
    np.save(tmp_path / "a.npy", cell)
    image = read_image(tmp_path / "a.npy", **given)
    assert image.voxel_size == size
    assert image.lengths == tuple(n * h for n, h in zip((4, 3, 2), size, strict=True))


def _reason(given):
    if len(given) == 2:
        return "voxel_size= and lengths= are both given"
    ((keyword, value),) = given.items()
    return "no float can hold" if value in (1e308, 5e-324) else f"{keyword}={value!r} is not one or 3 positive numbers"


@pytest.mark.parametrize(
    "given",
    [{"voxel_size": 0}, {"voxel_size": (1, 2)}, {"lengths": -1.0}, {"lengths": (1, 2, float("nan"))},
     {"voxel_size": "x"}, {"voxel_size": 1e308}, {"lengths": 5e-324}, {"voxel_size": 1.0, "lengths": 1.0}],
)  # fmt: skip
def test_a_bad_voxel_size_is_refused(tmp_path, cell, refused, given):
    np.save(tmp_path / "a.npy", cell)
    refused(lambda: read_image(tmp_path / "a.npy", **given), "a.npy: ", _reason(given))


def test_npz_takes_the_only_image_and_its_voxel_size(tmp_path, cell):
    np.savez_compressed(tmp_path / "a.npz", gray=cell, voxel_mm=0.039, table=np.arange(5))
    image = read_image(tmp_path / "a.npz")
    assert image.voxel_size == (0.039,) * 3 and np.array_equal(image.array, cell) and not image.notes
    np.savez(tmp_path / "b.npz", gray=cell, voxel_size=1e308)
    image = read_image(tmp_path / "b.npz")
    assert image.voxel_size == (1.0,) * 3 and "positive and finite" in image.notes[0]
    image = read_image(tmp_path / "a.npz", voxel_size=2.0)
    assert image.voxel_size == (2.0,) * 3
    assert len(image.notes) == 1 and "voxel_size counts" in image.notes[0] and "0.039" in image.notes[0]


def test_npz_with_several_images_asks_for_one(tmp_path, cell, refused):
    np.savez(tmp_path / "a.npz", first=cell, second=cell[0] + 1, voxel_size=[1.0, 2.0, 3.0])
    refused(lambda: read_image(tmp_path / "a.npz"), "'first' (4, 3, 2)", "'second' (3, 2)", "array='first'")
    assert read_image(tmp_path / "a.npz", array="first").voxel_size == (1.0, 2.0, 3.0)
    image = read_image(tmp_path / "a.npz", array="second")
    assert image.array.shape == (3, 2) and image.voxel_size == (1.0, 1.0) and "voxel_size" in image.notes[0]
    refused(lambda: read_image(tmp_path / "a.npz", array="third"), "'third'", "'first', 'second'")
    refused(lambda: read_image(tmp_path / "a.npz", dataset="first"), "use array= instead")
    np.savez(tmp_path / "b.npz", table=np.arange(5))
    refused(lambda: read_image(tmp_path / "b.npz"), "no 2-D or 3-D", "'table'")


def test_nothing_is_unpickled(tmp_path, refused):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    trap = np.empty((2, 2), object)
    trap[:] = Trap()
    np.save(tmp_path / "a.npy", trap, allow_pickle=True)
    refused(lambda: read_image(tmp_path / "a.npy"), "a.npy", "never unpickled")
    np.savez(tmp_path / "a.npz", x=trap)
    refused(lambda: read_image(tmp_path / "a.npz", array="x"), "never unpickled")
    (tmp_path / "p.npy").write_bytes(pickle.dumps(Trap()))
    refused(lambda: read_image(tmp_path / "p.npy"), "p.npy")


@pytest.mark.parametrize(
    "array, word",
    [
        (np.zeros((0, 3)), "empty"),
        (np.zeros(5), "1 axes"),
        (np.zeros(()), "0 axes"),
        (np.zeros((2, 2, 2, 3)), "4 axes"),
        (np.zeros((2, 2), complex), "complex numbers"),
        (np.zeros((2, 2), [("r", "u1"), ("g", "u1")]), "records or colours"),
        (np.zeros((2, 2), "U3"), "<U3"),
        (np.array([[1.0, np.nan], [np.inf, 0.0]]), "2 voxels are NaN"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path, refused, array, word):
    np.save(tmp_path / "a.npy", array)
    refused(lambda: read_image(tmp_path / "a.npy"), "a.npy", word)


def test_colours_in_an_array_are_pointed_out(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((32, 32, 3), np.uint8))
    assert "colours" in read_image(tmp_path / "a.npy").notes[0]
    np.save(tmp_path / "a.npy", np.zeros((32, 32, 5), np.uint8))
    assert read_image(tmp_path / "a.npy").notes == ()


def _huge_npy(shape):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return file.getvalue()


def test_sizes_are_checked_before_allocation(tmp_path, refused):
    """Headers that announce more than there is: a cut-off .npy, and an archive whose entry is all announcement."""
    (tmp_path / "a.npy").write_bytes(_huge_npy((10**6, 10**6, 10**6)) + bytes(64))
    refused(lambda: read_image(tmp_path / "a.npy"), "cut off (64 of 8000000000000000000 bytes")
    refused(lambda: image_size(tmp_path / "a.npy"), "cut off")
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", _huge_npy((1000, 1000, 8)) + bytes(64_000_000))  # a bomb: 64 MB in 64 kB
    assert (tmp_path / "a.npz").stat().st_size < 100_000
    assert image_size(tmp_path / "a.npz") == ((1000, 1000, 8), np.dtype(float))
    line = refused(lambda: read_image(tmp_path / "a.npz", max_bytes=2**24), "needs 0.0596 GiB, limit 0.0156 GiB")
    assert "crop or coarsen" in line
    with h5py.File(tmp_path / "a.h5", "w") as file:  # chunks that were never written take no room on disk
        file.create_dataset("x", (10**5, 10**5, 10**5), "f8", chunks=(10, 10, 10))
    refused(lambda: read_image(tmp_path / "a.h5"), "reading the image needs 7.45e+06 GiB")


def test_hdf5(tmp_path, cell, refused):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["scan/labels"] = cell
        file["scan/labels"].attrs["voxel_size"] = [1.0, 2.0, 3.0]
        file["scan/angles"] = np.arange(3.0)
    image = read_image(tmp_path / "a.h5")
    assert np.array_equal(image.array, cell) and image.voxel_size == (1.0, 2.0, 3.0)
    assert image_size(tmp_path / "a.h5") == ((4, 3, 2), np.int16)
    refused(lambda: read_image(tmp_path / "a.h5", dataset="scan"), "'scan' is a group")
    refused(lambda: read_image(tmp_path / "a.h5", dataset="nil"), "'nil' does not exist")
    refused(lambda: read_image(tmp_path / "a.h5", dataset="scan/angles"), "1 axes")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["other"] = cell[..., 0]
        file["text"] = "words"
    refused(lambda: read_image(tmp_path / "a.h5"), "'other' (4, 3)", "'scan/labels' (4, 3, 2)", "dataset='other'")
    assert read_image(tmp_path / "a.h5", dataset="/other").array.shape == (4, 3)


def test_raw(tmp_path, cell, refused):
    path = tmp_path / "a.raw"
    path.write_bytes(cell.astype(">i2").tobytes())
    image = read_image(path, shape=(4, 3, 2), dtype=">i2", voxel_size=2)
    assert np.array_equal(image.array, cell) and image.lengths == (8.0, 6.0, 4.0)
    fortran = read_image(path, shape=[2, 3, 4], dtype=">i2", order="F")
    assert np.array_equal(fortran.array, cell.T) and "first axis fastest" in fortran.axes
    assert image_size(path, shape=(4, 3, 2), dtype=">i2") == ((4, 3, 2), np.int16)
    refused(lambda: read_image(path), "shape= and dtype=")
    refused(lambda: read_image(path, shape=(4, 3, 3), dtype="i2"), "48 bytes", "needs 72")
    refused(lambda: read_image(path, shape=(4, 3, 2), dtype="O"), "bytes")
    refused(lambda: read_image(path, shape=(3, 2), dtype="O"), "never unpickled")
    refused(lambda: read_image(path, shape=(4, 3, 2), dtype="grey"), "'grey' is unknown")
    refused(lambda: read_image(path, shape=(4, 3, 2.5), dtype="i2"), "list of integers")
    refused(lambda: read_image(path, shape="big", dtype="i2"), "list of integers")
    refused(lambda: read_image(path, shape=24, dtype="i2"), "list of integers")
    refused(lambda: read_image(path, shape=(-4, 3, 2), dtype="i2"), "empty")
    refused(lambda: read_image(path, shape=(4, 3, 2), dtype="i2", order="K"), "order 'K'")
