"""Measure the kernels beside NumPy and, if it is installed, PyTorch.

The peers take turns in one run, each in a separate process.

  minigpt bench                     everything, about ten minutes
  minigpt bench attention step      some of it
  minigpt bench --out benchmarks    everything, and benchmarks/results/NAME.md
                                    and NAME.png written

NAME says which machine it is, e.g. amd-family-26-model-2-2-cores. Another
machine's file is left as it is.

A ratio is how many times as long as the kernels a peer takes: x1.50 means that
the kernels are 1.5 times as fast. PyTorch is eager, float32, on the CPU. The
peers are started without OPENBLAS_CORETYPE, OMP_NUM_THREADS and the like.
"""

import argparse
from collections.abc import Collection
from pathlib import Path

from minigpt.bench import limits, report
from minigpt.bench.cases import GROUPS
from minigpt.bench.environment import removed, removed_text
from minigpt.bench.machine import this_machine
from minigpt.bench.run import Result, available, measure
from minigpt.cli.warmup import warm_up
from minigpt.expect import did_you_mean
from minigpt.files import expect_ours, write_text

MORE = ("limits",)  # measured beside the groups: memory and compile times


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "groups",
        nargs="*",
        metavar="GROUP",
        help=f"of {', '.join((*GROUPS, *MORE))} (default: all)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write DIR/results/NAME.md and NAME.png"
    )


def run(args: argparse.Namespace) -> int:
    known = (*GROUPS, *MORE)
    for group in args.groups:
        if group not in known:
            near = did_you_mean(group, known) or f"; give some of {', '.join(known)}"
            raise ValueError(f"there is no benchmark {group!r}{near}")
    chosen = args.groups or known
    path = results_file(args.out, this_machine()) if args.out else None
    warm_up(everything=True)
    if "torch" not in available():
        print("PyTorch is not installed: measured against NumPy alone (pip install torch)")
    machine, gone, limit = limits.machine(), removed(), limits.measure_limits()
    print("\n".join(f"{name:16s} {value}" for name, value in machine.items()))
    print(f"{'removed':16s} {removed_text(gone)}\n{limit}")
    results = measure_groups(chosen, limit.peak)
    more = beside() if "limits" in chosen else []
    print("\n".join(["", *more, "", *map(str, report.summary(results))]))
    if path:
        command = " ".join(["minigpt bench", *args.groups, f"--out {args.out}"])
        write(path, report.markdown(results, machine, limit, gone, more, command), results)
    return 0


def results_file(out: Path, machine: str) -> Path:
    """The file of this machine's results.

    Raises ValueError if a file there is not from an earlier run.
    """
    path = out / "results" / f"{machine}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    expect_ours(path, report.written_for(machine).encode())
    picture = path.with_suffix(".png")
    if picture.exists() and not path.exists():
        raise ValueError(f"{picture}: exists, but {path.name}, its results, do not; move it away")
    return path


def measure_groups(chosen: Collection[str], peak: float) -> list[Result]:
    """Measure the chosen groups; each case is printed as it comes."""

    def show(result: Result) -> None:
        print(f"  {report.line(result, peak)}", flush=True)

    results = []
    for group, cases in GROUPS.items():
        if group in chosen:
            print(f"\n{report.TITLES[group]}")
            results += measure(cases(), show)
    return results


def beside() -> list[str]:
    """Memory of attention and seconds of compiling, as lines of a table."""
    lengths = (1024, 2048, 4096, 8192)
    kernels = [f"{limits.attention_memory('numba', T):.0f}" for T in lengths]
    plain = [f"{limits.attention_memory('numpy', T):.0f}" for T in lengths[:3]]
    title = "extra memory of attention, forward + backward, MiB"
    return [
        f"| {title} | {' | '.join(f'T = {T}' for T in lengths)} |",
        "|---" * 5 + "|",
        f"| kernels | {' | '.join(kernels)} |",
        f"| the plain formula (NumPy) | {' | '.join(plain)} | not tried |",
        "",
        f"Cold compile of all that a training run needs: {limits.cold_compile():.1f} s.",
        "`minigpt train` with a warm cache, start of the process to the end of step 1: "
        f"{limits.first_step():.1f} s.",
    ]


def write(path: Path, text: str, results: list[Result]) -> None:
    """Write a machine's results file and its picture."""
    write_text(path, text.encode("utf-8", "backslashreplace").decode("utf-8"))
    print(f"\nwritten {path}")
    try:
        report.draw(results, path.with_suffix(".png"))
        print(f"written {path.with_suffix('.png')}")
    except ImportError:
        print("no plot: matplotlib is not installed (pip install matplotlib)")
