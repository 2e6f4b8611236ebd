"""The internal force of modal elements, laid out for XLA on a CPU: flat arrays, constant offsets, chunks in cache.

The box is padded by its periodic neighbours and flattened, so that every corner of every element is the same array at a
constant offset: loops over contiguous memory that vectorize. Two facts of XLA's CPU backend shape the rest:

* It never emits one loop with several results, and it fuses a producer into each of its consumers. The fluxes would be
  computed afresh for each corner that they act on. A conditional whose predicate is known only at run time is the one
  boundary that fusion respects; `_separate` uses it.
* Whole-array intermediates (7 fluxes x 3 components) would cost 168 bytes per voxel in float64 and run from main
  memory; chunks of a few thousand elements stay in cache.

The mathematics is that of `ModalElement.force`; tests hold the two equal to rounding.
"""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ._subsets import with_axis

# Elements per chunk: large enough to hide the cost of starting some forty loops, small enough for the caches.
_CHUNK = 8192


def _strides(shape):
    """Strides of the padded box (two more nodes along every axis but the slab's)."""
    padded = [n + 2 for n in shape]
    return [int(np.prod(padded[k + 1 :])) for k in range(len(shape))]


def _wrap(x, dim):
    """Pad the last `dim` axes by one periodic layer on each side."""
    for axis in range(-dim, 0):
        first, last = lax.slice_in_dim(x, 0, 1, axis=axis), lax.slice_in_dim(x, -1, None, axis=axis)
        x = jnp.concatenate([last, x, first], axis=axis)
    return x


def _chunks(shape):
    """Elements per chunk and number of chunks that cover all elements of the padded box."""
    elements = (shape[0] + 1) * _strides(shape)[0]
    if jax.default_backend() != "cpu":
        return elements, 1
    # Chunks of equal size, not above the target by more than rounding.
    number = max(1, round(elements / _CHUNK))
    return -(-elements // number), number


def _flatten(x, dim):
    """Wrap and flatten space; pad both ends so that every chunk's offsets stay inside."""
    shape = x.shape[-dim:]
    stride = _strides(shape)
    ahead, origin = sum(stride[1:]), sum(stride)
    size, number = _chunks(shape)
    flat = _wrap(x, dim).reshape(*x.shape[:-dim], -1)
    tail = max(0, size * number + origin - flat.shape[-1])
    return jnp.pad(flat, [(0, 0)] * (flat.ndim - 1) + [(ahead, tail)])


def prepare(response, dim):
    """Moduli in the flat layout; done once per solve."""
    return jax.tree.map(lambda x: _flatten(x, dim), response)


def _separate(always, function, *args):
    """function(*args), kept apart from its surroundings by a conditional that always takes this branch."""
    out = jax.eval_shape(function, *args)
    blank = lambda *_: jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), out)  # noqa: E731
    return lax.cond(always, function, blank, *args)


def _edge_sums(u, stride, length):
    """Butterfly over all axes but the first: {bits of axes 1..: array}."""
    parts = {(): u}
    ahead = sum(stride[1:])
    for axis in range(len(stride) - 1, 0, -1):
        ahead -= stride[axis]
        size = length + stride[0] + ahead
        nxt = {}
        for key, v in parts.items():
            low, high = lax.slice(v, (0,), (size,)), lax.slice(v, (stride[axis],), (stride[axis] + size,))
            nxt[(0, *key)] = low + high
            nxt[(1, *key)] = high - low
        parts = nxt
    return parts


