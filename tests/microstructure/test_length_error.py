"""Standard error of the correlation length: against many images, and what cannot be told."""

import jax
import numpy as np
import pytest

from jaxhomog.microstructure import correlation_length, gaussian_field, measured_length
from jaxhomog.microstructure._length_error import _pairs
from jaxhomog.results import InputError


@pytest.mark.parametrize("shape", ((64,), (16, 15), (8, 9, 8), (12, 1, 16)))
@pytest.mark.parametrize("periodic", (True, False))
def test_the_value_is_the_correlation_length(shape, periodic):
    fields = np.random.default_rng(0).random((2, *shape)) ** 2
    found = measured_length(fields, dim=len(shape), periodic=periodic)
    expected = correlation_length(fields, dim=len(shape), periodic=periodic)
    np.testing.assert_allclose(found.value, expected, rtol=1e-10)


@pytest.mark.parametrize("periodic", (True, False))
def test_pairs_of_a_block_by_brute_force(periodic):
    """Both ends anywhere, the first in the block; the second inside the image, or around it."""
    chi, n, m = np.random.default_rng(3).normal(size=(2, 7, 6)), 7, 6
    sums, pairs, size = _pairs(jax.numpy.asarray(chi), (1, 1, 0), 2, periodic)  # rows 3 to 6, columns 0 to 2
    assert size == 12
    for i, j in np.ndindex(n, m):
        lag = (i if i <= n // 2 else i - n, j if j <= m // 2 else j - m)
        ends = [(x, y, x + lag[0], y + lag[1]) for x in range(3, 7) for y in range(3)]
        if not periodic:
            ends = [e for e in ends if 0 <= e[2] < n and 0 <= e[3] < m]
        total = sum(chi[1, x, y] * chi[1, u % n, v % m] for x, y, u, v in ends)
        np.testing.assert_allclose(sums[i, j], total, rtol=0, atol=1e-12)
        assert np.broadcast_to(pairs, (n, m))[i, j] == len(ends)


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape, length, number", (((1024,), 3.0, 200), ((128, 128), 3.0, 100), ((32, 32, 32), 1.5, 60))
)
def test_the_error_is_that_of_many_images(shape, length, number):
    """Root mean square of the errors of single images against the scatter of their values."""
    fields = gaussian_field(shape, length, number=number, seed=2)
    found = jax.jit(lambda x: jax.lax.map(measured_length, x))(fields)
    ratio = np.sqrt(np.mean(np.square(found.error))) / np.std(found.value)
    # A scatter of m values is known to 1 / sqrt(2 m), a jackknife of eight blocks in each of m images a little better.
    assert abs(ratio - 1) < 3 / np.sqrt(2 * number) + 0.1
    assert np.mean(found.sure) > 0.9
    pooled = measured_length(fields, dim=len(shape), blocks=1)
    expected = np.sqrt(np.pi / 2) * length
    assert pooled.sure
    if length > 2:  # shells of one voxel leave 1 % in shorter lengths, three times the error of 60 images
        assert abs(pooled.value - expected) < 3 * pooled.error


def test_what_cannot_be_told():
    uniform = measured_length(np.ones((16, 16)))
    assert np.isnan(uniform.value) and not uniform.sure
    one = measured_length(np.random.default_rng(0).random(32), blocks=1)
    assert np.isnan(one.error) and not one.sure
    wide = measured_length(gaussian_field((32, 32), 4.0, seed=1))
    assert not wide.sure
    single = measured_length(np.random.default_rng(0).random((16, 16)).astype(np.float32))
    assert single.value.dtype == np.float32 and np.isfinite(single.error)


@pytest.mark.parametrize(
    "call, words",
    (
        (lambda: measured_length(np.ones((1, 1))), "at least two"),
        (lambda: measured_length(np.ones((2, 2, 2, 2))), "dim=None"),
        (lambda: measured_length(np.ones(4), blocks=5), "blocks=5"),
        (lambda: measured_length(np.ones(4), blocks=0), "blocks=0"),
        (lambda: measured_length(np.ones(4), blocks=True), "blocks=True"),
    ),
)
def test_bad_input(unchecked, call, words):
    with pytest.raises(InputError, match=words):
        call()
