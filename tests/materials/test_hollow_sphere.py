"""Hollow sphere and hollow cylinder under tension: the law's update in radial finite elements against closed forms.

`pl.hollow_sphere_ep` and `pl.gurson_limits` of the reference values: E = 200, nu = 0.3, yield stress 0.3 (limits: 1),
no hardening, inner over outer radius cubed (cylinder: squared) 0.1. Hill (1950), The Mathematical Theory of Plasticity,
chapter 5; Gurson (1977), J. Eng. Mater. Technol. 99, 2-15.

In plane strain the stress along the axis relaxes while the cylinder flows: its limit is approached, that of the sphere
reached.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.materials import Step

E, NU, F = 200.0, 0.3, 0.1
S0 = 0.3
ELEMENTS = 200


@eqx.filter_jit
def _pull(law, outer, nodes, power, around):
    """Outer tension, plastic strain of every element and what is out of balance, for a history of u(b) / b; b = 1.

    Strain is du/dr along the radius and u/r in the directions marked by `around` (components,), at the middle of
    every element: one point, so that linear elements cannot lock.
    """
    h, r = jnp.diff(nodes), (nodes[1:] + nodes[:-1]) / 2
    pts = (ELEMENTS,) + (1,) * (2 if len(around) == 6 else 1)
    weight = (h * r**power).reshape(pts)
    points = law.points(pts, nodes.dtype)
    scale = E * jnp.max(jnp.abs(outer))

    def strain(u):
        along = jnp.zeros_like(around).at[0].set(1)
        rows = along[:, None] * jnp.diff(u) / h + around[:, None] * (u[1:] + u[:-1]) / (2 * r)
        return rows.reshape(-1, *pts)

    def forces(u, state):
        """Nodal forces by virtual work: the transpose of `strain` on the stresses."""
        up = points.update(strain(u), state, Step(jnp.asarray(1.0)))
        return jax.linear_transpose(strain, u)(up.stress * weight)[0], up

    def step(carry, end):
        u, state = carry
        inner = lambda u: forces(u, state)[0][:-1]  # noqa: E731

        def newton(carry):
            u, out, k = carry
            u = u.at[:-1].add(-jnp.linalg.solve(jax.jacfwd(inner)(u)[:, :-1], out))
            return u, inner(u), k + 1

        go_on = lambda c: (jnp.max(jnp.abs(c[1])) > 1e-12 * scale) & (c[2] < 50)  # noqa: E731
        u = u.at[-1].set(end)
        u, out, _ = jax.lax.while_loop(go_on, newton, (u, inner(u), 0))
        force, up = forces(u, state)
        return (u, up.state), (force[-1], up.state[len(around)].ravel(), jnp.max(jnp.abs(out)) / scale)

    return jax.lax.scan(step, (outer[0] * nodes, points.initial(pts, nodes.dtype)), outer)[1]


# Power of r in the volume, and the components with strain u / r: two programs for three bodies.
BODIES = {
    "sphere": (2, [0, 1, 1, 0, 0, 0]),
    "cylinder, 3-D law": (1, [0, 1, 0, 0, 0, 0]),
    "cylinder, plane strain law": (1, [0, 1, 0]),
}


def pulled(body, yield_stress, outer):
    """Tension and plastic strain at every u(b) / b, and the radii of the plastic strains."""
    power, around = BODIES[body]
    law = jh.J2Plasticity(jh.LinearElastic.isotropic(E, NU), jh.LinearHardening(yield_stress, 0.0))
    # Elements of equal ratio of radii.
    nodes = np.geomspace(F ** (1 / (power + 1)), 1, ELEMENTS + 1)
    # The last expansion is held on to a common length: one program for all histories.
    padded = np.pad(outer, (0, 8 - len(outer)), mode="edge")
    tension, p, lost = _pull(law, *(jnp.asarray(x, float) for x in (padded, nodes, power, around)))
    assert float(lost.max()) < 1e-12
    return np.asarray(tension)[: len(outer)], np.asarray(p)[: len(outer)], (nodes[1:] + nodes[:-1]) / 2


def hill(c3):
    """Tension S and u(b) / b when the plastic zone has reached the radius c, c3 = c^3 / b^3."""
    s = 2 * S0 / 3 * (np.log(c3 / F) + 1 - c3)
    return s, s * (1 - 2 * NU) / E + (1 - NU) * S0 / E * c3


# Of the reference values: what the formula has to give as well.
LISTED = {
    0.1: (0.18, 0.000465),
    0.25: (0.333258146374831, 0.0009290162927496619),
    0.5: (0.42188758248682, 0.00136877516497364),
    1.0: (0.46051701859880917, 0.0019710340371976182),
}


def test_sphere_from_first_yield_to_the_limit():
    """Tension at a given expansion, and where the plastic zone ends."""
    for listed, values in LISTED.items():
        np.testing.assert_allclose(hill(listed), values, rtol=1e-12)
    c3 = np.asarray([0.1, 0.25, 0.4, 0.5, 0.7, 1.0])
    expected, expansion = hill(c3)
    # Just below first yield, at it, and a step past the limit.
    outer = np.concatenate([[0.99 * expansion[0]], expansion, [2 * expansion[-1]]])
    tension, p, r = pulled("sphere", S0, outer)
    np.testing.assert_allclose(tension[1:-1], expected, rtol=1e-4)
    assert tension[-1] == pytest.approx(2 * S0 / 3 * np.log(1 / F), rel=1e-4)
    assert tension[0] == pytest.approx(0.99 * expected[0], rel=1e-4) and not p[0].any()
    for row, c in zip(p[2:-2], c3[1:-1] ** (1 / 3), strict=True):
        flows = row > 0
        # An unbroken zone from the inside; its end within an element (a ratio of radii of 1.004).
        assert flows[: flows.sum()].all()
        assert r[flows][-1] == pytest.approx(c, rel=5e-3)
    assert (p[-1] > 0).all()


def test_first_yield_of_the_sphere():
    """At S = (2/3) (1 - f) of the yield stress, at the inner surface."""
    outer = LISTED[0.1][1] / S0  # proportional to the yield stress
    tension, p, _ = pulled("sphere", 1.0, outer * np.asarray([0.99, 1.0, 1.02]))
    assert not p[0].any() and p[2, 0] > 0 and not p[2, ELEMENTS // 10 :].any()
    assert tension[1] == pytest.approx(0.6, rel=1e-3)


@pytest.mark.parametrize("body", BODIES)
def test_limit_tension(body):
    """Gurson's limits of a porous solid under mean stress alone: (2/3) ln(1/f), and in plane strain ln(1/f) / 3^(1/2).

    The tension rises towards them and does not exceed them.
    """
    limit = 1.5350567286626973 if body == "sphere" else 1.3293981232721321
    tension, p, _ = pulled(body, 1.0, np.linspace(0, 0.04, 9)[1:])
    assert tension[-1] == pytest.approx(limit, rel=1e-3)
    assert (tension < limit * (1 + 1e-3)).all() and (np.diff(tension) > -1e-9).all()
    assert (p[-1] > 0).all()


def test_the_plane_strain_law_is_the_law_in_space():
    """The same cylinder, by the law in the plane and by the law in space with no strain along the axis."""
    outer = np.linspace(0, 0.02, 5)[1:]
    plane, space = (pulled(f"cylinder, {name} law", 1.0, outer)[0] for name in ("plane strain", "3-D"))
    np.testing.assert_allclose(plane, space, rtol=1e-9)
