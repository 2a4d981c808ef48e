"""Rung 0: C = A B as a textbook writes it, C[i, j] = sum_k A[i, k] B[k, j].

The loops are compiled. So the gains of the next rungs come from better loops, not from leaving
Python. The slow part: k runs down a column of B, and neighbouring numbers of a column are a whole
row apart in memory. Each step fetches a cache line of 16 numbers and uses one of them.
"""

import numpy as np

from kernels.ladder.common import matrices, one_thread
from kernels.memory import empty

ZERO = np.float32(0.0)  # a Python 0.0 would make the sum a float64


@one_thread
def _matmul(a, b, c):
    for i in range(c.shape[0]):
        for j in range(c.shape[1]):
            total = ZERO
            for k in range(a.shape[1]):
                total += a[i, k] * b[k, j]
            c[i, j] = total


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return C (M, N) = A B for A (M, K) and B (K, N), float32."""
    a, b = matrices(a, b)
    c = empty((a.shape[0], b.shape[1]))
    _matmul(a, b, c)
    return c


def traffic(M: int, N: int, K: int) -> tuple[int, int]:
    """Count the numbers read and written.

    Reads: one number of A and one of B per product. Writes: C.
    """
    return 2 * M * N * K, M * N
