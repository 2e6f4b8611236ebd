"""What `trust` checks at the door, before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..api._checks import law_dtype, solver_settings, space_named
from ..materials import AbstractMaterial, PhaseMixture
from ..results import InputError, real_array
from ..validity import Scale
from ._apparent import usable_boundaries

TRUST_BOUNDARIES = ("periodic", "affine", "uniform_traction")


def checked_image(image: Any, dim: Any, phase: Any, with_law: bool, cell: bool = False):
    """Labels (realizations, *space), the shape of space, the indicator and its label; `cell`: one that repeats."""
    try:
        x = np.asarray(image)
    except ValueError:
        raise InputError(f"image is a {type(image).__name__} of rows that differ: give an array of labels") from None
    if not (np.issubdtype(x.dtype, np.integer) or x.dtype == bool):
        raise InputError(f"image is of type {x.dtype}: give integer labels (microstructure.threshold makes them)")
    x = x.astype(np.int8) if x.dtype == bool else x
    d = x.ndim if dim is None else dim
    if not _whole(d) or d not in (1, 2, 3) or x.ndim < d or not x.size:
        raise InputError(f"dim={dim!r} and an image of shape {x.shape}: give 1 to 3 axes of space, the last ones")
    space = x.shape[x.ndim - d :]
    if cell and x.ndim > d and np.prod(x.shape[: x.ndim - d]) > 1:
        raise InputError(f"periodic_cell=True and {np.prod(x.shape[: x.ndim - d])} images: give one cell, it is all")
    if with_law and (d < 2 or (min(space) == 1 and not cell)):
        raise InputError(
            f"law and an image of {space} voxels: trust solves two or three axes of more than one voxel (leave out law"
            " for the geometry, or take the slice as an image of two axes)"
        )
    # Axes of one voxel are no directions of a random medium: lengths and volumes are those of the others.
    if not cell:
        space = tuple(n for n in space if n > 1) or (1,)
    x = x.reshape(-1, *space)
    present = np.unique(x)
    if phase is None and len(present) > 2:
        raise InputError(f"the image has {len(present)} labels: give phase=, the one whose statistics count")
    if phase is not None and not _whole(phase):
        raise InputError(f"phase={phase!r}: give a label, an integer")
    chosen = int(present[-1] if phase is None else phase)
    if chosen not in present:
        raise InputError(f"phase={phase!r} is not in the image: its labels are {present[:10].tolist()}")
    return x, space, x == chosen, chosen


def checked_windows(windows: Any) -> tuple | None:
    """A tuple; `rve_size` looks at its entries."""
    if windows is None:
        return None
    if isinstance(windows, str) or not isinstance(windows, Sequence | np.ndarray) or len(windows) < 2:
        raise InputError(f"windows={windows!r}: give edges in voxels, two sizes at least")
    return tuple(windows)


def check_cell(windows: Any, boundaries: tuple[str, ...] | None) -> None:
    """What a cell that repeats has not."""
    if windows is not None:
        raise InputError(f"windows={windows!r}: a periodic cell has none, it is representative itself")
    if boundaries not in (None, ("periodic",)):
        raise InputError(f"boundaries={boundaries!r}: a periodic cell has periodic ones (or judge it as a sample)")


def checked_boundaries(boundaries: Any) -> tuple[str, ...] | None:
    """Names, or None for the default."""
    if boundaries is None:
        return None
    listed = tuple(boundaries) if isinstance(boundaries, list | tuple) else ()
    if not listed or not all(isinstance(x, str) for x in listed) or len(set(listed)) < len(listed):
        raise InputError(f"boundaries={boundaries!r}: give a list of names, each once, such as {TRUST_BOUNDARIES}")
    return listed


def checked_law(
    labels, space, law: Any, boundaries: tuple[str, ...] | None, element: Any, tolerance: Any, max_iterations: Any
) -> tuple[str, ...]:
    """The boundary conditions; raises for laws and settings that no solve takes."""
    if not isinstance(law, Mapping) or not law:
        raise InputError(f"law is a {type(law).__name__} that gives no laws: give {{label: law}}, or None")
    for label, one in law.items():
        if not isinstance(label, Integral):
            raise InputError(f"law has the label {label!r}: labels are integers")
        if not isinstance(one, AbstractMaterial):
            raise InputError(f"law[{label!r}] is a {type(one).__name__}: give a law for each label")
    far = [int(x) for x in (labels.min(), labels.max(), *law) if not -(2**31) <= int(x) < 2**31]
    if far:
        raise InputError(f"label {far[0]} has more than 32 bits: number the labels anew (numpy.unique, return_inverse)")
    rows = jnp.asarray(labels.reshape(-1, *space[1:]))
    mixture = PhaseMixture(rows, law)
    if not mixture.linear:
        raise InputError("law is not linear: trust passes linear properties up (give the tangents as linear laws)")
    mixture.check()
    if isinstance(tolerance, bool) or not isinstance(tolerance, Real | None):
        raise InputError(f"tolerance={tolerance!r}: give a number between 0 and 1, or None")
    if not _whole(max_iterations):
        raise InputError(f"max_iterations={max_iterations!r}: give a whole number")
    solver_settings(law_dtype(mixture), tolerance, None, None, max_iterations)
    physics, d = mixture.physics, len(space)
    for name in TRUST_BOUNDARIES[:1] if boundaries is None else boundaries:
        space_named(element, name, physics, d)
    if boundaries is None:
        return tuple(name for name in TRUST_BOUNDARIES if _has(element, name, physics, d))
    skipped = usable_boundaries(boundaries, mixture, rows.shape)[1]
    if boundaries[0] in skipped:
        raise InputError(f"boundaries={boundaries!r}: the first is that of the interval, but {skipped[boundaries[0]]}")
    return boundaries


def _has(element: str, boundary: str, physics: str, dim: int) -> bool:
    try:
        space_named(element, boundary, physics, dim)
    except InputError:
        return False
    return True


def check_scales(macro_length: Any, time_ratio: Any) -> None:
    """Positive lengths, ratios of at least zero; NaN is a point that was not measured."""
    given = {"macro_length": macro_length, "time_ratio": 0.0 if time_ratio is None else time_ratio}
    if time_ratio is not None and not isinstance(time_ratio, Scale):
        real_array(time_ratio, "time_ratio")
    if macro_length is None and time_ratio is not None:
        raise InputError(f"time_ratio={time_ratio!r} without macro_length: give it too, inf where the field is uniform")
    shapes = []
    for name, x in given.items():
        if x is None and name == "macro_length":
            continue
        value = np.asarray(real_array(x.value if isinstance(x, Scale) else x, name))
        if isinstance(x, Scale):
            real_array(x.error, f"{name}.error")
        shapes.append(value.shape)
        if not value.size or (value < 0).any() or (name == "macro_length" and (value == 0).any()):
            least = "positive" if name == "macro_length" else "at least 0"
            raise InputError(f"{name}={x!r}: give one number or a map of them, {least}")
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        raise InputError(f"macro_length {shapes[0]} and time_ratio {shapes[1]} must broadcast") from None


def positive(name: str, value: Any, below: float) -> float:
    """A positive number below a limit."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < below:
        limit = "" if np.isinf(below) else f" below {below:g}"
        raise InputError(f"{name}={value!r}: give a positive number{limit}")
    return float(value)


def _whole(x: Any) -> bool:
    return isinstance(x, Integral) and not isinstance(x, bool)
