"""Pictures. Each function returns a matplotlib figure and shows nothing; matplotlib is imported here and nowhere else.

Colours: Okabe and Ito 2008, told apart by everyone.
"""

import math
from pathlib import Path

ORANGE, BLUE, GREY = "#d55e00", "#0072b2", "#777777"


def loss_curve(lines: list[dict], vocab_size: int, title: str = ""):
    """Loss over steps: every step's (pale), train and val at the evaluations, and ln V, the loss of a model that knows nothing.

    lines: a log, as minigpt.train.read_log gives it. The step axis is logarithmic: most is learned at the start.
    """
    from matplotlib.figure import Figure  # without pyplot: no window, no state

    steps = [(line["step"] + 1, line["loss"]) for line in lines if "loss" in line]
    evaluations = [(line["step"] + 1, line["train_loss"], line["val_loss"]) for line in lines if "val_loss" in line]
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    if steps:
        axes.plot(*zip(*steps, strict=True), color=BLUE, alpha=0.25, linewidth=0.8, label="training batch")
    if evaluations:
        at, train, val = zip(*evaluations, strict=True)
        axes.plot(at, train, "o-", color=BLUE, markersize=4, label="train, fixed batches")
        axes.plot(at, val, "s-", color=ORANGE, markersize=4, label=f"validation: {val[-1]:.3f}")
    axes.axhline(math.log(vocab_size), color=GREY, linestyle="--", linewidth=1)
    axes.annotate(
        f"ln {vocab_size} = {math.log(vocab_size):.2f}: knows nothing",
        (1, math.log(vocab_size)),
        xycoords=("axes fraction", "data"),
        xytext=(-4, 4),
        textcoords="offset points",
        ha="right",
        color=GREY,
    )
    axes.set(xscale="log", xlabel="step (first = 1)", ylabel="loss (nats per token)", title=title)
    axes.set_ylim(0, 1.15 * max([math.log(vocab_size)] + [loss for _, loss in steps]))
    axes.legend(loc="lower left")
    axes.grid(alpha=0.2)
    return figure


def ratio_bars(rows: list[tuple[str, str, float]], titles: dict[str, str]):
    """A horizontal bar for each measurement: how many times as long as the kernels a peer takes; the line is 1, as fast.

    rows: (group, label, ratio), the groups together; titles: a heading for each group.
    """
    from matplotlib.figure import Figure

    groups = [group for group in titles if any(row[0] == group for row in rows)]
    counts = [sum(row[0] == group for row in rows) for group in groups]
    figure = Figure(figsize=(9, 1.2 + 0.24 * len(rows) + 0.5 * len(groups)), layout="constrained")
    all_axes = figure.subplots(len(groups), 1, sharex=True, squeeze=False, height_ratios=[count + 1 for count in counts])[:, 0]
    for axes, group in zip(all_axes, groups, strict=True):
        labels, ratios = zip(*[(label, ratio) for name, label, ratio in rows if name == group], strict=True)
        bars = axes.barh(labels, ratios, color=[BLUE if ratio >= 1 else ORANGE for ratio in ratios])
        axes.bar_label(bars, [f"{ratio:.2f}" for ratio in ratios], padding=3, fontsize=7)
        axes.axvline(1, color=GREY, linestyle="--", linewidth=1)
        axes.margins(y=0.02)
        axes.invert_yaxis()
        axes.tick_params(axis="y", labelsize=7)
        axes.set_title(titles[group], fontsize=9, loc="left")
    all_axes[-1].set_xlabel("how many times as long as the kernels the peer takes (1: as long)")
    all_axes[0].set_xlim(0, 1.12 * max(ratio for _, _, ratio in rows))
    return figure


def save_figure(figure, path: Path) -> None:
    """Write a PNG whole or not at all, without a tag that changes with the version of matplotlib."""
    part = path.with_suffix(".part")
    figure.savefig(part, format="png", dpi=120, metadata={"Software": None})
    part.replace(path)
