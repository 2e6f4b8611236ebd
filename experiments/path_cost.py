"""What a load path costs: time, one iteration, tangents, the gradient through all steps, memory, a peer.

    python experiments/path_cost.py [--size 32] [--repeats 3] [--only iteration,path,gradient,memory,peer]

Cell: unit cube, centred elastic sphere r = 0.3 (E = 1000, nu = 0.2) in a matrix with E = 100, nu = 0.3, yield stress
0.5 and hardening modulus 5; mean strain to (0.02, -0.01, -0.01, 0, 0, 0) in 10 steps, strain-driven, q1r, default
tolerance, float64. Times are CPU seconds (user + system) of this process, medians of interleaved repeats, compilation
not counted. Every target is printed with its verdict. `taskset -c 0` shows what the work itself costs.

* iteration: conjugate gradients on the linearized cell with its algorithmic tangent, two runs of one program that
  differ by 40 iterations alone; the unit is a real FFT pair (rfftn + irfftn) of three fields on the same grid.
* gradient: of the last mean stress 11 with respect to the yield stress of every voxel, value included; matched with the
  forward path of the same program without tangents.
* memory: temporary memory of the compiled programs, forward and value with gradient; 200 steps at 16^3 are compiled
  only.
* peer: the same kind of path at 16^3 takes jax-fem 45 s.

Measured at 32^3: the iteration 2.6 to 3.3 pairs, the path 1.3 s (2.6 on a busy machine), the gradient 2.3 x, the peer
325 times. At 16^3 the gradient takes 2.4 times the memory of the forward path for 10 steps and, with `compact=True`,
5.8 times for 200 steps (8.5 without): every further step keeps its displacement, 24 bytes per voxel or 12.
"""

from __future__ import annotations

import argparse
import functools

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)

from cost import fft_pair, interleaved, verdict  # noqa: E402

import jaxhomog as jh  # noqa: E402
from jaxhomog.fields import ELEMENTS, Boundary, Space  # noqa: E402
from jaxhomog.materials import Step  # noqa: E402
from jaxhomog.microstructure import sphere_cell  # noqa: E402
from jaxhomog.rve.cell import Linearized, Load, Problem, Unknowns, initial_state, strains, tangent_response  # noqa: E402
from jaxhomog.solvers import truncated_cg  # noqa: E402

END = (0.02, -0.01, -0.01, 0.0, 0.0, 0.0)
STEPS = 10
PEER = 45.0


def cell(n, yield_stress=0.5):
    matrix = jh.J2Plasticity(jh.LinearElastic.isotropic(100.0, 0.3), jh.LinearHardening(yield_stress, 5.0))
    return jh.Grid((n,) * 3, (1.0,) * 3), jh.PhaseMixture(
        sphere_cell(n, 0.3), {0: matrix, 1: jh.LinearElastic.isotropic(1000.0, 0.2)}
    )


def path(steps):
    return jh.LoadPath(np.linspace(0, 1, steps + 1)[1:, None] * np.asarray(END))


def stress(n, steps, tangent=False, compact=False):
    """The path as a function of the yield stress of every voxel."""

    def run(field):
        grid, law = cell(n, field)
        s = jh.drive(grid, law, path(steps), tangent=tangent, throw=False, compact=compact)
        return s.value.stress[-1, 0], (s.value.stress, s.value.tangent, s.stats, s.result.code)

    return run


@functools.cache
def compiled(n, steps, kind):
    f = stress(n, steps, kind == "tangent", kind == "compact")
    f = jax.value_and_grad(f, has_aux=True) if kind in ("gradient", "compact") else f
    return jax.jit(f).lower(jnp.full((n,) * 3, 0.5)).compile()


def cg(n, count):
    """`count` conjugate gradient iterations on the cell as it stands with most of the matrix flowing."""
    grid, law = cell(n)
    dtype = jnp.float64
    space = Space(ELEMENTS["q1r"], Boundary(("periodic",) * 3))
    points, h = law.points(grid.shape, dtype), grid.spacing(dtype)
    rng = np.random.default_rng(0)
    u = jnp.asarray(rng.standard_normal((3, *grid.shape))) * 1e-3 / n
    down = jnp.asarray(END)
    held = jnp.zeros(6, bool)
    state = initial_state(space, points, grid.shape, dtype)
    problem = Problem(points, h, state, Load(down, jnp.zeros(6), held, Step(jnp.ones(()), None)))
    load = jnp.asarray(rng.standard_normal((3, *grid.shape)))
    load = Unknowns(load - load.mean(axis=(1, 2, 3), keepdims=True), jnp.zeros(6))
    reference = tuple(jnp.mean(p) for p in points.elastic(grid.shape, dtype).isotropic_part())
    response = jax.jit(lambda p, u, e: tangent_response(space, p, strains(space, p.h, Unknowns(u, e))))(
        problem, u, down
    )

    def run(response, h, load, count):
        operator = Linearized(space, response, h, None, reference, grid.shape)
        return truncated_cg(operator, operator.precondition, load, 0.0, count)

    args = response, h, load
    program = jax.jit(run).lower(*args, jnp.asarray(0, jnp.int32)).compile()
    done = program(*args, jnp.asarray(count, jnp.int32))
    assert int(done.iterations) == count, done.iterations
    return lambda k: program(*args, jnp.asarray(k, jnp.int32))


