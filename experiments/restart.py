"""Paths cut in two: what a law with time answers after a restart, against the path that nobody cut.

    python experiments/restart.py

A cell of 2 x 2 voxels, one of them stiff and elastic; strain 0.01, 0, 0.02 held over the times 1 to 6 (crystals, flow
and springs alike). The path is driven whole, and in two parts of three rows with the state of the first: with absolute
times, as it must be given, saved to a file in between, and without times. Printed: stress 12 at the end of both, the
largest difference of any stress, and whether all numbers agree bit for bit.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)

import jaxhomog as jh  # noqa: E402

SOLID = jh.LinearElastic.isotropic(1.0, 0.3)
LABELS = np.asarray([[0, 1], [0, 0]])
GRID = jh.Grid((2, 2))
TIME = np.arange(1.0, 7.0)
ROWS = np.tile([0.01, 0.0, 0.02], (6, 1))
WARM = np.linspace(30.0, 80.0, 6)


def spring(e, a, p):
    return p["slow"] * e @ e + p["fast"] * (e - a) @ (e - a)


def dashpot(rate, p):
    return p["drag"] * rate @ rate


LAWS = {
    "GeneralizedMaxwell": jh.GeneralizedMaxwell(SOLID, [3.0, 1.0], [2.0, 0.5]),
    "Maxwell fluid": jh.GeneralizedMaxwell(jh.LinearElastic.from_bulk_shear(1.0, 0.0), [3.0], [2.0]),
    "KelvinVoigt": jh.KelvinVoigt(SOLID, 2.0),
    "Norton": jh.Norton(SOLID, 0.01, 4.0, 0.01),
    "ViscoPlasticity": jh.ViscoPlasticity(SOLID, jh.LinearHardening(0.003, 0.1), 0.01, 3.0, 0.01),
    "CrystalPlasticity": jh.CrystalPlasticity(
        jh.LinearElastic.cubic(1.7, 1.2, 0.75), rotation=jh.Rotation.from_bunge(0.3, 0.8, 1.1), strength=0.003,
        exponent=5.0, reference_rate=0.01,
    ),
    "StandardMaterial": jh.StandardMaterial(spring, dashpot, 6, {"slow": 0.5, "fast": 1.5, "drag": 2.0}),
    "ThermoElastic": jh.ThermoElastic(SOLID, 1e-4, 20.0),
}  # fmt: skip


def compared(law) -> tuple[float, float, float, bool]:
    mixture = jh.PhaseMixture(LABELS, {0: law, 1: jh.LinearElastic.isotropic(5.0, 0.2)})
    warm = WARM if isinstance(law, jh.ThermoElastic) else None

    def drive(rows, state=None):
        path = jh.LoadPath(ROWS[rows], time=TIME[rows], temperature=None if warm is None else warm[rows])
        return jh.drive(GRID, mixture, path, tangent=False, state=state)

    whole, first = drive(slice(6)), drive(slice(3))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "half.npz"
        jh.save_solution(file, first)
        second = drive(slice(3, 6), jh.load_solution(file).state)
    names = ("stress", "energy", "dissipation", "time")
    parts = [np.concatenate([np.asarray(getattr(s.value, name)) for s in (first, second)]) for name in names]
    same = all(np.array_equal(part, getattr(whole.value, name)) for part, name in zip(parts, names, strict=True))
    apart = float(np.max(np.abs(parts[0] - np.asarray(whole.value.stress))))
    return float(whole.value.stress[-1, 2]), float(second.value.stress[-1, 2]), apart, same


def main():
    print(f"{'law':>20s} {'uncut':>12s} {'cut':>12s} {'difference':>11s}  bit for bit")
    for name, law in LAWS.items():
        uncut, cut, apart, same = compared(law)
        print(f"{name:>20s} {uncut:12.8f} {cut:12.8f} {apart:11.1e}  {'yes' if same else 'no'}", flush=True)


if __name__ == "__main__":
    main()
