"""Rung 0: causal attention as its formula says, with all scores stored.

    S = q k^T / sqrt(hs)     P = softmax(S)     out = P v

Each step passes over a T x T matrix. S is written, read for the maximum, read and written as P, and
read again for out. At T = 1024 this matrix is 4 MiB per head, more than the caches of one core
hold. Half of it is scores of keys that the query may not see. The last product runs down the
columns of v, as m0_plain.py does with B.

All rungs of this ladder use one thread per head. (The matmul ladder shows what threads gain.) So
all gains here come from better loops. Source: Vaswani et al. 2017, equation 1.
"""

import math

import numpy as np

from kernels.jit import compiled, inlined, prange
from kernels.ladder.common import all_threads, heads
from kernels.memory import empty

ZERO, MINUS_INFINITY = np.float32(0.0), np.float32(-np.inf)


@inlined
def inner_product(a, b):
    """Return sum_d a[d] b[d].

    The compiler keeps one sum per lane and adds up the lanes at the end.
    """
    total = ZERO
    for d in range(a.size):
        total += a[d] * b[d]
    return total


@compiled
def _head(q, k, v, s, out):
    T, hs = q.shape
    scale = np.float32(1.0 / math.sqrt(hs))
    for i in range(T):
        for j in range(T):
            s[i, j] = inner_product(q[i], k[j]) * scale if j <= i else MINUS_INFINITY
    for i in range(T):
        largest, total = MINUS_INFINITY, ZERO
        for j in range(T):
            largest = max(largest, s[i, j])
        for j in range(T):
            p = np.exp(s[i, j] - largest)
            s[i, j] = p
            total += p
        for j in range(T):
            s[i, j] /= total
    for i in range(T):
        for d in range(hs):
            mean = ZERO
            for j in range(T):
                mean += s[i, j] * v[j, d]
            out[i, d] = mean


@all_threads
def _heads(q, k, v, s, out):
    for head in prange(q.shape[0]):
        _head(q[head], k[head], v[head], s[head], out[head])


def attention(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return causal attention (B, nh, T, hs) of q, k, v, all float32."""
    shape, (q, k, v) = q.shape, heads(q=q, k=k, v=v)
    out = empty(q.shape)
    _heads(q, k, v, empty((q.shape[0], q.shape[1], q.shape[1])), out)  # S: (B nh, T, T)
    return out.reshape(shape)


def traffic(B: int, nh: int, T: int, hs: int) -> tuple[int, int]:
    """Count the numbers read and written.

    Reads: q and k per visible score; S 3 times for its softmax; S and v per product. Writes: S 3
    times, out.
    """
    seen, all_ = T * (T + 1) // 2, T * T
    return B * nh * (2 * seen * hs + 3 * all_ + 2 * all_ * hs), B * nh * (3 * all_ + T * hs)
