"""How tight are the two-sided bounds of the voxel medium, at what rate do they close, and what do they cost?

Gap = largest generalized eigenvalue of (upper - lower) relative to the upper bound's largest; rate = gap / gap after
every voxel was split in two. `best` is the gap that the best RT0 flux leaves (the same cell as a field of tensors).
Cost: interleaved medians of CPU seconds of `homogenize` with and without `bounds=True`.

    python experiments/conduction_bounds.py [--quick] [--cores 1]
"""

from __future__ import annotations

import argparse

import jax
import jax.numpy as jnp
import numpy as np
from _timing import measure, pin


def images(quick):
    """name, phase image of the coarsest grid, conductivities, number of halvings."""
    rng = np.random.default_rng(0)
    board = np.indices((2, 2)).sum(0) % 2
    cube = np.indices((2, 2, 2)).sum(0) % 2
    yield "laminate 2-D", np.array([[0, 0], [1, 1], [1, 1]]), (1.0, 10.0), 2
    yield "checkerboard 2-D", board, (1.0, 9.0), 5 if quick else 7
    yield "checkerboard 3-D", cube, (1.0, 9.0), 3 if quick else 5
    for contrast in (10.0, 1000.0):
        yield "random 2-D", rng.integers(0, 2, (16, 16)), (1.0, contrast), 2 if quick else 4
        yield "random 3-D", rng.integers(0, 2, (8, 8, 8)), (1.0, contrast), 1 if quick else 3
    yield "voids 2-D, 20 %", (rng.random((16, 16)) < 0.2).astype(int), (1.0, 0.0), 2 if quick else 4
    yield "voids 3-D, 40 %", (rng.random((8, 8, 8)) < 0.4).astype(int), (1.0, 0.0), 1 if quick else 3


def law_of(jh, image, values, tensor=False):
    k = jnp.asarray(np.asarray(values)[image])
    if tensor:
        return jh.LinearConduction.tensor(k[..., None, None] * jnp.eye(image.ndim))
    return jh.LinearConduction(k)


def bounds(jh, image, values, tensor=False):
    law = law_of(jh, image, values, tensor)
    value = jh.homogenize(jh.Grid(image.shape, (1.0,) * image.ndim), law, bounds=True, max_iterations=5000).value
    return np.asarray(value.bounds.lower), np.asarray(value.bounds.upper)


def gap(lower, upper):
    return np.linalg.eigvalsh(upper - lower).max() / np.linalg.eigvalsh(upper).max()


def tables(jh, quick):
    print(
        f"{'cell':18} {'contrast':>8} {'shape':14} {'lower 11':>10} {'upper 11':>10} {'gap':>8} {'rate':>6} {'best':>8}"
    )
    for name, image, values, halvings in images(quick):
        last = None
        for _ in range(halvings + 1):
            lower, upper = bounds(jh, image, values)
            wide = gap(lower, upper)
            rate = "" if last is None or wide < 1e-6 else f"{last / wide:.2f}"
            best = ""
            if min(values) > 0 and image.size <= 20000:
                best = f"{100 * gap(bounds(jh, image, values, tensor=True)[0], upper):7.3f}%"
            ratio = "inf" if min(values) == 0 else f"{max(values) / min(values):g}"
            print(
                f"{name:18} {ratio:>8} {image.shape!s:14} {lower[0, 0]:10.5f} {upper[0, 0]:10.5f}"
                f" {100 * wide:7.3f}% {rate:>6} {best:>8}",
                flush=True,
            )
            last = wide
            for axis in range(image.ndim):
                image = np.repeat(image, 2, axis=axis)


def cost(jh, quick, repeats):
    print(f"\n{'cell':26} {'shape':16} {'one-sided':>10} {'two-sided':>10} {'ratio':>6}   (CPU seconds)")
    rng = np.random.default_rng(1)
    shapes = [(256, 256), (32, 32, 32)] if quick else [(512, 512), (64, 64, 64), (96, 96, 96)]
    for shape in shapes:
        for name, values in (("contrast 10", (1.0, 10.0)), ("contrast 1000", (1.0, 1000.0)), ("voids", (1.0, 0.0))):
            block = rng.random(tuple(n // 8 for n in shape)) < 0.3
            image = np.kron(block, np.ones((8,) * len(shape), int))
            law, grid = law_of(jh, image, values), jh.Grid(shape, (1.0,) * len(shape))

            def run(two_sided, grid=grid, law=law):
                jax.block_until_ready(jh.homogenize(grid, law, bounds=two_sided).value)

            runs = {"one": lambda run=run: run(False), "two": lambda run=run: run(True)}
            for go in runs.values():
                go()
            times = measure(runs, repeats)
            one, two = times["one"][0], times["two"][0]
            print(f"{name:26} {shape!s:16} {one:10.3f} {two:10.3f} {two / one:6.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small grids")
    parser.add_argument("--cores", type=int, default=0, help="pin to so many cores")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", choices=("tables", "cost"))
    options = parser.parse_args()
    pin(options.cores)
    jax.config.update("jax_enable_x64", True)
    import jaxhomog as jh

    if options.only != "cost":
        tables(jh, options.quick)
    if options.only != "tables":
        cost(jh, options.quick, options.repeats)


if __name__ == "__main__":
    main()
