"""Separation of scales in numbers: orders of two-scale expansions, boundary layers, averaging in time, measured scales.

Each number stands beside its target. 1-D: the case `hom.1d_orders`, resolved by quadrature. 2-D: -div a grad u = f on
the unit square, u = 0 on its boundary, resolved by bilinear elements on the voxels of all cells; u0 = sin sin in closed
form, with f from the effective tensor of the same voxels. Time: `hom.time_avg`, and Michaelis-Menten kinetics against
the full system.

    python experiments/scale_separation.py [--quick] [--only 1d 2d time scales]
"""

from __future__ import annotations

import argparse

import jax
import numpy as np


def show(name, found, target):
    print(f"  {name:44} {float(found):12.6g}   target {target}", flush=True)


def order(errors):
    return np.log2(np.array(errors[:-1], float) / np.array(errors[1:], float))


def line_errors(eps, level, n=4096):
    """Mean, L2, Linf, H1 errors of u0 (level 0) or with correctors up to `level`, of -(a u')' = 1 on (0, 1)."""
    from jaxhomog.rve import corrected, line_correctors
    from jaxhomog.validity import expansion_error

    cell = line_correctors(1 / (2 + np.cos(2 * np.pi * (np.arange(n) + 0.5) / n)))
    h = eps / n
    x = (np.arange(round(1 / eps) * n)[:, None] + 0.5 + np.array([-1, 1]) / np.sqrt(12)) * h
    points, weights = np.polynomial.legendre.leggauss(8)

    def integral(lower, upper, f):
        at = lower[..., None] + (upper - lower)[..., None] * 0.5 * (points + 1)
        return (f(at) * weights).sum(-1) * 0.5 * (upper - lower)

    rate = lambda x: 2 + np.cos(2 * np.pi * x / eps)  # noqa: E731
    edges = np.arange(len(x)) * h
    s = integral(edges, edges + h, lambda x: x * rate(x)).sum() / integral(edges, edges + h, rate).sum()
    slope = lambda x: (s - x) * rate(x)  # noqa: E731
    before = np.concatenate([[0], np.cumsum(integral(edges, edges + h, slope))[:-1]])[:, None]
    u = before + integral(np.broadcast_to(edges[:, None], x.shape), x, slope)
    a = float(cell.effective[0, 0])
    macro = [x * (1 - x), 1 - 2 * x, np.full_like(x, -2.0), np.zeros_like(x)]
    macro = [m.reshape(*x.shape, *(1,) * k) / (2 * a) for k, m in enumerate(macro)]
    if level == 2:
        macro[0] = macro[0] + eps**2 * float(cell.second[0, 0, 0, 0]) / a
    v, dv = (macro[0], macro[1]) if level == 0 else corrected(cell, x[..., None], eps, macro, level)
    return expansion_error(u, v, np.full_like(x, h / 2), slope(x)[..., None], dv)


def one_dimension(quick):
    print("1-D, -(a u')' = 1, a = 1 / (2 + cos 2 pi x / eps)")
    cells = (4, 8, 16) if quick else (4, 8, 16, 32)
    found = {level: [line_errors(1 / c, level) for c in cells] for level in (0, 1, 2)}
    targets = {
        "L2 of u0, over eps": (0, "l2", 1, 1 / (2 * np.pi * np.sqrt(24)), 1),
        "H1 of u0 (does not converge)": (0, "h1", 0, np.sqrt(1 / 24), 0),
        "mean of u0, over eps^2": (0, "mean", 2, 1 / (2 * np.pi**2), 2),
        "L2 with corrector, over eps^2": (1, "l2", 2, np.sqrt(1.5) / (4 * np.pi**2), 2),
        "H1 with corrector, over eps": (1, "h1", 1, 1 / (2 * np.pi * np.sqrt(2)), 1),
    }
    for name, (level, norm, power, constant, expected) in targets.items():
        errors = [float(getattr(e, norm)) for e in found[level]]
        show(f"{name}, 1/eps = {cells[-1]}", errors[-1] * cells[-1] ** power, f"{constant:.6g}")
        show("  order, last two", order(errors)[-1], expected)
    show("Linf of u0: order, last two", order([float(e.linf) for e in found[0]])[-1], 1)
    show("L2 with second corrector and shift, largest", max(float(e.l2) for e in found[2]), "0 (exact), h^2 left")


