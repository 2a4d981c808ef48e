"""Attention as maps: queries are rows, keys are columns.

Weights are on the scale 0 .. 1. What the mask hides is hatched.

    attention_steps   q k^T / sqrt(hs), the mask, the softmax, P v: one head, step by step
    attention_heads   the weights of every head
    induction         a head on a text that repeats itself
    score_growth      why the scores are divided by sqrt(hs)

Source: Vaswani et al. 2017, section 3.2.1; induction heads: Elhage et al. 2021, "A Mathematical
Framework for Transformer Circuits". Left out: weights with more keys than queries (a cache's): see
kv_cache.py.
"""

import math
from collections.abc import Sequence

import numpy as np

from minigpt.layers.attention import attention_mask
from minigpt.layers.softmax import softmax_forward
from minigpt.plots import canvas
from minigpt.plots.common import draw_matrix


def attention_steps(
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    tokens: Sequence[object] | None = None,
    causal: bool = True,
):
    """Plot one head's four steps side by side.

    q, k, v: (T, hs) each; tokens: T labels. Raises TypeError, ValueError.
    """
    q, k, v = (
        canvas.numbers("attention_steps", name, a, "T hs")
        for name, a in (("q", q), ("k", k), ("v", v))
    )
    if not q.shape == k.shape == v.shape:
        raise ValueError(
            f"attention_steps: q, k, v have shapes {q.shape}, {k.shape}, {v.shape}, but must have "
            "one: (T, hs)"
        )
    T, hs = q.shape
    tokens = canvas.names(
        "attention_steps", "tokens", tokens, T, f"one for each of q's T = {T} rows"
    )
    scores = q @ k.T / math.sqrt(hs)  # (T, T)
    hidden = ~attention_mask(T, T, causal)  # (T, T)
    p, _ = softmax_forward(np.where(hidden, -np.inf, scores))  # (T, T)
    out = p @ v  # (T, hs)
    limit = float(np.abs(scores).max())
    written = T <= 6 and hs <= 6  # what fits into a quarter of the width
    ratios = [1, 1, 1, max(0.45, min(hs / T, 1))]
    figure, [all_axes] = canvas.sheet(10, 3.1 if written else 3.7, 1, 4, width_ratios=ratios)
    images = [
        draw_matrix(all_axes[0], scores, limit=limit, written=written),
        draw_matrix(all_axes[1], scores, limit=limit, hidden=hidden, written=written),
        draw_matrix(all_axes[2], p, signed=False, limit=1.0, hidden=hidden, written=written),
        draw_matrix(all_axes[3], out, written=written),
    ]
    columns_of = [tokens, tokens, tokens, list(map(str, range(hs)))]
    for axes, image, columns in zip(all_axes, images, columns_of, strict=True):
        canvas.ticks(axes.yaxis, tokens, 2.0)
        canvas.ticks(axes.xaxis, columns, 2.0 * min(1.0, len(columns) / T))
        if not written:
            canvas.colour_bar(figure, image, [axes], location="bottom")
    canvas.label(all_axes[0], "1. scores: q k$^T$ / $\\sqrt{hs}$", "key", "query")
    canvas.label(all_axes[1], "2. mask: hatched is $-\\infty$" if causal else "2. no mask", "key")
    canvas.label(all_axes[2], "3. softmax of each row: P", "key")
    canvas.label(all_axes[3], "4. P v", "channel")
    return figure


def attention_heads(p: np.ndarray, tokens: Sequence[object] | None = None, causal: bool = True):
    """Plot the weights of all heads of a layer.

    p: (nh, T, T), each row sums to 1; tokens: T labels.

    Raises TypeError, ValueError; also if p has weight on what a causal mask hides.
    """
    p = canvas.probabilities("attention_heads", "p", p, "nh T T")
    nh, T = p.shape[:2]
    hidden = _hidden("attention_heads", p, causal)
    tokens = canvas.names(
        "attention_heads", "tokens", tokens, T, f"one for each of p's T = {T} queries"
    )
    columns = min(nh, 4)
    rows = math.ceil(nh / columns)
    side = 9.0 / max(columns, 3)
    figure, grid = canvas.sheet(side * columns + 1.0, side * rows + 0.5, rows, columns)
    for head, axes in enumerate(grid.flat):
        if head >= nh:
            axes.set_axis_off()
            continue
        written = 16 / columns + 2 >= T
        image = draw_matrix(axes, p[head], "", False, 1.0, hidden, written=written)
        canvas.ticks(axes.xaxis, tokens, side - 0.6)
        canvas.ticks(axes.yaxis, tokens, side - 0.6)
        below, left = head + columns >= nh, head % columns == 0
        canvas.label(axes, f"head {head}", "key" if below else "", "query" if left else "")
    canvas.colour_bar(figure, image, list(grid.flat), "weight")
    return figure


