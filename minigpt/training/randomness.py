"""Random numbers as a function of (seed, what for, step): no generator has to be kept, saved or
restored.

The generator for step 250's batch is made from the seed and the number 250, whether the run came
there in one go or was killed and resumed; and a sample drawn on the way cannot disturb it. This is
how a resumed run equals an uninterrupted one.
"""

import numpy as np

PURPOSES = ("batch", "dropout", "evaluation", "sample")


def generator(seed: int, purpose: str, step: int = 0) -> np.random.Generator:
    """The generator of one purpose at one step."""
    # counted from 1: NumPy takes [seed, 0, 0] for [seed], which is the generator of the initial
    # weights
    return np.random.default_rng([seed, PURPOSES.index(purpose) + 1, step + 1])
