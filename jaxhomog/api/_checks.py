"""What the verbs check at the door, eagerly and in one place."""

from __future__ import annotations

import difflib

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ..fields import BOUNDARIES, ELEMENTS, Q1E, Q1EFLOW, Q1FBAR, Boundary, Grid, ModalElement, Space
from ..materials import AbstractLaw, AbstractMaterial
from ..results import InputError
from ..rve import DEFAULT_TOLERANCE, Settings

# Below these, rounding of the dtype keeps any solver from the promise.
_REACHABLE = {"float64": 1e-14, "float32": 1e-6}
_DEFAULT = DEFAULT_TOLERANCE


def law_dtype(law: AbstractMaterial):
    """Common floating dtype of a law's parameters (labels do not count)."""
    leaves = [x for x in jax.tree.leaves(law) if jnp.issubdtype(jnp.result_type(x), jnp.floating)]
    # Arrays made while jax_enable_x64 was on keep their 64 bits; JAX now computes with 32, and would warn each time.
    canonical = [jax.dtypes.canonicalize_dtype(jnp.result_type(x)) for x in leaves]
    kept = [x if getattr(x, "dtype", d) == d else d for x, d in zip(leaves, canonical, strict=True)]
    # A law may hold no number at all.
    dtype = jnp.result_type(*kept) if kept else jnp.dtype(jnp.result_type(float))
    if str(dtype) not in _DEFAULT:
        raise InputError(f"the law's parameters are {dtype}: give float32 or float64")
    return dtype


def solver_settings(dtype, tolerance, field_tolerance, residual_tolerance, max_iterations, devices=1) -> Settings:
    """Tolerances with their defaults, refused where the dtype cannot reach them."""
    name = str(dtype)
    given = {"tolerance": tolerance, "field_tolerance": field_tolerance, "residual_tolerance": residual_tolerance}
    for key, value in given.items():
        if value is None:
            continue
        if not 0 < float(value) < 1:
            raise InputError(f"{key}={value}: give a relative tolerance between 0 and 1")
        if float(value) < _REACHABLE[name]:
            remedy = "ask for more, or use float64 (jax_enable_x64)" if name == "float32" else "ask for more"
            raise InputError(f"{key}={value} is out of reach in {name} (at least {_REACHABLE[name]:g}): {remedy}")
    if int(max_iterations) < 1:
        raise InputError(f"max_iterations={max_iterations}: give at least 1")
    if tolerance is None and residual_tolerance is None:
        tolerance = _DEFAULT[name]
    if tolerance is not None:
        # Who asks for a tight tensor wants its derivatives too, and these are as accurate as the fields. At 1e-6 this
        # adds nothing; at 1e-12 fields are right to 1e-8.
        implied = 100 * float(tolerance) ** (5 / 6)
        field_tolerance = implied if field_tolerance is None else min(float(field_tolerance), implied)
    as_float = lambda x: None if x is None else float(x)  # noqa: E731
    tolerances = (as_float(tolerance), as_float(field_tolerance), as_float(residual_tolerance))
    return Settings(*tolerances, int(max_iterations), _devices(devices))


def _devices(number) -> int:
    if int(number) < 1:
        raise InputError(f"devices={number}: give at least 1")
    # One device needs no look at how many there are, which would start a backend.
    if int(number) > 1 and int(number) > jax.device_count():
        raise InputError(
            f"devices={number}, but JAX has {jax.device_count()}: give fewer, or on a CPU set jax_num_cpu_devices first"
        )
    return int(number)


