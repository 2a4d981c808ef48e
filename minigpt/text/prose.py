"""English that every installation has: CPython's reference text, and the docstrings of its library
and of NumPy.

A text is cut into paragraphs, and a paragraph is kept where it reads as English: it has at least
MIN_WORDS words and ends like a sentence, and the share WORDS of it is plain words. Code, tables and
lists of names fall out by that; examples (">>>") by sight. Each paragraph becomes one line, and
comes once: NumPy says the same of many functions.

Left out: docstrings that only exist in compiled modules; tests, and whatever else is installed.
"""

import ast
import re
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

MIN_WORDS, WORDS = 6, 0.8
SKIPPED = {"test", "tests", "site-packages", "dist-packages", "idlelib", "lib2to3", "pydoc_data"}
BULLET = re.compile(r"^( *)([*+-]|\d+[.)])( +)(?=\S)")
ROLE = re.compile(r":[a-z:]+:(?=`)")  # :func:`len` is `len`
WORD = re.compile(r"[(\"'\u2018\u201c]*[A-Za-z]+(?:['\u2019-][A-Za-z]+)*[.,;:!?)\"'\u2019\u201d]*")


def python_prose() -> str:
    """All paragraphs, each on a line of its own, an empty line between two. 2 MB; a little else in
    each version.
    """
    paragraphs = (
        paragraph for text in _texts() for paragraph in paragraphs_of(text) if is_prose(paragraph)
    )
    # a dict keeps the first of equals, in order
    return "\n\n".join(dict.fromkeys(paragraphs)) + "\n"


def _texts() -> Iterator[str]:
    from pydoc_data.topics import topics

    yield from (topics[name] for name in sorted(topics))
    for folder in (Path(sysconfig.get_paths()["stdlib"]), Path(np.__file__).parent):
        files = ((file, file.relative_to(folder).parts) for file in folder.rglob("*.py"))
        for file, _ in sorted(
            (pair for pair in files if not SKIPPED & set(pair[1])), key=lambda pair: pair[1]
        ):
            yield from docstrings(file.read_bytes())


def docstrings(source: bytes) -> Iterator[str]:
    """The docstrings of a module's source, without its indentation; none where it is not of this
    Python.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # of old escapes in others' strings
            tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def paragraphs_of(text: str) -> Iterator[str]:
    """Lines that stand together with the same indentation, joined to one; marks of lists and of
    markup taken away.
    """
    lines, indent = [], 0
    for line in [*text.expandtabs().splitlines(), ""]:
        # what follows a bullet is indented as far
        line = BULLET.sub(lambda mark: " " * len(mark[0]), line)
        depth = len(line) - len(line.lstrip())
        if lines and (not line.strip() or depth != indent):
            yield " ".join(" ".join(lines).split())
            lines = []
        if line.strip():
            lines.append(
                ROLE.sub("", line.strip()).replace("`", "").replace("*", "").replace("::", ":")
            )
            indent = depth


def is_prose(paragraph: str) -> bool:
    """Whether a paragraph reads as English.

    >>> is_prose("Return the number of items of a container."), is_prose("x = a + b  # the sum of the two numbers.")
    (True, False)
    """
    parts = paragraph.split()
    if (
        len(parts) < MIN_WORDS
        or paragraph[-1] not in ".!?:"
        or paragraph.startswith((">>>", "...", "@", "|"))
    ):
        return False
    return sum(WORD.fullmatch(part) is not None for part in parts) >= WORDS * len(parts)
