"""Claim: a damaged image file of any format ends in an image of finite numbers or in one line, whatever is damaged.

Run `python experiments/fuzz_files.py [cases] [seed] [suffix]`; default 10,000 cases over all formats. A case is a small
valid file, stored in one of the ways that its format knows, with one to three damages: bytes cut off, exchanged,
inserted or repeated, lengths that become huge, digits changed; in packed formats also before packing. The cases run in
child processes, so that a crash (a signal) or a hang (more than 10 s, also inside a native library) is seen and named.
No traceback, nothing printed, no file made or changed, no image with other than finite numbers. Prints how the cases of
each format ended, and the most memory that a child took above its start.
"""

from __future__ import annotations

import collections
import gzip
import io
import os
import shutil
import signal
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

from jaxhomog.io import FORMATS, ImageData, read_image, write_vti
from jaxhomog.results import InputError

LIMIT = 2**26  # a damaged header may ask for a little more than the image; it must not get gigabytes
HANG = 10
BATCH = 250
VTK = Path(__file__).parents[1] / "tests" / "io" / "data"  # files that VTK itself wrote


def write(path: Path, variant: int) -> dict:
    """A small valid file; `variant` picks one of the ways to store it.

    Returns:
        What `read_image` needs besides the path.
    """
    rng = np.random.default_rng(variant)
    image = rng.integers(0, 4, (7, 6, 5)).astype((np.uint8, np.int16, np.float32)[variant % 3])
    suffix = ".nii.gz" if path.name.endswith(".nii.gz") else path.suffix
    if suffix == ".npy":
        with open(path, "wb") as file:
            np.lib.format.write_array(file, image, version=((1, 0), (2, 0))[variant // 3 % 2])
    elif suffix == ".npz":
        (np.savez, np.savez_compressed)[variant % 2](path, image=image, voxel_size=[1.0, 2.0, 3.0])
    elif suffix in (".tif", ".tiff"):
        _tiff(path, image, variant)
    elif suffix in (".h5", ".hdf5"):
        return _hdf5(path, image, variant)
    elif suffix == ".vti":
        written = sorted(VTK.glob("*.vti"))
        if variant % 2 and written:
            shutil.copyfile(written[variant // 2 % len(written)], path)
        else:
            write_vti(path, {"image": image}, (1, 2, 3))
    elif suffix in (".nii", ".nii.gz"):
        import nibabel

        kind = (nibabel.Nifti1Image, nibabel.Nifti2Image)[variant // 3 % 2]
        made = kind(image, np.diag([1.0, 2.0, 3.0, 1.0]))
        if variant % 2:
            made.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"a word"))
            made.header.set_slope_inter(0.5, 1)
        nibabel.save(made, path)
    elif suffix == ".raw":
        image = image.astype(("u1", ">u2", "<f4")[variant % 3])
        path.write_bytes(bytes(variant % 5) + image.tobytes())
        more = {"order": "xz"[variant % 2]} if variant % 4 else {}
        return {"shape": (7, 6, 5), "dtype": image.dtype, "header": variant % 5, **more}
    else:
        path.write_text(_map(suffix, variant), encoding="utf-8")
        return {"unindexed": ("refuse", "nearest", 7)[variant % 3]}
    return {}


def _tiff(path: Path, image: np.ndarray, variant: int) -> None:
    import tifffile

    kinds = (
        {}, {"compression": "zlib"}, {"imagej": True, "metadata": {"spacing": 2.0, "unit": "um"}},
        {"ome": True, "metadata": {"axes": "ZYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2.0}},
        {"compression": "lzw"}, {"compression": "packbits"}, {"compression": "zstd"}, {"compression": "lzma"},
        {"bigtiff": True}, {"byteorder": ">", "compression": "zlib", "predictor": True}, {"tile": (16, 16)},
        {"tile": (16, 16), "compression": "zlib"}, {"metadata": None, "rowsperstrip": 2}, {"compression": "jpeg"},
        {"compression": "jpeg2000"},
    )  # fmt: skip
    kind = kinds[variant % len(kinds)]
    if kind.get("compression") in ("jpeg", "jpeg2000"):
        image = image.astype(np.uint8)
    if "predictor" in kind or "imagej" in kind:
        image = image.astype(np.uint16)
    tifffile.imwrite(path, image, photometric="minisblack", resolution=(2, 2), **kind)


def _hdf5(path: Path, image: np.ndarray, variant: int) -> dict:
    import h5py

    kinds = (
        {}, {"compression": "gzip"}, {"chunks": (2, 2, 2)}, {"chunks": (4, 3, 2), "compression": "gzip"},
        {"compression": "gzip", "shuffle": True, "fletcher32": True}, {"compression": "lzf"}, {"fletcher32": True},
        {"maxshape": (None, 6, 5)}, {"maxshape": (None, None, 5), "compression": "gzip"},
    )  # fmt: skip
    with h5py.File(path, "w", libver=("earliest", "latest")[variant // 3 % 2]) as file:
        item = file.create_dataset("a/image", data=image, **kinds[variant % len(kinds)])
        item.attrs["voxel_size"] = 0.5
        file.attrs["unit"] = "um"
        if variant % 4 == 3:
            layout = h5py.VirtualLayout((7, 6, 5), image.dtype)
            layout[...] = h5py.VirtualSource(".", "a/image", (7, 6, 5))
            file.create_virtual_dataset("v", layout)
            file["soft"] = h5py.SoftLink("/a/image")
            file["away"] = h5py.ExternalLink("none.h5", "/x")
            return {"dataset": ("v", "soft", "a/image")[variant // 4 % 3]}
    return {}


def _map(suffix: str, variant: int) -> str:
    rng = np.random.default_rng(variant)
    points = [(x, y, int(rng.integers(1, 3))) for y in range(3) for x in range(4)]
    if suffix == ".ang":
        head = "# Phase 1\n# MaterialName a\n# Phase 2\n# MaterialName b\n# GRID: SqrGrid\n# XSTEP: 1.5\n# YSTEP: 0.5\n"
        head += "# NCOLS_ODD: 4\n# NCOLS_EVEN: 4\n# NROWS: 3\n"
        return head + "".join(f"0.1 0.2 0.3 {1.5 * x} {0.5 * y} 24.4 0.8 {phase}\n" for x, y, phase in points)
    head = "Channel Text File\nPrj\tmap\nJobMode\tGrid\nXCells\t4\nYCells\t3\nXStep\t1\nYStep\t0,5\nPhases\t1\n"
    head += "3.66;3.66;3.66\t90;90;90\tIron\t11\t225\nPhase\tX\tY\tBands\tError\tEuler1\tEuler2\tEuler3\tMAD\n"
    return head + "".join(f"{phase}\t{x}\t{0.5 * y}\t8\t0\t10\t20\t30\t0,5\n" for x, y, phase in points)


def damage(raw: bytes, rng: np.random.Generator) -> bytes:
    """One to three damages."""
    data = bytearray(raw)
    for _ in range(rng.integers(1, 4)):
        at, some = int(rng.integers(0, max(len(data), 1))), int(rng.integers(1, 40))
        match int(rng.integers(0, 10)):
            case 0:
                del data[at:]
            case 1:
                data[at : at + some] = rng.bytes(some)
            case 2:
                data[at : at + 4] = b"\xff\xff\xff\x7f"
            case 3:
                data[at : at + some] = b""
            case 4:
                data[at:at] = rng.bytes(some)
            case 5:  # digits are where text formats keep their sizes
                digits = [k for k, c in enumerate(data[:2000]) if 48 <= c <= 57]
                if digits:
                    data[digits[int(rng.integers(0, len(digits)))]] = 48 + int(rng.integers(0, 10))
            case 6:
                data[at : at + 8] = bytes(8)
            case 7:
                data[at:at] = data[at : at + some]
            case 8:  # a small number where a length may be
                data[at : at + 1] = bytes([int(rng.integers(0, 20))])
            case _:
                if data:
                    data[at % len(data)] ^= 1 << int(rng.integers(0, 8))
    return bytes(data)


def spoil(path: Path, rng: np.random.Generator) -> None:
    """Damage a file: its bytes, or now and then those that were packed into it."""
    raw = path.read_bytes()
    if path.name.endswith(".nii.gz") and rng.random() < 0.7:
        path.write_bytes(gzip.compress(damage(gzip.decompress(raw), rng), 1))
    elif path.suffix == ".npz" and rng.random() < 0.5:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in entries.items():
                archive.writestr(name, damage(data, rng))
    else:
        path.write_bytes(damage(raw, rng))


def check(path: Path, given: dict) -> bool:
    """Read a file; whether it was readable.

    Raises:
        AssertionError: it ended otherwise than claimed.
    """
    try:
        image = read_image(path, max_bytes=LIMIT, **given)
    except InputError as error:
        line = str(error)
        assert line.isprintable() and len(line.splitlines()) == 1 and len(line) < 2000, repr(line)
        assert path.name in line, line
        return False
    assert isinstance(image, ImageData) and image.array.ndim in (2, 3) and image.array.dtype.kind in "iuf"
    assert image.array.nbytes <= LIMIT and np.isfinite(np.asarray(image.array, float)).all()
    assert image.rotation is None or np.isfinite(image.rotation).all()
    assert all(np.isfinite(a) and a > 0 for a in image.lengths)
    assert all(note.isprintable() and len(note) < 2000 for note in (*image.notes, image.axes, image.unit))
    return True


def run_case(folder: Path, suffix: str, seed: int) -> bool:
    """One case in a folder; whether the damaged file was readable."""
    rng = np.random.default_rng([seed, *map(ord, suffix)])
    path = folder / f"a{suffix}"
    given = write(path, int(rng.integers(0, 720)))
    assert check(path, given), "the undamaged file must be readable"
    spoil(path, rng)
    before = sorted((p.name, p.stat().st_size) for p in folder.iterdir())
    readable = check(path, given)
    assert sorted((p.name, p.stat().st_size) for p in folder.iterdir()) == before, "a file was made or changed"
    path.unlink()
    return readable


def _child(pipe: int, folder: Path, suffix: str, seeds: range) -> None:
    """Cases in a process of its own: a letter and a line for each."""
    silent = os.open(folder / "printed", os.O_CREAT | os.O_RDWR)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    here = folder / "cases"
    here.mkdir(exist_ok=True)
    start = _peak()
    for seed in seeds:
        os.write(pipe, f"{suffix} {seed}: ".encode())
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # kills also inside a native library
        signal.alarm(HANG)
        try:
            how = "image" if run_case(here, suffix, seed) else "one line"
        except BaseException as error:
            shutil.rmtree(here)
            here.mkdir()
            how = f"WRONG {type(error).__name__} {' '.join(str(error).split())[:300]}"
        signal.alarm(0)
        sys.stdout.flush()
        if os.fstat(silent).st_size:
            how += f" WRONG: it printed {os.pread(silent, 200, 0)!r}"
            os.ftruncate(silent, 0)
            os.lseek(silent, 0, 0)
        os.write(pipe, f"{how}\n".encode())
    os.write(pipe, f"memory {_peak() - start:.0f}\n".encode())


def _peak() -> float:
    with open("/proc/self/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def batch(suffix: str, seeds: range) -> tuple[list[str], float]:
    """Cases in child processes, a new one after each crash.

    Returns:
        How each case ended, and the most memory in MB above the start.
    """
    endings: list[str] = []
    memory = 0.0
    with tempfile.TemporaryDirectory(prefix="fuzz-files-") as folder:
        while len(endings) < len(seeds):
            ends, starts = os.pipe()
            child = os.fork()
            if child == 0:
                try:
                    _child(starts, Path(folder), suffix, seeds[len(endings) :])
                finally:
                    os._exit(0)
            os.close(starts)
            with os.fdopen(ends, "rb") as pipe:
                lines = pipe.read().decode(errors="replace").split("\n")
            _, status = os.waitpid(child, 0)
            for line in lines:
                if line.startswith("memory "):
                    memory = max(memory, float(line.split()[1]))
                elif line.endswith(": "):
                    what = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "the child ended"
                    endings.append(f"{line}WRONG {what}")
                elif line:
                    endings.append(line)
    return endings, memory


def campaign(cases: int, seed: int = 0, suffixes: tuple[str, ...] = FORMATS) -> collections.Counter:
    """Many cases, the same number of each format.

    Returns:
        How often each ending occurred: "image", "one line", or the whole line of what is not as claimed.
    """
    total: collections.Counter = collections.Counter()
    start = time.perf_counter()
    for k, suffix in enumerate(suffixes):
        count = (cases - k + len(suffixes) - 1) // len(suffixes)
        found, most = [], 0.0
        for first in range(0, count, BATCH):
            begin = seed * 1_000_003 + first
            endings, memory = batch(suffix, range(begin, begin + min(BATCH, count - first)))
            found += endings
            most = max(most, memory)
        wrong = [line for line in found if "WRONG" in line]
        counts = collections.Counter(line.partition(": ")[2] for line in found if "WRONG" not in line)
        print(f"{suffix:8} {len(found):6} cases: {dict(counts)}, {len(wrong)} not as claimed, {most:.0f} MB")
        for line in wrong[:20]:
            print(f"    {line}")
        total.update(counts)
        total.update(wrong)
    print(f"{cases} cases, seed {seed}, {time.perf_counter() - start:.0f} s")
    return total


if __name__ == "__main__":
    numbers = [int(a) for a in sys.argv[1:3]]
    ended = campaign(*(numbers or [10_000]), **({"suffixes": tuple(sys.argv[3:])} if sys.argv[3:] else {}))
    raise SystemExit(bool(set(ended) - {"image", "one line"}))
