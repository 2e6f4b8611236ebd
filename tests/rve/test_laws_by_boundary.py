"""Every law under every boundary condition: the tangent against differences, the derivatives of a path.

Nearly all of the time is compilation, so the laws share programs: one cell holds them all as phases, and its labels, an
argument, say which one lies beside the elastic matrix. Laws with and without a potential take different solvers and
are two programs. The parameters vary from voxel to voxel. The path is mixed (one mean stress held) up to its last row,
which prescribes all strains: the state before it does not move with its strain.

The tangent is compared with central differences for every pair. Reverse derivatives take programs of twice the size,
so they run on a subset in which every law and every boundary condition appears: the derivative of the last stress
against the tangent, and that of the whole path against differences. All of it takes some twenty minutes of one core.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from law_table import CONDUCTORS, FINITE, OTHER, SYMMETRIC

import jaxhomog as jh

SHAPE, STEPS = (3, 4), 3
# Without symmetry.
PATTERN = np.asarray([[1, 1, 0, 0], [0, 1, 0, 1], [1, 0, 0, 0]])
GRID = jh.Grid(SHAPE, (1.0, 1.2))
TIME = np.asarray([0.7, 1.5, 2.0])
TEMPERATURE = np.asarray([30.0, 80.0, 60.0])
STEP = 1e-6

GROUPS = (SYMMETRIC, OTHER, CONDUCTORS, FINITE)
PAIR = ("periodic", "uniform_traction")
# Run by .ci/run: a pair whose adjoint needs the projection of its right-hand side. All others with `-m exhaustive`.
ALWAYS = ("uniform_traction",), ("frederick", "crystal")
# Where elements with one point are used, and where those with four.
ELEMENTS = {
    "periodic": "q1r",
    "affine": "q1bar",
    "uniform_traction": "q1bar",
    "uniform_mixed": "q1r",
    PAIR: "q1bar",
}
CASES = [
    (boundary, law)
    for boundary in ELEMENTS
    for group in GROUPS
    for law in group
    if not (group is CONDUCTORS and boundary == "uniform_mixed")  # tells directions of a displacement apart
]
# Where reverse mode is tried; laws of one group in a line share a program.
REVERSED = {
    "periodic": ("damage", "thermoelastic", "finite J2"),
    "affine": ("J2", "standard", "power law", "neo-hookean"),
    "uniform_traction": ("frederick", "crystal", "saint venant-kirchhoff"),
    "uniform_mixed": ("maxwell", "norton", "own energy"),
    PAIR: ("kelvin", "perzyna"),
}


def group_of(law):
    return next(group for group in GROUPS if law in group)


def cases(pairs):
    """Pairs that share a program go to one worker."""
    out = []
    for boundary, law in pairs:
        name = boundary if isinstance(boundary, str) else "-".join(boundary)
        worker = pytest.mark.xdist_group(f"{name}, {next(iter(group_of(law)))}")
        often = pytest.mark.slow if boundary in ALWAYS[0] and law in ALWAYS[1] else pytest.mark.exhaustive
        out.append(pytest.param(boundary, law, id=f"{name}-{law}", marks=(worker, often)))
    return out


def size_of(law):
    """Components of a law's strain, and its size beside that of small strains; gradients are of order one."""
    return (2, 100) if law in CONDUCTORS else (4, 2) if law in FINITE else (3, 1)


def drawn(n):
    """A random walk of strain, and the mask of its stresses."""
    strain = np.cumsum(np.random.default_rng(0).normal(size=(STEPS, max(n, 3))) * 0.006, axis=0)
    held = np.zeros((STEPS, n), bool)
    held[:-1, 1] = True
    return strain[:, :n], held


def answers(laws, boundary, tangent):
    """What a path answers, as a function of factors of all parameters (per voxel), the strain and the law's number."""
    conduction, finite = set(laws) <= set(CONDUCTORS), set(laws) <= set(FINITE)
    stiff = jh.LinearElastic.isotropic(300.0, 0.2)
    matrix = jh.LinearConduction(2.0) if conduction else jh.NeoHookean(stiff) if finite else stiff
    element = "q1" if conduction else ELEMENTS[boundary]
    leaves, structure = jax.tree.flatten({k + 1: law for k, law in enumerate(laws.values())})
    n, _ = size_of(next(iter(laws)))
    held = drawn(n)[1]
    warm = TEMPERATURE if "thermoelastic" in laws else None

    def answer(factor, strain, which):
        # Rows of numbers and rotations stay.
        mine = jax.tree.unflatten(structure, [x if x.ndim else x * factor for x in leaves])
        law = jh.PhaseMixture(jnp.where(PATTERN == 1, which, 0), {0: matrix, **mine})
        zero = jnp.zeros_like(strain)
        if finite:
            path = jh.LoadPath.finite(strain + jnp.eye(2).ravel(), zero, held, TIME, warm)
        else:
            path = jh.LoadPath(strain, zero, held, TIME, warm)
        s = jh.drive(GRID, law, path, boundary, element, 1e-12, throw=False, tangent=tangent, max_cuts=0)
        v = s.value
        total = jnp.sum(v.stress * jnp.arange(1.0, n + 1)) + 10 * jnp.sum(v.dissipation) + 7 * jnp.sum(v.energy)
        more = {"code": s.result.code, "lost": v.dissipation[-1]}
        if tangent:
            more["tangent"] = v.tangent[-1]
        return (v.stress[-1], total), more

    return answer


