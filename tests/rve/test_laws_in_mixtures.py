"""Every law answers alike alone, as phases of a mixture, beside another law, and with its numbers given voxel by voxel.

The left side of every comparison is the law's own program without a mixture, which its own tests hold against closed
forms; laws written as a user would stand beside those of the library.
"""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from law_table import CONDUCTORS, ELASTIC, FINITE, OTHER, SYMMETRIC
from own_laws import Creeping, Graded, Remembering

import jaxhomog as jh
from jaxhomog import materials
from jaxhomog.io import load_solution, save_solution
from jaxhomog.materials import AbstractMaterial, Step, same_state, virgin_state

SHAPE = (2, 3)
LABELS = np.asarray([[3, 7, 5], [7, 5, 3]])
FIELD = np.asarray([[50.0, 80.0, 60.0], [90.0, 70.0, 40.0]])
J2 = SYMMETRIC["J2"]

LAWS: dict = {
    "elastic": ELASTIC,
    "cubic": jh.LinearElastic.cubic(168.4, 121.4, 75.4, jh.Rotation.from_bunge(0.3, 0.8, 1.1)),
    "fluid": jh.LinearElastic.from_bulk_shear(60.0, 0.0),
    "composite": jh.CompositeVoxels(np.linspace(0, 1, 6).reshape(SHAPE), ELASTIC, jh.LinearElastic.isotropic(9.0, 0.2)),
    "conductor": jh.LinearConduction(2.0),
    "tensor": jh.LinearConduction.tensor([[2.0, 0.3], [0.3, 1.0]]),
    "viscoplastic fluid": materials.GeneralizedMaxwell(jh.LinearElastic.from_bulk_shear(60.0, 0.0), [40.0], [0.5]),
    **SYMMETRIC, **OTHER, **CONDUCTORS, **FINITE,
    "own linear law": Graded("elasticity", jnp.asarray(FIELD)),
    "own odd state": Remembering("elasticity", J2),
    "own law in time": Creeping("elasticity", jnp.asarray(30.0), jnp.asarray(0.8)),
}  # fmt: skip
# Those that compile in a second or two; each of the others takes up to half a minute.
QUICK = ("elastic", "cubic", "fluid", "composite", "conductor", "tensor", "maxwell", "thermoelastic")
QUICK += ("own linear law", "own odd state", "own law in time")
SLOW = ("J2", "kelvin", "norton", "perzyna", "damage", "power law", "neo-hookean")


def by_voxel(law):
    """The law with every single number as a field."""
    spread = lambda x: jnp.broadcast_to(x, SHAPE) if jnp.ndim(x) == 0 and eqx.is_inexact_array(x) else x  # noqa: E731
    # A standard material keeps one reference temperature; its numbers are fields all the same.
    return jax.tree.map(spread, law)


def beside(law):
    """Something else of the same physics."""
    if law.physics == "conduction":
        return jh.LinearConduction(7.0)
    return jh.NeoHookean(ELASTIC) if law.physics == "finite_strain" else jh.LinearElastic.isotropic(300.0, 0.2)


@eqx.filter_jit
def history(law, strains):
    """Stress, energy, dissipation, tangent and internal variables of three steps, on the points of the grid."""
    points = law.points(SHAPE, strains.dtype)
    state, out = virgin_state(points, SHAPE, strains.dtype), []
    for k, strain in enumerate(strains):
        step = Step(jnp.asarray(0.4 + 0.3 * k), jnp.asarray(25.0 + 10 * k))
        up = points.update(strain, state, step)
        slope = points.tangent(strain, state, step)
        state = same_state(points, state, up.state)
        answers = (up.stress, up.energy, up.dissipation, up.code)
        out.append((answers, [stiffness_of(slope)], points.internal(state)))
    return out


def stiffness_of(response):
    """Moduli of every point, (*shape, n, n)."""
    one = lambda i, j: jax.tree.map(lambda x: x[..., i : i + 1, j : j + 1], response).mean()  # noqa: E731
    return jnp.stack([jnp.stack([one(i, j) for j in range(SHAPE[1])]) for i in range(SHAPE[0])])


def strains_for(law):
    n = {"conduction": 2, "elasticity": 3, "finite_strain": 4}[law.physics]
    size = {"conduction": 1.0, "elasticity": 0.006, "finite_strain": 0.02}[law.physics]
    walk = np.cumsum(np.random.default_rng(0).normal(size=(3, n, *SHAPE)) * size, axis=0)
    rest = np.eye(2).reshape(4, 1, 1) if law.physics == "finite_strain" else 0.0
    return jnp.asarray(walk + rest)


def often(name):
    return () if name in QUICK else pytest.mark.slow if name in SLOW else pytest.mark.exhaustive


