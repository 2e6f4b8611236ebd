"""Differentiable computational homogenization with evidence, in JAX.

>>> import jaxhomog as jh
>>> grid = jh.Grid(shape=labels.shape)
>>> law = jh.PhaseMixture(labels, {0: jh.LinearElastic.isotropic(1.0, 0.3), 1: jh.LinearElastic.isotropic(10.0, 0.2)})
>>> jh.homogenize(grid, law).value.effective
"""

from .api import LoadPath as LoadPath
from .api import apply as apply
from .api import certify as certify
from .api import correctors as correctors
from .api import describe as describe
from .api import drive as drive
from .api import duality as duality
from .api import effective_compliance as effective_compliance
from .api import effective_expansion as effective_expansion
from .api import grid_convergence as grid_convergence
from .api import homogenize as homogenize
from .api import shape_bounds as shape_bounds
from .api import window_bounds as window_bounds
from .fields import Grid as Grid
from .io import load_solution as load_solution
from .io import read_image as read_image
from .io import save_solution as save_solution
from .materials import ArmstrongFrederick as ArmstrongFrederick
from .materials import CompositeVoxels as CompositeVoxels
from .materials import CrystalPlasticity as CrystalPlasticity
from .materials import ExponentialSoftening as ExponentialSoftening
from .materials import FiniteJ2Plasticity as FiniteJ2Plasticity
from .materials import GeneralizedMaxwell as GeneralizedMaxwell
from .materials import Hyperelastic as Hyperelastic
from .materials import IsotropicDamage as IsotropicDamage
from .materials import J2Plasticity as J2Plasticity
from .materials import KelvinVoigt as KelvinVoigt
from .materials import LinearConduction as LinearConduction
from .materials import LinearElastic as LinearElastic
from .materials import LinearHardening as LinearHardening
from .materials import LinearSoftening as LinearSoftening
from .materials import NeoHookean as NeoHookean
from .materials import Norton as Norton
from .materials import PhaseMixture as PhaseMixture
from .materials import PowerLawConduction as PowerLawConduction
from .materials import SaintVenantKirchhoff as SaintVenantKirchhoff
from .materials import SlipHardening as SlipHardening
from .materials import StandardMaterial as StandardMaterial
from .materials import TabulatedHardening as TabulatedHardening
from .materials import ThermoElastic as ThermoElastic
from .materials import ViscoPlasticity as ViscoPlasticity
from .materials import VoceHardening as VoceHardening
from .materials import prager as prager
from .microstructure import shapes as shapes
from .microstructure import volume_fraction as volume_fraction
from .results import InputError as InputError
from .results import Result as Result
from .results import Solution as Solution
from .results import SolverError as SolverError
from .studies import Criteria as Criteria
from .studies import DensityField as DensityField
from .studies import Experiment as Experiment
from .studies import apparent_properties as apparent_properties
from .studies import density_filter as density_filter
from .studies import design as design
from .studies import fit as fit
from .studies import identifiability as identifiability
from .studies import load_sweep as load_sweep
from .studies import product as product
from .studies import projected as projected
from .studies import ramp as ramp
from .studies import rve_size as rve_size
from .studies import simp as simp
from .studies import sweep as sweep
from .studies import trust as trust
from .tensors import Rotation as Rotation
from .tensors import from_voigt as from_voigt
from .tensors import to_voigt as to_voigt

__version__ = "0.1.0"