def square(labels, contrast, cells):
    """Errors without and with corrector of the Dirichlet problem on cells x cells copies of a cell of voxels."""
    import scipy.sparse as sp
    from scipy.sparse.linalg import spsolve

    import jaxhomog as jh
    from jaxhomog.api import correctors
    from jaxhomog.rve import corrected
    from jaxhomog.validity import expansion_error

    n = len(labels)
    law = jh.LinearConduction(np.where(labels == 1, contrast, 1.0))
    cell = correctors(jh.Grid((n, n), (1.0, 1.0)), law, field_tolerance=1e-9).value
    k, m = np.asarray(cell.effective), n * cells
    h, a = 1 / m, np.tile(np.asarray(law.conductivity), (cells, cells)).ravel()
    gauss = 0.5 + np.array([-1, 1]) / np.sqrt(12)
    s, t = (g.ravel() for g in np.meshgrid(gauss, gauss, indexing="ij"))
    shape = np.stack([(1 - s) * (1 - t), (1 - s) * t, s * (1 - t), s * t])  # corners 00 01 10 11
    slope = np.stack([[t - 1, -t, 1 - t, t], [s - 1, 1 - s, -s, s]], axis=1) / h  # corner, direction, point
    i, j = (g.ravel() for g in np.indices((m, m)))
    nodes = np.stack([(i + b) * (m + 1) + j + c for b in (0, 1) for c in (0, 1)])
    x = np.stack([i[:, None] + s, j[:, None] + t], axis=-1) * h
    sin, cos = np.sin(np.pi * x), np.cos(np.pi * x)
    u0 = sin[..., 0] * sin[..., 1]
    grad = np.pi * np.stack([cos[..., 0] * sin[..., 1], sin[..., 0] * cos[..., 1]], axis=-1)
    cross = np.pi**2 * cos[..., 0] * cos[..., 1]
    hess = np.stack([np.stack([-(np.pi**2) * u0, cross], -1), np.stack([cross, -(np.pi**2) * u0], -1)], -2)
    f = -np.einsum("epij,ij->ep", hess, k)
    local = np.einsum("adp,bdp->ab", slope, slope) * h**2 / 4
    rows, columns = np.repeat(nodes, 4, axis=0), np.tile(nodes, (4, 1))
    stiffness = sp.csr_matrix(((local.reshape(16, 1) * a).ravel(), (rows.ravel(), columns.ravel())))
    load = np.bincount(nodes.ravel(), ((f @ shape.T).T * h**2 / 4).ravel())
    free = np.pad(np.ones((m - 1, m - 1), bool), 1).ravel()
    u = np.zeros((m + 1) ** 2)
    u[free] = spsolve(stiffness[free][:, free], load[free])
    value, gradient = u[nodes].T @ shape, np.einsum("ce,cdp->epd", u[nodes], slope)
    v, dv = corrected(cell, x, 1 / cells, (u0, grad, hess))
    w = np.ones_like(u0)
    outside = expansion_error(value, u0, w, gradient, grad), expansion_error(value, v, w, gradient, dv)
    inner = ((x > 1 / 4) & (x < 3 / 4)).all(-1).astype(float)
    return (*outside, expansion_error(value, v, inner, gradient, dv))


def two_dimensions(quick):
    cells = (8, 16, 32) if quick else (8, 16, 32, 64)
    centred, shifted = np.zeros((4, 4), int), np.zeros((4, 4), int)
    centred[1:3, 1:3] = 1
    shifted[2:, 2:] = 1
    for name, labels, target in (
        ("inclusion in the centre (N = 0 on the boundary)", centred, 1),
        ("inclusion in the corner", shifted, "1/2, from above"),
    ):
        print(f"2-D, Dirichlet, contrast 10, {name}; 1/eps = {cells}")
        found = [square(labels, 10.0, c) for c in cells]
        for label, pick, expected in (
            ("L2 of u0", lambda e: e[0].l2, 1),
            ("H1 of u0", lambda e: e[0].h1, 0),
            ("H1 with corrector, whole square", lambda e: e[1].h1, target),
            ("H1 with corrector, middle quarter", lambda e: e[2].h1, 1),
            ("H1 with corrector, boundary's share", lambda e: np.sqrt(max(e[1].h1 ** 2 - e[2].h1 ** 2, 0)), "1/2"),
            ("L2 with corrector", lambda e: e[1].l2, 2 if target == 1 else 1),
        ):
            if target == 1 and "share" in label:
                continue
            errors = [float(pick(e)) for e in found]
            print(f"  {label:36}", " ".join(f"{x:10.4g}" for x in errors), " orders", order(errors).round(2), end="")
            print(f"   target {expected}", flush=True)


