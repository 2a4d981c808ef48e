"""Write a trace as one HTML page that opens without a network.

It walks through a model step by step, forward and backward.

    write_page(trace, "walk.html")

The page is page.html, filled with page.css, the scripts of SCRIPTS and the data of data.py.
Formulas are MathML (mathml.py). Nothing is loaded from elsewhere: one file, under 5 MB (BUDGET).
Left out: editing a number and running on; more than one text.
"""

import html
import json
import re
from importlib.resources import files
from pathlib import Path

from minigpt.files import write_text
from minigpt.tracing.page.data import BUDGET, page_data

__all__ = ["BUDGET", "PAGE_MARK", "page_data", "write_page"]

# near the top of every page: it marks a file as ours
PAGE_MARK = b'<meta name="generator" content="minigpt trace">'

# in this order in one <script>
SCRIPTS = (
    "core.js",
    "heatmap.js",
    "table.js",
    "point.js",
    "reads.js",
    "reads_of.js",
    "predict.js",
    "steps.js",
    "page.js",
    "flow.js",
    "start.js",
)


def write_page(trace, path: str | Path | None = None) -> str:
    """Return the page of a Trace; with a path, also write it.

    The file is written whole or not at all. Raises FileNotFoundError if the path's directory does
    not exist, ValueError if the trace is only a part.
    """
    if [step.index for step in trace] != list(range(len(trace))) or trace.steps[
        -1
    ].direction != "backward":
        raise ValueError(
            f"write_page: the trace is a part of {len(trace)} steps, but must be whole: the page "
            "walks there and back"
        )
    pieces = {name: _text(f"page.{name}") for name in ("html", "css")}
    data = page_data(trace)
    page = _filled(
        pieces["html"],
        data["title"],
        pieces["css"],
        "\n".join(_text(name) for name in SCRIPTS),
        _json(data),
    )
    if path is not None:
        _write(Path(path), page)
    return page


def _filled(page: str, title: str, css: str, script: str, data: str) -> str:
    """Return the page with its four holes filled, all at once.

    What fills one hole may contain text that looks like another.
    """
    holes = {"TITLE": html.escape(title), "CSS": css, "SCRIPT": script, "DATA": data}
    return re.sub(r"@@([A-Z]+)@@", lambda hole: holes[hole.group(1)], page)


def _json(data: dict) -> str:
    """Return JSON that is safe inside <script>.

    It has no "<", so that no token can close the script or open a comment.
    """
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _text(name: str) -> str:
    return files("minigpt.tracing.page").joinpath(name).read_text(encoding="utf-8")


def _write(path: Path, text: str) -> None:
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"{path.parent}: no such directory, but the page {path.name} is to be written there"
        )
    write_text(path, text)
