"""EBSD maps: phase labels and crystal orientations as [x, y]."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ._ebsd_gaps import choice_of, fill, not_indexed
from ._ebsd_text import EbsdFormat, ang_format, ctf_format, read_columns
from ._errors import bad_input
from ._header import Header, Options

_MOST_LEFT_OUT = 9  # times the points that are there; a header that claims more is damaged
_FRAME = (
    "orientations are taken in the frame of the file's Euler angles; programs differ in how that frame lies to the"
    " map's x and y"
)


def ebsd_header(path: Path, options: Options) -> Header:
    """Shape, step and phases of a map, from the header of its text."""
    form = ctf_format(path) if path.suffix.lower() == ".ctf" else ang_format(path)
    points = math.prod(form.cells)
    # label, rotation and the table of columns, and the text itself with its lines
    nbytes = points * (4 + 9 * 8 + 2 * 8 * len(form.columns)) + 3 * path.stat().st_size
    return Header(
        form.cells,
        np.dtype(np.int32),
        "map x -> direction 1, map y -> direction 2",
        form.step,
        "um",  # both vendors' formats
        nbytes=nbytes,
        notes=(*form.notes, _FRAME),
        phase_names=dict(form.phase_names),
        detail=form,
    )


def ebsd_data(path: Path, options: Options, header: Header) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Labels, rotations and the note on points that were not indexed."""
    form = header.detail
    choice = choice_of(path, options.unindexed)
    rows = read_columns(path, form)
    if not np.isfinite(rows[:, :6]).all():
        raise bad_input(path, "holds points without numbers (NaN)", "export the map again")
    angles, phase = rows[:, :3], rows[:, 5]
    if (phase != np.round(phase)).any() or np.abs(phase).max() > 2**15:
        raise bad_input(path, "its phase column holds no small integers", "export the map with its phase index")
    i, j = _places(path, form, rows[:, 3:5])
    left_out = math.prod(form.cells) - len(rows)
    if left_out and choice == "refuse":  # before anything is allocated: the header may claim any number
        raise bad_input(
            path,
            f"holds {len(rows)} points where its header says {form.cells[0]} x {form.cells[1]}",
            "copy or export it again, or say what the points left out shall be: unindexed='nearest' or a label",
        )
    if left_out > _MOST_LEFT_OUT * len(rows):
        raise bad_input(
            path, f"leaves out {left_out} of its {math.prod(form.cells)} points", "export the whole map again"
        )
    indexed = ~not_indexed(rows, form.degrees)
    known = np.zeros(header.shape, bool)
    known[i, j] = indexed
    labels = np.zeros(header.shape, np.int32)
    labels[i, j] = phase
    angles = np.radians(angles) if form.degrees else angles
    rotation = np.zeros((*header.shape, 3, 3))
    rotation[i, j] = bunge_rotation(angles[:, 0], angles[:, 1], angles[:, 2])
    notes = fill(path, choice, known, left_out, labels, rotation, form.step)
    names = list(form.phase_names.values())
    if not labels.any() and len(names) == 1 and 0 not in form.phase_names:
        notes = (*notes, f"all labels are 0, as single-phase maps are written; the phase is {names[0]!r}")
    return labels, rotation, notes


def _places(path: Path, form: EbsdFormat, position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of each point on the grid of the header.

    Raises:
        InputError: a point lies beside the grid, or two lie on one place.
    """
    step, cells = np.asarray(form.step), np.asarray(form.cells)
    start = position.min(axis=0)
    if len(position) < cells.prod() and (start >= 0).all() and (np.round(position / step) < cells).all():
        start = np.zeros(2)  # where rows are left out, the first of the grid may be among them
    index = np.round((position - start) / step)
    beside = (index < 0).any() or (index >= cells).any()
    if beside or len(np.unique(index @ [float(cells[1]), 1.0])) != len(position):
        raise bad_input(
            path,
            f"its points do not fill the grid of {cells[0]} x {cells[1]} that its header gives",
            "export the whole map on a square grid",
        )
    i, j = index.astype(int).T
    return i, j


def bunge_rotation(phi1: np.ndarray, big_phi: np.ndarray, phi2: np.ndarray) -> np.ndarray:
    """Rotation that turns crystal components into sample components, from Bunge's angles.

    R = Rz(phi1) Rx(Phi) Rz(phi2) with active rotations about the sample's axes, so that v_sample = R v_crystal; the
    orientation matrix g of texture analysis (H.-J. Bunge, Texture Analysis in Materials Science, 1982) turns sample
    into crystal components and is its transpose.

    Args:
        phi1: first angle in radians, any shape.
        big_phi: second angle.
        phi2: third angle.

    Returns:
        (..., 3, 3).
    """
    c1, s1, c, s, c2, s2 = (f(a) for a in (phi1, big_phi, phi2) for f in (np.cos, np.sin))
    rows = (
        (c1 * c2 - s1 * s2 * c, -c1 * s2 - s1 * c2 * c, s1 * s),
        (s1 * c2 + c1 * s2 * c, -s1 * s2 + c1 * c2 * c, -c1 * s),
        (s2 * s, c2 * s, c),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
