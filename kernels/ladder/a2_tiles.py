"""Rung 2: QUERIES queries with KEYS keys at a time; one softmax correction per block.

a1 corrects `out` for every key: two exponentials and a pass over the row. Here the scores of a
query with a whole block of keys come first. Then the query takes their maximum, corrects `out`
once, and needs one exponential per key. These up to 64 exponentials are computed in vector lanes
(kernels/vector_math.py), while np.exp is one call per number. The keys and values of a block (32
KiB at hs = 64) stay in the L1 cache while 32 queries use them. Blocks beyond the diagonal are
skipped. In blocks that the diagonal cuts, each query stops at its own key.
Source: Dao et al. 2022, "FlashAttention", algorithm 1.
"""

import math

import numpy as np

from kernels.jit import compiled, prange
from kernels.ladder.a0_plain import inner_product
from kernels.ladder.common import all_threads, heads
from kernels.ladder.m1_order import add_times
from kernels.memory import empty
from kernels.vector_math import exp

QUERIES, KEYS = 32, 64
ZERO, MINUS_INFINITY = np.float32(0.0), np.float32(-np.inf)


@compiled
def _online_softmax(row, m, total, mean):
    """Turn scores into weights e^(s - m'); return m' and the new total.

    What was summed so far shrinks by e^(m - m').
    """
    m_next = m
    for j in range(row.size):
        m_next = max(m_next, row[j])
    shrink = exp(m - m_next)
    total *= shrink
    for d in range(mean.size):
        mean[d] *= shrink
    for j in range(row.size):
        p = exp(row[j] - m_next)
        row[j] = p
        total += p
    return m_next, total


@compiled
def _head(q, k, v, out):
    T, hs = q.shape
    scale = np.float32(1.0 / math.sqrt(hs))
    s = np.empty(KEYS, np.float32)
    m, total = np.empty(QUERIES, np.float32), np.empty(QUERIES, np.float32)
    out[:, :] = ZERO
    for i0 in range(0, T, QUERIES):
        n = min(QUERIES, T - i0)
        m[:], total[:] = MINUS_INFINITY, ZERO
        for j0 in range(0, i0 + n, KEYS):  # no key beyond the last query
            for i in range(max(i0, j0), i0 + n):  # no query before the first key
                row, mean = s[: min(KEYS, i + 1 - j0)], out[i]
                for j in range(row.size):
                    row[j] = inner_product(q[i], k[j0 + j]) * scale
                m[i - i0], total[i - i0] = _online_softmax(row, m[i - i0], total[i - i0], mean)
                for j in range(row.size):
                    add_times(mean, row[j], v[j0 + j])
        for i in range(i0, i0 + n):
            for d in range(hs):
                out[i, d] /= total[i - i0]


@all_threads
def _heads(q, k, v, out):
    for head in prange(q.shape[0]):
        _head(q[head], k[head], v[head], out[head])


def attention(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return causal attention (B, nh, T, hs) of q, k, v, all float32."""
    shape, (q, k, v) = q.shape, heads(q=q, k=k, v=v)
    out = empty(q.shape)
    _heads(q, k, v, out)
    return out.reshape(shape)


def traffic(B: int, nh: int, T: int, hs: int) -> tuple[int, int]:
    """Count the numbers read and written.

    Reads per visible score: q, k, v, out, and the score 3 times. Writes: out, and the score twice.
    Per query and block, out is read and written once more.
    """
    seen = T * (T + 1) // 2
    corrected = hs * (sum(i // KEYS + 1 for i in range(T)) + T)  # once per block, and at the end
    reads, writes = seen * (3 + 4 * hs) + corrected, seen * (2 + hs) + corrected + T * hs
    return B * nh * reads, B * nh * writes
