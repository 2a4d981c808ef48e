"""What each rung is worth here: `python -m kernels.ladder.table [--size small|full]`.

First every rung is checked: against float64 NumPy, and against the rung before. Then all rungs of a
topic are timed in turn, round after round, so that whatever else the machine does strikes them
alike; a rung that has had SECONDS rests. Medians. NumPy's product is used before the first timing
and never again: its idle threads would spin, and take the cores from Numba's.

    GFLOP/s     2 M N K for the product. For attention what causal attention needs, each product of a query with a key it sees: two
                products forward, five backward. Work done in vain (a0: the hidden half) is not counted
    read        millions of numbers that the loops, as they are written, load from arrays, counted by formula (`traffic` in each
    written     module): A, B, C, q, k, v, S, P, the gradients, and all copies of them. Not counted: what a local variable or the
                tile's registers hold, and the few numbers a query (m, l, lse, D). From which cache they come is not counted either
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
from kernels.tile import COLUMNS, ROWS, threads
from minigpt import layers

ROUNDS, SECONDS = 15, 2.0
SIZES = {  # (M, N, K) of a product; (B, nh, T, hs) of attention
    "tiny": ((17, 35, 9), (1, 2, 33, 8)),  # for the tests
    "small": ((512, 1536, 384), (2, 6, 256, 64)),  # an MLP and the heads of a model of 384 channels
    "full": ((1024, 3072, 768), (1, 12, 1024, 64)),  # GPT-2 small, 1024 tokens
}
FAR_OFF = 2e-5  # of the largest number: no rung may be further from another, or from float64


class Topic(NamedTuple):
    """One table."""

    title: str
    rungs: tuple[tuple[str, str], ...]
    shape: tuple[int, ...]
    inputs: tuple[np.ndarray, ...]
    call: str  # the function of each rung
    # what it returns, in float64, of the last head where there are heads
    exact: tuple[np.ndarray, ...]
    flops: float


def topics(size: str) -> list[Topic]:
    """The three topics, with their inputs and what must come out.

    The only place where NumPy multiplies.
    """
    (M, N, K), heads = SIZES[size]
    B, nh, T, hs = heads
    a, b = normal(M, K), normal(K, N)
    q, k, v, dout = (normal(*heads, seed=seed) for seed in range(4))
    last = [array[-1:, -1:].astype(np.float64) for array in (q, k, v, dout)]
    out, cache = layers.attention_forward(*last[:3])
    gradients = layers.attention_backward(last[3], cache)
    product = a.astype(np.float64) @ b.astype(np.float64)
    time.sleep(0.3)  # until NumPy's threads are asleep
    # multiplications and additions of one product of queries with the keys they see
    pairs = B * nh * hs * T * (T + 1)
    backward = (q, k, v, *attention_and_lse(q, k, v), dout)
    return [
        Topic(
            f"matmul, M N K = {M} {N} {K}",
            MATMUL,
            (M, N, K),
            (a, b),
            "matmul",
            (product,),
            2 * M * N * K,
        ),
        Topic(
            f"causal attention, B nh T hs = {B} {nh} {T} {hs}",
            ATTENTION,
            heads,
            (q, k, v),
            "attention",
            (out,),
            2 * pairs,
        ),
        Topic(
            "its backward pass",
            BACKWARD,
            heads,
            backward,
            "attention_backward",
            gradients,
            5 * pairs,
        ),
    ]


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    """Random float32 numbers."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape, dtype=np.float32)


def check(topic: Topic, modules: list[ModuleType]) -> list[float]:
    """The largest difference of each rung from the rung before (of the first: from float64).

    AssertionError if one is far off.
    """
    differences, before = [], None
    for module in modules:
        results = getattr(module, topic.call)(*topic.inputs)
        results = results if isinstance(results, tuple) else (results,)
        off = [
            difference(r[-1:, -1:] if r.ndim == 4 else r, exact)
            for r, exact in zip(results, topic.exact, strict=True)
        ]
        step = (
            off
            if before is None
            else [difference(r, other) for r, other in zip(results, before, strict=True)]
        )
        assert max(off + step) < FAR_OFF, (
            f"{module.__name__}: {max(off):.1e} from float64, {max(step):.1e} from the rung before"
        )
        differences.append(max(step))
        before = results
    return differences


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """The largest difference, as a share of the largest number."""
    return float(np.abs(one - other).max() / np.abs(other).max())


def times(calls: list[Callable[[], object]]) -> list[float]:
    """Median seconds of each call, all of them in turn."""
    seconds: list[list[float]] = [[] for _ in calls]
    for _ in range(ROUNDS):
        for call, own in zip(calls, seconds, strict=True):
            if sum(own) < SECONDS:
                begun = time.perf_counter()
                call()
                own.append(time.perf_counter() - begun)
    return [median(own) for own in seconds]


def table(topic: Topic) -> list[str]:
    """The lines of one table."""
    modules = [importlib.import_module(f"kernels.ladder.{name}") for name, _ in topic.rungs]
    differences = check(topic, modules)  # compiles, too
    seconds = times([lambda m=m: getattr(m, topic.call)(*topic.inputs) for m in modules])
    head = f"{'rung':18}  {'what it adds':36} {'ms':>9} {'x before':>8} {'GFLOP/s':>8} {'read M':>9} {'written M':>9} {'differs':>8}"
    lines = [topic.title, head, "-" * len(head)]
    for i, ((name, adds), module) in enumerate(zip(topic.rungs, modules, strict=True)):
        faster = f"{seconds[i - 1] / seconds[i]:.2f}" if i else "-"
        read, written = (n / 1e6 for n in module.traffic(*topic.shape))
        figures = f"{1e3 * seconds[i]:9.3f} {faster:>8} {topic.flops / seconds[i] / 1e9:8.2f} {read:9.2f} {written:9.2f}"
        lines.append(f"{name:18}  {adds:36} {figures} {differences[i]:8.0e}")
    return lines


def main(arguments: list[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m kernels.ladder.table", description="The ladder, checked and timed."
    )
    parser.add_argument(
        "--size",
        choices=SIZES,
        default="small",
        help="small (default) takes seconds, full half a minute",
    )
    size = parser.parse_args(arguments).size
    print(
        f"size {size}; threads: {threads()}; register tile: {ROWS} x {COLUMNS}; medians, all rungs in turn"
    )
    for topic in topics(size):
        print()
        print("\n".join(table(topic)))
    print(
        "\ndiffers: largest difference from the rung before (first rung: from float64), as a share of the largest number"
    )


if __name__ == "__main__":
    main()
