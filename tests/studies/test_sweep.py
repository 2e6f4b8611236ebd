"""A sweep is the loop: values, codes, derivatives, whatever the arrangement; and what it says about bad arguments."""

import dataclasses
import functools
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conduction_lanes import SHAPE, exact, laminates, solve

import jaxhomog as jh
from jaxhomog.studies import _lanes

LANES = laminates(7)


@pytest.fixture(scope="module")
def loop():
    """Single solves, one after the other."""
    one = jax.jit(solve)
    solutions = [one({"k": k}) for k in LANES["k"]]
    return jax.tree.map(lambda *x: np.stack(x), *solutions)


@pytest.mark.parametrize("chunk", [None, 1, 3])
def test_map_is_the_loop_bit_by_bit(loop, chunk):
    s = jh.sweep(solve, LANES, chunk=chunk, lanes="map")
    assert jax.tree.structure(s) == jax.tree.structure(loop)
    for mine, single in zip(jax.tree.leaves(s), jax.tree.leaves(loop), strict=True):
        np.testing.assert_array_equal(mine, single)
    np.testing.assert_allclose(s.value.effective, exact(LANES["k"]), rtol=0, atol=1e-11)


@pytest.mark.parametrize("chunk", [None, 3])
def test_vmap_is_the_loop_within_rounding(loop, chunk):
    s = jh.sweep(solve, LANES, chunk=chunk, lanes="vmap")
    np.testing.assert_allclose(s.value.effective, exact(LANES["k"]), rtol=0, atol=1e-11)
    np.testing.assert_array_equal(s.stats["iterations"], loop.stats["iterations"])
    assert s.result.code.shape == (7,) and s.state is None


def test_a_traced_sweep_has_the_same_lanes():
    s = jax.jit(lambda k: jh.sweep(solve, {"k": k}, lanes="vmap", chunk=3))(LANES["k"])
    np.testing.assert_allclose(s.value.effective, exact(LANES["k"]), rtol=0, atol=1e-11)


def test_a_failed_lane_has_its_code_and_spares_the_others():
    k = LANES["k"].copy()
    k[2, 0, 0], k[5, 1, 1] = -1.0, np.nan
    bad = np.isin(np.arange(7), [2, 5])
    for lanes in ("map", "vmap"):
        s = jh.sweep(solve, {"k": k}, lanes=lanes, chunk=3, throw=False)
        assert np.isnan(s.value.effective[bad]).all()
        np.testing.assert_allclose(s.value.effective[~bad], exact(k[~bad]), rtol=0, atol=1e-11)
        np.testing.assert_array_equal(s.result.code, np.where(bad, 4, 0))
    with pytest.raises(jh.SolverError, match=r"2 of 7 lanes failed, the worst: invalid_material: .*check") as caught:
        jh.sweep(solve, {"k": k}, chunk=3)
    np.testing.assert_array_equal(caught.value.solution.result.code, s.result.code)


def test_converged_lanes_stand_still_while_others_go_on():
    """A lane beside one that needs 500 iterations more has the bits that it has beside a copy of itself."""

    def hard(lane):
        law = jh.LinearConduction(lane["k"])
        return jh.homogenize(jh.Grid((16, 16)), law, residual_tolerance=1e-10, element="fv")

    rng = np.random.default_rng(0)
    easy = np.where(np.arange(16)[:, None] < 8, 1.0, 3.0) * np.ones((16, 16))
    rough = np.exp(rng.uniform(-12, 12, (16, 16)))
    alone = jh.sweep(hard, {"k": np.stack([easy, easy])}, lanes="vmap", throw=False)
    beside = jh.sweep(hard, {"k": np.stack([easy, rough])}, lanes="vmap", throw=False)
    extra = beside.stats["iterations"][1] - beside.stats["iterations"][0]
    assert extra > 500, extra
    for a, b in zip(jax.tree.leaves(alone), jax.tree.leaves(beside), strict=True):
        np.testing.assert_array_equal(a[0], b[0])
    np.testing.assert_allclose(beside.value.effective[0], np.diag([1.5, 2.0]), rtol=0, atol=1e-9)


