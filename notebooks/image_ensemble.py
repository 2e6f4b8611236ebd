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
# # From an ensemble of images to a data set
#
# One image of a random medium gives one number; a material has a distribution. `sweep` solves many images with many
# parameters, keeps every one of them in a store as soon as it is solved, and goes on where it was stopped. The medium
# here is a random chessboard in the plane, whose conductivity is known exactly.

# %%
import dataclasses
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import jaxhomog as jh

jax.config.update("jax_enable_x64", True)

# %% [markdown]
# Eight by eight squares of eight by eight pixels, each square of one phase or the other by the toss of a coin. A seed
# makes an image, and is kept with it.

# %%
SQUARES, PIXELS = 8, 8


def board(seed):
    squares = np.random.default_rng(seed).integers(0, 2, (SQUARES, SQUARES))
    return np.kron(squares, np.ones((PIXELS, PIXELS), int)).astype(np.uint8)


seeds = np.arange(60)
images = np.stack([board(seed) for seed in seeds])

figure, axes = plt.subplots(1, 4, figsize=(9, 2.4), layout="constrained")
for ax, image, seed in zip(axes, images, seeds, strict=False):
    ax.imshow(image.T, origin="lower", cmap="Blues", vmin=-0.5, vmax=1.5)
    ax.set(title=f"seed {seed}", xticks=[], yticks=[])

# %% [markdown]
# The problem is a function of one lane: here its image and the conductivity of phase 1. It returns the solution with a
# small value: the tensor, not the fields. `product` takes every image with every conductivity.


# %%
def solve(lane):
    law = jh.PhaseMixture(lane["labels"], {0: jh.LinearConduction(1.0), 1: jh.LinearConduction(lane["conductivity"])})
    solution = jh.homogenize(jh.Grid(lane["labels"].shape), law, throw=False)
    return dataclasses.replace(solution, value=solution.value.effective)


contrasts = np.asarray([2.0, 5.0, 10.0])
lanes = jh.product(cell={"labels": images, "seed": seeds}, conductivity=contrasts)
lanes = {**lanes.pop("cell"), **lanes}
print({name: array.shape for name, array in lanes.items()})

# %% [markdown]
# Somebody presses Ctrl-C after fifty lanes. They are in the store; the second call solves the others.

# %%
folder = tempfile.TemporaryDirectory()
store = Path(folder.name) / "boards"


def interrupt(finished, total, failed):
    if finished == 50:
        raise KeyboardInterrupt


try:
    jh.sweep(solve, lanes, store=store, progress=interrupt)
except KeyboardInterrupt:
    print("interrupted:", (jh.load_sweep(store).code == 0).sum(), "lanes are in the store")

began = []
solution = jh.sweep(solve, lanes, store=store, resume=True, progress=lambda finished, *_: began.append(finished))
assert began[0] == 50 and began[-1] == len(seeds) * len(contrasts)

# %% [markdown]
# The store is a data set: parameters, results, codes and versions as arrays with the lanes along the first axis.
# `xarray.open_zarr(store, consolidated=False)` opens it as well.

# %%
data = jh.load_sweep(store)
print(data.versions, {name: array.shape for name, array in (data.parameters | data.value).items()})
assert (data.code == 0).all() and np.array_equal(data.value["value"], solution.value)
tensors = data.value["value"].reshape(len(seeds), len(contrasts), 2, 2)

# %% [markdown]
# **Distribution.** In the plane, a medium whose phases can be exchanged without a change of its statistics has the
# conductivity sqrt(k0 k1) (Keller 1964, J. Math. Phys. 5:548; Dykhne 1971, Sov. Phys. JETP 32:63). One image is off by
# five to twenty percent. What an ensemble of small images has on average is the logarithm, because a board and its
# negative lie on the two sides of it: (det K)^(1/2) of the one times that of the other is k0 k1.

# %%
size = np.sqrt(np.linalg.det(tensors))
exact = np.sqrt(contrasts)
figure, axes = plt.subplots(1, 3, figsize=(9, 2.6), layout="constrained")
for ax, values, contrast, truth in zip(axes, size.T, contrasts, exact, strict=True):
    ax.hist(values, bins=12, color="#cfe0f2", edgecolor="#2b6cb0")
    ax.axvline(truth, color="#c0392b", label="sqrt(k0 k1)")
    ax.set(xlabel="(det K)^(1/2)", title=f"contrast {contrast:g}")
axes[0].legend(frameon=False)

logarithm = np.log(size) - np.log(exact)
mean, error = logarithm.mean(axis=0), logarithm.std(axis=0, ddof=1) / np.sqrt(len(seeds))
print("mean of log (det K)^(1/2) / sqrt(k0 k1):", mean, "+-", error)
assert (np.abs(mean) < 3 * error + 0.01).all()

# %% [markdown]
# **Regression.** Most of the scatter is the fraction of phase 1: with f and the logarithm of the contrast c, the model
# log K = (a (f - 1/2) + 1/2) log c fits the boards with one number a.

# %%
fraction = images.mean(axis=(1, 2))
x = (fraction[:, None] - 0.5) * np.log(contrasts)
y = np.log(size) - 0.5 * np.log(contrasts)
train = seeds < 40
slope = np.sum(x[train] * y[train]) / np.sum(x[train] ** 2)
left = np.std((y - slope * x)[~train]) / np.std(y[~train])
print(f"a = {slope:.3f}; of the scatter of boards it has not seen {100 * left:.0f} % remain")
assert left < 0.5

# %% [markdown]
# **Derivative.** A sweep under `jax.grad` is one program. How does the mean of log (det K)^(1/2) change with the
# logarithm of the contrast? By the exchange of phases the answer is 1/2 for every contrast, if each board is
# accompanied by its negative.

# %%
pairs = np.concatenate([images[:10], 1 - images[:10]])


def mean_logarithm(log_contrast):
    conductivity = jnp.full(len(pairs), jnp.exp(log_contrast))
    found = jh.sweep(solve, {"labels": pairs, "conductivity": conductivity})
    return jnp.mean(0.5 * jnp.log(jnp.linalg.det(found.value)))


value, slope = jax.value_and_grad(mean_logarithm)(np.log(5.0))
print(f"value {value:.4f} (exact {0.5 * np.log(5):.4f}), slope {slope:.4f} (exact 0.5)")
folder.cleanup()
# The pixels leave one percent.
assert abs(value - 0.5 * np.log(5)) < 0.015 and abs(slope - 0.5) < 0.015
