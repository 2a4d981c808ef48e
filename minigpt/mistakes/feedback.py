"""What a learner is told: the first failure and its mistake.

`minigpt check` and notebook.check print the same.
"""

from collections.abc import Iterable
from typing import NamedTuple

from minigpt.checks import Line, Report
from minigpt.mistakes.diagnosis import likely

NOT_WRITTEN = "NotImplementedError"


class Feedback(NamedTuple):
    """What is said about the failing reports of some functions."""

    first: Report | None  # the first that failed; None if all passed
    problem: str  # what is wrong there, in one sentence
    mistakes: list[str]  # sentences that can follow "this is what you get when"
    not_written: list[str]  # messages of the stubs that raised NotImplementedError


def feedback(reports: Iterable[Report], seed: int = 0) -> Feedback:
    """Return the first failure, and the likely mistakes of all failures.

    seed: that of the reports.
    """
    reports = list(reports)
    unwritten = [report for report in reports if _is_stub(report)]
    rest = [report for report in reports if not _is_stub(report)]
    first = next((report for report in rest if not report.passed), None)
    said = list(dict.fromkeys(_without_type(problem(report)) for report in unwritten))
    if first is None:
        return Feedback(None, "", [], said)
    return Feedback(first, problem(first), likely(rest, seed), said)


def _is_stub(report: Report) -> bool:
    return not report.passed and problem(report).startswith(NOT_WRITTEN)


def problem(report: Report) -> str:
    """Return what is wrong in the first failing line, as a sentence."""
    line = next((line for line in report.lines if line.problem), None)
    return sentence(line) if line else "it compared nothing"


def sentence(line: Line) -> str:
    """Return what is wrong in a failing line, with the array's name."""
    named = line.problem.startswith(line.tensor) or line.tensor == "call"
    return line.problem if named else f"{line.tensor} {line.problem}"


def _without_type(text: str) -> str:
    """Return "softmax_backward" of "NotImplementedError: softmax_backward (mine.py:4)"."""
    return text.removeprefix(NOT_WRITTEN).removeprefix(": ").strip()
