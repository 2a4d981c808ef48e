"""Pictures of runs and benchmarks: losses, norms of the stream, ratios."""

import math

from minigpt.plots.common import BLUE, GREY, ORANGE, new_figure, printable


def loss_curve(lines: list[dict], vocab_size: int, title: str = ""):
    """Plot loss over steps, with the loss of a uniform guess.

    Every step's loss is pale; train and val are those of the evaluations. lines: a log, from
    minigpt.training.loop.read_log. The step axis is logarithmic, because most is learned at the
    start. Without evaluations, only the steps' curve is drawn, and it is not pale. Infinite and NaN
    losses are left out.
    """
    steps = [
        (line["step"] + 1, line["loss"])
        for line in lines
        if math.isfinite(line.get("loss", math.nan))
    ]
    evaluations = [
        (line["step"] + 1, line["train_loss"], line["val_loss"])
        for line in lines
        if "val_loss" in line
    ]
    figure = new_figure(7, 4.2)
    axes = figure.subplots()
    if steps:
        alpha = 0.25 if evaluations else 1
        axes.plot(
            *zip(*steps, strict=True),
            color=BLUE,
            alpha=alpha,
            linewidth=0.8,
            label="training batch",
        )
    if evaluations:
        at, train, val = zip(*evaluations, strict=True)
        axes.plot(at, train, "o-", color=BLUE, markersize=4, label="train, fixed batches")
        axes.plot(at, val, "s-", color=ORANGE, markersize=4, label=f"validation: {val[-1]:.3f}")
    axes.axhline(math.log(vocab_size), color=GREY, linestyle="--", linewidth=1)
    axes.annotate(
        f"ln {vocab_size} = {math.log(vocab_size):.2f}: uniform guess",
        (1, math.log(vocab_size)),
        xycoords=("axes fraction", "data"),
        xytext=(-4, 4),
        textcoords="offset points",
        ha="right",
        color=GREY,
    )
    axes.set(xscale="log", xlabel="step (first = 1)", ylabel="loss (nats per token)")
    axes.set_title(printable(title), parse_math=False)  # the $ of a path does not begin a formula
    axes.set_ylim(0, 1.15 * max([math.log(vocab_size)] + [loss for _, loss in steps]))
    if steps or evaluations:
        axes.legend(loc="lower left")
    axes.grid(alpha=0.2)
    return figure


def ratio_bars(rows: list[tuple[str, str, float]], titles: dict[str, str]):
    """Plot a horizontal bar for each measurement.

    It shows how many times as long as the kernels a peer takes; the line is 1, the same speed.
    rows: (group, label, ratio), the groups together; titles: a heading for each group.
    """
    groups = [group for group in titles if any(row[0] == group for row in rows)]
    counts = [sum(row[0] == group for row in rows) for group in groups]
    figure = new_figure(9, 1.2 + 0.24 * len(rows) + 0.5 * len(groups))
    all_axes = figure.subplots(
        len(groups), 1, sharex=True, squeeze=False, height_ratios=[count + 1 for count in counts]
    )[:, 0]
    for axes, group in zip(all_axes, groups, strict=True):
        labels, ratios = zip(
            *[(label, ratio) for name, label, ratio in rows if name == group], strict=True
        )
        bars = axes.barh(labels, ratios, color=[BLUE if ratio >= 1 else ORANGE for ratio in ratios])
        axes.bar_label(bars, [f"{ratio:.2f}" for ratio in ratios], padding=3, fontsize=7)
        axes.axvline(1, color=GREY, linestyle="--", linewidth=1)
        axes.margins(y=0.02)
        axes.invert_yaxis()
        axes.tick_params(axis="y", labelsize=7)
        axes.set_title(titles[group], fontsize=9, loc="left")
    all_axes[-1].set_xlabel("time of the peer / time of the kernels (1: the same)")
    all_axes[0].set_xlim(0, 1.12 * max(ratio for _, _, ratio in rows))
    return figure


def stream_norms(forward: list[tuple[str, float]], backward: list[tuple[str, float]]):
    """Plot the sizes of the residual stream and of its gradient.

    A size is the root of the mean square; the sums are in forward order.
    """
    figure = new_figure(8, 3.4)
    axes = figure.subplots(1, 2)
    sides = (
        (forward, "residual stream, forward", BLUE),
        (backward, "its gradient (backward: from the right)", ORANGE),
    )
    for one, (points, title, colour) in zip(axes, sides, strict=True):
        names, sizes = zip(*points, strict=True)
        one.plot(range(len(names)), sizes, "o-", color=colour, markersize=4)
        one.set_title(title, fontsize=10)
        highest = max((size for size in sizes if math.isfinite(size)), default=0.0) or 1.0
        one.set(
            ylabel="root of the mean square", ylim=(0, 1.1 * highest), xlim=(-0.5, len(names) - 0.5)
        )
        one.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=8)
        one.grid(alpha=0.2)
        for i, size in enumerate(sizes):
            if not math.isfinite(
                size
            ):  # it has no place on the scale, and is written in its column
                one.text(i, 0.0, str(size), color=colour, ha="center", va="bottom", fontsize=8)
    return figure
