"""Which Python thread may call a kernel, and when.

Of Numba's three threading layers, tbb and omp may be called from several Python threads at once.
workqueue, which is used when the other two cannot be loaded, ends the whole process if that
happens; there, callers wait for each other. Which layer it is shows after the first call: until
then, too, one caller runs at a time.
"""

import functools
import threading
from collections.abc import Callable

import numba

_calling = threading.Lock()
_several_may_call = False


def in_turn(compiled: Callable) -> Callable:
    """The kernel, one caller at a time where the threading layer cannot take more."""

    @functools.wraps(compiled)
    def called(*args):
        if _several_may_call:
            return compiled(*args)
        with _calling:
            result = compiled(*args)
            _look_at_the_layer()
        return result

    return called


def _look_at_the_layer() -> None:
    global _several_may_call
    try:
        _several_may_call = numba.threading_layer() != "workqueue"
    except ValueError:  # no thread has been started yet
        _several_may_call = False
