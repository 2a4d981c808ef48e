"""Read everything a verdict needs before a learner's file runs.

The learner's file could overwrite files of minigpt.
"""

import importlib
from pathlib import Path

from minigpt import checks
from minigpt.checks import golden_numbers
from minigpt.mistakes import variants


def read_all() -> None:
    """Import all modules of the checks; keep golden numbers and variants."""
    checks.everything()
    importlib.import_module("numpy.polynomial")  # NumPy imports it at its first use, in by_hand
    for file in Path(golden_numbers.__file__).parent.glob("golden/*.npz"):
        golden_numbers.numbers(file.stem)
    for variant in variants.bank():
        if not variant.is_kernel:
            variants.source(variant.module)
