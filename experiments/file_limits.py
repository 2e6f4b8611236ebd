"""Claim: a file that lies about its size is refused in one line, within 2 s and 200 MB above the imported process.

Run `python experiments/file_limits.py [MiB of the bombs]`; default 1024. A table of format x {header lies, payload
lies, bomb, truncated, never written, foreign reference}; every case is read in a process of its own, so that a crash of
a native library is seen. Prints seconds and the memory above that of the process before, in MB (resident, at its peak).
Formats have no word for some columns: they are left out.
"""

from __future__ import annotations

import gzip
import io
import os
import signal
import struct
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from jaxhomog.io import read_image, write_vti
from jaxhomog.results import InputError

SECONDS, MEGABYTES, HANG = 2.0, 200.0, 30
CELL = np.arange(7 * 6 * 5, dtype=np.uint8).reshape(7, 6, 5) % 4
RAW = {"shape": (7, 6, 5), "dtype": "u1", "order": "z"}


def deflated_zeros(count: int, level: int = 1, wbits: int = 15) -> bytes:
    """A zlib stream (gzip: wbits 31) that inflates to so many zeros."""
    pack, piece = zlib.compressobj(level, wbits=wbits), bytes(1 << 20)
    return b"".join([*(pack.compress(piece) for _ in range(count >> 20)), pack.flush()])


def npy(shape, version=1, claim=None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    if version == 1:
        return file.getvalue()
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", claim)


def sparse(path: Path, start: bytes, size: int) -> None:
    """A file of that size whose rest takes no room on the disk, and reads as zeros."""
    with open(path, "wb") as file:
        file.write(start)
        file.truncate(size)


def cut(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])


def _npy_files(bomb: int) -> dict[str, Callable[[Path], None]]:
    return {
        "header lies": lambda p: p.write_bytes(npy((10**6, 10**6, 10**3)) + bytes(100)),
        "payload lies": lambda p: p.write_bytes(npy((2, 2, 2)) + bytes(100)),
        "bomb": lambda p: sparse(p, npy((1,), 2, bomb), bomb + 100),
        "truncated": lambda p: (np.save(p, CELL), cut(p)),
        "foreign reference": lambda p: np.save(p, np.full((2, 2), print, object), allow_pickle=True),
    }


def _zip(path: Path, *contents: bytes, claim: int | None = None) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("x.npy", "w") as file:
            for content in contents:
                file.write(content)
    if claim is not None:  # the directory's own word on the size
        data = bytearray(path.read_bytes())
        at = data.rindex(b"PK\x01\x02")
        data[at + 24 : at + 28] = struct.pack("<I", claim)
        path.write_bytes(data)


def _npz_files(bomb: int) -> dict[str, Callable[[Path], None]]:
    return {
        "header lies": lambda p: _zip(p, npy((1024, 1024, 1024)), bytes(64)),
        "header lies twice": lambda p: _zip(
            p, npy((1024, 1024, 1023)), bytes(64), claim=1024 * 1024 * 1023 + len(npy((1024, 1024, 1023)))
        ),
        "payload lies": lambda p: _zip(p, npy((2, 2, 2)), bytes(100)),
        "bomb": lambda p: _zip(p, npy((1,), 2, bomb), *[bytes(1 << 20)] * (bomb >> 20)),
        "truncated": lambda p: (np.savez(p, x=CELL), cut(p)),
        "foreign reference": lambda p: np.savez(p, x=np.full((2, 2), print, object), allow_pickle=True),
    }


def _raw_files(bomb: int) -> dict[str, Callable[[Path], None]]:
    return {
        "payload lies": lambda p: p.write_bytes(bytes(500)),
        "bomb": lambda p: sparse(p, b"", bomb),
        "truncated": lambda p: (p.write_bytes(CELL.tobytes()), cut(p)),
    }


