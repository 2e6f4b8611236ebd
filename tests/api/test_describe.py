"""`describe`: plain numbers that say what the solution says."""

import json

import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.api import describe
from jaxhomog.cli._screen import transport_lines
from jaxhomog.microstructure import laminate
from jaxhomog.plot import _report as report


@pytest.fixture(scope="module")
def layers():
    """A laminate of conductors normal to axis 0: harmonic mean across, arithmetic mean along."""
    labels = laminate((4, 3, 2), (0.5, 0.5))
    law = jh.PhaseMixture(labels, {0: jh.LinearConduction(1.0), 1: jh.LinearConduction(3.0)})
    grid = jh.Grid(labels.shape)
    return grid, law, jh.homogenize(grid, law)


def test_a_laminate_in_numbers(layers):
    found = describe(*layers, phase_names={1: "metal"})
    json.dumps(found, allow_nan=False)
    np.testing.assert_allclose(found["effective"], np.diag([1.5, 2, 2]), rtol=0, atol=1e-8)
    np.testing.assert_allclose(found["bounds"]["voigt"], 2 * np.eye(3))
    np.testing.assert_allclose(found["bounds"]["reuss"], 1.5 * np.eye(3))
    assert "isotropic" in found["bounds"]["assumes"]
    assert found["symmetry"]["name"] == "transversely isotropic" and found["symmetry"]["direction"] == 1
    np.testing.assert_allclose(found["transport"]["tortuosity"], [2, 1.5, 1.5], rtol=1e-7)
    assert found["phases"][1] == {"label": 1, "name": "metal", "voxels": 12, "fraction": 0.5}
    assert found["converged"] and found["result"] == "success" and found["engineering"] is None
    assert found["versions"]["jaxhomog"] == jh.__version__ and "direction k + 1" in found["axes"]


def test_blocked_axes_and_islands():
    labels = np.zeros((8, 8), int)
    labels[2] = 1  # a bar along axis 1
    labels[5:7, 4] = 1  # an island
    law = jh.PhaseMixture(labels, {0: jh.LinearConduction(0.0), 1: jh.LinearConduction(2.0)})
    grid = jh.Grid(labels.shape)
    found = describe(grid, law, jh.homogenize(grid, law))
    transport = found["transport"]
    assert transport["tortuosity"][0] is None
    assert transport["tortuosity"][1] == pytest.approx((10 / 64) * 2 / (2 / 8))
    clusters = transport["percolation"]
    assert clusters["percolates"] == [False, True] and clusters["open"] == [False, True]
    assert clusters["islands"] == 1 and clusters["island_voxel_fraction"] == pytest.approx(2 / 64)
    assert clusters["largest_islands"][0]["voxel"] == [5, 4]
    assert transport["edge_contacts_only"] == [False, False]


def test_contacts_at_corners_are_named():
    labels = np.eye(4, dtype=int)
    law = jh.PhaseMixture(labels, {0: jh.LinearConduction(0.0), 1: jh.LinearConduction(1.0)})
    found = describe(jh.Grid((4, 4)), law, jh.homogenize(jh.Grid((4, 4)), law))
    assert found["transport"]["percolation"]["percolates"] == [False, False]
    assert found["transport"]["edge_contacts_only"] == [True, True]


def test_elasticity_is_written_in_voigt():
    law = jh.LinearElastic.isotropic(2.6, 0.3)
    grid = jh.Grid((2, 2, 2))
    found = describe(grid, law, jh.homogenize(grid, law), image=np.array([[[0, 0], [0, 1]], [[0, 0], [0, 0]]]))
    c = np.asarray(found["effective"])
    assert c[0, 0] == pytest.approx(3.5) and c[3, 3] == pytest.approx(1.0)  # G, not 2 G
    np.testing.assert_allclose(found["bounds"]["hs_upper"], c, rtol=0, atol=1e-9)
    assert found["symmetry"]["name"] == "isotropic" and found["transport"] is None
    assert found["engineering"]["E1"] == pytest.approx(2.6)
    assert [p["voxels"] for p in found["phases"]] == [7, 1]


def test_a_failed_solution_is_described_without_a_tensor(layers):
    grid, law, _ = layers
    labels = np.random.default_rng(0).integers(0, 2, grid.shape)
    rough = jh.PhaseMixture(labels, dict(zip(law.keys, law.laws, strict=True)))
    found = describe(grid, rough, jh.homogenize(grid, rough, max_iterations=1, throw=False))
    assert found["converged"] is False and found["result"] == "max_iterations" and "raise" in found["advice"]
    assert found["effective"] is None and found["symmetry"] is None and found["bounds"]["voigt"][0] == [None] * 3
    json.dumps(found, allow_nan=False)


def test_tensor_conductivity_has_no_single_d0():
    law = jh.LinearConduction.tensor(np.diag([1.0, 2.0]))
    found = describe(jh.Grid((2, 3)), law, jh.homogenize(jh.Grid((2, 3)), law))
    assert found["transport"]["tortuosity"] is None and found["transport"]["d0"] is None
    assert found["transport"]["percolation"]["percolates"] == [True, True] and found["phases"] is None


def test_open_but_not_periodic_is_not_called_blocked():
    """A channel that leaves where it does not come in: open from face to face, and nothing flows periodically."""
    image = np.zeros((6, 12, 3), int)
    for z in range(6):
        image[z, 1 + z : 5 + z] = 1
    law = jh.PhaseMixture(image, {0: jh.LinearConduction(0.0), 1: jh.LinearConduction(1.0)})
    grid = jh.Grid(image.shape)
    found = describe(grid, law, jh.homogenize(grid, law))["transport"]
    assert found["percolation"]["percolates"] == [False, False, True] and found["percolation"]["open"][0]
    assert found["tortuosity"][0] is None and found["without"][0] == "does not meet itself periodically"
    assert found["without"][1] == "blocked" and found["without"][2] is None and not any(found["edge_contacts_only"])
    lines = transport_lines(found)
    assert "blocked), 1" in lines[0] and "does not meet itself" in lines[0] and "open from face to face" in lines[1]
    page = report._transport(found)
    assert page.count("blocked") == 1 and "does not meet itself periodically" in page
    assert report._cell({"boundary": "affine"}) == "boundary affine" and report._cell({}) == "periodic cell"
