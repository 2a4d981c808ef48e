"""Random numbers as a function of seed, purpose and step.

No generator has to be saved. The generator for the batch of step 250 is made from the seed and the
number 250. It does not depend on whether the run was resumed, or on samples drawn before. So a
resumed run equals an uninterrupted one.
"""

import numpy as np

PURPOSES = ("batch", "dropout", "evaluation", "sample")


def generator(seed: int, purpose: str, step: int = 0) -> np.random.Generator:
    """The generator of one purpose at one step."""
    # from 1: for NumPy, [seed, 0, 0] is the same as [seed], the generator of the initial weights
    return np.random.default_rng([seed, PURPOSES.index(purpose) + 1, step + 1])
