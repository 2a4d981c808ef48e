"""GELU: its curve, its derivative, and two approximations.

    exact    x Phi(x)              smallest -0.16997 at x = -0.7518;
                                   derivative largest and smallest at x = +-sqrt(2)
    tanh     GPT-2's form          at most 4.73e-4 away
    sigmoid  x sigmoid(1.702 x)    at most 2.03e-2 away; no GPT uses it

Source: Hendrycks and Gimpel 2016, section 2. The derivative's derivative is phi(x) (2 - x^2), so
its extremes are at +-sqrt(2).
"""

import math

import numpy as np

from minigpt.layers import gelu_backward, gelu_forward, relu_backward, relu_forward
from minigpt.plots import canvas

LOWEST = -0.7517915246935645  # the x with Phi(x) + x phi(x) = 0


def gelu_curves():
    """Plot four pictures over x in -4 .. 4."""
    x = np.linspace(-4.0, 4.0, 1601)
    figure, [[curve, tanh], [slope, sigmoid]] = canvas.sheet(10, 6, 2, 2, sharex=True)
    exact, exact_cache = gelu_forward(x, "none")
    relu, relu_cache = relu_forward(x)
    ones = np.ones_like(x)
    for axes, gelu, other in (
        (curve, exact, relu),
        (slope, gelu_backward(ones, exact_cache), relu_backward(ones, relu_cache)),
    ):
        axes.plot(x, other, color=canvas.GREY, linestyle="--", label="ReLU")
        axes.plot(x, gelu, color=canvas.BLUE, label="GELU, exact")
    approximate = x / (1 + np.exp(-1.702 * x))
    curve.plot(x, gelu_forward(x, "tanh")[0], color=canvas.ORANGE, linestyle=":", label="tanh form")
    curve.plot(
        x, approximate, color=canvas.GREEN, linestyle="-.", linewidth=1, label="sigmoid form"
    )
    _marked(curve, gelu_forward, [LOWEST], (10, 45))
    _marked(slope, _derivative, [-math.sqrt(2)], (0, -22))
    _marked(slope, _derivative, [math.sqrt(2)], (0, 16))
    _error(tanh, x, gelu_forward(x, "tanh")[0] - exact, canvas.ORANGE, "tanh form - exact")
    _error(sigmoid, x, approximate - exact, canvas.GREEN, "sigmoid form - exact")
    canvas.label(curve, "GELU", "", "out")
    canvas.label(slope, "its derivative", "x", "d out / d x")
    slope.set_ylim(-0.42, 1.45)
    for axes in (curve, slope):
        canvas.legend(axes, loc="upper left")
    return figure


def _derivative(x: np.ndarray, approximate: str) -> tuple[np.ndarray]:
    return (gelu_backward(np.ones_like(x), gelu_forward(x, approximate)[1]),)


def _marked(axes, function, places: list[float], offset: tuple[int, int]) -> None:
    for place, height in zip(places, function(np.array(places), "none")[0], strict=True):
        axes.plot([place], [height], "o", color=canvas.BLUE, markersize=5)
        axes.annotate(
            f"{height:.5f} at x = {place:.4f}",
            (place, height),
            xytext=offset,
            textcoords="offset points",
            ha="center",
            fontsize=canvas.SMALL,
            arrowprops={"arrowstyle": "-", "linewidth": 0.5},
        )


def _error(axes, x: np.ndarray, error: np.ndarray, colour: str, title: str) -> None:
    worst = np.abs(error).argmax()
    axes.plot(x, error, color=colour)
    axes.axhline(0, color=canvas.GREY, linewidth=0.5)
    axes.ticklabel_format(axis="y", scilimits=(0, 0))
    axes.yaxis.get_offset_text().set_fontsize(canvas.SMALL)
    canvas.label(
        axes,
        f"{title}: at most {abs(error[worst]):.2e}",
        "x" if axes.get_subplotspec().is_last_row() else "",
        "error",
    )
