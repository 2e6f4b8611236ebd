"""`apparent_properties`: what windows of an image have for properties, under several boundary conditions."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Real

from ..api import homogenize
from ..api._checks import law_dtype, solver_settings, space_named
from ..fields import Grid
from ..materials import AbstractLaw, AbstractMaterial, PhaseMixture, response_bounds
from ..results import SUCCESS, InputError, Result, Solution, SolverError, under_jax_defaults
from ._sweep import sweep

BOUNDARIES = ("uniform_traction", "periodic", "affine")


class Apparent(eqx.Module):
    """Apparent properties of windows.

    Args:
        windows: edges in voxels, ascending.
        values: boundary condition -> for every size (windows, properties); NaN where a solve failed.
        effective: boundary condition -> for every size the tensors (windows, n, n).
        codes: boundary condition -> for every size the result codes (windows,).
        blocks: for every size the block of the image in which each window lies; blocks are as large as the largest
            windows. None where there are fewer than three.
        voxels: of the image, all realizations together.
        dim: number of space axes.
        names: of the properties.
        skipped: boundary condition -> why it was left out.
    """

    windows: tuple[int, ...] = eqx.field(static=True)
    values: dict[str, list[Float[np.ndarray, "windows properties"]]]
    effective: dict[str, list[Float[np.ndarray, "windows n n"]]]
    codes: dict[str, list[Int[np.ndarray, " windows"]]]
    blocks: list[Int[np.ndarray, " windows"]] | None
    voxels: int = eqx.field(static=True)
    dim: int = eqx.field(static=True)
    names: tuple[str, ...] = eqx.field(static=True)
    skipped: dict[str, str] = eqx.field(static=True)

    def samples(self, name: str) -> dict[str, list[Float[np.ndarray, " windows"]]]:
        """One property as `validity.judge_rve_size` takes it: boundary condition -> for every size (windows,)."""
        if name not in self.names:
            raise InputError(f"property {name!r} was not computed: there are {', '.join(self.names)}")
        column = self.names.index(name)
        return {boundary: [x[:, column] for x in sizes] for boundary, sizes in self.values.items()}

    @property
    def failed(self) -> int:
        """Number of solves that failed."""
        return int(sum(np.sum(code != SUCCESS) for sizes in self.codes.values() for code in sizes))


class _Window(eqx.Module):
    """One window: a function of its voxels. The laws are arguments of the program."""

    law: Any
    boundary: str = eqx.field(static=True)
    element: str = eqx.field(static=True)
    tolerance: float | None = eqx.field(static=True)
    max_iterations: int = eqx.field(static=True)

    def __call__(self, voxels: Array) -> Solution:
        law = _law_of(self.law, voxels)
        s = homogenize(
            Grid(voxels.shape), law, self.boundary, self.element, self.tolerance, False,
            max_iterations=self.max_iterations,
        )  # fmt: skip
        return dataclasses.replace(s, value=s.value.effective)


@under_jax_defaults
def apparent_properties(
    image: Real[ArrayLike, "..."],
    law: Mapping[int, AbstractMaterial] | Callable[[Array], AbstractLaw],
    windows: Sequence[int] = (16, 24, 32),
    *,
    dim: int | None = None,
    number: int | None = None,
    boundaries: Sequence[str] = BOUNDARIES,
    properties: Callable[[np.ndarray], Mapping[str, float]] | None = None,
    element: str = "q1",
    tolerance: float | None = None,
    max_iterations: int = 2000,
    seed: int = 0,
    lanes: str = "auto",
    throw: bool = True,
    progress: Callable[[str, int, int, int, int], None] | None = None,
    needed: str | None = None,
) -> Solution:
    """Apparent properties of cubic windows that are cut out of an image, for several sizes and boundary conditions.

        uniform_traction  <=  periodic  <=  affine     for every window (in the sense of quadratic forms)

    Windows of a size are the tiles of the image, centred in it, that do not overlap. Each is homogenized on its own
    with `sweep`: one program for each size and boundary condition. Periodic conditions join faces of a window that do
    not fit; that is the usual choice, and it costs a bias.

    Args:
        image: (*batch, *space); the leading axes are realizations of one medium. Cubic voxels.
        law: label -> law for an image of integers, or a pure function of a window's voxels that returns a law, the same
            function object for each call.
        windows: edges in voxels.
        dim: number of space axes, the last ones; default all.
        number: at most so many windows of each size, chosen at random; default all.
        boundaries: names of boundary conditions, see `homogenize`. "uniform_traction" is left out, with words in
            `skipped`, where the image has voids: a void that meets a face leaves the window without stiffness.
        properties: tensor -> {name: number}, of one window; default `isotropic_properties`.
        element: as for `homogenize`.
        tolerance: as for `homogenize`; 1e-4 is enough where the scatter is 1 %.
        max_iterations: as for `homogenize`.
        seed: of numpy's default generator, for `number`.
        lanes: as for `sweep`.
        throw: raise if every window of a size and boundary condition has failed.
        progress: called with the boundary condition, the edge, and what `sweep` says: done, all, failed.
        needed: a boundary condition that must not be left out: an error, before any solve, where it would be.

    Returns:
        `Solution` with value `Apparent`. The code is the worst of any window; a window that failed is NaN.

    Raises:
        InputError: a bad argument; a window that does not fit in twice; no boundary condition that is left.
        SolverError: all windows of a size failed (throw=True).

    Source:
        Kanit et al. (2003), Int. J. Solids Struct. 40, 3647-3679; Huet (1990), J. Mech. Phys. Solids 38, 813-841.
    """
    if isinstance(image, Tracer):
        raise InputError("apparent_properties under jit or grad: call it outside, and homogenize inside")
    voxels, space = _image(image, dim)
    dim = len(space)
    edges = _edges(windows, len(voxels), space)
    if number is not None and not (_whole(number) and number >= 2):
        raise InputError(f"number={number!r}: give a whole number of windows, at least 2, or None for all")
    if properties is not None and not callable(properties):
        raise InputError(f"properties={properties!r}: give a function of a tensor that returns {{name: number}}")
    if not isinstance(law, Mapping) and not callable(law):
        raise InputError(f"law is a {type(law).__name__}: give {{label: law}}, or a function of a window's voxels")
    for label, one in law.items() if isinstance(law, Mapping) else ():
        if not isinstance(one, AbstractMaterial):
            raise InputError(f"law[{label!r}] is a {type(one).__name__}: give a law for each label")
    shape = (len(voxels) * space[0], *space[1:])
    whole = _law_of(law, jnp.asarray(voxels.reshape(shape)))
    if not isinstance(whole, AbstractLaw) or not whole.linear:
        raise InputError(f"law gives a {type(whole).__name__}: give linear laws, or a function that returns one")
    whole.check()
    chosen, skipped = usable_boundaries(boundaries, whole, shape)
    if needed in skipped:
        raise InputError(f"boundary={needed!r} is left out: {skipped[needed]} (choose 'periodic' or 'affine')")
    for boundary in chosen:
        space_named(element, boundary, whole.physics, dim)
    solver_settings(law_dtype(whole), tolerance, None, None, max_iterations)
    kept = [_chosen(len(voxels) * math.prod(n // w for n in space), w, number, seed) for w in edges]
    cut = {edge: tiles(voxels, edge)[index] for edge, index in zip(edges, kept, strict=True)}
    blocks = [_blocks(len(voxels), space, w, edges[-1])[index] for w, index in zip(edges, kept, strict=True)]
    held = jax.tree.map(jnp.asarray, dict(law)) if isinstance(law, Mapping) else law
    effective, codes, worst, iterations = {}, {}, SUCCESS, 0
    for boundary in chosen:
        problem = _Window(held, boundary, element, tolerance, int(max_iterations))
        effective[boundary], codes[boundary] = [], []
        for edge in edges:
            tell = None if progress is None else _told(progress, boundary, edge)
            s = sweep(problem, cut[edge], lanes=lanes, throw=False, progress=tell)
            code = np.asarray(s.result.code)
            worst, iterations = max(worst, int(code.max())), max(iterations, int(np.max(s.stats["iterations"])))
            effective[boundary].append(np.asarray(s.value))
            codes[boundary].append(code)
    names, values = _values(properties, effective, codes, whole.physics)
    value = Apparent(
        edges, values, effective, codes, blocks if len(np.unique(np.concatenate(blocks))) > 2 else None,
        voxels.size, dim, names, skipped,
    )  # fmt: skip
    solution = Solution(value, None, Result(jnp.asarray(worst)), {"iterations": iterations, "failed": value.failed})
    if throw:
        for boundary, sizes in codes.items():
            for edge, code in zip(edges, sizes, strict=True):
                if np.all(code != SUCCESS):
                    raise SolverError(
                        f"apparent_properties: all windows of {edge} voxels under {boundary!r} failed:"
                        f" {Result(jnp.asarray(code))}; or leave {boundary!r} out",
                        solution,
                    )
    return solution


def isotropic_properties(effective: Real[ArrayLike, "*batch n n"], physics: str) -> dict[str, np.ndarray]:
    """Properties of the isotropic tensor that is nearest to an effective one; host-side numpy.

    Conduction: "conductivity" = tr K / d. Elasticity: "bulk" = J :: C / d (2-D: the area modulus), "shear" =
    (I - J) :: C / (2 (n - 1)), J the projector on spherical tensors, and "young", "poisson" that belong to them (2-D:
    those of the in-plane compliance).

    Args:
        effective: (*batch, d, d), or in Mandel notation.
        physics: "elasticity" or "conduction".

    Returns:
        name -> (*batch).
    """
    x = np.asarray(effective, float)
    n = x.shape[-1]
    if physics == "conduction":
        return {"conductivity": np.trace(x, axis1=-2, axis2=-1) / n}
    dim = {1: 1, 3: 2, 6: 3}[n]
    bulk = np.sum(x[..., :dim, :dim], axis=(-2, -1)) / dim**2
    shear = (np.trace(x, axis1=-2, axis2=-1) - dim * bulk) / (2 * (n - 1))
    # The tensor is dim bulk J + 2 shear (I - J): tension along one axis.
    with np.errstate(invalid="ignore", divide="ignore"):
        compliance = 1 / (dim**2 * bulk) + (dim - 1) / (2 * dim * shear)
        lateral = 1 / (dim**2 * bulk) - 1 / (2 * dim * shear)
        return {"bulk": bulk, "shear": shear, "young": 1 / compliance, "poisson": -lateral / compliance}


def _law_of(law: Any, voxels: Any) -> Any:
    return PhaseMixture(voxels, law) if isinstance(law, Mapping) else law(voxels)


def _values(properties: Callable | None, effective: dict, codes: dict, physics: str) -> tuple[tuple[str, ...], dict]:
    """Names of the properties, and their values (windows, properties) where the solve did not fail."""
    values, done = {}, {}
    for b in codes:
        sound = [x[code == SUCCESS] for x, code in zip(effective[b], codes[b], strict=True)]
        done[b] = [_scalars(properties, x, physics) for x in sound]
    names = next((tuple(one) for sizes in done.values() for one in sizes if one), ())
    for b, sizes in done.items():
        values[b] = []
        for one, code in zip(sizes, codes[b], strict=True):
            table = np.full((len(code), len(names)), np.nan)
            if one:
                table[code == SUCCESS] = np.stack([one[name] for name in names], axis=1)
            values[b].append(table)
    return names, values


def _scalars(properties: Callable | None, tensors: np.ndarray, physics: str) -> dict[str, np.ndarray]:
    """Properties of tensors, name -> (windows,); nothing of none."""
    if not len(tensors):
        return {}
    if properties is None:
        return isotropic_properties(tensors, physics)
    found = [properties(x) for x in tensors]
    for one in found:
        if not isinstance(one, Mapping) or one.keys() != found[0].keys() or not one or any(map(np.ndim, one.values())):
            raise InputError("properties= returns something else than {name: number} for a tensor: return that")
    return {key: np.array([float(one[key]) for one in found]) for key in found[0]}


def usable_boundaries(names: Any, law: AbstractLaw, shape: tuple[int, ...]) -> tuple[list[str], dict[str, str]]:
    """Boundary conditions that are computed, and why others are not."""
    if isinstance(names, str) or not isinstance(names, Sequence) or not names:
        raise InputError(f"boundaries={names!r}: give a list of names, such as {BOUNDARIES}")
    unknown = [x for x in names if not isinstance(x, str)]
    if unknown or len(set(names)) < len(names):
        raise InputError(f"boundaries={tuple(names)!r}: give each name once")
    skipped = {}
    if "uniform_traction" in names:
        response = law.response(shape, law_dtype(law))
        if not float(jnp.trace(response_bounds(response, len(shape)).reuss)) > 0:
            skipped["uniform_traction"] = (
                "the image has voxels without stiffness or conductivity: a window that they cut at a face has none"
                " under uniform traction"
            )
    chosen = [x for x in names if x not in skipped]
    if not chosen:
        raise InputError(f"boundaries={tuple(names)!r} leave nothing: {skipped['uniform_traction']}; add 'affine'")
    return chosen, skipped


def _image(image: Any, dim: int | None) -> tuple[np.ndarray, tuple[int, ...]]:
    """The image as (realizations, *space), and its space."""
    try:
        x = np.asarray(image)
    except ValueError:
        raise InputError(f"image is a {type(image).__name__} of rows that differ: give an array of labels") from None
    if not (np.issubdtype(x.dtype, np.number) or x.dtype == bool):
        raise InputError(f"image is of type {x.dtype}: give an array of labels or grey values")
    x = x.astype(np.int8) if x.dtype == bool else x
    dim = x.ndim if dim is None else dim
    if isinstance(dim, bool) or dim not in (2, 3) or x.ndim < dim or not x.size:
        raise InputError(f"dim={dim!r} and an image of shape {x.shape}: give 2 or 3 axes of space, the last ones")
    if not np.all(np.isfinite(x)):
        raise InputError("the image has values that are not finite: replace them")
    space = x.shape[x.ndim - dim :]
    return x.reshape(-1, *space), space


def _edges(windows: Any, count: int, space: tuple[int, ...]) -> tuple[int, ...]:
    """Edges, ascending; every size fits at least twice."""
    listed = [windows] if _whole(windows) else list(windows) if isinstance(windows, Sequence | np.ndarray) else []
    if not listed or not all(_whole(w) and w >= 2 for w in listed) or len(set(listed)) < len(listed):
        raise InputError(f"windows={windows!r}: give edges in voxels, whole numbers of at least 2, each once")
    for w in listed:
        fit = count * math.prod(n // w for n in space)
        if fit < 2:
            raise InputError(
                f"windows of {w} voxels: {fit} fits into {count} image(s) of {space} voxels and two are the least:"
                " give smaller windows or more realizations"
            )
    return tuple(sorted(int(w) for w in listed))


def _whole(x: Any) -> bool:
    return isinstance(x, int | np.integer) and not isinstance(x, bool)


def tiles(voxels: np.ndarray, edge: int) -> np.ndarray:
    """Tiles (windows, *edges) of images (realizations, *space), centred in each, one realization after another."""
    dim = voxels.ndim - 1
    x = voxels
    for k in range(1, 2 * dim, 2):
        fit = x.shape[k] // edge
        start = (x.shape[k] - fit * edge) // 2
        x = np.take(x, range(start, start + fit * edge), axis=k)
        x = x.reshape(*x.shape[:k], fit, edge, *x.shape[k + 1 :])
    return np.moveaxis(x, range(2, 2 * dim + 1, 2), range(dim + 1, 2 * dim + 1)).reshape(-1, *(edge,) * dim)


def _chosen(count: int, edge: int, number: int | None, seed: int) -> np.ndarray:
    """Which of the windows are taken: all, or a random choice."""
    if number is None or number >= count:
        return np.arange(count)
    return np.sort(np.random.default_rng([seed, edge]).choice(count, number, replace=False))


def _blocks(count: int, space: tuple[int, ...], edge: int, largest: int) -> np.ndarray:
    """Block of each tile, in the order of `tiles`: as many blocks along an axis as the largest windows fit."""
    block = np.arange(count)
    for n in space:
        fit, blocks = n // edge, n // largest
        block = (block[:, None] * blocks + np.arange(fit) * blocks // fit).ravel()
    return block


def _told(progress: Callable, boundary: str, edge: int) -> Callable[[int, int, int], None]:
    return lambda done, count, failed: progress(boundary, edge, done, count, failed)
