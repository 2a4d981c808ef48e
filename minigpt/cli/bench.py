"""Measure the kernels beside NumPy and, where it is installed, PyTorch: in turn, in one run, each
in a process of its own.

  minigpt bench                     everything, about ten minutes
  minigpt bench attention step      some of it
  minigpt bench --out benchmarks    everything, and RESULTS.md and results.png written there

A ratio is how many times as long as the kernels a peer takes: x1.50 means that the kernels are half
as fast again.
"""

import argparse
from pathlib import Path

from minigpt.bench import limits, report
from minigpt.bench.cases import GROUPS
from minigpt.bench.run import available, measure
from minigpt.cli.warmup import warm_up
from minigpt.expect import did_you_mean
from minigpt.files import expect_ours

MORE = ("limits",)  # measured beside the groups: memory and compile times


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "groups",
        nargs="*",
        metavar="GROUP",
        help=f"of {', '.join((*GROUPS, *MORE))} (default: all)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write RESULTS.md and results.png there"
    )


def run(args: argparse.Namespace) -> int:
    for group in args.groups:
        if group not in (*GROUPS, *MORE):
            names = (*GROUPS, *MORE)
            near = did_you_mean(group, names) or f"; give some of {', '.join(names)}"
            raise ValueError(f"there is no benchmark {group!r}{near}")
    chosen = args.groups or [*GROUPS, *MORE]
    if args.out:
        expect_ours(args.out / "RESULTS.md", b"minigpt bench")
    warm_up(everything=True)
    if "torch" not in available():
        print("PyTorch is not installed: measured against NumPy alone (pip install torch)")
    machine, peak, bandwidth = limits.machine(), limits.peak_gflops(), limits.read_gigabytes()
    print("\n".join(f"{name:10s} {value}" for name, value in machine.items()))
    print(f"limits     OpenBLAS sgemm {peak:.0f} GFLOP/s, memory read {bandwidth:.0f} GB/s")
    results = []
    for group, cases in GROUPS.items():
        if group in chosen:
            print(f"\n{report.TITLES[group]}")
            results += measure(
                cases(), lambda result: print(f"  {report.line(result, peak)}", flush=True)
            )
    more = beside() if "limits" in chosen else []
    print("\n".join(["", *more, "", *report.summary(results)]))
    if args.out:
        write(args, results, machine, peak, bandwidth, more)
    return 0


def beside() -> list[str]:
    """Memory of attention and seconds of compiling, as lines of a table."""
    lengths = (1024, 2048, 4096, 8192)
    lines = [
        "| extra memory of attention, forward + backward, MiB | "
        + " | ".join(f"T = {T}" for T in lengths)
        + " |",
        "|---" * 5 + "|",
    ]
    lines.append(
        "| kernels | "
        + " | ".join(f"{limits.attention_memory('numba', T):.0f}" for T in lengths)
        + " |"
    )
    plain = [f"{limits.attention_memory('numpy', T):.0f}" for T in lengths[:3]]
    lines.append(f"| the plain formula (NumPy) | {' | '.join(plain)} | not tried |")
    lines += ["", f"Cold compile of all that a training run needs: {limits.cold_compile():.1f} s."]
    lines.append(
        "`minigpt train` with a warm cache, start of the process to the end of step 1: "
        f"{limits.first_step():.1f} s."
    )
    return lines


def write(args: argparse.Namespace, results, machine, peak, bandwidth, more) -> None:
    args.out.mkdir(parents=True, exist_ok=True)
    command = " ".join(["minigpt bench", *args.groups, f"--out {args.out}"])
    text = report.markdown(results, machine, peak, bandwidth, more, command)
    (args.out / "RESULTS.md").write_text(text, encoding="utf-8", errors="backslashreplace")
    print(f"\nwritten {args.out / 'RESULTS.md'}")
    try:
        report.draw(results, args.out / "results.png")
        print(f"written {args.out / 'results.png'}")
    except ImportError:
        print("no plot: matplotlib is not installed (pip install matplotlib)")
