"""Flash attention: exact attention that never stores the T x T scores, forward and backward, one
head at a time.

    forward     for each COLUMNS queries, for each KEYS keys:  S^T = K Q^T / sqrt(hs);  m' = max(m, S);  P = e^(S - m')
                l = l e^(m - m') + sum P;  O^T = O^T e^(m - m') + V^T P^T;      at the end O / l; m and log l are kept
    backward    P = e^((S - m) - log l) is computed again from q and k;  D_i = sum_d dO_id O_id
                dV += P^T dO;  dS = P (dO V^T - D);  dK += dS^T Q / sqrt(hs);  dQ += dS K / sqrt(hs)

Each query is a vector's lane: S is kept as (keys, queries), so that a query's maximum and sum over
its keys are taken lane by lane, with no sum across a vector, and P^T is already the panel that the
next product reads. Keys that no query of a block may see are not touched at all; where a block is
cut by the diagonal or a window, the lanes outside are set to -inf. Memory: K, V (and dK, dV) of one
head for each thread, m and log l; all of it grows with T, nothing with T^2. The papers keep one
number, lse = m + log l; beside scores of thousands a float32 then has no digits left for log l.
Source: Dao et al. 2022, "FlashAttention", algorithms 1 and 4; Dao 2023, "FlashAttention-2"; Milakov
and Gimelshein 2018 (online softmax).
"""

import math

import numba
import numpy as np

from kernels.jit import DISABLED, exact, kernel, part
from kernels.tile import COLUMNS, ROWS, tile_columns, tile_rows
from kernels.vector_math import exp, minus, softmax_weight

prange = range if DISABLED else numba.prange
KEYS = 128  # keys at a time: with 64 queries, S^T is 32 KiB
QUERIES = 2 * COLUMNS  # queries at a time in the backward pass
FAR = 2**31  # further than any key
ZERO, ONE, MINUS_INFINITY = np.float32(0.0), np.float32(1.0), np.float32(-np.inf)
LOWEST = np.finfo(np.float32).min  # where a maximum begins: finite, for -inf - -inf is NaN


