"""Every law through the RVE: exact laminates, the tangent and the reverse derivative against differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from law_table import ELASTIC, OTHER, SYMMETRIC

import jaxhomog as jh
from jaxhomog.materials import (
    CrystalPlasticity,
    GeneralizedMaxwell,
    PowerLawConduction,
    SlipHardening,
    ThermoElastic,
)


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


# Laws of small strain that are driven by strain and time alone and dissipate.
LAWS = {
    name: (SYMMETRIC | OTHER)[name]
    for name in ("frederick", "maxwell", "kelvin", "norton", "perzyna", "crystal", "damage")
}


# The others, and every boundary condition, in test_laws_by_boundary.py.
OFTEN = ("crystal", "damage")


@pytest.mark.parametrize(
    "law",
    [
        pytest.param(law, id=name, marks=pytest.mark.slow if name in OFTEN else pytest.mark.exhaustive)
        for name, law in LAWS.items()
    ],
)
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
        mine = jax.tree.unflatten(structure, [x * (1.0 if x.ndim else scale) for x in leaves])
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
    np.testing.assert_allclose(s.value.tangent[-1], numeric, rtol=0, atol=1e-6 * float(jnp.abs(numeric).max()))
    by_scale, by_strain = jax.jit(jax.grad(loss, argnums=(0, 1)))(1.0, strain)
    numeric = (loss(1.0 + d, strain) - loss(1.0 - d, strain)) / (2 * d)
    assert float(by_scale) == pytest.approx(float(numeric), rel=1e-5)
    bump = jnp.zeros_like(strain).at[0, 0].set(d)
    numeric = (loss(1.0, strain + bump) - loss(1.0, strain - bump)) / (2 * d)
    assert float(by_strain[0, 0]) == pytest.approx(float(numeric), rel=1e-5)


def test_a_laminate_of_power_law_conductors():
    """`cond.powerlaw_laminate`: in series the flux is uniform, in parallel the gradient."""
    labels = np.asarray([0, 0, 1, 1, 1])[:, None]
    law = jh.PhaseMixture(labels, {0: PowerLawConduction(1.0, 3.0), 1: PowerLawConduction(5.0, 3.0)})
    s = jh.drive(jh.Grid((5, 1)), law, jh.LoadPath(np.asarray([[2.0, 0.0], [0.0, 2.0]])), tolerance=1e-11)
    assert float(s.value.stress[0, 0]) == pytest.approx(-18.896208965996333, rel=1e-8)
    assert float(s.value.stress[1, 1]) == pytest.approx(-27.2, rel=1e-8)
    # Tangent of a power law along its gradient: 3 q / 2.
    assert float(s.value.tangent[0, 0, 0]) == pytest.approx(3 * float(s.value.stress[0, 0]) / 2, rel=1e-6)


@pytest.mark.slow
def test_free_expansion_is_the_effective_one():
    """A free cell that is heated strains by Levin's effective expansion, row by row; a held one answers with stress."""
    labels = np.random.default_rng(2).integers(0, 2, (4, 5))
    stiff = {0: jh.LinearElastic.isotropic(1.0, 0.3), 1: jh.LinearElastic.isotropic(8.0, 0.2)}
    alpha = {0: 2e-3, 1: 5e-4}
    law = jh.PhaseMixture(labels, {k: ThermoElastic(stiff[k], alpha[k], 20.0) for k in stiff})
    grid = jh.Grid((4, 5))
    temperature = np.asarray([30.0, 80.0])
    free = jh.LoadPath(stress=np.zeros((2, 3)), temperature=temperature)
    s = jh.drive(grid, law, free, tolerance=1e-10, tangent=False)
    # In plane strain the held third direction adds nu alpha to the expansion in the plane.
    poisson = {0: 0.3, 1: 0.2}
    plane = np.where(labels == 0, alpha[0] * (1 + poisson[0]), alpha[1] * (1 + poisson[1]))
    eigen = plane[..., None] * np.asarray([1.0, 1.0, 0.0])
    mixture = jh.PhaseMixture(labels, stiff)
    effective = jh.effective_expansion(grid, mixture, eigen, tolerance=1e-12).value.expansion
    for row, t in enumerate(temperature):
        np.testing.assert_allclose(
            s.value.strain[row], np.asarray(jh.to_voigt(effective, "strain")) * (t - 20), rtol=1e-6
        )
    held = jh.drive(grid, law, jh.LoadPath(np.zeros((2, 3)), temperature=temperature), tolerance=1e-10, tangent=False)
    c = jh.homogenize(grid, mixture, tolerance=1e-12).value.effective
    expected = -np.asarray(jh.to_voigt(c @ effective, "stress"))[None] * (temperature - 20)[:, None]
    np.testing.assert_allclose(held.value.stress, expected, rtol=1e-6, atol=1e-12)


