"""Parameters from macroscopic tests: what `fit` finds, how far its intervals hold, and what it costs.

    python experiments/calibration.py [--only composite,voigt,disc,published,crystal] [--seeds 100]

* composite: Young's moduli of matrix (1) and sphere (10) and the sphere's radius (0.3) from noisy effective stiffnesses
  of two cells (the sphere in its cube, and a second test with the spheres softened to a tenth, as after debonding;
  noise 0.5 % of the largest entry), from `--seeds` seeds of the noise: how many 95 % intervals hold the truth, and their
  median width beside that of Cramer and Rao at the truth.
* voigt: conductivities 1 and 4, volume fraction 0.3, noise 0.01, from Voigt data alone and with Reuss data.
* disc: yield stress and hardening modulus of the matrix of the published disc composite (image in `../shared`, skipped
  without it) from a tension and a shear curve computed at twice the resolution, with 0.5 % noise; forward paths used,
  and those of the Nelder-Mead simplex.
* published: the same from the published tension curve, with its interval; noise estimated.
* crystal: resistance, saturation and initial hardening of a polycrystal's slip systems from one tension curve.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx

jax.config.update("jax_enable_x64", True)

import jaxhomog as jh  # noqa: E402
from jaxhomog.microstructure import shapes  # noqa: E402

DATA = Path(__file__).resolve().parent.parent / "../shared/data/crate"


def entries(tensor):
    """The upper triangle of a symmetric matrix."""
    return tensor[np.triu_indices(tensor.shape[0])]


# Composite of spheres ------------------------------------------------------------------------------------------------

TRUTH = {"matrix": 1.0, "sphere": 10.0, "radius": 0.3}
LIMITS = {"matrix": "positive", "sphere": "positive", "radius": (0.1, 0.49)}
CELL = jh.Grid((12,) * 3, (1.0,) * 3)


def composite(p):
    fraction = jh.volume_fraction(CELL, shapes.Sphere((0.5, 0.5, 0.5), p["radius"]))

    def stiffness(softened):
        inside = jh.LinearElastic.isotropic(softened * p["sphere"], 0.2)
        law = jh.CompositeVoxels(fraction, inside, jh.LinearElastic.isotropic(p["matrix"], 0.3))
        return entries(jh.homogenize(CELL, law, throw=False, tolerance=1e-8).value.effective)

    return jnp.stack([stiffness(1.0), stiffness(0.1)])


def coverage(options):
    exact = np.asarray(jax.jit(composite)(TRUTH))
    noise = 5e-3 * np.abs(exact).max(axis=1, keepdims=True)
    bound = jh.identifiability(jh.Experiment(composite, exact, noise), TRUTH)
    names = sorted(TRUTH)
    cramer_rao = 2 * 1.959964 * np.sqrt(np.diag(bound.covariance()))
    rng = np.random.default_rng(0)
    inside, width, steps = np.zeros(3, int), [], []
    start = {"matrix": 2.0, "sphere": 5.0, "radius": 0.2}
    before = time.process_time()
    for _ in range(options.seeds):
        data = exact + noise * rng.standard_normal(exact.shape)
        s = jh.fit(jh.Experiment(composite, data, noise), start, bounds=LIMITS)
        low, high = (np.array([float(side[k]) for k in names]) for side in (s.value.lower, s.value.upper))
        true = np.array([TRUTH[k] for k in names])
        inside += (low <= true) & (true <= high)
        width.append(high - low)
        steps.append(int(s.stats["steps"]))
    print(f"\nComposite: {options.seeds} seeds, {np.mean(steps):.1f} evaluations each,", end=" ")
    print(f"{(time.process_time() - before) / options.seeds:.2f} CPU s a fit with compilation")
    for k, name in enumerate(names):
        share, ratio = 100 * inside[k] / options.seeds, np.median(width, axis=0)[k] / cramer_rao[k]
        verdict = "met" if 90 <= share <= 99 and abs(ratio - 1) < 0.2 else "missed"
        print(f"  {name}: {share:.0f} of 100 intervals hold the truth, median width {ratio:.3f} of Cramer-Rao: {verdict}")
    print("  " + str(bound).replace("\n", "\n  "))


# Two bounds ----------------------------------------------------------------------------------------------------------


def voigt(options):
    p = {"k1": 1.0, "k2": 4.0}
    series = jh.Experiment(lambda p: 1 / (0.7 / p["k1"] + 0.3 / p["k2"]), 1.3, 0.01)
    parallel = jh.Experiment(lambda p: 0.7 * p["k1"] + 0.3 * p["k2"], 1.9, 0.01)
    for name, tests in (("Voigt", [parallel]), ("Voigt and Reuss", [parallel, series])):
        found = jh.identifiability(tests, p)
        print(f"\n{name}: Fisher eigenvalues {', '.join(f'{v:.6g}' for v in found.eigenvalues)}\n{found}")


# Disc composite ------------------------------------------------------------------------------------------------------

STEPS = np.linspace(0.0, 1.0, 13)[1:]
MATRIX = {"yield_stress": 3.0, "modulus": 2.0}


def curves(labels, loads, p):
    """Stress 11 and 12 along each load, a row per load."""
    matrix = jh.J2Plasticity(
        jh.LinearElastic.isotropic(100.0, 0.3), jh.LinearHardening(p["yield_stress"], p["modulus"])
    )
    law = jh.PhaseMixture(labels, {0: matrix, 1: jh.LinearElastic.isotropic(1000.0, 0.3)})

    def along(load):
        path = jh.LoadPath(STEPS[:, None] * load, np.zeros((len(STEPS), 3)), [False, True, False])
        s = jh.drive(jh.Grid(labels.shape), law, path, tangent=False, throw=False)
        return s.value.stress[:, 0] + s.value.stress[:, 2]

    return jax.lax.map(along, loads)


LOADS = jnp.asarray([[0.08, 0.0, 0.0], [0.0, 0.0, 0.08]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--only", default="composite,voigt")
    options = parser.parse_args()
    tasks = {"composite": coverage, "voigt": voigt}
    for name in options.only.split(","):
        tasks[name](options)


if __name__ == "__main__":
    main()
