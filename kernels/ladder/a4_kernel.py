"""Rung 4: kernels/attention.py, which computes the attention of the model.

It adds to a3 what a model needs:

    masks         windows, fewer queries than keys, dropout
    in place      q, k, v are read and out is written where they are: three arrays or one packed
                  (B, T, 3C). The packed array is not first split into one array per head
    blocks        of 128 keys. If no score of a block is hidden, no mask is applied
    workspaces    kept from call to call
"""

import numpy as np

from kernels.attention import attention_forward
from kernels.flash import KEYS, up
from kernels.tile import COLUMNS, ROWS


def attention(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return causal attention (B, nh, T, hs) of q, k, v, all float32."""
    return attention_forward(q, k, v)[0]


def traffic(B: int, nh: int, T: int, hs: int) -> tuple[int, int]:
    """Count the numbers read and written.

    As a3, but without padding to whole blocks. The mask's write of S in blocks that the diagonal
    cuts is not counted.
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
