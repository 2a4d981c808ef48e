"""English text that every installation has.

It comes from CPython's reference text and from the docstrings of its library and of NumPy. The
texts are divided into paragraphs. A paragraph is kept if it reads as English: it has at least
MIN_WORDS words, ends like a sentence, and a fraction of at least WORDS of it is plain words. This
excludes code, tables, lists of names and examples (">>>"). Each paragraph becomes one line.
Repeated paragraphs are dropped: many functions of NumPy have the same ones.

Left out: docstrings that exist only in compiled modules; tests; other installed packages.
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
    """All paragraphs, one per line, separated by empty lines.

    About 2 MB; it differs a little between versions of Python and NumPy.
    """
    paragraphs = (
        paragraph for text in _texts() for paragraph in paragraphs_of(text) if is_prose(paragraph)
    )
    # a dict removes repetitions and keeps the order
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
    """The docstrings of a module's source, without indentation.

    There are none if this version of Python cannot parse the source.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # about invalid escapes in their strings
            tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def paragraphs_of(text: str) -> Iterator[str]:
    """The paragraphs of a text, each as one line.

    A paragraph is consecutive lines of equal indentation. Bullets and markup are removed.
    """
    lines, indent = [], 0
    for line in [*text.expandtabs().splitlines(), ""]:
        # the lines that continue a bullet are indented as far as its text
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

    >>> is_prose("Return the number of items of a container.")
    True
    >>> is_prose("x = a + b  # the sum of the two numbers.")
    False
    """
    words = paragraph.split()
    if len(words) < MIN_WORDS or paragraph[-1] not in ".!?:":
        return False
    if paragraph.startswith((">>>", "...", "@", "|")):
        return False
    return sum(WORD.fullmatch(word) is not None for word in words) >= WORDS * len(words)
