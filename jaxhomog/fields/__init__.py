"""Fields on a periodic box: the grid, discretizations with exact adjoints, Green operators, averages."""

from ._averages import boundary_outflow as boundary_outflow
from ._averages import faces_of as faces_of
from ._averages import flux_from_boundary as flux_from_boundary
from ._averages import flux_from_nodal_forces as flux_from_nodal_forces
from ._averages import gradient_from_boundary as gradient_from_boundary
from ._averages import nodal_field as nodal_field
from ._averages import strain_from_boundary as strain_from_boundary
from ._averages import stress_from_boundary as stress_from_boundary
from ._averages import volume_average as volume_average
from ._bending import IsotropicBending as IsotropicBending
from ._boundary import BOUNDARIES as BOUNDARIES
from ._boundary import Boundary as Boundary
from ._boundary import Space as Space
from ._element import AbstractElement as AbstractElement
from ._energies import mean_flux as mean_flux
from ._energies import mean_fluxes as mean_fluxes
from ._energies import pair_energies as pair_energies
from ._face_means import Held as Held
from ._fourier import FOURIER as FOURIER
from ._fv import FV as FV
from ._gauss import PointwiseResponse as PointwiseResponse
from ._green import green_operator as green_operator
from ._grid import Grid as Grid
from ._helmholtz import gradient_part as gradient_part
from ._interfaces import Balance as Balance
from ._interfaces import averaged_balance as averaged_balance
from ._interfaces import interface_area as interface_area
from ._interfaces import interface_term as interface_term
from ._interfaces import surface_density as surface_density
from ._interpolate import interpolated as interpolated
from ._mean_volume import MeanVolumeResponse as MeanVolumeResponse
from ._mean_volume import mean_volume as mean_volume
from ._mean_volume import mean_volume_stress as mean_volume_stress
from ._modal import Q1 as Q1
from ._modal import Q1BAR as Q1BAR
from ._modal import Q1E as Q1E
from ._modal import Q1EFLOW as Q1EFLOW
from ._modal import Q1FBAR as Q1FBAR
from ._modal import Q1R as Q1R
from ._modal import ModalElement as ModalElement
from ._separable import separable_inverse as separable_inverse

ELEMENTS = {element.name: element for element in (Q1, Q1R, Q1BAR, Q1E, FOURIER, FV)}
