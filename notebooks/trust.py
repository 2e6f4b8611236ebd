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
# # May it be passed? The trust report
#
# An effective property is passed to the scale above as if the image it was computed from stood for the material.
# `trust` asks of an image what must hold for that: is it a sample of a stationary medium, large beside its
# correlations, with a representative volume in it; how uncertain is the property; are the scales separated?
#
# Here it judges a quarter of the volume of two real images, and the whole volume shows whether it was right. Then two
# images that are not fit, which must fail for the right reason.
#
# The images and their sources are listed in `shared/data/README.md` beside this repository. On the command line
# `jaxhomog trust scan.tif --phase 0:conductivity=1 85:conductivity=0 170:conductivity=0 --label 0 --accuracy 0.1`
# writes the same as `result.json` and a page with figures.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import jaxhomog as jh
from jaxhomog.io import read_image
from jaxhomog.microstructure import gaussian_field, thresholded
from jaxhomog.studies import isotropic_properties
from jaxhomog.validity import NO, UNDECIDED, YES

HERE = Path(__file__).resolve().parent if "__file__" in globals() else Path.cwd()
DATA = HERE.parent / "../shared/data"


def whole(labels, law, physics):
    """Properties of the whole image."""
    solution = jh.homogenize(jh.Grid(labels.shape), jh.PhaseMixture(labels, law), tolerance=1e-3)
    found = isotropic_properties(np.asarray(solution.value.effective), physics)
    return {name: float(value) for name, value in found.items()}


def compare(report, measured):
    """Predicted interval against what the whole image shows."""
    for name, value in measured.items():
        found = report["property"].numbers[name]
        low, high = found["interval"]
        print(f"{name:13} quarter {found['value']:.4f} in [{low:.4f}, {high:.4f}]   whole {value:.4f}")
        assert low <= value <= high, name


# %% [markdown]
# ## A battery electrode: diffusion in the pores
#
# A cube of a quarter of the 128^3 voxels, label 1 = pore. Ten per cent are wanted.

# %%
electrode = (read_image(DATA / "nmc_electrode_128.tiff").array == 0).astype(np.int32)
pores = {0: jh.LinearConduction(0.0), 1: jh.LinearConduction(1.0)}
quarter = electrode[:80, :80, :80]
report = jh.trust(
    quarter, pores, accuracy=0.1, boundaries=("periodic", "affine"), tolerance=1e-3, bounds=False, macro_length=1000.0
).value
print(report)

# %% [markdown]
# The report says no: at ten per cent there is no representative volume in this quarter, and its interval is wide. The
# whole volume, four times as large, differs from the quarter by more than ten per cent, and lies inside the interval.

# %%
measured = whole(electrode, pores, "conduction")
compare(report, measured)
change = measured["conductivity"] / report["property"].numbers["conductivity"]["value"] - 1
print(f"the whole conducts {100 * change:+.1f} % more than the quarter")
assert report["rve_size"].verdict == NO and report["property"].verdict == NO and abs(change) > 0.1
assert report["scales"].verdict == YES  # five voxels against a thousand

# %%
size = report["rve_size"].found["conductivity"]
fig, ax = plt.subplots(figsize=(5, 3), layout="constrained")
edges = np.geomspace(18, 400, 50)
low, high = size.scatter.interval(edges)
ax.fill_between(edges, 100 * low / size.limit, 100 * high / size.limit, alpha=0.3, label="95 % confidence")
ax.loglog(edges, 100 * size.scatter.deviation(edges) / size.limit, label="law of the scatter")
k = size.boundaries.index("periodic")
ax.plot(size.measured, 100 * size.deviations[k] / size.limit, "o", label="windows of the quarter")
ax.set(xlabel="edge of a window in voxels", ylabel="scatter of the conductivity in %")
ax.legend(frameon=False)

# %% [markdown]
# ## Trabecular bone: stiffness
#
# Again a quarter of the volume. Bone of E = 10 GPa, empty marrow.

# %%
bone = read_image(DATA / "trabecular_bone_100.npz", array="gray", voxel_size=0.039).threshold(63).array
solid = {0: jh.LinearElastic.isotropic(0.0, 0.0), 1: jh.LinearElastic.isotropic(10.0, 0.3)}
quarter = np.asarray(bone[:62, :62, :62])
report = jh.trust(quarter, solid, accuracy=0.1, boundaries=("periodic",), tolerance=1e-3, bounds=False).value
print(report)

# %%
measured = whole(np.asarray(bone), solid, "elasticity")
compare(report, measured)
change = measured["bulk"] / report["property"].numbers["bulk"]["value"] - 1
print(f"the stiffness of the whole differs by {100 * change:+.1f} % from that of the quarter")
assert report["rve_size"].verdict == NO and report["property"].verdict == NO and abs(change) > 0.1

# %% [markdown]
# ## Not fit: a graded material
#
# The fraction of the second phase rises from a quarter to a half along the first axis. Windows of it do not have one
# mean: no average over the image is a property of a place in it.

# %%
field = gaussian_field((256, 256), 2.5, seed=3)
level = np.linspace(0.674, 0.0, 256)[:, None]
graded = (np.asarray(field) > level).astype(np.int32)
report = jh.trust(graded).value
print(report.summary)
print(report["stationarity"].evidence)
slope = float(np.asarray(report["stationarity"].numbers["slope"])[0, 0])
error = float(np.asarray(report["stationarity"].numbers["slope_error"])[0, 0])
assert report.verdict == NO and report.reasons[0] == "stationarity"
assert abs(slope - 0.25) < 3 * error

# %% [markdown]
# ## Not fit: an image smaller than its correlation length
#
# A cut-out of 40 voxels from a medium whose features are as large. It shows a part of one feature: what it says about
# its own correlations is not to be believed, and there is no representative volume in it.

# %%
large = np.asarray(thresholded(gaussian_field((320, 320), 40.0, seed=5), 0.5))
small = large[120:160, 40:80]
report = jh.trust(small).value
print(report)
fig, axes = plt.subplots(1, 2, figsize=(7, 3.2), layout="constrained")
axes[0].imshow(graded.T, origin="lower", cmap="Greys")
axes[0].set_title("graded")
axes[1].imshow(large.T, origin="lower", cmap="Greys")
axes[1].add_patch(plt.Rectangle((120, 40), 40, 40, fill=False, color="red"))
axes[1].set_title("too small")
assert report.verdict == NO and report.reasons[0] == "rve_size"
assert "no representative volume in this image" in report["rve_size"].evidence
assert report["correlation"].verdict == UNDECIDED and report["stationarity"].verdict == UNDECIDED
