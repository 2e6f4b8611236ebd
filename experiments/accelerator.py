"""The same programs on an accelerator: do the numbers agree with the processor's, and how long do they take?

    python experiments/accelerator.py [--only numbers,solve,path,batch] [--sizes 64 128 256] [--repeats 3]

Runs on JAX's default device; `JAX_PLATFORMS=cpu` before the command gives the processor's times. (Not in one process:
kernels are laid out for the default device.) Cells: unit cube, centred sphere r = 0.3. Times are wall seconds with the
result waited for, medians of interleaved repeats, without compilation (which is printed): an accelerator's work is not
seen in CPU seconds.

* numbers: tensor, its gradient by every voxel, an elastoplastic path and its gradient, in float64 and float32, against
  the processor's float64; the largest difference relative to the largest value.
* solve: the effective stiffness, six loads at the default tolerance, E = 1 and 10, and one FFT pair of three fields.
* path: ten plastic steps to 2 % (the cell of `path_cost.py`), and with the gradient by every voxel's yield stress.
* batch: effective stiffness of many small random cells, one after the other and by `vmap`.
* sweep: the same by `sweep` (chunks, host included), 32^3 too, and plastic paths of 8^3 with their own yield stresses.
* fit: two moduli and a radius from a noisy stiffness (12^3 voxels), compilation included.

Measured on one H200 with JAX 0.11 (float32, float64): tensor, path and gradients of float64 within 3e-11 of the
processor's; tensor in 14 and 21 ms at 64^3 (773 and 1683 ms on the 16 cores beside it), 42 and 82 ms at 128^3, 274 and
574 ms at 256^3 with 4.9 and 9.5 GB; ten plastic steps of 64^3 in 0.14 and 0.23 s, with gradient 0.30 and 0.53 s; 1000
cells of 16^3: 8033 and 3287 a second by one `vmap`, 73 and 70 one after the other. Sweeps in chunks of 256, float32,
host included: 6067 cells of 16^3, 1129 of 32^3, 1944 plastic paths of 8^3 a second. The fit in 24 s, nearly all of it
compilation, with the processor's digits.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import time

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)

import jaxhomog as jh  # noqa: E402
from jaxhomog.microstructure import sphere_cell  # noqa: E402

END = (0.02, -0.01, -0.01, 0.0, 0.0, 0.0)


def effective(labels, contrast):
    """Effective stiffness and iterations; the precision is that of `contrast`."""
    one = jnp.ones((), contrast.dtype)
    law = jh.PhaseMixture(
        labels, {0: jh.LinearElastic.isotropic(one, 0.3 * one), 1: jh.LinearElastic.isotropic(contrast, 0.2 * one)}
    )
    s = jh.homogenize(jh.Grid(labels.shape, (1.0,) * 3), law, throw=False)
    return s.value.effective, s.stats["iterations"]


def by_voxel(young):
    """Component 11 of the effective stiffness as a function of every voxel's modulus."""
    law = jh.LinearElastic.isotropic(young, jnp.full((), 0.3, young.dtype))
    return jh.homogenize(jh.Grid(young.shape, (1.0,) * 3), law, throw=False).value.effective[0, 0]


def plastic(labels, yield_stress):
    """Mean stress 11 at the end of the path, for the yield stress of every voxel."""
    dtype = yield_stress.dtype
    number = lambda x: jnp.asarray(x, dtype)  # noqa: E731
    matrix = jh.J2Plasticity(
        jh.LinearElastic.isotropic(number(100.0), number(0.3)), jh.LinearHardening(yield_stress, number(5.0))
    )
    law = jh.PhaseMixture(labels, {0: matrix, 1: jh.LinearElastic.isotropic(number(1000.0), number(0.2))})
    path = jh.LoadPath(np.linspace(0, 1, 11)[1:, None] * np.asarray(END))
    s = jh.drive(jh.Grid(labels.shape, (1.0,) * 3), law, path, tangent=False, throw=False)
    return s.value.stress[-1, 0]


def on(device, function, *args):
    """The program compiled for a device and its arguments there, and the seconds that compiling took."""
    args = jax.device_put(args, device)
    start = time.perf_counter()
    program = jax.jit(function).lower(*args).compile()
    return lambda: jax.block_until_ready(program(*args)), time.perf_counter() - start


def medians(runs, repeats):
    times = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    return {name: float(np.median(t)) for name, t in times.items()}


