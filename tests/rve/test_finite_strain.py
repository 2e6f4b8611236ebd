"""The RVE at finite strain: exact laminates, derivatives, boundary conditions, and an element that does not lock."""

import functools
import json
from pathlib import Path

import finite_reference
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh

VALUES = Path(__file__).parents[3] / "shared" / "references" / "reference_values.json"


def moduli(shear, bulk_ratio):
    """Isotropic elasticity of a shear modulus, and Lame's first parameter as a multiple of it."""
    lame = bulk_ratio * shear
    return jh.LinearElastic.isotropic(shear * (3 * lame + 2 * shear) / (lame + shear), lame / 2 / (lame + shear))


def acoustic(tangent, number=2000):
    """Smallest eigenvalue of Q_ik = A_iJkL N_J N_L over directions of the plane, by a plain scan."""
    angle = np.linspace(0, np.pi, number, endpoint=False)
    n = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    q = np.einsum("ijkl,mj,ml->mik", np.reshape(tangent, (2, 2, 2, 2)), n, n)
    return np.linalg.eigvalsh(0.5 * (q + q.swapaxes(1, 2)))[:, 0].min()


def stretches(values):
    return jnp.asarray(np.stack([np.diag([x, 1 / x]) for x in values]))


def laminate(fraction, stiff, soft, ratio):
    """Ten layers along axis 0, neo-Hookean."""
    labels = np.zeros((1, 10), int)
    labels[0, : round(10 * fraction)] = 1
    laws = {1: jh.NeoHookean(moduli(stiff, ratio)), 0: jh.NeoHookean(moduli(soft, ratio))}
    return jh.Grid(labels.shape), jh.PhaseMixture(labels, laws)


def critical_stretch(fraction, stiff, soft, ratio, near):
    """Where the acoustic tensor of the homogenized tangent loses its positive definiteness."""
    grid, law = laminate(fraction, stiff, soft, ratio)
    values = np.concatenate([np.linspace(1, near + 0.004, 12)[1:], near + np.linspace(0.003, -0.003, 7)])
    answer = jh.drive(grid, law, jh.LoadPath.finite(stretches(values)), tolerance=1e-10)
    smallest = np.array([acoustic(a) for a in np.asarray(answer.value.tangent)])
    assert smallest[0] > 0 > smallest[-1]
    report = jh.certify(answer).value
    assert np.allclose(report.ellipticity, smallest, rtol=0, atol=1e-5 * np.abs(answer.value.tangent).max())
    assert not bool(report.verdict)
    assert "strongly elliptic" in report.reason
    i = int(np.argmax(smallest < 0))
    share = smallest[i - 1] / (smallest[i - 1] - smallest[i])
    return values[i - 1] + share * (values[i] - values[i - 1])


@pytest.mark.parametrize(("fraction", "stiff", "soft"), [(0.5, 10.0, 1.0), (0.3, 20.0, 1.0)])
def test_laminate_loses_ellipticity_where_theory_says(fraction, stiff, soft):
    # fs.neohooke_laminate_ellipticity: lambda_c = (1 - mu_R / mu_V)^(1/4) for incompressible layers.
    voigt, reuss = fraction * stiff + (1 - fraction) * soft, 1 / (fraction / stiff + (1 - fraction) / soft)
    exact = (1 - reuss / voigt) ** 0.25
    if VALUES.exists():
        table = json.loads(VALUES.read_text())
        (entry,) = (x for x in table if x["id"] == "fs.neohooke_laminate_ellipticity")
        assert exact == pytest.approx(entry["value"][str((fraction, stiff, soft))], rel=1e-12)
    errors = [critical_stretch(fraction, stiff, soft, ratio, exact) - exact for ratio in (1e2, 1e3, 1e4)]
    # The limit of a rising bulk modulus: the error falls with its inverse.
    assert abs(errors[2]) < 1e-4
    assert 8 < errors[0] / errors[1] < 12
    assert 8 < errors[1] / errors[2] < 12


