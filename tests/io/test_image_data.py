"""Crop, coarsen and threshold of an image with its box."""

import numpy as np
import pytest

from jaxhomog.io import ImageData


def _image(array, rotation=None):
    return ImageData(
        array, tuple(0.5 * n for n in array.shape), (0.5,) * array.ndim, "as stored", "x.npy", rotation, {1: "a"}
    )


def test_crop_keeps_the_voxels(cell):
    part = _image(cell).crop([(1, 3), None, slice(1, None)])
    assert np.array_equal(part.array, cell[1:3, :, 1:]) and part.lengths == (1.0, 1.5, 0.5)
    assert part.voxel_size == (0.5,) * 3 and part.phase_names == {1: "a"} and part.source == "x.npy"


def test_coarsen_keeps_the_box():
    part = _image(np.arange(24).reshape(4, 6)).coarsen((2, 3), "mean")
    assert part.lengths == (2.0, 3.0) and part.voxel_size == (1.0, 1.5)
    assert part.array.tolist() == [[4.0, 7.0], [16.0, 19.0]]


def test_threshold_names_no_phases(cell):
    assert _image(cell).threshold([9, 99]).phase_names == {}


def test_orientations_follow_their_voxels(refused):
    labels = np.array([[2, 1, 3, 3], [1, 1, 4, 3]])
    rotation = np.arange(8.0).reshape(2, 4, 1, 1) * np.ones((3, 3))
    coarse = _image(labels, rotation).coarsen(2)
    assert coarse.array.tolist() == [[1, 3]]
    assert coarse.rotation.shape == (1, 2, 3, 3) and coarse.rotation[0, :, 0, 0].tolist() == [1.0, 2.0]
    assert _image(labels, rotation).crop([None, (1, 3)]).rotation[:, :, 2, 2].tolist() == [[1.0, 2.0], [5.0, 6.0]]
    refused(lambda: _image(labels, rotation).coarsen(2, "mean"), "no orientation")


def test_frozen(cell):
    with pytest.raises(AttributeError):
        _image(cell).array = cell  # type: ignore[misc]
