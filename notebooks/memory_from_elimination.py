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
# # Memory from elimination
#
# Leave out a part of a system, and the rest remembers. What is left out does not vanish: it comes back as a memory of
# the past and as a force that looks like noise. For a linear system both are exact.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from scipy.special import jv

from jaxhomog.dynamics import (
    GeneralizedLangevin,
    PronyKernel,
    coloured_noise,
    eliminate,
    fit_prony,
    maxwell_laminate,
    memory_kernel,
    rubin_bath,
)

jax.config.update("jax_enable_x64", True)

# %% [markdown]
# One atom of an infinite chain of springs (Rubin, 1960). All the others are eliminated: friction, though nothing in the
# chain has any. Its kernel is 2 J1(2 t) / t, and the atom's velocity forgets like J0(2 t). The kernel follows from
# samples of the velocity correlation alone, as it would from a simulation, with an error of second order in their
# distance.

# %%
time = 0.05 * np.arange(101)
exact = np.asarray(rubin_bath(40).friction(time))
errors = []
for h in (0.1, 0.05):
    t = h * np.arange(round(5 / h) + 1)
    found = np.asarray(memory_kernel(jv(0, 2 * t), h).friction)[:, 0, 0]
    errors.append(np.abs(found - np.asarray(rubin_bath(40).friction(t))).max() / 2)
print(f"largest error over K(0): {errors[0]:.1e} with steps of 0.1, {errors[1]:.1e} with 0.05")
assert errors[0] < 1.2e-2 and 3.5 < errors[0] / errors[1] < 4.5

# %% [markdown]
# A kernel from data is fitted with modes that cannot give work in any cycle, whatever the data say: every mode is
# positive real. So there is a noise that belongs to it, with the correlation kT K(t). That is the condition for the
# particle to come to rest at the temperature of what was left out.

# %%
fit = fit_prony(time, found, 3)
kernel = fit.kernel
passive = float(kernel.transform(1j * np.linspace(0, 40, 2001)).real.min())
print(f"fit within {float(fit.residual):.1e} of K(0), lowest friction at any frequency {passive:.1e}")
assert float(fit.residual) < 0.01 and passive >= 0

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2))
left.plot(time, exact, label="2 J1(2 t) / t")
left.plot(t, found, ".", ms=3, label="from the velocity correlation")
left.plot(time, kernel(time), "--", label="three passive modes")
left.set_xlabel("time")
left.set_ylabel("friction kernel")
left.legend()

# %% [markdown]
# A particle in a well with one such mode, 4000 times: temperature of position and velocity, and the noise's
# correlation, within three standard errors.

# %%
mode, kt, k, m = PronyKernel([2.0], [0.8], [1.5]), 0.5, 3.0, 2.0
particle = GeneralizedLangevin(lambda x, k: -k * x, mode, m, kt, k)
many = jax.vmap(lambda key: particle.simulate(key, [1.0], [0.0], 0.1, 1, every=300))
path = many(jax.random.split(jax.random.key(0), 4000))
for name, values, target in (("<x^2>", path.position, kt / k), ("<v^2>", path.velocity, kt / m)):
    error = target * np.sqrt(2 / values.size)
    print(f"{name} = {float(jnp.mean(values**2)):.4f}, target {target:.4f}, standard error {error:.4f}")
    assert abs(float(jnp.mean(values**2)) - target) < 3 * error
force = jax.vmap(lambda key: coloured_noise(key, mode, kt, 0.5, 6))(jax.random.split(jax.random.key(1), 4000))
target = kt * np.asarray(mode(0.5 * np.arange(6)))
error = np.sqrt((target[0] ** 2 + target**2) / len(force))
assert (np.abs(np.mean(np.asarray(force) * np.asarray(force[:, :1]), axis=0) - target) < 3 * error).all()

# %% [markdown]
# Averaging over space is an elimination too. Two layers in series, one elastic, one that relaxes in a time of 2. The
# stress of the laminate after a step of strain relaxes with a single time that no layer has: 2.25. The unknown that was
# left out is the strain of the layer's dashpot.

# %%
law = maxwell_laminate([0.4, 0.6], [10.0, 1.0], [[0.0], [2.0]], [[1.0], [2.0]])
slow = int(jnp.argmax(law.kernel.weights))
print(f"relaxation time of the laminate {float(1 / law.kernel.rates[slow]):.4f}, of the layer 2")
late = np.linspace(0, 10, 101)
right.plot(late, law(late), label="laminate")
right.plot(late, 4.1666667 * (1 + 2 * np.exp(-late / 2)) / 3, "--", label="its layer, scaled")
right.set_xlabel("time")
right.set_ylabel("relaxation modulus")
right.legend()

# The same by block elimination of the dashpot: a' = (e - a) / 2, with the stress e = (s + 2 a) / 3 of the layer.
series = 1 / (0.4 / 10 + 0.6 / 3)
rate = (1 - 2 / 3 + 0.6 * series * 2 / 9) / 2
by_hand = eliminate([[0.0, -0.6 * series * 2 / 3], [series / 6, -rate]], [0]).friction(late)[:, 0, 0]
shape = np.asarray(law.kernel(late)) / float(law.kernel(0.0))
assert np.abs(np.asarray(by_hand) / float(by_hand[0]) - shape).max() < 1e-12
assert abs(float(law(0.0)) - 4.166666666666667) < 1e-12 and abs(float(law.modulus) - 1.5625) < 1e-12
assert abs(float(1 / law.kernel.rates[slow]) - 2.25) < 1e-12
