"""Generalized standard materials: a law from two functions, its free energy and its dissipation potential."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..messages import AnisotropicElasticResponse, upper_triangle
from ..results import LOCAL_SOLVE, SUCCESS, InputError
from ._hooke import in_plane, lifted
from ._law import as_parameter, finite, spread
from ._local_newton import local_root
from ._material import AbstractMaterial, AbstractPoints, Step, Update, one_voxel


class Plain(eqx.Module):
    """A Python function as a part of a pytree."""

    function: Callable = eqx.field(static=True)

    def __call__(self, *args):
        return self.function(*args)


class StandardMaterial(AbstractMaterial):
    """A generalized standard material, defined by functions of one point; 2-D is plane strain.

        sigma = d psi / d eps,    A = -d psi / d alpha,    A = d phi / d alpha_rate    or    alpha_rate = d phi* / d A.

    A step is backward Euler, for the first form the minimum principle

        alpha = argmin psi(eps, alpha) + dt phi((alpha - alpha_before) / dt),

    for the second the root of alpha - alpha_before = dt d phi*(A) / d A; both by damped Newton at every point, with
    automatic derivatives and the implicit derivative of every order. Energy psi; dissipation A . (alpha -
    alpha_before) with A at the end of the step, plus that of `viscous`. A Maxwell element beside a spring:

        def psi(e, a, p):
            return 0.5 * p["stiff"] * e @ e + 0.5 * p["soft"] * (e - a) @ (e - a)

        def phi(rate, p):
            return 0.5 * p["viscosity"] * rate @ rate

        StandardMaterial(psi, phi, internal=6, parameters={"stiff": 70.0, "soft": 30.0, "viscosity": 5.0})

    Args:
        free_energy: psi(strain, alpha, parameters), or psi(strain, alpha, temperature, parameters) with a
            `reference_temperature`, energy per volume; strain is Mandel (6,) in two dimensions too, alpha is (m,). A
            function or an `eqx.Module` whose arrays are parameters as well.
        dissipation_potential: phi(alpha_rate, parameters) >= 0, convex, phi(0) = 0, or None.
        internal: m >= 1, the number of internal variables.
        parameters: pytree of numbers, 0-d or broadcastable to the grid's shape; the functions see those of the point.
        dual_potential: phi*(A, parameters) >= 0, convex, phi*(0) = 0, instead of phi.
        viscous: potential v(strain_rate, parameters) of a dissipative stress d v / d strain_rate, or None.
        reference_temperature: what psi is told where a step has no temperature, or None: psi takes no temperature.
        start: (m,) internal variables of the virgin material; zeros by default.
        isochoric: say True where the flow keeps the volume.
        max_iterations: cap of the local iteration; a point that does not converge has the code `local_solve`.

    Raises:
        InputError: both or none of phi and phi*, m < 1, a potential that is not a scalar, a start of another length.

    Caveats:
        phi must be differentiable, also at rate 0 (viscous laws, or a cone rounded off: yield (sqrt(r^2 + r0^2) -
        r0)). A kink at rate 0, such as the cone yield |rate| of rate-independent plasticity, has no gradient there and
        ends in `local_solve`: give its dual instead, regularized as an overstress, phi* = <f(A)>^(n+1) / ((n+1)
        eta), which tends to the rate-independent law with eta rate -> 0. phi* must have a continuous gradient; use
        `tensors.safe_norm` for norms that vanish. psi should be convex in alpha or dt small, or minima are local. The
        functions must not close over traced arrays: those belong to `parameters`.

    Source:
        Halphen & Nguyen (1975), J. Mecanique 14, 39-63; Ortiz & Stainier (1999), Comput. Methods Appl. Mech. Eng. 171,
        419-444; Miehe (2002), Int. J. Numer. Methods Eng. 55, 1285-1322.
    """

    free_energy: Any
    dissipation_potential: Any
    dual_potential: Any
    viscous: Any
    parameters: Any
    reference_temperature: Float[Array, ""] | None
    start: Float[Array, " m"]
    max_iterations: int = eqx.field(static=True)
    keeps_volume: bool = eqx.field(static=True)
    physics: str = eqx.field(static=True)

    def __init__(
        self,
        free_energy: Callable,
        dissipation_potential: Callable | None = None,
        internal: int = 1,
        parameters: Any = (),
        *,
        dual_potential: Callable | None = None,
        viscous: Callable | None = None,
        reference_temperature: Any = None,
        start: Any = None,
        isochoric: bool = False,
        max_iterations: int = 60,
    ):
        if (dissipation_potential is None) == (dual_potential is None):
            raise InputError("give one of dissipation_potential phi(alpha_rate) and dual_potential phi*(A)")
        for name, function in (("free_energy", free_energy), ("dissipation_potential", dissipation_potential),
                               ("dual_potential", dual_potential), ("viscous", viscous)):  # fmt: skip
            if not (function is None or callable(function)):
                raise InputError(f"{name} is not a function")
        if isinstance(internal, bool) or not isinstance(internal, int) or internal < 1:
            raise InputError(f"internal is {internal!r}: give the number of internal variables, at least 1")
        if max_iterations < 1:
            raise InputError(f"max_iterations is {max_iterations}: give at least 1")
        wrap = lambda f: f if f is None or isinstance(f, eqx.Module) else Plain(f)  # noqa: E731
        self.free_energy, self.viscous = wrap(free_energy), wrap(viscous)
        self.dissipation_potential, self.dual_potential = wrap(dissipation_potential), wrap(dual_potential)
        self.parameters = jax.tree.map(lambda p: as_parameter(p, "a parameter"), parameters)
        none = reference_temperature is None
        self.reference_temperature = None if none else as_parameter(reference_temperature, "reference_temperature")
        self.start = jnp.zeros(internal) if start is None else as_parameter(start, "start")
        if self.start.shape != (internal,):
            raise InputError(
                f"start has shape {self.start.shape}: give ({internal},), one number per internal variable"
            )
        self.max_iterations, self.keeps_volume, self.physics = max_iterations, isochoric, "elasticity"

    @property
    def rate_dependent(self) -> bool:
        return True

    @property
    def isochoric(self) -> bool:
        return self.keeps_volume

    def points(self, shape, dtype):
        for path, leaf in jax.tree_util.tree_leaves_with_path(self.parameters):
            spread(leaf, shape, dtype, f"parameters{jax.tree_util.keystr(path)}")
        cast = lambda x: jnp.asarray(x, dtype) if eqx.is_inexact_array(x) else x  # noqa: E731
        points = StandardPoints(law=jax.tree.map(cast, self), dim=len(shape))
        points.examine()
        return points

    def code(self):
        return jnp.asarray(SUCCESS, jnp.int32)

    def check(self, where: str = "") -> None:
        for path, leaf in jax.tree_util.tree_leaves_with_path(self.parameters):
            finite(leaf, f"parameters{jax.tree_util.keystr(path)}", where)


@dataclass(frozen=True)
class _Problem:
    """Equations of one point; args: arrays of the functions, parameters, strain, alpha before, dt, temperature."""

    static: Any  # (psi, phi, phi*) without their arrays
    max_iterations: int

    def functions(self, args):
        return eqx.combine(args[0], self.static)

    def psi(self, strain, alpha, args):
        energy = self.functions(args)[0]
        return energy(strain, alpha, args[1]) if args[5] is None else energy(strain, alpha, args[5], args[1])

    def start(self, args):
        return args[3]

    def objective(self, x, args):
        _, phi, _ = self.functions(args)
        if phi is None:
            return None
        _, parameters, strain, before, dt, _ = args
        return self.psi(strain, x, args) + dt * phi((x - before) / dt, parameters)

    def residual(self, x, args):
        _, phi, dual = self.functions(args)
        if phi is not None:
            return jax.grad(self.objective)(x, args)
        _, parameters, strain, before, dt, _ = args
        force = -jax.grad(self.psi, 1)(strain, x, args)
        return x - before - dt * jax.grad(dual)(force, parameters)

    def weights(self, x, args, jacobian):
        stiffness = jacobian if self.functions(args)[1] is not None else jax.hessian(self.psi, 1)(args[2], x, args)
        return jnp.abs(jnp.diagonal(stiffness))

    def scale(self, args):
        stress = jax.grad(self.psi)(args[2], args[3], args)
        return jnp.sum(jnp.abs(stress * args[2]))


class StandardPoints(AbstractPoints):
    """The law at points. State: (m, *pts) internal variables; with `viscous` n more, the strain of before."""

    law: StandardMaterial
    dim: int = eqx.field(static=True)

    @property
    def symmetric(self) -> bool:
        """Both forms have an incremental potential."""
        return True

    @property
    def _m(self):
        return self.law.start.shape[0]

    def examine(self):
        """Refuse potentials that are no scalars.

        Raises:
            InputError: names the function and the shape that it gave.
        """
        law, dtype = self.law, self.law.start.dtype
        vector = lambda k: jax.ShapeDtypeStruct((k,), dtype)  # noqa: E731
        number = jax.ShapeDtypeStruct((), dtype)
        parameters = jax.tree.map(lambda _: number, law.parameters)
        warm = () if law.reference_temperature is None else (number,)
        for name, function, args in (
            ("free_energy", law.free_energy, (vector(6), vector(self._m), *warm)),
            ("dissipation_potential", law.dissipation_potential, (vector(self._m),)),
            ("dual_potential", law.dual_potential, (vector(self._m),)),
            ("viscous", law.viscous, (vector(6),)),
        ):
            if function is None:
                continue
            out = jax.eval_shape(function, *args, parameters)
            if getattr(out, "shape", None) != ():
                raise InputError(f"{name} gives {getattr(out, 'shape', type(out).__name__)} at a point: give a scalar")

    def initial(self, shape, dtype):
        alpha = jnp.asarray(self.law.start, dtype).reshape(-1, *(1,) * len(shape))
        alpha = jnp.broadcast_to(alpha, (self._m, *shape))
        if self.law.viscous is None:
            return alpha
        return jnp.concatenate([alpha, jnp.zeros((6 if self.dim == 3 else 3, *shape), dtype)])

    def voxel(self, index, shape):
        parameters = jax.tree.map(lambda p: one_voxel(p, index, shape), self.law.parameters)
        return eqx.tree_at(lambda points: points.law.parameters, self, parameters)

    def internal(self, state):
        return {"internal": state[: self._m]}

    def _each(self, function, pts, *fields):
        """function(args..., parameters of the point) at every point; fields and answers are (k, *pts) or (*pts)."""
        parameters = jax.tree.map(lambda p: p if p.ndim == 0 else jnp.broadcast_to(p, pts).ravel(), self.law.parameters)
        axes = jax.tree.map(lambda p: None if p.ndim == 0 else 0, parameters)
        flat = [x.reshape(x.shape[0], -1) for x in fields]
        outs = jax.vmap(function, in_axes=(*(1 for _ in flat), axes), out_axes=-1)(*flat, parameters)
        return jax.tree.map(lambda x: x.reshape(*x.shape[:-1], *pts), outs)

    def _problem(self, step: Step, dtype):
        """The equations, the arrays of the functions, dt and the temperature of the step."""
        law = self.law
        functions = (law.free_energy, law.dissipation_potential, law.dual_potential)
        dynamic, static = eqx.partition(functions, eqx.is_inexact_array)
        temperature = law.reference_temperature
        if temperature is not None and step.temperature is not None:
            temperature = jnp.asarray(step.temperature, dtype)
        return _Problem(static, law.max_iterations), dynamic, jnp.asarray(step.dt, dtype), temperature

    def _answer(self, strain, state, step):
        """Reversible and dissipative stress (6, *pts), alpha, energy, dissipation, 1 where converged."""
        problem, dynamic, dt, temperature = self._problem(step, strain.dtype)
        m = self._m

        def point(e, z, parameters):
            before = z[:m]
            args = (dynamic, parameters, e, before, dt, temperature)
            alpha, ok = local_root(problem, args)
            energy, (stress, force) = jax.value_and_grad(problem.psi, (0, 1))(e, alpha, args)
            lost = -jnp.sum(force * (alpha - before))
            drag = jnp.zeros_like(e)
            if self.law.viscous is not None:
                change = e - lifted(z[m:])
                drag = jax.grad(self.law.viscous)(change / dt, parameters)
                lost = lost + jnp.sum(drag * change)
            return stress, drag, alpha, energy, lost, ok

        return self._each(point, strain.shape[1:], lifted(strain), state)

    def update(self, strain, state, step: Step) -> Update:
        stress, drag, alpha, energy, lost, ok = self._answer(strain, state, step)
        code = jnp.where(ok > 0.5, SUCCESS, LOCAL_SOLVE).astype(jnp.int32)
        if self.law.viscous is None:
            return Update(in_plane(stress, self.dim), alpha, energy, lost, code)
        after = jnp.concatenate([alpha, strain])
        return Update(in_plane(stress + drag, self.dim), after, energy, lost, code, in_plane(drag, self.dim))

    def split(
        self, strain: Float[Array, "n *pts"], state: Any, step: Step
    ) -> tuple[Float[Array, "n *pts"], Float[Array, "n *pts"]]:
        """Reversible stress d psi / d eps and dissipative stress d v / d strain_rate, whose sum is the stress."""
        stress, drag, *_ = self._answer(strain, state, step)
        return in_plane(stress, self.dim), in_plane(drag, self.dim)

    def elastic(self, shape, dtype):
        """d2 psi / d eps2 of the virgin material: the instantaneous stiffness."""
        problem, dynamic, dt, temperature = self._problem(Step(jnp.ones((), dtype)), dtype)
        keep = range(6) if self.dim == 3 else (0, 1, 5)

        def point(e, z, parameters):
            args = (dynamic, parameters, e, z, dt, temperature)
            c = jax.hessian(problem.psi)(e, z, args)
            return jnp.stack([c[i, j] for i, j in upper_triangle(6) if i in keep and j in keep])

        zero = jnp.zeros((6, *shape), dtype)
        alpha = self.initial(shape, dtype)[: self._m]
        return AnisotropicElasticResponse(self._each(point, tuple(shape), zero, alpha), self.dim)
