"""What a sweep communicates on several devices, and how its cost grows with them: read off the compiled programs.

    python experiments/sweep_devices.py [--devices 4] [--size 8]

Elastic cells, value and gradient, `map` and `vmap`, compiled for simulated devices of this CPU
(`jax_num_cpu_devices`). Printed: every collective of the compiled program with its shape, and the floating point
operations and bytes that XLA counts for one device.

What follows for the cost. N lanes on D devices (of any number of hosts: the program is the same) cost ceil(N / D)
lanes one after the other and no communication at all; a device that gets easier lanes ends earlier, so the wall time
is that of the slowest share. An eager sweep hands out passes of one lane per device and has two passes in flight; it
waits for the slowest of D lanes in each. Hosts take chunks by turns and meet twice, before and after: the results,
lanes times what a lane returns, are exchanged once at the end. A gradient with respect to what all lanes share adds one
all-reduce of that parameter's size per call, log2(D) messages of some bytes for a modulus; a shared image of n voxels
adds n numbers, once per gradient, not per iteration.
"""

from __future__ import annotations

import argparse
import re

import jax

COLLECTIVES = r"= (\S+) (all-gather|all-reduce|all-to-all|collective-\w+|reduce-scatter|send|recv)[\w-]*\("


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=4)
    parser.add_argument("--size", type=int, default=8)
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_num_cpu_devices", options.devices)

    import jax.numpy as jnp
    import numpy as np

    import jaxhomog as jh

    n, lanes = options.size, 2 * options.devices
    assert jax.device_count() == options.devices

    def solve(young, lane):
        soft, stiff = jh.LinearElastic.isotropic(1.0, 0.3), jh.LinearElastic.isotropic(young * lane["young"], 0.2)
        return jh.homogenize(jh.Grid((n,) * 3), jh.PhaseMixture(lane["labels"], {0: soft, 1: stiff}), throw=False)

    def value(young, own, labels, how, devices):
        problem = jax.tree_util.Partial(solve, young)
        found = jh.sweep(problem, {"young": own, "labels": labels}, lanes=how, devices=devices)
        return found.value.effective[:, 0, 0]

    spec = jax.sharding.PartitionSpec
    mesh = jax.sharding.Mesh(np.asarray(jax.devices()), ("lanes",))
    one = jax.ShapeDtypeStruct((), float, sharding=jax.sharding.NamedSharding(mesh, spec()))
    spread = jax.sharding.NamedSharding(mesh, spec("lanes"))
    own = jax.ShapeDtypeStruct((lanes,), float, sharding=spread)
    labels = jax.ShapeDtypeStruct((lanes, n, n, n), "uint8", sharding=spread)
    for how in ("map", "vmap"):
        for what in ("value", "gradient"):

            def run(young, own, labels, how=how, what=what, devices=options.devices):
                total = lambda young, own: jnp.sum(value(young, own, labels, how, devices))  # noqa: E731
                if what == "value":
                    return value(young, own, labels, how, devices)
                return jax.grad(total, (0, 1))(young, own)

            compiled = jax.jit(run).lower(one, own, labels).compile()
            found = re.findall(COLLECTIVES, compiled.as_text())
            text = ", ".join(f"{kind} of {shape}" for shape, kind in found) or "none"
            plan, cost = compiled.memory_analysis(), compiled.cost_analysis()
            held = "" if plan is None else f", {plan.temp_size_in_bytes / 2**20:.2f} MiB of temporaries"
            flops = (cost or {}).get("flops", float("nan"))
            print(f"{how:4} {what:8} on {options.devices} devices: collectives: {text}{held}, {flops:.3g} flops a pass")


if __name__ == "__main__":
    main()
