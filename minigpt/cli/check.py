"""Test minigpt, or a file of yours: one line per function.

  minigpt check                      everything
  minigpt check layer_norm           all checks of one function
  minigpt check gelu.gradient --verbose  one check, one line per array
  minigpt check --ops numba          the kernels: the same checks, in float32
  minigpt check --ops my_layers.py   your functions; the rest is the reference's
  minigpt check --list               the names of the checks
  minigpt check --variant softmax/no_max  a known mistake

Your file defines functions of the contract by their names, for example
gelu_forward and gelu_backward (see `minigpt contract`). If your numbers are
those of a known mistake, it is named. Your file runs in a separate process.
Each call has a time limit; all calls together may take 30 times that and a
minute. What your file prints is marked with a bar. The status is 0 if every
check passed.
"""

import argparse
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from minigpt import checks
from minigpt.cli import console, variant
from minigpt.cli.arguments import add_ops, number, whole
from minigpt.cli.warmup import warm_up
from minigpt.contract import pair_of
from minigpt.grading import beforehand
from minigpt.grading.remote import SECONDS, Learner
from minigpt.mistakes.feedback import Feedback, feedback
from minigpt.ops import NAMES, load_ops, overlay
from minigpt.training.progress import progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="a function or a check (default: all)"
    )
    parser.add_argument("--verbose", action="store_true", help="a line for each array")
    parser.add_argument("--failures", action="store_true", help="a line for each array that fails")
    parser.add_argument("--list", action="store_true", help="the names of the checks")
    parser.add_argument("--variant", metavar="NAME", help="show a known mistake; all: list them")
    parser.add_argument(
        "--strict", action="store_true", help="your own functions must also reject bad input"
    )
    parser.add_argument(
        "--seed", type=whole(0), default=0, metavar="N", help="of the random inputs (default: 0)"
    )
    parser.add_argument(
        "--time-limit",
        type=number(0.0, open_below=True),
        default=SECONDS,
        metavar="X",
        help=f"seconds for one call of a function of yours (default: {SECONDS:g})",
    )
    add_ops(parser)


class Subject(NamedTuple):
    """What is checked: functions, how to check them, which checks fit."""

    functions: object
    perform: Callable[[checks.Check, object, int], checks.Report] = checks.perform
    asked: Callable[[checks.Check], bool] = lambda check: True


def ours(ops: str) -> Subject:
    """One of minigpt's implementations."""
    if ops == "by_hand":
        return Subject(load_ops("by_hand"), asked=checks.asked_of_by_hand)
    if ops == "numpy":
        return Subject(checks.everything())
    warm_up(everything=True)
    kernels = checks.everything(checks.in_float32(load_ops("numba")))
    return Subject(kernels, checks.perform_float32, checks.asked_of_float32)


def run(args: argparse.Namespace) -> int:
    if args.variant:
        return variant.show(args.variant)
    chosen = checks.select(args.names)
    if args.list:
        print("\n".join(f"{check.name:40s} {check.about}" for check in chosen))
        return 0
    if args.ops not in NAMES:
        beforehand.read_all()
        with terminated_like_interrupted(), Learner(args.ops, args.time_limit) as learner:
            return check_own(args, learner, chosen)
    subject = ours(args.ops)
    chosen = [check for check in chosen if subject.asked(check)]
    expect_some(args, chosen, [])
    begun = time.perf_counter()
    reports = perform_all(args, subject, chosen)
    about = tell(args, reports)
    return conclude(reports, about, [], time.perf_counter() - begun)


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """A context in which SIGTERM acts as Ctrl-C.

    The learner's process is then ended first. (`timeout` sends SIGTERM.)
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def check_own(args: argparse.Namespace, learner: Learner, chosen: list[checks.Check]) -> int:
    """Check a learner's functions, which run in a separate process."""
    chosen = announce(args, learner, chosen)
    expect_some(args, chosen, learner.places)

    def perform(check: checks.Check, subject: object, seed: int) -> checks.Report:
        call = call_there(learner, check, seed) if check.looks_at_memory else None
        return checks.perform(check, subject, seed, call)

    begun = time.perf_counter()
    subject = Subject(checks.everything(overlay(learner.functions())), perform)
    reports = perform_all(args, subject, chosen)
    about = tell(args, reports)
    asked = {function for check in chosen for function in check.functions}
    uncalled = [name for name in learner.places if learner.calls[name] == 0 and name in asked]
    return conclude(reports, about, uncalled, time.perf_counter() - begun)