@pytest.mark.parametrize("name", [pytest.param(name, marks=often(name)) for name in LAWS])
def test_a_law_is_the_same_alone_and_in_a_mixture(name):
    law = LAWS[name]
    strains = strains_for(law)
    alone = history(law, strains)
    field = law if isinstance(law, jh.CompositeVoxels | Graded) else by_voxel(law)
    mixed = history(jh.PhaseMixture(LABELS, {3: law, 5: beside(law), 7: field}), strains)
    here = LABELS != 5
    assert max(float(jnp.max(jnp.abs(row[0][0]))) for row in alone) > 1e-3  # it answers at all
    for (answers, slope, inside), (mine, my_slope, my_inside) in zip(alone, mixed, strict=True):
        for a, b in zip(answers, mine, strict=True):
            assert a.dtype == b.dtype
            a, b = np.asarray(a)[..., here], np.asarray(b)[..., here]
            np.testing.assert_allclose(b, a, rtol=0, atol=1e-11 * max(1e-3, np.abs(a).max()))
        a, b = np.asarray(slope[0])[here], np.asarray(my_slope[0])[here]
        np.testing.assert_allclose(b, a, rtol=0, atol=1e-10 * np.abs(a).max())
        assert set(inside) <= set(my_inside)
        for key, a in inside.items():
            a, b = np.asarray(a)[..., here], np.asarray(my_inside[key])[..., here]
            np.testing.assert_allclose(b, a, rtol=0, atol=1e-11 * max(1e-3, np.abs(a).max()))


def test_every_exported_law_is_in_the_table():
    known = {type(law) for law in LAWS.values()} | {jh.PhaseMixture}
    laws = {
        x for x in vars(materials).values()
        if isinstance(x, type) and issubclass(x, AbstractMaterial) and not x.__name__.startswith("Abstract")
    }  # fmt: skip
    assert laws <= known and len(laws) > 12


# The path of a bar that is loaded and unloaded.
BAR = np.outer([0.01, 0.02, 0.01, 0.0], [1.0, 0, 0])
GRID = jh.Grid(SHAPE)


@functools.cache
def driven(which):
    laws = {
        "J2": J2,
        "odd": LAWS["own odd state"],
        "mixture": jh.PhaseMixture(LABELS, dict.fromkeys((3, 5, 7), LAWS["own odd state"])),
    }
    return jh.drive(GRID, laws[which], jh.LoadPath(BAR), element="q1r", tangent=False, fields=(1, -1))


@pytest.mark.parametrize("which", ["odd", "mixture"])
def test_an_odd_state_is_kept_by_a_cell(which, tmp_path):
    """The law inside, bare, has the same curve; what is remembered beside it counts its steps; so does a saved one."""
    s, bare = driven(which), driven("J2")
    np.testing.assert_allclose(s.value.stress, bare.value.stress, rtol=0, atol=1e-12)
    assert abs(float(s.value.stress[-1, 0])) > 0.1  # it has flowed
    for name, field in bare.value.fields.state.items():
        np.testing.assert_allclose(s.value.fields.state[name], field, rtol=0, atol=1e-14)
    np.testing.assert_allclose(s.value.fields.state["largest"], 0.02, rtol=1e-12)
    state = s.state.state
    if which == "odd":
        assert (state["law"].steps == 4).all() and (state["n"] == 4).all() and (state["matrix"] == 4).all()
        assert state["largest"][1][0] == 8.0
    else:
        assert (state["fields"]["int32"] == 4).all()
        for each in state["others"].values():
            assert sorted(float(np.max(x)) for x in each) == [4, 4, 8]
    save_solution(tmp_path / "s.npz", s)
    back = load_solution(tmp_path / "s.npz")
    for a, b in zip(jax.tree.leaves(s), jax.tree.leaves(back), strict=True):
        np.testing.assert_array_equal(a, b)
    if which == "odd":  # the same program serves both states
        on = [
            jh.drive(
                GRID, LAWS["own odd state"], jh.LoadPath(BAR), element="q1r", tangent=False, fields=(1, -1), state=x
            )
            for x in (s.state, back.state)
        ]
        np.testing.assert_array_equal(on[0].value.stress, on[1].value.stress)
        assert (on[1].state.state["n"] == 8).all() and float(on[1].state.time) == 8


