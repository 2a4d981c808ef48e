"""Rung 4: 4 rows of A at once, with 2 rows of B.

In m3 each vector of B is loaded for one product only, and for that product a vector of C is loaded
and stored. A core could start two multiplications per cycle, but it waits for its loads and stores.
Here each vector of B, once in a register, is multiplied by 4 numbers of A, one from each row. Each
vector of C, once loaded, takes 2 products before it is stored. Per 8 products, that is 2 loads of
B, 4 loads and 4 stores of C, instead of 8, 8 and 8.

The sums of the 4 rows of C are kept in `sums`, a small array that stays in the L1 cache. In C
itself the 4 rows would be one row length apart. If that length is a power of two, all 4 fall into
the same sets of the cache and evict each other.
"""

import numpy as np

from kernels.jit import compiled, prange
from kernels.ladder.common import all_threads, matrices
from kernels.ladder.m1_order import add_times
from kernels.ladder.m3_blocks import DEPTH, WIDTH
from kernels.memory import empty
from kernels.tile import threads

ROWS = 4
ZERO = np.float32(0.0)


@compiled
def _copy(row, to):
    for j in range(row.size):
        to[j] = row[j]


@compiled
def _four_rows(a, b, i, k0, k1, n, width, sums):
    """Add A[i : i + 4, k0 : k1] @ B[k0 : k1, n : n + width] to sums.

    sums is (ROWS, WIDTH), flat.
    """
    s0, s1, s2, s3 = (
        sums[:WIDTH],
        sums[WIDTH : 2 * WIDTH],
        sums[2 * WIDTH : 3 * WIDTH],
        sums[3 * WIDTH :],
    )
    for k in range(k0, k1 - 1, 2):
        this, following = b[k, n : n + width], b[k + 1, n : n + width]
        a0, a1, a2, a3 = a[i, k], a[i + 1, k], a[i + 2, k], a[i + 3, k]
        e0, e1, e2, e3 = a[i, k + 1], a[i + 1, k + 1], a[i + 2, k + 1], a[i + 3, k + 1]
        for j in range(width):
            x, y = this[j], following[j]
            s0[j] += a0 * x + e0 * y
            s1[j] += a1 * x + e1 * y
            s2[j] += a2 * x + e2 * y
            s3[j] += a3 * x + e3 * y
    if (k1 - k0) % 2:  # the last k has no partner
        for r in range(ROWS):
            add_times(
                sums[r * WIDTH : r * WIDTH + width], a[i + r, k1 - 1], b[k1 - 1, n : n + width]
            )


@compiled
def _rows(a, b, c):
    """Compute C = A B for one thread's rows of A and C."""
    (M, K), N = a.shape, b.shape[1]
    sums = np.empty(ROWS * WIDTH, np.float32)
    c[:, :] = ZERO
    for n in range(0, N, WIDTH):
        width = min(WIDTH, N - n)
        for k0 in range(0, K, DEPTH):
            k1 = min(k0 + DEPTH, K)
            for i in range(0, M - ROWS + 1, ROWS):
                for r in range(ROWS):
                    _copy(c[i + r, n : n + width], sums[r * WIDTH : r * WIDTH + width])
                _four_rows(a, b, i, k0, k1, n, width, sums)
                for r in range(ROWS):
                    _copy(sums[r * WIDTH : r * WIDTH + width], c[i + r, n : n + width])
            for i in range(M - M % ROWS, M):  # the last rows, fewer than 4
                for k in range(k0, k1):
                    add_times(c[i, n : n + width], a[i, k], b[k, n : n + width])


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


def traffic(M: int, N: int, K: int) -> tuple[int, int]:
    """Count the numbers read and written, for M a multiple of 4 and K even.

    A is read once per block of B, B once per 4 rows of A. `sums` is read and written for every
    second k. C is copied to `sums` and back once per block.
    """
    blocks, both_ways = -(-N // WIDTH), M * N * K // 2 + 2 * M * N * -(-K // DEPTH)
    return blocks * M * K + M * N * K // ROWS + both_ways, M * N + both_ways
