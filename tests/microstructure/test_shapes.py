"""Shapes to volume fractions: the cut of a voxel, totals, derivatives, periodicity, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.microstructure import enclosing_voxels, interface_normal
from jaxhomog.microstructure._plane_cut import fraction_below
from jaxhomog.microstructure.shapes import AbstractShape, Box, Cylinder, Ellipsoid, Sphere, Union


def unit(n, dim):
    return jh.Grid((n,) * dim, (1.0,) * dim)


def by_inclusion(height, slopes):
    """Share of the unit cube below a plane without a vanishing slope, by inclusion and exclusion of its corners."""
    dim = len(slopes)
    total = 0.0
    for corner in np.ndindex((2,) * dim):
        sign = np.asarray(corner) - 0.5
        total += (-1.0) ** (dim - sum(corner)) * max(height + np.abs(slopes) @ sign, 0.0) ** dim
    return total / (np.prod(np.abs(slopes)) * {2: 2, 3: 6}[dim])


@pytest.mark.parametrize("dim", [2, 3])
def test_cut_voxel_against_inclusion_and_exclusion(dim):
    rng = np.random.default_rng(dim)
    slopes = rng.uniform(0.2, 1, (200, dim)) * rng.choice([-1, 1], (200, dim))
    height = rng.uniform(-1.2, 1.2, 200)
    got = fraction_below(jnp.asarray(height), jnp.asarray(slopes))
    expected = [by_inclusion(h, s) for h, s in zip(height, slopes, strict=True)]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("tiny", [0.0, 1e-300, 1e-17, 1e-9])
def test_cut_voxel_with_planes_along_the_axes(dim, tiny):
    """Slopes that vanish, all but one: a linear profile, finite and right in its derivatives."""
    below = jax.jit(jax.vmap(jax.value_and_grad(fraction_below, (0, 1)), (0, None)))
    for axis in range(dim):
        slopes = jnp.where(jnp.arange(dim) == axis, -2.0, tiny)
        height = jnp.asarray([-1.5, -0.7, 0.0, 0.4, 1.3])
        got, (by_height, by_slopes) = below(height, slopes)
        np.testing.assert_allclose(got, np.clip(height / 2 + 0.5, 0, 1), rtol=0, atol=1e-8)
        np.testing.assert_allclose(by_height, [0, 0.5, 0.5, 0.5, 0], rtol=0, atol=1e-8)
        assert np.isfinite(by_slopes).all()


def test_cut_voxel_turns_over_with_its_plane():
    rng = np.random.default_rng(0)
    h, s = jnp.asarray(rng.normal(size=50)), jnp.asarray(rng.normal(size=(50, 3)))
    np.testing.assert_allclose(fraction_below(h, s) + fraction_below(-h, -s), 1, rtol=0, atol=1e-14)
    assert float(fraction_below(jnp.asarray(-0.1), jnp.zeros(3))) == 0
    assert float(fraction_below(jnp.asarray(0.1), jnp.zeros(2))) == 1


SHAPES = [
    ("disc", 2, lambda c: Sphere((c, 0.52), 0.3), np.pi * 0.3**2),
    ("ellipse", 2, lambda c: Ellipsoid((c, 0.52), (0.3, 0.2)), np.pi * 0.06),
    ("sphere", 3, lambda c: Sphere((c, 0.52, 0.1), 0.3), 4 / 3 * np.pi * 0.3**3),
    ("ellipsoid", 3, lambda c: Ellipsoid((c, 0.52, 0.1), (0.3, 0.25, 0.4)), 4 / 3 * np.pi * 0.03),
    ("cylinder", 3, lambda c: Cylinder((0.3, c, 0.9), 0.3, 0), np.pi * 0.3**2),
    ("two discs", 2, lambda c: Union(Sphere((c, 0.2), 0.15), Sphere((c, 0.7), 0.2)), np.pi * (0.15**2 + 0.2**2)),
]


@pytest.mark.parametrize("name, dim, build, size", SHAPES, ids=[s[0] for s in SHAPES])
def test_total_is_right_to_second_order(name, dim, build, size):
    for n in (16, 32):
        f = jh.volume_fraction(unit(n, dim), build(0.47))
        assert float(f.min()) >= 0 and float(f.max()) <= 1
        assert abs(float(f.mean()) / size - 1) < 0.3 / n**2, n


def test_disc_against_samples():
    n, fine = 12, 40
    c = (np.arange(n * fine) + 0.5) / (n * fine)
    inside = (c[:, None] - 0.48) ** 2 + (c[None, :] - 0.53) ** 2 < 0.31**2
    expected = inside.reshape(n, fine, n, fine).mean((1, 3))
    np.testing.assert_allclose(jh.volume_fraction(unit(n, 2), Sphere((0.48, 0.53), 0.31)), expected, rtol=0, atol=0.02)


def test_box_is_exact():
    grid = jh.Grid((5, 4, 3), (1.0, 2.0, 3.0))
    box = Box((0.9, 1.1, 0.2), (0.33, 0.71, 2.9))
    assert float(jh.volume_fraction(grid, box).mean()) == pytest.approx(0.33 * 0.71 * 2.9 / 6, rel=1e-14)
    layer = jh.volume_fraction(grid, Box((0.5, 1.1, 0.2), (0.36, 2.0, 3.0)))
    np.testing.assert_allclose(layer[:, 0, 0], [0, 0.4, 1, 0.4, 0], rtol=0, atol=1e-14)
    assert float(layer[2].min()) == 1.0


def test_box_level_is_the_distance():
    box, lengths = Box((0.5, 0.5), (0.4, 0.2)), jnp.ones(2)
    points = jnp.asarray([[0.5, 0.5], [0.75, 0.5], [0.7 + 0.03, 0.6 + 0.04], [0.5, 0.58]])
    np.testing.assert_allclose(box.level(points, lengths), [-0.1, 0.05, 0.05, -0.02], rtol=0, atol=1e-15)


ENCLOSED = [
    *((s[0], s[1], s[2](0.47)) for s in SHAPES),
    ("disc across the seam", 2, Sphere((0.05, 0.95), 0.3)),
    ("wide disc", 2, Sphere((0.4, 0.3), 0.6)),
    ("box", 2, Box((0.13, 0.9), (0.4, 0.31))),
    ("layer", 3, Box((0.3, 0.31, 0.77), (1.0, 0.41, 1.0))),
]


@pytest.mark.parametrize("name, dim, shape", ENCLOSED, ids=[s[0] for s in ENCLOSED])
def test_enclosing_voxels_against_samples(name, dim, shape):
    """Inner voxels lie inside, what is inside lies in outer voxels, and neither can be had for less."""
    n, fine = 10, 12
    grid = unit(n, dim)
    inner, outer = (np.asarray(x) for x in enclosing_voxels(grid, shape))
    x = np.arange(n * fine) / (n * fine - 1) * (1 - 1e-9)  # corners of the cell included
    phi = shape.level(jnp.stack(jnp.meshgrid(*[jnp.asarray(x)] * dim, indexing="ij"), -1), jnp.ones(dim))
    voxel = np.minimum((x * n).astype(int), n - 1)
    low, high = np.full((n,) * dim, np.inf), np.full((n,) * dim, -np.inf)
    at = tuple(np.meshgrid(*[voxel] * dim, indexing="ij"))
    np.minimum.at(low, at, np.asarray(phi))
    np.maximum.at(high, at, np.asarray(phi))
    assert not (inner & (high > 1e-9)).any() and not (~outer & (low < -1e-9)).any()
    close = 2 * np.sqrt(dim) / (n * fine)  # the samples may miss the surface by that much
    if name != "wide disc":  # two of its images may cover a voxel together
        assert not (~inner & (high < -close)).any()
    assert not (outer & (low > close)).any()


def test_surface_along_faces_cuts_no_voxel():
    inner, outer = enclosing_voxels(unit(10, 2), Box((0.35, 0.5), (0.3, 1.0)))
    np.testing.assert_array_equal(inner, outer)
    np.testing.assert_array_equal(np.asarray(inner)[:, 0], [0, 0, 1, 1, 1, 0, 0, 0, 0, 0])


def test_level_of_unit_slope_is_enough():
    """A shape of one's own is enclosed by its distance, if with more voxels than need be."""

    class OwnDisc(Sphere):
        enclose = AbstractShape.enclose

    for n in (10, 40):
        inner, outer = enclosing_voxels(unit(n, 2), OwnDisc((0.5, 0.5), 0.3))
        tight_inner, tight_outer = enclosing_voxels(unit(n, 2), Sphere((0.5, 0.5), 0.3))
        assert not (inner & ~tight_inner).any() and not (tight_outer & ~outer).any()
        assert float((outer & ~inner).mean()) < 4 / n