def test_derivatives_of_every_lane():
    """d K11 / d k_layer = K11^2 / (6 k_layer^2) of a series, in both modes; a failed lane adds none."""
    k = jnp.asarray(LANES["k"][:4]).at[1, 0, 0].set(-1.0)
    weights = jnp.asarray([1.0, 0.0, 2.0, 3.0])

    def total(k):
        effective = jh.sweep(solve, {"k": k}).value.effective[:, 0, 0]
        return jnp.sum(jnp.where(weights > 0, weights * effective, 0))

    slope = jax.grad(total)(k)
    k11 = exact(np.asarray(k))[:, 0, 0]
    expected = (np.asarray(weights) * k11**2)[:, None, None] / (30 * np.asarray(k) ** 2)
    np.testing.assert_allclose(slope, expected, rtol=1e-9)
    direction = jnp.ones_like(k) * k
    np.testing.assert_allclose(jax.jvp(total, (k,), (direction,))[1], np.sum(expected * k), rtol=1e-9)


def scaled(factor, lane):
    return solve({"k": factor * lane["k"]})


@pytest.mark.parametrize(
    "sweep",
    [
        lambda c: jh.sweep(jax.tree_util.Partial(scaled, c), LANES),
        pytest.param(lambda c: jh.sweep(lambda lane: scaled(c, lane), LANES), marks=pytest.mark.slow, id="closure"),
    ],
)
def test_what_all_lanes_share(sweep):
    expected = exact(LANES["k"])[:, 1, 1].sum()
    value, slope = jax.value_and_grad(lambda c: jnp.sum(sweep(c).value.effective[:, 1, 1]))(3.0)
    np.testing.assert_allclose([value, slope], [3 * expected, expected], rtol=1e-9)


def test_a_smaller_value_and_shared_arrays_are_not_constants():
    """The program's text does not grow with a shared image."""

    def problem(labels, lane):
        law = jh.PhaseMixture(labels, {0: jh.LinearConduction(1.0), 1: jh.LinearConduction(lane)})
        s = jh.homogenize(jh.Grid(labels.shape), law, throw=False)
        return dataclasses.replace(s, value=s.value.effective[0, 0])

    sizes = []
    for n in (8, 32):
        static, arrays = _lanes.parted(jax.tree_util.Partial(problem, np.zeros((n, n), np.int32)))
        sizes.append(len(_lanes.solve_lanes.plain.lower(arrays, jnp.ones(2), static, "map", None, 1).as_text()))
    assert sizes[1] < 1.1 * sizes[0]
    labels = np.zeros(SHAPE, np.int32)
    labels[:3] = 1
    s = jh.sweep(functools.partial(problem, labels), np.asarray([1.0, 3.0]))
    np.testing.assert_allclose(s.value, [1, 1.5], rtol=1e-6)


def test_a_recursive_closure_is_looked_through():
    """The traced number behind a function that calls itself, and one that is not defined yet."""
    later: object

    def outer(c):
        def again(n):
            return c if n == 0 else again(n - 1)

        return lambda lane: (again(1), later)

    assert [x for x in _lanes.closed_over(outer(5.0)) if isinstance(x, float)] == [5.0]


def test_product_has_every_combination():
    lanes = jh.product(a=np.arange(2), b={"x": np.asarray([5.0, 6.0, 7.0]), "y": np.eye(3)}, c=np.asarray([0, 1]))
    assert [(int(a), float(x), int(c)) for a, x, c in zip(lanes["a"], lanes["b"]["x"], lanes["c"], strict=True)] == [
        (a, x, c) for a in (0, 1) for x in (5.0, 6.0, 7.0) for c in (0, 1)
    ]
    np.testing.assert_array_equal(lanes["b"]["y"][4], np.eye(3)[2])