def grains(shape, number, seed=0):
    """Orientations of a random periodic tessellation, one per voxel."""
    rng = np.random.default_rng(seed)
    seeds = rng.uniform(size=(number, 3))
    x = np.stack(np.meshgrid(*[(np.arange(n) + 0.5) / n for n in shape], indexing="ij"), axis=-1)
    away = np.abs(x[..., None, :] - seeds)
    nearest = np.argmin(np.sum(np.minimum(away, 1 - away) ** 2, axis=-1), axis=-1)
    return np.asarray(jh.Rotation.from_quaternion(rng.normal(size=(number, 4))))[nearest]


def copper(rotation, exponent=20.0, hardening=None):
    return CrystalPlasticity(
        jh.LinearElastic.cubic(168.4, 121.4, 75.4),
        rotation=rotation,
        strength=0.02,
        exponent=exponent,
        reference_rate=1e-3,
        hardening=hardening,
    )


@pytest.mark.slow
def test_a_polycrystal_lies_below_taylor():
    """Full constraint is one admissible field: without hardening its work bounds that of the RVE, step by step."""
    shape, steps = (6, 6, 6), 6
    rotation = grains(shape, 12)
    strain = 1e-3 * np.arange(1, steps + 1)[:, None] * np.asarray([1, -0.5, -0.5, 0, 0, 0])
    path = jh.LoadPath(strain, time=np.arange(1.0, steps + 1))
    cell = jh.drive(jh.Grid(shape), copper(rotation), path, element="q1r", tangent=False).value.stress
    assert np.isfinite(cell).all()
    bound = 0.0
    for r in rotation.reshape(-1, 3, 3)[np.unique(rotation.reshape(-1, 9), axis=0, return_index=True)[1]]:
        share = np.mean(np.all(rotation == r, axis=(-1, -2)))
        bound = bound + share * jh.drive(jh.Grid((1, 1, 1)), copper(r), path, tangent=False).value.stress
    work, taylor = (np.sum(np.asarray(s) * np.asarray([1, -0.5, -0.5, 0, 0, 0]), axis=1) for s in (cell, bound))
    assert (work < taylor).all() and work[-1] > 0.8 * taylor[-1]


NINE = grains((3, 3, 1), 9)[:, :, 0]
LONG = {
    "J2, 50 steps": (50, 4e-4, lambda x: jh.J2Plasticity(ELASTIC, jh.VoceHardening(0.5 * x, 0.8, 30.0))),
    "crystal, 20 steps": (20, 1e-3, lambda x: copper(NINE, 20.0, SlipHardening(0.2 * x, 0.1))),
}


@pytest.mark.slow
@pytest.mark.parametrize("steps, size, law", LONG.values(), ids=LONG.keys())
def test_the_adjoint_of_a_long_path(steps, size, law):
    """Reverse mode over the whole history, with loading and unloading, against central differences to 1e-5."""
    turn = np.concatenate([np.arange(1, steps - 5), (steps - 6) - np.arange(0, 6)])[:steps, None]
    strain = jnp.asarray(size * turn * np.asarray([1.0, -0.3, 0.8]))
    grid = jh.Grid((3, 3))

    def loss(x, strain):
        both = law(x)
        if isinstance(both, jh.J2Plasticity):
            both = jh.PhaseMixture(np.eye(3, dtype=int), {0: both, 1: jh.LinearElastic.isotropic(300.0, 0.2)})
        path = jh.LoadPath(strain, time=jnp.arange(1.0, steps + 1))
        v = jh.drive(grid, both, path, tangent=False, tolerance=1e-11, throw=False).value
        return jnp.sum(v.stress[-1] * jnp.arange(1.0, 4.0)) + jnp.sum(v.dissipation)

    both = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))
    value, (by_law, by_path) = both(1.0, strain)
    assert np.isfinite(value)
    d = 1e-5
    numeric = (both(1 + d, strain)[0] - both(1 - d, strain)[0]) / (2 * d)
    assert float(by_law) == pytest.approx(float(numeric), rel=1e-5)
    bump = jnp.zeros_like(strain).at[steps // 2, 2].set(d * size)
    numeric = (both(1.0, strain + bump)[0] - both(1.0, strain - bump)[0]) / (2 * d * size)
    assert float(by_path[steps // 2, 2]) == pytest.approx(float(numeric), rel=1e-5)


@pytest.mark.slow
def test_a_compact_history_gives_the_gradient_of_the_exact_one():
    """Displacements kept in 32 bits, 1e-9 of the largest: values and gradients move, by less than 1e-7."""
    labels = np.eye(3, dtype=int)
    strain = np.linspace(0, 4e-3, 7)[1:, None] * np.asarray([1.0, -0.3, 0.8])

    def stress(x, compact):
        law = jh.PhaseMixture(labels, {0: LONG["J2, 50 steps"][2](x), 1: jh.LinearElastic.isotropic(300.0, 0.2)})
        path = jh.LoadPath(strain)
        return jh.drive(jh.Grid((3, 3)), law, path, tangent=False, compact=compact, throw=False).value.stress[-1, 0]

    exact, compact = (jax.jit(jax.value_and_grad(lambda x, c=c: stress(x, c)))(1.0) for c in (False, True))
    np.testing.assert_allclose(compact, exact, rtol=1e-7)
    assert compact != exact
