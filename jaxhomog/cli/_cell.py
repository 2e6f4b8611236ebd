"""From a problem to a cell: the image as labels, and the law on it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import Grid
from ..io import ImageData, free_memory, read_image
from ..materials import PhaseMixture
from ..results import InputError
from ._flow import flowing
from ._phases import at_finite_strain, chosen_physics, phase_law
from ._problem import Problem
from ._progress import Progress

# Peak bytes per voxel of one load case and component in float64, measured on the solver; six loads of elasticity
# come to about 500.
_PER_LOAD = 28
_FEW = 256


class Cell(NamedTuple):
    """What is solved.

    Args:
        image: the labelled image with its box.
        grid: the same as a grid.
        law: its phases.
    """

    image: ImageData
    grid: Grid
    law: PhaseMixture


def load_cell(problem: Problem, progress: Progress) -> Cell:
    """Read the image and give every label its law.

    Raises:
        InputError: anything wrong with the image, the labels or the phases, in one line.
    """
    check_settings(problem)
    progress.say(f"reading {problem.image}")
    image = image_of(problem)
    for note in image.notes:
        progress.warn(note)
    return build_cell(problem, image, progress)


def check_settings(problem: Problem) -> None:
    """What can be refused before an image is read."""
    chosen_physics(problem.physics, problem.phases)
    if problem.precision not in ("float64", "float32"):
        raise InputError(f"precision {problem.precision!r} is unknown: choose float64 or float32")
    if problem.max_iterations >= 2**31:
        raise InputError(f"max_iterations {problem.max_iterations} is too large: give fewer")


def image_of(problem: Problem) -> ImageData:
    """The image of a problem, cropped, coarsened and thresholded."""
    assert problem.image is not None
    image = read_image(
        problem.image,
        dataset=problem.dataset,
        array=problem.array,
        shape=[problem.shape] if isinstance(problem.shape, int) else problem.shape,
        dtype=problem.dtype,
        order=problem.order,
        header=problem.header,
        endian=problem.endian,
        unindexed="refuse" if problem.unindexed is None else problem.unindexed,
        foreign=bool(problem.foreign),
        voxel_size=problem.voxel_size,
        lengths=problem.lengths,
    )
    return prepared(image, problem)


def cell_facts(image: ImageData) -> dict[str, Any]:
    """What a result says of its image: the file, the voxels and which axis is which direction."""
    return {
        "image": image.source,
        "voxel_size": [float(h) for h in image.voxel_size],
        "unit": image.unit,
        "voxel_size_source": image.size_source,
        "file_axes": image.axes,
    }


def prepared(image: ImageData, problem: Problem) -> ImageData:
    """The image cropped, coarsened and thresholded, in this order."""
    if problem.crop is not None:
        image = image.crop(problem.crop)
    if problem.coarsen is not None:
        image = image.coarsen(problem.coarsen, "majority" if problem.threshold is None else "mean")
    return image if problem.threshold is None else image.threshold(problem.threshold)


def build_cell(problem: Problem, image: ImageData, progress: Progress) -> Cell:
    """Grid and law of a labelled image."""
    physics = chosen_physics(problem.physics, problem.phases)
    check_solve_memory(image.array.shape, physics, problem.precision)
    labels = labels_of(image.array)
    present = np.unique(labels).tolist()
    missing = [k for k in present if k not in problem.phases]
    if missing:
        listed = ", ".join(map(str, missing[:6])) + (f" and {len(missing) - 6} more" if len(missing) > 6 else "")
        grey = ", or --threshold for a grey-level image" if len(present) > 8 and problem.threshold is None else ""
        one = len(missing) == 1
        raise InputError(
            f"{image.source}: label{'' if one else 's'} {listed} {'has' if one else 'have'} no law:"
            f" give --phase LABEL:... for each (in a problem file [phases.LABEL]){grey}"
        )
    unused = sorted(set(problem.phases) - set(present))
    if unused:
        progress.warn(f"the image holds no voxel of label {', '.join(map(str, unused))}: its law is not used")
    dim, dtype = labels.ndim, np.dtype(problem.precision)
    rotation = image.rotation
    laws = {k: phase_law(k, v, dim, dtype, rotation) for k, v in sorted(problem.phases.items())}
    finite = physics == "finite_strain"
    still = at_finite_strain if finite else lambda law: law
    laws = {
        k: flowing(k, law, problem.flow[k], dtype, finite) if k in problem.flow else still(law)
        for k, law in laws.items()
    }
    if rotation is not None and not any({"c11", "stiffness"} & set(problem.phases[k]) for k in present):
        progress.warn("no phase is a crystal (c11,c12,c44 or stiffness): the orientations in the file are not used")
    laws = {k: law for k, law in laws.items() if k in present}
    return Cell(image, Grid(labels.shape, image.lengths), PhaseMixture(labels, laws))


def check_solve_memory(shape: tuple[int, ...], physics: str, precision: str) -> None:
    """Refuse a cell whose solution does not fit in memory, before anything is compiled.

    Raises:
        InputError: it names what is needed and what is free.
    """
    dim = len(shape)
    loads, components = (dim, 1) if physics == "conduction" else (dim * (dim + 1) // 2, dim)
    need = int(np.prod(shape, dtype=float)) * (_PER_LOAD * loads * components * np.dtype(precision).itemsize // 8 + 40)
    free = free_memory()
    if free is not None and need > free:
        raise InputError(
            f"an image of {' x '.join(map(str, shape))} voxels needs about {need / 2**30:.3g} GiB to solve and"
            f" {free / 2**30:.3g} GiB are free: use --crop, --coarsen or --precision float32, or a larger machine"
        )


def labels_of(array: np.ndarray) -> np.ndarray:
    """Integer labels; whole numbers that were stored as floats are taken for labels where they are few."""
    if array.dtype.kind == "f":
        values = np.unique(array)
        if len(values) > _FEW or (values != np.round(values)).any():
            raise InputError(
                f"the image holds grey levels ({array.dtype}, {array.min():g} to {array.max():g}), not labels:"
                " give --threshold"
            )
    if float(array.max()) >= 2**31 or float(array.min()) < -(2**31):
        raise InputError("the image's labels need more than 32 bits: number the phases 0, 1, 2, ...")
    return array if array.dtype in (np.dtype(np.uint8), np.dtype(np.int32)) else array.astype(np.int32)
