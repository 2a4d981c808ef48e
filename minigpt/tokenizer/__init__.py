"""Tokenizers: text to ids and back. chars.py: one token a character."""

from pathlib import Path

from minigpt.tokenizer.chars import CharTokenizer

__all__ = ["CharTokenizer", "load_tokenizer"]


def load_tokenizer(directory: str | Path) -> CharTokenizer:
    """The tokenizer that was saved in a checkpoint's directory."""
    return CharTokenizer.load(directory)
