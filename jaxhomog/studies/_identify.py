"""Which combinations of parameters the data can see: Fisher information, in numbers and in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from ..results import InputError
from ._experiment import Experiment
from ._transform import names_of

# A direction with less than this share of the largest information is not seen: rounding of the Jacobian.
UNSEEN = 1e-10


class Identifiability(eqx.Module):
    """Fisher information J^T J of the parameters, J = d residuals / d parameters in units of the noise.

    Args:
        fisher: (p, p).
        eigenvalues: descending (p,): one over the variance along each direction.
        directions: eigenvectors, (p, p), row by row.
        seen: which directions the data see at all (p,).
        names: of the parameters.
        parameters: values at which it was computed (p,).
    """

    fisher: Float[Array, "p p"]
    eigenvalues: Float[Array, " p"]
    directions: Float[Array, "p p"]
    seen: Array
    parameters: Float[Array, " p"]
    names: tuple[str, ...] = eqx.field(static=True)

    @property
    def identified(self) -> bool:
        """Whether the data see every direction."""
        return bool(np.all(np.asarray(self.seen)))

    def covariance(self) -> Float[Array, "p p"]:
        """Inverse of the information; infinite variance for parameters that an unseen direction moves."""
        return _covariance(self.fisher, self.eigenvalues, self.directions, self.seen)

    @property
    def words(self) -> str:
        """What the data see, one line per direction (needs concrete values)."""
        lines = []
        x = np.asarray(self.parameters, float)
        for value, v, seen in zip(self.eigenvalues, self.directions, self.seen, strict=True):
            v = np.asarray(v, float)
            weights = v / np.abs(v).sum()
            text = combination(weights, self.names)
            if not seen:
                lines.append(f"the data do not see {text}")
                continue
            deviation = np.abs(weights).max() / np.abs(v).max() / np.sqrt(float(value))
            size = np.abs(weights * x).sum()
            verb = "see" if deviation < size else "hardly see"
            lines.append(f"the data {verb} {text} = {weights @ x:.6g} +- {deviation:.2g}")
        if not self.identified:
            lines.append(f"not identified: {', '.join(self._blamed(x))}; add data of another kind, a prior, or fix one")
        return "\n".join(lines)

    def _blamed(self, x) -> list[str]:
        """Parameters that an unseen direction moves by a hundredth of what it moves most, relative to their size."""
        moved = np.abs(np.asarray(self.directions)) / np.where(x == 0, 1, np.abs(x))
        share = np.where(np.asarray(self.seen)[:, None], 0, moved / moved.max(axis=1, keepdims=True))
        return [name for name, part in zip(self.names, share.max(axis=0), strict=True) if part > 0.01]

    def __str__(self) -> str:
        return self.words


def identifiability(experiments: Experiment | Sequence[Experiment], parameters: Any) -> Identifiability:
    """Fisher information of parameters that these experiments would determine; the data themselves do not enter.

        F = J^T J,   J = d (model / noise) / d parameters

    Its eigenvectors are the combinations that the data see, its eigenvalues one over their variance. Parameters of
    different units: their eigenvectors depend on the units; fit logarithms to compare relative changes.

    Args:
        experiments: one or several `Experiment`s with a known noise; their data may be anything of the right shape.
        parameters: a pytree of floating-point numbers, where the question is asked.

    Returns:
        `Identifiability`; `print` it for the words.

    Raises:
        InputError: an experiment without noise.

    Source:
        Kay (1993), Fundamentals of Statistical Signal Processing I, chapter 3; Walter & Pronzato (1997),
        Identification of Parametric Models, chapter 5.
    """
    experiments = as_experiments(experiments)
    for e in experiments:
        if e.noise is None:
            raise InputError(f"experiment {e.name!r} has no noise: give its standard deviation")
    x, unravel = ravel_pytree(jax.tree.map(jnp.asarray, parameters))
    slopes = _slopes(experiments, x, unravel)
    return information(slopes.T @ slopes, x, tuple(names_of(parameters)))


@eqx.filter_jit
def _slopes(experiments, x, unravel):
    all_residuals = lambda v: jnp.concatenate([e.residuals(unravel(v)) for e in experiments])  # noqa: E731
    return jax.jacfwd(all_residuals)(x)


def information(fisher, x, names) -> Identifiability:
    """Eigenvalues and directions of an information matrix."""
    values, vectors = jnp.linalg.eigh(0.5 * (fisher + fisher.T))
    values, vectors = jnp.maximum(values[::-1], 0), vectors[:, ::-1].T
    # The largest component of a direction counts as positive.
    lead = jnp.take_along_axis(vectors, jnp.argmax(jnp.abs(vectors), axis=1)[:, None], axis=1)
    seen = values > UNSEEN * values[0]
    return Identifiability(fisher, values, vectors * jnp.where(lead < 0, -1, 1), seen, x, names)


def _covariance(fisher, values, directions, seen):
    inverse = jnp.where(seen, 1 / jnp.where(seen, values, 1), 0)
    out = directions.T @ (inverse[:, None] * directions)
    blind = jnp.sum(jnp.where(seen[:, None], 0, directions**2), axis=0) > 1e-8
    return out + jnp.diag(jnp.where(blind, jnp.inf, 0))


def combination(weights, names) -> str:
    """0.7 k1 + 0.3 k2: the terms that matter, the largest first."""
    order = np.argsort(-np.abs(weights))
    terms = [k for k in order if abs(weights[k]) >= 5e-3]
    out = f"{_number(weights[terms[0]])} {names[terms[0]]}"
    for k in terms[1:]:
        out += f" {'+' if weights[k] > 0 else '-'} {_number(abs(weights[k]))} {names[k]}"
    return out


def _number(x) -> str:
    return f"{x:.2g}"


def as_experiments(experiments) -> tuple[Experiment, ...]:
    """A tuple of experiments.

    Raises:
        InputError: anything else.
    """
    if isinstance(experiments, Experiment):
        return (experiments,)
    given = tuple(experiments)
    for e in given:
        if not isinstance(e, Experiment):
            raise InputError(f"an experiment is a {type(e).__name__}: give Experiment(model, data, noise)")
    if not given:
        raise InputError("there are no experiments: give Experiment(model, data, noise)")
    return given