def numbers(fast, options):
    cpu = jax.devices("cpu")[0]
    labels = sphere_cell(16, 0.3)
    cases = {
        "tensor": lambda dtype: (lambda c: effective(labels, c)[0], jnp.asarray(10.0, dtype)),
        "its gradient by voxels": lambda dtype: (jax.grad(by_voxel), jnp.asarray(np.where(labels, 10.0, 1.0), dtype)),
        "stress of a path": lambda dtype: (lambda y: plastic(labels, y), jnp.full(labels.shape, 0.5, dtype)),
        "its gradient by voxels ": lambda dtype: (
            jax.grad(lambda y: plastic(labels, y)),
            jnp.full(labels.shape, 0.5, dtype),
        ),
    }
    print("\nLargest difference from float64 on the processor, relative to the largest value (16^3)")
    for name, case in cases.items():
        run, _ = on(cpu, *case(jnp.float64))
        exact = np.asarray(run())
        for dtype in (jnp.float64, jnp.float32):
            run, seconds = on(fast, *case(dtype))
            off = np.abs(np.asarray(run(), float) - exact).max() / np.abs(exact).max()
            print(f"  {name:24s} {jnp.dtype(dtype).name}: {off:.1e} (compiled in {seconds:.1f} s)", flush=True)


def pair(n, dtype):
    x = jnp.ones((3, n, n, n), dtype)
    return (lambda v: jnp.fft.irfftn(jnp.fft.rfftn(v, axes=(1, 2, 3)), (n, n, n), axes=(1, 2, 3))), x


def solve(fast, options):
    print("\nEffective stiffness, six loads, default tolerance")
    for n in options.sizes:
        labels = jnp.asarray(sphere_cell(n, 0.3))
        for dtype in (jnp.float32, jnp.float64):
            run, seconds = on(fast, effective, labels, jnp.asarray(10.0, dtype))
            runs = {"fast": run, "pair": on(fast, *pair(n, dtype))[0]}
            t = medians(runs, options.repeats)
            print(
                f"  {n}^3 {jnp.dtype(dtype).name}: {1e3 * t['fast']:.1f} ms, {int(run()[1])} iterations,"
                f" {t['fast'] / t['pair']:.0f} FFT pairs (compiled in {seconds:.1f} s); {memory(fast)}",
                flush=True,
            )


def memory(device):
    stats = device.memory_stats() or {}
    return f"largest memory so far {stats.get('peak_bytes_in_use', 0) / 2**20:.0f} MiB"


