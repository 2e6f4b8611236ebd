"""`[sweep]`: what varies from lane to lane."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..io import one_line
from ..results import InputError
from ..studies import product
from ._tables import integer_of, known, mapping, table_of, text_of
from ._values import integers, numbers

_KEYS = ("images", "spheres", "phases", "load", "samples", "seed", "chunk")
_SPHERES = ("shape", "radius", "fraction", "number", "seed")
_SCALARS = ("young", "poisson", "c11", "c12", "c44", "conductivity")
_FLOW = {"hardening": ("yield_stress", "modulus", "saturation_stress", "rate"), "kinematic": ("modulus", "recovery")}
_RANGES = (("from", "to", "steps"), ("low", "high"))
_MOST = 10_000_000


@dataclass(frozen=True)
class Spheres:
    """Random images: overlapping spheres of label 1 in 0, seed by seed."""

    shape: list[int]
    radius: float
    fraction: float
    number: int
    seed: int


@dataclass
class Axes:
    """What varies, as written.

    Args:
        images: paths, in the order of their names; None where one image serves all lanes.
        spheres: generated images instead.
        lists: "phases.1.young", "phases.1.hardening.rate", "load.amplitude" -> its values; every list is an axis of its
            own.
        draws: "phases.1.young" -> lowest and highest value; all are drawn together, `samples` times.
        samples: number of draws.
        seed: of the draws.
        chunk: lanes per file of the store, or None.
    """

    images: list[Path] | None = None
    spheres: Spheres | None = None
    lists: dict[str, np.ndarray] = field(default_factory=dict)
    draws: dict[str, tuple[float, float]] = field(default_factory=dict)
    samples: int = 0
    seed: int = 0
    chunk: int | None = None

    def lanes(self, microstructures: Mapping[str, np.ndarray] | None, dtype: str) -> dict[str, Any]:
        """Parameters of every lane: each microstructure with each entry of each list and each draw."""
        axes: dict[str, Any] = {} if microstructures is None else {"cell": dict(microstructures)}
        axes |= {name: values.astype(dtype) for name, values in self.lists.items()}
        if self.draws:
            rng = np.random.default_rng(self.seed)
            axes["drawn"] = {
                name: rng.uniform(low, high, self.samples).astype(dtype) for name, (low, high) in self.draws.items()
            }
        found = product(**axes)
        return {**found.pop("cell", {}), **found.pop("drawn", {}), **found}


def read_sweep(folder: Path, table: Mapping[str, Any], has_image: bool) -> Axes:
    """The `[sweep]` table of a problem file.

    Args:
        folder: of the file, which patterns of images are relative to.
        table: the whole file.
        has_image: whether `[cell]` names an image.

    Raises:
        InputError: it is missing, or a key is wrong.
    """
    if "sweep" not in table:
        raise InputError("no [sweep]: add one that says what varies, see sweep --help")
    given = table_of(table, "sweep", _KEYS)
    axes = Axes()
    sources = [name for name, there in (("[cell] image", has_image), *((k, k in given) for k in _KEYS[:2])) if there]
    if len(sources) != 1:
        what = "no image" if not sources else " and ".join(sources)
        raise InputError(f"{what}: give one of [cell] image, sweep.images and [sweep.spheres]")
    if "images" in given:
        pattern = text_of("sweep.images", given["images"])
        try:
            axes.images = sorted(path for path in folder.glob(pattern) if path.is_file())
        except (ValueError, NotImplementedError) as error:
            raise InputError(
                one_line(f"sweep.images {pattern!r} is no pattern ({error}): give e.g. 'scans/*.npy'")
            ) from None
        if not axes.images:
            raise InputError(one_line(f"sweep.images {pattern!r} matches no file in {folder}: check the pattern"))
    if "spheres" in given:
        axes.spheres = _spheres(mapping("sweep.spheres", given["spheres"]))
    for label, values in mapping("sweep.phases", given.get("phases", {})).items():
        for key, value in mapping(f"sweep.phases.{label}", values).items():
            name = f"sweep.phases.{label}"
            known(name, {key: value}, (*_SCALARS, *_FLOW))
            if key not in _FLOW:
                _axis(axes, f"phases.{label}.{key}", value)
                continue
            for part, number in _known_table(f"{name}.{key}", value, _FLOW[key]).items():
                _axis(axes, f"phases.{label}.{key}.{part}", number)
    for key, value in mapping("sweep.load", given.get("load", {})).items():
        if "load" not in table:
            raise InputError("[sweep.load] without [load]: add [load] with what `jaxhomog drive` takes")
        _axis(axes, f"load.{key}", value)
    for key in ("samples", "seed", "chunk"):
        if key in given:
            setattr(axes, key, integer_of(f"sweep.{key}", given[key]))
    if axes.draws and not 1 <= axes.samples <= _MOST:
        raise InputError("sweep.samples: give how often low and high are drawn from, at least 1")
    if axes.seed < 0 or (axes.chunk is not None and axes.chunk < 1):
        raise InputError("sweep.seed and sweep.chunk: give a seed of at least 0, and chunks of at least 1 lane")
    if axes.samples and not axes.draws:
        raise InputError("sweep.samples without a { low, high }: leave it out, or give a range to draw from")
    if not (axes.images or axes.spheres or axes.lists or axes.draws):
        raise InputError("[sweep] varies nothing: give images, spheres, phases or load")
    return axes


def _known_table(name: str, value: Any, keys: tuple[str, ...]) -> dict[str, Any]:
    values = mapping(name, value)
    known(name, values, keys)
    return values


def _spheres(values: dict[str, Any]) -> Spheres:
    known("sweep.spheres", values, _SPHERES)
    missing = [key for key in _SPHERES[:4] if key not in values]
    if missing:
        raise InputError(f"[sweep.spheres] lacks {' and '.join(missing)}: give shape, radius, fraction and number")
    shape = integers("sweep.spheres.shape", values["shape"])
    (radius,), (fraction,) = (numbers(f"sweep.spheres.{key}", values[key], 1) for key in ("radius", "fraction"))
    number = integer_of("sweep.spheres.number", values["number"])
    seed = integer_of("sweep.spheres.seed", values.get("seed", 0))
    if not 1 <= number <= _MOST or seed < 0:
        raise InputError("sweep.spheres: give number of at least 1, and a seed of at least 0")
    return Spheres([shape] if isinstance(shape, int) else shape, radius, fraction, number, seed)


def _axis(axes: Axes, name: str, value: Any) -> None:
    """One parameter: a list, a range of even steps, or a range to draw from."""
    full = f"sweep.{name}"
    if not isinstance(value, dict):
        axes.lists[name] = _finite(full, numbers(full, value))
        return
    for keys in _RANGES:
        if set(value) == set(keys):
            low, high = _finite(full, [numbers(f"{full}.{key}", value[key], 1)[0] for key in keys[:2]])
            if "steps" in keys:
                steps = integer_of(f"{full}.steps", value["steps"])
                if not 1 <= steps <= _MOST:
                    raise InputError(f"{full}.steps is {steps}: give at least 1")
                axes.lists[name] = np.linspace(low, high, steps)
            elif low > high:
                raise InputError(f"{full}: low is above high: exchange them")
            else:
                axes.draws[name] = (float(low), float(high))
            return
    raise InputError(f"{full}: give a list, {{ from, to, steps }} or {{ low, high }}")


def _finite(name: str, values: list[float]) -> np.ndarray:
    if not all(map(math.isfinite, values)):
        raise InputError(f"{name} holds a number that is not finite")
    return np.asarray(values, float)
