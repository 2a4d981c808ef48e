"""Rung 1: the same three loops in the order i, k, j.

The inner loop now runs along a row of B and a row of C. Their numbers are neighbours in memory. The
compiler puts 16 (or 8, or 4) of them into the lanes of one vector and multiplies all lanes by the
same A[i, k] with one instruction. Every number of a cache line is used.

The price: C[i, j] no longer stays in a register until its sum is complete. It is read and written
once for each k. There are more reads and writes than in m0. It is still faster, because each
instruction handles a whole vector.
"""

import numpy as np

from kernels.jit import inlined
from kernels.ladder.common import matrices, one_thread
from kernels.memory import empty

ZERO = np.float32(0.0)


@inlined
def add_times(to, factor, row):
    """Add factor * row to `to`, in vector lanes."""
    for j in range(to.size):
        to[j] += factor * row[j]


@one_thread
def _matmul(a, b, c):
    for i in range(c.shape[0]):
        c[i, :] = ZERO
        for k in range(a.shape[1]):
            add_times(c[i], a[i, k], b[k])


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return C (M, N) = A B for A (M, K) and B (K, N), float32."""
    a, b = matrices(a, b)
    c = empty((a.shape[0], b.shape[1]))
    _matmul(a, b, c)
    return c


def traffic(M: int, N: int, K: int) -> tuple[int, int]:
    """Count the numbers read and written.

    Reads: A once; one number of B and one of C per product. Writes: zeros to C, then one number of
    C per product.
    """
    return M * K + 2 * M * N * K, M * N + M * N * K
