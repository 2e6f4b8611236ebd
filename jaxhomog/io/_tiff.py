"""TIFF stacks through tifffile: pages, rows and columns become directions 1, 2, 3."""

from __future__ import annotations

import math
import zlib
from pathlib import Path

import numpy as np

from ._errors import bad_input, optional, overheard
from ._header import Header, Options, free_memory, plain_axes

_DEFLATE = (8, 32946)
_DEFLATE_RATIO = 1032  # the most that deflate can expand
_NO_UNIT = ("", "pixel", "pixels", "none", "null")


def tiff_header(path: Path, options: Options) -> Header:
    """Shape, type and voxel size of the first image series of a TIFF file."""
    tifffile = optional(path, "tifffile")
    notes: list[str] = []
    with overheard("tifffile") as heard, tifffile.TiffFile(path) as tif:
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
        _check_complete(path, series)
        if series.keyframe.photometric == 0:
            notes.append("the file stores white as 0: values were read as stored, not inverted")
        voxel = _voxel_size(tif, series, len(keep), notes)
    notes += [f"tifffile: {line}" for line in dict.fromkeys(heard)]
    if len(keep) < len(stored):
        notes.append(f"axes of one voxel dropped: shape {stored} read as {tuple(stored[k] for k in keep)}")
    shape = tuple(stored[k] for k in keep)
    names = {2: ("rows", "columns"), 3: ("pages", "rows", "columns")}.get(len(shape))
    axes = (
        plain_axes(len(shape)) if names is None else ", ".join(f"{a} -> direction {k + 1}" for k, a in enumerate(names))
    )
    return Header(shape, np.dtype(dtype), axes, voxel, notes=tuple(notes))


def tiff_data(path: Path, options: Options, header: Header) -> tuple[np.ndarray, None]:
    """The voxels of the first series."""
    tifffile = optional(path, "tifffile")
    with overheard("tifffile") as heard, tifffile.TiffFile(path) as tif:
        series = tif.series[0]
        _check_bomb(path, tif, series)
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


def _check_complete(path: Path, series) -> None:
    """tifffile fills what is missing with zeros: a truncated stack must not pass for an image with pores."""
    size = path.stat().st_size
    if series.dataoffset is not None:
        cut = series.dataoffset + series.nbytes > size
    else:
        pages = [page for page in series.pages]
        if any(page is None for page in pages):
            raise bad_input(path, "misses a page", "export it again")
        pieces = [p for page in pages for p in zip(page.dataoffsets, page.databytecounts, strict=True)]
        cut = any(offset <= 0 or count <= 0 or offset + count > size for offset, count in pieces)
        key = series.keyframe
        cut = cut or len(pieces) < len(pages) * math.prod(key.chunked)
    if cut:
        raise bad_input(
            path, "misses data: some of it is left out or lies beyond the end of the file", "copy or export it again"
        )


def _check_bomb(path: Path, tif, series) -> None:
    """A deflated strip may inflate far beyond the size that its tags announce; tifffile has no limit of its own."""
    key = series.keyframe
    limit = free_memory()
    if int(key.compression) not in _DEFLATE or limit is None:
        return
    announced = math.prod(key.chunks) * key.dtype.itemsize
    for page in series.pages:
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
            if count * _DEFLATE_RATIO > max(limit // 4, 4 * announced) and _inflated(tif, offset, count, 2 * announced):
                raise bad_input(path, "inflates beyond the size that it announces", "export it again")


def _inflated(tif, offset: int, count: int, most: int) -> bool:
    """Whether a strip inflates to more than `most` bytes, found out without keeping them."""
    tif.filehandle.seek(offset)
    data, total, inflate = tif.filehandle.read(count), 0, zlib.decompressobj()
    while data and total <= most:
        total += len(inflate.decompress(data, 1 << 20))
        data = inflate.unconsumed_tail
    return total > most


def _voxel_size(tif, series, ndim: int, notes: list[str]) -> tuple[float, ...] | None:
    """Voxel size in the file's own unit; None (with a note where something was there) if it is not complete."""
    tags = series.keyframe.tags
    if "XResolution" not in tags or "YResolution" not in tags:
        return None
    described = tif.imagej_metadata or next(iter(tif.shaped_metadata or ()), {}) or {}
    unit = _unit(described.get("unit", ""))
    if unit.lower() in _NO_UNIT:
        code = int(tags["ResolutionUnit"].value) if "ResolutionUnit" in tags else 2  # the format's default: inch
        unit = {2: "inch", 3: "cm"}.get(code, "")
    if not unit:
        return None  # a bare aspect ratio is what most writers put there, (1, 1) as a rule
    pixel = [_inverse(tags[name].value) for name in ("YResolution", "XResolution")]
    if ndim == 3:
        spacing = described.get("spacing")
        if not isinstance(spacing, (int, float)):
            notes.append(f"resolution tags (in {unit}) without a spacing of the pages: not used as voxel size")
            return None
        pixel = [abs(float(spacing)), *pixel]
    if any(h is None for h in pixel) or len(pixel) != ndim:
        notes.append("resolution tags are not positive numbers: not used as voxel size")
        return None
    notes.append(f"voxel size from the file's resolution tags, in {unit}")
    return tuple(float(h) for h in pixel if h is not None)


def _unit(text: object) -> str:
    """A unit as the file writes it; ImageJ escapes the micro sign."""
    return str(text).replace("\\u00B5", "µ").strip()


def _inverse(ratio) -> float | None:
    try:
        top, bottom = (float(r) for r in ratio)
    except (TypeError, ValueError):
        return None
    return bottom / top if top > 0 and bottom > 0 else None
