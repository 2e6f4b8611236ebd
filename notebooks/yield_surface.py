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
# # Plasticity passed up: the yield surface of an RVE
#
# A matrix flows, inclusions do not. What the larger scale should take for "the yield stress" of such a cell is a
# surface, and `drive` computes it: one path per direction, all directions in one batch, and with every point its
# derivative with respect to the parameters of the phases, through the whole history.
#
# The cell is a disc of an elastic material in an elastoplastic matrix, in plane strain. Think of GPa.

# %%
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import jaxhomog as jh
from jaxhomog.microstructure import overlapping_spheres

jax.config.update("jax_enable_x64", True)

n = 24
centre = (np.arange(n) + 0.5) / n - 0.5
disc = (np.hypot(*np.meshgrid(centre, centre, indexing="ij")) < 0.3).astype(int)
plain = np.zeros_like(disc)
grid = jh.Grid((n, n))
parameters = {"young": 200.0, "inclusion_young": 1000.0, "yield_stress": 0.4, "hardening": 2.0}
NU = 0.3


def cell(labels, p):
    matrix = jh.J2Plasticity(
        jh.LinearElastic.isotropic(p["young"], NU), jh.LinearHardening(p["yield_stress"], p["hardening"])
    )
    return jh.PhaseMixture(labels, {0: matrix, 1: jh.LinearElastic.isotropic(p["inclusion_young"], 0.2)})


print(f"inclusions: {100 * disc.mean():.1f} % of the cell")

# %% [markdown]
# ## What "yields" means
#
# In a cell some point flows early, and the mean stress hardly notices. The usual remedy is an offset: 0.2 % of plastic
# strain. Its counterpart that needs no elastic line to be drawn is energy: the cell has yielded once it has dissipated
# as much as 0.2 % of plastic strain would in a cell of matrix only, $\sum_k \langle A \cdot \Delta\alpha\rangle_k =
# 0.002\,\sigma_y$. `drive` returns the dissipation of every step; between two steps we interpolate.
#
# The paths are radial in mean strain, $E = t\,(\cos\theta, \sin\theta, 0)$. In a **homogeneous** cell the answer is
# known: the strain deviator keeps its direction $N$, so the radial return is exact for any step and
#
# $$\sigma = K\,\mathrm{tr}E\; I + \sqrt{2/3}\,(\sigma_y + H p)\,N, \qquad
#   |\mathrm{dev}E| = \sqrt{2/3}\,(\sigma_y + H p)/(2\mu) + \sqrt{3/2}\,p, \qquad p = 0.002 .$$

# %%
OFFSET, STEPS = 0.002, 16
angles = np.deg2rad(np.arange(12) * 15.0)  # the other half of the circle follows: tension and compression are alike


def closed_form(angle, p, offset=OFFSET):
    """Mean stress 11, 22 of the homogeneous cell at plastic strain `offset`, and the length t of the strain."""
    mu, bulk = p["young"] / (2 * (1 + NU)), p["young"] / (3 * (1 - 2 * NU))
    ray = np.stack([np.cos(angle), np.sin(angle), 0 * angle])
    deviator = ray - ray.mean(axis=0)
    size = np.linalg.norm(deviator, axis=0)
    flow = np.sqrt(2 / 3) * (p["yield_stress"] + p["hardening"] * offset)
    t = (flow / (2 * mu) + np.sqrt(1.5) * offset) / size
    return (bulk * t * ray.sum(axis=0) + flow * deviator / size)[:2], t


reach = 1.8 * closed_form(angles, parameters)[1]  # how far each path goes


def yield_point(labels, p, angle, t):
    """Mean stress when 0.2 % has been dissipated."""
    strain = jnp.linspace(0, 1, STEPS + 1)[1:, None] * t * jnp.stack([jnp.cos(angle), jnp.sin(angle), 0 * angle])
    s = jh.drive(grid, cell(labels, p), jh.LoadPath(strain), tangent=False, throw=False, tolerance=1e-8)
    spent = jnp.cumsum(s.value.dissipation)
    wanted = OFFSET * p["yield_stress"]
    k = jnp.argmax(spent >= wanted)  # first step beyond
    share = (wanted - spent[k - 1]) / (spent[k] - spent[k - 1])
    stress = s.value.stress[k - 1] + share * (s.value.stress[k] - s.value.stress[k - 1])
    return stress, (s.result.code, k, s.value.stress, spent)


