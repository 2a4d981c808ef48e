"""The sheet of a picture: axes, font sizes, labels, input checks.

Left out: styles. A picture looks the same for everyone.
"""

from collections.abc import Sequence

import numpy as np

from minigpt import expect
from minigpt.plots.common import BLUE, GREEN, GREY, ORANGE, PINK, SKY, YELLOW, new_figure, png_bytes

BLACK = "#000000"
LINES = (BLUE, ORANGE, GREEN, PINK, YELLOW, SKY, BLACK, GREY)
MARKERS = "os^Dv<>p"  # a second mark beside the colour
SMALL, NORMAL, LARGE = 7, 8, 9  # points: ticks and cells, axes, titles
MOST = 12  # a matrix with more rows or columns shows no numbers in its cells


def sheet(width: float, height: float, rows: int = 1, columns: int = 1, **keywords):
    """Return a figure, and its axes as an array (rows, columns)."""
    figure = new_figure(width, height)
    all_axes = figure.subplots(rows, columns, squeeze=False, **keywords)
    for axes in all_axes.flat:
        axes.tick_params(labelsize=SMALL)
    return figure, all_axes


def label(axes, title: str = "", x: str = "", y: str = "") -> None:
    """Set a title and the names of both axes."""
    axes.set_title(title, fontsize=LARGE)
    axes.set_xlabel(x, fontsize=NORMAL)
    axes.set_ylabel(y, fontsize=NORMAL)


def legend(axes, **keywords) -> None:
    axes.legend(fontsize=SMALL, **keywords)


def show(figure):
    """Return the picture as an IPython Image, to end a notebook's cell.

    Without pyplot, Jupyter shows a bare Figure as text.
    """
    from IPython.display import Image

    return Image(png_bytes(figure))


def numbers(function: str, name: str, value: object, axis_names: str) -> np.ndarray:
    """Return finite numbers as float64, one axis per name in `axis_names`.

    No axis is empty. Raises TypeError, ValueError.
    """
    array = np.asarray(value)
    if array.dtype.kind not in "buif":
        raise TypeError(
            f"{function}: {name} is {type(value).__name__} of {array.dtype}, but must be an array "
            "of numbers"
        )
    if array.ndim != len(axis_names.split()) or array.size == 0:
        raise ValueError(
            f"{function}: {name} has shape {array.shape}, but must be ({axis_names}), and not empty"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{function}: {name} contains NaN or infinity, but must be finite")
    return array.astype(np.float64)


def probabilities(function: str, name: str, value: object, axis_names: str) -> np.ndarray:
    """Return numbers in 0 .. 1, up to rounding. Raises ValueError."""
    p = numbers(function, name, value, axis_names)
    if p.min() < -1e-6 or p.max() > 1 + 1e-6:
        raise ValueError(
            f"{function}: {name} has numbers in {p.min():.4g} .. {p.max():.4g}, but must be in 0 "
            ".. 1"
        )
    return p


def names(
    function: str, name: str, given: Sequence[object] | None, count: int, of: str
) -> list[str]:
    """Return a label for each of `count` things; by default, their numbers.

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
    """Return a token as a label.

    Spaces and line ends are visible, there is no mathematics, and characters that the font lacks
    are codes.
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
    """Return whole numbers of 1 or more, at least one of them.

    Raises TypeError, ValueError.
    """
    given = list(value)
    if not given:
        raise ValueError(f"{function}: {name} is empty, but must have at least one whole number")
    return [expect.whole_number(function, name, one) for one in given]


def visible_words(text: str) -> str:
    """Return a name in words: visible(), but spaces stay spaces."""
    return " ".join(visible(word) for word in text.split(" "))


def ticks(axis, labels: list[str], inches: float) -> None:
    """Draw a tick for each label, or for every n-th label.

    It depends on the inches of the axis. Long labels of columns are vertical.
    """
    across = axis.axis_name == "x"
    long = max(map(len, labels)) * 0.075 * len(labels) > inches
    # a line of small text is 0.13 inches high
    step = -(-len(labels) * 13 // int(100 * inches)) if long or not across else 1
    axis.set_ticks(range(0, len(labels), step), labels[::step])
    axis.set_tick_params(
        labelsize=SMALL, rotation=90 if across and long and max(map(len, labels)) > 2 else 0
    )


def colour_bar(figure, image, axes: list, name: str = "", location: str = "right") -> None:
    """Draw the scale beside axes, with a name."""
    bar = figure.colorbar(image, ax=axes, shrink=0.8, location=location)
    bar.ax.tick_params(labelsize=SMALL)
    bar.set_label(name, fontsize=NORMAL)
