"""The verbs that a user meets."""

from ._apply import Applied as Applied
from ._apply import apply as apply
from ._certify import certify as certify
from ._describe import describe as describe
from ._expansion import Expansion as Expansion
from ._expansion import effective_expansion as effective_expansion
from ._grid_convergence import GridConvergence as GridConvergence
from ._grid_convergence import grid_convergence as grid_convergence
from ._homogenize import Fields as Fields
from ._homogenize import Homogenized as Homogenized
from ._homogenize import homogenize as homogenize
