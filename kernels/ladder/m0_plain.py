"""Rung 0: C = A B as a textbook writes it, C[i, j] = sum_k A[i, k] B[k, j].

Compiled, so that what follows is won by better loops and not by leaving Python. What makes it slow:
k runs down a column of B, and from one number of a column to the next it is a whole row of memory.
A cache line of 16 numbers is fetched and one of them used.
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
    """C (M, N) of A (M, K) and B (K, N), float32."""
    a, b = matrices(a, b)
    c = empty((a.shape[0], b.shape[1]))
    _matmul(a, b, c)
    return c


def traffic(M: int, N: int, K: int) -> tuple[int, int]:
    """Reads: a number of A and one of B for each product. Writes: C."""
    return 2 * M * N * K, M * N
