"""Rung 5: the sums of ROWS x COLUMNS numbers of C stay in registers until they are whole.

m4 still reads and writes its sums once for every 4 products. The register tile (kernels/tile.py,
written in the compiler's own instructions since no loop in Python says "keep this in a register")
holds 8 x 32 sums in 16 vector registers while k runs from the first to the last: C is written once,
each number of A read meets 32 of B, and each of B meets 8 of A.

The tile reads COLUMNS numbers of B for each k, so B is first copied into panels, (K, COLUMNS) each,
which it reads front to back. A panel stays in the L2 cache while all rows of A go by. The tile
knows no edges: A, B and C are padded with zeros to whole tiles.
"""

import numpy as np

from kernels.jit import part
from kernels.ladder.common import all_threads, matrices, prange
from kernels.memory import empty
from kernels.tile import COLUMNS, ROWS, tile_rows

ZEROS = np.zeros(COLUMNS, np.float32)  # what the tile adds to each sum


@part
def _pack(b, n, panel):
    """Columns n .. n + COLUMNS of B as a panel; zeros where B has no more."""
    width = min(COLUMNS, b.shape[1] - n)
    if width < COLUMNS:
        panel[:] = np.float32(0.0)
    for k in range(b.shape[0]):
        row, place = b[k, n : n + width], panel[k * COLUMNS : k * COLUMNS + width]
        for j in range(width):
            place[j] = row[j]


@all_threads
def _matmul(a, b, c, zeros, panels):
    M, K, N = a.shape[0], a.shape[1], c.shape[1]  # M and N in whole tiles
    flat_a, flat_c = a.reshape(-1), c.reshape(-1)
    for p in prange(N // COLUMNS):
        _pack(b, p * COLUMNS, panels[p])
        for m in range(0, M, ROWS):
            at = m * N + p * COLUMNS
            tile_rows(flat_a, m * K, K, panels[p], 0, COLUMNS, zeros, 0, 0, flat_c, at, N, K)


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """C (M, N) of A (M, K) and B (K, N), float32."""
    a, b = matrices(a, b)
    (M, K), N = a.shape, b.shape[1]
    tiles, panels = -(-M // ROWS), -(-N // COLUMNS)
    padded = a if M % ROWS == 0 else np.pad(a, ((0, tiles * ROWS - M), (0, 0)))
    c = empty((tiles * ROWS, panels * COLUMNS))
    _matmul(padded, b, c, ZEROS, empty((panels, K * COLUMNS)))
    return np.ascontiguousarray(c[:M, :N])


def traffic(M: int, N: int, K: int) -> tuple[int, int]:
    """Reads: B once to pack it; each tile, ROWS numbers of A and COLUMNS of B for each k.

    Writes: the panels, C.
    """
    tiles, panels = -(-M // ROWS), -(-N // COLUMNS)
    return N * K + tiles * panels * K * (
        ROWS + COLUMNS
    ), panels * COLUMNS * K + tiles * panels * ROWS * COLUMNS
