"""Verbs under every transformation of JAX, and under its strict flags, give the closed form of a laminate.

Two layers of conductivities 1 and k, equally thick: across them K = 2 k / (1 + k), dK/dk = 2 / (1 + k)^2, whatever the
grid. A flag is set around laws, grids and verbs alike; what JAX itself refuses under it (making an array of a Python
number, under a transfer guard) is no part of a verb and stays outside.
"""

from contextlib import ExitStack
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

import jaxhomog as jh
from jaxhomog import Experiment

LABELS = np.repeat([0, 0, 1, 1], 4).reshape(4, 4)
GRID = jh.Grid((4, 4), (1.0, 1.0))
K, ACROSS, SLOPE = 3.0, 1.5, 0.125


def law(k):
    return jh.PhaseMixture(LABELS, {0: jh.LinearConduction(1.0), 1: jh.LinearConduction(k)})


def homogenized(k, grid=GRID):
    return jh.homogenize(grid, law(k), tolerance=1e-10, throw=False).value.effective[0, 0]


def applied(k):
    return -jh.apply(GRID, law(k), gradient=(1.0, 0.0), tolerance=1e-10, throw=False).value.up[0]


def driven(k):
    path = jh.LoadPath(np.array([[0.5, 0.0], [1.0, 0.0]]))
    return -jh.drive(GRID, law(k), path, tangent=False, tolerance=1e-10, throw=False).value.stress[-1, 0]


def sharded(f):
    mesh = Mesh(np.asarray(jax.devices()[:1]), ("lane",))
    spec = PartitionSpec("lane")
    lanes = jax.jit(jax.shard_map(jax.vmap(f), mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False))
    return lambda k: lanes(jnp.stack([k, 2 * k]))[0]


TRANSFORMATIONS = {
    "jit": (jax.jit, ACROSS),
    "vmap": (lambda f: lambda k: jax.vmap(f)(jnp.stack([k, 2 * k]))[0], ACROSS),
    "grad": (jax.grad, SLOPE),
    "grad of jit": (lambda f: jax.grad(jax.jit(f)), SLOPE),
    "jvp": (lambda f: lambda k: jax.jvp(f, (k,), (jnp.ones_like(k),))[1], SLOPE),
    "scan": (lambda f: lambda k: jax.lax.scan(lambda c, x: (c + f(x), None), 0 * k, jnp.stack([k, k]))[0] / 2, ACROSS),
    "checkpoint": (lambda f: jax.grad(jax.checkpoint(f)), SLOPE),
    "shard_map": (sharded, ACROSS),
}
VERBS = {"homogenize": homogenized, "apply": applied, "drive": driven}
FLAGS = {
    "strict dtypes": lambda: jax.numpy_dtype_promotion("strict"),
    "strict ranks": lambda: jax.numpy_rank_promotion("raise"),
    "transfer guard": lambda: jax.transfer_guard("disallow"),
    "debug_nans": lambda: jax.debug_nans(True),
}


def flagged(*names):
    stack = ExitStack()
    for name in names or FLAGS:
        stack.enter_context(FLAGS[name]())
    return stack


def mark(verb, transformation):
    """The cheapest by default, some of the others slow, all of them exhaustive."""
    if (verb, transformation) == ("homogenize", "grad"):
        return []
    slow = verb == "homogenize" or (verb, transformation) in {("apply", "grad"), ("drive", "grad of jit")}
    return pytest.mark.slow if slow else pytest.mark.exhaustive


PAIRS = [
    pytest.param(VERBS[v], *TRANSFORMATIONS[t], id=f"{v}-{t}", marks=mark(v, t)) for v in VERBS for t in TRANSFORMATIONS
]


@pytest.mark.parametrize("verb, transformation, right", PAIRS)
def test_transformations_of_verbs_with_and_without_flags(verb, transformation, right):
    """Rules of derivatives are called after the verb has returned, and have to be as permissive as it is."""
    k = jnp.asarray(K)
    assert float(transformation(verb)(k)) == pytest.approx(right, rel=1e-8)
    with flagged("strict dtypes", "strict ranks"):
        found = transformation(verb)(k)
    assert float(found) == pytest.approx(right, rel=1e-8)


@pytest.mark.parametrize("names", [(), *((name,) for name in FLAGS)], ids=["all", *FLAGS])
def test_laws_grids_and_verbs_under_flags(names):
    with flagged(*names):
        s = jh.homogenize(jh.Grid((4, 4), (1.0, 1.0)), law(K), tolerance=1e-10)
        elastic = jh.LinearElastic.cubic(3.0, 1.0, 1.0, jh.Rotation.from_axis_angle((0.0, 0.0, 1.0), 0.3))
        fraction = jh.volume_fraction(GRID, jh.shapes.Box((0.5, 0.5), (0.5, 0.5)))
        density = jh.simp(np.full(2, 0.5), 3.0, 0.0)
        voigt = jh.from_voigt(jh.to_voigt(np.eye(3), "stiffness"), "stiffness")
        experiment = Experiment(lambda p: p["a"] * np.ones(2), [1.0, 3.0], 0.1)
    assert float(s.value.effective[0, 0]) == pytest.approx(ACROSS, rel=1e-8) and s.result.ok
    assert float(jnp.mean(fraction)) == pytest.approx(0.25)  # half of the cell's edges
    np.testing.assert_allclose(density, 0.125, rtol=1e-12)
    np.testing.assert_array_equal(voigt, np.eye(3))
    assert elastic.physics == "elasticity" and experiment.data.shape == (2,)