@pytest.mark.parametrize("name, dim, build, size", SHAPES, ids=[s[0] for s in SHAPES])
def test_shapes_are_periodic(name, dim, build, size):
    n = 8
    grid = unit(n, dim)
    axis = 1 if name == "cylinder" else 0
    moved = jh.volume_fraction(grid, build(0.47 + 3 / n))
    np.testing.assert_allclose(moved, jnp.roll(jh.volume_fraction(grid, build(0.47)), 3, axis), rtol=0, atol=1e-12)


def test_voxel_opposite_to_the_centre_is_outside():
    """Half a cell away all slopes vanish by symmetry."""
    f = jh.volume_fraction(unit(8, 2), Sphere((0.5625, 0.5625), 0.2))
    assert float(f[0, 0]) == 0 and float(f[0, 4]) == 0 and float(f[4, 4]) == 1


@pytest.mark.parametrize("dim", [2, 3])
def test_derivatives_by_radius_and_centre(dim):
    grid = jh.Grid((10, 8, 6)[:dim], (1.0, 0.9, 1.1)[:dim])
    centre, weight = jnp.asarray([0.5, 0.45, 0.6][:dim]), np.random.default_rng(1).normal(size=grid.shape)

    @jax.jit
    def functional(centre, radius):
        return jnp.sum(weight * jh.volume_fraction(grid, Sphere(centre, radius)))

    by_centre, by_radius = jax.jit(jax.grad(functional, (0, 1)))(centre, 0.31)
    step = 1e-6
    assert float(by_radius) == pytest.approx(
        float(functional(centre, 0.31 + step) - functional(centre, 0.31 - step)) / (2 * step), rel=1e-6
    )
    for k in range(dim):
        e = step * (jnp.arange(dim) == k)
        difference = (functional(centre + e, 0.31) - functional(centre - e, 0.31)) / (2 * step)
        assert float(by_centre[k]) == pytest.approx(float(difference), rel=1e-5, abs=1e-5)


