"""Ctrl-C and SIGTERM in a training run: obeyed at once where nothing is lost by it, and at the next
such place otherwise.

    with stops() as stop:
        with stop.interruptible():      an evaluation, a forward and backward pass: whatever has changed nothing yet
            ...                         here a signal raises Stopped
        update the weights, save        here it only sets stop.asked

The second signal does not wait: it raises KeyboardInterrupt wherever the program is.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(BaseException):
    """A stop was asked for in a place that can be left.

    Not an Exception: a learner's `except Exception` does not catch it.
    """


class Stop:
    """Whether a stop has been asked for."""

    def __init__(self):
        self.asked = False
        self._interruptible = False

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """A part that may be left at any line.

        Raises Stopped if a stop is asked for in it, or was before.
        """
        self._interruptible = True
        try:
            if self.asked:
                raise Stopped
            yield
        finally:
            self._interruptible = False

    def ask(self, number: int = 0, frame: FrameType | None = None) -> None:
        """Ask for a stop. This is what a signal calls."""
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        if self._interruptible:
            raise Stopped


@contextmanager
def stops() -> Iterator[Stop]:
    """Ctrl-C and SIGTERM ask for a stop while it lasts."""
    stop = Stop()
    # signals belong to the main thread
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop.ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
