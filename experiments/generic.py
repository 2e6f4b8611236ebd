"""Claim: a discrete-gradient step keeps both laws of thermodynamics at any size; Runge-Kutta's does not.

    python experiments/generic.py [FIGURE.png]

The damped oscillator that heats its bath (`generic.osc`). Prints the errors against the closed form with small steps,
and energy and entropy with steps of size one beside those of the classical fourth-order Runge-Kutta method; with a
name, draws both.
"""

from __future__ import annotations

import sys
import time

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from jaxhomog.dynamics import Generic, integrate_generic  # noqa: E402

EXACT = {
    1: (0.5689718909460997, -0.7627576785102375, 2.0472358555934465),
    5: (0.09855066761858593, 0.5886967935011048, 2.321861925616724),
    10: (-0.33685168059041337, 0.18534570698460587, 2.426088957092895),
    50: (0.005526103306932699, 0.003341935879224037, 2.49997914682341),
}
START = jnp.asarray([1.0, 0.0, 2.0])


def energy(z, p):
    return 0.5 * (z[0] ** 2 + z[1] ** 2) + z[2]


def entropy(z, p):
    return 2 * jnp.log(z[2])


def poisson(z, p):
    return jnp.asarray([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])


def friction(z, p):
    u = jnp.stack([0 * z[1], 1 + 0 * z[1], -z[1]])
    return p * 0.5 * z[2] * jnp.outer(u, u)


LAW = Generic(energy, entropy, poisson, friction, jnp.asarray(0.2))


def runge_kutta(z, h, steps):
    """Energies of the classical method."""

    def step(z, _):
        k1 = LAW.rate(z)
        k2 = LAW.rate(z + 0.5 * h * k1)
        k3 = LAW.rate(z + 0.5 * h * k2)
        z = z + h / 6 * (k1 + 2 * k2 + 2 * k3 + LAW.rate(z + h * k3))
        return z, energy(z, None)

    return jax.jit(lambda z: jax.lax.scan(step, z, None, length=steps)[1])(z)


def main() -> None:
    rows = np.asarray(list(EXACT)) - 1
    exact = np.asarray(list(EXACT.values()))
    states = []
    for h in (0.02, 0.01):
        begun = time.perf_counter()
        states.append(np.asarray(integrate_generic(LAW, START, h, 50, every=round(1 / h)).state)[rows])
        error = np.abs(states[-1] - exact).max()
        print(f"dt = {h}: error {error:.2e} at t = 1, 5, 10, 50 ({time.perf_counter() - begun:.1f} s)", flush=True)
    error = np.abs((4 * states[1] - states[0]) / 3 - exact).max()
    print(f"the two extrapolated: error {error:.2e}   target 1e-8", flush=True)
    h = 1e-4
    state = np.asarray(integrate_generic(LAW, START, h, 10, every=round(1 / h)).state)[rows[:3]]
    print(f"dt = {h}: error {np.abs(state - exact[:3]).max():.2e} at t = 1, 5, 10   target 1e-8", flush=True)
    path = integrate_generic(LAW, START, 1.0, 1000)
    print(f"dt = 1, 1000 steps: |E - 2.5| {np.abs(np.asarray(path.energy) - 2.5).max():.1e}   target 1e-12")
    print(f"dt = 1: smallest step of the entropy {float(path.lowest_entropy_step):.1e}   target > -1e-14")
    print(f"dt = 1: S - 2 ln 2.5 {float(path.entropy[-1]) - 2 * np.log(2.5):.1e}   target 0")
    lost = 1 - runge_kutta(START, 1.0, 30) / 2.5
    print(f"Runge-Kutta, dt = 1, 30 steps: energy lost {100 * float(lost[-1]):.2f} %   target 0.8 %")
    print(path.reason)
    if len(sys.argv) > 1:
        draw(sys.argv[1], np.asarray(path.energy[:30]), 2.5 * (1 - np.asarray(lost)), np.asarray(path.entropy[:30]))


def draw(name, kept, lost, grown) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3))
    left.plot(kept, label="discrete gradient")
    left.plot(lost, "--", label="Runge-Kutta 4")
    left.set_xlabel("steps of size 1")
    left.set_ylabel("energy")
    left.legend()
    right.plot(grown)
    right.axhline(2 * np.log(2.5), color="k", lw=0.5)
    right.set_xlabel("steps of size 1")
    right.set_ylabel("entropy")
    figure.tight_layout()
    figure.savefig(name, dpi=150)


if __name__ == "__main__":
    main()