@functools.cache
def forward(names, boundary):
    """Lanes of factors and strains."""
    laws = {name: group_of(name)[name] for name in names}
    return jax.jit(jax.vmap(answers(laws, boundary, True), in_axes=(0, 0, None)))


@functools.cache
def backward(names, boundary):
    """Lanes of cotangents of the last stress and of the sum over the path."""
    laws = {name: group_of(name)[name] for name in names}
    answer = answers(laws, boundary, False)

    def pulled(factor, strain, which, cotangent):
        _, back, more = jax.vjp(lambda f, e: answer(f, e, which), factor, strain, has_aux=True)
        return back((cotangent[:-1], cotangent[-1])), more["code"]

    return jax.jit(jax.vmap(pulled, in_axes=(None, None, None, 0)))


class Differences:
    """Central differences of one law's answers: one call of one program."""

    def __init__(self, boundary, law):
        names = tuple(group_of(law))
        n, scale = size_of(law)
        rng = np.random.default_rng(1)
        self.strain, self.factor = scale * drawn(n)[0], np.ones(SHAPE)
        self.along_factor, self.along_path = rng.uniform(0.5, 1, SHAPE), scale * rng.normal(size=(STEPS, n))
        last = [scale * np.vstack([np.zeros((STEPS - 1, n)), v]) for v in np.eye(n)]
        moves = [(0 * self.factor, e) for e in last]
        moves += [(self.along_factor, 0 * self.strain), (0 * self.factor, self.along_path)]
        lanes = [(self.factor, self.strain)]
        lanes += [(self.factor + s * f, self.strain + s * e) for f, e in moves for s in (STEP, -STEP)]
        factors, strains = (jnp.asarray(np.stack(x)) for x in zip(*lanes, strict=True))
        (stress, total), more = forward(names, boundary)(factors, strains, jnp.asarray(names.index(law) + 1))
        assert not more["code"].any()
        # A law that answers elastically would prove nothing.
        assert more["lost"][0] > 0 or law == "thermoelastic" or (law in FINITE and law != "finite J2")
        slope = lambda x: (np.asarray(x[1::2]) - np.asarray(x[2::2])) / (2 * STEP)  # noqa: E731
        self.tangent, self.of_stress = np.asarray(more["tangent"][0]), slope(stress)[:n].T / scale
        self.of_factor, self.of_path = slope(total)[n:]


@pytest.mark.parametrize("boundary, law", cases(CASES))
def test_derivatives_against_differences(boundary, law):
    """The tangent of the last row with the state before it fixed; where tried, the derivatives in reverse mode."""
    d = Differences(boundary, law)
    np.testing.assert_allclose(d.tangent, d.of_stress, rtol=0, atol=1e-6 * np.abs(d.of_stress).max())
    assert law in OTHER or np.abs(d.tangent - d.tangent.T).max() < 1e-9 * np.abs(d.tangent).max()
    if law not in REVERSED[boundary]:
        return
    # Of the last stress by its row's strain, and of a sum over the path by all parameters and all loads.
    names = tuple(name for name in REVERSED[boundary] if group_of(name) is group_of(law))
    n = d.strain.shape[1]
    which = jnp.asarray(names.index(law) + 1)
    (by_factor, by_path), code = backward(names, boundary)(d.factor, d.strain, which, jnp.eye(n + 1))
    assert not code.any()
    np.testing.assert_allclose(by_path[:n, -1], d.tangent, rtol=0, atol=1e-6 * np.abs(d.tangent).max())
    assert float(jnp.sum(by_factor[n] * d.along_factor)) == pytest.approx(d.of_factor, rel=1e-5)
    assert float(jnp.sum(by_path[n] * d.along_path)) == pytest.approx(d.of_path, rel=1e-5)


def test_every_law_and_boundary_is_tried_in_reverse():
    assert {law for laws in REVERSED.values() for law in laws} == {law for group in GROUPS for law in group}
    assert REVERSED.keys() == ELEMENTS.keys()
