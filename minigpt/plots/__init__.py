"""Pictures: each function takes plain arrays, returns a matplotlib figure and shows nothing. In a notebook: show(figure).

Scales are fixed (attention 0 .. 1), axes labelled, colours told apart by everyone; small matrices have their numbers written in.
matplotlib is imported when a figure is made, and not before.
"""

from minigpt.plots.common import draw_matrix, heatmap, heatmaps, new_figure, png_bytes, save_figure
from minigpt.plots.training import loss_curve, ratio_bars, stream_norms

__all__ = [
    "draw_matrix",
    "heatmap",
    "heatmaps",
    "loss_curve",
    "new_figure",
    "png_bytes",
    "ratio_bars",
    "save_figure",
    "stream_norms",
]
