"""Numbers on which independent codes agree (FANS, muGrid, xpektra; two autodiff codes for the derivative).

Unit cube with one centred sphere of radius 0.3, a voxel is inclusion where its centre lies inside; matrix E = 1,
nu = 0.3; inclusion nu = 0.2, E as given. Conduction: same cell, matrix k = 1.
"""

import jax
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.microstructure import sphere_cell

# (element, grid, E of the inclusion): (C11, C12, C44) as printed.
ELASTIC = {
    ("q1", 16, 10): ("1.649843180832", "", "0.47438103"),
    ("q1", 32, 10): ("1.6155001", "0.6425142", "0.4645449"),
    ("q1", 32, 1000): ("1.7116937", "0.6661825", "0.4859754"),
    ("q1", 32, 0): ("1.0463333", "0.4120495", "0.3031087"),
    ("q1", 64, 10): ("1.6094146", "0.6433724", "0.4632424"),
    ("q1", 64, 1000): ("1.695835", "0.6672531", "0.4822357"),
    ("q1", 64, 0): ("1.0455831", "0.4122557", "0.3030834"),
    ("q1r", 32, 10): ("1.6047429", "0.6421715", "0.4617814"),
    ("q1r", 32, 1000): ("1.6907098", "0.6650461", "0.4816669"),
    ("q1r", 64, 10): ("1.6039125", "0.6431172", "0.4617873"),
    ("q1r", 64, 1000): ("1.6852635", "0.6665064", "0.4800271"),
}
# Here the printed C12 is the mean stress of a solve at relative residual 1e-6 (linear in the solver's error), not the
# converged number, which lies 1.7e-6 and 2.1e-6 below it.
MEAN_STRESS_C12 = {("q1", 32, 1000): 1.8e-6, ("q1r", 64, 1000): 2.2e-6}
CONDUCTION = {
    ("q1", 32, 10): "1.2897500",
    ("q1", 32, 1000): "1.4149986",
    ("q1", 64, 10): "1.2846099",
    ("q1", 64, 1000): "1.3989533",
    ("q1r", 32, 10): "1.2813863",
    ("q1r", 32, 1000): "1.3966270",
}


def check(value, printed):
    """Equal to 1e-6 relative, or to half a unit of the last printed digit where that is coarser."""
    if not printed:
        return
    reference, digits = float(printed), len(printed.split(".")[1])
    allowed = max(1e-6 * abs(reference), 0.5001 * 10.0**-digits)
    assert abs(value - reference) <= allowed, f"{value} against {printed}: {abs(value / reference - 1):.1e} relative"


def sphere_law(n, young):
    return jh.PhaseMixture(
        sphere_cell(n, 0.3), {0: jh.LinearElastic.isotropic(1.0, 0.3), 1: jh.LinearElastic.isotropic(young, 0.2)}
    )


def elastic(element, n, young, **options):
    solution = jh.homogenize(jh.Grid((n,) * 3, (1.0,) * 3), sphere_law(n, young), element=element, **options)
    return np.asarray(jh.to_voigt(solution.value.effective, kind="stiffness"))


def marked(cases):
    return [pytest.param(*case, marks=pytest.mark.slow if case[1] > 16 else ()) for case in cases]


@pytest.mark.parametrize("element, n, young", marked(ELASTIC))
def test_elastic(element, n, young):
    c11, c12, c44 = ELASTIC[element, n, young]
    c = elastic(element, n, float(young), tolerance=1e-10)
    check(c[0, 0], c11)
    if (element, n, young) in MEAN_STRESS_C12:
        assert abs(c[1, 2] / float(c12) - 1) < MEAN_STRESS_C12[element, n, young]
    else:
        check(c[1, 2], c12)
    check(c[3, 3], c44)
    # A centred sphere in a cube: cubic symmetry.
    np.testing.assert_allclose(np.diag(c), [c[0, 0]] * 3 + [c[3, 3]] * 3, rtol=1e-8)
    assert np.abs(c[:3, 3:]).max() < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("element, n, young", MEAN_STRESS_C12)
def test_the_mean_stress_at_the_peers_residual(element, n, young):
    """The two C12 that a converged energy form cannot meet are met by what the peers computed."""
    grid, strain = jh.Grid((n,) * 3, (1.0,) * 3), np.eye(6)[0]
    solution = jh.apply(grid, sphere_law(n, young), strain=strain, element=element, residual_tolerance=1e-6)
    check(float(solution.value.up[1]), ELASTIC[element, n, young][1])


@pytest.mark.parametrize(
    "element, n, k", [pytest.param(*c, marks=[pytest.mark.slow] if c[1] == 64 else []) for c in CONDUCTION]
)
def test_conduction(element, n, k):
    law = jh.PhaseMixture(sphere_cell(n, 0.3), {0: jh.LinearConduction(1.0), 1: jh.LinearConduction(float(k))})
    tensor = np.asarray(jh.homogenize(jh.Grid((n,) * 3), law, element=element, tolerance=1e-10).value.effective)
    check(tensor[0, 0], CONDUCTION[element, n, k])
    np.testing.assert_allclose(tensor, tensor[0, 0] * np.eye(3), rtol=0, atol=1e-9)


def test_derivative_with_respect_to_the_inclusions_modulus():
    """dC11/dE at 16^3, Q1, E = 10: finite differences and two autodiff codes."""
    labels = sphere_cell(16, 0.3)

    def c11(young):
        law = jh.PhaseMixture(
            labels, {0: jh.LinearElastic.isotropic(1.0, 0.3), 1: jh.LinearElastic.isotropic(young, 0.2)}
        )
        return jh.homogenize(jh.Grid((16,) * 3, (1.0,) * 3), law, tolerance=1e-12).value.effective[0, 0]

    value, slope = jax.value_and_grad(c11)(10.0)
    assert abs(value - 1.649843180832) < 1e-11
    assert abs(slope - 0.0098257583) < 1e-7 * 0.0098257583
    assert abs(slope - 0.0098257583) < 0.6e-10
