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
# # How much information an average keeps
#
# Passing from a fine scale to a coarse one loses information, and no later step wins it back. How much is lost can be
# computed: in nat, exactly for small discrete systems and for Gaussians, and from samples otherwise.

# %%
import itertools

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

from jaxhomog.dynamics import (
    chain_window_information,
    cross_entropy,
    data_processing,
    entropy,
    gaussian_mutual_information,
    mutual_information,
    neighbour_information,
    relative_entropy_fit,
    window_information,
)
from jaxhomog.microstructure import gaussian_field

jax.config.update("jax_enable_x64", True)

# %% [markdown]
# A two-phase medium along a line, with exponential correlation, seen through a window. The volume fraction of the
# window keeps all of one voxel, and less and less of more of them: the entropy of the window grows like its length,
# that of the fraction like a logarithm.

# %%
lengths = np.asarray([1, 2, 4, 8, 16, 32, 64])
chains = [chain_window_information(0.5, np.exp(-0.25), int(n)) for n in lengths]
shares = np.asarray([float(c.fraction) for c in chains])
for n, c in zip(lengths, chains, strict=True):
    print(
        f"{n:3d} voxels: {float(c.full):7.3f} nat, in the fraction {float(c.kept):.3f}: {100 * float(c.fraction):.0f} %"
    )
assert abs(shares[0] - 1) < 1e-12 and (np.diff(shares) < 0).all()

# %% [markdown]
# In an image: voxels measured with an error, to second order. The longer its correlation, the more the average keeps.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2))
left.semilogx(lengths, shares, "o-")
left.set_xlabel("voxels of the window")
left.set_ylabel("share that the fraction keeps")
kept = {}
for length in (1.0, 3.0):
    image = gaussian_field((64, 64), length, number=8, seed=0)
    kept[length] = [float(window_information(image, w, 0.3, dim=2).fraction) for w in (1, 2, 4, 8)]
    right.plot((1, 2, 4, 8), kept[length], "o-", label=f"correlation length {length:g}")
right.set_xlabel("edge of the window in voxels")
right.set_ylabel("share that the mean keeps")
right.legend()
print("share that the mean of 4 x 4 voxels keeps:", {k: round(v[2], 3) for k, v in kept.items()})
assert all(abs(v[0] - 1) < 1e-9 and (np.diff(v) < 0).all() for v in kept.values())
assert (np.asarray(kept[3.0][1:]) > np.asarray(kept[1.0][1:])).all()

# %% [markdown]
# The Ising chain without every second spin is an Ising chain again, with K' = 1/2 ln cosh 2K. The coupling with the
# least relative entropy to the fine chain is that one, and for it nothing is lost about the spins that stay. Neighbours
# know more of one another than next neighbours do.


# %%
def ring(s, coupling):
    return -coupling * jnp.sum(s * jnp.roll(s, 1))


fine = np.asarray(list(itertools.product([-1.0, 1.0], repeat=8)))
coarse = np.asarray(list(itertools.product([-1.0, 1.0], repeat=4)))
weights = np.exp(0.7 * np.sum(fine * np.roll(fine, 1, axis=1), axis=1))
found = relative_entropy_fit(ring, 0.1, fine[:, ::2], coarse, fine_weights=weights)
mapped = np.bincount(((fine[:, ::2] > 0) @ (8, 4, 2, 1)).astype(int), weights / weights.sum())
lost = float(found.cross_entropy - entropy(mapped))
wrong = float(cross_entropy(ring, 0.3, fine[:, ::2], coarse, fine_weights=weights) - entropy(mapped))
print(f"K' = {float(found.parameters):.10f}, relative entropy {lost:.1e}; with K' = 0.3 it is {wrong:.3f}")
assert abs(float(found.parameters) - 0.5 * np.log(np.cosh(1.4))) < 1e-8 and abs(lost) < 1e-10 < wrong

u = np.tanh(0.7)
near, far = (mutual_information(np.asarray([[1 + c, 1 - c], [1 - c, 1 + c]]) / 4) for c in (u, u * u))
print(f"neighbours {float(near):.7f} nat, next neighbours {float(far):.7f}: {data_processing(near, far).reason}")
assert abs(float(near) - 0.1957872) < 5e-8 and abs(float(far) - 0.0682762) < 5e-8
assert data_processing(near, far).holds

# %% [markdown]
# Where there are samples alone, nearest neighbours estimate it: a Gaussian channel, 2000 samples, within 0.03 nat.

# %%
channel = np.asarray([[1.0, 0.8], [0.8, 1.0]])
x = np.random.default_rng(0).multivariate_normal([0, 0], channel, 2000)
estimate, exact = float(neighbour_information(x[:, 0], x[:, 1])), float(gaussian_mutual_information(channel, [0]))
print(f"from 2000 samples {estimate:.4f} nat, from the covariance {exact:.4f}")
assert abs(estimate - exact) < 0.03
