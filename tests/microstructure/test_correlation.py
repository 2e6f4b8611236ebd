"""Two-point correlation, correlation length and specific surface, against closed forms and brute force."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.fields import interface_area
from jaxhomog.microstructure import (
    correlation_length,
    gaussian_field,
    integral_range,
    laminate,
    overlapping_spheres,
    radial_average,
    specific_surface,
    thresholded,
    two_point_correlation,
)
from jaxhomog.results import InputError


@pytest.mark.parametrize("shape", ((12,), (10, 7), (4, 5, 6)))
def test_correlation_by_brute_force(shape):
    chi = np.random.default_rng(0).integers(0, 2, (3, *shape))
    found = two_point_correlation(chi, dim=len(shape))
    axes = tuple(range(1, len(shape) + 1))
    for lag in np.ndindex(*shape):
        pairs = chi * np.roll(chi, [-v for v in lag], axes)
        np.testing.assert_allclose(found[(slice(None), *lag)], pairs.mean(axis=axes), rtol=0, atol=1e-14)
    np.testing.assert_allclose(two_point_correlation(chi[1]), found[1], rtol=0, atol=1e-14)


@pytest.mark.parametrize("shape", ((11,), (10, 7), (4, 1, 6)))
def test_correlation_inside_a_crop_by_brute_force(shape):
    """Every lag up to half of the edges, of both signs, over the pairs that lie inside."""
    chi = np.random.default_rng(0).normal(size=(2, *shape))
    found = np.asarray(two_point_correlation(chi, dim=len(shape), periodic=False))
    for at in np.ndindex(*shape):
        lag = [i if i <= n // 2 else i - n for i, n in zip(at, shape, strict=True)]
        first = tuple(slice(max(-r, 0), n - max(r, 0)) for r, n in zip(lag, shape, strict=True))
        second = tuple(slice(max(r, 0), n - max(-r, 0)) for r, n in zip(lag, shape, strict=True))
        for k in range(2):
            np.testing.assert_allclose(found[(k, *at)], np.mean(chi[k][first] * chi[k][second]), rtol=0, atol=1e-13)


def test_a_crop_of_two_halves():
    """S2(r) = (n/2 - r) / (n - r) inside, (n/2 - r) / n around; one face inside, two around, and its exact slope."""
    n, r = 64, np.arange(20)
    chi = laminate((n, 9), (0.5, 0.5))
    np.testing.assert_allclose(two_point_correlation(chi)[:20, 0], (n / 2 - r) / n, rtol=0, atol=1e-14)
    np.testing.assert_allclose(
        two_point_correlation(chi, periodic=False)[:20, 3], (n / 2 - r) / (n - r), rtol=0, atol=1e-14
    )
    around, inside = specific_surface(chi), specific_surface(chi, periodic=False)
    slope = 1 / (n - 1) - 0.5 / (n - 2)
    assert inside == pytest.approx(np.pi / 4 * (1 + 2**0.5) * slope, rel=1e-12)
    assert around / inside == pytest.approx(2, rel=0.02)
    assert specific_surface(chi[:, 0], periodic=False) == pytest.approx(2 * slope, rel=1e-12)


def test_axes_of_one_voxel_have_no_surface():
    chi = overlapping_spheres((48, 40), 5.0, number=12, seed=3)
    for periodic in (True, False):
        flat = specific_surface(chi, periodic=periodic)
        np.testing.assert_allclose(specific_surface(chi[:, None], periodic=periodic), flat, rtol=1e-12)
    assert specific_surface(np.ones((1, 1))) == 0


def test_correlation_length_reaches_its_cut():
    """Independent cells of a voxels: tent of area a / 2, up to where it vanishes; white noise is the case a = 1."""
    for a, tolerance in ((1, 0.02), (4, 0.05)):
        cells = np.random.default_rng(a).integers(0, 2, (16, 2**14 // a))
        found = correlation_length(np.repeat(cells, a, axis=1), dim=1, periodic=False)
        assert found == pytest.approx(a / 2, rel=tolerance)


def test_derivative():
    """d S2(r) / d chi(x) = (chi(x + r) + chi(x - r)) / N."""
    chi = np.random.default_rng(1).random((6, 5))
    gradient = jax.grad(lambda x: two_point_correlation(x)[2, 4])(chi)
    expected = (np.roll(chi, (-2, -4), (0, 1)) + np.roll(chi, (2, 4), (0, 1))) / 30
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-14)


@pytest.mark.slow
def test_derivatives_by_differences():
    @jax.jit
    def measures(x):
        found = integral_range(x, window=4)
        return jnp.stack([correlation_length(x), specific_surface(x), found.covariance, found.windows])

    field, change = gaussian_field((16, 16), 1.5, number=2, seed=3)
    slope = jax.jit(jax.jacrev(measures))(field).reshape(4, -1) @ change.ravel()
    expected = (measures(field + 1e-5 * change) - measures(field - 1e-5 * change)) / 2e-5
    np.testing.assert_allclose(slope, expected, rtol=1e-5)
    assert np.all(np.abs(expected) > 1e-3)


@pytest.mark.parametrize("shape", ((9,), (8, 11), (6, 6, 7), (8, 9, 1)))
def test_radial_average_by_brute_force(shape):
    x = np.random.default_rng(2).random((2, *shape))
    r, found = radial_average(x, dim=len(shape))
    lag = np.stack(np.meshgrid(*[np.fft.fftfreq(n, 1 / n) for n in shape], indexing="ij"), -1)
    distance = np.linalg.norm(lag, axis=-1)
    assert len(r) == min(n for n in shape if n > 1) // 2 + 1 and found.shape == (2, len(r))
    for j in range(len(r)):
        inside = (distance >= j - 0.5) & (distance < j + 0.5)
        np.testing.assert_allclose(r[j], distance[inside].mean())
        np.testing.assert_allclose(found[:, j], x[:, inside].mean(axis=1))


def test_arcsine_law():
    """S2(l) - f^2 = arcsin(e^-1/2) / (2 pi) of a median-thresholded Gaussian field, within 0.5 %; at 2 l 2 %."""
    chi = thresholded(gaussian_field((512, 512), 1.0, number=16, seed=0), 0.5)
    s2 = np.asarray(two_point_correlation(chi, dim=2)).mean(axis=0)
    for lag, tolerance in ((1, 5e-3), (2, 2e-2)):
        found = 0.5 * (s2[lag, 0] + s2[0, lag]) - s2[0, 0] ** 2
        assert found == pytest.approx(np.arcsin(np.exp(-(lag**2) / 2)) / (2 * np.pi), rel=tolerance)


def test_correlation_length():
    """sqrt(pi/2) l of the Gaussian field itself, l of a telegraph signal; realizations are pooled."""
    g = gaussian_field((256, 256), 4.0, number=4, seed=1)
    assert correlation_length(g, dim=2) == pytest.approx(4 * np.sqrt(np.pi / 2), rel=0.03)
    flips = np.random.default_rng(0).random((4, 2**16)) < 0.5 * (1 - np.exp(-1 / 8))
    assert correlation_length(np.cumsum(flips, axis=1) % 2, dim=1) == pytest.approx(8, rel=0.04)
    assert np.isnan(correlation_length(np.full((7, 9), 0.1)))


@pytest.fixture(scope="module")
def median_cut():
    """Four images with l = 8."""
    return thresholded(gaussian_field((512, 512), 8.0, number=4, seed=4), 0.5)


def test_specific_surface_of_a_median_cut(median_cut):
    """1 / (2 l) within 2 %; the edges of the voxels are 4/pi of it, 27 % too much."""
    exact = 1 / (2 * 8.0)
    assert np.mean(specific_surface(median_cut, dim=2)) == pytest.approx(exact, rel=0.02)
    edges = sum(np.mean(np.abs(median_cut - np.roll(median_cut, 1, k))) for k in (1, 2))
    assert edges / exact == pytest.approx(4 / np.pi, rel=0.02)


def test_specific_surface_beside_the_gradient_of_the_indicator(median_cut):
    """Two independent measures of one image: pairs of points, and |grad| of the smoothed indicator."""
    grid = jh.Grid((512, 512))
    for chi in median_cut[:2]:
        area = interface_area(grid, chi, 1, width=1.5)
        assert float(specific_surface(chi)) == pytest.approx(float(area) / grid.size, rel=0.02)


def test_specific_surface_of_overlapping_discs():
    """s = 2 pi R rho exp(-rho pi R^2), within 3 %: boundaries with corners."""
    radius, number, n = 12.0, 900, 768
    density = number / n**2
    exact = 2 * np.pi * radius * density * np.exp(-density * np.pi * radius**2)
    assert specific_surface(overlapping_spheres((n, n), radius, number=number, seed=0)) == pytest.approx(
        exact, rel=0.03
    )


@pytest.mark.parametrize("shape, share", (((64,), 1.0), ((64, 8), np.pi / 8 * (1 + 2**0.5)), ((64, 8, 8), 0.92662)))
def test_specific_surface_of_planes(shape, share):
    """Exact in 1-D; else what few directions make of one normal: the mean of |cos| over them instead of over all."""
    found = specific_surface(laminate(shape, (0.5, 0.5)))
    assert found == pytest.approx(share * 2 / 64, rel=1e-5)


def test_shares_of_the_directions():
    """They are the parts of the sphere nearest to each direction (a lattice of points counts them)."""
    from jaxhomog.microstructure._correlation import directions

    vectors, shares = zip(*directions(3), strict=True)
    z = (np.arange(100_000) + 0.5) / 100_000
    angle = np.pi * (1 + 5**0.5) * np.arange(100_000)
    points = np.stack([np.sqrt(1 - z**2) * np.cos(angle), np.sqrt(1 - z**2) * np.sin(angle), z], axis=-1)
    unit = np.array([v / np.linalg.norm(v) for v in np.array(vectors)])
    nearest = np.argmax(np.abs(points @ unit.T), axis=1)
    np.testing.assert_allclose(np.bincount(nearest) / 100_000, shares, rtol=3e-3)
    assert sum(shares) == pytest.approx(1, abs=1e-8)


@pytest.mark.slow
def test_specific_surface_in_3d():
    """2 / (pi l) of a median-thresholded Gaussian field, within 2 %, also in float32."""
    chi = thresholded(gaussian_field((96, 96, 96), 5.0, number=4, seed=0), 0.5)
    for dtype in (jnp.float32, jnp.float64):
        found = specific_surface(jnp.asarray(chi, dtype), dim=3)
        assert found.dtype == dtype
        assert np.mean(found) == pytest.approx(2 / (5 * np.pi), rel=0.02)


def test_bad_images(unchecked):
    for bad in ("abc", None, [[0, 1], [1]], np.zeros((0, 4)), 1j * np.ones((4, 4)), np.array([[None]])):
        for verb in (two_point_correlation, radial_average, correlation_length, specific_surface, integral_range):
            with pytest.raises(InputError, match="real numbers") as caught:
                verb(bad)
            assert "\n" not in str(caught.value)
    half = np.random.default_rng(0).random((8, 8)).astype(np.float16)
    assert two_point_correlation(half).dtype == np.float32
    assert correlation_length(half > 0.5).dtype == np.float64
    with pytest.raises(InputError, match="at least two"):
        correlation_length(np.ones((1, 1)))
    with pytest.raises(InputError, match="at least three"):
        specific_surface(np.ones((2, 8)), periodic=False)
    with pytest.raises(InputError, match="periodic='no'"):
        two_point_correlation(half, periodic="no")


def test_bad_input():
    for image, dim in ((np.zeros((2, 2, 2, 2)), None), (np.zeros((4, 4)), 3), (np.zeros(4), 0)):
        with pytest.raises(InputError, match="space axes"):
            two_point_correlation(image, dim=dim)
