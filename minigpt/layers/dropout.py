"""Dropout: in training, each number is struck out with probability p, and the rest grow so that the
mean stays.

    out = x * keep / (1 - p)        keep ~ Bernoulli(1 - p), drawn again at each call

Source: Srivastava et al. 2014, "Dropout", section 4; scaled in training instead of in use
("inverted", section 10). By hand, index by index: minigpt/by_hand.py.
Left out: a train/eval switch. p = 0 is the identity and draws nothing: evaluation passes 0.
"""

from typing import NamedTuple

import numpy as np

from minigpt import expect


class DropoutCache(NamedTuple):
    """What the backward pass needs of the forward pass."""

    keep: np.ndarray | None  # x's shape, bool; None if p = 0
    p: float
    shape: tuple[int, ...]  # x's
    dtype: np.dtype  # x's


def dropout_forward(
    x: np.ndarray, p: float, rng: np.random.Generator | None
) -> tuple[np.ndarray, DropoutCache]:
    """Strike out each element with probability p.

    x: any shape, float; p in [0, 1); rng draws the mask and may be None if p = 0 (then out is x
    itself).
    Returns out, of x's shape and dtype, and the cache. Raises TypeError, ValueError.
    """
    expect.floats("dropout", x=x)
    keep = dropout_mask(x.shape, p, rng)
    if keep is None:
        return x, DropoutCache(None, 0.0, x.shape, x.dtype)
    return x * keep * (1.0 / (1.0 - float(p))), DropoutCache(keep, float(p), x.shape, x.dtype)


def dropout_backward(dout: np.ndarray, cache: DropoutCache) -> np.ndarray:
    """Gradient of dropout_forward: dx.

    What was struck out passes nothing back; the rest passes back what it grew by.
    """
    keep, p, shape, dtype = cache
    expect.same_as_out("dropout", dout, shape, dtype)
    if keep is None:
        return dout
    return dout * keep * (1.0 / (1.0 - p))  # out = x * keep / (1 - p)


def dropout_mask(
    shape: tuple[int, ...], p: float, rng: np.random.Generator | None
) -> np.ndarray | None:
    """Which numbers stay: bools of the given shape, or None if p = 0.

    Raises TypeError, ValueError.
    """
    if not 0.0 <= p < 1.0:
        raise ValueError(f"dropout: p is {p}, but must be at least 0 and below 1")
    if p == 0.0:
        return None
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"dropout: rng is a {type(rng).__name__}, but must be a numpy.random.Generator where p "
            "> 0"
        )
    # float32 numbers for every dtype: the same seed then gives the same mask in float32 and in
    # float64
    return rng.random(shape, dtype=np.float32) >= p
