"""Mixed boundary conditions against independent references: what a held mean rotation adds, and voids at faces.

1. `uniform_mixed` (Hazanov and Huet 1994) of random three-phase windows, in the library and by a dense assembly in
   numpy with the constraints as multipliers: once a symmetric stress (mean strain alone imposed), once any matrix
   (the mean rotation is imposed too, which the library did before). Target: the former to 1e-9.
2. The same with voids that the faces cut, and with soft voids of falling stiffness. Target: 1e-9, and a limit.
3. `pmubc` (Pahr and Zysset 2008) against `periodic` of the image mirrored along all axes. Target: 1e-9.
4. Apparent stiffness of a window of trabecular bone (`--bone FILE.npz`, first array, above zero is bone) under all of
   them, and how `uniform_mixed` and `pmubc` compare. Targets: none.

    python experiments/mixed_boundaries.py
    python experiments/mixed_boundaries.py --bone ../shared/data/trabecular_bone_100.npz --edge 24
"""

from __future__ import annotations

import argparse
import itertools

import jax
import numpy as np

import jaxhomog as jh

TIGHT = {"residual_tolerance": 1e-12}
VALUES, POROUS = (1.0, 4.0, 20.0), (0.0, 1.0, 10.0)


def law(labels, values):
    return jh.PhaseMixture(labels, {i: jh.LinearElastic.isotropic(v, 0.3) for i, v in enumerate(values)})


def isotropic(dim, young, poisson=0.3):
    """Mandel stiffness, plane strain in two dimensions."""
    lam, mu = young * poisson / (1 + poisson) / (1 - 2 * poisson), young / 2 / (1 + poisson)
    n = 6 if dim == 3 else 3
    c = 2 * mu * np.eye(n)
    c[:dim, :dim] += lam
    return c


def dense(labels, values, lengths, rotation):
    """No normal displacement on the faces, means of strain (and rotation) by multipliers."""
    shape, dim = labels.shape, labels.ndim
    h, nodes = np.asarray(lengths) / shape, [n + 1 for n in shape]
    pairs = [(i, i) for i in range(dim)] + ([(1, 2), (0, 2), (0, 1)] if dim == 3 else [(0, 1)])
    corners, size, n = list(itertools.product((0, 1), repeat=dim)), int(np.prod(nodes)) * dim, len(pairs)
    k, f, c = np.zeros((size, size)), np.zeros((size, n)), np.zeros((n, n))
    mean, turn, root = np.zeros((n, size)), np.zeros((n, size)), 1 / np.sqrt(3)
    for index in itertools.product(*(range(m) for m in shape)):
        stiffness = isotropic(dim, values[labels[index]])
        dofs = [np.ravel_multi_index(np.add(index, corner), nodes) * dim for corner in corners]
        for x in itertools.product((-root, root), repeat=dim):
            b, w = np.zeros((n, size)), np.zeros((n, size))
            for corner, dof in zip(corners, dofs, strict=True):
                sign = 2 * np.array(corner) - 1
                shapes = (1 + sign * x) / 2
                slope = [sign[j] / h[j] * np.prod(np.delete(shapes, j)) for j in range(dim)]
                for row, (i, j) in enumerate(pairs):
                    if i == j:
                        b[row, dof + i] += slope[i]
                    else:
                        b[row, dof + i], b[row, dof + j] = slope[j] / np.sqrt(2), slope[i] / np.sqrt(2)
                        w[row, dof + i], w[row, dof + j] = slope[j], -slope[i]
            weight = 1 / 2**dim / labels.size
            k, f, c = k + weight * b.T @ stiffness @ b, f - weight * b.T @ stiffness, c + weight * stiffness
            mean, turn = mean + weight * b, turn + weight * w
    at = np.stack(np.meshgrid(*map(np.arange, nodes), indexing="ij"), -1).reshape(-1, dim)
    free = ~((at == 0) | (at == np.array(nodes) - 1)).ravel()
    imposed = np.vstack([mean, turn[dim:]] if rotation else [mean])[:, free]
    m = len(imposed)
    system = np.block([[k[np.ix_(free, free)], imposed.T], [imposed, np.zeros((m, m))]])
    u = np.linalg.lstsq(system, np.vstack([f[free], np.zeros((m, n))]), rcond=1e-12)[0][: free.sum()]
    return c - f[free].T @ u


