"""Arrays in reused memory.

Page faults cost more than the arithmetic of a small layer: for an np.empty above a few hundred kB
the system must find pages and fill them with zeros. So there are

    workspace.floats(name, n)    scratch of the kernels, kept for the next call of the same name
    empty(shape)                 an array for a caller, in memory that no array uses any more

The memory of an array from `empty` is reused only when the last view of the array is gone. No call
can overwrite an array that a caller still holds.

The memory in use and the memory kept are together at most twice the largest amount that was ever in
use. A training step needs the same arrays every time and finds them all. A text that becomes longer
asks for a new size at each token; the old sizes are freed.
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
    """Scratch arrays by name, separate for every Python thread.

    Each is as large as the largest call so far.
    """

    def __init__(self):
        self.arrays: dict[str, np.ndarray] = {}

    def floats(self, name: str, n: int) -> np.ndarray:
        """At least n float32 numbers, of any value."""
        if name not in self.arrays or self.arrays[name].size < n:
            self.arrays[name] = aligned(n)
        return self.arrays[name]

    def threads(self) -> int:
        """How many threads a kernel uses; each needs a share of scratch."""
        return threads()


workspace = _Workspace()


class _Block:
    """Memory that is handed back when its last array is gone."""

    def __init__(self, memory: np.ndarray):
        self.memory = memory
        self.__array_interface__ = memory.__array_interface__

    def __del__(self):
        # deque.append is atomic; the shelf takes the memory back at its next call
        _handed_back.append(self.memory)


class _Shelf:
    """Unused memory by size.

    The size that was requested longest ago is freed first.
    """

    def __init__(self):
        self.by_size: dict[int, list[np.ndarray]] = {}
        self.asked: dict[int, int] = {}  # size -> the number of the last call that requested it
        self.calls = self.free = self.held = self.most_held = 0  # the last three in bytes

    def take(self, n: int) -> np.ndarray:
        """n float32 numbers that no array uses."""
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
        """Store the memory that was handed back; free what exceeds the limit."""
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
        """Free all memory of one size."""
        self.free -= 4 * n * len(self.by_size.pop(n))
        del self.asked[n]


_handed_back: deque[np.ndarray] = deque()
_shelf, _one_at_a_time = _Shelf(), threading.Lock()


def empty(shape: tuple[int, ...]) -> np.ndarray:
    """An uninitialised float32 array, C-contiguous."""
    n = 1
    for length in shape:
        n *= length
    with _one_at_a_time:
        memory = _shelf.take(n)
    return np.asarray(_Block(memory)).reshape(shape)


def bytes_kept() -> int:
    """How many bytes are kept that no array uses."""
    with _one_at_a_time:
        _shelf.take_back()
        return _shelf.free
