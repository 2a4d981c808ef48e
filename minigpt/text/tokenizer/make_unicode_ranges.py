"""Write unicode_ranges.py: python -m minigpt.text.tokenizer.make_unicode_ranges

It needs the tables of Unicode 16.0.0. Python 3.14 has them; for another Python, install them with
`pip install unicodedata2==16.0.0`.
"""

import textwrap
from pathlib import Path

VERSION = "16.0.0"
HEAD = f'''"""The letters and numbers of Unicode {VERSION}, as ranges of code points.

LETTERS is the general category L, NUMBERS the category N, in hexadecimal. They are written out
because Python's tables differ between versions, and a model's tokens must not. The file is made by
make_unicode_ranges.py.
"""
'''


def ranges(category: str) -> str:
    """The code points of a general category: "41-5a 61-7a aa ...".

    Raises ValueError if the installed tables are of another version.
    """
    try:
        import unicodedata2 as unicodedata
    except ImportError:
        import unicodedata
    if unicodedata.unidata_version != VERSION:
        raise ValueError(
            f"this is Unicode {unicodedata.unidata_version}, but must be {VERSION}: "
            f"pip install unicodedata2=={VERSION}"
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
            *textwrap.wrap(ranges(category), 100, break_on_hyphens=False),
            '"""',
        ]
    Path(__file__).with_name("unicode_ranges.py").write_text(
        "\n".join(lines) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
