"""Claims: exact kernels of linear systems, second-order kernels from data, a Langevin path in its equilibrium.

    python experiments/memory_kernels.py

Prints every number beside its target: the cases `mz.*` of the reference table (closed forms), the errors of the
inversion for Rubin's chain, equilibrium and noise of a one-mode generalized Langevin equation within standard errors,
the memory of a viscoelastic laminate, and the time for a kernel from 10^4 trajectories of 10^3 steps (run it on one
core).
"""

from __future__ import annotations

import time

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from scipy.special import jv  # noqa: E402

from jaxhomog.dynamics import (  # noqa: E402
    GeneralizedLangevin,
    OscillatorBath,
    PronyKernel,
    coloured_noise,
    discrete_memory,
    eliminate,
    kelvin_voigt_laminate,
    maxwell_laminate,
    memory_kernel,
    project_force,
    rubin_bath,
    time_correlation,
)

VACF = (1.0, 0.7651976865579665, 0.22389077914123562, -0.3971498098638473, -0.24593576445134832, 0.16702466434058322)


def row(name: str, value: float, target: str) -> None:
    print(f"{name:62s} {value: .12g}   target {target}", flush=True)


def exact_operators() -> None:
    t = np.asarray([0.25, 0.5, 1.0, 2.0])
    two = eliminate([[-0.5, 1.0], [-2.0, -3.0]], [0])
    row("2 x 2: error of the kernel -2 exp(-3 t)", np.abs(two.memory(t)[:, 0, 0] + 2 * np.exp(-3 * t)).max(), "1e-8")
    t = np.asarray([0.5, 1.0, 2.0, 5.0, 10.0, 20.0])
    row("Rubin: error of 2 J1(2 t) / t", np.abs(rubin_bath(30).friction(t) - 2 * jv(1, 2 * t) / t).max(), "1e-8")
    n = 60
    chain = np.diag(np.full(2 * n + 1, -2.0)) + np.eye(2 * n + 1, k=1) + np.eye(2 * n + 1, k=-1)
    motion = np.block([[np.zeros_like(chain), np.eye(2 * n + 1)], [chain, np.zeros_like(chain)]])
    start = np.zeros(4 * n + 2)
    start[3 * n + 1] = 1
    v = eliminate(motion, [3 * n + 1]).full(np.append(0.0, t[:5]), start)[:, 0]
    row("Rubin: velocity correlation J0(2 t) of a chain of 121 atoms", np.abs(v - np.asarray(VACF)).max(), "1e-8")
    w, c = np.asarray([0.5, 1.3, 2.1]), np.asarray([0.2, 0.5, 0.9])
    bath = OscillatorBath(w, c)
    t = np.asarray([1.0, 2.0, 5.0, 10.0])
    x = [0.5577840521599947, -0.2442219570481037, 0.07969004957695551, -0.6349761350203081]
    found = eliminate(bath.operator(1.0), [0, 1]).full(t, np.concatenate([[1, 0], c / w**2, 0 * c]))[:, 0]
    row("three oscillators: error of X(t)", np.abs(np.asarray(found) - x).max(), "1e-8")
    row("three oscillators: K(0)", float(bath.friction(0.0)), "0.49160246347059533")
    potential = lambda x, y: x[0] ** 4 / 4 - x[0] ** 2 / 2 + (1 + x[0] ** 2) * y[0] ** 2 / 2  # noqa: E731
    p = project_force(potential, np.linspace(-6, 6, 241), np.linspace(-12, 12, 241))
    row("projections: spring of the linear one", float(p.spring[0, 0]), "1.1855289537146578")
    at = int(np.argmin(np.abs(np.asarray(p.resolved)[:, 0] - 1.5)))
    row("projections: mean force at 1.5", float(p.conditional[at, 0]), "-2.3365384615384617")
    row("projections: linear force at 1.5", float(p.linear[at, 0]), "-1.7782934305719866")


def inversion() -> None:
    limits = {"exact C', C''": (3.8e-3, 9.5e-4, 2.4e-4), "second": (1.2e-2, 3.1e-3, 7.7e-4), "first": ()}
    limits["first"] = limits["second"]
    for name, targets in limits.items():
        for h, target in zip((0.1, 0.05, 0.025), targets, strict=True):
            t = h * np.arange(round(5 / h) + 1)
            c = jv(0, 2 * t)
            given = {"kind": name}
            if name not in ("first", "second"):
                given = {"rate": -2 * jv(1, 2 * t), "acceleration": -2 * (c - jv(2, 2 * t))}
            k = np.asarray(memory_kernel(c, h, **given).friction)[:, 0, 0]
            error = np.abs(k - np.append(2.0, 2 * jv(1, 2 * t[1:]) / t[1:])).max() / 2
            row(f"inversion, {name}, dt = {h}", error, f"{target:.1e}")


def langevin() -> None:
    kernel, kt, k, m = PronyKernel([2.0], [0.8], [1.5]), 0.5, 3.0, 2.0
    system = GeneralizedLangevin(lambda x, k: -k * x, kernel, m, kt, k)
    run = jax.vmap(lambda key: system.simulate(key, [1.0], [0.0], 0.05, 1, every=800))
    path = run(jax.random.split(jax.random.key(0), 20000))
    for name, values, exact in (("<x^2>", path.position, kt / k), ("<v^2>", path.velocity, kt / m)):
        error = exact * np.sqrt(2 / values.size)
        row(f"well: ({name} - exact) / standard error", float(jnp.mean(values**2) - exact) / error, "within 3")
    f = jax.vmap(lambda key: coloured_noise(key, kernel, kt, 0.4, 9))(jax.random.split(jax.random.key(1), 20000))
    exact = kt * kernel(0.4 * np.arange(9))
    error = jnp.sqrt((exact[0] ** 2 + exact**2) / len(f))
    gap = jnp.max(jnp.abs(jnp.mean(f * f[:, :1], axis=0) - exact) / error)
    row("noise: largest (<F F> - kT K) / standard error of nine", float(gap), "within 3")


def laminates() -> None:
    r = maxwell_laminate([0.4, 0.6], [10.0, 1.0], [[0.0], [2.0]], [[1.0], [2.0]])
    k = int(jnp.argmax(r.kernel.weights))
    row("laminate: emergent relaxation time", float(1 / r.kernel.rates[k]), "2.25")
    row("laminate: sudden modulus", float(r(0.0)), "4.166666666666667")
    row("laminate: long-term modulus", float(r.modulus), "1.5625")
    r = kelvin_voigt_laminate([0.5, 0.5], [1.0, 4.0], [2.0, 1.0])
    exact = 1 / (0.5 / (1 + 2j) + 0.5 / (4 + 1j))
    row("Kelvin-Voigt laminate: error of E*(w = 1)", abs(complex(r.complex_modulus(1.0)) - exact), "0")


def cost() -> None:
    x = jnp.asarray(np.random.default_rng(0).normal(size=(10_000, 1000)))
    for name in ("first call", "again"):
        start, cpu = time.perf_counter(), time.process_time()
        memory_kernel(time_correlation(x, 1000), 0.01).friction.block_until_ready()
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        row(f"kernel from 10^4 x 10^3, {name}: seconds", wall, f"10 (CPU seconds {cpu:.2f})")
    start = time.perf_counter()
    discrete_memory(x, 100).operators.block_until_ready()
    row("discrete operators, 100 lags: seconds", time.perf_counter() - start, "10")


if __name__ == "__main__":
    exact_operators()
    inversion()
    langevin()
    laminates()
    cost()