def test_total_grows_with_the_perimeter():
    grid = unit(48, 2)
    slope = jax.jit(jax.grad(lambda r: jh.volume_fraction(grid, Sphere((0.5, 0.5), r)).mean()))(0.3)
    assert float(slope) == pytest.approx(2 * np.pi * 0.3, rel=5e-3)


def test_radius_under_vmap_and_jit_is_not_checked():
    grid = unit(8, 2)
    many = jax.jit(jax.vmap(lambda r: jh.volume_fraction(grid, Sphere((0.5, 0.5), r)).mean()))(jnp.asarray([-1.0, 0.2]))
    assert float(many[0]) == 0 and float(many[1]) == pytest.approx(np.pi * 0.04, rel=1e-2)


def test_single_precision_stays():
    shape = Sphere(jnp.asarray([0.5, 0.5], jnp.float32), jnp.asarray(0.3, jnp.float32))
    f = jh.volume_fraction(unit(16, 2), shape)
    assert f.dtype == jnp.float32 and float(f.mean()) == pytest.approx(np.pi * 0.09, rel=1e-3)


def test_normal_of_a_sphere():
    grid = unit(8, 3)
    n = np.asarray(interface_normal(grid, Sphere((0.5,) * 3, 0.3)))
    centre = (np.arange(8) + 0.5) / 8 - 0.5
    x = np.stack(np.meshgrid(*[centre] * 3, indexing="ij"), -1)
    length = np.linalg.norm(x, axis=-1)
    near = (length > 0.2) & (length < 0.4)
    cosine = np.sum(n * x, axis=-1)[near] / length[near]
    assert cosine.min() > 0.99


