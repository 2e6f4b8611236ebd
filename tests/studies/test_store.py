"""Stores: nothing finished is lost or repeated, nothing foreign is touched, and every refusal is one line."""

import errno
import os
import resource
import shutil
import tempfile
from pathlib import Path

import jax
import numpy as np
import pytest
from conduction_lanes import SHAPE, exact, laminates, solve

import jaxhomog as jh
from jaxhomog.studies import _journal, _store, _sweep

LANES = laminates(7)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished store and its solution."""
    path = tmp_path_factory.mktemp("whole") / "store"
    return path, jh.sweep(solve, LANES, chunk=3, store=path)


@pytest.fixture
def store(whole, tmp_path):
    """A copy of the finished store."""
    return Path(shutil.copytree(whole[0], tmp_path / "store"))


def stop_at(number):
    """A progress that is interrupted once so many lanes are finished."""

    def progress(finished, total, failed):
        if finished == number:
            raise KeyboardInterrupt

    return progress


@pytest.fixture
def half(tmp_path, whole):
    """A store in which four lanes are finished: one chunk of three, and one lane in the journal."""
    path = tmp_path / "half"
    with pytest.raises(KeyboardInterrupt):
        jh.sweep(solve, LANES, chunk=3, store=path, progress=stop_at(4))
    return path


def contents(path):
    """Every file below a path with its bytes, locks apart."""
    return {p.relative_to(path): p.read_bytes() for p in path.rglob("*") if p.is_file() and ".lock" not in p.name}


def same(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_store_holds_everything(whole):
    path, solution = whole
    np.testing.assert_allclose(solution.value.effective, exact(LANES["k"]), rtol=0, atol=1e-11)
    found = jh.load_sweep(path)
    np.testing.assert_array_equal(found.parameters["k"], LANES["k"])
    np.testing.assert_array_equal(found.value["effective"], solution.value.effective)
    np.testing.assert_array_equal(found.value["bounds.voigt"], solution.value.bounds.voigt)
    np.testing.assert_array_equal(found.stats["iterations"], solution.stats["iterations"])
    np.testing.assert_array_equal(found.code, 0)
    assert found.versions["jaxhomog"] == jh.__version__ and found.versions["jax"] == jax.__version__


def test_xarray_opens_it(whole):
    xarray = pytest.importorskip("xarray", reason="xarray is not installed: pip install xarray")
    path, solution = whole
    data = xarray.open_zarr(path, consolidated=False)
    assert data.sizes["lane"] == 7 and data["value.effective"].dims[0] == "lane"
    np.testing.assert_array_equal(data["value.effective"], solution.value.effective)


def test_an_interrupted_sweep_goes_on_where_it_was(half, whole, monkeypatch):
    found = jh.load_sweep(half)
    np.testing.assert_array_equal(found.code, [0, 0, 0, 0, -1, -1, -1])
    np.testing.assert_array_equal(found.value["effective"][:4], whole[1].value.effective[:4])
    assert np.isnan(found.value["effective"][4:]).all()
    solved, seen = [], []
    run = _sweep._Passes._run
    monkeypatch.setattr(_sweep._Passes, "_run", lambda self, index: solved.extend(index) or run(self, index))
    same(jh.sweep(solve, LANES, store=half, resume=True, progress=lambda *n: seen.append(n)), whole[1])
    assert sorted(solved) == [4, 5, 6]
    assert seen == [(4, 7, 0), (5, 7, 0), (6, 7, 0), (7, 7, 0)]
    solved.clear()
    same(jh.sweep(solve, LANES, store=half, resume=True), whole[1])
    assert solved == []
    np.testing.assert_array_equal(jh.load_sweep(half).value["effective"], whole[1].value.effective)
    assert not list(half.rglob(".journal*"))


def test_resume_starts_what_is_not_there(tmp_path, whole):
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        same(jh.sweep(solve, LANES, store=tmp_path / name, resume=True), whole[1])


def test_failed_lanes_are_kept_and_not_repeated(tmp_path, monkeypatch):
    k = LANES["k"].copy()
    k[1, 0, 0] = -1
    path = tmp_path / "s"
    with pytest.raises(jh.SolverError, match="1 of 7 lanes failed"):
        jh.sweep(solve, {"k": k}, store=path)
    found = jh.load_sweep(path)
    np.testing.assert_array_equal(found.code, [0, 4, 0, 0, 0, 0, 0])
    assert np.isnan(found.value["effective"][1]).all() and np.isfinite(found.value["effective"][2]).all()
    monkeypatch.setattr(_sweep._Passes, "_run", None)
    seen = []
    jh.sweep(solve, {"k": k}, store=path, resume=True, throw=False, progress=lambda *n: seen.append(n))
    assert seen == [(7, 7, 1)]


@pytest.mark.parametrize("cut", [1, 30, -1])
def test_the_torn_end_of_a_journal_does_not_count(half, whole, cut):
    """Killed in the middle of a write: the record before counts, what follows later is read."""
    (file,) = half.rglob(".journal-1")
    record = file.read_bytes()
    file.write_bytes(record + record[:cut])
    assert (jh.load_sweep(half).code == 0).sum() == 4
    with pytest.raises(KeyboardInterrupt):
        jh.sweep(solve, LANES, store=half, resume=True, progress=stop_at(5))
    assert (jh.load_sweep(half).code == 0).sum() == 5
    same(jh.sweep(solve, LANES, store=half, resume=True), whole[1])


def test_a_damaged_record_does_not_count(half, whole):
    (file,) = half.rglob(".journal-1")
    flip(file)
    assert (jh.load_sweep(half).code == 0).sum() == 3
    same(jh.sweep(solve, LANES, store=half, resume=True), whole[1])


def refused(path, match, **options):
    """A sweep into `path` is refused in one line that says so, and changes nothing."""
    before = contents(path) if path.is_dir() else path.read_bytes()
    with pytest.raises(jh.InputError, match=match) as caught:
        jh.sweep(options.pop("problem", solve), options.pop("lanes", LANES), store=path, **options)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    assert (contents(path) if path.is_dir() else path.read_bytes()) == before


def test_a_store_that_is_there_is_not_overwritten(store):
    refused(store, "resume=True")


def looser(lane):
    return jh.homogenize(jh.Grid(SHAPE), jh.LinearConduction(lane["k"]), element="fv", throw=False, tolerance=1e-11)


def test_another_sweep_is_refused(store, monkeypatch):
    refused(store, "parameters differ", lanes={"k": LANES["k"] + np.eye(7)[0, :, None, None]}, resume=True)
    refused(store, "number of lanes differ", lanes=laminates(6), resume=True)
    refused(store, "problem differ", problem=looser, resume=True)
    monkeypatch.setattr(_store, "versions", lambda: {"jaxhomog": "0.0"})
    refused(store, "versions of jaxhomog or JAX differ", resume=True)


def flip(path, offset=-1):
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["value.effective/c/1/0/0", "code/c/0", "finished/c/1", "finished/zarr.json"])
def test_a_damaged_store_is_refused(store, name):
    flip(store / name, offset=len((store / name).read_bytes()) // 2)
    with pytest.raises(jh.InputError, match="damaged"):
        jh.load_sweep(store)
    refused(store, "damaged", resume=True)


def test_damaged_parameters_are_not_read(store):
    flip(store / "parameters.k" / "c" / "0" / "0" / "0", offset=-40)
    with pytest.raises(jh.InputError, match="damaged"):
        jh.load_sweep(store)


@pytest.mark.parametrize("name", ["value.effective/c/1/0/0", "code/c/0", "finished/zarr.json"])
def test_a_store_that_lost_a_file_is_refused(store, name):
    (store / name).unlink()
    with pytest.raises(jh.InputError, match="damaged"):
        jh.load_sweep(store)
    refused(store, "damaged", resume=True)


def test_foreign_things_are_left_alone(tmp_path):
    import zarr

    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.txt").write_text("five years")
    (tmp_path / "file").write_text("three weeks")
    zarr.create_group(str(tmp_path / "group")).create_array("x", data=np.ones(3))
    for name in ("folder", "file", "group"):
        for resume in (False, True):
            refused(tmp_path / name, r"no store|no directory", resume=resume)
        with pytest.raises(jh.InputError, match=r"no store|no directory"):
            jh.load_sweep(tmp_path / name)
    with pytest.raises(jh.InputError, match="no directory"):
        jh.load_sweep(tmp_path / "missing")


def test_a_chunk_is_on_the_disk_before_its_journal_goes(tmp_path, monkeypatch):
    """Power fails at any moment: what was not synchronized may be gone, and must not be all there is."""
    events, sync, unlink = [], os.fsync, Path.unlink

    def synced(descriptor):
        events.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        sync(descriptor)

    def unlinked(path, *args, **kwargs):
        events.append(f"gone {path.name}")
        unlink(path, *args, **kwargs)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "unlink", unlinked)
    jh.sweep(solve, LANES, chunk=2, store=tmp_path / "s", lanes="map")
    at = {event: k for k, event in reversed(list(enumerate(events)))}
    store = str(tmp_path / "s")
    mark, gone = at[f"{store}/finished/c/0"], at["gone .journal-0"]
    assert at[f"{store}/value.effective/c/0/0/0"] < mark < gone and at[f"{store}/code/c/0"] < mark
    assert at[f"{store}/value.effective/c"] < mark and at[f"{store}/finished/c"] < gone


def test_two_writers_are_kept_apart(half, whole):
    def meanwhile(finished, total, failed):
        if finished == 5:
            refused(half, "another sweep is writing", resume=True)
            seen.append(finished)

    seen = []
    same(jh.sweep(solve, LANES, store=half, resume=True, progress=meanwhile), whole[1])
    assert seen == [5]


def test_a_full_disk_loses_nothing(tmp_path, whole):
    """The kernel refuses to let a file grow beyond two records of a journal."""
    path = tmp_path / "s"
    with pytest.raises(KeyboardInterrupt):
        jh.sweep(solve, LANES, store=path, progress=stop_at(1))
    (file,) = path.rglob(".journal-0")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * file.stat().st_size + 100, limits[1]))
    try:
        with pytest.raises(jh.InputError, match=r"cannot be written \(.*make room") as caught:
            jh.sweep(solve, LANES, store=path, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(caught.value)
    assert (jh.load_sweep(path).code == 0).sum() == 2
    same(jh.sweep(solve, LANES, store=path, resume=True), whole[1])


def test_a_disk_that_is_full_from_the_start_leaves_nothing(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(_store.os, "rename", full)
    with pytest.raises(jh.InputError, match="No space left on device"):
        jh.sweep(solve, LANES, store=tmp_path / "s")
    assert os.listdir(tmp_path) == []


@pytest.fixture
def nobody():
    """Without the rights of the superuser, whom no permission stops."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield
    os.seteuid(user)


