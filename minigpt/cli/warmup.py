"""Compile the kernels now, so that no later command waits.

The compiled code is kept on disk (Numba's cache). It is compiled again if the
kernels, Numba or the processor change.
"""

import argparse
import time

from minigpt.ops import load_kernels
from minigpt.training.progress import progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(args: argparse.Namespace) -> int:
    begun = time.perf_counter()
    seconds = warm_up(everything=True, show=not args.quiet)
    slowest = max(seconds, key=seconds.get)
    print(
        f"{len(seconds)} kernels ready in {time.perf_counter() - begun:.1f} s (the longest: "
        f"{slowest}, {seconds[slowest]:.1f} s)"
    )
    print(f"kept in {cache_directory()}")
    return 0


def warm_up(everything: bool = False, show: bool = True) -> dict[str, float]:
    """Compile the kernels, or read them from the cache.

    everything: all kernels, not only those of a training run.
    Returns the seconds of each by name. A bar appears after 2 seconds.
    """
    load_kernels()
    from kernels.warmup import compile_all, other_calls, training_calls

    calls = training_calls() | (other_calls() if everything else {})
    seconds = {}
    about = "compiling the kernels, once"
    with progress(about, len(calls), after=2.0, show=show) as advance:
        for name, took in compile_all(calls):
            seconds[name] = took
            advance(name)
    return seconds


def cache_directory() -> str:
    """The directory of the compiled kernels."""
    from kernels.jit import cache_directory

    return cache_directory() or "memory alone: every start compiles again"