def iteration(n, repeats):
    few, more = 2, 42
    run = cg(n, more)
    pair, number = fft_pair(n, jnp.float64)
    times = interleaved({"fft": pair, "few": lambda: run(few), "more": lambda: run(more)}, max(7, repeats))
    each = (times["more"][0] - times["few"][0]) / (more - few)
    unit = times["fft"][0] / number
    print(
        f"\nOne Newton-CG iteration at {n}^3, q1r: {1e3 * each:.2f} CPU ms = {each / unit:.2f} FFT pairs of"
        f" {1e3 * unit:.2f} ms {verdict(each / unit, 4)}"
    )


def whole(n, repeats):
    print(f"\nWhole path, {STEPS} steps, {n}^3")
    field = jnp.full((n,) * 3, 0.5)
    made = {kind: compiled(n, STEPS, kind) for kind in ("path", "tangent")}
    tasks = {kind: (lambda run=run: run(field)) for kind, run in made.items()}
    pair, number = fft_pair(n, jnp.float64)
    times = interleaved(tasks | {"fft": pair}, repeats)
    _, (up, _, stats, code) = made["path"](field)
    assert int(np.max(code)) == 0
    newton, iterations = float(stats["newton"].sum()), float(stats["iterations"].sum())
    t, unit = times["path"][0], times["fft"][0] / number
    print(f"  stress 11 at the end {float(up[-1, 0]):.6f}; {newton:.0f} Newton passes, {iterations:.0f} CG iterations")
    goal = "(target 7 at 32^3)" if n != 32 else verdict(t, 7)
    print(f"  without tangents {t:.2f} CPU s = {t / unit:.0f} FFT pairs {goal}")
    with_tangents = times["tangent"][0]
    print(f"  with the consistent tangent of every step {with_tangents:.2f} CPU s = {with_tangents / t:.2f} x")
    return t


def gradient(n, repeats):
    field = jnp.full((n,) * 3, 0.5)
    made = {kind: compiled(n, STEPS, kind) for kind in ("path", "gradient")}
    (value, _), slope = made["gradient"](field)
    step = 1e-5
    numeric = (made["path"](field + step)[0] - made["path"](field - step)[0]) / (2 * step)
    times = interleaved({kind: (lambda run=run: run(field)) for kind, run in made.items()}, repeats)
    ratio = times["gradient"][0] / times["path"][0]
    print(
        f"\nStress 11 = {float(value):.5f} and its gradient by every voxel's yield stress, {STEPS} steps, {n}^3:"
        f" {times['gradient'][0]:.2f} CPU s = {ratio:.2f} x the path {verdict(ratio, 3)};"
        f"\n  sum of the gradient {float(slope.sum()):.6f}, central difference {float(numeric):.6f}"
    )


def memory(sizes):
    print("\nTemporary memory of the compiled programs, float64")
    for n, steps, target in sizes:
        kinds = ("path", "gradient", "compact")
        temp = {k: compiled(n, steps, k).memory_analysis().temp_size_in_bytes for k in kinds}
        size = temp["path"]
        print(f"  {n}^3, {steps} steps: forward {size / 2**20:.1f} MiB, {size / n**3:.0f} bytes per voxel")
        for kind, words in (("gradient", "value and gradient"), ("compact", "the same with compact=True")):
            ratio = temp[kind] / size
            print(
                f"    {words} {temp[kind] / 2**20:.1f} MiB = {ratio:.2f} x {verdict(ratio, target)},"
                f" {temp[kind] / n**3:.0f} bytes per voxel"
            )


def peer(repeats):
    t = whole(16, repeats)
    print(f"  16^3, {STEPS} steps: {PEER / t:.0f} x faster than jax-fem's {PEER:g} s (target at least 15)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default="iteration,path,gradient,memory,peer")
    args = parser.parse_args()
    n, r = args.size, args.repeats
    tasks = {
        "iteration": lambda: iteration(n, r),
        "path": lambda: whole(n, r),
        "gradient": lambda: gradient(n, r),
        "memory": lambda: memory(((n, STEPS, 2.5), (16, STEPS, 2.5), (16, 200, 6))),
        "peer": lambda: peer(r),
    }
    for what in args.only.split(","):
        tasks[what]()


if __name__ == "__main__":
    main()
