"""Rung 1 of the backward pass: kernels/attention.py, which trains the model.

The steps are those of b0. As in a3, queries are lanes, and all five products are register tiles;
the products took most of the time of b0. S^T = K Q^T and dP^T = V dout^T are computed with queries
as columns. Then P^T and dS^T are already stored as the rows that dV += P^T dout and dK += dS^T Q
read, and as the panels that dQ^T += K^T dS^T reads. For this, q and dout are copied both as they
are and transposed, and K and V once per head.
"""

import numpy as np

from kernels.attention import NO_MASK, AttentionCache, Layout
from kernels.attention import attention_backward as kernel_backward
from kernels.flash import FAR, KEYS, QUERIES, up
from kernels.tile import COLUMNS, ROWS


def attention_backward(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, out: np.ndarray, lse: np.ndarray, dout: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return dq, dk, dv (B, nh, T, hs) of causal attention.

    out and lse (B, nh, T) are the results of a3_lanes.attention_and_lse.
    """
    B, nh, T, hs = q.shape
    strides = (nh * T * hs, T * hs, hs)  # from one sequence, head, token to the next
    layout = Layout((B, nh, T, T, hs), (0, 0, 0), strides, strides, strides, True, FAR)
    # the kernel takes m and log l; lse and 0 have the same sum
    return kernel_backward(
        dout,
        AttentionCache(q, k, v, out, lse, np.zeros_like(lse), NO_MASK, np.float32(1.0), layout),
    )


def traffic(B: int, nh: int, T: int, hs: int) -> tuple[int, int]:
    """Count the numbers read and written, without the writes of the mask.

    Copies of q, k, v, dout, dq, dk, dv; per block its five products, P and dS.
    """
    # pair: what one step of a tile reads
    narrow, wide, pair = up(hs, ROWS), up(hs, COLUMNS), ROWS + COLUMNS
    reads, writes = 4 * T * hs, 2 * (T + ROWS) * (narrow + wide) + 2 * T * hs
    for i0 in range(0, T, QUERIES):
        n = min(QUERIES, T - i0)
        keys, blocks = up(i0 + n, ROWS), -(-(i0 + n) // KEYS)
        tiles = (
            2 * (keys // ROWS) * (QUERIES // COLUMNS) * hs
            + 2 * (keys // ROWS) * (wide // COLUMNS) * QUERIES
        )
        tiles += narrow // ROWS * (QUERIES // COLUMNS) * keys
        sums, scores = 2 * keys * wide + blocks * narrow * QUERIES, keys * QUERIES
        reads += tiles * pair + sums + 2 * scores + 7 * n * hs + n * wide
        writes += sums + 4 * scores + QUERIES * (2 * hs + 2 * wide + narrow) + n * wide + n * hs
    return B * nh * reads, B * nh * writes
