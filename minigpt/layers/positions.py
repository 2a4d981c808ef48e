"""Sinusoidal positions: where a token stands, written as C numbers like the hands of C/2 clocks.

    PE[pos, 2i]     = sin(pos / 10000^(2i/C))
    PE[pos, 2i + 1] = cos(pos / 10000^(2i/C))        i = 0 .. C/2 - 1

Source: Vaswani et al. 2017, section 3.5. Sine and cosine alternate; each pair is a clock of
wavelength 2 pi 10000^(2i/C). So |PE|^2 = C/2 at every position, and PE[pos + k] is a fixed rotation
of PE[pos]. GPT learns its positions instead (wpe). By hand, index by index: minigpt/by_hand.py.
Left out: tensor2tensor's layout (all sines, then all cosines), which its authors' code has and the
paper has not.
"""

import numpy as np

from minigpt import expect


def sinusoidal_positions(T: int, C: int) -> np.ndarray:
    """The table of the first T positions: (T, C) float64.

    Row pos does not depend on T. No backward: nothing is learned.

    Raises ValueError if C is odd, for sines and cosines come in pairs.
    """
    expect.whole_number("sinusoidal_positions", "T", T)
    expect.whole_number("sinusoidal_positions", "C", C)
    if C % 2:
        raise ValueError(
            f"sinusoidal_positions: C is {C}, but must be even: sines and cosines come in pairs"
        )
    pos = np.arange(T)[:, None]  # (T, 1)
    frequency = 10000.0 ** (-np.arange(0, C, 2) / C)  # (C/2,)
    angle = pos * frequency  # (T, C/2)
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(T, C)  # (T, C/2, 2) -> (T, C)