def path(fast, options):
    print("\nTen plastic steps, and with the gradient by every voxel's yield stress")
    for n in options.sizes[:2]:
        labels = jnp.asarray(sphere_cell(n // 2, 0.3))
        for dtype in (jnp.float32, jnp.float64):
            field = jnp.full(labels.shape, 0.5, dtype)
            both = jax.value_and_grad(plastic, argnums=1)
            runs = {"path": on(fast, plastic, labels, field)[0], "gradient": on(fast, both, labels, field)[0]}
            t = medians(runs, 1)
            print(
                f"  {n // 2}^3 {jnp.dtype(dtype).name}: {t['path']:.3f} s, with gradient {t['gradient']:.3f} s",
                flush=True,
            )


def _stiffness(labels, contrast):
    return effective(labels, contrast)[0]


def batch(fast, options):
    rng = np.random.default_rng(0)
    cells = jnp.asarray(rng.integers(0, 2, (options.cells, 16, 16, 16)))
    print(f"\n{options.cells} random cells of 16^3, default tolerance")
    for dtype in (jnp.float32, jnp.float64):
        one = functools.partial(_stiffness, contrast=jnp.asarray(10.0, dtype))
        loop, _ = on(fast, functools.partial(jax.lax.map, one), cells[:64])
        runs = {"loop": loop}
        for chunk in (64, options.cells):
            runs[f"vmap, {chunk} at once"], _ = on(fast, jax.vmap(one), cells[:chunk])
        t = medians(runs, options.repeats)
        same = np.abs(np.asarray(runs["vmap, 64 at once"]()) - np.asarray(loop())).max()
        rates = {"loop": 64 / t["loop"]} | {k: int(k.split()[1]) / v for k, v in t.items() if k != "loop"}
        words = ", ".join(f"{k} {v:.0f}" for k, v in rates.items())
        print(f"  {jnp.dtype(dtype).name}: cells per second: {words}; largest difference {same:.1e}", flush=True)


def sweeps(fast, options):
    rng = np.random.default_rng(0)
    print("\nSweeps, float32, default arrangement and chunks by hand: lanes per second, host included")
    ten = jnp.float32(10.0)

    def cell(labels):
        one = jnp.ones((), jnp.float32)
        law = jh.PhaseMixture(
            labels, {0: jh.LinearElastic.isotropic(one, 0.3 * one), 1: jh.LinearElastic.isotropic(ten, 0.2 * one)}
        )
        s = jh.homogenize(jh.Grid(labels.shape, (1.0,) * 3), law, throw=False)
        return dataclasses.replace(s, value=s.value.effective)

    labels = sphere_cell(8, 0.3)

    def plastic_cell(yield_stress):
        number = lambda x: jnp.asarray(x, jnp.float32)  # noqa: E731
        matrix = jh.J2Plasticity(
            jh.LinearElastic.isotropic(number(100.0), number(0.3)), jh.LinearHardening(yield_stress, number(5.0))
        )
        law = jh.PhaseMixture(labels, {0: matrix, 1: jh.LinearElastic.isotropic(number(1000.0), number(0.2))})
        path = jh.LoadPath(np.linspace(0, 1, 11)[1:, None] * np.asarray(END))
        s = jh.drive(jh.Grid(labels.shape, (1.0,) * 3), law, path, tangent=False, throw=False)
        return dataclasses.replace(s, value=s.value.stress, state=None)

    tasks = {
        "16^3 stiffness": (cell, rng.integers(0, 2, (options.cells, 16, 16, 16)).astype(np.int8)),
        "32^3 stiffness": (cell, rng.integers(0, 2, (256, 32, 32, 32)).astype(np.int8)),
        "8^3 plastic paths": (plastic_cell, np.linspace(0.3, 0.7, 256, dtype=np.float32)),
    }
    for name, (problem, parameters) in tasks.items():
        for chunk in (None, 256):
            rates = []
            for _ in range(1 + options.repeats):
                start = time.perf_counter()
                s = jh.sweep(problem, parameters, chunk=chunk, throw=False)
                rates.append(len(parameters) / (time.perf_counter() - start))
            failed = int(np.sum(np.asarray(s.result.code) != 0))
            words = f"{np.median(rates[1:]):.0f} (first call {rates[0]:.0f})"
            print(f"  {name}, chunk {chunk}: {words}, {failed} of {len(parameters)} failed", flush=True)


def fit(fast, options):
    cell = jh.Grid((12,) * 3, (1.0,) * 3)

    def composite(p):
        inside = jh.volume_fraction(cell, jh.shapes.Sphere((0.5,) * 3, p["radius"]))
        law = jh.CompositeVoxels(
            inside, jh.LinearElastic.isotropic(p["sphere"], 0.2), jh.LinearElastic.isotropic(p["matrix"], 0.3)
        )
        tensor = jh.homogenize(cell, law, tolerance=1e-10, throw=False).value.effective
        return jnp.concatenate([tensor[np.triu_indices(6)], jnp.ravel(p["radius"])])  # the radius is measured too

    exact = np.asarray(jax.jit(composite)({"matrix": 1.0, "sphere": 10.0, "radius": 0.3}))
    noise = np.where(np.arange(22) < 21, 0.005 * exact.max(), 0.003)
    data = exact + noise * np.random.default_rng(0).standard_normal(22)
    start = time.perf_counter()
    s = jh.fit(
        jh.Experiment(composite, data, noise),
        {"matrix": 2.0, "sphere": 5.0, "radius": 0.25},
        bounds={"matrix": "positive", "sphere": "positive", "radius": (0.1, 0.49)},
    )
    print(f"\nFit, {time.perf_counter() - start:.1f} s, {int(s.stats['steps'])} evaluations\n{s.value}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--only", default="numbers,solve,path,batch,sweep,fit")
    options = parser.parse_args()
    fast = jax.devices()[0]
    print(f"{fast.device_kind}, JAX {jax.__version__}")
    tasks = {"numbers": numbers, "solve": solve, "path": path, "batch": batch, "sweep": sweeps, "fit": fit}
    for name in options.only.split(","):
        tasks[name](fast, options)


if __name__ == "__main__":
    main()