def call_there(learner: Learner, check: checks.Check, seed: int) -> Callable[..., dict]:
    """The call of a check that looks at memory, in the learner's process."""
    return lambda subject, **inputs: learner.outputs(check, seed)


def announce(
    args: argparse.Namespace, learner: Learner, chosen: list[checks.Check]
) -> list[checks.Check]:
    """Print what is tested; return the checks of it."""
    own = learner.places
    for name, place in own.items():
        print(f"testing YOUR {name} ({place})")
        pair = pair_of(name)
        if pair and name == pair.forward and pair.backward not in own:
            about = f"{pair.backward} is the reference's: your forward is checked by itself"
            console.verdict("note", about)
    if not args.strict:
        chosen = [check for check in chosen if check not in checks.BAD_INPUT_CHECKS]
    return checks.checks_of(own, chosen)


def expect_some(args: argparse.Namespace, chosen: list[checks.Check], own: Iterable[str]) -> None:
    if not chosen:
        raise ValueError(
            f"no check of {' '.join(args.names)} fits: --ops {args.ops} holds "
            f"{', '.join(own) or 'none of them'}"
        )


def perform_all(
    args: argparse.Namespace, subject: Subject, chosen: list[checks.Check]
) -> list[checks.Report]:
    """Run the checks and print one line per function."""
    groups: dict[str, list[checks.Check]] = {}
    for check in chosen:
        groups.setdefault(check.name.partition(".")[0], []).append(check)
    every = []
    with progress("checking", len(chosen), after=2.0) as advance:
        for name, group in groups.items():
            reports = []
            for check in group:
                reports.append(subject.perform(check, subject.functions, args.seed))
                advance(check.name)
            print_group(args, name, reports)
            every += reports
    return every


def print_group(args: argparse.Namespace, name: str, reports: list[checks.Report]) -> None:
    """Print one line for a function; with --verbose, one per array too."""
    failed = sum(not report.passed for report in reports)
    arrays = sum(len(report.lines) for report in reports)
    if failed:
        console.verdict("FAIL", f"{name:22s} {failed} of {len(reports)} checks failed")
    else:
        console.verdict("ok", f"{name:22s} {len(reports):3d} checks, {arrays:5,d} arrays")
    for report in reports:
        if args.verbose or (args.failures and not report.passed):
            print(f"{report.check.name}: {report.check.about}")
            lines = [line for line in report.lines if args.verbose or line.problem]
            print("\n".join(f"  {line}" for line in lines))


def tell(args: argparse.Namespace, reports: list[checks.Report]) -> Feedback:
    """Print the known mistake, the first failure, the command for more."""
    about = feedback(reports, args.seed)
    if about.first is None:
        return about
    print()
    for mistake in about.mistakes:
        console.box("most likely mistake", f"this is what you get when {mistake}")
    print(console.wrapped(f"first failure: {about.first.check.name}, {about.first.check.about}"))
    print(console.wrapped(about.problem, "  "))
    flags = "" if args.ops == "numpy" else f" --ops {args.ops}"
    seed = f" --seed {args.seed}" if args.seed else ""
    print(f"more: minigpt check {about.first.check.name}{flags}{seed} --verbose\n")
    return about


def conclude(
    reports: list[checks.Report], about: Feedback, uncalled: list[str], seconds: float
) -> int:
    """Print the totals. Raises ValueError if something failed."""
    print_gradients(reports)
    failed = [report.check.name for report in reports if not report.passed]
    arrays = sum(len(report.lines) for report in reports)
    print(f"{len(reports)} checks, {arrays:,} arrays, {len(failed)} checks failed, {seconds:.1f} s")
    never = f"never called by a check: {', '.join(uncalled)}" if uncalled else ""
    stubs = ", ".join(about.not_written)
    unwritten = f"; not written yet: {stubs}" if stubs else ""
    if failed:
        names = ", ".join(failed[:5]) + (", ..." if len(failed) > 5 else "")
        more = f"; {never}" if never else ""
        raise ValueError(f"{len(failed)} of {len(reports)} checks failed: {names}{unwritten}{more}")
    if uncalled:
        raise ValueError(f"{never}: nothing of that was tested")
    return 0


def print_gradients(reports: list[checks.Report]) -> None:
    """Print the largest error of the gradients by central differences."""
    lines = [
        line for report in reports for line in report.lines if ".gradient" in report.check.name
    ]
    if lines and max(line.error for line in lines) < float("inf"):
        error, allowed = (
            max(getattr(line, name) for line in lines) for name in ("error", "tolerance")
        )
        print(
            f"gradients: {len(lines)} arrays by central differences, "
            f"largest relative error {error:.1e}\n           (at most {allowed:.0e})"
        )
