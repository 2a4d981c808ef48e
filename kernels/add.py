"""The residual sum.

NumPy's addition is already as fast as memory allows. What is saved is the fresh memory (memory.py).
"""

import numpy as np

from kernels.expect import float32
from kernels.memory import empty
from minigpt.layers.add import expect_add


def add(x, y):
    """As minigpt.layers.add, in float32."""
    expect_add(x, y)
    float32("add", x=x, y=y)
    return np.add(x, y, out=empty(x.shape))
