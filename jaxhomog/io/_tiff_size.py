"""Voxel size in a TIFF file: OME's physical sizes, ImageJ's calibration, resolution tags."""

from __future__ import annotations

import math
from typing import Any, NamedTuple
from xml.parsers import expat

from ._voxel import unit_text

_METRES = {
    "pm": 1e-12, "å": 1e-10, "angstrom": 1e-10, "nm": 1e-9, "um": 1e-6, "µm": 1e-6, "μm": 1e-6, "micron": 1e-6,
    "microns": 1e-6, "micrometer": 1e-6, "mm": 1e-3, "cm": 1e-2, "dm": 1e-1, "m": 1.0, "inch": 0.0254, "in": 0.0254,
}  # fmt: skip
_SCREEN = (72.0, 96.0)  # pixels per inch that programs write when they know none
_ROUNDED = 0.013  # 72 per inch are 28.3 per cm, written as 28 or 28.35; 96 are 37.8, written as 38


class TiffSize(NamedTuple):
    """Size per axis (pages, rows, columns), its unit, why it is no real one, and remarks."""

    size: tuple[float, ...] | None = None
    unit: str = ""
    stand_in: str = ""
    notes: tuple[str, ...] = ()


class OmePixels(NamedTuple):
    """What the OME-XML of a file says of its first image.

    Args:
        attributes: of the element `Pixels`.
        files: names of the files that the pages of any image lie in.
        along: extents of modulo annotations (sub-axes), as start, end, step.
        planes: the largest number in any `TiffData`.
    """

    attributes: dict[str, str]
    files: tuple[str, ...]
    along: tuple[tuple[str, str, str], ...]
    planes: tuple[str, ...]
    sizes: tuple[str, ...]