def _fluxes(element, response, sums, macro, h, stride, length):
    """Corner-mode forces {(T, c): array} of a chunk, from the edge sums of each component."""
    dim = len(stride)
    scale = [2.0 ** (1 - dim) / h[k] for k in range(dim)]
    coefficient = []
    for parts in sums:
        full = {}
        for key, v in parts.items():
            low, high = lax.slice(v, (0,), (length,)), lax.slice(v, (stride[0],), (stride[0] + length,))
            full[(0, *key)] = low + high
            full[(1, *key)] = high - low
        coefficient.append(full)
    out = {}
    for s, weight in element.stations(dim):
        g = {}
        for c, k in itertools.product(range(len(sums)), range(dim)):
            if not s[k]:
                g[c, k] = coefficient[c][with_axis(s, k)] * scale[k]
                if macro is not None and sum(s) == 0:
                    g[c, k] = g[c, k] + macro[c, k]
        for (c, k), q in response.flux(g).items():
            t = with_axis(s, k)
            value = q * (weight * scale[k])
            out[t, c] = out[t, c] + value if (t, c) in out else value
    return out


def _assemble(fluxes, components, side, stride, count):
    """Forces on the nodes at the near (side 0) or far (side 1) end, along axis 0, of the elements of a chunk."""
    ahead, forces = sum(stride[1:]), []
    for c in range(components):
        out = None
        for corner in itertools.product((0, 1), repeat=len(stride) - 1):
            start = ahead - sum(o * s for o, s in zip(corner, stride[1:], strict=True))
            for (t, component), v in fluxes.items():
                if component != c:
                    continue
                part = lax.slice(v, (start,), (start + count,))
                minus = sum(1 for bit, o in zip(t, (side, *corner), strict=True) if bit and not o) % 2
                if out is None:
                    out = -part if minus else part
                else:
                    out = out - part if minus else out + part
        forces.append(out)
    return forces


def force(element, prepared, u, h, macro=None):
    """Internal force B^T (C : (macro + B u)).

    Args:
        element: a `ModalElement`.
        prepared: moduli from `prepare`.
        u: (components, *shape).
        h: voxel edges.
        macro: (components, d) or None.

    Returns:
        (components, *shape).
    """
    components, shape = u.shape[0], u.shape[1:]
    dim = len(shape)
    stride = _strides(shape)
    ahead, origin = sum(stride[1:]), sum(stride)
    count, number = _chunks(shape)
    length = count + ahead
    keys: list = []
    # Spacings are positive, which XLA cannot know.
    always = h[0] > 0
    flat = _flatten(u, dim)

    def chunk(base):
        """Forces that the elements base, ..., base + count exert at their near and far nodes."""
        nodes = [lax.dynamic_slice(flat, (c, base), (1, length + origin)).reshape(-1) for c in range(components)]
        moduli = jax.tree.map(lambda x: lax.dynamic_slice_in_dim(x, base, length, axis=-1), prepared)
        sums = _separate(always, lambda v: [_edge_sums(x, stride, length) for x in v], nodes)

        def fluxes(sums, moduli, macro, h):
            out = _fluxes(element, moduli, sums, macro, h, stride, length)
            keys[:] = list(out)
            return list(out.values())

        values = _separate(always, fluxes, sums, moduli, macro, h)

        def assemble(values):
            named = dict(zip(keys, values, strict=True))
            return [_assemble(named, components, side, stride, count) for side in (0, 1)]

        return _separate(always, assemble, values)

    def body(i, out):
        base = i * count
        near, far = chunk(base)
        # Every node receives its far share once, before its near share.
        out = [lax.dynamic_update_slice(o, f, (base + stride[0],)) for o, f in zip(out, far, strict=True)]
        near = [lax.dynamic_slice(o, (base,), (count,)) + f for o, f in zip(out, near, strict=True)]
        return [lax.dynamic_update_slice(o, f, (base,)) for o, f in zip(out, near, strict=True)]

    padded = tuple(n + 2 for n in shape)
    total = max(int(np.prod(padded)), count * number + stride[0])
    out = [jnp.zeros(total, u.dtype)] * components
    out = body(0, out) if number == 1 else lax.fori_loop(0, number, body, out)
    inside = tuple(slice(1, -1) for _ in shape)
    return jnp.stack([f[: int(np.prod(padded))].reshape(padded)[inside] for f in out])