def test_bad_input_says_what_to_do(unchecked):
    grid = unit(8, 2)
    for shape, words in (
        (lambda: Sphere((1.2, 0.5), 0.3), "outside the box"),
        (lambda: Sphere((np.nan, 0.5), 0.3), r"centre is \(nan, 0.5\): give finite numbers"),
        (lambda: Sphere((None, 0.5), 0.3), "centre is not made of numbers"),
        (lambda: Sphere((0.5, 0.5), "wide"), "radius is not made of numbers"),
        (lambda: Sphere((0.5, 0.5), 3.0), r"radius is 3: that fills the whole box of \(1, 1\)"),
        (lambda: Ellipsoid((0.5, 0.5), (2.0, 0.6)), r"semi_axes is \(2, 0.6\): that fills"),
        (lambda: Cylinder((0.5,) * 3, 0.3, np.array([0, 1])), "give 3 and axis 0, 1 or 2"),
        (lambda: Union([Sphere((0.5, 0.5), 0.1)]), "Union of a list"),
        (lambda: Sphere((0.5, 0.5), 0.0), "radius is 0: give a finite number > 0"),
        (lambda: Sphere((0.5, 0.5), np.nan), "radius is nan"),
        (lambda: Sphere((0.5, 0.5), (0.1, 0.2)), "one number per shape"),
        (lambda: Sphere((0.5, 0.5, 0.5), 0.3), "3 coordinates and the grid 2 directions"),
        (lambda: Ellipsoid((0.5, 0.5), (0.3, -0.1)), "semi_axes is"),
        (lambda: Box((0.5, 0.5), (0.3, 1.1)), "give edges that fit"),
        (lambda: Cylinder((0.5, 0.5), 0.3), "give 3 and axis 0, 1 or 2"),
        (lambda: Union(), "at least one"),
        (lambda: Union(Sphere((0.5, 0.5), -1.0)), "radius is -1"),
        (lambda: "disc", "give one of shapes"),
    ):
        with pytest.raises(jh.InputError, match=words):
            jh.volume_fraction(grid, shape())
    for wrong, words in (
        (jh.Grid((8, 8), (np.nan, 1.0)), r"Grid.lengths \(nan, 1.0\)"),
        (jh.Grid((8, 8), (-1.0, 1.0)), r"Grid.lengths \(-1.0, 1.0\)"),
        ((8, 8), "grid is a tuple"),
    ):
        with pytest.raises(jh.InputError, match=words):
            jh.volume_fraction(wrong, Sphere((0.5, 0.5), 0.3))
    with pytest.raises(jh.InputError, match=r"radius is 0.8: that fills"):
        jh.volume_fraction(jh.Grid((4, 4, 4), (9.0, 1.0, 1.0)), Cylinder((0.5,) * 3, 0.8, 0))


def test_wide_spheres_overlap_their_images():
    """Of a disc of radius 0.6 in a unit cell only the corners stay free: the disc less its four segments."""
    r, half = 0.6, 0.5
    segment = r**2 * np.arccos(half / r) - half * np.sqrt(r**2 - half**2)
    f = jh.volume_fraction(unit(64, 2), Sphere((0.5, 0.5), r))
    assert float(f.mean()) == pytest.approx(np.pi * r**2 - 4 * segment, rel=1e-3)


def test_a_box_traces_like_its_siblings():
    """Share of a box in the cell: product of edges over lengths; d/d edge_x is edge_y / (L_x L_y)."""
    grid = jh.Grid((8, 6), (2.0, 1.5))
    share = lambda edges, centre=(1.0, 0.7): jh.volume_fraction(grid, Box(centre, edges)).mean()  # noqa: E731
    edges = jnp.asarray([[0.7, 0.4], [1.9, 1.5], [0.03, 0.02]])
    value, slope = jax.jit(jax.vmap(jax.value_and_grad(share)))(edges)
    np.testing.assert_allclose(value, edges[:, 0] * edges[:, 1] / 3.0, rtol=1e-12)
    np.testing.assert_allclose(slope[:, 0], edges[:, 1] / 3.0, rtol=1e-12)
    # Moved, a box keeps its volume; a union of boxes traces as well.
    moved = jax.jit(jax.grad(lambda c: share(edges[0], c)))(jnp.asarray([1.03, 0.71]))
    np.testing.assert_allclose(moved, 0, rtol=0, atol=1e-12)
    both = jax.jit(lambda e: jh.volume_fraction(grid, Union(Box((1.0, 0.7), e), Box((1.0, 0.7), 0.5 * e))).mean())
    np.testing.assert_allclose(both(edges[0]), 0.7 * 0.4 / 3, rtol=1e-12)
    with pytest.raises(jh.InputError, match="give edges that fit"):
        share((3.0, 1.0))