def ome_pixels(text: str) -> OmePixels | None:
    """The facts in OME-XML; None where it is no XML, or declares entities, which OME never does."""
    attributes: dict[str, str] = {}
    files, along, planes, sizes = [], [], [], []

    def start(tag: str, found: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        if tag == "Pixels":
            attributes.update(found if not attributes else {})
            sizes.extend(value for key, value in found.items() if key.startswith("Size"))
        elif tag == "UUID" and "FileName" in found:
            files.append(found["FileName"])
        elif tag == "TiffData":
            planes.extend(v for k, v in found.items() if k in ("IFD", "NumPlanes", "PlaneCount") or k[:5] == "First")
        elif "Start" in found and tag[:-1].endswith("Along"):
            along.append((found["Start"], found.get("End", ""), found.get("Step", "1")))

    def refuse(*_) -> None:
        raise ValueError("a document type")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.StartDoctypeDeclHandler, parser.EntityDeclHandler = start, refuse, refuse
    try:
        parser.Parse(text.encode("utf-8", "replace"), True)
    except (expat.ExpatError, ValueError):
        return None
    return OmePixels(attributes, tuple(files), tuple(along), tuple(planes), tuple(sizes))


def tiff_size(tif: Any, series: Any, ome: OmePixels | None, ndim: int) -> TiffSize:
    """The voxel size as far as the file says it.

    Args:
        tif: the open file of tifffile.
        series: its first series.
        ome: facts of its OME-XML, if it has any.
        ndim: number of the image's axes.

    Returns:
        The size; where something was said but cannot be used, a remark.
    """
    if ome is not None and any(key.startswith("PhysicalSize") for key in ome.attributes):
        return _from_ome(ome.attributes, ndim)
    described = tif.imagej_metadata or next(iter(tif.shaped_metadata or ()), {}) or {}
    unit = unit_text(described.get("unit", ""))
    spacing = described.get("spacing")
    depth = _positive(spacing)
    tags = series.keyframe.tags
    resolution = [_inverse(tags[name].value) if name in tags else None for name in ("YResolution", "XResolution")]
    if not unit:
        code = tags["ResolutionUnit"].value if "ResolutionUnit" in tags else 2  # the format's default: inch
        unit = {2: "inch", 3: "cm"}.get(int(code), "")
        if "XResolution" not in tags and "YResolution" not in tags:
            unit = ""
    calibrated = bool(tif.imagej_metadata) or "spacing" in described
    if "XResolution" not in tags or "YResolution" not in tags:
        if depth is None or ndim != 3 or depth == 1:
            return TiffSize()
        return TiffSize((depth, 1.0, 1.0), "", "", ("the file gives a spacing of pages and no size of pixels: 1",))
    if any(h is None for h in resolution):
        return TiffSize(notes=("resolution tags are not positive numbers: not used as voxel size",) if unit else ())
    pixel = tuple(h for h in resolution if h is not None)
    screen = unit in ("inch", "cm") and all(_of_screens(h * _METRES[unit] / 0.0254) for h in pixel)
    stand_in = f"the {1 / pixel[1]:.4g} pixels per {unit} of screens" if screen else ""
    said = f"{pixel[0]:.6g} x {pixel[1]:.6g}{f' {unit}' if unit else ''}"
    if ndim == 2:
        if unit or calibrated:
            return _told(pixel, unit, stand_in)
        return TiffSize(notes=_ratio(pixel))
    if spacing is None:
        if screen:
            return TiffSize((pixel[0], *pixel), unit, stand_in)
        if unit or (calibrated and set(pixel) != {1.0}):
            text = f"resolution tags ({said}) without a spacing of the pages: not used as voxel size"
            return TiffSize(notes=(text,))
        return TiffSize(notes=_ratio(pixel))
    if depth is None:
        return TiffSize(notes=(f"the spacing of the pages is no positive number, the pixels are {said}: not used",))
    if not unit and (depth, *pixel) == (1.0, 1.0, 1.0):
        return TiffSize()
    if screen:
        # ImageJ keeps the pixels of an uncalibrated image; only the ratio to the pages could mean something.
        return TiffSize((depth, *pixel), unit, stand_in)
    return _told((depth, *pixel), unit, "")


def _told(size: tuple[float, ...], unit: str, stand_in: str) -> TiffSize:
    if stand_in:
        return TiffSize(size, unit, stand_in)
    where = f"in {unit}" if unit else "without a unit"
    return TiffSize(size, unit, "", (f"voxel size from the file's resolution tags, {where}",))


def _ratio(pixel: tuple[float, ...]) -> tuple[str, ...]:
    """A bare resolution is (1, 1) as a rule; pixels that are not square are worth a word."""
    if abs(pixel[0] - pixel[1]) <= 1e-6 * pixel[0]:
        return ()
    return (
        f"the file's pixels are {pixel[0] / pixel[1]:.6g} times as high as wide, in no unit: not used as voxel size",
    )


def _from_ome(attributes: dict[str, str], ndim: int) -> TiffSize:
    letters = "ZYX"[-ndim:]
    sizes = [_positive(attributes.get(f"PhysicalSize{a}")) for a in letters]
    units = [unit_text(attributes.get(f"PhysicalSize{a}Unit", "µm")) for a in letters]
    said = ", ".join(
        f"{a} {attributes[f'PhysicalSize{a}']} {u}"
        for a, u in zip(letters, units, strict=True)
        if f"PhysicalSize{a}" in attributes
    )
    if len(letters) != ndim or any(h is None for h in sizes):
        return TiffSize(
            notes=(f"OME's physical size is not complete ({said or 'other axes'}): not used as voxel size",)
        )
    size = [h for h in sizes if h is not None]
    if len(set(units)) > 1:
        factors = [_METRES.get(u.lower()) for u in units]
        if any(f is None for f in factors):
            return TiffSize(notes=(f"OME's physical sizes are in different units ({said}): not used as voxel size",))
        size = [h * f / _METRES[units[-1].lower()] for h, f in zip(size, factors, strict=True) if f is not None]
    return TiffSize(tuple(size), units[-1], "", (f"voxel size from OME's physical size, in {units[-1]}",))


def _of_screens(pixel_in_inches: float) -> bool:
    return any(abs(1 / pixel_in_inches - dots) <= _ROUNDED * dots for dots in _SCREEN)


def _positive(value: object) -> float | None:
    try:
        number = abs(float(value))  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 < number < math.inf else None


def _inverse(ratio) -> float | None:
    try:
        top, bottom = (float(r) for r in ratio)
    except (TypeError, ValueError):
        return None
    return bottom / top if top > 0 and bottom > 0 else None
