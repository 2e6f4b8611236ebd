"""Settings of the test session: expected values are given in double precision."""

import gc
import os
from pathlib import Path

from jaxlib import version as jaxlib

# The default tests solve small cells once each: optimizing the programs would cost more than it saves, and the older
# emitters take a third to a half of the newer ones' time. The slow ones of large cells are run with
# JAXHOMOG_TEST_OPTIMIZE=1.
if "XLA_FLAGS" not in os.environ and not os.environ.get("JAXHOMOG_TEST_OPTIMIZE"):
    flags = ["--xla_backend_optimization_level=0", "--xla_llvm_disable_expensive_passes=true"]
    # XLA ends the process at a flag that it does not know; this one belongs to a choice that is being phased out.
    if jaxlib.__version_info__ < (0, 11):
        flags.append("--xla_cpu_use_fusion_emitters=false")
    os.environ["XLA_FLAGS"] = " ".join(flags)

import jax
import jaxtyping
import pytest

jax.config.update("jax_enable_x64", True)


@pytest.fixture
def unchecked():
    """Run without annotations being enforced: what a user meets who gives a wrong shape."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


# Linux grants a process 65530 memory maps (vm.max_map_count); XLA takes several for every program it keeps, and a
# compilation that gets none ends in a segmentation fault.
_MAPS = 40_000


@pytest.fixture(autouse=True)
def few_programs():
    """Forget the compiled programs of earlier tests before they exhaust the memory maps of the process."""
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > _MAPS:
        jax.clear_caches()
        gc.collect()
    yield
