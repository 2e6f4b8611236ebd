"""A stop by evidence for the least squares solvers of optimistix."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import optimistix as optx

from ._misfit import distance


class ByEvidence(optx.AbstractLeastSquaresSolver):
    """Any Gauss-Newton solver of optimistix, ended where the optimum is near in standard deviations of the parameters.

    Args:
        inner: the solver.
        tolerance: in standard deviations.
        free: whether the noise is unknown, and estimated.
    """

    inner: optx.AbstractGaussNewton
    tolerance: float
    free: bool
    rtol: float
    atol: float
    norm: Any = eqx.field(static=True)

    def __init__(self, inner, tolerance: float, free: bool):
        self.inner, self.tolerance, self.free = inner, tolerance, free
        self.rtol, self.atol, self.norm = inner.rtol, inner.atol, inner.norm

    def init(self, fn, y, args, options, f_struct, aux_struct, tags):
        return self.inner.init(fn, y, args, options, f_struct, aux_struct, tags)

    def step(self, fn, y, args, options, state, tags):
        return self.inner.step(fn, y, args, options, state, tags)

    def terminate(self, fn, y, args, options, state, tags):
        ended, result = self.inner.terminate(fn, y, args, options, state, tags)
        value, slopes = state.f_info.residual, state.f_info.jac.as_matrix()
        unit = args.unit(value) if self.free else 1.0
        far = distance(value, slopes, args.limits.at_bound(y)) / unit
        return ended | ((state.num_steps > 0) & (far <= self.tolerance)), result

    def postprocess(self, fn, y, aux, args, options, state, tags, result):
        return self.inner.postprocess(fn, y, aux, args, options, state, tags, result)
