"""What a reader knows about an image before it reads the voxels, and the checks made then."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ._errors import bad_input

GIB = 2.0**30
_MOST = 2**48  # entries along one axis; a damaged header may claim a number of thousands of digits


class Options(NamedTuple):
    """What the caller said about the file.

    Args:
        name: which array of a file that holds several.
        shape: shape of a `.raw` file.
        dtype: element type of a `.raw` file.
        order: which axis runs fastest in a `.raw` file; None where nobody said it.
        header: bytes before the voxels of a `.raw` file.
        endian: byte order of a `.raw` file; None where nobody said it.
        unindexed: what becomes of the points of an EBSD map that were not indexed.
        foreign: whether data that lie in other files than the one that is named may be read.
    """

    name: str | None = None
    shape: tuple[int, ...] | None = None
    dtype: Any = None
    order: str | None = None
    header: Any = None
    endian: str | None = None
    unindexed: str | int = "refuse"
    foreign: bool = False


@dataclass(frozen=True, eq=False)
class Header:
    """An image file before its voxels are read.

    Args:
        shape: the image's shape as it will be returned.
        dtype: element type as stored.
        axes: which file axis becomes which direction, one line.
        voxel_size: from the file's metadata; None where it has none.
        unit: of `voxel_size`, as the file writes it; "" where it does not.
        stand_in: why `voxel_size` is what programs write when they know none, a clause; "" where it is a real one.
        size_notes: remarks on `voxel_size`, of no interest to who gives one.
        nbytes: peak memory of reading it; None means that of the array.
        notes: warnings, one line each.
        phase_names: label to name, from the file.
        detail: whatever the reader of this format wants to remember.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    axes: str
    voxel_size: tuple[float, ...] | None = None
    unit: str = ""
    stand_in: str = ""
    size_notes: tuple[str, ...] = ()
    nbytes: int | None = None
    notes: tuple[str, ...] = ()
    phase_names: dict[int, str] = field(default_factory=dict)
    detail: Any = None


def plain_axes(ndim: int) -> str:
    """The mapping of a format that is not transposed, as one line."""
    return ", ".join(f"array axis {k} -> direction {k + 1}" for k in range(ndim)) + " (no transpose)"


def pick_array(path: Path, candidates: dict[str, tuple[int, ...]], everything: list[str], keyword: str) -> str:
    """The only 2-D or 3-D array of a file that may hold several.

    Args:
        path: the file.
        candidates: name to shape of the arrays that can be an image.
        everything: all names in the file.
        keyword: the argument that chooses one.

    Returns:
        The name of the one candidate.

    Raises:
        InputError: none or several; the message lists them.
    """
    if len(candidates) == 1:
        return next(iter(candidates))
    if not candidates:
        held = ", ".join(map(repr, everything[:8])) or "nothing"
        raise bad_input(path, f"holds no 2-D or 3-D numeric array (it holds {held})", "store the image as one")
    listed = [f"{name!r} {shape}" for name, shape in list(candidates.items())[:8]]
    more = "" if len(candidates) <= 8 else f" and {len(candidates) - 8} more"
    raise bad_input(
        path,
        f"holds several images ({', '.join(listed)}{more})",
        f"choose one with {keyword}={next(iter(candidates))!r}",
    )


def check_image(path: Path, shape: tuple[int, ...], dtype: np.dtype) -> None:
    """Refuse what cannot be a phase or grey-level image, before anything is allocated.

    Args:
        path: the file.
        shape: shape of the image.
        dtype: its element type.

    Raises:
        InputError: empty, not 2-D or 3-D, or not real numbers.
    """
    if any(n > _MOST for n in shape) or len(shape) > 32:
        raise bad_input(path, "announces more voxels than any machine can hold", "copy or export it again")
    if any(n < 1 for n in shape):
        raise bad_input(path, f"the image is empty (shape {shape})", "give an image with at least one voxel per axis")
    if len(shape) not in (2, 3):
        hint = "take one channel or one time step" if len(shape) > 3 else "give a 2-D or 3-D image"
        raise bad_input(path, f"the image has {len(shape)} axes (shape {shape}), not 2 or 3", hint)
    if dtype.hasobject:
        raise bad_input(
            path, "holds Python objects, which are never unpickled", "save it with an integer or float dtype"
        )
    if dtype.kind == "c":
        raise bad_input(path, f"holds complex numbers ({dtype})", "save its real part or labels")
    if dtype.kind == "V":
        raise bad_input(path, f"holds records or colours ({dtype})", "convert them to grey levels or integer labels")
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise bad_input(path, f"holds {dtype} values", "save it with an integer, float32 or float64 dtype")


def check_memory(path: Path, nbytes: int, max_bytes: int | None) -> None:
    """Refuse an image that does not fit, before it is allocated.

    Args:
        path: the file.
        nbytes: what reading it needs.
        max_bytes: the limit; None means the memory that is free on this machine, where that can be found out.

    Raises:
        InputError: it needs more than the limit.
    """
    limit = free_memory() if max_bytes is None else max_bytes
    if limit is not None and nbytes > limit:
        raise bad_input(
            path,
            f"reading the image needs {_gib(nbytes)}, limit {_gib(limit)}",
            "crop or coarsen it beforehand, store it in a smaller dtype, or use a larger machine",
        )


def image_bytes(header: Header) -> int:
    """Peak memory of reading an image (Python integers: a corrupt header may claim 10^30 voxels)."""
    return math.prod(header.shape) * header.dtype.itemsize if header.nbytes is None else header.nbytes


def free_memory() -> int | None:
    """Bytes that can still be allocated on this machine; None where the system does not say."""
    found = []
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            found += [1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    except (OSError, ValueError, IndexError):
        pass
    try:  # a container's own limit may be far below the machine's
        with (
            open("/sys/fs/cgroup/memory.max", encoding="ascii") as limit,
            open("/sys/fs/cgroup/memory.current", encoding="ascii") as used,
        ):
            found.append(max(int(limit.read()) - int(used.read()), 0))
    except (OSError, ValueError):
        pass
    if not found:
        try:
            found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
        except (OSError, ValueError, AttributeError):
            return None
    return min(found)


def _gib(nbytes: int) -> str:
    return f"{nbytes / GIB:.3g} GiB"
