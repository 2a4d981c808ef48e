"""The last rung forward: kernels/attention.py, what the model runs on.

It is a3 with what real work asks for: windows, queries that are fewer than keys, dropout; and q, k,
v are read, and out is written, where they lie, be they three arrays or one packed (B, T, 3C), with
no copy of anybody's heads. Blocks are 128 keys long, and where nothing of a block is hidden no mask
is looked at. Workspaces are kept from call to call.
"""

import numpy as np

from kernels.attention import attention_forward
from kernels.flash import KEYS, up
from kernels.tile import COLUMNS, ROWS


def attention(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Causal attention: out (B, nh, T, hs) of q, k, v (B, nh, T, hs), float32."""
    return attention_forward(q, k, v)[0]


def traffic(B: int, nh: int, T: int, hs: int) -> tuple[int, int]:
    """As a3, without padding to whole blocks, and the mask's write of S where the diagonal cuts a
    block left out.
    """
    width = up(hs, ROWS)
    reads, writes = 2 * T * hs, 2 * (T + ROWS) * width
    for i0 in range(0, T, COLUMNS):
        n = min(COLUMNS, T - i0)
        keys, blocks = up(i0 + n, ROWS), -(-(i0 + n) // KEYS)
        tiles = (keys // ROWS * hs + width // ROWS * keys) * (ROWS + COLUMNS)
        reads += tiles + 2 * keys * COLUMNS + (2 * blocks - 1) * width * COLUMNS + 2 * n * hs
        writes += 2 * keys * COLUMNS + 2 * blocks * width * COLUMNS + COLUMNS * hs + n * hs
    return B * nh * reads, B * nh * writes
