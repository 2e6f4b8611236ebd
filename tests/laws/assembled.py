"""The discretizations once more, assembled as textbooks do: dense numpy matrices, Gauss points, DFT matrices.

Nothing here comes from the package: voxel tensors are full arrays C[c, k, c', k', voxel...], the gradient at a
quadrature point is a dense matrix over all nodal values.
"""

import itertools

import numpy as np


def full_stiffness(mandel):
    """(n, n, *shape) Mandel, n = 6 or 3, to (d, d, d, d, *shape)."""
    pairs = [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)] if len(mandel) == 6 else [(0, 0), (1, 1), (0, 1)]
    d = 3 if len(mandel) == 6 else 2
    out = np.zeros((d, d, d, d, *mandel.shape[2:]))
    for (i, (a, b)), (j, (c, e)) in itertools.product(enumerate(pairs), repeat=2):
        value = mandel[i, j] / (np.sqrt(2) ** ((a != b) + (c != e)))
        for p, q in {(a, b), (b, a)}:
            for r, s in {(c, e), (e, c)}:
                out[p, q, r, s] = value
    return out


def full_conductivity(k):
    """(d, d, *shape) to (1, d, 1, d, *shape)."""
    return k[None, :, None]


def isotropic_stiffness(lam, mu, d):
    """Fields of Lame parameters to (d, d, d, d, *shape)."""
    eye = np.eye(d)
    a = np.einsum("ij,kl->ijkl", eye, eye)
    b = np.einsum("ik,jl->ijkl", eye, eye) + np.einsum("il,jk->ijkl", eye, eye)
    return np.multiply.outer(a, lam) + np.multiply.outer(b, mu)


def points(element, shape, h):
    """Quadrature points as (weight, [B_1, ..., B_d]): B_k (voxels, nodes) is d/dx_k of a scalar field at the point."""
    size, d = int(np.prod(shape)), len(shape)
    number = np.arange(size).reshape(shape)
    if element == "fv":
        rows = []
        for k in range(d):
            b = -np.eye(size)
            b[number.ravel(), np.roll(number, -1, axis=k).ravel()] += 1
            rows.append(b / h[k])
        return [(1.0, rows)]
    if element == "fourier":
        rows = []
        for k in range(d):
            n = shape[k]
            wave = np.fft.fftfreq(n, 1 / n)
            wave[2 * np.abs(wave) == n] = 0
            line = np.fft.ifft(1j * 2 * np.pi * wave[:, None] / (n * h[k]) * np.fft.fft(np.eye(n), axis=0), axis=0).real
            b = np.ones((1, 1))
            for j in range(d):
                b = np.kron(b, line if j == k else np.eye(shape[j]))
            rows.append(b)
        return [(1.0, rows)]
    at = [0.0] if element == "q1r" else [-1 / np.sqrt(3), 1 / np.sqrt(3)]
    out = []
    for xi in itertools.product(at, repeat=d):
        rows = [np.zeros((size, size)) for _ in range(d)]
        for corner in itertools.product((0, 1), repeat=d):
            node = number
            for j, bit in enumerate(corner):
                node = np.roll(node, -bit, axis=j)
            for k in range(d):
                slope = 2 / h[k]
                for j, bit in enumerate(corner):
                    sign = 1 if bit else -1
                    slope *= sign / 2 if j == k else (1 + sign * xi[j]) / 2
                rows[k][number.ravel(), node.ravel()] += slope
        out.append((1.0 / len(at) ** d, rows))
    return out


def isotropic_part(tensor):
    """Lame parameters of the isotropic tensors nearest to (d, d, d, d, *shape)."""
    d = len(tensor)
    sphere = np.einsum("iijj...->...", tensor)
    trace = np.einsum("ijij...->...", tensor)
    two_mu = (trace - sphere / d) / (d * (d + 1) / 2 - 1)
    return (sphere / d - two_mu) / d, two_mu / 2


def bending_share(lam, mu, least):
    """c of `q1e` on a periodic grid: large where the softest face neighbour is soft."""
    nu, q = lam / (2 * (lam + mu)), np.ones_like(mu)
    for k in range(mu.ndim):
        for step in (-1, 1):
            q = np.minimum(q, np.roll(mu, step, axis=k) / mu)
    return least + (0.9 - 0.27 * np.clip(nu, 0, 0.5) - least) * ((1 - q) / (1 + q)) ** 2


