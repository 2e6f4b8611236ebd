"""A solution survives the disk bit for bit; other files are refused in one line."""

import jax
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.io import load_solution, save_solution


@pytest.fixture(scope="module")
def problem():
    labels = np.array([[0, 1, 1], [0, 0, 1]])
    return jh.Grid(labels.shape), jh.PhaseMixture(labels, {0: jh.LinearConduction(1.0), 1: jh.LinearConduction(5.0)})


@pytest.mark.parametrize("verb", ["homogenize", "apply"])
def test_round_trip(problem, tmp_path, verb):
    kwargs = {"fields": True} if verb == "homogenize" else {"gradient": (1.0, 0.0)}
    solution = getattr(jh, verb)(*problem, **kwargs)
    save_solution(tmp_path / "s é.npz", solution)
    back = load_solution(tmp_path / "s é.npz")
    assert jax.tree.structure(back) == jax.tree.structure(solution)
    for a, b in zip(jax.tree.leaves(solution), jax.tree.leaves(back), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_damage_and_foreign_files_are_refused(problem, tmp_path):
    path = tmp_path / "s.npz"
    save_solution(path, jh.homogenize(*problem))
    whole = path.read_bytes()
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    for name in ("other.npz", "cut.npz", "missing.npz"):
        with pytest.raises(jh.InputError) as caught:
            load_solution(tmp_path / name)
        assert "\n" not in str(caught.value) and name in str(caught.value)


def test_only_solutions_are_saved(tmp_path):
    with pytest.raises(jh.InputError, match="cannot be saved"):
        save_solution(tmp_path / "x.npz", jh.Solution([1, 2], None, jh.Result(np.int32(0)), {}))
    assert not list(tmp_path.iterdir())
