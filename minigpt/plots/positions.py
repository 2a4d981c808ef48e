"""Sinusoidal positions: the table, four of its clocks, and its products.

Sine and cosine together give what sine alone does not:

    PE PE^T          depends only on the distance of two positions; on its diagonal
                     |PE|^2 = C/2, because sin^2 + cos^2 = 1
    PE[pos + k]      = PE[pos] M, a rotation of each pair of channels, the same M at every
                     position

Source: Vaswani et al. 2017, section 3.5. The numbers are those of
minigpt.layers.sinusoidal_positions.
"""

import numpy as np

from minigpt.layers import sinusoidal_positions
from minigpt.plots import canvas
from minigpt.plots.common import draw_matrix


def positions(T: int = 64, C: int = 32, shift: int = 1):
    """Plot six pictures of the table (T, C).

    shift: the k of the shift matrix. Raises TypeError, ValueError (if C is odd).
    """
    pe = sinusoidal_positions(T, C)  # (T, C)
    sines = pe[:, 0::2]  # (T, C/2)
    figure, grid = canvas.sheet(10, 6.4, 2, 3)
    (table, curves, move), (both, alone, lengths) = grid
    canvas.colour_bar(figure, draw_matrix(table, pe, limit=1.0, written=False), [table])
    table.set_aspect("auto")
    canvas.label(table, f"PE, T x C = {T} x {C}", "channel", "position")
    _curves(curves, pe)
    canvas.colour_bar(
        figure, draw_matrix(move, shift_matrix(C, shift), limit=1.0, written=C <= 4), [move]
    )
    canvas.label(move, f"M: PE[pos + {shift}] = PE[pos] M", "channel after", "channel before")
    for axes, of, name in (
        (both, pe, f"PE PE$^T$, diagonal C/2 = {C / 2:g}:\ndepends only on the distance"),
        (alone, sines, "the sines alone:\ndepends on the positions too"),
    ):
        canvas.colour_bar(figure, draw_matrix(axes, of @ of.T, limit=C / 2, written=False), [axes])
        canvas.label(axes, name, "position", "position")
    _lengths(lengths, pe, sines)
    return figure


def shift_matrix(C: int, shift: int) -> np.ndarray:
    """Return (C, C), the M of PE[pos + shift] = PE[pos] M.

    It rotates each pair of channels by shift times its frequency.
    """
    angle = shift * 10000.0 ** (-np.arange(0, C, 2) / C)  # (C/2,)
    M = np.zeros((C, C))
    even, odd = np.arange(0, C, 2), np.arange(1, C, 2)
    M[even, even] = M[odd, odd] = np.cos(angle)
    M[odd, even] = np.sin(angle)  # sin(a + b) = sin a cos b + cos a sin b
    M[even, odd] = -np.sin(angle)  # cos(a + b) = cos a cos b - sin a sin b
    return M


def _curves(axes, pe: np.ndarray) -> None:
    C = pe.shape[1]
    # wavelengths of 6, 20, 63, 199 tokens
    chosen = sorted({2 * round(n * C / 16) for n in range(4)})
    for channel, colour, mark in zip(chosen, canvas.LINES, canvas.MARKERS, strict=False):
        axes.plot(
            pe[:, channel],
            color=colour,
            marker=mark,
            markersize=2,
            linewidth=1,
            label=f"channel {channel}",
        )
    axes.set_ylim(-1.1, 1.75)
    axes.set_yticks([-1, 0, 1])
    canvas.label(axes, f"{len(chosen)} of the sines", "position", "PE")
    canvas.legend(axes, loc="upper center", ncols=2)


def _lengths(axes, pe: np.ndarray, sines: np.ndarray) -> None:
    C = pe.shape[1]
    axes.plot(
        np.square(pe).sum(axis=1), color=canvas.BLUE, label=f"sines and cosines: C/2 = {C / 2:g}"
    )
    axes.plot(
        np.square(sines).sum(axis=1), color=canvas.ORANGE, linestyle="--", label="sines alone"
    )
    axes.set_ylim(0, 0.75 * C)
    canvas.label(axes, "|PE|$^2$, the diagonals of both", "position", "squared length")
    canvas.legend(axes, loc="upper center")
