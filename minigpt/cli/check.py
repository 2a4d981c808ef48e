"""Prove the layers, the model and the training, or a file of your own: one line a tensor.

  minigpt check                              everything: golden numbers, loops, central differences, properties, bad input
  minigpt check layer_norm                   all checks of one function
  minigpt check gelu.gradient                one check
  minigpt check --ops numba                  the kernels: the same checks, in float32
  minigpt check --ops my_layers.py           your functions; what your file lacks comes from the reference

Your file defines functions of the contract by name, such as gelu_forward and gelu_backward (see minigpt/layers/). Where your
numbers are those of a mistake that is known, it is named. The status is 0 where every check passed.
"""

import argparse
import functools
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from minigpt import checks
from minigpt.cli.arguments import add_ops, whole
from minigpt.cli.warmup import warm_up
from minigpt.course.diagnosis import likely
from minigpt.ops import functions_at, load_ops, overlay, where


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="a function or a check (default: all)")
    parser.add_argument("--seed", type=whole(0), default=0, metavar="N", help="of the random inputs (default: 0)")
    parser.add_argument("--strict", action="store_true", help="your own functions must also reject bad input")
    parser.add_argument("--list", action="store_true", help="print the names of the checks, and what each proves")
    parser.add_argument("--failures", action="store_true", help="print only what fails, and the sum")
    add_ops(parser)


def run(args: argparse.Namespace) -> int:
    calls: Counter[str] = Counter()
    perform = checks.perform
    chosen = checks.select(args.names)
    if args.list:
        for check in chosen:
            print(f"{check.name:40s} {check.about}")
        return 0
    if args.ops == "by_hand":
        subject, chosen = load_ops("by_hand"), [check for check in chosen if checks.asked_of_by_hand(check)]
    elif args.ops == "numpy":
        subject = checks.library()
    elif args.ops == "numba":
        warm_up(everything=True)
        subject, perform = checks.library(checks.in_single(load_ops("numba"))), checks.perform_single
        chosen = [check for check in chosen if checks.asked_of_single(check)]
    else:
        subject, chosen = own_subject(args, chosen, calls)
    if not chosen:
        raise ValueError(f"no check of {' '.join(args.names)} fits: --ops {args.ops} holds {', '.join(calls) or 'none of them'}")
    begun = time.perf_counter()
    reports = []
    for check in chosen:
        reports.append(perform(check, subject, args.seed))
        show(reports[-1], args.failures)
    if calls:  # your own functions
        for mistake in likely(reports, args.seed):
            print(f"this is what you get when {mistake}")
    asked = {function for check in chosen for function in check.functions}
    uncalled = [name for name, count in calls.items() if count == 0 and name in asked]
    return conclude(reports, uncalled, time.perf_counter() - begun)


def own_subject(args: argparse.Namespace, chosen: list[checks.Check], calls: Counter[str]) -> tuple[object, list[checks.Check]]:
    """A learner's functions over the reference, each call counted, and the checks that concern them."""
    own = functions_at(Path(args.ops))
    for name, function in own.items():
        calls[name] = 0
        print(f"testing YOUR {name} ({where(function)})")
        partner = name.removesuffix("_forward") + "_backward"
        if name.endswith("_forward") and partner not in own:
            print(f"        {partner} is the reference's: your forward is checked by itself, the pair is not")
    if not args.strict:
        chosen = [check for check in chosen if check not in checks.BAD_INPUT_CHECKS]
    ops = overlay({name: counting(name, function, calls) for name, function in own.items()})
    return checks.library(ops), checks.checks_of(own, chosen)


def counting(name: str, function: Callable, calls: Counter[str]) -> Callable:
    """The function, its calls counted: a check that never called it has tested something else."""

    @functools.wraps(function)
    def counted(*args, **kwargs):
        calls[name] += 1
        return function(*args, **kwargs)

    return counted


def show(report: checks.Report, failures_only: bool) -> None:
    if not (failures_only and report.passed):
        print(f"{report.check.name}: {report.check.about}")
    for line in report.lines:
        if line.problem or not failures_only:
            print(f"  {line}")


def conclude(reports: list[checks.Report], uncalled: list[str], seconds: float) -> int:
    """The sum. Raises ValueError where something failed, so that the status and stderr say so."""
    failed = [report.check.name for report in reports if not report.passed]
    tensors = sum(len(report.lines) for report in reports)
    gradients = [line for report in reports for line in report.lines if ".gradient" in report.check.name]
    if gradients and max(line.error for line in gradients) < float("inf"):
        error, allowed = (max(getattr(line, name) for line in gradients) for name in ("error", "tolerance"))
        worst = f"largest relative error {error:.1e} (at most {allowed:.0e})"
        print(f"gradients: {len(gradients)} tensors by central differences, {worst}")
    print(f"{len(reports)} checks, {tensors} tensors, {len(failed)} checks failed, {seconds:.1f} s")
    never = f"never called by a check: {', '.join(uncalled)}" if uncalled else ""
    if failed:
        more = f"; {never}" if never else ""
        raise ValueError(f"{len(failed)} of {len(reports)} checks failed: {', '.join(failed)}{more}")
    if uncalled:
        raise ValueError(f"{never}: nothing of that was tested")
    return 0
