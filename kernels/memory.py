"""Memory that is used again: page faults cost more than the arithmetic of a small layer.

A fresh np.empty above a few hundred kB is pages that the system must first find and fill with
zeros. So there are

    workspace.floats(name, n)    scratch of the kernels, never handed to a caller; kept for the next call of the same name
    empty(shape)                 an array for a caller, its memory taken from arrays that nobody holds any more

An array of `empty` belongs to its holder until the last view of it is gone; only then is its memory
given out again. No call can overwrite what a caller still has in hand.

All of it together is at most twice what was once held at the same time. A training step, which
needs the same arrays every time, finds them all; a text that grows, and asks for a new size at each
token, does not pile up the old sizes.
"""

import threading
from collections import deque

import numpy as np

from kernels.tile import threads

ALIGNMENT = 64  # bytes: a cache line, and the widest vector


def aligned(n: int) -> np.ndarray:
    """n fresh float32 numbers that begin on a cache line."""
    raw = np.empty(4 * n + ALIGNMENT, np.uint8)
    first = -raw.ctypes.data % ALIGNMENT
    return raw[first : first + 4 * n].view(np.float32)


class _Workspace(threading.local):
    """Scratch arrays by name, each as large as the largest call so far.

    Each thread of Python has its own.
    """

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
    """A piece of memory that is handed back when the last array that lies in it is gone."""

    def __init__(self, memory: np.ndarray):
        self.memory = memory
        self.__array_interface__ = memory.__array_interface__

    def __del__(self):
        # one step that no thread can interrupt; the shelf takes it in at the next call
        _handed_back.append(self.memory)


class _Shelf:
    """Memory that nobody holds, by size; of the sizes, the one that was longest not asked for goes
    first.
    """

    def __init__(self):
        self.by_size: dict[int, list[np.ndarray]] = {}
        self.asked: dict[int, int] = {}  # size -> when it was asked for last, in calls
        self.calls = self.free = self.held = self.most_held = 0  # the last three in bytes

    def take(self, n: int) -> np.ndarray:
        """n float32 numbers for a new holder."""
        if _handed_back:
            self.take_back()
        self.calls += 1
        self.asked[n] = self.calls
        same = self.by_size.get(n)
        if same:
            memory = same.pop()
            self.free -= 4 * n
        else:
            memory = aligned(n)
        self.held += 4 * n
        if self.held > self.most_held:
            self.most_held = self.held
        return memory

    def take_back(self) -> None:
        """Put away what was handed back, and let go of what is beyond the limit."""
        while _handed_back:
            memory = _handed_back.popleft()
            n = memory.size
            if n in self.by_size:
                self.by_size[n].append(memory)
            else:
                self.by_size[n] = [memory]
            self.held -= 4 * n
            self.free += 4 * n
        while self.free + self.held > 2 * self.most_held:
            self.let_go(min(self.by_size, key=self.asked.get))

    def let_go(self, n: int) -> None:
        """Give up all memory of one size."""
        self.free -= 4 * n * len(self.by_size.pop(n))
        del self.asked[n]


_handed_back: deque[np.ndarray] = deque()
_shelf, _one_at_a_time = _Shelf(), threading.Lock()


def empty(shape: tuple[int, ...]) -> np.ndarray:
    """A float32 array of any values, C-contiguous, that belongs to the caller."""
    n = 1
    for length in shape:
        n *= length
    with _one_at_a_time:
        memory = _shelf.take(n)
    return np.asarray(_Block(memory)).reshape(shape)


def bytes_kept() -> int:
    """How many bytes are kept that nobody holds."""
    with _one_at_a_time:
        _shelf.take_back()
        return _shelf.free
