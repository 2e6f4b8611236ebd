"""Solutions on disk: one `.npz` of plain arrays, a JSON header and a digest of both; nothing is pickled."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from ..api import Applied, Driven, DrivenFields, Fields, Homogenized
from ..materials import Bounds
from ..results import CODE_NAMES, InputError, Result, Solution, under_jax_defaults
from ..rve import Restart, Unknowns
from ..studies import Designed, DesignState, History
from ._atomic import replacing
from ._errors import bad_input, brief

_FORMAT = "jaxhomog solution 2"
_OLDER = ("jaxhomog solution 1",)  # without a digest
_KINDS = (Homogenized, Applied, Bounds, Fields, Driven, DrivenFields, Restart, Unknowns, Designed, History, DesignState)
_CLASSES = {kind.__name__: kind for kind in _KINDS}


def save_solution(path: str | os.PathLike, solution: Solution) -> None:
    """Write a `Solution` of `homogenize`, `apply`, `drive` or `design` (its restart state too) to an `.npz` file.

    Args:
        path: file to write (replaced as a whole, never half-written).
        solution: with concrete values.

    Raises:
        InputError: a solution of another kind.
    """
    arrays: dict[str, np.ndarray] = {"code": np.asarray(solution.result.code)}
    for name, number in solution.stats.items():
        arrays[f"stats.{name}"] = np.asarray(number)
    parts = {"value": solution.value, "state": solution.state}
    header = {"format": _FORMAT, **{name: _pack(part, name, arrays) for name, part in parts.items()}}
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    arrays["digest"] = _digest(arrays)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


@under_jax_defaults
def load_solution(path: str | os.PathLike) -> Solution:
    """Read a `Solution` that `save_solution` wrote.

    Args:
        path: the `.npz` file.

    Returns:
        The solution, bit for bit; its arrays have the dtype they were saved with where JAX allows it. What a law of
        yours remembers in classes of its own comes back as a tuple of arrays, which `drive(state=)` takes.

    Raises:
        InputError: a file that is missing, damaged, changed, of an older version or not a solution.
    """
    if not isinstance(path, str | os.PathLike):
        raise bad_input(repr(path), "is no path", "give a file that save_solution wrote")
    try:
        there = Path(path).is_file()
    except (OSError, ValueError):  # a null character
        there = False
    if not there:
        raise bad_input(path, "is not a file", "give a file that save_solution wrote")
    # Zip, zlib, NumPy, JSON and the classes of the values raise errors of many kinds at what is no solution.
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(arrays["header"].tobytes())
        older = header["format"] in _OLDER
        if not older and header["format"] != _FORMAT:
            raise ValueError(f"format {header['format']!r}")
        if not older and not np.array_equal(arrays.pop("digest"), _digest(arrays)):
            raise ValueError("its numbers are not those that were written")
        if not older:
            return _solution(header, arrays)
    except Exception as error:
        remedy = "give a file that save_solution of this version wrote"
        raise bad_input(path, f"is not a solution, or is damaged ({brief(error)})", remedy) from None
    raise bad_input(
        path,
        f"was written by an older version ({header['format']!r}, which has no digest)",
        "compute it again, or load it with that version",
    )


def _solution(header: dict, arrays: dict[str, np.ndarray]) -> Solution:
    code = arrays["code"]
    if code.dtype.kind not in "iu" or (code.size and not 0 <= code.min() <= code.max() < len(CODE_NAMES)):
        raise ValueError("a result code that does not exist")
    value = _unpack(header["value"], "value", arrays)
    state = _unpack(header["state"], "state", arrays)
    stats = {k.removeprefix("stats."): jnp.asarray(v) for k, v in arrays.items() if k.startswith("stats.")}
    return Solution(value, state, Result(jnp.asarray(code)), stats)


def _digest(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Of names, dtypes, shapes and numbers (the header is one of the arrays)."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        x = arrays[name]
        found.update(f"{name}\0{x.dtype.str}{x.shape}".encode())
        found.update(np.ascontiguousarray(x).tobytes())
    return np.frombuffer(found.digest(), np.uint8)


def _pack(node, name: str, arrays: dict[str, np.ndarray]):
    """Move a value's arrays into `arrays`; return what is left of it as JSON."""
    if node is None or isinstance(node, str):
        return node
    kind = type(node).__name__
    if kind in _CLASSES:
        return {"class": kind, **{f: _pack(getattr(node, f), f"{name}.{f}", arrays) for f in _fields(type(node))}}
    if type(node) in (tuple, list):
        return {kind: [_pack(x, f"{name}.{i}", arrays) for i, x in enumerate(node)]}
    if isinstance(node, dict) and all(isinstance(key, str) for key in node):
        return {"dict": {key: _pack(x, f"{name}.{key}", arrays) for key, x in node.items()}}
    leaves = jax.tree.leaves(node)
    if not hasattr(node, "dtype") and not jax.tree_util.treedef_is_leaf(jax.tree.structure(node)):
        # A class that a user's law remembers things in: its arrays in order, for `drive` knows the rest from the law.
        return {"tuple": [_pack(x, f"{name}.{i}", arrays) for i, x in enumerate(leaves)]}
    if not hasattr(node, "dtype"):
        raise InputError(
            f"a {kind} cannot be saved: save_solution takes what homogenize, apply, drive and design return"
        )
    arrays[name] = np.asarray(node)
    return {"array": name}


def _fields(kind) -> tuple[str, ...]:
    return getattr(kind, "_fields", None) or tuple(kind.__dataclass_fields__)


def _unpack(node, name: str, arrays):
    if node is None or isinstance(node, str):
        return node
    if "array" in node:
        return jnp.asarray(arrays[node["array"]])
    if "dict" in node:
        return {key: _unpack(x, f"{name}.{key}", arrays) for key, x in node["dict"].items()}
    for kind in (tuple, list):
        if kind.__name__ in node:
            return kind(_unpack(x, f"{name}.{i}", arrays) for i, x in enumerate(node[kind.__name__]))
    made = {f: _unpack(v, f"{name}.{f}", arrays) for f, v in node.items() if f != "class"}
    return _CLASSES[node["class"]](**made)
