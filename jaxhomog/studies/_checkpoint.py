"""A fit in a file: where it stands after every step, whole or not at all, for the same call to go on from."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np

from ..results import InputError
from ._checks import place
from ._claims import claimed
from ._misfit import Misfit
from ._store import hash_of, versions, writing

_FORMAT = "jaxhomog fit 2"
_OLDER = ("jaxhomog fit 1",)  # without a digest
_REMEDY = "remove it to begin anew, or give another file"
_WHAT = {
    "parameters": "start, bounds or prior",
    "experiments": "experiments",
    "program": "models",
    "solver": "solver",
    "versions": "versions of jaxhomog or JAX",
}


class Checkpoint:
    """The file of one fit.

    Args:
        path: the file.
        misfit: of the fit.
        z: its free numbers.
        solver: of optimistix.
        tolerance: at which it ends.

    Raises:
        InputError: no path, or a folder.
    """

    def __init__(self, path: str | os.PathLike, misfit: Misfit, z, solver: Any, tolerance: float):
        self.path, self.tolerance = place("checkpoint", path), tolerance
        if self.path.is_dir() or not self.path.absolute().parent.is_dir():
            what = "is a folder" if self.path.is_dir() else "is in no folder that exists"
            raise InputError(f"checkpoint={str(path)!r}: {what}: give a file, such as fit.npz")
        arrays, rest = eqx.partition(misfit, eqx.is_array)
        traced = jax.jit(lambda arrays, z: eqx.combine(arrays, rest).predictions(z)).trace(arrays, z)
        text = traced.lower(lowering_platforms=("cpu",)).as_text()
        rule = getattr(solver, "inner", solver)  # without the tolerance, which may change
        self.about = {
            "format": _FORMAT,
            "parameters": _hash((misfit.limits, misfit.prior_mean, misfit.prior_deviation)),
            "experiments": _hash((misfit.experiments, misfit.counted)),
            "program": hashlib.sha256(text.encode()).hexdigest(),
            # Addresses of functions are of this process alone.
            "solver": hashlib.sha256(re.sub(" at 0x[0-9a-f]+", "", eqx.tree_pformat(rule)).encode()).hexdigest(),
            "versions": versions(),
        }

    def read(self, like: Any) -> tuple[Any, int, bool] | None:
        """The state, the steps that it took and whether they were the last ones; None where there is no file.

        Args:
            like: a state with shapes in place of arrays.

        Raises:
            InputError: a damaged or changed file, one of an older version, or that of another fit.
        """
        if not self.path.exists():
            return None
        older = None
        # Zip, zlib, NumPy and JSON raise errors of many kinds at what is no checkpoint.
        try:
            with np.load(self.path, allow_pickle=False) as archive:
                about = json.loads(archive["about"].tobytes())
                if about["format"] in _OLDER:
                    older = about["format"]
                elif about["format"] != _FORMAT:
                    raise ValueError(f"format {about['format']!r}")
                else:
                    kept = [archive[f"array.{k}"] for k in range(about["arrays"])]
                    # What was read of a file is what was written, or nothing is read.
                    if about.pop("digest") != _digest(about, kept):
                        raise ValueError("its numbers are not those that were written")
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:120]
            raise InputError(f"{self.path}: is no checkpoint of a fit, or is damaged ({reason}): {_REMEDY}") from None
        if older is not None:
            raise InputError(f"{self.path}: was written by an older version ({older!r}): {_REMEDY}")
        leaves, structure = jax.tree.flatten(like)
        places = [k for k, leaf in enumerate(leaves) if isinstance(leaf, jax.ShapeDtypeStruct)]
        fits = len(kept) == len(places) and all(x.shape == leaves[k].shape for x, k in zip(kept, places, strict=True))
        for key, what in _WHAT.items():
            if about[key] != self.about[key] or (key == "solver" and not fits):
                raise InputError(f"{self.path}: belongs to another fit (its {what} differ): give another file")
        for x, k in zip(kept, places, strict=True):
            leaves[k] = jax.numpy.asarray(x, leaves[k].dtype)
        ended = about["ended"] and about["tolerance"] <= self.tolerance
        return jax.tree.unflatten(structure, leaves), about["steps"], ended

    def write(self, state: Any, steps: int, ended: bool) -> None:
        """Replace the file.

        Raises:
            InputError: the disk is full, or alike; the file before stays.
        """
        kept = [np.asarray(x) for x in jax.tree.leaves(state) if eqx.is_array(x)]
        about = {**self.about, "arrays": len(kept), "steps": steps, "ended": ended, "tolerance": self.tolerance}
        about["digest"] = _digest(about, kept)
        arrays = {f"array.{k}": x for k, x in enumerate(kept)}
        arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
        whole = io.BytesIO()
        np.savez(whole, **arrays)  # type: ignore[arg-type]
        with writing(self.path):
            _replace(self.path, whole.getvalue())


def _replace(path: Path, data: bytes) -> None:
    """Written under another name, on the disk, then renamed."""
    with claimed(path.parent) as temporary:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)


def _digest(about: dict[str, Any], kept: list[np.ndarray]) -> str:
    """Of everything in a file."""
    text = json.dumps(about, sort_keys=True).encode()
    return hash_of(np.frombuffer(text, np.uint8), *kept)


def _hash(tree: Any) -> str:
    return hash_of(*(np.asarray(x) for x in jax.tree.leaves(eqx.filter(tree, eqx.is_array))))
