"""Rung 3: B is cut into blocks that fit into the cache of one core.

In m2 a core reads all of B for every row of A. Here it takes a block of DEPTH x WIDTH numbers of B
(256 KiB) and multiplies all its rows of A by that block before it takes the next. Meanwhile the
block stays in the L2 cache of the core. The number of reads and writes is exactly that of m2. What
changes is where the numbers are found: about 14 cycles away, instead of 50 (L3) or 300 (memory).

Look at the table before you believe that this is faster. If B fits into the L3 cache, or the memory
is fast, m2 hardly waits for B: it spends its time reading and writing C. Then blocks gain nothing
yet. They pay off in m4, where the inner loop is fast enough to wait for B.
"""

import numpy as np

from kernels.jit import compiled, prange
from kernels.ladder.common import all_threads, matrices
from kernels.ladder.m1_order import add_times, traffic
from kernels.memory import empty
from kernels.tile import threads

__all__ = ["matmul", "traffic"]
DEPTH, WIDTH = 64, 1024  # the shape of a block of B
ZERO = np.float32(0.0)


@compiled
def _rows(a, b, c):
    """Compute C = A B for one thread's rows of A and C."""
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
    """Return C (M, N) = A B for A (M, K) and B (K, N), float32."""
    a, b = matrices(a, b)
    c = empty((a.shape[0], b.shape[1]))
    _matmul(a, b, c, threads())
    return c
