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
# # Three real images: bone, a battery electrode, a steel
#
# A micro-CT image of trabecular bone (elastic stiffness), the pore space of a battery cathode (diffusivity) and an EBSD
# map of a duplex steel (a polycrystal). For each: read, give the phases their properties, homogenize, look at the
# fields, and check the numbers against what must hold whatever the code.
#
# The images and their sources are listed in `shared/data/README.md` beside this repository.

# %%
import warnings
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import jaxhomog as jh
from jaxhomog.io import read_image
from jaxhomog.materials import directional_young, engineering_constants, symmetry_class
from jaxhomog.microstructure import coarsen, percolation, threshold

jax.config.update("jax_enable_x64", True)

HERE = Path(__file__).resolve().parent if "__file__" in globals() else Path.cwd()
DATA = HERE.parent / "../shared/data"


def smallest_eigenvalue(tensor):
    return float(np.linalg.eigvalsh(np.asarray(tensor, float)).min())


# %% [markdown]
# ## Trabecular bone: the stiffness of a porous solid
#
# 100^3 voxels of 0.039 mm; bone where the grey level exceeds 63. Bone has E = 10 GPa and nu = 0.3, the marrow space is
# taken as empty. Stiffnesses are in GPa. The computation's precision is that of the law's parameters: float32 halves
# time and memory and is precise enough for a tensor that is wanted to a few digits.

# %%
bone_image = read_image(DATA / "trabecular_bone_100.npz", array="gray", voxel_size=0.039)
bone = bone_image.threshold(63)
print(bone.axes, "| box", np.round(bone.lengths, 2), "mm")
fraction = float(bone.array.mean())
print(f"bone volume fraction {fraction:.3f}")
connected = percolation(bone.array == 1)
print(f"{len(connected.sizes)} clusters, {100 * connected.island_fraction:.2f} % of the bone in isolated islands")
assert connected.open == (True, True, True)


def porous(labels, young, dtype=np.float32):
    """Bone in a void."""
    void, solid = jh.LinearElastic.isotropic(dtype(0), dtype(0.3)), jh.LinearElastic.isotropic(young, dtype(0.3))
    return jh.PhaseMixture(labels, {0: void, 1: solid})


# %% [markdown]
# One call gives the tensor, the fields of all six load cases, and the derivative of a number of our choice with respect
# to the modulus of **every voxel**. The number is E3, Young's modulus along axis 3: which voxels does it depend on?
# Inside a transformed function no exception can be raised, so we look at the result code ourselves.

# %%
bone_grid = jh.Grid(bone.array.shape, bone.lengths)


def young_3(young):
    solution = jh.homogenize(bone_grid, porous(bone.array, young), tolerance=TOLERANCE, fields=True)
    return 1 / jnp.linalg.inv(solution.value.effective)[2, 2], solution


TOLERANCE = 1e-4
uniform = jnp.full(bone.array.shape, 10, jnp.float32)
(e3, bone_solution), sensitivity = eqx.filter_value_and_grad(young_3, has_aux=True)(uniform)
assert bool(bone_solution.result.ok), bone_solution.result
C_bone = np.asarray(bone_solution.value.effective, float)
constants = engineering_constants(C_bone)
print("stiffness / GPa (engineering Voigt, 11 22 33 23 13 12)")
print(np.round(np.asarray(jh.to_voigt(C_bone, kind="stiffness")), 4))
print({k: round(v, 4) for k, v in constants.items()})

# %% [markdown]
# How far can this be trusted? The solver's own evidence: iterations, a bound of the algebraic error relative to the
# Voigt average, the residual, and the Hill-Mandel residual between load cases. (A field is accurate to the square
# root of what the tensor is, hence the larger last two numbers.)

# %%
stats, bounds = bone_solution.stats, bone_solution.value.bounds
print("iterations per load case", stats["iterations_per_load"])
print(f"bound of the algebraic error / |C_Voigt|  {float(stats['error_bound']):.1e}")
print(f"residual {float(stats['residual']):.1e}, Hill-Mandel residual {bone_solution.value.hill_mandel_residual:.1e}")
assert stats["error_bound"] <= TOLERANCE
symmetry = symmetry_class(C_bone, tol=0.02)
print("symmetry:", symmetry.name, {k: round(v, 3) for k, v in symmetry.distances.items()})
upper = engineering_constants(np.asarray(bounds.hs_upper, float))["E1"]
print(f"Hashin-Shtrikman upper bound of E for an isotropic bone of this porosity: {upper:.3f} GPa")

