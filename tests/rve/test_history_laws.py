"""Every law through the RVE: exact laminates, the tangent and the reverse derivative against differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.materials import ArmstrongFrederick, GeneralizedMaxwell, KelvinVoigt, Norton, ViscoPlasticity

ELASTIC = jh.LinearElastic.isotropic(100.0, 0.3)


def from_bulk_and_shear(bulk, shear):
    return jh.LinearElastic.isotropic(
        9 * bulk * shear / (3 * bulk + shear), (3 * bulk - 2 * shear) / (2 * (3 * bulk + shear))
    )


def test_relaxation_of_a_viscoelastic_laminate():
    """`ve.laminate_standard_solid`: M(t) = Minf + (M0 - Minf) exp(-t / 2.25), slower than its phase (time 2)."""
    labels = np.asarray([0, 0, 1, 1, 1])[:, None]
    phases = {
        0: from_bulk_and_shear(6.0, 3.0),  # K + 4 G / 3 = 10
        1: GeneralizedMaxwell(from_bulk_and_shear(1.0, 1e-7), [1.5], [2.0]),
    }
    time = np.concatenate([[1e-7], 0.02 * np.arange(1, 51)])
    path = jh.LoadPath(np.tile([1.0, 0.0, 0.0], (51, 1)), time=time)
    s = jh.drive(jh.Grid((5, 1)), jh.PhaseMixture(labels, phases), path, tangent=False, tolerance=1e-9)
    got = np.asarray(s.value.stress[:, 0])
    np.testing.assert_allclose(got[[0, 25, 50]], [4.166666666666667, 3.647753653429188, 3.2322405948696735], rtol=1e-4)
    # The spectrum that emerges is one line, at a time that no phase has.
    excess = got - 1.5625
    np.testing.assert_allclose(np.diff(np.log(excess[1:])), -0.02 / 2.25, rtol=1e-3)
    # Work of the jump at the end of its step is stored or lost; relaxation at rest only loses.
    assert (np.asarray(s.value.dissipation) >= 0).all()
    total = float(s.value.energy[-1] + jnp.sum(s.value.dissipation[1:]))
    assert total == pytest.approx(float(s.value.energy[0]), rel=1e-3)


LAWS = {
    "frederick": jh.J2Plasticity(ELASTIC, jh.VoceHardening(0.5, 0.7, 30.0), ArmstrongFrederick(40.0, 80.0)),
    "maxwell": GeneralizedMaxwell(ELASTIC, [40.0, 20.0], [0.5, 4.0], [10.0, 0.0]),
    "kelvin": KelvinVoigt(ELASTIC, 30.0, 5.0),
    "norton": Norton(ELASTIC, 0.5, 4.0, 0.01),
    "perzyna": ViscoPlasticity(ELASTIC, jh.LinearHardening(0.4, 5.0), 0.3, 3.0, 0.01),
}


@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_tangent_and_adjoint_of_every_law(law):
    """Under mixed control beside an elastic phase; the law's moduli and the load path are differentiated."""
    shape, steps = (3, 4), 3
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, shape)
    strain = jnp.asarray(np.cumsum(rng.normal(size=(steps, 3)) * 0.006, axis=0))
    mask = np.zeros((steps, 3), bool)
    mask[:, 1] = True
    grid, time = jh.Grid(shape), jnp.asarray([0.7, 1.5, 2.0])
    leaves, structure = jax.tree.flatten(law)

    @jax.jit
    def run(scale, strain, mask):
        mine = jax.tree.unflatten(structure, [x * scale for x in leaves])
        both = jh.PhaseMixture(labels, {0: mine, 1: jh.LinearElastic.isotropic(300.0, 0.2)})
        path = jh.LoadPath(strain, jnp.zeros((steps, 3)), mask, time)
        return jh.drive(grid, both, path, tolerance=1e-11, throw=False)

    def loss(scale, strain):
        v = run(scale, strain, mask).value
        return jnp.sum(v.stress * jnp.arange(1.0, 4.0)) + 10 * jnp.sum(v.dissipation) + 7 * jnp.sum(v.energy)

    s = run(1.0, strain, mask)
    assert s.result.ok and float(s.value.lowest_dissipation.min()) >= 0 and float(s.value.dissipation[-1]) > 0
    d = 1e-6
    held = s.value.strain
    last = np.array(mask)
    last[-1] = False
    move = lambda v: run(1.0, held.at[-1].add(v), last).value.stress[-1]  # noqa: E731
    numeric = jnp.stack([(move(d * v) - move(-d * v)) / (2 * d) for v in jnp.eye(3)], axis=1)
    np.testing.assert_allclose(s.value.tangent[-1], numeric, atol=1e-6 * float(jnp.abs(numeric).max()))
    by_scale, by_strain = jax.jit(jax.grad(loss, argnums=(0, 1)))(1.0, strain)
    numeric = (loss(1.0 + d, strain) - loss(1.0 - d, strain)) / (2 * d)
    assert float(by_scale) == pytest.approx(float(numeric), rel=1e-5)
    bump = jnp.zeros_like(strain).at[0, 0].set(d)
    numeric = (loss(1.0, strain + bump) - loss(1.0, strain - bump)) / (2 * d)
    assert float(by_strain[0, 0]) == pytest.approx(float(numeric), rel=1e-5)
