"""`ImageData`: a voxel image with its box, its axes and what the file said besides."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ..microstructure import coarsen, coarsen_index, crop, crop_slices, threshold


@dataclass(frozen=True, eq=False)
class ImageData:
    """A voxel image as read from a file.

    Args:
        array: labels or grey levels, 2-D or 3-D; axis k is direction k + 1.
        lengths: edge lengths of the box, one per axis, in the user's unit.
        voxel_size: edge lengths of a voxel, one per axis, in the same unit.
        axes: one line that says which axis of the file became which direction.
        source: the file it came from.
        rotation: (..., 3, 3) orientation of the crystal in each voxel, v_sample = R v_crystal; None without one.
        phase_names: label to name, where the file names its phases.
        notes: what the reader decided or ignored, one line each.
        unit: of `voxel_size`, as the file writes it; "" where it does not, or where the caller gave the size.
        size_source: who says the voxel size: "given" by the caller, the "file", or "assumed" to be 1.
    """

    array: np.ndarray
    lengths: tuple[float, ...]
    voxel_size: tuple[float, ...]
    axes: str
    source: str
    rotation: np.ndarray | None = None
    phase_names: dict[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unit: str = ""
    size_source: str = "given"

    def crop(self, ranges: Sequence[slice | tuple[int | None, int | None] | None]) -> ImageData:
        """The part of the image inside the given index ranges; voxels keep their size.

        Args:
            ranges: as for `jaxhomog.microstructure.crop`.

        Returns:
            A new image.

        Raises:
            InputError: a range does not fit the image.
        """
        rotation = None if self.rotation is None else self.rotation[crop_slices(self.array.shape, ranges)]
        return self._with(crop(self.array, ranges), self.voxel_size, rotation)

    def coarsen(self, factor: int | Sequence[int], kind: Literal["majority", "mean"] = "majority") -> ImageData:
        """Blocks of voxels become one voxel; the box stays.

        A block's orientation is that of its first voxel with the block's label: orientations are never averaged.

        Args:
            factor: as for `jaxhomog.microstructure.coarsen`.
            kind: "majority" for labels, "mean" for grey levels.

        Returns:
            A new image.

        Raises:
            InputError: the factor does not divide the shape, or grey-level means of an orientation map.
        """
        array = coarsen(self.array, factor, kind)
        ratio = [n // m for n, m in zip(self.array.shape, array.shape, strict=True)]
        rotation = self.rotation
        if rotation is not None:
            rotation = rotation[coarsen_index(self.array, array, ratio)]
        return self._with(array, tuple(h * r for h, r in zip(self.voxel_size, ratio, strict=True)), rotation)

    def threshold(self, levels: float | Sequence[float]) -> ImageData:
        """Grey levels become labels: the number of levels that a voxel's value exceeds.

        Args:
            levels: as for `jaxhomog.microstructure.threshold`.

        Returns:
            A new image; names of phases are dropped, since the labels are new.

        Raises:
            InputError: levels that do not increase.
        """
        return dataclasses.replace(self, array=threshold(self.array, levels), phase_names={})

    def _with(self, array, voxel_size, rotation) -> ImageData:
        lengths = tuple(n * h for n, h in zip(array.shape, voxel_size, strict=True))
        return dataclasses.replace(self, array=array, lengths=lengths, voxel_size=voxel_size, rotation=rotation)
