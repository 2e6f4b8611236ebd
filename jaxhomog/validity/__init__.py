"""Judgements of solutions: may a property be passed to the scale above, and was it passed faithfully?"""

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
