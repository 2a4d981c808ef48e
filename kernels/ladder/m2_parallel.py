"""Rung 2: the rows of C are shared out among the threads.

Row i of C needs row i of A and all of B, and nothing of any other row of C: so every thread may
write its own rows, and none has to wait for another. With n cores it would be n times as fast, if
each had its own memory. But all of B goes through a core for every row of A, and where B is larger
than the caches near the core, the cores queue for the same memory.
"""

import numpy as np

from kernels.ladder.common import all_threads, matrices, prange
from kernels.ladder.m1_order import add_times, traffic
from kernels.memory import empty

# the reads and writes are those of m1: they are only done by more hands
__all__ = ["matmul", "traffic"]
ZERO = np.float32(0.0)


@all_threads
def _matmul(a, b, c):
    for i in prange(c.shape[0]):
        c[i, :] = ZERO
        for k in range(a.shape[1]):
            add_times(c[i], a[i, k], b[k])


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """C (M, N) of A (M, K) and B (K, N), float32."""
    a, b = matrices(a, b)
    c = empty((a.shape[0], b.shape[1]))
    _matmul(a, b, c)
    return c
