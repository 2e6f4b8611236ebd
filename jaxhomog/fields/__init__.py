"""Fields on a periodic box: the grid, discretizations with exact adjoints, Green operators, averages."""

from ._boundary import BOUNDARIES as BOUNDARIES
from ._boundary import Boundary as Boundary
from ._boundary import Space as Space
from ._element import AbstractElement as AbstractElement
from ._energies import mean_fluxes as mean_fluxes
from ._energies import pair_energies as pair_energies
from ._fourier import FOURIER as FOURIER
from ._fv import FV as FV
from ._green import green_operator as green_operator
from ._grid import Grid as Grid
from ._modal import Q1 as Q1
from ._modal import Q1R as Q1R
from ._modal import ModalElement as ModalElement
from ._separable import separable_inverse as separable_inverse

ELEMENTS = {element.name: element for element in (Q1, Q1R, FOURIER, FV)}
