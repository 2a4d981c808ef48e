"""Flash attention: exact attention without storing the T x T scores.

One head is computed at a time. The forward pass runs over blocks of COLUMNS queries, and for each
of them over blocks of KEYS keys:

    S^T = K Q^T / sqrt(hs)           m' = max(m, S)               P = e^(S - m')
    l = l e^(m - m') + sum P         O^T = O^T e^(m - m') + V^T P^T

At the end the output is O / l, and m and log l are kept. The backward pass runs over blocks of
QUERIES queries, and for each of them over blocks of KEYS keys:

    P = e^((S - m) - log l)          recomputed from q and k
    D_i = sum_d dO_id O_id           dS = P (dO V^T - D)
    dV += P^T dO                     dK += dS^T Q / sqrt(hs)      dQ += dS K / sqrt(hs)

Each query is one lane of a vector: S is stored as (keys, queries). So maximum and sum over a
query's keys need no operation across lanes, and P^T is already the panel that the next product
reads. Keys that no query of a block may see are skipped. If the diagonal or a window cuts through a
block, the hidden scores are set to -inf.

Memory: K and V (and dK, dV) of one head per thread, and m and log l of all heads. All of it is
proportional to T. The papers keep one number, lse = m + log l. Beside scores in the thousands, a
float32 has no digits left for log l; so this file keeps both.
Source: Dao et al. 2022, "FlashAttention", algorithms 1 and 4; Dao 2023, "FlashAttention-2"; Milakov
and Gimelshein 2018 (online softmax).
"""

import math

import numpy as np

from kernels.jit import compiled, inlined_exact, parallel_kernel, prange
from kernels.tile import COLUMNS, ROWS, tile_columns, tile_rows
from kernels.vector_math import exp, minus, softmax_weight

KEYS = 128  # keys at a time: with 64 queries, S^T is 32 KiB
QUERIES = 2 * COLUMNS  # queries at a time in the backward pass
FAR = 2**31  # a window larger than any text: no window
ZERO, ONE, MINUS_INFINITY = np.float32(0.0), np.float32(1.0), np.float32(-np.inf)
LOWEST = np.finfo(np.float32).min  # where a maximum begins: finite, because -inf - -inf is NaN


