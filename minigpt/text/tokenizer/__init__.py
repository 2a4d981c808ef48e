"""Tokenizers: text to ids and back.

    chars.py        one token per character
    bpe.py          byte-level BPE, as in GPT-2
    bpe_train.py    how its merges are found
    split.py        how it splits a text into pieces first
    stream.py       decodes ids that arrive one at a time

Both tokenizers have vocab_size, encode, encode_prompt, decode, decode_bytes, symbol, knows,
describe, save, load and kind.
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
    """The tokenizer in a checkpoint's directory, of either kind.

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
