"""Byte-pair encoding: merges of a word, bytes of a text.

Source: Sennrich et al. 2016, section 3.2. The steps are those of minigpt.text.tokenizer's
BPETokenizer.steps(piece).
"""

from collections.abc import Sequence

from minigpt.plots import canvas

Step = tuple[int, tuple[bytes, bytes], list[bytes]]


def merge_tree(steps: Sequence[Step]):
    """Plot the merges of a word as a tree above its bytes.

    Each merge is above the two tokens that it joins, one line per step, with its rank. steps:
    (rank, (left, right), tokens after it) each, in the order of the merges. Raises TypeError,
    ValueError.
    """
    steps = [(int(rank), tuple(pair), list(tokens)) for rank, pair, tokens in steps]
    if not steps:
        raise ValueError(
            "merge_tree: steps is empty, but must have at least one merge; a word of one byte has "
            "no tree"
        )
    word = b"".join(steps[0][2])
    places = [(float(n), 0) for n in range(len(word))]  # x and height of each token
    tokens = [word[n : n + 1] for n in range(len(word))]
    figure, [[axes]] = canvas.sheet(
        min(max(0.62 * len(word) + 1.5, 5.0), 10.0), 1.6 + 0.5 * len(steps)
    )
    for height, (rank, pair, after) in enumerate(steps, start=1):
        at = _joined(height, tokens, pair, after)
        top = ((places[at][0] + places[at + 1][0]) / 2, height)
        _branch(axes, places[at], places[at + 1], top)
        _node(axes, top, f"{canvas.visible(pair[0] + pair[1])}  rank {rank}")
        places[at : at + 2] = [top]
        tokens = after
    for n in range(len(word)):
        _node(axes, (n, 0), canvas.visible(word[n : n + 1]) if word[n] < 128 else f"{word[n]:02x}")
    axes.set(xlim=(-0.8, len(word) - 0.2), ylim=(-0.6, len(steps) + 0.6))
    axes.set_xticks(range(len(word)), [f"{byte:02x}" for byte in word])
    axes.set_yticks(range(len(steps) + 1))
    canvas.label(
        axes,
        "becomes " + " | ".join(canvas.visible(token) for token in tokens),
        "byte (hexadecimal)",
        "step",
    )
    return figure


def bytes_of(text: str):
    """Plot each character of a text above its bytes in UTF-8.

    Each has its code point. text: 1 .. 40 characters. Raises TypeError, ValueError.
    """
    if not isinstance(text, str):
        raise TypeError(f"bytes_of: text is a {type(text).__name__}, but must be a str")
    if not 1 <= len(text) <= 40:
        raise ValueError(
            f"bytes_of: text has {len(text)} characters, but must have 1 .. 40: a picture has no "
            "room for more"
        )
    encoded = [character.encode("utf-8", "surrogatepass") for character in text]
    count = sum(map(len, encoded))
    lines = [[]]
    for character, code in zip(text, encoded, strict=True):
        if sum(len(c) for _, c in lines[-1]) + len(code) > 16:
            lines.append([])
        lines[-1].append((character, code))
    width = max(sum(len(c) for _, c in line) for line in lines)
    figure, column = canvas.sheet(
        max(0.58 * width + 0.4, 4.5), 0.5 + 1.15 * len(lines), len(lines), 1
    )
    for axes, line in zip(column[:, 0], lines, strict=True):
        _line(axes, line, width)
    figure.suptitle(f"{len(text)} characters over their {count} bytes", fontsize=canvas.LARGE)
    return figure


def _joined(height: int, tokens: list[bytes], pair: tuple[bytes, bytes], after: list[bytes]) -> int:
    """Return the place where joining the pair gives the tokens after it.

    ValueError if there is none.
    """
    for at in range(len(tokens) - 1):
        if (tokens[at], tokens[at + 1]) == pair and [
            *tokens[:at],
            pair[0] + pair[1],
            *tokens[at + 2 :],
        ] == after:
            return at
    raise ValueError(
        f"merge_tree: step {height} joins {pair[0]!r} and {pair[1]!r}, but that does not turn "
        f"{tokens} into {after}"
    )


def _branch(
    axes, left: tuple[float, float], right: tuple[float, float], top: tuple[float, float]
) -> None:
    """Draw lines from both tokens straight up to the merge, and across."""
    (a, bottom_a), (b, bottom_b), (_, height) = left, right, top
    axes.plot(
        [a, a, b, b], [bottom_a, height, height, bottom_b], color=canvas.GREY, linewidth=1, zorder=1
    )


def _node(axes, place: tuple[float, float], words: str) -> None:
    box = {
        "boxstyle": "round,pad=0.25",
        "facecolor": "white",
        "edgecolor": canvas.BLUE,
        "linewidth": 0.8,
    }
    axes.text(*place, words, ha="center", va="center", fontsize=canvas.NORMAL, bbox=box, zorder=2)


def _line(axes, line: list[tuple[str, bytes]], width: int) -> None:
    from matplotlib.patches import Rectangle

    at = 0
    for n, (character, code) in enumerate(line):
        shade = "#dbeaf5" if n % 2 else "white"
        for corner, height in ((1, 1), (0, 1)):
            axes.add_patch(
                Rectangle(
                    (at, corner),
                    len(code),
                    height,
                    facecolor=shade,
                    edgecolor=canvas.GREY,
                    linewidth=0.8,
                )
            )
        shown = canvas.visible(character)
        point = f"U+{ord(character):04X}"
        middle = at + len(code) / 2
        if shown != point:
            axes.text(middle, 1.63, shown, ha="center", va="center", fontsize=11)
        axes.text(
            middle,
            1.22 if shown != point else 1.5,
            point,
            ha="center",
            va="center",
            fontsize=canvas.SMALL,
            color=canvas.GREY,
        )
        for n_byte, byte in enumerate(code):
            axes.text(
                at + n_byte + 0.5,
                0.5,
                f"{byte:02x}",
                ha="center",
                va="center",
                fontsize=canvas.NORMAL,
            )
        at += len(code)
    axes.set(xlim=(-0.05, width + 0.05), ylim=(-0.05, 2.05))
    axes.set_yticks([0.5, 1.5], ["bytes", "text"])
    axes.set_xticks([])
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
