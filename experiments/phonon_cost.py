"""Cost of a phonon scan: 10^4 wave vectors x 10^2 stretches of a face-centred cubic crystal, against phonopy.

    pip install phonopy      (BSD; for this comparison only)
    python experiments/phonon_cost.py [--cores 1] [--shells 1] [--repeats 5]

Lennard-Jones atoms on a face-centred cubic lattice, equal stretches 1 .. 1.1, float64. jaxhomog: all omega^2 of all
stretches in one call. phonopy: force constants of a supercell of 4 x 4 x 4 primitive cells, made beforehand (and not
timed), frequencies of the same wave vectors for every stretch; a tenth of the stretches is timed and multiplied by
ten. Both take turns in one process; medians of CPU and wall seconds. The frequencies of both codes are compared.

Targets: under 10 s; the same frequencies (relative to the largest) to 1e-8.

Measured on one core of a machine that others used too, one shell: 0.17 to 0.21 s CPU; phonopy 4.10.0: 3.6 s CPU; wall
times are 16 to 20 times apart; both agree to 3e-15.
"""

from __future__ import annotations

import argparse

from _timing import measure, pin


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--shells", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    return parser.parse_args()


def phonopy_of(lattice, F, cells=4):
    """A phonopy object with the force constants of a deformed lattice of one atom per cell."""
    import jax.numpy as jnp
    import numpy as np
    from phonopy import Phonopy
    from phonopy.structure.atoms import PhonopyAtoms

    vectors = np.asarray(lattice.crystal.vectors)
    atom = PhonopyAtoms(symbols=["Ar"], cell=vectors @ F.T, scaled_positions=[[0, 0, 0]], masses=[1.0])
    phonon = Phonopy(atom, supercell_matrix=np.eye(3, dtype=int) * cells, primitive_matrix=np.eye(3), is_symmetry=False)
    (part,) = lattice.interactions
    stiffness = np.asarray(part.stiffness(lattice.crystal.vectors, jnp.zeros((1, 3)), jnp.asarray(F)))
    shifts = np.asarray(part.bonds.shift)
    home = np.rint(phonon.supercell.scaled_positions * cells).astype(int) % cells
    index = {tuple(n): k for k, n in enumerate(home)}
    constants = np.zeros((len(home), len(home), 3, 3))
    for k, n in enumerate(home):
        for shift, matrix in zip(shifts, stiffness, strict=True):
            for sign in (1, -1):
                constants[k, index[tuple((n + sign * shift) % cells)]] -= matrix
                constants[k, k] += matrix
    phonon.force_constants = constants
    return phonon


def main() -> None:
    options = arguments()
    pin(options.cores)
    import jax
    import numpy as np

    jax.config.update("jax_enable_x64", True)
    from jaxhomog.lattice import Lattice, LennardJones, brillouin_zone, fcc, phonon_scan
    from jaxhomog.lattice.down import zone_fractions

    lattice = Lattice.pairs(fcc(2 ** (2 / 3)), LennardJones(), shells=options.shells)
    q, fractions = brillouin_zone(lattice.crystal, 28), zone_fractions(3, 28)
    q, fractions = q[:10_000], fractions[:10_000]
    stretches = np.linspace(1, 1.1, 100)
    F = stretches[:, None, None] * np.eye(3)
    print(f"{len(q)} wave vectors x {len(F)} stretches, {options.shells} shells, {jax.devices()[0].platform}")

    ours = lambda: phonon_scan(lattice, F, q).block_until_ready()  # noqa: E731
    squares = ours()
    runs = {"jaxhomog": ours}
    try:
        import phonopy
    except ImportError:
        print("phonopy is not installed: pip install phonopy")
        phonopy = None
    if phonopy is not None:
        objects = [phonopy_of(lattice, f) for f in F[::10]]

        def theirs():
            return [phonon.run_qpoints(fractions) for phonon in objects]

        theirs()
        runs["phonopy"] = theirs
    times = measure(runs, options.repeats)
    cpu, wall = times["jaxhomog"]
    print(
        f"jaxhomog            {cpu:8.2f} s CPU {wall:8.2f} s wall   (target 10 s: {'met' if wall < 10 else 'missed'})"
    )
    if phonopy is not None:
        cpu, wall = 10 * times["phonopy"]
        print(f"phonopy {phonopy.__version__:10s}  {cpu:8.2f} s CPU {wall:8.2f} s wall   (10 stretches, times ten)")
        print(f"ratio of wall times {wall / times['jaxhomog'][1]:.1f}")
        worst = 0.0
        for phonon, mine in zip(objects, np.asarray(squares[::10]), strict=True):
            found = np.asarray(phonon.qpoints.frequencies)
            found = np.sort(np.sign(found) * found**2, axis=1)
            # phonopy's unit of frequency is not ours: one factor, from the largest.
            scale = mine.max() / found.max()
            worst = max(worst, np.abs(found * scale - mine).max() / mine.max())
        print(f"largest difference of omega^2, relative to the largest: {worst:.1e} (target 1e-8)")


if __name__ == "__main__":
    main()