def _tiff_tag(path: Path, name: str, value: int) -> None:
    """Overwrite the (first) value of a tag of the first page."""
    import tifffile

    with tifffile.TiffFile(path) as tif:
        tag = tif.pages[0].tags[name]
        at, kind = tag.valueoffset, {3: "<H", 4: "<I"}[int(tag.dtype)]
    data = bytearray(path.read_bytes())
    data[at : at + struct.calcsize(kind)] = struct.pack(kind, value)
    path.write_bytes(data)


def _tiff(path: Path, **kind) -> None:
    import tifffile

    tifffile.imwrite(path, CELL, photometric="minisblack", metadata=None, **kind)


def _tiff_strip(path: Path, code: int, data: bytes) -> None:
    """One page of 40 x 30 whose only strip holds these bytes."""
    import tifffile

    tifffile.imwrite(path, iter([data]), shape=(40, 30), dtype=np.uint8, compression="zlib", rowsperstrip=40)
    _tiff_tag(path, "Compression", code)


def _ome(path: Path, old: str, new: str) -> None:
    import tifffile

    tifffile.imwrite(path, CELL, photometric="minisblack", ome=True, metadata={"axes": "ZYX"})
    text = path.read_bytes()
    found = tifffile.TiffFile(path).ome_metadata
    assert found is not None and old in found
    changed = found.replace(old, new).encode()
    # The description goes to the end of the file, where it may be longer.
    path.write_bytes(text + changed + b"\0")
    with tifffile.TiffFile(path) as tif:
        tag = tif.pages[0].tags["ImageDescription"]
    data = bytearray(path.read_bytes())
    data[tag.offset + 4 : tag.offset + 12] = struct.pack("<II", len(changed) + 1, len(text))
    path.write_bytes(data)


def _tiff_files(bomb: int) -> dict[str, Callable[[Path], None]]:
    def picture(codec: str) -> bytes:
        import imagecodecs

        large = np.zeros((3000, 3000), np.uint8)
        if codec == "webp":
            large = np.zeros((3000, 3000, 3), np.uint8)
        return getattr(imagecodecs, f"{codec}_encode")(large)

    return {
        "header lies": lambda p: (_tiff(p, compression="zlib"), _tiff_tag(p, "ImageLength", 65_000)),
        "header lies (OME SizeZ)": lambda p: _ome(p, 'SizeZ="7"', 'SizeZ="100000000"'),
        "header lies (OME plane)": lambda p: _ome(p, "<TiffData ", '<TiffData FirstT="0" FirstZ="900000000" '),
        "header lies (digits)": lambda p: _ome(p, 'SizeZ="7"', f'SizeZ="{"9" * 5000}"'),
        "payload lies (webp)": lambda p: _tiff_strip(p, 50001, picture("webp")),
        "payload lies (jpeg2000)": lambda p: _tiff_strip(p, 34712, picture("jpeg2k")),
        "payload lies (jpeg)": lambda p: _tiff_strip(p, 7, picture("jpeg")),
        "payload lies (png)": lambda p: _tiff_strip(p, 34933, picture("png")),
        "payload lies (short)": lambda p: _tiff_strip(p, 8, zlib.compress(bytes(100))),
        "bomb": lambda p: _tiff_strip(p, 8, deflated_zeros(bomb)),
        "bomb (lzma)": lambda p: _tiff_strip(p, 34925, deflated_zeros(1 << 20)),
        "truncated": lambda p: (_tiff(p, compression="zlib"), cut(p)),
        "never written": lambda p: (_tiff(p, compression="zlib"), _tiff_tag(p, "StripOffsets", 0)),
        "foreign reference": lambda p: _ome(
            p, "<TiffData ", '<TiffData><UUID FileName="a.tif">urn:uuid:1</UUID></TiffData>'
            '<TiffData FirstZ="1"><UUID FileName="b.tif">urn:uuid:2</UUID></TiffData><TiffData ',
        ),
    }  # fmt: skip


