"""Voxel sizes: the caller's word before the file's, metadata of every format, and what is no size at all."""

import h5py
import nibabel
import numpy as np
import pytest
import tifffile

from jaxhomog.io import read_image, write_vti

PLANE = np.arange(12, dtype=np.uint8).reshape(4, 3)
BLOCK = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)


def _dpi(path, dots):
    tifffile.imwrite(path, PLANE, resolution=(dots, dots), resolutionunit="INCH")


def _per_cm(path, dots):
    tifffile.imwrite(path, PLANE, resolution=(dots, dots), resolutionunit="CENTIMETER")


STAND_INS = {
    "72 dpi": ("a.tif", lambda p: _dpi(p, 72)),
    "96 dpi": ("a.tif", lambda p: _dpi(p, 96)),
    "72 dpi in cm": ("a.tif", lambda p: _per_cm(p, 28.35)),
    "spacing 1": ("a.vti", lambda p: write_vti(p, {"a": BLOCK}, (2, 4, 3))),
    "identity affine": ("a.nii", lambda p: nibabel.save(nibabel.Nifti1Image(BLOCK, np.eye(4)), p)),
    "identity affine, packed": ("a.nii.gz", lambda p: nibabel.save(nibabel.Nifti1Image(BLOCK, np.eye(4)), p)),
}


@pytest.mark.parametrize("name", STAND_INS)
def test_what_programs_write_by_default_is_no_voxel_size(tmp_path, name):
    file, write = STAND_INS[name]
    write(tmp_path / file)
    image = read_image(tmp_path / file)
    assert image.voxel_size == (1.0,) * image.array.ndim and image.size_source == "assumed"
    assert len(image.notes) == 1 and "assumed" in image.notes[0]
    given = read_image(tmp_path / file, voxel_size=0.05)
    assert given.voxel_size == (0.05,) * image.array.ndim and given.size_source == "given"
    assert len(given.notes) == 1 and "voxel_size counts: voxels of 0.05" in given.notes[0]


def test_300_dots_per_inch_are_a_size(tmp_path):
    _dpi(tmp_path / "a.tif", 300)  # a scanner's; 1/300 inch
    image = read_image(tmp_path / "a.tif")
    assert image.voxel_size == pytest.approx((1 / 300,) * 2) and image.unit == "inch" and image.size_source == "file"


def _h5(path, where, name, value, unit=None):
    with h5py.File(path, "w") as file:
        file["scan/image"] = BLOCK
        holder = {"dataset": file["scan/image"], "group": file["scan"], "file": file}[where]
        holder.attrs[name] = value
        if unit:
            holder.attrs["unit"] = unit


NAMES = (
    "spacing", "voxelSize", "voxel_size", "VoxelSize", "resolution", "pixelSize", "pixel_size", "element_size",
    "element_size_um", "voxel_size_mm",
)  # fmt: skip


@pytest.mark.parametrize("where", ["dataset", "group", "file"])
@pytest.mark.parametrize("name", NAMES)
def test_attributes_of_hdf5(tmp_path, where, name):
    """In the order of the dataset's axes, whose first one is direction 1."""
    path = tmp_path / "a.h5"
    _h5(path, where, name, [3.0, 0.5, 0.25])
    image = read_image(path)
    assert image.voxel_size == (3.0, 0.5, 0.25) and image.lengths == (6.0, 2.0, 0.75) and name in image.notes[0]
    assert image.unit == (name[-2:] if name[-2:] in ("um", "mm") else "")
    given = read_image(path, lengths=(1, 1, 1))
    assert given.lengths == (1.0, 1.0, 1.0) and len(given.notes) == 1 and "3 x 0.5 x 0.25" in given.notes[0]


