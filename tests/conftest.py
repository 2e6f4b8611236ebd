"""Settings of the test session: expected values are given in double precision."""

import gc
import os
from pathlib import Path

from jaxlib import version as jaxlib

# The default tests solve small cells once each: optimizing the programs would cost more than it saves, and the older
# emitters take a third to a half of the newer ones' time (their code is a tenth slower). The slow ones of large cells
# are run with JAXHOMOG_TEST_OPTIMIZE=1; README's demo command in .ci/run is compiled as users do.
if "XLA_FLAGS" not in os.environ:
    flags = ["--xla_backend_optimization_level=0", "--xla_llvm_disable_expensive_passes=true"]
    if os.environ.get("JAXHOMOG_TEST_OPTIMIZE"):
        flags = []
    # XLA ends the process at a flag that it does not know; this one belongs to a choice that is being phased out.
    if jaxlib.__version_info__ < (0, 11):
        flags.append("--xla_cpu_use_fusion_emitters=false")
    os.environ["XLA_FLAGS"] = " ".join(flags)

import jax
import jaxtyping
import pytest

jax.config.update("jax_enable_x64", True)

# Every eager operation is a program of its own, and most tests ask for the same ones: they are compiled once for all
# workers, for every run of a clone, and again only where a library or the flags above have changed.
if not jax.config.jax_compilation_cache_dir:
    jax.config.update("jax_compilation_cache_dir", str(Path(__file__).parents[1] / ".pytest_cache" / "programs"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


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


def _by_hand() -> list[str]:
    """Beginnings of the names in exhaustive.txt."""
    lines = (Path(__file__).parent / "exhaustive.txt").read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def pytest_collection_modifyitems(config, items):
    """Mark what exhaustive.txt names, and refuse a line of it that names nothing any more."""
    names = {item: item.nodeid.removeprefix("tests/") for item in items}
    whole = {name.split("::")[0] for name in names.values()} if not any("::" in a for a in config.args) else set()
    for line in _by_hand():
        found = [item for item, name in names.items() if name.startswith(line)]
        if not found and line.split("::")[0] in whole:
            raise pytest.UsageError(f"tests/exhaustive.txt: no test is called {line}")
        for item in found:
            item.add_marker(pytest.mark.exhaustive)
