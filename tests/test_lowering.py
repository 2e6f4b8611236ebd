"""Value and gradient lower for every backend, in both precisions, without a host callback or a custom call."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import jaxhomog as jh

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
LABELS = np.random.default_rng(0).integers(0, 2, (4, 3, 5))


def cell(physics, dtype):
    if physics == "elasticity":
        make = lambda p: jh.LinearElastic.isotropic(p, np.asarray(0.25, dtype))  # noqa: E731
    else:
        make = jh.LinearConduction

    def f(p, lengths, labels):
        law = jh.PhaseMixture(labels, {0: make(p[0]), 1: make(p[1])})
        value = jh.homogenize(jh.Grid(labels.shape, lengths), law, **f.options).value
        return jnp.sum(value.effective * jnp.arange(value.effective.size, dtype=dtype).reshape(value.effective.shape))

    return f


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "physics, element, boundary",
    [
        ("elasticity", "q1", "periodic"),
        ("elasticity", "q1r", "periodic"),
        ("elasticity", "fourier", "periodic"),
        ("elasticity", "q1", "uniform_mixed"),
        pytest.param("elasticity", "q1", "pmubc", marks=pytest.mark.slow),
        ("conduction", "q1", "periodic"),
        ("conduction", "fv", "periodic"),
        ("conduction", "q1", ("periodic", "affine", "uniform_traction")),
    ],
    ids=str,
)
def test_value_and_gradient_lower(physics, element, boundary, dtype):
    f = cell(physics, dtype)
    f.options = {"element": element, "boundary": boundary}
    arguments = (jnp.ones(2, dtype), jnp.ones(3, dtype), jnp.asarray(LABELS, jnp.int32))
    program = jax.jit(jax.value_and_grad(f, (0, 1)))  # traced once, lowered for every platform
    for platform in PLATFORMS:
        exported = export.export(program, platforms=[platform])(*arguments)
        check(exported, platform, dtype)
        # The preconditioner: a Fourier transform, or one-dimensional modes.
        assert ("stablehlo.fft" if boundary == "periodic" else "stablehlo.dot_general") in exported.mlir_module()


@pytest.mark.slow
@pytest.mark.parametrize("element, dtype", [("q1r", "float32"), ("q1r", "float64"), ("q1bar", "float32")])
def test_a_path_and_its_gradient_lower(element, dtype):
    """Plasticity beside elasticity under mixed control: the curve, its tangent, and the adjoint of the history."""
    strain = jnp.asarray(np.outer([0.5, 1.0], [0.01, 0, 0, 0, 0, 0.004]), dtype)
    mask = [False, True, True, False, False, False]

    def f(p, lengths, labels, strain):
        soft = jh.J2Plasticity(jh.LinearElastic.isotropic(p[0], p[1]), jh.VoceHardening(p[2], p[3], p[4]))
        law = jh.PhaseMixture(labels, {0: soft, 1: jh.LinearElastic.isotropic(p[0], p[1])})
        path = jh.LoadPath(strain, jnp.zeros_like(strain), mask)
        value = jh.drive(jh.Grid(labels.shape, lengths), law, path, element=element, throw=False).value
        return jnp.sum(value.stress) + jnp.sum(value.tangent) + jnp.sum(value.dissipation)

    arguments = (jnp.ones(5, dtype), jnp.ones(3, dtype), jnp.asarray(LABELS, jnp.int32), strain)
    program = jax.jit(jax.value_and_grad(f, (0, 1)))
    for platform in PLATFORMS:
        check(export.export(program, platforms=[platform])(*arguments), platform, dtype, rows=2)


@pytest.mark.slow
@pytest.mark.parametrize("element", ["q1r", "q1bar"])
def test_a_path_at_finite_strain_lowers_in_single_precision(element):
    """Plasticity beside rubber under mixed control: the curve and its tangent."""
    f = jnp.asarray(np.eye(3).ravel() + np.outer([0.5, 1.0], [0.01, 0.004, 0, 0, 0, 0, 0, 0, 0]), jnp.float32)
    mask = np.isin(np.arange(9), [4, 8])

    def run(p, lengths, labels, f):
        elastic = jh.LinearElastic.isotropic(p[0], p[1])
        soft = jh.FiniteJ2Plasticity(elastic, jh.VoceHardening(p[2], p[3], p[4]))
        law = jh.PhaseMixture(labels, {0: soft, 1: jh.NeoHookean(elastic)})
        path = jh.LoadPath.finite(f, jnp.zeros_like(f), mask)
        value = jh.drive(jh.Grid(labels.shape, lengths), law, path, element=element, throw=False).value
        return value.stress, value.tangent, value.dissipation

    arguments = (jnp.ones(5, jnp.float32), jnp.ones(3, jnp.float32), jnp.asarray(LABELS, jnp.int32), f)
    for platform in PLATFORMS:
        check(export.export(jax.jit(run), platforms=[platform])(*arguments), platform, "float32", rows=2)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_density_design_lowers(dtype):
    """Symmetry, filter, projection, interpolation, cell, compliance: Poisson's ratio of a design, and its gradient."""

    def ratio(variables, lengths):
        field = jh.DensityField(jh.Grid((6, 6), lengths), 0.3, "4mm")
        law = jh.LinearElastic.isotropic(jh.simp(field.density(variables, 4.0), 3.0, 1e-3), jnp.asarray(0.3, dtype))
        s = jh.effective_compliance(field.grid, law, throw=False).value.compliance
        return -s[0, 1] / s[0, 0]

    program = jax.jit(jax.value_and_grad(ratio, (0, 1)))
    arguments = (jnp.full(6, 0.5, dtype), jnp.ones(2, dtype))
    for platform in PLATFORMS:
        check(export.export(program, platforms=[platform])(*arguments), platform, dtype)


