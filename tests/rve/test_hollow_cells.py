"""Gurson's limits under mean stress on voxels: `pl.gurson_limits`, and that the error falls.

All grids of the study, with rates, are in `experiments/hollow_sphere.py`.
"""

import numpy as np
import pytest
from hollow_cells import LIMIT, S0, F, labels, limit


def test_cells_have_the_porosity():
    """The image of every grid used here holds the exact porosity closely, and the limits are the listed ones."""
    for dim, listed, sizes in ((2, 1.3293981232721321, (16, 32)), (3, 1.5350567286626973, (8, 16))):
        assert LIMIT[dim] / S0 == pytest.approx(listed, rel=1e-12)
        for n in sizes:
            image = labels(n, dim)
            assert np.sum(image == 1) / np.sum(image != 2) == pytest.approx(F, rel=0.012)
            # A layer outside remains on every face, and the corner is in the hole.
            assert image[(0,) * dim] == 1 and (image[-1] == 2).all()


@pytest.mark.parametrize(
    "dim, sizes, largest, fall",
    [
        pytest.param(2, (16, 32), 5e-3, 0.5, id="cylinder", marks=pytest.mark.slow),
        pytest.param(3, (8, 16), 5e-2, 0.75, id="sphere", marks=pytest.mark.exhaustive),
    ],
)
def test_limit_on_voxels(dim, sizes, largest, fall):
    """The error at the limit is small on the finer grid, and it falls."""
    errors = []
    for n in sizes:
        stress, _ = limit(n, dim)
        # At the limit: the second half of the path adds next to nothing to the stress.
        assert abs(stress[-1] - stress[-2]) < 0.02
        errors.append(abs(stress[-1] - 1))
    assert errors[1] < largest and errors[1] < fall * errors[0]
