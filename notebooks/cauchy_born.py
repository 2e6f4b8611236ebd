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
# # The Cauchy-Born rule and its breakdown
#
# A crystal can be the material of a continuum: the deformation gradient goes down, all atoms follow it, and the slope
# of their energy comes back up as stress. That is the rule of Cauchy and Born. It is exact for a perfect crystal at
# rest until the atoms find something better to do. Where is that, and what do they do?

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

from jaxhomog.lattice import (
    Lattice,
    LennardJones,
    brillouin_zone,
    cauchy_born,
    chain,
    critical_stretch,
    follow_branch,
    ground_state,
    maxwell_stretch,
    opening_start,
    phonon_scan,
    rule,
    wave_start,
)

jax.config.update("jax_enable_x64", True)

# %% [markdown]
# A chain of Lennard-Jones atoms whose nearest neighbours interact, at rest at the distance 2^(1/6). Its force has a
# maximum where the second derivative of the potential vanishes, at the stretch (13/7)^(1/6).

# %%
r0, critical = 2 ** (1 / 6), (13 / 7) ** (1 / 6)
nearest = Lattice.pairs(chain(r0), LennardJones(), shells=1)
stretches = jnp.linspace(1.0, 1.25, 126)
answer = jax.jit(jax.vmap(lambda t: cauchy_born(nearest, t.reshape(1, 1))))(stretches)
force = np.asarray(answer.stress[:, 0, 0])
print(f"largest force {force.max():.4f} near the stretch {stretches[force.argmax()]:.3f}")
assert abs(force.max() - 2.396429261244233) < 1e-3

# %% [markdown]
# A wave of the wave vector q has omega^2 = 4 V'' sin^2(q a / 2) / m. With nearest neighbours alone, all of them become
# soft at the same stretch: **the whole band at once**, the zone boundary q = pi / a among it. The report says so, and
# does not pretend that the wave which it names is special.

# %%
q = brillouin_zone(nearest.crystal, 60)
scan = np.linspace(1.0, 1.2, 9)
soft = critical_stretch(nearest, scan, q).value
print(soft.reason)
assert abs(soft.stretch - critical) < 1e-10 and soft.degenerate and soft.share == 1

# %% [markdown]
# With second neighbours (and the spacing that has the least energy with them) the degeneracy is lifted: **long waves,
# q -> 0, soften first**, still at (13/7)^(1/6); the zone boundary follows later. A ring of finitely many atoms has no
# wave longer than itself and softens a little later than the infinite chain.

# %%
second = ground_state(Lattice.pairs(chain(1.12), LennardJones(), shells=2)).value.lattice
q_second = brillouin_zone(second.crystal, 100)
long = critical_stretch(second, scan, q_second).value
print(long.reason)
ring = float(long.stretch_of_wave.min() - long.stretch)
boundary = float(long.stretch_of_wave[-1])
print(f"ring of 100 atoms: later by {ring:.2e}; zone boundary: at {boundary:.7f}")
assert abs(long.stretch - critical) < 1e-10 and not long.degenerate and long.long_wave
assert abs(ring - 2.8e-6) < 1e-7 and abs(boundary - 1.1115067723126926) < 1e-8

# %%
figure, axes = plt.subplots(1, 3, figsize=(13, 3.6), layout="constrained")
axes[0].plot(stretches, force)
axes[0].axvline(critical, color="0.6", ls="--")
axes[0].set(xlabel="stretch", ylabel="force", title="Cauchy-Born force")
for t in (1.0, 1.05, critical, 1.12):
    for lattice, waves, style in ((nearest, q, "-"), (second, q_second, ":")):
        squares = phonon_scan(lattice, jnp.asarray([[[t]]]), waves)[0, :, 0]
        label = f"stretch {t:.3f}" if style == "-" else None
        axes[1].plot(waves[:, 0], squares, style, label=label)
axes[1].axhline(0, color="0.6", lw=0.8)
axes[1].set(xlabel="q", ylabel="omega^2", title="one (-) and two (:) neighbours")
axes[1].legend(fontsize=8)
axes[2].plot(q[:, 0] * r0 / np.pi, soft.stretch_of_wave, label="nearest neighbours")
axes[2].plot(np.asarray(q_second[:, 0] * second.crystal.vectors[0, 0]) / np.pi, long.stretch_of_wave, label="two")
axes[2].set(xlabel="q a / pi", ylabel="stretch", title="where each wave softens")
axes[2].legend(fontsize=8)

# %% [markdown]
# Beyond the critical stretch the atoms leave the affine state. A cell of two atoms gets a long and a short bond and
# gains energy, continuously: a pitchfork. Longer cells gain more, and their best state is always the same: **one broken
# bond**. It wins long before anything is soft; from there on the affine state is only metastable.

# %%
path = jnp.linspace(1.06, 1.16, 51)
start = wave_start(nearest, 2, jnp.asarray([[1.12]]), jnp.asarray([np.pi / r0]))
branches = {2: follow_branch(nearest, 2, path, start)}
maxwell = {}
for cells in (4, 8):
    opened = opening_start(nearest, cells, jnp.asarray([[1.16]]))
    back = follow_branch(nearest, cells, path[::-1], opened)
    branches[cells] = jax.tree.map(lambda x: x[::-1], back)
    maxwell[cells] = float(maxwell_stretch(nearest, cells, (1.0, 1.108)).value)
    print(f"{cells} bonds: a broken one is better from the stretch {maxwell[cells]:.10f} on")
assert abs(maxwell[4] - 1.0917339821083216) < 1e-9 and abs(maxwell[8] - 1.067006110346159) < 1e-9
doubled = float(jnp.interp(1.12, path, branches[2].energy)) * r0
print(f"period doubled at 1.12: {doubled:.10f} per bond")
assert abs(doubled + 0.7583056743446185) < 1e-8

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
for cells, branch in branches.items():
    axes[0].plot(path, branch.gain * r0, label=f"{cells} atoms")
axes[0].axhline(0, color="0.6", lw=0.8)
axes[0].axvline(critical, color="0.6", ls="--")
axes[0].set(xlabel="stretch", ylabel="energy per bond below the affine state", title="beyond the rule")
axes[0].legend()
places = jnp.arange(2) * r0 + jnp.concatenate([jnp.zeros((51, 1)), branches[2].shifts[:, :, 0]], axis=1)
bond = path * (places[:, 1] - places[:, 0])
axes[1].plot(path, bond, "C0", path, 2 * path * r0 - bond, "C0", path, path * r0, "k:")
axes[1].set(xlabel="stretch", ylabel="bond lengths", title="period doubling")

# %% [markdown]
# A continuum needs a switch that looks at a deformation and says whether the rule may be used there: valid, metastable
# (a state with less energy was found, in a cell whose size is ours to choose), or invalid.

# %%
judge = jax.jit(jax.vmap(lambda t: rule(nearest, t.reshape(1, 1), q, 4)))
points = jnp.asarray([1.05, maxwell[4] - 1e-6, maxwell[4] + 1e-6, critical - 1e-6, critical + 1e-6])
judged = judge(points)
for t, code in zip(points, judged.code, strict=True):
    print(f"stretch {t:.7f}: {['valid', 'metastable', 'invalid'][int(code)]}")
print(judged.advice)
assert judged.code.tolist() == [0, 0, 1, 1, 2]
