"""Measurements as bars: the ladder that leads to the kernels, by rung.

Left out: measuring. The numbers come from kernels.ladder.table.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from minigpt.plots import canvas
from minigpt.plots.common import BLUE, ORANGE


def ladder_bars(rows: Sequence[tuple[str, float, float]], title: str = ""):
    """Plot two log bars per rung: seconds, and numbers read.

    rows: (name, seconds, elements read), in order.

    Beside the seconds: how many times as fast as the previous rung. Raises TypeError, ValueError.
    """
    if not len(rows):
        raise ValueError(
            "ladder_bars: rows is empty, but must have at least one (name, seconds, elements read)"
        )
    names, seconds, read = zip(*rows, strict=True)
    seconds, read = (
        canvas.numbers("ladder_bars", name, v, "rungs")
        for name, v in (("seconds", seconds), ("elements read", read))
    )
    if min(seconds.min(), read.min()) <= 0:
        raise ValueError(
            "ladder_bars: seconds and elements read must be above 0: the scale is logarithmic"
        )
    figure, [[left, right]] = canvas.sheet(10, 1.2 + 0.32 * len(rows), 1, 2, sharey=True)
    faster = ["", *(f" ({before / after:.2f} x)" for before, after in pairwise(seconds))]
    _log_bars(
        left,
        seconds,
        [
            (f"{s:.3g} s" if s >= 1 else f"{1e3 * s:.3g} ms") + more
            for s, more in zip(seconds, faster, strict=True)
        ],
        BLUE,
    )
    _log_bars(right, read, [f"{n / 1e6:,.1f} M" if n >= 1e5 else f"{n:,.0f}" for n in read], ORANGE)
    left.set_yticks(range(len(rows)), [canvas.visible_words(name) for name in names])
    left.set_ylim(len(rows) - 0.4, -0.6)
    canvas.label(
        left,
        f"{title}: time (x the previous rung)" if title else "time (x the rung before)",
        "seconds",
        "rung",
    )
    canvas.label(right, "numbers read from arrays", "elements")
    return figure


def _log_bars(axes, values: np.ndarray, words: list[str], colour: str) -> None:
    low, high = values.min() / 3, values.max()
    bars = axes.barh(np.arange(len(values)), values - low, left=low, color=colour)
    axes.bar_label(bars, words, padding=3, fontsize=canvas.SMALL)
    axes.set_xscale("log")
    axes.set_xlim(low, high * (high / low) ** 0.55)
