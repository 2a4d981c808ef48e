"""Layer norm: each token's numbers as dots, before and after.

The mean and the standard deviation are marked. Each row is separate: the mean is over the channels
of one token, never over the tokens. Source: Ba, Kiros and Hinton 2016, section 3. By hand: [1, 0,
0, 0] has mean 0.25, standard deviation 0.433, and becomes [1.732, -0.577, -0.577, -0.577].
"""

from collections.abc import Sequence

import numpy as np

from minigpt.plots import canvas


def layer_norm_dots(x: np.ndarray, y: np.ndarray, tokens: Sequence[object] | None = None):
    """Plot the numbers of tokens before and after layer norm.

    x: (C,) the numbers of one token, or (T, C) of several, before; y: the same after; tokens: T
    labels.

    Raises TypeError, ValueError.
    """
    axes_of_x = "T C" if np.ndim(x) == 2 else "C"
    x, y = (
        canvas.numbers("layer_norm_dots", name, a, axes_of_x) for name, a in (("x", x), ("y", y))
    )
    if x.shape != y.shape:
        raise ValueError(
            f"layer_norm_dots: x has shape {x.shape}, y {y.shape}, but must have one shape"
        )
    x, y = np.atleast_2d(x), np.atleast_2d(y)
    tokens = canvas.names("layer_norm_dots", "tokens", tokens, len(x), "one for each row of x")
    figure, [pair] = canvas.sheet(10, 1.3 + 0.75 * len(x), 1, 2, sharey=True)
    for axes, rows, title in zip(pair, (x, y), ("before", "after"), strict=True):
        for at, row in enumerate(rows):
            _row(axes, at, row, near=0.04 * np.ptp(rows))
        axes.set_yticks(range(len(rows)), tokens)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.margins(x=0.08)
        axes.axvline(0, color=canvas.GREY, linewidth=0.5)
        canvas.label(
            axes,
            f"{title}: dots are channels, | the mean, the bar +- 1 standard deviation",
            "number",
            "token",
        )
    pair[1].set_ylabel("")
    return figure


def _row(axes, at: int, row: np.ndarray, near: float) -> None:
    """Draw one token: dots, channel numbers, mean and standard deviation.

    The channels are above the dots, mean and deviation below.
    """
    mean, deviation = row.mean(), row.std()
    # + 0.0: no minus before a zero
    written = f"mean {round(mean, 2) + 0.0:.2f}, sd {deviation:.2f}"
    axes.plot(
        [mean - deviation, mean + deviation],
        [at, at],
        color=canvas.SKY,
        linewidth=8,
        alpha=0.5,
        solid_capstyle="butt",
    )
    axes.plot([mean], [at], "|", color=canvas.ORANGE, markersize=18, markeredgewidth=2)
    axes.plot(row, np.full(len(row), at), "o", color=canvas.BLUE, markersize=5, alpha=0.8)
    axes.text(mean, at + 0.42, written, ha="center", va="center", fontsize=canvas.SMALL)
    if len(row) <= 8:
        for place, channels in _together(row, near):
            axes.text(
                place,
                at - 0.3,
                channels,
                ha="center",
                va="center",
                fontsize=canvas.SMALL,
                color=canvas.BLUE,
            )


def _together(row: np.ndarray, near: float) -> list[tuple[float, str]]:
    """Return the channels by their numbers.

    Numbers that are too close for two labels share one.
    """
    groups: list[list[int]] = []
    for channel in np.argsort(row, kind="stable").tolist():
        if groups and row[channel] - row[groups[-1][0]] <= near:
            groups[-1].append(channel)
        else:
            groups.append([channel])
    return [(float(row[group].mean()), ",".join(map(str, sorted(group)))) for group in groups]