def up(n: int, unit: int) -> int:
    """n rounded up to whole units."""
    return -(-n // unit) * unit


def forward_size(Tk: int, hs: int) -> int:
    """Floats of workspace a thread: K and V, Q^T, S^T, O^T; m, its successor, l, zeros."""
    return 2 * (Tk + ROWS) * up(hs, ROWS) + (hs + KEYS + ROWS + up(hs, ROWS) + 4) * COLUMNS


def backward_size(Tk: int, hs: int) -> int:
    """Floats of workspace a thread: K and V; dK and dV; Q^T, dO^T, dQ^T; Q, dO; S^T, dP^T; m, log
    l, D, zeros.
    """
    narrow, wide = up(hs, ROWS), up(hs, COLUMNS)
    return 2 * (Tk + ROWS) * (narrow + wide) + QUERIES * (
        2 * hs + narrow + 2 * wide + 2 * (KEYS + ROWS) + 4
    )


@part
def _copy(source, at, stride, n, hs, width, spare, target):
    """n rows of hs numbers, as rows of `width`, with zeros behind and `spare` rows of zeros below."""
    for j in range(n):
        row, place = (
            source[at + j * stride : at + j * stride + hs],
            target[j * width : j * width + width],
        )
        for d in range(hs):
            place[d] = row[d]
        for d in range(hs, width):
            place[d] = ZERO
    target[n * width : (n + spare) * width] = ZERO


@part
def _turn(source, at, stride, n, hs, scale, lanes, target):
    """n rows of hs numbers, times scale, as columns: target[d, i] = source[i, d]; zeros in the
    lanes beyond n.
    """
    for i in range(n):
        row = source[at + i * stride : at + i * stride + hs]
        for d in range(hs):
            target[d * lanes + i] = row[d] * scale
    if n < lanes:
        for d in range(hs):
            for i in range(n, lanes):
                target[d * lanes + i] = ZERO


@part
def _hide(s, lanes, count, key, query, causal, window):
    """-inf where a query may not see a key.

    s is (count, lanes), its corner key `key` and the query at position `query`.

    The queries that see key j stand at j .. j + window - 1 (without causal, from j - window + 1),
    so each row's are together.
    """
    for j in range(count):
        first = key + j - query - (0 if causal else window - 1)
        beyond = key + j - query + window
        for i in range(min(first, lanes)):
            s[j * lanes + i] = MINUS_INFINITY
        for i in range(max(beyond, 0), lanes):
            s[j * lanes + i] = MINUS_INFINITY


@part
def _drop(s, lanes, count, keep, keep_at, Tk, n, grow):
    """Dropout on (count, lanes) weights: keep[i, j] says whether query i's weight of key j stays,
    and grows.
    """
    for j in range(count):
        for i in range(n):
            s[j * lanes + i] *= grow if keep[keep_at + i * Tk + j] else ZERO


@part
def _online_softmax(s, count, m, m_next, total, o, o_size):
    """S^T (count, COLUMNS) becomes P^T = e^(S - m); maxima m, totals l and O^T are brought up to
    date.
    """
    for i in range(COLUMNS):
        m_next[i] = m[i]
    for j in range(count):
        for i in range(COLUMNS):
            m_next[i] = max(m_next[i], s[j * COLUMNS + i])
    for i in range(COLUMNS):
        m[i] = exp(minus(m[i], m_next[i]))  # by how much all that was summed so far shrinks
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


@part
def _keys_seen(query, n, Tk, causal, window):
    """The range of keys that at least one of n queries from position `query` on may see."""
    first = max(0, query - window + 1)
    beyond = query + n if causal else min(Tk, query + n - 1 + window)
    return first, beyond


@part
def _head_forward(q, q_at, q_row, k, k_at, v, v_at, kv_row, out, out_at, out_row, largest, log_total, row_at, keep, keep_at,
                  grow, Tq, Tk, hs, causal, window, own):  # fmt: skip
    wide = (hs + ROWS - 1) // ROWS * ROWS
    keys, values, own = (
        own[: (Tk + ROWS) * wide],
        own[(Tk + ROWS) * wide : 2 * (Tk + ROWS) * wide],
        own[2 * (Tk + ROWS) * wide :],
    )
    q_turned, s, o = (
        own[: hs * COLUMNS],
        own[hs * COLUMNS : (hs + KEYS + ROWS) * COLUMNS],
        own[(hs + KEYS + ROWS) * COLUMNS :],
    )
    rest = o[wide * COLUMNS :]
    m, m_next, total, zeros = (
        rest[:COLUMNS],
        rest[COLUMNS : 2 * COLUMNS],
        rest[2 * COLUMNS : 3 * COLUMNS],
        rest[3 * COLUMNS :],
    )
    zeros[:COLUMNS] = ZERO
    _copy(k, k_at, kv_row, Tk, hs, wide, ROWS, keys)
    _copy(v, v_at, kv_row, Tk, hs, wide, ROWS, values)
    scale = np.float32(1.0 / math.sqrt(hs))
    for i0 in range(0, Tq, COLUMNS):
        n, query = min(COLUMNS, Tq - i0), i0 + Tk - Tq
        _turn(q, q_at + i0 * q_row, q_row, n, hs, scale, COLUMNS, q_turned)
        m[:], total[:] = LOWEST, ZERO
        o[: wide * COLUMNS] = ZERO
        first, beyond = _keys_seen(query, n, Tk, causal, window)
        for j0 in range(first, beyond, KEYS):
            count = min(KEYS, beyond - j0)
            for j in range(0, count, ROWS):
                tile_rows(
                    keys,
                    (j0 + j) * wide,
                    wide,
                    q_turned,
                    0,
                    COLUMNS,
                    zeros,
                    0,
                    0,
                    s,
                    j * COLUMNS,
                    COLUMNS,
                    hs,
                )
            if (causal and j0 + count > query) or window < FAR:
                _hide(s, COLUMNS, count, j0, query, causal, window)
            _online_softmax(s, count, m, m_next, total, o, wide if j0 > first else 0)
            if keep.size:
                _drop(s, COLUMNS, count, keep, keep_at + i0 * Tk + j0, Tk, n, grow)
            for d in range(0, wide, ROWS):
                at = d * COLUMNS
                tile_columns(
                    values,
                    j0 * wide + d,
                    wide,
                    s,
                    0,
                    COLUMNS,
                    o,
                    at,
                    COLUMNS,
                    o,
                    at,
                    COLUMNS,
                    count,
                )
        for i in range(n):
            largest[row_at + i0 + i], log_total[row_at + i0 + i] = m[i], np.log(total[i])
            share, row = (
                ONE / total[i],
                out[out_at + (i0 + i) * out_row : out_at + (i0 + i) * out_row + hs],
            )
            for d in range(hs):
                row[d] = o[d * COLUMNS + i] * share


@kernel
def attention_heads_forward(q, q_at, q_strides, k, k_at, v, v_at, kv_strides, out, out_strides, largest, log_total, keep,
                            grow, sizes, causal, window, shares, scratch, size):  # fmt: skip
    """Every head of every sequence.

    Strides: (sequence, head, token), in floats; sizes: (B, nh, Tq, Tk, hs).
    """
    B, nh, Tq, Tk, hs = sizes
    for share in prange(shares):
        own = scratch[share * size : (share + 1) * size]
        for head in range(B * nh * share // shares, B * nh * (share + 1) // shares):
            b, h = head // nh, head % nh
            kv_at = b * kv_strides[0] + h * kv_strides[1]
            _head_forward(
                q, q_at + b * q_strides[0] + h * q_strides[1], q_strides[2], k, k_at + kv_at, v, v_at + kv_at, kv_strides[2],
                out, b * out_strides[0] + h * out_strides[1], out_strides[2], largest, log_total, head * Tq, keep,
                head * Tq * Tk, grow, Tq, Tk, hs, causal, window, own,
            )  # fmt: skip


@part
def _weights_and_slopes(s, dp, count, largest, log_total, D):
    """S^T becomes P^T, and dP^T becomes dS^T = P^T (dP^T - D); both are (count, QUERIES)."""
    for j in range(count):
        for i in range(QUERIES):
            p = softmax_weight(s[j * QUERIES + i], largest[i], log_total[i])
            s[j * QUERIES + i] = p
            dp[j * QUERIES + i] = p * (dp[j * QUERIES + i] - D[i])


@exact
def _products(dout_turned, out_turned, hs, D):
    """D_i = sum_d dO_id O_id, added up in the tile's order.

    Where one key has all the weight, D is then dP to the last bit, and dS is 0, as it must be.
    """
    for d in range(hs):
        for i in range(QUERIES):
            D[i] += dout_turned[d * QUERIES + i] * out_turned[d * QUERIES + i]


@part
def _copy_back(source, width, target, at, stride, n, hs):
    """n rows of hs numbers, from rows of `width` to where they belong."""
    for j in range(n):
        row, place = (
            source[j * width : j * width + hs],
            target[at + j * stride : at + j * stride + hs],
        )
        for d in range(hs):
            place[d] = row[d]


@part
def _head_backward(q, q_at, q_row, k, k_at, v, v_at, kv_row, out, dout, out_at, out_row, largest, log_total, row_at, keep,
                   keep_at, grow, dq, dk, dv, Tq, Tk, hs, causal, window, own):  # fmt: skip
    wide, panel = (hs + ROWS - 1) // ROWS * ROWS, (hs + COLUMNS - 1) // COLUMNS * COLUMNS
    n_narrow, n_wide = (Tk + ROWS) * wide, (Tk + ROWS) * panel
    keys, values, own = own[:n_narrow], own[n_narrow : 2 * n_narrow], own[2 * n_narrow :]
    dkeys, dvalues, own = own[:n_wide], own[n_wide : 2 * n_wide], own[2 * n_wide :]
    q_turned, dout_turned, own = (
        own[: hs * QUERIES],
        own[hs * QUERIES : 2 * hs * QUERIES],
        own[2 * hs * QUERIES :],
    )
    q_rows, dout_rows, own = (
        own[: QUERIES * panel],
        own[QUERIES * panel : 2 * QUERIES * panel],
        own[2 * QUERIES * panel :],
    )
    n_s = (KEYS + ROWS) * QUERIES
    s, dp, own = own[:n_s], own[n_s : 2 * n_s], own[2 * n_s :]
    m, log_l, own = own[:QUERIES], own[QUERIES : 2 * QUERIES], own[2 * QUERIES :]
    D, zeros, dq_turned = own[:QUERIES], own[QUERIES : 2 * QUERIES], own[2 * QUERIES :]
    zeros[:], dkeys[:], dvalues[:] = ZERO, ZERO, ZERO
    _copy(k, k_at, kv_row, Tk, hs, wide, ROWS, keys)
    _copy(v, v_at, kv_row, Tk, hs, wide, ROWS, values)
    scale = np.float32(1.0 / math.sqrt(hs))
    for i0 in range(0, Tq, QUERIES):
        n, query = min(QUERIES, Tq - i0), i0 + Tk - Tq
        here = out_at + i0 * out_row
        _turn(q, q_at + i0 * q_row, q_row, n, hs, scale, QUERIES, q_turned)
        _turn(dout, here, out_row, n, hs, ONE, QUERIES, dout_turned)
        _copy(q, q_at + i0 * q_row, q_row, n, hs, panel, QUERIES - n, q_rows)
        q_rows[: n * panel] *= scale  # so that dK needs none
        _copy(dout, here, out_row, n, hs, panel, QUERIES - n, dout_rows)
        m[:], log_l[:], D[:] = ZERO, ZERO, ZERO
        for i in range(n):
            m[i], log_l[i] = largest[row_at + i0 + i], log_total[row_at + i0 + i]
        # where dQ^T will be: it is not needed yet
        _turn(out, here, out_row, n, hs, ONE, QUERIES, dq_turned)
        _products(dout_turned, dq_turned, hs, D)
        dq_turned[: wide * QUERIES] = ZERO
        first, beyond = _keys_seen(query, n, Tk, causal, window)
        for j0 in range(first, beyond, KEYS):
            count = min(KEYS, beyond - j0)
            for i in range(0, QUERIES, COLUMNS):
                for j in range(0, count, ROWS):
                    at = j * QUERIES + i
                    tile_rows(
                        keys,
                        (j0 + j) * wide,
                        wide,
                        q_turned,
                        i,
                        QUERIES,
                        zeros,
                        0,
                        0,
                        s,
                        at,
                        QUERIES,
                        hs,
                    )
                    tile_rows(
                        values,
                        (j0 + j) * wide,
                        wide,
                        dout_turned,
                        i,
                        QUERIES,
                        zeros,
                        0,
                        0,
                        dp,
                        at,
                        QUERIES,
                        hs,
                    )
            if (causal and j0 + count > query) or window < FAR:
                _hide(s, QUERIES, count, j0, query, causal, window)
            if keep.size:
                _drop(dp, QUERIES, count, keep, keep_at + i0 * Tk + j0, Tk, n, grow)
            _weights_and_slopes(s, dp, count, m, log_l, D)
            if keep.size:
                _drop(s, QUERIES, count, keep, keep_at + i0 * Tk + j0, Tk, n, grow)
            # padding rows of the last tile
            for j in range(count, (count + ROWS - 1) // ROWS * ROWS):
                s[j * QUERIES : (j + 1) * QUERIES] = ZERO
                dp[j * QUERIES : (j + 1) * QUERIES] = ZERO
            for j in range(0, count, ROWS):
                for d in range(0, panel, COLUMNS):
                    at = (j0 + j) * panel + d
                    tile_rows(
                        s,
                        j * QUERIES,
                        QUERIES,
                        dout_rows,
                        d,
                        panel,
                        dvalues,
                        at,
                        panel,
                        dvalues,
                        at,
                        panel,
                        QUERIES,
                    )
                    tile_rows(
                        dp,
                        j * QUERIES,
                        QUERIES,
                        q_rows,
                        d,
                        panel,
                        dkeys,
                        at,
                        panel,
                        dkeys,
                        at,
                        panel,
                        QUERIES,
                    )
            for d in range(0, wide, ROWS):
                for i in range(0, QUERIES, COLUMNS):
                    at = d * QUERIES + i
                    tile_columns(
                        keys,
                        j0 * wide + d,
                        wide,
                        dp,
                        i,
                        QUERIES,
                        dq_turned,
                        at,
                        QUERIES,
                        dq_turned,
                        at,
                        QUERIES,
                        count,
                    )
        for i in range(n):
            row = dq[q_at + (i0 + i) * q_row : q_at + (i0 + i) * q_row + hs]
            for d in range(hs):
                row[d] = dq_turned[d * QUERIES + i] * scale
    _copy_back(dkeys, panel, dk, k_at, kv_row, Tk, hs)
    _copy_back(dvalues, panel, dv, v_at, kv_row, Tk, hs)


@kernel
def attention_heads_backward(q, q_at, q_strides, k, k_at, v, v_at, kv_strides, out, dout, out_strides, largest, log_total,
                             keep, grow, dq, dk, dv, sizes, causal, window, shares, scratch, size):  # fmt: skip
    """Every head of every sequence; dq, dk and dv lie as q, k and v do."""
    B, nh, Tq, Tk, hs = sizes
    for share in prange(shares):
        own = scratch[share * size : (share + 1) * size]
        for head in range(B * nh * share // shares, B * nh * (share + 1) // shares):
            b, h = head // nh, head % nh
            kv_at = b * kv_strides[0] + h * kv_strides[1]
            _head_backward(
                q, q_at + b * q_strides[0] + h * q_strides[1], q_strides[2], k, k_at + kv_at, v, v_at + kv_at, kv_strides[2],
                out, dout, b * out_strides[0] + h * out_strides[1], out_strides[2], largest, log_total, head * Tq, keep,
                head * Tq * Tk, grow, dq, dk, dv, Tq, Tk, hs, causal, window, own,
            )  # fmt: skip
