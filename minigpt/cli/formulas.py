"""Every formula, its source, and the largest error of its implementations.

  minigpt formulas                 all formulas, in short
  minigpt formulas softmax         ids that begin with softmax, with examples
  minigpt formulas --refuted       wrong formulas that circulate, refuted
  minigpt formulas --ops my.py gelu  your functions beside the others

The status is 0 if every formula holds and every refutation is right.
"""

import argparse

from minigpt.expect import did_you_mean
from minigpt.formulas import FORMULAS, REFUTED, Formula
from minigpt.formulas.core import implementation
from minigpt.ops import load_ops


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "ids", nargs="*", metavar="ID", help="a formula, or the beginning of its id (default: all)"
    )
    parser.add_argument(
        "--refuted", action="store_true", help="the formulas that circulate and are wrong"
    )
    parser.add_argument("--ops", metavar="FILE", help="a file of yours, as one more row")


def run(args: argparse.Namespace) -> int:
    chosen = select(args.ids, REFUTED if args.refuted else FORMULAS)
    if args.refuted:
        return show_refuted(chosen)
    ops = load_ops(args.ops) if args.ops else None
    if implementation("kernels") is None:
        print("kernels: not compared, Numba is not installed (pip install numba)")
    failed = []
    for formula in chosen:
        rows = formula.rows(ops)
        if not all(row.passed for row in rows):
            failed.append(formula.id)
        print(whole(formula, ops) if args.ids else line(formula, rows))
    print(f"{len(chosen)} formulas, {len(failed)} failed")
    if failed:
        raise ValueError(f"{len(failed)} of {len(chosen)} formulas failed: {', '.join(failed)}")
    if not args.ids:
        print(
            f"{len(REFUTED)} that circulate and are wrong, each with the number that refutes it: "
            "minigpt formulas --refuted"
        )
    return 0


def show_refuted(chosen: list) -> int:
    for refuted in chosen:
        print(f"{refuted}\n")
    print(f"{len(chosen)} formulas that circulate and are wrong")
    standing = [refuted.id for refuted in chosen if not refuted.holds()]
    if standing:
        raise ValueError(f"not refuted as printed: {', '.join(standing)}")
    return 0


def select(words: list[str], among: dict) -> list:
    """The formulas whose id begins with one of the words.

    Raises ValueError if a word fits none.
    """
    for word in words:
        if not any(id.startswith(word) for id in among):
            groups = sorted({id.partition(".")[0] for id in among})
            near = did_you_mean(word, [*groups, *among]) or f"; give one of {', '.join(groups)}"
            raise ValueError(f"there is no formula {word!r}{near}")
    return [
        one for id, one in among.items() if not words or any(id.startswith(word) for word in words)
    ]


def line(formula: Formula, rows: list) -> str:
    """A formula in three lines: errors and implementations; text; source."""
    single = [row.error for row in rows if row.way == "kernel"]
    double = max(
        (row.error for row in rows if row.way not in ("kernel", "golden", "central differences")),
        default=0.0,
    )
    kernel = f"{single[0]:7.1e}" if single else "      -"
    verdict = "ok  " if all(row.passed for row in rows) else "FAIL"
    ways = ", ".join(row.way for row in rows)
    head = (
        f"{verdict}  {formula.id:30s} largest difference {double:7.1e}, of the kernel {kernel}  "
        f" ({ways})"
    )
    return f"{head}\n      {formula.text}\n      {formula.source}"


def whole(formula: Formula, ops: object) -> str:
    proofs = formula.checks()
    more = (
        f"\n    also tested by {len(proofs)} checks: minigpt check {' '.join(proofs[:2])} ..."
        if proofs
        else ""
    )
    return f"{formula.show(ops)}{more}\n"
