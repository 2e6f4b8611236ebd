"""Finite strain: where laminates of rubber lose ellipticity, and what a path costs.

    python experiments/finite_strain.py [--size 32] [--repeats 3] [--only ellipticity,cost]

* ellipticity: neo-Hookean layers, plane strain, F = diag(s, 1/s) along the layers. Incompressible ones lose the strong
  ellipticity of their homogenized tangent at s = (1 - mu_R / mu_V)^(1/4) (Triantafyllidis & Maker 1985); the error of
  compressible ones falls with the inverse of the bulk modulus.
* cost: cube with a centred sphere r = 0.3 ten times as stiff as the matrix (nu = 0.3), F from 1 to
  diag(1.1, 0.95, 0.95) in 5 steps, default tolerance, float64, no tangents. CPU seconds, medians of interleaved
  repeats, compilation apart; the unit is a real FFT pair of three fields on the same grid.
"""

from __future__ import annotations

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)

from cost import fft_pair, interleaved  # noqa: E402

import jaxhomog as jh  # noqa: E402
from jaxhomog.microstructure import sphere_cell  # noqa: E402


def rubber(shear, ratio):
    """Neo-Hookean with Lame's first parameter `ratio` times the shear modulus."""
    lame = ratio * shear
    young, poisson = shear * (3 * lame + 2 * shear) / (lame + shear), lame / 2 / (lame + shear)
    return jh.NeoHookean(jh.LinearElastic.isotropic(young, poisson))


def critical(fraction, stiff, soft, ratio, near):
    """Stretch where the smallest eigenvalue of the acoustic tensor is zero, by secants between rows."""
    labels = np.zeros((1, 10), int)
    labels[0, : round(10 * fraction)] = 1
    law = jh.PhaseMixture(labels, {1: rubber(stiff, ratio), 0: rubber(soft, ratio)})
    values = np.concatenate([np.linspace(1, near + 0.004, 12)[1:], near + np.linspace(0.003, -0.003, 7)])
    path = jh.LoadPath.finite(np.stack([np.diag([s, 1 / s]) for s in values]))
    report = jh.certify(jh.drive(jh.Grid(labels.shape), law, path, tolerance=1e-10)).value
    lowest, row = np.asarray(report.ellipticity), int(report.lost)
    share = lowest[row - 1] / (lowest[row - 1] - lowest[row])
    return values[row - 1] + share * (values[row] - values[row - 1])


def ellipticity():
    print("Loss of ellipticity of neo-Hookean laminates, error of the critical stretch (lambda / mu of the layers)")
    print(f"  {'layers':>22s}  {'exact':>10s}  " + "  ".join(f"{r:>10.0e}" for r in (1e2, 1e3, 1e4)))
    for fraction, stiff, soft in ((0.5, 10.0, 1.0), (0.3, 20.0, 1.0)):
        voigt, reuss = fraction * stiff + (1 - fraction) * soft, 1 / (fraction / stiff + (1 - fraction) / soft)
        exact = (1 - reuss / voigt) ** 0.25
        errors = [critical(fraction, stiff, soft, ratio, exact) - exact for ratio in (1e2, 1e3, 1e4)]
        name = f"{fraction:g} of {stiff:g} in {soft:g}"
        print(f"  {name:>22s}  {exact:10.7f}  " + "  ".join(f"{e:+10.2e}" for e in errors))


def paths(n):
    """Compiled paths by name, and their seconds of compilation."""
    labels, ends = jnp.asarray(sphere_cell(n, 0.3)), np.diag([0.1, -0.05, -0.05])
    f = np.eye(3) + np.linspace(0, 1, 6)[1:, None, None] * ends
    elastic = jh.LinearElastic.isotropic
    metal = jh.FiniteJ2Plasticity(elastic(100.0, 0.3), jh.LinearHardening(0.5, 5.0))
    soft, stiff = (jh.NeoHookean(elastic(young, 0.3)) for young in (100.0, 1000.0))
    out = {}
    for name, matrix, element in (
        ("neo-Hookean, q1r", soft, "q1r"),
        ("neo-Hookean, q1bar", soft, "q1bar"),
        ("J2, q1r", metal, "q1r"),
    ):

        def run(labels, f, matrix=matrix, element=element):
            law = jh.PhaseMixture(labels, {0: matrix, 1: stiff})
            path = jh.LoadPath.finite(f)
            return jh.drive(jh.Grid(labels.shape), law, path, element=element, tangent=False, throw=False)

        start = time.process_time()
        program = jax.jit(run).lower(labels, f).compile()
        out[name] = (lambda p=program: p(labels, f)), time.process_time() - start
    return out


def cost(n, repeats):
    print(f"\nA path of 5 steps at {n}^3")
    made = paths(n)
    pair, number = fft_pair(n, jnp.float64)
    times = interleaved({name: run for name, (run, _) in made.items()} | {"fft": pair}, repeats)
    unit = times["fft"][0] / number
    for name, (run, compiling) in made.items():
        answer = run()
        assert int(answer.result.code) == 0, name
        newton, iterations = (int(answer.stats[key].sum()) for key in ("newton", "iterations"))
        t = times[name][0]
        print(
            f"  {name:20s} {t:7.2f} CPU s = {t / unit:6.0f} FFT pairs; {newton} Newton passes, {iterations} CG"
            f" iterations; P11 {float(answer.value.stress[-1, 0]):.5f}; compilation {compiling:.0f} CPU s"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default="ellipticity,cost")
    args = parser.parse_args()
    tasks = {"ellipticity": ellipticity, "cost": lambda: cost(args.size, args.repeats)}
    for what in args.only.split(","):
        tasks[what]()


if __name__ == "__main__":
    main()
