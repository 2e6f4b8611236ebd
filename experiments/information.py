"""Claims: relative-entropy fits reach exact coarse models; informations are exact or estimated within 0.03 nat.

    python experiments/information.py

Prints every number beside its target: decimation of the Ising chain, a harmonic chain without every second atom, mutual
informations of spins and of a Gaussian channel (2000 samples, ten seeds), the data-processing inequality, and what an
average keeps of a window of a random telegraph.
"""

from __future__ import annotations

import itertools

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from jaxhomog.dynamics import (  # noqa: E402
    chain_window_information,
    cross_entropy,
    data_processing,
    gaussian_mutual_information,
    gaussian_relative_entropy,
    mutual_information,
    neighbour_information,
    relative_entropy_fit,
    through_channel,
    variational_information,
)


def row(name: str, value: float, target: str) -> None:
    print(f"{name:62s} {value: .10f}   target {target}", flush=True)


def ring(s, coupling):
    return -coupling * jnp.sum(s * jnp.roll(s, 1))


def ising(k: float = 0.7) -> None:
    fine = np.asarray(list(itertools.product([-1.0, 1.0], repeat=8)))
    coarse = np.asarray(list(itertools.product([-1.0, 1.0], repeat=4)))
    weights = np.exp(k * np.sum(fine * np.roll(fine, 1, axis=1), axis=1))
    found = relative_entropy_fit(ring, 0.1, fine[:, ::2], coarse, fine_weights=weights)
    row("Ising, every second spin: K'", float(found.parameters), f"{0.5 * np.log(np.cosh(2 * k)):.10f}")
    u = np.tanh(k)
    near, far = (mutual_information(np.asarray([[1 + c, 1 - c], [1 - c, 1 + c]]) / 4) for c in (u, u * u))
    row("Ising, information of neighbours", float(near), "0.1957872")
    row("Ising, information of next neighbours", float(far), "0.0682762")
    pair = np.asarray([[1 + u, 1 - u], [1 - u, 1 + u]]) / 4
    report = data_processing(near, mutual_information(through_channel(pair, 2 * pair)))
    print(f"data processing: {report.reason}; lost {float(report.lost):.7f} nat")


def harmonic(k: float = 3.0, kt: float = 0.4) -> None:
    x, w = np.polynomial.hermite_e.hermegauss(40)
    scale = np.sqrt(2 * kt / k)
    nodes = np.linspace(-14 * scale, 14 * scale, 701)
    spring = lambda bond, p: 0.5 * p * bond**2  # noqa: E731
    found = relative_entropy_fit(spring, 1.0, scale * x, nodes, kt, fine_weights=w)
    row("harmonic chain, every second atom: spring", float(found.parameters), f"k/2 = {k / 2}")
    at = lambda p: cross_entropy(spring, p, scale * x, nodes, kt, fine_weights=w)  # noqa: E731
    for r in (0.5, 3.0):
        lost, target = float(at(r * k / 2) - at(k / 2)), 0.5 * (r - 1 - np.log(r))
        row(f"harmonic chain, r = {r}: S_rel per bond", lost, f"{target:.10f}")
        exact = float(gaussian_relative_entropy([0.0], [[scale**2]], [0.0], [[2 * kt / (r * k)]]))
        row(f"harmonic chain, r = {r}: from the covariances", exact, f"{target:.10f}")


def channel(rho: float = 0.8) -> None:
    covariance = np.asarray([[1, rho], [rho, 1]])
    exact = float(gaussian_mutual_information(covariance, [0]))
    row("Gaussian channel, from the covariance", exact, f"{-0.5 * np.log(1 - rho**2):.10f}")
    errors = []
    for seed in range(10):
        x = np.random.default_rng(seed).multivariate_normal([0, 0], covariance, 2000)
        errors.append(float(neighbour_information(x[:, 0], x[:, 1])) - exact)
    row("nearest neighbours, 2000 samples: error, seed 0", errors[0], "0.03")
    row("nearest neighbours: mean error of ten seeds", float(np.mean(errors)), "0")
    row("nearest neighbours: standard deviation", float(np.std(errors)), "0.02 or so, by the samples alone")
    x = np.random.default_rng(0).multivariate_normal([0, 0], covariance, 2000)
    found = variational_information(jax.random.key(0), x[:, 0], x[:, 1], width=16, steps=300, rate=1e-2)
    row("variational bound: error, seed 0", float(found.bound) - exact, f"standard error {float(found.error):.3f}")


def windows() -> None:
    for n in (1, 2, 4, 8, 16, 32, 64):
        found = chain_window_information(0.5, np.exp(-0.25), n)
        share = f"{100 * float(found.fraction):.1f} %"
        print(f"telegraph, {n:3d} voxels: {float(found.full):.3f} nat, average {float(found.kept):.3f}, {share}")


if __name__ == "__main__":
    ising()
    harmonic()
    channel()
    windows()
