"""What several devices, and several processes, must give: run as a script of its own.

python sharded.py DEVICES [PROCESSES PROCESS PORT STORE]
"""

import re
import sys

import jax

DEVICES = int(sys.argv[1])
PROCESSES, PROCESS = (int(sys.argv[2]), int(sys.argv[3])) if len(sys.argv) > 2 else (1, 0)
jax.config.update("jax_num_cpu_devices", DEVICES)
jax.config.update("jax_enable_x64", True)
if PROCESSES > 1:
    jax.distributed.initialize(f"127.0.0.1:{sys.argv[4]}", PROCESSES, PROCESS)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from conduction_lanes import exact, laminates, solve  # noqa: E402
from jax import export  # noqa: E402

import jaxhomog as jh  # noqa: E402

assert jax.local_device_count() == DEVICES and jax.device_count() == DEVICES * PROCESSES


def scaled(factor, lane):
    return solve({"k": factor * lane["k"]})


def total(factor, k):
    return jnp.sum(jh.sweep(jax.tree_util.Partial(scaled, factor), {"k": k}).value.effective[:, 0, 0])


# Eager: 11 lanes are no multiple of the devices, and the chunks none of the processes.
lanes = laminates(11)
store = sys.argv[5] if len(sys.argv) > 5 else None
s = jh.sweep(solve, lanes, chunk=4, store=store)
np.testing.assert_allclose(s.value.effective, exact(lanes["k"]), rtol=0, atol=1e-11)
assert s.result.code.shape == (11,) and (s.result.code == 0).all()
if PROCESSES == 1:
    one = jh.sweep(solve, lanes, devices=1)
    np.testing.assert_allclose(s.value.effective, one.value.effective, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(s.stats["iterations"], one.stats["iterations"])
    vmapped = jh.sweep(solve, lanes, lanes="vmap", chunk=8)
    np.testing.assert_allclose(vmapped.value.effective, one.value.effective, rtol=0, atol=1e-13)

if store is not None:
    try:
        jh.sweep(solve, lanes, chunk=4, store=store)
    except jh.InputError as error:
        assert "resume=True" in str(error) or "first process" in str(error)
    else:
        raise AssertionError("a store that is there was overwritten")
    again = jh.sweep(solve, lanes, store=store, resume=True)
    np.testing.assert_array_equal(again.value.effective, s.value.effective)

# One program: values and derivatives, with respect to what every lane has and to what all share.
k = laminates(8)["k"]
value, (by_factor, by_lane) = jax.jit(jax.value_and_grad(total, (0, 1)))(2.0, k)
k11 = exact(k)[:, 0, 0]
np.testing.assert_allclose(value, 2 * k11.sum(), rtol=1e-10)
np.testing.assert_allclose(by_factor, k11.sum(), rtol=1e-9)
slopes = 2 * k11[:, None, None] ** 2 / (30 * k**2)
for shard in by_lane.addressable_shards:
    np.testing.assert_allclose(shard.data, slopes[shard.index], rtol=1e-9)

# Seven lanes are no multiple of the devices here either.
seven = jax.jit(lambda k: jh.sweep(solve, {"k": k}).value.effective)(k[:7])
if PROCESSES == 1:
    np.testing.assert_allclose(seven, exact(k[:7]), rtol=0, atol=1e-11)

# What the compiled program communicates: nothing for the values; for the gradient one number, of the shared factor.
WORDS = r"= (.*) (all-gather|all-reduce|all-to-all|collective-\w+|reduce-scatter|send|recv)[\w-]*\("


def communicated(function, *arguments):
    return re.findall(WORDS, jax.jit(function).lower(*arguments).compile().as_text())


mesh = jax.sharding.Mesh(np.asarray(jax.devices()), ("lanes",))
spread = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("lanes"))
everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
like = jax.ShapeDtypeStruct(k.shape, k.dtype, sharding=spread)
factor = jax.ShapeDtypeStruct((), k.dtype, sharding=everywhere)
for arrangement in ("map", "vmap") if PROCESSES == 1 else ():
    run = lambda c, k, a=arrangement: jh.sweep(jax.tree_util.Partial(scaled, c), {"k": k}, lanes=a)  # noqa: E731
    assert communicated(run, factor, like) == [], communicated(run, factor, like)
found = communicated(jax.grad(total, (0, 1)), factor, like)
assert all(re.fullmatch(r"\(?f64\[\].*", shape) for shape, _ in found), found
if DEVICES * PROCESSES > 1:
    assert found, "the reader of the program is blind"

# The sharded program and its gradient lower for every platform too.
for platform in ("cuda", "rocm", "tpu") if PROCESSES == 1 else ():
    exported = export.export(jax.jit(jax.grad(total, (0, 1))), platforms=[platform])(factor, like)
    assert exported.nr_devices == DEVICES * PROCESSES and exported.platforms == (platform,)
print("same", found)