# %% [markdown]
# The tensor is far from isotropic, and no symmetry class in the image's axes fits it within 2 %: the specimen was not
# cut along the trabeculae, and 3.9 mm hold only a handful of them. What must hold: the void makes the lower bounds 0;
# the stiffness is positive definite and below the Voigt average; Young's modulus stays below the volume average E f in
# all directions.

# %%
assert smallest_eigenvalue(C_bone) > 0
assert smallest_eigenvalue(np.asarray(bounds.voigt, float) - C_bone) > 0
assert np.allclose(bounds.reuss, 0) and np.allclose(bounds.hs_lower, 0)
angle = np.linspace(0, 2 * np.pi, 181)
circles = {
    "1-2": np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1),
    "1-3": np.stack([np.cos(angle), 0 * angle, np.sin(angle)], axis=-1),
    "2-3": np.stack([0 * angle, np.cos(angle), np.sin(angle)], axis=-1),
}
polar = {name: directional_young(C_bone, n) for name, n in circles.items()}
assert all((0 < e).all() and (e < 10 * fraction).all() for e in polar.values())
assert engineering_constants(C_bone)["E1"] / constants["E3"] > 1.2
assert symmetry.distances["isotropic"] > 0.1

# %% [markdown]
# Stress under uniaxial tension along axis 3, by superposition of the six unit load cases, and the sensitivity of E3.


# %%
def von_mises(stress):
    """Of stress in Mandel notation, components last."""
    normal, shear = stress[..., :3], stress[..., 3:]
    deviator = normal - normal.mean(axis=-1, keepdims=True)
    return np.sqrt(1.5 * (np.sum(deviator**2, axis=-1) + np.sum(shear**2, axis=-1)))


mean_strain = np.linalg.inv(C_bone)[:, 2]  # under a mean stress of 1 along 33
stress = np.tensordot(mean_strain, np.asarray(bone_solution.value.fields.up), 1)
equivalent = von_mises(stress)
sensitivity = np.asarray(sensitivity)

figure, axes = plt.subplots(1, 4, figsize=(15, 3.6), layout="constrained")
extent = (0, bone.lengths[0], 0, bone.lengths[2])
middle = bone.array.shape[1] // 2
axes[0].imshow(bone_image.array[:, middle].T, cmap="gray", origin="lower", extent=extent)
axes[0].set(title="grey level", xlabel="direction 1 / mm", ylabel="direction 3 / mm")
solid = bone.array[:, middle] == 1
drawn = axes[1].imshow(np.where(solid, equivalent[:, middle], np.nan).T, origin="lower", extent=extent, vmin=0, vmax=15)
axes[1].set(title="von Mises stress / mean stress 33", xlabel="direction 1 / mm")
figure.colorbar(drawn, ax=axes[1])
share = sensitivity * 10 / float(e3) * sensitivity.size
drawn = axes[2].imshow(np.where(solid, share[:, middle], np.nan).T, origin="lower", extent=extent, vmin=0, vmax=10)
axes[2].set(title="d ln E3 / d ln E(voxel), mean = 1", xlabel="direction 1 / mm")
figure.colorbar(drawn, ax=axes[2])
for name, e in polar.items():
    axes[3].plot(angle, e, label=name)
axes[3].set(title="Young's modulus by direction", xlabel="angle in the plane / rad", ylabel="E / GPa")
axes[3].legend(title="plane", loc="upper center")
# %% [markdown]
# Reading: in this slice the thin struts that run upwards (right of the middle, and at the lower left) carry more than
# ten times the mean stress, the oblique strut about half of that, and rods that end in the marrow nothing. The
# sensitivity map says the same in the currency of the answer: a dark voxel could be removed without changing E3 much,
# a bright one counts ten times its share of the volume. Along axis 1 the bone is stiffer than along axis 3, and the
# extremes lie between the image's axes.
#
# Three checks of the derivative and of the fields. E3 doubles with all moduli, so the shares add up to one (Euler).
# The derivative is an energy, so it cannot be negative. The void carries no stress, and the mean of the field is the
# stress that was applied.