def assumed_gradients(shape, h, tensor, least=0.1):
    """`q1e` at every Gauss point: the mean gradient, and per monomial x^S isochoric strains between axes not in S."""
    d, size = len(shape), int(np.prod(shape))
    number = np.arange(size).reshape(shape)
    lam, mu = isotropic_part(tensor)
    root, bulk = np.sqrt(bending_share(lam, mu, least)).ravel(), lam + 2 * mu / d
    at = lambda s: tuple(-bit for bit in s)  # noqa: E731
    # Coefficients of the monomials from the corner values.
    monomial = {}
    for t in itertools.product((0, 1), repeat=d):
        rows = np.zeros((size, size))
        for corner in itertools.product((0, 1), repeat=d):
            node = number
            for j, bit in enumerate(at(corner)):
                node = np.roll(node, bit, axis=j)
            sign = np.prod([1 if bit else -1 for bit, has in zip(corner, t, strict=True) if has])
            rows[number.ravel(), node.ravel()] += sign / 2**d
        monomial[t] = rows
    parts = {}
    for s in (s for s in monomial if sum(s) < d):
        g = np.zeros((d, d, size, d, size))
        for c in range(d):
            for k in (k for k in range(d) if not s[k]):
                g[c, k, :, c] = 2 / h[k] * monomial[tuple(1 if j == k else bit for j, bit in enumerate(s))]
        if any(s):
            inside = np.diag([1.0 - bit for bit in s])
            strain = np.einsum("ac,ckven,kb->abven", inside, 0.5 * (g + g.swapaxes(0, 1)), inside)
            trace, m = np.einsum("kkven->ven", strain), sum(s)
            r = np.sqrt(bulk / (lam + 2 * mu / m)).ravel()[:, None, None]
            isochoric = np.einsum("ab,ven->abven", inside / (d - m), (r - 1) * trace)
            isochoric -= np.einsum("ab,ven->abven", np.diag(s) / m, r * trace)
            g = root[:, None, None] * (strain + isochoric)
        parts[s] = g
    points = list(itertools.product((-1 / np.sqrt(3), 1 / np.sqrt(3)), repeat=d))
    return [(1 / 2**d, sum(g * np.prod(np.power(x, s)) for s, g in parts.items())) for x in points]


def gradients(element, shape, h, c, tensor=None):
    """Gradients that the law sees, as (weight, G): G (c, d, voxels, c, nodes) acts on all nodal values.

    `q1bar`: the divergence of every point is replaced by its mean over the element. `q1e`: see `assumed_gradients`;
    `tensor` (c, d, c, d, *shape) are the virgin moduli.
    """
    if element == "q1e":
        return assumed_gradients(shape, h, tensor)
    d, eye = len(shape), np.eye(c)
    out = [(w, np.einsum("kvn,ce->ckven", np.stack(rows), eye)) for w, rows in points(element, shape, h)]
    if element == "q1bar":
        mean = sum(w * np.einsum("kkven->ven", g) for w, g in out)
        out = [(w, g - np.einsum("ck,ven->ckven", np.eye(d) / d, np.einsum("kkven->ven", g) - mean)) for w, g in out]
    return out


def face_moduli(tensor):
    """Harmonic means on the faces of the finite-volume scheme: diagonal tensors (1, d, 1, d, *shape)."""
    d = tensor.shape[1]
    out = np.zeros_like(tensor)
    for k in range(d):
        a = tensor[0, k, 0, k]
        b = np.roll(a, -1, axis=k)
        with np.errstate(invalid="ignore"):
            out[0, k, 0, k] = np.where(a + b > 0, 2 * a * b / (a + b), 0)
    return out


def energies(element, tensor, h, fields, macros):
    """Mean of flux_i . gradient_j for nodal fields (n, c, *shape) and macroscopic gradients (n, c, d)."""
    n, c, *shape = fields.shape
    tensor = face_moduli(tensor) if element == "fv" else tensor
    flat = tensor.reshape(*tensor.shape[:4], -1)
    total = 0.0
    for weight, b in gradients(element, tuple(shape), h, c, tensor):
        g = np.einsum("ckven,ien->ickv", b, fields.reshape(n, c, -1), optimize=True) + macros[..., None]
        total = total + weight * np.einsum("ickv,cklmv,jlmv->ij", g, flat, g)
    return total / flat.shape[-1]


def stiffness(element, tensor, h):
    """Dense (c * nodes, c * nodes) forces of all nodal values, and (c * nodes, c, d) of macro gradients."""
    shape, c, d = tensor.shape[4:], tensor.shape[0], tensor.shape[1]
    tensor = face_moduli(tensor) if element == "fv" else tensor
    size = int(np.prod(shape))
    flat = tensor.reshape(c, d, c, d, size)
    k, load = np.zeros((c, size, c, size)), np.zeros((c, size, c, d))
    for weight, b in gradients(element, tuple(shape), h, c, tensor):
        flux = np.einsum("ckelv,elvfm->ckvfm", flat, b, optimize=True)
        k += weight * np.einsum("ckvan,ckvfm->anfm", b, flux, optimize=True)
        load += weight * np.einsum("ckvan,ckelv->anel", b, flat, optimize=True)
    return k.reshape(c * size, c * size), load.reshape(c * size, c, d)


def effective(element, tensor, h, macros):
    """Effective energies of the macroscopic gradients by a dense solve (pseudo-inverse)."""
    k, load = stiffness(element, tensor, h)
    size = int(np.prod(tensor.shape[4:]))
    f = np.einsum("nck,ick->ni", load, macros)
    u = -np.linalg.lstsq(k, f, rcond=1e-11)[0]
    fields = u.T.reshape(len(macros), tensor.shape[0], *tensor.shape[4:])
    assert size == fields[0, 0].size
    return energies(element, tensor, h, fields, macros)
