"""Figures and reports."""

from ._curve import write_curve as write_curve
from ._report import write_report as write_report
