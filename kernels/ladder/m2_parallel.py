"""Rung 2: the rows of C are shared among the threads.

Row i of C needs row i of A and all of B, but no other row of C. So each thread can write its rows
without waiting for another thread. With n cores this would be n times as fast if each core had its
own memory. But each core reads all of B for every row of A. If B is larger than the caches of one
core, all cores wait for the same memory.
"""

import numpy as np

from kernels.jit import prange
from kernels.ladder.common import all_threads, matrices
from kernels.ladder.m1_order import add_times, traffic
from kernels.memory import empty

# the reads and writes are those of m1, divided among the threads
__all__ = ["matmul", "traffic"]
ZERO = np.float32(0.0)


@all_threads
def _matmul(a, b, c):
    for i in prange(c.shape[0]):
        c[i, :] = ZERO
        for k in range(a.shape[1]):
            add_times(c[i], a[i, k], b[k])


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return C (M, N) = A B for A (M, K) and B (K, N), float32."""
    a, b = matrices(a, b)
    c = empty((a.shape[0], b.shape[1]))
    _matmul(a, b, c)
    return c
