"""Ctrl-C that is not lost.

Python drops an exception that is raised while a callback of its garbage collector runs, and JAX has one: an interrupt
that arrives there would be printed and forgotten, and the run would go on to its end.
"""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Until the callback has returned; seconds.
_LATER = 0.05


@contextmanager
def heeded_interrupts() -> Iterator[None]:
    """Within it, an interrupt inside a callback of the garbage collector comes again when the callback is over.

    Where interrupts are ignored or handled by somebody else, and outside the main thread, nothing changes.
    """
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    callbacks = {getattr(callback, "__code__", None) for callback in gc.callbacks}
    while frame is not None:
        if frame.f_code in callbacks:
            again = threading.Timer(_LATER, os.kill, (os.getpid(), number))
            again.daemon = True
            again.start()
            return
        frame = frame.f_back
    raise KeyboardInterrupt
