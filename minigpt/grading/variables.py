"""What the local variables of a function hold when it returns."""

import sys
from collections.abc import Callable

import numpy as np


def locals_of(function: Callable, *args: object) -> dict[str, np.ndarray]:
    """The arrays that a function's local variables hold when it returns."""
    code, found = function.__code__, {}

    def watch(frame, event, arg):
        if event == "return" and frame.f_code is code:
            found.update(frame.f_locals)

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        function(*args)
    finally:
        sys.setprofile(before)
    return {name: np.array(v) for name, v in found.items() if isinstance(v, np.ndarray)}
