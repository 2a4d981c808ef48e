"""Ctrl-C and SIGTERM in a training run: stop without losing work.

    with stops() as stop:
        with stop.interruptible():      an evaluation, a forward and backward pass
            ...                         here a signal raises Stopped at once
        update the weights, save        here it only sets stop.asked

The second signal raises KeyboardInterrupt everywhere.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(BaseException):
    """Raised by a signal in code that may be interrupted.

    It is not an Exception, so that a learner's `except Exception` does not catch it.
    """


class Stop:
    """Whether a stop has been requested."""

    def __init__(self):
        self.asked = False
        self._interruptible = False

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """A context in which a signal may interrupt any line.

        Raises Stopped if a stop is requested in it, or was before.
        """
        self._interruptible = True
        try:
            if self.asked:
                raise Stopped
            yield
        finally:
            self._interruptible = False

    def ask(self, number: int = 0, frame: FrameType | None = None) -> None:
        """Request a stop. This is the signal handler."""
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        if self._interruptible:
            raise Stopped


@contextmanager
def stops() -> Iterator[Stop]:
    """A context in which Ctrl-C and SIGTERM request a stop."""
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
