r"""GPT-2's rule for cutting a text into pieces. Tokens never cross the border between two pieces.

    's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+          (encoder.py of openai/gpt-2)

In words: the endings of English contractions, in lower case only; a run of letters, of numbers, or of anything else, each with
the one space before it; white space, of which the last character is left to the word that follows.

>>> split("We'll see:  3 of 10!")
['We', "'ll", ' see', ':', ' ', ' 3', ' of', ' 10', '!']

Python's re has no \p{L}, and its \s holds four control characters more than Unicode's (U+001C to U+001F). str.isnumeric and
isdigit are not \p{N}. So the three classes are written out, the same for every version of Python.
Left out: the rules of later models (GPT-4 cuts numbers after three digits).
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
    """The rule as a pattern of re, made when it is first needed."""
    L, N = _character_class(LETTERS), _character_class(NUMBERS)
    words = f" ?[{L}]+| ?[{N}]+| ?[^{SPACE}{L}{N}]+"
    return re.compile(f"'s|'t|'re|'ve|'m|'ll|'d|{words}|[{SPACE}]+(?![^{SPACE}])|[{SPACE}]+")


def _character_class(ranges: str) -> str:
    """ "41-5a aa" as the inside of a class of re: "\\U00000041-\\U0000005a\\U000000aa"."""
    return "".join(
        "-".join(rf"\U{int(code, 16):08x}" for code in item.split("-")) for item in ranges.split()
    )
