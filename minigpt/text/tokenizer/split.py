r"""GPT-2's rule for splitting a text into pieces.

    's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+

A token never crosses the border between two pieces. A piece is

    - the ending of an English contraction, in lower case only;
    - a run of letters, of numbers, or of other characters, with one space before it;
    - white space; its last character is left for the word that follows.

>>> split("We'll see:  3 of 10!")
['We', "'ll", ' see', ':', ' ', ' 3', ' of', ' 10', '!']

Python's re has no \p{L}, and its \s has four more control characters than Unicode's (U+001C to
U+001F). str.isnumeric and isdigit are not \p{N}. So the three classes are written out, the same for
every version of Python.
Source: encoder.py of openai/gpt-2.
Left out: the rules of later models (GPT-4 splits numbers after three digits).
"""

import re
from functools import cache

from minigpt.text.tokenizer.unicode_ranges import LETTERS, NUMBERS

SPACE = r"\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"  # Unicode's White_Space


def split(text: str) -> list[str]:
    """The pieces of a text; joined, they are the text."""
    return _pattern().findall(text)


@cache
def _pattern() -> re.Pattern:
    """The rule as a compiled pattern."""
    L, N = _character_class(LETTERS), _character_class(NUMBERS)
    words = f" ?[{L}]+| ?[{N}]+| ?[^{SPACE}{L}{N}]+"
    return re.compile(f"'s|'t|'re|'ve|'m|'ll|'d|{words}|[{SPACE}]+(?![^{SPACE}])|[{SPACE}]+")


def _character_class(ranges: str) -> str:
    """ "41-5a aa" as a character class of re, without brackets.

    Example: "\\U00000041-\\U0000005a\\U000000aa".
    """
    return "".join(
        "-".join(rf"\U{int(code, 16):08x}" for code in item.split("-")) for item in ranges.split()
    )
