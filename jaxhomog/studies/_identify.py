"""Which combinations of parameters the data can see: Fisher information, in numbers and in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from ..results import InputError, under_jax_defaults
from ._experiment import Experiment
from ._spectrum import smallest, spectrum
from ._transform import limits_of, names_of

# Parameters that differ by more than this factor are compared in shares of their values.
_ALIKE = 1e3


class Identifiability(eqx.Module):
    """Fisher information J^T J of the parameters, J = d residuals / d parameters in units of the noise.

    Args:
        fisher: F (p, p).
        covariance: its inverse (p, p); infinite variance for parameters that an unseen direction moves.
        eigenvalues: of S F S, descending (p,): one over the variance along each direction.
        directions: its eigenvectors, (p, p), row by row.
        seen: which directions the data see at all (p,): the others change nothing, by cancellation.
        held: parameters that lie at a bound and are not asked for (p,).
        scale: S (p,): ones or, where the parameters differ by more than a factor of 1000, their sizes; directions are
            then relative changes.
        parameters: values at which it was computed (p,).
        names: of the parameters.
    """

    fisher: Float[Array, "p p"]
    covariance: Float[Array, "p p"]
    eigenvalues: Float[Array, " p"]
    directions: Float[Array, "p p"]
    seen: Array
    held: Array
    scale: Float[Array, " p"]
    parameters: Float[Array, " p"]
    names: tuple[str, ...] = eqx.field(static=True)

    @property
    def identified(self) -> bool:
        """Whether the data see every parameter (needs concrete values)."""
        return not self.blind

    @property
    def blind(self) -> list[str]:
        """Names of the parameters that the data do not determine (needs concrete values)."""
        lost = np.isinf(np.diagonal(np.asarray(self.covariance)))
        return [name for name, bad in zip(self.names, lost, strict=True) if bad]

    @property
    def words(self) -> str:
        """What the data see, one line per direction (needs concrete values)."""
        x, scale = np.asarray(self.parameters, float), np.asarray(self.scale, float)
        relative = bool(np.any(scale != 1))
        names = [f"d{name}/{name}" for name in self.names] if relative else list(self.names)
        lines = []
        for value, v, seen in zip(np.asarray(self.eigenvalues), np.asarray(self.directions), self.seen, strict=True):
            if bool(self.held[int(np.argmax(np.abs(v)))]):
                continue
            weights = v / np.abs(v).sum()
            terms = _terms(weights)
            text = _combination(weights, names, terms)
            if not seen:
                lines.append(f"the data do not see {text}")
                continue
            deviation = 1 / np.sqrt(float(value)) / np.abs(v).sum()
            size = 1.0 if relative else np.abs(weights[terms] * x[terms]).sum()
            number = "" if relative else f" = {weights[terms] @ x[terms]:.6g}"
            verb = "see" if deviation < size else "hardly see"
            lines.append(f"the data {verb} {text}{number} +- {deviation:.2g}")
        if self.blind:
            lines.append(f"not identified: {', '.join(self.blind)}; add data of another kind, a prior, or fix one")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.words


@under_jax_defaults
def identifiability(experiments: Experiment | Sequence[Experiment], parameters: Any) -> Identifiability:
    """Fisher information of parameters that these experiments would determine; values of the data do not enter.

        F = J^T J,   J = d (model / noise) / d parameters

    Its eigenvectors are the combinations that the data see, its eigenvalues one over their variance.

    Args:
        experiments: one or several `Experiment`s with a known noise; their data may be anything of the right shape (NaN
            where nothing will be measured).
        parameters: a pytree of floating-point numbers, where the question is asked.

    Returns:
        `Identifiability`; `print` it for the words.

    Raises:
        InputError: an experiment without noise, or a prediction that fails (eager calls).

    Source:
        Kay (1993), Fundamentals of Statistical Signal Processing I, chapter 3; Walter & Pronzato (1997),
        Identification of Parametric Models, chapter 5.
    """
    experiments = as_experiments(experiments)
    for e in experiments:
        if e.noise is None:
            raise InputError(f"experiment {e.name!r} has no noise: give its standard deviation")
    limits, unravel = limits_of(parameters, None)
    slopes, failed = _slopes(experiments, limits.start, unravel)
    if not isinstance(failed, Tracer) and bool(failed):
        raise InputError("a prediction fails at these parameters: ask elsewhere, or look at it with a verb")
    x = limits.start
    return information(slopes, x, tuple(names_of(parameters)), jnp.zeros(x.shape, bool))


@eqx.filter_jit
def _slopes(experiments, x, unravel):
    measured = tuple(jnp.isfinite(e.data) for e in experiments)

    def residuals(v):
        parameters = unravel(v)
        return jnp.concatenate([e.residuals(parameters, c) for e, c in zip(experiments, measured, strict=True)])

    slopes = jax.jacfwd(residuals)(x)
    return slopes, ~jnp.all(jnp.isfinite(slopes))


def information(slopes: Float[Array, "m p"], x: Float[Array, " p"], names: tuple[str, ...], held) -> Identifiability:
    """From the Jacobian of the residuals by the parameters; its columns of those at a bound are zero."""
    found = spectrum(slopes)
    inverse, blind = found.inverse()
    sizes = jnp.abs(x)
    ratio = jnp.max(sizes) / jnp.min(jnp.where(sizes > 0, sizes, jnp.inf))
    scale = jnp.where(ratio > _ALIKE, jnp.where(sizes > 0, sizes, 1), jnp.ones_like(sizes))
    scaled = slopes * scale
    # As many rows as columns at least: a direction for every parameter.
    scaled = jnp.concatenate([scaled, jnp.zeros((max(0, x.size - slopes.shape[0]), x.size), slopes.dtype)])
    _, values, vectors = jnp.linalg.svd(scaled, full_matrices=False)
    # The length that the columns would add up to if nothing cancelled.
    whole = jnp.sqrt(vectors**2 @ jnp.sum(scaled**2, axis=0))
    # The largest component of a direction counts as positive.
    lead = jnp.take_along_axis(vectors, jnp.argmax(jnp.abs(vectors), axis=1)[:, None], axis=1)
    return Identifiability(
        fisher=slopes.T @ slopes,
        covariance=inverse + jnp.diag(jnp.where(blind, jnp.inf, 0)),
        eigenvalues=values**2,
        directions=vectors * jnp.where(lead < 0, -1, 1),
        seen=values > smallest(slopes.dtype) * whole,
        held=held,
        scale=scale,
        parameters=x,
        names=names,
    )


def _terms(weights) -> np.ndarray:
    """The terms that matter, the largest first."""
    order = np.argsort(-np.abs(weights), kind="stable")
    return order[np.abs(weights[order]) >= min(5e-3, np.abs(weights).max())][:12]


def _combination(weights, names, terms) -> str:
    """0.7 k1 + 0.3 k2."""
    out = f"{weights[terms[0]]:.2g} {names[terms[0]]}"
    for k in terms[1:]:
        out += f" {'+' if weights[k] > 0 else '-'} {abs(weights[k]):.2g} {names[k]}"
    return out + (" + ..." if len(terms) == 12 < len(weights) else "")


def as_experiments(experiments) -> tuple[Experiment, ...]:
    """A tuple of experiments.

    Raises:
        InputError: anything else.
    """
    if isinstance(experiments, Experiment):
        return (experiments,)
    if not isinstance(experiments, list | tuple) or not experiments:
        raise InputError("there are no experiments: give one or a list of Experiment(model, data, noise)")
    for e in experiments:
        if not isinstance(e, Experiment):
            raise InputError(f"an experiment is a {type(e).__name__}: give Experiment(model, data, noise)")
    return tuple(experiments)
