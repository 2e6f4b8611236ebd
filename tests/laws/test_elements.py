"""Every element against dense textbook assembly, its adjoint, its Green operator, its fast form."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from assembled import (
    effective,
    energies,
    full_conductivity,
    full_stiffness,
    gradients,
    isotropic_stiffness,
    stiffness,
)

import jaxhomog as jh
from jaxhomog.fields import (
    ELEMENTS,
    PointwiseResponse,
    _modal_fast,
    green_operator,
    mean_flux,
    mean_fluxes,
    pair_energies,
)
from jaxhomog.messages import IsotropicElasticResponse, ScalarConductionResponse
from jaxhomog.rve import load_cases

ONE_PHYSICS = (("fv", "elasticity"), ("q1bar", "conduction"), ("q1e", "conduction"))
PAIRS = [(e, p) for e in ELEMENTS for p in ("elasticity", "conduction") if (e, p) not in ONE_PHYSICS]
SHAPES = [(4, 3), (1, 4), (3, 2, 4)]
SPARED = [pytest.param(*pair, marks=pytest.mark.slow if pair[0] == "q1bar" else ()) for pair in PAIRS]
MODAL = ("q1", "q1r", "q1bar", "q1e")

# Compile time is most of these tests' time; LLVM's expensive passes change no result beyond rounding.
quick_jit = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def spacings(shape):
    return np.array([0.7, 1.3, 0.9])[: len(shape)]


def cell(physics, form, shape, seed=0):
    """A random medium: the law, and its voxel tensors in full."""
    rng, d = np.random.default_rng(seed), len(shape)
    if physics == "conduction" and form == "isotropic":
        k = rng.uniform(0.1, 2, shape)
        return jh.LinearConduction(k), full_conductivity(np.multiply.outer(np.eye(d), k))
    if physics == "conduction":
        a = rng.normal(size=(*shape, d, d))
        k = a @ np.swapaxes(a, -1, -2)
        return jh.LinearConduction.tensor(k), full_conductivity(np.moveaxis(k, (-2, -1), (0, 1)))
    if form == "isotropic":
        young, nu = rng.uniform(0.1, 2, shape), rng.uniform(-0.3, 0.4, shape)
        lam, mu = young * nu / (1 + nu) / (1 - 2 * nu), young / 2 / (1 + nu)
        return jh.LinearElastic.isotropic(young, nu), isotropic_stiffness(lam, mu, d)
    n = 6 if d == 3 else 3
    a = rng.normal(size=(*shape, n, n))
    c = a @ np.swapaxes(a, -1, -2)
    return jh.LinearElastic.from_stiffness(c), full_stiffness(np.moveaxis(c, (-2, -1), (0, 1)))


def components(physics, shape):
    return len(shape) if physics == "elasticity" else 1


def nodal(physics, shape, seed=1):
    return np.random.default_rng(seed).normal(size=(components(physics, shape), *shape))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name, physics", SPARED)
@pytest.mark.parametrize("form", ["isotropic", "anisotropic"])
def test_force_is_the_assembled_one(name, physics, form, shape):
    if name == "fv" and form == "anisotropic":
        return  # not a discretization of tensors
    law, tensor = cell(physics, form, shape)
    u, h = nodal(physics, shape), spacings(shape)
    macro = np.random.default_rng(2).normal(size=(components(physics, shape), len(shape)))
    k, load = stiffness(name, tensor, h)
    expected = (k @ u.ravel() + np.einsum("nck,ck->n", load, macro)).reshape(u.shape)
    response = law.response(shape, jnp.float64)
    got = quick_jit(ELEMENTS[name].force)(response, jnp.asarray(u), jnp.asarray(h), jnp.asarray(macro))
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("shape", [(8, 5), (3, 1), (5, 4, 6)], ids=str)
@pytest.mark.parametrize("name, physics", SPARED)
def test_gradient_and_divergence_are_adjoint(name, physics, shape):
    element, h = ELEMENTS[name], jnp.asarray(spacings(shape))
    v = jnp.asarray(nodal(physics, shape))
    rng = np.random.default_rng(3)
    stations = jax.eval_shape(lambda v: [g for _, g in element.gradient(v, h)], v)
    weights = [w for w, _ in element.gradient(v, h)]
    flux = [{key: jnp.asarray(rng.normal(size=x.shape)) for key, x in g.items()} for g in stations]
    assert set(flux[0]) == {(c, k) for c in range(v.shape[0]) for k in range(v.ndim - 1)}

    @quick_jit
    def both(v, flux):
        grad = element.gradient(v, h)
        terms = [w * f[key] * g[key] for (w, g), f in zip(grad, flux, strict=True) for key in g]
        force = element.divergence(list(zip(weights, flux, strict=True)), h, v)
        return sum(jnp.sum(t) for t in terms), jnp.sum(force * v), sum(jnp.sum(jnp.abs(t)) for t in terms)

    left, right, size = both(v, flux)
    assert abs(left - right) <= 1e-14 * size
    # An affine field is what `macro` adds: the mean of the gradient is macro, whatever the fluctuation.
    macro = jnp.asarray(rng.normal(size=(v.shape[0], len(shape))))
    mean = element.mean_gradient(element.gradient(v, h, macro), v)
    np.testing.assert_allclose(mean, macro, rtol=0, atol=1e-13)


@pytest.mark.parametrize("shape", [(5, 4), (4, 6), (3, 5), (1, 4), (3, 4, 3), (2, 4, 2)], ids=str)
@pytest.mark.parametrize("name, physics", SPARED)
def test_green_operator_is_the_pseudo_inverse(name, physics, shape):
    """Of the homogeneous operator: zero on its kernel (constants, and what one-point elements cannot see)."""
    h, d = spacings(shape), len(shape)
    lam, mu = 0.8, 0.6
    if physics == "elasticity":
        tensor, moduli = isotropic_stiffness(np.full(shape, lam), np.full(shape, mu), d), (lam, mu)
    else:
        tensor, moduli = full_conductivity(np.multiply.outer(np.eye(d), np.full(shape, mu))), (mu,)
    k, _ = stiffness(name, tensor, h)
    expected = np.linalg.pinv(k, rcond=1e-10, hermitian=True)
    c = components(physics, shape)
    green = green_operator(ELEMENTS[name], shape, jnp.asarray(h), tuple(jnp.asarray(m) for m in moduli))
    got = quick_jit(jax.vmap(green))(jnp.eye(len(k)).reshape(len(k), c, *shape)).reshape(len(k), -1)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-11 * np.abs(expected).max())
    kernel = len(k) - np.linalg.matrix_rank(k, tol=1e-9 * np.abs(k).max())
    if name in ("q1", "q1e", "fv") or (name == "q1bar" and d == 2) or all(n % 2 for n in shape):
        assert kernel == c


def point_moduli(name, shape):
    """A random medium of its own at every integration point: the response, and its dense tensors point by point."""
    number = 1 if name == "q1r" else 2 ** len(shape)
    cells = [cell("elasticity", "anisotropic", shape, seed=10 + q) for q in range(number)]
    each = [law.response(shape, jnp.float64) for law, _ in cells]
    return PointwiseResponse(jax.tree.map(lambda *x: jnp.stack(x), *each)), [tensor for _, tensor in cells]


@pytest.mark.parametrize("shape", [(4, 3), pytest.param((3, 2, 4), marks=pytest.mark.slow)], ids=str)
@pytest.mark.parametrize("name", MODAL)
def test_moduli_of_every_point_are_those_of_the_assembled_element(name, shape):
    """Forces, powers and mean stress of tangents that differ from Gauss point to Gauss point."""
    response, tensors = point_moduli(name, shape)
    h, d = spacings(shape), len(shape)
    u = np.random.default_rng(6).normal(size=(2, d, *shape))
    macros = np.random.default_rng(7).normal(size=(2, d, d))
    forces, powers, means = 0.0, 0.0, 0.0
    for (w, b), tensor in zip(gradients(name, shape, h, d, sum(tensors) / len(tensors)), tensors, strict=True):
        g = np.einsum("ckven,ien->ickv", b, u.reshape(2, d, -1), optimize=True) + macros[..., None]
        flux = np.einsum("ckelv,ielv->ickv", tensor.reshape(d, d, d, d, -1), g)
        forces = forces + w * np.einsum("ckven,ickv->ien", b, flux, optimize=True).reshape(u.shape)
        powers = powers + w * np.einsum("ickv,jckv->ij", flux, g) / np.prod(shape)
        means = means + w * flux.mean(axis=-1)

    @quick_jit
    def ours(response, u, macros):
        element, spacing = ELEMENTS[name], jnp.asarray(h)
        force = jnp.stack([element.force(response, v, spacing, m) for v, m in zip(u, macros, strict=True)])
        mean = mean_flux(element, element.prepare(response, d), u[0], spacing, macros[0])
        several = mean_fluxes(element, response, u, spacing, macros)
        return force, pair_energies(element, response, u, spacing, macros), mean, several

    force, pairs, mean, several = ours(response, jnp.asarray(u), jnp.asarray(macros))
    np.testing.assert_allclose(force, forces, rtol=0, atol=1e-12 * np.abs(forces).max())
    np.testing.assert_allclose(pairs, powers, rtol=0, atol=1e-12 * np.abs(powers).max())
    np.testing.assert_allclose(several, means, rtol=0, atol=1e-12 * np.abs(means).max())
    np.testing.assert_allclose(mean, means[0], rtol=0, atol=1e-12 * np.abs(means).max())


def responses(dim, shape):
    for physics in ("elasticity", "conduction"):
        for form in ("isotropic", "anisotropic"):
            yield physics, cell(physics, form, shape, seed=dim)[0].response(shape, jnp.float64)


@pytest.mark.parametrize(
    "shape, chunk, whole",
    [
        pytest.param((7, 4), 5, 1, marks=pytest.mark.slow),
        ((7, 4), 13, 8),
        pytest.param((7, 4), 1000, 256, marks=pytest.mark.slow),
        pytest.param((3, 1), 4, 1, marks=pytest.mark.slow),
        pytest.param((5, 3, 4), 70, 1, marks=pytest.mark.slow),
        pytest.param((2, 3, 1), 20, 16, marks=pytest.mark.slow),
        pytest.param((1, 3, 2), 7, 1, marks=pytest.mark.slow),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", MODAL)
def test_fast_force_equals_force(name, shape, chunk, whole, monkeypatch):
    """For every response, with and without a macroscopic gradient, for chunks of less and of more than a layer."""
    element, dim = ELEMENTS[name], len(shape)
    h = jnp.asarray(spacings(shape))
    monkeypatch.setattr(_modal_fast, "_CHUNK", chunk)
    monkeypatch.setattr(_modal_fast, "_WHOLE", whole)
    for physics, response in [*responses(dim, shape), ("elasticity", point_moduli(name, shape)[0])]:
        if (name, physics) in ONE_PHYSICS:
            continue
        u = jnp.asarray(nodal(physics, shape))
        macro = jnp.asarray(np.random.default_rng(5).normal(size=(u.shape[0], dim)))
        for load in (None, macro):
            fast = quick_jit(lambda r, u, m: element.fast_force(element.prepare(r, u.ndim - 1), u, h, m))
            expected = quick_jit(lambda r, u, m: element.force(r, u, h, m))(response, u, load)
            np.testing.assert_allclose(
                fast(response, u, load), expected, atol=1e-13 * float(jnp.abs(expected).max()), rtol=0
            )


def test_fast_force_on_an_accelerator_is_one_chunk_without_conditionals(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    law, _ = cell("elasticity", "isotropic", (4, 3))
    response, u, h = law.response((4, 3), jnp.float64), jnp.asarray(nodal("elasticity", (4, 3))), jnp.ones(2)
    element = ELEMENTS["q1"]
    fast = lambda r, u: element.fast_force(element.prepare(r, 2), u, h)  # noqa: E731
    text = jax.jit(fast).lower(response, u).as_text()
    assert "stablehlo.case" not in text and "stablehlo.while" not in text
    np.testing.assert_allclose(quick_jit(fast)(response, u), element.force(response, u, h), rtol=0, atol=1e-13)


@pytest.mark.parametrize("whole", [1, 256])
def test_chunks_cover_every_element(whole, monkeypatch):
    monkeypatch.setattr(_modal_fast, "_WHOLE", whole)
    for target in (1, 17, 4096, 10**9):
        monkeypatch.setattr(_modal_fast, "_CHUNK", target)
        for shape in ((6, 5, 4), (1, 1), (64, 64, 64)):
            size, number = _modal_fast._chunks(shape)
            layer = np.prod([n + 2 for n in shape[1:]])
            elements = (shape[0] + 1) * layer
            assert 0 <= size * number - elements < size
            # The offsets that reach back belong to the length of a loop.
            ahead = 1 if len(shape) == 2 else shape[2] + 3
            assert (size + ahead) % whole == 0 and size < elements / max(1, round(elements / target)) + whole + 1


@pytest.mark.parametrize("shape", [(5, 4), (3, 4, 2)], ids=str)
@pytest.mark.parametrize("name, physics", SPARED)
@pytest.mark.parametrize("form", ["isotropic", "anisotropic"])
def test_pair_energies_are_the_assembled_ones(name, physics, form, shape):
    if name == "fv" and form == "anisotropic":
        return
    law, tensor = cell(physics, form, shape)
    h, macros = spacings(shape), np.asarray(load_cases(physics, len(shape), jnp.float64))
    u = np.random.default_rng(6).normal(size=(len(macros), components(physics, shape), *shape))
    expected = energies(name, tensor, h, u, macros)
    got = quick_jit(lambda r, u, m: pair_energies(ELEMENTS[name], r, u, jnp.asarray(h), m))(
        law.response(shape, jnp.float64), jnp.asarray(u), jnp.asarray(macros)
    )
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-13 * np.abs(expected).max())


@pytest.mark.parametrize(
    "name, physics, form, shape",
    [(e, p, "isotropic", (5, 4)) for e, p in PAIRS]
    + [
        pytest.param("q1", "elasticity", "anisotropic", (3, 4, 2), marks=pytest.mark.slow),
        ("q1r", "conduction", "anisotropic", (3, 3, 3)),
    ],
    ids=str,
)
def test_effective_tensor_is_that_of_a_dense_solve(name, physics, form, shape):
    law, tensor = cell(physics, form, shape, seed=9)
    macros = np.asarray(load_cases(physics, len(shape), jnp.float64))
    expected = effective(name, tensor, spacings(shape), macros)
    grid = jh.Grid(shape, tuple(spacings(shape) * shape))
    got = jh.homogenize(grid, law, element=name, tolerance=1e-13).value.effective
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-11 * np.abs(expected).max())


def test_the_elements_declare_what_they_carry():
    scalar = ScalarConductionResponse(jnp.ones((2, 2)), 2)
    elastic = IsotropicElasticResponse(jnp.ones((2, 2)), jnp.ones((2, 2)), 2)
    assert scalar.valid() and elastic.valid()
    assert [e.name for e in ELEMENTS.values() if e.conforming] == ["q1"]
