"""Settings of JAX during a run, and where compiled programs go."""

import jax
import pytest

from jaxhomog.cli._cache import cache_folder, jax_settings

NAMES = ("jax_enable_x64", "jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")


@pytest.fixture(autouse=True)
def no_cache_of_the_tests():
    """The test session keeps programs of its own, and a cache that is set up already is left alone."""
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", None)
    yield
    jax.config.update("jax_compilation_cache_dir", before)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_settings_hold_during_a_run_and_come_back(precision, tmp_path, monkeypatch):
    monkeypatch.setenv("JAXHOMOG_CACHE", str(tmp_path / "cache"))
    before = [getattr(jax.config, name) for name in NAMES]
    with pytest.raises(KeyError), jax_settings(precision, cache=True):
        assert jax.config.jax_enable_x64 == (precision == "float64")
        assert jax.config.jax_compilation_cache_dir == str(tmp_path / "cache")
        raise KeyError
    assert [getattr(jax.config, name) for name in NAMES] == before
    with jax_settings(precision, cache=False):
        assert jax.config.jax_compilation_cache_dir == before[1]


@pytest.mark.parametrize("word", ["off", "0", "", "None"])
def test_the_cache_can_be_switched_off(word, monkeypatch):
    monkeypatch.setenv("JAXHOMOG_CACHE", word)
    assert cache_folder() is None


def test_the_users_cache_folder_is_the_default_and_a_bad_one_is_silently_none(tmp_path, monkeypatch):
    monkeypatch.delenv("JAXHOMOG_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "jaxhomog"
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cache_folder() is None
