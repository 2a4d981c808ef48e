"""Rung 0 of the backward pass: dq, dk and dv, with P recomputed from q, k and lse.

    P = e^(S - lse)         S = q k^T / sqrt(hs), recomputed
    dv += P^T dout          because out = P v
    dP = dout v^T
    dS = P (dP - D)         softmax, with D_i = sum_j P_ij dP_ij = sum_d dout_id out_id
    dq += dS k / sqrt(hs)   dk += dS^T q / sqrt(hs)

The second form of D_i needs no pass over the row of the query.

The reference keeps P (T x T numbers per head) from the forward pass. Recomputing P costs one more
product, 5 instead of 4, but takes less time than fetching P from memory. And no array grows with
T^2. Blocks are as in a2: 32 keys, their values and the gradients of both (32 KiB at hs = 64) stay
in the L1 cache while 32 queries use them. One thread per head: only that thread adds to the dk and
dv of its head.
Left out: queries as lanes, and the register tile (the next rung).
Source: Dao et al. 2022, "FlashAttention", algorithm 4, and appendix B.2 for D.
"""

import math

import numpy as np

from kernels.jit import compiled, prange
from kernels.ladder.a0_plain import inner_product
from kernels.ladder.common import all_threads, heads
from kernels.ladder.m1_order import add_times
from kernels.memory import empty
from kernels.vector_math import exp

QUERIES, KEYS = 32, 32
ZERO = np.float32(0.0)


@compiled
def _block(q, k, v, lse, D, dout, i0, i1, j0, dq, dk, dv):
    """Add the terms of queries i0 .. i1 and keys from j0 to the gradients."""
    scale = np.float32(1.0 / math.sqrt(q.shape[1]))
    for i in range(max(i0, j0), i1):  # no query before the first key
        for j in range(j0, min(j0 + KEYS, i + 1)):  # no key beyond the query
            p = exp(inner_product(q[i], k[j]) * scale - lse[i])
            # scale: the 1 / sqrt(hs) of dq and dk
            ds = p * (inner_product(dout[i], v[j]) - D[i]) * scale
            add_times(dv[j], p, dout[i])
            add_times(dk[j], ds, q[i])
            add_times(dq[i], ds, k[j])


@compiled
def _head(q, k, v, out, lse, dout, dq, dk, dv):
    T = q.shape[0]
    D = np.empty(T, np.float32)
    for i in range(T):
        D[i] = inner_product(dout[i], out[i])
    dq[:, :], dk[:, :], dv[:, :] = ZERO, ZERO, ZERO
    for i0 in range(0, T, QUERIES):
        i1 = min(i0 + QUERIES, T)
        for j0 in range(0, i1, KEYS):
            _block(q, k, v, lse, D, dout, i0, i1, j0, dq, dk, dv)


@all_threads
def _heads(q, k, v, out, lse, dout, dq, dk, dv):
    for h in prange(q.shape[0]):
        _head(q[h], k[h], v[h], out[h], lse[h], dout[h], dq[h], dk[h], dv[h])


def attention_backward(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, out: np.ndarray, lse: np.ndarray, dout: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return dq, dk, dv (B, nh, T, hs) of causal attention.

    out and lse (B, nh, T) are the results of a3_lanes.attention_and_lse.
    """
    shape, (q, k, v, out, dout) = q.shape, heads(q=q, k=k, v=v, out=out, dout=dout)
    if lse.shape != shape[:3] or lse.dtype != np.float32:
        raise ValueError(
            f"attention: lse has shape {lse.shape} and dtype {lse.dtype}, "
            f"but must be {shape[:3]}, float32"
        )
    dq, dk, dv = empty(q.shape), empty(q.shape), empty(q.shape)
    _heads(q, k, v, out, np.ascontiguousarray(lse).reshape(q.shape[:2]), dout, dq, dk, dv)
    return dq.reshape(shape), dk.reshape(shape), dv.reshape(shape)


def traffic(B: int, nh: int, T: int, hs: int) -> tuple[int, int]:
    """Count the numbers read and written.

    Per visible weight: q, k, v and dout are read for P and dP; then, three times, two rows are read
    and one is written. Also D, and the zeros at the start.
    """
    seen = T * (T + 1) // 2
    return B * nh * hs * (10 * seen + 2 * T), B * nh * hs * (3 * seen + 3 * T)
