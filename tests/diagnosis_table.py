"""Which of the wrong variants `minigpt check --ops FILE` names, and whether it is right.

    python tests/diagnosis_table.py        a line for each that is not named rightly, and the sums

Each variant of a layer is laid over the reference as a learner's file would be. The checks that
`check` runs then fail, and what it says first is compared with the variant's own sentence.
"""

from collections import Counter

from minigpt import checks, layers
from minigpt.contract import FUNCTIONS
from minigpt.mistakes import variants
from minigpt.mistakes.diagnosis import likely

ASKED = [check for check in checks.LAYER_CHECKS if check not in checks.BAD_INPUT_CHECKS]


def verdict(variant: variants.Variant) -> str:
    """ "right", "wrong", "not named", or "only with --strict" for what plain checks let pass."""
    module = f"minigpt.{variant.module}"
    own = [name for name in FUNCTIONS if getattr(layers, name).__module__ == module]
    subject = variants.subject(variant)
    reports = [checks.perform(check, subject) for check in checks.checks_of(own, ASKED)]
    if all(report.passed for report in reports):
        return "only with --strict"
    said = likely(reports)
    return "not named" if not said else "right" if variant.about in said[0] else "wrong"


def main() -> None:
    found = Counter()
    for variant in variants.bank():
        if variant.module.startswith("layers."):
            found[one := verdict(variant)] += 1
            if one != "right":
                print(f"{one:20s} {variant.name}: {variant.about}", flush=True)
    total = sum(found.values())
    for name, count in found.most_common():
        print(f"{name:20s} {count:4d} of {total}  {count / total:.0%}")


if __name__ == "__main__":
    main()