def size_of(p, labels, angle, t):
    """Length of the yield point in the plane of stress 11 and 22."""
    stress, rest = yield_point(labels, p, angle, t)
    return jnp.hypot(stress[0], stress[1]), (stress, rest)


# %% [markdown]
# One program: 12 paths, 12 yield points and the derivative of each with respect to all four parameters. The image is an
# argument, so that the homogeneous cell takes the same program.

# %%
surface = jax.jit(jax.vmap(jax.value_and_grad(size_of, has_aux=True), in_axes=(None, None, 0, 0)))
found = {}
for name, labels in (("homogeneous", plain), ("composite", disc)):
    (size, (stress, (code, k, curve, spent))), slope = surface(parameters, jnp.asarray(labels), angles, reach)
    assert (code == 0).all() and (spent[:, -1] > OFFSET * parameters["yield_stress"]).all() and (k > 0).all()
    found[name] = {"stress": np.asarray(stress), "size": np.asarray(size), "slope": slope, "curve": np.asarray(curve)}

exact = closed_form(angles, parameters)[0].T
error = np.abs(found["homogeneous"]["stress"][:, :2] - exact).max() / parameters["yield_stress"]
print(f"homogeneous cell against the closed form: {error:.1e} of the yield stress")
assert error < 1e-6

# %% [markdown]
# The disc is centred and the cell is a square: exchanging the axes exchanges the components. And no shear.

# %%
stress = found["composite"]["stress"]
swapped = stress[[(6 - i) % 12 for i in range(12)]][:, [1, 0, 2]] * np.where(np.arange(12) > 6, -1, 1)[:, None]
asymmetry = np.abs(stress - swapped).max()
print(f"asymmetry {asymmetry:.1e}, shear {np.abs(stress[:, 2]).max():.1e}")
assert asymmetry < 1e-6 and np.abs(stress[:, 2]).max() < 1e-6

# %% [markdown]
# ## The strip
#
# Free flow in plane strain is shear in the plane, and costs $|\sigma_{11} - \sigma_{22}| = 2\sigma_y/\sqrt 3$ whatever
# the mean stress in the plane: a strip. Radial strain paths of a homogeneous cell touch it in pure shear only, for
# the others force a change of volume, or flow out of the plane, on a matrix that flows at constant volume. The strip
# itself is reached when one stress is held and the other strain driven: mixed control. Without hardening, at two
# values of the stress that is held:


# %%
def pulled(labels, p, held):
    strain = jnp.concatenate([jnp.zeros(1), jnp.linspace(0, 0.03, 16)[1:]])[:, None] * jnp.asarray([1.0, 0, 0])
    stress = jnp.ones((16, 1)) * held * jnp.asarray([0.0, 1, 0])
    path = jh.LoadPath(strain, stress, np.asarray([False, True, True]))
    return jh.drive(grid, cell(labels, p), path, throw=False)


limit = jax.jit(jax.vmap(pulled, in_axes=(0, None, 0)))
ideal = parameters | {"hardening": 0.0}
pull = limit(jnp.asarray([plain, plain, disc, disc]), ideal, jnp.asarray([0.0, 0.4, 0.0, 0.4]))
assert (pull.result.code == 0).all()
width = np.asarray(pull.value.stress[:, -1, 0] - pull.value.stress[:, -1, 1])
strip = 2 * parameters["yield_stress"] / np.sqrt(3)
print("stress 11 - 22 at the end, relative to the strip of the matrix")
for name, w in zip(("homogeneous", "  with 22 held at 0.4", "composite", "  with 22 held at 0.4"), width, strict=True):
    print(f"  {name:22s} {w / strip:.5f}")
assert np.abs(width[:2] / strip - 1).max() < 1e-4

# %% [markdown]
# The composite is no stronger than its matrix, and that is a theorem, not an accident. A uniform stress on the strip
# is admissible, so the limit is not lower; a straight band of matrix at 45 degrees runs between the discs (their
# radius, 0.3, is below $\sqrt 2/4$), and sliding on it costs just as much, so the limit is not higher.
# The points of the radial paths tell more: with the volume forced to change, the discs do count. (Hardening moves them
# past the strip: in the homogeneous cell by the factor $(\sigma_y + Hp)/\sigma_y$ in pure shear.)

