# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Your own material, from two potentials
#
# A generalized standard material is two functions. The free energy says what is stored, the dissipation potential what
# motion costs. Stress, update, tangent and every derivative follow from them, and the second law with them: the
# dissipation potential is convex and zero at rest.

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np

import jaxhomog as jh

jax.config.update("jax_enable_x64", True)

# %% [markdown]
# A spring beside a Maxwell element, for the deviator of the strain: strain is a Mandel vector of six components, the
# internal variable `a` the viscous strain. These are all the lines that the law needs.

# %%
DEVIATOR = np.eye(6) - np.outer([1, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0]) / 3


def stored(strain, a, p):
    e, trace = DEVIATOR @ strain, strain[0] + strain[1] + strain[2]
    return 0.5 * p["bulk"] * trace**2 + p["shear"] * e @ e + p["branch"] * (e - a) @ (e - a)


def spent(rate, p):
    return p["viscosity"] * rate @ rate


def solid(viscosity):
    parameters = {"bulk": 10.0, "shear": 1.0, "branch": 4.0, "viscosity": viscosity}
    return jh.StandardMaterial(stored, spent, internal=6, parameters=parameters)


# %% [markdown]
# A homogeneous cell first. In simple shear that is applied at once and held, tau = (G + G1 exp(-t / t1)) gamma with
# t1 = viscosity / G1. The steps are backward Euler: the error is of first order, so that halved steps halve it.


# %%
def shear_history(steps, end=1.5):
    time = np.concatenate([[1e-9], np.linspace(0, end, steps + 1)[1:]])
    return jh.LoadPath(np.tile([0.0, 0.0, 0.02], (steps + 1, 1)), time=time), time


errors = []
for steps in (40, 80):
    path, time = shear_history(steps)
    held = jh.drive(jh.Grid((1, 1)), solid(2.0), path, tangent=False, tolerance=1e-9).value
    exact = 0.02 * (1 + 4 * np.exp(-time / 0.5))
    errors.append(float(np.abs(held.stress[:, 2] - exact).max()))
print(f"largest error {errors[0]:.2e} with 40 steps, {errors[1]:.2e} with 80")
assert 1.8 < errors[0] / errors[1] < 2.2

# %% [markdown]
# The same law as the matrix of a composite: stiff elastic discs. The cell relaxes, and its spectrum is no longer that
# of one element. What the certificates say: no point of the cell ever gains from dissipation, power is the same on both
# scales in every step, and the held cell loses a little more energy than the points dissipate: the scheme takes the
# rest, which halves with the step.

# %%
x = (np.arange(16) + 0.5) / 16 - 0.5
disc = (x[:, None] ** 2 + x[None] ** 2 < 0.09).astype(int)


def composite(labels, viscosity):
    return jh.PhaseMixture(labels, {0: solid(viscosity), 1: jh.LinearElastic.isotropic(60.0, 0.25)})


path, time = shear_history(40)
run = jh.drive(jh.Grid(disc.shape), composite(disc, 2.0), path, tangent=False, tolerance=1e-8).value
lost = float(run.energy[0] - run.energy[-1])
print(f"lowest dissipation of any point {float(run.lowest_dissipation.min()):.1e}")
print(f"power lost between the scales {float(run.hill_mandel_residual.max()):.1e}")
print(f"energy lost {lost:.4e}, dissipated {float(run.dissipation[1:].sum()):.4e}")
assert float(run.lowest_dissipation.min()) >= 0
# The first row carries the power. In all others the strain is held: what is lost there is compared with 1000 times what
# the tolerance leaves, and a sound cell stays below 1/1000.
assert float(run.hill_mandel_residual[0]) < 1e-6
assert float(run.hill_mandel_residual.max()) < 1e-3
assert 0 < lost - float(run.dissipation[1:].sum()) < 0.05 * lost

figure, axis = plt.subplots(figsize=(5, 3.2))
modulus = np.asarray(run.stress[:, 2]) / 0.02
axis.plot(time, modulus, label="composite")
axis.plot(time, 1 + 4 * np.exp(-time / 0.5), "--", label="matrix alone")
axis.set_xlabel("time")
axis.set_ylabel("shear stress / shear strain")
axis.legend()
assert (modulus > 1 + 4 * np.exp(-time / 0.5) - 1e-9).all()

# %% [markdown]
# The derivative of the relaxed stress by the viscosity goes through the whole history of the cell, and through the
# local solve of every point. A central difference agrees.

# %%
short, _ = shear_history(5, 0.5)


@jax.jit
def relaxed(viscosity):
    law = composite(disc[2::4, 2::4], viscosity)
    return jh.drive(jh.Grid((4, 4)), law, short, tangent=False, tolerance=1e-10).value.stress[-1, 2]


slope = float(jax.jit(jax.grad(relaxed))(2.0))
difference = float(relaxed(2.0 + 1e-5) - relaxed(2.0 - 1e-5)) / 2e-5
print(f"derivative by the viscosity {slope:.8f}, difference {difference:.8f}")
assert abs(slope / difference - 1) < 1e-6
