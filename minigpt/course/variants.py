"""The bank of wrong variants: classic and less classic bugs of a hand-written GPT, each as a small edit of our own source.

A variant is data: which file, what is replaced by what, what it computes instead, and the check that must notice. Because it is an
edit of the reference, it never goes stale: an edit that no longer fits is an error. The bugs are in wrong_layers.py and
wrong_library.py. They serve as a gate (every variant is killed by its check), as a diagnosis and as an exercise.
"""

import importlib
from types import SimpleNamespace
from typing import NamedTuple

from minigpt import checks, layers, ops


class Variant(NamedTuple):
    """One bug."""

    name: str  # begins with the module
    about: str  # what it does instead, as a sentence that can follow "this is what you get when"
    edits: tuple[tuple[str, str], ...]  # what stands in the source once -> what stands there instead
    killed_by: str  # the name of a check
    origin: str = "ours"  # "BUGS 04": from the list of classic bugs; "public": found in a public NumPy transformer

    @property
    def module(self) -> str:
        """layers.softmax, optim, ..."""
        return self.name.partition("/")[0]


def subject(variant: Variant) -> SimpleNamespace:
    """The whole library with this bug in it. Raises ValueError where an edit does not fit the source exactly once."""
    module = importlib.import_module(f"minigpt.{variant.module}")
    copy = ops.copied(module, lambda source: edited(source, variant))
    if not variant.module.startswith("layers."):
        return checks.library(replaced={variant.module: copy})
    own = {name: getattr(copy, name) for name in layers.__all__ if getattr(layers, name).__module__ == module.__name__}
    return checks.library(ops.overlay(own))


def edited(source: str, variant: Variant) -> str:
    """The source with the bug."""
    for old, new in variant.edits:
        if source.count(old) != 1:
            raise ValueError(
                f"variant {variant.name}: {old!r} stands {source.count(old)} times in minigpt.{variant.module}, not once"
            )
        source = source.replace(old, new)
    return source


def bank() -> list[Variant]:
    """All variants."""
    from minigpt.course.wrong_layers import WRONG_LAYERS
    from minigpt.course.wrong_library import WRONG_LIBRARY

    return WRONG_LAYERS + WRONG_LIBRARY


def kill(variant: Variant, seed: int = 0) -> checks.Report:
    """The report of the check that must notice the bug."""
    (check,) = [check for check in checks.LAYER_CHECKS + checks.LIBRARY_CHECKS if check.name == variant.killed_by]
    return checks.perform(check, subject(variant), seed)