# %%
assert np.abs(width[2:] / strip - 1).max() < 1e-3
radial = found["composite"]["stress"]
gain = found["composite"]["size"] / found["homogeneous"]["size"]
print("composite / homogeneous, length of the yield point:", np.round(gain, 3))
inside = [np.abs(found[name]["stress"][:, 0] - found[name]["stress"][:, 1]).max() / strip for name in found]
print("largest |stress 11 - 22| of the radial yield points / strip:", np.round(inside, 4))
assert abs(inside[0] - (1 + parameters["hardening"] * OFFSET / parameters["yield_stress"])) < 1e-6

# %% [markdown]
# ## Tangents
#
# What a larger scale needs besides the stress is the consistent tangent of every step, `value.tangent`: the derivative
# of the mean stress with respect to the mean strain of that step, at the state before it. It is exact for the discrete
# step, so a Newton iteration above converges quadratically. In the homogeneous cell in pure shear, $N \parallel
# (1, -1, 0)$, the modulus along $N$ falls from $2\mu$ to $2\mu H/(3\mu + H)$; in the composite it is compared with the
# difference of two paths that part in the last step.


# %%
unit = np.asarray([1.0, -1.0, 0.0]) / np.sqrt(2)


def sheared(labels, p, more):
    strain = jnp.linspace(0, 0.006, 5)[1:].at[-1].add(more)[:, None] * unit
    return jh.drive(grid, cell(labels, p), jh.LoadPath(strain), throw=False, tolerance=1e-10)


step = 1e-7
shear = jax.jit(jax.vmap(sheared, in_axes=(0, None, 0)))(
    jnp.asarray([plain, disc, disc, disc]), parameters, jnp.asarray([0.0, 0.0, step, -step])
)
assert (shear.result.code == 0).all()
along = np.einsum("i,ktij,j->kt", unit, np.asarray(shear.value.tangent), unit)
mu, H = parameters["young"] / (2 * (1 + NU)), parameters["hardening"]
difference = float(unit @ (shear.value.stress[2, -1] - shear.value.stress[3, -1])) / (2 * step)
print(f"homogeneous: {along[0, 0]:.3f} elastic, {along[0, -1]:.6f} flowing; exact {2 * mu * H / (3 * mu + H):.6f}")
print(
    f"composite:   {along[1, 0]:.3f} at the first step, {along[1, -1]:.6f} at the last; a difference {difference:.6f}"
)
assert abs(along[0, -1] / (2 * mu * H / (3 * mu + H)) - 1) < 1e-6
assert abs(along[1, -1] / difference - 1) < 1e-4

# %% [markdown]
# ## Which parameter moves the surface
#
# `jax.value_and_grad` went through all steps of the 12 paths. In the homogeneous cell its answer is the derivative of
# the closed form. In the composite there is an exact relation to hold it against: nothing in the cell has a stress
# scale of its own, so if all moduli and yield stresses double, so does the yield point. By Euler's theorem the
# logarithmic derivatives with respect to the four parameters sum to one in every direction.

# %%
change = 1e-6
for key in ("young", "yield_stress", "hardening"):
    up, down = (
        np.linalg.norm(closed_form(angles, parameters | {key: parameters[key] * (1 + sign * change)})[0], axis=0)
        for sign in (1, -1)
    )
    exact_slope = (up - down) / (2 * change * parameters[key])
    slope_error = np.abs(found["homogeneous"]["slope"][key] - exact_slope).max() / np.abs(exact_slope).max()
    print(f"homogeneous, d size / d {key}: {slope_error:.1e} off the closed form")
    assert slope_error < 1e-6

share = {
    key: np.asarray(found["composite"]["slope"][key]) * value / found["composite"]["size"]
    for key, value in parameters.items()
}
for key, value in share.items():
    print(f"{key:16s}", np.round(value, 3))
euler = np.abs(sum(share.values()) - 1).max()
print(f"their sum is 1 to {euler:.1e}")

# %% [markdown]
# Where the path is mostly shear (135 degrees) the yield stress of the matrix decides; where it is mostly a change of
# volume (45 degrees), moduli count more: there "yield" is a length of path, not a level of stress.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 5))
dense = np.linspace(0, 2 * np.pi, 361)
left.plot(*closed_form(dense, parameters)[0], color="0.6", label="homogeneous, closed form")
limits = np.asarray([-2.2, 2.2])
for sign in (1, -1):
    left.plot(limits, limits + sign * strip, "k:", lw=1, label="strip, no hardening" if sign > 0 else None)
for name, marker in (("homogeneous", "o"), ("composite", "s")):
    points = found[name]["stress"][:, :2]
    left.plot(*np.concatenate([points, -points]).T, marker, ms=4, label=name)
