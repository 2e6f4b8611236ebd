"""Gurson's hollow cylinder and sphere on voxels: a quarter (an eighth) of the body, held by mirror planes.

The body has outer radius b and inner radius a; its outer surface is to move by E x, uniform expansion. A medium outside
with the stress-free strain E does that: it expands alike in all directions whatever it borders on. At the limit the
stresses do not change any more, so the medium is not strained any more either, and its stiffness does not matter.

Faces of the cell are planes of symmetry: normal displacement linear, tangential free. The condition needs stiffness at
every node of a face, so the hole is filled with a medium that has `SOFT` of the stiffness around it; at the end of the
path it carries less than 3e-4 of the limit.
"""

import numpy as np

import jaxhomog as jh

E, NU, S0, F = 200.0, 0.3, 0.3, 0.1
SOFT, OUTSIDE = {2: 1e-6, 3: 5e-6}, 100.0
# Expansion at the end: some times that at which the limit is reached in the closed forms, to 1e-4 (cylinder) or exactly
# (sphere). Corners of the staircase yield late.
END, ROWS = {2: 0.03, 3: 0.012}, {2: 5, 3: 2}
LIMIT = {2: S0 / np.sqrt(3) * np.log(1 / F), 3: 2 / 3 * S0 * np.log(1 / F)}


def labels(n, dim):
    """0 body, 1 hole, 2 outside; the centre is a corner of the cell.

    The outer radius is chosen, between 0.8 and 0.95 of the cell's edge, for the porosity nearest to the exact one: else
    counting voxels moves the limit by as much as the discretization does.
    """
    square = (np.arange(n) + 0.5) ** 2
    r = np.sqrt(sum(np.ix_(*[square] * dim)))
    inner = F ** (1 / dim)
    b = min(np.linspace(0.8 * n, 0.95 * n, 400), key=lambda b: abs(np.sum(r < inner * b) / np.sum(r < b) - F))
    return np.where(r < inner * b, 1, np.where(r < b, 0, 2))


def limit(n, dim, element="q1bar"):
    """Mean stress over the body and its hole, over the closed form of the limit, at the end of every row."""
    image, rows = labels(n, dim), ROWS[dim]
    laws = {
        0: jh.J2Plasticity(jh.LinearElastic.isotropic(E, NU), jh.LinearHardening(S0, 0.0)),
        1: jh.LinearElastic.isotropic(SOFT[dim] * E, 0.0),
        2: jh.ThermoElastic(jh.LinearElastic.isotropic(OUTSIDE * E, 0.0), 1.0),
    }
    strain = np.zeros((rows, 6 if dim == 3 else 3))
    strain[:, :dim] = END[dim] * np.linspace(0, 1, rows + 1)[1:, None]
    solution = jh.drive(
        jh.Grid(image.shape),
        jh.PhaseMixture(image, laws),
        jh.LoadPath(strain, temperature=strain[:, 0]),
        boundary="uniform_mixed",
        element=element,
        tolerance=1e-4,
        tangent=False,
        fields=tuple(range(rows)),
    )
    stress = np.asarray(solution.value.fields.stress)[:, image != 2, :dim]
    return stress.mean(axis=(1, 2)) / LIMIT[dim], solution.stats
