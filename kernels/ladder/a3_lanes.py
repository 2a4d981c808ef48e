"""Rung 3: each query is a vector lane, and the register tile computes both products.

In a2 the scores of one query are neighbours in memory. Its maximum and its sum each run along a
row, and at the end the lanes of a vector must be combined. a3 transposes the tile: neighbouring
numbers now belong to different queries. It stores S^T (keys, queries), with COLUMNS queries side by
side, each in its own lane. Maximum, exponential and sum are then one instruction for all these
queries, and lanes are never combined. P^T is stored exactly as the panel that the tile reads for
O^T = V^T P^T. As in m5_tile.py, the sums of both products stay in registers.

T is padded with zeros to whole blocks. This changes no result: a padding key lies beyond the
diagonal, and a padding query is not written. lse = m + log l is kept. From it and q, k alone the
backward pass (b0) recomputes P.

This is a short version of kernels/flash.py.
Source: Dao 2023, "FlashAttention-2" (lse); Goto and van de Geijn 2008 (panels).
"""

import math

import numpy as np

from kernels.jit import compiled, prange
from kernels.ladder.common import all_threads, heads
from kernels.memory import empty
from kernels.tile import COLUMNS, ROWS, tile_columns, tile_rows
from kernels.vector_math import exp  # plain arithmetic without branches, so it runs in lanes

KEYS = math.lcm(ROWS, COLUMNS, 64)  # per block: whole tiles of keys and of queries
ZERO, MINUS_INFINITY = np.float32(0.0), np.float32(-np.inf)


@compiled
def _padded(rows, length, width):
    """Return rows (n, hs), padded with zeros to (length, width)."""
    padded = np.zeros((length, width), np.float32)
    for i in range(rows.shape[0]):
        for d in range(rows.shape[1]):
            padded[i, d] = rows[i, d]
    return padded


@compiled
def _transpose(q, i0, scale, to):
    """Write queries i0 .. i0 + COLUMNS as lanes: to[d, i] = q[i0 + i, d] * scale."""
    for i in range(COLUMNS):
        for d in range(to.shape[0]):
            to[d, i] = q[i0 + i, d] * scale


@compiled
def _online_softmax(s, i0, j0, m, m_next, shrink, total, o):
    """Turn S^T into P^T, lane by lane; update m, total and O^T as a2 does."""
    for i in range(COLUMNS):
        m_next[i] = m[i]
    for j in range(KEYS):
        for i in range(COLUMNS):
            score = s[j, i]
            score = score if j0 + j <= i0 + i else MINUS_INFINITY
            s[j, i] = score
            m_next[i] = max(m_next[i], score)
    for i in range(COLUMNS):
        shrink[i] = exp(m[i] - m_next[i])
        total[i] *= shrink[i]
        m[i] = m_next[i]
    for d in range(o.shape[0]):
        for i in range(COLUMNS):
            o[d, i] *= shrink[i]
    for j in range(KEYS):
        for i in range(COLUMNS):
            p = exp(s[j, i] - m[i])
            s[j, i] = p
            total[i] += p


@compiled
def _scores(keys, j0, width, q, hs, zeros, s):
    """Compute S^T = K Q^T for one block: (KEYS, hs) @ (hs, COLUMNS)."""
    for j in range(0, KEYS, ROWS):
        at = (j0 + j) * width
        tile_rows(keys, at, width, q, 0, COLUMNS, zeros, 0, 0, s, j * COLUMNS, COLUMNS, hs)


@compiled
def _add_values(values, j0, width, p, o):
    """Add V^T P^T of one block to O^T: (width, KEYS) @ (KEYS, COLUMNS)."""
    for d in range(0, width, ROWS):
        at = d * COLUMNS
        first = j0 * width + d
        tile_columns(values, first, width, p, 0, COLUMNS, o, at, COLUMNS, o, at, COLUMNS, KEYS)


@compiled
def _head(q, k, v, out, lse):
    T, hs = q.shape
    scale = np.float32(1.0 / math.sqrt(hs))
    length, width = -(-T // KEYS) * KEYS, -(-hs // ROWS) * ROWS
    q, keys = _padded(q, length, hs), _padded(k, length, width).reshape(-1)
    values = _padded(v, length, width).reshape(-1)
    # each array twice: flat, because the tile counts in one dimension, and as a matrix
    flat_q, flat_s = np.empty(hs * COLUMNS, np.float32), np.empty(KEYS * COLUMNS, np.float32)
    flat_o = np.empty(width * COLUMNS, np.float32)
    q_transposed, s = flat_q.reshape(hs, COLUMNS), flat_s.reshape(KEYS, COLUMNS)
    o = flat_o.reshape(width, COLUMNS)
    lanes = np.zeros((5, COLUMNS), np.float32)
    m, m_next, shrink, total, zeros = lanes[0], lanes[1], lanes[2], lanes[3], lanes[4]
    for i0 in range(0, T, COLUMNS):
        _transpose(q, i0, scale, q_transposed)
        m[:], total[:], o[:, :] = MINUS_INFINITY, ZERO, ZERO
        for j0 in range(0, i0 + COLUMNS, KEYS):
            _scores(keys, j0, width, flat_q, hs, zeros, flat_s)
            _online_softmax(s, i0, j0, m, m_next, shrink, total, o)
            _add_values(values, j0, width, flat_s, flat_o)
        for i in range(min(COLUMNS, T - i0)):
            lse[i0 + i] = m[i] + np.log(total[i])
            for d in range(hs):
                out[i0 + i, d] = o[d, i] / total[i]


@all_threads
def _heads(q, k, v, out, lse):
    for head in prange(q.shape[0]):
        _head(q[head], k[head], v[head], out[head], lse[head])


def attention_and_lse(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return out (B, nh, T, hs) and lse (B, nh, T).

    lse is the log of the sum of e^score over the keys of a query.
    """
    shape, (q, k, v) = q.shape, heads(q=q, k=k, v=v)
    out, lse = empty(q.shape), empty(q.shape[:2])
    _heads(q, k, v, out, lse)
    return out.reshape(shape), lse.reshape(shape[:3])


def attention(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return causal attention (B, nh, T, hs) of q, k, v, all float32."""
    return attention_and_lse(q, k, v)[0]


def traffic(B: int, nh: int, T: int, hs: int) -> tuple[int, int]:
    """Count the numbers read and written.

    Both: copies of q, k, v; per block its tiles, S for its softmax, O for its correction; out.
    """
    length, width = -(-T // KEYS) * KEYS, -(-hs // ROWS) * ROWS
    reads, writes = 3 * T * hs, length * (hs + 2 * width)
    for i0 in range(0, T, COLUMNS):
        blocks = -(-(i0 + COLUMNS) // KEYS)
        scores, sums = blocks * KEYS * COLUMNS, blocks * width * COLUMNS
        tiles = blocks * (KEYS // ROWS * hs + width // ROWS * KEYS) * (ROWS + COLUMNS)
        reads += tiles + 2 * scores + 2 * sums + COLUMNS * hs
        writes += 3 * scores + 2 * sums + COLUMNS * (hs + width)
    return B * nh * (reads + T * hs), B * nh * (writes + T * hs)
