"""Options of the command line, with help that teaches."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from ..io import one_line
from ..results import InputError
from ._phases import parse_phase
from ._values import crop_ranges, integers, numbers

_TOP = """\
Effective properties of voxel images, with evidence.

  jaxhomog demo
      a generated example from end to end; look at jaxhomog-demo/report.html
  jaxhomog homogenize image.npy --phase 0:young=1,poisson=0.3 --phase 1:young=10,poisson=0.2
      effective stiffness of a labelled image
  jaxhomog drive problem.toml
      stress, energy and dissipation of a cell that yields, along a load path
  jaxhomog sweep sweep.toml
      effective properties, or load paths, of many images, with many moduli
  jaxhomog trust image.npy --phase 0:young=1,poisson=0.3 --phase 1:young=10,poisson=0.2
      may the property be passed up: RVE size, intervals, separation of scales
  jaxhomog homogenize --help
      all options, with examples"""

_HOMOGENIZE = """\
Effective stiffness or conductivity of a periodic cell.

The image's array axis k is direction k + 1. Stiffness is written in engineering Voigt notation, order
11 22 33 23 13 12 (2-D: 11 22 12, plane strain). Units are yours; nothing is converted.

Examples
  two phases, labelled 0 and 1
      jaxhomog homogenize image.npy --phase 0:young=1,poisson=0.3 --phase 1:young=10,poisson=0.2
  a grey-level scan: voxels above 63 become label 1; label 0 is void
      jaxhomog homogenize bone.npz --array gray --threshold 63 --voxel-size 0.039 \\
          --phase 0:young=0,poisson=0 --phase 1:young=10,poisson=0.3
  diffusion in the pores of a scan
      jaxhomog homogenize scan.tif --phase 0:conductivity=1 --phase 85:conductivity=0 --phase 170:conductivity=0
  an EBSD map of cubic crystals (orientations come from the file)
      jaxhomog homogenize map.ang --phase 1:c11=204.6,c12=137.7,c44=126.2 --phase 2:c11=231.4,c12=134.7,c44=116.4
  everything in one file
      jaxhomog homogenize problem.toml

      [cell]
      image = "image.npy"           # relative to this file
      voxel_size = 0.5              # or: lengths = [32, 32, 32]
      [phases.0]
      young = 1.0
      poisson = 0.3
      [phases.1]                    # c11, c12, c44 | stiffness = [21 or 36 numbers] | conductivity
      young = 10.0
      poisson = 0.2
      [solver]
      tolerance = 1e-6"""

_DRIVE = """\
Response of a cell with plastic phases along a load path.

Strain and stress are written in engineering Voigt notation, order 11 22 33 23 13 12 (2-D: 11 22 12, plane strain),
shear strain as gamma = 2 eps. Units are yours; nothing is converted. At finite strain ([physics] kind =
"finite_strain") the load is F, P and p_controlled, row by row 11 12 13 21 .. (2-D: 11 12 21 22); isotropic phases are
neo-Hookean, others Saint Venant-Kirchhoff, plastic ones flow in logarithmic strains.

The folder holds curve.csv (a row per step), result.json, and curve.png and curve.svg where matplotlib is installed.
Where a step finds no equilibrium, the rows before it are written and the exit code is 3.

      [cell]
      image = "image.npy"           # relative to this file
      [phases.0]
      young = 100.0
      poisson = 0.3
      [phases.0.hardening]
      kind = "voce"                 # yield_stress, saturation_stress, rate
      yield_stress = 0.5            # or "linear": yield_stress, modulus
      saturation_stress = 0.8       # or "table": plastic_strain = [0, ...], yield_stress = [...]
      rate = 30.0
      [phases.0.kinematic]          # a back stress, if any: modulus, and recovery (Armstrong-Frederick)
      modulus = 10.0
      [phases.1]                    # a phase without hardening stays linear
      young = 300.0
      poisson = 0.2
      [load]
      strain = [0.02, 0, 0]         # one row: the end of a straight line of so many steps
      steps = 20                    # or rows [[..], [..]], one per step, without steps
      stress = [0, 0, 0]            # stretched along 1, free along 2: true below where the stress counts
      stress_controlled = [false, true, true]
      time = 1.0                    # optional, at the end (without steps: of every step)
      [solver]
      tolerance = 1e-6              # element, boundary, precision, max_iterations, max_newton, max_cuts"""

