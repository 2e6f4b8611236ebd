"""Diffusivity of random overlapping spheres: the full tensor here against one axis of TauFactor.

Claims printed:

1. The full 3x3 diffusivity tensor of the periodic cell (fv, the scheme of TauFactor), right to 1e-6 against a tight
   solve, in so many CPU and wall seconds, as a ratio to what TauFactor takes for one axis at its default accuracy.
2. An open box (fixed potentials on two faces, closed sides) is a periodic cell: reflect the image along the solved
   axis, and put a layer of non-conducting voxels behind each side. The reflected potential is odd about both planes,
   so it is fixed there, half a voxel from the outermost centres; that is where TauFactor fixes it. Shown to rounding
   against a dense solve of the open box's own equations, and against TauFactor to its accuracy.

One environment with both (TauFactor does without a GPU):

    pip install torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu
    pip install taufactor jaxhomog

    python experiments/transport_peers.py            # 64^3 and 128^3
    python experiments/transport_peers.py --quick    # 32^3

Peers that are not installed are skipped with a line. One core: the process pins itself (`--cores 0` leaves it free).
"""

from __future__ import annotations

import argparse

import numpy as np
from _timing import measure, pin

WANTED = 1e-6  # relative error of the tensor, Frobenius norm


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="32^3, three repeats")
    parser.add_argument("--cores", type=int, default=1, help="pin to this many cores; 0: do not pin")
    options = parser.parse_args()
    if options.quick:
        options.sizes, options.repeats = [32], 3
    return options


def spheres(n):
    """Pores between random overlapping spheres that fill half of the cell: True in a pore."""
    from jaxhomog.microstructure import overlapping_spheres

    return overlapping_spheres((n,) * 3, radius=n / 12.8, fraction=0.5, seed=1) == 0


def solver(mask, dtype, element="fv"):
    """A function of the tolerance that returns the tensor of a masked conductor with conductivity 1."""
    import jaxhomog as jh

    grid = jh.Grid(mask.shape)
    phases = {0: jh.LinearConduction(dtype(0)), 1: jh.LinearConduction(dtype(1))}
    law = jh.PhaseMixture(mask.astype(np.int8), phases)

    def solve(tolerance):
        return np.asarray(jh.homogenize(grid, law, element=element, tolerance=tolerance).value.effective, float)

    return solve


def loosest(solve, exact, lowest):
    """Loosest of a few tolerances whose tensor is right to WANTED (the bound overestimates); None below `lowest`."""
    for tolerance in (3e-5, 1e-5, 5e-6, 2e-6, 1e-6, 3e-7, 1e-7, 1e-8):
        if tolerance < lowest:
            return None
        if np.linalg.norm(solve(tolerance) - exact) <= WANTED * np.linalg.norm(exact):
            return tolerance
    return None


def round_size(n):
    """The next size whose only factors are 2, 3 and 5."""
    while True:
        m = n
        for p in (2, 3, 5):
            while m % p == 0:
                m //= p
        if m == 1:
            return n
        n += 1


def as_periodic(mask, axis=0):
    """The open box as a periodic cell: reflected along the axis, closed by empty layers along the others."""
    pad = [(0, 0 if k == axis else round_size(n + 1) - n) for k, n in enumerate(mask.shape)]
    half = np.pad(mask, pad)
    return np.concatenate([half, np.flip(half, axis)], axis)


def open_box(mask, dtype=np.float64, tolerance=1e-9, axis=0):
    """Diffusivity of an open box along an axis."""
    cell = as_periodic(mask, axis)
    area = np.prod([m / n for k, (m, n) in enumerate(zip(cell.shape, mask.shape, strict=True)) if k != axis])
    return solver(cell, dtype)(tolerance)[axis, axis] * area


def open_box_dense(mask):
    """The same from the equations of the open box: fixed potentials half a voxel outside, no flux elsewhere."""
    index = -np.ones(mask.shape, int)
    index[mask] = np.arange(mask.sum())
    matrix, load = np.zeros((mask.sum(),) * 2), np.zeros(mask.sum())
    for k in range(3):
        a, b = (np.moveaxis(index, k, 0)[s].ravel() for s in (slice(None, -1), slice(1, None)))
        both = (a >= 0) & (b >= 0)
        for i, j in ((a[both], b[both]), (b[both], a[both])):
            np.add.at(matrix, (i, i), 1)
            np.add.at(matrix, (i, j), -1)
    first, last = (layer[layer >= 0] for layer in (index[0], index[-1]))
    for face in (first, last):
        matrix[face, face] += 2  # half a voxel away: twice the conductance
    load[last] += 2
    potential = np.linalg.lstsq(matrix, load, rcond=None)[0]  # islands leave it singular
    return 2 * potential[first].sum() * mask.shape[0] / (mask.shape[1] * mask.shape[2])


