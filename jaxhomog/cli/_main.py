"""`main`: parse, run, and end every failure in one line and its exit code."""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Sequence

from ..results import InputError
from ._arguments import parse, parser
from ._cache import jax_settings
from ._drive import run_drive
from ._interrupt import heeded_interrupts
from ._problem import Problem, problem_of
from ._progress import Progress, put
from ._run import NotConverged, run
from ._sweep import run_sweep
from ._trust import run_trust

_SETTING = re.compile(
    r"(?<![\w./-])(dataset|array|shape|dtype|order|header|endian|unindexed|foreign|voxel_size|lengths)=(?=([\w'\"(<>.-]?))"
)
DONE, INTERNAL, BAD_INPUT, NOT_CONVERGED, INTERRUPTED = 0, 1, 2, 3, 130


def main(argv: Sequence[str] | None = None) -> int:
    """The command line.

    Args:
        argv: words after the program's name; default: those of the process.

    Returns:
        0 done, 2 bad input, 3 not converged, 130 interrupted.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        with heeded_interrupts():
            return _main(words)
    except KeyboardInterrupt:
        put("jaxhomog: interrupted")
        if argv is None:
            # Threads of XLA may still compile or solve: an interpreter that is taken down under them can crash. Files
            # are closed and folders removed by now.
            sys.stdout.flush()
            os._exit(INTERRUPTED)
        return INTERRUPTED
    except NotConverged as error:
        put(f"jaxhomog: error: {error}")
        return NOT_CONVERGED
    except InputError as error:
        put(f"jaxhomog: error: {_for_options(str(error), words)}")
        return BAD_INPUT
    except MemoryError:
        put("jaxhomog: error: out of memory: use --crop, --coarsen or --precision float32, or a larger machine")
        return BAD_INPUT
    except BrokenPipeError:
        # Whoever read our standard output has gone: what was written is complete, so leave quietly.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return DONE
    except SystemExit as end:  # argparse after --help
        return end.code if isinstance(end.code, int) else DONE
    except Exception as error:
        if "RESOURCE_EXHAUSTED" in str(error):
            put("jaxhomog: error: out of memory: use --crop, --coarsen or --precision float32, or a larger machine")
            return BAD_INPUT
        if os.environ.get("JAXHOMOG_DEBUG"):
            traceback.print_exc()
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        put(f"jaxhomog: error: internal ({reason}): please report it (JAXHOMOG_DEBUG=1 tells more)")
        return INTERNAL


def _main(words: list[str]) -> int:
    options = parse(words)
    if options.version:
        from .. import __version__

        print(f"jaxhomog {__version__}")
        return DONE
    if options.verb is None:
        parser().print_help()
        return DONE
    problem = Problem() if options.verb == "demo" else problem_of(options)
    with jax_settings(problem.precision, not options.no_cache):
        verb = {"drive": run_drive, "sweep": run_sweep, "trust": run_trust}.get(options.verb, run)
        return verb(options, problem, Progress(), words)


def _for_options(message: str, words: list[str]) -> str:
    """Names of the library's settings as the options of the command line; `sweep` has them in its [cell] alone."""
    message = message.replace("use float64 (jax_enable_x64)", "use --precision float64")
    if "sweep" in words[:1]:
        return _SETTING.sub(lambda m: f"cell.{m[1]}=", message)
    message = message.replace("foreign=True", "--foreign")
    message = re.sub(r"\bshape=\(([\d, ]+)\)", lambda m: f"--shape {m[1].replace(', ', 'x').strip('x,')}", message)
    return _SETTING.sub(lambda m: f"--{m[1].replace('_', '-')}" + ("=" if m[2] else ""), message)
