"""Rung 3: B is cut into blocks that fit a core's cache, and each block meets all rows of A before
the next is touched.

In m2 a core reads all of B for every row of A. Here it takes DEPTH x WIDTH numbers of B (256 KiB),
which stay in its own L2 cache while all its rows of A go by. Count the reads and writes: they are
the same, to the last number. What changes is where they are
found: some 14 cycles away, instead of 50 (L3) or 300 (memory).

Look at the table before you believe that it is faster. Where B fits the L3 cache, or the memory is
quick, m2 hardly waits for B: it is busy with reading and writing C. Then blocks win nothing yet,
and pay in m4, whose loop is fast enough to be kept waiting.
"""

import numpy as np

from kernels.jit import part
from kernels.ladder.common import all_threads, matrices, prange
from kernels.ladder.m1_order import add_times, traffic
from kernels.memory import empty
from kernels.tile import threads

__all__ = ["matmul", "traffic"]
DEPTH, WIDTH = 64, 1024  # of a block of B
ZERO = np.float32(0.0)


@part
def _rows(a, b, c):
    """C = A B for one thread's rows of A and C."""
    K, N = b.shape
    c[:, :] = ZERO
    for n in range(0, N, WIDTH):
        for k0 in range(0, K, DEPTH):
            for i in range(a.shape[0]):
                for k in range(k0, min(k0 + DEPTH, K)):
                    add_times(c[i, n : n + WIDTH], a[i, k], b[k, n : n + WIDTH])


@all_threads
def _matmul(a, b, c, shares):
    M = c.shape[0]
    for share in prange(shares):
        rows = slice(M * share // shares, M * (share + 1) // shares)
        _rows(a[rows], b, c[rows])


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """C (M, N) of A (M, K) and B (K, N), float32."""
    a, b = matrices(a, b)
    c = empty((a.shape[0], b.shape[1]))
    _matmul(a, b, c, threads())
    return c
