"""The bank of wrong variants: classic and less classic bugs of a hand-written GPT, each as a small edit of our own source.

A variant is data: which file, what is replaced by what, what it computes instead, and the check that must notice. Because it is an
edit of the reference, it never goes stale: an edit that no longer fits is an error. The bugs are in the files wrong_*.py. They
serve as a gate (every variant is killed by its check), as a diagnosis and as an exercise.
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import NamedTuple

from minigpt import checks, layers, ops
from minigpt.contract import FUNCTIONS


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

    @property
    def is_kernel(self) -> bool:
        """Whether the bug is one of the kernels: it runs as plain Python, with NUMBA_DISABLE_JIT=1."""
        return self.module.startswith("kernels.")


def subject(variant: Variant) -> SimpleNamespace:
    """The whole library with this bug in it. Raises ValueError if an edit does not fit the source exactly once."""
    if variant.is_kernel:
        with _edited_kernels(variant) as wrong:
            return checks.library(checks.in_single(wrong))
    module = importlib.import_module(f"minigpt.{variant.module}")
    copy = ops.copied(module, lambda source: edited(source, variant))
    if not variant.module.startswith("layers."):
        return checks.library(replaced={variant.module: copy})
    own = {name: getattr(copy, name) for name in FUNCTIONS if getattr(layers, name).__module__ == module.__name__}
    return checks.library(ops.overlay(own))


@contextmanager
def _edited_kernels(variant: Variant) -> Iterator[ModuleType]:
    """A second copy of the package `kernels`, with the bug in one file. Raises RuntimeError if Numba would compile it."""
    from kernels.jit import DISABLED

    if not DISABLED:
        raise RuntimeError(f"{variant.name}: a wrong kernel runs as plain Python; set NUMBA_DISABLE_JIT=1")
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "kernels"}
    finder = _Finder(variant)
    sys.meta_path.insert(0, finder)
    try:
        yield importlib.import_module("kernels")
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.partition(".")[0] == "kernels"]:
            del sys.modules[name]
        sys.modules.update(kept)


class _Finder:
    """Finds the one module that is to be edited; the rest is found as ever."""

    def __init__(self, variant: Variant):
        self.variant = variant

    def find_spec(self, name: str, path: list[str] | None, target: object = None):
        if name != self.variant.module:
            return None
        file = Path(path[0], f"{name.rpartition('.')[2]}.py")
        return importlib.util.spec_from_file_location(name, file, loader=_Editing(name, str(file), self.variant))


class _Editing(SourceFileLoader):
    """Loads a module from its source, edited."""

    def __init__(self, name: str, path: str, variant: Variant):
        super().__init__(name, path)
        self.variant = variant

    def get_code(self, name: str):
        return compile(edited(Path(self.path).read_text(encoding="utf-8"), self.variant), self.path, "exec")


def edited(source: str, variant: Variant) -> str:
    """The source with the bug."""
    for old, new in variant.edits:
        if source.count(old) != 1:
            raise ValueError(f"variant {variant.name}: {old!r} stands {source.count(old)} times in {variant.module}, not once")
        source = source.replace(old, new)
    return source


def bank() -> list[Variant]:
    """All variants."""
    from minigpt.course.wrong_add import WRONG_ADD
    from minigpt.course.wrong_articles import WRONG_ARTICLES
    from minigpt.course.wrong_attention import WRONG_ATTENTION
    from minigpt.course.wrong_embedding import WRONG_EMBEDDING
    from minigpt.course.wrong_generate import WRONG_GENERATE
    from minigpt.course.wrong_kernels import WRONG_KERNELS
    from minigpt.course.wrong_layers import WRONG_LAYERS
    from minigpt.course.wrong_mlp import WRONG_MLP
    from minigpt.course.wrong_model import WRONG_MODEL
    from minigpt.course.wrong_optim import WRONG_OPTIM
    from minigpt.course.wrong_rare import WRONG_RARE
    from minigpt.course.wrong_training import WRONG_TRAINING

    return [
        *WRONG_LAYERS,
        *WRONG_ADD,
        *WRONG_ARTICLES,
        *WRONG_MLP,
        *WRONG_EMBEDDING,
        *WRONG_ATTENTION,
        *WRONG_MODEL,
        *WRONG_OPTIM,
        *WRONG_TRAINING,
        *WRONG_GENERATE,
        *WRONG_RARE,
        *WRONG_KERNELS,
    ]


def kill(variant: Variant, seed: int = 0) -> checks.Report:
    """The report of the check that must notice the bug."""
    (check,) = [check for check in checks.LAYER_CHECKS + checks.LIBRARY_CHECKS if check.name == variant.killed_by]
    return (checks.perform_single if variant.is_kernel else checks.perform)(check, subject(variant), seed)
