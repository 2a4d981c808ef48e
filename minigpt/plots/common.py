"""What all pictures share: colours, matrices as heatmaps with their numbers, and PNG bytes that are the same at every run.

Colours of lines: Okabe and Ito 2008, told apart by everyone. 0..1 is white to blue; signed numbers are orange, white at 0, blue.
"""

import io
from pathlib import Path

import numpy as np

ORANGE, BLUE, GREY, GREEN, PINK, SKY, YELLOW = "#d55e00", "#0072b2", "#777777", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"
MOST_NUMBERS = 150  # a matrix of at most so many cells has its numbers written in


def new_figure(width: float, height: float):
    """An empty figure, in inches. Without pyplot: no window, no state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def png_bytes(figure, dpi: int = 100) -> bytes:
    """The figure as PNG, without a tag that changes with the version of matplotlib."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def save_figure(figure, path: Path) -> None:
    """Write a PNG whole or not at all."""
    part = path.with_suffix(".part")
    part.write_bytes(png_bytes(figure, dpi=120))
    part.replace(path)


def map_of(signed: bool):
    """Orange, white, blue for signed numbers; white to blue for 0 .. 1."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("minigpt", [ORANGE, "#ffffff", BLUE] if signed else ["#ffffff", BLUE])


def draw_matrix(
    axes, array, title: str = "", signed: bool = True, limit: float | None = None, hidden=None, rows=None, columns=None
):
    """A matrix (n, m) on axes, its numbers written in where it is small. Returns the image, for a colour bar.

    limit: the end of the scale; 1 for weights, else the largest absolute number. hidden: bool (n, m), hatched and without a number.
    rows, columns: what stands beside them. Raises ValueError where array is no matrix.
    """
    array = np.asarray(array, dtype=np.float64)
    if array.ndim != 2:
        raise ValueError(f"draw_matrix: array has shape {array.shape}, but must have two axes")
    hidden = np.zeros(array.shape, bool) if hidden is None else np.asarray(hidden)
    shown = np.where(hidden | ~np.isfinite(array), np.nan, array)
    limit = limit or float(np.nanmax(np.abs(shown), initial=0.0)) or 1.0
    image = axes.imshow(
        shown, cmap=map_of(signed), vmin=-limit if signed else 0.0, vmax=limit, aspect="auto" if array.size > 400 else "equal"
    )
    for i, j in zip(*np.nonzero(hidden), strict=True):
        axes.add_patch(_hatched(i, j))
    if array.size <= MOST_NUMBERS:
        for (i, j), number in np.ndenumerate(shown):
            if np.isfinite(number):
                axes.text(j, i, f"{number:.2f}", ha="center", va="center", fontsize=7, color=_ink(number / limit))
    axes.set_title(title, fontsize=9)
    _label(axes, rows, columns, array.shape)
    return image


def _hatched(i: int, j: int):
    from matplotlib.patches import Rectangle

    return Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, hatch="////", edgecolor="#bbbbbb", linewidth=0)


def _ink(strength: float) -> str:
    return "white" if abs(strength) > 0.6 else "black"


def _label(axes, rows, columns, shape: tuple[int, int]) -> None:
    for names, n, set_ticks in ((rows, shape[0], axes.set_yticks), (columns, shape[1], axes.set_xticks)):
        if names is not None:
            if len(names) != n:
                raise ValueError(f"a matrix of shape {shape} has {len(names)} labels where it must have {n}")
            set_ticks(range(n), names, fontsize=7)
        elif n > 30:
            set_ticks([0, n - 1])
        else:
            set_ticks(range(n), range(n), fontsize=7)


def heatmap(array, title: str = "", signed: bool = True, limit: float | None = None, rows=None, columns=None):
    """One matrix with its scale. Arguments as in draw_matrix."""
    n, m = np.shape(array)
    figure = new_figure(min(10.0, max(3.2, 0.5 * m + 1.6)), min(8.0, max(2.0, 0.45 * n + 0.9)))
    axes = figure.subplots()
    figure.colorbar(draw_matrix(axes, array, title, signed, limit, None, rows, columns), ax=axes, shrink=0.8)
    return figure


def heatmaps(matrices: list[tuple[str, object]], signed: bool = True, limit: float | None = None, per_row: int = 4):
    """Some matrices (title, array), each on its own scale unless limit gives one for all; at most per_row beside each other."""
    columns, lines = min(per_row, len(matrices)), -(-len(matrices) // per_row)
    height = sum(
        max(min(5.0, 0.32 * np.shape(array)[0]) for _, array in matrices[i * per_row : (i + 1) * per_row]) + 0.9
        for i in range(lines)
    )
    figure = new_figure(min(11.0, 3.2 * columns), max(1.6, height))
    all_axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes, (title, array) in zip(all_axes, matrices, strict=False):
        draw_matrix(axes, array, title, signed, limit)
    for axes in all_axes[len(matrices) :]:
        axes.set_axis_off()
    return figure
