"""The learning-rate schedule, and the paths of optimizers on a surface.

Left out: the optimizers, which are in minigpt/optim.py. A notebook runs them and passes their
paths.
"""

from collections.abc import Callable, Mapping

import numpy as np

from minigpt.plots import canvas
from minigpt.plots.common import BLUE, ORANGE


def schedule(learning_rates: np.ndarray, title: str = "learning rate"):
    """Plot the learning rate of every step.

    The end of the warm-up (its first maximum) and the last step are marked. learning_rates:
    (steps,) numbers. Raises TypeError, ValueError.
    """
    rates = canvas.numbers("schedule", "learning_rates", learning_rates, "steps")
    top, end = int(rates.argmax()), len(rates) - 1
    figure, [[axes]] = canvas.sheet(8, 3.4)
    axes.plot(rates, color=BLUE)
    axes.axvspan(0, top, color=canvas.YELLOW, alpha=0.15, label=f"warm-up: {top} steps")
    axes.plot(
        [top], [rates[top]], "o", color=ORANGE, label=f"largest: {rates[top]:.3g} at step {top}"
    )
    axes.plot([end], [rates[end]], "s", color=ORANGE, label=f"last: {rates[end]:.3g} at step {end}")
    axes.set_ylim(min(0.0, 1.1 * rates.min()), 1.15 * max(rates.max(), 1e-12))
    axes.grid(alpha=0.2)
    canvas.label(axes, title, "step (first = 0)", "learning rate")
    canvas.legend(axes, loc="best")
    return figure


def optimizer_paths(
    paths: Mapping[str, np.ndarray],
    f: Callable[[np.ndarray, np.ndarray], np.ndarray],
    title: str = "",
):
    """Plot where optimizers go on a surface, and how low they get.

    paths: label -> (steps, 2) points, up to 8 labels.

    f: of two arrays x, y of one shape, element by element. Raises TypeError, ValueError.
    """
    if not 1 <= len(paths) <= len(canvas.LINES):
        raise ValueError(
            f"optimizer_paths: paths has {len(paths)} labels, but must have 1 .. "
            f"{len(canvas.LINES)}"
        )
    points = {
        name: canvas.numbers("optimizer_paths", name, path, "steps 2")
        for name, path in paths.items()
    }
    for name, path in points.items():
        if path.shape[1] != 2:
            raise ValueError(
                f"optimizer_paths: {name} has shape {path.shape}, but must be (steps, 2): a point "
                "for each step"
            )
    figure, [[surface, heights]] = canvas.sheet(10, 4.4, 1, 2, width_ratios=[1.2, 1])
    _contours(surface, np.concatenate(list(points.values())), f)
    for (name, path), colour, mark in zip(
        points.items(), canvas.LINES[1:] + canvas.LINES[:1], canvas.MARKERS, strict=False
    ):
        style = {
            "color": colour,
            "marker": mark,
            "markersize": 3,
            "linewidth": 1,
            "label": canvas.visible_words(name),
        }
        surface.plot(*path.T, markevery=max(len(path) // 25, 1), **style)
        heights.plot(f(*path.T), markevery=max(len(path) // 25, 1), **style)
    surface.plot(
        *next(iter(points.values()))[0], "*", color=canvas.BLACK, markersize=10, label="start"
    )
    heights.set_yscale("log")
    heights.grid(alpha=0.2)
    canvas.label(surface, title, "x", "y")
    canvas.label(heights, "height at each step", "step", "f(x, y)")
    canvas.legend(surface, loc="best")
    return figure


def _contours(axes, points: np.ndarray, f: Callable) -> None:
    """Draw lines of equal height, closer together near the minimum."""
    low, high = points.min(axis=0), points.max(axis=0)
    edge = 0.15 * np.maximum(high - low, 0.1 * (high - low).max() + 1e-9)
    x, y = np.meshgrid(
        *(np.linspace(a - e, b + e, 160) for a, b, e in zip(low, high, edge, strict=True))
    )
    z = f(x, y)
    levels = z.min() + (z.max() - z.min()) * np.linspace(0, 1, 15)[1:] ** 3
    axes.contour(x, y, z, levels=np.unique(levels), cmap="cividis", linewidths=0.7, alpha=0.7)