def element_named(name: str, physics: str):
    """The discretization of that name, if it can carry the physics."""
    if name not in ELEMENTS:
        near = difflib.get_close_matches(str(name), ELEMENTS, 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise InputError(f"element={name!r} is unknown{hint}: choose from {', '.join(sorted(ELEMENTS))}")
    if name == "fv" and physics != "conduction":
        raise InputError("element='fv' is for conduction only: use 'q1' for elasticity")
    if name == "q1bar" and physics == "finite_strain":
        return Q1FBAR
    if name == "q1e" and physics != "elasticity":
        other = "'q1bar' for finite strain" if physics == "finite_strain" else "'q1' for conduction"
        raise InputError(f"element='q1e' assumes small strains: use {other}")
    if name == "q1bar" and physics != "elasticity":
        raise InputError("element='q1bar' averages the dilatation, which conduction has none of: use 'q1'")
    return ELEMENTS[name]


def space_named(element: str, boundary, physics: str, dim: int, flows: bool = False) -> Space:
    """The fluctuations of an element under a boundary condition, if the combination makes sense.

    `flows`: whether the law flows at constant volume.
    """
    chosen = element_named(element, physics)
    if flows and chosen is Q1E:
        chosen = Q1EFLOW
    if not isinstance(boundary, (str, tuple, list)):
        raise InputError(f"boundary={boundary!r}: give one of {', '.join(BOUNDARIES)}, or one name per axis")
    names = (boundary,) * dim if isinstance(boundary, str) else tuple(boundary)
    if len(names) != dim:
        raise InputError(f"boundary={boundary!r} names {len(names)} axes of {dim}: give one name, or one per axis")
    for name in names:
        if name not in BOUNDARIES:
            near = difflib.get_close_matches(str(name), BOUNDARIES, 1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise InputError(f"boundary={name!r} is unknown{hint}: choose from {', '.join(BOUNDARIES)}")
        if name == "uniform_mixed" and physics == "conduction":
            raise InputError(
                "boundary='uniform_mixed' tells normal from tangential displacements: for conduction give "
                "'affine' or 'uniform_traction' per axis"
            )
        if name == "pmubc" and physics == "finite_strain":
            raise InputError(
                "boundary='pmubc' superposes even and odd loads, which finite strain does not: give 'uniform_mixed'"
            )
        if name != "periodic" and not isinstance(chosen, ModalElement):
            raise InputError(f"element={element!r} is periodic only: use 'q1' or 'q1r' with boundary={name!r}")
    return Space(chosen, Boundary(names, physics))


def check_superposed(space: Space, verb: str) -> None:
    """Refuse a mirrored window where loads of unlike parity cannot be superposed."""
    if space.boundary.mirrors:
        raise InputError(
            f"boundary='pmubc' superposes even and odd loads, which {verb} cannot: give 'uniform_mixed' (the same for"
            " normal strains), or mirror the image along all axes and take 'periodic'"
        )


def check_two_sided(space: Space) -> None:
    """Whether guaranteed bounds of the voxel medium exist for this problem."""
    if not space.element.conforming:
        raise InputError(f"bounds=True with element={space.name!r}: its tensor is no upper bound; use element='q1'")
    if not space.boundary.periodic:
        raise InputError(f"bounds=True with boundary={space.boundary.names!r}: it bounds the periodic medium only")


def check_problem(grid: Grid, law: AbstractLaw) -> None:
    """Everything that can be said before tracing; traced values are left to the result code."""
    if not isinstance(law, AbstractLaw):
        laws = "LinearElastic, LinearConduction, PhaseMixture or CompositeVoxels"
        if isinstance(law, AbstractMaterial):
            raise InputError(f"a {type(law).__name__} is not linear: use drive(grid, law, path)")
        raise InputError(f"law is a {type(law).__name__}: give {laws}")
    if not law.linear:
        names = sorted({type(part).__name__ for part in getattr(law, "laws", ()) if not _linear(part)})
        raise InputError(f"the law is not linear ({', '.join(names)}): use drive(grid, law, path)")
    check_grid(grid)
    law.check()


def _linear(law) -> bool:
    return isinstance(law, AbstractLaw) and law.linear


def check_grid(grid: Grid) -> None:
    """Lengths that can be looked at must be those of a box."""
    if not isinstance(grid, Grid):
        raise InputError(f"grid is a {type(grid).__name__}: give Grid(shape, lengths)")
    if not isinstance(grid.lengths, Tracer):
        lengths = np.asarray(grid.lengths)
        if not (np.isfinite(lengths) & (lengths > 0)).all():
            raise InputError(f"Grid.lengths {tuple(lengths.tolist())}: every length must be finite and positive")