def _h5_chunk(path: Path, data: bytes, **kind) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        item = file.create_dataset("x", (8, 8, 8), "u1", chunks=(8, 8, 8), **{"compression": "gzip", **kind})
        item.id.write_direct_chunk((0, 0, 0), data)


def _h5_half(path: Path, layout: str) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        if layout == "chunks":
            file.create_dataset("x", (8, 8, 8), "u1", chunks=(4, 4, 4))[:4] = 1
        else:
            file.create_dataset("x", (8, 8, 8), "u1")


def _h5_foreign(path: Path, how: str) -> None:
    import h5py

    other = path.with_name("other.h5")
    with h5py.File(other, "w") as file:
        file["x"] = CELL[..., 0]
    CELL.tofile(path.with_name("other.bin"))
    with h5py.File(path, "w") as file:
        if how == "link":
            file["x"] = h5py.ExternalLink("other.h5", "/x")
        elif how == "storage":
            file.create_dataset("x", (7, 6), "u1", external=[("other.bin", 0, 42)])
        else:
            layout = h5py.VirtualLayout((7, 6), "u1")
            layout[...] = h5py.VirtualSource("." if how == "itself" else "other.h5", "x", (7, 6))
            file.create_virtual_dataset("x", layout)


def _h5_large(path: Path) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset("x", (10**5, 10**5, 10**5), "f8", chunks=(10, 10, 10))


def _h5_files(bomb: int) -> dict[str, Callable[[Path], None]]:
    import h5py

    def whole(path: Path) -> None:
        with h5py.File(path, "w") as file:
            file.create_dataset("x", data=np.tile(CELL, (4, 4, 4)), chunks=(4, 4, 4), compression="gzip")

    return {
        "header lies": _h5_large,
        "payload lies (less)": lambda p: _h5_chunk(p, zlib.compress(bytes(100))),
        "payload lies (more)": lambda p: _h5_chunk(p, zlib.compress(bytes(5000))),
        "payload lies (bare)": lambda p: _h5_chunk(p, bytes(100), compression=None),
        "bomb": lambda p: _h5_chunk(p, deflated_zeros(bomb)),
        "truncated": lambda p: (whole(p), cut(p)),
        "never written (chunks)": lambda p: _h5_half(p, "chunks"),
        "never written (whole)": lambda p: _h5_half(p, "whole"),
        "foreign reference (link)": lambda p: _h5_foreign(p, "link"),
        "foreign reference (storage)": lambda p: _h5_foreign(p, "storage"),
        "foreign reference (virtual)": lambda p: _h5_foreign(p, "virtual"),
        "foreign reference (itself)": lambda p: _h5_foreign(p, "itself"),
    }


def _vti_packed(path: Path, words: tuple[int, ...], data: bytes, head: str = "", extent: str = "0 4 0 4 0 4") -> None:
    array = '<DataArray type="UInt8" Name="a" format="appended" offset="0"/>'
    text = (
        f'<?xml version="1.0"?>{head}<VTKFile type="ImageData" byte_order="LittleEndian" header_type="UInt64"'
        f' compressor="vtkZLibDataCompressor"><ImageData WholeExtent="{extent}" Spacing="1 1 1"><Piece'
        f' Extent="{extent}"><CellData>{array}</CellData></Piece></ImageData><AppendedData encoding="raw">_'
    )
    path.write_bytes(text.encode() + struct.pack(f"<{len(words)}Q", *words) + data + b"</AppendedData></VTKFile>")


