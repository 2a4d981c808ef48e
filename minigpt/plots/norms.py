"""Sizes by layer: residual stream, block outputs, and gradients.

Left out: what the numbers should be. In a good picture they are level; numbers that fall or rise by
powers of ten are a bad sign.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from minigpt.plots import canvas


def gradient_flow(
    norms: Mapping[str, Sequence[float]], title: str = "the gradient's size, layer by layer"
):
    """Plot gradient norms by layer, a line for each model.

    A line is a way to build a model; the scale is logarithmic.
    norms: label -> a norm for each layer, up to 8 labels.

    A log scale has no place for zeros, NaN and infinities; the legend counts them. Raises
    TypeError, ValueError.
    """
    lines = {
        name: _sizes("gradient_flow", name, values)
        for name, values in _expect_mapping("gradient_flow", norms).items()
    }
    figure, [[axes]] = canvas.sheet(9, 4)
    for (name, values), colour, mark in zip(
        lines.items(), canvas.LINES, canvas.MARKERS, strict=False
    ):
        drawn = np.isfinite(values) & (values > 0)
        lost = f" ({np.count_nonzero(~drawn)} are 0, inf or NaN)" if not drawn.all() else ""
        shown = np.where(drawn, values, np.nan)
        axes.plot(
            shown,
            color=colour,
            marker=mark,
            markersize=4,
            linewidth=1.2,
            label=canvas.visible_words(name) + lost,
        )
    axes.set_yscale("log")
    _whole_ticks(axes)
    axes.grid(alpha=0.2)
    canvas.label(axes, title, "layer (0 is next to the tokens)", "norm of the gradient")
    figure.legend(loc="outside right upper", fontsize=canvas.SMALL)
    return figure


def gradients(
    names: Sequence[str], norms: Sequence[float], title: str = "norm of each parameter's gradient"
):
    """Plot a log bar for each parameter, with its number beside it.

    Raises TypeError, ValueError.
    """
    norms = _sizes("gradients", "norms", norms)
    names = canvas.names("gradients", "names", names, len(norms), "one for each norm")
    drawn = np.isfinite(norms) & (norms > 0)
    figure, [[axes]] = canvas.sheet(8, 1.0 + 0.18 * len(norms))
    smallest = norms[drawn].min() if drawn.any() else 1.0
    largest = norms[drawn].max() if drawn.any() else 1.0
    left = smallest / 10
    bars = axes.barh(
        np.arange(len(norms)), np.where(drawn, norms - left, 0.0), left=left, color=canvas.BLUE
    )
    axes.bar_label(bars, [f"{norm:.3g}" for norm in norms], padding=3, fontsize=canvas.SMALL)
    axes.set_xscale("log")
    axes.set_xlim(left, largest * (largest / left) ** 0.12)
    axes.set_yticks(np.arange(len(norms)), names)
    axes.set_ylim(len(norms) - 0.4, -0.6)
    canvas.label(axes, title, "norm", "parameter")
    return figure


def residual_stream(stream: Sequence[float], added: Mapping[str, Sequence[float]]):
    """Plot the size of the residual stream and of block outputs.

    The stream is measured before the first block and after each block. stream: (n_layer + 1,);
    added: label -> (n_layer,), such as {"attention": ..., "MLP": ...}. Raises TypeError,
    ValueError.
    """
    stream = canvas.numbers("residual_stream", "stream", stream, "n_layer+1")
    lines = {
        name: canvas.numbers("residual_stream", name, values, "n_layer")
        for name, values in added.items()
    }
    for name, values in lines.items():
        if len(values) != len(stream) - 1:
            raise ValueError(
                f"residual_stream: {name} has {len(values)} numbers, but must have "
                f"{len(stream) - 1}: stream's, less one"
            )
    figure, [[axes]] = canvas.sheet(8, 3.8)
    axes.plot(stream, "o-", color=canvas.BLUE, label="the stream")
    width = 0.8 / max(len(lines), 1)
    for n, ((name, values), colour) in enumerate(
        zip(lines.items(), canvas.LINES[1:], strict=False)
    ):
        at = np.arange(1, len(stream)) - 0.4 + width * (n + 0.5) - 0.5
        axes.bar(
            at,
            values,
            width * 0.95,
            color=colour,
            alpha=0.8,
            label=f"{canvas.visible_words(name)} adds",
        )
    _whole_ticks(axes)
    axes.set_ylim(bottom=0)
    axes.margins(y=0.15)
    axes.grid(axis="y", alpha=0.2)
    canvas.label(
        axes,
        "the residual stream, and what is added to it",
        "after block (0: the embedding)",
        "size",
    )
    canvas.legend(axes, loc="upper left")
    return figure


def _sizes(function: str, name: str, values: object) -> np.ndarray:
    """Return norms (n,): not negative, but NaN and infinity are accepted.

    Raises TypeError, ValueError.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "uif":
        raise TypeError(f"{function}: {name} has dtype {array.dtype}, but must be numbers")
    if array.ndim != 1 or array.size == 0 or (array < 0).any():
        raise ValueError(
            f"{function}: {name} has shape {array.shape}, but must be (n,), not empty, no number "
            "below 0"
        )
    return array.astype(np.float64)


def _expect_mapping(function: str, norms: Mapping) -> Mapping:
    if not isinstance(norms, Mapping):
        raise TypeError(
            f"{function}: norms is a {type(norms).__name__}, but must be a dict: label -> norms"
        )
    if not 1 <= len(norms) <= len(canvas.LINES):
        raise ValueError(
            f"{function}: norms has {len(norms)} labels, but must have 1 .. "
            f"{len(canvas.LINES)}, one per colour"
        )
    return norms


def _whole_ticks(axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
