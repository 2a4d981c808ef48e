"""Softmax and cross-entropy.

Cross-entropy does not store the probabilities: it recomputes them from each row's maximum and sum.
"""

from typing import NamedTuple

import numpy as np

from kernels.expect import expect_array, expect_cache, flat, float32
from kernels.jit import compiled, parallel_kernel, prange
from kernels.memory import empty, workspace
from kernels.vector_math import exp, minus, softmax_weight
from minigpt import expect
from minigpt.layers.cross_entropy import expect_cross_entropy

ZERO, ONE, MINUS_INFINITY = np.float32(0.0), np.float32(1.0), np.float32(-np.inf)
LANES = 32


class SoftmaxCache(NamedTuple):
    """The probabilities."""

    p: np.ndarray  # (..., n)


class CrossEntropyCache(NamedTuple):
    """The logits with each row's maximum and sum; the probabilities are recomputed."""

    logits: np.ndarray  # (..., V)
    targets: np.ndarray  # (rows,), int64; -1 where the target does not count
    largest: np.ndarray  # (rows,), each row's maximum m
    log_total: np.ndarray  # (rows,), log sum e^(logits - m)
    counted: int  # how many targets count


@compiled
def _largest(x, lanes):
    """The maximum of a row.

    First of each of 32 lanes: because of NaN, LLVM does not split a maximum over lanes by itself.
    """
    lanes[:LANES] = MINUS_INFINITY
    whole = x.size // LANES * LANES
    for j in range(0, whole, LANES):
        for i in range(LANES):
            lanes[i] = max(lanes[i], x[j + i])
    m = MINUS_INFINITY
    for i in range(LANES):
        m = max(m, lanes[i])
    for j in range(whole, x.size):
        m = max(m, x[j])
    return m


@compiled
def _softmax_row(x, p, lanes):
    m, total = _largest(x, lanes), ZERO
    for i in range(x.size):
        e = exp(minus(x[i], m))
        p[i] = e
        total += e
    share = ONE / total
    for i in range(x.size):
        p[i] *= share


@compiled
def _softmax_slope_row(p, dout, dx):
    mean = ZERO
    for i in range(p.size):
        mean += dout[i] * p[i]
    for i in range(p.size):
        dx[i] = p[i] * (dout[i] - mean)


@compiled
def _log_total_row(logits, m):
    total = ZERO
    for i in range(logits.size):
        total += exp(minus(logits[i], m))
    return np.log(total)


@compiled
def _cross_entropy_slope_row(logits, m, log_total, scale, dlogits):
    for i in range(logits.size):
        dlogits[i] = softmax_weight(logits[i], m, log_total) * scale


@parallel_kernel
def _softmax(x, n, p, shares, scratch):
    rows = x.size // n
    for share in prange(shares):
        lanes = scratch[share * LANES : (share + 1) * LANES]
        for row in range(rows * share // shares, rows * (share + 1) // shares):
            _softmax_row(x[row * n : row * n + n], p[row * n : row * n + n], lanes)


@parallel_kernel
def _softmax_slope(p, dout, n, dx, shares):
    rows = p.size // n
    for share in prange(shares):
        for row in range(rows * share // shares, rows * (share + 1) // shares):
            here = slice(row * n, row * n + n)
            _softmax_slope_row(p[here], dout[here], dx[here])


@parallel_kernel
def _cross_entropy(logits, V, targets, largest, log_total, losses, shares, scratch):
    rows = logits.size // V
    for share in prange(shares):
        lanes = scratch[share * LANES : (share + 1) * LANES]
        for row in range(rows * share // shares, rows * (share + 1) // shares):
            at, y = row * V, targets[row]
            m = _largest(logits[at : at + V], lanes)
            largest[row], log_total[row] = m, _log_total_row(logits[at : at + V], m)
            losses[row] = minus(log_total[row], minus(logits[at + y], m)) if y >= 0 else ZERO


@parallel_kernel
def _cross_entropy_slope(logits, V, targets, largest, log_total, scale, dlogits, shares):
    rows = logits.size // V
    for share in prange(shares):
        for row in range(rows * share // shares, rows * (share + 1) // shares):
            at, y = row * V, targets[row]
            if y < 0:
                # an ignored target has gradient 0, even if its logits are NaN
                dlogits[at : at + V] = ZERO
            else:
                _cross_entropy_slope_row(
                    logits[at : at + V], largest[row], log_total[row], scale, dlogits[at : at + V]
                )
                dlogits[at + y] -= scale


def softmax_forward(x):
    """As minigpt.layers.softmax_forward, in float32."""
    expect.floats("softmax", x=x)
    expect.last_axis("softmax", "x", x)
    float32("softmax", x=x)
    p, shares = empty(x.shape), workspace.threads()
    _softmax(flat(x), x.shape[-1], flat(p), shares, workspace.floats("lanes", shares * LANES))
    return p, SoftmaxCache(p)


def softmax_backward(dout, cache):
    """As minigpt.layers.softmax_backward."""
    expect_cache("softmax", cache, SoftmaxCache)
    (p,) = cache
    expect_array("softmax", "cache.p", p, np.shape(p))
    expect.same_as_out("softmax", dout, p.shape, p.dtype)
    dx = empty(p.shape)
    _softmax_slope(flat(p), flat(dout), p.shape[-1], flat(dx), workspace.threads())
    return dx


def cross_entropy_forward(logits, targets, ignore_index=-1):
    """As minigpt.layers.cross_entropy_forward, in float32. The mean is taken in float64."""
    expect_cross_entropy(logits, targets, ignore_index)
    float32("cross_entropy", logits=logits)
    V, y = logits.shape[-1], targets.reshape(-1)
    # (rows,): -1 does not fit an unsigned type
    y = np.where(y == ignore_index, np.int64(-1), y.astype(np.int64))
    counted, shares = int((y >= 0).sum()), workspace.threads()
    largest, log_total, losses = (empty(y.shape) for _ in range(3))
    lanes = workspace.floats("lanes", shares * LANES)
    _cross_entropy(flat(logits), V, y, largest, log_total, losses, shares, lanes)
    loss = np.float32(losses.sum(dtype=np.float64) / counted)
    return loss, CrossEntropyCache(logits, y, largest, log_total, counted)


def cross_entropy_backward(dloss, cache):
    """As minigpt.layers.cross_entropy_backward."""
    expect_cache("cross_entropy", cache, CrossEntropyCache)
    logits, targets, largest, log_total, counted = cache
    expect_array("cross_entropy", "cache.logits", logits, np.shape(logits))
    expect.last_axis("cross_entropy", "cache.logits", logits)
    rows = (logits.size // logits.shape[-1],)
    expect_array("cross_entropy", "cache.targets", targets, rows, np.dtype(np.int64))
    expect.ids_below(
        "cross_entropy", "cache.targets", targets[targets >= 0], logits.shape[-1], "the vocabulary"
    )
    for name, array in (("largest", largest), ("log_total", log_total)):
        expect_array("cross_entropy", f"cache.{name}", array, rows)
    if np.ndim(dloss) != 0:
        raise ValueError(
            f"cross_entropy: dloss has shape {np.shape(dloss)}, but must be a scalar: the loss is "
            "one"
        )
    dlogits, scale = empty(logits.shape), np.float32(float(dloss) / counted)
    _cross_entropy_slope(
        flat(logits), logits.shape[-1], flat(targets), flat(largest), flat(log_total), scale,
        flat(dlogits), workspace.threads(),
    )  # fmt: skip
    return dlogits
