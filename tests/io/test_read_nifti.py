"""NIfTI: [i, j, k] as stored, voxel size from the affine, integer labels stay integers."""

import nibabel
import numpy as np
import pytest

from jaxhomog.io import image_size, read_image

AFFINE = np.diag([0.5, 0.25, 2.0, 1.0])


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_axes_and_voxel_size(tmp_path, cell, suffix, kind):
    image = kind(cell, AFFINE)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / f"a{suffix}")
    got = read_image(tmp_path / f"a{suffix}")
    assert np.array_equal(got.array, cell) and got.array.dtype == np.int16
    assert got.voxel_size == (0.5, 0.25, 2.0) and got.lengths == (2.0, 0.75, 4.0)
    assert "file axis i -> direction 1" in got.axes and got.axes.endswith("voxel size in mm") and got.notes == ()
    assert image_size(tmp_path / f"a{suffix}") == ((4, 3, 2), np.int16)


def test_first_axis_runs_fastest_in_the_file(tmp_path, cell):
    """By the format's definition; the voxels of an uncompressed NIfTI-1 file start at byte 352."""
    nibabel.save(nibabel.Nifti1Image(cell, AFFINE), tmp_path / "a.nii")
    raw = np.frombuffer((tmp_path / "a.nii").read_bytes()[352:], "<i2")
    assert raw[:5].tolist() == [0, 100, 200, 300, 10]
    assert read_image(tmp_path / "a.nii").array[1, 0, 0] == 100


def test_the_array_outlives_the_file(tmp_path, cell):
    nibabel.save(nibabel.Nifti1Image(cell, AFFINE), tmp_path / "a.nii")
    got = read_image(tmp_path / "a.nii")
    (tmp_path / "a.nii").write_bytes(b"")
    assert np.array_equal(got.array, cell)


def test_scaled_grey_levels(tmp_path, cell):
    image = nibabel.Nifti1Image(cell, AFFINE)
    image.header.set_slope_inter(0.5, 10)
    nibabel.save(image, tmp_path / "a.nii")
    got = read_image(tmp_path / "a.nii")
    assert got.array.dtype == np.float64 and np.allclose(got.array, 0.5 * cell + 10) and "scaled" in got.notes[0]
    assert image_size(tmp_path / "a.nii")[1] == np.float64


def test_rotated_affine_is_noted(tmp_path, cell):
    c, s = np.cos(0.3), np.sin(0.3)
    affine = np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]) @ AFFINE
    nibabel.save(nibabel.Nifti1Image(cell, affine), tmp_path / "a.nii")
    got = read_image(tmp_path / "a.nii")
    assert got.voxel_size == pytest.approx((0.5, 0.25, 2.0), rel=1e-6) and "rotates" in got.notes[0]


def test_trailing_axes(tmp_path, cell, refused):
    nibabel.save(nibabel.Nifti1Image(cell[:, :, :1], AFFINE), tmp_path / "a.nii")
    got = read_image(tmp_path / "a.nii")
    assert np.array_equal(got.array, cell[:, :, 0]) and got.voxel_size == (0.5, 0.25) and "dropped" in got.notes[0]
    nibabel.save(nibabel.Nifti1Image(np.stack([cell, cell], axis=-1), AFFINE), tmp_path / "a.nii")
    refused(lambda: read_image(tmp_path / "a.nii"), "4 axes")


def test_zero_voxel_size_is_not_used(tmp_path, cell):
    image = nibabel.Nifti1Image(cell, AFFINE)
    image.set_sform(None, 0)
    image.set_qform(None, 0)
    nibabel.save(image, tmp_path / "a.nii")
    raw = bytearray((tmp_path / "a.nii").read_bytes())
    raw[80:92] = bytes(12)  # pixdim[1..3]
    raw[252:256] = bytes(4)  # qform_code, sform_code
    (tmp_path / "a.nii").write_bytes(raw)
    got = read_image(tmp_path / "a.nii", voxel_size=3)
    assert got.voxel_size in ((3.0, 3.0, 3.0), (1.0, 1.0, 1.0))
    assert any("nibabel" in n for n in got.notes)  # it repairs zeros, and says so


def test_complex_and_colours_are_refused(tmp_path, refused):
    nibabel.save(nibabel.Nifti1Image(np.ones((2, 2, 2), np.complex64), AFFINE), tmp_path / "a.nii")
    refused(lambda: read_image(tmp_path / "a.nii"), "complex")
    colours = np.zeros((2, 2, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(colours, AFFINE), tmp_path / "a.nii")
    refused(lambda: read_image(tmp_path / "a.nii"), "records or colours")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_truncation_and_size(tmp_path, suffix, refused):
    image = nibabel.Nifti1Image(np.random.default_rng(0).integers(0, 255, (20, 20, 20), dtype=np.uint8), AFFINE)
    path = tmp_path / f"a{suffix}"
    nibabel.save(image, path)
    refused(lambda: read_image(path, max_bytes=4000), "limit")
    whole = path.read_bytes()
    for keep in (10, 347, 1000, len(whole) - 400):
        path.write_bytes(whole[:keep])
        refused(lambda: read_image(path), path.name)