def test_the_memory_that_lanes_need_tells_how_many_fit(monkeypatch):
    """Half of the memory that seven lanes take together holds no more than half of them."""
    static, arrays = _lanes.parted(solve)
    need = _lanes._bytes_needed(static, arrays, LANES, None, 7, 1)
    assert need > LANES["k"].nbytes  # the lanes themselves, and what is computed from them
    monkeypatch.setattr(_lanes, "_bytes_needed", lambda *args: need * args[-2] // 7)

    class Device:
        platform = "gpu"
        limit = 4 * need

        def memory_stats(self):
            return {"bytes_limit": self.limit, "bytes_in_use": 0}

    device = Device()
    assert _lanes.lanes_at_once(static, arrays, LANES, None, [device], None) == 7
    assert _lanes.lanes_at_once(static, arrays, LANES, None, [device], 3) == 3
    Device.limit = 0.5 * need / _lanes._SHARE
    assert _lanes.lanes_at_once(static, arrays, LANES, None, [device], None) == 3


def test_passes_keep_their_order_and_do_not_run_far_ahead():
    seen, ahead, wait = set(), [], threading.Event()

    def work(item):
        seen.add(threading.get_ident())
        if item == 0:
            wait.wait(10)  # the first ends last
        else:
            wait.set()
        ahead.append(item)
        return -item

    for count, (item, value) in enumerate(_lanes.in_order(work, range(50), 2)):
        assert (item, value) == (count, -count) and max(ahead) <= count + 5
    assert len(seen) == 2 and count == 49


@dataclasses.dataclass
class Unhashable:
    """A callable that compares by value, and may change."""

    tolerance: float

    def __call__(self, lane):
        return solve(lane)


@pytest.mark.parametrize(
    "problem, parameters, options, say",
    [
        (solve, {"k": np.ones((3, 6, 5)), "x": np.ones(2)}, {}, r"differ \(\['k'\]: 3, \['x'\]: 2\)"),
        (solve, {"k": np.ones((0, 6, 5))}, {}, "no lanes"),
        (solve, {"k": 1.0}, {}, "leading axis"),
        (solve, {}, {}, "no array"),
        (solve, LANES, {"lanes": "loop"}, "'auto', 'map' or 'vmap'"),
        (solve, LANES, {"chunk": 0}, "at least 1"),
        (solve, LANES, {"devices": 0}, "at least 1"),
        (solve, LANES, {"devices": 99}, "jax_num_cpu_devices"),
        (lambda lane: lane["k"], LANES, {}, "return the Solution"),
        (Unhashable(1.0), LANES, {}, "not hashable"),
        (None, LANES, {}, "problem is a NoneType: give a function of the parameters of one lane"),
        (lambda: 1, LANES, {}, "problem cannot be called"),
        (solve, "abc", {}, "parameters is 'abc': give an array of numbers"),
        (solve, {"k": np.array(["a"])}, {}, r"parameters\['k'\] is array"),
        (solve, {"k": [object()]}, {}, "give an array of numbers"),
        (solve, {"k": np.ones(2), 1: np.ones(2)}, {}, "names of several types"),
        (solve, LANES, {"chunk": "x"}, "chunk='x': give a whole number of lanes"),
        (solve, LANES, {"chunk": True}, "chunk=True"),
        (solve, LANES, {"chunk": np.nan}, "chunk=nan"),
        (solve, LANES, {"devices": "x"}, "devices='x'"),
        (solve, LANES, {"store": 3}, "store=3: give the path as a text"),
        (solve, LANES, {"store": ""}, "store='': give the path"),
        (solve, LANES, {"store": "a\0b"}, "null character"),
        (solve, LANES, {"resume": "x"}, "resume='x': give True or False"),
        (solve, LANES, {"progress": 3}, "progress is a int"),
    ],
)
def test_bad_arguments(problem, parameters, options, say):
    with pytest.raises(jh.InputError, match=say) as caught:
        jh.sweep(problem, parameters, **options)
    assert "\n" not in str(caught.value)


def test_a_store_under_a_trace_is_refused(tmp_path):
    with pytest.raises(jh.InputError, match="outside"):
        jax.jit(lambda k: jh.sweep(solve, {"k": k}, store=tmp_path / "s").value)(LANES["k"])


def test_product_wants_axes():
    with pytest.raises(jh.InputError, match="no axes"):
        jh.product()
    for axis in (np.ones((0, 2)), "x", [[1, 2], [3]], np.array([None, 1]), None, 1.0, {"b": object()}):
        with pytest.raises(jh.InputError, match="product: a"):
            jh.product(a=axis)


def test_a_path_that_is_none():
    for path in (None, 3, b"x"):
        with pytest.raises(jh.InputError, match="path="):
            jh.load_sweep(path)


@pytest.mark.slow
def test_many_loads_through_a_cell_that_yields():
    """One plastic cell under several uniaxial loads: sigma = sy + (eps - sy / E) E H / (E + H) beyond yield."""
    sy, young, h = 0.5, 100.0, 5.0
    law = jh.J2Plasticity(jh.LinearElastic.isotropic(young, 0.3), jh.LinearHardening(sy, h))

    def pull(lane):
        strain = jnp.outer(jnp.asarray([0.5, 1.0]), jnp.zeros(6).at[0].set(lane))
        path = jh.LoadPath(strain, jnp.zeros_like(strain), [False] + [True] * 5)
        return jh.drive(jh.Grid((2, 2, 2)), law, path, tangent=False, throw=False)

    end = np.asarray([0.002, 0.01, 0.02])
    s = jh.sweep(pull, end)
    expected = np.where(end < sy / young, young * end, sy + (end - sy / young) * young * h / (young + h))
    np.testing.assert_allclose(s.value.stress[:, -1, 0], expected, rtol=1e-6)
