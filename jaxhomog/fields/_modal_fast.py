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
from jax.extend.core import jaxpr_as_fun

from ..messages import PlasticResponse
from ._gauss import PointwiseResponse
from ._subsets import with_axis

# Elements per chunk: large enough to hide the cost of starting some forty loops, small enough for the caches.
_CHUNK = 8192
# Lengths of the heavy loops are multiples of this: XLA splits such a loop among the cores, and where it does not split
# evenly the test for the end stays in the loop, which is then not vectorized.
_WHOLE = 256


def _strides(shape):
    """Strides of the padded box (two more nodes along every axis but the slab's)."""
    padded = [n + 2 for n in shape]
    return [int(np.prod(padded[k + 1 :])) for k in range(len(shape))]


def _chunks(shape):
    """Elements per chunk and number of chunks that cover all elements of the padded box."""
    stride = _strides(shape)
    elements, ahead = (shape[0] + 1) * stride[0], sum(stride[1:])
    if jax.default_backend() != "cpu":
        return elements, 1
    # Chunks of equal size, not above the target by more than rounding.
    size = -(-elements // max(1, round(elements / _CHUNK)))
    size = -(-(size + ahead) // _WHOLE) * _WHOLE - ahead
    return size, -(-elements // size)


def _flatten(x, dim):
    """Wrap space periodically and flatten it, with empty layers at both ends for the chunks' offsets."""
    shape, stride = x.shape[-dim:], _strides(x.shape[-dim:])
    size, number = _chunks(shape)
    behind = max(1, -(-(size * number + stride[0]) // stride[0]) - (shape[0] + 1))
    for axis in range(-1, -dim - 1, -1):
        parts = [lax.slice_in_dim(x, -1, None, axis=axis), x, lax.slice_in_dim(x, 0, 1, axis=axis)]
        if axis == -dim:
            empty = lambda n: jnp.zeros((*x.shape[:-dim], n, *x.shape[1 - dim :]), x.dtype)  # noqa: B023, E731
            parts = [empty(1), *parts, empty(behind)]
        x = jnp.concatenate(parts, axis=axis)
    return x.reshape(*x.shape[:-dim], -1)


def prepare(response, dim):
    """Moduli in the flat layout; done once per solve."""
    return jax.tree.map(lambda x: _flatten(x, dim), response)


def slab_moduli(prepared, shape, start, thick):
    """Moduli of `thick` layers of the box from layer `start` on, out of `prepare`'s layout."""

    def one(x):
        box = x.reshape(*x.shape[:-1], -1, *(n + 2 for n in shape[1:]))
        # Past an empty layer and the neighbour's last; inside along the other axes.
        slab = lax.dynamic_slice_in_dim(box, start + 2, thick, axis=x.ndim - 1)
        return slab[(..., *(slice(1, n + 1) for n in shape[1:]))]

    return jax.tree.map(one, prepared)


def _surely():
    """True, by a loop that XLA does not evaluate ahead. Not by data, which vmap would make different in every lane.

    None where nothing needs to be kept apart: an accelerator would wait for the host at every conditional.
    """
    if jax.default_backend() != "cpu":
        return None
    return lax.while_loop(lambda n: n < 3, lambda n: n * n + 1, jnp.asarray(1, jnp.int32)) > 0


def _separate(always, function, *args):
    """function(*args), kept apart from its surroundings by a conditional that always takes this branch."""
    if always is None:
        return function(*args)
    # Traced once: the other branch needs the shapes of this one.
    traced, out = jax.make_jaxpr(function, return_shape=True)(*args)
    leaves, structure = jax.tree.flatten(out)
    blank = lambda *_: [jnp.zeros(s.shape, s.dtype) for s in leaves]  # noqa: E731
    found = lax.cond(always, jaxpr_as_fun(traced), blank, *jax.tree.leaves(args))
    return jax.tree.unflatten(structure, found)


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


def _fluxes(element, response, sums, numbers, with_macro, stride, length):
    """Corner-mode forces {(T, c): array} of a chunk, from the edge sums of each component."""
    gradients = _gradients(element, sums, numbers, with_macro, stride, length)
    fluxes = element.flux(response, _weighted(element, gradients, len(stride)))
    return _corner_forces(element, [q for _, q in fluxes], numbers, len(stride))


def _weighted(element, gradients, dim):
    return [(weight, g) for (_, weight), g in zip(element.stations(dim), gradients, strict=True)]


def _gradients(element, sums, numbers, with_macro, stride, length):
    """Gradients at the stations.

    `numbers` holds the d scales of the gradient, then the macroscopic gradient: one array, because LLVM gives up on
    vectorizing a loop that reads from more than eight.
    """
    dim = len(stride)
    number = lambda i: lax.index_in_dim(numbers, i, keepdims=False)  # noqa: E731
    coefficient = []
    for parts in sums:
        full = {}
        for key, v in parts.items():
            low, high = lax.slice(v, (0,), (length,)), lax.slice(v, (stride[0],), (stride[0] + length,))
            full[(0, *key)] = low + high
            full[(1, *key)] = high - low
        coefficient.append(full)
    out = []
    for s, _ in element.stations(dim):
        g = {}
        for c, k in itertools.product(range(len(sums)), range(dim)):
            if not s[k]:
                g[c, k] = coefficient[c][with_axis(s, k)] * number(k)
                if with_macro and sum(s) == 0:
                    g[c, k] = g[c, k] + number(dim + c * dim + k)
        out.append(g)
    return out


def _corner_forces(element, fluxes, numbers, dim):
    """Corner-mode forces of fluxes at the stations."""
    number = lambda i: lax.index_in_dim(numbers, i, keepdims=False)  # noqa: E731
    out = {}
    for (s, weight), flux in zip(element.stations(dim), fluxes, strict=True):
        for (c, k), q in flux.items():
            if s[k]:
                continue
            t = with_axis(s, k)
            value = q * (weight * number(k))
            out[t, c] = out[t, c] + value if (t, c) in out else value
    return out


def _gather(parts, step):
    """What the elements i and i - step give to node i: the last bit of every mode is summed out."""
    out = {}
    for (t, c), v in parts.items():
        size = v.shape[0] - step
        before, here = lax.slice(v, (0,), (size,)), lax.slice(v, (step,), (step + size,))
        part = before - here if t[-1] else before + here
        out[t[:-1], c] = out[t[:-1], c] + part if (t[:-1], c) in out else part
    return out


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
    always = _surely()
    flat = _flatten(u, dim)
    numbers = 2.0 ** (1 - dim) / h
    if macro is not None:
        numbers = jnp.concatenate([numbers, macro.ravel()])

    def chunk(base, flat):
        """Forces (sum, difference) that the elements base, ..., base + count exert at their ends along axis 0."""
        first = base + stride[0] - ahead  # past the empty layer, and the offsets that reach back
        nodes = [lax.dynamic_slice(flat, (c, first), (1, length + origin)).reshape(-1) for c in range(components)]
        moduli = jax.tree.map(lambda x: lax.dynamic_slice_in_dim(x, first, length, axis=-1), prepared)
        sums = _separate(always, lambda v: [_edge_sums(x, stride, length) for x in v], nodes)
        with_macro = macro is not None
        if isinstance(moduli, PlasticResponse) and not element.full:
            # The power along the flow is asked for by every flux: once for all.
            share = _separate(
                always,
                lambda m, s, v: m.share(_gradients(element, s, v, with_macro, stride, length)[0]),
                moduli,
                sums,
                numbers,
            )
            parts = _separate(
                always,
                lambda m, s, v, x: _corner_forces(
                    element,
                    [m.flux_beside(_gradients(element, s, v, with_macro, stride, length)[0], x)],
                    v,
                    dim,
                ),
                moduli,
                sums,
                numbers,
                share,
            )
        elif isinstance(moduli, PointwiseResponse):
            # Long expressions that every flux needs: in stages, or each of them would be computed afresh.
            apart = lambda f, *args: _separate(always, f, *args)  # noqa: E731
            g = apart(lambda s, v: _gradients(element, s, v, with_macro, stride, length), sums, numbers)
            fluxes = [q for _, q in element.flux(moduli, _weighted(element, g, dim), apart)]
            parts = apart(lambda q, v: _corner_forces(element, q, v, dim), fluxes, numbers)
        else:
            parts = _separate(
                always,
                lambda m, s, v: _fluxes(element, m, s, v, with_macro, stride, length),
                moduli,
                sums,
                numbers,
            )
        for step in reversed(stride[1:]):
            parts = _separate(always, lambda p, step=step: _gather(p, step), parts)
        return [(parts[(0,), c], parts[(1,), c]) for c in range(components)]

    def body(i, carry):
        flat, late = carry
        base = i * count
        # A node's force is complete with the shares of the elements before it along axis 0, a layer ago: `late`. It is
        # written where no chunk reads any more: its own place is a layer further on.
        for c, (both, rest) in enumerate(chunk(base, flat)):
            late[c] = lax.dynamic_update_slice(late[c], both + rest, (stride[0],))
            flat = lax.dynamic_update_slice(flat, (late[c][:count] + (both - rest))[None], (c, base))
            late[c] = lax.dynamic_update_slice(late[c], late[c][count:], (0,))
        return flat, late

    late = [jnp.zeros(stride[0] + count, u.dtype)] * components
    flat, _ = body(0, (flat, late)) if number == 1 else lax.fori_loop(0, number, body, (flat, late))
    inside = tuple(slice(1, n + 1) for n in shape)
    return flat.reshape(components, -1, *(n + 2 for n in shape[1:]))[(slice(None), *inside)]
