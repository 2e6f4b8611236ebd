"""Judgements of solutions: may a property be passed to the scale above, and was it passed faithfully?"""

from ._grid_convergence import FEW_GRIDS as FEW_GRIDS
from ._grid_convergence import NOT_MONOTONE as NOT_MONOTONE
from ._grid_convergence import ONE_POSITION as ONE_POSITION
from ._grid_convergence import UNCONVERGED as UNCONVERGED
from ._grid_convergence import UNUSUAL_ORDER as UNUSUAL_ORDER
from ._grid_convergence import Extrapolated as Extrapolated
from ._grid_convergence import convergence_text as convergence_text
from ._grid_convergence import extrapolate as extrapolate
from ._hill_mandel import EnergyReport as EnergyReport
from ._hill_mandel import hill_mandel as hill_mandel
from ._hill_mandel import hill_mandel_rates as hill_mandel_rates
from ._reasons import AVERAGES as AVERAGES
from ._reasons import COMPATIBILITY as COMPATIBILITY
from ._reasons import ENERGY as ENERGY
from ._reasons import EQUILIBRIUM as EQUILIBRIUM
from ._reasons import NOT_FINITE as NOT_FINITE
from ._reasons import reason_code as reason_code
from ._reasons import reason_text as reason_text