def _vti_files(bomb: int) -> dict[str, Callable[[Path], None]]:
    good, little = zlib.compress(bytes(64)), zlib.compress(bytes(10))
    return {
        "header lies": lambda p: _vti_packed(p, (1, 64, 0, len(good)), good, extent="0 99999 0 99999 0 99999"),
        "header lies (digits)": lambda p: _vti_packed(p, (1, 64, 0, 9), good, extent=f"0 {'9' * 5000} 0 4 0 4"),
        "header lies (long)": lambda p: _vti_packed(p, (1, 64, 0, 9), good, extent=f"0 {'9' * 3000} 0 4 0 4"),
        "payload lies (no blocks)": lambda p: _vti_packed(p, (0, 0, 64), b""),
        "payload lies (short)": lambda p: _vti_packed(p, (1, 64, 0, len(little)), little),
        "payload lies (large block)": lambda p: _vti_packed(p, (1, 64, 0, 1 << 40), good),
        "bomb": lambda p: _vti_packed(p, (1, 64, 0, len(b := deflated_zeros(bomb))), b),
        "truncated": lambda p: (write_vti(p, {"a": CELL}, (1, 2, 3)), cut(p)),
        "foreign reference": lambda p: _vti_packed(
            p, (1, 64, 0, len(good)), good, '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
        ),
    }


def _nifti(path: Path, packed: bool, change: Callable[[bytearray], bytes | None]) -> None:
    import nibabel

    plain = path.with_name("plain.nii")
    nibabel.save(nibabel.Nifti1Image(CELL, np.diag([1.0, 2.0, 3.0, 1.0])), plain)
    data = bytearray(plain.read_bytes())
    plain.unlink()
    data = change(data) or data
    path.write_bytes(gzip.compress(bytes(data)) if packed else bytes(data))


def _nifti_extension(path: Path, packed: bool, bomb: int) -> None:
    """An extension of the bomb's size between header and voxels."""

    def change(data: bytearray) -> None:
        data[108:112] = struct.pack("<f", 352.0 + bomb)
        data[348:352] = b"\1\0\0\0"

    _nifti(path, False, change)
    data = path.read_bytes()
    start, end = data[:352] + struct.pack("<ii", min(bomb, 2**31 - 16), 6), data[352:]
    if not packed:
        sparse(path, start, 352 + bomb + len(end))
        return
    path.write_bytes(gzip.compress(start) + deflated_zeros(bomb, wbits=31) + gzip.compress(end))


def _nifti_files(bomb: int, packed: bool) -> dict[str, Callable[[Path], None]]:
    def dims(data: bytearray) -> None:
        data[42:48] = struct.pack("<3h", 30000, 300, 60)

    def pair(data: bytearray) -> None:
        data[344:348] = b"ni1\0"

    return {
        "header lies": lambda p: _nifti(p, packed, dims),
        "payload lies": lambda p: _nifti(p, packed, lambda data: bytes(data) + bytes(100)),
        "bomb": lambda p: _nifti_extension(p, packed, bomb),
        "truncated": lambda p: _nifti(p, packed, lambda data: bytes(data[:-50])),
        "foreign reference": lambda p: _nifti(p, packed, pair),
    }


def ang_text(rows: int = 3, claim: int = 3, columns: int = 3) -> str:
    head = [f"# GRID: SqrGrid\n# XSTEP: 1\n# YSTEP: 1\n# NCOLS_ODD: {columns}\n# NROWS: {claim}"]
    return "\n".join([*head, *(f"0 0 0 {x} {y} 1 0.9 1" for y in range(rows) for x in range(columns))]) + "\n"


def ctf_text(rows: int = 3, claim: int = 3, columns: int = 3) -> str:
    head = [
        f"Channel Text File\nJobMode\tGrid\nXCells\t{columns}\nYCells\t{claim}\nXStep\t1\nYStep\t1\nPhases\t1",
        "1;1;1\t90;90;90\tFe\t11\t0",
        "Phase\tX\tY\tBands\tError\tEuler1\tEuler2\tEuler3",
    ]
    return "\n".join([*head, *(f"1\t{x}\t{y}\t8\t0\t0\t0\t0" for y in range(rows) for x in range(columns))]) + "\n"