# %%
assert abs(float(np.sum(sensitivity, dtype=float)) * 10 / float(e3) - 1) < 1e-3
assert sensitivity.min() >= -1e-6 * sensitivity.max()
assert np.abs(stress[bone.array == 0]).max() == 0
assert np.allclose(stress.mean(axis=(0, 1, 2), dtype=float), [0, 0, 1, 0, 0, 0], atol=2e-2)
top = np.sort(sensitivity.ravel())[::-1]
half = int(np.searchsorted(np.cumsum(top, dtype=float), 0.5 * np.sum(top, dtype=float)))
print(f"half of E3 rests on {100 * half / (bone.array == 1).sum():.0f} % of the bone")
assert half < 0.35 * (bone.array == 1).sum()

# %% [markdown]
# And the resolution: with voxels twice as large (mean grey level of 2^3 voxels, same threshold) the thin trabeculae
# are one or two voxels thick. Fully integrated elements bound the voxel medium from above, so a coarse grid is too
# stiff for the same amount of bone; here the coarse image also has another amount of it. The one-point element does not
# bound, and mechanisms of single corner-connected voxels make it fail in a void, so we compare the two elements with a
# marrow of E = 0.1 GPa. Their gap, a fifth, says what 50^3 voxels know about struts that are two voxels thick.

# %%
coarse = threshold(coarsen(bone_image.array, 2, "mean"), 63)
coarse_grid = jh.Grid(coarse.shape, bone.lengths)
C_coarse = jh.homogenize(coarse_grid, porous(coarse, np.float32(10)), tolerance=TOLERANCE).value.effective
C_coarse = np.asarray(C_coarse, float)
change = np.linalg.norm(C_coarse - C_bone) / np.linalg.norm(C_bone)
print(f"coarse grid: bone fraction {coarse.mean():.3f}, stiffness differs by {100 * change:.0f} %")
assert change < 0.15

marrow = {0: jh.LinearElastic.isotropic(np.float32(0.1), 0.3), 1: jh.LinearElastic.isotropic(np.float32(10), 0.3)}
filled = jh.PhaseMixture(coarse, marrow)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)  # the library warns of `q1r` beside phases 50 times softer
    C_q1, C_q1r = (
        np.asarray(jh.homogenize(coarse_grid, filled, element=element, tolerance=TOLERANCE).value.effective, float)
        for element in ("q1", "q1r")
    )
print(f"|q1 - q1r| / |q1| with marrow: {np.linalg.norm(C_q1 - C_q1r) / np.linalg.norm(C_q1):.3f}")
assert smallest_eigenvalue(C_q1 - C_coarse) > 0  # adding marrow cannot soften
assert smallest_eigenvalue(C_q1 - C_q1r) > 0  # full integration is the stiffer of the two
assert np.linalg.norm(C_q1 - C_q1r) / np.linalg.norm(C_q1) < 0.3

# %% [markdown]
# ## Battery electrode: diffusion through the pores
#
# 128^3 voxels; label 0 is pore (relative diffusivity 1), active material and binder are closed (0). The tortuosity
# factor is eps D0 / D_eff per axis. First: do the pores connect, and how much of them is cut off?

# %%
electrode = read_image(DATA / "nmc_electrode_128.tiff")
pore = electrode.array == 0
pores = percolation(pore, periodic=True)
porosity = pores.fraction
print(electrode.axes)
print(f"porosity {porosity:.4f}, percolates along axes 1, 2, 3: {pores.percolates}")
print(f"{len(pores.islands)} isolated islands with {100 * pores.island_fraction:.3f} % of the pore space; the largest:")
for island in pores.summary(3)["largest_islands"]:
    print(f"  cluster {island['label']}: {island['voxels']} voxels around voxel {island['voxel']}")
assert all(pores.percolates) and abs(porosity - 0.454) < 5e-4

