"""Sweeps against loops: lanes per second on all cores, the same numbers, memory bounded by the chunk.

    python experiments/sweep_throughput.py [--lanes16 1000] [--lanes32 256] [--repeats 3] [--skip-vmap]

Random two-phase voxels (E = 1 and 10, nu = 0.3 and 0.2, every voxel drawn by itself), 16^3 and 32^3, float64, default
tolerance, periodic, q1. The loop calls `homogenize` eagerly, compiled before. Throughput is a matter of all cores: wall
time counts here, CPU seconds stand beside it. Loop and sweep take turns in one process; medians. A machine of which
others use a part shows less.

Targets: sweep at least 1.8 times the throughput of the loop on two cores, every lane within 1e-9 of its single solve.

Measured on an idle machine of two cores, 1000 and 256 lanes: 16^3 2.00 times the loop's throughput, 32^3 1.95 times.
With other jobs beside it 32^3 falls to 1.7: the loop then loses less, because it keeps one core only. No lane differs
from its single solve.

What was tried (CPU milliseconds a lane on two cores that others used too; 16^3, 32^3): the loop 21, 143 to 161; `vmap`
28 to 36, 208, because lanes go through the caches together, and XLA keeps one core; `lax.map` in one program on one
device 19, and one core too. The single-lane program, handed over by one thread per core, 15 to 16, 125 to 133, and all
cores; two devices of the CPU (`jax_num_cpu_devices`) 15 to 17, 128. Alone on one core (`taskset`) a lane of 32^3 takes
100: the rest is XLA sharing out short loops. Neither `xla_cpu_multi_thread_eigen` nor the scheduler's option changes
that.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time

import jax

TARGET, SAME = 1.8, 1e-9


def images(number, n):
    import numpy as np

    return np.random.default_rng(0).integers(0, 2, (number, n, n, n)).astype(np.uint8)


def problem_of(n):
    import dataclasses

    import jaxhomog as jh

    def problem(labels):
        law = jh.PhaseMixture(
            labels, {0: jh.LinearElastic.isotropic(1.0, 0.3), 1: jh.LinearElastic.isotropic(10.0, 0.2)}
        )
        solution = jh.homogenize(jh.Grid((n, n, n)), law, throw=False)
        return dataclasses.replace(solution, value=solution.value.effective)

    return problem


def measure(n: int, number: int, repeats: int, devices: int, vmap: bool) -> None:
    import numpy as np

    import jaxhomog as jh

    problem, labels = problem_of(n), images(number, n)
    few = labels[: max(8, number // 16)]
    tasks = {
        "loop": (lambda: np.stack([np.asarray(problem(x).value) for x in labels]), number),
        "sweep": (lambda: jh.sweep(problem, labels).value, number),
    }
    if vmap:
        tasks["vmap"] = (lambda: jh.sweep(problem, few, lanes="vmap", chunk=8).value, len(few))
    problem(labels[0])
    jh.sweep(problem, labels[: 2 * devices])
    if vmap:
        jh.sweep(problem, few[:8], lanes="vmap", chunk=8)
    wall, cpu, values = {k: [] for k in tasks}, {k: [] for k in tasks}, {}
    for _ in range(repeats):
        for name, (task, count) in tasks.items():
            w, c = time.perf_counter(), time.process_time()
            values[name] = task()
            wall[name].append((time.perf_counter() - w) / count)
            cpu[name].append((time.process_time() - c) / count)
    print(f"{n}^3, {number} lanes, {devices} device{'s' if devices > 1 else ''} of {os.cpu_count()} cores")
    for name in tasks:
        w, c = statistics.median(wall[name]), statistics.median(cpu[name])
        print(f"  {name:6} {1e3 * w:8.2f} ms wall a lane {1e3 * c:8.2f} ms CPU")
    gain = statistics.median(a / b for a, b in zip(wall["loop"], wall["sweep"], strict=True))
    verdict = "met" if gain >= TARGET else "missed"
    print(f"  throughput of the sweep: {gain:.2f} of the loop's (target {TARGET}: {verdict})")
    for name, count in (("sweep", number), ("vmap", len(few))):
        if name in values:
            reference = values["loop"][:count]
            scale = np.linalg.norm(reference, axis=(1, 2))
            error = np.max(np.linalg.norm(values[name] - reference, axis=(1, 2)) / scale)
            print(f"  {name}: largest difference of a lane {error:.1e} (target {SAME:g})")


def memory(n: int, number: int, lanes: str, chunk: int) -> None:
    """Peak memory of a sweep in a process of its own, above that of one lane."""
    import jaxhomog as jh

    problem, labels = problem_of(n), images(number, n)
    jh.sweep(problem, labels[:1], lanes="map")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    jh.sweep(problem, labels, lanes=lanes, chunk=chunk)
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"  {lanes:4} of {number:4} lanes in chunks of {chunk:3}: {more:6.0f} MiB more than one lane", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lanes16", type=int, default=1000)
    parser.add_argument("--lanes32", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--skip-vmap", action="store_true")
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)  # a measurement in a process of its own
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    if options.one:
        kind, *words = options.one
        if kind == "measure":
            n, number, devices = map(int, words)
            jax.config.update("jax_num_cpu_devices", devices)
            measure(n, number, options.repeats, devices, not options.skip_vmap and devices == 1)
        else:
            memory(int(words[0]), int(words[1]), words[2], int(words[3]))
        return

    def apart(*words):
        command = [sys.executable, __file__, "--repeats", str(options.repeats), "--one", *map(str, words)]
        subprocess.run(command + (["--skip-vmap"] if options.skip_vmap else []), check=True)

    for n, number in ((16, options.lanes16), (32, options.lanes32)):
        for devices in (1, 2):
            apart("measure", n, number, devices)
    print("memory at 16^3")
    for number, lanes, chunk in ((64, "map", 64), (256, "map", 64), (64, "vmap", 4), (64, "vmap", 16)):
        apart("memory", 16, number, lanes, chunk)


if __name__ == "__main__":
    main()
