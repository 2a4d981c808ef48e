"""What is shown of the measurements: a line for each case as it comes, a summary of the bars,
RESULTS.md, a plot.
"""

import math
from collections.abc import Iterable
from pathlib import Path

from minigpt.bench.run import Result

PEERS = {"numba": "kernels", "numpy": "NumPy", "torch": "PyTorch", "numba1": "1 thread"}
# whom each group's bar is about
AGAINST = {
    "matmul": "numpy",
    "gelu": "torch",
    "attention": "torch",
    "step": "torch",
    "threads": "numba1",
}
TITLES = {
    "matmul": "matrix products, against OpenBLAS (NumPy)",
    "gelu": "gelu(x w + b), against PyTorch",
    "attention": "causal attention, against PyTorch's scaled_dot_product_attention",
    "step": "a training step, against eager PyTorch",
    "threads": "two threads against one",
}


def line(result: Result, peak: float = 0.0) -> str:
    """A case: each peer's median, and how many times as long as ours it takes."""
    case, ours = result.case, result.case.peers[0]
    text = f"{case.label:40s} {PEERS[ours]} {milliseconds(result.median(ours))}"
    if peak:
        text += f" {result.gflops(ours):5.0f} GFLOP/s {result.gflops(ours) / peak:4.0%}"
    for peer in result.seconds:
        if peer != ours:
            text += (
                f"   {PEERS[peer]} {milliseconds(result.median(peer))} x{result.ratio(peer):.2f}"
            )
    return text


def milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:8.3f} ms" if seconds < 0.01 else f"{1e3 * seconds:8.1f} ms"


def summary(results: Iterable[Result]) -> list[str]:
    """A line for each group: the geometric mean of the ratios to the peer whom its bar is about,
    and the least.
    """
    lines = []
    results = list(results)
    for group, peer in AGAINST.items():
        ratios = [
            result.ratio(peer)
            for result in results
            if result.case.group == group and peer in result.seconds
        ]
        if ratios:
            mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
            lines.append(
                f"{TITLES[group]:70s} x{mean:.2f} (geometric mean of {len(ratios)}; least x{min(ratios):.2f})"
            )
    return lines


def markdown(
    results: list[Result],
    machine: dict,
    peak: float,
    bandwidth: float,
    more: list[str],
    command: str,
) -> str:
    """RESULTS.md."""
    text = ["# Results", "", f"Command: `{command}`.", ""]
    text += [
        "Written by that command; do not edit. Each peer runs in a process of its own, in turn, round after round, so that no"
    ]
    text += [
        "idle thread pool starves another's; what is shown is the median over the rounds, and the median of each round's ratio."
    ]
    text += [
        "A ratio is how many times as long as the kernels the peer takes: above 1, the kernels are faster.",
        "",
    ]
    text += [f"* {name}: {value}" for name, value in machine.items()]
    text += [
        f"* OpenBLAS sgemm 2048 x 2048 x 2048: {peak:.0f} GFLOP/s; memory read by all threads: {bandwidth:.0f} GB/s",
        "",
    ]
    text += ["## In short", "", "| against | geometric mean | least |", "|---|---|---|"]
    for summed in summary(results):
        title, _, numbers = summed.partition(" x")
        mean, _, rest = numbers.partition(" (")
        text.append(f"| {title.strip()} | {mean} | {rest.rpartition('least x')[2].rstrip(')')} |")
    text += ["", *more, ""]
    for group, title in TITLES.items():
        chosen = [result for result in results if result.case.group == group]
        if chosen:
            text += [f"## {title[0].upper()}{title[1:]}", "", *_table(chosen, peak), ""]
    return "\n".join(text)


def _table(results: list[Result], peak: float) -> list[str]:
    peers = [peer for peer in PEERS if any(peer in result.seconds for result in results)]
    others = [peer for peer in peers if peer != results[0].case.peers[0]]
    head = [
        "work",
        *(f"{PEERS[peer]}, ms" for peer in peers),
        "GFLOP/s",
        "of sgemm",
        *(f"{PEERS[peer]} / kernels" for peer in others),
    ]
    rows = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for result in results:
        ours = result.case.peers[0]
        cells = [result.case.label]
        cells += [
            f"{1e3 * result.median(peer):.3g}" if peer in result.seconds else "" for peer in peers
        ]
        cells += [f"{result.gflops(ours):.0f}", f"{result.gflops(ours) / peak:.0%}"]
        cells += [f"{result.ratio(peer):.2f}" if peer in result.seconds else "" for peer in others]
        rows.append("| " + " | ".join(cells) + " |")
    return rows


def draw(results: list[Result], path: Path) -> None:
    """A bar for each case: how many times as long as the kernels the peer takes.

    Raises ImportError without matplotlib.
    """
    from minigpt.plots import ratio_bars, save_figure

    rows = [
        (result.case.group, result.case.label, result.ratio(AGAINST[result.case.group]))
        for result in results
        if AGAINST[result.case.group] in result.seconds
    ]
    save_figure(ratio_bars(rows, TITLES), path)
