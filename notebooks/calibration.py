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
# # Calibration: from macroscopic tests to the phases, and what the tests can see
#
# A test of a specimen says something about the phases inside it. `fit` asks backwards: which parameters of the phases
# and of the microstructure explain the tests? Its answer comes with what every such answer needs: an interval for each
# parameter, and the combinations of parameters that the tests see or do not see.

# %%
import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import jaxhomog as jh
from jaxhomog.microstructure import shapes, sphere_cell

jax.config.update("jax_enable_x64", True)

# %% [markdown]
# ## 1. What a test cannot see
#
# A layered material has two conductivities, 1 and 4, the second with volume fraction 0.3. Along the layers one measures
# their mean, 0.7 k1 + 0.3 k2, with a standard deviation of 0.01. Before anything is measured, the Fisher information
# tells what such a test is good for. One of its eigenvalues is zero: no amount of data along the layers separates the
# two phases.

# %%
truth = {"k1": 1.0, "k2": 4.0}
along = jh.Experiment(lambda p: 0.7 * p["k1"] + 0.3 * p["k2"], 1.9, noise=0.01, name="along")
across = jh.Experiment(lambda p: 1 / (0.7 / p["k1"] + 0.3 / p["k2"]), 1.29, noise=0.01, name="across")
one = jh.identifiability(along, truth)
both = jh.identifiability([along, across], truth)
print("along the layers:", np.round(np.asarray(one.eigenvalues), 3), one, sep="\n")
print("\nand across:", np.round(np.asarray(both.eigenvalues), 3), both, sep="\n")
assert not one.identified and both.identified
np.testing.assert_allclose(both.eigenvalues, [18821.70, 570.841], rtol=1e-5)

# %% [markdown]
# ## 2. Two moduli and a radius
#
# Fibres in a matrix, seen from their end: a square with a disc in it. Unknown are both Young's moduli and the radius;
# measured is the effective stiffness in plane strain, each entry with a noise of 0.5 %. Voxels that the disc cuts carry
# the laminate of both phases, which makes the answer differentiable in the radius.

# %%
cell = jh.Grid((8, 8), (1.0, 1.0))
named = {"matrix": 1.0, "fibre": 10.0, "radius": 0.3}


def stiffness(p):
    inside = jh.volume_fraction(cell, shapes.Sphere((0.5, 0.5), p["radius"]))
    law = jh.CompositeVoxels(
        inside, jh.LinearElastic.isotropic(p["fibre"], 0.2), jh.LinearElastic.isotropic(p["matrix"], 0.3)
    )
    # A derivative is accurate to the square root of the tolerance.
    tensor = jh.homogenize(cell, law, tolerance=1e-10, throw=False).value.effective
    return tensor[np.triu_indices(3)]


exact = np.asarray(jax.jit(stiffness)(named))
noise = 0.005 * exact.max()
measured = exact + noise * np.random.default_rng(0).standard_normal(exact.shape)
solution = jh.fit(
    jh.Experiment(stiffness, measured, noise),
    start={"matrix": 2.0, "fibre": 5.0, "radius": 0.25},
    bounds={"matrix": "positive", "fibre": "positive", "radius": (0.1, 0.49)},
)
print(solution.value)
print(f"{int(solution.stats['steps'])} evaluations of the model")
assert solution.result.ok

# %% [markdown]
# The modulus of the matrix comes out well. What a stiff fibre lacks in radius it can have in stiffness: along that line
# the tensor hardly changes, and the intervals of both say so. A second test helps that depends on the radius alone: the
# same cell as a conductor, whose phases are known to conduct 1 and 0.01.

# %%


def conductivity(p):
    inside = jh.volume_fraction(cell, shapes.Sphere((0.5, 0.5), p["radius"]))
    law = jh.CompositeVoxels(inside, jh.LinearConduction(0.01), jh.LinearConduction(1.0))
    return jh.homogenize(cell, law, throw=False).value.effective[0, 0]


