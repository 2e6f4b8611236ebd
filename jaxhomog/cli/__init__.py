"""The command line: files in, results and a report out."""

from ._main import main as main
