"""Memory that is used again: page faults cost more than the arithmetic of a small layer.

A fresh np.empty above some hundred kB is pages that the system has yet to find and to fill with zeros. So there are

    workspace.floats(name, n)    scratch of the kernels, never handed to a caller; kept for the next call of the same name
    empty(shape)                 an array for a caller, its memory taken from arrays that nobody holds any more

An array of `empty` is its holder's until the last view of it is gone; only then is its memory given out again. No call can
overwrite what a caller still has in hand.
"""

import threading

import numpy as np

from kernels.tile import threads

ALIGNMENT = 64  # bytes: a cache line, and the widest vector


def aligned(n: int) -> np.ndarray:
    """n fresh float32 numbers that begin on a cache line."""
    raw = np.empty(4 * n + ALIGNMENT, np.uint8)
    first = -raw.ctypes.data % ALIGNMENT
    return raw[first : first + 4 * n].view(np.float32)


class _Workspace(threading.local):
    """Scratch arrays by name, each as large as the largest call so far. Each thread of Python has its own."""

    def __init__(self):
        self.arrays: dict[str, np.ndarray] = {}

    def floats(self, name: str, n: int) -> np.ndarray:
        """At least n float32 numbers, of any value."""
        if name not in self.arrays or self.arrays[name].size < n:
            self.arrays[name] = aligned(n)
        return self.arrays[name]

    def threads(self) -> int:
        return threads()


workspace = _Workspace()


class _Block:
    """A piece of memory that goes back to the shelf when the last array that lies in it is gone."""

    def __init__(self, memory: np.ndarray):
        self.memory = memory
        self.__array_interface__ = memory.__array_interface__

    def __del__(self):
        if len(_shelf.setdefault(self.memory.size, [])) < SHELF:
            _shelf[self.memory.size].append(self.memory)


_shelf: dict[int, list[np.ndarray]] = {}  # by size, memory that nobody holds
SHELF = 64  # how many of a size are kept


def empty(shape: tuple[int, ...]) -> np.ndarray:
    """A float32 array of any values, C-contiguous, that belongs to the caller."""
    n = 1
    for length in shape:
        n *= length
    free = _shelf.get(n)
    block = _Block(free.pop() if free else aligned(n))
    return np.asarray(block).reshape(shape)