second = float(jax.jit(conductivity)(named)) + 0.002 * 0.5
together = jh.fit(
    [jh.Experiment(stiffness, measured, noise), jh.Experiment(conductivity, second, 0.002, name="conductivity")],
    start=solution.value.parameters,
    bounds={"matrix": "positive", "fibre": "positive", "radius": (0.1, 0.49)},
)
width = lambda v, k: float(v.upper[k] - v.lower[k])  # noqa: E731
for key in named:
    before, after = width(solution.value, key), width(together.value, key)
    print(f"width of the interval of {key:7s} {before:8.4f}, with the second test {after:8.4f}")
    assert together.value.lower[key] < named[key] < together.value.upper[key]
assert width(together.value, "radius") < 0.5 * width(solution.value, "radius")

# %% [markdown]
# ## 3. Yield stress and hardening from two curves
#
# The parameters of a law with memory are found the same way: the model is a path, and the derivative of its last step
# remembers the first. The matrix of a small composite yields; tension and shear are measured with 0.5 % noise. One
# model serves both: `inputs` holds the two loads.

# %%
labels = jnp.asarray(sphere_cell(8, 0.3, dim=2))
steps = np.linspace(0, 0.03, 9)[1:, None]
loads = jnp.asarray(np.stack([steps * [1.0, -1.0, 0.0], steps * [0.0, 0.0, 1.0]]))


class Curve(eqx.Module):
    """Mean stresses 11 and 12 along a path of strains."""

    labels: jax.Array

    def __call__(self, p, strain):
        matrix = jh.J2Plasticity(
            jh.LinearElastic.isotropic(100.0, 0.3), jh.LinearHardening(p["yield_stress"], p["modulus"])
        )
        law = jh.PhaseMixture(self.labels, {0: matrix, 1: jh.LinearElastic.isotropic(500.0, 0.19)})
        s = jh.drive(jh.Grid(self.labels.shape), law, jh.LoadPath(strain), tangent=False, throw=False)
        return s.value.stress[:, 0] - s.value.stress[:, 1] + s.value.stress[:, 2]


model, plastic = Curve(labels), {"yield_stress": 0.5, "modulus": 5.0}
curves = np.asarray(jax.jit(jax.vmap(lambda x: model(plastic, x)))(loads))
scatter = 0.005 * curves.max()
data = curves + scatter * np.random.default_rng(1).standard_normal(curves.shape)
found = jh.fit(
    jh.Experiment(model, data, scatter, inputs=loads),
    start={"yield_stress": 0.8, "modulus": 2.0},
    bounds={"yield_stress": "positive", "modulus": "positive"},
)
print(found.value)
for key in plastic:
    assert found.value.lower[key] < plastic[key] < found.value.upper[key]

figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
for k, (name, column) in enumerate((("tension", 0), ("shear", 2))):
    axes[0].plot(loads[k, :, column], data[k], "o", label=f"{name}, measured")
    axes[0].plot(loads[k, :, column], found.value.predictions[0][k], "-", color=f"C{k}", label=f"{name}, fitted")
axes[0].set(xlabel="strain", ylabel="stress difference, or shear stress")
axes[0].legend(fontsize="small")
draws = found.value.sample(jax.random.key(0), 400)
axes[1].plot(draws["yield_stress"], draws["modulus"], ".", ms=3, label="draws of the posterior")
axes[1].plot(plastic["yield_stress"], plastic["modulus"], "k*", ms=12, label="truth")
axes[1].set(xlabel="yield stress", ylabel="hardening modulus")
axes[1].legend(fontsize="small")

# %% [markdown]
# The cloud is tilted: a higher yield stress with less hardening explains the curves almost as well. `words` names the
# combination that is seen best.

# %%
print(found.value.identifiability.words)
correlation = np.corrcoef(np.asarray(draws["yield_stress"]), np.asarray(draws["modulus"]))[0, 1]
print(f"correlation of the two {correlation:.2f}")
assert correlation < -0.5
