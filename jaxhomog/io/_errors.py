"""One line for every bad input: messages, the guard around file libraries, and optional imports."""

from __future__ import annotations

import importlib
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from ..results import InputError


def one_line(text: object) -> str:
    """Text as one printable line: a path may hold newlines, control characters or undecodable bytes.

    Args:
        text: anything with a `str`.

    Returns:
        The text with every unprintable character escaped, so that it can be printed in any UTF-8 terminal.
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))


def bad_input(path: object, problem: str, remedy: str) -> InputError:
    """The error for one bad file (to be raised by the caller).

    Args:
        path: the file.
        problem: what is wrong, a clause that follows the path.
        remedy: what to do about it.

    Returns:
        An `InputError` whose message is exactly one line.
    """
    return InputError(one_line(f"{_text(path)}: {problem}: {remedy}"))


def brief(error: BaseException, limit: int = 160) -> str:
    """Type and first words of a library's error, for the parenthesis of a message.

    Args:
        error: the exception.
        limit: characters kept.

    Returns:
        One line.
    """
    words = one_line(" ".join(str(error).split()))
    words = words if len(words) <= limit else words[: limit - 3] + "..."
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


@contextmanager
def guarded(path: object, kind: str) -> Iterator[None]:
    """Turn whatever a file library raises on a damaged file into one line.

    The libraries raise nearly every type of exception on damaged bytes (KeyError, struct.error, zlib.error, OSError,
    ...), so the net has to be this wide; our own one-line errors pass through.

    Args:
        path: the file.
        kind: its format, as a user calls it.

    Raises:
        InputError: in place of every other exception.
    """
    try:
        yield
    except InputError:
        raise
    except MemoryError as error:
        raise bad_input(path, "does not fit in memory", "crop or coarsen the image, or use a larger machine") from error
    except Exception as error:
        raise bad_input(path, f"is damaged or no {kind} file ({brief(error)})", f"export it again as {kind}") from error


@contextmanager
def overheard(logger: str) -> Iterator[list[str]]:
    """Collect what a library logs or warns instead of letting it print beside our one line.

    Args:
        logger: name of the library's logger.

    Yields:
        The list that fills with one-line messages.
    """
    heard: list[str] = []
    log = logging.getLogger(logger)
    handlers, propagate = log.handlers[:], log.propagate
    log.handlers, log.propagate = [_Collect(heard)], False
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield heard
        # Warnings for developers (deprecations, files that somebody else left open) say nothing about this file.
        meant = [w for w in caught if issubclass(w.category, (UserWarning, RuntimeWarning))]
        heard.extend(one_line(" ".join(str(w.message).split())) for w in meant)
    finally:
        log.handlers, log.propagate = handlers, propagate


class _Collect(logging.Handler):
    """Logging handler that appends each warning to a list."""

    def __init__(self, heard: list[str]):
        super().__init__(logging.WARNING)
        self.heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(one_line(" ".join(record.getMessage().split())))


def optional(path: object, module: str, extra: str = "readers") -> ModuleType:
    """Import a library of an extra where it is needed.

    Args:
        path: the file that needs it.
        module: name to import.
        extra: the extra that holds it.

    Returns:
        The module.

    Raises:
        InputError: it is not installed (the message names the extra).
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise bad_input(
            path, f"needs the package {module}, which is not installed", f"pip install 'jaxhomog[{extra}]'"
        ) from error


def _text(path: object) -> str:
    try:
        return os.fsdecode(path)  # type: ignore[arg-type]
    except TypeError:
        return repr(path)