# %% [markdown]
# Two discretizations side by side. Finite elements (q1) put potentials on voxel corners: pores that touch along an edge
# or at a corner are connected, and the energy is an upper bound. Finite volumes (fv, the 7-point scheme of
# image-based transport codes) put them at voxel centres: only faces connect, and thin necks are throttled.

# %%
electrode_grid = jh.Grid(pore.shape)


def diffusion(mask, element, grid=electrode_grid):
    law = {0: jh.LinearConduction(np.float32(0)), 1: jh.LinearConduction(np.float32(1))}
    solution = jh.homogenize(grid, jh.PhaseMixture(mask.astype(np.int8), law), element=element)
    return np.asarray(solution.value.effective, float), solution


D_q1, q1_solution = diffusion(pore, "q1")
D_fv, fv_solution = diffusion(pore, "fv")
tortuosity = {"q1": porosity / np.diag(D_q1), "fv": porosity / np.diag(D_fv)}
upper = float(q1_solution.value.bounds.hs_upper[0, 0])
for name, (D, solution) in {"q1": (D_q1, q1_solution), "fv": (D_fv, fv_solution)}.items():
    print(f"{name}: D_eff / D0 =\n{np.round(D, 4)}")
    print(f"   tortuosity factor per axis {np.round(tortuosity[name], 3)}, iterations {solution.stats['iterations']}")
print(f"Hashin-Shtrikman upper bound {upper:.4f}; Bruggeman's eps^1.5 {porosity**1.5:.4f}")

# %% [markdown]
# What must hold: tensors positive and below the Hashin-Shtrikman bound (the tensor is nearly isotropic, and the bound
# is for isotropic cells), so the tortuosity factor is above one; q1 above fv. Islands carry no steady current:
# filling them changes the answer of fv by nothing but the solver's tolerance. Finally the result code of a pore space
# that does not percolate: a wall of solid across axis 1 makes that row of the tensor 0, and that is converged, not a
# failure.

# %%
for D in (D_q1, D_fv):
    assert smallest_eigenvalue(D) > 0 and np.diag(D).max() < upper
    assert np.abs(D - np.diag(np.diag(D))).max() < 0.1 * np.diag(D).max()
    assert np.diag(D).max() / np.diag(D).min() < 1.15
assert smallest_eigenvalue(D_q1 - D_fv) > 0
assert all((t > 1).all() for t in tortuosity.values())

without_islands = np.isin(pores.labels, np.flatnonzero(pores.spans.any(axis=1)) + 1)
D_open, _ = diffusion(without_islands, "fv")
print(f"without islands: largest change {np.abs(D_open - D_fv).max():.1e}")
assert np.abs(D_open - D_fv).max() < 3e-5

walled = pore.copy()
walled[0] = False
assert percolation(walled, periodic=True).percolates == (False, True, True)
D_walled, walled_solution = diffusion(walled, "fv")
assert bool(walled_solution.result.ok) and np.abs(D_walled[0]).max() < 3e-5
assert (np.diag(D_walled)[1:] <= np.diag(D_fv)[1:] + 3e-5).all()

figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
axes[0].imshow(electrode.array[:, :, 64].T, cmap="gray", origin="lower")
axes[0].set(title="pore 0, active 85, binder 170", xlabel="direction 1 / voxel", ylabel="direction 2 / voxel")
law = jh.PhaseMixture(
    pore.astype(np.int8), {0: jh.LinearConduction(np.float32(0)), 1: jh.LinearConduction(np.float32(1))}
)
flow = jh.apply(electrode_grid, law, gradient=[-1.0, 0.0, 0.0], element="fv", field_tolerance=1e-2)
speed = np.linalg.norm(np.asarray(flow.value.fields.up), axis=-1)
drawn = axes[1].imshow(np.where(pore, speed, np.nan)[:, :, 64].T, origin="lower", vmax=2)
axes[1].set(title="|flux| under a unit gradient along 1", xlabel="direction 1 / voxel")
figure.colorbar(drawn, ax=axes[1])
place = np.arange(3)
axes[2].bar(place - 0.2, tortuosity["q1"], 0.4, label="q1")
axes[2].bar(place + 0.2, tortuosity["fv"], 0.4, label="fv")
axes[2].set(xticks=place, xticklabels=["1", "2", "3"], xlabel="axis", title="tortuosity factor eps D0 / D_eff")
axes[2].legend()
# %% [markdown]
# Reading: the flux concentrates in a few wide channels and at necks, while large pores off the path stand still. Axis 3
# is the most tortuous in both schemes. The two schemes differ by a fifth: that is how much a 128^3 image leaves open
# about its necks, and far more than any solver tolerance. The mean flux of the field is the tensor's column.

