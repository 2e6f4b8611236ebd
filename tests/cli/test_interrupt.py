"""An interrupt is never lost, wherever it arrives."""

import gc
import os
import signal
import threading
import time

import pytest

from jaxhomog.cli._interrupt import heeded_interrupts


@pytest.fixture
def interrupts():
    """Python's own handler, whatever the tests were started with."""
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals arrive in the main thread, and the tests run in another one")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def collection():
    """A callback of the garbage collector during which an interrupt arrives, once, after it was armed."""
    calls = []
    armed = threading.Event()

    def deeper():
        os.kill(os.getpid(), signal.SIGINT)
        return sum(range(1000))  # the handler runs between these steps

    def callback(phase, info):
        if armed.is_set() and not calls:
            calls.append(phase)
            deeper()

    gc.callbacks.append(callback)
    yield armed, calls
    gc.callbacks.remove(callback)


def wait(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.01)


def test_an_interrupt_inside_a_collection_comes_again(interrupts, collection):
    armed, calls = collection
    with pytest.raises(KeyboardInterrupt), heeded_interrupts():
        armed.set()
        gc.collect()
        assert calls  # it arrived inside, and did not end the collection
        wait(5)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_elsewhere_is_at_once(interrupts):
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt), heeded_interrupts():
        os.kill(os.getpid(), signal.SIGINT)
        wait(5)
    assert time.monotonic() - begun < 1


def test_an_ignored_interrupt_stays_ignored(interrupts):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with heeded_interrupts():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
