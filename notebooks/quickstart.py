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
# # Quick start: the effective stiffness of a cell, its derivatives and its fields
#
# A cell is a `Grid` (voxels and edge lengths) and a law (which material sits in which voxel). `homogenize` gives the
# tensor that a larger scale would feel. Everything is a pure function of arrays, so `jit`, `vmap` and `grad` apply.
#
# The library never changes JAX's configuration. Double precision belongs to you: switch it on, or work in float32.

# %%
import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import jaxhomog as jh
from jaxhomog.materials import engineering_constants, symmetry_class
from jaxhomog.microstructure import sphere_cell

jax.config.update("jax_enable_x64", True)

# %% [markdown]
# ## A sphere in a cube
#
# A stiff sphere (E = 10, radius 0.3 of the edge) in a matrix with E = 1. Units are yours: if the moduli are in GPa,
# so is the result.

# %%
n = 16
labels = sphere_cell(n, 0.3)
grid = jh.Grid(shape=labels.shape, lengths=(1.0, 1.0, 1.0))
law = jh.PhaseMixture(
    labels,
    {0: jh.LinearElastic.isotropic(1.0, 0.3), 1: jh.LinearElastic.isotropic(10.0, 0.2)},
)
solution = jh.homogenize(grid, law, tolerance=1e-9)
C = solution.value.effective

print("effective stiffness, engineering Voigt notation, order 11 22 33 23 13 12")
print(np.round(jh.to_voigt(C, kind="stiffness"), 5))
print("iterations per load case", solution.stats["iterations_per_load"])
print(f"bound of the relative algebraic error {float(solution.stats['error_bound']):.1e}")
print(f"Hill-Mandel residual {float(solution.value.hill_mandel_residual):.1e}")

# %% [markdown]
# Inside Python tensors are in Mandel notation (shear components carry a factor sqrt 2, so that rotations are
# orthogonal matrices); `to_voigt` gives engineering notation. Three checks that need no other code: the cell is cubic
# because its image is, the tensor lies between the Voigt and Reuss bounds, and what the fields do at the small scale is
# the work done at the large one (Hill-Mandel). The two numbers are those of three independent codes.

# %%
voigt = np.asarray(jh.to_voigt(C, kind="stiffness"))
bounds = solution.value.bounds
assert symmetry_class(C, tol=1e-6).name == "cubic"
assert np.linalg.eigvalsh(bounds.voigt - C).min() > 0
assert np.linalg.eigvalsh(C - bounds.reuss).min() > 0
assert solution.value.hill_mandel_residual < 1e-4
assert abs(voigt[0, 0] / 1.649843180832 - 1) < 1e-7
assert abs(voigt[3, 3] / 0.47438103 - 1) < 1e-7
print({k: round(v, 4) for k, v in engineering_constants(C).items() if k in ("E1", "nu12", "G23", "zener")})

# %% [markdown]
# ## Derivatives
#
# A law holds its labels as integers beside its floating parameters, so differentiate with `eqx.filter_grad`: it
# returns a law of the same structure whose leaves are the derivatives (`None` for labels). The first derivative costs
# no further solve. A derivative is as accurate as the fields, so `field_tolerance` says how accurate it shall be.


# %%
def stiffness_11(law):
    return jh.homogenize(grid, law, tolerance=1e-9, field_tolerance=1e-6).value.effective[0, 0]


gradient = eqx.filter_grad(stiffness_11)(law)
d_matrix, d_sphere = (phase.parameters["young"] for phase in gradient.laws)
print(f"dC11/dE of the matrix {float(d_matrix):.6f}, of the sphere {float(d_sphere):.10f}")

# %% [markdown]
# Euler's rule for homogeneous functions checks both at once: C11 doubles when both moduli double, so
# E_m dC/dE_m + E_s dC/dE_s = C11. The derivative in the sphere's modulus is also known from two other codes.

# %%
assert abs(1.0 * d_matrix + 10.0 * d_sphere - C[0, 0]) < 1e-6 * C[0, 0]
assert abs(d_sphere / 0.0098257583 - 1) < 1e-6

# %% [markdown]
# ## Many cells at once
#
# Moduli are arrays and labels are a leaf too, so a sweep over moduli and over images of one shape is one `vmap` of one
# compiled program. A lane that fails would be NaN and leave the others alone.


# %%
def stiffness_of(young, labels):
    phases = {0: jh.LinearElastic.isotropic(1.0, 0.3), 1: jh.LinearElastic.isotropic(young, 0.2)}
    return jh.homogenize(grid, jh.PhaseMixture(labels, phases)).value.effective[0, 0]