_SWEEP = """\
Effective stiffness or conductivity of many cells: every image with every combination of the parameters that vary.
With [load], as in a file of drive, every lane is a load path: its curves of stress, energy and dissipation.

The folder holds store (a Zarr group with every lane, see jaxhomog.load_sweep), table.csv (a row per lane),
summary.json, and distribution.png and .svg (of paths: curves.png and .svg too) where matplotlib is installed. Every
lane is in the store as soon as it is solved: after Ctrl-C, a full disk or a crash, --resume goes on with the rest.
Needs pip install 'jaxhomog[studies]'.

      [cell]                        # one image for all lanes, or images below
      voxel_size = 0.5              # and all that homogenize takes
      [phases.0]
      young = 1.0
      poisson = 0.3
      [phases.1]
      young = 10.0                  # replaced below
      poisson = 0.2
      [sweep]
      images = "scans/*.npy"        # a pattern, relative to this file
      samples = 100                 # how often { low, high } are drawn from
      seed = 0
      chunk = 64                    # lanes per file of the store
      [sweep.spheres]               # or generated images, instead of images
      shape = [16, 16, 16]
      radius = 3.0                  # in voxels
      fraction = 0.3
      number = 100                  # of images, with the seeds 0, 1, ..
      seed = 0
      [sweep.phases.1]
      young = [5, 10, 20]           # a list
      poisson = { from = 0.1, to = 0.3, steps = 3 }
      [sweep.phases.0]
      young = { low = 0.5, high = 1.5 }
      [sweep.phases.0.hardening]    # with [load]: and kinematic; what [phases.0.hardening] has
      yield_stress = [0.4, 0.5]
      [sweep.load]                  # with [load]
      amplitude = [0.5, 1.0]        # a factor on all that is prescribed
      strain_11 = [0.01, 0.02]      # the end of a component's straight line (load.steps); stress_12, F_12, .."""

_TRUST = """\
May a property of this image be passed to the scale above? The questions that homogenization must ask, each with a
verdict and its numbers: volume fraction, stationarity, correlations, ergodicity, RVE size, the effective property with
an interval, Hill-Mandel, two-sided bounds, scale separation.

The folder holds result.json and report.html. A bad verdict is an answer: the exit code is 0. Without phases only the
geometry is judged.

Examples
  a bone: which windows are representative for its stiffness, within 10 %?
      jaxhomog trust bone.npz --array gray --threshold 63 --voxel-size 0.039 --accuracy 0.1 \\
          --phase 0:young=0,poisson=0 --phase 1:young=10,poisson=0.3 --macro-length 10
  pores of an electrode
      jaxhomog trust scan.tif --phase 0:conductivity=1 85:conductivity=0 170:conductivity=0 --label 0

      [cell]
      image = "image.npy"           # relative to this file, and all that homogenize takes
      [phases.0]
      young = 1.0
      poisson = 0.3
      [phases.1]
      young = 10.0
      poisson = 0.2
      [trust]
      accuracy = 0.05               # relative error that is accepted
      confidence = 0.95             # of every interval
      macro_length = 100.0          # over which macroscopic fields vary, unit of voxel_size; several: one per point
      time_ratio = 0.0              # T_micro / T_macro
      windows = [16, 24, 32]        # edges in voxels
      phase = 1                     # label whose geometry is judged, if there are more than two
      boundaries = ["periodic", "affine", "uniform_traction"]   # of the windows
      bounds = true                 # two-sided bounds of the voxel medium
      periodic_cell = false         # true: a unit cell that repeats without end, not a sample of a random medium"""