# %%
assert np.allclose(np.asarray(flow.value.up), D_fv[:, 0], atol=2e-3)
assert np.argmax(tortuosity["q1"]) == np.argmax(tortuosity["fv"]) == 2
gap = np.diag(D_q1) / np.diag(D_fv) - 1
print(f"q1 above fv by {np.round(100 * gap, 1)} %")
assert (gap < 0.25).all()

# %% [markdown]
# ## Duplex steel: a polycrystal from an EBSD map
#
# 117 x 100 points, 1.5 um apart, two cubic phases (the file's header names them), each point with its own crystal
# orientation. The map is a section of columnar grains: plane strain. Stiffnesses are in GPa.

# %%
steel = read_image(DATA / "sdss_ferrite_austenite.ang")
print(steel.axes, "| box", steel.lengths, "um |", steel.phase_names)
for note in steel.notes:
    print("note:", note)
CONSTANTS = {"austenite": (204.6, 137.7, 126.2), "ferrite": (231.4, 134.7, 116.4)}  # c11, c12, c44 in GPa
crystals = {
    label: next(c for phase, c in CONSTANTS.items() if phase in name) for label, name in steel.phase_names.items()
}
print({steel.phase_names[label]: f"{(steel.array == label).mean():.3f}" for label in crystals})
assert crystals == {1: CONSTANTS["austenite"], 2: CONSTANTS["ferrite"]}


def polycrystal(labels, rotation):
    return jh.PhaseMixture(labels, {k: jh.LinearElastic.cubic(*c, rotation=rotation) for k, c in crystals.items()})


steel_grid = jh.Grid(steel.array.shape, steel.lengths)
steel_law = polycrystal(steel.array, steel.rotation)
steel_solution = jh.homogenize(steel_grid, steel_law, tolerance=1e-9, fields=True)
C_steel = np.asarray(steel_solution.value.effective)
bounds = steel_solution.value.bounds
print("plane-strain stiffness / GPa (11 22 12, engineering Voigt)")
print(np.round(np.asarray(jh.to_voigt(C_steel, kind="stiffness")), 2))
print({k: round(v, 3) for k, v in engineering_constants(C_steel).items() if not k.endswith("anisotropy")})
print("symmetry:", {k: round(v, 3) for k, v in symmetry_class(C_steel).distances.items()})

# %% [markdown]
# Checks. Reuss <= C <= Voigt as quadratic forms, strictly. The two elements differ by less than a percent (contrast
# is low and grains are many voxels wide). Turning the sample by 90 degrees, image and orientations together, turns
# the tensor: this ties the reader's axes to the rotation's convention. A homogeneous material of one phase in one
# orientation is its own effective medium. And the effective tensor lies within the range of the isotropic aggregates
# of the pure phases (Voigt and Reuss averages over all orientations), widened by the texture of this small map.

# %%
assert smallest_eigenvalue(np.asarray(bounds.voigt) - C_steel) > 0
assert smallest_eigenvalue(C_steel - np.asarray(bounds.reuss)) > 0
assert steel_solution.stats["error_bound"] < 1e-9 and steel_solution.value.hill_mandel_residual < 1e-3

C_one_point = np.asarray(jh.homogenize(steel_grid, steel_law, element="q1r", tolerance=1e-9).value.effective)
print(f"|q1 - q1r| / |q1| {np.linalg.norm(C_steel - C_one_point) / np.linalg.norm(C_steel):.4f}")
assert np.linalg.norm(C_steel - C_one_point) / np.linalg.norm(C_steel) < 0.01

turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])  # axis 1 goes to axis 2


