"""Which mistake is it? The variants of the bank that fail a check with the very numbers that yours has.

A check's inputs are the same each time, so two programs with the same mistake fail it with the same numbers, to six digits, at the
same places. Where several variants do, the check cannot tell them apart, and all are named. Where none does, nothing is said:
better no diagnosis than a wrong one.
Left out: mistakes that end in an exception, NaN or another dtype, which say themselves what they are; mistakes of the whole model.
"""

import math
from collections import Counter
from collections.abc import Iterable

from minigpt import checks
from minigpt.course import variants


def likely(reports: Iterable[checks.Report], seed: int = 0) -> list[str]:
    """What most of the failing checks say it is. Central differences are left out: they take long, and others say the same."""
    failing = [report for report in reports if not report.passed and not report.check.name.endswith(".gradient")]
    named = Counter(about for report in failing for about in diagnosis(report.check, report, seed))
    return [about for about, count in named.items() if count == max(named.values())]


def diagnosis(check: checks.Check, report: checks.Report, seed: int = 0) -> list[str]:
    """What the code does instead of what is right, as sentences that can follow "this is what you get when". Often none.

    seed: that with which the report was made.
    """
    mine = _failed(report)
    if not any(math.isfinite(line.error) for line in report.lines if line.problem):
        return []
    library = checks.library()
    modules = {getattr(library, name).__module__.removeprefix("minigpt.") for name in check.functions}
    suspects = [variant for variant in variants.bank() if variant.module in modules]
    return [one.about for one in suspects if _failed(checks.perform(check, variants.subject(one), seed)) == mine]


def _failed(report: checks.Report) -> list[tuple[str, str, str]]:
    """The lines with a problem, without the last digits: what, got, wanted."""
    return [(line.tensor, line.got, line.want) for line in report.lines if line.problem]
