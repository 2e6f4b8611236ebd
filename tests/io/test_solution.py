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


DAMAGES = {
    "a number": lambda a: a.update({"value.effective": a["value.effective"] * 1.5}),
    "a shape": lambda a: a.update({"value.effective": a["value.effective"][None]}),
    "a dtype": lambda a: a.update({"value.effective": a["value.effective"].astype(np.float32)}),
    "a code that does not exist": lambda a: a.update(code=np.asarray(99)),
    "a code that is no number": lambda a: a.update(code=np.asarray("success")),
    "a statistic": lambda a: a.update({"stats.residual": np.asarray(0.0)}),
    "a missing array": lambda a: a.pop("value.effective"),
    "one more array": lambda a: a.update({"stats.more": np.zeros(1)}),
    "no digest": lambda a: a.pop("digest"),
    "a header that is no dictionary": lambda a: a.update(header=np.frombuffer(b"[3]", np.uint8)),
    "a header that is no text": lambda a: a.update(header=np.zeros((2, 2))),
    "an older version": lambda a: a.update(header=np.frombuffer(b'{"format": "jaxhomog solution 1"}', np.uint8)),
}


@pytest.mark.parametrize("change", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_file_that_was_changed_is_refused(problem, tmp_path, change):
    path = tmp_path / "s.npz"
    save_solution(path, jh.homogenize(*problem))
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    change(arrays)
    np.savez(path, **arrays)
    with pytest.raises(jh.InputError, match=r"s.npz: (is not a solution|was written by an older version)") as told:
        load_solution(path)
    assert len(str(told.value).splitlines()) == 1


def test_a_code_that_does_not_exist_is_refused_with_a_true_digest(tmp_path):
    for code in (99, -1):
        save_solution(tmp_path / "c.npz", jh.Solution(np.ones(2), None, jh.Result(np.int32(code)), {}))
        with pytest.raises(jh.InputError, match="a result code that does not exist"):
            load_solution(tmp_path / "c.npz")


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", b"PK\x03\x04" + b"x" * 40], ids=["empty", "npy", "zip"])
def test_other_bytes_and_paths_are_refused(tmp_path, damage):
    (tmp_path / "x.npz").write_bytes(damage)
    for path in (tmp_path / "x.npz", tmp_path, "a\0b", 3):
        with pytest.raises(jh.InputError) as told:
            load_solution(path)
        assert len(str(told.value).splitlines()) == 1