@pytest.mark.exhaustive
def test_laminate_has_the_stress_of_its_exact_energy():
    # W = mu_V/2 (|F|^2 - 2) - (mu_V - mu_R)/2 (FT . FN)^2 / |FT|^2 with T along the layers; incompressible, so that
    # stresses are compared along isochoric paths: dW/dt = P : dF/dt. Simple shear across and along the layers.
    fraction, stiff, soft, ratio = 0.3, 20.0, 1.0, 1e4
    voigt, reuss = fraction * stiff + (1 - fraction) * soft, 1 / (fraction / stiff + (1 - fraction) / soft)
    grid, law = laminate(fraction, stiff, soft, ratio)
    for way in ([[0.0, 1.0], [0, 0]], [[0.0, 0], [1, 0]]):
        shears = np.linspace(0, 0.8, 5)[1:]
        f = np.eye(2) + shears[:, None, None] * np.array(way)
        answer = jh.drive(grid, law, jh.LoadPath.finite(f), tolerance=1e-9).value
        along, across = f[:, :, 0], f[:, :, 1]
        coupling = np.sum(along * across, axis=1) ** 2 / np.sum(along**2, axis=1)
        exact = 0.5 * voigt * (np.sum(f**2, axis=(1, 2)) - 2) - 0.5 * (voigt - reuss) * coupling
        assert np.allclose(answer.energy, exact, rtol=2e-4)


def composite(shape, seed=1, plastic=False):
    labels = np.random.default_rng(seed).integers(0, 2, size=shape)
    elastic = jh.LinearElastic.isotropic

    def law(factor):
        if plastic:
            flows = jh.FiniteJ2Plasticity(elastic(10.0, 0.3), jh.LinearHardening(0.2 * factor, 0.5))
            return jh.PhaseMixture(labels, {0: flows, 1: jh.NeoHookean(elastic(20.0, 0.3))})
        laws = {0: jh.NeoHookean(elastic(1.0 * factor, 0.45)), 1: jh.SaintVenantKirchhoff(elastic(5.0, 0.3))}
        return jh.PhaseMixture(labels, laws)

    return jh.Grid(shape), law


def deformations(dim, steps=2, seed=2):
    f = np.eye(dim) + 0.1 * np.random.default_rng(seed).normal(size=(steps, dim, dim))
    return jnp.asarray(f.reshape(steps, -1))