for path in found["composite"]["curve"]:
    left.plot(*np.concatenate([np.zeros((1, 2)), path[:, :2]]).T, color="C1", lw=0.5, alpha=0.5)
left.set(xlabel="stress 11", ylabel="stress 22", aspect="equal", xlim=limits, ylim=limits, title="0.2 % dissipated")
left.legend(fontsize=8)
for key, value in share.items():
    right.plot(np.rad2deg(angles), value, "o-", ms=3, label=key.replace("_", " "))
right.set(xlabel="direction of the strain path / degrees", ylabel="logarithmic derivative of the yield point")
right.legend(fontsize=8)
figure.tight_layout()

assert euler < 1e-6

# %% [markdown]
# ## An element that locks
#
# Flow at constant volume is a constraint at every point where the stress is computed. A bilinear element with four
# Gauss points (`q1`) has more of them than it has motions: once the matrix flows everywhere the element has to change
# its volume, at the price of the elastic bulk modulus, and the cell comes out too stiff. One point (`q1r`),
# a mean dilatation (`q1bar`) or assumed strains (`q1e`, the default for such laws) cure that. `drive` warns
# who asks for `q1`.
#
# The cell is a published one: Liu, Bessa & Liu (2016), *Comput. Methods Appl. Mech. Eng.* **306**, 319-341, elastic
# discs in a hardening matrix, pulled along 1 with the other mean stresses at zero. Image and digitized curve are
# listed in `shared/data/README.md` beside this repository; without them, random discs show the same.

# %%
HERE = Path(__file__).resolve().parent if "__file__" in globals() else Path.cwd()
crate = HERE.parent / "../shared/data/crate"
published = None
if crate.is_dir():
    image = np.load(crate / "disks_100.npy").astype(int)
    published = np.loadtxt(crate / "uniaxial_tension.csv", delimiter=",", skiprows=1)
else:
    image = overlapping_spheres((100, 100), 8.0, fraction=0.4, seed=0)
table = jh.TabulatedHardening([0.0, 0.04, 1.0], [0.5, 0.7, 0.7 + 2 * 0.96])
two = jh.PhaseMixture(
    image,
    {
        0: jh.J2Plasticity(jh.LinearElastic.isotropic(100.0, 0.3), table),
        1: jh.LinearElastic.isotropic(500.0, 0.19),
    },
)
tension = np.zeros((10, 3))
tension[:, 0] = np.linspace(0, 0.05, 11)[1:]
pulling = jh.LoadPath(tension, np.zeros_like(tension), [False, True, True])
stress_strain = {}
for element in ("q1", "q1bar", "q1r"):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        answer = jh.drive(jh.Grid(image.shape), two, pulling, element=element, tangent=False)
    stress_strain[element] = np.asarray(answer.value.stress[:, 0])
    print(f"{element:6s} stress 11 at strain 0.05: {stress_strain[element][-1]:.4f}", *(w.message for w in said))
    # The advice comes with the element that locks, and with no other.
    assert any("locks" in str(w.message) for w in said) == (element == "q1")

figure, axes = plt.subplots(figsize=(7, 4.5))
for element, curve in stress_strain.items():
    axes.plot(np.append(0, tension[:, 0]), np.append(0, curve), "o-", ms=3, label=element)
if published is not None:
    axes.plot(*published.T, "k--", lw=1, label="published")
axes.set(xlabel="mean strain 11", ylabel="mean stress 11", title=f"{image.shape[0]} x {image.shape[1]} voxels")
axes.legend()
figure.tight_layout()

# %% [markdown]
# Two numbers say "locks": the excess at the end, and the slope there. The composite cannot harden much faster than its
# matrix does, yet `q1` climbs on.

# %%
end = {element: curve[-1] for element, curve in stress_strain.items()}
climb = {element: (curve[-1] - curve[-3]) / 0.01 for element, curve in stress_strain.items()}
for element in stress_strain:
    print(f"{element:6s} {end[element] / end['q1r']:.3f} of q1r, slope at the end {climb[element]:.2f}")
if published is not None:
    goal = float(np.interp(0.05, *published.T))
    for element in stress_strain:
        print(f"{element:6s} {100 * (end[element] / goal - 1):+.1f} % off the published stress {goal:.4f}")
    assert 0.25 < end["q1"] / goal - 1 < 0.31 and abs(end["q1r"] / goal - 1) < 0.025
assert end["q1"] > 1.1 * end["q1bar"] and end["q1bar"] > end["q1r"]
