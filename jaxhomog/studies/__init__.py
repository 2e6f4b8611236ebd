"""Many questions to one pure function: calibration."""

from ._experiment import Experiment as Experiment
from ._fit import FitState as FitState
from ._fit import fit as fit
from ._identify import Identifiability as Identifiability
from ._identify import identifiability as identifiability
