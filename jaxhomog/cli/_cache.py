"""Settings of JAX that an application may choose (the library itself never touches them)."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax

VARIABLE = "JAXHOMOG_CACHE"


def cache_folder() -> Path | None:
    """Where compiled programs are kept between runs, or None.

    `JAXHOMOG_CACHE` names another folder or, as "off", "0" or nothing, none; else it is `jaxhomog` in the user's
    cache folder. A place that cannot be written to means none.
    """
    given = os.environ.get(VARIABLE)
    if given is not None and given.strip().lower() in ("", "0", "off", "no", "none"):
        return None
    try:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(given) if given else Path(home) / "jaxhomog"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder.absolute()
    except (OSError, RuntimeError, ValueError):
        return None


@contextmanager
def jax_settings(precision: str, cache: bool) -> Iterator[None]:
    """Precision and compilation cache of one run; what was set before comes back afterwards.

    Args:
        precision: "float64" or "float32".
        cache: keep compiled programs for the next run. A cache that the user has set up for JAX is left alone.
    """
    wanted: dict[str, object] = {"jax_enable_x64": precision == "float64"}
    folder = cache_folder() if cache and not getattr(jax.config, "jax_compilation_cache_dir", None) else None
    if folder is not None:
        wanted |= {
            "jax_compilation_cache_dir": str(folder),
            "jax_persistent_cache_min_compile_time_secs": 0.3,
            "jax_persistent_cache_min_entry_size_bytes": -1,
        }
    before = {name: getattr(jax.config, name) for name in wanted}
    try:
        for name, value in wanted.items():
            jax.config.update(name, value)
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
