"""What a solve costs: claims of the README about speed, memory and compile time, each beside its own measure.

    python experiments/cost.py [--size 64] [--repeats 7] [--only iteration,forward,gradient,memory,compile,large]

Cell: unit cube, centred sphere r = 0.3, E = 1 and 10, nu = 0.3 and 0.2. Times are CPU seconds (user + system) of this
process, medians of interleaved repeats, each also as a multiple of the real FFT pair (rfftn + irfftn) of three fields
on the same grid, measured in between. Every target is printed with its verdict.

On two cores XLA shares out loops of some microseconds, which adds up to a third of CPU time: `taskset -c 0` shows what
the work itself costs.

What was tried (64^3, q1, float64; CPU ms of one application of the operator unless said otherwise):

* separable assembly of the nodal forces instead of all corners at once: 19.5 to 17.7 on one core;
* loop lengths that XLA can split evenly, so that split loops stay vectorized: 27.7 to 20.3 on two cores;
* fewer concatenations in the periodic padding, one array for all components: 20.3 to 16.9 on two cores;
* forces written over the part of the padded field that was already read: 26 bytes per voxel less;
* chunks of 1024 to 32768 elements: 8192 is best, 4096 and 16384 cost up to 10 % more;
* one batched transform of three fields instead of three: nothing forward, slower inverse;
* compile time: every stage traced once instead of twice, the butterfly of all components at once (5.1 to 4.4 s);
* compile time: LLVM's first optimization level for eager calls on a CPU, a quarter less, kernels as fast;
* the last check of the residual without its Green operator (a bound of the drift of the recursion shows that the
  preconditioned norm cannot have changed), and the search direction replaced by x before a check: no gain in float64
  within the scatter, 24 bytes per voxel more, because a conditional copies its operands: not kept;
* load cases by irreducible strains (hydrostatic, two deviators, three shears): one iteration less in the first only;
* padding by updates in place of concatenations: XLA makes copies (float64 2.2 to 3.8 ms a pass): not kept;
* gradient: zero tangents of lengths and loads left out (1.18 to 1.14 of the forward solve); pairs of loads contracted
  at the nodes instead of the stations, one load and a slab of layers at a time (1.14 to 1.02 ... 1.08);
* gradient: all loads of one layer contracted at the nodes (no gain), nodes of a layer padded on every side (slower);
* memory: the mean flux read from the moduli as the solver keeps them, a slab at a time, 16 bytes per voxel less and a
  tenth of the forward time; no gain from one load outside the loop over loads (XLA had done it), from moduli sliced
  out of the padded ones (XLA takes the originals), nor from the same behind an optimization barrier (moved ahead);
* compile time: XLA's older loop emitters compile 1 s faster and run float32 a fifth slower, float64 a twelfth: not
  kept; without LLVM's expensive passes, or with 2 and 4 parallel parts: no change; LLVM level 0: half a second less
  and kernels four times slower; all analytic bounds in one loop: 0.05 s; padding by one indexed read: 0.2 s less, as
  fast, 5 bytes per voxel more: not kept. What is left: tracing and lowering 0.65 s, passes over HLO 0.6 s, some 200
  kernels of which none takes more than a few percent.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)

import jaxhomog as jh  # noqa: E402
from jaxhomog.fields import ELEMENTS, green_operator  # noqa: E402
from jaxhomog.microstructure import sphere_cell  # noqa: E402
from jaxhomog.solvers import StopRule, conjugate_gradients  # noqa: E402


def verdict(value: float, target: float) -> str:
    """The target, and by how much it is missed."""
    return f"(target {target:g}: {'met' if value <= target else f'missed by a factor of {value / target:.2f}'})"


def cpu_seconds() -> float:
    use = resource.getrusage(resource.RUSAGE_SELF)
    return use.ru_utime + use.ru_stime


def interleaved(tasks: dict, repeats: int) -> dict:
    """Median CPU and wall seconds of compiled calls, run in turn."""
    for task in tasks.values():
        jax.block_until_ready(task())
    cpu = {name: [] for name in tasks}
    wall = {name: [] for name in tasks}
    for _ in range(repeats):
        for name, task in tasks.items():
            c, w = cpu_seconds(), time.perf_counter()
            jax.block_until_ready(task())
            cpu[name].append(cpu_seconds() - c)
            wall[name].append(time.perf_counter() - w)
    return {name: (statistics.median(cpu[name]), statistics.median(wall[name])) for name in tasks}


def cell(n: int, dtype):
    number = lambda x: jnp.asarray(x, dtype)  # noqa: E731
    laws = {
        0: jh.LinearElastic.isotropic(number(1.0), number(0.3)),
        1: jh.LinearElastic.isotropic(number(10.0), number(0.2)),
    }
    return jh.Grid((n,) * 3, (1.0,) * 3), jh.PhaseMixture(sphere_cell(n, 0.3), laws)


def fft_pair(n: int, dtype):
    """Twenty FFT pairs in one program, so that allocation does not count."""
    shape, axes = (n,) * 3, (1, 2, 3)
    field = jnp.asarray(np.random.default_rng(0).standard_normal((3, *shape)), dtype)
    pair = lambda x: jnp.fft.irfftn(jnp.fft.rfftn(x, axes=axes), s=shape, axes=axes)  # noqa: E731
    run = jax.jit(lambda x: jax.lax.fori_loop(0, 20, lambda _, y: pair(y), x)).lower(field).compile()
    return lambda: run(field), 20


def passes(n: int, dtype, name: str, count: int = 12):
    """`count` conjugate gradient iterations (and the two passes that form the residual) of one load."""
    grid, law = cell(n, dtype)
    element, response, h = ELEMENTS[name], law.response(grid.shape, dtype), grid.spacing(dtype)
    rng = np.random.default_rng(1)
    load = jnp.asarray(rng.standard_normal((3, *grid.shape)), dtype)
    load = load - jnp.mean(load, axis=(1, 2, 3), keepdims=True)

    def run(response, h, load):
        prepared = element.prepare(response, 3)
        green = green_operator(element, grid.shape, h, (jnp.ones((), dtype), jnp.ones((), dtype)))
        found = conjugate_gradients(
            lambda v, on: element.fast_force(prepared, v, h, on * jnp.eye(3, dtype=dtype)),
            green,
            load,
            StopRule(energy=0.0),
            max_iterations=count,
        )
        return found.x

    compiled = jax.jit(run).lower(response, h, load).compile()
    return lambda: compiled(response, h, load), count + 2


def iteration(n: int, repeats: int) -> None:
    print(f"\nOne conjugate gradient iteration at {n}^3, one load")
    for dtype in (jnp.float64, jnp.float32):
        made = {"fft": fft_pair(n, dtype)} | {e: passes(n, dtype, e) for e in ("q1", "q1r")}
        times = interleaved({k: v[0] for k, v in made.items()}, repeats)
        pair = times["fft"][0] / made["fft"][1]
        print(f"  {dtype.__name__}: FFT pair {1e3 * pair:.2f} CPU ms")
        for e in ("q1", "q1r"):
            each = times[e][0] / made[e][1]
            target = {"q1": 3.5, "q1r": 2.5}[e]
            print(f"    {e:4s} {1e3 * each:7.2f} CPU ms = {each / pair:.2f} FFT pairs {verdict(each / pair, target)}")


def forward(n: int, repeats: int) -> None:
    print(f"\nEffective stiffness at {n}^3, q1, six load cases, tensor right to 1e-6")
    tight = {}
    for dtype in (jnp.float64, jnp.float32):
        grid, law = cell(n, dtype)
        g64, l64 = cell(n, jnp.float64)
        tight = jh.homogenize(g64, l64, tolerance=1e-12).value.effective
        best = None
        for tolerance in (1e-4, 3e-5, 1e-5, 6e-6, 3e-6, 1e-6):
            s = jh.homogenize(grid, law, tolerance=tolerance)
            error = float(np.linalg.norm(s.value.effective - tight) / np.linalg.norm(tight))
            if error <= 1e-6:
                best = tolerance, error, s
                break
        if best is None:
            print(f"  {dtype.__name__}: no tolerance of the list delivers 1e-6")
            continue
        tolerance, error, s = best
        pair, count = fft_pair(n, dtype)

        def solve(grid=grid, law=law, tolerance=tolerance):
            return jh.homogenize(grid, law, tolerance=tolerance).value.effective

        times = interleaved({"fft": pair, "solve": solve}, repeats)
        cpu, wall = times["solve"]
        print(
            f"  {dtype.__name__}: {cpu:.3f} CPU s, {wall:.3f} s wall = {cpu / (times['fft'][0] / count):.0f} FFT pairs;"
            f" tolerance {tolerance:g}, error {error:.1e}, iterations {int(s.stats['iterations'])},"
            f" bound {float(s.stats['error_bound']):.1e}"
        )


def gradient(n: int, repeats: int) -> None:
    print(f"\nGradient of C11 with respect to every voxel's modulus at {n}^3, q1")
    grid, law = cell(n, jnp.float64)
    young = jnp.where(law.labels == 1, 10.0, 1.0)
    poisson = jnp.where(law.labels == 1, 0.2, 0.3)
    field_tolerance = 1e-4

    def value(e, **settings):
        made = jh.LinearElastic.isotropic(e, poisson)
        return jh.homogenize(grid, made, throw=False, **settings).value.effective[0, 0]

    reference = jax.jit(jax.grad(lambda e: value(e, tolerance=1e-13)))(young)
    plain = jax.jit(lambda e: value(e, field_tolerance=field_tolerance))
    both = jax.jit(jax.value_and_grad(lambda e: value(e, field_tolerance=field_tolerance)))
    error = float(jnp.linalg.norm(both(young)[1] - reference) / jnp.linalg.norm(reference))
    times = interleaved({"forward": lambda: plain(young), "gradient": lambda: both(young)}, repeats)
    ratio = times["gradient"][0] / times["forward"][0]
    print(
        f"  float64, field_tolerance {field_tolerance:g}: forward {times['forward'][0]:.3f} CPU s, value and gradient"
        f" {times['gradient'][0]:.3f} CPU s = {ratio:.3f} x {verdict(ratio, 1.1)}; gradient right to {error:.1e}"
        " (relative L2)"
    )


_MEMORY = """
import resource, sys, threading, time
import jax, jax.numpy as jnp
jax.config.update("jax_enable_x64", True)
import jaxhomog as jh
from jaxhomog.microstructure import sphere_cell
n, what = int(sys.argv[1]), sys.argv[2]
labels = sphere_cell(n, 0.3)
grid = jh.Grid((n,) * 3, (1.0,) * 3)
young = jnp.where(jnp.asarray(labels) == 1, 10.0, 1.0)
if what == "one":
    from jaxhomog.rve import solve_loads, Settings, load_cases
    from jaxhomog.fields import ELEMENTS, Boundary, Space
    space = Space(ELEMENTS["q1"], Boundary(("periodic",) * 3))
    def f(e):
        r = jh.LinearElastic.isotropic(e, 0.3).response(grid.shape, e.dtype)
        m = load_cases("elasticity", 3, e.dtype)[:1]
        return solve_loads(space, "elasticity", Settings(1e-6, None, None, 2000), r, grid.spacing(e.dtype), m)
