"""Write unicode_ranges.py: python -m minigpt.text.tokenizer.make_unicode_ranges

Needs the tables of Unicode 16.0.0: Python 3.14 has them; another Python has them after `pip install unicodedata2==16.0.0`.
"""

import textwrap
from pathlib import Path

VERSION = "16.0.0"
HEAD = f'''"""Unicode {VERSION}'s general categories L (letters) and N (numbers), as ranges of code points in hexadecimal.

Pinned: Python's own tables differ from version to version, and a model's tokens must not. Made by make_unicode_ranges.py.
"""
'''


def ranges(category: str) -> str:
    """The code points whose category begins with a letter: "41-5a 61-7a aa ...". Raises ValueError for another Unicode."""
    try:
        import unicodedata2 as unicodedata
    except ImportError:
        import unicodedata
    if unicodedata.unidata_version != VERSION:
        raise ValueError(
            f"this is Unicode {unicodedata.unidata_version}, but must be {VERSION}: pip install unicodedata2=={VERSION}"
        )
    found: list[list[int]] = []
    for code in (
        code for code in range(0x110000) if unicodedata.category(chr(code))[0] == category
    ):
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return " ".join(
        f"{first:x}-{last:x}" if last > first else f"{first:x}" for first, last in found
    )


def main() -> None:
    lines = [HEAD]
    for name, category in (("LETTERS", "L"), ("NUMBERS", "N")):
        lines += [
            f'{name} = """',
            *textwrap.wrap(ranges(category), 130, break_on_hyphens=False),
            '"""',
        ]
    Path(__file__).with_name("unicode_ranges.py").write_text(
        "\n".join(lines) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