def apparent(labels, values, lengths, boundary, **options):
    s = jh.homogenize(jh.Grid(labels.shape, lengths), law(labels, values), boundary, **(options or TIGHT))
    return np.asarray(s.value.effective), s


def gap(found, expected):
    return np.abs(found - expected).max() / np.abs(expected).max()


def verdict(value, target):
    return f"{value:.1e} (target {target:g}: {'met' if value <= target else 'missed'})"


def windows():
    rng = np.random.default_rng(0)
    for shape, lengths in (((6, 5), (1.0, 0.7)), ((4, 3, 3), (1.0, 0.7, 1.3))):
        dim = len(shape)
        for name, values, share in (("solid", VALUES, (1 / 3,) * 3), ("porous", POROUS, (0.4, 0.3, 0.3))):
            for _ in range(3):
                labels = rng.choice(3, shape, p=share)
                found, s = apparent(labels, values, lengths, "uniform_mixed")
                right = dense(labels, values, lengths, rotation=False)
                stiffer = np.diag(dense(labels, values, lengths, rotation=True) / right)[dim:].max() - 1
                print(
                    f"{dim}-D {name}: uniform_mixed from dense {verdict(gap(found, right), 1e-9)}, Hill-Mandel"
                    f" {float(s.value.hill_mandel_residual):.0e}; shear with the rotation held {100 * stiffer:+.2f} %"
                )
                big = labels
                for k in range(dim):
                    big = np.concatenate([big, np.flip(big, k)], axis=k)
                mirror, s = apparent(labels, values, lengths, "pmubc")
                whole, _ = apparent(big, values, tuple(2 * x for x in lengths), "periodic")
                print(
                    f"{dim}-D {name}: pmubc from the mirrored image {verdict(gap(mirror, whole), 1e-9)}, Hill-Mandel"
                    f" {float(s.value.hill_mandel_residual):.0e}, iterations {int(s.stats['iterations'])}"
                )
    labels = np.random.default_rng(1).choice(3, (6, 5), p=(0.4, 0.3, 0.3))
    void, _ = apparent(labels, POROUS, (1.0, 0.7), "uniform_mixed")
    for soft in (1e-2, 1e-4, 1e-6):
        filled, _ = apparent(labels, (soft, *POROUS[1:]), (1.0, 0.7), "uniform_mixed")
        print(f"2-D porous, uniform_mixed: voids filled with {soft:g} are off by {gap(filled, void):.1e}")


def bone(path, edge):
    with np.load(path) as data:
        image = np.asarray(data[data.files[0]])
    labels = (image[tuple(slice(0, edge) for _ in range(3))] > 0).astype(int)
    print(
        f"\nbone, {edge}^3, volume fraction {labels.mean():.3f}, E = 1, nu = .3: diagonal (Mandel, 11 22 33 23 13 12)"
    )
    seen = {}
    for boundary in ("affine", "pmubc", "uniform_mixed", "periodic"):
        seen[boundary], s = apparent(labels, (0.0, 1.0), (1.0,) * 3, boundary, tolerance=1e-6)
        row = " ".join(f"{x:8.5f}" for x in np.diag(seen[boundary]))
        iterations, residual = int(s.stats["iterations"]), float(s.value.hill_mandel_residual)
        print(f"{boundary:14s} {row}   iterations {iterations:4d}, Hill-Mandel {residual:.0e}", flush=True)
    mixed, mirror = seen["uniform_mixed"], seen["pmubc"]
    print(f"uniform_mixed from pmubc: normal block {gap(mixed[:3, :3], mirror[:3, :3]):.1e}, shears", end=" ")
    print(" ".join(f"{100 * (a / b - 1):+.1f} %" for a, b in zip(np.diag(mixed)[3:], np.diag(mirror)[3:], strict=True)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bone", metavar="FILE", help="an .npz image whose voxels above zero are bone")
    parser.add_argument("--edge", type=int, default=24, help="voxels along an edge of the window of bone")
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    windows()
    if options.bone:
        bone(options.bone, options.edge)


if __name__ == "__main__":
    main()
