"""HDF5 datasets as h5py writes them, and those that libhdf5 would fill with something that nobody wrote."""

import h5py
import imagecodecs
import numpy as np
import pytest

from jaxhomog.io import read_image

IMAGE = np.random.default_rng(0).integers(0, 4, (13, 10, 7))
KINDS = (
    {}, {"chunks": (4, 4, 4)}, {"chunks": (4, 4, 4), "compression": "gzip", "shuffle": True},
    {"chunks": (5, 4, 3), "compression": "gzip", "shuffle": True, "fletcher32": True},
    {"chunks": (4, 4, 4), "compression": "lzf", "shuffle": True}, {"chunks": (3, 3, 3), "fletcher32": True},
    {"chunks": (13, 10, 7), "compression": "lzf", "fletcher32": True}, {"maxshape": (None,) * 3, "compression": "gzip"},
)  # fmt: skip


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_way_to_store(tmp_path, kind, libver):
    for dtype in ("u1", ">i2", "f4", ">f8", "?", "f2"):
        with h5py.File(tmp_path / "a.h5", "w", libver=libver) as file:
            file.create_dataset("x", data=IMAGE.astype(dtype), **kind)
        image = read_image(tmp_path / "a.h5")
        assert np.array_equal(image.array, IMAGE.astype(dtype)) and image.array.dtype.isnative


@pytest.mark.parametrize("kind", [{"compression": "szip"}, {"scaleoffset": 0}])
def test_rare_filters_are_refused(tmp_path, refused, kind):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=IMAGE, **kind)
    refused(lambda: read_image(tmp_path / "a.h5"), "HDF5 filter", "h5repack")


def test_integers_of_odd_precision_are_refused(tmp_path, refused):
    """12 bits within 16, as some cameras store: the bytes alone are not the numbers."""
    kind = h5py.h5t.STD_U16LE.copy()
    kind.set_precision(12)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        space = h5py.h5s.create_simple((4, 4))
        h5py.Dataset(h5py.h5d.create(file.id, b"x", kind, space))[...] = np.ones((4, 4), np.uint16)
    refused(lambda: read_image(tmp_path / "a.h5"), "rare type")


def test_a_damaged_checksum_is_seen(tmp_path, refused):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        item = file.create_dataset("x", data=np.arange(64, dtype=np.uint8).reshape(4, 4, 4), chunks=(4, 4, 4),
                                   fletcher32=True)  # fmt: skip
        at = item.id.get_chunk_info(0).byte_offset
    raw = bytearray((tmp_path / "a.h5").read_bytes())
    raw[at + 5] ^= 1
    (tmp_path / "a.h5").write_bytes(raw)
    refused(lambda: read_image(tmp_path / "a.h5"), "a chunk that is damaged")


def test_lzf_of_another_size(tmp_path, refused):
    for count in (100, 5000):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            item = file.create_dataset("x", (8, 8, 8), "u1", chunks=(8, 8, 8), compression="lzf")
            item.id.write_direct_chunk((0, 0, 0), imagecodecs.lzf_encode(bytes(count)))
        refused(lambda: read_image(tmp_path / "a.h5"), "of another size than it should")


def test_other_files_only_when_asked_for(tmp_path, refused):
    small = np.arange(16, dtype=np.uint8).reshape(4, 4)
    path = tmp_path / "a.h5"
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_dataset("y", data=small, chunks=(2, 2), compression="gzip")
    small.tofile(tmp_path / "b.bin")

    def link(file):
        file["x"] = h5py.ExternalLink("b.h5", "/y")

    def through_a_soft_link(file):
        file["g/away"] = h5py.ExternalLink("b.h5", "/")
        file["x"] = h5py.SoftLink("/g/away/y")

    def storage(file):
        file.create_dataset("x", (4, 4), "u1", external=[("b.bin", 0, 8), ("b.bin", 8, 8)])

    def virtual(file):
        layout = h5py.VirtualLayout((4, 4), "u1")
        layout[:, ::2] = h5py.VirtualSource("b.h5", "y", (4, 4))[:, ::2]
        layout[:, 1::2] = h5py.VirtualSource("b.h5", "y", (4, 4))[:, 1::2]
        file.create_virtual_dataset("x", layout)

    for make in (link, through_a_soft_link, storage, virtual):
        with h5py.File(path, "w") as file:
            make(file)
        refused(lambda: read_image(path, dataset="x"), "in another file ('b.", "foreign=True")
        assert np.array_equal(read_image(path, dataset="x", foreign=True).array, small), make.__name__
    (tmp_path / "b.h5").unlink()
    with h5py.File(path, "w") as file:
        link(file)
    refused(lambda: read_image(path, dataset="x", foreign=True), "b.h5", "is no file")


def test_virtual_datasets_within_a_file(tmp_path, refused):
    path = tmp_path / "a.h5"
    small = np.arange(16, dtype=np.uint8).reshape(4, 4)
    with h5py.File(path, "w") as file:
        file["y"] = small
        for name, columns in (("whole", 4), ("half", 2)):
            layout = h5py.VirtualLayout((4, 4), "u1")
            layout[:, :columns] = h5py.VirtualSource(".", "y", (4, 4))[:, :columns]
            file.create_virtual_dataset(name, layout)
    assert np.array_equal(read_image(path, dataset="whole").array, small)
    refused(lambda: read_image(path, dataset="half"), "8 voxels of dataset 'half' come from nowhere")


def test_links_in_a_circle(tmp_path, refused):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = h5py.SoftLink("/y")
        file["y"] = h5py.SoftLink("/x")
    refused(lambda: read_image(tmp_path / "a.h5", dataset="x"), "'x' does not exist")
