"""When several Python threads may call a kernel at the same time.

Numba has three threading layers. tbb and omp may be called from several Python threads at once.
workqueue, which Numba uses if it can load neither, ends the whole process if that happens. So with
workqueue the callers wait for each other. The layer is known only after the first call; until then
only one caller runs at a time, too.
"""

import functools
import threading
from collections.abc import Callable

import numba

_calling = threading.Lock()
_several_may_call = False


def in_turn(compiled: Callable) -> Callable:
    """The kernel, called by one thread at a time if necessary."""

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
