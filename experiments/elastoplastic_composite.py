"""An elastoplastic composite against its published tension curve, element by element, and what the curve is good for.

    python experiments/elastoplastic_composite.py [--steps 20] [--only elements,curve,precision]

Z. Liu, M. A. Bessa, W. K. Liu (2016), Comput. Methods Appl. Mech. Eng. 306, 319-341: plane strain, discs in a matrix
that hardens (E = 100, nu = 0.3, yield stress 0.5 + 5 p up to p = 0.04, then 0.7 + 2 (p - 0.04)); discs elastic with
E = 500, nu = 0.19. Mean strain 11 rises to 0.05 while the mean stresses 22 and 12 are zero. Image and digitized curve:
`../shared/data/crate`.

Target: mean stress 11 within 0.5 % of the curve at 200^2 at every listed strain. What is claimed:

* `q1r`, the default, meets it from strain 0.01 on and misses it at 0.005, by what is printed (1.0 % off);
* `q1bar` is stiffer than `q1r` (5 % at 100^2, 1.3 % at 200^2), `q1` locks (28 % at 100^2);
* at the knee the digitized points are not good for 0.5 %: up to strain 0.002 the cell answers elastically, yet stress
  over strain of the points there goes from 168 to 155, and slopes between neighbours from 117 to 214; at 0.003, where
  the computed secant has fallen by 1 %, the published stress lies 6 % or more off every answer, while grids, elements
  and steps agree within 1.7 %. The point at 0.005 is no better placed than that, and is counted as missed all the same;
* float32 follows float64 within 0.1 %.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)

import jaxhomog as jh  # noqa: E402

CRATE = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "crate"
# Strain and stress 11 as listed with the target.
CURVE = {0.005: 0.59952, 0.01: 0.69448, 0.02: 0.81665, 0.03: 0.90145, 0.04: 0.96890, 0.05: 1.03247}
TARGET = 0.5


def composite(labels, dtype=np.float64):
    """The published phases."""
    number = lambda x: jnp.asarray(x, dtype)  # noqa: E731
    table = jh.TabulatedHardening(number([0.0, 0.04, 1.0]), number([0.5, 0.7, 0.7 + 2 * 0.96]))
    matrix = jh.J2Plasticity(jh.LinearElastic.isotropic(number(100.0), number(0.3)), table)
    return jh.PhaseMixture(labels, {0: matrix, 1: jh.LinearElastic.isotropic(number(500.0), number(0.19))})


def tension(strains):
    """Mean stress 11 at the mean strains 11; the other mean stresses are zero."""
    table = np.zeros((len(strains), 3))
    table[:, 0] = strains
    return jh.LoadPath(table, np.zeros_like(table), [False, True, True])


def run(size, element, strains, dtype=np.float64):
    labels = np.load(CRATE / f"disks_{size}.npy").astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # q1 locks, which is to be shown
        s = jh.drive(jh.Grid(labels.shape), composite(labels, dtype), tension(strains), element=element, tangent=False)
    return np.asarray(s.value.stress[:, 0], float)


def even(steps):
    return np.linspace(0, 0.05, steps + 1)[1:]


def elements(steps):
    listed, strains = np.asarray(list(CURVE)), even(steps)
    at = [int(np.argmin(np.abs(strains - e))) for e in listed]
    print(f"\nDeviation of the mean stress 11 from the published curve / %, {steps} even steps")
    print("  strain            " + "".join(f"{e:8.3f}" for e in listed))
    for size, element in ((100, "q1"), (100, "q1bar"), (100, "q1r"), (200, "q1bar"), (200, "q1r")):
        deviation = 100 * (run(size, element, strains)[at] / np.asarray(list(CURVE.values())) - 1)
        missed = [f"{e:g} by {abs(d) - TARGET:.2f}" for e, d in zip(listed, deviation, strict=True) if abs(d) > TARGET]
        words = f"target {TARGET} %: " + ("met" if not missed else f"missed at {', '.join(missed)}")
        print(f"  {size}^2 {element:6s}       " + "".join(f"{d:+8.2f}" for d in deviation), f"  ({words})")


def curve():
    """How far the digitized curve can be trusted at the knee."""
    table = np.loadtxt(CRATE / "uniaxial_tension.csv", delimiter=",", skiprows=1)
    low = table[1:][table[1:, 0] < 0.002]
    ratio, slope = low[:, 1] / low[:, 0], np.diff(low[:, 1]) / np.diff(low[:, 0])
    strains = np.asarray([0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008, 0.01])
    read = np.interp(strains, *table.T)
    answers = {
        "100^2 q1r, 8 steps": run(100, "q1r", strains),
        "100^2 q1bar, 8 steps": run(100, "q1bar", strains),
        "200^2 q1r, 8 steps": run(200, "q1r", strains),
        "200^2 q1r, 16 steps": run(200, "q1r", np.sort([*strains, *(strains - 0.0005)]))[1::2],
    }
    print("\nThe digitized curve at the knee")
    print(f"  points below strain 0.002: stress over strain {ratio.min():.0f} to {ratio.max():.0f}, slope between")
    print(f"  neighbours {slope.min():.0f} to {slope.max():.0f}, where the computed answer is a straight line:")
    print("  strain                    " + "".join(f"{e:8.3f}" for e in strains))
    print("  computed stress / strain  " + "".join(f"{s:8.2f}" for s in answers["200^2 q1r, 16 steps"] / strains))
    print("  published stress / strain " + "".join(f"{s:8.2f}" for s in read / strains))
    for name, stress in answers.items():
        print(f"  {name:21s} / %   " + "".join(f"{d:+8.2f}" for d in 100 * (stress / read - 1)))
    all_ = np.stack(list(answers.values()))
    spread = 100 * (all_.max(axis=0) / all_.min(axis=0) - 1)
    print("  spread of the answers / % " + "".join(f"{d:8.2f}" for d in spread))
    off = 100 * np.abs(all_ / read - 1)
    print(
        f"  at 0.003: the published point is off the answers by {off[:, 2].min():.1f} to {off[:, 2].max():.1f} %,"
        f" and they agree within {spread[2]:.2f} %"
    )


def precision(steps):
    strains = even(steps)
    print("\nfloat32 against float64, q1r, 200^2")
    double, single = run(200, "q1r", strains), run(200, "q1r", strains, np.float32)
    print(f"  largest relative difference of the mean stress 11: {np.abs(single / double - 1).max():.1e} (claim 1e-3)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20, help="a multiple of 10")
    parser.add_argument("--only", default="elements,curve,precision")
    args = parser.parse_args()
    if not CRATE.is_dir():
        parser.exit(message="the published image, ../shared/data/crate, is not here\n")
    for what in args.only.split(","):
        {"elements": lambda: elements(args.steps), "curve": curve, "precision": lambda: precision(args.steps)}[what]()


if __name__ == "__main__":
    main()
