"""The sheet of a picture: its axes, the sizes of the letters, tokens as labels; and the checks of
what is to be drawn.

Left out: styles. A picture looks the same for everyone.
"""

from collections.abc import Sequence

import numpy as np

from minigpt import expect
from minigpt.plots.common import BLUE, GREEN, GREY, ORANGE, PINK, SKY, YELLOW, new_figure, png_bytes

BLACK = "#000000"
LINES = (BLUE, ORANGE, GREEN, PINK, YELLOW, SKY, BLACK, GREY)
MARKERS = "os^Dv<>p"  # a second sign beside the colour
SMALL, NORMAL, LARGE = 7, 8, 9  # points: ticks and cells, axes, titles
MOST = 12  # rows and columns of a matrix whose numbers still fit into its cells


def sheet(width: float, height: float, rows: int = 1, columns: int = 1, **keywords):
    """A figure, and its axes as an array (rows, columns)."""
    figure = new_figure(width, height)
    all_axes = figure.subplots(rows, columns, squeeze=False, **keywords)
    for axes in all_axes.flat:
        axes.tick_params(labelsize=SMALL)
    return figure, all_axes


def label(axes, title: str = "", x: str = "", y: str = "") -> None:
    """A title and the names of both axes."""
    axes.set_title(title, fontsize=LARGE)
    axes.set_xlabel(x, fontsize=NORMAL)
    axes.set_ylabel(y, fontsize=NORMAL)


def legend(axes, **keywords) -> None:
    axes.legend(fontsize=SMALL, **keywords)


def show(figure):
    """The picture for the end of a notebook's cell: an IPython Image.

    Jupyter shows a bare Figure without pyplot as text.
    """
    from IPython.display import Image

    return Image(png_bytes(figure))


def numbers(function: str, name: str, value: object, letters: str) -> np.ndarray:
    """Finite numbers as float64, with one axis for each letter, none of them empty.

    Else TypeError, ValueError.
    """
    array = np.asarray(value)
    if array.dtype.kind not in "buif":
        raise TypeError(
            f"{function}: {name} is {type(value).__name__} of {array.dtype}, but must be an array "
            "of numbers"
        )
    if array.ndim != len(letters.split()) or array.size == 0:
        raise ValueError(
            f"{function}: {name} has shape {array.shape}, but must be ({letters}), and not empty"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{function}: {name} contains NaN or infinity, but must be finite")
    return array.astype(np.float64)


def probabilities(function: str, name: str, value: object, letters: str) -> np.ndarray:
    """Numbers in 0 .. 1, but for rounding. Else ValueError."""
    p = numbers(function, name, value, letters)
    if p.min() < -1e-6 or p.max() > 1 + 1e-6:
        raise ValueError(
            f"{function}: {name} has numbers in {p.min():.4g} .. {p.max():.4g}, but must be in 0 "
            ".. 1"
        )
    return p


def names(
    function: str, name: str, given: Sequence[object] | None, count: int, of: str
) -> list[str]:
    """A label for each of count things, their numbers where none are given.

    ValueError if there are not as many.
    """
    if given is None:
        return [str(n) for n in range(count)]
    if len(given) != count:
        raise ValueError(
            f"{function}: {name} has {len(given)} entries, but must have {count}: {of}"
        )
    return [visible(one) for one in given]


def visible(token: object) -> str:
    """A token as a label: spaces and line ends that can be seen, no mathematics, and codes for what
    the font has not.
    """
    from matplotlib.font_manager import findfont, get_font

    text = token.decode("utf-8", "backslashreplace") if isinstance(token, bytes) else str(token)
    text = (
        text.replace(" ", "\N{OPEN BOX}")
        .replace("\n", "\\n")
        .replace("\t", "\\t")
        .replace("\r", "\\r")
    )
    known = get_font(findfont("DejaVu Sans")).get_charmap()
    text = "".join(c if ord(c) in known and c.isprintable() else f"U+{ord(c):04X}" for c in text)
    return text.replace("$", r"\$")  # two dollar signs would begin a formula


def whole_numbers(function: str, name: str, value: Sequence[int]) -> list[int]:
    """Whole numbers of 1 or more, at least one of them. Else TypeError, ValueError."""
    given = list(value)
    if not given:
        raise ValueError(f"{function}: {name} is empty, but must have at least one whole number")
    return [expect.whole_number(function, name, one) for one in given]


def visible_words(text: str) -> str:
    """A name in words: visible(), but spaces stay spaces."""
    return " ".join(visible(word) for word in text.split(" "))


def ticks(axis, labels: list[str], inches: float) -> None:
    """A tick for each label, or for every second, third ..., as the inches of the axis have room;
    long ones of columns upright.
    """
    across = axis.axis_name == "x"
    long = max(map(len, labels)) * 0.075 * len(labels) > inches
    # a line of small letters is 0.13 inches
    step = -(-len(labels) * 13 // int(100 * inches)) if long or not across else 1
    axis.set_ticks(range(0, len(labels), step), labels[::step])
    axis.set_tick_params(
        labelsize=SMALL, rotation=90 if across and long and max(map(len, labels)) > 2 else 0
    )


def colour_bar(figure, image, axes: list, name: str = "", location: str = "right") -> None:
    """The scale beside axes, named."""
    bar = figure.colorbar(image, ax=axes, shrink=0.8, location=location)
    bar.ax.tick_params(labelsize=SMALL)
    bar.set_label(name, fontsize=NORMAL)