_END = """\
Exit codes: 0 done, 2 bad input (one line says what and the remedy), 3 not converged, 130 interrupted.
Compiled programs are kept in the user's cache folder; JAXHOMOG_CACHE names another, or is 'off'."""


class _Parser(argparse.ArgumentParser):
    """A parser whose every complaint is one line."""

    def __init__(self, *args: Any, **kwargs: Any):
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(*args, allow_abbrev=False, **kwargs)

    def error(self, message: str) -> NoReturn:
        short = message if len(message) <= 300 else f"{message[:300]}..."  # a number may have thousands of digits
        raise InputError(one_line(f"{short}: see {self.prog} --help"))


def _reader(read, *args):
    """A reader of values as an argparse type that keeps our own message."""

    def convert(text: str):
        try:
            return read(*args, text)
        except InputError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def _one(text: str) -> float:
    return numbers("value", text, 1)[0]


def _count(name: str, text: str) -> int:
    found = integers(name, text)
    if not isinstance(found, int) or found < 0:
        raise InputError(f"{name}: give one count of bytes, not below 0")
    return found


_number = _reader(_one)


def _names(text: str) -> str | list[str]:
    """One name, or a list of names separated by commas."""
    names = [name.strip() for name in text.split(",")]
    return names[0] if len(names) == 1 else names


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    top = _Parser(prog="jaxhomog", description=_TOP, epilog=_END)
    top.add_argument("--version", action="store_true", help="print the version and stop")
    verbs = top.add_subparsers(dest="verb", metavar="{homogenize,drive,sweep,trust,demo}")
    run = verbs.add_parser("homogenize", help="effective property of an image", description=_HOMOGENIZE, epilog=_END)
    run.add_argument("image", metavar="IMAGE | problem.toml", help="a voxel image, or a problem file")
    _cell_options(run)
    solve = _solve_options(
        run, "q1 (default), q1e (nu near 1/2, thin struts), q1r, fourier, or fv", "relative error left in the tensor"
    )
    solve.add_argument("--field-tolerance", type=_number, metavar="TOL", help="the same for the fields")
    solve.add_argument("--residual-tolerance", type=_number, metavar="TOL", help="the classical rule instead")
    load = run.add_argument_group("the load behind the fields (default: direction 1 stretched, or a gradient along it)")
    for name, what in (("strain", "engineering Voigt"), ("stress", "Voigt"), ("gradient", ""), ("flux", "")):
        load.add_argument(f"--{name}", type=_reader(numbers, f"--{name}"), metavar="N,N,...",
                          help=f"macroscopic {name}{', ' if what else ''}{what}")  # fmt: skip
    _field_options(_output_options(run))
    path = verbs.add_parser("drive", help="a load path through a cell that yields", description=_DRIVE, epilog=_END)
    path.add_argument("image", metavar="problem.toml", help="a problem file with [load]")
    _cell_options(path)
    _solve_options(path, "q1e (default with plastic phases), q1bar, q1r or q1", "relative stress out of balance")
    _output_options(path).add_argument("--no-plot", action="store_true", help="draw no curve")
    many = verbs.add_parser("sweep", help="many images or parameters", description=_SWEEP, epilog=_END)
    many.add_argument("image", metavar="sweep.toml", help="a problem file with [sweep]")
    _solve_options(many, "q1 (default), q1e, q1r, fourier, or fv; of paths as for drive", "relative error left")
    out = _output_options(many)
    out.add_argument("--resume", action="store_true", help="go on with the folder's store; start it if there is none")
    out.add_argument("--no-plot", action="store_true", help="draw no distribution")
    judge = verbs.add_parser("trust", help="may a property of an image be passed up", description=_TRUST, epilog=_END)
    judge.add_argument("image", metavar="IMAGE | problem.toml", help="a voxel image, or a problem file")
    _cell_options(judge)
    ask = judge.add_argument_group("the questions")
    ask.add_argument("--accuracy", type=_number, metavar="TAU", help="relative error that is accepted (default 0.05)")
    ask.add_argument("--confidence", type=_number, metavar="P", help="of every interval (default 0.95)")
    ask.add_argument("--macro-length", type=_reader(numbers, "--macro-length"), metavar="L",
                     help="over which macroscopic fields vary, in the unit of the voxel size")  # fmt: skip
    ask.add_argument(
        "--time-ratio",
        type=_number,
        metavar="EPS",
        help="T_micro / T_macro; 0 says steady (default: times are not asked about)",
    )
    ask.add_argument("--windows", type=_reader(integers, "--windows"), metavar="N,N,...", help="edges in voxels")
    ask.add_argument("--label", dest="phase", type=int, metavar="LABEL",
                     help="whose geometry is judged (default: the higher of two)")  # fmt: skip
    ask.add_argument("--no-bounds", dest="bounds", action="store_false", default=None,
                     help="no two-sided bounds of the voxel medium")  # fmt: skip
    ask.add_argument("--periodic-cell", action="store_true", default=None,
                     help="the image is a unit cell that repeats, not a sample of a random medium")  # fmt: skip
    _solve_options(
        judge, "q1 (default), q1e (nu near 1/2, thin struts), q1r, fourier, or fv", "relative error left in the tensor"
    )
    _output_options(judge).add_argument("--no-report", action="store_true", help="write no report.html")
    demo = verbs.add_parser(
        "demo", help="a generated example from end to end", epilog=_END,
        description="A random composite of overlapping stiff spheres, generated, homogenized and reported.",
    )  # fmt: skip
    demo.add_argument("--size", type=int, default=32, metavar="N", help="voxels along each axis (default 32)")
    _field_options(_output_options(demo))
    return top


