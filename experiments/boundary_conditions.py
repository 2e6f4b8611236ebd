"""Boundary conditions side by side: iterations and cost against periodic, and how windows close in on the medium.

1. Sphere cell (unit cube, radius 0.3, matrix 1, nu 0.3; inclusion contrast 10 and 1000, nu 0.2, and a void), q1,
   residual 1e-6: iterations of every boundary condition, and CPU seconds, relative to periodic. Targets: conduction
   1.5 x; elasticity at contrast 10 and void affine 2.5 x, uniform traction 3.5 x; contrast 1000 6 x; an affine solve at
   64^3 and contrast 10 at most 4 x the cost of a periodic one; growth from 32^3 to 64^3 at most 15 %.
2. Windows of 1, 2, 4, 8 cells (centred squares, k = 10 in 1, and a random checkerboard of contrast 10): the apparent
   conductivity under affine and uniform-traction conditions, its distance from periodic and the observed rate.

The preconditioner of an open window is the diagonal block of the homogeneous operator inverted by one-dimensional modes
(`fields/_separable.py`): exact in conduction; in elasticity the coupling of the components is left to the iteration.

    python experiments/boundary_conditions.py                  # 32^3
    python experiments/boundary_conditions.py --sizes 32 64    # with growth and cost at 64^3
    python experiments/boundary_conditions.py --sizes --figure windows.png   # 2 alone, drawn
"""

from __future__ import annotations

import argparse
import importlib.util
import time

import jax
import numpy as np

import jaxhomog as jh
from jaxhomog.microstructure import sphere_cell

TARGETS = {
    ("conduction", "affine"): 1.5,
    ("conduction", "uniform_traction"): 1.5,
    ("elasticity", "affine"): 2.5,
    ("elasticity", "uniform_traction"): 3.5,
}

WINDOWS = (1, 2, 4, 8)  # cells along an edge


def law(physics, labels, contrast):
    if physics == "conduction":
        return jh.PhaseMixture(labels, {0: jh.LinearConduction(1.0), 1: jh.LinearConduction(contrast)})
    soft, other = jh.LinearElastic.isotropic(1.0, 0.3), jh.LinearElastic.isotropic(contrast, 0.2)
    return jh.PhaseMixture(labels, {0: soft, 1: other})


def verdict(value, target):
    if target is None:
        return ""
    return f"target {target:g}: " + ("met" if value <= target else f"missed by a factor of {value / target:.2f}")


def timed(grid, problem, boundary):
    """A solution, and the CPU seconds of its second, compiled call."""
    for _ in range(2):
        start = time.process_time()
        s = jh.homogenize(grid, problem, boundary=boundary, residual_tolerance=1e-6)
        jax.block_until_ready(s.value.effective)
    return s, time.process_time() - start


def counts(sizes):
    seen = {}
    for n in sizes:
        labels, grid = sphere_cell(n, 0.3), jh.Grid((n,) * 3, (1.0,) * 3)
        for physics in ("conduction", "elasticity"):
            for contrast in (10.0, 1000.0, 0.0):
                boundaries = ["periodic", "affine", "uniform_traction"] + ["uniform_mixed"] * (physics == "elasticity")
                for boundary in boundaries:
                    problem = law(physics, labels, contrast)
                    s, cost = timed(grid, problem, boundary)
                    iterations = int(s.stats["iterations"])
                    seen[n, physics, contrast, boundary] = iterations, cost
                    base = seen[n, physics, contrast, "periodic"]
                    ratio = iterations / base[0]
                    target = TARGETS.get((physics, boundary))
                    if physics == "elasticity" and contrast == 1000 and target is not None:
                        target = 6.0
                    print(
                        f"{n:4d}^3 {physics:10s} contrast {contrast:6g} {boundary:17s} iterations {iterations:4d}, "
                        f"{ratio:5.2f} x periodic, CPU {cost / base[1]:5.2f} x   {verdict(ratio, target)}",
                        flush=True,
                    )
    if 64 in sizes:
        cost = seen[64, "elasticity", 10.0, "affine"][1] / seen[64, "elasticity", 10.0, "periodic"][1]
        print(f"affine at 64^3, contrast 10, in periodic solves: {cost:.2f} ({verdict(cost, 4.0)})")
    if 32 in sizes and 64 in sizes:
        for key, (iterations, _) in seen.items():
            if key[0] == 64:
                growth = iterations / seen[(32, *key[1:])][0]
                print(f"growth from 32^3 to 64^3, {key[1]} {key[2]:g} {key[3]}: {verdict(growth, 1.15)} ({growth:.2f})")


