"""What the judgement of an RVE size checks at the door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..microstructure._arguments import number
from ..results import InputError


def read_samples(edges, samples) -> tuple[np.ndarray, list[np.ndarray]]:
    """Edges, and for every size the values (boundaries, windows)."""
    try:
        sizes = np.asarray(edges, float)
    except (TypeError, ValueError):
        sizes = np.zeros(0)
    if sizes.ndim != 1 or len(sizes) < 2 or not (np.isfinite(sizes) & (sizes > 0)).all():
        raise InputError(f"edges={edges!r}: give the edges of at least two sizes of windows, in voxels")
    if len(set(sizes.tolist())) < len(sizes):
        raise InputError(f"edges={edges!r}: give each size once, with all of its windows")
    if not isinstance(samples, Mapping) or not samples:
        raise InputError(f"samples is a {type(samples).__name__}: give {{boundary condition: values of each size}}")
    out = []
    for k, size in enumerate(sizes):
        rows = []
        for key, groups in samples.items():
            try:
                rows.append(np.asarray(groups[k], float))
            except (TypeError, ValueError, IndexError, KeyError):
                raise InputError(f"samples[{key!r}] has no values of windows of {size:g} voxels: give (n,)") from None
        if any(row.ndim != 1 or row.shape != rows[0].shape for row in rows):
            shapes = ", ".join(str(row.shape) for row in rows)
            raise InputError(f"samples of windows of {size:g} voxels: shapes {shapes}: give (n,), the same windows")
        out.append(np.stack(rows))
    return sizes, out


def read_blocks(blocks: Any, values: list[np.ndarray]) -> list[np.ndarray]:
    """For every size, the block of each window."""
    try:
        out = [np.asarray(x) for x in blocks]
    except TypeError:
        out = []
    if len(out) != len(values) or any(b.shape != x.shape[1:] for b, x in zip(out, values, strict=False)):
        raise InputError(f"blocks is a {type(blocks).__name__} that does not fit: give (n,) for each size of windows")
    if len(np.unique(np.concatenate(out))) < 3:
        raise InputError("blocks: there are fewer than three, of which no error follows: give None, or smaller ones")
    return out


def chosen(boundary: str | None, there: tuple[str, ...]) -> str:
    """The boundary condition that is asked for, periodic by default."""
    if boundary is None:
        return "periodic" if "periodic" in there else there[0]
    if boundary not in there:
        raise InputError(f"boundary={boundary!r}: there are {', '.join(there)}")
    return boundary


def check_settings(dim, tolerance, confidence, exponent=1.0, exponent_error=0.0) -> None:
    """Numbers of space axes, of accuracy and of the law of decay."""
    check_dim(dim)
    for key, value in (("tolerance", tolerance), ("confidence", confidence)):
        number(value, key, 0, 1)
    check_exponent(exponent, exponent_error)


def check_exponent(exponent, exponent_error) -> None:
    """What is known of the law of decay."""
    check_number(exponent, "exponent")
    check_number(exponent_error, "exponent_error")
    if not 0 < exponent < np.inf:
        raise InputError(f"exponent={exponent!r}: give a positive number, 1 for a finite integral range")
    if not exponent_error >= 0:
        raise InputError(f"exponent_error={exponent_error!r}: give 0 to hold the exponent, inf to leave it to the data")


def check_lengths(**given: Any) -> None:
    """What may be left out, but is positive where it is given."""
    for key, value in given.items():
        if value is not None:
            check_number(value, key)
            if not 0 < value < np.inf:
                raise InputError(f"{key}={value!r}: give a positive number, or None")


def read_curve(curve: Any) -> np.ndarray:
    """Edges of a curve."""
    try:
        edges = np.asarray(curve, float)
    except (TypeError, ValueError):
        edges = np.zeros(0)
    if edges.ndim != 1 or not len(edges) or not (np.isfinite(edges) & (edges > 0)).all():
        raise InputError(f"curve={curve!r}: give edges of windows in voxels, positive and finite")
    return edges


def check_number(value: Any, key: str) -> None:
    """One real number."""
    if isinstance(value, bool | str) or np.ndim(value) != 0 or not np.isreal(value) or value is None:
        raise InputError(f"{key}={value!r}: give a number")


def check_dim(dim: Any) -> None:
    """Number of space axes."""
    if isinstance(dim, bool) or not isinstance(dim, int | np.integer) or dim not in (1, 2, 3):
        raise InputError(f"dim={dim!r}: give 1, 2 or 3")


def check_law_data(edges, variances, degrees, covered, dim, exponent, exponent_error) -> tuple:
    """Edges, variances, degrees and shares of a fit as arrays (sizes,); NaN variances pass and make the law NaN."""
    check_dim(dim)
    check_exponent(exponent, exponent_error)
    given = {"edges": edges, "variances": variances, "degrees": degrees, "covered": covered}
    arrays = {}
    for key, value in given.items():
        if value is None and key == "covered":
            continue
        try:
            arrays[key] = np.asarray(value, float)
        except (TypeError, ValueError):
            raise InputError(f"{key}={value!r}: give one number for each size of windows, (sizes,)") from None
    sizes = arrays["edges"].shape
    for key, x in arrays.items():
        if x.ndim != 1 or not x.size or x.shape != sizes:
            raise InputError(f"{key} of shape {x.shape} for edges of shape {sizes}: give one number for each size")
        if (x < 0).any() or (key != "variances" and not ((x > 0) & np.isfinite(x)).all()):
            raise InputError(f"{key}={x.tolist()}: give {'positive' if key != 'variances' else 'no negative'} numbers")
    if len(set(arrays["edges"].tolist())) < sizes[0]:
        raise InputError(f"edges={arrays['edges'].tolist()}: give each size once, with all of its windows")
    return arrays["edges"], arrays["variances"], arrays["degrees"], arrays.get("covered")