def turned(field):
    """The map after the sample's quarter turn: new (i, j) shows old (j, n - 1 - i)."""
    return np.swapaxes(field, 0, 1)[::-1].copy()


turned_law = polycrystal(turned(steel.array), turn @ turned(steel.rotation))
turned_grid = jh.Grid(steel.array.shape[::-1], steel.lengths[::-1])
C_turned = np.asarray(jh.homogenize(turned_grid, turned_law, tolerance=1e-9).value.effective)
swap = np.array([[0, 1, 0], [1, 0, 0], [0, 0, -1]])  # a quarter turn in Mandel notation
assert np.abs(C_turned - swap @ C_steel @ swap.T).max() < 1e-6 * C_steel[0, 0]

single = jh.LinearElastic.cubic(*crystals[1], rotation=steel.rotation[0, 0])
alone = jh.homogenize(jh.Grid((4, 4)), single)
assert int(alone.stats["iterations"]) == 0
assert np.allclose(alone.value.effective, alone.value.bounds.voigt, rtol=1e-12)

# Kelvin moduli of a plane-strain cubic aggregate lie between those of its softest and stiffest shear.
shears = [g for c11, c12, c44 in crystals.values() for g in ((c11 - c12) / 2, c44)]
assert min(shears) < C_steel[2, 2] / 2 < max(shears)

# %% [markdown]
# Where does the stress go? Uniaxial tension along direction 1 (in the plane: stress 22 and 12 vanish on average).

# %%
mean_strain = np.linalg.inv(C_steel)[:, 0]
field = np.tensordot(mean_strain, np.asarray(steel_solution.value.fields.up), 1)[..., 0]
figure, axes = plt.subplots(1, 3, figsize=(14, 3.6), layout="constrained")
extent = (0, steel.lengths[0], steel.lengths[1], 0)  # EBSD maps draw y downwards
axes[0].imshow(steel.array.T, extent=extent, cmap="coolwarm", interpolation="nearest")
axes[0].set(title="austenite 1 (blue), ferrite 2 (red)", xlabel="x / um", ylabel="y / um")
drawn = axes[1].imshow(field.T, extent=extent)
axes[1].set(title="stress 11 / mean stress 11", xlabel="x / um")
figure.colorbar(drawn, ax=axes[1])
for label, name in steel.phase_names.items():
    axes[2].hist(field[steel.array == label], bins=60, density=True, histtype="step", label=name.split("/")[0])
axes[2].set(title="distribution of stress 11 / mean", xlabel="stress 11 / mean stress 11", ylabel="density")
axes[2].legend()
# %% [markdown]
# Reading: the two phases carry almost the same mean stress; what scatters is the orientation within each phase. Both
# crystals are two to three times stiffer along their cube diagonal than along their edge, so a grain that turns a
# diagonal to the load attracts stress and its neighbours are relieved.
#
# In two dimensions any conducting image obeys a relation that knows nothing of our code: exchange the conductivities
# of the phases, turn by 90 degrees, and the product with the original is k1 k2 times the identity (Keller, Dykhne).
# On a voxel grid both tensors are too large, so the product comes out above, by the discretization error.

# %%
assert abs(field.mean() - 1) < 1e-3
assert abs(field[steel.array == 1].mean() - field[steel.array == 2].mean()) < 0.1
scatter = {label: float(field[steel.array == label].std()) for label in crystals}
print("standard deviation of stress 11 / mean:", {steel.phase_names[k]: round(v, 3) for k, v in scatter.items()})
assert all(0.05 < s < 0.5 for s in scatter.values())


def conductors(k1, k2):
    law = jh.PhaseMixture(steel.array, {1: jh.LinearConduction(k1), 2: jh.LinearConduction(k2)})
    return np.asarray(jh.homogenize(steel_grid, law).value.effective)


quarter = turn[:2, :2]
product = conductors(1.0, 10.0) @ quarter @ conductors(10.0, 1.0) @ quarter.T
print("K(1, 10) and the turned K(10, 1), product / 10:")
print(np.round(product / 10, 4))
assert np.abs(product / 10 - np.eye(2)).max() < 0.1
assert np.linalg.eigvals(product / 10).real.min() > 1
