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


@pytest.mark.parametrize("remembers", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_path_goes_on_from_the_disk_bit_for_bit(tmp_path, remembers):
    elastic = jh.LinearElastic.isotropic(100.0, 0.3)
    law = jh.J2Plasticity(elastic, jh.LinearHardening(0.2, 1.0)) if remembers else elastic
    strain = np.outer(np.linspace(0.002, 0.01, 4), [1.0, -0.5, 0.3])
    grid, options = jh.Grid((2, 2)), {"tangent": False, "element": "q1r"}
    first = jh.drive(grid, law, jh.LoadPath(strain[:2]), fields=(1,), **options)
    save_solution(tmp_path / "half.npz", first)
    back = load_solution(tmp_path / "half.npz")
    assert jax.tree.structure(back) == jax.tree.structure(first)
    on, again = (jh.drive(grid, law, jh.LoadPath(strain[2:]), state=s.state, **options) for s in (first, back))
    assert float(on.value.energy[-1]) > 0
    for a, b in zip(jax.tree.leaves(on), jax.tree.leaves(again), strict=True):
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
        save_solution(tmp_path / "x.npz", jh.Solution({1, 2}, None, jh.Result(np.int32(0)), {}))
    assert not list(tmp_path.iterdir())
