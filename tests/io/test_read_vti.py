"""VTI files written by VTK 9.7 itself (data/*.vti): every encoding gives the image as [x, y, z]."""

from pathlib import Path

import numpy as np
import pytest

from jaxhomog.io import image_size, read_image, read_vti

DATA = Path(__file__).parent / "data"
CELL_FILES = ("ascii", "base64", "base64_zlib", "appended_raw", "appended_raw_zlib", "appended_base64",
              "appended_base64_zlib_big")  # fmt: skip


@pytest.mark.parametrize("name", CELL_FILES)
def test_every_encoding_of_vtk(name, cell, refused):
    image = read_image(DATA / f"{name}.vti")
    assert np.array_equal(image.array, cell) and image.array.dtype == np.int16
    assert image.voxel_size == (0.5, 0.25, 2.0) and image.lengths == (2.0, 0.75, 4.0)
    assert image.axes == "x -> direction 1, y -> direction 2, z -> direction 3"
    assert image_size(DATA / f"{name}.vti") == ((4, 3, 2), np.int16)
    fields, lengths = read_vti(DATA / f"{name}.vti")
    assert np.array_equal(fields["normals"], np.ones((4, 3, 2, 3))) and lengths == image.lengths
    refused(lambda: read_image(DATA / f"{name}.vti", array="normals"), "3 components")
    refused(lambda: read_image(DATA / f"{name}.vti", array="nil"), "'labels', 'normals'")


def test_point_data_and_plane(cell):
    points = read_image(DATA / "points.vti")
    assert np.array_equal(points.array, cell) and "point data" in points.notes[0]
    plane = read_image(DATA / "plane.vti")
    assert np.array_equal(plane.array, cell[:, :, 0]) and plane.lengths == (2.0, 0.75)


def _ascii(values="1 2 3 4", extent="0 2 0 2 0 0", head="", kind="ImageData", more="", dtype="UInt8", **attributes):
    attributes = "".join(f' {k}="{v}"' for k, v in attributes.items())
    return (
        f'<?xml version="1.0"?>{head}<VTKFile type="{kind}" version="0.1" byte_order="LittleEndian">'
        f'<ImageData WholeExtent="{extent}" Spacing="1 1 1" {more}><Piece Extent="{extent}"><CellData>'
        f'<DataArray type="{dtype}" Name="a" format="ascii"{attributes}>{values}</DataArray>'
        "</CellData></Piece></ImageData></VTKFile>"
    )


@pytest.mark.parametrize(
    "content, word",
    [
        (_ascii(head='<!DOCTYPE x [<!ENTITY a "aaaa">]>'), "declares a document type"),
        (_ascii(head='<!DOCTYPE x SYSTEM "file:///etc/passwd">'), "declares a document type"),
        (_ascii("1 2 3"), "holds 3 values where its extent needs 4"),
        (_ascii("1 2 3 300"), "beyond its type"),
        (_ascii("1 2 3 x"), "is damaged"),
        (_ascii("1 2 3 nan", dtype="Float64"), "NaN"),
        (_ascii(kind="UnstructuredGrid"), "UnstructuredGrid"),
        (_ascii(dtype="Bit"), "'Bit'"),
        (_ascii(extent="0 2 0 2"), "extent [0, 2, 0, 2]"),
        (_ascii(extent="2 0 0 2 0 1"), "extent"),
        (_ascii(extent="0 2 0 0 0 0"), "1 axes"),
        (_ascii(extent="0 99999999 0 99999999 0 99999999"), "reading the image needs"),
        (_ascii().replace("</Piece>", "</Piece><Piece/>"), "2 pieces"),
        (_ascii().replace("DataArray", "Other"), "no cell or point data"),
        (_ascii()[:-30], "is damaged"),
    ],
)
def test_refused(tmp_path, refused, content, word):
    path = tmp_path / "a.vti"
    path.write_text(content)
    refused(lambda: read_image(path), "a.vti", word)


def test_notes_and_choices(tmp_path, refused):
    path = tmp_path / "a.vti"
    path.write_text(_ascii(more='Direction="0 1 0 -1 0 0 0 0 1"'))
    image = read_image(path)
    assert image.array.tolist() == [[1, 3], [2, 4]] and "rotated" in image.notes[0]
    two = _ascii().replace(
        "</CellData>", '<DataArray type="UInt8" Name="b" format="ascii">5 6 7 8</DataArray></CellData>'
    )
    path.write_text(two)
    refused(lambda: read_image(path), "'a' (2, 2)", "'b' (2, 2)", "array='a'")
    assert read_image(path, array="b").array.tolist() == [[5, 7], [6, 8]]
    path.write_text(two.replace("<CellData>", '<CellData Scalars="b">'))
    assert read_image(path).array[0, 0] == 5


def test_a_block_that_inflates_beyond_its_announcement(tmp_path, refused):
    """The compressed header is believed only as far as the extent agrees, a block only as far as the header."""
    raw = (DATA / "appended_raw_zlib.vti").read_bytes()
    at = raw.index(b"_", raw.index(b"<AppendedData")) + 1
    for word in range(3):
        bad = bytearray(raw)
        bad[at + 4 * word + 3] = 0x7F  # blocks, block size, last block: each in turn becomes about 2 billion
        (tmp_path / "a.vti").write_bytes(bad)
        refused(lambda: read_image(tmp_path / "a.vti"), "where its extent needs 48")
