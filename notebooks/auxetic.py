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
# # Design an auxetic
#
# A material that becomes wider when it is pulled has a negative Poisson's ratio. No solid in everyday use has one, but
# a cell with the right holes does. Here a cell of square symmetry is found from a simple start, with at most half of
# the solid, then cut into black and white and checked on a grid with twice the resolution.

# %%
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import jaxhomog as jh
from jaxhomog.io import write_stl, write_vti

jax.config.update("jax_enable_x64", True)

# %% [markdown]
# The density of every voxel comes from the independent variables in four steps: the symmetry of the square (4mm) copies
# each variable to its up to eight voxels; a conic filter of radius 0.05 gives members a least size; a projection of
# growing sharpness makes the field black and white. The derivative of the filter chain, like that of the effective
# tensor, is JAX's affair.

# %%
n = 32
field = jh.DensityField(jh.Grid((n, n), (1.0, 1.0)), radius=0.05, symmetry="4mm")
x = np.abs((np.arange(n) + 0.5) / n - 0.5)
edges = np.minimum(np.hypot(0.5 - x[:, None], x[None]), np.hypot(x[:, None], 0.5 - x[None]))
start = field.variables(np.where(edges < 0.25, 0.2, 0.6))
print(f"{n * n} voxels, {field.number} variables")
assert field.number == 16 * 17 // 2

# %% [markdown]
# The problem is a pure function of the variables and of the stage, the sharpness. The solid has Young's modulus 1 and
# Poisson's ratio 0.3, in plane strain; while designing, a void keeps 1e-4 of it (modified SIMP). Poisson's ratio of the
# cell is -S12 / S11 of its compliance. It shall be small; the volume fraction shall stay below 0.47, and the modulus
# 1 / S11 above 2 % of the solid's, else the best auxetic would be hinges that nothing holds together.


# %%
def measured(field, density, void):
    law = jh.LinearElastic.isotropic(jh.simp(density, 3.0, void), 0.3)
    s = jh.effective_compliance(field.grid, law, throw=False).value.compliance
    return -s[0, 1] / s[0, 0], (1 - 0.3**2) / s[0, 0], jnp.mean(density)


def problem(variables, sharpness):
    density = field.density(variables, sharpness)
    ratio, modulus, volume = measured(field, density, 1e-4)
    limits = {"volume": volume / 0.47 - 1, "modulus": jnp.log(0.02 / modulus)}
    return jh.Criteria(ratio, inequality=limits, output=density)


stages = (1.0, 2.0, 4.0, 8.0, 16.0)
# Thirty steps a stage show no minimum yet: the code says "stopped", and the design is feasible all the same.
designed = jh.design(problem, start, bounds=(0.0, 1.0), stages=stages, max_steps=30, throw=False)
value, history = designed.value, designed.value.history
print(
    f"{designed.result.name}: Poisson's ratio {value.objective:.3f} after {designed.stats['evaluations']} evaluations"
)
assert designed.stats["violation"] < 1e-3 and value.objective < -0.6

# %%
figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
axes[0].imshow(np.asarray(field.density(start, 1.0)).T, cmap="gray_r", vmin=0, vmax=1, origin="lower")
axes[0].set_title("start")
axes[1].imshow(np.tile(np.asarray(value.output), (2, 2)).T, cmap="gray_r", vmin=0, vmax=1, origin="lower")
axes[1].set_title("design, 2 x 2 cells")
axes[2].plot(history.objective)
for step in np.flatnonzero(np.diff(history.stage)):
    axes[2].axvline(step + 0.5, color="0.8", zorder=0)
axes[2].set_xlabel("step")
axes[2].set_ylabel("Poisson's ratio")

# %% [markdown]
# How good is the derivative that steers this? Against a central difference, along a random direction.

# %%
direction = np.random.default_rng(0).normal(size=field.number)
point = 0.5 * start + 0.25


@jax.jit
def ratio(t):
    density = field.density(point + t * direction, 4.0)
    law = jh.LinearElastic.isotropic(jh.simp(density, 3.0, 1e-4), 0.3)
    s = jh.effective_compliance(field.grid, law, throw=False, tolerance=1e-12).value.compliance
    return -s[0, 1] / s[0, 0]


slope = float(jax.jit(jax.grad(ratio))(0.0))
difference = float(ratio(1e-5) - ratio(-1e-5)) / 2e-5
print(f"derivative {slope:.9f}, difference {difference:.9f}")
assert abs(slope / difference - 1) < 1e-6

# %% [markdown]
# A design lives on: the same variables on voxels half as large, filtered and cut at 1/2, with true voids. If the
# property came from a checkerboard or from corners that touch, it would be gone here.

# %%
for refined in (field, field.refined(2)):
    black = (refined.density(value.variables, stages[-1]) > 0.5).astype(float)
    poisson, modulus, volume = (float(a) for a in jax.jit(measured)(refined, black, 0.0))
    print(f"{black.shape}: Poisson's ratio {poisson:.3f}, modulus {modulus:.4f} of the solid's, volume {volume:.3f}")
    assert poisson < -0.5 and modulus > 0.01 and volume < 0.5

# %% [markdown]
# For ParaView and for a printer: the density as VTI, and the surface of 2 x 2 cells, a tenth of a cell thick, as STL.

# %%
with tempfile.TemporaryDirectory() as folder:
    write_vti(Path(folder) / "auxetic.vti", {"density": np.asarray(black)}, (1.0, 1.0))
    slab = np.repeat(np.asarray(refined.density(value.variables, 4.0))[:, :, None], 4, 2)
    write_stl(Path(folder) / "auxetic.stl", slab, (1.0, 1.0, 0.1), repeat=(2, 2, 1))
    sizes = {path.name: path.stat().st_size for path in sorted(Path(folder).iterdir())}
print(sizes)
assert sizes["auxetic.stl"] > 84 and (sizes["auxetic.stl"] - 84) % 50 == 0
