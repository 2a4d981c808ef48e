"""Rung 3: each query is a lane of a vector, and both products are made by the register tile.

(kernels/flash.py, made small.)

In a2 a score, a query's maximum and its sum each run along a row, and at the end of each the lanes
of a vector must be brought together. Here S is kept the other way round, as S^T (keys, queries):
COLUMNS queries side by side, each in its own lane. Maximum, exponential and sum are one instruction
for all of them, and no lane ever asks another. P^T, as it then lies, is already the panel that the
tile reads for O^T = V^T P^T. The products are those of m5_tile.py: their sums stay in registers.

T is padded with zeros to whole blocks. No harm is done: a key that is not there lies beyond the
diagonal, and a query that is not there is not written. lse = m + log l is kept: from it and q, k
alone the backward pass (b0) makes P again.
Source: Dao 2023, "FlashAttention-2" (lse); Goto and van de Geijn 2008 (panels).
"""

import math

import numpy as np

from kernels.jit import part
from kernels.ladder.common import all_threads, heads, prange
from kernels.memory import empty
from kernels.tile import COLUMNS, ROWS, tile_columns, tile_rows
from kernels.vector_math import exp  # straight arithmetic, so that it runs in lanes

KEYS = math.lcm(ROWS, COLUMNS, 64)  # a block: whole tiles of keys, whole lanes of queries
ZERO, MINUS_INFINITY = np.float32(0.0), np.float32(-np.inf)


@part
def _padded(rows, length, width):
    """(n, hs) with zeros to the right and below: (length, width)."""
    padded = np.zeros((length, width), np.float32)
    for i in range(rows.shape[0]):
        for d in range(rows.shape[1]):
            padded[i, d] = rows[i, d]
    return padded


@part
def _turned(q, i0, scale, to):
    """Queries i0 .. i0 + COLUMNS as lanes: to[d, i] = q[i0 + i, d] * scale."""
    for i in range(COLUMNS):
        for d in range(to.shape[0]):
            to[d, i] = q[i0 + i, d] * scale


@part
def _online_softmax(s, i0, j0, m, m_next, shrink, total, o):
    """As in a2, lane by lane: S^T becomes P^T, and m, total and O^T are brought up to date."""
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


@part
def _head(q, k, v, out, lse):
    T, hs = q.shape
    length, width = -(-T // KEYS) * KEYS, -(-hs // ROWS) * ROWS
    q, keys, values = (
        _padded(q, length, hs),
        _padded(k, length, width).reshape(-1),
        _padded(v, length, width).reshape(-1),
    )
    flat_q, flat_s = np.empty(hs * COLUMNS, np.float32), np.empty(KEYS * COLUMNS, np.float32)
    flat_o = np.empty(width * COLUMNS, np.float32)  # flat, for the tile counts in one dimension
    q_turned, s, o = (
        flat_q.reshape(hs, COLUMNS),
        flat_s.reshape(KEYS, COLUMNS),
        flat_o.reshape(width, COLUMNS),
    )
    lanes = np.zeros((5, COLUMNS), np.float32)
    m, m_next, shrink, total, zeros = lanes[0], lanes[1], lanes[2], lanes[3], lanes[4]
    for i0 in range(0, T, COLUMNS):
        _turned(q, i0, np.float32(1.0 / math.sqrt(hs)), q_turned)
        m[:], total[:], o[:, :] = MINUS_INFINITY, ZERO, ZERO
        for j0 in range(0, i0 + COLUMNS, KEYS):
            for j in range(0, KEYS, ROWS):  # S^T = K Q^T: (KEYS, hs) @ (hs, COLUMNS)
                tile_rows(
                    keys,
                    (j0 + j) * width,
                    width,
                    flat_q,
                    0,
                    COLUMNS,
                    zeros,
                    0,
                    0,
                    flat_s,
                    j * COLUMNS,
                    COLUMNS,
                    hs,
                )
            _online_softmax(s, i0, j0, m, m_next, shrink, total, o)
            for d in range(0, width, ROWS):  # O^T += V^T P^T: (width, KEYS) @ (KEYS, COLUMNS)
                at = d * COLUMNS
                tile_columns(
                    values,
                    j0 * width + d,
                    width,
                    flat_s,
                    0,
                    COLUMNS,
                    flat_o,
                    at,
                    COLUMNS,
                    flat_o,
                    at,
                    COLUMNS,
                    KEYS,
                )
        for i in range(min(COLUMNS, T - i0)):
            lse[i0 + i] = m[i] + np.log(total[i])
            for d in range(hs):
                out[i0 + i, d] = o[d, i] / total[i]


@all_threads
def _heads(q, k, v, out, lse):
    for head in prange(q.shape[0]):
        _head(q[head], k[head], v[head], out[head], lse[head])


def attention_and_lse(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """out (B, nh, T, hs), and lse (B, nh, T), the log of the sum of e^score over a query's keys."""
    shape, (q, k, v) = q.shape, heads(q=q, k=k, v=v)
    out, lse = empty(q.shape), empty(q.shape[:2])
    _heads(q, k, v, out, lse)
    return out.reshape(shape), lse.reshape(shape[:3])


def attention(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Causal attention: out (B, nh, T, hs) of q, k, v (B, nh, T, hs), float32."""
    return attention_and_lse(q, k, v)[0]


def traffic(B: int, nh: int, T: int, hs: int) -> tuple[int, int]:
    """Reads and writes: copies of q, k, v; for each block its tiles, S for its softmax, O for its
    correction; out.
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