def test_odd_attributes_of_hdf5(tmp_path):
    path = tmp_path / "a.h5"
    _h5(path, "dataset", "spacing", "0.5 0.5 2.0", "nm")
    image = read_image(path)
    assert image.voxel_size == (0.5, 0.5, 2.0) and image.unit == "nm"
    _h5(path, "dataset", "resolution", [1.0, 2.0])
    image = read_image(path)
    assert image.voxel_size == (1.0,) * 3 and "not one or 3 numbers" in image.notes[0]
    _h5(path, "group", "voxel_size", 0.1)
    assert read_image(path).voxel_size == (0.1,) * 3
    with h5py.File(path, "a") as file:
        file["scan/image"].attrs["spacing"] = [1.0, 2.0, 3.0]
    assert read_image(path).voxel_size == (1.0, 2.0, 3.0)  # the nearest word counts
    _h5(path, "dataset", "voxel_size", [1.0, -1.0, np.nan])
    image = read_image(path)
    assert image.voxel_size == (1.0,) * 3 and "not positive and finite" in image.notes[0]


def test_entries_of_npz(tmp_path):
    for name in ("spacing", "voxelSize", "resolution"):
        np.savez(tmp_path / "a.npz", image=BLOCK, **{name: [3.0, 0.5, 0.25]})
        assert read_image(tmp_path / "a.npz").voxel_size == (3.0, 0.5, 0.25)


def _ome(path, image=BLOCK, **physical):
    axes = "ZYX"[-image.ndim :]
    tifffile.imwrite(path, image, photometric="minisblack", ome=True, metadata={"axes": axes, **physical})


def test_ome_physical_sizes(tmp_path):
    path = tmp_path / "a.ome.tif"
    _ome(path, PhysicalSizeX=0.25, PhysicalSizeY=0.5, PhysicalSizeZ=3.0)
    image = read_image(path)
    assert image.voxel_size == (3.0, 0.5, 0.25) and image.unit == "µm" and image.size_source == "file"
    assert np.array_equal(image.array, BLOCK)
    given = read_image(path, voxel_size=2)
    assert given.voxel_size == (2.0,) * 3 and len(given.notes) == 1 and "3 x 0.5 x 0.25 µm" in given.notes[0]
    _ome(path, PLANE, PhysicalSizeX=0.25, PhysicalSizeY=0.5, PhysicalSizeXUnit="nm", PhysicalSizeYUnit="nm")
    image = read_image(path)
    assert image.voxel_size == (0.5, 0.25) and image.unit == "nm"
    # axes in different units: 1 mm along z, 250 and 500 um across
    _ome(path, PhysicalSizeX=250.0, PhysicalSizeY=500.0, PhysicalSizeZ=1.0, PhysicalSizeZUnit="mm")
    image = read_image(path)
    assert image.voxel_size == pytest.approx((1000.0, 500.0, 250.0)) and image.unit == "µm"
    _ome(path, PhysicalSizeX=0.25, PhysicalSizeY=0.5)
    image = read_image(path)
    assert image.voxel_size == (1.0,) * 3 and "not complete" in image.notes[0]


def test_spacing_of_imagej_without_unit(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, BLOCK, imagej=True, resolution=(4.0, 2.0), metadata={"spacing": 3.0, "axes": "ZYX"})
    image = read_image(path)
    assert image.voxel_size == (3.0, 0.5, 0.25) and image.unit == "" and "without a unit" in image.notes[0]
    tifffile.imwrite(path, BLOCK, imagej=True, resolution=(1.0, 1.0), metadata={"spacing": 3.0, "axes": "ZYX"})
    assert read_image(path).voxel_size == (3.0, 1.0, 1.0)
    tifffile.imwrite(path, BLOCK, imagej=True, metadata={"spacing": 2.5, "axes": "ZYX"})
    assert read_image(path).voxel_size == (2.5, 1.0, 1.0)
    tifffile.imwrite(path, BLOCK, imagej=True, resolution=(1.0, 1.0), metadata={"axes": "ZYX"})
    assert read_image(path).voxel_size == (1.0,) * 3


def test_the_same_size_needs_no_remark(tmp_path):
    write_vti(tmp_path / "a.vti", {"a": BLOCK}, (1, 2, 1.5))
    image = read_image(tmp_path / "a.vti", voxel_size=0.5 * (1 + 1e-9))
    assert image.size_source == "given" and image.notes == ()
    assert read_image(tmp_path / "a.vti").size_source == "file"