def _cell_options(run: argparse.ArgumentParser) -> None:
    cell = run.add_argument_group("the cell")
    cell.add_argument("--phase", dest="phases", nargs="+", action="extend", metavar="LABEL:KEY=VALUE,...",
                      help="properties of a label: young,poisson | c11,c12,c44 (cubic) | stiffness (21 or 36 Voigt"
                      " numbers, row by row) | conductivity (one number, d on the diagonal, or a matrix)")  # fmt: skip
    cell.add_argument("--threshold", nargs="+", metavar="T",
                      help="grey levels become labels: the number of thresholds that a voxel exceeds")  # fmt: skip
    cell.add_argument("--crop", type=_reader(crop_ranges, "--crop"), metavar="A:B,C:D,E:F",
                      help="keep voxels A to B - 1 of axis 0, and so on; ':' keeps a whole axis")  # fmt: skip
    cell.add_argument("--coarsen", type=_reader(integers, "--coarsen"), metavar="N",
                      help="blocks of N voxels become one (majority; mean before --threshold)")  # fmt: skip
    cell.add_argument("--voxel-size", type=_reader(numbers, "--voxel-size"), metavar="H",
                      help="edge of a voxel, one number or one per axis; it counts before the file's")  # fmt: skip
    cell.add_argument("--lengths", type=_reader(numbers, "--lengths"), metavar="L",
                      help="edges of the box instead, before cropping")  # fmt: skip
    cell.add_argument("--dataset", metavar="PATH", help="dataset of a .h5 file")
    cell.add_argument("--array", metavar="NAME", help="array of a .npz or .vti file")
    cell.add_argument("--foreign", action="store_true", default=None,
                      help="a .h5 file may take its data from other files")  # fmt: skip
    cell.add_argument("--unindexed", metavar="nearest|LABEL|refuse",
                      help="points of an EBSD map that are not indexed or left out: take phase and orientation of the"
                      " nearest indexed one, or a label of their own, or refuse the map (default)")  # fmt: skip
    raw = run.add_argument_group("a .raw file, which does not describe itself")
    raw.add_argument("--shape", type=_reader(integers, "--shape"), metavar="N1xN2xN3",
                     help="voxels along each axis; the first number belongs to direction 1, whatever the order in the"
                     " file (Fiji's and MHD's width x height x depth: give it so, with --order x)")  # fmt: skip
    raw.add_argument("--dtype", metavar="TYPE", help="element type, e.g. uint8, uint16, '>u2' or float32")
    raw.add_argument("--order", metavar="x|z",
                     help="whose neighbours lie side by side in the file: x, the first number's of --shape (Fiji, MHD,"
                     " VTK, Fortran), or z, the last one's (NumPy, C; default)")  # fmt: skip
    raw.add_argument("--header", type=_reader(_count, "--header"), metavar="BYTES",
                     help="bytes before the voxels (default 0)")  # fmt: skip
    raw.add_argument("--endian", metavar="little|big", help="byte order (default: that of this machine)")


