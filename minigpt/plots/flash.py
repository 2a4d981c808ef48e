"""Online softmax, and the tiles of flash attention that are read.

    m' = max(m, x)
    l' = l e^(m - m') + e^(x - m')            the rescale factor is e^(m - m')

Source: Milakov and Gimelshein 2018, algorithm 3; Dao et al. 2022, "FlashAttention", algorithm 1. In
loops: kernels/ladder/. Left out: the backward pass.
"""

from collections.abc import Sequence

import numpy as np

from minigpt import expect
from minigpt.layers.attention import attention_mask
from minigpt.plots import canvas
from minigpt.plots.common import HIDDEN, PALE

SKIPPED, WAITING, CURRENT, DONE = range(4)


def online_softmax(steps: Sequence[tuple[float, float, float, float]]):
    """Plot the maximum, the rescale factor and the sum after each number.

    steps: rows of (x, m, l, rescale): the number read, the maximum and the sum after it, and the
    factor that rescaled the earlier sum (0 at the first number, because there was none). Raises
    TypeError, ValueError.
    """
    rows = canvas.numbers("online_softmax", "steps", steps, "steps 4")
    if rows.shape[1] != 4:
        raise ValueError(
            f"online_softmax: steps has shape {rows.shape}, but must be (steps, 4): x, m, l, "
            "rescale in each row"
        )
    x, m, total, rescale = rows.T
    at = np.arange(1, len(rows) + 1)
    carried = np.concatenate([[0.0], total[:-1]]) * rescale  # what is left of the earlier sum
    figure, [[largest], [factor], [sums]] = canvas.sheet(9, 6, 3, 1, sharex=True)
    largest.step(
        [*at, len(rows) + 0.5],
        [*m, m[-1]],
        where="post",
        color=canvas.ORANGE,
        label="m, the largest so far",
    )
    largest.plot(at, x, "o", color=canvas.BLUE, label="x, the number read")
    bars = factor.bar(at, rescale, 0.5, color=canvas.GREEN)
    sums.bar(at, carried, 0.5, color=canvas.SKY, label="the sum before, rescaled")
    sums.bar(
        at, total - carried, 0.5, bottom=carried, color=canvas.YELLOW, label="added: $e^{x - m}$"
    )
    if len(rows) <= 16:
        factor.bar_label(bars, [f"{value:.3g}" for value in rescale], fontsize=canvas.SMALL)
        _annotate(largest, at, x, ".2f", 5)
        _annotate(sums, at, total, ".3f", 2)
        sums.set_xticks(at)
    factor.set_ylim(0, 1.25)
    canvas.label(largest, "one number at a time", "", "x, m")
    canvas.label(
        factor,
        "rescale factor, e to the power (m before - m): below 1 at a new maximum",
        "",
        "factor",
    )
    canvas.label(sums, "l, the sum of $e^{x - m}$ so far", "numbers read", "l")
    for axes in (largest, sums):
        axes.margins(y=0.2)
        canvas.legend(axes, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    sums.set_ylim(bottom=0)
    return figure


def _annotate(axes, at: np.ndarray, heights: np.ndarray, form: str, above: float) -> None:
    style = {"textcoords": "offset points", "ha": "center", "fontsize": canvas.SMALL}
    for place, height in zip(at, heights, strict=True):
        axes.annotate(format(height, form), (place, height), xytext=(0, above), **style)


def flash_tiles(
    Tq: int,
    Tk: int,
    block_q: int,
    block_k: int,
    current: tuple[int, int] | None = None,
    window: int | None = None,
    causal: bool = True,
    hs: int = 64,
):
    """Plot the scores of Tq queries and Tk keys as tiles.

    A block of queries goes over its keys.
    current: (row, column) of the current tile; None if all are done. Raises TypeError, ValueError,
    IndexError. The title counts the numbers read for one head of hs channels. Naive: q, k, v, and
    all scores twice, once by the softmax and once by P v. Tiled: each query once, and the keys and
    values of each tile that is not skipped; the scores are never stored.
    """
    sizes = {"Tq": Tq, "Tk": Tk, "block_q": block_q, "block_k": block_k, "hs": hs}
    for name, value in sizes.items():
        expect.whole_number("flash_tiles", name, value)
    visible = attention_mask(Tq, Tk, causal, window)  # (Tq, Tk)
    seen = seen_tiles(visible, block_q, block_k)
    _expect_current(current, seen)
    states = _states(seen, current)
    # the last tile may be narrower
    widths = np.minimum(block_k, Tk - block_k * np.arange(seen.shape[1]))
    naive, tiled = (Tq + 2 * Tk) * hs + 2 * Tq * Tk, Tq * hs + 2 * hs * int((seen * widths).sum())
    inches = min(7.5 / Tk, 5.0 / Tq)  # inches per score
    figure, [[axes]] = canvas.sheet(max(5.5, 1.2 + inches * Tk), 2.0 + max(1.0, inches * Tq))
    _draw_tiles(axes, states, visible, block_q, block_k)
    title = (
        f"{int(seen.sum())} of {seen.size} tiles\nnumbers read (hs = {hs}): naive {naive:,}, "
        f"tiled {tiled:,}"
    )
    canvas.label(axes, title, "key", "query")
    figure.legend(
        handles=_legend(states, visible), loc="outside lower center", ncols=5, fontsize=canvas.SMALL
    )
    return figure


def seen_tiles(visible: np.ndarray, block_q: int, block_k: int) -> np.ndarray:
    """Return which tiles are seen, as (query blocks, key blocks) bool.

    A tile is seen if any of its queries sees any of its keys in the mask visible (Tq, Tk).
    """
    rows, columns = (
        -(-n // block) for n, block in zip(visible.shape, (block_q, block_k), strict=True)
    )
    tile = [
        [
            visible[i * block_q : (i + 1) * block_q, j * block_k : (j + 1) * block_k]
            for j in range(columns)
        ]
        for i in range(rows)
    ]
    return np.array([[one.any() for one in row] for row in tile])


def _expect_current(current: tuple[int, int] | None, seen: np.ndarray) -> None:
    if current is None:
        return
    i, j = current
    if not (0 <= i < seen.shape[0] and 0 <= j < seen.shape[1]):
        raise IndexError(
            f"flash_tiles: current is {current}, but there are {seen.shape[0]} x {seen.shape[1]} "
            "tiles"
        )
    if not seen[i, j]:
        raise ValueError(
            f"flash_tiles: current is {current}, but the mask hides all of that tile: it is skipped"
        )


def _states(seen: np.ndarray, current: tuple[int, int] | None) -> np.ndarray:
    order = np.arange(seen.size).reshape(seen.shape)
    at = seen.size if current is None else order[current]
    states = np.where(order < at, DONE, np.where(order == at, CURRENT, WAITING))
    return np.where(seen, states, SKIPPED)


def _draw_tiles(axes, states: np.ndarray, visible: np.ndarray, block_q: int, block_k: int) -> None:
    from matplotlib.patches import Rectangle

    Tq, Tk = visible.shape
    for (i, j), state in np.ndenumerate(states):
        height, width = min(block_q, Tq - i * block_q), min(block_k, Tk - j * block_k)
        corner = (j * block_k - 0.5, i * block_q - 0.5)
        axes.add_patch(
            Rectangle(corner, width, height, **_look(state), edgecolor="#999999", linewidth=0.8)
        )
    if max(Tq, Tk) <= 64:  # the hidden scores of the tiles that are not skipped
        i, j = np.nonzero(
            ~visible & (states.repeat(block_q, 0)[:Tq].repeat(block_k, 1)[:, :Tk] != SKIPPED)
        )
        axes.plot(j, i, "x", color=canvas.BLACK, markersize=3, markeredgewidth=0.7)
    axes.set_xlim(-0.5, Tk - 0.5)
    axes.set_ylim(Tq - 0.5, -0.5)
    axes.set_aspect("equal" if 1 / 6 < Tq / Tk < 6 else "auto")


def _look(state: int) -> dict:
    if state == SKIPPED:
        return {"facecolor": PALE, "hatch": HIDDEN}
    return {"facecolor": {WAITING: "white", CURRENT: canvas.ORANGE, DONE: canvas.SKY}[state]}


def _legend(states: np.ndarray, visible: np.ndarray) -> list:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    words = {DONE: "done", CURRENT: "current", WAITING: "to come", SKIPPED: "skipped: all hidden"}
    handles = [
        Patch(**_look(state), edgecolor="#999999", label=word)
        for state, word in words.items()
        if (states == state).any()
    ]
    if max(visible.shape) <= 64 and not visible.all():
        handles.append(
            Line2D(
                [],
                [],
                linestyle="",
                marker="x",
                color=canvas.BLACK,
                markersize=4,
                label="computed, then masked",
            )
        )
    return handles
