"""The display of long work: a progress bar and evaluation lines.

The bar appears on stderr, only in a terminal, and needs rich. The lines go to stdout.
"""

import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

HEADER = " step   train     val  sample (losses in nats per token)"
Advance = Callable[[str], None]  # one more piece is done; the text is shown beside the bar


@contextmanager
def progress(
    about: str, total: int, done: int = 0, after: float = 0.0, show: bool = True
) -> Iterator[Advance]:
    """A progress bar. Call the yielded function after each piece of work.

    total: the number of pieces; done: how many are done already.
    after: seconds until the bar appears; quicker work shows none.
    show: without it, or without a terminal, there is no bar.
    """
    if not (show and sys.stderr.isatty()):
        yield lambda text: None
        return
    bar = _bar()
    task = bar.add_task(about, total=total, completed=done, text="")
    timer = threading.Timer(after, bar.start)
    timer.daemon = True
    timer.start()
    try:
        yield lambda text: bar.update(task, advance=1, text=text)
    finally:
        timer.cancel()
        timer.join()  # a bar that starts after its end would stay
        bar.stop()


def _bar():
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[text]}"),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # lines go above the bar; a pipe stays a pipe
    )


def width() -> int:
    """Columns of the terminal; 80 if the output is not a terminal."""
    return shutil.get_terminal_size((80, 24)).columns


def evaluation_line(line: dict, columns: int) -> str:
    """An evaluation as a row below HEADER, at most `columns` long."""
    row = f"{line['step']:5d}  {line['train_loss']:6.4f}  {line['val_loss']:6.4f}"
    sample = one_line(line.get("sample", ""), columns - len(row) - 2)
    return f"{row}  {sample}".rstrip()


def one_line(text: str, columns: int) -> str:
    """A text as one line of at most `columns` printable characters."""
    text = "".join(c for c in " ".join(text.split()) if c.isprintable())
    return text if len(text) <= columns else text[: max(columns - 3, 0)] + "..."
