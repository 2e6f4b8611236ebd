"""Fields written as VTI and HDF5 come back; a failure leaves neither a part nor a trace, and the old file stays."""

import h5py
import numpy as np
import pytest

from jaxhomog.io import read_image, read_vti, write_h5, write_vti

RNG = np.random.default_rng(3)
SOLID = {
    "labels": RNG.integers(0, 9, (5, 4, 3)).astype(np.uint8),
    "grain": RNG.integers(-9, 9, (5, 4, 3)),
    "modulus": RNG.random((5, 4, 3)).astype(np.float32),
    'displacement <µ&">': RNG.random((5, 4, 3, 3)),
    "stress": np.asfortranarray(RNG.random((5, 4, 3, 6))),
}
PLANE = {"void": RNG.random((5, 4)) > 0.5, "flux": RNG.random((5, 4, 2)), "big": RNG.random((5, 4)).astype(">f8")}


@pytest.mark.parametrize("fields, lengths", [(SOLID, (1.0, 0.1, 3e-6)), (PLANE, (2.0, 7.0))], ids=["3d", "2d"])
def test_vti_round_trip(tmp_path, fields, lengths):
    write_vti(tmp_path / "a.vti", fields, lengths)
    back, box = read_vti(tmp_path / "a.vti")
    assert list(back) == list(fields) and box == pytest.approx(lengths, rel=1e-15)
    for name, field in fields.items():
        assert np.array_equal(back[name], field), name
        assert back[name].dtype == (np.uint8 if field.dtype == bool else field.dtype.newbyteorder("=")), name
    first = next(iter(fields))
    image = read_image(tmp_path / "a.vti", array=first)
    assert np.array_equal(image.array, fields[first]) and image.lengths == pytest.approx(lengths)


def test_vti_bytes_are_as_vtk_specifies(tmp_path):
    """x runs fastest, components stay together, behind an 8-byte length (VTK file formats, XML ImageData)."""
    i, j, k = np.indices((3, 2, 2))
    write_vti(
        tmp_path / "a.vti",
        {"u": np.stack([i, 10 * j, 100 * k], axis=-1).astype(np.int32)},
        (3, 2, 2),
        origin=(1, 2, 3),
    )
    raw = (tmp_path / "a.vti").read_bytes()
    data = raw[raw.index(b"_", raw.index(b"<AppendedData")) + 1 :]
    assert np.frombuffer(data, "<u8", 1)[0] == 3 * 2 * 2 * 3 * 4
    rows = np.frombuffer(data, "<i4", 36, 8).reshape(12, 3)
    assert rows[:4].tolist() == [[0, 0, 0], [1, 0, 0], [2, 0, 0], [0, 10, 0]] and rows[6].tolist() == [0, 0, 100]
    assert b'Origin="1.0 2.0 3.0" Spacing="1.0 1.0 1.0"' in raw and b'WholeExtent="0 3 0 2 0 2"' in raw


def test_components_are_named(tmp_path):
    write_vti(tmp_path / "a.vti", SOLID, (1, 1, 1), components={'displacement <µ&">': ("u", "v", "w")})
    head = (tmp_path / "a.vti").read_bytes().split(b"<AppendedData")[0]
    assert b'ComponentName3="23" ComponentName4="13" ComponentName5="12"' in head
    assert b'ComponentName0="u" ComponentName1="v" ComponentName2="w"' in head


@pytest.mark.parametrize("fields, lengths", [(SOLID, (1.0, 0.1, 3e-6)), (PLANE, (2.0, 7.0))], ids=["3d", "2d"])
def test_h5_round_trip(tmp_path, fields, lengths):
    write_h5(tmp_path / "a.h5", fields, lengths)
    with h5py.File(tmp_path / "a.h5") as file:
        assert tuple(file.attrs["lengths"]) == lengths
        for name, field in fields.items():
            assert np.array_equal(file[name][()], field), name
    first = next(iter(fields))
    image = read_image(tmp_path / "a.h5", dataset=first)
    assert np.array_equal(image.array, fields[first]) and image.lengths == pytest.approx(lengths)


@pytest.mark.parametrize("write", [write_vti, write_h5])
@pytest.mark.parametrize(
    "fields, lengths, word",
    [
        ({}, (1, 1), "no field"),
        ({"a": np.zeros((2, 2))}, (1,), "lengths"),
        ({"a": np.zeros((2, 2))}, (1, -1), "lengths"),
        ({"a": np.zeros((2, 2))}, 1.0, "lengths"),
        ({"a": np.zeros((2, 2)), "b": np.zeros((2, 3))}, (1, 1), "'b' of shape (2, 3)"),
        ({"a": np.zeros((2, 2, 3, 3))}, (1, 1), "does not fit"),
        ({"a": np.zeros((2, 2), np.complex64)}, (1, 1), "complex64"),
        ({"a\n": np.zeros((2, 2))}, (1, 1), "no name"),
        ({"": np.zeros((2, 2))}, (1, 1), "no name"),
        ({"a": np.zeros((0, 2))}, (1, 1), "shape (0, 2)"),
    ],
)
def test_bad_fields_are_refused_and_nothing_is_written(tmp_path, refused, write, fields, lengths, word):
    refused(lambda: write(tmp_path / "a.out", fields, lengths), "a.out", word)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("write", [write_vti, write_h5])
def test_a_failure_half_way_leaves_the_old_file(tmp_path, write, monkeypatch):
    path = tmp_path / "a.out"
    write(path, PLANE, (1, 1))
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write(path, {"other": np.ones((7, 7))}, (1, 1))
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("write", [write_vti, write_h5])
def test_places(tmp_path, refused, write):
    refused(lambda: write(tmp_path / "nil" / "a.out", PLANE, (1, 1)), "nil", "cannot be written")
    (tmp_path / "folder").mkdir()
    refused(lambda: write(tmp_path / "folder", PLANE, (1, 1)), "cannot be replaced")
    name = "ü \n" + 248 * "x"
    write(tmp_path / name, PLANE, (1, 1))
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["folder", name])
