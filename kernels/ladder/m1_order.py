"""Rung 1: the same three loops in the order i, k, j.

Now the inner loop runs along a row of B and a row of C: numbers that lie side by side. The compiler
takes 16 (or 8, or 4) of them as the lanes of one vector, multiplies all by the same A[i, k] with
one instruction, and every number of a cache line is used. The price: C[i, j] is no longer kept in a
register until its sum is whole, it is read and written once for each k. There are more reads and
writes than before, and it is faster all the same, for each instruction now moves a whole vector.
"""

import numpy as np

from kernels.jit import inner
from kernels.ladder.common import matrices, one_thread
from kernels.memory import empty

ZERO = np.float32(0.0)


@inner
def add_times(to, factor, row):
    """to += factor * row, in lanes."""
    for j in range(to.size):
        to[j] += factor * row[j]


@one_thread
def _matmul(a, b, c):
    for i in range(c.shape[0]):
        c[i, :] = ZERO
        for k in range(a.shape[1]):
            add_times(c[i], a[i, k], b[k])


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """C (M, N) of A (M, K) and B (K, N), float32."""
    a, b = matrices(a, b)
    c = empty((a.shape[0], b.shape[1]))
    _matmul(a, b, c)
    return c


def traffic(M: int, N: int, K: int) -> tuple[int, int]:
    """Reads: A once; B and C for each product. Writes: zeros to C, then C for each product."""
    return M * K + 2 * M * N * K, M * N + M * N * K
