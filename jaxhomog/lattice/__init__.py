"""The lattice: receives a deformation gradient, finds the atoms' equilibrium, returns a stress; and says where not to.

`model` and its parts (`potentials`, `crystals`, `bonds`, `lattice_sums`) are the unknowns and the energy, `down`
receives the scale above, `solve` finds equilibria and their derivatives, `up` returns energy, stress and a material.
Whether the rule of Cauchy and Born may be used: `phonons`, `critical`, `supercells`, `switch`.
"""

from .bonds import Bonds as Bonds
from .bonds import neighbours as neighbours
from .critical import Softening as Softening
from .critical import critical_stretch as critical_stretch
from .crystals import Crystal as Crystal
from .crystals import bcc as bcc
from .crystals import chain as chain
from .crystals import diamond as diamond
from .crystals import fcc as fcc
from .crystals import hcp as hcp
from .crystals import square as square
from .crystals import triangular as triangular
from .down import AbstractDeformationPath as AbstractDeformationPath
from .down import Along as Along
from .down import EqualStretch as EqualStretch
from .down import UniaxialStretch as UniaxialStretch
from .down import brillouin_zone as brillouin_zone
from .lattice_sums import LennardJonesSum as LennardJonesSum
from .lattice_sums import lennard_jones_crystal as lennard_jones_crystal
from .model import AbstractInteraction as AbstractInteraction
from .model import Lattice as Lattice
from .model import Pairs as Pairs
from .model import alternating_chain as alternating_chain
from .phonons import acoustic_tensor as acoustic_tensor
from .phonons import dynamical_matrix as dynamical_matrix
from .phonons import frequencies as frequencies
from .phonons import phonon_scan as phonon_scan
from .potentials import AbstractPotential as AbstractPotential
from .potentials import Harmonic as Harmonic
from .potentials import LennardJones as LennardJones
from .potentials import Morse as Morse
from .potentials import Pair as Pair
from .potentials import Smooth as Smooth
from .solve import Ground as Ground
from .solve import Relaxed as Relaxed
from .solve import ground_state as ground_state
from .solve import relax as relax
from .supercells import Branch as Branch
from .supercells import commensurate as commensurate
from .supercells import follow_branch as follow_branch
from .supercells import maxwell_stretch as maxwell_stretch
from .supercells import opening_start as opening_start
from .supercells import relax_supercell as relax_supercell
from .supercells import supercell as supercell
from .supercells import wave_start as wave_start
from .switch import Rule as Rule
from .switch import rule as rule
from .up import CauchyBorn as CauchyBorn
from .up import LatticeAnswer as LatticeAnswer
from .up import cauchy_born as cauchy_born
from .up import elastic_constants as elastic_constants
