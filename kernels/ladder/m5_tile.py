"""Rung 5: the sums of ROWS x COLUMNS numbers of C stay in registers until they are complete.

m4 still reads and writes its sums once per 4 products. The register tile (kernels/tile.py) holds
8 x 32 sums in 16 vector registers while k runs from first to last. It is written as LLVM
instructions, because a Python loop cannot say "keep this in a register". C is written once. Each
number of A that is read is used for 32 products, each number of B for 8.

The tile reads COLUMNS numbers of B for each k. So B is first copied into panels, (K, COLUMNS) each,
which the tile reads from front to back. A panel stays in the L2 cache while all rows of A pass. The
tile handles no edges: A, B and C are padded with zeros to whole tiles.
"""

import numpy as np

from kernels.jit import compiled, prange
from kernels.ladder.common import all_threads, matrices
from kernels.memory import empty
from kernels.tile import COLUMNS, ROWS, tile_rows

ZEROS = np.zeros(COLUMNS, np.float32)  # what the tile adds to each sum


@compiled
def _pack(b, n, panel):
    """Copy columns n .. n + COLUMNS of B into a panel, padded with zeros."""
    width = min(COLUMNS, b.shape[1] - n)
    if width < COLUMNS:
        panel[:] = np.float32(0.0)
    for k in range(b.shape[0]):
        row, place = b[k, n : n + width], panel[k * COLUMNS : k * COLUMNS + width]
        for j in range(width):
            place[j] = row[j]


@all_threads
def _matmul(a, b, c, zeros, panels):
    M, K, N = a.shape[0], a.shape[1], c.shape[1]  # M and N are whole tiles
    flat_a, flat_c = a.reshape(-1), c.reshape(-1)
    for p in prange(N // COLUMNS):
        _pack(b, p * COLUMNS, panels[p])
        for m in range(0, M, ROWS):
            at = m * N + p * COLUMNS
            tile_rows(flat_a, m * K, K, panels[p], 0, COLUMNS, zeros, 0, 0, flat_c, at, N, K)


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return C (M, N) = A B for A (M, K) and B (K, N), float32."""
    a, b = matrices(a, b)
    (M, K), N = a.shape, b.shape[1]
    tiles, panels = -(-M // ROWS), -(-N // COLUMNS)
    padded = a if M % ROWS == 0 else np.pad(a, ((0, tiles * ROWS - M), (0, 0)))
    c = empty((tiles * ROWS, panels * COLUMNS))
    _matmul(padded, b, c, ZEROS, empty((panels, K * COLUMNS)))
    return np.ascontiguousarray(c[:M, :N])


def traffic(M: int, N: int, K: int) -> tuple[int, int]:
    """Count the numbers read and written.

    Reads: B once to pack it; per tile and k, ROWS numbers of A and COLUMNS of B. Writes: the
    panels, C.
    """
    tiles, panels = -(-M // ROWS), -(-N // COLUMNS)
    reads = N * K + tiles * panels * K * (ROWS + COLUMNS)
    return reads, panels * COLUMNS * K + tiles * panels * ROWS * COLUMNS
