"""Cut voxels against exact answers: whole voxels, laminates, arithmetic means, and `grid_convergence` with its bar.

    python experiments/composite_voxels.py [--only conduction|elasticity|sphere|derivative] [--values FILE]

Errors in per cent of the exact value. First the finest grid (64 voxels an edge) by each scheme: q1 on whole voxels; q1
and q1r (one point per voxel) on laminate voxels; in 2-D conduction the dual of q1 as well; holes: q1 on arithmetic
means. Composite values are means over eight positions (spheres: four) of the shape within its voxel. Then
`grid_convergence` over 32, 48 and 64 voxels, in every case with its default schemes and the one rule that
`validity.extrapolate` states.
A case is met when every component of the value is within 0.1 % of the exact one, and the exact tensor within the bar
(spectral norm; printed in per cent of the exact tensor's norm).

The rule was chosen with these cases in view, the discs with ratio 50 and the elastic ones above all: for them it is no
prediction. Cases that it was not chosen on are in `tests/materials/test_composite.py`. A perfectly conducting disc is
the hole's dual: k(inf) = 1 / k(0) (Keller 1964), so that its error is that of the hole with the other sign.

`derivative`: dk/dr of holes by reverse mode, against exact differences of two values in the collection's series (given
here as numbers). The reference values lie in `../shared`; without them nothing is computed.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)

import jaxhomog as jh  # noqa: E402

VALUES = Path(__file__).parents[2] / "shared" / "references" / "reference_values.json"
TARGET = 1e-3
GRIDS = (32, 48, 64)


def reference(node, name):
    """The value table with this id, wherever it is in the file."""
    if isinstance(node, dict) and node.get("id") == name:
        return node["value"]
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return next((found for child in children if (found := reference(child, name)) is not None), None)


def cell(n, dim):
    return jh.Grid((n,) * dim, (1.0,) * dim)


def fraction(grid, radius, shift=0.0):
    return jh.volume_fraction(grid, jh.shapes.Sphere(0.5 * jnp.ones(grid.dim) + shift, radius))


def show(values, exact):
    return " ".join(f"{100 * (v / x - 1):8.3f}" for v, x in zip(values, exact, strict=True))


def run(name, dim, radius, inside, outside, exact, pick, hole=False, positions=8):
    """One case: `exact` the tensor, `pick` the components to judge."""
    start = time.time()
    rule = "arithmetic" if hole else "laminate"
    build = lambda grid, shift: jh.CompositeVoxels(fraction(grid, radius, shift), inside, outside, rule)  # noqa: E731
    s = jh.grid_convergence(build, [cell(n, dim) for n in GRIDS], positions=positions, tolerance=1e-7)
    grid = cell(GRIDS[-1], dim)
    whole = jh.PhaseMixture(np.asarray(fraction(grid, radius) > 0.5), {1: inside, 0: outside})
    plain = jh.homogenize(grid, whole, tolerance=1e-7).value.effective
    value, truth = s.value, pick(exact)
    print(f"{name}\n    {'q1, whole voxels':20s} {show(pick(plain), truth)}")
    for scheme, values in zip(value.schemes, value.values, strict=True):
        print(f"    {scheme + ', ' + rule:20s} {show(pick(values[-1]), truth)}")
    best, size = np.asarray(value.effective), np.linalg.norm(exact, 2)
    close = max(abs(v / x - 1) for v, x in zip(pick(best), truth, strict=True)) < TARGET
    error, bar = np.linalg.norm(best - exact, 2), float(value.error_bar)
    word = ("met" if close else "MISSED") + (", contained" if error <= bar else ", NOT CONTAINED")
    print(f"    {'grid_convergence':20s} {show(pick(best), truth)}   norm {100 * error / size:.3f}, bar", end=" ")
    print(f"{100 * bar / size:.3f}, order {float(value.order):.2f}: {word}   ({time.time() - start:.0f} s)")
    if int(value.code):
        print(f"    {value.reason}")
    print(flush=True)
    return close, error <= bar


def discs(values):
    print("2-D conduction, square array of discs: k")
    outcome = []
    for f in (0.1, 0.3, 0.5, 0.7):
        for ratio in (2, 10, 50, 0):
            exact = values[f"f={f}|sigma={ratio}"] * np.eye(2)
            laws = jh.LinearConduction(float(ratio)), jh.LinearConduction(1.0)
            case = (f"f={f} ratio={ratio}", 2, float(np.sqrt(f / np.pi)), *laws, exact, lambda k: [k[0, 0]])
            outcome.append(run(*case, hole=ratio == 0))
    return outcome


def plates(values):
    print("plane strain, square array of discs: C11, C12, C66")
    inclusions = {"stiff mu=20 nu=.2": (20.0, 0.2), "stiff mu=100 nu=.3": (100.0, 0.3)}
    inclusions |= {"hole": (0.0, 0.3), "soft mu=.1 nu=.4": (0.1, 0.4)}
    solid = lambda mu, nu: jh.LinearElastic.isotropic(2 * mu * (1 + nu), nu)  # noqa: E731
    outcome = []
    for f in (0.2, 0.3, 0.5):
        for name, moduli in inclusions.items():
            c11, c12, c66 = (values[f"square|{f}|{name}"][k] for k in ("C11", "C12", "C66"))
            exact = np.asarray([[c11, c12, 0], [c12, c11, 0], [0, 0, 2 * c66]])
            case = (f"f={f} {name}", 2, float(np.sqrt(f / np.pi)), solid(*moduli), solid(1.0, 0.3), exact)
            outcome.append(run(*case, lambda c: [c[0, 0], c[0, 1], c[2, 2]], hole=name == "hole"))
    return outcome


def spheres(values):
    print("3-D conduction, cubic array of spheres, ratio 10: k")
    outcome = []
    for f in (0.1, 0.2, 0.3, 0.4):
        exact, radius = values[f"f={f}|sigma=10.0"] * np.eye(3), float((3 * f / (4 * np.pi)) ** (1 / 3))
        laws = jh.LinearConduction(10.0), jh.LinearConduction(1.0)
        outcome.append(run(f"f={f}", 3, radius, *laws, exact, lambda k: [k[0, 0]], positions=4))
    return outcome


# (k(r + 1e-4) - k(r - 1e-4)) / 2e-4 of the multipole series of Perrins, McKenzie & McPhedran (1979), 20 orders, holes.
SLOPES = {0.1: -1.853163, 0.3: -2.323730, 0.5: -2.421279}


def derivatives():
    """Mean over positions on each grid: extrapolation would amplify how a derivative scatters."""
    print(
        "2-D conduction, holes: dk/dr, q1 on arithmetic means, mean over 8 positions at 32, 48, 64; error in per cent"
    )
    outcome = []
    for f, exact in SLOPES.items():

        def mean(radius, n):
            build = lambda grid, shift: jh.CompositeVoxels(  # noqa: E731
                fraction(grid, radius, shift), jh.LinearConduction(0.0), jh.LinearConduction(1.0), "arithmetic"
            )
            grids = [cell(n // 2, 2), cell(n, 2)]
            s = jh.grid_convergence(build, grids, ["q1"], positions=8, tolerance=1e-9)
            return s.value.values[0, -1, 0, 0]

        slopes = [float(jax.grad(mean)(float(np.sqrt(f / np.pi)), n)) for n in GRIDS]
        met = abs(slopes[-1] / exact - 1) < 1e-2
        print(f"    f={f}: {show(slopes, [exact] * 3)}: {'met' if met else 'MISSED'} (1 %)", flush=True)
        outcome.append((met, True))
    return outcome


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("conduction", "elasticity", "sphere", "derivative"))
    parser.add_argument("--values", type=Path, default=VALUES, help="reference_values.json (default: in ../shared)")
    options = parser.parse_args()
    only = options.only
    if not options.values.exists():
        print(f"skipped: no reference values at {options.values}")
        return
    collection = json.loads(options.values.read_text())
    outcome = []
    if only in (None, "conduction"):
        outcome += discs(reference(collection, "cond.disc_square_array"))
    if only in (None, "sphere"):
        outcome += spheres(reference(collection, "cond.sphere_sc"))
    if only in (None, "elasticity"):
        outcome += plates(reference(collection, "el.disc_array_square"))
    if only in (None, "derivative"):
        outcome += derivatives()
    met, contained = zip(*outcome, strict=True)
    print(f"{sum(met)} of {len(met)} cases met, {sum(contained)} of {len(contained)} contained in their bar")


if __name__ == "__main__":
    main()
