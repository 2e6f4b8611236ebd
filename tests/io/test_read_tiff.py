"""TIFF stacks: pages, rows, columns; voxel size from sensible tags only; nothing missing passes for zeros."""

import zlib

import numpy as np
import pytest
import tifffile

from jaxhomog.io import image_size, read_image
from jaxhomog.results import InputError


@pytest.mark.parametrize("suffix", [".tif", ".TIFF"])
@pytest.mark.parametrize("extra", [{}, {"compression": "zlib"}, {"bigtiff": True}, {"byteorder": ">"}])
def test_pages_rows_columns(tmp_path, cell, suffix, extra):
    path = tmp_path / f"a{suffix}"
    tifffile.imwrite(path, cell, photometric="minisblack", **extra)
    image = read_image(path)
    assert np.array_equal(image.array, cell) and image.array.dtype == np.int16 and image.array.dtype.isnative
    assert image.axes == "pages -> direction 1, rows -> direction 2, columns -> direction 3"
    assert image.voxel_size == (1.0, 1.0, 1.0) and image.notes == ()
    assert image_size(path) == ((4, 3, 2), np.int16)


def test_a_single_page_is_a_plane(tmp_path, cell):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, cell[:, :, 0])
    assert np.array_equal(read_image(path).array, cell[:, :, 0])
    tifffile.imwrite(path, cell[None, :, :, 0], photometric="minisblack")
    image = read_image(path)
    assert np.array_equal(image.array, cell[:, :, 0]) and "axes of one voxel dropped" in image.notes[0]
    assert image.axes == "rows -> direction 1, columns -> direction 2"


def test_separate_pages_are_one_stack(tmp_path, cell):
    """Most programs write one page after another, without any word on the stack."""
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for page in cell:
            writer.write(page, contiguous=False, metadata=None)
    assert np.array_equal(read_image(path).array, cell)


def test_imagej_voxel_size(tmp_path, cell):
    path = tmp_path / "a.tif"
    tags = {"imagej": True, "resolution": (4.0, 2.0)}  # pixels per unit along columns, rows
    tifffile.imwrite(path, cell.astype(np.uint16), metadata={"spacing": 3.0, "unit": "um", "axes": "ZYX"}, **tags)
    image = read_image(path)
    assert image.voxel_size == (3.0, 0.5, 0.25) and image.lengths == (12.0, 1.5, 0.5) and image.unit == "um"
    assert any("in um" in n for n in image.notes)
    image = read_image(path, lengths=6)
    assert image.voxel_size == (1.5, 2.0, 3.0) and len(image.notes) == 1 and "lengths counts" in image.notes[0]
    tifffile.imwrite(path, cell.astype(np.uint16), metadata={"unit": "um", "axes": "ZYX"}, **tags)
    assert "without a spacing" in read_image(path).notes[0]
    image = read_image(path, voxel_size=0.1)
    assert image.voxel_size == (0.1,) * 3 and not image.notes
    tifffile.imwrite(path, cell.astype(np.uint16), metadata={"spacing": 3.0, "unit": "pixel", "axes": "ZYX"}, **tags)
    image = read_image(path)
    assert image.voxel_size == (3.0, 0.5, 0.25) and "without a unit" in image.notes[0]


def test_plain_resolution_tags(tmp_path, cell):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, cell[0], resolution=(100, 50), resolutionunit="CENTIMETER")
    assert read_image(path).voxel_size == pytest.approx((0.02, 0.01))
    tifffile.imwrite(path, cell[0], resolution=(100, 50), resolutionunit="NONE")
    image = read_image(path)
    assert image.voxel_size == (1.0, 1.0) and "2 times as high as wide" in image.notes[0]
    tifffile.imwrite(path, cell, resolution=(100, 50), resolutionunit="CENTIMETER", photometric="minisblack")
    image = read_image(path)
    assert image.voxel_size == (1.0,) * 3 and "without a spacing" in image.notes[0]
    tifffile.imwrite(path, cell[0], resolution=(0, 50), resolutionunit="INCH")
    image = read_image(path)
    assert image.voxel_size == (1.0, 1.0) and "not positive" in image.notes[0]