def test_a_read_only_directory(half, nobody):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        with pytest.raises(jh.InputError, match=r"cannot be written \(Permission denied\)"):
            jh.sweep(solve, LANES, store=Path(folder) / "s")
        assert os.listdir(folder) == []


def test_a_journal_that_is_cut_short_raises(tmp_path, monkeypatch):
    class Full:
        def __enter__(self):
            return self

        def __exit__(self, *args):
            pass

        def write(self, data):
            return len(data) - 1

    monkeypatch.setattr("builtins.open", lambda *args, **kwargs: Full())
    with pytest.raises(OSError, match="No space left"):
        _journal.append(tmp_path / "j", np.arange(2), [np.ones((2, 3))])


@pytest.mark.parametrize("name", ["zarr", "filelock"])
def test_a_missing_library_is_named(tmp_path, monkeypatch, name):
    found = _store.importlib.import_module

    def without(wanted):
        if wanted == name:
            raise ImportError
        return found(wanted)

    monkeypatch.setattr(_store.importlib, "import_module", without)
    with pytest.raises(jh.InputError, match=rf"needs the package {name}: pip install 'jaxhomog\[studies\]'"):
        jh.sweep(solve, LANES, store=tmp_path / "s")
    assert os.listdir(tmp_path) == []


def test_names_of_arrays(tmp_path):
    """A slash in a name makes no folder; two arrays of one name are refused."""

    def renamed(lane):
        return solve({"k": lane["k/W"]})

    jh.sweep(renamed, {"k/W": LANES["k"][:1]}, store=tmp_path / "s")
    np.testing.assert_array_equal(jh.load_sweep(tmp_path / "s").parameters["k_W"], LANES["k"][:1])
    with pytest.raises(jh.InputError, match="rename one"):
        jh.sweep(renamed, {"k/W": LANES["k"], "k_W": LANES["k"]}, store=tmp_path / "t")
