"""Rung 1: online softmax. It takes one key at a time and stores no score.

A softmax seems to need its whole row: first the maximum, then the sum. Instead, keep the largest
score so far, m, and the sum so far, l = sum e^(s - m). A new score s then only corrects them:

    m' = max(m, s)
    l' = l e^(m - m') + e^(s - m')
    out' = out e^(m - m') + e^(s - m') v        at the end: out / l

So each query passes over its keys once. The T x T matrix is gone, with all its reads and writes.
The loop ends at the query's own key, so nothing is computed that the mask would hide. And v is read
row by row, in vector lanes.
Source: Milakov and Gimelshein 2018, "Online normalizer calculation for softmax", algorithm 3.
"""

import math

import numpy as np

from kernels.jit import compiled, prange
from kernels.ladder.a0_plain import inner_product
from kernels.ladder.common import all_threads, heads
from kernels.memory import empty

ZERO, MINUS_INFINITY = np.float32(0.0), np.float32(-np.inf)


@compiled
def _head(q, k, v, out):
    T, hs = q.shape
    scale = np.float32(1.0 / math.sqrt(hs))
    for i in range(T):
        mean, m, total = out[i], MINUS_INFINITY, ZERO
        mean[:] = ZERO
        for j in range(i + 1):
            s, value = inner_product(q[i], k[j]) * scale, v[j]
            m_next = max(m, s)
            # at the first key m is -inf, so shrink is 0
            shrink, p = np.exp(m - m_next), np.exp(s - m_next)
            for d in range(hs):
                mean[d] = mean[d] * shrink + p * value[d]
            total, m = total * shrink + p, m_next
        for d in range(hs):
            mean[d] /= total


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

    Per visible key, q, k, v and out are read and out is written. At the start zeros are written to
    out, at the end out / l is read and written.
    """
    seen = T * (T + 1) // 2
    return B * nh * hs * (4 * seen + T), B * nh * hs * (seen + 2 * T)
