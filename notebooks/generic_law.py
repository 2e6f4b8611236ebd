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
# # A law that respects both laws of thermodynamics
#
# A coarse law has a reversible and a dissipative part. The form GENERIC keeps the two apart: z' = L grad E + M grad S,
# with L antisymmetric and blind to the entropy, M symmetric, positive and blind to the energy. Then energy is constant
# and entropy grows, for any E, S, L and M of that kind.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

from jaxhomog import InputError
from jaxhomog.dynamics import Generic, integrate_generic

jax.config.update("jax_enable_x64", True)

# %% [markdown]
# An oscillator (q, p) whose friction heats a bath of energy e. These are all the lines that the law needs.


# %%
def energy(z, friction):
    return 0.5 * (z[0] ** 2 + z[1] ** 2) + z[2]


def entropy(z, friction):
    return 2 * jnp.log(z[2])


def poisson(z, friction):
    return jnp.asarray([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])


def dissipation(z, friction):
    u = jnp.stack([0 * z[1], 1 + 0 * z[1], -z[1]])  # what the motion loses, the bath gains
    return friction * 0.5 * z[2] * jnp.outer(u, u)


law = Generic(energy, entropy, poisson, dissipation, jnp.asarray(0.2))
start = jnp.asarray([1.0, 0.0, 2.0])
print(law.certify(start).reason)
assert law.certify(start).holds

# %% [markdown]
# The integrator keeps both laws in every step, of any size: here steps of size one, six to a period. The classical
# Runge-Kutta method of fourth order, with the same steps, loses energy all the time.

# %%
path = integrate_generic(law, start, 1.0, 1000)
z, lost = start, [2.5]
for _ in range(30):
    k1 = law.rate(z)
    k2 = law.rate(z + 0.5 * k1)
    k3 = law.rate(z + 0.5 * k2)
    z = z + (k1 + 2 * k2 + 2 * k3 + law.rate(z + k3)) / 6
    lost.append(float(energy(z, None)))
print(f"energy drift in 1000 steps {float(path.energy_drift):.1e}")
print(f"energy that Runge-Kutta lost in 30 steps {100 * (1 - lost[-1] / 2.5):.2f} %")
print(f"smallest step of the entropy {float(path.lowest_entropy_step):.1e}, its end {float(path.entropy[-1]):.12f}")
assert float(path.energy_drift) < 1e-12 and float(path.lowest_entropy_step) > -1e-14
assert abs(float(path.entropy[-1]) - 2 * np.log(2.5)) < 1e-12 and 0.006 < 1 - lost[-1] / 2.5 < 0.01

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2))
left.plot(range(1, 31), path.energy[:30], label="discrete gradient")
left.plot(range(31), lost, "--", label="Runge-Kutta 4")
left.set_xlabel("steps of size 1")
left.set_ylabel("energy")
left.legend()
right.plot(range(1, 31), path.entropy[:30])
right.axhline(2 * np.log(2.5), color="k", lw=0.5)
right.set_xlabel("steps of size 1")
right.set_ylabel("entropy")

# %% [markdown]
# A friction that takes energy and gives it to nobody is refused, with the residual that it violates. Matrices that are
# to be learnt are given by construction instead: any two arrays make a law of the form.

# %%
leaking = Generic(energy, entropy, poisson, lambda z, friction: jnp.diag(jnp.asarray([0.0, friction, 0.0])), 0.2)
try:
    integrate_generic(leaking, [1.0, 0.5, 2.0], 0.1, 10)
    refused = ""
except InputError as error:
    refused = str(error)
print(refused)
assert "energy_degeneracy" in refused
numbers = np.random.default_rng(0).normal(size=(2, 3, 3))
learnt = Generic.constructed(energy, entropy, lambda z, p: p[0], lambda z, p: p[1], jnp.asarray(0.3 * numbers))
free = integrate_generic(learnt, start, 0.5, 100)
assert float(free.energy_drift) < 1e-12 and float(free.lowest_entropy_step) > -1e-14

# %% [markdown]
# The derivative of the path by the friction goes through every implicit step. With it the friction is found from the
# positions of a run, by Newton's method on the squares.

# %%
observed = integrate_generic(law, start, 0.25, 20).state[:, 0]


def misfit(friction):
    return integrate_generic(Generic(energy, entropy, poisson, dissipation, friction), start, 0.25, 20).state[:, 0]


guess = jnp.asarray(0.1)
step = jax.jit(lambda f: (misfit(f), jax.jacfwd(misfit)(f)))
for _ in range(6):
    value, slope = step(guess)
    guess = guess - slope @ (value - observed) / (slope @ slope)
print(f"friction found: {float(guess):.10f}")
assert abs(float(guess) - 0.2) < 1e-9