def induction(p: np.ndarray, tokens: Sequence[object]):
    """Plot one head's weights on a text that repeats itself.

    The keys that an induction head attends to are marked: the tokens that followed the last
    occurrence of the query's token. They are what the head copies. p: (T, T), causal; tokens: T
    labels. Raises TypeError, ValueError; also if no token occurs twice.
    """
    from matplotlib.patches import Rectangle

    p = canvas.probabilities("induction", "p", p, "T T")
    T = len(p)
    hidden = _hidden("induction", p, True)
    labels = canvas.names("induction", "tokens", tokens, T, f"one for each of p's T = {T} queries")
    marked = _after_the_last(list(tokens))
    if not marked:
        raise ValueError(
            "induction: no token occurs twice, but the tokens must repeat for a head to copy"
        )
    figure, [[axes]] = canvas.sheet(7, 6)
    image = draw_matrix(axes, p, "", False, 1.0, hidden, written=T <= canvas.MOST)
    canvas.ticks(axes.xaxis, labels, 4.8)
    canvas.ticks(axes.yaxis, labels, 4.8)
    canvas.colour_bar(figure, image, [axes], "weight")
    for i, j in marked:
        axes.add_patch(
            Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, edgecolor=canvas.ORANGE, linewidth=1.5)
        )
    mean = np.mean([p[i, j] for i, j in marked])
    title = f"orange: the token after this one's last occurrence\nmean weight there: {mean:.2f}"
    canvas.label(axes, title, "key", "query")
    return figure


def score_growth(head_sizes: Sequence[int] = (16, 64, 256), rng: np.random.Generator | None = None):
    """Plot random q . k with and without 1 / sqrt(hs).

    q and k have variance 1, and the softmax is over 64 scores.
    head_sizes: up to 8 whole numbers. rng: by default, a fixed one. Raises TypeError, ValueError.
    """
    sizes = canvas.whole_numbers("score_growth", "head_sizes", head_sizes)
    if len(sizes) > len(canvas.LINES):
        raise ValueError(
            f"score_growth: head_sizes has {len(sizes)} numbers, but must have at most "
            f"{len(canvas.LINES)}, one per colour"
        )
    rng = np.random.default_rng(0) if rng is None else rng
    figure, [[plain, divided, largest]] = canvas.sheet(10, 3.4, 1, 3)
    before, after = [], []
    for hs, colour in zip(sizes, canvas.LINES, strict=False):
        # different keys for each query
        q, k = rng.standard_normal((256, hs)), rng.standard_normal((256, 64, hs))
        scores = np.einsum("qc,qkc->qk", q, k)  # (256, 64)
        for axes, of, kept in ((plain, scores, before), (divided, scores / math.sqrt(hs), after)):
            kept.append(softmax_forward(of)[0].max(axis=-1).mean())
            style = {"histtype": "step", "color": colour, "linewidth": 1.4}
            axes.hist(
                of.ravel(),
                bins=60,
                density=True,
                label=f"hs = {hs}: variance {of.var():.3g}",
                **style,
            )
    at = np.arange(len(sizes))
    for offset, values, colour, name in (
        (-0.2, before, canvas.ORANGE, "q . k"),
        (0.2, after, canvas.BLUE, "q . k / $\\sqrt{hs}$"),
    ):
        bars = largest.bar(at + offset, values, 0.38, color=colour, label=name)
        largest.bar_label(bars, [f"{value:.2f}" for value in values], fontsize=canvas.SMALL)
    largest.set_xticks(at, [f"hs = {hs}" for hs in sizes])
    largest.set_ylim(0, 1.25)
    canvas.label(plain, "q . k: the variance is about hs", "score", "density")
    canvas.label(divided, "q . k / $\\sqrt{hs}$: it is about 1", "score", "density")
    canvas.label(
        largest,
        "softmax over 64 scores:\nits largest probability, on average",
        "head size",
        "probability",
    )
    for axes in (plain, divided, largest):
        axes.margins(y=0.35)
        canvas.legend(axes, loc="upper right" if axes is not largest else "upper left")
    return figure


def _hidden(function: str, p: np.ndarray, causal: bool) -> np.ndarray:
    """Return what the mask hides of p, as (T, T) bool.

    ValueError if p is not square, or has weight there.
    """
    if p.shape[-1] != p.shape[-2]:
        raise ValueError(
            f"{function}: p has shape {p.shape}, but its last two must be equal: (T, T), queries "
            "and keys"
        )
    hidden = ~attention_mask(p.shape[-2], p.shape[-1], causal)
    if (p[..., hidden] > 1e-6).any():
        raise ValueError(
            f"{function}: p has weight on keys after the query, but must have none; give "
            "causal=False if it may"
        )
    return hidden


def _after_the_last(tokens: list) -> list[tuple[int, int]]:
    """Return (i, j) for each token i that occurred before.

    j is the position after its last occurrence.
    """
    last: dict[object, int] = {}
    found = []
    for i, token in enumerate(tokens):
        if token in last:
            found.append((i, last[token] + 1))
        last[token] = i
    return found
