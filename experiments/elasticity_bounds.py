"""How tight are the two-sided bounds of the voxel medium's stiffness, at what rate do they close, what do they cost?

Gap = largest eigenvalue of (upper - lower) relative to the upper bound's largest; worst = largest generalized
eigenvalue, the widest relative gap that any one strain sees; rate = gap / gap after every voxel was split in two.
Iterations: the most of any load, of the displacement at the default tolerance and of the stress at a hundred times
that. Phases: Young's moduli 1 and the contrast, Poisson's ratios 0.35 and 0.2.
Cost: interleaved medians of CPU seconds of `homogenize` with and without `bounds=True`, compilation left out.

    python experiments/elasticity_bounds.py [--quick] [--cores 1]
"""

from __future__ import annotations

import argparse

import jax
import jax.numpy as jnp
import numpy as np
from _timing import measure, pin


def images(quick):
    """name, phase image of the coarsest grid, contrast, number of halvings."""
    rng = np.random.default_rng(0)
    board = np.indices((2, 2)).sum(0) % 2
    cube = np.indices((2, 2, 2)).sum(0) % 2
    yield "laminate 2-D", np.array([[0, 0], [1, 1], [1, 1]]), 10.0, 2
    for contrast in (10.0, 1000.0):
        yield "checkerboard 2-D", board, contrast, 4 if quick else 6
        yield "checkerboard 3-D", cube, contrast, 3 if quick else 4
        yield "random 2-D", rng.integers(0, 2, (16, 16)), contrast, 2 if quick else 4
        yield "random 3-D", rng.integers(0, 2, (6, 6, 6)), contrast, 1 if quick else 3


def law_of(jh, image, contrast):
    young, poisson = jnp.asarray([1.0, contrast]), jnp.asarray([0.35, 0.2])
    return jh.LinearElastic.isotropic(young[image], poisson[image])


def gaps(lower, upper):
    """Of the whole tensor, and the worst of any strain."""
    spread, size = np.linalg.eigh(upper)[::-1], np.linalg.eigvalsh(upper).max()
    root = spread[0] / np.sqrt(spread[1])
    return np.linalg.eigvalsh(upper - lower).max() / size, np.linalg.eigvalsh(root.T @ (upper - lower) @ root).max()


def stress_iterations(grid, law):
    """The most of any load, at the default tolerance."""
    from jaxhomog.rve import Settings, load_cases
    from jaxhomog.rve.stress_bounds import best_stresses, compliances

    @jax.jit
    def solve(law):
        response, h = law.response(grid.shape, jnp.float64), grid.spacing(jnp.float64)
        macros = load_cases("elasticity", grid.dim, jnp.float64)
        settings = Settings(1e-6, None, None, 5000)
        return best_stresses(settings, jnp.asarray(True), compliances(response)[0], response, h / jnp.mean(h), macros)[
            1
        ]

    return int(jnp.max(solve(law)))


def tables(jh, quick):
    heads = f"{'lower 11':>10} {'upper 11':>10} {'gap':>9} {'rate':>6} {'worst':>9} {'iterations':>12}"
    print(f"{'cell':18} {'contrast':>8} {'shape':14} {heads}")
    for name, image, contrast, halvings in images(quick):
        last = None
        for _ in range(halvings + 1):
            grid, law = jh.Grid(image.shape, (1.0,) * image.ndim), law_of(jh, image, contrast)
            solution = jh.homogenize(grid, law, bounds=True, max_iterations=5000)
            lower, upper = np.asarray(solution.value.bounds.lower), np.asarray(solution.value.bounds.upper)
            wide, worst = gaps(lower, upper)
            rate = "" if last is None or wide < 1e-6 else f"{last / wide:.2f}"
            count = f"{int(solution.stats['iterations'])} + {stress_iterations(grid, law)}"
            print(
                f"{name:18} {contrast:8g} {image.shape!s:14} {lower[0, 0]:10.5f} {upper[0, 0]:10.5f}"
                f" {100 * wide:8.4f}% {rate:>6} {100 * worst:8.4f}% {count:>12}",
                flush=True,
            )
            last = wide
            for axis in range(image.ndim):
                image = np.repeat(image, 2, axis=axis)


def cost(jh, quick, repeats):
    print(f"\n{'cell':26} {'shape':16} {'one-sided':>10} {'two-sided':>10} {'ratio':>6}   (CPU seconds)")
    rng = np.random.default_rng(1)
    shapes = [(128, 128), (32, 32, 32)] if quick else [(512, 512), (32, 32, 32), (64, 64, 64)]
    for shape in shapes:
        for contrast in (10.0, 1000.0):
            block = rng.random(tuple(n // 8 for n in shape)) < 0.3
            image = np.kron(block, np.ones((8,) * len(shape), int))
            law, grid = law_of(jh, image, contrast), jh.Grid(shape, (1.0,) * len(shape))

            def run(two_sided, grid=grid, law=law):
                jax.block_until_ready(jh.homogenize(grid, law, bounds=two_sided).value)

            runs = {"one": lambda run=run: run(False), "two": lambda run=run: run(True)}
            for go in runs.values():
                go()
            times = measure(runs, repeats)
            one, two = times["one"][0], times["two"][0]
            print(f"{f'contrast {contrast:g}':26} {shape!s:16} {one:10.3f} {two:10.3f} {two / one:6.2f}", flush=True)


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