def up(n: int, unit: int) -> int:
    """n rounded up to a multiple of unit."""
    return -(-n // unit) * unit


def forward_size(Tk: int, hs: int) -> int:
    """Floats of scratch per thread in the forward pass.

    K and V; Q^T; S^T; O^T; m, m', l, zeros.
    """
    return 2 * (Tk + ROWS) * up(hs, ROWS) + (hs + KEYS + ROWS + up(hs, ROWS) + 4) * COLUMNS


def backward_size(Tk: int, hs: int) -> int:
    """Floats of scratch per thread in the backward pass.

    K and V; dK and dV; Q^T, dO^T, dQ^T; Q, dO; S^T, dP^T; m, log l, D, zeros.
    """
    width, panel = up(hs, ROWS), up(hs, COLUMNS)
    per_query = 2 * hs + width + 2 * panel + 2 * (KEYS + ROWS) + 4
    return 2 * (Tk + ROWS) * (width + panel) + QUERIES * per_query


@compiled
def _copy(source, at, stride, n, hs, width, spare, target):
    """Copy n rows of hs numbers into rows of `width`.

    The rest of each row is 0, and `spare` rows of zeros follow.
    """
    for j in range(n):
        row = source[at + j * stride : at + j * stride + hs]
        place = target[j * width : j * width + width]
        for d in range(hs):
            place[d] = row[d]
        for d in range(hs, width):
            place[d] = ZERO
    target[n * width : (n + spare) * width] = ZERO


@compiled
def _transpose(source, at, stride, n, hs, scale, lanes, target):
    """Transpose and scale n rows of hs numbers.

    target[d, i] = source[i, d] * scale. The lanes beyond n are 0.
    """
    for i in range(n):
        row = source[at + i * stride : at + i * stride + hs]
        for d in range(hs):
            target[d * lanes + i] = row[d] * scale
    if n < lanes:
        for d in range(hs):
            for i in range(n, lanes):
                target[d * lanes + i] = ZERO


@compiled
def _hide(s, lanes, count, key, query, causal, window):
    """Set the scores of hidden keys to -inf.

    s: (count, lanes). Its first row is key `key`, its first lane the query at position `query`.
    Key j is seen from positions j .. j + window - 1 (without causal, from j - window + 1): in each
    row a contiguous range of lanes.
    """
    for j in range(count):
        first = key + j - query - (0 if causal else window - 1)
        beyond = key + j - query + window
        for i in range(min(first, lanes)):
            s[j * lanes + i] = MINUS_INFINITY
        for i in range(max(beyond, 0), lanes):
            s[j * lanes + i] = MINUS_INFINITY


@compiled
def _drop(s, lanes, count, keep, keep_at, Tk, n, keep_scale):
    """Dropout on (count, lanes) weights.

    If keep[i, j], query i's weight of key j is multiplied by keep_scale, else it is set to 0.
    """
    for j in range(count):
        for i in range(n):
            s[j * lanes + i] *= keep_scale if keep[keep_at + i * Tk + j] else ZERO


@compiled
def _online_softmax(s, count, m, m_next, total, o, o_size):
    """Replace S^T by P^T = e^(S - m); update the running sums.

    s: (count, COLUMNS); m, m_next, total: (COLUMNS,).
    """
    for i in range(COLUMNS):
        m_next[i] = m[i]
    for j in range(count):
        for i in range(COLUMNS):
            m_next[i] = max(m_next[i], s[j * COLUMNS + i])
    for i in range(COLUMNS):
        m[i] = exp(minus(m[i], m_next[i]))  # rescales the sums so far to the new maximum
        total[i] *= m[i]
    for d in range(o_size):
        for i in range(COLUMNS):
            o[d * COLUMNS + i] *= m[i]
    for i in range(COLUMNS):
        m[i] = m_next[i]
    for j in range(count):
        for i in range(COLUMNS):
            p = exp(minus(s[j * COLUMNS + i], m[i]))
            s[j * COLUMNS + i] = p
            total[i] += p


@compiled
def _keys_seen(query, n, Tk, causal, window):
    """The range of keys that any of n queries may see.

    query: the position of the first query among the keys.
    """
    first = max(0, query - window + 1)
    beyond = query + n if causal else min(Tk, query + n - 1 + window)
    return first, beyond


@compiled
def _head_forward(q, q_at, q_row, k, k_at, v, v_at, kv_row, out, out_at, out_row, largest,
                  log_total, row_at, keep, keep_at, keep_scale, Tq, Tk, hs, causal, window,
                  scratch):  # fmt: skip
    width = (hs + ROWS - 1) // ROWS * ROWS
    n_keys, n_q, n_s = (Tk + ROWS) * width, hs * COLUMNS, (KEYS + ROWS) * COLUMNS
    keys, values, rest = scratch[:n_keys], scratch[n_keys : 2 * n_keys], scratch[2 * n_keys :]
    q_transposed, s, rest = rest[:n_q], rest[n_q : n_q + n_s], rest[n_q + n_s :]
    o, rest = rest[: width * COLUMNS], rest[width * COLUMNS :]
    m, m_next, rest = rest[:COLUMNS], rest[COLUMNS : 2 * COLUMNS], rest[2 * COLUMNS :]
    total, zeros = rest[:COLUMNS], rest[COLUMNS:]
    zeros[:COLUMNS] = ZERO
    _copy(k, k_at, kv_row, Tk, hs, width, ROWS, keys)
    _copy(v, v_at, kv_row, Tk, hs, width, ROWS, values)
    scale = np.float32(1.0 / math.sqrt(hs))
    for i0 in range(0, Tq, COLUMNS):
        n, query = min(COLUMNS, Tq - i0), i0 + Tk - Tq
        _transpose(q, q_at + i0 * q_row, q_row, n, hs, scale, COLUMNS, q_transposed)
        m[:], total[:] = LOWEST, ZERO
        o[:] = ZERO
        first, beyond = _keys_seen(query, n, Tk, causal, window)
        for j0 in range(first, beyond, KEYS):
            count = min(KEYS, beyond - j0)
            for j in range(0, count, ROWS):
                tile_rows(
                    keys, (j0 + j) * width, width, q_transposed, 0, COLUMNS,
                    zeros, 0, 0, s, j * COLUMNS, COLUMNS, hs,
                )  # fmt: skip
            if (causal and j0 + count > query) or window < FAR:
                _hide(s, COLUMNS, count, j0, query, causal, window)
            _online_softmax(s, count, m, m_next, total, o, width if j0 > first else 0)
            if keep.size:
                _drop(s, COLUMNS, count, keep, keep_at + i0 * Tk + j0, Tk, n, keep_scale)
            for d in range(0, width, ROWS):
                at = d * COLUMNS
                tile_columns(
                    values, j0 * width + d, width, s, 0, COLUMNS,
                    o, at, COLUMNS, o, at, COLUMNS, count,
                )  # fmt: skip
        for i in range(n):
            largest[row_at + i0 + i], log_total[row_at + i0 + i] = m[i], np.log(total[i])
            begin, share = out_at + (i0 + i) * out_row, ONE / total[i]
            row = out[begin : begin + hs]
            for d in range(hs):
                row[d] = o[d * COLUMNS + i] * share


@parallel_kernel
def attention_heads_forward(q, q_at, q_strides, k, k_at, v, v_at, kv_strides, out, out_strides,
                            largest, log_total, keep, keep_scale, sizes, causal, window, shares,
                            scratch, size):  # fmt: skip
    """Attention of every head of every sequence.

    Strides: (sequence, head, token), in floats; sizes: (B, nh, Tq, Tk, hs).
    scratch: (shares * size,).
    """
    B, nh, Tq, Tk, hs = sizes
    for share in prange(shares):
        mine = scratch[share * size : (share + 1) * size]
        for head in range(B * nh * share // shares, B * nh * (share + 1) // shares):
            b, h = head // nh, head % nh
            kv_at = b * kv_strides[0] + h * kv_strides[1]
            _head_forward(
                q, q_at + b * q_strides[0] + h * q_strides[1], q_strides[2],
                k, k_at + kv_at, v, v_at + kv_at, kv_strides[2],
                out, b * out_strides[0] + h * out_strides[1], out_strides[2],
                largest, log_total, head * Tq, keep, head * Tq * Tk, keep_scale,
                Tq, Tk, hs, causal, window, mine,
            )  # fmt: skip


@compiled
def _weights_and_slopes(s, dp, count, largest, log_total, D):
    """Replace S^T by P^T, and dP^T by dS^T.

    dS^T = P^T (dP^T - D). s, dp: (count, QUERIES); largest, log_total, D: (QUERIES,).
    """
    for j in range(count):
        for i in range(QUERIES):
            p = softmax_weight(s[j * QUERIES + i], largest[i], log_total[i])
            s[j * QUERIES + i] = p
            dp[j * QUERIES + i] = p * (dp[j * QUERIES + i] - D[i])


@inlined_exact
def _products(dout_transposed, out_transposed, hs, D):
    """Add sum_d dO_id O_id to D_i.

    The tile sums in the same order. So if one key has all the weight, D equals dP in every bit, and
    dS is exactly 0.
    """
    for d in range(hs):
        for i in range(QUERIES):
            D[i] += dout_transposed[d * QUERIES + i] * out_transposed[d * QUERIES + i]


@compiled
def _copy_back(source, width, target, at, stride, n, hs):
    """Copy n rows of hs numbers out of rows of `width`."""
    for j in range(n):
        row = source[j * width : j * width + hs]
        place = target[at + j * stride : at + j * stride + hs]
        for d in range(hs):
            place[d] = row[d]


@compiled
def _scores_and_dp(keys, values, at, width, q_transposed, dout_transposed, zeros, s, dp, count, hs):
    """Compute S^T and dP^T of one block.

    S^T = K Q^T, dP^T = V dO^T. s, dp: (count, QUERIES). at: the offset of the block's first key in
    keys, and of its value in values.
    """
    for i in range(0, QUERIES, COLUMNS):
        for j in range(0, count, ROWS):
            row, target = at + j * width, j * QUERIES + i
            tile_rows(
                keys, row, width, q_transposed, i, QUERIES,
                zeros, 0, 0, s, target, QUERIES, hs,
            )  # fmt: skip
            tile_rows(
                values, row, width, dout_transposed, i, QUERIES,
                zeros, 0, 0, dp, target, QUERIES, hs,
            )  # fmt: skip


@compiled
def _add_products(s, dp, count, q_rows, dout_rows, keys, j0, width, panel,
                  dkeys, dvalues, dq_transposed):  # fmt: skip
    """Add one block to dV, dK and dQ^T.

    dV += P^T dO, dK += dS^T Q, dQ^T += K^T dS^T. s holds P^T and dp holds dS^T, (count, QUERIES).
    j0: the block's first key.
    """
    for j in range(0, count, ROWS):
        for d in range(0, panel, COLUMNS):
            at = (j0 + j) * panel + d
            tile_rows(
                s, j * QUERIES, QUERIES, dout_rows, d, panel,
                dvalues, at, panel, dvalues, at, panel, QUERIES,
            )  # fmt: skip
            tile_rows(
                dp, j * QUERIES, QUERIES, q_rows, d, panel,
                dkeys, at, panel, dkeys, at, panel, QUERIES,
            )  # fmt: skip
    for d in range(0, width, ROWS):
        for i in range(0, QUERIES, COLUMNS):
            at = d * QUERIES + i
            tile_columns(
                keys, j0 * width + d, width, dp, i, QUERIES,
                dq_transposed, at, QUERIES, dq_transposed, at, QUERIES, count,
            )  # fmt: skip


@compiled
def _blocks_backward(query, n, keys, values, q_transposed, dout_transposed, q_rows, dout_rows,
                     m, log_l, D, zeros, s, dp, keep, keep_at, keep_scale, Tk, hs, causal, window,
                     width, panel, dkeys, dvalues, dq_transposed):  # fmt: skip
    """Add the terms of n queries to dK, dV and dQ^T."""
    first, beyond = _keys_seen(query, n, Tk, causal, window)
    for j0 in range(first, beyond, KEYS):
        count = min(KEYS, beyond - j0)
        _scores_and_dp(
            keys, values, j0 * width, width, q_transposed, dout_transposed, zeros, s, dp, count, hs
        )
        if (causal and j0 + count > query) or window < FAR:
            _hide(s, QUERIES, count, j0, query, causal, window)
        if keep.size:
            _drop(dp, QUERIES, count, keep, keep_at + j0, Tk, n, keep_scale)
        _weights_and_slopes(s, dp, count, m, log_l, D)
        if keep.size:
            _drop(s, QUERIES, count, keep, keep_at + j0, Tk, n, keep_scale)
        # padding rows of the last tile
        for j in range(count, (count + ROWS - 1) // ROWS * ROWS):
            s[j * QUERIES : (j + 1) * QUERIES] = ZERO
            dp[j * QUERIES : (j + 1) * QUERIES] = ZERO
        _add_products(
            s, dp, count, q_rows, dout_rows, keys, j0, width, panel, dkeys, dvalues, dq_transposed
        )


@compiled
def _head_backward(q, q_at, q_row, k, k_at, v, v_at, kv_row, out, dout, out_at, out_row, largest,
                   log_total, row_at, keep, keep_at, keep_scale, dq, dk, dv, Tq, Tk, hs, causal,
                   window, scratch):  # fmt: skip
    width, panel = (hs + ROWS - 1) // ROWS * ROWS, (hs + COLUMNS - 1) // COLUMNS * COLUMNS
    n_width, n_panel = (Tk + ROWS) * width, (Tk + ROWS) * panel
    n_q, n_rows, n_s = hs * QUERIES, QUERIES * panel, (KEYS + ROWS) * QUERIES
    keys, values, rest = scratch[:n_width], scratch[n_width : 2 * n_width], scratch[2 * n_width :]
    dkeys, dvalues, rest = rest[:n_panel], rest[n_panel : 2 * n_panel], rest[2 * n_panel :]
    q_transposed, dout_transposed, rest = rest[:n_q], rest[n_q : 2 * n_q], rest[2 * n_q :]
    q_rows, dout_rows, rest = rest[:n_rows], rest[n_rows : 2 * n_rows], rest[2 * n_rows :]
    s, dp, rest = rest[:n_s], rest[n_s : 2 * n_s], rest[2 * n_s :]
    m, log_l, rest = rest[:QUERIES], rest[QUERIES : 2 * QUERIES], rest[2 * QUERIES :]
    D, zeros, dq_transposed = rest[:QUERIES], rest[QUERIES : 2 * QUERIES], rest[2 * QUERIES :]
    zeros[:], dkeys[:], dvalues[:] = ZERO, ZERO, ZERO
    _copy(k, k_at, kv_row, Tk, hs, width, ROWS, keys)
    _copy(v, v_at, kv_row, Tk, hs, width, ROWS, values)
    scale = np.float32(1.0 / math.sqrt(hs))
    for i0 in range(0, Tq, QUERIES):
        n, query = min(QUERIES, Tq - i0), i0 + Tk - Tq
        here = out_at + i0 * out_row
        _transpose(q, q_at + i0 * q_row, q_row, n, hs, scale, QUERIES, q_transposed)
        _transpose(dout, here, out_row, n, hs, ONE, QUERIES, dout_transposed)
        _copy(q, q_at + i0 * q_row, q_row, n, hs, panel, QUERIES - n, q_rows)
        q_rows[: n * panel] *= scale  # the factor of dK
        _copy(dout, here, out_row, n, hs, panel, QUERIES - n, dout_rows)
        m[:], log_l[:], D[:] = ZERO, ZERO, ZERO
        for i in range(n):
            m[i], log_l[i] = largest[row_at + i0 + i], log_total[row_at + i0 + i]
        # the place of dQ^T, which is not needed yet
        _transpose(out, here, out_row, n, hs, ONE, QUERIES, dq_transposed)
        _products(dout_transposed, dq_transposed, hs, D)
        dq_transposed[: width * QUERIES] = ZERO
        _blocks_backward(
            query, n, keys, values, q_transposed, dout_transposed, q_rows, dout_rows,
            m, log_l, D, zeros, s, dp, keep, keep_at + i0 * Tk, keep_scale, Tk, hs, causal, window,
            width, panel, dkeys, dvalues, dq_transposed,
        )  # fmt: skip
        for i in range(n):
            row = dq[q_at + (i0 + i) * q_row : q_at + (i0 + i) * q_row + hs]
            for d in range(hs):
                row[d] = dq_transposed[d * QUERIES + i] * scale
    _copy_back(dkeys, panel, dk, k_at, kv_row, Tk, hs)
    _copy_back(dvalues, panel, dv, v_at, kv_row, Tk, hs)


@parallel_kernel
def attention_heads_backward(q, q_at, q_strides, k, k_at, v, v_at, kv_strides, out, dout,
                             out_strides, largest, log_total, keep, keep_scale, dq, dk, dv, sizes,
                             causal, window, shares, scratch, size):  # fmt: skip
    """Gradients of every head of every sequence.

    dq, dk and dv have the offsets and strides of q, k and v.
    """
    B, nh, Tq, Tk, hs = sizes
    for share in prange(shares):
        mine = scratch[share * size : (share + 1) * size]
        for head in range(B * nh * share // shares, B * nh * (share + 1) // shares):
            b, h = head // nh, head % nh
            kv_at = b * kv_strides[0] + h * kv_strides[1]
            _head_backward(
                q, q_at + b * q_strides[0] + h * q_strides[1], q_strides[2],
                k, k_at + kv_at, v, v_at + kv_at, kv_strides[2],
                out, dout, b * out_strides[0] + h * out_strides[1], out_strides[2],
                largest, log_total, head * Tq, keep, head * Tq * Tk, keep_scale,
                dq, dk, dv, Tq, Tk, hs, causal, window, mine,
            )  # fmt: skip