moduli = np.array([0.0, 0.1, 1.0, 10.0, 1000.0])
radii = np.array([0.1, 0.2, 0.3, 0.4, 0.45])
young = jnp.concatenate([moduli, np.full(radii.shape, 10.0)])
images = np.stack([sphere_cell(n, 0.3)] * len(moduli) + [sphere_cell(n, r) for r in radii])
c11 = jax.vmap(stiffness_of)(young, jnp.asarray(images))
c11_moduli, c11_radii = np.split(np.asarray(c11), 2)

figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
axes[0].semilogx(np.maximum(moduli, 1e-2), c11_moduli, "o-")
axes[0].set(xlabel="E of the sphere / E of the matrix (0 drawn at 0.01)", ylabel="C11 / E of the matrix")
axes[1].plot(radii, c11_radii, "o-")
axes[1].set(xlabel="radius / edge", ylabel="C11 / E of the matrix")
# %% [markdown]
# Reading: C11 saturates when the sphere becomes rigid (left: from 10 to 1000 it gains 8 %), because the matrix
# around it has to deform anyway; it grows faster than the radius (right), because the volume does, and because
# neighbouring spheres come close.

# %%
assert np.all(np.diff(c11_moduli) > 0) and np.all(np.diff(c11_radii) > 0)
assert abs(c11_moduli[3] / C[0, 0] - 1) < 1e-5 and abs(c11_radii[2] / C[0, 0] - 1) < 1e-5
# E_s = E_m and another Poisson's ratio: between the two homogeneous cells.
homogeneous = [(1 - v) / ((1 + v) * (1 - 2 * v)) for v in (0.2, 0.3)]
assert homogeneous[0] < c11_moduli[2] < homogeneous[1]

# %% [markdown]
# ## Fields under a load of your choice
#
# `apply` solves one load case. Each component is controlled by strain or by stress. Here: pull along direction 1 by 1 %
# with no stress on the sides, the tension test. Fields come as voxel means, components last. A field is only accurate
# to the square root of what the tensor is; `field_tolerance` asks for its accuracy directly.

# %%
applied = jh.apply(
    grid,
    law,
    strain=[0.01, 0, 0, 0, 0, 0],
    stress=jnp.zeros(6),
    stress_controlled=[False, True, True, True, True, True],
    field_tolerance=1e-6,
)
strain, stress = np.asarray(applied.value.down), np.asarray(applied.value.up)
young = stress[0] / strain[0]
print(f"Young's modulus {young:.5f}, Poisson's ratio {-strain[1] / strain[0]:.5f}")

field = np.asarray(applied.value.fields.up)[..., 0]
figure, axis = plt.subplots(figsize=(4, 3.2), layout="constrained")
drawn = axis.imshow(field[:, :, n // 2].T / stress[0], origin="lower", extent=(0, 1, 0, 1))
axis.set(xlabel="direction 1", ylabel="direction 2", title="stress 11 / mean stress 11, middle slice")
figure.colorbar(drawn)
# %% [markdown]
# Reading: the sphere attracts stress, and so does the matrix at its poles, where the load enters; the matrix beside
# its equator is shielded. The same numbers follow from the effective tensor, and the mean of the field is the
# macroscopic stress, to the accuracy asked of the field.

# %%
constants = engineering_constants(C)
assert abs(young / constants["E1"] - 1) < 1e-5
assert abs(-strain[1] / strain[0] / constants["nu12"] - 1) < 1e-4
assert np.allclose(stress[1:], 0, atol=1e-5 * stress[0])
assert abs(field.mean() / stress[0] - 1) < 1e-5
inside = labels == 1
assert field[inside].mean() > 1.5 * field[~inside].mean()

# %% [markdown]
# ## Conduction is the same call
#
# Heat, charge, diffusion: one conductivity per phase, and the choice of a finite-volume scheme next to finite elements.

# %%
conductors = jh.PhaseMixture(labels, {0: jh.LinearConduction(1.0), 1: jh.LinearConduction(10.0)})
k = {name: jh.homogenize(grid, conductors, element=name).value.effective[0, 0] for name in ("q1", "fv")}
clausius_mossotti = 1 + 3 * inside.mean() / ((10 + 2) / (10 - 1) - inside.mean())
print({name: round(float(value), 4) for name, value in k.items()}, f"Clausius-Mossotti {clausius_mossotti:.4f}")
assert all(abs(value / clausius_mossotti - 1) < 0.05 for value in k.values())