else:
    def f(e):
        value = lambda e: jh.homogenize(grid, jh.LinearElastic.isotropic(e, 0.3), throw=False).value.effective[0, 0]
        return jax.value_and_grad(value)(e)
compiled = jax.jit(f).lower(young).compile()
m = compiled.memory_analysis()
jax.block_until_ready(young)
# The peak of the whole process was reached while compiling: sample the resident set during the run instead.
resident = lambda: int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
base, peak, over = resident(), 0, threading.Event()
def watch():
    global peak
    while not over.is_set():
        peak = max(peak, resident())
        time.sleep(0.002)
thread = threading.Thread(target=watch)
thread.start()
jax.block_until_ready(compiled(young))
over.set()
thread.join()
print((m.temp_size_in_bytes + m.output_size_in_bytes) / n**3, (peak - base) / n**3)
"""


def memory(n: int) -> None:
    print(
        f"\nMemory beyond the inputs at {n}^3, q1, float64, bytes per voxel: compiled analysis, growth of resident set"
    )
    for what, target in (("one", 200), ("six", 450)):
        out = subprocess.run([sys.executable, "-c", _MEMORY, str(n), what], capture_output=True, text=True, check=True)
        analysis, resident = (float(x) for x in out.stdout.split())
        label = "one load" if what == "one" else "six loads and the gradient of every voxel"
        print(f"  {label}: {analysis:.0f} {verdict(analysis, target)}, {resident:.0f} {verdict(resident, target)}")


_COMPILE = """
import sys, time
import jax
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_compilation_cache_dir", sys.argv[2])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
import jaxhomog as jh
from jaxhomog.microstructure import sphere_cell
import numpy as np
n = int(sys.argv[1])
laws = {0: jh.LinearElastic.isotropic(1.0, 0.3), 1: jh.LinearElastic.isotropic(10.0, 0.2)}
grid, law = jh.Grid((n,) * 3, (1.0,) * 3), jh.PhaseMixture(sphere_cell(n, 0.3), laws)
t = time.perf_counter()
jh.homogenize(grid, law)
first = time.perf_counter() - t
t = time.perf_counter()
jh.homogenize(grid, law)
print(first - (time.perf_counter() - t))
"""


def compile_time(n: int) -> None:
    print(f"\nTracing and compiling homogenize at {n}^3, q1, the second process with the persistent cache")
    with tempfile.TemporaryDirectory() as folder:
        for label, target in (("first process", 3.0), ("second process", 1.0)):
            command = [sys.executable, "-c", _COMPILE, str(n), folder]
            out = subprocess.run(command, capture_output=True, text=True, check=True)
            print(f"  {label}: {float(out.stdout):.2f} s wall {verdict(float(out.stdout), target)}")


def large() -> None:
    print("\n256^3 in float32, q1, six loads")
    grid, law = cell(256, jnp.float32)
    start = time.perf_counter()
    s = jh.homogenize(grid, law)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"  {time.perf_counter() - start:.0f} s wall with compilation, peak resident set {peak:.1f} GiB")
    print(
        "  C11, C12, C44 =",
        np.array2string(np.asarray(jh.to_voigt(s.value.effective, "stiffness"))[[0, 0, 3], [0, 1, 3]]),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--only", default="iteration,forward,gradient,memory,compile,large")
    args = parser.parse_args()
    chosen = args.only.split(",")
    print(f"jax {jax.__version__}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    if "iteration" in chosen:
        iteration(args.size, args.repeats)
    if "forward" in chosen:
        forward(args.size, args.repeats)
    if "gradient" in chosen:
        gradient(args.size, args.repeats)
    if "memory" in chosen:
        memory(args.size)
    if "compile" in chosen:
        compile_time(args.size)
    if "large" in chosen:
        large()


if __name__ == "__main__":
    main()
