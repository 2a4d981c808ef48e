"""What each rung gains on this machine: `python -m kernels.ladder.table`.

First every rung is checked against float64 NumPy and against the rung before. Then all rungs of a
topic are timed in turn, round after round, so that any other load on the machine affects all of
them alike. A rung that has run for SECONDS is not run again. The times are medians. NumPy's product
is used only before the first timing: its idle threads would spin and take the cores from Numba's.

    GFLOP/s   matmul: 2 M N K. Attention: only products of a query with a key it sees, two products
              forward, five backward. Needless work (in a0, the hidden half) is not counted
    peak      the share of the best rate of this machine (kernels/peak.py)
    read      millions of numbers that the loops load from arrays and
    written   store to them, counted by formula (`traffic` in each module): A, B, C, q, k, v, S, P,
              the gradients, and all their copies. Not counted: local variables, the registers of
              the tile, and the few numbers per query (m, l, lse, D). The count does not ask in
              which cache a number is
"""

import argparse
import importlib
import time
from collections.abc import Callable
from statistics import median
from types import ModuleType
from typing import NamedTuple

import numpy as np

from kernels.ladder import ATTENTION, BACKWARD, MATMUL
from kernels.ladder.a3_lanes import attention_and_lse
from kernels.ladder.report import Row, markdown, write_readme
from kernels.peak import peak_gflops
from kernels.tile import COLUMNS, ROWS, threads
from minigpt import layers

ROUNDS, SECONDS = 15, 2.0
SIZES = {  # (M, N, K) of a product; (B, nh, T, hs) of attention
    "tiny": ((17, 35, 9), (1, 2, 33, 8)),  # for the tests
    "small": ((512, 1536, 384), (2, 6, 256, 64)),  # an MLP and the heads of a model of 384 channels
    "full": ((1024, 3072, 768), (1, 12, 1024, 64)),  # GPT-2 small, 1024 tokens
}
FAR_OFF = 2e-5  # largest difference allowed between rungs, as a share of the largest number


class Topic(NamedTuple):
    """What one table measures."""

    title: str
    rungs: tuple[tuple[str, str], ...]
    shape: tuple[int, ...]
    inputs: tuple[np.ndarray, ...]
    call: str  # the function of each rung
    exact: tuple[np.ndarray, ...]  # its results in float64; for attention, of the last head
    flops: float


def topics(size: str) -> list[Topic]:
    """Return the three topics, with their inputs and exact results."""
    product, heads = SIZES[size]
    found = [matmul_topic(*product), *attention_topics(heads)]
    time.sleep(0.3)  # until NumPy's threads sleep: nothing below uses its product
    return found


def matmul_topic(M: int, N: int, K: int) -> Topic:
    """Return the topic of C (M, N) = A (M, K) B (K, N)."""
    a, b = normal(M, K), normal(K, N)
    exact = (a.astype(np.float64) @ b.astype(np.float64),)
    title = f"matmul, M N K = {M} {N} {K}"
    return Topic(title, MATMUL, (M, N, K), (a, b), "matmul", exact, 2 * M * N * K)


def attention_topics(shape: tuple[int, int, int, int]) -> list[Topic]:
    """Return the topics of causal attention, forward and backward."""
    B, nh, T, hs = shape
    q, k, v, dout = (normal(*shape, seed=seed) for seed in range(4))
    last = [array[-1:, -1:].astype(np.float64) for array in (q, k, v, dout)]
    out, cache = layers.attention_forward(*last[:3])
    slopes = layers.attention_backward(last[3], cache)
    inputs = (q, k, v, *attention_and_lse(q, k, v), dout)
    # additions and multiplications of one product, over all visible pairs of query and key
    flops, title = B * nh * hs * T * (T + 1), f"causal attention, B nh T hs = {B} {nh} {T} {hs}"
    back, call = f"backward pass of {title}", "attention_backward"
    return [
        Topic(title, ATTENTION, shape, (q, k, v), "attention", (out,), 2 * flops),
        Topic(back, BACKWARD, shape, inputs, call, slopes, 5 * flops),
    ]


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    """Return random float32 numbers."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape, dtype=np.float32)


def check(topic: Topic, modules: list[ModuleType]) -> list[float]:
    """Return the largest difference of each rung from the rung before.

    The first rung is compared with float64. Raises AssertionError if a difference is too large.
    """
    differences, before = [], None
    for module in modules:
        results = getattr(module, topic.call)(*topic.inputs)
        results = results if isinstance(results, tuple) else (results,)
        last = [r[-1:, -1:] if r.ndim == 4 else r for r in results]
        off = max(difference(*pair) for pair in zip(last, topic.exact, strict=True))
        pairs = zip(results, before or results, strict=True)
        step = max(difference(*pair) for pair in pairs) if before else off
        assert max(off, step) < FAR_OFF, (
            f"{module.__name__}: {off:.1e} from float64, {step:.1e} from the rung before"
        )
        differences.append(step)
        before = results
    return differences


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Return the largest difference, as a share of the largest number."""
    return float(np.abs(one - other).max() / np.abs(other).max())


