"""The last rung: kernels/matmul.py, what every linear layer of the model runs on.

It is m5 with what real work asks for. Panels in blocks: 8 of them, 512 deep, stay in the L2 cache,
and a tile's 8 rows of A (16 KiB) stay in the L1 cache while they meet all 8; so A comes from afar
once a block and not once a panel. A and B may each be stored transposed. Edges have a small tile of
their own in place of padded copies. Bias and GELU are applied while a tile is still near. Nothing
is allocated: workspaces are kept from call to call.
"""

import numpy as np

from kernels.ladder.common import matrices
from kernels.matmul import DEPTH
from kernels.matmul import matmul as kernel_matmul
from kernels.memory import empty
from kernels.tile import COLUMNS, ROWS


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """C (M, N) of A (M, K) and B (K, N), float32."""
    a, b = matrices(a, b)
    (M, K), N = a.shape, b.shape[1]
    c = empty((M, N))
    kernel_matmul(a.reshape(-1), K, True, b.reshape(-1), N, False, c.reshape(-1), M, N, K)
    return c


def traffic(M: int, N: int, K: int) -> tuple[int, int]:
    """As m5, but C is put back and taken up again once for each DEPTH of K. (Its edges are counted
    as whole tiles.)
    """
    tiles, panels, depths = -(-M // ROWS), -(-N // COLUMNS), -(-K // DEPTH)
    reads = N * K + tiles * panels * K * (ROWS + COLUMNS) + (depths - 1) * M * N
    return reads, panels * COLUMNS * K + depths * M * N