def test_an_own_linear_law_is_a_phase_like_any_other():
    """Modulus per voxel under a name of its own: LinearElastic with that field, in the linear verbs and driven."""
    labels = np.asarray([[0, 1, 1], [1, 0, 1]])
    known = {0: jh.LinearElastic.isotropic(jnp.asarray(FIELD), 0.0), 1: jh.LinearElastic.isotropic(300.0, 0.2)}
    own = {0: LAWS["own linear law"], 1: known[1]}
    a, b = (jh.homogenize(GRID, jh.PhaseMixture(labels, laws)).value for laws in (known, own))
    np.testing.assert_allclose(b.effective, a.effective, rtol=0, atol=1e-10)
    np.testing.assert_allclose(b.bounds.voigt, a.bounds.voigt, rtol=0, atol=1e-10)
    path = jh.LoadPath(BAR[:1])
    curve = jh.drive(GRID, jh.PhaseMixture(labels, own), path, tangent=False, tolerance=1e-10).value.stress
    expected = np.asarray(jh.to_voigt(a.effective, "stiffness")) @ BAR[0]
    np.testing.assert_allclose(curve[0], expected, rtol=1e-5, atol=1e-8)


class Claims(Creeping):
    """Calls itself linear and is no law of moduli."""

    @property
    def linear(self):
        return True


def test_the_remedy_of_a_refusal_works():
    """A law that calls itself linear without moduli is driven, and `homogenize` says so once."""
    law = jh.PhaseMixture(LABELS, dict.fromkeys((3, 5, 7), Claims("elasticity", jnp.asarray(30.0), jnp.asarray(0.8))))
    with pytest.raises(jh.InputError, match=r"not linear \(Claims\): use drive"):
        jh.homogenize(GRID, law)
    assert law.points(SHAPE, jnp.float64).dim == 2  # what drive asks it for


class Broken(Remembering):
    """Its update answers another state than it began with."""

    change: str = eqx.field(static=True)

    def points(self, shape, dtype):
        return BrokenPoints(inner=self.inner.points(shape, dtype), change=self.change, dim=len(shape))


class BrokenPoints(materials.AbstractPoints):
    inner: materials.AbstractPoints
    change: str = eqx.field(static=True)
    dim: int = eqx.field(static=True)

    def initial(self, shape, dtype):
        return object() if self.change == "object" else (self.inner.initial(shape, dtype), 0.0)

    def update(self, strain, state, step):
        up = self.inner.update(strain, state[0], step)
        after = {"structure": (up.state,), "shape": (up.state, up.energy), "dtype": (up.state, 1)}
        return up._replace(state=after[self.change])

    def elastic(self, shape, dtype):
        return self.inner.elastic(shape, dtype)


@pytest.mark.parametrize("change, words", [
    ("structure", "BrokenPoints.update answers a state .* give the same structure"),
    ("shape", r"state\[1\] of shape .* give the same shape and dtype"),
    ("dtype", r"state\[1\] of shape .* give the same shape and dtype"),
    ("object", "the state of BrokenPoints holds a object: give arrays or numbers"),
])  # fmt: skip
@pytest.mark.parametrize("mixed", [False, True])
def test_a_state_that_changes_its_kind_is_refused(change, words, mixed):
    law = Broken("elasticity", J2, change)
    law = jh.PhaseMixture(LABELS, dict.fromkeys((3, 5, 7), law)) if mixed else law
    with pytest.raises(jh.InputError, match=words):
        jax.eval_shape(lambda e: jh.drive(GRID, law, jh.LoadPath(e), element="q1r", tangent=False), BAR)


def test_the_state_of_another_cell_is_refused():
    s = driven("J2")
    other = jh.Grid((3, 3))
    with pytest.raises(jh.InputError, match="state= is that of another cell"):
        jh.drive(other, J2, jh.LoadPath(BAR), element="q1r", tangent=False, state=s.state)
    with pytest.raises(jh.InputError, match="state= is that of another cell"):
        jh.drive(GRID, ELASTIC, jh.LoadPath(BAR), tangent=False, state=s.state)
    with pytest.raises(jh.InputError, match=r"give solution\.state"):
        jh.drive(GRID, J2, jh.LoadPath(BAR), tangent=False, state=s)  # type: ignore[arg-type]


@pytest.mark.slow
def test_an_odd_state_in_a_certificate_and_a_sweep():
    mixture = jh.PhaseMixture(LABELS, {3: LAWS["own odd state"], 5: ELASTIC, 7: LAWS["own odd state"]})
    found = jh.certify(mixture, strain=0.01).value
    bare = jh.certify(J2, strain=0.01).value
    assert bool(found.phases[3].verdict) and bool(bare.verdict)

    def lane(size):
        s = jh.drive(GRID, mixture, jh.LoadPath(size * BAR), element="q1r", tangent=False, throw=False)
        return eqx.tree_at(lambda s: (s.value, s.state), s, (s.value.stress, None))

    out = jh.sweep(lane, jnp.asarray([0.5, 1.0])).value
    inner = jh.PhaseMixture(LABELS, {3: J2, 5: ELASTIC, 7: J2})
    expected = jh.drive(GRID, inner, jh.LoadPath(BAR), element="q1r", tangent=False).value.stress
    np.testing.assert_allclose(out[1], expected, rtol=0, atol=1e-10)
