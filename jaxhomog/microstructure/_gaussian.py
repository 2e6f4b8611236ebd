"""Periodic Gaussian random fields with a given correlation length, and two-phase media cut from them at a level."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from statistics import NormalDist

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int

from ..results import InputError
from ._arguments import number as real
from ._arguments import voxels, whole


def gaussian_field(
    shape: Sequence[int], length: float | Sequence[float], *, number: int | None = None, seed: int | Array = 0
) -> Float[Array | np.ndarray, "..."]:
    """Periodic stationary Gaussian fields of mean 0 and variance 1.

        <g(x) g(x + r)> = rho(r),    rho(r) = exp(-|r|^2 / 2 l^2)

    White noise is filtered with the root of the spectrum of rho. In a box rho is the sum over its periodic images,
    scaled to rho(0) = 1: from edges of 8 l on it differs from the above by less than 1e-3 (half an edge away, 2 e^-8).

    Args:
        shape: voxels along each axis.
        length: l in voxels, or one for each axis.
        number: how many realizations, on a leading axis; None: one, without that axis.
        seed: of numpy's default generator, or a key of `jax.random`.

    Returns:
        (number, *shape) or (*shape). float64 from a seed, JAX's default dtype from a key.

    Fails with:
        InputError: a bad shape, a length that is not positive, a negative number.

    Source:
        Circulant embedding on the torus: Dietrich & Newsam (1997), SIAM J. Sci. Comput. 18, 1088-1107.
    """
    shape = voxels(shape)
    try:
        lengths = np.asarray(length, float)
    except (TypeError, ValueError):
        lengths = np.full((), np.nan)
    if lengths.shape not in ((), (len(shape),)) or not np.all((lengths > 0) & np.isfinite(lengths)):
        raise InputError(f"length={length}: give a positive number of voxels, or one for each of {len(shape)} axes")
    number = None if number is None else whole(number, "number", 0)
    if not _is_key(seed):
        seed = whole(seed, "seed", 0)
    root = 1.0
    for k, (n, l) in enumerate(zip(shape, np.broadcast_to(lengths, len(shape)), strict=True)):
        row = _root_spectrum(n, float(l))[: n // 2 + 1 if k == len(shape) - 1 else n]
        root = root * row.reshape((-1,) + (1,) * (len(shape) - 1 - k))
    full = (() if number is None else (number,)) + shape
    axes = tuple(range(-len(shape), 0))
    if isinstance(seed, int):
        # One realization after the other: white noise and spectrum of an ensemble need not be kept at once.
        rng, out = np.random.default_rng(seed), np.empty((prod(full) // prod(shape), *shape))
        for field in out:
            field[...] = np.fft.irfftn(np.fft.rfftn(rng.normal(size=shape)) * root, s=shape, axes=axes)
        return out.reshape(full)
    noise = jax.random.normal(seed, full)
    spectrum = jnp.fft.rfftn(noise, axes=axes) * jnp.asarray(root, noise.dtype)
    return jnp.fft.irfftn(spectrum, s=shape, axes=axes).astype(noise.dtype)


def thresholded(field: Float[Array | np.ndarray, "..."], fraction: float) -> Int[Array, "..."] | Int[np.ndarray, "..."]:
    """Two phases from a Gaussian field: 1 where it exceeds the level that it exceeds with probability `fraction`.

        g > t,   1 - Phi(t) = fraction;    fraction = 1/2:   S2(r) = 1/4 + arcsin(rho(r)) / (2 pi)

    The fraction is the expected one: that of an image scatters about it with variance f (1 - f) A / V, where A is the
    integral range and V the volume. A level taken from the image's own median would hide this scatter.

    Args:
        field: of mean 0 and variance 1 (`gaussian_field`), any shape; NaN has no phase and is refused (not under jit).
        fraction: expected volume fraction of label 1, in (0, 1).

    Returns:
        Labels 0 and 1 of the field's shape, int32.

    Fails with:
        InputError: a fraction outside (0, 1), or a field that is no array of numbers or holds NaN.

    Source:
        Torquato (2002), Random Heterogeneous Materials; arcsine law: Rice (1945), Bell Syst. Tech. J. 24,
        46-156.
    """
    level = NormalDist().inv_cdf(1 - real(fraction, "fraction", 0, 1))
    field = field if isinstance(field, jax.Array) else np.asarray(field)
    if not jnp.issubdtype(field.dtype, jnp.floating):
        raise InputError(f"field has dtype {field.dtype}: give a field of real numbers, as gaussian_field returns them")
    if not isinstance(field, Tracer) and bool((field != field).any()):
        raise InputError("field holds NaN, which is in neither phase: give finite numbers")
    return (field > level).astype(np.int32)


def _is_key(seed) -> bool:
    """A key of `jax.random`, of the new or the old kind."""
    return isinstance(seed, jax.Array) and (
        jnp.issubdtype(seed.dtype, jax.dtypes.prng_key) or (seed.dtype == jnp.uint32 and seed.ndim > 0)
    )


def _root_spectrum(n: int, length: float) -> Float[np.ndarray, " n"]:
    """Root of the spectrum of exp(-r^2 / 2 l^2) on n periodic voxels, scaled so that the variance is 1."""
    # From here on the field is uniform in the box to 1e-34: longer lengths would only ask for more images.
    length = min(length, 2.0 * n)
    images = np.arange(-int(np.ceil(9 * length / n)) - 1, int(np.ceil(9 * length / n)) + 2)
    correlation = np.exp(-0.5 * ((np.arange(n) + n * images[:, None]) / length) ** 2).sum(axis=0)
    # A sum of Gaussians has a positive spectrum; what rounding leaves below zero is cut off.
    return np.sqrt(np.maximum(np.fft.fft(correlation / correlation[0]).real, 0))
