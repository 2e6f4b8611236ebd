"""Figures and reports."""

from ._curve import write_curve as write_curve
from ._curves import write_curves as write_curves
from ._distribution import write_distribution as write_distribution
from ._report import write_report as write_report
from ._rve_size import rve_size_figure as rve_size_figure
from ._rve_size import write_rve_size as write_rve_size
from ._trust import write_trust as write_trust
