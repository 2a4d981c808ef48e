"""The cache of keys and values: which are computed, which are reused.

Without a cache each step of generation computes the keys of all tokens again: T (T + 1) / 2 keys in
T steps. With a cache, each step computes one: T keys.
"""

import numpy as np

from minigpt import expect
from minigpt.plots import canvas
from minigpt.plots.common import HIDDEN, PALE, hatch

NEW, KEPT = "new", "kept"


def kv_cache(T: int):
    """Plot T steps, without and with a cache.

    Each step adds a token; keys are columns. Raises TypeError, ValueError.
    """
    T = expect.whole_number("kv_cache", "T", T)
    step, key = np.indices((T, T))
    figure, [pair] = canvas.sheet(10, 5, 1, 2)
    for axes, new in ((pair[0], key <= step), (pair[1], key == step)):
        _grid(axes, new, key <= step)
    canvas.label(
        pair[0], f"without a cache: {T * (T + 1) // 2:,} keys computed", "key of token", "step"
    )
    canvas.label(
        pair[1], f"with one: {T:,} computed, {T * (T - 1) // 2:,} reused", "key of token", ""
    )
    figure.legend(handles=_legend(), loc="outside lower center", ncols=3, fontsize=canvas.NORMAL)
    return figure


def _grid(axes, new: np.ndarray, there: np.ndarray) -> None:
    """Draw the keys that a step computes, and those that it needs.

    new, there: (T, T) bool.
    """
    from matplotlib.colors import ListedColormap

    colours = ListedColormap([canvas.SKY, canvas.ORANGE])
    axes.imshow(np.ma.masked_where(~there, new), cmap=colours, vmin=0, vmax=1)
    hatch(axes, ~there)
    places = range(0, len(new), -(-len(new) // 24))
    axes.set_xticks(places, [n + 1 for n in places])
    axes.set_yticks(places, [n + 1 for n in places])
    if len(new) > 12:
        return
    for i, j in zip(*np.nonzero(there), strict=True):
        axes.text(j, i, NEW if new[i, j] else KEPT, ha="center", va="center", fontsize=canvas.SMALL)


def _legend() -> list:
    from matplotlib.patches import Patch

    hidden = Patch(facecolor=PALE, hatch=HIDDEN, edgecolor="#bbbbbb", label="not there yet")
    return [
        Patch(facecolor=canvas.ORANGE, label="computed at this step"),
        Patch(facecolor=canvas.SKY, label="reused"),
        hidden,
    ]
