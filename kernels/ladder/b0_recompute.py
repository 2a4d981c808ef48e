"""Rung 0 of the backward pass: dq, dk and dv, with P computed again from q, k and lse instead of being
kept.

    P = e^(S - lse)         S = q k^T / sqrt(hs), again
    dv += P^T dout          out = P v
    dP = dout v^T
    dS = P (dP - D)         softmax: D_i = sum_j P_ij dP_ij = sum_d dout_id out_id, so a query needs no pass over its row for it
    dq += dS k / sqrt(hs)   dk += dS^T q / sqrt(hs)

The reference keeps P (T x T numbers a head) from the forward pass. To compute it a second time
costs one product more, 5 in place of 4, and less time than to fetch it, and no array grows with
T^2. Blocks as in a2: 32 keys, their values and the gradients of both (32 KiB at hs = 64) serve 32
queries while they are in the L1 cache. One thread for a head: it alone adds to that head's dk and
dv.
Left out: lanes of queries and the register tile (the next rung).
Source: Dao et al. 2022, "FlashAttention", algorithm 4, and appendix B.2 for D.
"""

import math

import numpy as np

from kernels.jit import part
from kernels.ladder.a0_plain import inner_product
from kernels.ladder.common import all_threads, heads, prange
from kernels.ladder.m1_order import add_times
from kernels.memory import empty
from kernels.vector_math import exp

QUERIES, KEYS = 32, 32
ZERO = np.float32(0.0)


@part
def _block(q, k, v, lse, D, dout, i0, i1, j0, dq, dk, dv):
    """What queries i0 .. i1 and keys from j0 on add to the gradients."""
    scale = np.float32(1.0 / math.sqrt(q.shape[1]))
    for i in range(max(i0, j0), i1):  # no query before the first key
        for j in range(j0, min(j0 + KEYS, i + 1)):  # no key beyond the query
            p = exp(inner_product(q[i], k[j]) * scale - lse[i])
            # this scale is that of dq and dk
            ds = p * (inner_product(dout[i], v[j]) - D[i]) * scale
            add_times(dv[j], p, dout[i])
            add_times(dk[j], ds, q[i])
            add_times(dq[i], ds, k[j])


@part
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
    """dq, dk, dv (B, nh, T, hs) of causal attention; out and lse (B, nh, T) as
    a3_lanes.attention_and_lse gives them.
    """
    shape, (q, k, v, out, dout) = q.shape, heads(q=q, k=k, v=v, out=out, dout=dout)
    if lse.shape != shape[:3] or lse.dtype != np.float32:
        raise ValueError(
            f"attention: lse has shape {lse.shape} and dtype {lse.dtype}, but must be {shape[:3]}, float32"
        )
    dq, dk, dv = empty(q.shape), empty(q.shape), empty(q.shape)
    _heads(q, k, v, out, np.ascontiguousarray(lse).reshape(q.shape[:2]), dout, dq, dk, dv)
    return dq.reshape(shape), dk.reshape(shape), dv.reshape(shape)


def traffic(B: int, nh: int, T: int, hs: int) -> tuple[int, int]:
    """For each weight: q, k, v and dout read for its score and slope; then two rows read and one
    written, three times.

    D, zeros.
    """
    seen = T * (T + 1) // 2
    return B * nh * hs * (10 * seen + 2 * T), B * nh * hs * (3 * seen + 3 * T)
