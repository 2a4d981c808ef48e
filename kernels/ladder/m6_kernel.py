"""Rung 6: kernels/matmul.py, which computes every linear layer of the model.

It adds to m5 what a model needs:

    blocks of panels   8 panels, 512 deep, stay in the L2 cache. The 8 rows of A of a tile (16 KiB)
                       stay in the L1 cache for all 8 panels. So A is fetched from memory once per
                       block, not once per panel
    transposes         A and B may each be stored transposed
    edges              smaller tiles, not padded copies
    bias and GELU      applied while a tile is still in the cache
    workspaces         kept from call to call, so that nothing is allocated
"""

import numpy as np

from kernels.ladder.common import matrices
from kernels.matmul import DEPTH
from kernels.matmul import matmul as kernel_matmul
from kernels.memory import empty
from kernels.tile import COLUMNS, ROWS


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return C (M, N) = A B for A (M, K) and B (K, N), float32."""
    a, b = matrices(a, b)
    (M, K), N = a.shape, b.shape[1]
    c = empty((M, N))
    kernel_matmul(a.reshape(-1), K, True, b.reshape(-1), N, False, c.reshape(-1), M, N, K)
    return c


def traffic(M: int, N: int, K: int) -> tuple[int, int]:
    """Count the numbers read and written; edges count as whole tiles.

    As m5, but C is written and read again once per DEPTH numbers of K.
    """
    tiles, panels, depths = -(-M // ROWS), -(-N // COLUMNS), -(-K // DEPTH)
    reads = N * K + tiles * panels * K * (ROWS + COLUMNS) + (depths - 1) * M * N
    return reads, panels * COLUMNS * K + depths * M * N