def _text_files(bomb: int, text: Callable[..., str], start: str) -> dict[str, Callable[[Path], None]]:
    return {
        "header lies": lambda p: p.write_text(text(claim=10**9)),
        "header lies (digits)": lambda p: p.write_text(text().replace("\t3\n", f"\t{'9' * 5000}\n", 1)
                                                       .replace("ODD: 3", "ODD: " + "9" * 5000)),
        "payload lies": lambda p: p.write_text(text(rows=5)),
        "bomb": lambda p: sparse(p, start.encode(), bomb),
        "truncated": lambda p: p.write_text(text()[:-15]),
        "never written": lambda p: p.write_text(text(rows=2)),
    }  # fmt: skip


def cases(bomb: int) -> dict[str, dict[str, Callable[[Path], None]]]:
    """Suffix -> name of the fault -> who writes such a file to a path.

    Args:
        bomb: bytes that a bomb inflates to.
    """
    return {
        ".npy": _npy_files(bomb),
        ".npz": _npz_files(bomb),
        ".raw": _raw_files(bomb),
        ".tif": _tiff_files(bomb),
        ".h5": _h5_files(bomb),
        ".vti": _vti_files(bomb),
        ".nii": _nifti_files(bomb, False),
        ".nii.gz": _nifti_files(bomb, True),
        ".ang": _text_files(bomb, ang_text, "# GRID: SqrGrid\n"),
        ".ctf": _text_files(bomb, ctf_text, "Channel Text File\n"),
    }


def options(suffix: str) -> dict:
    """What `read_image` needs besides the path."""
    return RAW if suffix == ".raw" else {}


def _memory(key: str) -> float:
    with open("/proc/self/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(key)) / 1024


def measured(path: Path, given: dict) -> tuple[str, float, float]:
    """Read a file in a process of its own.

    Returns:
        How it ended, the seconds, and the megabytes at its peak above those at its start.
    """
    ends, starts = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(HANG)
        try:
            Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
            before, start = _memory("VmRSS"), time.perf_counter()
            try:
                read_image(path, **given)
                how = "READ"
            except InputError as error:
                how = str(error).replace(str(path), path.name)
            except BaseException as error:
                how = f"RAISED {type(error).__name__}"
            text = f"{time.perf_counter() - start}\n{_memory('VmHWM') - before}\n{how}"
            os.write(starts, text.encode()[:4000])
        finally:
            os._exit(0)
    os.close(starts)
    with os.fdopen(ends, "rb") as pipe:
        text = pipe.read().decode(errors="replace")
    _, status = os.waitpid(child, 0)
    if not text:
        return f"CRASHED (signal {os.WTERMSIG(status)})" if os.WIFSIGNALED(status) else "CRASHED", 0.0, 0.0
    seconds, more, how = text.split("\n", 2)
    return how, float(seconds), float(more)


def main(bomb: int) -> int:
    """The table; the number of cases that do not end as claimed."""
    wrong, worst = 0, (0.0, 0.0)
    with tempfile.TemporaryDirectory(prefix="file-limits-") as folder:
        for suffix, faults in cases(bomb).items():
            good = Path(folder, f"libraries{suffix}")
            good.write_bytes(b"x" * 500)
            try:  # libraries are imported before the clock and the memory start
                read_image(good, **options(suffix))
            except InputError:
                pass
            for fault, write in faults.items():
                path = Path(folder, f"a{suffix}")
                write(path)
                how, seconds, more = measured(path, options(suffix))
                bad = how.split(" ")[0] in ("READ", "RAISED", "CRASHED") or seconds > SECONDS or more > MEGABYTES
                wrong += bad
                worst = max(worst[0], seconds), max(worst[1], more)
                print(f"{suffix:8}{fault:30}{seconds:7.3f} s{more:8.1f} MB  {'WRONG ' if bad else ''}{how[:110]}")
                path.unlink()
    print(f"not as claimed: {wrong}; longest {worst[0]:.2f} s, most {worst[1]:.0f} MB")
    return wrong


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1] if len(sys.argv) > 1 else 1024) << 20) > 0)
