"""What all pictures share: colours, heatmaps, and reproducible PNG bytes.

Colours of lines: Okabe and Ito 2008, which everyone can tell apart. 0..1 is white to blue; signed
numbers are orange, white at 0, blue.
"""

import io
from pathlib import Path

import numpy as np

ORANGE, BLUE, GREY, GREEN, PINK, SKY, YELLOW = (
    "#d55e00",
    "#0072b2",
    "#777777",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#e69f00",
)
PALE, HIDDEN = "#f2f2f2", "////"  # ground and hatch of hidden cells
BROKEN = "#bbbbbb"  # ground of NaN and infinity
MOST_NUMBERS = 150  # a matrix of at most so many cells shows its numbers


def new_figure(width: float, height: float):
    """Return an empty figure, in inches. Without pyplot: no window, no state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def printable(text: str) -> str:
    """Return the text with escapes for what UTF-8 cannot encode.

    Some file names contain such characters.
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def png_bytes(figure, dpi: int = 100) -> bytes:
    """Return the figure as PNG.

    The tag with matplotlib's version is left out.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    # Lay out only once: the engine starts from where it stopped, and would move things each time.
    figure.set_layout_engine("none")
    return buffer.getvalue()


def save_figure(figure, path: Path) -> None:
    """Write a PNG whole or not at all."""
    partial = path.with_suffix(".part")
    partial.write_bytes(png_bytes(figure, dpi=120))
    partial.replace(path)


def map_of(signed: bool):
    """Return a colour map for signed numbers, or for 0 .. 1.

    Signed: orange, white, blue. 0 .. 1: white to blue.
    Grey for NaN and infinity.
    """
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list(
        "minigpt", [ORANGE, "#ffffff", BLUE] if signed else ["#ffffff", BLUE]
    )
    return colours.with_extremes(bad=BROKEN)


def draw_matrix(
    axes,
    array,
    title: str = "",
    signed: bool = True,
    limit: float | None = None,
    hidden=None,
    rows=None,
    columns=None,
    written: bool | None = None,
):
    """Draw a matrix on axes, with its numbers if it is small.

    array: (n, m).
    Returns the image, for a colour bar.

    limit: the end of the scale; 1 for weights, else the largest absolute number. hidden: bool (n,
    m), hatched and without a number. NaN and infinity elsewhere are grey, and written in. rows,
    columns: their labels. written: whether to write the numbers; by default, if they are few.
    Raises ValueError if array is not a matrix.
    """
    array = np.asarray(array, dtype=np.float64)
    if array.ndim != 2:
        raise ValueError(f"draw_matrix: array has shape {array.shape}, but must have two axes")
    hidden = np.zeros(array.shape, bool) if hidden is None else np.asarray(hidden)
    shown = np.where(hidden | ~np.isfinite(array), np.nan, array)
    limit = limit or float(np.nanmax(np.abs(shown), initial=0.0)) or 1.0
    image = axes.imshow(
        shown,
        cmap=map_of(signed),
        vmin=-limit if signed else 0.0,
        vmax=limit,
        aspect="auto" if array.size > 400 else "equal",
    )
    hatch(axes, hidden)
    if array.size <= MOST_NUMBERS if written is None else written:
        _write_numbers(axes, array, hidden, limit)
    axes.set_title(title, fontsize=9)
    _label(axes, rows, columns, array.shape)
    return image


def _write_numbers(axes, array: np.ndarray, hidden: np.ndarray, limit: float) -> None:
    style = {"ha": "center", "va": "center", "fontsize": 7}
    for (i, j), number in np.ndenumerate(array):
        if hidden[i, j]:
            continue
        if np.isfinite(number):
            axes.text(j, i, f"{number:z.2f}", color=_ink(number / limit), **style)
        else:
            axes.text(j, i, f"{number}", **style)


def hatch(axes, cells: np.ndarray) -> None:
    """Hatch the cells (n, m) that are True.

    Neighbours in a row share a box, because a large matrix has many.
    """
    from matplotlib.collections import PolyCollection

    boxes = []
    for i, row in enumerate(cells):
        edges = np.flatnonzero(np.diff([False, *row, False])) - 0.5
        boxes += [
            [(a, i - 0.5), (b, i - 0.5), (b, i + 0.5), (a, i + 0.5)]
            for a, b in zip(edges[::2], edges[1::2], strict=True)
        ]
    if boxes:
        style = {"hatch": HIDDEN, "facecolor": PALE, "edgecolor": "#bbbbbb", "linewidth": 0}
        axes.add_collection(PolyCollection(boxes, **style), autolim=False)


def _ink(strength: float) -> str:
    return "white" if abs(strength) > 0.6 else "black"


def _label(axes, rows, columns, shape: tuple[int, int]) -> None:
    for names, n, set_ticks in (
        (rows, shape[0], axes.set_yticks),
        (columns, shape[1], axes.set_xticks),
    ):
        if names is not None:
            if len(names) != n:
                raise ValueError(
                    f"a matrix of shape {shape} has {len(names)} labels where it must have {n}"
                )
            set_ticks(range(n), names, fontsize=7)
        elif n > 30:
            set_ticks([0, n - 1])
        else:
            set_ticks(range(n), range(n), fontsize=7)


def heatmap(
    array,
    title: str = "",
    signed: bool = True,
    limit: float | None = None,
    rows=None,
    columns=None,
    xlabel: str = "",
    ylabel: str = "",
):
    """Draw one matrix with its scale.

    xlabel, ylabel: what its columns and rows are. Other arguments as in draw_matrix.
    """
    if np.ndim(array) != 2:
        raise ValueError(f"heatmap: array has shape {np.shape(array)}, but must have two axes")
    n, m = np.shape(array)
    figure = new_figure(min(10.0, max(3.2, 0.5 * m + 1.6)), min(8.0, max(2.0, 0.45 * n + 0.9)))
    axes = figure.subplots()
    figure.colorbar(
        draw_matrix(axes, array, title, signed, limit, None, rows, columns), ax=axes, shrink=0.8
    )
    axes.set(xlabel=xlabel, ylabel=ylabel)
    return figure


def heatmaps(
    matrices: list[tuple[str, object]],
    signed: bool = True,
    limit: float | None = None,
    per_row: int | None = None,
    rows=None,
):
    """Draw matrices (title, array), at most per_row beside each other.

    Each has its own scale unless limit gives one for all. per_row: by default 4, or 2 if many
    columns need room for their numbers. rows: the row labels of each. Raises ValueError.
    """
    if not matrices:
        raise ValueError("heatmaps: matrices is empty, but must have at least one (title, array)")
    for title, array in matrices:
        if np.ndim(array) != 2:
            raise ValueError(
                f"heatmaps: {title!r} has shape {np.shape(array)}, but must have two axes"
            )
    is_broad = any(
        np.shape(array)[1] > 8 and np.size(array) <= MOST_NUMBERS for _, array in matrices
    )
    per_row = per_row or (2 if is_broad else 4)
    columns, lines = min(per_row, len(matrices)), -(-len(matrices) // per_row)
    height = sum(
        max(
            min(5.0, 0.32 * np.shape(array)[0])
            for _, array in matrices[i * per_row : (i + 1) * per_row]
        )
        + 0.9
        for i in range(lines)
    )
    figure = new_figure(min(11.0, (5.0 if is_broad else 3.2) * columns), max(1.6, height))
    all_axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes, (title, array) in zip(all_axes, matrices, strict=False):
        draw_matrix(axes, array, title, signed, limit, rows=rows)
    for axes in all_axes[len(matrices) :]:
        axes.set_axis_off()
    return figure
