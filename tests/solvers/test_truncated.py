"""The inexact Krylov solvers: dense systems, their norm, lost curvature, pytrees."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxhomog.solvers import truncated_bicgstab, truncated_cg


def system(symmetric, n=12, seed=0):
    rng = np.random.default_rng(seed)
    q, _ = np.linalg.qr(rng.normal(size=(n, n)))
    a = q @ np.diag(np.linspace(1, 30, n)) @ q.T
    if not symmetric:
        a = a + 3 * (lambda s: s - s.T)(rng.normal(size=(n, n)))
    return jnp.asarray(a), jnp.asarray(rng.normal(size=n)), jnp.asarray(rng.uniform(0.5, 2, n))


@pytest.mark.parametrize("solver, symmetric", [(truncated_cg, True), (truncated_bicgstab, True),
                                               (truncated_bicgstab, False)])  # fmt: skip
def test_dense_systems_to_the_tolerance(solver, symmetric):
    """The residual in the preconditioner's norm falls by what was asked for, and not by much more."""
    a, b, g = system(symmetric)
    size = lambda r: float(jnp.sqrt(r @ (g * r)))  # noqa: E731
    for rtol in (1e-2, 1e-9):
        found = jax.jit(lambda b, rtol=rtol: solver(lambda x: a @ x, lambda r: g * r, b, rtol, 200))(b)
        reached = size(b - a @ found.x) / size(b)
        assert reached <= rtol * 1.001 and found.curved
        assert float(found.reached) == pytest.approx(reached, rel=1e-3, abs=1e-12)
    np.testing.assert_allclose(found.x, np.linalg.solve(a, b), rtol=1e-6, atol=1e-8)
    off = solver(lambda x: a @ x, lambda r: g * r, b, 1e-9, 200, jnp.asarray(False))
    assert not np.any(off.x) and int(off.iterations) == 0


def test_a_pytree_is_one_vector():
    a, b, _ = system(True)
    split = lambda v: {"u": v[:8].reshape(2, 4), "e": v[8:]}  # noqa: E731
    join = lambda t: jnp.concatenate([t["u"].ravel(), t["e"]])  # noqa: E731
    for solver in (truncated_cg, truncated_bicgstab):
        found = solver(lambda t: split(a @ join(t)), lambda t: t, split(b), 1e-12, 200)
        np.testing.assert_allclose(join(found.x), np.linalg.solve(a, b), rtol=1e-8)


def test_lost_curvature_ends_the_iteration():
    """At first with the steepest descent, later with what was found; both are descent directions."""
    down = truncated_cg(lambda x: -x, lambda r: r, jnp.asarray([1.0, 2.0]), 1e-8, 50)
    np.testing.assert_array_equal(down.x, [1.0, 2.0])
    assert not down.curved
    a = jnp.asarray([4.0, 1.0, -0.5])
    b = jnp.asarray([1.0, 1.0, 0.3])
    later = truncated_cg(lambda x: a * x, lambda r: r, b, 1e-12, 50)
    assert not later.curved and float(later.x @ b) > 0 and int(later.iterations) > 1


def test_nothing_to_solve():
    for solver in (truncated_cg, truncated_bicgstab):
        found = solver(lambda x: 2 * x, lambda r: r, jnp.zeros(3), 1e-8, 50)
        assert not np.any(found.x) and int(found.iterations) == 0 and float(found.reached) == 0
