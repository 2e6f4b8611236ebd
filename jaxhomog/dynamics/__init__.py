"""Systems with two time scales: what the fast one leaves in the slow one."""

from ._averaging import Averaged as Averaged
from ._averaging import averaged_forcing as averaged_forcing
from ._averaging import first_correction as first_correction
from ._flow import TIME_NO_MANIFOLD as TIME_NO_MANIFOLD
from ._flow import TIME_NOT_INTEGRATED as TIME_NOT_INTEGRATED
from ._flow import TIME_REPELLED as TIME_REPELLED
from ._slow_manifold import SlowMotion as SlowMotion
from ._slow_manifold import slow_manifold as slow_manifold
from ._slow_manifold import slow_motion as slow_motion
