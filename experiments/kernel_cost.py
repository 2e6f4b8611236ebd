"""Cost of a memory kernel from 10^4 trajectories of 10^3 steps, against GLEqPy.

    pip install gleqpy ase      (MIT and LGPL; for this comparison only: GLEqPy imports ASE without asking for it)
    python experiments/kernel_cost.py [--cores 1] [--repeats 5] [--trajectories 10000] [--steps 1000]

Velocities of an atom of an infinite harmonic chain (Rubin's model) in equilibrium, as sums of normal modes with random
amplitudes: their correlation is J0(2 t), their kernel 2 J1(2 t) / t. jaxhomog: `time_correlation` and `memory_kernel`,
kind="second". GLEqPy: `calc_tcf`, one trajectory per degree of freedom, the mean over them, and `calc_memory_dtrapz`,
the same equation with the same rule; the two derivatives that it asks for are central differences in numpy, as jaxhomog
takes them. Both start from the same array in the order of axes that they ask for, and take turns in one process;
medians of CPU and wall seconds. Both kernels are compared with one another, and with the exact one up to t = 5. Also
timed: the discrete operators of 100 lags (GLEqPy has none).

Targets: under 10 s; the same kernel to 1e-8 of K(0).

Measured on two cores that others used too (CPU seconds): 0.21 s, GLEqPy 1.1 0.43 s; kernels of both agree to 1.3e-11;
discrete operators 0.28 s.
"""

from __future__ import annotations

import argparse

from _timing import measure, pin


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--trajectories", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=1000)
    return parser.parse_args()


def velocities(number, steps, dt, modes=200):
    """Stationary Gaussian paths (number, steps) with the correlation J0(2 t), up to times of some `modes`."""
    import numpy as np

    rng = np.random.default_rng(0)
    angle = (np.arange(modes) + 0.5) * np.pi / (2 * modes)
    phase = 2 * np.cos(angle)[:, None] * dt * np.arange(steps)
    waves = np.concatenate([np.cos(phase), np.sin(phase)]) / np.sqrt(modes)
    return rng.normal(size=(number, 2 * modes)) @ waves


def peer(gleqpy, x, dt):
    """GLEqPy's kernel of velocities (steps, trajectories)."""
    import numpy as np

    c = gleqpy.memory.time.calc_tcf(x, x, len(x)).mean(axis=1)
    rate, curvature = np.gradient(c, dt), np.empty_like(c)
    curvature[1:-1] = (c[2:] - 2 * c[1:-1] + c[:-2]) / dt**2
    # C is even in time.
    rate[0], curvature[0] = 0, 2 * (c[1] - c[0]) / dt**2
    curvature[-1] = curvature[-2]
    return gleqpy.memory.time.calc_memory_dtrapz(rate, curvature, c[0], dt)


def main() -> None:
    options = arguments()
    pin(options.cores)
    import jax
    import numpy as np
    from scipy.special import jv

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp

    from jaxhomog.dynamics import discrete_memory, memory_kernel, time_correlation

    dt, steps = 0.05, options.steps
    x = velocities(options.trajectories, steps, dt)
    rows, columns = jnp.asarray(x), np.ascontiguousarray(x.T)
    print(f"{options.trajectories} trajectories x {steps} steps, {jax.devices()[0].platform}")

    ours = lambda: memory_kernel(time_correlation(rows), dt, kind="second").friction.block_until_ready()  # noqa: E731
    lags = min(100, steps - 1)
    found = np.asarray(ours())[:, 0, 0]
    discrete = lambda: discrete_memory(rows, lags).operators.block_until_ready()  # noqa: E731
    discrete()
    runs = {"jaxhomog": ours, "jaxhomog, discrete": discrete}
    try:
        import gleqpy.memory
    except ImportError:
        print("GLEqPy is not installed: pip install gleqpy ase")
        gleqpy = None
    if gleqpy is not None:
        theirs = peer(gleqpy, columns, dt)
        runs["GLEqPy"] = lambda: peer(gleqpy, columns, dt)
    times = measure(runs, options.repeats)
    for name, (cpu, wall) in times.items():
        verdict = f"   (target 10 s: {'met' if wall < 10 else 'missed'})" if name != "GLEqPy" else ""
        print(f"{name:20s}{cpu:8.2f} s CPU {wall:8.2f} s wall{verdict}")
    early = round(5 / dt) + 1
    t = dt * np.arange(1, early)
    exact = np.append(2.0, 2 * jv(1, 2 * t) / t)
    print(f"error of the kernel up to t = 5, relative to K(0): {np.abs(found[:early] - exact).max() / 2:.1e}")
    if gleqpy is not None:
        ratio = times["GLEqPy"] / times["jaxhomog"]
        print(f"ratio of CPU times {ratio[0]:.1f}, of wall times {ratio[1]:.1f}")
        # The last value is extrapolated here, and taken from a one-sided difference there.
        print(f"largest difference of the two, relative to K(0): {np.abs(found - theirs)[:-1].max() / 2:.1e} (1e-8)")


if __name__ == "__main__":
    main()
