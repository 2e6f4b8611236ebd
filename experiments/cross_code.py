"""The numbers on which independent codes agree, printed beside ours, up to 128^3.

Unit cube with a centred sphere of radius 0.3; matrix E = 1, nu = 0.3, inclusion nu = 0.2 (conduction: matrix k = 1).

    python experiments/cross_code.py [--largest 128]
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

from test_cross_code import CONDUCTION, ELASTIC, sphere_law  # noqa: E402

import jaxhomog as jh  # noqa: E402
from jaxhomog.microstructure import sphere_cell  # noqa: E402


def line(kind, element, n, contrast, name, value, printed, note=""):
    if printed:
        note = f"{abs(value / float(printed) - 1):9.1e} {note}"
    print(
        f"{kind:10} {element:4} {n:4d}^3 {contrast:6g} {name:8} {value:15.10f} {printed or '-':>15} {note}", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--largest", type=int, default=128, help="largest grid")
    options = parser.parse_args()
    print(
        f"{'physics':10} {'el.':4} {'grid':>6} {'contr.':>6} {'number':8} {'ours':>15} {'printed':>15} {'relative':>9}"
    )
    cases = {**ELASTIC, ("q1", 128, 10): ("1.6065582", "0.643684", "")}
    for (element, n, young), printed in cases.items():
        if n > options.largest:
            continue
        start = time.perf_counter()
        grid = jh.Grid((n,) * 3, (1.0,) * 3)
        solution = jh.homogenize(grid, sphere_law(n, float(young)), element=element, tolerance=1e-10)
        c = np.asarray(jh.to_voigt(solution.value.effective, kind="stiffness"))
        note = f"({int(solution.stats['iterations'])} iterations, {time.perf_counter() - start:.1f} s with compilation)"
        for name, value, digits in zip(("C11", "C12", "C44"), (c[0, 0], c[1, 2], c[3, 3]), printed, strict=True):
            line("elastic", element, n, young, name, value, digits, note if name == "C11" else "")
    for (element, n, k), printed in CONDUCTION.items():
        if n > options.largest:
            continue
        law = jh.PhaseMixture(sphere_cell(n, 0.3), {0: jh.LinearConduction(1.0), 1: jh.LinearConduction(float(k))})
        value = jh.homogenize(jh.Grid((n,) * 3), law, element=element, tolerance=1e-10).value.effective[0, 0]
        line("conduction", element, n, k, "k11", float(value), printed)

    def c11(young):
        return jh.homogenize(jh.Grid((16,) * 3), sphere_law(16, young), tolerance=1e-12).value.effective[0, 0]

    line("elastic", "q1", 16, 10, "dC11/dE", float(jax.grad(c11)(10.0)), "0.0098257583")


if __name__ == "__main__":
    main()
