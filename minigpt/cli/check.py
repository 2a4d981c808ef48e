"""Test the layers, the model and the training, or a file of your own: one line a tensor.

  minigpt check                              everything: golden numbers, loops, central differences, properties, bad input
  minigpt check layer_norm                   all checks of one function
  minigpt check gelu.gradient                one check
  minigpt check --ops numba                  the kernels: the same checks, in float32
  minigpt check --ops my_layers.py           your functions; what your file lacks comes from the reference

Your file defines functions of the contract by name, such as gelu_forward and gelu_backward (see
minigpt/layers/). Where your numbers are those of a mistake that is known, it is named. Your file
runs in a process of its own. Each call has a time limit; all calls together may take 30 times that
and a minute. What it prints is marked with a bar. The status is 0 if every check passed.
"""

import argparse
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from minigpt import checks
from minigpt.cli.arguments import add_ops, number, whole
from minigpt.cli.warmup import warm_up
from minigpt.contract import pair_of
from minigpt.grading import beforehand
from minigpt.grading.remote import SECONDS, Learner
from minigpt.mistakes.diagnosis import likely
from minigpt.ops import load_ops, overlay


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="a function or a check (default: all)"
    )
    parser.add_argument(
        "--seed", type=whole(0), default=0, metavar="N", help="of the random inputs (default: 0)"
    )
    parser.add_argument(
        "--strict", action="store_true", help="your own functions must also reject bad input"
    )
    parser.add_argument(
        "--list", action="store_true", help="print the names of the checks, and what each tests"
    )
    parser.add_argument(
        "--failures", action="store_true", help="print only what fails, and the sum"
    )
    parser.add_argument(
        "--time-limit",
        type=number(0.0, open_below=True),
        default=SECONDS,
        metavar="X",
        help=f"seconds for one call of a function of yours (default: {SECONDS:g})",
    )
    add_ops(parser)


def run(args: argparse.Namespace) -> int:
    chosen = checks.select(args.names)
    if args.list:
        for check in chosen:
            print(f"{check.name:40s} {check.about}")
        return 0
    if args.ops not in ("by_hand", "numpy", "numba"):
        beforehand.read_all()
        with terminated_like_interrupted(), Learner(args.ops, args.time_limit) as learner:
            return check_own(args, learner, chosen)
    perform = checks.perform
    if args.ops == "by_hand":
        subject, chosen = (
            load_ops("by_hand"),
            [check for check in chosen if checks.asked_of_by_hand(check)],
        )
    elif args.ops == "numpy":
        subject = checks.everything()
    else:
        warm_up(everything=True)
        subject, perform = (
            checks.everything(checks.in_float32(load_ops("numba"))),
            checks.perform_float32,
        )
        chosen = [check for check in chosen if checks.asked_of_float32(check)]
    expect_some(args, chosen, [])
    begun = time.perf_counter()
    reports = [shown(perform(check, subject, args.seed), args.failures) for check in chosen]
    return conclude(reports, [], time.perf_counter() - begun)


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM, which `timeout` sends, acts as Ctrl-C does: the learner's process is ended first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def check_own(args: argparse.Namespace, learner: Learner, chosen: list[checks.Check]) -> int:
    """A learner's functions, in a process of their own, over the reference in this one."""
    chosen = announce(args, learner, chosen)
    expect_some(args, chosen, learner.places)
    subject = checks.everything(overlay(learner.functions()))
    begun, reports = time.perf_counter(), []
    for check in chosen:
        call = call_there(learner, check, args.seed) if check.looks_at_memory else None
        reports.append(shown(checks.perform(check, subject, args.seed, call), args.failures))
    for mistake in likely(reports, args.seed):
        print(f"this is what you get when {mistake}")
    asked = {function for check in chosen for function in check.functions}
    uncalled = [name for name in learner.places if learner.calls[name] == 0 and name in asked]
    return conclude(reports, uncalled, time.perf_counter() - begun)


def call_there(learner: Learner, check: checks.Check, seed: int) -> Callable[..., dict]:
    """The call of a check that looks at memory: it runs where the learner's arrays are."""
    return lambda subject, **inputs: learner.outputs(check, seed)


def announce(
    args: argparse.Namespace, learner: Learner, chosen: list[checks.Check]
) -> list[checks.Check]:
    """Say what is tested, and return the checks that concern it."""
    own = learner.places
    for name, place in own.items():
        print(f"testing YOUR {name} ({place})")
        pair = pair_of(name)
        if pair and name == pair.forward and pair.backward not in own:
            print(
                f"        {pair.backward} is the reference's: your forward is checked by itself, "
                "the pair is not"
            )
    if not args.strict:
        chosen = [check for check in chosen if check not in checks.BAD_INPUT_CHECKS]
    return checks.checks_of(own, chosen)


def expect_some(args: argparse.Namespace, chosen: list[checks.Check], own: Iterable[str]) -> None:
    if not chosen:
        raise ValueError(
            f"no check of {' '.join(args.names)} fits: --ops {args.ops} holds "
            f"{', '.join(own) or 'none of them'}"
        )


def shown(report: checks.Report, failures_only: bool) -> checks.Report:
    """The report, printed."""
    if not (failures_only and report.passed):
        print(f"{report.check.name}: {report.check.about}")
    for line in report.lines:
        if line.problem or not failures_only:
            print(f"  {line}")
    return report


def conclude(reports: list[checks.Report], uncalled: list[str], seconds: float) -> int:
    """The sum. Raises ValueError if something failed, so that the status and stderr say so."""
    failed = [report.check.name for report in reports if not report.passed]
    tensors = sum(len(report.lines) for report in reports)
    gradients = [
        line for report in reports for line in report.lines if ".gradient" in report.check.name
    ]
    if gradients and max(line.error for line in gradients) < float("inf"):
        error, allowed = (
            max(getattr(line, name) for line in gradients) for name in ("error", "tolerance")
        )
        worst = f"largest relative error {error:.1e} (at most {allowed:.0e})"
        print(f"gradients: {len(gradients)} tensors by central differences, {worst}")
    print(f"{len(reports)} checks, {tensors} tensors, {len(failed)} checks failed, {seconds:.1f} s")
    never = f"never called by a check: {', '.join(uncalled)}" if uncalled else ""
    if failed:
        more = f"; {never}" if never else ""
        raise ValueError(
            f"{len(failed)} of {len(reports)} checks failed: {', '.join(failed)}{more}"
        )
    if uncalled:
        raise ValueError(f"{never}: nothing of that was tested")
    return 0
