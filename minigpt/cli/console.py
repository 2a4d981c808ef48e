"""Output for the terminal: colours, boxes, wrapped text, --help.

With NO_COLOR or a pipe there are no colours; rich checks both.
"""

import argparse
import re
import sys
import textwrap

from minigpt.training.progress import width

WIDEST = 100  # columns of help and boxes, at most
# a line of a docstring that begins a new paragraph: an argument, a result, an error
BEGINS = re.compile(r"[a-z_]+(, [a-z_]+)*: |Returns |Raises ")
COLOURS = {"ok": "green", "FAIL": "bold red", "note": "yellow"}


def is_terminal() -> bool:
    return sys.stdout.isatty()


def verdict(word: str, text: str) -> None:
    """Print a line that begins with a coloured ok, FAIL or note."""
    from rich.console import Console
    from rich.text import Text

    line = Text.assemble((f"{word:5s}", COLOURS[word]), text)
    Console(highlight=False).print(line, soft_wrap=True)


def box(title: str, text: str) -> None:
    """Print a text in a box."""
    from rich.console import Console
    from rich.panel import Panel
    from rich.text import Text

    panel = Panel(Text(text), title=title, title_align="left", width=min(width(), WIDEST))
    Console(highlight=False).print(panel)


def wrapped(text: str, indent: str = "") -> str:
    """A text as lines that fit the terminal.

    Lines that begin with spaces do not change.
    """
    lines: list[str] = []
    paragraph: list[str] = []
    for line in [*text.splitlines(), ""]:
        plain = line.strip() and not line.startswith(" ")
        if paragraph and (not plain or BEGINS.match(line)):
            lines += _filled(" ".join(paragraph), indent)
            paragraph = []
        if plain:
            paragraph.append(line.strip())
        else:
            lines.append(indent + line if line.strip() else "")
    return "\n".join(lines).rstrip()


def _filled(paragraph: str, indent: str) -> list[str]:
    return textwrap.wrap(
        paragraph,
        min(width(), WIDEST),
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )


def formatter(prog: str) -> argparse.HelpFormatter:
    """argparse's help in colour. rich is imported only when help is printed."""
    from rich_argparse import RawDescriptionRichHelpFormatter

    return RawDescriptionRichHelpFormatter(prog, width=min(width(), WIDEST) - 2)
