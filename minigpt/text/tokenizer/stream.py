"""Decode tokens that arrive one at a time.

A character may be spread over several tokens. It appears when it is complete.
"""

import codecs
from collections.abc import Sequence

import numpy as np

from minigpt.text.tokenizer.bpe import BPETokenizer
from minigpt.text.tokenizer.chars import CharTokenizer


class StreamDecoder:
    """Decodes ids piece by piece.

    The texts of all feeds and of finish, joined, are decode of all ids.
    """

    def __init__(self, tokenizer: CharTokenizer | BPETokenizer):
        self.tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, ids: np.ndarray | Sequence[int]) -> str:
        """The complete characters so far that were not returned before.

        Raises IndexError.
        """
        return self._decoder.decode(self.tokenizer.decode_bytes(ids))

    def finish(self) -> str:
        """U+FFFD if the last character is incomplete, else ""."""
        return self._decoder.decode(b"", final=True)
