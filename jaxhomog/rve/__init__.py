"""The representative volume element: receives a mean gradient, finds equilibrium, returns a mean flux."""

from .bounds import lower_conductivity as lower_conductivity
from .cell import Unknowns as Unknowns
from .down import load_cases as load_cases
from .down import macro_gradient as macro_gradient
from .eigen import eigen_fluctuation as eigen_fluctuation
from .eigen import eigen_state as eigen_state
from .eigen import extended_eigenstrain as extended_eigenstrain
from .model import Settings as Settings
from .model import supports as supports
from .newton import NewtonSettings as NewtonSettings
from .path import PathOptions as PathOptions
from .path import PathRows as PathRows
from .path import Restart as Restart
from .path import march as march
from .path import segment_length as segment_length
from .path import virgin as virgin
from .solve import Evidence as Evidence
from .solve import effective_tensor as effective_tensor
from .solve import equilibrium as equilibrium
from .solve import solve_loads as solve_loads
from .stress_bounds import lower_stiffness as lower_stiffness
from .up import hill_mandel_pairs as hill_mandel_pairs
from .up import hill_mandel_residual as hill_mandel_residual
from .up import message_up as message_up
