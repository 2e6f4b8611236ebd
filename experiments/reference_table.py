"""Effective properties against answers of independent origin: case, grid, reference, result, error, observed rate.

The rate is log2 of the fall of the error between a grid and the one of half its resolution. Curved interfaces cut
voxels, so the volume fraction jumps between grids and the rate of a single step scatters; the last column is the
average over all grids. A `!` marks a number outside the target of its case on the finest grid. Cases "by volume
fraction" are the same with voxels that know how much of them is inclusion, instead of all or nothing.

    python experiments/reference_table.py [--element q1] [--quick] [--only TEXT]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "rve"))

from reference_cases import BY_FRACTION, CONVERGING  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--element", default=None, help="one element (default: q1 and q1r, q1 alone for holes)")
    parser.add_argument("--quick", action="store_true", help="leave out the finest grid")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    options = parser.parse_args()
    print(
        f"{'case':46} {'':7} {'element':8} {'grid':>6} {'reference':>14} {'result':>14} {'error':>9} {'rate':>6} mean"
    )
    missed, start = [], time.time()
    for case in CONVERGING + BY_FRACTION:
        if options.only not in case.name:
            continue
        elements = (
            [options.element]
            if options.element
            else ["q1"]
            if "hole" in case.name or case in BY_FRACTION
            else ["q1", "q1r"]
        )
        grids = case.grids[:-1] if options.quick else case.grids
        for element in elements:
            history: dict[str, list[float]] = {}
            for n in grids:
                got, errors = case.errors(n, element, tolerance=1e-8)
                for key, error in errors.items():
                    past = history.setdefault(key, [])
                    rate = f"{np.log2(past[-1] / error):6.2f}" if past else " " * 6
                    mean = f"{np.log2(past[0] / error) / len(past):5.2f}" if past else ""
                    past.append(error)
                    bad = n == case.grids[-1] and error > case.target
                    if bad:
                        missed.append(f"{case.name} {key} {element}: {error:.2e}, target {case.target:g}")
                    print(
                        f"{case.name:46} {key:7} {element:8} {n:6d} {case.expected[key]:14.9f} {got[key]:14.9f}"
                        f" {error:9.2e} {rate} {mean}{' !' if bad else ''}",
                        flush=True,
                    )
    print(f"\n{len(missed)} numbers outside their target ({time.time() - start:.0f} s)")
    for line in missed:
        print(" ", line)


if __name__ == "__main__":
    main()
