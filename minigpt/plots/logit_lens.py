"""The logit lens: the prediction after each layer, at each position.

It shows what the model would predict if it stopped there. Source: nostalgebraist 2020,
"interpreting GPT: the logit lens": the final layer norm and the head on the stream of every layer.
Left out: computing it; the arrays come from a trace.
"""

from collections.abc import Sequence

import numpy as np

from minigpt.plots import canvas
from minigpt.plots.common import draw_matrix


def logit_lens(
    tokens: Sequence[object],
    top_tokens: Sequence[Sequence[object]],
    probabilities: np.ndarray,
    ranks: np.ndarray,
    layers: Sequence[str] | None = None,
):
    """Plot the most likely next token per layer and position.

    It is shaded by its probability, and shows the rank of the true token.
    tokens: T labels, the input; top_tokens: L x T labels; probabilities: (L, T), the top token's;
    ranks: (L, T) ints, of the true next token: 1 is the most likely, 0 means none (the last
    position). layers: L labels. Raises TypeError, ValueError.
    """
    p = canvas.probabilities("logit_lens", "probabilities", probabilities, "L T")
    L, T = p.shape
    ranks = canvas.numbers("logit_lens", "ranks", ranks, "L T")
    if ranks.shape != p.shape or len(top_tokens) != L or any(len(row) != T for row in top_tokens):
        raise ValueError(
            f"logit_lens: top_tokens and ranks must have probabilities' shape: {L} rows of {T}; "
            f"ranks has {ranks.shape}"
        )
    tokens = canvas.names("logit_lens", "tokens", tokens, T, "one for each position")
    layers = canvas.names("logit_lens", "layers", layers, L, "one for each layer")
    figure, [[axes]] = canvas.sheet(10, 1.3 + 0.42 * L)
    image = draw_matrix(axes, p, "", False, 1.0, None, layers, tokens, written=False)
    axes.set_aspect("auto")
    room = int(72 * 8.2 / T / 4.6)  # characters that fit into a cell
    for (i, j), shade in np.ndenumerate(p):
        word = _short(canvas.visible(top_tokens[i][j]), room)
        rank = f"\n#{ranks[i, j]:.0f}" if ranks[i, j] and room >= 3 else ""
        colour = "white" if shade > 0.6 else "black"
        axes.text(
            j,
            i,
            word + rank,
            ha="center",
            va="center",
            fontsize=canvas.SMALL,
            color=colour,
            linespacing=1.1,
        )
    canvas.colour_bar(figure, image, [axes], "probability of the top token")
    canvas.label(
        axes,
        "top token after each layer; # is the rank of the true next token",
        "position: the token read",
        "after layer",
    )
    return figure


def _short(text: str, room: int) -> str:
    return (
        text
        if len(text) <= room
        else text[: max(room - 1, 0)] + "\N{HORIZONTAL ELLIPSIS}"
        if room > 1
        else ""
    )
