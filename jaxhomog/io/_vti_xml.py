"""The XML part of a VTK ImageData file: what it holds and where, without the voxels."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from ._errors import bad_input

_CHUNK = 1 << 20


@dataclass
class DataArray:
    """One `<DataArray>` element.

    Args:
        name: its name.
        place: "CellData" or "PointData".
        attributes: all its XML attributes.
    """

    name: str
    place: str
    attributes: dict[str, str]


@dataclass
class VtiLayout:
    """What the XML of a `.vti` file says.

    Args:
        file: attributes of `<VTKFile>`.
        image: attributes of `<ImageData>`.
        pieces: attributes of each `<Piece>`.
        arrays: every data array, in file order.
        active: name of the active scalars of CellData and PointData.
        appended_at: byte where `<AppendedData` starts, -1 without one.
        encoding: encoding of the appended data.
    """

    file: dict[str, str] = field(default_factory=dict)
    image: dict[str, str] = field(default_factory=dict)
    pieces: list[dict[str, str]] = field(default_factory=list)
    arrays: list[DataArray] = field(default_factory=list)
    active: dict[str, str] = field(default_factory=dict)
    appended_at: int = -1
    encoding: str = "base64"


class _AppendedData(Exception):
    """Raised to stop the parser: what follows may be raw bytes, which are no XML."""


def parse_vti(path: Path) -> VtiLayout:
    """Read the XML of a `.vti` file up to its appended data.

    Args:
        path: the file.

    Returns:
        The layout; the text of inline arrays is skipped.

    Raises:
        InputError: a document type or entity declaration (never needed by VTK, and the way to blow up a parser), or
            no VTK ImageData.
    """
    layout = VtiLayout()
    stack: list[str] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        if tag == "VTKFile":
            layout.file = attributes
        elif tag == "ImageData":
            layout.image = attributes
        elif tag == "Piece":
            layout.pieces.append(attributes)
        elif tag in ("CellData", "PointData") and "Scalars" in attributes:
            layout.active[tag] = attributes["Scalars"]
        elif tag == "DataArray" and stack and stack[-1] in ("CellData", "PointData"):
            layout.arrays.append(DataArray(attributes.get("Name", ""), stack[-1], attributes))
        elif tag == "AppendedData":
            layout.appended_at = parser.CurrentByteIndex
            layout.encoding = attributes.get("encoding", "base64")
            raise _AppendedData
        stack.append(tag)

    parser = _parser(path)
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda tag: stack.pop()
    _feed(path, parser)
    if layout.file.get("type") != "ImageData" or not layout.pieces:
        kind = layout.file.get("type", "no VTK file")
        raise bad_input(path, f"is not VTK ImageData ({kind})", "resample it to an image (ParaView: Resample To Image)")
    if len(layout.pieces) > 1:
        raise bad_input(path, f"holds {len(layout.pieces)} pieces", "save the image as one piece")
    return layout


def inline_text(path: Path, index: int) -> bytes:
    """The text of one inline array.

    Args:
        path: the file.
        index: which of `VtiLayout.arrays`.

    Returns:
        Its characters.

    Raises:
        InputError: as `parse_vti`.
    """
    stack: list[str] = []
    pieces: list[str] = []
    seen = -1
    inside = False

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal seen, inside
        if tag == "AppendedData":
            raise _AppendedData
        if tag == "DataArray" and stack and stack[-1] in ("CellData", "PointData"):
            seen += 1
            inside = seen == index
        elif inside:
            inside = False  # an element inside the array (VTK's <InformationKey>) ends its text
        stack.append(tag)

    def end(tag: str) -> None:
        nonlocal inside
        stack.pop()
        inside = inside and tag != "DataArray"

    def text(characters: str) -> None:
        if inside:
            pieces.append(characters)

    parser = _parser(path)
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    _feed(path, parser)
    return "".join(pieces).encode("ascii", errors="replace")


def _parser(path: Path):
    parser = expat.ParserCreate()

    def refuse(*_) -> None:
        raise bad_input(path, "declares a document type or entities", "export it again: VTK writes none")

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    return parser


def _feed(path: Path, parser) -> None:
    with open(path, "rb") as file:
        try:
            while chunk := file.read(_CHUNK):
                parser.Parse(chunk, False)
            parser.Parse(b"", True)
        except _AppendedData:
            return
