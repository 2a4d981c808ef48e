"""The running example of the notebooks: a very small GPT.

It is so small that every number can be seen.
The text is "trans", T = 5, of the word "transformer". Each character is a token; the vocabulary is
the nine different characters of the word, V = 9. C = 4 channels in nh = 2 heads of hs = 2; one
block. Every parameter has two digits, drawn from one seed. Gains and biases are random too, so that
leaving one out is noticed.
"""

import numpy as np

from minigpt.config import GPTConfig
from minigpt.model import GPT
from minigpt.parameters import initial_parameters
from minigpt.text.tokenizer import CharTokenizer

WORD, TEXT = "transformer", "trans"
CONFIG = GPTConfig(vocab_size=9, block_size=8, n_layer=1, n_head=2, n_embd=4)


def tiny_tokenizer() -> CharTokenizer:
    """Return a tokenizer for the nine characters of "transformer".

    They are a e f m n o r s t.
    """
    return CharTokenizer(WORD)


def tiny_model(ops: object = "numpy") -> GPT:
    """Return the model, in float64: 1 block, 2 heads, 4 channels.

    Its parameters have two digits and are always the same.
    """
    rng = np.random.default_rng(9)
    params = {}
    for name, array in initial_parameters(CONFIG, 0, np.float64).items():
        centre = 1.0 if "ln_" in name and name.endswith("weight") else 0.0
        params[name] = np.round(centre + rng.normal(scale=0.5, size=array.shape), 2)
    return GPT(CONFIG, ops=ops, params=params)


def tiny_batch() -> tuple[np.ndarray, np.ndarray]:
    """Return ids (1, 5), "trans", and targets (1, 5), "ransf".

    The target of each token is the next one.
    """
    ids = tiny_tokenizer().encode(WORD[:6])
    return ids[None, :5], ids[None, 1:]
