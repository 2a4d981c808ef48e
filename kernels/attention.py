"""Attention in the contract's shapes, computed by the flash kernels (flash.py).

A Layout says where q, k and v lie in memory. One kernel then serves separate arrays q, k, v and the
packed array qkv.
"""

from typing import NamedTuple

import numpy as np

from kernels.expect import expect_array, expect_cache, flat, float32
from kernels.flash import (
    FAR,
    attention_heads_backward,
    attention_heads_forward,
    backward_size,
    forward_size,
)
from kernels.memory import empty, workspace
from minigpt import expect
from minigpt.layers.attention import expect_attention
from minigpt.layers.dropout import dropout_mask
from minigpt.layers.multi_head_attention import expect_multi_head_attention

NO_MASK = np.empty(0, np.bool_)


class AttentionCache(NamedTuple):
    """q, k, v and two numbers per query; the weights are recomputed."""

    q: np.ndarray  # (B, nh, Tq, hs); for many heads, all of qkv (B, T, 3C)
    k: np.ndarray  # (B, nh, Tk, hs); for many heads, qkv again
    v: np.ndarray
    out: np.ndarray  # the caller's array: changing it in place makes the gradients wrong
    largest: np.ndarray  # (B, nh, Tq), the largest score m of each query
    log_total: np.ndarray  # (B, nh, Tq), log of the sum of e^(score - m) over its keys
    keep: np.ndarray  # (B, nh, Tq, Tk) bool, the weights that dropout keeps; empty without dropout
    keep_scale: np.float32  # 1 / (1 - p)
    layout: "Layout"


class Layout(NamedTuple):
    """Sizes, offsets and strides of the flat arrays, and the mask."""

    sizes: tuple[int, int, int, int, int]  # B, nh, Tq, Tk, hs
    first: tuple[int, int, int]  # the offsets of q, k and v
    q: tuple[int, int, int]  # strides: sequence, head, token
    kv: tuple[int, int, int]
    out: tuple[int, int, int]
    causal: bool
    window: int


def attention_forward(q, k, v, causal=True, window=None, dropout_p=0.0, rng=None):
    """As minigpt.layers.attention_forward, in float32.

    Memory is proportional to T; a dropout mask takes T^2 bools.
    """
    expect_attention(q, k, v, window)
    float32("attention", q=q, k=k, v=v)
    B, nh, Tq, hs = q.shape
    Tk = k.shape[2]
    q_strides, kv_strides = (nh * Tq * hs, Tq * hs, hs), (nh * Tk * hs, Tk * hs, hs)
    mask = (bool(causal), FAR if window is None else min(int(window), FAR))
    layout = Layout((B, nh, Tq, Tk, hs), (0, 0, 0), q_strides, kv_strides, q_strides, *mask)
    return _forward(q, k, v, q.shape, layout, dropout_p, rng)


def attention_backward(dout, cache):
    """As minigpt.layers.attention_backward.

    Returns dq (B, nh, Tq, hs), dk and dv (B, nh, Tk, hs).
    """
    B, nh, Tq, hs, Tk = _expect_cache("attention", cache)
    for name, T in (("q", Tq), ("k", Tk), ("v", Tk)):
        expect_array("attention", f"cache.{name}", getattr(cache, name), (B, nh, T, hs))
    expect_array("attention", "cache.out", cache.out, (B, nh, Tq, hs))
    expect.same_as_out("attention", dout, cache.out.shape, cache.out.dtype)
    dq, dk, dv = empty(cache.q.shape), empty(cache.k.shape), empty(cache.v.shape)
    _backward(dout, cache, flat(dq), flat(dk), flat(dv))
    return dq, dk, dv


def multi_head_attention_forward(qkv, n_head, causal=True, window=None, dropout_p=0.0, rng=None):
    """As minigpt.layers.multi_head_attention_forward, in float32.

    The heads are read and written inside qkv and out; no array of separate heads is made.
    """
    n_head = expect_multi_head_attention(qkv, n_head)
    if window is not None:
        expect.whole_number("attention", "window", window)
    float32("multi_head_attention", qkv=qkv)
    B, T, C3 = qkv.shape
    C, hs = C3 // 3, C3 // (3 * n_head)
    mask = (bool(causal), FAR if window is None else min(int(window), FAR))
    sizes, qkv_strides, out_strides = (B, n_head, T, T, hs), (T * C3, hs, C3), (T * C, hs, C)
    layout = Layout(sizes, (0, C, 2 * C), qkv_strides, qkv_strides, out_strides, *mask)
    return _forward(qkv, qkv, qkv, (B, T, C), layout, dropout_p, rng)


def multi_head_attention_backward(dout, cache):
    """As minigpt.layers.multi_head_attention_backward: dqkv (B, T, 3C)."""
    function = "multi_head_attention"
    B, nh, T, hs, _ = _expect_cache(function, cache)
    for name in "qkv":
        expect_array(function, f"cache.{name}", getattr(cache, name), (B, T, 3 * nh * hs))
    expect_array(function, "cache.out", cache.out, (B, T, nh * hs))
    expect.same_as_out(function, dout, cache.out.shape, cache.out.dtype)
    dqkv = empty(cache.q.shape)
    _backward(dout, cache, flat(dqkv), flat(dqkv), flat(dqkv))
    return dqkv


def _expect_cache(function: str, cache: object) -> tuple[int, int, int, int, int]:
    """Return B, nh, Tq, hs and Tk of a cache.

    Raises TypeError, ValueError if largest, log_total or keep are not as the forward made them.
    """
    expect_cache(function, cache, AttentionCache)
    B, nh, Tq, Tk, hs = cache.layout.sizes
    for name in ("largest", "log_total"):
        expect_array(function, f"cache.{name}", getattr(cache, name), (B, nh, Tq))
    keep_shape = (B, nh, Tq, Tk) if np.size(cache.keep) else (0,)
    expect_array(function, "cache.keep", cache.keep, keep_shape, np.dtype(bool))
    return B, nh, Tq, hs, Tk


def _forward(q, k, v, out_shape, layout, dropout_p, rng):
    B, nh, Tq, Tk, hs = layout.sizes
    keep = dropout_mask((B, nh, Tq, Tk), dropout_p, rng)
    keep = NO_MASK if keep is None else keep
    keep_scale = np.float32(1.0 / (1.0 - float(dropout_p)))
    out, largest, log_total = empty(out_shape), empty((B, nh, Tq)), empty((B, nh, Tq))
    shares, size = workspace.threads(), forward_size(Tk, hs)
    attention_heads_forward(
        flat(q), layout.first[0], layout.q, flat(k), layout.first[1], flat(v), layout.first[2],
        layout.kv, flat(out), layout.out, flat(largest), flat(log_total), flat(keep), keep_scale,
        layout.sizes, layout.causal, layout.window, shares,
        workspace.floats("attention", shares * size), size,
    )  # fmt: skip
    return out, AttentionCache(q, k, v, out, largest, log_total, keep, keep_scale, layout)


def _backward(dout, cache, dq, dk, dv):
    layout = cache.layout
    Tk, hs = layout.sizes[3:]
    shares, size = workspace.threads(), backward_size(Tk, hs)
    attention_heads_backward(
        flat(cache.q), layout.first[0], layout.q, flat(cache.k), layout.first[1], flat(cache.v),
        layout.first[2], layout.kv, flat(cache.out), flat(dout), layout.out, flat(cache.largest),
        flat(cache.log_total), flat(cache.keep), cache.keep_scale, dq, dk, dv, layout.sizes,
        layout.causal, layout.window, shares, workspace.floats("attention", shares * size), size,
    )  # fmt: skip