def _solve_options(run: argparse.ArgumentParser, elements: str, accuracy: str) -> argparse._ArgumentGroup:
    solve = run.add_argument_group("the solution")
    solve.add_argument("--element", metavar="NAME", help=elements)
    solve.add_argument("--boundary", type=_names, metavar="NAME",
                       help="periodic (default), affine, uniform_traction, uniform_mixed, pmubc;"
                       " A,B,C: by axis")  # fmt: skip
    solve.add_argument("--tolerance", type=_number, metavar="TOL",
                       help=f"{accuracy} (default 1e-6; float32: 1e-5)")  # fmt: skip
    solve.add_argument("--max-iterations", type=int, metavar="N", help="cap of iterations per linear solve")
    solve.add_argument("--precision", metavar="float32|float64", help="default float64")
    return solve


def _output_options(run: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    out = run.add_argument_group("the output")
    out.add_argument("--output", type=Path, metavar="DIR", help="folder to write (default ./<stem>-jaxhomog)")
    out.add_argument("--json", action="store_true", help="print result.json, and nothing else, on standard output")
    out.add_argument("--no-cache", action="store_true", help="do not keep compiled programs for the next run")
    return out


def _field_options(out: argparse._ArgumentGroup) -> None:
    out.add_argument("--fields", default="vti", metavar="vti|h5|none", help="file of the fields (default vti)")
    out.add_argument("--no-report", action="store_true", help="write no report.html")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The command line's words as values.

    Args:
        argv: words after the program's name.

    Raises:
        InputError: one line; an unknown option names the nearest known one.
    """
    top = parser()
    options, rest = top.parse_known_args(_joined(argv))
    if rest:
        known = [word for action in _actions(top, options.verb) for word in action.option_strings]
        word = rest[0].partition("=")[0]
        near = difflib.get_close_matches(word, known, 1, 0.5)
        hint = f"did you mean {near[0]}?" if near and word.startswith("-") else "see --help"
        if word in known:
            hint = "give it behind the verb, before any --"
        raise InputError(one_line(f"unknown argument {rest[0][:80]!r}: {hint}"))
    if options.verb in ("homogenize", "drive", "trust"):
        if options.phases is not None:
            options.phases = _phases(options.phases)
        if options.threshold is not None:
            options.threshold = numbers("--threshold", options.threshold)
    if options.verb in ("homogenize", "demo") and options.fields not in ("vti", "h5", "none"):
        raise InputError(one_line(f"--fields {options.fields[:40]!r} is unknown: choose vti, h5 or none"))
    return options


def _phases(texts: list[str]) -> dict[int, dict[str, list[float]]]:
    out: dict[int, dict[str, list[float]]] = {}
    for text in texts:
        label, values = parse_phase(text)
        if label in out:
            raise InputError(f"--phase {label} is given twice: give every label once")
        out[label] = values
    return out


def _actions(top: argparse.ArgumentParser, verb: str | None):
    choices = next(a for a in top._actions if isinstance(a, argparse._SubParsersAction)).choices
    return (choices[verb] if verb else top)._actions


def _joined(argv: Sequence[str]) -> list[str]:
    """`--strain -1,0,0` as `--strain=-1,0,0`: argparse takes "-1,0,0" for an option."""
    out: list[str] = []
    for word in argv:
        if re.match(r"-[\d.]", word) and out and re.fullmatch(r"--[a-z-]+", out[-1]) and out[-1] != "--":
            out[-1] += f"={word}"
        else:
            out.append(word)
    return out
