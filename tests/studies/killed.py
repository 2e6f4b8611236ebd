"""Sweeps that are killed with SIGKILL at random moments: what the slow test and `experiments/sweep_kill.py` share."""

import multiprocessing
import os
import time
from pathlib import Path

import jax
import numpy as np
from conduction_lanes import laminates, solve

import jaxhomog as jh

LANES = laminates(150)
# What PYTHONPATH must hold for `kill_often`: the server that forks the sweeps finds this module by it.
HERE = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])


def run(store: str, log: str, cache: str) -> None:
    """A sweep that tells after every lane how many are finished (in a process of its own)."""
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_compilation_cache_dir", cache)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    file = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def progress(finished, total, failed):
        os.write(file, f"{finished}\n".encode())

    jh.sweep(solve, LANES, chunk=16, store=store, resume=True, progress=progress)


def kill_often(folder: Path, kills: int, seed: int) -> dict[str, int]:
    """Kill sweeps of one store at random moments, check the store after each, start it anew once it is complete.

    Args:
        folder: to work in.
        kills: how often.
        seed: of the moments.

    Returns:
        Kills while the sweep was still running, with some lanes finished, and stores that were completed.

    Raises:
        AssertionError: a lane that was finished is lost, differs, or was solved again.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["killed"])
    rng = np.random.default_rng(seed)
    log, cache = folder / "log", folder / "cache"

    def start(store):
        log.unlink(missing_ok=True)
        process = context.Process(target=run, args=(str(store), str(log), str(cache)))
        begin = time.perf_counter()
        process.start()
        return process, begin

    def begun(process):
        """The time at which the first lane of this process is solved."""
        while process.is_alive() and not (log.exists() and log.read_text().count("\n") > 1):
            time.sleep(0.001)
        return time.perf_counter()

    for k in range(2):  # the second finds the programs compiled
        process, begin = start(folder / f"reference{k}")
        middle = begun(process)
        process.join()
        assert process.exitcode == 0
    first, second = middle - begin, time.perf_counter() - middle
    reference = jh.load_sweep(folder / "reference1").value
    np.testing.assert_array_equal(reference["effective"], jh.load_sweep(folder / "reference0").value["effective"])
    print(f"{first:.2f} s until the first lane, {second:.2f} s for all of them")
    found = {"in the middle": 0, "with lanes finished": 0, "stores completed": 0}
    store, before = folder / "store0", 0
    for kill in range(kills):
        process, _ = start(store)
        if rng.random() < 0.2:  # while it opens the store, and compiles
            time.sleep(rng.uniform(0, first))
        else:
            begun(process)
            time.sleep(rng.uniform(0, 0.5 * second))
        process.kill()
        process.join()
        told = [int(x) for x in log.read_text().split()] if log.exists() else []
        assert not told or told[0] == before, "a finished lane was solved again"
        assert told == list(range(before, before + len(told)))
        if store.exists():
            sweep = jh.load_sweep(store)
            done = sweep.code == 0
            assert not told or done.sum() >= told[-1], "a finished lane was lost"
            assert done.sum() >= before
            for name, values in sweep.value.items():
                np.testing.assert_array_equal(values[done], reference[name][done])
            before = int(done.sum())
            found["in the middle"] += process.exitcode != 0
            found["with lanes finished"] += 0 < before < len(done)
            if before == len(done):
                found["stores completed"] += 1
                store, before = folder / f"store{kill + 1}", 0
    process, _ = start(store)
    process.join()
    assert process.exitcode == 0
    for name, values in jh.load_sweep(store).value.items():
        np.testing.assert_array_equal(values, reference[name])
    return found