CASES = [
    pytest.param((4, 3), None, "periodic", (), False, marks=pytest.mark.exhaustive),
    pytest.param((4, 3), "q1", "affine", (), False, marks=pytest.mark.exhaustive),
    pytest.param((4, 3), "q1bar", "uniform_traction", (), False, marks=pytest.mark.slow),
    pytest.param((4, 3), "q1r", ("periodic", "uniform_mixed"), (3,), False, marks=pytest.mark.exhaustive),
    pytest.param((3, 2, 2), None, "periodic", (4, 8), False, marks=pytest.mark.exhaustive),
    pytest.param((4, 3), None, "periodic", (), True, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("shape", "element", "boundary", "held", "plastic"), CASES)
def test_tangent_and_adjoint_are_derivatives(shape, element, boundary, held, plastic):
    grid, law = composite(shape, plastic=plastic)
    dim, size = len(shape), 1e-5
    n = dim * dim
    mask = np.isin(np.arange(n), held)
    f = deformations(dim)

    def answer(f, factor):
        path = jh.LoadPath.finite(f, jnp.zeros_like(f), mask)
        return jh.drive(grid, law(factor), path, boundary, element, tolerance=1e-11, throw=False).value

    weights = jnp.asarray(np.random.default_rng(3).normal(size=(2, n)))

    def objective(f, factor):
        out = answer(f, factor)
        return jnp.sum(weights * out.stress) + jnp.sum(weights * out.strain) + out.energy[-1], out

    program = jax.jit(jax.value_and_grad(objective, (0, 1), has_aux=True))
    (_, out), (by_load, by_factor) = program(f, 1.0)
    assert np.isfinite(out.stress).all()
    assert np.allclose(out.stress[:, mask], 0, rtol=0, atol=1e-9)
    assert float(jnp.max(out.hill_mandel_residual)) < 1e-9
    assert (float(jnp.sum(out.dissipation)) > 0) == plastic
    way = jnp.asarray(np.random.default_rng(4).normal(size=f.shape) * ~mask)
    ends = [program(f + s * size * way, 1.0)[0][0] for s in (1, -1)]
    assert float(jnp.sum(by_load * way)) == pytest.approx(float(ends[0] - ends[1]) / (2 * size), rel=1e-5)
    ends = [program(f, 1.0 + s * size)[0][0] for s in (1, -1)]
    assert float(by_factor) == pytest.approx(float(ends[0] - ends[1]) / (2 * size), rel=1e-5)
    if not held:
        columns = []
        for row in np.eye(n):
            move = size * np.stack([np.zeros(n), row])
            up, down = (program(f + s * move, 1.0)[0][1].stress[-1] for s in (1, -1))
            columns.append((up - down) / (2 * size))
        expected = np.stack(columns, axis=1)
        assert np.abs(out.tangent[-1] - expected).max() <= 1e-6 * np.abs(expected).max()


@functools.cache
def driven(element):
    """A program for cells of one shape; labels and path are arguments."""

    def run(labels, f, p, mask):
        laws = {0: jh.NeoHookean(moduli(1.0, 9.0)), 1: jh.NeoHookean(moduli(6.0, 1.5))}
        grid = jh.Grid(labels.shape, (1.0, 1.3))
        path = jh.LoadPath.finite(f, p, mask)
        return jh.drive(grid, jh.PhaseMixture(labels, laws), path, element=element, tolerance=1e-11, throw=False)

    return jax.jit(run)


@pytest.mark.slow
@pytest.mark.parametrize(("element", "kind"), [("q1", "full"), ("q1bar", "mean volume")])
def test_an_independent_code_agrees(element, kind):
    # Dense matrices, another assembly, energies differentiated by hand: tests/rve/finite_reference.py.
    labels = np.random.default_rng(11).integers(0, 2, size=(4, 3))
    properties = {0: (9.0, 1.0), 1: (9.0, 6.0)}
    f = np.eye(2) + np.array([[0.15, 0.1], [-0.05, -0.1]])
    free = np.zeros((2, 2), bool)
    found = driven(element)(jnp.asarray(labels), f[None], 0 * f[None], free)
    expected = finite_reference.cell(labels, properties, (1.0, 1.3), f, kind)
    assert int(found.result.code) == 0
    assert np.allclose(found.value.stress[0], expected.stress.ravel(), rtol=1e-8, atol=1e-9)
    assert float(found.value.energy[0]) == pytest.approx(expected.energy, rel=1e-9)
    assert np.allclose(found.value.tangent[0], expected.tangent, rtol=1e-7, atol=1e-7)
    # Uniaxial tension: P22 = 0 beside prescribed shears.
    free[1, 1] = True
    found = driven(element)(jnp.asarray(labels), f[None], 0 * f[None], free)
    expected = finite_reference.cell(labels, properties, (1.0, 1.3), f, kind, np.zeros((2, 2)), free)
    assert np.allclose(found.value.strain[0], expected.gradient.ravel(), rtol=1e-8, atol=1e-9)
    assert np.allclose(found.value.stress[0], expected.stress.ravel(), rtol=1e-8, atol=1e-8)


@pytest.mark.exhaustive
def test_a_rotated_cell_carries_the_rotated_stress():
    grid, law = composite((3, 3))
    f = np.asarray(deformations(2)).reshape(-1, 2, 2)
    turn = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    path = lambda x: jh.LoadPath.finite(jnp.asarray(x))  # noqa: E731
    before, after = (jh.drive(grid, law(1.0), path(x), tolerance=1e-10, max_cuts=12).value for x in (f, turn @ f))
    stress = np.asarray(before.stress).reshape(-1, 2, 2)
    assert np.allclose(np.asarray(after.stress).reshape(-1, 2, 2), turn @ stress, rtol=1e-7, atol=1e-8)
    assert np.allclose(after.energy, before.energy, rtol=1e-8)


@pytest.mark.slow
def test_the_default_element_does_not_lock():
    # A stiff square in rubber of Poisson's ratio 0.4999: plain q1 is far too stiff on coarse grids, F-bar is not.
    values = {}
    for element, edges in (("q1", (4, 8)), ("q1bar", (4, 8))):
        for n in edges:
            labels = np.zeros((n, n), int)
            labels[n // 4 : 3 * n // 4, n // 4 : 3 * n // 4] = 1
            laws = {0: jh.NeoHookean(moduli(1.0, 5e3)), 1: jh.NeoHookean(moduli(50.0, 10.0))}
            path = jh.LoadPath.finite(stretches([1.1]))
            answer = jh.drive(jh.Grid((n, n)), jh.PhaseMixture(labels, laws), path, element=element)
            values[element, n] = float(answer.value.energy[-1])
    fine = values["q1bar", 8]
    assert values["q1", 4] > 1.5 * fine
    assert abs(values["q1bar", 4] / fine - 1) < 0.25
    assert jh.drive(jh.Grid((4, 4)), jh.NeoHookean(moduli(1.0, 10.0)), path).value.element == "q1bar"


def test_plastic_cell_balances_work_and_reports_second_law():
    labels = np.zeros((4, 4), int)
    labels[1:3, 1:3] = 1
    elastic = jh.LinearElastic.isotropic
    laws = {
        0: jh.FiniteJ2Plasticity(elastic(200.0, 0.3), jh.LinearHardening(0.5, 1.0)),
        1: jh.NeoHookean(elastic(400.0, 0.2)),
    }
    path = jh.LoadPath.finite(stretches(np.linspace(1, 1.2, 9)[1:]))
    answer = jh.drive(jh.Grid((4, 4)), jh.PhaseMixture(labels, laws), path, tangent=False).value
    assert answer.element == "q1bar"
    assert float(jnp.min(answer.lowest_dissipation)) >= 0
    assert float(jnp.sum(answer.dissipation)) > 0
    assert float(jnp.max(answer.hill_mandel_residual)) < 1e-5
    # With the stress at the end of the step more is taken out than the law dissipates, by a term of first order.
    assert (np.asarray(answer.algorithmic_dissipation) > 0).all()


def test_paths_at_finite_strain_say_what_is_wrong():
    small, rubber = jh.LinearElastic.isotropic(1.0, 0.3), jh.NeoHookean(jh.LinearElastic.isotropic(1.0, 0.3))
    f = np.eye(2)[None]
    with pytest.raises(jh.InputError, match="rotation"):
        jh.LoadPath.finite(f, 0 * f, [[False, True], [True, False]])
    with pytest.raises(jh.InputError, match="p_controlled"):
        jh.LoadPath.finite(f, 0 * f)
    with pytest.raises(jh.InputError, match="F is missing"):
        jh.LoadPath.finite(P=f)
    with pytest.raises(jh.InputError, match=r"row 1 has det F = -1"):
        jh.LoadPath.finite(np.stack([np.eye(2), np.diag([-1.0, 1.0])]))
    # Where a stress counts F is none of all.
    jh.LoadPath.finite(-f, 0 * f, [[True, False], [False, False]])
    with pytest.raises(jh.InputError, match="steps, d, d"):
        jh.LoadPath.finite(np.ones((2, 3)))
    with pytest.raises(jh.InputError, match=r"LoadPath\.finite"):
        jh.drive(jh.Grid((2, 2)), rubber, jh.LoadPath(strain=np.zeros((1, 3))))
    with pytest.raises(jh.InputError, match="NeoHookean"):
        jh.drive(jh.Grid((2, 2)), small, jh.LoadPath.finite(f))
    with pytest.raises(jh.InputError, match="one physics"):
        jh.PhaseMixture(np.eye(2, dtype=int), {0: small, 1: rubber})