def windows():
    """Table of apparent conductivities; medium -> boundary condition -> one value for each of `WINDOWS`."""
    square = np.zeros((32, 32), int)
    square[8:24, 8:24] = 1
    random = np.kron(np.random.default_rng(0).integers(0, 2, (32, 32)), np.ones((8, 8), int))
    media = {
        "centred squares": (lambda n: np.tile(square, (n, n)), 32),
        "random checkerboard": (lambda n: random[: 32 * n, : 32 * n], 32),
    }
    seen = {}
    for name, (image, edge) in media.items():
        print(f"\n{name}: apparent conductivity (mean of the diagonal) of windows of n x n cells of {edge} voxels")
        print(f"{'n':>3s}{'affine':>10s}{'periodic':>10s}{'traction':>10s}{'gap':>10s}{'rate':>7s}")
        last = None
        values = seen[name] = {b: [] for b in ("affine", "periodic", "uniform_traction")}
        for n in WINDOWS:
            labels = image(n)
            grid = jh.Grid(labels.shape, (float(n),) * 2)
            value = {
                b: float(
                    np.diag(jh.homogenize(grid, law("conduction", labels, 10.0), boundary=b).value.effective).mean()
                )
                for b in values
            }
            for b, found in value.items():
                values[b].append(found)
            gap = value["affine"] - value["uniform_traction"]
            rate = f"{np.log2(last / gap):7.2f}" if last else ""
            print(
                f"{n:3d}{value['affine']:10.5f}{value['periodic']:10.5f}{value['uniform_traction']:10.5f}{gap:10.5f}{rate}"
            )
            last = gap
    return seen


def observed_rate(gaps):
    """Power of 1/n that a gap falls with: least-squares slope over all windows, in logarithms."""
    return -np.polyfit(np.log(WINDOWS), np.log(np.abs(gaps)), 1)[0]


def draw(seen, path):
    """Apparent conductivity against the size of the window, one panel for each medium."""
    from matplotlib.figure import Figure

    styles = {
        "affine": ("#2b6cb0", "o", "-"),
        "periodic": ("#444444", "s", "--"),
        "uniform_traction": ("#c0392b", "^", "-"),
    }
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    for axes, (name, values) in zip(figure.subplots(1, len(seen)), seen.items(), strict=True):
        reference = np.asarray(values["periodic"])
        for boundary, (colour, marker, line) in styles.items():
            label = boundary.replace("_", " ")
            if boundary != "periodic":
                label += f", to periodic as n^-{observed_rate(values[boundary] - reference):.2f}"
            axes.plot(WINDOWS, values[boundary], color=colour, marker=marker, linestyle=line, label=label)
        gap = np.asarray(values["affine"]) - np.asarray(values["uniform_traction"])
        axes.set_xscale("log", base=2)
        axes.set_xticks(WINDOWS, [str(n) for n in WINDOWS])
        axes.set_xlabel("cells along an edge of the window, n")
        axes.set_ylabel("apparent conductivity (matrix: 1)")
        axes.set_title(name)
        axes.legend(title=f"gap of the outer two falls as n^-{observed_rate(gap):.2f}", fontsize=8, title_fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[32], help="voxels along an edge in 1; none: only 2")
    parser.add_argument("--figure", metavar="FILE", help="draw 2 into this file (.png, .pdf, .svg)")
    options = parser.parse_args()
    # Before the first solve: nobody waits for a table to learn that it cannot be drawn.
    if options.figure and importlib.util.find_spec("matplotlib") is None:
        parser.error("--figure needs matplotlib: pip install 'jaxhomog[plot]'")
    jax.config.update("jax_enable_x64", True)
    seen = windows()
    if options.figure:
        draw(seen, options.figure)
        print(f"\nfigure: {options.figure}")
    print()
    counts(options.sizes)


if __name__ == "__main__":
    main()
