"""TIFF stacks through tifffile: pages, rows and columns become directions 1, 2, 3."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ._errors import bad_input, optional, overheard
from ._header import Header, Options, plain_axes
from ._tiff_size import OmePixels, ome_pixels, tiff_size
from ._tiff_strips import check_contents, check_pages, check_strips


def tiff_header(path: Path, options: Options) -> Header:
    """Shape, type and voxel size of the first image series of a TIFF file."""
    tifffile = optional(path, "tifffile")
    notes: list[str] = []
    check_pages(path)
    with overheard("tifffile") as heard, _opened(tifffile, path) as tif:
        ome = _checked_ome(path, tif)
        if not tif.series:
            raise bad_input(path, "holds no image", "export it again as a TIFF stack")
        _check_chain(path, heard)
        series = tif.series[0]
        if len(tif.series) > 1:
            notes.append(f"the file holds {len(tif.series)} images: the first one was read (shape {series.shape})")
        stored, letters = tuple(int(n) for n in series.shape), series.axes
        dtype = series.dtype
        if dtype is None:
            raise bad_input(path, "has voxels of unknown type", "export it as 8- or 16-bit grey or float32")
        _check_colours(path, series, letters, stored, notes)
        keep = _kept_axes(stored, letters)
        check_strips(path, tif, series)
        if series.keyframe.photometric == 0:
            notes.append("the file stores white as 0: values were read as stored, not inverted")
        voxel = tiff_size(tif, series, ome, len(keep))
    notes += [f"tifffile: {line}" for line in dict.fromkeys(heard)]
    if len(keep) < len(stored):
        notes.append(f"axes of one voxel dropped: shape {stored} read as {tuple(stored[k] for k in keep)}")
    shape = tuple(stored[k] for k in keep)
    names = {2: ("rows", "columns"), 3: ("pages", "rows", "columns")}.get(len(shape))
    axes = (
        plain_axes(len(shape)) if names is None else ", ".join(f"{a} -> direction {k + 1}" for k, a in enumerate(names))
    )
    return Header(
        shape, np.dtype(dtype), axes, voxel.size, voxel.unit, voxel.stand_in, voxel.notes, notes=tuple(notes)
    )  # fmt: skip


def tiff_data(path: Path, options: Options, header: Header) -> tuple[np.ndarray, None]:
    """The voxels of the first series."""
    tifffile = optional(path, "tifffile")
    with overheard("tifffile") as heard, _opened(tifffile, path) as tif:
        series = tif.series[0]
        check_contents(path, tif, series)
        try:
            array = series.asarray()
        except ValueError as error:
            if "imagecodecs" not in str(error):
                raise
            raise bad_input(
                path,
                f"its compression ({series.keyframe.compression.name}) needs the package imagecodecs",
                "pip install imagecodecs, or save the stack uncompressed or with deflate",
            ) from error
    if heard and array.size != math.prod(header.shape):
        raise bad_input(path, f"is damaged ({heard[0]})", "export it again")
    return array.reshape(header.shape), None


def _opened(tifffile, path: Path):
    """The file alone: OME-XML may name others, which tifffile would open."""
    return tifffile.TiffFile(path, _multifile=False)


def _check_colours(path: Path, series, letters: str, shape: tuple[int, ...], notes: list[str]) -> None:
    samples = math.prod(n for n, a in zip(shape, letters, strict=True) if a == "S")
    channels = math.prod(n for n, a in zip(shape, letters, strict=True) if a == "C")
    if letters == "CYX" and channels > 4:
        # ImageJ calls the pages of a stack channels unless it was told otherwise; nobody has that many colours.
        notes.append(f"the file calls its {channels} pages channels: they were read as slices")
        channels = 1
    if max(samples, channels) > 1 or series.keyframe.photometric in (2, 5, 6, 8):  # RGB, CMYK, YCbCr, CIELab
        count = samples * channels if samples * channels > 1 else 3
        raise bad_input(
            path, f"is a colour image ({count} channels)", "convert it to 8- or 16-bit grey levels or labels"
        )


def _kept_axes(shape: tuple[int, ...], letters: str) -> tuple[int, ...]:
    """A single page is a 2-D image, and axes such as time or channel are often written with one entry."""
    keep = tuple(k for k, (n, a) in enumerate(zip(shape, letters, strict=True)) if n > 1 or a in "YX")
    return keep if len(keep) >= 2 else tuple(range(len(shape)))


def _check_chain(path: Path, heard: list[str]) -> None:
    """tifffile only warns where the chain of pages breaks, and goes on with the pages (or the one page) it has."""
    broken = [line for line in heard if "TiffPages" in line or "failed to reshape" in line]
    if broken:
        raise bad_input(path, f"is cut off or damaged ({broken[0].split('> ', 1)[-1]})", "copy or export it again")


def _checked_ome(path: Path, tif) -> OmePixels | None:
    """What OME-XML says, with its numbers checked before tifffile makes lists of that length."""
    if not tif.is_ome or not tif.ome_metadata:
        return None
    ome = ome_pixels(tif.ome_metadata)
    if ome is None:
        raise bad_input(path, "has damaged OME-XML", "export it again")
    if len(set(ome.files)) > 1:
        raise bad_input(path, f"is one of {len(set(ome.files))} files that make up the image", "export it as one file")
    held = len(tif.pages)
    try:
        numbers = [int(n) for n in ome.planes]
        most = max([1, *(int(n) for n in ome.sizes)])
        stack = math.prod(max(int(ome.attributes.get(f"Size{a}", 1)), 1) for a in "ZT")
        along = [(float(b) - float(a)) / float(c) for a, b, c in ome.along]
    except (ValueError, OverflowError, ZeroDivisionError):
        raise bad_input(path, "has damaged OME-XML", "export it again") from None
    if (
        stack > held
        or most > 2**31
        or any(not 0 <= n <= 4 * held for n in numbers)
        or any(not n <= held for n in along)
    ):
        raise bad_input(path, f"announces more pages than the {held} that it holds", "copy or export it again")
    return ome
