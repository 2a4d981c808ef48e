"""Embedding: look up rows; add gradients to the rows they came from.

In the backward pass the threads share the channels, not the tokens. No two threads add to the same
number, and every sum is taken in the order of the ids.
"""

from typing import NamedTuple

import numpy as np

from kernels.expect import expect_array, expect_cache, flat, float32
from kernels.jit import compiled, parallel_kernel, prange
from kernels.memory import empty, workspace
from minigpt import expect
from minigpt.layers.embedding import expect_embedding

ZERO = np.float32(0.0)


class EmbeddingCache(NamedTuple):
    """The ids; the weight is kept for its shape."""

    ids: np.ndarray  # (B, T), ints
    weight: np.ndarray  # (V, C)


@compiled
def _add_row(row, to):
    for c in range(row.size):
        to[c] += row[c]


@parallel_kernel
def _gather(ids, weight, C, out, shares):
    for share in prange(shares):
        for n in range(ids.size * share // shares, ids.size * (share + 1) // shares):
            out[n * C : n * C + C] = weight[ids[n] * C : ids[n] * C + C]


@parallel_kernel
def _scatter_add(ids, dout, C, dweight, shares):
    for share in prange(shares):
        first, beyond = C * share // shares, C * (share + 1) // shares
        for row in range(0, dweight.size, C):
            dweight[row + first : row + beyond] = ZERO
        for n in range(ids.size):
            row, place = ids[n] * C, n * C
            _add_row(dout[place + first : place + beyond], dweight[row + first : row + beyond])


def embedding_forward(ids, weight):
    """As minigpt.layers.embedding_forward, in float32."""
    expect_embedding(ids, weight)
    float32("embedding", weight=weight)
    C = weight.shape[1]
    out = empty((*ids.shape, C))
    _gather(_whole(ids), flat(weight), C, flat(out), workspace.threads())
    return out, EmbeddingCache(ids, weight)


def embedding_backward(dout, cache):
    """As minigpt.layers.embedding_backward."""
    expect_cache("embedding", cache, EmbeddingCache)
    ids, weight = cache
    expect_array("embedding", "cache.weight", weight, np.shape(weight))
    # again: the ids belong to the caller, who may have overwritten them since the forward
    expect_embedding(ids, weight)
    C = weight.shape[1]
    expect.same_as_out("embedding", dout, (*ids.shape, C), weight.dtype)
    dweight = empty(weight.shape)
    _scatter_add(_whole(ids), flat(dout), C, flat(dweight), workspace.threads())
    return dweight


def _whole(ids: np.ndarray) -> np.ndarray:
    """The ids as (n,) int64: one type for Numba, whatever theirs is."""
    return np.array(ids, np.int64, order="C").reshape(-1)
