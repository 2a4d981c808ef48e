"""Softmax: any row of numbers made into probabilities.

    p_i = exp(x_i - m) / sum_j exp(x_j - m)        m = max_j x_j

Source: Goodfellow, Bengio and Courville 2016, "Deep Learning", section 4.1 (the shift by m) and
section 6.2.2.3. The shift changes nothing on paper, because it cancels. In float32 exp overflows
above 88.7, and with it no argument exceeds 0. By hand, index by index: minigpt/by_hand.py.
Left out: any axis but the last; a temperature (minigpt/generation/sampling.py).
"""

from typing import NamedTuple

import numpy as np

from minigpt import expect


class SoftmaxCache(NamedTuple):
    """What the backward pass needs of the forward pass."""

    p: np.ndarray  # (..., n), the probabilities themselves


def softmax_forward(x: np.ndarray) -> tuple[np.ndarray, SoftmaxCache]:
    """Probabilities along the last axis.

    x: (..., n) float; -inf is allowed and becomes exactly 0, as long as a row holds one finite
    number.
    Returns p (..., n), of x's dtype, each row summing to 1, and the cache. Raises TypeError,
    ValueError.

    >>> softmax_forward(np.array([2.0, 1.0, 0.1]))[0].round(4)
    array([0.659 , 0.2424, 0.0986])
    """
    expect.floats("softmax", x=x)
    expect.last_axis("softmax", "x", x)
    e = np.exp(x - x.max(axis=-1, keepdims=True))  # (..., n), at most 1
    p = e / e.sum(axis=-1, keepdims=True)  # (..., n)
    return p, SoftmaxCache(p)


def softmax_backward(dout: np.ndarray, cache: SoftmaxCache) -> np.ndarray:
    """Gradient of softmax_forward: dx (..., n). dout is the gradient of p."""
    (p,) = cache
    expect.same_as_out("softmax", dout, p.shape, p.dtype)

    # p_i = exp(x_i) / sum_j exp(x_j), so dp_i/dx_j = p_i (1[i = j] - p_j). Summed over i: p_j
    # (dout_j - sum_i dout_i p_i). The inner sum is the mean of dout under p: only what differs from
    # the mean moves x, and so each row of dx sums to 0.
    mean = (dout * p).sum(axis=-1, keepdims=True)  # (..., 1)
    return p * (dout - mean)  # (..., n)
