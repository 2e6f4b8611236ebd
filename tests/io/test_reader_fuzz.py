"""Damaged files of every format end in an image or in one line: no other exception, no hang, no print."""

import shutil
import signal
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
import tifffile

from jaxhomog.io import FORMATS, ImageData, read_image, write_vti
from jaxhomog.results import InputError

DATA = Path(__file__).parent / "data"
CASES = 60
LIMIT = 2**26  # a damaged header may ask for a little more than the image; it must not get gigabytes


def _write(path, variant, maps):
    """A small valid file; `variant` picks one of the ways to store it."""
    rng = np.random.default_rng(variant)
    image = rng.integers(0, 4, (7, 6, 5)).astype((np.uint8, np.int16, np.float32)[variant % 3])
    suffix = ".nii.gz" if path.name.endswith(".nii.gz") else path.suffix
    if suffix == ".npy":
        np.save(path, image)
    elif suffix == ".npz":
        (np.savez, np.savez_compressed)[variant % 2](path, image=image, voxel_size=[1.0, 2.0, 3.0])
    elif suffix in (".tif", ".tiff"):
        kind = ({}, {"compression": "zlib"}, {"imagej": True, "metadata": {"spacing": 2.0, "unit": "um"}})[variant % 3]
        tifffile.imwrite(path, image, photometric="minisblack", resolution=(2, 2), **kind)
    elif suffix in (".h5", ".hdf5"):
        with h5py.File(path, "w") as file:
            options = ({}, {"compression": "gzip"}, {"chunks": (2, 2, 2)})[variant % 3]
            file.create_dataset("a/image", data=image, **options).attrs["voxel_size"] = 0.5
    elif suffix == ".vti":
        written = sorted(DATA.glob("*.vti"))
        if variant % 2:
            shutil.copyfile(written[variant // 2 % len(written)], path)
        else:
            write_vti(path, {"image": image}, (1, 2, 3))
    elif suffix in (".nii", ".nii.gz"):
        nibabel.save(nibabel.Nifti1Image(image, np.diag([1.0, 2.0, 3.0, 1.0])), path)
    elif suffix == ".raw":
        path.write_bytes(image.astype(np.uint8).tobytes())
    else:
        ang, ctf = maps
        path.write_text(ang() if suffix == ".ang" else ctf(), encoding="utf-8")


def _damage(raw, rng):
    raw = bytearray(raw)
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(0, max(len(raw), 1)))
        some = int(rng.integers(1, 40))
        match int(rng.integers(0, 7)):
            case 0:
                del raw[at:]
            case 1:
                raw[at : at + some] = rng.bytes(some)
            case 2:
                raw[at : at + 4] = b"\xff\xff\xff\x7f"
            case 3:
                raw[at : at + some] = b""
            case 4:
                raw[at:at] = rng.bytes(some)
            case 5:  # digits are where text formats keep their sizes
                digits = [k for k, c in enumerate(raw[:2000]) if 48 <= c <= 57]
                if digits:
                    raw[digits[int(rng.integers(0, len(digits)))]] = 48 + int(rng.integers(0, 10))
            case _:
                if raw:
                    raw[at % len(raw)] ^= 1 << int(rng.integers(0, 8))
    return bytes(raw)


def _check(path, given):
    try:
        image = read_image(path, max_bytes=LIMIT, **given)
    except InputError as error:
        line = str(error)
        assert line.isprintable() and len(line.splitlines()) == 1, repr(line)
        assert path.name in line
        return False
    assert isinstance(image, ImageData) and image.array.ndim in (2, 3) and image.array.dtype.kind in "iuf"
    assert image.array.nbytes <= LIMIT and np.isfinite(np.asarray(image.array, float)).all()
    assert all(np.isfinite(a) and a > 0 for a in image.lengths)
    assert all(note.isprintable() for note in image.notes)
    return True


@pytest.mark.slow
@pytest.mark.parametrize("suffix", FORMATS)
def test_damaged_files(tmp_path, maps, suffix, capfd):
    rng = np.random.default_rng(sum(map(ord, suffix)))
    path = tmp_path / f"a{suffix}"
    given = {"shape": (7, 6, 5), "dtype": "u1"} if suffix == ".raw" else {}

    def hang(*_):
        raise TimeoutError("a damaged file hangs the reader")

    before = signal.signal(signal.SIGALRM, hang)
    readable = 0
    try:
        for case in range(CASES):
            _write(path, case, maps)
            raw = path.read_bytes()
            assert _check(path, given), "the undamaged file must be readable"
            damaged = _damage(raw, rng)
            path.write_bytes(damaged)
            signal.alarm(20)
            try:
                readable += _check(path, given)
            except Exception as error:
                error.add_note(f"{suffix} case {case}: {damaged[:200]!r}...")
                raise
            finally:
                signal.alarm(0)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert readable < CASES, "the damage does no harm: the fuzzer is blind"
    assert capfd.readouterr() == ("", "")
