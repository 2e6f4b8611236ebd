"""Does `tolerance` hold? True error of the effective tensor over random cells, against the promise and its bound.

Per physics, dimension, precision and tolerance: the worst ratio of ||C_h - C||_F / ||C_Voigt||_F to the tolerance, and
of `error_bound` to that true error (how cautious the bound is), C from a float64 solve at 1e-12. A ratio above 1 is a
broken promise. Cells: random, blocky, checkerboard, single inclusion and its negative; contrasts 10, 1e3, 1e6, voids.

    python experiments/tolerance_promise.py [--lanes 24] [--quick]
"""

from __future__ import annotations

import argparse

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)

import jaxhomog as jh  # noqa: E402

CONTRASTS = (10.0, 1e-1, 1e3, 1e-3, 1e6, 1e-6, 0.0)


def images(shape, lanes, seed):
    """Phase images of many kinds (lanes, *shape)."""
    rng, dim, out = np.random.default_rng(seed), len(shape), []
    place = np.stack(np.meshgrid(*[(np.arange(n) + 0.5) / n for n in shape], indexing="ij"))
    for i in range(lanes):
        kind = i % 5
        if kind == 0:
            image = rng.random(shape) < rng.uniform(0.1, 0.9)
        elif kind == 1:
            block = rng.random(tuple(-(-n // 4) for n in shape)) < rng.uniform(0.2, 0.8)
            image = np.kron(block, np.ones((4,) * dim, bool))[tuple(slice(n) for n in shape)]
        elif kind == 2:
            image = np.sum([np.floor(2 * x) for x in place], axis=0) % 2 == 0
        else:
            centre = rng.random(dim).reshape(-1, *(1,) * dim)
            gap = np.abs(place - centre)
            inside = np.sum(np.minimum(gap, 1 - gap) ** 2, axis=0) < rng.uniform(0.15, 0.45) ** 2
            image = inside if kind == 3 else ~inside
        out.append(image.astype(np.int32))
    return np.stack(out)


def solver(physics, shape, tolerance, dtype, element):
    def one(labels, b, rotation):
        a, c = jnp.ones((), dtype), b.astype(dtype)
        if physics == "conduction":
            law = jh.PhaseMixture(labels, {0: jh.LinearConduction(a), 1: jh.LinearConduction(c)})
        elif physics == "elasticity":
            law = jh.PhaseMixture(
                labels,
                {0: jh.LinearElastic.isotropic(a, a * 0.3), 1: jh.LinearElastic.isotropic(c, a * 0.1)},
            )
        else:
            law = jh.LinearElastic.cubic(3.2 * a, 1.2 * a, 4.0 * a, rotation=rotation.astype(dtype)[labels])
        s = jh.homogenize(jh.Grid(shape), law, element=element, tolerance=tolerance, max_iterations=5000)
        scale = jnp.sqrt(jnp.sum(s.value.bounds.voigt**2))
        return s.value.effective, s.result.code, s.stats["error_bound"], s.stats["iterations"], scale

    return jax.jit(jax.vmap(one))


def measure(physics, shape, tolerance, dtype, element="q1", lanes=24, seed=0):
    """Worst true error / tolerance, worst and median bound / true error, codes, over the lanes that converged."""
    rng = np.random.default_rng(seed)
    if physics == "polycrystal":
        labels = np.stack([rng.integers(0, 9, shape) for _ in range(lanes)]).astype(np.int32)
    else:
        labels = images(shape, lanes, seed)
    b = jnp.asarray([CONTRASTS[(i // 5) % len(CONTRASTS)] for i in range(lanes)])
    q = np.linalg.qr(rng.normal(size=(lanes, 9, 3, 3)))[0]
    q *= np.sign(np.linalg.det(q))[..., None, None]
    arguments = (jnp.asarray(labels), b, jnp.asarray(q))
    exact, code, _, _, scale = solver(physics, shape, 1e-12, "float64", element)(*arguments)
    got, own, bound, iterations, _ = solver(physics, shape, tolerance, dtype, element)(*arguments)
    good = np.asarray((code == 0) & (own == 0))
    error = np.asarray(jnp.sqrt(jnp.sum((got.astype("float64") - exact) ** 2, axis=(1, 2))) / scale)[good]
    bound = np.asarray(bound, float)[good]
    # Below rounding of the computed tensors themselves the comparison means nothing.
    seen = error > 100 * float(jnp.finfo(dtype).eps)
    caution = bound[seen] / error[seen] if seen.any() else np.array([np.nan])
    return {
        "worst": error.max(initial=0) / tolerance,
        "caution_min": caution.min(),
        "caution_median": float(np.median(caution)),
        "converged": int(good.sum()),
        "lanes": lanes,
        "iterations": int(np.max(np.asarray(iterations))),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lanes", type=int, default=35)
    parser.add_argument("--quick", action="store_true", help="2-D only")
    options = parser.parse_args()
    print(
        f"{'physics':12} {'shape':12} {'dtype':8} {'tolerance':>9} {'error/tol':>10}"
        f" {'bound/error min':>16} {'median':>8}"
    )
    worst = 0.0
    shapes = ((24, 20),) if options.quick else ((24, 20), (10, 8, 9))
    for shape in shapes:
        for physics in ("conduction", "elasticity", "polycrystal"):
            for dtype, tolerances in (("float64", (1e-2, 1e-4, 1e-6, 1e-8)), ("float32", (1e-2, 1e-4, 1e-5))):
                for tolerance in tolerances:
                    m = measure(physics, shape, tolerance, dtype, lanes=options.lanes)
                    worst = max(worst, m["worst"])
                    print(
                        f"{physics:12} {shape!s:12} {dtype:8} {tolerance:9.0e} {m['worst']:10.3f}"
                        f" {m['caution_min']:16.2f}"
                        f" {m['caution_median']:8.1f}   {m['converged']}/{m['lanes']} converged, {m['iterations']} its",
                        flush=True,
                    )
    print(f"worst true error / tolerance: {worst:.3f}")


if __name__ == "__main__":
    main()
