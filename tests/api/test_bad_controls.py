"""`apply` prescribes every component once, with finite numbers, and inverts only a stiffness that is there."""

import jax
import numpy as np
import pytest

import jaxhomog as jh

LAYERS = np.repeat(np.array([0, 0, 1, 1]), 3).reshape(4, 3)
GRID = jh.Grid(LAYERS.shape)
SOFT, STIFF = jh.LinearElastic.isotropic(1.0, 0.3), jh.LinearElastic.isotropic(4.0, 0.2)
BOTH = {"strain": (1.0, 0, 0), "stress": (0, 0.1, 0)}
NAN = float("nan")


def elastic():
    return jh.PhaseMixture(LAYERS, {0: SOFT, 1: STIFF})


def conducting(first=1.0, labels=LAYERS):
    return jh.PhaseMixture(labels, {0: jh.LinearConduction(first), 1: jh.LinearConduction(1.0)})


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        (BOTH, ["strain and stress are both given", "11, 22, 12", "stress_controlled="]),
        ({"stress_controlled": (True, True, True)}, ["no load", "strain="]),
        ({"strain": (1, 0, 0), "stress_controlled": (False, True, False)}, ["marks 22 but stress is missing"]),
        ({"stress": (1, 0, 0), "stress_controlled": (False, True, False)}, ["leaves 11, 12 to strain, which is miss"]),
        ({**BOTH, "stress_controlled": (True, False)}, ["stress_controlled has shape (2,)", "3 booleans"]),
        ({**BOTH, "stress_controlled": [True]}, ["stress_controlled has shape (1,)"]),
        ({**BOTH, "stress_controlled": ((True, False), True)}, ["stress_controlled is not a row of booleans"]),
        ({**BOTH, "stress_controlled": ("no", "no", "yes")}, ["stress_controlled has an entry that is not a boolean"]),
        ({**BOTH, "stress_controlled": (0, 1, 2)}, ["stress_controlled has an entry that is not a boolean"]),
        ({**BOTH, "stress_controlled": (NAN, 0, 0)}, ["stress_controlled has an entry that is not a boolean"]),
        ({"strain": (1, 0)}, ["strain has shape (2,)", "3 numbers", "11, 22, 12"]),
        ({"strain": np.eye(2)}, ["strain has shape (2, 2)"]),
        ({"strain": (None, 0, 0)}, ["strain is not a row of numbers"]),
        ({"strain": {"11": 1.0}}, ["strain is not a row of numbers"]),
        ({"stress": "11"}, ["stress is not a row of numbers"]),
        ({"strain": (1j, 0, 0)}, ["strain has dtype complex"]),
        ({"strain": (True, False, False)}, ["strain has dtype bool"]),
        ({"strain": (0, NAN, 0)}, ["strain component 22 is nan"]),
        ({"stress": (0, 0, np.inf)}, ["stress component 12 is inf"]),
        ({**BOTH, "stress": (NAN, NAN, 0), "stress_controlled": (False, True, False)}, ["stress component 22 is nan"]),
        ({"gradient": (1, 0)}, ["belong to conduction", "gradient= is given", "give strain="]),
        ({"strain": (1, 0, 0), "boundary": "afine"}, ["'afine' is unknown", "'affine'"]),
        ({"strain": (1, 0, 0), "boundary": ("affine",)}, ["names 1 axes of 2"]),
    ],
)
def test_bad_controls_are_named_in_one_line(kwargs, words):
    with pytest.raises(jh.InputError) as caught:
        jh.apply(GRID, elastic(), **kwargs)
    text = str(caught.value)
    assert "\n" not in text and len(text) < 300
    for word in words:
        assert word in text


def test_conduction_has_no_mixed_boundary():
    with pytest.raises(jh.InputError, match="uniform_mixed"):
        jh.apply(GRID, conducting(), gradient=(1, 0), boundary="uniform_mixed")
    with pytest.raises(jh.InputError, match="gradient and flux are both given for components 1, 2"):
        jh.apply(GRID, conducting(), gradient=(1, 0), flux=(0, 1))


def test_a_traced_mask_is_refused():
    with pytest.raises(jh.InputError, match="flux_controlled is traced"):
        jax.jit(lambda mask: jh.apply(GRID, conducting(), gradient=(1, 0), flux=(0, 1), flux_controlled=mask))(
            np.array([True, False])
        )


def test_entries_that_do_not_count_may_be_anything():
    s = jh.apply(GRID, conducting(), gradient=(NAN, 1.0), flux=(-1.0, NAN), flux_controlled=(1, 0)).value
    np.testing.assert_allclose([s.down, s.up], [[1, 1], [-1, -1]], rtol=0, atol=1e-6)


def islands():
    """Discs of a conductor that do not touch: through the void nothing flows, and a solver only comes close to that."""
    x = np.arange(12) - 5.5
    return (x[:, None] ** 2 + x[None, :] ** 2 < 17).astype(int)


@pytest.mark.parametrize(
    ("labels", "boundary"),
    [
        (LAYERS, "periodic"),
        pytest.param(LAYERS, ("affine", "periodic"), marks=pytest.mark.slow),
        (islands(), "periodic"),
        pytest.param(islands(), "uniform_traction", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("controlled", [(True, False), pytest.param((True, True), marks=pytest.mark.slow)])
def test_a_flux_that_nothing_carries_is_singular(labels, boundary, controlled):
    """Neither the rounding of a laminate nor the algebraic error of islands counts as a conductivity."""
    grid, law = jh.Grid(labels.shape), conducting(0.0, labels)
    load = {"gradient": (0, 1.0), "flux": (1.0, 0), "flux_controlled": controlled, "boundary": boundary}
    s = jh.apply(grid, law, **load, throw=False)
    assert s.result.name == "singular"
    assert np.isnan(s.value.down).all() and np.isnan(s.value.up).all()
    with pytest.raises(jh.SolverError, match=r"flux on 1.*: singular: .*prescribe strain") as caught:
        jh.apply(grid, law, **load)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 320


@pytest.mark.slow
def test_directions_that_do_carry_stay_free():
    """A gradient across void layers is no question, a flux along them has an answer: half of the cell carries it."""
    law = conducting(0.0)
    across = jh.apply(GRID, law, gradient=(1.0, 0)).value
    np.testing.assert_allclose(across.up, 0, rtol=0, atol=1e-6)
    along = jh.apply(GRID, law, gradient=(0, 0), flux=(0, 1.0), flux_controlled=(False, True)).value
    np.testing.assert_allclose(along.down, [0, -2.0], rtol=0, atol=1e-6)


def test_a_soft_phase_is_no_void():
    """Layers of 1e-5 and 1: a stiffness 2e-5 is small, and known."""
    s = jh.apply(GRID, conducting(1e-5), flux=(-1.0, 0))
    np.testing.assert_allclose(s.value.down, [0.5 * (1e5 + 1), 0], rtol=1e-6, atol=1e-3)


@pytest.mark.slow
def test_a_stress_on_void_layers_is_singular():
    law = jh.PhaseMixture(LAYERS, {0: jh.LinearElastic.isotropic(0.0, 0.3), 1: STIFF})
    shear = {"strain": (1.0, 0, 0), "stress": (0, 0, 0.1), "stress_controlled": (False, False, True)}
    for boundary in ("periodic", ("affine", "periodic")):
        with pytest.raises(jh.SolverError, match="stress on 12: singular"):
            jh.apply(GRID, law, **shear, boundary=boundary)
    with pytest.raises(jh.SolverError, match="effective_expansion: singular"):
        jh.effective_expansion(GRID, law, np.ones(GRID.shape), boundary=("affine", "periodic"))
