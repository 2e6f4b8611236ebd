"""`pmubc` against the periodic solution of the image mirrored along all axes (Pahr and Zysset 2008)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_boundary import TIGHT, law

import jaxhomog as jh

VALUES, POROUS = (1.0, 4.0, 20.0), (0.0, 1.0, 10.0)
LENGTHS = (1.0, 0.7, 1.3)


def image(shape, seed=3):
    return np.random.default_rng(seed).choice(3, shape, p=(0.3, 0.3, 0.4))


def mirrored(labels, axes):
    for k in axes:
        labels = np.concatenate([labels, np.flip(labels, k)], axis=k)
    return labels


def check(physics, names, shape, values, element="q1", **options):
    """The window under `names` against the mirrored image, whose mirrored axes are periodic."""
    labels = image(shape)
    axes = [k for k, name in enumerate(names) if name == "pmubc"]
    lengths = np.array(LENGTHS[: len(shape)])
    small = jh.homogenize(jh.Grid(shape, lengths), law(physics, labels, values), names, element, **TIGHT, **options)
    big = mirrored(labels, axes)
    lengths[axes] *= 2
    around = tuple("periodic" if name == "pmubc" else name for name in names)
    found = jh.homogenize(jh.Grid(big.shape, lengths), law(physics, big, values), around, element, **TIGHT)
    expected = np.asarray(found.value.effective)
    np.testing.assert_allclose(small.value.effective, expected, rtol=0, atol=1e-9 * np.abs(expected).max())
    assert float(small.value.hill_mandel_residual) < 1e-9
    return small


@pytest.mark.parametrize("values", [VALUES, POROUS], ids=["solid", "porous"])
def test_planes_are_the_mirrored_image(values):
    check("elasticity", ("pmubc", "pmubc"), (5, 4), values)


@pytest.mark.parametrize("values", [VALUES, POROUS], ids=["solid", "porous"])
def test_conduction_is_the_mirrored_image(values):
    check("conduction", ("pmubc", "pmubc"), (5, 4), values)


@pytest.mark.slow
@pytest.mark.parametrize("values", [VALUES, POROUS], ids=["solid", "porous"])
@pytest.mark.parametrize("physics", ["elasticity", "conduction"])
def test_bodies_are_the_mirrored_image(physics, values):
    check(physics, ("pmubc",) * 3, (4, 3, 2), values)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "names, element",
    [
        (("pmubc", "periodic"), "q1"),
        (("affine", "pmubc"), "q1"),
        (("pmubc", "uniform_traction"), "q1"),
        (("pmubc", "uniform_mixed"), "q1"),
        (("pmubc", "pmubc"), "q1r"),
        (("pmubc", "pmubc"), "q1bar"),
        (("pmubc", "uniform_mixed", "uniform_mixed"), "q1"),
        (("uniform_traction", "pmubc", "periodic"), "q1"),
    ],
    ids=str,
)
def test_other_axes_and_elements(names, element):
    check("elasticity", names, (4, 3, 2)[: len(names)], VALUES, element)


@pytest.mark.slow
def test_uniform_mixed_is_the_same_for_normal_strains_of_symmetric_windows_only():
    """Under normal strains both hold the normal displacement and leave the rest free. The former also imposes that the
    mean shear is zero, the latter that the mirror images cancel it: the same in a window that has the symmetry."""
    quarter = image((3, 3))
    labels = mirrored(quarter, (0, 1))
    problem, grid = law("elasticity", labels, VALUES), jh.Grid(labels.shape)
    mixed = np.asarray(jh.homogenize(grid, problem, "uniform_mixed", **TIGHT).value.effective)
    mirror = np.asarray(jh.homogenize(grid, problem, "pmubc", **TIGHT).value.effective)
    np.testing.assert_allclose(mixed[:2, :2], mirror[:2, :2], rtol=1e-9)
    assert abs(mixed[2, 2] / mirror[2, 2] - 1) > 1e-3
    # Where voids take up the mean shear, normal strains of any window agree; the shear does not.
    labels = np.ones((6, 5), int)
    labels[0, 2:] = 0
    labels[3, 1:3] = 0
    problem, grid = law("elasticity", labels, POROUS), jh.Grid(labels.shape)
    mixed = np.asarray(jh.homogenize(grid, problem, "uniform_mixed", **TIGHT).value.effective)
    mirror = np.asarray(jh.homogenize(grid, problem, "pmubc", **TIGHT).value.effective)
    np.testing.assert_allclose(mixed[:2, :2], mirror[:2, :2], rtol=1e-9)
    assert abs(mixed[2, 2] / mirror[2, 2] - 1) > 1e-3


@pytest.mark.slow
def test_an_anisotropic_law_is_mirrored_too():
    """A crystal's mirror image: the tensor of the reflected axes, sheared the other way."""
    rng = np.random.default_rng(2)
    root = rng.normal(size=(4, 3, 3, 3))
    c = root @ np.swapaxes(root, -1, -2) + 2 * np.eye(3)
    turn = np.diag([1, 1, -1])
    half = np.concatenate([c, turn @ np.flip(c, 0) @ turn], axis=0)
    whole = np.concatenate([half, turn @ np.flip(half, 1) @ turn], axis=1)
    make = lambda x: jh.LinearElastic.from_stiffness(x)  # noqa: E731
    small = jh.homogenize(jh.Grid((4, 3)), make(c), "pmubc", **TIGHT).value.effective
    big = jh.homogenize(jh.Grid((8, 6)), make(whole), **TIGHT).value.effective
    np.testing.assert_allclose(small, big, rtol=0, atol=1e-9 * np.abs(big).max())