def test_colours_and_channels_are_refused(tmp_path, refused):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((8, 9, 3), np.uint8), photometric="rgb")
    refused(lambda: read_image(path), "colour image", "grey")
    tifffile.imwrite(path, np.zeros((5, 8, 9, 4), np.uint8), photometric="rgb", extrasamples=["unassalpha"])
    refused(lambda: read_image(path), "colour image")
    data = np.zeros((4, 2, 8, 9), np.uint8)
    tifffile.imwrite(path, data, imagej=True, metadata={"axes": "ZCYX"})
    refused(lambda: read_image(path), "2 channels")
    tifffile.imwrite(path, data, imagej=True, metadata={"axes": "TZYX"})
    refused(lambda: read_image(path), "4 axes", "one channel or one time step")
    tifffile.imwrite(path, np.zeros((4, 5), np.complex64))
    refused(lambda: read_image(path), "complex")


def test_pages_that_are_called_channels(tmp_path):
    stack = np.random.default_rng(0).integers(0, 9, (7, 6, 5), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True)  # ImageJ's own default for 7 pages
    image = read_image(tmp_path / "a.tif")
    assert np.array_equal(image.array, stack) and "7 pages channels" in image.notes[0]


def test_white_as_zero_and_several_images_are_noted(tmp_path, cell):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, cell[0].astype(np.uint8), photometric="miniswhite")
    image = read_image(path)
    assert np.array_equal(image.array, cell[0].astype(np.uint8)) and "white as 0" in image.notes[0]
    with tifffile.TiffWriter(path) as writer:
        writer.write(cell[0])
        writer.write(np.zeros((7, 8), np.uint8))
    image = read_image(path)
    assert image.array.shape == (3, 2) and "2 images" in image.notes[0]


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("separate, metadata", [(False, {}), (False, None), (True, None)])
def test_truncation_is_seen(tmp_path, refused, compression, separate, metadata):
    """Cut anywhere: never an image filled up with zeros, never the first pages alone."""
    path = tmp_path / "a.tif"
    stack = np.random.default_rng(0).integers(1, 255, (6, 40, 30), dtype=np.uint8)
    with tifffile.TiffWriter(path) as writer:
        if separate:
            for page in stack:
                writer.write(page, compression=compression, contiguous=False, metadata=None)
        else:
            writer.write(stack, compression=compression, photometric="minisblack", metadata=metadata)
    whole = path.read_bytes()
    for keep in range(len(whole) - 1, 0, -len(whole) // 40):
        path.write_bytes(whole[:keep])
        try:
            whole_image = np.array_equal(read_image(path).array, stack)
        except InputError:
            refused(lambda: read_image(path), "a.tif")
        else:  # only the pointer that ends the chain of pages was lost
            assert whole_image and keep > len(whole) - 1000


@pytest.mark.parametrize("tag", ["StripByteCounts", "StripOffsets"])
def test_a_missing_strip_is_no_pore(tmp_path, refused, tag):
    """tifffile reads a strip of length or place 0 as zeros, without a word."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.ones((40, 30), np.uint8), compression="zlib", rowsperstrip=10)
    with tifffile.TiffFile(path) as tif:
        where = tif.pages[0].tags[tag].valueoffset
    raw = bytearray(path.read_bytes())
    raw[where : where + 2] = bytes(2)
    path.write_bytes(raw)
    refused(lambda: read_image(path), "lies beyond the end")


def test_a_strip_that_inflates_beyond_its_announcement(tmp_path, refused):
    path = tmp_path / "a.tif"
    bomb = zlib.compress(bytes(50_000_000), 9)
    tifffile.imwrite(path, iter([bomb]), shape=(64, 64), dtype=np.uint8, compression="zlib", rowsperstrip=64)
    refused(lambda: read_image(path), "inflates beyond the size that it announces")


def test_size_is_checked_before_allocation(tmp_path, cell, refused):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, cell, photometric="minisblack")
    refused(lambda: read_image(path, max_bytes=40), "limit")


@pytest.mark.parametrize("extra", [{}, {"bigtiff": True}, {"byteorder": ">"}])
def test_pages_in_a_circle(tmp_path, cell, refused, extra):
    """The last page's pointer to its successor leads back to the first: found by the fuzzer as a hang."""
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path, **extra) as writer:
        for page in cell:
            writer.write(page, contiguous=False, metadata=None)
    with tifffile.TiffFile(path) as tif:
        first, last = tif.pages[0].offset, tif.pages[-1]
        order = "big" if tif.byteorder == ">" else "little"
        words, entry, pointer = (8, 20, 8) if tif.is_bigtiff else (2, 12, 4)
        at = last.offset + words + entry * len(last.tags)
    raw = bytearray(path.read_bytes())
    assert raw[at : at + pointer] == bytes(pointer), "the end of the chain is a zero"
    raw[at : at + pointer] = first.to_bytes(pointer, order)
    path.write_bytes(raw)
    refused(lambda: read_image(path), "points back to an earlier one")