def times(calls: list[Callable[[], object]]) -> list[float]:
    """Return the median seconds of each call, all of them timed in turn."""
    seconds: list[list[float]] = [[] for _ in calls]
    for _ in range(ROUNDS):
        for call, measured in zip(calls, seconds, strict=True):
            if sum(measured) < SECONDS:
                begun = time.perf_counter()
                call()
                measured.append(time.perf_counter() - begun)
    return [median(measured) for measured in seconds]


def modules_of(topic: Topic) -> list[ModuleType]:
    """Return the modules of a topic's rungs."""
    return [importlib.import_module(f"kernels.ladder.{name}") for name, _ in topic.rungs]


def measure(topic: Topic) -> list[Row]:
    """Check the rungs of a topic, then time them."""
    modules = modules_of(topic)
    check(topic, modules)  # compiles, too
    seconds = times([lambda m=m: getattr(m, topic.call)(*topic.inputs) for m in modules])
    rates = [topic.flops / s / 1e9 for s in seconds]
    return [
        Row(name, adds, 1e3 * s, rate, rate / peak_gflops())
        for (name, adds), s, rate in zip(topic.rungs, seconds, rates, strict=True)
    ]


def table(topic: Topic) -> list[str]:
    """Return the lines of one table, 80 columns at most."""
    rows = measure(topic)
    head = f"{'rung':12} {'what it adds':36} {'ms':>8} {'x before':>8} {'GFLOP/s':>7} peak"
    lines = [topic.title, head, "-" * len(head)]
    for row, before in zip(rows, [None, *rows[:-1]], strict=True):
        faster = f"{before.ms / row.ms:.2f}" if before else "-"
        figures = f"{row.ms:8.2f} {faster:>8} {row.rate:7.2f} {row.share:4.0%}"
        lines.append(f"{row.rung:12} {row.adds:36} {figures}")
    return lines


def counts(topic: Topic) -> list[str]:
    """Return the lines of a table of numbers read and written, in millions."""
    lines = [f"{'rung':12} {'read M':>9} {'written M':>9}"]
    for (name, _), module in zip(topic.rungs, modules_of(topic), strict=True):
        read, written = module.traffic(*topic.shape)
        lines.append(f"{name:12} {read / 1e6:9.2f} {written / 1e6:9.2f}")
    return lines


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m kernels.ladder.table", description="Check and time the rungs of the ladder."
    )
    text = "small (default) takes seconds, full half a minute"
    parser.add_argument("--size", choices=SIZES, default="small", help=text)
    parser.add_argument("--markdown", action="store_true", help="print markdown tables")
    text = "write the markdown tables to kernels/ladder/README.md"
    parser.add_argument("--readme", action="store_true", help=text)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Print the tables, or write them to README.md."""
    options = parse(arguments)
    if options.markdown or options.readme:
        measured = [(topic.title, measure(topic)) for topic in topics(options.size)]
        text = markdown(options.size, peak_gflops(), measured)
        print(write_readme(text) if options.readme else text)
        return
    print(f"size {options.size}; {threads()} threads; register tile: {ROWS} x {COLUMNS}")
    print(f"peak: {peak_gflops():.0f} GFLOP/s; times are medians, all rungs in turn")
    for topic in topics(options.size):
        print("\n".join(["", *table(topic), "", *counts(topic)]))


if __name__ == "__main__":
    main()