@pytest.mark.slow
def test_loads_and_evidence():
    """`apply` superposes the loads, `certify` does not ask one image for the means of all."""
    labels, grid = image((5, 4)), jh.Grid((5, 4))
    problem = law("elasticity", labels, VALUES)
    s = jh.homogenize(grid, problem, "pmubc", fields=True, tolerance=1e-12)
    c = np.asarray(s.value.effective)
    strain = np.array([0.01, -0.02, 0.03])
    one = jh.apply(grid, problem, strain=strain, boundary="pmubc", tolerance=1e-12)
    np.testing.assert_allclose(one.value.up, c @ strain, rtol=0, atol=1e-10)
    assert bool(jh.certify(s).value.verdict) and bool(jh.certify(one).value.verdict)
    held = jh.apply(
        grid, problem, strain=strain, stress=[0, 0.1, 0], stress_controlled=[False, True, True], boundary="pmubc"
    )
    np.testing.assert_allclose(held.value.up[1:], [0.1, 0], rtol=0, atol=1e-9)
    with pytest.raises(jh.InputError, match="leave out scheme"):
        jh.certify(s, grid, scheme="q1r")


@pytest.mark.exhaustive
def test_expansion_is_that_of_the_mirrored_image():
    labels, size = image((4, 3)), np.random.default_rng(1).uniform(0.5, 2, (4, 3))
    small = jh.effective_expansion(jh.Grid((4, 3)), law("elasticity", labels, VALUES), size, boundary="pmubc", **TIGHT)
    big = mirrored(labels, (0, 1))
    whole = mirrored(size, (0, 1))
    found = jh.effective_expansion(jh.Grid(big.shape), law("elasticity", big, VALUES), whole, **TIGHT)
    np.testing.assert_allclose(small.value.expansion, found.value.expansion, rtol=0, atol=1e-9)


@pytest.mark.slow
def test_derivatives():
    labels, grid = image((5, 4)), jh.Grid((5, 4))

    def answer(x, lengths, fields=False):
        s = jh.homogenize(jh.Grid((5, 4), lengths), law("elasticity", labels, (1.0, x, 7.0)), "pmubc", tolerance=1e-12)
        return jnp.sum(s.value.effective * jnp.arange(9.0).reshape(3, 3))

    at = jnp.asarray([1.0, 0.8])
    by_x, by_lengths = jax.grad(answer, (0, 1))(4.0, at)
    step = 1e-4
    np.testing.assert_allclose(by_x, (answer(4 + step, at) - answer(4 - step, at)) / (2 * step), rtol=1e-7)
    for k in range(2):
        move = step * jnp.eye(2)[k]
        slope = (answer(4.0, at + move) - answer(4.0, at - move)) / (2 * step)
        np.testing.assert_allclose(by_lengths[k], slope, rtol=0, atol=1e-6)
    del grid


def test_what_cannot_be_superposed_is_refused():
    grid, problem = jh.Grid((5, 4)), law("elasticity", image((5, 4)), VALUES)
    with pytest.raises(jh.InputError, match=r"pmubc.*drive cannot: give 'uniform_mixed'"):
        jh.drive(grid, problem, jh.LoadPath(np.zeros((1, 3))), "pmubc")
    with pytest.raises(jh.InputError, match=r"pmubc.*an eigenstrain cannot"):
        jh.apply(grid, problem, strain=[0, 0, 0], eigenstrain=np.ones((5, 4)), boundary="pmubc")
    with pytest.raises(jh.InputError, match="element='fourier' is periodic only"):
        jh.homogenize(grid, problem, "pmubc", "fourier")
    with pytest.raises(jh.InputError, match="did you mean 'pmubc'"):
        jh.homogenize(grid, problem, "pmub")
