"""Tokens that arrive one at a time, as text: a character that is spread over several tokens is held
back until it is whole.

Left out: nothing; what is fed and finished is what decode gives for all ids at once.
"""

import codecs
from collections.abc import Sequence

import numpy as np

from minigpt.text.tokenizer.bpe import BPETokenizer
from minigpt.text.tokenizer.chars import CharTokenizer


class StreamDecoder:
    """The text of ids that come bit by bit: "".join of every feed and of finish is decode of all."""

    def __init__(self, tokenizer: CharTokenizer | BPETokenizer):
        self.tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, ids: np.ndarray | Sequence[int]) -> str:
        """The text that is certain by now; "" where a character is still incomplete.

        Raises IndexError.
        """
        return self._decoder.decode(self.tokenizer.decode_bytes(ids))

    def finish(self) -> str:
        """What was held back: U+FFFD for a character that never became whole, else nothing."""
        return self._decoder.decode(b"", final=True)