DENSE = {
    "cpu": {"lapack_dgeqrf_ffi", "lapack_dormqr_ffi", "lapack_dorgqr_ffi", "lapack_dsyevd_ffi"}
    | {"lapack_dgesdd_ffi", "lapack_dtrsm_ffi"},
    "cuda": {"cusolver_geqrf_ffi", "cusolver_ormqr_ffi", "cusolver_orgqr_ffi", "cusolver_syevd_ffi"}
    | {"cusolver_gesvd_ffi", "cusolver_gesvdj_ffi"},
    "tpu": {"Qr", "Eigh", "ProductOfElementaryHouseholderReflectors"},
}
DENSE["rocm"] = {name.replace("cusolver", "hipsolver") for name in DENSE["cuda"]}


@pytest.mark.slow
@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_fit_lowers(platform):
    """The whole of a fit under jit. Its small dense factorizations are the device's own library, for which JAX gives no
    guarantee across versions: they are named here, and nothing else is let through."""

    def model(p):
        labels = np.array([[0, 1], [1, 0]])
        law = jh.PhaseMixture(labels, {0: jh.LinearConduction(p["k1"]), 1: jh.LinearConduction(p["k2"])})
        return jh.homogenize(jh.Grid((2, 2)), law, throw=False).value.effective.ravel()

    def run(data):
        start = {"k1": 1.0, "k2": 2.0}
        value = jh.fit(jh.Experiment(model, data, 0.01), start, bounds={"k1": "positive"}, throw=False).value
        return value.parameters, value.lower, value.covariance

    allowed = [export.DisabledSafetyCheck.custom_call(name) for name in DENSE[platform]]
    exported = export.export(jax.jit(run), platforms=[platform], disabled_checks=allowed)(jnp.ones(4))
    text = exported.mlir_module()
    called = set(re.findall(r"custom_call @(\w+)", text))
    assert called and called <= DENSE[platform] and "callback" not in text


def check(exported, platform, dtype, rows=None):
    text = exported.mlir_module()
    # The check of `text` is only as good as this word.
    assert "custom_call" not in text, [line for line in text.splitlines() if "custom_call" in line][:3]
    assert "callback" not in text
    # Fields and arithmetic stay in the law's precision; untyped scalar constants may not.
    wrong = "f32" if dtype == "float64" else "f64"
    arithmetic = re.compile(rf"(\dx{wrong}>|stablehlo\.(add|subtract|multiply|divide|sqrt|compare)\b.*<{wrong}>)")
    mixed = [line.strip() for line in text.splitlines() if arithmetic.search(line)]
    if rows is not None and wrong == "f64":
        # Absolute times of a path stay in JAX's default precision: numbers, one per row, and one more for the start.
        clock = {f"tensor<{n}{wrong}>" for n in ("", f"{rows}x", f"{rows + 1}x")}
        mixed = [line for line in mixed if not set(re.findall(rf"tensor<[\dx]*{wrong}>", line)) <= clock]
    assert not mixed, mixed[:3]
    assert exported.platforms == (platform,)
    assert [str(a.dtype) for a in exported.out_avals] == [dtype] * 3


def test_big_arrays_are_arguments():
    """The program's text does not grow with the image."""
    sizes = []
    for n in (8, 32):
        labels = jnp.zeros((n, n), jnp.int32)

        def f(k, labels):
            law = jh.PhaseMixture(labels, {0: jh.LinearConduction(k)})
            return jh.homogenize(jh.Grid(labels.shape), law).value.effective

        sizes.append(len(jax.jit(f).lower(1.0, labels).as_text()))
    assert sizes[1] < 1.1 * sizes[0]
