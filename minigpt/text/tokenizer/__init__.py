"""Tokenizers: text to ids and back.

    chars.py    one token a character          split.py      the pieces that a text is cut into first
    bpe.py      byte-level BPE, GPT-2's        bpe_train.py  how its merges are found        stream.py  ids that come one at a time

Both offer the same: vocab_size, encode, encode_prompt, decode, decode_bytes, symbol, knows,
describe, save, load, kind.
"""

from pathlib import Path

from minigpt.text.tokenizer.bpe import FILES, BPETokenizer, train_bpe
from minigpt.text.tokenizer.chars import FILE, CharTokenizer
from minigpt.text.tokenizer.stream import StreamDecoder

__all__ = [
    "BPETokenizer",
    "CharTokenizer",
    "StreamDecoder",
    "Tokenizer",
    "load_tokenizer",
    "train_bpe",
]

Tokenizer = CharTokenizer | BPETokenizer


def load_tokenizer(directory: str | Path) -> Tokenizer:
    """The tokenizer that was saved in a checkpoint's directory, of whichever kind.

    Raises FileNotFoundError, ValueError.
    """
    directory = Path(directory)
    if (directory / FILE).is_file():
        return CharTokenizer.load(directory)
    if any((directory / name).is_file() for pair in FILES for name in pair):
        return BPETokenizer.load(directory)
    names = ", ".join(" and ".join(pair) for pair in FILES)
    raise FileNotFoundError(
        f"{directory / FILE}: no such file, nor {names}; a checkpoint has its tokenizer there"
    )
