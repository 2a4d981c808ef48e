"""One token per character.

The ids are the distinct characters of a text, in the order of their code points, from 0.

>>> tokenizer = CharTokenizer("banana")
>>> tokenizer.encode("nab").tolist(), tokenizer.decode([1, 0, 2])
([2, 0, 1], 'ban')

Left out: characters that are not in the text. They raise an error, because the model has no
embedding for them.
"""

import json
from pathlib import Path

import numpy as np

from minigpt.files import DIGESTS, check_digests, read_json, record_digests, write_text

FILE = "char_tokenizer.json"


class CharTokenizer:
    """Characters to ids and back.

    symbols is the sorted alphabet; the id of a character is its index.
    """

    kind, unit = "char", "characters"

    def __init__(self, text: str):
        """Take the alphabet of a text. Raises ValueError if it is empty."""
        if not text:
            raise ValueError(
                "CharTokenizer: the text is empty, but must hold at least one character"
            )
        self.symbols = "".join(sorted(set(text)))
        self._codes = code_points(self.symbols)

    @property
    def vocab_size(self) -> int:
        return len(self.symbols)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CharTokenizer) and self.symbols == other.symbols

    __hash__ = None

    def describe(self) -> str:
        """A short description of the tokens."""
        return f"{self.vocab_size} different characters"

    def details(self) -> str:
        """The vocabulary in one line of ASCII."""
        return f"{self.vocab_size} different ones: {self.symbols!a}"

    def knows(self, text: str) -> bool:
        """Whether encode accepts a text."""
        return set(text) <= set(self.symbols)

    def encode(self, text: str) -> np.ndarray:
        """The ids of a text, (n,) int64.

        Raises ValueError with the position of a character outside the alphabet.
        """
        codes = code_points(text)
        ids = np.minimum(np.searchsorted(self._codes, codes), self.vocab_size - 1)
        unknown = np.flatnonzero(self._codes[ids] != codes)
        if unknown.size:
            at = int(unknown[0])
            raise ValueError(
                f"character {text[at]!r} at position {at} is not one of the {self.vocab_size} that "
                "this model knows: "
                f"{self.symbols!a}"
            )
        return ids.astype(np.int64)

    def encode_prompt(self, text: str) -> np.ndarray:
        """The ids of a prompt, as encode. (BPETokenizer does more.)"""
        return self.encode(text)

    def decode(self, ids: np.ndarray | list[int]) -> str:
        """The text of ids.

        Raises IndexError for an id outside the alphabet.
        """
        for i in ids:
            if not 0 <= i < self.vocab_size:
                raise IndexError(
                    f"id {i} is not in 0 .. {self.vocab_size - 1}, the {self.vocab_size} "
                    "characters of this tokenizer"
                )
        return "".join(self.symbols[i] for i in ids)

    def decode_bytes(self, ids: np.ndarray | list[int]) -> bytes:
        """The text of ids in UTF-8. Raises IndexError."""
        return self.decode(ids).encode("utf-8", "surrogatepass")

    def symbol(self, i: int) -> str:
        """A token in ASCII, for display: 'a' or '\\n'. Raises IndexError."""
        return ascii(self.decode([i]))

    def save(self, directory: str | Path) -> None:
        """Write the alphabet as JSON, a complete file or none."""
        directory = Path(directory)
        content = json.dumps({"type": "char", "symbols": self.symbols}, indent=1)
        write_text(directory / FILE, content + "\n")
        if (directory / DIGESTS).exists():
            record_digests(directory, (FILE,))

    @classmethod
    def load(cls, directory: str | Path) -> "CharTokenizer":
        """Read what save wrote.

        Raises FileNotFoundError, ValueError with the file's name.
        """
        path = Path(directory) / FILE
        try:
            content = read_json(path)
            if content.keys() != {"type", "symbols"} or content["type"] != "char":
                raise ValueError('it must have "type": "char" and "symbols", and no more')
            symbols = content["symbols"]
            if not isinstance(symbols, str) or symbols != "".join(sorted(set(symbols))):
                raise ValueError("its symbols must be a text, each once, in their order")
            tokenizer = cls(symbols)
        except ValueError as error:
            reason = str(error).removeprefix(f"{path}: ")
            raise ValueError(f"{path}: not a tokenizer that minigpt wrote ({reason})") from None
        check_digests(Path(directory), (FILE,))
        return tokenizer


def code_points(text: str) -> np.ndarray:
    """The code points of a text, (n,) uint32.

    surrogatepass: a lone surrogate is an unknown character, not a crash.
    """
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
