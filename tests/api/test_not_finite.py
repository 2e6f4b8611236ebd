"""A law that leaves the finite numbers beside a stress in balance ends with a code, never with success."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.materials import AbstractMaterial, AbstractPoints

GRID = jh.Grid((2, 2))
LABELS = np.asarray([[0, 1], [0, 0]])
ROWS = np.outer([0.001, 0.002, 0.003, 0.004], [1.0, -0.5, 0.3])


class Leaving(AbstractMaterial):
    """Linear elasticity, and numbers that grow without bound beside it."""

    physics: str = eqx.field(static=True)
    elastic: jh.LinearElastic
    what: str = eqx.field(static=True)
    factor: jax.Array

    def points(self, shape, dtype):
        inner = self.elastic.points(shape, dtype)
        return LeavingPoints(inner=inner, factor=jnp.asarray(self.factor, dtype), what=self.what, dim=len(shape))

    def code(self):
        return jnp.asarray(0, jnp.int32)

    def check(self, where=""):
        pass


class LeavingPoints(AbstractPoints):
    inner: AbstractPoints
    factor: jax.Array
    what: str = eqx.field(static=True)
    dim: int = eqx.field(static=True)

    @property
    def symmetric(self):
        return True

    def initial(self, shape, dtype):
        # Infinite from the start and no fault: the smallest strain so far.
        return {"grown": jnp.ones(shape, dtype), "least": jnp.full(shape, jnp.inf, dtype)}

    def update(self, strain, state, step):
        up = self.inner.update(strain, (), step)
        grown = state["grown"] * self.factor
        if self.what == "energy":
            up = up._replace(energy=up.energy * grown)
        if self.what == "dissipation":
            up = up._replace(dissipation=up.dissipation + grown)
        return up._replace(state={"grown": grown, "least": jnp.maximum(state["least"], strain[0])})

    def elastic(self, shape, dtype):
        return self.inner.elastic(shape, dtype)


def test_what_is_sound_succeeds_and_what_overflows_does_not():
    """1e120 a step: the third one overflows; alone and in a mixture, the rows before it stand."""
    solid = jh.LinearElastic.isotropic(1.0, 0.3)

    @jax.jit
    def run(factor):
        law = jh.PhaseMixture(LABELS, {0: Leaving("elasticity", solid, "state", factor), 1: solid})
        return jh.drive(GRID, law, jh.LoadPath(ROWS), tangent=False, throw=False)

    fine, bad = run(2.0), run(1e120)
    assert fine.result.name == "success" and np.isinf(fine.state.state[:, 1, LABELS == 0]).all()
    assert bad.result.name == "not_finite" and int(bad.stats["rows"]) == 2
    np.testing.assert_array_equal(bad.value.stress[:2], fine.value.stress[:2])
    assert np.isnan(bad.value.stress[2:]).all() and np.isnan(bad.value.energy[2:]).all()


@pytest.mark.slow
@pytest.mark.parametrize("what", ["state", "energy", "dissipation"])
@pytest.mark.parametrize("bad", [np.inf, np.nan, 1e120])
def test_each_kind_of_number(what, bad):
    law = Leaving("elasticity", jh.LinearElastic.isotropic(1.0, 0.3), what, jnp.asarray(2.0))
    run = jax.jit(lambda law: jh.drive(GRID, law, jh.LoadPath(ROWS), tangent=False, throw=False))
    # NaN as a parameter of the law is found before the first step.
    found = run(eqx.tree_at(lambda law: law.factor, law, jnp.asarray(bad))).result.name
    assert found == ("invalid_material" if np.isnan(bad) else "not_finite")
