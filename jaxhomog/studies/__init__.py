"""Many questions to one pure function: sweeps and their stores, calibration, identifiability, inverse design."""

from ._criteria import Criteria as Criteria
from ._density import DensityField as DensityField
from ._density import density_filter as density_filter
from ._density import projected as projected
from ._density import ramp as ramp
from ._density import simp as simp
from ._design import Designed as Designed
from ._design import design as design
from ._experiment import Experiment as Experiment
from ._fit import FitState as FitState
from ._fit import fit as fit
from ._identify import Identifiability as Identifiability
from ._identify import identifiability as identifiability
from ._product import product as product
from ._run import DesignState as DesignState
from ._run import DesignStep as DesignStep
from ._run import History as History
from ._store import StoredSweep as StoredSweep
from ._store import load_sweep as load_sweep
from ._sweep import sweep as sweep
from ._symmetry import orbits as orbits
from ._symmetry import point_group as point_group
