"""EBSD maps: phase labels and crystal orientations as [x, y]."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ._ebsd_text import ang_format, ctf_format, read_columns
from ._errors import bad_input
from ._header import Header, Options

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
        nbytes,
        (*form.notes, _FRAME),
        dict(form.phase_names),
        form,
    )


def ebsd_data(path: Path, options: Options, header: Header) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Labels, rotations and the note on points that were not indexed."""
    form = header.detail
    rows = read_columns(path, form)
    if not np.isfinite(rows[:, :6]).all():
        raise bad_input(path, "holds points without numbers (NaN)", "export the map again")
    angles, position, phase = rows[:, :3], rows[:, 3:5], rows[:, 5]
    if (phase != np.round(phase)).any() or np.abs(phase).max() > 2**15:
        raise bad_input(path, "its phase column holds no small integers", "export the map with its phase index")
    index = np.round((position - position.min(axis=0)) / np.asarray(form.step))
    if (index >= form.cells).any() or len(np.unique(index @ [form.cells[1], 1.0])) != len(rows):
        raise bad_input(
            path,
            f"its points do not fill the grid of {form.cells[0]} x {form.cells[1]} that its header gives",
            "export the whole map on a square grid",
        )
    i, j = index.astype(int).T
    labels = np.empty(header.shape, np.int32)
    labels[i, j] = phase
    angles = np.radians(angles) if form.degrees else angles
    rotation = np.empty((*header.shape, 3, 3))
    rotation[i, j] = bunge_rotation(angles[:, 0], angles[:, 1], angles[:, 2])
    return labels, rotation, _notes(form, rows, phase)


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


def _notes(form, rows: np.ndarray, phase: np.ndarray) -> tuple[str, ...]:
    if form.degrees:
        missed = phase == 0
    else:
        # A single-phase .ang may number its phase 0; points that failed carry phase -1, or confidence -1, or (beside
        # other phases) phase 0.
        missed = (phase < 0) | ((phase == 0) & (phase.max() > 0))
        if rows.shape[1] > 6:
            missed |= rows[:, 6] == -1
    if not missed.any():
        names = list(form.phase_names.values())
        if not phase.any() and len(names) == 1 and 0 not in form.phase_names:
            return (f"all labels are 0, as single-phase maps are written; the phase is {names[0]!r}",)
        return ()
    labels = ", ".join(str(int(k)) for k in np.unique(phase[missed])[:4])
    count = int(missed.sum())
    return (f"{count} of {len(rows)} points are not indexed; they keep their label ({labels})",)
