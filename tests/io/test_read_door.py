"""What holds for every format: odd paths, missing files, one line, and what is optional stays optional."""

import os
import sys

import numpy as np
import pytest

from jaxhomog.io import FORMATS, image_size, read_image


@pytest.mark.parametrize(
    "name", ["with space.npy", "ünï-コード.npy", "new\nline.npy", "a'b\"c;$(x).npy", "UPPER.NPY", "x.y.npy"]
)
def test_odd_paths(tmp_path, cell, refused, name):
    path = tmp_path / name
    with open(path, "wb") as file:
        np.save(file, cell)
    for form in (path, str(path), os.fsencode(path)):
        assert np.array_equal(read_image(form).array, cell)
    path.write_bytes(b"no array")
    refused(lambda: read_image(path), "is damaged or no .npy file")


def test_undecodable_path(tmp_path, cell, refused):
    path = os.fsencode(tmp_path) + b"/\xff\xfe.npy"
    with open(path, "wb") as file:
        np.save(file, cell)
    assert np.array_equal(read_image(path).array, cell)
    refused(lambda: read_image(path, voxel_size=0), "\\udcff")


def test_not_a_file(tmp_path, refused):
    refused(lambda: read_image(tmp_path / "nil.npy"), "nil.npy", "no such file")
    refused(lambda: image_size(tmp_path / "nil.npy"), "no such file")
    refused(lambda: read_image(tmp_path), "is a folder")
    refused(lambda: read_image(""), "path is empty")
    refused(lambda: read_image("a\0b.npy"), "cannot be opened")
    refused(lambda: read_image(3.5), "no path")
    refused(lambda: read_image("x" * 5000 + ".npy"), "cannot be opened")
    os.mkfifo(tmp_path / "pipe.npy")
    refused(lambda: read_image(tmp_path / "pipe.npy"), "no regular file")


def test_unknown_format_lists_the_known(tmp_path, refused):
    for name in ("a.png", "a", "a.gz"):
        (tmp_path / name).write_bytes(b"x")
        refused(lambda name=name: read_image(tmp_path / name), name, *FORMATS)


@pytest.mark.parametrize("suffix", FORMATS)
def test_empty_and_foreign_files(tmp_path, refused, suffix):
    path = tmp_path / f"a{suffix}"
    given = {"shape": (2, 2), "dtype": "u1"} if suffix == ".raw" else {}
    path.write_bytes(b"")
    refused(lambda: read_image(path, **given), "empty file")
    for content in (b"\0" * 500, b"just text\n" * 40, b"\x89PNG\r\n\x1a\n" + bytes(100)):
        path.write_bytes(content)
        refused(lambda: read_image(path, **given), path.name)
        refused(lambda: image_size(path, **given), path.name)


@pytest.mark.parametrize("suffix", [s for s in FORMATS if s != ".raw"])
def test_arguments_of_another_format_are_refused(tmp_path, refused, suffix):
    (tmp_path / f"a{suffix}").write_bytes(b"x")
    refused(lambda: read_image(tmp_path / f"a{suffix}", shape=(2, 2)), "leave them out")
    if suffix not in (".npz", ".vti"):
        refused(lambda: read_image(tmp_path / f"a{suffix}", array="x"), "array= does not apply")


@pytest.mark.parametrize("module, suffix", [("tifffile", ".tif"), ("h5py", ".h5"), ("nibabel", ".nii.gz")])
def test_a_missing_library_names_the_extra(tmp_path, refused, monkeypatch, module, suffix):
    (tmp_path / f"a{suffix}").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, module, None)
    refused(lambda: read_image(tmp_path / f"a{suffix}"), module, "pip install 'jaxhomog[readers]'")


def test_unreadable_file(tmp_path, refused, monkeypatch):
    """Root may read everything, so the refusal of the system is played."""
    path = tmp_path / "a.npy"
    path.write_bytes(b"x")

    def denied(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("jaxhomog.io._read.open", denied, raising=False)
    refused(lambda: read_image(path), "cannot be opened (Permission denied)")


def test_max_bytes_is_checked_for_every_array_format(tmp_path, cell, refused):
    np.save(tmp_path / "a.npy", cell)
    refused(lambda: read_image(tmp_path / "a.npy", max_bytes=47), "limit")
    assert read_image(tmp_path / "a.npy", max_bytes=48).array.nbytes == 48


def test_real_inputs(shared):
    """Shapes and volume fractions as the description of the real inputs states them."""
    bone = read_image(shared / "trabecular_bone_100.npz", voxel_size=0.039)
    assert bone.array.shape == (100, 100, 100) and bone.array.dtype == np.uint8
    assert bone.threshold(63).array.mean() == pytest.approx(0.23, abs=5e-3)
    assert bone.lengths == pytest.approx((3.9, 3.9, 3.9))
    cathode = read_image(shared / "nmc_electrode_128.tiff")
    assert cathode.array.shape == (128, 128, 128)
    assert np.unique(cathode.array).tolist() == [0, 85, 170]
    assert (cathode.array == 0).mean() == pytest.approx(0.454, abs=1e-3)
    disks = read_image(shared / "crate" / "disks_200.npy")
    assert disks.array.shape == (200, 200) and disks.array.mean() == pytest.approx(0.30, abs=5e-3)
