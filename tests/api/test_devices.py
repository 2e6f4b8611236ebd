"""Load cases spread over devices give what one device gives (in a process of its own, with two devices of the CPU)."""

import os
import subprocess
import sys

import jax
import numpy as np
import pytest

import jaxhomog as jh

SCRIPT = """
import jax
jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_enable_x64", True)
import numpy as np
import jaxhomog as jh

assert jax.device_count() == 2
labels = np.random.default_rng(0).integers(0, 2, (6, 5))
cases = {
    "conduction": lambda x: {0: jh.LinearConduction(1.0), 1: jh.LinearConduction(x)},
    # three load cases: one share is filled up
    "elasticity": lambda x: {0: jh.LinearElastic.isotropic(1.0, 0.3), 1: jh.LinearElastic.isotropic(x, 0.2)},
}
for physics, laws in cases.items():
    def solve(x, devices):
        law = jh.PhaseMixture(labels, laws(x))
        return jh.homogenize(jh.Grid(labels.shape), law, devices=devices, tolerance=1e-10, fields=True)

    one, two = solve(20.0, 1), solve(20.0, 2)
    np.testing.assert_allclose(two.value.effective, one.value.effective, rtol=0, atol=1e-12)
    np.testing.assert_allclose(two.value.fields.up, one.value.fields.up, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(two.stats["iterations_per_load"], one.stats["iterations_per_load"])
    assert float(two.value.hill_mandel_residual) < 1e-6
    slopes = [jax.grad(lambda x: solve(x, d).value.effective[0, 0])(20.0) for d in (1, 2)]
    np.testing.assert_allclose(slopes[1], slopes[0], rtol=1e-9)
    failed = jh.homogenize(jh.Grid(labels.shape), jh.PhaseMixture(labels, laws(20.0)), devices=2, max_iterations=1,
                           throw=False)
    assert failed.result.name == "max_iterations" and np.isnan(failed.value.effective).all()
print("same")
"""


@pytest.mark.slow
def test_two_devices_give_what_one_gives():
    env = {k: v for k, v in os.environ.items() if k != "JAX_NUM_CPU_DEVICES"}
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=env, timeout=600)
    assert (done.returncode, done.stdout.strip()) == (0, "same"), done.stderr[-2000:]


@pytest.mark.parametrize("number, word", [(0, "at least 1"), (jax.device_count() + 1, "jax_num_cpu_devices")])
def test_a_number_of_devices_that_is_not_there(number, word):
    with pytest.raises(jh.InputError, match=word):
        jh.homogenize(jh.Grid((4, 4)), jh.LinearConduction(np.ones((4, 4))), devices=number)
