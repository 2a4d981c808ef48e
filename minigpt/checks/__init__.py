"""The one body of checks: run by pytest, by `minigpt check`, by notebooks, by a learner and by a grader.

A subject is anything with the functions in question as attributes: minigpt.layers, minigpt.by_hand, a learner's module laid over
the reference, or, for the checks of the model and of training, library(ops).
"""

import importlib
from collections.abc import Iterable
from types import ModuleType, SimpleNamespace

from minigpt import layers
from minigpt.checks.bad_input import bad_input_checks
from minigpt.checks.core import Check, Line, Report, perform
from minigpt.checks.generic import generic_checks
from minigpt.checks.golden_numbers import golden_checks, golden_model_checks
from minigpt.checks.model_checks import model_checks
from minigpt.checks.properties import property_checks
from minigpt.checks.training_checks import training_checks

__all__ = ["LAYER_CHECKS", "LIBRARY_CHECKS", "Check", "Line", "Report", "library", "perform", "select"]

BAD_INPUT_CHECKS = bad_input_checks()
LAYER_CHECKS = golden_checks() + generic_checks() + property_checks() + BAD_INPUT_CHECKS
LIBRARY_CHECKS = golden_model_checks() + model_checks() + training_checks()
LIBRARY = ("parameters", "model", "optim", "settings", "data", "tasks", "train", "generate")  # whose functions they call

# by_hand is float64 whatever comes in, and leaves the checking of arguments to layers/; its loops are too slow for differences
# through a whole model.
NOT_ASKED_OF_BY_HAND = (".float32", ".bad_input", ".bad_dout", ".dropout", "dropout.properties", ".extreme", "model.gradient")


def library(ops: object = layers, replaced: dict[str, ModuleType] | None = None) -> SimpleNamespace:
    """The functions of ops and of the library in one namespace; GPT runs on ops. replaced: modules to take instead, by name."""
    names: dict[str, object] = {}
    for name in LIBRARY:
        module = (replaced or {}).get(name) or importlib.import_module(f"minigpt.{name}")
        own = {key: value for key, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__}
        names |= own
    GPT = names.pop("GPT")
    functions = {name: getattr(ops, name) for name in layers.__all__}
    return SimpleNamespace(**names, **functions, GPT=lambda *args, **options: GPT(*args, ops=ops, **options))


def select(checks: Iterable[Check], words: Iterable[str] = (), functions: Iterable[str] | None = None) -> list[Check]:
    """The checks whose name begins with one of the words, or that call one of the functions. No words: all."""
    words = tuple(words)
    chosen = [check for check in checks if not words or any(_fits(check, word) for word in words)]
    return chosen if functions is None else [check for check in chosen if set(check.functions) & set(functions)]


def _fits(check: Check, word: str) -> bool:
    """layer_norm, layer_norm.gradient and layer_norm_forward all name checks of layer norm."""
    stem = word.removesuffix("_forward").removesuffix("_backward")
    return check.name == word or check.name.partition(".")[0] == stem or word in check.functions