TWO = jh.PhaseMixture(LABELS, {0: jh.LinearElastic.isotropic(1.0, 0.3), 1: jh.LinearElastic.isotropic(5.0, 0.2)})
OTHERS = {
    "apply": lambda: jh.apply(GRID, TWO, strain=(0.01, 0, 0), stress=(0, 0, 0), stress_controlled=(False, True, True)),
    "drive": lambda: jh.drive(GRID, TWO, jh.LoadPath(np.array([[0.01, 0, 0], [0.02, 0, 0.01]]))),
    "compliance": lambda: jh.effective_compliance(GRID, TWO),
    "correctors": lambda: jh.correctors(GRID, TWO),
    "window_bounds": lambda: jh.window_bounds(GRID, law(K)),
    "duality": lambda: jh.duality(GRID, law(K)),
    "certify": lambda: jh.certify(jh.homogenize(GRID, TWO)),
    "grid_convergence": lambda: jh.grid_convergence(
        lambda g: jh.LinearConduction(jnp.ones(g.shape)), [jh.Grid((n, n), (1.0, 1.0)) for n in (4, 6, 8)]
    ),
    "sweep": lambda: jh.sweep(lambda p: jh.homogenize(GRID, law(p["k"]), throw=False), {"k": np.array([1.0, 2.0])}),
    "fit": lambda: jh.fit(Experiment(lambda p: p["a"] * np.ones(3), [1.0, 2.0, 3.0], 0.1), {"a": 1.0}),
    "design": lambda: jh.design(lambda v: jh.Criteria(jnp.sum((v - 1) ** 2), {"c": v[0] - 0.5}), np.zeros(2)),
    "trust": lambda: jh.trust(np.tile(LABELS, (4, 4)), {0: jh.LinearConduction(1.0), 1: jh.LinearConduction(3.0)}),
}
MARKS = {"design": [], **dict.fromkeys(("trust", "grid_convergence", "drive", "duality"), pytest.mark.exhaustive)}


def numbers(tree):
    return [np.asarray(x) for x in jax.tree.leaves(tree) if hasattr(x, "dtype") and np.asarray(x).dtype.kind in "fiub"]


@pytest.mark.parametrize("name", [pytest.param(n, marks=MARKS.get(n, pytest.mark.slow)) for n in OTHERS])
def test_other_verbs_give_the_same_under_all_flags(name):
    """Bit for bit what they give without: none of the flags may reach the computation."""
    without = OTHERS[name]()
    with flagged():
        found = OTHERS[name]()
    assert len(numbers(found)) == len(numbers(without)) > 0
    for a, b in zip(numbers(found), numbers(without), strict=True):
        np.testing.assert_array_equal(a, b)


def test_flags_are_as_before_after_a_verb():
    with flagged():
        jh.homogenize(GRID, law(K), tolerance=1e-10)
        assert jax.config.jax_numpy_rank_promotion == "raise" and jax.config.jax_debug_nans
        with pytest.raises(ValueError, match="rank_promotion"), jax.transfer_guard("allow"):
            jnp.ones((2, 2)) + jnp.ones(2)


@pytest.mark.parametrize("verb", [homogenized, *(pytest.param(v, marks=pytest.mark.slow) for v in (applied, driven))])
def test_double_precision_off_and_on_with_the_same_grid(verb, recwarn):
    """The same `Grid` and image, back and forth: each time the precision that JAX has."""
    for off in (False, True, False, True):
        with jax.enable_x64(not off):
            k = partial(verb, K) if verb is not homogenized else partial(homogenized, K, GRID)
            if off:
                with pytest.raises(jh.InputError, match="out of reach in float32"):
                    k()
                found = jh.homogenize(GRID, law(K)).value.effective[0, 0]
                assert found.dtype == jnp.float32 and float(found) == pytest.approx(ACROSS, rel=1e-4)
            else:
                found = k()
                assert found.dtype == jnp.float64 and float(found) == pytest.approx(ACROSS, rel=1e-8)
    assert not [w for w in recwarn.list if "not available" in str(w.message)]


def test_laws_made_in_double_precision_serve_without_it(recwarn):
    """Arrays of 64 bits where JAX has 32: the library converts, and JAX has nothing to complain about."""
    kept = law(K)
    with jax.enable_x64(False):
        found = jh.homogenize(GRID, kept).value.effective[0, 0]
    assert found.dtype == jnp.float32 and float(found) == pytest.approx(ACROSS, rel=1e-4)
    assert not [w for w in recwarn.list if "not available" in str(w.message)]
