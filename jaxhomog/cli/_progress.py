"""What a user sees while the program works: lines on standard error."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from ..io import one_line


class Progress:
    """Progress and warnings; the warnings are kept for the report."""

    def __init__(self) -> None:
        self.start = time.perf_counter()
        self.warnings: list[str] = []

    @property
    def seconds(self) -> float:
        """Wall seconds since the start."""
        return time.perf_counter() - self.start

    def say(self, text: str) -> None:
        """One line about what is going on."""
        put(f"[{self.seconds:6.1f} s] {text}")

    def warn(self, text: str) -> None:
        """One line about something decided, ignored or doubtful."""
        self.warnings.append(one_line(text))
        put(f"jaxhomog: warning: {text}")


@contextmanager
def warned(progress: Progress) -> Iterator[None]:
    """Warnings of the library become ours."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        try:
            yield
        finally:
            for warning in said:
                if warning.category is UserWarning:
                    progress.warn(str(warning.message))


def put(text: str) -> None:
    """One printable line on standard error, whatever its encoding."""
    stream = sys.stderr
    line = one_line(text)
    encoding = getattr(stream, "encoding", None) or "ascii"
    try:
        stream.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        stream.flush()
    except (OSError, ValueError):  # a closed terminal is no reason to fail
        pass
