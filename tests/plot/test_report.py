"""The report and its figures from plain numbers, without a solve."""

import re
import struct

import numpy as np
import pytest

from jaxhomog.plot import _figures, _report

NUMBERS = {"hill_mandel_residual": 1e-9, "iterations": 7, "residual": 1e-4, "seconds": 1.0, "result": "success"}


def _result(physics="elasticity", dim=3, converged=True):
    n = {"elasticity": dim * (dim + 1) // 2, "conduction": dim}[physics]
    tensor = (np.eye(n) + (np.arange(n) < dim)).tolist()
    names = ["11", "22", "33", "23", "13", "12"] if dim == 3 else ["11", "22", "12"]
    transport = {
        "conducting_fraction": 0.5, "tortuosity": [1.5, None, 2.0][:dim], "d0": 1.0, "edge_contacts_only": [True] * dim,
        "percolation": {
            "percolates": [True] * dim, "open": [False] * dim, "clusters": 3, "islands": 2,
            "island_voxel_fraction": 0.01, "largest_islands": [{"label": 2, "voxels": 9, "voxel": [1] * dim}],
        },
    }  # fmt: skip
    more = {
        "physics": physics, "shape": [4] * dim, "lengths": [1.0] * dim, "voxel_size": [0.25] * dim, "advice": "advice",
        "components": names if physics == "elasticity" else ["1", "2", "3"][:dim], "image": "<b>x.npy",
        "symmetry": {"name": "cubic", "direction": None, "distances": {"cubic": 0.0}}, "engineering": {"E1": 1.0},
        "phases": [{"label": k, "name": "<i>$a", "fraction": 0.5, "voxels": 2} for k in (0, 1)], "element": "q1",
        "properties": {"0": {"young": [1.0]}}, "error_bound": 1e-7, "iterations_per_load": [7] * n, "dtype": "float64",
        "boundary": "periodic", "load": {"strain": [1.0] + [0.0] * (n - 1)}, "warnings": ["<u>w"], "file_axes": "axes",
        "transport": transport if physics == "conduction" else None, "command": ["jaxhomog", "<s> x"],
    }  # fmt: skip
    bounds = {"reuss": np.eye(n).tolist(), "voigt": (3 * np.eye(n)).tolist(), "assumes": "nothing"}
    bounds |= {"hs_lower": None, "hs_upper": None}
    return {
        **NUMBERS, "effective": tensor if converged else None, "bounds": bounds, "converged": converged,
        "versions": {"jaxhomog": "0"}, "axes": "array axis k is direction k + 1; rest", "description": more,
    }  # fmt: skip


LABELS = {2: np.eye(4, dtype=int), 3: np.eye(4, dtype=int)[:, :, None].repeat(4, 2)}


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("physics", ["elasticity", "conduction"])
def test_everything_promised_is_there_and_escaped(physics, dim):
    key = "von_mises" if physics == "elasticity" else "flux_magnitude"
    text = _report.report(_result(physics, dim), LABELS[dim], {key: np.ones((4,) * dim)})
    for words in ("In short", "What was computed", "Evidence", "Bounds", "How to reproduce", "Hill-Mandel"):
        assert words in text
    assert ("tortuosity" in text) == (physics == "conduction")
    assert text.count("data:image/png;base64,") == (4 if physics == "elasticity" else 3)
    for raw in ("<b>x", "<i>", "<u>", "<s>"):
        assert raw not in text
    assert "&lt;b&gt;x.npy" in text and "viewport" in text


def test_a_failure_is_said_first():
    text = _report.report(_result(converged=False), LABELS[3], {})
    assert text.index("Not converged") < text.index("What was computed") and "In short" not in text


def test_without_matplotlib_the_report_says_so(monkeypatch):
    monkeypatch.setattr(_figures, "have_matplotlib", lambda: False)
    text = _report.report(_result(), LABELS[3], {})
    assert "jaxhomog[plot]" in text and "base64" not in text and "Bounds" in text


def test_figures_show_the_first_direction_to_the_right():
    slices = _figures._slices(np.arange(24).reshape(2, 3, 4))
    assert [(right, up, values.shape) for _, values, right, up in slices] == [
        ("2", "3", (3, 4)), ("1", "3", (2, 4)), ("1", "2", (2, 3)),
    ]  # fmt: skip


@pytest.mark.parametrize("labels", [np.arange(30).reshape(5, 6), np.zeros((3, 3), int), np.arange(3)[:, None] * [1, 1]])
def test_images_of_one_few_and_many_labels_are_drawn(labels):
    png = _figures.image_figure(labels, labels.shape, {0: "$x^{"})
    width, height = struct.unpack(">II", png[16:24])
    assert png.startswith(b"\x89PNG") and width > 200 and height > 150


def test_a_field_of_zeros_and_a_solid_of_no_stiffness_are_drawn():
    assert _figures.field_figure(np.zeros((3, 3)), (1, 1), "x").startswith(b"\x89PNG")
    assert _figures.young_figure(np.diag([1.0, 0, 0, 0, 0, 0])).startswith(b"\x89PNG")
    assert not re.search(rb"Software", _figures.field_figure(np.ones((3, 3)), (1, 1), "x"))


def test_the_first_direction_points_right_and_the_second_up():
    from matplotlib.figure import Figure

    axes, shown = _figures._panels(Figure(), np.arange(6).reshape(2, 3), (20.0, 30.0))
    np.testing.assert_array_equal(shown.get_array(), [[0, 3], [1, 4], [2, 5]])  # rows are drawn upwards
    assert shown.origin == "lower" and axes[0].get_xlabel() == "direction 1"
    assert tuple(shown.get_extent()) == (0, 20, 0, 30)
