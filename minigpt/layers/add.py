"""The residual sum: what a part of a block found out is added to the stream that passes by it.

    out = x + y

Source: He et al. 2016, "Deep Residual Learning", equation 1; Vaswani et al. 2017, section 3.1. By
hand, index by index: minigpt/by_hand.py. It needs no backward: d out = dx + dy, so the gradient of
out is that of x and that of y (summed over the axes that y lacks).
"""

import numpy as np

from minigpt import expect


def add(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The sum of two streams, a fresh array.

    x: (..., C) float; y: of x's dtype, and of a shape that broadcasts to x's, such as positions (T,
    C) beside tokens (B, T, C).
    Raises TypeError, ValueError.
    """
    expect_add(x, y)
    return x + y  # x's shape


def expect_add(x: np.ndarray, y: np.ndarray) -> None:
    """Raises TypeError, ValueError if add cannot take these."""
    expect.floats("add", x=x, y=y)
    try:
        fits = np.broadcast_shapes(x.shape, y.shape) == x.shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"add: y has shape {y.shape}, but must broadcast to x's: {x.shape}")