def taufactor_solver(mask, accuracy=None):
    """One axis with TauFactor, or None."""
    try:
        import taufactor
        import torch
    except ImportError as error:
        print(f"TauFactor is skipped: {error}")
        return None
    torch.set_num_threads(1)
    image = mask.astype(np.uint8)
    keywords = {} if accuracy is None else {"conv_crit": accuracy}

    def solve():
        run = taufactor.Solver(image, device="cpu")
        run.solve(verbose=False, **keywords)
        return float(np.squeeze(run.D_eff)), run.iter

    return solve


def check_open_box():
    mask = np.random.default_rng(0).random((7, 9, 8)) < 0.7
    ours, exact = open_box(mask, tolerance=1e-12), open_box_dense(mask)
    print(f"open box 7 x 9 x 8, 70 % pores: periodic cell {ours:.10f}, dense solve of the box {exact:.10f}")
    assert abs(ours / exact - 1) < 1e-8


def compare(n, repeats):
    mask = spheres(n)
    print(f"\n{n}^3, porosity {mask.mean():.4f}")
    exact = solver(mask, np.float64)(1e-11)
    print("diffusivity tensor (fv, periodic), tight solve:\n", np.round(exact, 6))
    runs = {}
    for dtype, lowest in ((np.float32, 1e-6), (np.float64, 1e-12)):
        solve = solver(mask, dtype)
        tolerance = loosest(solve, exact, lowest)
        name = dtype.__name__
        if tolerance is None:
            print(f"jaxhomog {name}: no tolerance reaches {WANTED:g}")
            continue
        error = np.linalg.norm(solve(tolerance) - exact) / np.linalg.norm(exact)
        print(f"jaxhomog {name}: loosest tolerance {tolerance:.1e}, error {error:.1e}")
        runs[f"jaxhomog {name}, 3x3"] = lambda solve=solve, tolerance=tolerance: solve(tolerance)
    fft = fft_pair(n)
    runs["one real FFT pair of three fields, float32"] = fft
    peer = taufactor_solver(mask)
    if peer is not None:
        runs["TauFactor, one axis"] = peer
    times = measure(runs, repeats)
    unit = times["one real FFT pair of three fields, float32"]
    base = times.get("TauFactor, one axis", np.full(2, np.nan))
    print(
        f"{'':46s}{'CPU s':>9s}{'wall s':>9s}{'CPU / FFT pair':>16s}{'CPU / TauFactor':>17s}{'wall / TauFactor':>18s}"
    )
    for name, (cpu, wall) in times.items():
        print(f"{name:46s}{cpu:9.3f}{wall:9.3f}{cpu / unit[0]:16.1f}{cpu / base[0]:17.2f}{wall / base[1]:18.2f}")
    if peer is None:
        return
    (default, sweeps), (tight, more) = peer(), taufactor_solver(mask, 1e-4)()
    ours = open_box(mask, tolerance=1e-8)
    print(f"open box, axis 1: jaxhomog {ours:.7f}")
    print(f"  TauFactor, default   {default:.7f} ({default / ours - 1:+.1e}, {sweeps} sweeps)")
    print(f"  TauFactor, 1e-4      {tight:.7f} ({tight / ours - 1:+.1e}, {more} sweeps)")
    assert abs(tight / ours - 1) < 1e-4


def fft_pair(n):
    import jax
    import jax.numpy as jnp

    axes = (1, 2, 3)
    there_and_back = jax.jit(lambda x: jnp.fft.irfftn(jnp.fft.rfftn(x, axes=axes), s=(n,) * 3, axes=axes))
    field = jnp.asarray(np.random.default_rng(0).random((3, n, n, n)), jnp.float32)
    there_and_back(field).block_until_ready()
    return lambda: there_and_back(field).block_until_ready()


def main():
    options = parse()
    pin(options.cores)
    import jax

    jax.config.update("jax_enable_x64", True)
    check_open_box()
    for n in options.sizes:
        compare(n, options.repeats)


if __name__ == "__main__":
    main()