def time(quick):
    import jax.numpy as jnp

    from jaxhomog.dynamics import averaged_forcing, slow_motion

    print("time, x' = -x (1 + cos t / eps)")
    t = np.linspace(0, 3, 30001)
    table = {
        0.1: (0.0817573202086217, 0.00414474812773713),
        0.05: (0.045144500131400034, 0.0011372764606920605),
        0.025: (0.023746810640324356, 0.000298024413192044),
    }
    run = jax.jit(lambda eps: averaged_forcing(lambda x, s: -x * (1 + jnp.cos(s)), 1.0, t, eps))
    for eps, targets in table.items():
        exact, found = np.exp(-t - eps * np.sin(t / eps)), run(eps)
        for name, x, target in zip(("mean", "corrected"), (found.slow, found.corrected), targets, strict=True):
            show(f"sup error of the {name} motion, eps = {eps}", np.max(np.abs(x - exact)), f"{target:.6g}")
    print("time, substrate and complex: s' = -s + (s + 1/2) c, eps c' = s - (s + 1) c, s(0) = 1, c(0) = 0")
    f, g = lambda s, c: -s + (s + 0.5) * c, lambda s, c: s - (s + 1) * c
    late, errors = np.linspace(0.5, 2, 16), {0: [], 1: []}
    from scipy.integrate import solve_ivp

    for level in errors:
        run = jax.jit(lambda eps, level=level: slow_motion(f, g, 1.0, 0.0, late, eps, order=level).slow)
        for eps in (0.04, 0.02, 0.01):
            full = solve_ivp(
                lambda _, z, eps=eps: [f(*z), g(*z) / eps],
                (0, 2),
                [1.0, 0.0],
                method="Radau",
                t_eval=late,
                rtol=1e-10,
                atol=1e-12,
            )
            errors[level].append(np.max(np.abs(run(eps) - full.y[0])))
        show(f"order {level}: error at eps = 0.01", errors[level][-1], f"O(eps^{level + 1})")
        show("  order, last two", order(errors[level])[-1], level + 1)


def scales(quick):
    from jaxhomog.microstructure import gaussian_field, measured_length
    from jaxhomog.rve import line_correctors
    from jaxhomog.validity import Scale, expansion_constants, gradient_length, integral_time, scale_separation

    print("scales")
    fields = gaussian_field((128, 128), 3.0, number=20 if quick else 60, seed=1)
    found = jax.lax.map(lambda x: measured_length(x), fields)
    show("correlation length, mean of single images", np.mean(found.value), f"{np.sqrt(np.pi / 2) * 3:.4g}")
    show("  its standard error, from one image each", np.sqrt(np.mean(found.error**2)), f"{np.std(found.value):.3g}")
    rng, phi = np.random.default_rng(0), np.exp(-0.1)
    x = np.empty((300, 5000))
    x[:, 0] = rng.standard_normal(300)
    for k in range(1, 5000):
        x[:, k] = phi * x[:, k - 1] + np.sqrt(1 - phi**2) * rng.standard_normal(300)
    time = integral_time(x, 0.1)
    show("integral time, mean of signals", np.mean(time.value), f"{0.05 * (1 + phi) / (1 - phi):.4g}")
    show("  its standard error, from one signal each", np.sqrt(np.mean(time.error**2)), f"{np.std(time.value):.3g}")
    # The macroscopic strain around a hole in a plate under tension, along the ligament: 1 + r^-2 / 2 + 3 r^-4 / 2.
    r = 1 + np.arange(200) * 0.01
    strain = 1 + 0.5 * r**-2 + 1.5 * r**-4
    length = gradient_length(strain, (0.01,))
    exact = strain / (r**-3 + 6 * r**-5)
    show("gradient length beside a hole, largest error", np.max(np.abs(length[1:-1] / exact[1:-1] - 1)), "O(h^2)")
    micro = Scale(found.value[0] * 0.005, found.error[0] * 0.005)
    report = scale_separation(micro, length, tolerance=0.03)
    print("  " + report.reason)
    n = 512
    cell = line_correctors(1 / (2 + np.cos(2 * np.pi * (np.arange(n) + 0.5) / n)))
    constants = expansion_constants(cell, 1.0)
    show("c1 of the cell in 1-D", constants.first, f"{1 / (4 * np.pi * np.sqrt(2)):.6g} (textbook: 1)")
    show("c2 of the cell in 1-D", constants.second, f"{1 / (8 * np.pi**2 * np.sqrt(2)):.6g} (textbook: 1)")
    report = scale_separation(0.02, length, tolerance=0.03, constants=constants)
    print(f"  textbook {report.textbook.name}, with the constants of the cell {report.regime.name}")


PARTS = {"1d": one_dimension, "2d": two_dimensions, "time": time, "scales": scales}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer cells and images")
    parser.add_argument("--only", nargs="+", choices=tuple(PARTS), default=tuple(PARTS))
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    for name in options.only:
        PARTS[name](options.quick)


if __name__ == "__main__":
    main()
