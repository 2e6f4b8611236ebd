"""The figure of an RVE size, from plain numbers."""

import numpy as np
import pytest

from jaxhomog.plot import rve_size_figure, write_rve_size
from jaxhomog.validity import judge_rve_size, judge_rve_size_of_average, scatter_of_average


def judged(name="bulk", mean=10.0):
    rng, edges = np.random.default_rng(0), (8, 16)
    values = {
        b: [mean + s / w + rng.normal(size=40) * 8 / w for w in edges] for b, s in (("affine", 5), ("periodic", 1))
    }
    return judge_rve_size(edges, values, dim=2, name=name)


def test_figures_are_drawn_with_every_boundary_condition_and_any_name(tmp_path):
    pytest.importorskip("matplotlib")
    text = rve_size_figure(judged("$E_0"), "svg").decode()
    assert text.count("<svg") == 1
    average = judge_rve_size_of_average(0.5, scatter_of_average(0.25, 10.0, 1.0, 2))
    assert rve_size_figure(average).startswith(b"\x89PNG")
    assert write_rve_size(tmp_path, judged(), "one") == ["one.png", "one.svg"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.png", "one.svg"]
    nothing = judge_rve_size((8, 16), {"affine": [np.zeros(9), np.zeros(9)]}, dim=2)
    assert write_rve_size(tmp_path, nothing, "two") == []
