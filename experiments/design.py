"""Claim: three cells designed from a stated start meet their targets, as black and white images, on twice finer voxels.

    python experiments/design.py [auxetic | bulk | conductivity] [--cores N]

1. auxetic (2-D, plane strain, symmetry 4mm): -S12/S11 <= -0.5 at volume fraction <= 0.5, with 1/S11 >= 1 % of the
   solid's.
2. bulk (3-D, symmetry m-3m): bulk modulus >= 97 % of the Hashin-Shtrikman upper bound of the cell's own porosity, 50 %.
3. conductivity (2-D, phases 1 and 0.1, point symmetry): K = ((0.5, 0.1), (0.1, 0.3)), every component to 1 %, with as
   little of the better conductor as possible.

While designing, void is 1e-4 of the solid (SIMP, power 3; conductivity: RAMP, penalty 2) and the projection is
sharpened from stage to stage. What is verified is the filtered density cut at 1/2, on the design's grid and on one with
half the spacing, where the same variables are filtered and cut afresh; there voids have no stiffness at all. Every
number is printed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from _timing import pin  # noqa: E402

import jaxhomog as jh  # noqa: E402

POISSON = 0.3
TARGET = np.array([[0.5, 0.1], [0.1, 0.3]])


class Case(NamedTuple):
    """A design problem, and how its result is measured (field, density, softness of the design's voids or its
    penalty) and judged."""

    field: Any
    start: Any
    words: str
    problem: Callable
    stages: tuple[float, ...]
    steps: int
    measured: Callable
    designing: float
    met: Callable


def auxetic():
    field = jh.DensityField(jh.Grid((40, 40), (1.0, 1.0)), 0.05, "4mm")
    x = np.abs((np.arange(40) + 0.5) / 40 - 0.5)
    edges = np.minimum(np.hypot(0.5 - x[:, None], x[None]), np.hypot(x[:, None], 0.5 - x[None]))
    start = field.variables(np.where(edges < 0.25, 0.2, 0.6))

    def measured(field, rho, void):
        law = jh.LinearElastic.isotropic(jh.simp(rho, 3.0, void), POISSON)
        s = jh.effective_compliance(field.grid, law, throw=False).value.compliance
        return {"-S12/S11": -s[0, 1] / s[0, 0], "E/E_solid": (1 - POISSON**2) / s[0, 0], "volume": jnp.mean(rho)}

    def problem(variables, sharpness):
        m = measured(field, field.density(variables, sharpness), 1e-4)
        limits = {"volume": m["volume"] / 0.475 - 1, "stiffness": jnp.log(0.02 / m["E/E_solid"])}
        return jh.Criteria(m["-S12/S11"], limits)

    def met(m):
        return m["-S12/S11"] <= -0.5 and m["E/E_solid"] >= 0.01 and m["volume"] <= 0.5

    words = "half discs of 0.2 on the edges of a cell of 0.6"
    return Case(field, start, words, problem, (1.0, 2.0, 4.0, 8.0, 16.0), 40, measured, 1e-4, met)


def bulk():
    field = jh.DensityField(jh.Grid((24,) * 3, (1.0,) * 3), 0.1, "m-3m")
    x = (np.arange(24) + 0.5) / 24
    near = lambda a: np.minimum(a, 1 - a) ** 2  # noqa: E731
    centre = np.sqrt(sum(np.meshgrid(*[(x - 0.5) ** 2] * 3, indexing="ij")))
    corner = np.sqrt(sum(np.meshgrid(*[near(x)] * 3, indexing="ij")))
    start = field.variables(1 / (1 + np.exp(-20 * (np.minimum(centre, corner) - 0.38))))

    def measured(field, rho, void):
        law = jh.LinearElastic.isotropic(jh.simp(rho, 3.0, void), POISSON)
        value = jh.homogenize(field.grid, law, throw=False).value
        modulus = lambda c: (c[0, 0] + 2 * c[0, 1]) / 3  # noqa: E731
        k, upper = modulus(value.effective), modulus(value.bounds.hs_upper)
        return {"K": k, "K_HS": upper, "K/K_HS": k / upper, "porosity": 1 - jnp.mean(rho)}

    def problem(variables, sharpness):
        m = measured(field, field.density(variables, sharpness), 1e-4)
        return jh.Criteria(-m["K"], {"volume": (1 - m["porosity"]) / 0.5 - 1})

    def met(m):
        return m["K/K_HS"] >= 0.97 and abs(m["porosity"] - 0.5) < 0.005

    words = "blurred voids of radius 0.38, body-centred"
    return Case(field, start, words, problem, (4.0, 8.0, 16.0, 32.0), 20, measured, 1e-4, met)


def conductivity():
    coarse = jh.DensityField(jh.Grid((24, 24), (1.0, 1.0)), 0.1, "2")
    field = coarse.refined(8)
    start = np.random.default_rng(0).uniform(0.4, 0.6, field.number)

    def measured(field, rho, penalty):
        law = jh.LinearConduction(jh.ramp(rho, penalty, 0.1))
        k = jh.homogenize(field.grid, law, throw=False).value.effective
        return {"k": k, "worst component": jnp.max(jnp.abs(k / TARGET - 1)), "volume": jnp.mean(rho)}

    def problem(variables, sharpness):
        m = measured(field, field.density(variables, sharpness), 2.0)
        return jh.Criteria(m["volume"], equality={"tensor": (m["k"] / TARGET - 1)[jnp.triu_indices(2)]})

    def met(m):
        return m["worst component"] <= 0.01

    words = "uniform noise in [0.4, 0.6], seed 0"
    return Case(field, start, words, problem, (1.0, 4.0, 16.0, 64.0, 256.0), 30, measured, 2.0, met)


def show(label, m):
    numbers = (f"{name} {np.array2string(np.asarray(x), precision=4).replace(chr(10), '')}" for name, x in m.items())
    print(f"   {label:20s}", "   ".join(numbers), flush=True)


def run(name: str, case: Case) -> bool:
    field, stages = case.field, case.stages
    print(f"{name}: grid {field.grid.shape}, {field.number} variables, start: {case.words}", flush=True)
    cpu, wall = time.process_time(), time.perf_counter()
    options = {"bounds": (0.0, 1.0), "stages": stages, "max_steps": case.steps}
    s = jh.design(case.problem, case.start, throw=False, **options)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    history = s.value.history
    for k, b in enumerate(stages):
        for last in np.flatnonzero(history.stage == k)[-1:]:
            print(
                f"   sharpness {b:<10g} objective {history.objective[last]:.4f}"
                f"   violation {history.violation[last]:.1e}   steps {np.sum(history.stage == k)}"
            )
    measured = jax.jit(case.measured)
    show("start", measured(field, field.density(case.start, stages[0]), case.designing))
    good = []
    for label, fine in (("black and white", field), ("twice finer", field.refined(2))):
        cut = (fine.density(s.value.variables, stages[-1]) > 0.5).astype(float)
        m = measured(fine, cut, 0.0)
        show(f"{label} {fine.grid.shape[0]}", m)
        good.append(bool(case.met(m)))
    verdict = "met" if good[1] else "MISSED"
    print(
        f"   {verdict} on the finer grid; {s.result.name}, {s.stats['evaluations']} evaluations, {s.stats['rejected']}"
        f" rejected; design {wall:.0f} s wall, {cpu:.0f} s CPU with compilation\n",
        flush=True,
    )
    return good[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cases = {"auxetic": auxetic, "bulk": bulk, "conductivity": conductivity}
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(cases)}; all by default")
    parser.add_argument("--cores", type=int, default=0)
    arguments = parser.parse_args()
    pin(arguments.cores)
    met = [run(name, cases[name]()) for name in arguments.cases or cases]
    print("all met" if all(met) else "MISSED")


if __name__ == "__main__":
    main()
