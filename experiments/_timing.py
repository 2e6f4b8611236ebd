"""What the comparisons with peers share: pinning to cores, and interleaved medians."""

from __future__ import annotations

import os
import time

import numpy as np


def pin(cores):
    """Before any thread pool exists."""
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])
        print(f"pinned to {cores} core{'s' if cores > 1 else ''}")


def measure(runs, repeats):
    """Medians of (CPU, wall) seconds of every run, taken in turn."""
    times = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            cpu, wall = time.process_time(), time.perf_counter()
            run()
            times[name].append((time.process_time() - cpu, time.perf_counter() - wall))
    return {name: np.median(values, axis=0) for name, values in times.items()}
